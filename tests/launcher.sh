#!/bin/sh
# What the launcher promises: which words it takes and refuses, what the program gets from
# it, which library it finds, and of which programs it warns.  Everything is tried with
# each shell that may be /bin/sh.
#
# usage: tests/launcher.sh [BUILD-DIRECTORY]
set -u
build=$(cd "${1:-.}" && pwd) || exit
launcher=$build/scripts/timeoutsock
library=$build/.libs/libtimeoutsock.so
passed=0 failed=0
export LC_ALL=C
unset LD_PRELOAD
dir=$(mktemp -d) && chmod 755 "$dir" && trap 'rm -rf "$dir"' EXIT
for tool in dash bash busybox gcc make python3 setcap setpriv; do
    command -v "$tool" >/dev/null || { echo "$tool is missing"; exit 1; }
done
for file in "$launcher" "$library"; do
    [ -e "$file" ] || { echo "$file is missing: run make"; exit 1; }
done

# claim DESCRIPTION EXPECTED ACTUAL
claim() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'FAILED (%s): %s\n  expected: %s\n  found:    %s\n' "$shell" "$1" "$2" "$3"
}

# Runs a launcher; its status, its output and what it says on standard error are kept.
launch() {
    $shell "$launcher" "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    out=$(cat "$dir/out") err=$(cat "$dir/err")
}

# refuses STATUS MESSAGE ARGUMENT... : it says that one line, and starts nothing.
refuses() {
    wanted="$1||timeoutsock: $2"
    shift 2
    launch "$@"
    claim "timeoutsock $* is refused" "$wanted" "$status|$out|$err"
}

# says STATUS STDERR ARGUMENT...
says() {
    wanted="$1|$2"
    shift 2
    launch "$@"
    claim "timeoutsock $*" "$wanted" "$status|$err"
}

# sets SETTINGS ARGUMENT... : these are the settings that the program gets.
sets() {
    wanted=$1
    shift
    launch "$@" env
    claim "timeoutsock $* env" "0|$wanted|" "$status|$(grep ^TIMEOUTSOCK "$dir/out" | sort | paste -sd' ' -)|$err"
}

quiet() {
    says "$1" '' 5 "$2"
}

# warns STATUS PROGRAM REASON ARGUMENT...
warns() {
    warning="timeoutsock: warning: \"$2\" $3: its sockets will have no limits"
    wanted_status=$1
    shift 3
    says "$wanted_status" "$warning" 5 "$@"
}

# program NAME [COMPILER-OPTION]... : one that ends with status 7.
program() {
    name=$1
    shift
    echo 'int main(void) { return 7; }' | gcc -x c - "$@" -o "$dir/$name" || exit
}

script() {
    printf '%s\n' "$2" 'exit 7' >"$dir/$1"
    chmod +x "$dir/$1"
}

