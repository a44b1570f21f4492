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

run_jams() {
    bench --sessions 80,60 --shapes row,idle --json "$work/jams.json" --markdown "$work/markdown" >"$work/jams"
}
run_screen() { bench --sessions 60 --shapes forest --json "$work/screen.json" >"$work/screen"; }

has_lines() { # has_lines FILE PATTERN...: each matches a line
    local file=$1 pattern
    shift
    for pattern; do
        grep -qE -- "$pattern" "$file" || { echo "no line matches $pattern" && cat "$file" && return 1; }
    done
}

# has_figures FILE METRIC...: FILE has them, each with a jam, a number of sessions and a mean
has_figures() {
    local file=$1 metric found
    shift
    found=$(tr -d ' ",\n' <"$file" | sed 's/jam:/\njam:/g' |
        sed -nE 's/^jam:[a-z]+sessions:[0-9]+metric:([a-z_.]+)unit.*mean:[0-9.e+-]+.*/\1/p')
    for metric; do
        grep -qxF -- "$metric" <<<"$found" || { echo "no figure $metric in $file" && return 1; }
    done
}

# set_means METRIC MEAN: an earlier run as it was not
set_means() { sed "/\"metric\": \"$1\"/,/\"mean\"/s/\"mean\": .*/\"mean\": $2,/" "$work/jams.json" >"$work/earlier"; }
compare() { bench --sessions 60 --shapes row --compare "$work/earlier" >"$work/compared"; }
is_content_with_less() { set_means '.*' 1e9 && compare && has_lines "$work/compared" '^[1-9][0-9]* compared, 0 worse'; }
marks_what_is_worse() {
    set_means refresh.bytes 0.0001 && ! compare && has_lines "$work/compared" '^row +60 refresh.bytes .* WORSE$'
}
refuses_another_file() { ! bench --compare /dev/null 2>"$work/said" && has_lines "$work/said" 'not a file that --json wrote'; }

check "make builds it" make -s BUILD="$build" "$build/bench"
check "it runs" run_jams
check "a line for each jam and number of sessions" has_lines "$work/jams" '^row +60 ' '^row +80 ' '^idle +60 ' '^idle +80 '
check "how it grows" has_lines "$work/jams" '^row +N\^' '^idle +N\^'
check "a verdict on the server's part" has_lines "$work/jams" '^target refresh, server CPU .*(ok|MISSED)$'
check "all figures of jams in JSON" has_figures "$work/jams.json" activity locks floor scans.wall scans.bytes ask ask.wall \
    ask.bytes refresh refresh.client refresh.wall refresh.bytes refresh.trips refresh.tty
check "tables in Markdown" has_lines "$work/markdown" '^\| row \| 80 \|' '^\| idle \| 80 \|' '^\| target \|'
check "the screen, too" run_screen
check "a verdict on keys and freezing" has_lines "$work/screen" '^target key to screen, all .*(ok|MISSED)$' \
    '^target frozen screen, written .*(ok|MISSED)$'
check "all figures of the screen in JSON" has_figures "$work/screen.json" start.first start.data key.quiet key.load key.stalled \
    key.esc memory memory.peak frozen.bytes frozen.wakeups link.trips link.wall change.tty
check "beside an earlier run that was dearer" is_content_with_less
check "what is worse is marked, and the exit status says so" marks_what_is_worse
check "a saved file that is none" refuses_another_file
done_testing
