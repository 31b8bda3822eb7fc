# shellcheck shell=bash
# What the tests of the keyward command share, beside lib.sh: exit codes, the one line on standard error, JSON, and a caller
# who is not the administrator.

# Runs the command: $WORK/out and $WORK/err hold what it said, the status is its own.
ran() {
    "$@" >"$WORK/out" 2>"$WORK/err" </dev/null
}

# verdict "sentence" COMMAND...: one test; the command looks at what ran left behind.
verdict() {
    local sentence=$1
    shift
    tests=$((tests + 1))
    if "$@"; then
        echo "ok $tests - $sentence"
    else
        echo "not ok $tests - $sentence"
        sed 's/^/# out: /' "$WORK/out"
        sed 's/^/# err: /' "$WORK/err"
    fi
}

did_end() { # status wanted-status pattern stream lines-of-standard-error
    [ "$1" = "$2" ] && grep -qE -- "$3" "$WORK/$4" && [ "$(wc -l <"$WORK/err")" = "$5" ]
}

# says "sentence" PATTERN command...: exit 0, the pattern on standard output, nothing on standard error.
says() {
    local sentence=$1 pattern=$2 status
    shift 2
    ran "$@"
    status=$?
    verdict "$sentence" did_end "$status" 0 "$pattern" out 0
}

# fails "sentence" PATTERN command...: exit 1, and one line on standard error that has the pattern.
fails() {
    local sentence=$1 pattern=$2 status
    shift 2
    ran "$@"
    status=$?
    verdict "$sentence" did_end "$status" 1 "$pattern" err 1
}

# misused "sentence" PATTERN command...: exit 2, and one line on standard error that has the pattern.
misused() {
    local sentence=$1 pattern=$2 status
    shift 2
    ran "$@"
    status=$?
    verdict "$sentence" did_end "$status" 2 "$pattern" err 1
}

is_json() {
    "$@" >"$WORK/json" 2>"$WORK/err" </dev/null && python3 -m json.tool "$WORK/json" >/dev/null
}

# A value out of the last JSON: member 'j["keys"][0]["size"]'
member() {
    python3 -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$WORK/json" "$1"
}

# Another Unix user, who can open the home but administers nothing. Only root can become somebody else.
OTHER=65534
as_other() {
    setpriv --reuid="$OTHER" --regid="$OTHER" --clear-groups "$@"
}
# other_is_refused "sentence" command...: with the home made theirs for the moment, the command is refused by the policy.
other_is_refused() {
    local sentence=$1 status
    shift
    if [ "$(id -u)" != 0 ] || ! as_other test -x "$KEYWARD"; then
        tests=$((tests + 1))
        echo "ok $tests - $sentence # SKIP nobody else can be tried from here"
        return
    fi
    chmod 755 "$WORK"
    chown -R "$OTHER:$OTHER" "$KEYWARD_HOME"
    ran as_other env KEYWARD_HOME="$KEYWARD_HOME" "$@"
    status=$?
    chown -R 0:0 "$KEYWARD_HOME"
    chmod 700 "$WORK"
    verdict "$sentence" did_end "$status" 1 'Unix::"nobody" may not .*no policy permits|Unix::"nobody" may not' err 1
}
