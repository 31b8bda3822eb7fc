#!/usr/bin/env bash
# keyward log report: the page, its numbers held against the log, and what a browser makes of it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 pkcs11-tool
make_home
"$KEYWARD" vault create lab >/dev/null
"$KEYWARD" key create web/tls --type ec:P-256 --expires 30d >/dev/null
EVIL='<script>alert(1)</script>"'"'"'&<img src=x>'
"$KEYWARD" key create "web/$EVIL" --type aes:256 --expires 10d >/dev/null
"$KEYWARD" key create lab/tls --type ec:P-256 --expires 20d >/dev/null
cat >"$WORK/p.cedar" <<'CEDAR'
permit (principal == User::"alice", action in Action::"cryptoUser", resource);
@id("</td><script>")
forbid (principal, action == Action::"sign", resource) when { context has mechanism && context.mechanism == "CKM_ECDSA_SHA384" };
CEDAR
"$KEYWARD" policy apply web "$WORK/p.cedar" >/dev/null
echo data >"$WORK/data"
for mechanism in ECDSA-SHA256 ECDSA-SHA256 ECDSA-SHA384 ECDSA-SHA256; do
    p11_login --sign --mechanism "$mechanism" --label tls -i "$WORK/data" -o "$WORK/sig" >/dev/null 2>&1
done

PAGE=$WORK/report.html
report() {
    "$KEYWARD" log export "$@" >"$WORK/events" && "$KEYWARD" log report -o "$PAGE" "$@" >"$WORK/out" && [ ! -s "$WORK/out" ]
}
misused "without a file it is usage" '-o FILE' "$KEYWARD" log report
fails "into a folder that is not there" 'cannot write' "$KEYWARD" log report -o "$WORK/nowhere/r.html"
other_is_refused "who may not read the log reports nothing" "$KEYWARD" log report -o "$WORK/other.html"
check "a page" report
mode() {
    [ "$(stat -c %a "$PAGE")" = 600 ]
}
check "for nobody else to read" mode
# page PROGRAM: python, with `rows` ({id: [[cell]]}), `texts` ({id: text}), `tags` ([(name, attributes)]) and `events`, without intents.
page() {
    python3 - "$PAGE" "$WORK/events" "$1" "$EVIL" <<'PY'
import collections, html.parser, json, re, sys
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.texts, self.tags, self.at, self.table = collections.defaultdict(list), {}, [], None, None
    def handle_starttag(self, name, attributes):
        attributes = dict(attributes)
        self.tags.append((name, attributes))
        self.at = attributes.get("id", self.at if name in ("td", "th") else None)
        if name == "table":
            self.table = attributes["id"]
        if name == "tr":
            self.rows[self.table].append([])
        if name == "td":
            self.rows[self.table][-1].append("")
        self.last = name
    def handle_data(self, data):
        if self.tags and self.last == "td" and self.rows[self.table] and self.rows[self.table][-1]:
            self.rows[self.table][-1][-1] += data
        elif self.at:
            self.texts[self.at] = self.texts.get(self.at, "") + data
    def handle_endtag(self, name):
        self.last, self.at = None, None
source = open(sys.argv[1], encoding="utf-8").read()
parsed = Page()
parsed.feed(source)
rows = {k: [r for r in v if r] for k, v in parsed.rows.items()}
texts, tags = parsed.texts, parsed.tags
events = [e for e in map(json.loads, open(sys.argv[2])) if e["phase"] != "intent"]
evil = sys.argv[4]
exec(sys.argv[3])
PY
}
numbers() { # the report has seen one record more, of the export's reading
    page '
denied = [e for e in events if e.get("verdict") == "deny"]
assert int(texts["records"]) == len(events) + 1, (texts, len(events))
assert int(texts["refused"]) == len(denied) >= 1
assert int(texts["failed"]) == sum(e.get("verdict") != "deny" and e["rv"] != "CKR_OK" for e in events)
used = collections.Counter(e["vault"] + "/" + e["object"] for e in events if "object" in e and e.get("verdict") != "deny" and e["rv"] == "CKR_OK")
assert {r[0]: int(r[1]) for r in rows["keys"] if r[1] != "0"} == used, (rows["keys"], used)
assert used["web/tls"] >= 3
assert {r[0]: int(r[1]) for r in rows["reasons"]} == collections.Counter(e.get("rules", "no policy permits it") for e in denied)
assert {r[0]: int(r[1]) for r in rows["principals"]} == collections.Counter(e["principal"] for e in denied)
assert ["</td><script>", "1"] in rows["reasons"] and ["User::\"alice\"", "1"] in rows["principals"]
slow = sorted((e["duration_us"] for e in events if "duration_us" in e), reverse=True)[:5]
assert [int(r[5]) for r in rows["slowest"]][:3] == slow[:3]'
}
check "its numbers are those of the log" numbers
expiries() {
    page 'assert [r[:2] for r in rows["expiries"]] == [["web", evil], ["lab", "tls"], ["web", "tls"]]'
}
check "what ends, the next one first, a pair once" expiries
policies() {
    page '
applied = [e for e in events if "new_policy" in e]
assert [(int(r[0]), r[5], r[6], r[7]) for r in rows["policies"]] == [(e["seq"], e["policy"], e["new_policy"], e["policy_change"]) for e in applied]
assert [e["function"] for e in applied] == ["policy.apply"]
assert ["web", "sign", "User::\"alice\"", "sometimes"] in [r[:4] for r in rows["may"]]'
}
check "changes of policy, and who may" policies
plots() {
    page '
bars = [int(n) for n in re.findall(r"<rect [^>]*><title>(\d+)</title>", source)]
assert sum(bars) == sum(int(r[1]) for r in rows["keys"])
assert all("aria-label" in a for name, a in tags if name == "svg") and any(name == "svg" for name, a in tags)'
}
check "the plots show each use once" plots
inert() {
    page '
names = {name for name, a in tags}
assert not names & {"script", "img", "iframe", "object", "embed", "base", "form", "a", "foreignobject"}, names
assert all(v.startswith("data:") for name, a in tags for k, v in a.items() if k in ("src", "href", "xlink:href", "srcset"))
assert not any(k.startswith("on") or k == "style" for name, a in tags for k in a)
assert "url(" not in source and "@import" not in source
assert evil in [r[0].split("/", 1)[1] for r in rows["keys"]]'
}
check "hostile names are texts, and nothing is fetched or run" inert
one_vault() {
    report --vault lab && page '
assert {r[0].split("/")[0] for r in rows["keys"]} == {"lab"} and {r[0] for r in rows["expiries"]} == {"lab"}
assert int(texts["records"]) == len(events) + 1'
}
check "--vault: that vault's alone" one_vault
some() {
    report --since 2100-01-01 && page 'assert int(texts["records"]) == 0 and "keys" not in rows'
}
check "--since a date to come: an empty page, which is one" some
check "all of it again" report