# patch FILE OFFSET BYTE
patch() {
    # shellcheck disable=SC2059 # an octal escape
    printf "\\$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

# patch_class FILE: its header says the other word size, nothing else changes.
patch_class() {
    class=$(od -A n -t u1 -j 4 -N 1 "$1")
    patch "$1" 4 "00$((3 - class))"
}

prepare() {
    program plain
    program static -static
    program static-pie -static-pie
    program sanitized -fsanitize=address
    for copy in small other-machine own-suid suid sgid capable; do
        cp "$dir/plain" "$dir/$copy"
    done
    patch_class "$dir/small"
    patch "$dir/other-machine" 18 177
    chmod u+s "$dir/own-suid"
    script sh-script '#!/bin/sh'
    script spaced-script '#! 	/bin/sh -e'
    script bare-script ''
    script orphan "#!$dir/absent -x"
    script static-script "#!$dir/static"
    script env-script '#!/usr/bin/env static'
    script env-split-script '#!/usr/bin/env -S A=1 static -v'
    script script-script "#!$dir/env-script"
    : >"$dir/unrunnable"
    make -s -C "$build" DESTDIR="$dir/root" install >"$dir/out" 2>&1 || { cat "$dir/out"; exit 1; }
    installed=$(find "$dir/root" -name timeoutsock -type f)
    installed_library=$(find "$dir/root" -name libtimeoutsock.so.0)
    PATH=$dir:$PATH
}

test_durations() {
    for value in 30 1.5 500ms 30s 2m 1h none off infinite 0 0.000000001 0009 \
        9000000000 9000000000.0 8999999999.5 9000000000s 9000000000000ms 150000000m 2500000h; do
        sets "TIMEOUTSOCK_DEFAULT=$value" "$value"
    done
    for value in abc -5 -.5 1e3 1e3x '' ' ' ' 5' '5 ' +5 .5 5. 1.5.5 1,5 5ss 5sm 5d 0x10 ms NONE nan \
        0.0000000001 9000000001 9000000000001ms 150000001m 2500001h 99999999999h \
        9000000000.000000001 2500000.5h \
        99999999999999999999 99999999999999999999999ms '*' '30;ls'; do
        refuses 125 "bad duration \"$value\" (try 30, 1.5, 500ms, 2m or none)" "$value" echo ran
    done
    refuses 125 'bad duration "3?0?" (try 30, 1.5, 500ms, 2m or none)' "$(printf '3\n0\033')" echo ran
}

test_options() {
    for option in default connect accept read write total lookup; do
        name=TIMEOUTSOCK_$(echo $option | tr '[:lower:]' '[:upper:]')
        sets "$name=1.5" --$option 1.5
        sets "$name=1.5" --$option=1.5 --
        for value in abc -5 ''; do
            message="bad duration \"$value\" for --$option (try 30, 1.5, 500ms, 2m or none)"
            refuses 125 "$message" --$option "$value" echo ran
            refuses 125 "$message" --$option="$value" echo ran
        done
        refuses 125 "no value for \"--$option\" (see timeoutsock --help)" --$option
    done
    sets 'TIMEOUTSOCK_CONNECT=5 TIMEOUTSOCK_READ=30' --connect 5 --read 30 --
    sets 'TIMEOUTSOCK_CONNECT=5 TIMEOUTSOCK_DEFAULT=9' --connect 5 9
    sets 'TIMEOUTSOCK_CONNECT=5 TIMEOUTSOCK_DEFAULT=9' 9 --connect 5 --
    sets 'TIMEOUTSOCK_READ=3' --read 2 --read 3 --
}

test_words() {
    for kinds in tcp udp unix vsock pipe all tcp,udp,unix,vsock,pipe tcp,tcp; do
        sets "TIMEOUTSOCK_DEFAULT=5 TIMEOUTSOCK_KINDS=$kinds" --kinds "$kinds" 5
    done
    for kinds in '' ',' 'tcp,' ',tcp' 'tcp,,udp' TCP 'tcp udp' 'tcp ' sctp tcp,sctp '*'; do
        refuses 125 "bad value \"$kinds\" for --kinds (try tcp or tcp,udp,unix,vsock,pipe or all)" \
            --kinds "$kinds" 5 echo ran
    done
    for events in connected all off; do
        sets "TIMEOUTSOCK_DEFAULT=5 TIMEOUTSOCK_EVENTS=$events" --events $events 5
    done
    for action in shutdown error; do
        sets "TIMEOUTSOCK_ACTION=$action TIMEOUTSOCK_DEFAULT=5" --action $action 5
    done
    for error in ETIMEDOUT EAGAIN; do
        sets "TIMEOUTSOCK_DEFAULT=5 TIMEOUTSOCK_ERRNO=$error" --errno $error 5
    done
    for value in '' none ALL 'off ' connected,all shutdown; do
        refuses 125 "bad value \"$value\" for --events (try connected, all or off)" --events "$value" 5 echo ran
    done
    for value in '' off Error all; do
        refuses 125 "bad value \"$value\" for --action (try shutdown or error)" --action="$value" 5 echo ran
    done
    for value in '' etimedout 'EAGAIN ' ETIMEDOUT,EAGAIN EINTR; do
        refuses 125 "bad value \"$value\" for --errno (try ETIMEDOUT or EAGAIN)" --errno "$value" 5 echo ran
    done
}

test_environment() {
    for name in DEFAULT CONNECT ACCEPT READ WRITE TOTAL LOOKUP; do
        export "TIMEOUTSOCK_$name=7"
        sets "TIMEOUTSOCK_$name=7" --
        unset "TIMEOUTSOCK_$name"
    done
    export TIMEOUTSOCK_READ=7
    sets 'TIMEOUTSOCK_DEFAULT=5 TIMEOUTSOCK_READ=7' 5
    sets 'TIMEOUTSOCK_READ=9' --read 9
    sets 'TIMEOUTSOCK_READ=7' --
    TIMEOUTSOCK_READ=abc
    refuses 125 'bad duration "abc" for TIMEOUTSOCK_READ (try 30, 1.5, 500ms, 2m or none)' 5 echo ran
    sets 'TIMEOUTSOCK_DEFAULT=5 TIMEOUTSOCK_READ=9' --read 9 5
    unset TIMEOUTSOCK_READ
    export TIMEOUTSOCK_KINDS=
    refuses 125 'bad value "" for TIMEOUTSOCK_KINDS (try tcp or tcp,udp,unix,vsock,pipe or all)' 5 echo ran
    unset TIMEOUTSOCK_KINDS
    export TIMEOUTSOCK_SKIP=sshd
    sets 'TIMEOUTSOCK_DEFAULT=5 TIMEOUTSOCK_SKIP=sshd' 5
    unset TIMEOUTSOCK_SKIP
}

test_usage() {
    refuses 125 'no limit given (try timeoutsock 30 PROGRAM)'
    refuses 125 'no limit given (try timeoutsock 30 PROGRAM)' -- echo ran
    refuses 125 'no limit given (try timeoutsock 30 PROGRAM)' --kinds all -- echo ran
    refuses 125 'no program given (try timeoutsock 30 curl http://example.com/)' 5
    refuses 125 'no program given (try timeoutsock 30 curl http://example.com/)' --read 5 --
    refuses 125 'bad duration "echo" (try 30, 1.5, 500ms, 2m or none)' echo ran
    for option in --foo --foo=5 --READ --reads -r -read; do
        refuses 125 "unknown option \"$option\" (see timeoutsock --help)" $option 5 echo ran
    done
    launch --version
    claim 'the version' "0|$(sed -n 's/^PACKAGE_VERSION = /timeoutsock /p' "$build/Makefile")|" "$status|$out|$err"
    launch --help
    claim 'the help ends well' '0|' "$status|$err"
    for option in --default --connect --accept --read --write --total --lookup --kinds --events \
        --action --errno --help --version; do
        claim "the help knows $option" yes "$(grep -qe "$option" "$dir/out" && echo yes)"
    done
}

test_programs() {
    refuses 127 'cannot run "no-such": no such program' 5 no-such
    refuses 127 'cannot run "./no-such": no such program' 5 ./no-such
    refuses 127 'cannot run "": no such program' 5 ''
    refuses 127 'cannot run "cd": no such program' 5 cd /
    refuses 127 'cannot run "usage": no such program' 5 usage
    refuses 127 "cannot run \"$dir/orphan\": its interpreter \"$dir/absent\" does not exist" 5 orphan
    refuses 126 "cannot run \"$dir/unrunnable\": it is not an executable file" 5 unrunnable
    refuses 126 "cannot run \"$dir\": it is not an executable file" 5 "$dir"
    quiet 7 plain
    quiet 7 sh-script
    quiet 7 spaced-script
    quiet 7 bare-script
    quiet 7 sanitized
}

# kept VARIABLE: prints what the program finds in it.
kept() (
    export "$1=kept"
    launch --read=5 env
    grep "^$1=" "$dir/out"
)

test_what_the_program_gets() {
    launch 5 -- python3 -c 'import sys; print(sys.argv[1:])' 'a b' '' '*' -- --read "it's"
    claim 'its arguments' "['a b', '', '*', '--', '--read', \"it's\"]" "$out"
    launch 5 cat /proc/self/cmdline
    claim 'its name as it was typed' cat "$(tr '\0' '\n' <"$dir/out" | head -n 1)"
    claim 'its process, the one that was started' yes \
        "$(sh -c "echo \$\$; exec $shell $launcher 5 sh -c 'echo \$\$'" | uniq | wc -l | sed 's/^1$/yes/')"
    claim 'its standard input' input "$(echo input | $shell "$launcher" 5 cat)"
    launch 5 grep -q libtimeoutsock /proc/self/maps
    claim 'the library' '0|' "$status|$err"
    export LD_PRELOAD=libm.so.6:libdl.so.2
    launch 5 env
    claim 'LD_PRELOAD, ours first' "LD_PRELOAD=$library:libm.so.6:libdl.so.2" "$(grep LD_PRELOAD "$dir/out")"
    unset LD_PRELOAD
    for name in prefix libdir here path number value word reason setting kind program machine; do
        claim "the variable $name as it was" "$name=kept" "$(kept "$name")"
    done
}

# finds LIBRARY LAUNCHER
finds() {
    claim "the library that $2 preloads" "LD_PRELOAD=$1" "$($shell "$2" 5 env | grep ^LD_PRELOAD)"
}

test_finding() {
    ln -sf "$installed" "$dir/link-to-installed"
    ln -sf "$launcher" "$dir/link-to-built"
    finds "$installed_library" "$installed"
    finds "$installed_library" "$dir/link-to-installed"
    finds "$library" "$dir/link-to-built"
}

# ruin KIND: a build tree whose library is of no use.  Leaves its launcher in $launcher
# and its library in $ruined.
ruin() {
    tree=$dir/ruined/$1
    mkdir -p "$tree/scripts" "$tree/.libs"
    launcher=$tree/scripts/timeoutsock ruined=$tree/.libs/libtimeoutsock.so
    cp "$build/scripts/timeoutsock" "$launcher"
    cp "$library" "$ruined"
    case $1 in
    short) truncate -s 30 "$ruined" ;;
    text) yes text | head -n 1000 >"$ruined" ;;
    small) patch_class "$ruined" ;;
    absent) rm "$ruined" ;;
    esac
}

