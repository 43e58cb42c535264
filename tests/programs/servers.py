"""Servers under the library: their clients' connections end when that was asked for only.

By default only the connections that a process opened itself end, so each server is also
told to make one, to a peer that is silent: that one has to end, and its clients' must not,
whether they are idle or wait for an answer that takes long to work out.  With EVENTS=all
those end too.  Both ways other clients are served meanwhile."""
import contextlib
import itertools
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from string import Template

import peers
import programs
from cases import LATEST, LIMIT
from services import READY_WITHIN, free_port, listens, start_daemon
from verdict import Late, Verdict

IDLE = 10          # seconds that a client stays idle, and is to be kept
WORK = 3           # seconds that a server takes for an answer, longer than the limit
PROMPT = 1         # seconds that any other answer may take
CLOCK = 0.05       # how exactly both ends agree on when the last byte moved
EVERY = 0.5        # the other clients come so often
NGINX = """daemon off; master_process on; worker_processes 2;
pid $dir/pid; error_log stderr;
events { worker_connections 64; }
http {
    access_log off; keepalive_timeout 60;
    client_body_temp_path $dir/body; proxy_temp_path $dir/proxy; fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi; scgi_temp_path $dir/scgi;
    server {
        listen 127.0.0.1:$port;
        location / { return 200 "here\\n"; }
        location /call { proxy_pass http://127.0.0.1:$peer; }
    }
}
"""
NODE = """const http = require("http");
const server = http.createServer((request, answer) => {
  if (request.url === "/call") {
    http.get("http://127.0.0.1:$peer").on("error", (error) => answer.end(error.code));
  } else {
    setTimeout(() => answer.end("here"), request.url === "/work" ? $work * 1000 : 0);
  }
});
server.keepAliveTimeout = 60000;
server.listen($port, "127.0.0.1");
"""


def get(path):
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@dataclass(frozen=True)
class Server:
    name: str
    command: str
    file: str = ""        # what $file contains
    call: bytes = get("/call")  # makes it connect to $peer, the silent one
    ask: bytes = get("/")
    answer: bytes = b"here"
    work: bytes = None    # what it takes WORK seconds to answer ...
    worked: bytes = b"here"  # ... and how


SERVERS = (
    Server("nginx", "nginx -e stderr -p $dir -c $file", NGINX),
    Server("node", "node $file", NODE, work=get("/work")),
    Server("redis", "redis-server --port $port --bind 127.0.0.1 --save '' --dir $dir",
           call=b"REPLICAOF 127.0.0.1 $peer\r\n", ask=b"PING\r\n", answer=b"+PONG\r\n",
           work=b"XREAD BLOCK %d STREAMS nothing $\r\n" % (WORK * 1000), worked=b"*-1\r\n"),
)


@dataclass(frozen=True)
class Case:
    server: Server
    events: str      # what TIMEOUTSOCK_EVENTS says

    services = ()
    heavy = False

    @property
    def name(self):
        return f"{self.server.name}/serve/{self.events}"

    def trial(self, *setting):
        return Trial(self, *setting)


def all_cases():
    """They come first, as the longest of all that wait."""
    return [Case(server, events) for server in SERVERS for events in ("connected", "all")]


class Trial:
    """One case under way: the same server with and without the library."""

    def __init__(self, case, _, environment, library, pool):
        self.case, self.plain, self.pool = case, environment, pool
        # The default is not set, since it is the default.
        events = {} if case.events == "connected" else {"TIMEOUTSOCK_EVENTS": case.events}
        self.limited = {**environment, **events, "LD_PRELOAD": library,
                        "TIMEOUTSOCK_DEFAULT": str(LIMIT)}

    def judge(self, services):
        start = time.monotonic()
        control = self.pool.submit(self.run, services, self.plain, "")
        complaints = self.run(services, self.limited, self.case.events)
        complaints += [f"without the library: {complaint}" for complaint in control.result()]
        return Verdict(complaints, time.monotonic() - start)

    def run(self, services, environment, events):
        with contextlib.ExitStack() as stack:
            peer = stack.enter_context(peers.Silent())
            port = start(self.case.server, peer.port, services, environment, stack)
            return list(Visit(self.case.server, peer, port, events).complaints())


