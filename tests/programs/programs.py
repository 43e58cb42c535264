"""The programs of the matrix: one entry each, as a user would start them.

In a command $port is the peer's port, $tmp the directory of the run, $clients the
directory of the scripts, and the rest are the files that make_files() writes.  As in a
shell, "< file" at its end is the program's standard input.

Every command is one that never gives up by itself, or not before a minute has passed: the
retries that some programs make on their own are switched off, since each of them would
rightly take as long as the first."""
import hashlib
import shlex
import zlib
from dataclasses import dataclass
from pathlib import Path
from string import Template

UPLOAD = 32 << 20

HTTP = "http://127.0.0.1:$port"
HTTPS = "https://127.0.0.1:$port"
CLIENT = "python3 $clients/python_"
SSH = ("ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
       " -o LogLevel=ERROR -i $tmp/ssh/user -p $port 127.0.0.1")
TLS = "openssl s_client -quiet -CAfile $tmp/cert.pem -connect 127.0.0.1:$port"
PSQL = "psql -X -w -At -h 127.0.0.1 -p $port -U tester -d postgres"
MYSQL = ("mysql --no-defaults --connect-timeout=60 --protocol=tcp -h 127.0.0.1 -P $port"
         " -u tester --local-infile=1 -N test")
REDIS = "redis-cli -h 127.0.0.1 -p $port"
NODE = "node $clients/node_"
NODE_TLS = f"env NODE_EXTRA_CA_CERTS=$tmp/cert.pem {NODE}"
# HttpClient sends a request again when its connection ended before a word of the answer;
# to limit that to one attempt is called a limit of redirections.
# And at its end the JVM allows its threads, of which one waits in epoll, 0.3 seconds.
JAVA = ("java -XX:TieredStopAtLevel=1 -Djdk.httpclient.redirects.retrylimit=1"
        " -Djdk.httpclient.disableRetryConnect -cp $tmp/java")
WGET = "wget --no-config -q -t1 -O -"

PSQL_COPY = (r' -c "create temp table t (line text)" -c "\copy t from $lines"'
             r""" -c "select sha256(string_agg(line || chr(10), '')::bytea) from t" """)
# Not a digest: a server that computes for long is silent for long.
MYSQL_LOAD = (' -e "create temporary table t (line text);'
              " load data local infile '$lines' into table t;"
              ' select sum(crc32(line)) from t"')


@dataclass(frozen=True)
class Program:
    name: str
    service: str
    fetch: str = ""
    upload: str = ""
    fetched: str = "line 700 of the item"  # in the output of a fetch that worked
    uploaded: str = "$digest"              # in the output of an upload that worked
    reads: int = 0          # what a peer that stops reading has taken in by then
    connects: int = 1       # how often it tries to connect, when nothing can change that
    reconnects: float = None  # it connects again after so many seconds, whatever one says
    needs: str = ""         # a service besides
    loops: bool = False     # it uploads from an event loop: no one call has to send it all
    typed: bool = False     # its standard input stays open, as a terminal's does

    def marker(self, action, values):
        marker = self.fetched if action == "fetch" else self.uploaded
        return Template(marker).substitute(values)


def simple(name, command, **more):
    """A program that sends whatever file it is given, and prints the answer."""
    return Program(name, "http", command.replace("FILE", "$get"), command.replace("FILE", "$post"),
                   **more)


