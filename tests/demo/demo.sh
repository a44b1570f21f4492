#!/bin/bash
# pglocktop on a server of its own that is hard at work.
#
#   demo.sh                 what `make demo` does: install what is missing, build, start the server, open pglocktop
#   demo.sh -- COMMAND...   the same server, another command: it finds the server through PGHOST, PGUSER, PGDATABASE
#
# When the command ends, or this is interrupted or killed, the server and everything it wrote are removed.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=${BUILD:-build}

prepare() {
    tests/install-dependencies.sh demo
    make -j"$(nproc)" BUILD="$build" all "$build/demo/cast"
}

command=()
if [ "${1:-}" = -- ] && [ $# -gt 1 ]; then
    shift
    command=("$@")
elif [ $# -gt 0 ]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
    exit 1
else
    command=("$build/pglocktop")
fi

# A fresh machine has no locale set, but its terminal is no museum piece.
if [ -z "${LC_ALL:-}${LC_CTYPE:-}${LANG:-}" ]; then
    export LC_CTYPE=C.UTF-8
fi

directory=
viewer=
watcher=
clean_up() {
    trap '' INT TERM HUP PIPE USR1
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
    if [ -n "$viewer" ]; then
        kill "$viewer" 2>/dev/null && wait "$viewer" || true
    fi
    if [ -n "${SERVER_PID:-}" ]; then
        kill "$SERVER_PID" && wait "$SERVER_PID" || true
    fi
    # Left over only if server.sh was shot; then its server is on its way out.
    if [ -n "$directory" ] && [ -d "$directory" ]; then
        timeout 10 tail -s 0.1 -f /dev/null --pid="$(head -n 1 "$directory/data/postmaster.pid" 2>/dev/null || echo 0)" ||
            true
        rm -rf "$directory"
    fi
}

prepare

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'echo "The demo'"'"'s server has gone." >&2; exit 1' USR1
echo "Starting a private PostgreSQL in a temporary directory, with some sessions at work ..."
coproc SERVER { exec setsid tests/demo/server.sh "$build/demo/cast"; }
read -r directory <&"${SERVER[0]}" && read -r ready <&"${SERVER[0]}" && [ "$ready" = ready ] || {
    echo "The demo's server did not start." >&2
    exit 1
}

# The end of its output is the end of the server.
exec {from_server}<&"${SERVER[0]}"
{
    cat <&"$from_server" >/dev/null
    read -r _ _ _ parent _ </proc/$BASHPID/stat
    [ "$parent" -ne $$ ] || kill -USR1 $$
} &
watcher=$!

unset "${!PG@}"
export PGHOST=$directory PGUSER=dba PGDATABASE=shop
# Its configuration and its audit log go with the server.
export XDG_CONFIG_HOME=$directory XDG_STATE_HOME=$directory
status=0
# In the background, so that a signal to this script is not kept waiting; it goes if this script does.
env --default-signal=INT,QUIT setpriv --pdeathsig=TERM "${command[@]}" <&0 &
viewer=$!
wait "$viewer" || status=$?
viewer=
exit "$status"
