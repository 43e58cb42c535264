"""Costs of single calls, of starting a program and of memory, as the programs built from C measure them."""
import contextlib
import os
import re
import subprocess
from collections import namedtuple
from pathlib import Path

from figures import Goal

LIMITED = {"TIMEOUTSOCK_DEFAULT": "30", "TIMEOUTSOCK_KINDS": "all", "TIMEOUTSOCK_ACTION": "error"}
AS_USUAL = {"TIMEOUTSOCK_DEFAULT": "30"}
NOTHING_SET = {}
THREADS = 10000
WAIT_MS = 1500

# measure(directory, library, settings) is a list of pairs.
Work = namedtuple("Work", "name unit goal settings measure")


def environment(library, settings):
    plain = {name: value for name, value in os.environ.items()
             if name != "LD_PRELOAD" and not name.startswith("TIMEOUTSOCK_")}
    return {**plain, **settings, "LD_PRELOAD": str(library)} if library else plain


def numbers(command, environment):
    """The lines of numbers that a program prints."""
    done = subprocess.run([str(word) for word in command], env=environment, check=False,
                          capture_output=True, text=True)
    if done.returncode or done.stderr:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr}")
    return [tuple(map(float, line.split())) for line in done.stdout.splitlines()]


def call(name, size, pairs, goal, settings=LIMITED):
    def measure(directory, library, settings):
        return numbers([directory / "calls", name, size, pairs], environment(library, settings))
    words = {"poll-silent": f"poll of {size}, none ready", "poll-ready": f"poll of {size}, one ready"}
    of_bytes = f"{name.replace('-', ' ')}, {size} bytes" if size > 1 else name.replace("-", " ")
    unset = "" if settings else ", nothing set"
    return Work(words.get(name, of_bytes) + unset, "ns", goal, settings, measure)


def start(goal, *command):
    def measure(directory, library, settings):
        return numbers([directory / "starting", 101, library, *command], environment(None, {}) | settings)
    return Work(f"start {' '.join(command)}".rstrip(), "ns", goal, AS_USUAL, measure)


@contextlib.contextmanager
def cat(environment):
    """One that has read and written."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        process.stdin.write(b"x")
        process.stdin.flush()
        if process.stdout.read(1) != b"x":
            raise RuntimeError("cat does not answer")
        yield process
        process.stdin.close()


def private_bytes(library, settings):
    """What a process has for itself alone, beside another one, which shares the libraries' text."""
    with cat(environment(library, settings)), cat(environment(library, settings)) as process:
        kilobytes = re.findall(r"Private_\w+: +(\d+) kB", Path(f"/proc/{process.pid}/smaps_rollup").read_text())
    return 1024.0 * sum(map(int, kilobytes))


def memory(goal):
    def measure(_, library, settings):
        return [(private_bytes(None, {}), private_bytes(library, settings)) for _ in range(7)]
    return Work("memory of a process", "bytes", goal, LIMITED, measure)


def expiring(goal, name, column):
    command = [THREADS, WAIT_MS]

    def measure(directory, library, settings):
        program = directory / "expiring"
        return [(numbers([program, "poll", *command], environment(None, {}))[0][column],
                 numbers([program, "recv", *command], environment(library, settings))[0][column]) for _ in range(7)]
    return Work(f"{THREADS} threads expire: {name}", "ns", goal,
                {**LIMITED, "TIMEOUTSOCK_DEFAULT": f"{WAIT_MS}ms"}, measure)


WAITING, READY, IDLE = Goal(1.05), Goal(1, 15), Goal(1, 5)
OPENING, POLLING = Goal(1 / 0.95), Goal(1.03, 100)
WORKS = [
    call("tcp-conversation", 1, 1001, WAITING),
    call("unix-conversation", 1, 1001, WAITING),
    *(call(f"tcp-{name}", size, 2001, READY) for name in ("read", "recv", "write", "send") for size in (1, 4096, 65536)),
    *(call(name, 1, 2001, IDLE, NOTHING_SET) for name in ("tcp-read", "tcp-write", "pipe-read", "pipe-write",
                                                         "file-read", "file-write")),
    call("connect", 1, 501, OPENING),
    call("accept", 1, 501, OPENING),
    *(call(name, count, pairs, POLLING) for name in ("poll-silent", "poll-ready")
      for count, pairs in ((1, 2001), (100, 2001), (10000, 101))),
    start(Goal(1, 60000), "/bin/true"),
    start(Goal(1, 60000), "/usr/bin/python3", "-c", ""),
    memory(Goal(1, 65536)),
    expiring(Goal(1.1), "how late", 0),
    expiring(Goal(1.1), "processor time", 1),
]
