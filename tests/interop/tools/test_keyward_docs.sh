#!/usr/bin/env bash
# The man page and the help have every command and every option of each; the examples in docs/POLICY.md are sound policies.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
DOCS="$(dirname "$0")/../../../docs"
need awk

# name|options, out of the command's own help.
"$KEYWARD" help | sed -n 's/^  keyward //p' >"$WORK/synopsis"
many() {
    [ "$(wc -l <"$WORK/synopsis")" -ge 28 ]
}
check "help lists the commands" many
on_the_page() { # the command's paragraph, with each of its options
    local item option
    item=$(grep -E "^\.It Cm $1( |\$)" "$DOCS/man/keyward.1") || return 1
    shift
    for option in "$@"; do
        case $option in
        --user | --pin-file) grep -q -e "Fl -${option#--}" "$DOCS/man/keyward.1" || return 1 ;;
        *) echo "$item" | grep -qE -e "Fl -${option#--}( |\$)" || return 1 ;;
        esac
    done
}
while read -r line; do
    name=$(echo "$line" | grep -oE '^[a-z]+( [a-z]+(-[a-z]+)*)?')
    # shellcheck disable=SC2046
    check "the man page has '$name' and its options" on_the_page "$name" $(echo "$line" | grep -oE -e '--[a-z-]+')
done <"$WORK/synopsis"
no_more() {
    sed -nE 's/^\.It Cm ([a-z]+( [a-z]+(-[a-z]+)*)?).*/\1/p' "$DOCS/man/keyward.1" | while read -r name; do
        grep -qE "^$name( |\$)" "$WORK/synopsis" || echo "no such command: $name"
    done >"$WORK/extra"
    cat "$WORK/extra"
    [ ! -s "$WORK/extra" ]
}
check "the man page has no command that is not there" no_more
if command -v mandoc >/dev/null; then
    check "mandoc finds no fault in it" mandoc -T lint -W warning "$DOCS/man/keyward.1"
fi

# Every verb of the vendor interface has its row in ADMIN.md, and every member of an event its row in LOG.md.
grep -hoE '^    \{"[a-z]+(\.[a-z]+)?", ACTION_' "$DOCS"/../pkcs11/admin_*.c | grep -oE '[a-z]+(\.[a-z]+)?' >"$WORK/verbs"
while read -r verb; do
    check "docs/ADMIN.md has the verb $verb" grep -qF "| \`$verb\` |" "$DOCS/ADMIN.md"
done <"$WORK/verbs"
sed -n '/^ \*   seq, time/,/duration_us/p' "$DOCS/../audit/event.h" | grep -oE '[a-z_]+' >"$WORK/members"
while read -r member; do
    check "docs/LOG.md has the member $member" grep -qE "^\|.*\`$member\`.*\|.*\|$" "$DOCS/LOG.md"
done <"$WORK/members"

# Each ```cedar block of POLICY.md is a file of its own.
awk -v dir="$WORK" '/^```cedar$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > (dir "/example" n ".cedar") }' "$DOCS/POLICY.md"
found() {
    [ -e "$WORK/example1.cedar" ]
}
check "docs/POLICY.md has examples" found
for example in "$WORK"/example*.cedar; do
    check "$(basename "$example") of docs/POLICY.md is sound" "$KEYWARD" policy check "$example"
done
finish
