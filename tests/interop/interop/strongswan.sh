#!/usr/bin/env bash
# strongSwan's pki, unmodified, is a certificate authority with a vault's key; openssl checks what it signs. It looks for the key by the
# public half before it asks for the PIN.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need pki openssl setsid timeout
# With the sanitizer's library in it pki finds no plugins.
[ -z "$SANITIZER" ] || skip_all "pki finds its plugins without a sanitizer only"
make_home
cat >"$WORK/strongswan.conf" <<CONF
pki {
    load = pkcs11 sha1 sha2 random nonce x509 revocation constraints pubkey pkcs1 pkcs8 pkcs10 pem openssl
}
libstrongswan {
    plugins {
        pkcs11 {
            use_hasher = no
            use_rng = no
            modules {
                keyward {
                    path = $MODULE
                }
            }
        }
    }
}
CONF
export STRONGSWAN_CONF="$WORK/strongswan.conf"
grep -aq pkcs11 <(pki --help 2>&1) || skip_all "this strongSwan has no pkcs11 plugin"
# The engine of libp11, where there is one, is asked for keys too: it finds no token.
export OPENSSL_CONF=/dev/null
for key in rsa:rsa:2048:hsm ec:ec:P-256:hsm soft:ec:P-384:software; do
    IFS=: read -r name type size protection <<<"$key"
    "$KEYWARD" key create "web/$name" --type "$type:$size" --protection "$protection" >/dev/null
    "$KEYWARD" key public "web/$name" >"$WORK/$name.pub"
done
id_of() { # name
    "$KEYWARD" key show "web/$1" | awk '/^id:/ {print $2; exit}'
}
# Without a terminal the PIN is read from standard input.
with_pin() { # output command...
    local output=$1
    shift
    printf '%s\n' "$PIN" | setsid timeout 60 "$@" >"$output"
}
same_key() { # name certificate
    openssl x509 -in "$2" -noout -pubkey >"$WORK/pub" && cmp "$WORK/pub" "$WORK/$1.pub"
}
self_signed() { # name
    with_pin "$WORK/$1.crt" pki --self --keyid "$(id_of "$1")" --dn "C=CH, O=keyward, CN=$1" --ca --lifetime 10 --outform pem &&
        openssl verify -check_ss_sig -CAfile "$WORK/$1.crt" "$WORK/$1.crt" && same_key "$1" "$WORK/$1.crt"
}
openssl req -new -newkey rsa:2048 -nodes -keyout "$WORK/leaf.key" -subj /CN=leaf.test -config <(printf '[req]\ndistinguished_name = dn\n[dn]\n') \
    -out "$WORK/leaf.csr" 2>/dev/null
issued() { # name
    with_pin "$WORK/$1-leaf.crt" pki --issue --in "$WORK/leaf.csr" --type pkcs10 --cacert "$WORK/$1.crt" --cakeyid "$(id_of "$1")" \
        --flag serverAuth --san leaf.test --lifetime 5 --outform pem &&
        openssl verify -CAfile "$WORK/$1.crt" -purpose sslserver -verify_hostname leaf.test "$WORK/$1-leaf.crt"
}
revoked() { # name
    with_pin "$WORK/$1.crl" pki --signcrl --cacert "$WORK/$1.crt" --cakeyid "$(id_of "$1")" --reason key-compromise \
        --cert "$WORK/$1-leaf.crt" --outform pem &&
        openssl crl -in "$WORK/$1.crl" -CAfile "$WORK/$1.crt" -noout
}
found_out() { # name
    openssl verify -CAfile "$WORK/$1.crt" -crl_check -CRLfile "$WORK/$1.crl" "$WORK/$1-leaf.crt"
}
for name in rsa ec soft; do
    check "pki --self signs with the $name key, openssl verifies" self_signed "$name"
    check "pki --issue issues a certificate with it" issued "$name"
    check "pki --signcrl revokes it" revoked "$name"
    refuses "and openssl sees that" 'revoked' found_out "$name"
done
refuses "a certificate is of its own issuer" 'rror|unable' openssl verify -CAfile "$WORK/rsa.crt" "$WORK/ec-leaf.crt"
public_half() {
    with_pin "$WORK/pki.pub" pki --pub --keyid "$(id_of ec)" --outform pem && cmp "$WORK/pki.pub" "$WORK/ec.pub"
}
check "pki --pub gives the vault's public key" public_half
wrong_pin() {
    PIN=no-such-pin self_signed rsa
}
refuses "a wrong PIN signs nothing" 'login|failed' wrong_pin
no_such_key() {
    with_pin "$WORK/none" pki --self --keyid 0123456789abcdef --dn CN=none --outform pem
}
refuses "a key that is not there" 'failed' no_such_key
check "the log verifies" "$KEYWARD" log verify
finish
