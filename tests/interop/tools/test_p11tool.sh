#!/usr/bin/env bash
# p11tool and certtool of GnuTLS, unmodified.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need p11tool certtool openssl
# With a sanitizer GnuTLS's programs now and then wait for ever for a lock of the C library, in libp11-kit's end of the process.
[ -z "$SANITIZER" ] || skip_all "GnuTLS's programs do not bear a sanitizer"
make_home
export GNUTLS_PIN="$PIN"
TOKEN='pkcs11:token=web'

tool() {
    foreign p11tool --provider "$MODULE" "$@"
}
listed() {
    tool --list-tokens | grep "token=web"
}
check "the token is listed" listed
check "an RSA key is generated" tool --login --generate-privkey=rsa --bits 2048 --label rsa --outfile "$WORK/rsa.pub" "$TOKEN"
check "an ECDSA key is generated" tool --login --generate-privkey=ecdsa --curve secp256r1 --label ec --outfile "$WORK/ec.pub" "$TOKEN"
check "its public key is one that openssl reads" openssl pkey -pubin -in "$WORK/ec.pub" -noout
both() {
    tool --login --list-all "$TOKEN" | tee "$WORK/all"
    [ "$(grep -cE 'object=(rsa|ec);type=private' "$WORK/all")" = 2 ]
}
check "both are listed" both
check "signing is tested by p11tool itself" tool --login --test-sign "$TOKEN;object=rsa;type=private"
check "with the EC key too" tool --login --test-sign "$TOKEN;object=ec;type=private"

cat >"$WORK/template" <<'T'
cn = "keyward.test"
expiration_days = 2
signing_key
tls_www_server
T
self_signed() {
    foreign certtool --provider "$MODULE" --generate-self-signed --template "$WORK/template" \
        --load-privkey "$TOKEN;object=$1;type=private;pin-value=$PIN" \
        --load-pubkey "$TOKEN;object=$1;type=public;pin-value=$PIN" --outfile "$WORK/$1.crt" &&
        openssl verify -CAfile "$WORK/$1.crt" "$WORK/$1.crt"
}
check "certtool signs a certificate with the RSA key, openssl verifies it" self_signed rsa
check "and with the EC key" self_signed ec
written() {
    tool --login --write --load-certificate "$WORK/ec.crt" --label ec-cert "$TOKEN" &&
        tool --export "$TOKEN;object=ec-cert;type=cert;pin-value=$PIN" --login | openssl x509 -noout -subject
}
check "a certificate is written and exported" written
check "an object is deleted" tool --login --batch --delete "$TOKEN;object=ec-cert;type=cert"
check "the log verifies" "$KEYWARD" log verify
finish
