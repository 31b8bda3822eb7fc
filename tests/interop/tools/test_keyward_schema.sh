#!/usr/bin/env bash
# docs/keyward.cedarschema is the schema of this build, and Cedar's own validator accepts by it what keyward writes: the home's policy, a user's, every role's, and the
# examples of docs/POLICY.md.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
DOCS="$HERE/../../../docs"
need awk python3

"$KEYWARD" policy schema >"$WORK/schema"
check "docs/keyward.cedarschema is what keyward policy schema prints" cmp "$WORK/schema" "$DOCS/keyward.cedarschema"

make_home
# The administrator comes last: where there are two, what gives a user keys to use waits for the other.
for role in $("$KEYWARD" policy roles --json | python3 -c 'import json,sys; print(*sorted((r["role"] for r in json.load(sys.stdin)["roles"]), key="administrator".__eq__))'); do
    printf 'pin-of-%s\n' "$role" >"$WORK/pin"
    "$KEYWARD" user add "web/u-$role" --role "$role" --pin-file "$WORK/pin" >/dev/null || echo "not ok - user of role $role"
done
"$KEYWARD" policy show web >"$WORK/roles.cedar"
"$KEYWARD" policy show --home >"$WORK/home.cedar"
all_roles() {
    [ "$(grep -c 'action in Action::' "$WORK/roles.cedar")" -ge 9 ]
}
check "each role has its statement" all_roles
awk -v dir="$WORK" '/^```cedar$/ { n++; on = 1; next } /^```$/ { on = 0 } on { print > (dir "/example" n ".cedar") }' "$DOCS/POLICY.md"

# Where Cedar cannot be had, the test is skipped with the reason, not passed.
validate() {
    command -v node >/dev/null && command -v npm >/dev/null || return 77
    node "$HERE/../policy/validate.js" "${CEDAR_DIR:-$WORK}" "$DOCS/keyward.cedarschema" "$WORK"/*.cedar
}
validate >"$WORK/validated" 2>&1
status=$?
accepted() {
    cat "$WORK/validated"
    [ $status = 0 ] && [ "$(grep -c '^ok - and refuses' "$WORK/validated")" -ge 8 ]
}
if [ $status = 77 ]; then
    tests=$((tests + 1))
    echo "ok $tests - Cedar's validator is asked # SKIP node and the npm package are not to be had: $(head -1 "$WORK/validated")"
else
    check "Cedar's validator accepts what keyward writes, and refuses each with a name spelt wrong" accepted
fi
finish
