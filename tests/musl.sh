#!/bin/sh
# The library built for musl, in programs that are: every sort of call ends at its limit, and
# waits for ever where there is none.  (There is no Check for musl.)
#
# usage: tests/musl.sh SOURCE-DIRECTORY LIBRARY
set -u
source=$1 library=$2 passed=0 failed=0
directory=$(mktemp -d) || exit
trap 'rm -rf "$directory"' EXIT
client=$directory/client

# claim DESCRIPTION EXPECTED ACTUAL
claim() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1: expected status $2, found $3"
    fi
}

# status_of CALL [SETTING]: 0 is ETIMEDOUT at the limit, 142 that the alarm came first.
status_of() {
    env LD_PRELOAD="$library" ${2:+"$2"} "$client" "$1" >"$directory/output" 2>&1
    echo $?
}

"${CC:-musl-gcc}" -D_GNU_SOURCE -O1 -o "$client" "$source/tests/musl.c" || exit
for call in $("$client"); do
    claim "$call with a limit" 0 "$(status_of "$call" TIMEOUTSOCK_DEFAULT=100ms)"
    claim "$call without a limit" 142 "$(status_of "$call")"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 40 ]
