"""Run a command and print its output: python_subprocess.py read|poll COMMAND...

By read its standard output alone is read, by poll its standard error beside."""
import subprocess
import sys

ERRORS = subprocess.PIPE if sys.argv[1] == "poll" else None

print(subprocess.run(sys.argv[2:], check=True, stdout=subprocess.PIPE, stderr=ERRORS).stdout.decode())
