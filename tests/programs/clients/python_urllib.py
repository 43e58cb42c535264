"""GET the item, or POST FILE, with urllib: python_urllib.py URL [FILE]"""
import os
import sys
import urllib.request


def main(url, file=None):
    data, headers = None, {}
    if file:
        # Without a length urllib would send the file in chunks.
        data, headers = open(file, "rb"), {"Content-Length": os.path.getsize(file)}
    request = urllib.request.Request(url, data, headers)
    with urllib.request.urlopen(request) as answer:
        sys.stdout.write(answer.read().decode())


main(*sys.argv[1:])
