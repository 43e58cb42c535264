#!/bin/sh
# Builds the library so that it counts what the tests run of it, runs them, prints the share of
# lines and of branches of each file in shim/, and judges them (tests/coverage.py).
#
# It says which tests fail and does not judge that: where calls are counted, dlopen is no longer
# left by a jump (shim/process.c), and so tests/loading fails.
#
# usage: tests/coverage.sh SOURCE-DIRECTORY DIRECTORY
set -u
source=$(cd "$1" && pwd) || exit
for tool in gcc gcovr python3; do
    command -v $tool >/dev/null || { echo "$tool is missing"; exit 1; }
done
mkdir -p "$2" && cd "$2" || exit

# count MAKE-ARGUMENT... : with what has a process count that ends by _exit().
count() {
    make libtimeoutsock_la_LIBADD="$PWD/counts.o" "$@"
}

# Nothing is inlined: each copy of a function would have branches of its own, of which its one
# caller takes only some.
build() {
    "$source/configure" -q CC=gcc LDFLAGS=--coverage \
        CFLAGS='-Og -g -fno-inline -Dalways_inline=noinline --coverage -fprofile-update=atomic' || return
    make -s clean || return
    find . -name '*.gcda' -delete
    gcc -O2 -fPIC -c -o counts.o "$source/tests/coverage.c" || return
    count -s -j2
}

build >build.log 2>&1 || { cat build.log; exit 1; }
count -k -j2 check >check.log 2>&1 || grep '^FAIL' check.log
gcovr --root "$source" --object-directory . --filter "$source/shim/" \
    --exclude-unreachable-branches --exclude-throw-branches --json counts.json shim || exit
for measure in --txt --branches; do
    gcovr --root "$source" --add-tracefile counts.json $measure || exit
done
"$source/tests/coverage.py" "$source" counts.json
