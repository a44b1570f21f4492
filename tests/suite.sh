#!/bin/bash
# All tests. The last line is "N passed, N failed"; above it stands once more what failed.
#
#   suite.sh check   what runs as anybody, without a network, with what is installed; says what it leaves out
#   suite.sh all     everything: the plain build, under ASan and UBSan, and what has threads under TSan
set -uo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
jobs=$(nproc)
counts=$(mktemp)
trap 'rm -f "$counts"' EXIT

# A fault aborts, so that a program can give the terminal back, as it would after any other crash.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=1}
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$PWD/tests/house/lsan.suppressions:print_suppressions=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1:abort_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}

has() { "${PKG_CONFIG:-pkg-config}" --exists "$1" 2>/dev/null; }

has_server() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }

# The rooms of tests for which all is there.
rooms() {
    if ! has cmocka; then
        echo "left out: all tests in C (libcmocka-dev is not installed)" >&2
        return
    fi
    echo unit screens
    if has vterm; then
        echo pty
    else
        echo "left out: what needs a pseudo-terminal (libvterm-dev is not installed)" >&2
    fi
    if has_server; then
        echo pg
        if has vterm; then
            echo app
        fi
    else
        echo "left out: what needs a real server (PostgreSQL's server programs are not installed)" >&2
    fi
}

fail() { # fail WHAT
    printf '0 1\nFAILED %s\n' "$1" >>"$counts"
}

# run_build NAME DIRECTORY ROOMS [MAKE ARGUMENTS]: builds the programs of these rooms, then runs them.
run_build() {
    local name=$1 directory=$2 wanted=$3 room programs=() source
    shift 3

    echo "== $name"
    if ! make -j"$jobs" BUILD="$directory" ROOMS="$wanted" "$@" test-programs; then
        fail "$name does not build"
        return 1
    fi
    for room in $wanted; do
        for source in $(make -s BUILD="$directory" ROOMS="$room" list-tests); do
            if [[ -z $without || ! $source =~ $without ]]; then
                programs+=("$source")
            fi
        done
    done
    $wrapper tests/run.sh -c "$counts" ${programs[@]+"${programs[@]}"} || true
}

# gcc's TSan cannot work with some kernels' random addresses; a container may forbid to turn them off.
without_random_addresses() {
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        echo "setarch $(uname -m) -R"
    fi
}

run_all_builds() {
    local sanitize='-O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all'

    # Not what mostly waits for servers; its code is in other programs, too.
    without='/test_(catalogs|standby|waits|roles|away|heir|consequences|source_slots|source_names)$'
    run_build "under ASan and UBSan" "$build/asan" "$rooms" CFLAGS="$sanitize -fsanitize=address,undefined"
    without=
    wrapper=$(without_random_addresses)
    run_build "under TSan" "$build/tsan" pg CFLAGS="$sanitize -fsanitize=thread"
    wrapper=
}

run_fuzzers() {
    local source fuzzer

    if ! command -v clang >/dev/null || ! compgen -G 'tests/fuzz/*.c' >/dev/null; then
        echo "left out: the fuzzers (clang is not installed)"
        return
    fi
    echo "== the fuzzers, 3 seconds each"
    make -j"$jobs" fuzz-programs || fail "the fuzzers do not build"
    for source in tests/fuzz/*.c; do
        fuzzer=$(basename "$source" .c)
        if tests/fuzz.sh "$build" "$fuzzer" 3; then
            echo "1 0" >>"$counts"
        else
            fail "the fuzzer $fuzzer"
        fi
    done
}

# Each step from the server's rows to the screen, against the baseline.
run_instructions() {
    local said status=0

    echo "== the counts of instructions"
    said=$(make -j"$jobs" BUILD="$build" bench-instructions 2>&1) || status=$?
    printf '%s\n' "$said"
    if [ "$status" -ne 0 ]; then
        fail "the counts of instructions"
    elif [[ $said != *"left out:"* ]]; then
        echo "1 0" >>"$counts"
    fi
}

# The oldest version, the installed one and the newest: whole with `all`; else on what is there without a network.
run_matrix() {
    local versions=(installed) version

    case " $rooms " in
        *" app "*) ;;
        *) echo "left out: the proof on several versions (it needs what has been left out above)" && return ;;
    esac
    for version in $(tests/matrix/servers.sh --list | sed -n '1p;$p'); do
        if [ "$1" = all ] || [ -n "$(tests/matrix/servers.sh --cached "$version" 2>/dev/null)" ]; then
            versions+=("$version")
        else
            echo "left out: the proof on PostgreSQL $version (tests/matrix/servers.sh $version fetches it)"
        fi
    done
    # Parallel queries, whose groups servers before 13 do not tell, are for `make test-matrix`.
    BUILD=$build STORM_PARALLEL=0 STORM_COMPARISONS=${STORM_COMPARISONS:-3000} \
        tests/matrix/matrix.sh -c "$counts" "${versions[@]}" || true
}

wrapper=
without=
rooms=$(rooms | xargs)
if run_build "the plain build" "$build" "$rooms"; then
    if [ "${1:-}" = all ]; then
        run_all_builds
        run_fuzzers
        run_instructions
    fi
    run_matrix "${1:-}"
    echo "== the house"
    PGLOCKTOP=$build/pglocktop tests/run.sh -c "$counts" tests/house/*.sh
fi

if grep -q '^FAILED' "$counts"; then
    echo "== what failed"
    grep -vE '^[0-9]+ [0-9]+$' "$counts"
fi
awk '/^[0-9]/ { passed += $1; failed += $2 }
     END { printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }' "$counts"
