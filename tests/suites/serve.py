"""serve.py healthy|silent FILE: an HTTP server on loopback, whose port it writes to FILE.

The silent one lets the kernel take connections and never says a word."""
import http.server
import os
import signal
import socket
import socketserver
import sys

ITEM = b"".join(b"line %d of the item\n" % number for number in range(1, 20001))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(ITEM)))
        self.end_headers()
        self.wfile.write(ITEM)


class Server(http.server.ThreadingHTTPServer):
    # The standard one looks up its own name.  torsocks, which has no Tor to ask, then leaves
    # gethostbyaddr_r's result undefined, and Python reads it.
    server_bind = socketserver.TCPServer.server_bind


def write_port(file, port):
    with open(file + ".new", "w", encoding="ascii") as new:
        new.write(str(port))
    os.rename(file + ".new", file)


def healthy(file):
    with Server(("127.0.0.1", 0), Handler) as server:
        write_port(file, server.server_address[1])
        server.serve_forever()


def silent(file):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        write_port(file, listener.getsockname()[1])
        signal.pause()


if __name__ == "__main__":
    {"healthy": healthy, "silent": silent}[sys.argv[1]](sys.argv[2])
