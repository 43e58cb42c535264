"""Running one program: how long it took, how it ended, what it said."""
import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

# Debian's own programs, not what somebody may have put before them.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = Path(__file__).with_name("packages.txt")


class Missing(Exception):
    """A program that the tests need is not installed."""


def packages():
    """program -> Debian package; in the list each package follows its programs."""
    found, programs = {}, []
    for line in PACKAGES.read_text().splitlines():
        if line.startswith("#"):
            programs = line.lstrip("# ").split()
        elif line:
            found |= dict.fromkeys(programs, line)
    return found


def find(program):
    path = shutil.which(program, path=PATH) or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)), None)
    if path is None:
        raise Missing(how_to_get(program))
    return path


def how_to_get(program):
    package = packages().get(program, "unknown")
    return f"{program} is not installed: apt-get install {package}"


@dataclass
class Ended:
    start: float   # on the monotonic clock
    seconds: float
    status: int    # None: it had to be killed; negative: the signal that ended it
    late: bool     # it had not ended in time
    stdout: bytes
    stderr: bytes
    leaves: float = 0  # the seconds that it took to end when it was rescued

    @property
    def end(self):
        return self.start + self.seconds

    @property
    def said(self):
        return self.stdout + self.stderr


def run(command, environment, within, stdin=None, typed=False, rescue=None):
    """Run a program, for a while.  What it leaves behind is killed with it.

    stdin is a file; typed means that its content comes from somebody who then keeps
    the program's standard input open, as at a terminal.  rescue() is called when the
    program is late, and gives it a last second to end."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, \
            contextlib.ExitStack() as stack:
        start = time.monotonic()
        process = subprocess.Popen(
            [find(command[0]), *command[1:]], env=environment, cwd=environment["HOME"],
            stdin=open_input(stack, stdin, typed), stdout=out, stderr=err, start_new_session=True)
        late = not wait(process, within)
        seconds = time.monotonic() - start
        if late and rescue:
            rescue()
        by_itself = wait(process, 1 if rescue else 0)
        leaves = time.monotonic() - start - seconds
        status = end_group(process)
        return Ended(start, seconds, status if by_itself else None, late,
                     content(out), content(err), leaves)


def open_input(stack, file, typed):
    source = stack.enter_context(open(file or os.devnull, "rb"))
    if not typed:
        return source
    reading, writing = os.pipe()
    stack.callback(os.close, writing)
    stack.callback(os.close, reading)
    os.write(writing, source.read())
    return reading


def wait(process, seconds):
    """Whether it ended in time.  It is not reaped yet: its number stays its own."""
    pidfd = os.pidfd_open(process.pid)
    end = select.poll()
    end.register(pidfd, select.POLLIN)
    try:
        return bool(end.poll(seconds * 1000))
    finally:
        os.close(pidfd)


def end_group(process):
    os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def content(file):
    file.seek(0)
    return file.read()
