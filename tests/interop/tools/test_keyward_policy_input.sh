#!/usr/bin/env bash
# Policy texts that are too much or no text: an error with its place, little time and memory, and the policy in force stays.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3
make_home
cd "$WORK" || exit 1

python3 - <<'P'
head = "permit (principal, action, resource)\nwhen { "
texts = {
    "deep": head + "(" * 10000 + "true" + ")" * 10000 + " };",
    "long": head + 'context.via == "' + "a" * (10 << 20) + '" };',
    "longer": head + 'context.via == "' + "a" * (17 << 20) + '" };',
    "cut": head + 'context.via == "' + "a" * (10 << 20),
    "many": "".join(f'permit (principal == User::"u{i}", action == Action::"sign", resource);\n' for i in range(100000)),
    "toomany": "permit (principal, action, resource);" * 200001,
    "integer": head + "context.now < 99999999999999999999999999 };",
    "template": "permit (principal,\n  action, resource == ?resource);",
}
for name, text in texts.items():
    open(name, "w").write(text)
open("utf8", "wb").write(head.encode() + b'context.via == "\xff" };')
open("nul", "wb").write(head.encode() + b'context.via == "\0" };')
P

# A sanitizer wants more address space than any limit here leaves, and aborts: the shell would tell so among the errors.
memory=1000000
{ (ulimit -v "$memory" && exec "$KEYWARD" help) || memory=unlimited; } >/dev/null 2>&1
bounded() {
    (
        ulimit -t 60
        ulimit -v "$memory"
        exec "$@"
    )
}
says "10 MB are read" '1 policies, all sound' bounded "$KEYWARD" policy check long
sound() { # warnings go to standard error
    bounded "$KEYWARD" policy check many 2>/dev/null | grep -q '100000 policies, all sound'
}
check "100,000 rules are read" sound
refused() { # sentence place text
    fails "$1" "^$3:$2: " bounded "$KEYWARD" policy check "$3"
}
refused "10,000 parentheses" 2:[0-9]+ deep
refused "a text that ends in a string of 10 MB" 2:[0-9]+ cut
refused "a number that is no long" 2:22 integer
refused "a template" 2:23 template
refused "what is not UTF-8" 2:24 utf8
refused "a NUL" 2:24 nul
refused "200,001 rules" '[0-9]+:[0-9]+' toomany
fails "17 MB" 'longer' bounded "$KEYWARD" policy check longer

"$KEYWARD" policy show web >before
unchanged() {
    "$KEYWARD" policy show web | cmp - before
}
not_applied() {
    ! "$KEYWARD" policy apply web "$1" >/dev/null 2>&1
}
for text in deep cut longer integer template utf8 nul toomany; do
    check "$text is not applied" not_applied "$text"
done
check "and the policy in force is what it was" unchanged
finish
