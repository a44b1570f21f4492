#!/bin/bash
# The walls of the house: who may include what, what nobody may call, how long a file may be.
# Prints what breaks them and fails, or prints nothing.
set -uo pipefail
cd "${1:-"$(dirname "$0")/.."}"
shopt -s nullglob

broken=0
break_wall() { # break_wall REASON, with the offending lines on stdin
    local line
    while IFS= read -r line; do
        echo "$line: $1"
        broken=1
    done
}

includes() { # includes PATTERN FILE...: file:line of each #include that matches
    local pattern=$1
    shift
    [ $# -eq 0 ] || grep -nHE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]($pattern)" "$@" | cut -d: -f1,2
}

calls() { # calls PATTERN FILE...: file:line of each call, comments and texts left aside
    local pattern=$1 file
    shift
    for file; do
        sed -E 's#"[^"]*"##g; s#/\*.*##; s#^[[:space:]]*\*([[:space:]].*|)$##' "$file" |
            grep -nE "(^|[^[:alnum:]_])($pattern)[[:space:]]*\(" | sed "s#^\([0-9]*\):.*#$file:\1#"
    done
}

except() { grep -vE "^($1):" || true; }

code=(src/*.[ch] tui/*.[ch] include/pglocktop/*.h)
tests=(tests/*.[ch] tests/*/*.[ch])

break_wall 'only tui/term.c may know curses' < <(
    includes '(ncursesw/)?n?curses|(ncursesw/)?term\.h>' "${code[@]}" "${tests[@]}" | except 'tui/term\.c')
break_wall 'only src/server*.c may know libpq' < <(
    includes '(postgresql/)?libpq|(postgresql/)?pg_config' "${code[@]}" | except 'src/server[^/:]*')
break_wall 'src and include may not see tui' < <(
    includes '(\.\./)?tui/|(canvas|term|text|style|layout|keymap|options|app)\.h' src/*.[ch] include/pglocktop/*.h)
break_wall 'tui sees src through include/pglocktop only' < <(includes '(\.\./)?src/' tui/*.[ch])
break_wall 'a query is shown by way of frame_query alone' < <(
    grep -nHw query_with_literals "${code[@]}" | cut -d: -f1,2 |
        except 'include/pglocktop/snapshot\.h|src/(rows|server_sessions|frame|fingerprint|consequence|whatif|whatif_words)\.c')
break_wall 'no sleeping: wait for the condition, with a deadline' < <(
    calls 'sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep|napms' "${code[@]}" "${tests[@]}")
break_wall 'not thread-safe, or no bounds' < <(
    calls 'sprintf|vsprintf|strcpy|strcat|gets|strtok|localtime|gmtime|asctime|ctime|system|popen|atoi|setjmp|longjmp|alloca' \
        "${code[@]}")

for file in "${code[@]}" "${tests[@]}"; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt 600 ]; then
        break_wall 'more than 600 lines: split it by what it is about' <<<"$file:$lines"
    fi
done
exit $broken
