#!/usr/bin/env bash
# PINs asked for on a terminal: without echo, twice when new, and the terminal is as before afterwards.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need python3
make_home

# terminal.py ANSWER,... COMMAND...: types an answer at each question ("PIN of ...:" or "The same again:"); prints what the terminal
# showed. 99: an answer was echoed.
cat >"$WORK/terminal.py" <<'PY'
import os, pty, select, sys, termios, time

answers = [a.encode() for a in sys.argv[1].split(",")]
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
seen = b""


def read():
    global seen
    if not select.select([fd], [], [], 30)[0]:
        return False
    try:
        chunk = os.read(fd, 1024)
    except OSError:
        return False
    seen += chunk
    return bool(chunk)


asked = 0
for answer in answers:
    while seen.count(b": ", asked) == 0 and read():
        pass
    asked = len(seen)
    # Answered only once echo is off: earlier input would be thrown away.
    for _ in range(200):
        if not termios.tcgetattr(fd)[3] & termios.ECHO:
            break
        time.sleep(0.01)
    os.write(fd, answer + b"\n")
while read():
    pass
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(seen.decode())
if any(len(a) > 1 and a in seen for a in answers):
    code = 99
sys.exit(code)
PY
types() {
    local answers=$1
    shift
    python3 "$WORK/terminal.py" "$answers" "$KEYWARD" "$@"
}

check "a new PIN is asked for twice" types tty-pin-77,tty-pin-77 user add web/tty
shows_nothing() {
    types tty-pin-88,tty-pin-88 user pin web/tty >"$WORK/shown" && grep -q "New PIN of tty: " "$WORK/shown" &&
        ! grep -q tty-pin "$WORK/shown"
}
check "and never echoed" shows_nothing
check "a PIN to log in with is asked for once" types alice-pin-1 key list web --user alice
logs_in() {
    printf 'tty-pin-88\n' | "$KEYWARD" key list web --user tty --pin-file -
}
refuses "it is the PIN that was typed: the policy speaks, not the login" 'User::"tty" may not list' logs_in
refuses "two different ones are refused" 'the two PINs differ' types tty-pin-77,tty-pin-78 user pin web/tty
refuses "Ctrl-C stops" 'stopped at the terminal' types "$(printf '\003')" user pin web/tty
refuses "an empty line is no PIN" 'it is empty' types '' user pin web/tty
refuses "a wrong PIN is refused" 'cannot log in as alice' types wrong-pin-1 key list web --user alice
finish