# refuses_ruined MESSAGE: whatever the program is.
refuses_ruined() {
    refuses 125 "$1" 5 plain
    refuses 125 "$1" 5 static
}

test_ruined_libraries() {
    ruin short
    refuses_ruined "ld.so does not load \"$ruined\": file too short"
    ruin text
    refuses_ruined "ld.so does not load \"$ruined\": invalid ELF header"
    ruin small
    refuses_ruined "ld.so does not load \"$ruined\": wrong ELF class: ELFCLASS$((96 - $(getconf LONG_BIT)))"
    ruin 'a blank'
    refuses_ruined "cannot preload \"$ruined\": LD_PRELOAD splits at blanks and colons (try a directory without)"
    ruin absent
    refuses_ruined "cannot find the library: neither \"$ruined\" nor \"${installed_library#"$dir/root"}\" exists (try make, or make install)"
}

# What a program may gain by its bits is asked as root and as nobody.
test_privileges() {
    if [ "$(id -u)" != 0 ]; then
        warns 0 /usr/bin/su 'is set-user-ID' /usr/bin/su --version
        return
    fi
    chown 65534 "$dir/suid" && chmod u+s "$dir/suid"
    chgrp 65534 "$dir/sgid" && chmod g+s "$dir/sgid"
    setcap cap_net_raw+ep "$dir/capable" || exit
    warns 7 "$dir/suid" 'is set-user-ID' suid
    warns 7 "$dir/sgid" 'is set-group-ID' sgid
    quiet 7 own-suid
    quiet 7 capable
    shell="setpriv --reuid 65534 --regid 65534 --clear-groups $shell" launcher=$installed
    warns 7 "$dir/capable" 'has file capabilities' capable
    warns 7 "$dir/own-suid" 'is set-user-ID' own-suid
    quiet 7 plain
}

