#!/bin/bash
# How many instructions each step from the server's rows to the screen takes, held against a baseline.
#
#   instructions.sh MICRO      counts with valgrind; fails where a step takes over 5 % more than instructions.baseline
#                              says, or grows faster than the rows do
#
# With BASELINE_WRITE=1 in the environment the counts are written in the baseline's place.
#
# A count depends on the compiler and the C library, so the baseline names them; with others nothing is compared. It
# does not depend on the machine: what the C library would choose by the processor is turned off, and the
# environment is empty.
set -uo pipefail
cd "$(dirname "$0")/../.."

baseline=tests/bench/instructions.baseline
tolerance=5 # percent
growth=13   # times the instructions for ten times the rows: n log n has 13
micro=$1

libc_version() { getconf GNU_LIBC_VERSION 2>/dev/null | tr ' ' '-'; }

# What a count is made with, in one line.
made_with() {
    local compiler=${CC:-cc}
    case $("$compiler" --version 2>/dev/null | head -n 1) in
        *clang*) compiler=clang ;;
        *) compiler=gcc-$("$compiler" -dumpfullversion 2>/dev/null) ;;
    esac
    echo "$compiler ${CFLAGS:-} $(libc_version) $(valgrind --version 2>/dev/null) $(uname -m)"
}

leave_out() {
    echo "left out: the counts of instructions ($1)"
    exit 0
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# count NAME SHAPE...: writes "SHAPE STEP ROWS INSTRUCTIONS" a line. Each step has a dump of its own.
count() {
    local name=$1 step number=0
    shift
    env -i PATH="$PATH" LD_BIND_NOW=1 GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-SSE4_2,-SSSE3,-ERMS \
        valgrind --quiet --tool=callgrind --collect-atstart=no --toggle-collect=micro_measured \
        --dump-after=micro_measured --callgrind-out-file="$work/$name" "$micro" --once "$@" >"$work/$name.steps" \
        || return
    while read -r step; do
        number=$((number + 1))
        echo "$step $(sed -n 's/^totals: //p' "$work/$name.$number")"
    done <"$work/$name.steps"
}

# Two at a time, the larger one first.
count_all() {
    local other status=0
    count others star chain queue deadlocks >"$work/others.counts" &
    other=$!
    count forest forest >"$work/forest.counts" || status=1
    wait "$other" || status=1
    cat "$work/forest.counts" "$work/others.counts"
    return $status
}

# Prints what is wrong: the baseline first, then the counts.
compare() {
    awk -v tolerance="$tolerance" -v growth="$growth" '
        /^#/ { next }
        { key = $1 " " $2 " " $3 }
        FNR == NR { expected[key] = $4; next }
        { counted[key] = $4; steps++ }
        !(key in expected) { print key ": not in the baseline"; wrong++; next }
        $4 > expected[key] * (1 + tolerance / 100) {
            printf "%s rows: %d instructions, %.1f %% more than the %d of the baseline\n", key, $4,
                ($4 / expected[key] - 1) * 100, expected[key]
            wrong++
        }
        $4 < expected[key] * (1 - tolerance / 100) { fewer++ }
        {
            smaller = $1 " " $2 " " $3 / 10
            if ($3 >= 10000 && counted[smaller] > 0 && $4 > growth * counted[smaller]) {
                printf "%s rows: %.1f times the instructions of a tenth of the rows, %d are allowed\n", key,
                    $4 / counted[smaller], growth
                wrong++
            }
        }
        END {
            for (key in expected) if (!(key in counted)) { print key ": in the baseline, but not counted"; wrong++ }
            printf "%d steps counted, %d wrong, %d take over %d %% less than the baseline says\n", steps, wrong,
                fewer, tolerance
            exit wrong > 0 || steps == 0
        }' "$baseline" "$1"
}

command -v valgrind >/dev/null || leave_out "valgrind is not installed"
made=$(made_with)
if [ -z "${BASELINE_WRITE:-}" ] && [ "# $made" != "$(head -n 1 "$baseline")" ]; then
    leave_out "the baseline was made with $(head -n 1 "$baseline" | cut -c3-), this is $made"
fi
if ! count_all >"$work/counts"; then
    echo "instructions.sh: valgrind could not run $micro" >&2
    exit 1
fi
if [ -n "${BASELINE_WRITE:-}" ]; then
    { echo "# $made"; cat "$work/counts"; } >"$baseline"
    echo "$baseline: $(wc -l <"$work/counts") steps written"
    exit 0
fi
if ! compare "$work/counts"; then
    echo "To see where they go: valgrind --tool=callgrind --toggle-collect=micro_measured $micro --once SHAPE,"
    echo "then callgrind_annotate; before and after the change. If it is worth it: BASELINE_WRITE=1 make bench-instructions."
    exit 1
fi
