#!/bin/bash
# Takes screenshots/*.png: pglocktop on the demo's server, in xterm on a display of its own.
#
# Keys are pressed as a person would press them. What the screen shows is read from xterm itself (F12 prints it into a
# file), and a picture is taken only when it shows what it is to show.
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build}
patience=120 # seconds, for one picture

if [ "${1:-}" != --on-the-server ]; then
    tests/install-dependencies.sh screenshots
    exec tests/demo/demo.sh -- "$0" --on-the-server
fi

# red, green, yellow, blue, magenta, cyan, and the same for bold text
colours=()
number=1
for colour in '#b8382d' '#4c9a52' '#d0a030' '#2a4d73' '#a05fa8' '#4aa3b5'; do
    colours+=(-xrm "XTerm*color$number: $colour")
    number=$((number + 1))
done
number=9
for colour in '#e0655a' '#73c27a' '#e6bf5c' '#6fa8dc' '#d69ad9' '#7ccbd9'; do
    colours+=(-xrm "XTerm*color$number: $colour")
    number=$((number + 1))
done

work=$(mktemp -d)
display=
terminal=
clean_up() {
    kill $terminal $display 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

fail() {
    echo "screenshots: $1" >&2
    exit 1
}

open_display() {
    local tries
    Xvfb -displayfd 3 -screen 0 1600x1000x24 -nolisten tcp 3>"$work/display" 2>/dev/null &
    display=$!
    for ((tries = 0; tries < 100; tries++)); do
        [ -s "$work/display" ] && break
        sleep 0.1
    done
    DISPLAY=:$(cat "$work/display")
    export DISPLAY
}

open_terminal() { # open_terminal COLUMNSxLINES: pglocktop in a terminal of this size
    xterm -u8 -fa 'DejaVu Sans Mono' -fs 11 -geometry "$1+0+0" -b 8 -bg '#11151a' -fg '#d6dbe1' +sb \
        -xrm 'XTerm*printAttributes: 0' -xrm "XTerm*printerCommand: cat >$work/printed" \
        -xrm 'XTerm*VT100.translations: #override <Key>F12: print()' \
        "${colours[@]}" \
        -e "$build/pglocktop" &
    terminal=$!
    window=$(xdotool search --sync --onlyvisible --pid "$terminal" --class xterm | head -n 1)
    xdotool mousemove 100 100
}

close_terminal() {
    press q
    wait "$terminal" || true
    terminal=
}

press() { xdotool key "$@"; }
write() { xdotool type "$1"; }

shows() { # shows PATTERN...: whether the screen shows all of them; a leading ! negates
    local pattern
    press F12
    [ -s "$work/printed" ] || return 1
    for pattern; do
        if [ "${pattern#!}" != "$pattern" ]; then
            ! grep -qE -- "${pattern#!}" "$work/printed" || return 1
        else
            grep -qE -- "$pattern" "$work/printed" || return 1
        fi
    done
}

await() { # await PATTERN...
    local end=$((SECONDS + patience))
    until shows "$@"; do
        [ $SECONDS -lt $end ] || { cat "$work/printed" && fail "the screen never showed: $*"; }
        sleep 0.2
    done
}

picture() { # picture NAME PATTERN...: when the screen shows the patterns
    local name=$1
    shift
    await "$@"
    import -window "$window" "$work/window.png"
    convert "$work/window.png" -strip +dither -colors 64 -define png:compression-level=9 "$work/$name.png"
    mkdir -p screenshots
    mv "$work/$name.png" "screenshots/$name.png"
    echo "screenshots/$name.png"
}

stage() { psql -qX -U postgres -c "notify stage, '$1'"; }
pid_of() { psql -qXAt -c "select pid from pg_stat_activity where application_name = '$1'"; }

go_to() { # go_to NAME: the cursor on this session
    press numbersign
    write "$(pid_of "$1")"
    press Return
}

open_display
stage play
open_terminal 120x30
picture tree 'NEXT' 'FREES' 'checkout' 'migration' '2pc order-77' '!DEADLOCK of 2: '
go_to checkout
press K
picture question 'TERMINATE [0-9]+ checkout' 'y = terminate'
press n
go_to migration
press Return
picture details 'migration +migration@shop' 'HOLDS'
press Escape
await 'DEADLOCK of 2: '
go_to billing-1
picture deadlock 'DEADLOCK of 2: ' 'billing-1' 'billing-2'
press 3
picture objects 'HELD / WANTED' 'conflicts with' 'ahead of it'
press 1
stage clear
picture nobody-waits 'No session waits' 'last block' 'revenue' 'analyst' '!DEADLOCK'
close_terminal

stage play
open_terminal 80x24
picture 80x24 'NEXT' 'FREES' 'checkout' 'migration' '2pc order-77' '!DEADLOCK of 2: '
close_terminal
