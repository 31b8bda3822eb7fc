#!/usr/bin/env bash
# keyward log forward: to syslog and journald, real ones where they are installed, and receivers that fail.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3
make_home
"$KEYWARD" key create web/tls --type ec:P-256 >/dev/null

forward() {
    "$KEYWARD" log forward "$@"
}
misused "no receiver named is usage" 'where to' forward
misused "nor one that is not there" 'where to' forward --to kafka
misused "a name that is a path is none" 'small letters' forward --to syslog --name ../x
misused "a number that is none" 'no record.s number' forward --to syslog --from last
misused "a socket that is none" 'no socket for this' forward --to syslog --socket /dev/log
misused "journald is on this machine" 'no socket for this' forward --to journald --socket tcp:localhost:19531
other_is_refused "who may not read the log forwards none" "$KEYWARD" log forward --to syslog --once

# receiver KIND ADDRESS COUNT [HOW]: a fake one in the background, until the next one begins; what it takes stands in $WORK/taken
# as JSON, one message a line, and taken() waits for COUNT of them. $WORK/ready appears when it listens.
receiving=
receiver() {
    [ -z "$receiving" ] || kill "$receiving" 2>/dev/null
    rm -f "$WORK/ready" "$WORK/taken" "$2"
    wanted=$3
    python3 - "$WORK" "$@" <<'PY' &
import json, socket, sys
work, kind, address = sys.argv[1:4]
how = sys.argv[5] if len(sys.argv) > 5 else ""
file = open(work + "/taken", "w")
messages = []
def ready():
    open(work + "/ready", "w").close()
def take(message):
    messages.append(message)
    file.write(json.dumps(message.decode("utf-8", "backslashreplace")) + "\n")
    file.flush()
def datagrams(s):
    ready()
    while True:
        take(s.recv(1 << 20))
def framed(stream): # RFC 6587: length, blank, message
    length = b""
    while (c := stream.read(1)) not in (b" ", b""):
        length += c
    return stream.read(int(length)) if length else b""
def connections(listener):
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(address)))
    listener.listen(1)
    ready()
    hangs_up = how == "hangs-up"
    while True:
        s, _ = listener.accept()
        with s, s.makefile("rb") as stream:
            while message := framed(stream):
                take(message)
                if hangs_up and len(messages) == 3:
                    hangs_up = False
                    break
if kind == "unix":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(address)
    datagrams(s)
elif kind == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", int(address)))
    datagrams(s)
else:
    connections(socket.socket())
PY
    receiving=$!
    pids+=("$receiving")
    wait_for 20 test -e "$WORK/ready"
}
has_lines() {
    [ "$(wc -l <"$1")" -ge "$2" ]
}
taken() { # expression over m, the messages, and e, the records of the log
    wait_for 30 has_lines "$WORK/taken" "$wanted" && "$KEYWARD" log export >"$WORK/events" && python3 - "$WORK" "$1" <<'PY'
import json, re, sys
m = [json.loads(line) for line in open(sys.argv[1] + "/taken")]
e = [json.loads(line) for line in open(sys.argv[1] + "/events")]
def seq(message): # of a syslog line
    return int(re.search(r' seq="(\d+)"', message)[1])
def fields(message): # of journald
    data, found = message.encode("utf-8", "backslashreplace"), {}
    while data:
        name, _, rest = data.partition(b"\n")
        if b"=" in name:
            key, _, value = name.partition(b"=")
            data = rest
        else:
            n = int.from_bytes(rest[:8], "little")
            key, value, data = name, rest[8:8 + n], rest[9 + n:]
        found.setdefault(key.decode(), []).append(value.decode())
    return {k: v[0] for k, v in found.items() if len(v) == 1}
assert eval("(" + sys.argv[2] + ")"), (len(m), m[:3])
PY
}
position() {
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["next"])' "$KEYWARD_HOME/forward/$1.json"
}
lag() {
    "$KEYWARD" metrics | sed -n "s/^keyward_forward_lag_records{forwarder=\"$1\"} //p"
}
records() {
    "$KEYWARD" log export | wc -l
}

