#!/bin/bash
# Runs test programs and adds up what they say.
#
#   run.sh [-c FILE] PROGRAM...
#
# A program prints TAP (cmocka does when asked to; scripts do it themselves). What a program that failed printed is
# shown; one that crashed, hung, printed fewer results than it had planned, or tested nothing, counts as failed.
# With -c the two counts are appended to FILE, "PASSED FAILED", and below them the failures, each from a line that
# begins with "FAILED"; without, these end the output, and the last line is "N passed, N failed".
set -uo pipefail

deadline=${TEST_TIMEOUT:-400} # seconds, for one program
counts=
if [ "${1:-}" = -c ]; then
    counts=$2
    shift 2
fi

passed=0
failed=0
output=$(mktemp)
failures=$(mktemp)
trap 'rm -f "$output" "$failures"' EXIT

# Reads TAP; prints: planned passed failed skipped
add_up() {
    awk '/^1\.\.[0-9]+/ { planned += substr($0, 4) }
         /^(not )?ok [0-9]+.*# SKIP/ { skipped++; next }
         /^ok / { passed++ }
         /^not ok / { failed++ }
         END { print planned + 0, passed + 0, failed + 0, skipped + 0 }' "$1"
}

# tell_failures PROGRAM WRONG: each failed test with how what it said begins and where it is; the end of what broke off.
# fail_msg speaks before the line of its test, an assertion after it and behind "# ".
tell_failures() {
    awk -v program="$1" '
        /^# (not )?ok / { next }
        /^# / { if (inside && (told++ < 6 || / error: Failure!$/)) print "    " substr($0, 1, 240); next }
        sub(/^not ok [0-9]+ (- )?/, "") {
            printf "FAILED %s: %s\n%s", program, $0, before
            inside = 1; told = 0; before = ""; lines = 0; next
        }
        /^ok |^1\.\./ { inside = 0; before = ""; lines = 0; next }
        lines++ < 6 { before = before "    " substr($0, 1, 240) "\n" }' "$output"
    if [ -n "$2" ]; then
        echo "FAILED $1: $2"
        { grep -aE -A3 'ERROR: |runtime error: |WARNING: Thread|SUMMARY: ' "$output" || tail -n 6 "$output"; } |
            head -n 8 | cut -c 1-240 | sed 's/^/    /'
    fi
}

run() {
    local program=$1 status=0 planned ok not_ok skipped wrong=

    # build/asan/tests/… is tested with build/asan/pglocktop.
    PGLOCKTOP=${PGLOCKTOP:-${program%%/tests/*}/pglocktop} CMOCKA_MESSAGE_OUTPUT=TAP \
        timeout --kill-after=10 "$deadline" "$program" >"$output" 2>&1 </dev/null || status=$?
    read -r planned ok not_ok skipped < <(add_up "$output")
    if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
        wrong="did not end within $deadline s"
    elif [ "$planned" -eq 0 ]; then
        wrong="tested nothing (exit status $status)"
    elif [ $((ok + not_ok + skipped)) -ne "$planned" ]; then
        wrong="ended before its last test (exit status $status)"
    elif [ "$status" -ne 0 ] && [ "$not_ok" -eq 0 ]; then
        wrong="exit status $status"
    fi
    if [ -n "$wrong" ]; then
        not_ok=$((not_ok + 1))
    fi
    passed=$((passed + ok))
    failed=$((failed + not_ok))
    printf '%-52s %4d passed%s%s\n' "$program" "$ok" "${skipped/#0/}" "${wrong:+  FAILED: $wrong}" |
        sed -E 's/passed([0-9]+)/passed, \1 left out/'
    if [ "$not_ok" -gt 0 ]; then
        sed 's/^/    /' "$output"
        tell_failures "$program" "$wrong" >>"$failures"
    else
        sed -n 's/^.*ok [0-9]*.*# SKIP/    left out:/p' "$output"
    fi
}

for program; do
    run "$program"
done
if [ -n "$counts" ]; then
    { echo "$passed $failed" && cat "$failures"; } >>"$counts"
else
    cat "$failures"
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
