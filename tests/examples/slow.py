#!/usr/bin/env python3
"""Runs tests/examples/slow against nginx, memcached and MariaDB, each packet to and from
which is late: in a network namespace of its own, by tc's netem, where the kernel has that.

Not every kernel does (CONFIG_NET_SCH_NETEM), and then "tc" says that the kind of qdisc is
unknown.  There a tunnel device does the same for every packet, SYN and ACK included, unlike
a proxy, which would accept a connection at once: what the client sends to PEER comes back as
if it came from there, with source and destination exchanged, and so do the answers.  (That
leaves the sums over header and addresses as they were.)

As root: usage: slow.py PROGRAM LIBRARY"""
import collections
import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "programs"))
sys.dont_write_bytecode = True
import process  # noqa: E402
import services  # noqa: E402

HERE, PEER, DEVICE = "10.99.0.1", "10.99.0.2", "slow0"
CLIENTS = "10.99.0.%"
DELAY = 0.15  # seconds, for each packet
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000  # linux/if_tun.h

NGINX = """\
daemon off;
worker_processes 1;
pid {directory}/pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{ listen {address}:{port}; location / {{ return 200 "here\\n"; }} }}
}}
"""


def delay_by_netem():
    """Whether the kernel can."""
    tc = subprocess.run([process.find("tc"), "qdisc", "add", "dev", "lo", "root", "netem",
                         "delay", f"{DELAY * 1000:.0f}ms"], check=False, text=True,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(f"tc qdisc add dev lo root netem: {tc.stdout.strip() or 'done'}", flush=True)
    if tc.returncode:
        return False
    services.call("ip", "address", "add", f"{HERE}/32", "dev", "lo")
    return True


def delay_by_tunnel():
    tunnel = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    services.call("ip", "address", "add", f"{HERE}/24", "dev", DEVICE)
    services.call("ip", "link", "set", DEVICE, "up")
    threading.Thread(target=reflect, args=(tunnel,), daemon=True).start()


def reflect(tunnel):
    late = collections.deque()  # (when it is due, packet)
    while True:
        left = max(0, late[0][0] - time.monotonic()) if late else None
        if select.select([tunnel], [], [], left)[0]:
            packet = bytearray(os.read(tunnel, 65536))
            packet[12:16], packet[16:20] = packet[16:20], packet[12:16]
            if packet[0] >> 4 == 4:
                late.append((time.monotonic() + DELAY, packet))
        while late and late[0][0] <= time.monotonic():
            os.write(tunnel, late.popleft()[1])


def start_nginx(run, port):
    directory = run.own_directory("nginx")
    (directory / "config").write_text(NGINX.format(directory=directory, address=HERE, port=port))
    run.daemon(["nginx", "-e", "stderr", "-p", directory, "-c", directory / "config"],
               services.listens(port, HERE), **services.as_nobody())


def start_memcached(run, port):
    run.daemon(["memcached", "-l", HERE, "-p", port, "-U", 0], services.listens(port, HERE),
               **services.as_nobody())


def check_delay(address, port):
    began = time.monotonic()
    with socket.create_connection((address, port)):
        took = time.monotonic() - began
    if took < 2 * DELAY:
        sys.exit(f"slow.py: connecting took {took:.3f} s, and the network was to be slower")


def make_network():
    """Where a client finds what listens HERE."""
    services.call("ip", "link", "set", "lo", "up")
    if delay_by_netem():
        return HERE
    delay_by_tunnel()
    return PEER


def serve_and_run(program, library, run):
    address = make_network()
    ports = {"SLOW_HTTP": services.free_port(), "SLOW_CACHE": services.free_port()}
    start_nginx(run, ports["SLOW_HTTP"])
    start_memcached(run, ports["SLOW_CACHE"])
    ports["SLOW_DATABASE"] = services.start_mysql(run, HERE, CLIENTS)
    check_delay(address, ports["SLOW_HTTP"])
    settings = {**ports, "SLOW_ADDRESS": address, "SLOW_ROUND_TRIP": round(2000 * DELAY),
                "LIBTIMEOUTSOCK": library}
    return subprocess.run([program], check=False, env={
        **os.environ, **{name: str(value) for name, value in settings.items()}}).returncode


def main(program, library):
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        os.chmod(directory, 0o755)
        run = services.Services(directory, {"PATH": process.PATH, "LANG": "C.UTF-8", "HOME": directory})
        stack.callback(run.stop)
        return serve_and_run(os.path.abspath(program), os.path.abspath(library), run)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        os.execv(process.find("unshare"), ["unshare", "--net", sys.executable, *sys.argv, "inside"])
    sys.exit(main(*sys.argv[1:3]))
