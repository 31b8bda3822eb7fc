#!/usr/bin/env bash
# keyward: the table of commands, help, and everything that is wrong before a vault is asked.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 setsid

says "help lists commands" 'keyward vault create NAME' "$KEYWARD" help
says "help of one command" '\[--hsm MODULE\]' "$KEYWARD" help init
says "--help behind a command is its help" 'keyward key create OBJECT' "$KEYWARD" key create --help
says "the version" '^keyward [0-9]+\.[0-9]+' "$KEYWARD" --version
misused "nothing at all is usage" 'a command is missing' "$KEYWARD"
misused "an unknown command is usage" "no command 'frobnicate'" "$KEYWARD" frobnicate
misused "half a command is usage" 'which one\?' "$KEYWARD" vault
misused "an unknown second word is usage" "no command 'vault frob'" "$KEYWARD" vault frob
misused "help of what there is not" 'no command frob' "$KEYWARD" help frob
misused "a command of a later version says so" 'not in this version yet' "$KEYWARD" key rotate web/k
misused "an unknown option is usage" 'no option --frob' "$KEYWARD" vault list --frob
misused "an option of another command is usage" 'no option --hsm' "$KEYWARD" vault list --hsm x
misused "an option without its value is usage" '--pin-file needs a value' "$KEYWARD" user add web/bob --pin-file
misused "a flag with a value is usage" '--json takes no value' "$KEYWARD" vault list --json=yes
misused "an option given twice is usage" '--since is given twice' "$KEYWARD" log show --since 1d --since 2d
misused "and in its other form" '--since is given twice' "$KEYWARD" log show --since=1d --denied --since 1d
misused "a flag given twice is usage" '--json is given twice' "$KEYWARD" vault list --json --json
misused "the neighbour that may repeat is not" 'no option --json' "$KEYWARD" user add web/bob --role cryptoUser --role auditor --json
misused "a missing argument is usage" 'NAME is missing' "$KEYWARD" vault create
misused "an argument too many is usage" 'is too much' "$KEYWARD" vault create a b
misused "an object without a vault is usage" 'is no VAULT/NAME' "$KEYWARD" key show tls
misused "version 0 is usage" 'versions count from 1' "$KEYWARD" key show web/tls@0
misused "a PIN is no option" 'no option --pin:' "$KEYWARD" user pin web/alice --pin 1234
misused "a PIN is no argument" 'is too much' "$KEYWARD" user pin web/alice 1234

for command in status "vault list" "vault show web" "user list web" "key list web" "policy show web" "log show" "log verify" \
    "log key" "log checkpoint" "policy roles --json=x"; do
    # shellcheck disable=SC2086
    ran "$KEYWARD" $command
    status=$?
    case $command in
    policy*x) verdict "'$command' is usage" did_end "$status" 2 'takes no value' err 1 ;;
    *) verdict "'$command' without a home says how to make one" did_end "$status" 1 'keyward init' err 1 ;;
    esac
done
full() {
    "$KEYWARD" help >/dev/full 2>"$WORK/err"
    [ $? = 1 ] && grep -q 'standard output cannot be written' "$WORK/err"
}
check "output that cannot be written is a failure" full
served() {
    KEYWARD_SERVER=unix:/nowhere "$KEYWARD" vault list
}
fails "served mode is refused clearly" 'KEYWARD_SERVER' served
finish
