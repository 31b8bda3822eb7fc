#!/usr/bin/env bash
# keyward key: every type made, shown, read, deleted, recovered, purged; what is not offered is refused clearly.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 openssl
make_home
"$KEYWARD" vault create short --retention 1s --no-purge-protection >/dev/null

create() {
    "$KEYWARD" key create "$@"
}
size() { # name bits
    is_json "$KEYWARD" key show "web/$1" --json && [ "$(member 'j["keys"][0]["size"]')" = "$2" ]
}
for row in rsa:2048=2048 rsa:3072=3072 rsa:4096=4096 ec:P-256=256 ec:P-384=384 ec:P-521=521 aes:128=128 aes:256=256 hmac:256=256; do
    type=${row%=*}
    name=${type/:/-}
    says "a key of type $type" "key web/$name is made: $type, protection hsm, version 1" create "web/$name" --type "$type"
    check "has ${row#*=} bits" size "$name" "${row#*=}"
done
for row in rsa:2048=2048 ec:P-256=256 aes:256=256 hmac:256=256; do
    type=${row%=*}
    name=soft-${type/:/-}
    says "a software key of type $type" "key web/$name is made: $type, protection software, version 1" create "web/$name" --type "$type" --protection software
    check "has ${row#*=} bits" size "$name" "${row#*=}"
done
says "many at once" 'keys web/lot-1 to web/lot-5 are made: aes:256, protection software' create web/lot --type aes:256 --protection software --count 5
says "each has its name" '^lot-5 ' "$KEYWARD" key list web
misused "a count that is no number" 'is no number' create web/lots --type aes:256 --count many
fails "a count of none" 'give 1 to 10000' create web/lots --type aes:256 --count 0
says "the list shows what protects a key" '^soft-ec-P-256 .* software ' "$KEYWARD" key list web
says "and that of others" '^ec-P-256 .* hsm ' "$KEYWARD" key list web
says "one key shows it" '^protection: software$' "$KEYWARD" key show web/soft-aes-256
public() {
    "$KEYWARD" key public "web/$1" | openssl pkey -pubin -noout -text | grep "$2"
}
check "openssl reads the public half of an RSA key" public rsa-2048 '2048 bit'
check "and of an EC key" public ec-P-384 'P-384'
fails "a secret key has none" 'no public half' "$KEYWARD" key public web/aes-256
fails "a key that is not there" 'has no key nothing' "$KEYWARD" key public web/nothing

# ---- brought in from files ----
{
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$WORK/ec.pem"
    openssl pkey -in "$WORK/ec.pem" -outform DER -out "$WORK/ec.der"
    openssl ec -in "$WORK/ec.pem" -out "$WORK/sec1.pem"
    openssl genrsa -traditional -out "$WORK/rsa.pem" 2048
    openssl genpkey -algorithm ed25519 -out "$WORK/ed.pem"
    openssl pkey -in "$WORK/ec.pem" -aes256 -passout pass:x -out "$WORK/encrypted.pem"
    openssl pkey -in "$WORK/ec.pem" -pubout -out "$WORK/ec.pub"
    openssl rsa -in "$WORK/rsa.pem" -pubout -out "$WORK/rsa.pub"
    head -c 32 /dev/urandom >"$WORK/secret.bin"
} 2>/dev/null
import() {
    "$KEYWARD" key import "$@"
}
same_public() { # key file
    "$KEYWARD" key public "web/$1" | diff - "$WORK/$2"
}
for protection in hsm software; do
    says "PKCS#8 to $protection" "key web/p8-$protection is imported: ec of 256 bits, protection $protection" import "web/p8-$protection" "$WORK/ec.pem" --protection $protection
    check "its public half is openssl's" same_public "p8-$protection" ec.pub
    says "PKCS#1 to $protection" "is imported: rsa of 2048 bits, protection $protection" import "web/p1-$protection" "$WORK/rsa.pem" --protection $protection
    check "its public half is openssl's" same_public "p1-$protection" rsa.pub
    says "a secret to $protection" "is imported: aes of 256 bits, protection $protection" import "web/raw-$protection" "$WORK/secret.bin" --type aes:256 --protection $protection
