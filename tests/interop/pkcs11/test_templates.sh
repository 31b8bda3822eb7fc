#!/usr/bin/env bash
# Templates of real programs for objects that are not made every day: generic secrets, public keys, data, and what is refused.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need pkcs11-tool p11tool openssl
# With a sanitizer GnuTLS's programs now and then wait for ever for a lock of the C library, in libp11-kit's end of the process.
[ -z "$SANITIZER" ] || skip_all "GnuTLS's programs do not bear a sanitizer"
make_home
export GNUTLS_PIN="$PIN"
TOKEN='pkcs11:token=web'

tool() {
    foreign p11tool --provider "$MODULE" --login --batch "$@"
}
key() { # name options-of-genpkey...
    local name=$1
    shift
    openssl genpkey "$@" -out "$WORK/$name.key" 2>/dev/null
    openssl pkey -in "$WORK/$name.key" -pubout -out "$WORK/$name.pem"
    openssl pkey -in "$WORK/$name.key" -pubout -outform DER -out "$WORK/$name.der"
}
key rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key ec -algorithm EC -pkeyopt ec_paramgen_curve:P-256

# ---- secret keys ----
check "pkcs11-tool makes a generic secret" p11_login --keygen --key-type generic:32 --label mac --id 21
mac() {
    printf 'the quick brown fox' >"$WORK/data"
    p11_login --sign --mechanism SHA256-HMAC --label mac -i "$WORK/data" -o "$WORK/mac" && [ "$(wc -c <"$WORK/mac")" = 32 ]
}
check "and makes a MAC with it" mac
check "it makes an AES key that says sensitive" p11_login --keygen --key-type aes:16 --label aes --sensitive
refuses "an extractable key is refused" 'CKR_ATTRIBUTE_VALUE_INVALID' p11_login --keygen --key-type aes:32 --label out --extractable
told() {
    KEYWARD_DEBUG=1 p11_login --keygen --key-type aes:32 --label out --extractable 2>&1 | grep 'CKA_KEYWARD_PROTECTION'
}
check "with a reason" told

# ---- public keys and data ----
stored() { # name
    p11_login --write-object "$WORK/$1.der" --type pubkey --label "$1-a" --id 31 &&
        p11_login --read-object --type pubkey --label "$1-a" -o "$WORK/back" && cmp "$WORK/$1.der" "$WORK/back"
}
check "pkcs11-tool stores an RSA public key and reads it back" stored rsa
check "and an EC public key" stored ec
written() { # name
    tool --write --load-pubkey "$WORK/$1.pem" --label "$1-b" "$TOKEN" &&
        tool --export "$TOKEN;object=$1-b;type=public" | openssl pkey -pubin -outform DER -out "$WORK/back" &&
        cmp "$WORK/$1.der" "$WORK/back"
}
check "p11tool stores an RSA public key and exports it" written rsa
check "and an EC public key" written ec
attributes() {
    printf 'secret' >"$WORK/small"
    p11_login --write-object "$WORK/small" --type data --label d --application-label app --private &&
        p11_login --list-objects --type data | grep -A3 "label: *'d'" | grep app
}
check "data keep their application" attributes
hidden() {
    ! p11 --list-objects --type data | grep "'d'"
}
check "private data are not shown without a login" hidden

# ---- keys from outside ----
signs() {
        p11_login --write-object "$WORK/rsa.key" --type privkey --label in --id 41 --usage-sign &&
        p11_login --sign --mechanism SHA256-RSA-PKCS --id 41 -i "$WORK/data" -o "$WORK/sig" &&
        openssl dgst -sha256 -verify "$WORK/rsa.pem" -signature "$WORK/sig" "$WORK/data"
}
check "pkcs11-tool imports a private key, which signs" signs
imported() {
    tool --write --secret-key=00112233445566778899aabbccddeeff --label secret-in "$TOKEN" && p11_login -O --type secrkey | grep -E 'label: *secret-in$'
}
check "p11tool imports a secret key" imported
renamed() {
    tool --set-label renamed "$TOKEN;object=rsa-b;type=public" && p11_login -O | grep -E 'label: *renamed$'
}
check "p11tool renames an object" renamed
check "the log verifies" "$KEYWARD" log verify
finish
