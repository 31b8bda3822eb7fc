#!/usr/bin/env bash
# The openssl command of Debian 13 with pkcs11-provider, unmodified: storeutl, req, x509, cms, pkeyutl, TLS 1.3 with a vault's keys;
# then the same with an OpenSSL that prefers the provider, and so keyward, for everything it does.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need openssl pkcs11-tool timeout
provider_conf
make_home
# An RSA and an EC key of each protection.
for key in rsa:2048 ec:P-256 rsa:3072 ec:P-384; do
    protection=software
    [[ $key != rsa:2048 && $key != ec:P-256 ]] || protection=hsm
    "$KEYWARD" key create "web/${key/:/}" --type "$key" --protection $protection >/dev/null
    "$KEYWARD" key public "web/${key/:/}" >"$WORK/${key/:/}.pub"
done
printf 'signed by the provider' >"$WORK/data"
export OPENSSL_CONF="$WORK/openssl.cnf"

uri() { # name
    echo "pkcs11:token=web;object=$1;type=private"
}
# with ARGUMENTS: openssl with the provider; plain ARGUMENTS: openssl without. Neither may hang.
with() {
    foreign timeout 60 openssl "$@"
}
plain() {
    OPENSSL_CONF=/dev/null timeout 60 openssl "$@"
}

listed() {
    with storeutl -keys "pkcs11:token=web" | tee "$WORK/list"
    grep -q 'Total found: 4' "$WORK/list"
}
check "storeutl lists the four private keys" listed
same_public() { # name
    with pkey -pubin -in "pkcs11:token=web;object=$1;type=public" -pubout -out "$WORK/pub" && cmp "$WORK/pub" "$WORK/$1.pub"
}
check "the RSA public key is read, and is keyward's" same_public rsa2048
check "and that of P-256" same_public ecP-256

# ---- requests and certificates ----
request() { # name
    with req -new -key "$(uri "$1")" -out "$WORK/$1.csr" && plain req -in "$WORK/$1.csr" -verify -noout
}
certificate() { # name
    with req -x509 -new -key "$(uri "$1")" -subj /CN=localhost -addext subjectAltName=DNS:localhost \
        -addext basicConstraints=critical,CA:TRUE -days 2 -out "$WORK/$1.crt" &&
        plain verify -CAfile "$WORK/$1.crt" "$WORK/$1.crt"
}
issued() {
    plain req -new -newkey rsa:2048 -nodes -keyout "$WORK/leaf.key" -subj /CN=leaf -out "$WORK/leaf.csr" &&
        with x509 -req -in "$WORK/leaf.csr" -CA "$WORK/$1.crt" -CAkey "$(uri "$1")" -days 2 -out "$WORK/leaf.crt" &&
        plain verify -CAfile "$WORK/$1.crt" "$WORK/leaf.crt"
}
for key in rsa2048 ecP-256 rsa3072 ecP-384; do
    check "req signs a request with $key, plain openssl verifies it" request "$key"
    check "req makes a certificate with it" certificate "$key"
    check "x509 issues a certificate with it" issued "$key"
done

# ---- pkeyutl ----
signed() { # name options...
    local name=$1
    shift
    with pkeyutl -sign -inkey "$(uri "$name")" -rawin -digest sha256 -in "$WORK/data" -out "$WORK/sig" "$@" &&
        plain pkeyutl -verify -pubin -inkey "$WORK/$name.pub" -rawin -digest sha256 -in "$WORK/data" -sigfile "$WORK/sig" "$@"
}
check "pkeyutl signs with RSA PKCS#1" signed rsa2048
check "with a software key" signed rsa3072
check "with RSA PSS" signed rsa2048 -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:32
check "with ECDSA on P-256" signed ecP-256
check "and on P-384" signed ecP-384
verified() { # name: its signature of before, by the vault's public key
    with pkeyutl -verify -pubin -inkey "pkcs11:token=web;object=$1;type=public" -rawin -digest sha256 -in "$WORK/$2" -sigfile "$WORK/sig"
}
check "pkeyutl verifies with the vault's public key" verified ecP-384 data
printf 'something else' >"$WORK/other"
refuses "but not other data" 'Signature Verification Failure' verified ecP-384 other
decrypted() { # options...
    plain pkeyutl -encrypt -pubin -inkey "$WORK/rsa2048.pub" -in "$WORK/data" -out "$WORK/cipher" "$@" &&
        with pkeyutl -decrypt -inkey "$(uri rsa2048)" -in "$WORK/cipher" -out "$WORK/back" "$@" && cmp "$WORK/data" "$WORK/back"
}
check "pkeyutl decrypts PKCS#1" decrypted
check "and OAEP" decrypted -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 -pkeyopt rsa_mgf1_md:sha1
check "and OAEP with SHA-256" decrypted -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256

