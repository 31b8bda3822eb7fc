#!/usr/bin/env bash
# keyward metrics: read by Prometheus' own parser, and held against the log.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
PYTHON=/usr/bin/python3 # whose modules are Debian's packages
need "$PYTHON" pkcs11-tool
"$PYTHON" -c 'import prometheus_client.parser' 2>/dev/null || skip_all "python3-prometheus-client is not installed"
make_home
"$KEYWARD" vault create lab >/dev/null
"$KEYWARD" key create web/secret-name --type ec:P-256 >/dev/null
"$KEYWARD" key create lab/tls --type ec:P-256 --expires 2d >/dev/null
"$KEYWARD" key create web/soft --type aes:256 --protection software >/dev/null
cat >"$WORK/p.cedar" <<'CEDAR'
permit (principal == User::"alice", action in Action::"cryptoUser", resource);
@id("odd \"rule\\")
forbid (principal, action == Action::"sign", resource) when { context has mechanism && context.mechanism == "CKM_ECDSA_SHA384" };
CEDAR
"$KEYWARD" policy apply web "$WORK/p.cedar" >/dev/null
echo data >"$WORK/data"
sign() {
    p11_login --sign --mechanism "$1" -i "$WORK/data" -o "$WORK/sig" >/dev/null 2>&1
}
sign ECDSA-SHA256
sign ECDSA-SHA384

