"""The healthy web server: an item to fetch, uploads, and git's own http backend.

Nothing in its answers depends on the time, the port or the client."""
import hashlib
import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ITEM = "".join(f"line {number} of the item\n" for number in range(1, 701)).encode()


class Handler(BaseHTTPRequestHandler):
    timeout = None

    def setup(self):
        # Here, in the connection's own thread: a silent client must not stop the others.
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_GET(self):
        self.do_git(b"") if self.path.startswith("/git/") else self.answer(ITEM)

    def do_POST(self):
        if self.path.startswith("/git/"):
            return self.do_git(self.rfile.read(self.length()))
        digest, left = hashlib.sha256(), self.length()
        while left and (piece := self.rfile.read(min(left, 1 << 20))):
            digest.update(piece)
            left -= len(piece)
        self.answer(f"received {digest.hexdigest()}\n".encode())

    do_PUT = do_POST

    def do_git(self, body):
        """Run the backend as a CGI program and pass on what it says."""
        path, _, query = self.path.removeprefix("/git").partition("?")
        backend = subprocess.run(
            ["git", "http-backend"], input=body, stdout=subprocess.PIPE, check=True,
            env={**self.server.environment, "GIT_PROJECT_ROOT": self.server.repositories,
                 "GIT_HTTP_EXPORT_ALL": "1", "REQUEST_METHOD": self.command,
                 "PATH_INFO": path, "QUERY_STRING": query,
                 "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                 "CONTENT_LENGTH": str(self.length()),
                 "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")})
        head, _, answer = backend.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.answer(answer, fields["Content-Type"])

    def answer(self, body, kind="text/plain"):
        self.send_response_only(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def length(self):
        return int(self.headers.get("Content-Length", 0))


class WebServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, environment, repositories, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.environment, self.repositories, self.tls = environment, repositories, tls
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self):
        connection, address = super().get_request()
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True,
                                              do_handshake_on_connect=False)
        return connection, address

    def shutdown_request(self, request):
        # A TLS client takes an end without this for an attack.
        try:
            if isinstance(request, ssl.SSLSocket):
                request.unwrap()
        except OSError:
            pass
        super().shutdown_request(request)

    def handle_error(self, request, client_address):
        """The clients of the bad peers go away in the middle: that is no news."""

    def stop(self):
        self.shutdown()
        self.server_close()


def tls_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
