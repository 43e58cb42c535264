"""Servers: started, waited for until they serve, and stopped."""
import contextlib
import signal
import socket
import subprocess
import time

import command

READY_WITHIN = 60  # seconds; the databases need a few on a busy machine


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start(words, ready, stops, log, end=signal.SIGTERM, **options):
    with open(log, "wb") as output:
        server = subprocess.Popen(
            [command.find(words[0]), *map(str, words[1:])], stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True, cwd="/", **options)
    stops.callback(stop, server, end)
    until = time.monotonic() + READY_WITHIN
    while not ready():
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{words[0]} does not serve:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)


def stop(server, end):
    server.send_signal(end)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(20)
    command.end_group(server)


def listens(port):
    def ask():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False
    return ask
