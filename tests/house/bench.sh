#!/bin/bash
# `make bench`, in small: it comes to its end, and what it prints and writes is whole.
cd "$(dirname "$0")/../.." || exit 1
. tests/house/tap.inc

if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
    skip "the bench" "PostgreSQL's server programs are not installed"
    done_testing
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=$(dirname "$PGLOCKTOP")

bench() { "$build/bench" --program "$PGLOCKTOP" --refreshes 2 --keys 4 --starts 1 --interval 0.1 --limit 5 "$@"; }

run_it() {
    bench --sessions 80,60 --shapes row,forest --json "$work/json" --markdown "$work/markdown" >"$work/table"
}

has_lines() { # has_lines FILE PATTERN...: each matches a line
    local file=$1 pattern
    shift
    for pattern; do
        grep -qE -- "$pattern" "$file" || { echo "no line matches $pattern" && cat "$file" && return 1; }
    done
}

# All that needs nothing else to be installed, of each jam and number of sessions.
has_figures() {
    local jam sessions metric
    for jam in row forest; do
        for sessions in 60 80; do
            for metric in activity locks floor scans.wall scans.bytes ask ask.wall ask.bytes refresh refresh.client \
                refresh.wall refresh.bytes refresh.trips refresh.tty; do
                echo "$jam $sessions $metric"
            done
        done
    done >"$work/wanted"
    for sessions in 60 80; do
        for metric in start.first start.data key.quiet key.load key.stalled key.esc memory memory.peak frozen.bytes \
            frozen.wakeups link.trips link.wall change.tty; do
            echo "forest $sessions $metric"
        done
    done >>"$work/wanted"
    tr -d ' ",\n' <"$work/json" | sed 's/jam:/\njam:/g' |
        sed -nE 's/^jam:([a-z]+)sessions:([0-9]+)metric:([a-z_.]+)unit.*mean:[0-9.e+-]+.*/\1 \2 \3/p' | sort >"$work/found"
    [ -z "$(sort "$work/wanted" | comm -23 - "$work/found" | tee /dev/stderr)" ]
}

# Whatever it is now, it is more than that.
spoil() { sed '/"metric": "refresh.wall"/,/"mean"/s/"mean": .*/"mean": 0.0001,/' "$work/json" >"$work/spoiled"; }
compare() { bench --sessions 60 --shapes row --compare "$@" >"$work/compared"; }

check "make builds it" make -s BUILD="$build" "$build/bench"
check "it runs" run_it
check "a line for each jam and number of sessions" has_lines "$work/table" '^row +60 ' '^row +80 ' '^forest +60 ' '^forest +80 '
check "how it grows" has_lines "$work/table" '^row +N\^' '^forest +N\^'
check "a verdict on each target" has_lines "$work/table" '^target refresh, server CPU .*(ok|MISSED)$' \
    '^target key to screen, all .*(ok|MISSED)$' '^target frozen screen, written .*(ok|MISSED)$'
check "all figures in JSON" has_figures
check "tables in Markdown" has_lines "$work/markdown" '^\| forest \| 60 \|' '^\| row \| 80 \|' '^\| target \|'
check "beside an earlier run, tolerant" compare "$work/json" --tolerance 1000
check "what is worse is marked, and the exit status says so" eval 'spoil && ! compare "$work/spoiled" &&
    has_lines "$work/compared" "^row +60 refresh.wall .* WORSE$"'
check "a saved file that is none" eval '! compare /dev/null 2>"$work/said" && grep -q "not a file that --json wrote" "$work/said"'
done_testing
