#!/usr/bin/env bash
# Every record that programs and the command leave is one that docs/event.schema.json describes, by somebody else's validator;
# the schema, docs/LOG.md and the code name the same members.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
SOURCES=$(cd "$(dirname "$0")/../../.." && pwd)
PYTHON=/usr/bin/python3 # whose modules are Debian's packages
need "$PYTHON" pkcs11-tool
"$PYTHON" -c 'import jsonschema' 2>/dev/null || skip_all "python3-jsonschema is not installed"

make_home
k() {
    "$KEYWARD" "$@" >/dev/null 2>&1 </dev/null
}
printf '4321\n' >"$WORK/bob"
k vault create lab --protection software
k user add web/bob --pin-file "$WORK/bob" --role cryptoUser
# pkcs11-tool 0.23 does not look for the label of a key that signs.
tls=$("$KEYWARD" key create web/tls --type ec:P-256 | awk '$1 == "id:" {print $2}')
rsa=$("$KEYWARD" key create web/rsa --type rsa:2048 | awk '$1 == "id:" {print $2}')
k key create web/aes --type aes:256 --protection software
k key create lab/mac --type hmac:256
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$WORK/ec.pem" 2>/dev/null
k key import lab/imported "$WORK/ec.pem"
head -c 64 /dev/urandom >"$WORK/data"
p11() {
    foreign pkcs11-tool --module "$MODULE" --token-label web "$@" >/dev/null 2>&1 </dev/null
}
p11 --login --pin "$PIN" --test
p11 --login --pin 999999 -O
p11 --login --pin "$PIN" --sign -m ECDSA-SHA256 --id "$tls" -i "$WORK/data" -o "$WORK/sig"
p11 --login --pin "$PIN" --sign -m RSA-PKCS-PSS --hash-algorithm SHA256 --id "$rsa" -i "$WORK/data"
p11 --login --pin "$PIN" --keygen --key-type AES:32 --label made
p11 --login --pin "$PIN" --delete-object --type secrkey --label made
p11 --login --pin "$PIN" --write-object "$WORK/data" --type data --label $'l\303\244bel "quoted"\\'
p11 --login --pin "$PIN" -O
k key delete web/rsa
k key recover web/rsa
k key show web/nothing
k vault list
k policy check "$WORK/data"
printf 'forbid (principal, action == Action::"sign", resource);\npermit (principal, action, resource);\n' >"$WORK/deny"
k policy apply web "$WORK/deny"
p11 --login --pin "$PIN" --sign -m ECDSA-SHA256 --id "$tls" -i "$WORK/data" -o "$WORK/sig"
printf 'nonsense' >"$WORK/broken"
k policy apply web "$WORK/broken"
k user unlock web/bob
k user remove web/bob
k log checkpoint
k log verify
"$KEYWARD" log export >"$WORK/events"

valid() {
    "$PYTHON" - "$SOURCES/docs/event.schema.json" "$WORK/events" <<'PY'
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft7Validator.check_schema(schema)
validator = jsonschema.Draft7Validator(schema)
bad = 0
events = [json.loads(line) for line in open(sys.argv[2])]
for event in events:
    for error in validator.iter_errors(event):
        print(error.message, json.dumps(event))
        bad += 1
seen = {name for event in events for name in event}
print("members that were not seen:", sorted(set(schema["properties"]) - seen))
# Each kind of record was there, or this says nothing.
kinds = {(e["phase"], e.get("verdict"), e.get("rv") == "CKR_OK") for e in events}
assert {("intent", "allow", False), ("outcome", "allow", True), ("done", "allow", True), ("done", "deny", False)} <= kinds, kinds
assert seen == set(schema["properties"]), "not seen"
sys.exit(bad != 0)
PY
}
check "every record is what the schema says, and every member was there" valid
strict() { # one fact changed
    "$PYTHON" - "$SOURCES/docs/event.schema.json" "$WORK/events" <<'PY'
import json, sys
import jsonschema
validator = jsonschema.Draft7Validator(json.load(open(sys.argv[1])))
events = [json.loads(line) for line in open(sys.argv[2])]
done = next(e for e in events if e["phase"] == "done" and e.get("verdict") == "allow")
intent = next(e for e in events if e["phase"] == "intent")
denied = next(e for e in events if e.get("verdict") == "deny")
def without(event, name):
    return {k: v for k, v in event.items() if k != name}
changed = [
    dict(done, pin="1234"), dict(done, seq=-1), dict(done, time="yesterday"), dict(done, phase="maybe"),
    dict(done, verdict="perhaps"), dict(done, digest="00"), dict(done, pid="1"), without(done, "principal"),
    without(done, "rv"), dict(intent, rv="CKR_OK"), without(denied, "reason"), dict(done, phase="outcome"),
]
assert all(validator.is_valid(e) for e in (done, intent, denied))
for event in changed:
    assert not validator.is_valid(event), event
PY
}
check "the schema refuses a record with one fact changed" strict
members() { # in the code's order, less those that event_head() writes
    "$PYTHON" - "$SOURCES" <<'PY'
import json, re, sys
schema = list(json.load(open(sys.argv[1] + "/docs/event.schema.json"))["properties"])
code = re.findall(r'MEMBER\("(\w+)"\)', open(sys.argv[1] + "/audit/event.c").read())
table = open(sys.argv[1] + "/docs/LOG.md").read().split("## A record")[1].split("##")[0]
docs = [n for row in re.findall(r"^\| (`.*?) \|", table, re.M) for n in re.findall(r"`(\w+)`", row)]
assert sorted(schema) == sorted(["seq", "time"] + code), (schema, code)
assert sorted(schema) == sorted(docs), (schema, docs)
PY
}
check "the code, docs/LOG.md and the schema name the same members" members
finish
