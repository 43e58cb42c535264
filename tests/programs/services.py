"""The healthy servers: real ones, in a directory and at ports of their own.

Each is started when a case first asks for it, and stopped at the end."""
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import process
import resolvers
import textservers
import webserver

CLIENTS = Path(__file__).with_name("clients")
READY_WITHIN = 60  # seconds; the databases need a few on a busy machine


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def call(*command, **options):
    """Run a helper to its end; its output only matters when it fails."""
    done = subprocess.run([process.find(command[0]), *map(str, command[1:])], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout.decode(errors='replace')}")


def as_nobody():
    """postgres refuses to run as root, and the others have no need to."""
    return {} if os.getuid() else {"user": "nobody", "group": "nogroup", "extra_groups": []}


class Services:
    def __init__(self, directory, environment):
        self.directory, self.environment = Path(directory), environment
        self.ports, self.failures, self.stops = {}, {}, contextlib.ExitStack()
        self.locks = {name: threading.Lock() for name in STARTERS}

    def port(self, name):
        with self.locks[name]:
            if name in self.failures:
                raise self.failures[name]
            if name not in self.ports:
                try:
                    self.ports[name] = STARTERS[name](self)
                except Exception as failure:
                    self.failures[name] = failure
                    raise
            return self.ports[name]

    def stop(self):
        self.stops.close()

    def own_directory(self, name):
        path = self.directory / name
        path.mkdir()
        if as_nobody():
            shutil.chown(path, "nobody", "nogroup")
        return path

    def new_directory(self, name):
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))

    def daemon(self, command, ready, end=signal.SIGTERM, **options):
        """A server for as long as all of them."""
        log = self.directory / f"{Path(command[0]).name}.log"
        start_daemon(command, ready, self.stops, log, end, env=self.environment, **options)

    def answers(self, *command):
        """A question for `ready`: does this client get an answer?"""
        def ask():
            return not subprocess.run([process.find(command[0]), *map(str, command[1:])],
                                      env=self.environment, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      check=False).returncode
        return ask


def start_daemon(command, ready, stops, log, end=signal.SIGTERM, **options):
    """Start a server, wait until `ready` says that it serves, and leave it to `stops`."""
    log = stops.enter_context(open(log, "w+b"))
    server = subprocess.Popen(
        [process.find(command[0]), *map(str, command[1:])], cwd="/", stdin=subprocess.DEVNULL,
        stdout=log, stderr=log, start_new_session=True, **options)
    stops.callback(stop_daemon, server, end)
    until = time.monotonic() + READY_WITHIN
    while not ready():
        if server.poll() is not None or time.monotonic() > until:
            log.seek(0)
            raise RuntimeError(f"{command[0]} does not serve:\n"
                               + log.read().decode(errors="replace"))
        time.sleep(0.05)


def stop_daemon(server, end):
    server.send_signal(end)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def listens(port, address="127.0.0.1"):
    def ask():
        with contextlib.suppress(OSError), socket.create_connection((address, port)):
            return True
        return False
    return ask


def start_http(services, tls=None):
    repositories = services.directory / ("https-git" if tls else "git")
    make_repository(repositories / "project.git", services.environment)
    server = webserver.WebServer(services.environment, str(repositories), tls)
    services.stops.callback(server.stop)
    return server.port


def start_https(services):
    certificate, key = (services.directory / name for name in ("cert.pem", "cert.key"))
    call("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2,
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", certificate, env=services.environment)
    return start_http(services, webserver.tls_context(certificate, key))


def make_repository(path, environment):
    call("git", "init", "-q", "--bare", "-b", "main", path, env=environment)
    commit = (b"commit refs/heads/main\ncommitter A <a@example.org> 1000000000 +0000\n"
              b"data 0\n\n")
    tags = b"".join(b"reset refs/tags/v%d\nfrom refs/heads/main\n\n" % n for n in range(100))
    subprocess.run([process.find("git"), "-C", path, "fast-import", "--quiet"],
                   input=commit + tags, env=environment, check=True)


def start_ssh(services):
    directory = services.directory / "ssh"
    directory.mkdir()
    for name in ("host", "user"):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name)
    port = free_port()
    (directory / "config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\nPidFile none\n"
        f"AuthorizedKeysFile {directory}/user.pub\nStrictModes no\nPermitRootLogin yes\n"
        f"MaxStartups 100\nUsePAM {'yes' if password_is_locked() else 'no'}\n")
    if not os.getuid():
        # sshd's own start script makes it too: the unprivileged half of sshd lives there.
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    services.daemon(["sshd", "-D", "-e", "-f", directory / "config"], listens(port))
    return port