# ---- a browser ----
browse() { # browse PAGE OPTIONS...: what its console says in $WORK/console
    local address="file://$1"
    shift
    timeout 120 chromium --headless=new --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
        --disable-component-update --disable-extensions --disable-dev-shm-usage --user-data-dir="$WORK/profile" \
        --enable-logging=stderr --window-size=700,700 "$@" "$address" >"$WORK/dom" 2>"$WORK/browser"
    grep CONSOLE "$WORK/browser" >"$WORK/console"
    return 0
}
browser_runs() {
    command -v chromium >/dev/null 2>&1 && echo '<title>x</title>' >"$WORK/x.html" && browse "$WORK/x.html" --dump-dom && grep -q '<title>x' "$WORK/dom"
}
# The page is the same whatever made it: one look at it is enough.
if [ -z "$SANITIZER" ] && browser_runs; then
    fetched() { # by pages: what Chromium asks its makers for is its own affair
        grep -oE '"url":"(https?|wss?|ftp)://[^/"]*' "$WORK/net.json" | grep -vE '[/.](google|googleapis|gvt1|gstatic)\.com(:[0-9]+)?$'
    }
    quiet() {
        browse "$PAGE" --dump-dom --log-net-log="$WORK/net.json" && cat "$WORK/console" && [ ! -s "$WORK/console" ] &&
            grep -q 'id="records"' "$WORK/dom" && [ -s "$WORK/net.json" ] && ! fetched
    }
    check "chromium has nothing to complain of, and fetches nothing for it" quiet
    control() { # a page with what must not be in it
        sed 's|<main>|<main><script>document.title=1</script><img src="http://127.0.0.1:9/x">|; s|<style>|<style>b{}|' "$PAGE" >"$WORK/bad.html"
        browse "$WORK/bad.html" --dump-dom && grep -q 'inline script violates' "$WORK/console" &&
            grep -q 'Loading the image' "$WORK/console" && grep -q 'inline style violates' "$WORK/console"
    }
    check "its neighbour with a script, an image and another style is complained of" control
    unprotected() { # the same without the page's own policy
        sed -i 's|<meta http-equiv="Content-Security-Policy"[^>]*>||' "$WORK/bad.html"
        browse "$WORK/bad.html" --dump-dom --log-net-log="$WORK/net.json" && fetched | grep -q 'http://127.0.0.1:9$'
    }
    check "and without the page's own policy it would be fetched for" unprotected
    # colours FILE: how many colours the picture has, and the commonest.
    colours() {
        python3 - "$1" <<'PY'
import collections, struct, sys, zlib
data = open(sys.argv[1], "rb").read()
width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
size, at, raw = {2: 3, 6: 4}[kind], 8, b""
while at < len(data):
    n, = struct.unpack(">I", data[at:at + 4])
    if data[at + 4:at + 8] == b"IDAT":
        raw += data[at + 8:at + 8 + n]
    at += 12 + n
raw, stride, above, seen = zlib.decompress(raw), width * size, bytearray(width * size), collections.Counter()
for y in range(height):
    way, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
    for x in range(stride):
        left, up, corner = line[x - size] if x >= size else 0, above[x], above[x - size] if x >= size else 0
        if way == 4:
            p = left + up - corner
            guess = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
        else:
            guess = (0, left, up, (left + up) // 2)[way]
        line[x] = (line[x] + guess) & 255
    seen.update(line[x:x + 3].hex() for x in range(0, stride, size * 4))
    above = line
print(len(seen), seen.most_common(1)[0][0])
PY
    }
    seen_as() { # BACKGROUND OPTIONS...
        local background=$1 count most
        shift
        browse "$PAGE" --screenshot="$WORK/shot.png" "$@"
        read -r count most < <(colours "$WORK/shot.png")
        echo "$count $most"
        [ "$count" -gt 20 ] && [ "$most" = "$background" ]
    }
    check "it is not blank, and light" seen_as ffffff
    check "dark where dark is wanted" seen_as 0d1117 --blink-settings=preferredColorScheme=0
    prints() {
        browse "$PAGE" --print-to-pdf="$WORK/report.pdf" && head -c 5 "$WORK/report.pdf" | grep -q '%PDF-' && [ "$(stat -c %s "$WORK/report.pdf")" -gt 5000 ]
    }
    check "it prints" prints
else
    tests=$((tests + 1))
    echo "ok $tests - in a browser # SKIP chromium is not installed, does not run here, or a sanitizer made the page"
fi
finish
