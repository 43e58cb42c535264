"""Send FILE and print the answer through socket.makefile: python_makefile.py PORT FILE"""
import shutil
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    with connection.makefile("rwb") as stream, open(sys.argv[2], "rb") as request:
        shutil.copyfileobj(request, stream)
        stream.flush()
        for line in stream:
            sys.stdout.write(line.decode())
