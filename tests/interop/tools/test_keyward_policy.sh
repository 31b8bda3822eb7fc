#!/usr/bin/env bash
# keyward policy: errors with their place, applying all or nothing, and answers explained.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3
make_home
"$KEYWARD" key create web/tls --type ec:P-256 >/dev/null
"$KEYWARD" key create web/other --type ec:P-256 >/dev/null
cd "$WORK" || exit 1

cat >good.cedar <<'CEDAR'
@id("alice-signs")
permit (principal == User::"alice", action in [Action::"list", Action::"sign"], resource)
when { resource.name == "tls" };
@id("no-sha1")
forbid (principal, action == Action::"sign", resource) when { context has hash && context.hash == "CKM_SHA_1" };
CEDAR
cat >bad.cedar <<'CEDAR'
permit (principal, action, resource);
permit (principal == User::"alice", action == Action::"fly", resource)
when { resource.colour == "red" };
CEDAR
printf 'permit (principal' >cut.cedar
printf 'permit (principal, action, resource) when { "\377" == "" };\n' >bytes.cedar

# ---- check ----
# shellcheck disable=SC2016 # the backquotes are the message's own
places() { # exit status and both errors, each with its place
    "$KEYWARD" policy "$@" 2>"$WORK/err"
    [ $? = 1 ] && grep -qx 'bad.cedar:2:37: there is no action `fly`' "$WORK/err" &&
        grep -q '^bad.cedar:3:17: .*no attribute `colour`$' "$WORK/err" && [ "$(wc -l <"$WORK/err")" = 2 ]
}
says "a sound text" '^good.cedar: 2 policies, all sound$' "$KEYWARD" policy check good.cedar
check "needs no home" env KEYWARD_HOME="$WORK/nowhere" "$KEYWARD" policy check good.cedar
check "every error has file, line and column" places check bad.cedar
fails "a text that ends early" '^cut.cedar:1:18: expected' "$KEYWARD" policy check cut.cedar
fails "a text that is no UTF-8" '^bytes.cedar:1:[0-9]+: ' "$KEYWARD" policy check bytes.cedar
fails "a file that is not there" 'cannot open none.cedar' "$KEYWARD" policy check none.cedar
says_json() {
    ! "$KEYWARD" policy check --json "$1" >"$WORK/json" && [ "$(member 'j["ok"], len(j["errors"]), j["errors"][0]["line"]')" = "(False, 2, 2)" ]
}
check "errors as JSON" says_json bad.cedar
check "none as JSON" is_json "$KEYWARD" policy check --json good.cedar
from_stdin() {
    "$KEYWARD" policy check - <good.cedar
}
check "from standard input" from_stdin

# ---- rules that do nothing ----
cat >idle.cedar <<'CEDAR'
@id("works") permit (principal == User::"alice", action, resource);
@id("never")
permit (principal, action == Action::"sign", resource) when { context.via == "a" && context.via == "b" };
@id("no-bob") forbid (principal == User::"bob", action, resource);
@id("beaten") permit (principal == User::"bob", action == Action::"sign", resource);
CEDAR
warned() { # exit 0, a warning for each of the two, none for the others
    "$KEYWARD" policy check idle.cedar >"$WORK/out" 2>"$WORK/err" && [ "$(wc -l <"$WORK/err")" = 2 ] &&
        grep -q '^idle.cedar:3:1: warning: no request satisfies this policy$' "$WORK/err" &&
        grep -q '^idle.cedar:5:15: warning: this permit never counts: .*: no-bob$' "$WORK/err"
}
check "a policy nobody can satisfy, and one that a forbid beats, are warned of with their lines" warned
warned_json() {
    "$KEYWARD" policy check --json idle.cedar >"$WORK/json" && [ "$(member '[(w["line"], w["id"]) for w in j["warnings"]]')" = "[(3, 'never'), (5, 'beaten')]" ]
}
check "as JSON too" warned_json