done
says "DER" 'is imported: ec of 256 bits, protection hsm' import web/der "$WORK/ec.der"
says "SEC 1" 'is imported: ec of 256 bits, protection hsm' import web/sec1 "$WORK/sec1.pem" --use sign
says "ed25519" 'is imported: ec-edwards of 255 bits, protection software' import web/ed "$WORK/ed.pem" --protection software
says "a secret for MACs" 'is imported: hmac of 256 bits' import web/mac "$WORK/secret.bin" --type hmac:256
signs() {
    openssl dgst -sha256 -sign "$WORK/ec.pem" -out "$WORK/theirs" "$WORK/ec.der" &&
        "$KEYWARD" key public web/p8-hsm >"$WORK/our.pub" && openssl dgst -sha256 -verify "$WORK/our.pub" -signature "$WORK/theirs" "$WORK/ec.der"
}
check "what openssl signs verifies with the imported key" signs
fails "an encrypted file" 'it is encrypted' import web/no "$WORK/encrypted.pem"
fails "a public key is none" 'no private key' import web/no "$WORK/ec.pub"
fails "a file that is no key" 'no private key' import web/no "$WORK/secret.bin"
fails "a secret of another length" 'has 16 bytes, the file has 32' import web/no "$WORK/secret.bin" --type aes:128
fails "a type for a private key" 'is for secret keys' import web/no "$WORK/ec.pem" --type ec:P-256
fails "a name that is taken" 'already' import web/der "$WORK/ec.der"
fails "a file that is not there" 'cannot open' import web/no "$WORK/nothing"
misused "a version for an imported key is usage" 'version is not chosen' import web/no@2 "$WORK/ec.pem"

# ---- the list ----
says "a pair for agreement" 'protection software' create web/agrees --type x25519 --protection software
says "what both halves are for is said once" '^agrees .* derive$' "$KEYWARD" key list web
nameless() {
    p11 --login --pin "$PIN" --keypairgen --key-type EC:prime256v1 --id 5eed
}
check "an application makes a key without a name" nameless
says "it is listed by its id" '^\(id 5eed\) .* pair ' "$KEYWARD" key list web

# ---- keys of a parameter set: from OpenSSL 3.5 on, which both sides of this test run with ----
if openssl list -signature-algorithms 2>/dev/null | grep -q ML-DSA-65; then
    for row in ml-kem-768=768 ml-dsa-65=65 slh-dsa-sha2-128f=128; do
        type=${row%=*}
        says "a key of type $type" "key web/$type is made: $type, protection software, version 1" create "web/$type" --type "$type" --protection software
        check "has ${row#*=} for its size" size "$type" "${row#*=}"
        check "openssl reads its public half" public "$type" 'Public-Key:'
    done
    for type in ML-KEM-512 ML-DSA-44 SLH-DSA-SHAKE-128f; do
        openssl genpkey -algorithm "$type" -out "$WORK/$type.pem" 2>/dev/null
        openssl pkey -in "$WORK/$type.pem" -pubout -out "$WORK/$type.pub" 2>/dev/null
        says "openssl's $type" "is imported: $(tr '[:upper:]' '[:lower:]' <<<"$type" | cut -d- -f1,2) of " import "web/$type" "$WORK/$type.pem" --protection software
        check "its public half is openssl's" same_public "$type" "$type.pub"
    done
    says "a pair that encapsulates says so" '^ml-kem-768 .* decapsulate,encapsulate$' "$KEYWARD" key list web
else
    fails "an ML-DSA key is not made by an older OpenSSL" 'not offered' create web/no --type ml-dsa-65 --protection software
fi
fails "a parameter set that is none" 'is unknown: it is one of' create web/no --type ml-dsa-66

# ---- what is not offered ----
fails "x25519, which the HSM does not have" 'ask for a software key .*--protection software' create web/no --type x25519
fails "RSA of 1024 bits is none of the types" 'is unknown: it is one of' create web/no --type rsa:1024
fails "an unknown protection" 'hsm or software' create web/no --type aes:256 --protection paper
misused "no type is usage" '--type is missing' create web/no
misused "a version for a new key is usage" 'version is not chosen' create web/no@2 --type aes:256
fails "an unknown use" 'use "dance" is unknown' create web/no --type aes:256 --use dance
misused "uses that name nothing" '--use names nothing' create web/no --type aes:256 --use ''
fails "an unknown mechanism" 'mechanism "CKM_NO" is unknown' create web/no --type aes:256 --mechanisms CKM_NO
fails "a date that is none" 'no time' create web/no --type aes:256 --expires tomorrow
fails "the 30th of February" 'no time' create web/no --type aes:256 --expires 2031-02-30
fails "a key that would have expired" 'expired already' create web/no --type aes:256 --expires 2001-01-01
fails "a key that ends before it begins" 'before it begins' create web/no --type aes:256 --not-before 2032-01-01 --expires 2031-01-01
fails "a name with a control character" 'control characters' create "web/a$(printf '\001')b" --type aes:256
bytes=$(printf '\377\376')
fails "a name that is no UTF-8" 'VAULT/NAME is no UTF-8' create "web/$bytes" --type aes:256
fails "a type that is no UTF-8" '--type is no UTF-8' create web/no --type "$bytes"
for option in --protection --not-before --expires --use --mechanisms; do
    fails "a $option that is no UTF-8 is not left out" "$option is no UTF-8" create web/no --type aes:256 "$option" "$bytes"
done
fails "an object to show that is no UTF-8" 'no UTF-8' "$KEYWARD" key show "web/$bytes"
fails "a vault that is no UTF-8" 'no UTF-8' "$KEYWARD" key list "$bytes"
fails "a vault that is not there" 'no vault nowhere' create nowhere/k --type aes:256
fails "a name that is taken" 'already' create web/aes-256 --type aes:256
none_made() {
    ! "$KEYWARD" key list web | grep -E '^no '
}
check "nothing of all that was made" none_made

