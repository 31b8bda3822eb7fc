#!/usr/bin/env bash
# keyward approve: a colleague's word for one use of a key, given, listed, withdrawn, used up.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 pkcs11-tool
make_home
"$KEYWARD" key create web/pay --type ec:P-256 >/dev/null
printf 'bob-pin-22' >"$WORK/bob-pin"
"$KEYWARD" user add web/bob --pin-file "$WORK/bob-pin" --role approver >/dev/null
cat >"$WORK/policy" <<'P'
permit (principal, action in [Action::"list", Action::"get"], resource);
permit (principal == User::"bob", action in Action::"approver", resource);
permit (principal == User::"alice", action == Action::"sign", resource) when { context.approvals >= 1 };
P
"$KEYWARD" policy apply web "$WORK/policy" >/dev/null
echo 'pay 100' >"$WORK/order"
sign() {
    p11 --login --pin "$PIN" --sign --mechanism ECDSA-SHA256 --label pay \
        --input-file "$WORK/order" --output-file "$WORK/signature"
}
unapproved() {
    ! sign
}
check "nobody signs without" unapproved
says "the log says what to do" 'it needs approvals by 1 others and has 0 for this: keyward approve web/pay --action sign' \
    "$KEYWARD" log show --denied
bob() {
    "$KEYWARD" approve "$@" --user bob --pin-file "$WORK/bob-pin"
}
says "bob approves, by the file" 'one use of web/pay to sign is approved by bob until 20' bob web/pay --action sign --file "$WORK/order" --expires 10m
says "it is listed" "$(sha256sum <"$WORK/order" | cut -c 1-64)" bob web --list
check "as JSON" is_json "$KEYWARD" approve web --list --json
id=$(member 'j["approvals"][0]["id"]')
check "then alice signs" sign
check "once" unapproved
says "bob approves, by the digest" 'approved by bob' bob web/pay --action sign --digest "$(sha256sum <"$WORK/order" | cut -c 1-64)"
is_json "$KEYWARD" approve web --list --json
id=$(member 'j["approvals"][0]["id"]')
says "and withdraws" "approval $id is withdrawn" bob web --withdraw "$id"
check "then nobody signs" unapproved
fails "what is withdrawn is gone" 'has no approval' bob web --withdraw "$id"
fails "the administrator does not approve" 'may not approve' "$KEYWARD" approve web/pay --action sign --file "$WORK/order"
misused "what is approved must be said" '--action is missing' bob web/pay --file "$WORK/order"
fails "and of what data" 'done with data' bob web/pay --action sign
fails "of a file that is not there" 'No such file' bob web/pay --action sign --file /nowhere
finish
