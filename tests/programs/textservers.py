"""The healthy whois and FTP servers, whose clients read by stdio.

Nothing in their answers depends on the time, the port or the client."""
import socket
import socketserver
import threading

from webserver import ITEM

# What FTP answers to a command; any other it does not know.
SAYS = {"USER": "331 your password", "PASS": "230 come in", "TYPE": "200 done", "CWD": "250 done",
        "SIZE": f"213 {len(ITEM)}", "MDTM": "213 20010909014640", "QUIT": "221 goodbye"}


class Whois(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(ITEM)


class Ftp(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 this server has one item")
        for line in self.rfile:
            verb = line.decode().split()[0].upper()
            if verb == "EPSV":
                self.send_item()
            else:
                self.say(SAYS.get(verb, "502 not here"))

    def send_item(self):
        """By another connection, to which the client comes before it says what it wants."""
        with socket.create_server((self.server.server_address[0], 0)) as listener:
            self.say(f"229 passive (|||{listener.getsockname()[1]}|)")
            connection, _ = listener.accept()
        with connection:
            self.rfile.readline()
            self.say("150 here it comes")
            connection.sendall(ITEM)
        self.say("226 that was it")

    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())


class TextServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """The clients of the bad peers go away in the middle: that is no news."""

    def stop(self):
        self.shutdown()
        self.server_close()
