#!/bin/sh
# Which system calls the library adds, as strace(1) counts them: none where nothing is limited,
# none to a read that finds data, a write that finds room and most changes in epoll, and one to
# most reads of a conversation.
#
# usage: tests/strace.sh LIBRARY
set -u
library=$1 passed=0 failed=0
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
for tool in strace python3; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: apt-get install $tool"; exit 1; }
done

# A conversation of $1 rounds with itself over loopback and a pipe, and of $2 with a process that takes its
# time; that one is not traced.  Then one end is taken out of epoll and put in again $3 times.
cat >"$dir/talk.py" <<'PY'
import os, select, socket, struct, sys, time
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
reading, writing = os.pipe()
for _ in range(int(sys.argv[1])):
    client.send(b"x")
    server.recv(1)
    os.write(writing, b"x")
    os.read(reading, 1)
if len(sys.argv) > 2:
    if os.fork() == 0:
        while server.recv(1):
            time.sleep(0.002)
            server.send(b"x")
        os._exit(0)
    for _ in range(int(sys.argv[2])):
        client.send(b"x")
        client.recv(1)
loop = select.epoll()
loop.register(client, select.EPOLLIN)
for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 0):
    loop.unregister(client)
    loop.register(client, select.EPOLLIN)
client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
client.close()
PY

# calls NAME COMMAND... : how often each system call is made, into $dir/NAME
calls() {
    name=$1
    shift
    strace -c -S name -U calls,name -o "$dir/out" "$@" >/dev/null 2>"$dir/err" || { cat "$dir/err"; exit 1; }
    awk '$1 ~ /^[0-9]+$/ && $2 != "total" {print $2, $1}' "$dir/out" | sort >"$dir/$name"
    [ -s "$dir/$name" ] || { echo "strace says nothing of $*"; cat "$dir/out"; exit 1; }
}

# added WITHOUT WITH : the calls that WITH makes more or less often
added() {
    join -a1 -a2 -e0 -o0,1.2,2.2 "$dir/$1" "$dir/$2" | awk '$2 != $3 {printf "%s:%+d ", $1, $3 - $2}'
}

claim() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3"
    fi
}

# Any preloaded library costs the loader some calls; they are those of an empty one, but for
# the number of its segments.
empty=$dir/empty.so
echo 'int empty;' | ${CC:-cc} -shared -fPIC -x c - -o "$empty"
calls true.empty env LD_PRELOAD="$empty" /bin/true
calls true env LD_PRELOAD="$library" /bin/true
loading=$(added true.empty true)
case $loading in
'' | mmap:[+-][1-9]\ ) ;;
*) echo "loading costs \"$loading\", not mmap alone"; exit 1 ;;
esac

python=/usr/bin/python3
calls talk.empty env LD_PRELOAD="$empty" $python "$dir/talk.py" 100
calls talk env LD_PRELOAD="$library" $python "$dir/talk.py" 100
claim "with nothing set, no system call is added" "$loading" "$(added talk.empty talk)"

calls limited.0 env LD_PRELOAD="$library" TIMEOUTSOCK_DEFAULT=30 $python "$dir/talk.py" 0
calls limited.100 env LD_PRELOAD="$library" TIMEOUTSOCK_DEFAULT=30 $python "$dir/talk.py" 100
claim "with a limit, 100 writes and 100 ready reads are 200 system calls, and so they are of a pipe without" \
    "read:+100 recvfrom:+100 sendto:+100 write:+100 " \
    "$(added limited.0 limited.100)"

calls waiting.0 env LD_PRELOAD="$library" TIMEOUTSOCK_DEFAULT=30 $python "$dir/talk.py" 0 0
calls waiting.100 env LD_PRELOAD="$library" TIMEOUTSOCK_DEFAULT=30 $python "$dir/talk.py" 0 100
received=$(added waiting.0 waiting.100 | tr ' ' '\n' | sed -n 's/^recvfrom:+//p')
claim "of 100 reads that wait, hardly any is tried in vain" yes \
    "$([ "$received" -ge 100 ] && [ "$received" -le 130 ] && echo yes || echo "$received calls")"

calls polled.1000 env LD_PRELOAD="$library" TIMEOUTSOCK_DEFAULT=30 $python "$dir/talk.py" 0 0 1000
added waiting.0 polled.1000 | tr ' ' '\n' >"$dir/polled"
asked=$(sed -n 's/^getsockopt:+//p' "$dir/polled")
claim "2,000 changes in epoll are as many system calls, and few others ask what has moved" "epoll_ctl:+2000 yes" \
    "$(grep -v '^getsockopt\|^brk' "$dir/polled" | tr '\n' ' ')$([ "${asked:-0}" -le 500 ] && echo yes || echo "$asked asked")"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
