#!/bin/bash
# The manual page is well formed.
cd "$(dirname "$0")/../.." || exit 1
. tests/house/tap.inc

no_complaint() {
    local said
    said=$(mandoc -T lint -W style tui/pglocktop.1 2>&1 | grep -vE '^mandoc: (outdated mandoc.db|.*STYLE: referenced manual not found)')
    [ -z "$said" ] || { printf '%s\n' "$said" && return 1; }
}

if command -v mandoc >/dev/null; then
    check "mandoc has nothing to say about the manual page" no_complaint
else
    skip "mandoc over the manual page" "mandoc is not installed"
fi
done_testing