def start(server, peer, services, environment, stack):
    port, directory = free_port(), services.new_directory(server.name)
    values = {"port": port, "peer": peer, "dir": directory, "work": WORK,
              "file": directory / "file"}
    values["file"].write_text(Template(server.file).substitute(values))
    command, _ = programs.split(server.command, values)
    start_daemon(command, listens(port), stack, directory / "log", env=environment)
    return port


class Visit:
    """What the clients of a server see, all at the same time."""

    def __init__(self, server, peer, port, events):
        self.server, self.peer, self.port, self.events = server, peer, port, events
        self.seconds = IDLE if events == "connected" else 2 * LIMIT

    def complaints(self):
        with self.connect() as caller:
            call = Template(self.server.call.decode()).substitute(peer=self.peer.port)
            caller.sendall(call.encode())
            # redis lets nobody wait while it is told such a thing.
            if not self.peer.called.wait(READY_WITHIN):
                yield "it does not connect to where it is told to"
                return
            with ThreadPoolExecutor() as pool:
                checks = (self.call(), self.idle(), self.works(), self.others())
                yield from itertools.chain(*pool.map(list, checks))

    def call(self):
        connection = self.peer.clients[0]
        if self.events:
            yield from self.is_ended("its own connection", connection)
        elif ended_after(connection, self.seconds):
            yield "its own connection was ended"

    def idle(self):
        with self.connect() as client:
            if not self.is_served(client):
                yield "a client is not served"
            elif self.events == "all":
                yield from self.is_ended("an idle client's connection", client)
            elif ended_after(client, self.seconds) or not self.is_served(client):
                yield f"a client that was idle for {self.seconds} s is not served any more"

    def works(self):
        if not self.server.work:
            return
        with self.connect() as client:
            client.sendall(self.server.work)
            if self.events == "all":
                yield from self.is_ended("the connection of a client that waits", client)
            elif not answers(client, self.server.worked, WORK + PROMPT):
                yield f"a client that waits for {WORK} s for its answer does not get it"

    def others(self):
        """One stays and asks again and again, and a new one comes each time."""
        until = time.monotonic() + self.seconds
        with self.connect() as regular:
            while time.monotonic() < until:
                with self.connect() as another:
                    for who, client in (("a regular", regular), ("another", another)):
                        if not self.is_served(client):
                            yield f"{who} client is not served meanwhile"
                            return
                time.sleep(EVERY)

    def connect(self):
        return socket.create_connection((peers.HERE, self.port), PROMPT)

    def is_served(self, client):
        with contextlib.suppress(OSError):
            client.sendall(self.server.ask)
            return answers(client, self.server.answer, PROMPT)
        return False

    def is_ended(self, what, sock):
        after = ended_after(sock, self.seconds)
        if after is None:
            yield f"{what} is not ended"
        elif after < LIMIT - CLOCK:
            yield f"{what} is ended after {after:.2f} s"
        elif after > LATEST * LIMIT:
            yield Late(f"{what} is not ended before {after:.2f} s have passed")


def answers(client, answer, within):
    """Whether this answer comes in time."""
    client.settimeout(within)
    said = b""
    with contextlib.suppress(OSError):
        while answer not in said and (piece := client.recv(65536)):
            said += piece
    return answer in said


def ended_after(sock, within):
    """How long nothing had moved on a connection when its other end ended it; None if it
    does not do that in time."""
    end = select.poll()
    end.register(sock, select.POLLRDHUP)
    return time.monotonic() - peers.last_moved(sock) if end.poll(within * 1000) else None
