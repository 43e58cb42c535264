# What a fresh Debian or Ubuntu needs to build this, and how it is built: quickstart and
# check read this file from their own directory.  Nothing that is there is done again.
# shellcheck shell=sh disable=SC2034

top=$(cd "$(dirname -- "$0")/.." && pwd)
build_packages='build-essential autoconf automake libtool pkg-config check xz-utils'
demo_packages='curl python3'

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

missing_packages() {
    for package; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed' ||
            printf '%s ' "$package"
    done
}

# A machine may hold a lock on its package lists for its own updates; wait for that.
apt() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

install_packages() {
    command -v apt-get >/dev/null || {
        echo "This is neither Debian nor Ubuntu: install by hand what corresponds to $*"
        return
    }
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    echo "Installing $missing"
    apt update
    # shellcheck disable=SC2086 # one word a package
    apt install -y --no-install-recommends $missing
}

# automake builds in no second directory while the source tree itself is configured.
# Once there is a Makefile.in, make itself sees to what has changed.
prepare_source() {
    cd "$top" || return
    [ ! -f config.status ] || make distclean
    [ -f Makefile.in ] || autoreconf -fi
}

# build DIRECTORY [CONFIGURE-ARGUMENT]...
build() {
    mkdir -p "$1" && cd "$1" || return
    shift
    [ -f config.status ] || "$top/configure" "$@" || return
    make -j "$(nproc)"
}