# ---- syslog ----
SYSLOG=unix:$WORK/log
fails "a receiver that is not there is a failure, with --once" 'cannot be reached' forward --to syslog --socket "$SYSLOG" --once
nothing_remembered() {
    [ ! -e "$KEYWARD_HOME/forward/syslog.json" ]
}
check "after which nothing counts as forwarded" nothing_remembered
once() {
    receiver unix "$WORK/log" "$(records)" && forward --to syslog --socket "$SYSLOG" --once &&
        taken '[seq(x) for x in m] == list(range(len(m))) and
            all(x.split(">1 ")[1].startswith(r["time"] + " ") and not x.endswith("\n") for x, r in zip(m, e)) and
            {x[:6] for x in m} == {"<110>1", "<108>1"}'
}
check "one that is there takes each record once, in order" once
remembers() {
    [ "$(position syslog)" -ge "$(wc -l <"$WORK/taken")" ] && [ "$(position syslog)" -le "$(records)" ] && [ "$(lag syslog)" -ge 0 ] && [ "$(lag syslog)" -lt 20 ]
}
check "and it is remembered how far it came, which is a metric" remembers
next_ones() {
    local from
    from=$(position syslog)
    "$KEYWARD" vault list >/dev/null
    receiver unix "$WORK/log" "$(($(records) - from))" && forward --to syslog --socket "$SYSLOG" --once &&
        taken "seq(m[0]) == $from and any('vault.list' in x for x in m)"
}
check "the next run goes on there" next_ones
from() {
    receiver unix "$WORK/log" 2 && forward --to syslog --socket "$SYSLOG" --once --from 1 --name again && taken '[seq(x) for x in m[:2]] == [1, 2]'
}
check "--from begins where it says" from
tcp() {
    receiver tcp 45514 "$(records)" && forward --to syslog --socket tcp:localhost:45514 --name tcp --once &&
        taken '[seq(x) for x in m] == list(range(len(m)))'
}
check "TCP, with lengths (RFC 6587)" tcp
udp() {
    receiver udp 45515 5 && forward --to syslog --socket udp:127.0.0.1:45515 --name udp --once && taken '[seq(x) for x in m[:5]] == list(range(5))'
}
check "UDP" udp
hostile() { # a name that would end its field
    "$KEYWARD" key create 'web/a"] b="\c' --type aes:256 >/dev/null || return 1
    local from
    from=$(position syslog)
    receiver unix "$WORK/log" "$(($(records) - from))" && forward --to syslog --socket "$SYSLOG" --once &&
        taken 'any(r'"'"' object="a\"\] b=\"\\c" '"'"' in x for x in m)'
}
check "a hostile name makes no field of its own" hostile

# ---- following ----
follower() { # follower OPTIONS...: in the background
    "$KEYWARD" log forward "$@" 2>"$WORK/follower" &
    following=$!
    pids+=("$following")
}
sign() { # something happens
    "$KEYWARD" vault show web >/dev/null
}
caught_up() {
    [ "$(position "$1")" -ge "$2" ]
}
away() { # what happens while the receiver is away arrives when it is back; nobody waits for it meanwhile
    local size started=$SECONDS
    kill "$receiving"
    rm -f "$WORK/log"
    follower --to syslog --socket "$SYSLOG" --name away
    wait_for 20 grep -q 'cannot be reached' "$WORK/follower" || return 1
    for _ in 1 2 3; do sign; done
    [ $((SECONDS - started)) -lt 20 ] || return 1
    size=$(records)
    receiver unix "$WORK/log" $((size - 1)) && wait_for 30 caught_up away "$size" && # but for one, of its own reading
        grep -q 'goes on' "$WORK/follower" && [ "$(wc -l <"$WORK/follower")" = 2 ] && taken "
set(map(seq, m)) >= {r['seq'] for r in e if r['function'] != 'log.show' and r['seq'] < $size} and sorted(map(seq, m)) == [seq(x) for x in m]"
    local rc=$?
    kill "$following"
    return $rc
}
check "a receiver that was away misses nothing, and costs two lines" away
hangs_up() {
    local size
    size=$(records)
    receiver tcp 45516 $((size + 2)) hangs-up || return 1
    follower --to syslog --socket tcp:127.0.0.1:45516 --name hangs
    wait_for 30 caught_up hangs "$size" &&
        taken "{*map(seq, m)} >= {*range($size)} and [seq(x) for x in m[:5]] == [0, 1, 2, 0, 1]"
    local rc=$?
    kill "$following"
    return $rc
}
check "a connection that breaks in the middle loses nothing" hangs_up
killed() { # again and again: what was not remembered comes again, nothing is left out
    local size n=0
    receiver unix "$WORK/log" 0 || return 1
    while [ $n -lt 5 ]; do
        follower --to syslog --socket "$SYSLOG" --name killed
        sign
        sleep 0.3
        kill -KILL "$following"
        wait "$following" 2>/dev/null
        n=$((n + 1))
    done
    kill "$receiving"
    size=$(records)
    [ ! -e "$KEYWARD_HOME/forward/killed.json" ] || [ "$(position killed)" -le "$size" ] || return 1
    receiver unix "$WORK/log" "$((size - $(position killed 2>/dev/null || echo 0)))" &&
        forward --to syslog --socket "$SYSLOG" --name killed --once && taken "seq(m[-1]) >= $size - 1"
}
check "killed, it goes on where it was known to be" killed
quiet() { # two that follow do not feed each other
    local before
    receiver unix "$WORK/log" 0 || return 1
    follower --to syslog --socket "$SYSLOG" --name one --from "$(records)"
    follower --to syslog --socket "$SYSLOG" --name two --from "$(records)"
    sign
    wait_for 20 test -e "$KEYWARD_HOME/forward/two.json" && wait_for 20 test -e "$KEYWARD_HOME/forward/one.json" || return 1
    sleep 1
    before=$(records)
    sleep 3
    [ $(($(records) - before)) -le 2 ]
}
check "two that forward do not feed each other" quiet
for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done

