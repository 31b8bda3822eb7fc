#!/usr/bin/env bash
# curl with a client key in a vault, by the libp11 engine: the server asks for a certificate and checks it.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need curl openssl
# With a sanitizer programs that load libgnutls now and then wait for ever for a lock of the C library, in libp11-kit's beginning or end.
[ -z "$SANITIZER" ] || skip_all "libgnutls does not bear a sanitizer"
engine_conf
curl --engine list 2>/dev/null | grep -q dynamic || skip_all "this curl knows no engines"
make_home
PORT=$((20000 + RANDOM % 20000))
uri() { # name
    echo "pkcs11:token=web;object=$1;type=private;pin-value=$PIN"
}
export OPENSSL_CONF="$WORK/openssl.cnf"
for key in rsa:2048 ec:P-256; do
    name=${key%%:*}
    "$KEYWARD" key create "web/$name" --type "$key" >/dev/null
    foreign openssl req -x509 -new -engine pkcs11 -keyform engine -key "$(uri "$name")" -subj "/CN=client-$name" -days 2 \
        -out "$WORK/$name.crt" 2>"$WORK/req.err"
done
cat "$WORK/rsa.crt" "$WORK/ec.crt" >"$WORK/clients.pem"
OPENSSL_CONF=/dev/null openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/server.key" -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -days 2 -out "$WORK/server.crt" 2>"$WORK/req.err"
OPENSSL_CONF=/dev/null openssl s_server -accept "$PORT" -cert "$WORK/server.crt" -key "$WORK/server.key" -CAfile "$WORK/clients.pem" \
    -Verify 1 -verify_return_error -www >"$WORK/server.out" 2>&1 </dev/null &
pids+=($!)
wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$PORT"
get() { # curl-options...
    foreign curl -sS --max-time 20 --cacert "$WORK/server.crt" --resolve "localhost:$PORT:127.0.0.1" "https://localhost:$PORT/" "$@"
}
as_client() { # name options...
    local name=$1
    shift
    get --engine pkcs11 --key-type ENG --key "$(uri "$name")" --cert "$WORK/$name.crt" "$@" | tee "$WORK/got"
    grep -q "Subject:.*client-$name" "$WORK/got"
}
check "curl authenticates with the RSA key" as_client rsa
check "and with the EC key" as_client ec
check "and with TLS 1.2" as_client ec --tls-max 1.2
refuses "without a client key the server hangs up" 'certificate required|alert|error' get
wrong() {
    get --engine pkcs11 --key-type ENG --key "$(uri ec)" --cert "$WORK/rsa.crt"
}
refuses "a certificate of another key is of no use" 'does not match|unable to set private key' wrong
signatures() {
    [ "$(OPENSSL_CONF=/dev/null "$KEYWARD" log show --vault web --json | grep -c '"action": *"sign"')" -ge 5 ]
}
check "the signatures are in the log" signatures
check "the log verifies" env OPENSSL_CONF=/dev/null "$KEYWARD" log verify
finish