# ---- diff: each counterexample is put to policy decide ----
cat >old.cedar <<'CEDAR'
permit (principal == User::"alice", action == Action::"sign", resource) when { resource.name like "tls-*" };
permit (principal in UnixGroup::"ops", action == Action::"list", resource);
CEDAR
sed 's/tls-\*/tls-a*/' old.cedar >narrow.cedar
sed 's/"alice"/"bob"/' old.cedar >other.cedar
printf '// nothing but a comment more\n' | cat old.cedar - >same.cedar
says "a text with a comment more is equal" '^equal: ' env KEYWARD_HOME=/nowhere "$KEYWARD" policy diff old.cedar same.cedar
says "a narrower pattern is stricter" '^stricter: ' "$KEYWARD" policy diff old.cedar narrow.cedar
says "the other way round it is looser" '^looser: ' "$KEYWARD" policy diff narrow.cedar old.cedar
says "another user is incomparable" '^incomparable: ' "$KEYWARD" policy diff old.cedar other.cedar
fails "a text that is not sound is not compared" 'bad.cedar:2:37: there is no action' "$KEYWARD" policy diff old.cedar bad.cedar
decides() { # policies member: how the example in $WORK/json is decided
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))[sys.argv[2]]
json.dump(r.pop("entities"), open("x.json", "w"))
json.dump(r, open("x.jsonl", "w"))' "$WORK/json" "$2"
    "$KEYWARD" policy decide --policies "$1" --entities x.json --requests x.jsonl | grep -oE 'allow|deny'
}
examples() {
    "$KEYWARD" policy diff --json old.cedar other.cedar >"$WORK/json" &&
        [ "$(decides old.cedar now-denied) $(decides other.cedar now-denied)" = "allow deny" ] &&
        [ "$(decides old.cedar now-allowed) $(decides other.cedar now-allowed)" = "deny allow" ]
}
check "both counterexamples are answered as they say" examples

# ---- apply and show ----
"$KEYWARD" policy show web >before
check "a bad text is refused with the same places" places apply web bad.cedar
fails "a text that ends early is too" '^cut.cedar:1:18: expected' "$KEYWARD" policy apply web cut.cedar
fails "no UTF-8" 'no UTF-8' "$KEYWARD" policy apply web bytes.cedar
fails "a vault that is not there" 'no vault nowhere' "$KEYWARD" policy apply nowhere good.cedar
other_is_refused "who does not administer applies none" "$KEYWARD" policy apply web good.cedar
unchanged() {
    "$KEYWARD" policy show web | cmp - before
}
check "and the policy is what it was" unchanged
says "a good one is applied" '2 policies in force' "$KEYWARD" policy apply web good.cedar
shown() {
    "$KEYWARD" policy show web | cmp - good.cedar
}
check "and shown to the byte" shown
check "as JSON" is_json "$KEYWARD" policy show web --json
says "the home's own" 'administrator' "$KEYWARD" policy show --home
misused "a vault or the home" 'name a vault, or give --home' "$KEYWARD" policy show
misused "not both" 'name a vault, or give --home' "$KEYWARD" policy show web --home
other_is_refused "who does not administer reads none" "$KEYWARD" policy show web

