"""Two resolvers: one that takes every question and answers none, and a healthy one.

A program sees one of them by a resolv.conf of its own, in a mount namespace.  That needs
root, and so does port 53 at an address of this machine's own."""
import errno
import random
import socket

SEARCHED = ("example.test", "other.test")
FILES = ("hosts", "nsswitch.conf", "resolv.conf")
ENTER = "for file in %s; do mount --bind $0/$file /etc/$file || exit; done; exec \"$@\"" % " ".join(FILES)
NUMBERS = range(1, 201)


def inside(directory, command):
    """The command, where the files of this directory are those in /etc."""
    return ["unshare", "-m", "sh", "-c", ENTER, str(directory), *command]


def bind_port_53():
    while True:
        address = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.53"
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind((address, 53))
            return sock, address
        except OSError as failure:
            sock.close()
            if failure.errno != errno.EADDRINUSE:
                raise


def write_files(services, address):
    directory = services.new_directory("etc")
    texts = ("127.0.0.1 localhost\n10.3.0.1 listed.example.test listed\n", "hosts: files dns\n",
             f"nameserver {address}\nsearch {' '.join(SEARCHED)}\n")
    for name, text in zip(FILES, texts):
        (directory / name).write_text(text)
    return directory


def start_silent(services):
    sock, address = bind_port_53()
    services.stops.callback(sock.close)
    return write_files(services, address)


def start_healthy(services):
    sock, address = bind_port_53()
    sock.close()
    directory = write_files(services, address)
    (directory / "names").write_text("".join(f"{name}\n" for name in asked()))
    (directory / "addresses").write_text("127.0.0.1 host.example.test\n" + "".join(
        f"{address} {full(number)}\n" for number in NUMBERS for address in addresses(number)))
    aliases = [f"--cname={full(number)},{full(number - 1)}" for number in NUMBERS if is_alias(number)]
    services.daemon(
        ["dnsmasq", "-k", "-C", "/dev/null", "-R", "-h", "--pid-file=", "--user=root",
         "--bind-interfaces", f"--listen-address={address}", "--no-round-robin", "--bogus-priv",
         "--local=/test/", f"--addn-hosts={directory}/addresses", *aliases],
        services.answers(*inside(directory, ["getent", "hosts", full(NUMBERS[0])])))
    return directory


def full(number):
    """Half of the names are found in the second domain only."""
    return f"n{number}.{SEARCHED[number % 2]}"


def is_alias(number):
    return number % 5 == 0


def addresses(number):
    """Of one family, of both, several, or none for what is an alias."""
    ipv4, ipv6 = f"10.1.0.{number}", f"fd00::{number}"
    several = (f"192.168.7.{number}", ipv4, f"10.2.0.{number}", ipv6, f"fd01::{number}")
    return ((), (ipv4,), (ipv6,), (ipv4, ipv6), several)[number % 5]


def asked():
    yield from (f"n{number}" for number in NUMBERS)
    yield from map(full, NUMBERS)
    yield from ("listed", "listed.example.test", "localhost", "10.1.0.1", "fd00::2")
    yield from ("missing", "missing.example.test", "missing.elsewhere.test.", "n1.")
