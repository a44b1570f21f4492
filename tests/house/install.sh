#!/bin/bash
# `make install` puts the program and its page where it is told to, and `make uninstall` removes all of it.
cd "$(dirname "$0")/../.." || exit 1
. tests/house/tap.inc

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# Nothing is built here: PGLOCKTOP was.
quietly() { make -s BUILD="$(dirname "$PGLOCKTOP")" DESTDIR="$root" PREFIX=/opt/pg "$@"; }
installed() { (cd "$root" && find . ! -type d | sort | xargs) }

check "make install" quietly install
check "the program and the page, and nothing else" test "$(installed)" = \
    "./opt/pg/bin/pglocktop ./opt/pg/share/man/man1/pglocktop.1"
check "the program is executable" test -x "$root/opt/pg/bin/pglocktop"
check "the installed program tells its version" grep -q "^pglocktop [0-9]" <("$root/opt/pg/bin/pglocktop" --version)
check "make uninstall" quietly uninstall
check "nothing is left" test -z "$(installed)"
done_testing
