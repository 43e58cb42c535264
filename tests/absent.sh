#!/bin/sh
# A program compiled against timeoutsock.h (tests/absent.c) runs without the library and
# finds it when it is preloaded or linked, however it is compiled.
#
# usage: [CC=compiler] [CXX=compiler] tests/absent.sh SOURCE-DIRECTORY LIBRARY
set -u
source=$1 library=$2 passed=0 failed=0
directory=$(dirname "$library")
warnings='-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror'
preload=${SANITIZER_RUNTIME:+$SANITIZER_RUNTIME:}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset TIMEOUTSOCK_DEFAULT LD_PRELOAD

# claim DESCRIPTION COMMAND...
claim() {
    description=$1
    shift
    if output=$("$@" 2>&1); then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'FAILED: %s\n%s\n' "$description" "$output"
}

# program COMPILER-AND-FLAGS [LINKER-FLAGS]
program() {
    # shellcheck disable=SC2086
    $1 $warnings -o "$work/program" "$source/tests/absent.c" ${2-}
}
run_with() {
    LD_PRELOAD=$1 "$work/program" "$2"
}

libraries="-L$directory -ltimeoutsock -Wl,-rpath,$directory"

# Without -pie the linker settles weak references itself, and the header says so.
check() {
    case $1 in
    *-no-pie*) found=absent ;;
    *) found=present ;;
    esac
    claim "$1" program "$1"
    claim "$1, without the library" run_with "" absent
    claim "$1, preloaded" run_with "$preload$library" $found
}
check_linked() {
    claim "$1 -ltimeoutsock" program "$1" "-Wl,--no-as-needed $libraries"
    claim "$1, linked weakly" run_with "$preload" present
    claim "$1 -DTIMEOUTSOCK_LINKED -ltimeoutsock" program "$1 -DTIMEOUTSOCK_LINKED" "-Wl,--as-needed $libraries"
    claim "$1, linked" run_with "$preload" present
}

c="${CC:-cc} -D_GNU_SOURCE" cxx="${CXX:-c++} -D_GNU_SOURCE -x c++"
for compiler in "$c" "$cxx"; do
    for position in '-fPIE -pie' '-fno-pie -no-pie' '-fPIC -pie'; do
        check "$compiler $position -O0"
        check "$compiler $position -O2"
        check_linked "$compiler $position -O2"
    done
done
for standard in c89 c99 gnu11; do
    check "$c -O2 -D_FORTIFY_SOURCE=2 -std=$standard"
done
for standard in c++98 c++11 gnu++20; do
    check "$cxx -O2 -D_FORTIFY_SOURCE=2 -std=$standard"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 70 ]