# ---- the position ----
spoil() {
    echo nonsense >"$KEYWARD_HOME/forward/spoiled.json"
}
spoil
fails "a position that is damaged is none" 'damaged' forward --to syslog --name spoiled --once
ahead() {
    python3 - "$KEYWARD_HOME/forward/syslog.json" "$KEYWARD_HOME/forward/$1.json" "$2" "$3" <<'PY'
import json, sys
position = json.load(open(sys.argv[1]))
position[sys.argv[3]] = json.loads(sys.argv[4])
json.dump(position, open(sys.argv[2], "w"))
PY
}
ahead ahead next 1000000
fails "a log that is shorter than what was forwarded is told of" 'cut, or put back' forward --to syslog --name ahead --once
ahead other log '"another+00000000+AAAA"'
fails "and one that is another" 'another log' forward --to syslog --name other --once

# ---- journald ----
JOURNAL=unix:$WORK/journal
journald() {
    receiver unix "$WORK/journal" "$(records)" && forward --to journald --socket "$JOURNAL" --once && taken '
all(fields(x)["KEYWARD_SEQ"] == str(r["seq"]) and fields(x)["SYSLOG_IDENTIFIER"] == "keyward" and fields(x)["PRIORITY"] in "346" and
    all(fields(x).get("KEYWARD_" + k.upper()) == str(v) for k, v in r.items()) for x, r in zip(m, e))'
}
check "journald gets every member as a field of its own" journald

# ---- real ones ----
real_syslog() {
    command -v rsyslogd >/dev/null || { echo "rsyslogd is not installed"; return 0; }
    cat >"$WORK/rsyslog.conf" <<CONF
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="$WORK/rsyslog.sock" CreatePath="off" UseSpecialParser="off" ParseHostname="on")
module(load="imtcp")
input(type="imtcp" port="45517" address="127.0.0.1" SupportOctetCountedFraming="on")
global(workDirectory="$WORK" maxMessageSize="64k")
template(name="t" type="string" string="%protocol-version% %pri-text% %app-name% %msgid% %structured-data%\n")
action(type="omfile" file="$WORK/rsyslog.out" template="t")
CONF
    rsyslogd -n -i "$WORK/rsyslog.pid" -f "$WORK/rsyslog.conf" >"$WORK/rsyslog.err" 2>&1 &
    local daemon=$! size
    pids+=("$daemon")
    wait_for 20 test -S "$WORK/rsyslog.sock" || { cat "$WORK/rsyslog.err"; return 1; }
    size=$(records)
    forward --to syslog --socket tcp:127.0.0.1:45517 --name real --once || return 1
    wait_for 20 has_lines "$WORK/rsyslog.out" "$size" || { tail -3 "$WORK/rsyslog.out" "$WORK/rsyslog.err"; return 1; }
    kill "$daemon"
    wait "$daemon" 2>/dev/null
    head -n "$size" "$WORK/rsyslog.out" | python3 -c '
import re, sys
lines = sys.stdin.read().splitlines()
# rsyslog calls facility 13 "audit" or by its number.
assert all(re.match(r"1 \S+\.(info|warning|err)(<\d+>)? keyward \S+ \[keyward@32473 seq=\"%d\" " % i, line) for i, line in enumerate(lines)), lines[:2]'
}
check "rsyslog, where it is installed, understands each record" real_syslog
JOURNALD=/lib/systemd/systemd-journald
real_journald() {
    if ! { [ -x "$JOURNALD" ] && command -v journalctl && [ -r /etc/machine-id ] && unshare -m true; } >/dev/null 2>&1; then
        echo "journald cannot be run from here"
        return 0
    fi
    # In a /run of its own; what is printed is its journal.
    # shellcheck disable=SC2016
    unshare -m bash -c '
        mount -t tmpfs run /run && mkdir -p /run/systemd/journal /run/log/journal || exit 1
        "$1" >/dev/null 2>&1 &
        for _ in $(seq 200); do [ ! -S /run/systemd/journal/socket ] || break; sleep 0.05; done
        "$KEYWARD" log forward --to journald --name real-journald --once &&
            for _ in $(seq 100); do
                journalctl -D /run/log/journal -o json MESSAGE_ID=4f3c0c6e2f5b4d0fa9d7c1b8e6a2705d >"$2" 2>/dev/null
                [ "$(wc -l <"$2")" -lt "$3" ] || break
                sleep 0.1
            done
        kill %1; wait %1' _ "$JOURNALD" "$WORK/journald" "$(records)"
    "$KEYWARD" log export >"$WORK/events" && python3 - "$WORK/journald" "$WORK/events" <<'PY'
import json, sys
kept = [json.loads(line) for line in open(sys.argv[1])]
events = [json.loads(line) for line in open(sys.argv[2])][:len(kept)]
assert len(kept) >= 20, len(kept)
for k, e in zip(kept, events):
    assert {n: k.get("KEYWARD_" + n.upper()) for n in e} == {n: str(v) for n, v in e.items()}, (k, e)
PY
}
check "journald, where it can be run, keeps each record with every member" real_journald
finish
