#!/bin/bash
# The scenarios and the storms on real servers of several versions, and a table of what was compared.
#
#   matrix.sh [-c FILE] [VERSION...]
#
# A VERSION is one that servers.sh knows, or `installed`. All that servers.sh knows if none is named. With -c the two
# counts are appended to FILE, as run.sh does; without, the last line is "N passed, N failed".
# STORM_COMPARISONS, STORM_SESSIONS, STORM_SEED, STORM_PARALLEL: see test_storm.c. MATRIX_ROOMS: the rooms of tests to run,
# `matrix` unless given; the rooms pg and app run on any version, too.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

build=${BUILD:-build}
wanted=${MATRIX_ROOMS:-matrix}
counts=
if [ "${1:-}" = -c ]; then
    counts=$2
    shift 2
fi
versions=("$@")
if [ $# -eq 0 ]; then
    mapfile -t versions < <(tests/matrix/servers.sh --list)
fi
own_counts=$(mktemp)
export PGLOCKTOP_MATRIX_REPORT
PGLOCKTOP_MATRIX_REPORT=$(mktemp)
trap 'rm -f "$own_counts" "$PGLOCKTOP_MATRIX_REPORT"' EXIT

export STORM_COMPARISONS=${STORM_COMPARISONS:-50000}
export TEST_TIMEOUT=${TEST_TIMEOUT:-$((240 + STORM_COMPARISONS / 50))}

# run_version VERSION
run_version() {
    local version=$1 bindir
    echo "== PostgreSQL $version"
    if [ "$version" = installed ]; then
        tests/run.sh -c "$own_counts" "${programs[@]}"
        return
    fi
    if ! bindir=$(tests/matrix/servers.sh "$version"); then
        printf '0 1\nFAILED there is no server of version %s\n' "$version" >>"$own_counts"
        return 1
    fi
    PGLOCKTOP_PG_BINDIR=$bindir tests/run.sh -c "$own_counts" "${programs[@]}"
}

# What the programs have reported: version, what, scenarios, compared, inconsistent, presumed, mismatches.
print_table() {
    local format='%-8s %-18s %9s %11s %12s %9s %10s\n'
    # shellcheck disable=SC2059
    printf "\n$format" version what scenarios comparisons inconsistent presumed mismatches
    awk -F '\t' -v format="$format" '
        { key = $1 "\t" $2 }
        !(key in seen) { seen[key] = 1; order[++rows] = key }
        { for (i = 3; i <= 7; i++) { sum[key, i] += $i; all[i] += $i } }
        END {
            for (row = 1; row <= rows; row++) {
                key = order[row]
                split(key, name, "\t")
                printf format, name[1], name[2], sum[key, 3], sum[key, 4], sum[key, 5], sum[key, 6], sum[key, 7]
            }
            printf format, "all", "", all[3], all[4], all[5], all[6], all[7]
        }' "$PGLOCKTOP_MATRIX_REPORT"
    echo
}

if ! make -j"$(nproc)" BUILD="$build" ROOMS="$wanted" test-programs; then
    printf '0 1\nFAILED the proof on several versions does not build\n' >>"$own_counts"
    versions=()
fi
mapfile -t programs < <(make -s BUILD="$build" ROOMS="$wanted" list-tests)
for version in "${versions[@]}"; do
    run_version "$version" || true
done
print_table
if [ -n "$counts" ]; then
    cat "$own_counts" >>"$counts"
fi
awk -v quiet="$counts" '/^FAILED/ && !quiet; /^[0-9]/ { passed += $1; failed += $2 }
     END { if (!quiet) printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$own_counts"
