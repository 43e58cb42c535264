"""What real servers and clients do in a second, plain and with a library in both.

Servers live side by side, but only one is asked at a time."""
import contextlib
import csv
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
import process  # noqa: E402
import services  # noqa: E402
from calls import LIMITED, Work, environment  # noqa: E402
from figures import Goal  # noqa: E402

services.READY_WITHIN = 10
PAIRS = 7
COMPARED_PAIRS, TURNS_OF_A_PAIR = 5, 10
SECONDS = 1         # that one measurement lasts, about
CONNECTIONS = 50
LARGE = 4 << 30     # bytes of a file ...
SECRET = 256 << 20  # ... and of one that is encrypted on its way

NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {directory}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{ listen 127.0.0.1:{port}; root {directory}/files; }}
}}
"""

HAPROXY = """\
defaults
    mode tcp
    timeout connect 30s
    timeout client 30s
    timeout server 30s
listen all
    bind 127.0.0.1:{port}
    server one 127.0.0.1:{behind}
"""

# ask(served, environment) is the costs by their names: nanoseconds.
Load = namedtuple("Load", "name server ask goals")

# A server that listens, and the directory of its files.
Served = namedtuple("Served", "port directory")

# What a load is asked in: the environment of both ends, and what stands between them.
Arm = namedtuple("Arm", "environment proxy", defaults=[None])


def output_of(environment, *command):
    """What a client says; when it fails, that is the error."""
    done = process.subprocess.run([process.find(command[0]), *map(str, command[1:])], env=environment,
                                  stdin=process.subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise RuntimeError(f"{command[0]} failed: {done.stdout}{done.stderr}")
    return done.stdout


def redis_load(test, pipeline, rate):
    def ask(served, environment):
        out = output_of(environment, "redis-benchmark", "-h", "127.0.0.1", "-p", served.port, "--csv",
                        "-t", test, "-c", CONNECTIONS, "-P", pipeline, "-n", rate * SECONDS)
        said = next(csv.DictReader(out.splitlines()))
        return {"a request": 1e9 / float(said["rps"]), "p99 latency": 1e6 * float(said["p99_latency_ms"])}
    return Load(f"redis {test} -c {CONNECTIONS} -P {pipeline}", "redis-server", ask, GOALS)


UNITS = {"us": 1e3, "ms": 1e6, "s": 1e9}


def ask_wrk(served, environment):
    out = output_of(environment, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency",
                    f"http://127.0.0.1:{served.port}/small")
    if "Socket errors" in out or "Non-2xx" in out:
        raise RuntimeError(f"wrk was not served:\n{out}")
    late = re.search(r"99%\s+([\d.]+)(us|ms|s)", out)
    return {"a request": 1e9 / float(re.search(r"Requests/sec:\s*([\d.]+)", out)[1]),
            "p99 latency": float(late[1]) * UNITS[late[2]]}


def ask_curl(served, environment):
    seconds = output_of(environment, "curl", "-sS", "-o", "/dev/null", "-w", "%{time_total}",
                        f"http://127.0.0.1:{served.port}/large")
    return {"4 GB": 1e9 * float(seconds)}


def ask_iperf(served, environment):
    """A failure is told by its exit status, or by that alone which it says.  Between two clients
    the server closes the socket that it listens at."""
    for _ in range(10):
        said = json.loads(output_of(environment, "iperf3", "-c", "127.0.0.1", "-p", served.port, "-t", SECONDS, "-J"))
        if "sum_received" in said["end"]:
            return {"a megabyte": 8e15 / said["end"]["sum_received"]["bits_per_second"]}
        time.sleep(0.1)
    raise RuntimeError(f"iperf3 has received nothing: {said.get('error')}")


def pgbench(served, *words):
    return ["pgbench", "-h", "127.0.0.1", "-p", served.port, "-U", "tester", *words, "postgres"]


def ask_pgbench(served, environment):
    said = output_of(environment, *pgbench(served, "-S", "-n", "-c", 8, "-T", SECONDS))
    return {"a transaction": 1e9 / float(re.search(r"tps = ([\d.]+)", said)[1])}


def ask_scp(served, environment):
    """By scp's own protocol: that of the matrix' sshd has no sftp."""
    began = time.monotonic_ns()
    output_of(environment, "scp", "-O", "-q", "-P", served.port, "-i", served.directory / "ssh/user",
              "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
              f"127.0.0.1:{served.directory}/secret", served.directory / "copy")
    return {"256 MB": time.monotonic_ns() - began}


GOALS = {"a request": Goal(1 / 0.99), "p99 latency": Goal(1.02)}
LOADS = [redis_load(test, pipeline, rate) for pipeline, rate in ((1, 50000), (16, 500000)) for test in ("get", "set")]
LOADS += [Load("wrk against nginx", "nginx", ask_wrk, GOALS),
          Load("curl from nginx", "nginx", ask_curl, {"4 GB": Goal(1 / 0.99)}),
          Load("iperf3", "iperf3", ask_iperf, {"a megabyte": Goal(1 / 0.99)}),
          Load("pgbench -S", "postgres", ask_pgbench, {"a transaction": Goal(1 / 0.99)}),
          Load("scp", "ssh", ask_scp, {"256 MB": Goal(1 / 0.99)})]


def redis_command(directory, port):
    return ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", directory]


def nginx_command(directory, port):
    (directory / "files").mkdir()
    (directory / "files/small").write_bytes(b"timeout\n" * 64)
    with open(directory / "files/large", "wb") as large:
        large.truncate(LARGE)
    config = directory / "config"
    user = "" if os.getuid() else "user root;"  # the directory is for its owner alone
    config.write_text(NGINX.format(directory=directory, port=port, user=user))
    return ["nginx", "-e", "stderr", "-p", directory, "-c", config]


def iperf_command(_, port):
    return ["iperf3", "-s", "-B", "127.0.0.1", "-p", port]


COMMANDS = {"redis-server": redis_command, "nginx": nginx_command, "iperf3": iperf_command}


def haproxy_command(directory, port, behind):
    config = directory / "config"
    config.write_text(HAPROXY.format(port=port, behind=behind))
    return ["haproxy", "-q", "-db", "-f", config]


def socat_command(_, port, behind):
    return ["socat", "-T30", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,backlog=128", f"TCP:127.0.0.1:{behind}"]


# What else gives a program's connections timeouts.
PROXIES = {"haproxy": haproxy_command, "socat": socat_command}


def new_directory(stops):
    directory = Path(stops.enter_context(tempfile.TemporaryDirectory(prefix="throughput-")))
    os.chmod(directory, 0o711)  # postgres runs as somebody else
    return directory


def start(command, environment, stops, *more):
    directory, port = new_directory(stops), services.free_port()
    services.start_daemon(command(directory, port, *more), services.listens(port), stops,
                          directory / "log", env=environment)
    return Served(port, directory)


def start_service(name, environment, stops):
    """One of those that the program matrix has, and what it is asked for."""
    several = services.Services(new_directory(stops), environment)
    stops.callback(several.stop)
    served = Served(several.port(name), several.directory)
    if name == "postgres":
        services.call(*pgbench(served, "-i", "-q"), env=environment)
    else:
        with open(served.directory / "secret", "wb") as secret:
            secret.truncate(SECRET)
    return served


def serve(server, arm, stops):
    served = start(COMMANDS[server], arm.environment, stops) if server in COMMANDS else \
        start_service(server, arm.environment, stops)
    if not arm.proxy:
        return served
    return served._replace(port=start(PROXIES[arm.proxy], arm.environment, stops, served.port).port)


def in_any_order(arms):
    return random.sample(list(arms), len(arms))


def ask_in_turn(load, arms, turns):
    """The costs in each turn, by what they were asked in; the first turn warms up.  In any order:
    who is first, of the servers that start and of those that are asked, is not as quick as others."""
    costs = []
    with contextlib.ExitStack() as stops:
        served = {name: serve(load.server, arms[name], stops) for name in in_any_order(arms)}
        for _ in range(turns + 1):
            costs.append({name: load.ask(served[name], arms[name].environment) for name in in_any_order(arms)})
    return costs[1:]


def works_of(load):
    """A work for each cost; what one run says of several is kept."""
    runs = {}

    def work(cost, goal):
        def measure(_, library, settings):
            plain = environment(None, {})
            if library not in runs:
                given = Arm(plain, library) if library in PROXIES else Arm(environment(library, settings))
                runs[library] = ask_in_turn(load, {False: Arm(plain), True: given}, PAIRS)
            return [(pair[False][cost], pair[True][cost]) for pair in runs[library]]
        return Work(f"{load.name}: {cost}", "ns", goal, LIMITED, measure)
    return [work(cost, goal) for cost, goal in load.goals.items()]


WORKS = [work for load in LOADS for work in works_of(load)]


def share(turns, name):
    """What was done of the plain throughput."""
    return sum(turn["plain"]["a request"] for turn in turns) / sum(turn[name]["a request"] for turn in turns)


def compare(library):
    """What redis-benchmark and wrk get done with a limit of 30 s at both ends, against what they
    do without; and a second time without, which tells how much of that is chance.  What else the
    machine does comes and goes within seconds, so that a pair is made of many short turns; and
    two servers of the same program are never equally quick, so that each pair has its own."""
    plain = environment(None, {})
    asked = {"plain": Arm(plain), "the library": Arm(environment(library, {"TIMEOUTSOCK_DEFAULT": "30"})),
             "plain again": Arm(plain)}
    for load in (load for load in LOADS if load.goals is GOALS):
        pairs = [ask_in_turn(load, asked, TURNS_OF_A_PAIR) for _ in range(COMPARED_PAIRS)]
        for name in list(asked)[1:]:
            ratios = sorted(share(turns, name) for turns in pairs)
            print(f"{load.name}, {name}: {statistics.median(ratios):.3f} of the plain throughput"
                  f" ({ratios[0]:.3f} to {ratios[-1]:.3f})", flush=True)


if __name__ == "__main__":
    compare(*sys.argv[1:])
