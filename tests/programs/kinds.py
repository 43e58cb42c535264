"""The kinds that are not limited by default: local sockets, UDP and pipes.

Each program is run three times at the same time: with the library and its kind in
TIMEOUTSOCK_KINDS, with the library alone, and without.  Where it hangs only the first ends."""
import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass

import peers
import process
import programs
from cases import LIMIT, WORKS_WITHIN, crashed, described, tells
from verdict import Late, Verdict

ENDS_WITHIN = LIMIT + 1  # seconds from its start
HELPER = "sh $clients/helper.sh $mode"
CLIENT = "python3 $clients/python_"
ITEM = "from generate_series(1, 700) as n"


@dataclass(frozen=True)
class Program:
    name: str
    kind: str
    command: str
    marker: str = "line 700 of the item"  # in the output of a run that worked
    service: str = ""      # what a healthy local server stands before
    socket: str = ""       # the name of its socket, in $directory
    modes: tuple = ("silent",)  # how its peer lets it hang


def by_helper(name, kind, command, marker):
    """A program that starts its peer itself, as others do with ssh."""
    return Program(name, kind, command, marker, modes=("silent", "stalling"))


PROGRAMS = (
    Program("psql", "unix", "psql -X -w -At -h $directory -p 5432 -U tester -d postgres"
            f" -c \"select 'line ' || n || ' of the item' {ITEM}\"",
            service="postgres", socket=".s.PGSQL.5432"),
    Program("mysql", "unix", "mysql --no-defaults --connect-timeout=60 --protocol=socket"
            " -S $directory/mysql -u tester -N test"
            " -e \"select concat('line ', seq, ' of the item') from seq_1_to_700\"",
            service="mysql", socket="mysql"),
    Program("curl", "unix", "curl -q -sS --unix-socket $directory/http http://localhost/item",
            service="http", socket="http"),
    *(Program(f"python-udp-{way}", "udp", f"{CLIENT}udp.py $port {way}", "this is the item")
      for way in ("unconnected", "connected", "asyncio")),
    by_helper("git-fetch", "pipe", f"env GIT_SSH_VARIANT=simple 'GIT_SSH_COMMAND={HELPER}'"
              " sh $clients/git_fetch.sh ssh://there$tmp/git/project.git", "v99"),
    # It talks to its helper by socketpair(2).
    by_helper("rsync", "unix", f"rsync -e '{HELPER}' --list-only there:$tmp/git/project.git/",
              " objects"),
    by_helper("python-subprocess", "pipe",
              f"{CLIENT}subprocess.py read {HELPER} there seq 1 4000", "4000"),
    by_helper("python-subprocess-poll", "pipe",
              f"{CLIENT}subprocess.py poll {HELPER} there seq 1 4000", "4000"),
    by_helper("bash-wc", "pipe", f"bash -c 'wc -c < <({HELPER} there seq 1 4000)'", "18893"),
)


@dataclass(frozen=True)
class Case:
    program: Program
    mode: str

    heavy = False

    @property
    def name(self):
        return f"{self.program.name}/{self.program.kind}/{self.mode}"

    @property
    def works(self):
        return self.mode == "healthy"

    @property
    def services(self):
        # With http comes the repository.
        return (self.program.service or "http",)

    def trial(self, *setting):
        return Trial(self, *setting)


def all_cases():
    return [Case(program, mode) for program in PROGRAMS for mode in (*program.modes, "healthy")]


class LocalServer:
    """A local socket, and a real server behind it or nobody."""

    def __init__(self, path, port):
        self.port, self.held = port, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(16)
        threading.Thread(target=self.accept_all, daemon=True).start()

    def accept_all(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.held.append(client)
                if self.port:
                    server = socket.create_connection((peers.HERE, self.port))
                    self.held.append(server)
                    for ends in ((client, server), (server, client)):
                        threading.Thread(target=relay, args=ends, daemon=True).start()

    def close(self):
        for sock in (self.listener, *self.held):
            peers.quietly_close(sock)


def relay(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class UdpServer:
    """Answers each datagram, or none."""

    def __init__(self, answers):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((peers.HERE, 0))
        self.port = self.socket.getsockname()[1]
        if answers:
            threading.Thread(target=self.answer_all, daemon=True).start()

    def answer_all(self):
        with contextlib.suppress(OSError):
            while client := self.socket.recvfrom(2000)[1]:  # none when it is closed
                self.socket.sendto(b"this is the item", client)

    def close(self):
        peers.quietly_close(self.socket)


class Trial:
    """One case under way: the same command three times."""

    def __init__(self, case, values, environment, library, pool):
        self.case, self.values, self.pool = case, values, pool
        limited = {**environment, "LD_PRELOAD": library, "TIMEOUTSOCK_DEFAULT": str(LIMIT)}
        self.environments = {"with its kind": {**limited, "TIMEOUTSOCK_KINDS": case.program.kind},
                             "with the library alone": limited, "without": environment}

    def judge(self, services):
        start = time.monotonic()
        with contextlib.ExitStack() as stack:
            values = {**self.values, **self.open_peer(services, stack)}
            command, _ = programs.split(self.case.program.command, values)
            ends = {how: self.pool.submit(self.run, command, how) for how in self.environments}
            ends = {how: end.result() for how, end in ends.items()}
        complaints = list(self.complaints_if_it_works(ends) if self.case.works
                          else self.complaints_if_it_hangs(ends))
        seconds = ends["with its kind"].seconds
        details = [" ".join(command), *(line for item in ends.items() for line in described(*item))]
        return Verdict(complaints, seconds or time.monotonic() - start, "", tuple(details))

    def open_peer(self, services, stack):
        program, mode = self.case.program, self.case.mode
        directory, port = services.new_directory(program.name), services.port(*self.case.services)
        values = {"mode": mode, "directory": directory}
        if program.kind == "udp":
            server = UdpServer(self.case.works)
            stack.callback(server.close)
            values["port"] = server.port
        elif program.socket:
            path = str(directory / program.socket)
            server = LocalServer(path, port if self.case.works else None)
            stack.callback(server.close)
        return values

    def run(self, command, how):
        within = WORKS_WITHIN if self.case.works else ENDS_WITHIN + 1
        return process.run(command, self.environments[how], within)

    def complaints_if_it_works(self, ends):
        plain = ends["without"]
        if plain.status != 0 or self.case.program.marker.encode() not in plain.stdout:
            yield "it does not work without the library either"
        for how, ended in ends.items():
            for what in ("status", "stdout", "stderr"):
                if getattr(ended, what) != getattr(plain, what):
                    yield f"{how} its {what} differs from that without"

    def complaints_if_it_hangs(self, ends):
        for how, ended in ends.items():
            if how == "with its kind":
                yield from self.complaints_if_limited(ended)
            elif not ended.late:
                yield f"it ends {how} too, after {ended.seconds:.2f} s"

    def complaints_if_limited(self, ended):
        if ended.late:
            yield f"it did not end within {ENDS_WITHIN + 1} s of its start"
        elif ended.seconds < LIMIT:
            yield "it ended before the limit"
        elif ended.seconds > ENDS_WITHIN:
            yield Late(f"it did not end within {ENDS_WITHIN} s of its start")
        elif not tells(ended):
            yield "it ended as if all were well: status 0 and no message"
        elif crashed(ended.status):
            yield "it crashed"
