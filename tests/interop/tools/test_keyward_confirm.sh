#!/usr/bin/env bash
# keyward policy pending, confirm, withdraw: what widens an administrator's own rights waits for another one.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3
make_home
printf 'ann-pin-22' >"$WORK/ann-pin"
"$KEYWARD" user add web/ann --pin-file "$WORK/ann-pin" >/dev/null
cat >"$WORK/before" <<'P'
permit (principal == User::"ann", action in Action::"controlPlane", resource);
P
"$KEYWARD" policy apply web "$WORK/before" >/dev/null
{
    cat "$WORK/before"
    echo 'permit (principal == User::"ann", action == Action::"sign", resource);'
} >"$WORK/after"
ann=(--user ann --pin-file "$WORK/ann-pin")
fails "a policy that gives ann a key waits" 'keyward policy confirm web [0-9a-f]{64}' "$KEYWARD" policy apply web "$WORK/after" "${ann[@]}"
hash=$(grep -oE '[0-9a-f]{64}' "$WORK/err")
says "it is listed" "^$hash +policy.apply +User::\"ann\"" "$KEYWARD" policy pending web
check "as JSON" is_json "$KEYWARD" policy pending web --json
fails "ann does not confirm it herself" 'another administrator confirms' "$KEYWARD" policy confirm web "$hash" "${ann[@]}"
says "root confirms it" 'confirmed, and done' "$KEYWARD" policy confirm web "$hash"
says "then it is in force" 'Action::"sign"' "$KEYWARD" policy show web
says "what gives less is done at once" '1 policies in force' "$KEYWARD" policy apply web "$WORK/before" "${ann[@]}"
fails "a wish for fewer confirmations waits" 'widens your own rights' "$KEYWARD" vault update web --confirmations 1
hash=$(grep -oE '[0-9a-f]{64}' "$WORK/err")
says "and is withdrawn" 'is withdrawn' "$KEYWARD" policy withdraw web "$hash"
fails "then it is gone" 'no such change is pending' "$KEYWARD" policy confirm web "$hash" "${ann[@]}"
misused "confirmations are a number" 'it is a number' "$KEYWARD" vault update web --confirmations many
says "the log tells who asked and who confirmed" 'pending as .* policy.apply by User::"ann" on policy' "$KEYWARD" log show
finish
