"""Services of inetd: a connection is their standard input, output and error.

Each runs twice at the same time, with the library and without."""
import contextlib
import socket
import subprocess
import threading
import time
from dataclasses import dataclass

import peers
import process
import programs
from cases import LIMIT, SLOW, WORKS_WITHIN, crashed, described, tells
from verdict import Late, Verdict

ENDS_WITHIN = LIMIT + 1  # seconds after the last byte moved
GONE_WITHIN = 10         # seconds, with what it does before it hangs
CLOCK = 0.05             # how exactly both ends agree on when that was
PERSIST = 0.5            # how long after a sender began to wait its kernel still fills what is
                         # left of the window, less than a segment
LINES = ("alpha 1\n", "beta 2\n", "gamma 3\n")
FLOOD = b"alpha 1\n" * (4 << 20)


@dataclass(frozen=True)
class Program:
    name: str
    command: str
    marker: str
    service: str = ""


def compiled(way, marker):
    return Program(way, f"$tmp/inetd {way}", marker, "inetd")


PROGRAMS = (
    compiled("fgets", "fgets: beta 2"),
    compiled("getline", "getline: beta 2"),
    compiled("scanf", "scanf: beta 2"),
    compiled("read", "beta 2"),
    Program("iostream", "$tmp/iostream", "iostream: beta 2", "inetd"),
    Program("iostream-apart", "$tmp/iostream apart", "iostream: beta 2", "inetd"),
    Program("cat", "cat", "beta 2"),
    Program("sed", "sed -u 's/^/sed: /'", "sed: beta 2"),
    Program("bash", "bash -c 'while read -r line; do echo bash: $$line || exit; done'",
            "bash: beta 2"),
    Program("perl", "perl -pe 's/^/perl: /; END { die $$! if STDIN->error }'", "perl: beta 2"),
    Program("python", "python3 -c \"import sys; [print('python:', it) for it in sys.stdin]\"",
            "python: beta 2"),
)


def say_nothing(_):
    pass


def say_half_a_line(client):
    client.sendall(LINES[0].encode()[:5])


def say_all_and_read_nothing(client):
    # Only the service's end wakes this.
    with contextlib.suppress(OSError):
        client.sendall(FLOOD)


def say_lines(client, pause=0):
    with contextlib.suppress(OSError):
        for line in LINES:
            time.sleep(pause)
            client.sendall(line.encode())
        client.shutdown(socket.SHUT_WR)


def say_lines_slowly(client):
    say_lines(client, SLOW * LIMIT)


CLIENTS = {"silent": say_nothing, "half-a-line": say_half_a_line,
           "not-reading": say_all_and_read_nothing, "healthy": say_lines, "slow": say_lines_slowly}


@dataclass(frozen=True)
class Case:
    program: Program
    client: str

    heavy = False

    @property
    def name(self):
        return f"{self.program.name}/inetd/{self.client}"

    @property
    def services(self):
        return tuple(filter(None, (self.program.service,)))

    @property
    def works(self):
        return self.client in ("healthy", "slow")

    @property
    def earliest(self):
        return LIMIT - (PERSIST if self.client == "not-reading" else CLOCK)

    def trial(self, *setting):
        return Trial(self, *setting)


def all_cases():
    return [Case(program, client) for program in PROGRAMS for client in CLIENTS]


class Connection:
    """Both of its ends, until the service has its own."""

    def __init__(self):
        with socket.create_server((peers.HERE, 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.served, _ = listener.accept()

    def hand_over(self, command, environment):
        with self.served as end:
            return subprocess.Popen(
                [process.find(command[0]), *command[1:]], env=environment,
                cwd=environment["HOME"], stdin=end, stdout=end, stderr=end, start_new_session=True)

    def read_all(self):
        """What the service has said by its end."""
        with contextlib.suppress(ConnectionError):
            while piece := self.client.recv(65536):
                yield piece

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in (self.client, self.served):
            peers.quietly_close(sock)


class Trial:
    """One case under way: the same service with and without the library."""

    def __init__(self, case, values, environment, library, pool):
        self.case, self.plain, self.pool = case, environment, pool
        self.command, _ = programs.split(case.program.command, values)
        self.limited = {**environment, "LD_PRELOAD": library, "TIMEOUTSOCK_DEFAULT": str(LIMIT)}

    def judge(self, services):
        for service in self.case.services:
            services.port(service)
        control = self.pool.submit(self.run, self.plain)
        limited, plain = self.run(self.limited), control.result()
        complaints = (self.complaints_if_it_works(limited, plain) if self.case.works else
                      complaints_if_it_hangs(limited, plain, self.case.earliest))
        return Verdict(list(complaints), limited.seconds, "",
                       (" ".join(self.command), *described("with the library", limited),
                        *described("without", plain)))

    def run(self, environment):
        """Its time begins when the last byte moved."""
        with Connection() as connection:
            service = connection.hand_over(self.command, environment)
            start = time.monotonic()
            client = threading.Thread(target=CLIENTS[self.case.client], args=(connection.client,))
            client.start()
            late = not process.wait(service, WORKS_WITHIN if self.case.works else GONE_WITHIN)
            end = time.monotonic()
            since = max(start, peers.last_moved(connection.client))
            status = process.end_group(service)
            client.join()
            return process.Ended(since, end - since, None if late else status, late,
                                 b"".join(connection.read_all()), b"")

    def complaints_if_it_works(self, limited, plain):
        if plain.status != 0 or self.case.program.marker.encode() not in plain.stdout:
            yield "it does not work without the library either"
        for what in ("status", "stdout"):
            if getattr(limited, what) != getattr(plain, what):
                yield f"its {what} differs from that without the library"


def complaints_if_it_hangs(limited, plain, earliest):
    if not plain.late:
        yield f"it ends without the library too, after {plain.seconds:.2f} s"
    if limited.late:
        yield f"it did not end within {GONE_WITHIN} s"
    elif limited.seconds < earliest:
        yield "it ended before the limit"
    elif limited.seconds > ENDS_WITHIN:
        yield Late(f"it did not end within {ENDS_WITHIN} s of the last byte")
    elif not tells(limited):
        yield "it ended as if all were well"
    elif crashed(limited.status):
        yield "it crashed"
