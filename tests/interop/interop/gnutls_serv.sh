#!/usr/bin/env bash
# gnutls-serv, unmodified, with keys of a vault; its clients are curl and openssl.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need gnutls-serv certtool p11tool openssl curl
# With a sanitizer GnuTLS's programs now and then wait for ever for a lock of the C library, in libp11-kit's end of the process.
[ -z "$SANITIZER" ] || skip_all "GnuTLS's programs do not bear a sanitizer"
make_home
PORT=$((20000 + RANDOM % 20000))
printf 'cn = localhost\ndns_name = localhost\nexpiration_days = 2\nsigning_key\nencryption_key\ntls_www_server\n' >"$WORK/template"
uri() { # name type
    echo "pkcs11:token=web;object=$1;type=$2;pin-value=$PIN"
}
self_signed() { # name
    certtool --provider "$MODULE" --generate-self-signed --template "$WORK/template" --load-privkey "$(uri "$1" private)" \
        --load-pubkey "$(uri "$1" public)" --outfile "$WORK/$1.crt"
}
serve() { # name port
    gnutls-serv --provider "$MODULE" --http --port "$2" --x509certfile "$WORK/$1.crt" --x509keyfile "$(uri "$1" private)" \
        >"$WORK/$1.out" 2>&1 </dev/null &
    pids+=($!)
}
get() { # name port options...
    local name=$1 port=$2
    shift 2
    curl -sS --max-time 10 --cacert "$WORK/$name.crt" --resolve "localhost:$port:127.0.0.1" "$@" "https://localhost:$port/" | grep -i gnutls
}
for key in rsa:2048 ec:P-256; do
    name=${key%%:*}
    "$KEYWARD" key create "web/$name" --type "$key" >/dev/null
    check "certtool makes a certificate of the $name key" self_signed "$name"
    serve "$name" "$PORT"
    check "gnutls-serv serves TLS 1.3 with the $name key" wait_for 20 get "$name" "$PORT" --tlsv1.3
    check "and TLS 1.2" get "$name" "$PORT" --tlsv1.2 --tls-max 1.2
    PORT=$((PORT + 1))
done
# Plain RSA: the client encrypts to the key, and the server must decrypt.
rsa_exchange() {
    get rsa "$((PORT - 2))" --tlsv1.2 --tls-max 1.2 --ciphers AES128-GCM-SHA256:@SECLEVEL=0
}
check "and the RSA key exchange of TLS 1.2, which decrypts" rsa_exchange
logged() { # action
    "$KEYWARD" log show --vault web --json | grep -q "\"action\": *\"$1\""
}
check "the signatures are in the log" logged sign
check "and the decryption" logged decrypt
check "the log verifies" "$KEYWARD" log verify
finish
