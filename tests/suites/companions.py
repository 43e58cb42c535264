"""Other libraries that are preloaded, before ours and after: client and server with both.

curl fetches a file as it does without ours, and ends by itself on a silent server, on
which it waits without."""
import contextlib
from dataclasses import replace
from pathlib import Path

import command
import daemon
import serve

NAME = "companions"
LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
WITHIN = 30    # seconds, for the healthy server to answer
LIMIT = 1      # seconds, on the silent one
PATIENCE = 4   # seconds, after which curl alone is seen to wait

# Each with what it needs to leave loopback alone.
TORSOCKS = "AllowInbound 1\nAllowOutboundLocalhost 1\n"
PROXYCHAINS = ("strict_chain\nquiet_mode\nlocalnet 127.0.0.0/255.0.0.0\n"
               "[ProxyList]\nsocks5 127.0.0.1 9\n")
COMPANIONS = {
    "libsocket-wrapper": ("libsocket_wrapper.so", {"SOCKET_WRAPPER_DIR": "{directory}"}, ""),
    "libfaketime": ("faketime/libfaketimeMT.so.1", {"FAKETIME": "-10d"}, ""),
    "torsocks": ("torsocks/libtorsocks.so", {"TORSOCKS_CONF_FILE": "{directory}/config"}, TORSOCKS),
    "proxychains4": ("libproxychains.so.4", {"PROXYCHAINS_CONF_FILE": "{directory}/config"},
                     PROXYCHAINS),
    "libeatmydata1": ("libeatmydata.so", {}, ""),
}


def units(_):
    return [f"{name} {order}" for name in COMPANIONS for order in ("before", "after")]


def run(unit, arm, directory, test=None):
    said, outcomes = "", {}
    for job in (fetch, wait):
        name = f"{unit} {job.__name__}"
        if test in (None, unit, name):
            ended, passed = job(unit, arm, directory)
            said += ended.said[-200:] + f"\nended with {ended.status}\n"
            outcomes[name] = "passed" if passed else "failed"
    return outcomes, said


def fetch(unit, arm, directory):
    environment = surroundings(unit, arm, directory)
    ended = curl("healthy", environment, directory, WITHIN)
    return ended, ended.status == 0 and ended.said.encode() == serve.ITEM


def wait(unit, arm, directory):
    """Ends at the limit; without the library it waits for more than that."""
    limits = {"TIMEOUTSOCK_DEFAULT": str(LIMIT)} if arm.library else {}
    limited = replace(arm, settings={**arm.settings, **limits})
    ended = curl("silent", surroundings(unit, limited, directory), directory, PATIENCE)
    if not arm.library:
        return ended, ended.status is None
    return ended, ended.status == 56 and "timed out" in ended.said


def surroundings(unit, arm, directory):
    name, order = unit.split()
    file, variables, config = COMPANIONS[name]
    if not (LIBRARIES / file).exists():
        raise command.Missing(command.how_to_get(file))
    (directory / "config").write_text(config)
    return arm.environment(directory, **{order: [LIBRARIES / file]}) | {
        name: value.format(directory=directory) for name, value in variables.items()}


def curl(peer, environment, directory, within):
    port = directory / "port"
    port.unlink(missing_ok=True)
    with contextlib.ExitStack() as stops:
        daemon.start(["python3", Path(serve.__file__), peer, port], port.exists, stops,
                     directory / "log", env=environment)
        return command.run(["curl", "-sS", f"http://127.0.0.1:{port.read_text()}/"], environment,
                           directory, within)
