"""Send FILE with socket.sendfile and print the answer: python_sendfile.py PORT FILE"""
import socket
import sys

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    with open(sys.argv[2], "rb") as request:
        connection.sendfile(request)
    while answer := connection.recv(65536):
        sys.stdout.write(answer.decode())
