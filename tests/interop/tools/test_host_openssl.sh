#!/usr/bin/env bash
# A host whose OpenSSL prefers an engine that leads back to keyward, for everything: no deadlock, no recursion.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need openssl timeout
engine_conf
make_home
sed -i 's/^init = 0/init = 1\ndefault_algorithms = ALL/' "$WORK/openssl.cnf"
"$KEYWARD" key create web/tls --type ec:P-256 >/dev/null
"$KEYWARD" key create web/rsa --type rsa:2048 >/dev/null
export OPENSSL_CONF="$WORK/openssl.cnf"
printf 'data' >"$WORK/data"

sign() {
    "$KEYWARD" key public "web/$1" >"$WORK/pub.pem" &&
        foreign timeout 30 openssl dgst -sha256 -engine pkcs11 -keyform engine \
            -sign "pkcs11:token=web;object=$1;type=private;pin-value=$PIN" -out "$WORK/sig" "$WORK/data" &&
        OPENSSL_CONF=/dev/null openssl dgst -sha256 -verify "$WORK/pub.pem" -signature "$WORK/sig" "$WORK/data"
}
check "ECDSA, with every algorithm of the host sent to the engine" sign tls
check "RSA, the same" sign rsa
check "random numbers of the host come through the engine without a loop" \
    foreign timeout 30 openssl rand -engine pkcs11 -hex 16
check "the administrator's command works under that configuration" timeout 30 "$KEYWARD" key list web
check "pkcs11-tool too, which uses OpenSSL itself" \
    foreign timeout 30 pkcs11-tool --module "$MODULE" --token-label web --login --pin "$PIN" --test
check "the log verifies" timeout 30 "$KEYWARD" log verify
finish