# ---- what is asked for ----
says "uses, dates and mechanisms" 'web/narrow is made' create web/narrow --type ec:P-256 --use sign --not-before 2026-01-01 \
    --expires 2090-01-01 --mechanisms CKM_ECDSA_SHA256,CKM_ECDSA_SHA384
narrow() {
    is_json "$KEYWARD" key show web/narrow --json &&
        [ "$(member '[k["use"] for k in j["keys"] if k["class"] == "private"]')" = "[['sign']]" ] &&
        [ "$(member 'j["keys"][0]["mechanisms"]')" = "['CKM_ECDSA_SHA256', 'CKM_ECDSA_SHA384']" ] &&
        [ "$(member 'j["keys"][0]["expires"][:10]')" = 2090-01-01 ]
}
check "are what the key shows" narrow
check "a made key as JSON" is_json create web/as-json --type aes:128 --json
check "the list as JSON" is_json "$KEYWARD" key list web --json
says "the list, a pair in a line" '^ec-P-256 +1 +ec +256 +pair +hsm +enabled' "$KEYWARD" key list web
says "a key by its version" '^name: ec-P-256$' "$KEYWARD" key show web/ec-P-256@1
fails "a version that is not there" 'has no key ec-P-256' "$KEYWARD" key show web/ec-P-256@7
fails "a list of a vault that is not there" 'no vault nowhere' "$KEYWARD" key list nowhere

# ---- who ----
as_alice() {
    "$KEYWARD" "$@" --user alice --pin-file "$WORK/pin"
}
says "a user logs in for the command" 'web/alices is made' as_alice key create web/alices --type aes:256
says "and lists" '^alices ' as_alice key list web
fails "with a wrong PIN it does not" 'cannot log in as alice' "$KEYWARD" key list web --user alice --pin-file "$WORK/so-pin"
fails "purging is not the user's" 'may not purge|deleted key' as_alice key purge web/alices
"$KEYWARD" policy show web >"$WORK/web.cedar"
echo 'permit (principal == User::"alice", action == Action::"list", resource) when { resource has type && resource.name == "narrow" };' >"$WORK/narrow.cedar"
"$KEYWARD" policy apply web "$WORK/narrow.cedar" >/dev/null
only_narrow() {
    as_alice key list web >"$WORK/list" && [ "$(grep -c '' "$WORK/list")" = 2 ] && grep '^narrow ' "$WORK/list"
}
check "whoever may list one key is shown that one" only_narrow
"$KEYWARD" policy apply web "$WORK/web.cedar" >/dev/null
other_is_refused "who does not administer makes no key" "$KEYWARD" key create web/theirs --type aes:256
other_is_refused "and lists none" "$KEYWARD" key list web
hidden() {
    chmod 755 "$WORK"
    chown -R "$OTHER:$OTHER" "$KEYWARD_HOME"
    as_other env KEYWARD_HOME="$KEYWARD_HOME" "$KEYWARD" key "$1" web/aes-256
    local status=$?
    chown -R 0:0 "$KEYWARD_HOME"
    chmod 700 "$WORK"
    return $status
}
if [ "$(id -u)" = 0 ] && as_other test -x "$KEYWARD"; then
    for verb in show public delete; do
        fails "nor finds one to $verb" 'has no key aes-256 that you may see' hidden "$verb"
    done
fi

# ---- deleted, recovered, purged ----
says "a pair is deleted" 'is deleted' "$KEYWARD" key delete web/ec-P-256
fails "and not found then" 'has no key' "$KEYWARD" key show web/ec-P-256
says "but among the deleted" '^ec-P-256 .* deleted ' "$KEYWARD" key list web --deleted
says "and shown there" '^state: deleted$' "$KEYWARD" key show web/ec-P-256 --deleted
fails "its name is still taken" 'recover or purge' create web/ec-P-256 --type ec:P-256
fails "it is not deleted twice" 'has no key' "$KEYWARD" key delete web/ec-P-256
fails "and not purged: its retention runs" 'retention' "$KEYWARD" key purge web/ec-P-256
says "it is recovered" 'is back' "$KEYWARD" key recover web/ec-P-256
check "and whole again" public ec-P-256 P-256
fails "what is not deleted is not recovered" 'has no deleted key' "$KEYWARD" key recover web/ec-P-256
fails "nor purged" 'has no deleted key' "$KEYWARD" key purge web/ec-P-256
says "without purge protection" 'is made' create short/k --type aes:256
says "a key is deleted" 'is deleted' "$KEYWARD" key delete short/k
says "and purged" 'gone for good' "$KEYWARD" key purge short/k
fails "for good" 'has no deleted key' "$KEYWARD" key recover short/k
says "its name is free again" 'is made' create short/k --type aes:256
says "the log verifies" 'log verified' "$KEYWARD" log verify
finish
