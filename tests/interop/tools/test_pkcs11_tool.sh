#!/usr/bin/env bash
# pkcs11-tool of OpenSC, unmodified: keys are made, used and read back; what it signs is checked by plain openssl.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need pkcs11-tool openssl
make_home

printf 'the quick brown fox' >"$WORK/data"
head -c 100000 /dev/urandom >"$WORK/big"
for hash in sha1 sha256 sha384 sha512; do
    openssl dgst "-$hash" -binary "$WORK/data" >"$WORK/$hash"
done

listed() {
    foreign pkcs11-tool --module "$MODULE" -L | grep "$1"
}
check "the token is listed under the vault's name" listed 'token label *: web'
mechanism() {
    p11 -M | grep "$1"
}
check "it lists its mechanisms" mechanism ECDSA-SHA256

# ---- keys ----
# pkcs11-tool picks a key by its id, so each label has one.
id_of() {
    case $1 in
    rsa) echo 01 ;;
    rsa3) echo 31 ;;
    prime256v1) echo 25 ;;
    secp384r1) echo 38 ;;
    secp521r1) echo 52 ;;
    aes) echo 05 ;;
    esac
}
check "an RSA key pair is made" p11_login --keypairgen --key-type rsa:2048 --label rsa --id 01
check "an RSA-3072 key pair is made" p11_login --keypairgen --key-type rsa:3072 --label rsa3 --id 31
for curve in prime256v1 secp384r1 secp521r1; do
    check "an EC key pair on $curve is made" p11_login --keypairgen --key-type "EC:$curve" --label "$curve" --id "$(id_of "$curve")"
done
check "an AES key is made" p11_login --keygen --key-type aes:32 --label aes --id 05
objects() { # how many objects have a label of ours
    p11_login -O >"$WORK/objects"
    cat "$WORK/objects"
    [ "$(grep -cE 'label: *(rsa|rsa3|prime256v1|secp384r1|secp521r1|aes)$' "$WORK/objects")" = "$1" ]
}
check "what was made is listed" objects 11

# ---- signatures, verified by openssl ----
# pkcs11-tool 0.23 cannot write a public key on P-384 (nor SoftHSM's), and reads freed memory with every EC key, which a
# sanitizer ends: those come from keyward.
public() {
    if [ "$1" = secp384r1 ] || [ -n "$SANITIZER" ]; then
        "$KEYWARD" key public "web/$1" >"$WORK/$1.pem"
        return
    fi
    p11_login --read-object --type pubkey --label "$1" -o "$WORK/pub.der" &&
        openssl pkey -pubin -inform DER -in "$WORK/pub.der" -out "$WORK/$1.pem"
}
for key in rsa rsa3 prime256v1 secp384r1 secp521r1; do
    check "the public key of $key is read" public "$key"
done
sign_verify() { # key mechanism hash extra-for-openssl...
    local key=$1 mechanism=$2 hash=$3
    shift 3
    p11_login --sign --mechanism "$mechanism" --id "$(id_of "$key")" -i "$WORK/data" -o "$WORK/sig" \
        --signature-format openssl &&
        openssl dgst "-$hash" -verify "$WORK/$key.pem" -signature "$WORK/sig" "$@" "$WORK/data"
}
for hash in 1 256 384 512; do
    name="SHA$hash"
    [ "$hash" = 1 ] && digest=sha1 || digest="sha$hash"
    check "RSA PKCS#1 with SHA-$hash" sign_verify rsa "$name-RSA-PKCS" "$digest"
    check "ECDSA on P-256 with SHA-$hash" sign_verify prime256v1 "ECDSA-$name" "$digest"
done
check "ECDSA on P-384 with SHA-384" sign_verify secp384r1 ECDSA-SHA384 sha384
check "ECDSA on P-521 with SHA-512" sign_verify secp521r1 ECDSA-SHA512 sha512
check "RSA-3072 with SHA-256" sign_verify rsa3 SHA256-RSA-PKCS sha256
check "RSA PSS with SHA-256" sign_verify rsa SHA256-RSA-PKCS-PSS sha256 \
    -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1
