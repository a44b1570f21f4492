#!/bin/bash
# The walls stand, and the script that checks them sees when one is broken.
cd "$(dirname "$0")/../.." || exit 1
. tests/house/tap.inc

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

sees() { # sees FILE LINE: walls.sh fails over a house that has this line in this file
    rm -rf "${copy:?}"/*
    mkdir -p "$copy/src" "$copy/tui" "$copy/include/pglocktop" "$copy/tests/unit"
    printf '%s\n' "$2" >"$copy/$1"
    ! tests/walls.sh "$copy" >"$copy/said" && grep -q "^$1:" "$copy/said"
}
long() { yes ';' | head -n 601; }

check "the walls stand" tests/walls.sh
check "curses outside term.c is seen" sees tui/app.c '#include <ncursesw/curses.h>'
check "libpq in tui is seen" sees tui/app.c '#include <libpq-fe.h>'
check "libpq in the core is seen" sees src/graph.c '#include <libpq-fe.h>'
check "tui's headers in src are seen" sees src/graph.c '#include "canvas.h"'
check "a query on its way past frame_query is seen" sees src/json.c '	put(session->query_with_literals);'
check "a sleep in a test is seen" sees tests/unit/test.c '	usleep(1000);'
check "a file of 601 lines is seen" sees src/graph.c "$(long)"
check "libpq in src/server.c is allowed" eval '! sees src/server.c "#include <libpq-fe.h>"'
check "a sleep in a comment is allowed" eval "! sees src/graph.c '/* no sleep(1) here */'"
done_testing
