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

# ---- for other programs ----
export_json() {
    "$KEYWARD" log export --vault lab >"$WORK/exported" && "$KEYWARD" log show --json --vault lab | head -n "$(wc -l <"$WORK/exported")" | cmp - "$WORK/exported"
}
check "export: JSON lines, those of show" export_json
syslog() { # PRI by outcome, RFC 5424 header, escaped parameters
    "$KEYWARD" log export --format syslog --denied --vault web >"$WORK/syslog" && python3 - "$WORK/syslog" <<'PY'
import re, sys
line = re.compile(r'^<(\d+)>1 (\S+) (\S+) keyward (\d+) (\S+) \[keyward@32473((?: [a-z_]+="(?:[^"\\\]]|\\.)*")+)\] \ufeff(.*)$')
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
assert lines
for text in lines:
    m = line.match(text)
    assert m, text
    assert m[1] == "108", text  # log audit, warning
    assert 'principal="User::\\"alice\\""' in m[6] and 'rules="never"' in m[6], text
PY
}
check "export: RFC 5424, refusals as warnings" syslog
informational() {
    "$KEYWARD" log export --format syslog --vault lab | head -1 | grep -q '^<110>1 '
}
check "and what was allowed as information" informational
cef() {
    "$KEYWARD" log export --format cef --denied --vault web >"$WORK/cef" && python3 - "$WORK/cef" "$WORK/lines" <<'PY'
import datetime, json, re, sys
for text, event in zip(open(sys.argv[1]).read().splitlines(), map(json.loads, open(sys.argv[2]))):
    head, ext = text.rsplit("|", 1)
    assert head == "CEF:0|keyward|keyward|%s|C_SignInit|sign|6" % head.split("|")[3], head
    pairs = dict(re.findall(r'(\w+)=((?:[^=\\]|\\.)*?)(?= \w+=|$)', ext))
    assert pairs["suser"] == 'User::"alice"' and pairs["cs3Label"] == "rules" and pairs["cs3"] == "never", pairs
    assert pairs["externalId"] == str(event["seq"]) and pairs["outcome"] == "denied", pairs
    when = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
    assert pairs["rt"] == str(int(when.timestamp() * 1000)), (pairs["rt"], event["time"])
PY
}
events --denied --vault web
check "export: CEF, with the time in milliseconds" cef
misused "a format that is not there" 'json, syslog, cef and text' "$KEYWARD" log export --format xml
follow() { # what comes after it began, and neither what was before nor its own reading
    "$KEYWARD" log follow --json >"$WORK/followed" &
    local follower=$!
    pids+=("$follower")
    for _ in $(seq 300); do
        "$KEYWARD" vault show lab >/dev/null
        [ "$(grep -c '"function":"vault.show"' "$WORK/followed")" -lt 2 ] || break
        sleep 0.1
    done
    kill "$follower"
    python3 - "$WORK/followed" <<'PY'
import json, sys
functions = [json.loads(line)["function"] for line in open(sys.argv[1])]
assert functions.count("vault.show") >= 2 and set(functions) <= {"vault.show", "status"}, functions
PY
}
check "follow prints records as they come" follow
closed_output() {
    "$KEYWARD" log show >/dev/full
}
fails "a full disk under what is exported is no success" 'standard output cannot be written' closed_output
prove() {
    "$KEYWARD" log prove 3 >"$WORK/proof" && head -2 "$WORK/proof" | tail -1 | grep -qx 'index 3' &&
        "$KEYWARD" log prove 3 --record | python3 -c 'import json, sys; assert json.load(sys.stdin)["seq"] == 3'
}
check "a record's proof, and the record as it is proven" prove
newest() { # not yet under a checkpoint
    local seq
    seq=$("$KEYWARD" log show --json | tail -1 | python3 -c 'import json, sys; print(json.load(sys.stdin)["seq"])')
    "$KEYWARD" log prove "$seq" | grep -qx "index $seq"
}
check "the newest record's, which makes a checkpoint first" newest
fails "of a record that is not there" 'no record 999999' "$KEYWARD" log prove 999999
misused "of no number" 'no record.s number' "$KEYWARD" log prove last
other_is_refused "who does not administer proves none" "$KEYWARD" log prove 3

cp "$KEYWARD_HOME/log/checkpoint" "$WORK/older"
"$KEYWARD" vault list >/dev/null
"$KEYWARD" log checkpoint >/dev/null
says "the log continues a checkpoint that was kept" '^log verified' "$KEYWARD" log verify --against "$WORK/older"
sed '2s/$/0/' "$WORK/older" >"$WORK/forged"
fails "a checkpoint that was edited proves nothing" 'none of this log' "$KEYWARD" log verify --against "$WORK/forged"
fails "what is no checkpoint" 'none of this log' "$KEYWARD" log verify --against "$WORK/data"
fails "a file that is not there" 'nowhere' "$KEYWARD" log verify --against "$WORK/nowhere"

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