# scrape: the families, and what of the log they were made of.
scrape() {
    "$KEYWARD" metrics >"$WORK/metrics" 2>"$WORK/err" </dev/null && "$KEYWARD" log export >"$WORK/events"
}
# metrics PROGRAM: python, with `samples` ({(name, labels): value}) and `events`, those the scrape can have seen.
metrics() {
    "$PYTHON" - "$WORK/metrics" "$WORK/events" "$1" <<'PY'
import collections, json, sys, time
from prometheus_client.parser import text_string_to_metric_families
text = open(sys.argv[1]).read()
samples = {}
for family in text_string_to_metric_families(text):
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in samples, key
        samples[key] = sample.value
def value(name, **labels):
    return samples.get((name, tuple(sorted(labels.items()))))
events = [json.loads(line) for line in open(sys.argv[2])]
last = max(i for i, e in enumerate(events) if e["function"] == "metrics")
events = [e for e in events[:last] if e["phase"] != "intent"]
exec(sys.argv[3])
PY
}
counted() { # every series, no more and no less
    metrics '
want = collections.Counter(tuple(sorted({"vault": e.get("vault", ""), "action": e.get("action", ""),
    "mechanism": e.get("mechanism", ""), "result": e["rv"]}.items())) for e in events)
have = {labels: n for (name, labels), n in samples.items() if name == "keyward_operations_total"}
assert have == want, (have, want)
def histogram(name, member, unit, by):
    kinds = {tuple((b, e.get(b, "")) for b in by) for e in events if member in e}
    assert kinds, name
    assert {labels for (n, labels) in samples if n == name + "_count"} == kinds, name
    for labels in map(dict, kinds):
        mine = [e[member] * unit for e in events if member in e and all(e.get(b, "") == v for b, v in labels.items())]
        assert value(name + "_count", **labels) == len(mine)
        assert abs(value(name + "_sum", **labels) - sum(mine) / 1e9) < 1e-6
        for le, ns in (("0.00001", 1e4), ("0.001", 1e6), ("0.1", 1e8), ("+Inf", 1e18)):
            assert value(name + "_bucket", le=le, **labels) == sum(m <= ns for m in mine), (name, labels, le)
histogram("keyward_operation_duration_seconds", "duration_us", 1000, ["action"])
histogram("keyward_policy_duration_seconds", "policy_ns", 1, ["action"])
histogram("keyward_hsm_duration_seconds", "hsm_ns", 1, ["action"])
histogram("keyward_software_duration_seconds", "software_ns", 1, ["action"])
histogram("keyward_log_duration_seconds", "log_ns", 1, [])
'
}
check "a scrape" scrape
check "counts what the log has, each series" counted
denied() {
    metrics 'assert value("keyward_denied_total", vault="web", action="sign", rule="odd \"rule\\") == 1'
}
check "a refusal is counted by its rule, whatever is in the rule's name" denied
again() {
    sign ECDSA-SHA256 && sign ECDSA-SHA384
    scrape && counted &&
        metrics 'assert value("keyward_denied_total", vault="web", action="sign", rule="odd \"rule\\") == 2'
}
check "the next scrape counts on from there" again
kept() { # what was counted is not read again: the kept number shows
    "$PYTHON" - "$KEYWARD_HOME/metrics.json" <<'PY'
import json, sys
kept = json.load(open(sys.argv[1]))
label = next(k for k in kept["denied"])
kept["denied"][label] = 1000
json.dump(kept, open(sys.argv[1], "w"))
PY
    scrape && metrics 'assert value("keyward_denied_total", vault="web", action="sign", rule="odd \"rule\\") == 1000'
}
check "out of what it kept" kept
lost() {
    rm "$KEYWARD_HOME/metrics.json"
    scrape && counted && echo nonsense >"$KEYWARD_HOME/metrics.json" && scrape && counted
}
check "which is counted again where it is lost or damaged" lost
ahead() { # the log was put back, or another one is there
    "$PYTHON" - "$KEYWARD_HOME/metrics.json" <<'PY'
import json, sys
kept = json.load(open(sys.argv[1]))
kept["upto"] += 1000
json.dump(kept, open(sys.argv[1], "w"))
PY
    scrape && counted
}
check "and where it is of a longer log" ahead
expiry() {
    metrics '
assert 86400 < value("keyward_vault_next_expiry_timestamp_seconds", vault="lab") - time.time() <= 2 * 86400
assert value("keyward_vault_next_expiry_timestamp_seconds", vault="web") is None
assert value("keyward_vault_expired_objects", vault="lab") == 0 and value("keyward_vault_objects", vault="lab") == 2'
}
check "when the next key ends" expiry
over() {
    "$KEYWARD" key create lab/hour --type aes:256 --expires 1h >/dev/null
    scrape && metrics 'assert 0 < value("keyward_vault_next_expiry_timestamp_seconds", vault="lab") - time.time() <= 3600'
    "$KEYWARD" key create lab/short --type aes:256 --expires 1s >/dev/null
    sleep 2
    scrape && metrics '
assert value("keyward_vault_expired_objects", vault="lab") == 1
assert 0 < value("keyward_vault_next_expiry_timestamp_seconds", vault="lab") - time.time() <= 3600'
}
check "and that it has" over
health() {
    metrics '
assert value("keyward_hsm_up") == 1
assert value("keyward_log_records") >= len(events) and value("keyward_log_unsigned_records") >= 0'
}
check "the HSM and the log" health
no_names() {
    ! grep -E 'alice|secret-name|short' "$WORK/metrics"
}
check "no name of an object or user is in it" no_names
promtool_is_content() {
    ! command -v promtool >/dev/null || promtool check metrics <"$WORK/metrics"
}
check "promtool, where it is, finds nothing" promtool_is_content
DOCS="$(dirname "$0")/../../../docs"
rules() { # sound, and about metrics that there are
    ! command -v promtool >/dev/null || promtool check rules "$DOCS/alerts.yml" || return 1
    grep -oE 'keyward_[a-z_]+' "$DOCS/alerts.yml" | sed 's/_bucket$//' | sort -u | while read -r name; do
        case $name in
        keyward_forward_lag_records) ;; # there is no forwarder here
        *) grep -q "^# TYPE $name " "$WORK/metrics" || echo "no such metric: $name" ;;
        esac
    done >"$WORK/missing"
    cat "$WORK/missing"
    [ ! -s "$WORK/missing" ]
}
check "the alerts are about metrics that there are" rules
documented() { # each family in the table, and no other
    diff <(sed -n 's/^# TYPE \([a-z_]*\) .*/\1/p' "$WORK/metrics" | sort) \
        <(sed -n 's/^| .\(keyward_[a-z_]*\). | .*/\1/p' "$DOCS/MONITORING.md" | grep -v forward_lag | sort)
}
check "docs/MONITORING.md has each family, and no other" documented
other_is_refused "who may not read the status reads no metrics" "$KEYWARD" metrics
finish
