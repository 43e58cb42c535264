"""The bad and the slow peers: what a program meets at the other end.

All of them listen on 127.0.0.1 at a port of the kernel's choice, serve any number of
connections, and keep every connection open until they are closed themselves."""
import contextlib
import errno
import socket
import struct
import threading
import time
from dataclasses import dataclass

HERE = "127.0.0.1"
TCP_SYN_SENT = 2  # the state in the first byte of struct tcp_info


def quietly_close(sock):
    # shutdown wakes the threads that wait on the socket, close alone would not.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class Healthy:
    """The real server itself."""

    def __init__(self, port):
        self.port, self.stopped = port, 0

    def reset(self):
        """There is nothing to say about its connections."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Silent:
    """Accepts every connection, and then neither reads nor says anything."""

    def __init__(self):
        self.stopped = 0  # when a peer that began well stopped, on the monotonic clock
        self.held = []
        self.closed = threading.Event()
        self.listener = socket.create_server((HERE, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.spawn(self.accept_all)

    def spawn(self, function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def accept_all(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.hold(connection)
            self.serve(connection)

    def hold(self, sock):
        self.held.append(sock)
        if self.closed.is_set():
            quietly_close(sock)
        return sock

    def serve(self, connection):
        pass

    def reset(self):
        """End every connection as the kernel of a peer that was restarted does."""
        self.closed.set()
        for sock in list(self.held):
            # To close a socket that must not linger sends RST instead of FIN.  Those of
            # connections that have ended are closed already.
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.let_go(sock)

    def let_go(self, sock):
        sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed.set()
        quietly_close(self.listener)
        for sock in list(self.held):
            quietly_close(sock)


class Unreachable:
    """A listener whose queue is full: the kernel drops every further SYN."""

    def __init__(self):
        self.listener = socket.create_server((HERE, 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.fillers, self.stopped = [], 0
        # A backlog of 0 takes one connection; how many more is the kernel's affair.
        while not self.is_full():
            if len(self.fillers) == 16:
                raise RuntimeError("the listener's queue does not fill up")
            self.fill()

    def fill(self):
        filler = socket.socket()
        filler.setblocking(False)
        if filler.connect_ex((HERE, self.port)) not in (0, errno.EINPROGRESS):
            raise RuntimeError("cannot fill the listener's queue")
        self.fillers.append(filler)

    def is_full(self):
        # Loopback completes a handshake within connect(), so what is in SYN_SENT
        # after it was dropped.
        return any(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_SYN_SENT
                   for sock in self.fillers)

    def __enter__(self):
        return self

    def reset(self):
        """There is no connection yet that could be reset."""

    def __exit__(self, *_):
        for sock in (*self.fillers, self.listener):
            sock.close()


@dataclass(frozen=True)
class Flow:
    """How a proxy passes on one direction of a connection."""
    limit: int = None    # after so many bytes nothing more is read
    pause: float = 0     # wait so long ...
    every: int = 1       # ... whenever this many more bytes have come ...
    times: int = 12      # ... at most so often: some protocols are chatty
    piece: int = 65536   # and read at most this at a time

    def room(self, passed):
        return self.piece if self.limit is None else min(self.piece, self.limit - passed)

    def pauses(self, passed, more):
        return self.pause and (passed + more) // self.every > passed // self.every


class Proxy(Silent):
    """Stands before a real server and passes on as much, and as slowly, as it is told.

    At a limit it just stops: both connections stay open."""

    def __init__(self, server_port, request=Flow(), answer=Flow()):
        self.server_port, self.request, self.answer = server_port, request, answer
        super().__init__()

    def serve(self, connection):
        server = self.hold(socket.create_connection((HERE, self.server_port)))
        self.spawn(self.carry, connection, server)

    def carry(self, client, server):
        answers = threading.Thread(target=self.relay, args=(server, client, self.answer),
                                   daemon=True)
        answers.start()
        self.relay(client, server, self.request)
        answers.join()
        # Only now, when no thread uses their numbers any more.
        client.close()
        server.close()

    def let_go(self, sock):
        # This tells the other end nothing, but wakes the threads; carry() does the rest.
        sock.shutdown(socket.SHUT_RD)

    def relay(self, source, sink, flow):
        try:
            if self.pass_on(source, sink, flow):
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One end has gone, and takes the other with it.
            for sock in (source, sink):
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def pass_on(self, source, sink, flow):
        """Whether the source came to its end; at the limit, wait for the end of the case."""
        passed = paused = 0
        while room := flow.room(passed):
            data = source.recv(room)
            if not data:
                return not self.closed.is_set()
            if paused < flow.times and flow.pauses(passed, len(data)):
                paused += 1
                self.closed.wait(flow.pause)
            sink.sendall(data)
            passed += len(data)
        self.stopped = time.monotonic()
        self.closed.wait()
        return False


def stalling(server_port, after):
    return Proxy(server_port, answer=Flow(limit=after))


def not_reading(server_port, after):
    return Proxy(server_port, request=Flow(limit=after))


def slow(server_port, pause):
    """Each piece of an answer is late, and in the middle of an upload it reads nothing for as
    long.  Once: the limit bounds a whole sending call, and some send it all by one."""
    return Proxy(server_port, request=Flow(pause=pause, every=20 << 20),
                 answer=Flow(pause=pause, piece=4096))
