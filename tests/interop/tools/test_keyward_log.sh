#!/usr/bin/env bash
# keyward log: filters, the verifier's key, and a log that was changed.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 pkcs11-tool
make_home
"$KEYWARD" vault create lab >/dev/null
"$KEYWARD" key create web/tls --type ec:P-256 >/dev/null
"$KEYWARD" key create web/aes --type aes:256 >/dev/null
"$KEYWARD" key create lab/tls --type ec:P-256 >/dev/null
cat >"$WORK/p.cedar" <<'CEDAR'
permit (principal == User::"alice", action in Action::"cryptoUser", resource);
@id("never")
forbid (principal, action == Action::"sign", resource) when { resource.name == "tls" };
CEDAR
"$KEYWARD" policy apply web "$WORK/p.cedar" >/dev/null
echo data >"$WORK/data"
p11_login --sign --mechanism ECDSA-SHA256 --label tls -i "$WORK/data" -o "$WORK/sig" >/dev/null 2>&1

# events FILTERS...: what they show, as one JSON list in $WORK/json.
events() {
    "$KEYWARD" log show --json "$@" >"$WORK/lines" 2>"$WORK/err" </dev/null &&
        python3 -c 'import json, sys; print(json.dumps([json.loads(l) for l in open(sys.argv[1])]))' "$WORK/lines" >"$WORK/json"
}
holds() { # expression over j, the events
    [ "$(member "$1")" = True ] || { member "$1"; return 1; }
}
all() {
    events && holds 'len(j) > 10 and [e["seq"] for e in j] == list(range(len(j)))'
}
check "every line is JSON, numbered without a gap" all
vault() {
    events --vault lab && holds 'len(j) >= 2 and all(e["vault"] == "lab" for e in j)'
}
check "--vault shows that vault's alone" vault
object() {
    events --object aes && holds 'len(j) >= 2 and all(e["object"] == "aes" for e in j)'
}
check "--object shows that object's" object
both() {
    events --object lab/tls && holds 'len(j) >= 2 and all((e["vault"], e["object"]) == ("lab", "tls") for e in j)'
}
check "--object VAULT/NAME shows one vault's" both
denied() {
    events --denied && holds 'len(j) >= 1 and all(e["verdict"] == "deny" for e in j) and any(e.get("rules") == "never" for e in j)'
}
check "--denied shows the refusals, with the rule" denied
since() {
    sleep 4
    "$KEYWARD" vault list >/dev/null
    events --since 3s && holds '0 < len(j) < 6 and any(e["function"] == "vault.list" for e in j)'
}
check "--since a duration shows the last of it" since
future() {
    events --since 2100-01-01 && holds 'j == []'
}
check "--since a date to come shows nothing" future
past() {
    events --since 2020-01-01T00:00:00Z && holds 'j[0]["seq"] == 0'
}
check "--since a date gone by shows all" past
fails "--since what is no time" 'no time' "$KEYWARD" log show --since yesterday
fails "--vault that is not there" 'no vault nowhere' "$KEYWARD" log show --vault nowhere
says "for people: a line a record" '^[0-9]+ .*Unix::"root" key.create create lab/tls CKM_EC_KEY_PAIR_GEN -> CKR_OK$' "$KEYWARD" log show
says "a refusal says why" 'forbidden by never' "$KEYWARD" log show --denied
other_is_refused "who does not administer reads none" "$KEYWARD" log show
other_is_refused "verifies none" "$KEYWARD" log verify
other_is_refused "signs none" "$KEYWARD" log checkpoint
says "the verifier's key is the log's" "^$(head -1 "$KEYWARD_HOME/log/checkpoint")\\+[0-9a-f]{8}\\+[A-Za-z0-9+/=]+$" "$KEYWARD" log key
says "a checkpoint" '^checkpoint over [0-9]+ records$' "$KEYWARD" log checkpoint
says "the log verifies" '^log verified: [0-9]+ records signed' "$KEYWARD" log verify
check "as JSON" is_json "$KEYWARD" log verify --json

# ---- changed ----
cp -a "$KEYWARD_HOME/log" "$WORK/kept"
seq_of_denied=$("$KEYWARD" log show --denied --json | head -1 | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["seq"])')
"$KEYWARD" log checkpoint >/dev/null
cp -a "$KEYWARD_HOME/log" "$WORK/whole"
restore() {
    rm -rf "$KEYWARD_HOME/log"
    cp -a "$WORK/whole" "$KEYWARD_HOME/log"
}
tamper() { # a refusal made to look allowed, in every file that has it
    python3 - "$KEYWARD_HOME/log" <<'PY'
import os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        path = os.path.join(folder, name)
        data = open(path, "rb").read()
        if b'"verdict":"deny"' in data:
            with open(path, "r+b") as f:
                f.write(data.replace(b'"verdict":"deny"', b'"verdict":"okay"'))
PY
}
tamper
fails "a record changed in the newest bundle is found and named" "the log is not whole: .*record $seq_of_denied " "$KEYWARD" log verify
report() { # expression over the report
    "$KEYWARD" log verify --json >"$WORK/json" 2>"$WORK/err" </dev/null
    [ $? = 1 ] && [ "$(wc -l <"$WORK/err")" = 1 ] && [ "$(member "$1")" = True ]
}
check "as JSON too" report "not j['ok'] and j['bad-seq'] == $seq_of_denied"
fails "the vault is not served then" 'record' "$KEYWARD" key list web
fails "nor is the log shown" 'record' "$KEYWARD" log show
mv "$KEYWARD_HOME/store.db" "$WORK/store.db"
no_report() {
    "$KEYWARD" log verify --json >"$WORK/json" 2>"$WORK/err" </dev/null
    [ $? = 1 ] && [ ! -s "$WORK/json" ] && grep -q store.db "$WORK/err"
}
check "without the store nobody knows the log's key: no report" no_report
mv "$WORK/store.db" "$KEYWARD_HOME/store.db"
restore
says "the log as it was verifies" 'log verified' "$KEYWARD" log verify
restore
rm -rf "$KEYWARD_HOME/log"
cp -a "$WORK/kept" "$KEYWARD_HOME/log"
sed -i '2s/.*/1/' "$KEYWARD_HOME/log/checkpoint"
fails "a changed checkpoint is refused" 'log' "$KEYWARD" log verify
restore
rm -rf "$KEYWARD_HOME/log/tile/0"
fails "a missing tile is found" 'log' "$KEYWARD" log verify
restore
many() {
    while [ "$("$KEYWARD" log checkpoint | tr -dc 0-9)" -lt 300 ]; do
        foreign pkcs11-tool --module "$MODULE" --token-label web --login --pin "$PIN" --test >/dev/null 2>&1
    done
}
check "a bundle is filled" many
tamper
fails "a record changed in an older bundle is found and named" "the log is not whole: .*record $seq_of_denied " "$KEYWARD" log verify
check "and in JSON" report "not j['ok'] and j['bad-seq'] == $seq_of_denied"
rm -rf "$KEYWARD_HOME/log"
fails "without its log the vault serves nothing" 'log' "$KEYWARD" key list web
finish