PROGRAMS = (
    # With a large file curl first waits a second for "100 Continue", unless told not to.
    Program("curl", "http", f"curl -q -sS {HTTP}/item",
            f"curl -q -sS -H Expect: -T $lines {HTTP}/item"),
    Program("curl-https", "https", f"curl -q -sS --cacert $tmp/cert.pem {HTTPS}/item",
            f"curl -q -sS -H Expect: --cacert $tmp/cert.pem -T $lines {HTTPS}/item",
            reads=1 << 20),
    Program("wget", "http", f"{WGET} {HTTP}/item", f"{WGET} --post-file=$lines {HTTP}/item"),
    Program("wget-https", "https", f"{WGET} --ca-certificate=$tmp/cert.pem {HTTPS}/item",
            f"{WGET} --ca-certificate=$tmp/cert.pem --post-file=$lines {HTTPS}/item",
            reads=1 << 20),
    Program("git", "http", f"git ls-remote {HTTP}/git/project.git", fetched="refs/tags/v99"),
    Program("ssh", "ssh", f"{SSH} seq 1 4000", f"{SSH} sha256sum < $lines",
            fetched="4000", reads=1 << 20),
    simple("nc.traditional", "nc.traditional 127.0.0.1 $port < FILE"),
    simple("nc.openbsd", "nc.openbsd 127.0.0.1 $port < FILE"),
    Program("nc.traditional-typed", "http", "nc.traditional 127.0.0.1 $port < $get", typed=True),
    Program("nc.openbsd-typed", "http", "nc.openbsd 127.0.0.1 $port < $get", typed=True),
    Program("openssl", "https", f"{TLS} < $get", f"{TLS} < $post", reads=1 << 20),
    Program("openssl-typed", "https", f"{TLS} < $get", typed=True),
    Program("python-urllib", "http", f"{CLIENT}urllib.py {HTTP}/item",
            f"{CLIENT}urllib.py {HTTP}/item $lines"),
    simple("python-socket", f"{CLIENT}socket.py $port FILE"),
    simple("python-makefile", f"{CLIENT}makefile.py $port FILE"),
    simple("python-sendfile", f"{CLIENT}sendfile.py $port FILE"),
    simple("python-asyncio", f"{CLIENT}asyncio.py $port FILE", loops=True),
    simple("python-asyncio-select", f"{CLIENT}asyncio.py $port FILE select", loops=True),
    Program("aiohttp", "http", f"{CLIENT}aiohttp.py {HTTP}/item",
            f"{CLIENT}aiohttp.py {HTTP}/item $lines", needs="aiohttp", loops=True),
    simple("perl", "perl $clients/perl_inet.pl $port FILE"),
    Program("php-http", "http", f"php $clients/php_http.php {HTTP}/item",
            f"php $clients/php_http.php {HTTP}/item $lines"),
    simple("php-stream", "php $clients/php_stream.php $port FILE"),
    Program("ruby", "http", f"ruby $clients/ruby_http.rb {HTTP}/item",
            f"ruby $clients/ruby_http.rb {HTTP}/item $lines"),
    Program("psql", "postgres", f"{PSQL} -c \"select 'line ' || n || ' of the item'"
            " from generate_series(1, 700) as n\"", PSQL + PSQL_COPY, reads=1 << 20),
    Program("mysql", "mysql", f"{MYSQL} -e \"select concat('line ', seq, ' of the item')"
            " from seq_1_to_700\"", MYSQL + MYSQL_LOAD, uploaded="$checksum", reads=1 << 20),
    Program("redis-cli", "redis", f"{REDIS} get item", f"{REDIS} --pipe < $commands",
            uploaded="errors: 0, replies: 4096", connects=2),
    simple("bash", "bash $clients/bash_tcp.sh $port FILE"),
    Program("node-http", "http", f"{NODE}http.js {HTTP}/item",
            f"{NODE}http.js {HTTP}/item $lines", loops=True),
    Program("node-https", "https", f"{NODE_TLS}http.js {HTTPS}/item",
            f"{NODE_TLS}http.js {HTTPS}/item $lines", reads=1 << 20, loops=True),
    simple("node-net", f"{NODE}net.js $port FILE", loops=True),
    Program("node-fetch", "http", f"{NODE}fetch.js {HTTP}/item",
            f"{NODE}fetch.js {HTTP}/item $lines", loops=True),
    Program("java-httpclient", "http", f"{JAVA} JavaHttp {HTTP}/item",
            f"{JAVA} JavaHttp {HTTP}/item $lines", needs="java", loops=True),
    simple("java-nio", f"{JAVA} JavaNio $port FILE", needs="java", loops=True),
    # Under a shell that shows what it has stored.
    Program("aria2c", "http", f"sh $clients/aria2c.sh {HTTP}/item"),
    Program("mosquitto_sub", "mqtt", "mosquitto_sub -h 127.0.0.1 -p $port -t item -C 1",
            reconnects=1),
    # These read and write by stdio.
    Program("whois", "whois", "whois -h 127.0.0.1 -p $port item"),
    Program("tnftp", "ftp", "tnftp -V -o - ftp://127.0.0.1:$port/item"),
    Program("tnftp-http", "http", f"tnftp -V -o - {HTTP}/item"),
)


def make_files(directory):
    """What the programs send, by the name that the commands use."""
    lines = b"".join(b"%08d %s\n" % (number, b"x" * 1014) for number in range(UPLOAD // 1024))
    files = {
        "lines": lines,
        "get": b"GET /item HTTP/1.0\r\n\r\n",
        "post": b"POST /item HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(lines) + lines,
        "commands": b"".join(b"SET upload %08d%s\r\n" % (number, b"x" * 8171)
                             for number in range(UPLOAD // 8192)),
    }
    for name, data in files.items():
        (Path(directory) / name).write_bytes(data)
    return {"digest": hashlib.sha256(lines).hexdigest(),
            "checksum": sum(map(zlib.crc32, lines.splitlines())),
            "tmp": directory, "clients": Path(__file__).with_name("clients"),
            **{name: Path(directory) / name for name in files}}


def split(command, values):
    """The argument list, and the file for standard input or None."""
    # Split first, so that no path in the values is ever split.
    words = [Template(word).substitute(values) for word in shlex.split(command)]
    return (words[:-2], words[-1]) if words[-2:-1] == ["<"] else (words, None)
