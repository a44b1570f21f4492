#!/bin/bash
# The one place that knows what pglocktop needs of Debian.
#
#   install-dependencies.sh build|demo|matrix|test|ci|screenshots
#       installs what is missing, with apt-get, as root or through sudo; without either it prints the command and
#       stops. Where nothing is missing it does nothing. PostgreSQL's package is kept from creating a cluster.
#   install-dependencies.sh --libraries
#       installs nothing; says which package brings a library that is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(make gcc libc6-dev pkg-config libpq-dev libpcre2-dev libjansson-dev libinih-dev libncurses-dev)
demo=("${build[@]}" postgresql)
matrix=("${demo[@]}" libcmocka-dev libvterm-dev npm)
test=("${matrix[@]}" mandoc procps)
ci=("${test[@]}" clang libclang-rt-dev clang-format clang-tidy cppcheck valgrind)
screenshots=("${demo[@]}" xterm xvfb xdotool imagemagick fonts-dejavu-core)

# library as pkg-config names it : Debian package
libraries=(libpq:libpq-dev libpcre2-8:libpcre2-dev jansson:libjansson-dev inih:libinih-dev ncursesw:libncurses-dev)

createcluster=/etc/postgresql-common/createcluster.conf

say_missing_libraries() {
    local pkg_config=${PKG_CONFIG:-pkg-config} library packages=()

    command -v "${CC:-cc}" >/dev/null || packages+=(gcc libc6-dev)
    command -v "$pkg_config" >/dev/null || packages+=(pkg-config)
    for library in "${libraries[@]}"; do
        "$pkg_config" --exists "${library%:*}" 2>/dev/null || packages+=("${library#*:}")
    done
    if [ ${#packages[@]} -gt 0 ]; then
        echo "pglocktop cannot be built, these Debian packages are missing: ${packages[*]}" >&2
        echo "  apt-get install ${packages[*]}" >&2
        return 1
    fi
}

is_installed() {
    case $1 in
        # Whoever has a server, of whatever version and from wherever, needs no other.
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return ;;
        # Any make and any compiler will do, and any npm.
        make | gcc | npm) command -v "$1" >/dev/null && return ;;
    esac
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get install -y --no-install-recommends "$@" </dev/null
}

# Without this the package would create a cluster, and start it. What was in the file comes back, whatever happens.
without_a_cluster() (
    saved=
    if [ -e "$createcluster" ]; then
        saved=$(mktemp)
        cp -p "$createcluster" "$saved"
    fi
    put_back() {
        rm -f "$createcluster"
        if [ -n "$saved" ]; then
            cp -p "$saved" "$createcluster"
            rm -f "$saved"
        fi
    }
    trap put_back EXIT
    trap 'exit 1' INT TERM HUP
    sed '/^[[:space:]]*create_main_cluster/d' ${saved:+"$saved"} </dev/null >"$createcluster"
    echo 'create_main_cluster = false' >>"$createcluster"
    "$@"
)

install_missing() {
    local package others=() postgresql=

    for package in "$@"; do
        if [ "$package" = postgresql ]; then
            postgresql=1
        else
            others+=("$package")
        fi
    done
    apt-get update
    # postgresql-common first: it brings the file that says whether PostgreSQL's package creates a cluster.
    apt_install ${others[@]+"${others[@]}"} ${postgresql:+postgresql-common}
    if [ -n "$postgresql" ]; then
        without_a_cluster apt_install postgresql
    fi
}

main() {
    local package missing=() set=${1:-build}

    declare -n wanted=$set
    for package in "${wanted[@]}"; do
        is_installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return
    fi
    if [ "$(id -u)" -eq 0 ]; then
        echo "Installing with apt-get what pglocktop needs: ${missing[*]}"
        install_missing "${missing[@]}"
    elif command -v sudo >/dev/null; then
        echo "pglocktop needs Debian packages that are not installed; sudo may ask for your password."
        sudo "$PWD/tests/install-dependencies.sh" "$set"
    else
        echo "pglocktop needs Debian packages that are not installed: ${missing[*]}" >&2
        echo "There is no sudo to install them with. As root, run:" >&2
        echo "  $PWD/tests/install-dependencies.sh $set" >&2
        return 1
    fi
}

case ${1:-} in
    --libraries) say_missing_libraries ;;
    build | demo | matrix | test | ci | screenshots) main "$1" ;;
    *)
        sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
        exit 1
        ;;
esac
