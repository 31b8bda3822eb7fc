#!/usr/bin/env bash
# The openssl command with the libp11 engine, unmodified: requests, signatures, decryption with a vault's keys.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need openssl pkcs11-tool
engine_conf
make_home
export OPENSSL_CONF="$WORK/openssl.cnf"

printf 'signed by the engine' >"$WORK/data"
for key in rsa:2048 ec:P-256 ec:P-384; do
    check "keyward makes a key of type $key" \
        "$KEYWARD" key create "web/${key%%:*}${key##*:}" --type "$key"
done

uri() {
    echo "pkcs11:token=web;object=$1;pin-value=$PIN"
}
request() {
    foreign openssl req -new -engine pkcs11 -keyform engine -key "$(uri "$1");type=private" -out "$WORK/$1.csr" &&
        OPENSSL_CONF=/dev/null openssl req -in "$WORK/$1.csr" -verify -noout
}
for key in rsa2048 ecP-256 ecP-384; do
    check "a certificate request is signed with $key, and plain openssl verifies it" request "$key"
done
sign() { # key options...
    local key=$1
    shift
    "$KEYWARD" key public "web/$key" >"$WORK/pub.pem" &&
        foreign openssl dgst -sha256 -engine pkcs11 -keyform engine -sign "$(uri "$key");type=private" "$@" \
            -out "$WORK/sig" "$WORK/data" &&
        OPENSSL_CONF=/dev/null openssl dgst -sha256 -verify "$WORK/pub.pem" -signature "$WORK/sig" "$@" "$WORK/data"
}
check "RSA: signed by the engine, verified without it" sign rsa2048
check "RSA PSS: signed by the engine, verified without it" sign rsa2048 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
check "ECDSA: signed by the engine, verified without it" sign ecP-256
decrypt() {
    "$KEYWARD" key public web/rsa2048 >"$WORK/pub.pem" &&
        OPENSSL_CONF=/dev/null openssl pkeyutl -encrypt -pubin -inkey "$WORK/pub.pem" -in "$WORK/data" -out "$WORK/cipher" "$@" &&
        foreign openssl pkeyutl -decrypt -engine pkcs11 -keyform engine -inkey "$(uri rsa2048);type=private" \
            -in "$WORK/cipher" -out "$WORK/plain" "$@" &&
        cmp "$WORK/data" "$WORK/plain"
}
check "PKCS#1 decryption" decrypt
check "OAEP decryption" decrypt -pkeyopt rsa_padding_mode:oaep

# ---- the policy says no ----
cat >"$WORK/no-sign.cedar" <<'CEDAR'
permit (principal == User::"alice", action in Action::"cryptoUser", resource);
@id("never-this-one")
forbid (principal, action == Action::"sign", resource) when { resource.name == "rsa2048" };
CEDAR
check "a policy is applied" "$KEYWARD" policy apply web "$WORK/no-sign.cedar"
refuses "the engine is refused the key that policy forbids" 'FUNCTION_NOT_PERMITTED|not permitted|rror' sign rsa2048
check "its neighbour still signs" sign ecP-256
denied() {
    "$KEYWARD" log show --denied | grep "$1"
}
check "the refusal is in the log, with the rule" denied never-this-one
check "the log verifies" "$KEYWARD" log verify
finish
