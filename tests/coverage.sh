#!/bin/sh
# Builds the library so that it counts what the tests run of it, runs them, and prints the
# share of lines and of branches of each file in shim/.
#
# It says which tests fail and does not judge them: where calls are counted, dlopen is no longer
# left by a jump (shim/process.c), and so tests/loading fails.
#
# usage: tests/coverage.sh SOURCE-DIRECTORY DIRECTORY
set -u
source=$(cd "$1" && pwd) || exit
command -v gcovr >/dev/null || { echo "gcovr is missing"; exit 1; }
mkdir -p "$2" && cd "$2" || exit
"$source/configure" -q CC=gcc CFLAGS='-Og -g --coverage -fprofile-update=atomic' \
    LDFLAGS=--coverage && make -s clean && find . -name '*.gcda' -delete && make -s -j2 || exit
make -k -j2 check >check.log 2>&1 || grep '^FAIL' check.log
status=0
for measure in "" --branches; do
    gcovr ${measure:+"$measure"} --root "$source" --object-directory . --filter "$source/shim/" shim || status=1
done
exit $status
