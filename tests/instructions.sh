#!/bin/sh
# How many instructions the library adds to a call that need not wait, as valgrind counts
# them, held against tests/bench/instructions.txt: more than 5 % above fail, or 25 % with another
# compiler than theirs.  A change that is worth more writes them anew.
#
# usage: tests/instructions.sh [--record] TOP LIBRARY READY, the latter is tests/bench/ready
set -u
record=no
[ "$1" != --record ] || { record=yes; shift; }
counts=$1/tests/bench/instructions.txt library=$2 ready=$3 passed=0 failed=0
compiler="$(${CC:-cc} -dumpmachine) $(${CC:-cc} -dumpversion)"
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind"; exit 1; }

# executed CALL COUNT [VARIABLE=VALUE]... : the instructions of the whole program
executed() {
    call=$1 count=$2
    shift 2
    env "$@" valgrind --tool=callgrind --callgrind-out-file="$dir/out" "$ready" "$call" "$count" >"$dir/log" 2>&1 ||
        { cat "$dir/log" >&2; return 1; }
    awk '$2 == "Collected" && $3 == ":" {print $4; found = 1} END {exit !found}' "$dir/log"
}

# per_call CALL [VARIABLE=VALUE]... : what 1,000 calls more take, for each
per_call() {
    call=$1
    shift
    few=$(executed "$call" 1000 "$@") && many=$(executed "$call" 2000 "$@") && echo $(((many - few) / 1000))
}

added() {
    plain=$(per_call "$1" TIMEOUTSOCK_DEFAULT=30) &&
        with=$(per_call "$1" LD_PRELOAD="$library" TIMEOUTSOCK_DEFAULT=30) && echo $((with - plain))
}

recorded() {
    awk -v call="$1" '$1 == call {print $2}' "$counts"
}

calls='read recv write send poll'
if [ $record = yes ]; then
    {
        echo "# Instructions that a ready call has more with the library (tests/instructions.sh), by"
        echo "# $compiler"
        for name in $calls; do
            number=$(added "$name") && echo "$name $number" || exit 1
        done
    } >"$dir/counts" && cp "$dir/counts" "$counts"
    exit
fi

allowed=25
if grep -qxF "# $compiler" "$counts"; then
    allowed=5
fi
for name in $calls; do
    most=$(recorded "$name")
    [ -n "$most" ] || { echo "$counts has no $name"; exit 1; }
    number=$(added "$name") || exit 1
    echo "$name: $number instructions added, $most recorded, $allowed % more allowed"
    if [ "$number" -gt 0 ] && [ $((number * 100)) -le $((most * (100 + allowed))) ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name takes more instructions than it did"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