# ---- explain ----
ask() { # principal action object context
    printf '{"principal": "%s", "action": "%s", "object": "%s", "context": %s}\n' "${1//\"/\\\"}" "$2" "$3" "$4" >request.json
    "$KEYWARD" policy explain web request.json
}
says "what is permitted, by which rule" '^  permit alice-signs$' ask 'User::"alice"' sign tls '{"mechanism": "CKM_ECDSA_SHA256", "hash": "CKM_SHA256"}'
says "what is forbidden, by which" '^  forbid no-sha1$' ask 'User::"alice"' sign tls '{"mechanism": "CKM_ECDSA_SHA1", "hash": "CKM_SHA_1"}'
says "another key is nobody's" 'default deny' ask 'User::"alice"' sign other '{}'
says "another user may nothing" 'default deny' ask 'User::"bob"' sign tls '{}'
says "what came nearest" "^  nearest: permit alice-signs, whose principal does not hold \\(web:" ask 'User::"bob"' sign tls '{}'
says "what would lift a forbid" '^  would be allowed with another context\.hash, as ' ask 'User::"alice"' sign tls '{"mechanism": "CKM_ECDSA_SHA1", "hash": "CKM_SHA_1"}'
says "a denial as JSON says what is needed" '"needed": *\[' "$KEYWARD" policy explain web request.json --json
says "another action neither" 'default deny' ask 'User::"alice"' decrypt tls '{}'
says "the action may be written as Cedar does" '^allow' ask 'User::"alice"' 'Action::\"sign\"' tls '{}'
check "the answer as JSON" is_json "$KEYWARD" policy explain web request.json --json
other_is_refused "who does not administer is told nothing" "$KEYWARD" policy explain web request.json
fails "an action that is none" 'no action "fly"' ask 'User::"alice"' fly tls '{}'
fails "a principal that is none" 'names nobody' ask alice sign tls '{}'
fails "an object that is not there" 'no such object' ask 'User::"alice"' sign nothing '{}'
fails "a context of lists" 'must be a text' ask 'User::"alice"' sign tls '{"hash": []}'
printf 'permit (principal in Group::"signers", action in [Action::"list", Action::"sign"], resource);\n' >group.cedar
"$KEYWARD" group add web/signers >/dev/null && "$KEYWARD" policy apply web group.cedar >/dev/null
says "a group that is missing" '^  would be allowed with membership in Group::"signers"$' ask 'User::"alice"' sign tls '{}'
"$KEYWARD" group join web/signers user:alice >/dev/null
says "the groups that somebody is in count" '^allow' ask 'User::"alice"' sign tls '{}'
says "and not for another" '^deny' ask 'User::"bob"' sign tls '{}'
"$KEYWARD" policy apply web good.cedar >/dev/null
says "what is not there yet may be asked about" 'default deny' ask 'User::"alice"' create new '{}'
printf '{"principal": ' >request.json
fails "a request that is no JSON" '^keyward: policy explain: request.json:[0-9]+:[0-9]+: ' "$KEYWARD" policy explain web request.json
printf '{"principal": "User::\\"a\\"", "action": "sign", "colour": 1}' >request.json
fails "an unknown member" 'unknown member "colour"' "$KEYWARD" policy explain web request.json
printf '[]' >request.json
fails "a request that is no object" 'must be an object' "$KEYWARD" policy explain web request.json

# ---- who-can ----
who() {
    "$KEYWARD" policy who-can web "$@"
}
says "who may sign, and by which rule" '^User::"alice" .*sometimes +alice-signs' who sign tls
nobody_else() {
    who sign tls --json >"$WORK/json" && [ "$(member '[w["principal"] for w in j["who"]], j["undecided"]')" = "(['User::\"alice\"'], '')" ]
}
check "and nobody else" nobody_else
nobody() {
    who sign other --json >"$WORK/json" && [ "$(member 'j["who"]')" = "[]" ]
}
check "with another key nobody may" nobody
says "what everybody may, by the home's policy" '^User .*always +home:services' who random
fails "an action that is none" 'no action "fly"' who fly tls
fails "an object that is not there" 'no such object' who sign nothing
other_is_refused "who does not administer is told nothing" "$KEYWARD" policy who-can web sign tls

# ---- roles and decide ----
says "roles and their actions" '^cryptoUser +sign,verify' env KEYWARD_HOME=/nowhere "$KEYWARD" policy roles
check "as JSON" is_json "$KEYWARD" policy roles --json
printf 'permit (principal == U::"a", action, resource);\n' >d.cedar
echo '[]' >entities.json
cat >requests.jsonl <<'JSON'
{"principal": "U::\"a\"", "action": "Action::\"x\"", "resource": "R::\"r\"", "context": {}}
{"principal": "U::\"b\"", "action": "Action::\"x\"", "resource": "R::\"r\"", "context": {}}
JSON
decided() {
    "$KEYWARD" policy decide --policies d.cedar --entities entities.json --requests requests.jsonl >"$WORK/out" &&
        [ "$(grep -o '"decision":"[a-z]*"' "$WORK/out" | tr '\n' ' ')" = '"decision":"allow" "decision":"deny" ' ]
}
check "decide answers a line a request" decided
misused "and wants its three files" '--policies, --entities and --requests' "$KEYWARD" policy decide --policies d.cedar
finish
