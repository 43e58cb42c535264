#!/bin/sh
# What the library shows to the loader: its exports are calls.def and the public API and
# nothing else, it never calls a symbol that it replaces, and it needs libc alone.
#
# usage: tests/symbols.sh SOURCE-DIRECTORY LIBRARY
set -u
source=$1 library=$2 passed=0 failed=0

# claim DESCRIPTION EXPECTED ACTUAL
claim() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'FAILED: %s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3"
}

# A 32-bit glibc has names for both widths of time_t.
variants=_GLIBC
! readelf -h "$library" | grep -q ELF32 || variants='_GLIBC|_TIME64'
replaced() {
    sed -En "s/^CALL($variants)?\\([^,]*, *([a-z0-9_]*),.*/\\2/p; s/^ALIAS($variants)?\\(([a-z0-9_]*),.*/\\2/p" \
        "$source/shim/calls.def"
}
public() {
    grep -Eo '^int tsock_[a-z_]+' "$source/shim/timeoutsock.h" | cut -d' ' -f2
}
exported() {
    nm -D --defined-only "$library" | awk '{print $3}'
}
imported() {
    readelf -W --dyn-syms --relocs "$library" | awk '/JUMP_SL|GLOB_DAT/ {sub(/@.*/, "", $5); print $5}'
}
sorted() {
    sort -u | tr '\n' ' '
}

[ "$(replaced | wc -l)" -gt 40 ] || { echo "cannot read $source/shim/calls.def"; exit 1; }
[ "$(imported | wc -l)" -gt 10 ] || { echo "cannot read the relocations of $library"; exit 1; }

claim "exports are calls.def and the API" "$( (replaced; public) | sorted)" "$(exported | sorted)"
claim "no replaced symbol is called" "" "$(imported | grep -Fx "$(replaced; public)" | sorted)"
claim "the SONAME is versioned" "libtimeoutsock.so.0" \
    "$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')"
needed=$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\].*/\1/p' | grep -v -e san.so -e ld-linux | sorted)
claim "it needs libc alone" "libc.so.6 " "$needed"
claim "its tables are read-only after start" "yes" \
    "$(readelf -W -l "$library" | grep -q GNU_RELRO && readelf -d "$library" | grep -q 'NOW' && echo yes)"
claim "it has no text relocations" "" "$(readelf -d "$library" | grep TEXTREL)"
claim "its stack is not executable" "RW" \
    "$(readelf -W -l "$library" | awk '/GNU_STACK/ {print $7}')"
claim "nothing that is written can be executed" "" \
    "$(readelf -W -l "$library" | awk '$1 == "LOAD" && /RWE/')"
claim "what overruns an array on the stack is caught" "yes" \
    "$(nm -D --undefined-only "$library" | grep -q ' __stack_chk_fail' && echo yes)"

# x86 alone marks where an indirect branch may land, and says who keeps to a shadow stack.
unmarked() {
    objdump -d --no-show-raw-insn "$library" | awk '/^[0-9a-f]+ </ { name = substr($2, 2, length($2) - 3); next }
        name { if ($2 !~ /^endbr/) print name; name = "" }' | grep -Fx "$(exported)"
}
case $(readelf -h "$library" | sed -n 's/ *Machine: *//p') in
*X86-64 | *80386)
    claim "indirect branches land where they may" "" "$(unmarked | sorted)"
    claim "it keeps to a shadow stack" "yes" "$(readelf -n "$library" | grep -q 'x86 feature:.*SHSTK' && echo yes)"
    ;;
esac

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
