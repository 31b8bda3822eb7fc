#!/usr/bin/env bash
# keyward metrics for others to fetch: the file for node_exporter, and HTTP on a unix socket, with peers that mean no good.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 curl
make_home
"$KEYWARD" key create web/tls --type ec:P-256 >/dev/null

# ---- a file ----
written() {
    "$KEYWARD" metrics --textfile "$WORK/keyward.prom" >"$WORK/out" && [ ! -s "$WORK/out" ] &&
        grep -q '^keyward_hsm_up 1$' "$WORK/keyward.prom" && [ "$(stat -c %a "$WORK/keyward.prom")" = 644 ]
}
check "--textfile writes a file that others may read" written
replaced() { # an open old page stays what it was, the name has the new one, and nothing else is left beside it
    exec 9<"$WORK/keyward.prom"
    "$KEYWARD" metrics --textfile "$WORK/keyward.prom" &&
        ! cmp -s /dev/fd/9 "$WORK/keyward.prom" && [ "$(find "$WORK" -name 'keyward.prom*' | wc -l)" = 1 ]
}
check "which is replaced, never written into" replaced
fails "into a folder that is not there" 'cannot write' "$KEYWARD" metrics --textfile "$WORK/nowhere/keyward.prom"
mkdir "$WORK/folder.prom"
fails "over a folder" 'cannot write' "$KEYWARD" metrics --textfile "$WORK/folder.prom"
nothing_left() {
    [ "$(find "$WORK" -name 'folder.prom.*' | wc -l)" = 0 ]
}
check "and no piece is left beside it" nothing_left
promtool_is_content() {
    ! command -v promtool >/dev/null || promtool check metrics <"$WORK/keyward.prom"
}
check "promtool, where it is, finds nothing" promtool_is_content
misused "both at once are usage" 'one of the two' "$KEYWARD" metrics --textfile "$WORK/a" --listen "unix:$WORK/s"
misused "a network is no unix socket" 'unix sockets only' "$KEYWARD" metrics --listen 127.0.0.1:9100
misused "nor is a path that depends on where one stands" 'unix sockets only' "$KEYWARD" metrics --listen unix:socket
other_is_refused "who may not read the status serves none" "$KEYWARD" metrics --listen "unix:$WORK/s"

# ---- a socket ----
SOCKET=$WORK/metrics.sock
listen() {
    "$KEYWARD" metrics --listen "unix:$SOCKET" 2>"$WORK/serve.err" &
    server=$!
    pids+=("$server")
    wait_for 20 test -S "$SOCKET"
}
fetch() {
    curl --silent --show-error --fail --max-time 20 --unix-socket "$SOCKET" "$@"
}
status_of() { # of a request that curl makes
    curl --silent --max-time 20 --unix-socket "$SOCKET" --output /dev/null --write-out '%{http_code}\n' "$@"
}
raw() { # python with `s`, a connected socket, and all(): what comes until the end
    python3 - "$SOCKET" "$1" <<'PY'
import socket, sys
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1]) # waits while the backlog is full
    s.settimeout(20)
    return s
def all(s):
    data = b""
    while True:
        piece = s.recv(65536)
        if not piece:
            return data
        data += piece
