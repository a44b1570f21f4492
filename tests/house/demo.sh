#!/bin/bash
# The demo's server goes, with all that it wrote, however the demo ends.
cd "$(dirname "$0")/../.." || exit 1
. tests/house/tap.inc

if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    skip "the demo" "PostgreSQL's server programs are not installed"
    done_testing
fi
if ! command -v pgrep >/dev/null; then
    skip "the demo" "pgrep (procps) is not installed"
    done_testing
fi

work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

until_deadline() { # until_deadline COMMAND...: runs it until it succeeds, for 20 s at most
    local i
    for ((i = 0; i < 200; i++)); do
        "$@" && return
        sleep 0.1
    done
    return 1
}

child_of() { pgrep -P "$1" "${@:2}" | head -n 1; }
running() { kill -0 "$1" 2>/dev/null; }
gone() {
    local pid
    for pid; do
        ! running "$pid" || return 1
    done
    [ ! -e "$directory" ]
}

# The pids of all parts, and the directory; the viewer writes the file when it starts.
start() {
    rm -f "$work/viewer"
    tests/demo/demo.sh -- bash -c "echo \$PGHOST >$work/new && mv $work/new $work/viewer && exec tail -f /dev/null" \
        >"$work/log" 2>&1 </dev/null &
    demo=$!
    until_deadline test -e "$work/viewer" || return 1
    directory=$(cat "$work/viewer")
    server=$(child_of "$demo" -f server.sh)
    viewer=$(child_of "$demo" -x tail)
    cast=$(child_of "$server" -x cast)
    postmaster=$(child_of "$server" -x postgres)
    running "$viewer" && running "$cast" && running "$postmaster" && [ -d "$directory" ]
}

# ends WHICH SIGNAL: after this signal to this part nothing is left
ends() {
    local target
    start || { cat "$work/log" && return 1; }
    target=${!1}
    kill "-$2" "$target"
    until_deadline gone "$demo" "$server" "$viewer" "$cast" "$postmaster" || {
        ps -fp "$demo,$server,$viewer,$cast,$postmaster"
        ls -d "$directory"
        return 1
    }
}

check "nothing is left when the viewer quits" ends viewer TERM
check "nothing is left after a kill of the demo" ends demo TERM
check "nothing is left when the demo is shot" ends demo KILL
check "nothing is left when its server script is shot" ends server KILL
check "nothing is left when the cast is shot" ends cast KILL
check "nothing is left when the server is shot" ends postmaster KILL
done_testing
