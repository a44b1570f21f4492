#!/bin/bash
# fuzz.sh BUILD NAME SECONDS: runs one fuzzer; its finds are left in BUILD/fuzz/. Samples are in tests/fuzz/NAME/, if any.
set -uo pipefail

program=$1/fuzz/tests/fuzz/$2
finds=$1/fuzz/$2.
log=$1/fuzz/$2.log
corpus=$1/fuzz/$2.corpus
mkdir -p "$corpus"
samples=()
[ ! -d "tests/fuzz/$2" ] || samples=("tests/fuzz/$2")

if "$program" -max_total_time="$3" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$finds" -print_final_stats=1 \
    "$corpus" ${samples[@]+"${samples[@]}"} >"$log" 2>&1; then
    printf '%-52s %s runs\n' "$program" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
else
    printf '%-52s FAILED\n' "$program"
    tail -n 60 "$log"
    exit 1
fi
