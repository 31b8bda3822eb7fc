#!/usr/bin/env bash
# keyward policy suggest: what pkcs11-tool did is what the suggestion allows, and it allows no more.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 pkcs11-tool
make_home
"$KEYWARD" key create web/pay --type ec:P-256 >/dev/null
"$KEYWARD" key create web/other --type ec:P-256 >/dev/null
echo 'permit (principal == User::"alice", action, resource);' >"$WORK/all"
"$KEYWARD" policy apply web "$WORK/all" >/dev/null
fails "a log that shows no use" 'shows nothing that was allowed in vault web' "$KEYWARD" policy suggest web
echo 'pay 100' >"$WORK/order"
sign() { # key mechanism
    p11 --login --pin "$PIN" --sign --mechanism "$2" --label "$1" --input-file "$WORK/order" --output-file "$WORK/signature"
}
refused() {
    ! sign "$@"
}
check "alice signs with one key" sign pay ECDSA-SHA256
says "the suggestion names the mechanism" '"CKM_ECDSA_SHA256"' "$KEYWARD" policy suggest web
cp "$WORK/out" "$WORK/suggested"
says "and says what it takes away" '^// This allows less, and nothing more, than the policy in force' cat "$WORK/suggested"
says "with an example" '^// no longer allowed, as an example: ' cat "$WORK/suggested"
not_named() {
    ! grep -q other "$WORK/suggested"
}
check "what was not used is not in it" not_named
check "it is a sound policy" "$KEYWARD" policy check "$WORK/suggested"
says "policy diff says the same" '^stricter: ' "$KEYWARD" policy diff "$WORK/all" "$WORK/suggested"
"$KEYWARD" policy apply web "$WORK/suggested" >/dev/null
check "in force, it allows what was done" sign pay ECDSA-SHA256
sees() { # key
    p11 --login --pin "$PIN" --list-objects --type privkey | grep -q "label: *$1\$"
}
sees_not() {
    ! sees "$1"
}
check "its key is seen" sees pay
check "another key is not even seen" sees_not other
check "nor by another mechanism" refused pay ECDSA-SHA384
says "of what it allowed it suggests itself" '^// This allows the same as the policy in force' "$KEYWARD" policy suggest web
fails "since a time with no use" 'shows nothing that was allowed' "$KEYWARD" policy suggest web --since 2099-01-01
fails "a vault that is not there" 'shows nothing that was allowed|no vault nowhere' "$KEYWARD" policy suggest nowhere
misused "a vault must be named" 'usage|VAULT|argument' "$KEYWARD" policy suggest
finish
