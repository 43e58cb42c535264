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
TCP_SYN_SENT = 2     # the state in the first byte of struct tcp_info
LAST_DATA_SENT = 44  # where in it tcpi_last_data_sent is, and two further tcpi_last_data_recv
TCP_INFO_SIZE = 104


def quietly_close(sock):
    # shutdown wakes the threads that wait on the socket, close alone would not.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


def last_moved(sock):
    """When the last byte moved on a connection; 0 if it is closed."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    except OSError:
        return 0
    sent, _, received = struct.unpack_from("=III", info, LAST_DATA_SENT)
    return time.monotonic() - min(sent, received) / 1000


class Healthy:
    """The real server itself."""

    def __init__(self, port):
        self.port, self.stopped = port, 0

    def reset(self):
        """There is nothing to say about its connections."""

    def moved(self):
        return 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Silent:
    """Accepts every connection, and then neither reads nor says anything."""

    def __init__(self):
        self.stopped = 0  # when it first let a client hang, on the monotonic clock
        self.clients, self.held, self.called = [], [], threading.Event()
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
            self.clients.append(self.hold(connection))
            self.called.set()
            self.serve(connection)

    def hold(self, sock):
        self.held.append(sock)
        if self.closed.is_set():
            quietly_close(sock)
        return sock

    def serve(self, _):
        self.stop_serving()

    def stop_serving(self):
        self.stopped = self.stopped or time.monotonic()

    def moved(self):
        """When the last byte of its clients or for them moved."""
        return max(map(last_moved, self.clients), default=0)

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
        self.fillers, self.stopped, self.closed = [], 0, threading.Event()
        # A backlog of 0 takes one connection; how many more is the kernel's affair.
        while not self.is_full():
            if len(self.fillers) == 16:
                raise RuntimeError("the listener's queue does not fill up")
            self.fill()
        threading.Thread(target=self.await_client, daemon=True).start()

    def await_client(self):
        ours = {filler.getsockname()[1] for filler in self.fillers}
        while not self.closed.wait(0.02):
            if connecting_to(self.port) - ours:
                self.stopped = time.monotonic()
                return

    def moved(self):
        return 0

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
        self.closed.set()
        for sock in (*self.fillers, self.listener):
            sock.close()


def connecting_to(port):
    """The ports from which somebody on this machine tries to connect to this one."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):  # Java has IPv6 sockets only
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as lines:
            for line in list(lines)[1:]:
                _, here, there, state = line.split()[:4]
                if int(state, 16) == TCP_SYN_SENT and there.endswith(f":{port:04X}"):
                    found.add(int(here.rpartition(":")[2], 16))
    return found


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

    At a limit it just stops: both connections stay open.  With once, only the first
    connection meets the limits."""

    def __init__(self, server_port, request=Flow(), answer=Flow(), once=False):
        self.server_port, self.flows, self.once = server_port, (request, answer), once
        super().__init__()
        # Otherwise the kernel takes a whole upload, and during the pauses that are still to
        # come the client waits for its answer.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)

    def serve(self, connection):
        server = self.hold(socket.create_connection((HERE, self.server_port)))
        well = self.once and len(self.clients) > 1
        self.spawn(self.carry, connection, server, *((Flow(), Flow()) if well else self.flows))

    def carry(self, client, server, request, answer):
        answers = threading.Thread(target=self.relay, args=(server, client, answer), daemon=True)
        answers.start()
        self.relay(client, server, request)
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
        self.stop_serving()
        self.closed.wait()
        return False


def silent_at_first(server_port):
    return Proxy(server_port, request=Flow(limit=0), answer=Flow(limit=0), once=True)


def stalling(server_port, after, once=False):
    return Proxy(server_port, answer=Flow(limit=after), once=once)


def not_reading(server_port, after):
    return Proxy(server_port, request=Flow(limit=after))


def pausing(server_port, pause):
    """Takes an upload in small parts, none of which is late."""
    return Proxy(server_port, request=Flow(pause=pause, every=4 << 20))


def slow(server_port, pause):
    """Each piece of an answer is late, and in the middle of an upload it reads nothing for as
    long.  Once: the limit bounds a whole sending call, and some send it all by one."""
    return Proxy(server_port, request=Flow(pause=pause, every=20 << 20),
                 answer=Flow(pause=pause, piece=4096))