def password_is_locked():
    """Without PAM sshd takes an account with a locked password for a closed one."""
    name = pwd.getpwuid(os.getuid()).pw_name
    with contextlib.suppress(PermissionError), open("/etc/shadow", encoding="ascii") as shadow:
        return any(line.startswith(f"{name}:!") for line in shadow)
    return False


def start_postgres(services):
    directory, port = services.own_directory("postgres"), free_port()
    call("initdb", "-D", directory, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-locale",
         "--no-sync", env=services.environment, cwd="/", **as_nobody())
    services.daemon(["postgres", "-D", directory, "-h", "127.0.0.1", "-p", port, "-k", "", "-F"],
                    services.answers("pg_isready", "-h", "127.0.0.1", "-p", port),
                    end=signal.SIGINT, **as_nobody())
    return port


def start_mysql(services, address="127.0.0.1", clients="127.0.0.1"):
    directory, port = services.own_directory("mysql"), free_port()
    # tester may come without a password, from this machine only.
    (services.directory / "accounts.sql").write_text(
        f"create user tester@'{clients}';\ngrant all on *.* to tester@'{clients}';\n")
    call("mariadb-install-db", "--no-defaults", f"--datadir={directory}",
         "--auth-root-authentication-method=normal", env=services.environment, cwd="/",
         **as_nobody())
    services.daemon(
        ["mariadbd", "--no-defaults", f"--datadir={directory}", f"--bind-address={address}",
         f"--port={port}", f"--socket={directory}/socket", "--skip-name-resolve",
         f"--init-file={services.directory}/accounts.sql", "--local-infile=1",
         f"--pid-file={directory}/pid", "--max-allowed-packet=64M"],
        services.answers("mariadb-admin", "--no-defaults", "--protocol=tcp", "-h", address,
                         "-P", port, "-u", "tester", "ping"),
        **as_nobody())
    return port


def start_redis(services):
    directory, port = services.own_directory("redis"), free_port()
    client = ["redis-cli", "-h", "127.0.0.1", "-p", port]
    services.daemon(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "",
                     "--dir", directory], services.answers(*client, "ping"), **as_nobody())
    call(*client, "set", "item", webserver.ITEM.decode(), env=services.environment)
    return port


def start_mqtt(services):
    directory, port = services.own_directory("mqtt"), free_port()
    (directory / "config").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    services.daemon(["mosquitto", "-c", directory / "config"], listens(port), **as_nobody())
    (directory / "item").write_bytes(webserver.ITEM)
    call("mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-r", "-t", "item",
         "-f", directory / "item", env=services.environment)
    return port


def text_server(handler):
    def start(services):
        server = textservers.TextServer(handler)
        services.stops.callback(server.stop)
        return server.server_address[1]
    return start


def compile_java(services):
    """Not a server, but to be made once as well: the Java programs."""
    call("javac", "-d", services.directory / "java", *sorted(CLIENTS.glob("*.java")),
         env=services.environment)


def compile_inetd(services):
    for compiler, source in ("cc", "inetd.c"), ("c++", "iostream.cc"):
        call(compiler, "-O2", "-o", services.directory / Path(source).stem, CLIENTS / source,
             env=services.environment)


def find_aiohttp(services):
    try:
        call("python3", "-c", "import aiohttp", env=services.environment)
    except RuntimeError as failure:
        raise process.Missing(process.how_to_get("aiohttp")) from failure


STARTERS = {"http": start_http, "https": start_https, "ssh": start_ssh,
            "postgres": start_postgres, "mysql": start_mysql, "redis": start_redis,
            "mqtt": start_mqtt, "java": compile_java, "aiohttp": find_aiohttp,
            "inetd": compile_inetd,
            "whois": text_server(textservers.Whois), "ftp": text_server(textservers.Ftp),
            "silent-resolver": resolvers.start_silent, "healthy-resolver": resolvers.start_healthy}
