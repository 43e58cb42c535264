#!/bin/sh
# The examples of timeoutsock(3): each is taken from the page, compiled by each command of the
# page, and does what the page says against a server on loopback.
#
# usage: tests/manual.sh SOURCE-DIRECTORY BUILD-DIRECTORY
set -u
page=$1/man/timeoutsock.3 passed=0 failed=0
build=$(cd "$2" && pwd) || exit
work=$(mktemp -d) || exit
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
unset LD_PRELOAD

# claim DESCRIPTION EXPECTED ACTUAL
claim() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'FAILED: %s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3"
}

# Where a compiler and pkg-config look for what is installed.
install_it() {
    make -s -C "$build" install DESTDIR="$work/root" >"$work/log" 2>&1 || exit
    prefix=$work/root$(sed -n 's/^prefix = //p' "$build/Makefile")
    export CPATH="$prefix/include" LIBRARY_PATH="$prefix/lib" LD_LIBRARY_PATH="$prefix/lib"
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/root"
    launcher=$prefix/bin/timeoutsock
}

# Prints each literal text that includes the header into a file of its own: 1.c, 2.c, ...
extract_examples() {
    awk -v directory="$work" '
        /^\.Bd -literal/ { text = ""; inside = 1; next }
        /^\.Ed/ && inside {
            inside = 0
            if (text ~ /#include <timeoutsock.h>/)
                printf "%s", text > (directory "/" ++count (text ~ /<cstdio>/ ? ".cc" : ".c"))
        }
        inside { gsub(/\\e/, "\\"); gsub(/\\-/, "-"); text = text $0 "\n" }' "$page"
}

# The documented commands for a language.
commands() {
    sed -n "s/^\.Dl \($1 .*\)/\1/p" "$page" | sed 's/\\-/-/g'
}

# Runs a program with a connection as its standard input, and tells when it ended: how it did,
# what it and its server saw, and whether that took as long as it should: no less, and more
# only by what starting a program takes and four times what a plain poll was late by meanwhile.
write_server() {
    cat >"$work/server.py" <<'END'
import select, socket, subprocess, sys, threading, time

way, expected, *program = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
over, late = threading.Event(), [0.0]

def drip():
    while not over.wait(0.1):
        try:
            server.send(b".")
        except OSError:
            return

def measure_lateness():
    while not over.is_set():
        began = time.monotonic()
        select.poll().poll(20)
        late[0] = max(late[0], time.monotonic() - began - 0.02)

threads = [threading.Thread(target=act, daemon=True)
           for act in [measure_lateness] + [drip] * (way == "dripping")]
for thread in threads:
    thread.start()
if way == "answering":
    server.send(b"!")
began = time.monotonic()
done = subprocess.run(program, stdin=client, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                      timeout=20)
took = time.monotonic() - began
over.set()
for thread in threads:
    thread.join()
server.setblocking(False)
try:
    heard = server.recv(512).decode()
except BlockingIOError:
    heard = ""
lines = done.stdout.decode().splitlines() + [f"<- {line}" for line in heard.splitlines()]
print("|".join(lines), done.returncode, end=" ")
least = int(expected) / 1000
print("in time" if least <= took <= least + 0.3 + 4 * late[0] else f"after {took:.3f} s, {late[0]:.3f} s late")
END
}

# does NUMBER BEHAVIOUR MS EXPECTED [LAUNCHER...]
does() {
    number=$1 behaviour=$2 ms=$3 expected=$4
    shift 4
    claim "example $number, $compiled${1:+, by the launcher}" "$expected in time" \
        "$(python3 "$work/server.py" "$behaviour" "$ms" "$@" "$work/a.out" 2>&1)"
}

# Compiled by one command: with warnings, which the page spares the reader.
compile() {
    rm -f "$work/a.out"
    (cd "$work" && cp "$number.$suffix" "prog.$suffix" &&
        eval "$(echo "$compiled" | sed 's/ / -Wall -Wextra -Werror /')") 2>&1
}

# example NUMBER SUFFIX BEHAVIOUR MS EXPECTED [EXPECTED-WITHOUT-LIBRARY]
example() {
    number=$1 suffix=$2
    tried=$((tried + 1))
    case $suffix in
    c) commands cc ;;
    cc) commands c++ ;;
    esac >"$work/commands"
    while read -r compiled; do
        claim "example $number is compiled by: $compiled" '' "$(compile </dev/null)"
        case $compiled in
        *timeoutsock*) does "$number" "$3" "$4" "$5" ;;
        *)
            does "$number" "$3" "$4" "$5" "$launcher" 30
            [ -z "${6-}" ] || does "$number" answering 0 "$6"
            ;;
        esac
    done <"$work/commands"
}

install_it
extract_examples
write_server
tried=0
example 1 c silent 500 'no reply within half a second 1' \
    'no libtimeoutsock: waiting as long as it takes|1 bytes 0'
example 2 c dripping 1000 'no answer: Connection timed out|<- time? 1'
example 3 c silent 500 'S, of yesterday 0'
example 4 c dripping 1000 'hanging up on the server|recv: Connection timed out 0'
example 5 c silent 500 'recv: Connection timed out|step 0, all 1|<- QUIT 0'
example 6 cc silent 500 'too late 0' '! 0'
claim 'every example has been tried' "$tried" "$(find "$work" -name '[0-9]*.c*' | wc -l)"
claim 'the commands of the page' '3 1' "$(commands cc | wc -l) $(commands c++ | wc -l)"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 30 ]
