"""Running one command of a suite: how it ended and what it said."""
import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from arms import PATH

PACKAGES = Path(__file__).with_name("packages.txt")


class Missing(Exception):
    """Something that a suite needs is not installed."""


def how_to_get(what):
    """In the list each package follows, in a comment, what is used of it."""
    used = ""
    for line in PACKAGES.read_text(encoding="ascii").splitlines():
        if not line.startswith("#") and what in used.split():
            return f"{what} is not installed: apt-get install {line}"
        used = line
    return f"{what} is not installed"


def find(program):
    path = shutil.which(program, path=PATH) or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)), None)
    if path is None:
        raise Missing(how_to_get(program))
    return path


@dataclass
class Ended:
    status: int     # negative: the signal that ended it; None: it had to be killed
    said: str

    @property
    def outcome(self):
        return "hung" if self.status is None else "passed" if self.status == 0 else "failed"


def run(command, environment, directory, within, cwd=None, **options):
    """Run a program, for a while.  What it leaves behind in its group is killed with it."""
    log = Path(directory) / "output"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [find(command[0]), *map(str, command[1:])], env=environment, cwd=cwd or directory,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True, **options)
        try:
            status = process.wait(within)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end_group(process)
    return Ended(status, log.read_text(errors="replace"))


def end_group(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
