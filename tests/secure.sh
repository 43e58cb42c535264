#!/bin/sh
# A program with more rights than whoever starts it takes nothing from that one's environment,
# although the library is in it: here because the program (tests/secure.c) is linked with it,
# and because root has put it where the dynamic linker preloads from even then.
#
# usage: tests/secure.sh SOURCE-DIRECTORY LIBRARY, as root
set -u
source=$1 library=$2 passed=0 failed=0
[ "$(id -u)" = 0 ] || { echo "run this as root: it makes set-user-ID programs"; exit 1; }
dir=$(mktemp -d) && chmod 755 "$dir" && trap 'rm -rf "$dir"' EXIT
unset LD_PRELOAD TIMEOUTSOCK_DEFAULT

# claim DESCRIPTION EXPECTED ACTUAL
claim() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
        return
    fi
    failed=$((failed + 1))
    printf 'FAILED: %s\n  expected: %s\n  found:    %s\n' "$1" "$2" "$3"
}

# As a user without any rights, with a setting that is good and one that is bad.
as_nobody() {
    setpriv --reuid 65534 --regid 65534 --clear-groups \
        env TIMEOUTSOCK_DEFAULT=7s TIMEOUTSOCK_KINDS=bogus "$@" 2>&1
}

# Both names of the file, because the linker asks for the one and ld.so for the other.
cp "$library" "$dir/libtimeoutsock.so.0" && ln -s libtimeoutsock.so.0 "$dir/libtimeoutsock.so" || exit
${CC:-cc} -DTIMEOUTSOCK_LINKED -I"$source/shim" -o "$dir/linked" "$source/tests/secure.c" \
    -L"$dir" -ltimeoutsock -Wl,-rpath,"$dir" || exit
${CC:-cc} -I"$source/shim" -o "$dir/preloaded" "$source/tests/secure.c" || exit

for program in linked preloaded; do
    for way in user group capable; do
        cp "$dir/$program" "$dir/$program-$way" || exit
    done
    chmod u+s "$dir/$program-user" || exit
    chmod g+s "$dir/$program-group" || exit
    setcap cap_net_raw+ep "$dir/$program-capable" || exit
done

said='timeoutsock: bad value TIMEOUTSOCK_KINDS="bogus", ignored (try tcp or tcp,udp,unix,vsock,pipe or all)'
claim "without more rights it reads its settings" "$said
plain 7000" "$(as_nobody "$dir/linked")"
for way in user group capable; do
    claim "linked, with more rights ($way)" "secure -1" "$(as_nobody "$dir/linked-$way")"
done

# ld.so preloads into such a program what stands without a slash in LD_PRELOAD, is found in
# one of its own directories, and is set-user-ID itself.  In a mount namespace the library is
# added to such a directory, so that nothing of it is seen outside.
trusted=$(dirname "$(ldd "$dir/preloaded" | awk '/libc\.so/ {print $3}')")
in_trusted() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare -m sh -c 'mount -t overlay overlay -o "lowerdir=$1:$2" "$2" || exit
        shift 2
        exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"' sh "$dir/added" "$trusted" \
        env TIMEOUTSOCK_DEFAULT=7s TIMEOUTSOCK_KINDS=bogus LD_PRELOAD=libtimeoutsock.so.0 "$@" 2>&1
}
mkdir "$dir/added" && cp "$library" "$dir/added/libtimeoutsock.so.0" && chmod u+s "$dir/added/libtimeoutsock.so.0" || exit
claim "preloaded, without more rights" "plain 7000" "$(in_trusted "$dir/preloaded" | tail -n 1)"
for way in user group capable; do
    claim "preloaded, with more rights ($way)" "secure -1" "$(in_trusted "$dir/preloaded-$way")"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
