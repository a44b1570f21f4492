#!/bin/bash
# The demo's private server with its cast: in a directory of its own, on a Unix socket only, as an ordinary user.
#
#   server.sh CAST
#
# CAST is the program that plays the sessions. Prints the socket's directory, and "ready" once all play. Lives until its standard
# input ends, or it is killed, or the server or the cast ends; then server, cast and directory are gone.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cast=$(realpath "$1")
cd /
unset "${!PG@}"
umask 077

# PostgreSQL refuses to run as root.
as=(setpriv)
owner=$(id -un)
if [ "$(id -u)" -eq 0 ]; then
    owner=$(id -un postgres 2>/dev/null || echo nobody)
    as=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --clear-groups)
fi

programs=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)
if [ -z "$programs" ]; then
    programs=$(dirname "$(command -v initdb)") || { echo "PostgreSQL's initdb was not found" >&2 && exit 1; }
fi

directory=$(mktemp -d /tmp/pglocktop.XXXXXX)
holder=
server=
players=
clean_up() {
    trap '' INT TERM HUP PIPE
    kill $holder $players 2>/dev/null || true
    # An immediate shutdown: nothing of it is to be kept.
    [ -z "$server" ] || kill -QUIT "$server" 2>/dev/null || true
    wait
    rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP PIPE

{
    cat
    read -r _ _ _ parent _ </proc/$BASHPID/stat
    [ "$parent" -ne $$ ] || kill $$
} <&0 >/dev/null &
holder=$!

chown "$owner" "$directory"
# The cast is copied: the user that it runs as may have no way into the source tree.
install -o "$owner" -m 700 "$cast" "$directory/cast"
install -o "$owner" -m 600 "$here/shop.sql" "$directory/shop.sql"
echo "$directory"

run() { # run COMMAND...: as the server's user; output is shown only if it fails
    local said
    said=$("${as[@]}" "$@" 2>&1 </dev/null) || { printf '%s\n' "$said" >&2 && return 1; }
}

run "$programs/initdb" -D "$directory/data" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync
cat >>"$directory/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$directory'
port = 5432
max_connections = 60
max_prepared_transactions = 10
deadlock_timeout = 8s               # long enough to watch one
track_activity_query_size = 4096
shared_buffers = 16MB
fsync = off
synchronous_commit = off
full_page_writes = off
log_min_messages = fatal
client_min_messages = error
CONF

# The server ends with this script, and the cast with the server, however they are ended.
"${as[@]}" --pdeathsig=QUIT "$programs/postgres" -D "$directory/data" </dev/null >"$directory/log" 2>&1 &
server=$!
export PGHOST=$directory
for ((tries = 0; tries < 300; tries++)); do
    "$programs/psql" -qXAt -U postgres -c 'select' postgres >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || { cat "$directory/log" >&2 && exit 1; }
    sleep 0.1
done
run "$programs/psql" -qX -U postgres -f "$directory/shop.sql" postgres

"${as[@]}" --pdeathsig=TERM "$directory/cast" </dev/null &
players=$!
kill -0 "$server" "$players"
wait -n "$server" "$players"
