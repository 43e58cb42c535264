"""Name lookup: programs whose resolver never answers, and the answers of one that does.

Each program runs twice at the same time, with the library and without.  It sees resolvers
of the tests' own, and those need root."""
import os
import sys
from dataclasses import dataclass
from itertools import zip_longest

import process
import programs
import resolvers
from cases import LIMIT, WORKS_WITHIN, crashed, described, tells
from verdict import Late, Verdict

ENDS_WITHIN = LIMIT + 1  # seconds from its start
HOST = "host.example.test"  # has the address 127.0.0.1
HTTP = f"http://{HOST}:$port"
SSH = programs.SSH.replace("127.0.0.1", HOST)
PSQL = programs.PSQL.replace("127.0.0.1", HOST)
GETADDRINFO = f"import socket; print(socket.getaddrinfo('{HOST}', 80))"


@dataclass(frozen=True)
class Program:
    name: str
    command: str
    marker: str = "line 700 of the item"  # in the output of a run that worked
    service: str = "http"                 # what is at $port
    status: int = 0                       # of a run that worked


PROGRAMS = (
    Program("getent-hosts", f"getent hosts {HOST}", "127.0.0.1"),
    Program("getent-ahosts", f"getent ahosts {HOST}", "127.0.0.1"),
    Program("curl", f"curl -q -sS {HTTP}/item"),
    Program("wget", f"{programs.WGET} {HTTP}/item"),
    Program("git", f"git ls-remote {HTTP}/git/project.git", "refs/tags/v99"),
    Program("psql", f"{PSQL} -c 'select 123 * 457'", "56211", "postgres"),
    Program("ssh", f"{SSH} seq 1 4000", "4000", "ssh"),
    Program("whois", f"whois -h {HOST} -p $port item", service="whois"),
    Program("tnftp", f"tnftp -V -o - ftp://{HOST}:$port/item", service="ftp"),
    Program("node-http", f"node $clients/node_http.js {HTTP}/item"),
    Program("node-fetch", f"node $clients/node_fetch.js {HTTP}/item"),
    Program("python", f'python3 -c "{GETADDRINFO}"', "127.0.0.1"),
    Program("python-urllib", f"python3 $clients/python_urllib.py {HTTP}/item"),
    Program("ruby-socket", f"ruby -rsocket -e 'p TCPSocket.new(\"{HOST}\", $port).peeraddr.last'",
            "127.0.0.1"),
    Program("ruby-http", f"ruby $clients/ruby_http.rb {HTTP}/item"),
    Program("perl", "perl -MSocket -e 'print inet_ntoa(scalar gethostbyname(shift))'"
            f" {HOST}", "127.0.0.1"),
    Program("perl-socket", "perl -MIO::Socket::IP"
            f" -e 'print IO::Socket::IP->new(shift)->peerhost' {HOST}:$port", "127.0.0.1"),
    Program("php-http", f"php $clients/php_http.php {HTTP}/item"),
)

# What they are asked for is in resolvers.py.  Some of it is not to be found.
ANSWERS = (
    Program("python-names", "python3 $clients/python_names.py < $names", "fd01::199"),
    Program("getent-hosts", "xargs getent hosts < $names", "fd00::197", status=123),
    Program("getent-ahosts", "xargs getent ahosts < $names", "192.168.7.199", status=123),
)


@dataclass(frozen=True)
class Case:
    program: Program
    resolver: str   # silent or healthy
    action: str = "lookup"

    heavy = False

    @property
    def name(self):
        return f"{self.program.name}/{self.action}/{self.resolver}"

    @property
    def services(self):
        return (f"{self.resolver}-resolver", self.program.service)

    @property
    def works(self):
        return self.resolver == "healthy"

    def trial(self, *setting):
        return Trial(self, *setting)


def all_cases():
    if os.getuid():
        print("name lookup is left out: its resolvers need root", file=sys.stderr)
        return []
    return [*(Case(program, resolver) for resolver in ("silent", "healthy") for program in PROGRAMS),
            *(Case(program, "healthy", "answers") for program in ANSWERS)]


class Trial:
    """One case under way: the same command with and without the library."""

    def __init__(self, case, values, environment, library, pool):
        self.case, self.values, self.plain, self.pool = case, values, environment, pool
        self.limited = {**environment, "LD_PRELOAD": library, "TIMEOUTSOCK_DEFAULT": str(LIMIT)}

    def judge(self, services):
        directory, port = map(services.port, self.case.services)
        values = {**self.values, "port": port, "names": directory / "names"}
        command, stdin = programs.split(self.case.program.command, values)
        command = resolvers.inside(directory, command)
        within = WORKS_WITHIN if self.case.works else ENDS_WITHIN + 1
        plain = self.pool.submit(process.run, command, self.plain, within, stdin)
        limited = process.run(command, self.limited, within, stdin)
        plain = plain.result()
        judge = self.complaints_if_it_works if self.case.works else complaints_if_it_hangs
        return Verdict(list(judge(limited, plain)), limited.seconds, "",
                       (self.case.program.command, *described("with the library", limited),
                        *described("without", plain)))

    def complaints_if_it_works(self, limited, plain):
        program = self.case.program
        if plain.status != program.status or program.marker.encode() not in plain.stdout:
            yield "it does not work without the library either"
        if limited.status != plain.status:
            yield f"its status is {limited.status} instead of {plain.status}"
        for ours, theirs in first_difference(limited.said, plain.said):
            yield f"with the library it says {ours} where it says {theirs} without"


def first_difference(*texts):
    pairs = zip_longest(*(text.splitlines() for text in texts))
    return [pair for pair in pairs if pair[0] != pair[1]][:1]


def complaints_if_it_hangs(limited, plain):
    if not plain.late:
        yield f"it ends without the library too, after {plain.seconds:.2f} s"
    if limited.late:
        yield f"it did not end within {ENDS_WITHIN + 1} s of its start"
    elif limited.seconds < LIMIT:
        yield "it ended before the limit"
    elif limited.seconds > ENDS_WITHIN:
        yield Late(f"it did not end within {ENDS_WITHIN} s of its start")
    elif not tells(limited):
        yield "it ended as if all were well: status 0 and no message"
    elif crashed(limited.status):
        yield "it crashed"
