"""Benchmarks against their servers, both ends with the library: they run without error."""
import contextlib
import os
import shutil
import signal

import command
import daemon
import serve

NAME = "benchmarks"
WITHIN = 120  # seconds


def units(_):
    return list(BENCHMARKS)


def run(unit, arm, directory, test=None):
    environment = arm.environment(directory)
    with contextlib.ExitStack() as stops:
        ended = BENCHMARKS[unit](environment, directory, stops)
    return {unit: ended.outcome}, ended.said


def as_somebody(directory):
    """postgres refuses to run as root."""
    if os.getuid():
        return {}
    shutil.chown(directory, "nobody", "nogroup")
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


def answers(words, environment, directory):
    return lambda: command.run(words, environment, directory, 10).status == 0


def redis(environment, directory, stops):
    port = daemon.free_port()
    daemon.start(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", directory],
                 daemon.listens(port), stops, directory / "log", env=environment)
    ended = command.run(["redis-benchmark", "-h", "127.0.0.1", "-p", port, "-n", 20000, "--csv",
                         "-t", "get,set,lpush,lpop,mset"], environment, directory, WITHIN)
    return complain(ended, '"MSET' not in ended.said)


def postgres(environment, directory, stops):
    port, data, who = daemon.free_port(), directory / "data", as_somebody(directory)
    started = command.run(["initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-locale",
                           "--no-sync"], environment, directory, WITHIN, **who)
    if started.status != 0:
        return started
    client = ["-h", "127.0.0.1", "-p", port, "-U", "tester"]
    daemon.start(["postgres", "-D", data, "-h", "127.0.0.1", "-p", port, "-k", "", "-F"],
                 answers(["pg_isready", *client], environment, directory), stops,
                 directory / "log", end=signal.SIGINT, env=environment, **who)
    made = command.run(["pgbench", *client, "-i", "-q", "postgres"], environment, directory, WITHIN)
    if made.status != 0:
        return made
    ended = command.run(["pgbench", *client, "-c", 8, "-j", 2, "-t", 200, "postgres"], environment,
                        directory, WITHIN)
    return complain(ended, "number of failed transactions: 0 " not in ended.said)


def web_server(environment, directory, stops):
    port = directory / "port"
    daemon.start(["python3", serve.__file__, "healthy", port], port.exists, stops,
                 directory / "log", env=environment)
    return f"http://127.0.0.1:{port.read_text()}/"


def ab(environment, directory, stops):
    address = web_server(environment, directory, stops)
    ended = command.run(["ab", "-n", 500, "-c", 10, address], environment, directory, WITHIN)
    return complain(ended, "Failed requests:        0" not in ended.said)


def wrk(environment, directory, stops):
    address = web_server(environment, directory, stops)
    ended = command.run(["wrk", "-t1", "-c10", "-d2s", address], environment, directory, WITHIN)
    return complain(ended, "Socket errors" in ended.said or "Non-2xx" in ended.said)


def iperf3(environment, directory, stops):
    """TCP both ways, and UDP; one server each, for it serves one client at a time."""
    for words in ([], ["-R"], ["-u", "-b", "50M"]):
        port = daemon.free_port()
        log = directory / f"log{port}"
        daemon.start(["iperf3", "-s", "-p", port, "--forceflush"],
                     lambda log=log: "listening" in log.read_text(), stops, log, env=environment)
        ended = command.run(["iperf3", "-c", "127.0.0.1", "-p", port, "-t", 1, *words],
                            environment, directory, WITHIN)
        if ended.status != 0:
            break
    return ended


def complain(ended, bad):
    """Some say what went wrong and end with 0."""
    if bad and ended.status == 0:
        ended.status = 1
    return ended


BENCHMARKS = {"redis-benchmark": redis, "pgbench": postgres, "ab": ab, "wrk": wrk, "iperf3": iperf3}