raw_ecdsa() {
    p11_login --sign --mechanism ECDSA --id "$(id_of prime256v1)" -i "$WORK/sha256" -o "$WORK/sig" \
        --signature-format openssl &&
        openssl dgst -sha256 -verify "$WORK/prime256v1.pem" -signature "$WORK/sig" "$WORK/data"
}
check "raw ECDSA over a digest" raw_ecdsa
many_parts() {
    p11_login --sign --mechanism SHA256-RSA-PKCS --id "$(id_of rsa)" -i "$WORK/big" -o "$WORK/sig" &&
        openssl dgst -sha256 -verify "$WORK/rsa.pem" -signature "$WORK/sig" "$WORK/big"
}
check "100,000 bytes are signed in parts" many_parts
verify_own() {
    p11_login --sign --mechanism SHA256-RSA-PKCS --id "$(id_of rsa)" -i "$WORK/data" -o "$WORK/sig" &&
        p11_login --verify --mechanism SHA256-RSA-PKCS --id "$(id_of rsa)" -i "$WORK/data" \
            --signature-file "$WORK/sig" | grep -q 'Signature is valid'
}
check "it verifies what it signed" verify_own
tampered() {
    printf 'X' | dd of="$WORK/sig" bs=1 seek=20 conv=notrunc 2>/dev/null
    p11_login --verify --mechanism SHA256-RSA-PKCS --id "$(id_of rsa)" -i "$WORK/data" --signature-file "$WORK/sig" 2>&1 |
        grep -q 'Invalid signature\|CKR_SIGNATURE_INVALID'
}
check "it refuses a signature with one byte changed" tampered

# ---- encryption ----
rsa_decrypt() { # padding-mechanism openssl-options...
    local mechanism=$1
    shift
    openssl pkeyutl -encrypt -pubin -inkey "$WORK/rsa.pem" "$@" -in "$WORK/data" -out "$WORK/cipher" &&
        p11_login --decrypt --mechanism "$mechanism" --id "$(id_of rsa)" -i "$WORK/cipher" -o "$WORK/plain" &&
        cmp "$WORK/data" "$WORK/plain"
}
check "RSA PKCS#1 decryption of what openssl encrypted" rsa_decrypt RSA-PKCS
aes() { # mechanism options...
    local mechanism=$1
    shift
    head -c 4096 "$WORK/big" >"$WORK/blocks"
    p11_login --encrypt --mechanism "$mechanism" --id "$(id_of aes)" "$@" -i "$WORK/blocks" -o "$WORK/cipher" &&
        p11_login --decrypt --mechanism "$mechanism" --id "$(id_of aes)" "$@" -i "$WORK/cipher" -o "$WORK/plain" &&
        cmp "$WORK/blocks" "$WORK/plain" && ! cmp -s "$WORK/blocks" "$WORK/cipher"
}
check "AES ECB, both ways" aes AES-ECB
check "AES CBC, both ways" aes AES-CBC --iv 000102030405060708090a0b0c0d0e0f
check "AES CBC with padding, both ways" aes AES-CBC-PAD --iv 000102030405060708090a0b0c0d0e0f

# ---- other objects ----
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/k.pem" -subj /CN=stored -days 2 -out "$WORK/c.pem" 2>/dev/null
openssl x509 -in "$WORK/c.pem" -outform DER -out "$WORK/c.der"
certificate() {
    p11_login --write-object "$WORK/c.der" --type cert --label stored --id 0a &&
        p11_login --read-object --type cert --label stored -o "$WORK/back.der" && cmp "$WORK/c.der" "$WORK/back.der"
}
check "a certificate is stored and read back" certificate
data() { # pkcs11-tool 0.23 reads no more than 5,000 bytes back
    head -c 5000 "$WORK/big" >"$WORK/blob"
    p11_login --write-object "$WORK/blob" --type data --label blob &&
        p11_login --read-object --type data --label blob -o "$WORK/back" && cmp "$WORK/blob" "$WORK/back"
}
check "a data object is stored and read back" data
deleted() {
    p11_login --delete-object --type data --label blob && ! p11_login -O | grep -q blob
}
check "a deleted object is gone from the list" deleted
no_value() {
    p11_login --read-object --type privkey --id "$(id_of rsa)" -o "$WORK/never"
    [ ! -s "$WORK/never" ]
}
check "a private key's value is not to be had" no_value

# ---- PINs ----
refuses "a wrong PIN is CKR_PIN_INCORRECT" CKR_PIN_INCORRECT p11 --login --pin wrong-pin -O
check "the flags show it" listed 'user PIN count low'
cleared() {
    p11_login -O && ! listed 'user PIN count low'
}
check "a good PIN clears it" cleared
check "the user changes its PIN" p11 --login --pin "$PIN" --change-pin --new-pin alice-pin-2
check "and back" p11 --login --pin alice-pin-2 --change-pin --new-pin "$PIN"
check "the security officer sets it" p11 --login --login-type so --so-pin "$SO_PIN" --init-pin --new-pin "$PIN"

own_test() {
    p11_login --test | tee "$WORK/test"
    grep -q 'No errors' "$WORK/test"
}
check "pkcs11-tool's own test passes over the keys" own_test
check "the log verifies" "$KEYWARD" log verify
finish
