"""The matrix itself: which program meets which peer, and what has to come of it."""
import re
import shlex
from dataclasses import dataclass

import peers
import process
import programs
from verdict import Late, Verdict

LIMIT = 2          # seconds: TIMEOUTSOCK_DEFAULT
LATEST = 1.1       # when a program learns of its timeout, in limits from when the last byte moved
SLOW = 0.8         # a slow peer's every pause
WORKS_WITHIN = 60
SHOWN = 2000       # bytes of a failed program's output

# Where a server stops in the middle of its answer, in bytes on one connection: in the
# first words of the protocol, and in what was asked for.
STALLS = {"http": (20, 700), "https": (100, 5000), "ssh": (10, 300, 8000),
          "postgres": (1, 40, 5000), "mysql": (20, 3000), "redis": (3, 700), "mqtt": (2, 700),
          "whois": (20, 700), "ftp": (10, 40)}

OWN_MESSAGE = re.compile(rb"timed?[ -]?out", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    program: programs.Program
    action: str         # fetch or upload
    peer: str
    stall: int = 0

    @property
    def name(self):
        after = f"-after-{self.stall}" if self.stall else ""
        return f"{self.program.name}/{self.action}/{self.peer}{after}"

    @property
    def services(self):
        # Its own also when the peer is another: with it come the keys of its clients.
        return tuple(filter(None, (self.program.service, self.program.needs)))

    @property
    def works(self):
        return self.peer in ("healthy", "slow", "pausing")

    @property
    def heavy(self):
        """Whether it moves data at full speed; the others mostly sleep."""
        return self.works and self.action == "upload"

    def trial(self, *setting):
        return Trial(self, *setting)


def all_cases():
    """Those that only wait first, which is where a second more or less counts."""
    return sorted((case for program in programs.PROGRAMS for case in cases_of(program)),
                  key=lambda case: case.works)


def cases_of(program):
    yield Case(program, "fetch", "silent")
    yield Case(program, "fetch", "unreachable")
    for stall in STALLS[program.service]:
        yield Case(program, "fetch", "stalling", stall)
    if program.upload:
        yield Case(program, "upload", "not-reading")
    # What waits for its user ends only when he does.
    if not program.typed:
        for action in ("fetch", "upload") if program.upload else ("fetch",):
            yield Case(program, action, "healthy")
            yield Case(program, action, "slow")
    if program.loops:
        yield Case(program, "upload", "pausing")


def open_peer(case, services):
    port, *_ = map(services.port, case.services)
    again = case.program.reconnects is not None
    if case.peer == "unreachable":
        return peers.Unreachable()
    if case.peer == "silent" or (case.peer == "not-reading" and not case.program.reads):
        return peers.silent_at_first(port) if again else peers.Silent()
    if case.peer == "not-reading":
        return peers.not_reading(port, case.program.reads)
    if case.peer == "stalling":
        return peers.stalling(port, case.stall, once=again)
    if case.peer == "pausing":
        return peers.pausing(port, SLOW)
    return peers.slow(port, SLOW) if case.peer == "slow" else peers.Healthy(port)


class Trial:
    """One case under way: the same command with and without the library."""

    def __init__(self, case, values, environment, library, pool):
        self.case, self.values, self.environment, self.pool = case, values, environment, pool
        self.limited = {**environment, "LD_PRELOAD": library, "TIMEOUTSOCK_DEFAULT": str(LIMIT)}

    def command(self, port):
        template = getattr(self.case.program, self.case.action)
        return programs.split(template, {**self.values, "port": port})

    def run_both(self, services, limited_within, plain_within):
        """Each run has a peer to itself: when one is late, its peer resets the connection."""
        with open_peer(self.case, services) as peer, open_peer(self.case, services) as control:
            plain = self.pool.submit(self.run, control, self.environment, plain_within)
            limited = self.run(peer, self.limited, limited_within)
            # What the program did while all was well does not count as waiting.
            self.stopped = max(peer.stopped, limited.start)
            self.since = self.stopped if self.recovers else max(peer.moved(), self.stopped)
            return limited, plain.result()

    def run(self, peer, environment, within):
        command, stdin = self.command(peer.port)
        return process.run(command, environment, within, stdin, self.case.program.typed, peer.reset)

    def judge(self, services):
        if self.case.works:
            limited, plain = self.run_both(services, WORKS_WITHIN, WORKS_WITHIN)
            complaints, note = list(self.complaints_if_it_works(limited, plain)), ""
        else:
            # A late program gets a little longer, so that its real time can be shown.
            limited, plain = self.run_both(services, 2 * self.ends_within, self.ends_within + 1)
            complaints = list(self.complaints_if_it_hangs(limited, plain))
            note = f" hung for {limited.end - self.since:.2f} s"
            note += "" if tells(limited) or self.recovers else " without a word, as after a reset"
        return Verdict(complaints, limited.seconds, note, tuple(self.details(limited, plain)))

    @property
    def recovers(self):
        """Whether the program is to connect again by itself, to a peer that then is well."""
        return self.case.program.reconnects is not None and self.case.peer != "unreachable"

    @property
    def waits(self):
        """The seconds that it rightly waits, for as many limits as there are attempts."""
        attempts = self.case.program.connects if self.case.peer == "unreachable" else 1
        return attempts * LIMIT + (self.case.program.reconnects if self.recovers else 0)

    @property
    def ends_within(self):
        """One second after that.  Without the library it must still run a second later."""
        return self.waits + 1

    def latest(self, plain):
        """What it does when it knows of its timeout takes it as long as after a reset."""
        return LATEST * self.waits + plain.leaves

    def complaints_if_it_works(self, limited, plain):
        if plain.status != 0 or not self.has_marker(plain):
            yield "it does not work without the library either"
        for what in ("status", "stdout", "stderr"):
            if getattr(limited, what) != getattr(plain, what):
                yield f"its {what} differs from that without the library"
        if self.case.peer != "healthy" and limited.seconds < SLOW:
            yield "the peer was not slow: the whole took less than one of its pauses"

    def has_marker(self, ended):
        return self.case.program.marker(self.case.action, self.values).encode() in ended.stdout

    def complaints_if_it_hangs(self, limited, plain):
        if not plain.late:
            yield f"it ends without the library too, after {plain.seconds:.2f} s"
        if limited.late or limited.end - self.stopped > self.ends_within:
            yield f"it did not end within {self.ends_within} s of hanging"
        elif limited.seconds < LIMIT:
            yield "it ended before the limit"
        elif limited.end - self.since > self.latest(plain):
            yield Late(f"it did not end within {self.latest(plain):.2f} s of the last byte")
        elif self.recovers:
            if limited.status != 0 or not self.has_marker(limited):
                yield "it did not get what it wanted at its second connection"
        elif not tells(limited) and not never_tells(limited, plain):
            yield "it ended as if all were well: status 0 and no message"
        if crashed(limited.status):
            yield "it crashed"

    def details(self, limited, plain):
        command, stdin = self.command("PORT")
        yield shlex.join(command) + (f" < {stdin}" if stdin else "")
        yield from described("with the library", limited)
        yield from described("without", plain)


def described(which, ended):
    status = "killed" if ended.status is None else f"status {ended.status}"
    yield f"{which}: {status} after {ended.seconds:.2f} s"
    for line in ended.said[-SHOWN:].decode(errors="replace").splitlines():
        yield f"  | {line}"


def tells(ended):
    return ended.status != 0 or OWN_MESSAGE.search(ended.said)


def never_tells(limited, plain):
    """Whether a program that does not tell of a timeout is just one that never tells.

    Without the library it was reset in the end.  When it says no word of that either, it
    takes every error on its connection for the end of it, and the library cannot help."""
    return plain.status == limited.status and plain.said == limited.said


def crashed(status):
    # A program that goes on writing when the connection is over is ended by SIGPIPE.
    return status is not None and status < 0 and status != -process.signal.SIGPIPE
