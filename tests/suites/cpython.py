"""CPython's own tests of sockets, processes, threads and signals, one module a unit.

Each test's outcome is read from what -m test writes for machines (--junit-xml); a subtest
or a fixture that fails stands in what it says to people alone."""
import re

import command
import junit

NAME = "cpython"
WITHIN = 600  # seconds, of one module

SHORT = ["test_socket", "test_timeout", "test_select", "test_epoll", "test_httplib",
         "test_urllib2_localnet", "test_smtplib"]
LONG = ["test_signal", "test_eintr", "test_posix", "test_os", "test_poll", "test_selectors",
        "test_ftplib", "test_ssl", "test_subprocess", "test_threading", "test_asyncio",
        "test_multiprocessing_main_handling", "test_multiprocessing_fork",
        "test_multiprocessing_forkserver", "test_multiprocessing_spawn"]

# Left out: without the library, too, these hang on a virtual machine whose host does not
# answer itself.
LEFT_OUT = ["*VSOCK*"]

# This one runs only where the network may be used, and it asks for real hosts: it gets a
# network of its own, in which there are none.
WITH_NETWORK = ["test_timeout"]
NO_HOSTS = ["unshare", "--map-root-user", "--net"]

FAILED = re.compile(r"^(?:FAIL|ERROR): \S+ \(([^)]*)\)", re.MULTILINE)


def units(long):
    return SHORT + LONG if long else SHORT


def run(unit, arm, directory, test=None):
    python = "/usr/bin/python3"
    ended = command.run([python, "-c", "import test.test_socket"], arm.environment(directory),
                        directory, 60)
    if ended.status != 0:
        raise command.Missing(command.how_to_get("test.test_socket"))
    only = [] if test in (None, unit) else ["-m", test]
    left_out = [word for pattern in LEFT_OUT for word in ("-i", pattern)]
    before, network = (NO_HOSTS, ["-u", "network"]) if unit in WITH_NETWORK else ([], [])
    ended = command.run([*before, python, "-m", "test", "-v", "--junit-xml",
                         directory / "result.xml", *network, *left_out, *only, unit], arm.environment(directory), directory, WITHIN)
    return outcomes_in(unit, ended, directory / "result.xml"), ended.said


def outcomes_in(unit, ended, file):
    outcomes = dict.fromkeys(FAILED.findall(ended.said), "failed")
    if file.exists():
        outcomes = junit.read(file) | outcomes
    # The module itself is a test that fails where none in it says so, as in a crash.
    explained = "failed" in outcomes.values() and ended.outcome == "failed"
    whole = "skipped" if not outcomes and ended.outcome == "passed" else ended.outcome
    return outcomes | {unit: "passed" if explained else whole}