test_warnings() {
    warns 7 "$dir/static" 'is a static program' static
    warns 7 "$dir/static-pie" 'is a static program' static-pie
    warns 7 "$dir/static" 'is a static program' static-script
    warns 7 "$dir/static" 'is a static program' env-script
    warns 7 "$dir/static" 'is a static program' env-split-script
    warns 7 "$dir/static" 'is a static program' script-script
    warns 7 "$dir/small" "is a $((96 - $(getconf LONG_BIT)))-bit program and the library is $(getconf LONG_BIT)-bit" small
    launch 5 other-machine
    claim 'a program for another machine' \
        "timeoutsock: warning: \"$dir/other-machine\" is built for another machine than the library: its sockets will have no limits" \
        "$(head -n 1 "$dir/err")"
}

# The whole way once, against a server that never answers.
test_the_limit() {
    launch 300ms python3 -c '
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
try:
    client.recv(1)
except TimeoutError as error:
    print(error.strerror)'
    claim 'a read of a silent server' '0|Connection timed out|' "$status|$out|$err"
}

shell='none yet'
prepare
for shell in dash 'bash --posix' 'busybox sh'; do
    launcher=$build/scripts/timeoutsock
    test_durations
    test_options
    test_words
    test_environment
    test_usage
    test_programs
    test_what_the_program_gets
    test_finding
    test_warnings
    test_the_limit
    test_ruined_libraries
    launcher=$build/scripts/timeoutsock
    test_privileges
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