s = connect()
exec(sys.argv[2])
PY
}
check "it listens" listen
mode() {
    [ "$(stat -c %a "$SOCKET")" = 660 ]
}
check "for its owner and group" mode
page() {
    fetch -D "$WORK/head" http://keyward/metrics >"$WORK/page" && grep -q '^keyward_hsm_up 1$' "$WORK/page" &&
        grep -qi '^content-type: text/plain; version=0.0.4' "$WORK/head"
}
check "curl fetches the page" page
moves() { # what happens in between is in a later page
    local before
    before=$(sed -n 's/^keyward_log_records //p' "$WORK/page")
    "$KEYWARD" vault list >/dev/null
    sleep 1.1
    page && [ "$(sed -n 's/^keyward_log_records //p' "$WORK/page")" -gt "$before" ]
}
check "and the next one later" moves
for case in "/ 404" "/metrics/ 404" "/metrics?x=1 404"; do
    elsewhere() {
        [ "$(status_of "http://keyward${case% *}")" = "${case#* }" ]
    }
    check "GET ${case% *} is ${case#* }" elsewhere
done
posted() {
    [ "$(status_of -X DELETE http://keyward/metrics)" = 405 ] && [ "$(status_of --data x http://keyward/metrics)" = 400 ]
}
check "another method is 405, a body 400" posted
check "nonsense is 400" raw 's.sendall(b"\x16\x03\x01\r\n"); assert all(s).startswith(b"HTTP/1.1 400 ")'
check "a head without an end is 431" raw 's.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 4096); assert all(s).startswith(b"HTTP/1.1 431 ")'
check "byte by byte is a request too" raw '
for b in b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n":
    s.send(bytes([b]))
assert all(s).startswith(b"HTTP/1.1 200 ")'
check "peers that say nothing are 408 in time; while there are sixteen, the next one is told to come again" raw '
idle = [connect() for _ in range(15)] # with s
late = connect()
assert late.recv(65536).startswith(b"HTTP/1.1 503 ")
for i in idle:
    assert all(i).startswith(b"HTTP/1.1 408 ")
again = connect()
again.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
assert all(again).startswith(b"HTTP/1.1 200 ")'
check "nor does one that never takes its answer" raw '
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
again = connect()
again.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
assert all(again).startswith(b"HTTP/1.1 200 ")'
check "nor those that leave in the middle" raw '
for i in range(50):
    t = connect(); t.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"[:i]); t.close()
s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
assert all(s).startswith(b"HTTP/1.1 200 ")'
scrapes() {
    "$KEYWARD" log show --json | grep -c '"function":"metrics"'
}
flood() { # hundreds of pages, and hardly more records than seconds
    local before after started=$SECONDS
    sleep 1.1
    before=$(scrapes)
    raw '
for i in range(500):
    s = connect()
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert all(s).startswith(b"HTTP/1.1 200 ")' || return 1
    after=$(scrapes)
    echo "$before $after"
    [ $((after - before)) -le $((SECONDS - started + 2)) ] && [ "$after" -gt "$before" ]
}
check "a flood of requests is no flood of records" flood
fails "a second one on the same socket" 'served already' "$KEYWARD" metrics --listen "unix:$SOCKET"
check "which leaves the first alone" page
ended() {
    # The program is the shell's child in the background.
    kill -TERM "$server" && wait "$server" && [ ! -e "$SOCKET" ] && [ ! -s "$WORK/serve.err" ]
}
check "SIGTERM ends it well, and its socket" ended
check "it listens again" listen
killed() {
    kill -KILL "$server"
    wait "$server"
    [ -S "$SOCKET" ]
}
check "killed, it leaves the socket" killed
rm -f "$WORK/serve.err"
replaced_socket() {
    "$KEYWARD" metrics --listen "unix:$SOCKET" 2>"$WORK/serve.err" &
    server=$!
    pids+=("$server")
    wait_for 20 page
}
check "which the next one replaces" replaced_socket
echo file >"$WORK/file"
fails "a file is not replaced" 'a file of that name' "$KEYWARD" metrics --listen "unix:$WORK/file"
kept() {
    [ "$(cat "$WORK/file")" = file ]
}
check "and keeps what is in it" kept
broken() { # the log is gone: a scrape fails, and says so
    mv "$KEYWARD_HOME/log" "$WORK/log"
    sleep 1.1
    local started=$SECONDS
    for _ in $(seq 20); do
        [ "$(status_of http://keyward/metrics)" = 500 ] || return 1
    done
    [ "$(wc -l <"$WORK/serve.err")" -le $((SECONDS - started + 2)) ] || return 1
    mv "$WORK/log" "$KEYWARD_HOME/log"
    grep -q 'log' "$WORK/serve.err"
}
check "metrics that cannot be made are 500, and not tried for each who asks" broken
kill "$server"
wait "$server"
finish
