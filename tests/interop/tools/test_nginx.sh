#!/usr/bin/env bash
# nginx, unmodified, with four workers and TLS keys that live in a vault: engine:pkcs11:...
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need nginx openssl curl
engine_conf
# nginx of Debian 13 initialises no engine itself.
sed -i 's/^init = 0/init = 1/' "$WORK/openssl.cnf"
make_home
PORT_RSA=$((20000 + RANDOM % 20000))
PORT_EC=$((PORT_RSA + 1))

for key in rsa:2048 ec:P-256; do
    name=${key%%:*}
    "$KEYWARD" key create "web/$name" --type "$key" >/dev/null
    OPENSSL_CONF="$WORK/openssl.cnf" foreign openssl req -x509 -new -engine pkcs11 -keyform engine \
        -key "pkcs11:token=web;object=$name;type=private;pin-value=$PIN" -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -days 2 -out "$WORK/$name.crt" 2>"$WORK/req.err"
done
# The engine is left to load itself in each worker, as nginx does it; the module's environment is kept by `env`.
cat >"$WORK/nginx.conf" <<CONF
worker_processes 4;
user root;
daemon off;
pid $WORK/nginx.pid;
error_log $WORK/error.log info;
env KEYWARD_HOME;
env OPENSSL_CONF;
ssl_engine pkcs11;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $WORK/b; proxy_temp_path $WORK/p; fastcgi_temp_path $WORK/f; uwsgi_temp_path $WORK/u; scgi_temp_path $WORK/s;
    ssl_session_cache off;
    ssl_session_tickets off;
    server { listen 127.0.0.1:$PORT_RSA ssl; ssl_certificate $WORK/rsa.crt;
        ssl_certificate_key "engine:pkcs11:pkcs11:token=web;object=rsa;type=private;pin-value=$PIN";
        location / { return 200 "rsa \$pid\n"; } }
    server { listen 127.0.0.1:$PORT_EC ssl; ssl_certificate $WORK/ec.crt;
        ssl_certificate_key "engine:pkcs11:pkcs11:token=web;object=ec;type=private;pin-value=$PIN";
        location / { return 200 "ec \$pid\n"; } }
}
CONF
export OPENSSL_CONF="$WORK/openssl.cnf"
# The output is its own: a worker that outlives us must not hold the test's pipe open.
foreign nginx -c "$WORK/nginx.conf" -e "$WORK/error.log" >"$WORK/nginx.out" 2>&1 </dev/null &
stop_nginx() {
    local master
    master=$(cat "$WORK/nginx.pid" 2>/dev/null) || return 0
    kill -TERM "$master" 2>/dev/null
    wait_for 10 gone "$master" || kill -KILL "$master" 2>/dev/null
}
gone() {
    ! kill -0 "$1" 2>/dev/null
}
trap 'stop_nginx; at_exit' EXIT
get() {
    OPENSSL_CONF=/dev/null curl -sS --max-time 10 --cacert "$WORK/$1.crt" "https://localhost:$2/" --resolve "localhost:$2:127.0.0.1"
}
show_log() {
    sed 's/^/# nginx: /' "$WORK/error.log" | tail -20
}
check "nginx serves TLS with the RSA key" wait_for 20 get rsa "$PORT_RSA" || show_log
check "nginx serves TLS with the EC key" wait_for 20 get ec "$PORT_EC"

many() {
    local i
    for ((i = 0; i < 40; i++)); do
        { get rsa "$PORT_RSA" && get ec "$PORT_EC"; } || return 1
    done >"$WORK/answers"
}
check "80 handshakes, each with a signature of the vault" many
several() {
    [ "$(sort -u "$WORK/answers" | wc -l)" -gt 2 ]
}
check "by more than one worker" several
reload() {
    kill -HUP "$(cat "$WORK/nginx.pid")" && sleep 1 && get ec "$PORT_EC"
}
check "a reload starts workers that serve too" reload
signatures() {
    [ "$("$KEYWARD" log show --vault web --json | grep -c '"action": *"sign"')" -ge 80 ]
}
check "the signatures are in the log" signatures
stop_nginx
check "the log verifies" env OPENSSL_CONF=/dev/null "$KEYWARD" log verify
finish