# ---- CMS ----
cms_signed() { # name
    with cms -sign -in "$WORK/data" -signer "$WORK/$1.crt" -inkey "$(uri "$1")" -outform DER -nodetach -binary -out "$WORK/cms" &&
        plain cms -verify -inform DER -in "$WORK/cms" -CAfile "$WORK/$1.crt" -purpose any -out "$WORK/back" && cmp "$WORK/data" "$WORK/back"
}
check "cms signs with the RSA key" cms_signed rsa2048
check "and with the EC key" cms_signed ecP-256
check "and with software keys" cms_signed rsa3072
check "of both kinds" cms_signed ecP-384
cms_decrypted() {
    plain cms -encrypt -binary -aes256 -in "$WORK/data" -outform DER -out "$WORK/cms" "$WORK/rsa2048.crt" &&
        with cms -decrypt -inform DER -in "$WORK/cms" -recip "$WORK/rsa2048.crt" -inkey "$(uri rsa2048)" -out "$WORK/back" &&
        cmp "$WORK/data" "$WORK/back"
}
check "cms decrypts what was encrypted to the RSA key" cms_decrypted

# ---- TLS 1.3 ----
PORT=$((20000 + RANDOM % 20000))
serve() { # name port
    foreign openssl s_server -accept "$2" -cert "$WORK/$1.crt" -key "$(uri "$1")" -tls1_3 -www >"$WORK/$1.server" 2>&1 </dev/null &
    pids+=($!)
}
handshake() { # name port
    plain s_client -connect "127.0.0.1:$2" -servername localhost -CAfile "$WORK/$1.crt" -verify_return_error -tls1_3 </dev/null >"$WORK/client" 2>&1 ||
        { cat "$WORK/client" "$WORK/$1.server"; return 1; }
    grep -q 'TLSv1.3' "$WORK/client" && grep -q 'Verify return code: 0' "$WORK/client"
}
serve rsa2048 "$PORT"
serve ecP-256 $((PORT + 1))
check "a TLS 1.3 server with the RSA key" wait_for 20 handshake rsa2048 "$PORT"
check "and with the EC key" wait_for 20 handshake ecP-256 $((PORT + 1))
many() {
    local i
    for ((i = 0; i < 10; i++)); do
        handshake rsa2048 "$PORT" && handshake ecP-256 $((PORT + 1)) || return 1
    done
}
serve rsa3072 $((PORT + 2))
serve ecP-384 $((PORT + 3))
check "with a software RSA key" wait_for 20 handshake rsa3072 $((PORT + 2))
check "and with a software EC key" wait_for 20 handshake ecP-384 $((PORT + 3))
check "twenty handshakes more" many

# ---- a host that prefers the provider ----
# Every algorithm of every program under this configuration is asked of the provider first, and so of keyward: what keyward itself,
# its worker and SoftHSM do with OpenSSL must not come back to keyward.
sed -i 's/^\[algorithms\]/&\ndefault_properties = ?provider=pkcs11/' "$WORK/openssl.cnf"
hosted() { # arguments of pkcs11-tool...
    foreign timeout 60 pkcs11-tool --module "$MODULE" --token-label web --login --pin "$PIN" "$@"
}
check "openssl signs with RSA, with every algorithm sent to the provider" signed rsa2048
check "and with ECDSA" signed ecP-256
check "random numbers come through the provider without a loop" with rand -hex 16
check "pkcs11-tool, which uses OpenSSL too, passes its test" hosted --test
check "it makes a key" hosted --keypairgen --key-type rsa:2048 --label under --id 77
check "the administrator's command makes one" timeout 60 "$KEYWARD" key create web/again --type ec:P-256
check "and lists them" timeout 60 "$KEYWARD" key list web
check "doctor finds nothing wrong" timeout 60 "$KEYWARD" doctor

# ---- the policy says no ----
cat >"$WORK/no-sign.cedar" <<'CEDAR'
permit (principal == User::"alice", action in Action::"cryptoUser", resource);
@id("never-this-one")
forbid (principal, action == Action::"sign", resource) when { resource.name == "rsa2048" };
CEDAR
provider_conf
"$KEYWARD" policy apply web "$WORK/no-sign.cedar" >/dev/null
refuses "the provider is refused the key that the policy forbids" 'rror' signed rsa2048
check "its neighbour still signs" signed ecP-256
denied() {
    "$KEYWARD" log show --denied | grep never-this-one
}
check "the refusal is in the log, with the rule" denied
check "the log verifies" "$KEYWARD" log verify
finish
