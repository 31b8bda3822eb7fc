#!/usr/bin/env bash
# Java's SunPKCS11, unmodified: keytool makes keys and certificates in a vault, jarsigner signs with them; openssl checks what it can,
# and jarsigner without the module the rest.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need keytool jarsigner java openssl
# The Java machine handles SIGSEGV itself, and does not start with a sanitizer in it.
[ -z "$SANITIZER" ] || skip_all "Java does not start with a sanitizer in it"
make_home
# Keys are generated where they will stay, as with every token that does not hand private keys out.
export JAVA_TOOL_OPTIONS="-Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
cat >"$WORK/java.cfg" <<CFG
name = keyward
library = $MODULE
slotListIndex = 0
attributes(generate, CKO_PRIVATE_KEY, *) = {
    CKA_TOKEN = true
}
attributes(generate, CKO_PUBLIC_KEY, *) = {
    CKA_TOKEN = true
}
CFG
key_tool() {
    keytool -providerClass sun.security.pkcs11.SunPKCS11 -providerArg "$WORK/java.cfg" -storetype PKCS11 -keystore NONE \
        -storepass:file "$WORK/pin" "$@"
}
pair() { # alias options...
    local alias=$1
    shift
    key_tool -genkeypair -providerName SunPKCS11-keyward -alias "$alias" -dname "CN=$alias" -validity 30 "$@" &&
        key_tool -exportcert -rfc -alias "$alias" -file "$WORK/$alias.crt" && openssl verify -CAfile "$WORK/$alias.crt" "$WORK/$alias.crt"
}
check "keytool makes an RSA key and its certificate, openssl verifies it" pair rsa -keyalg RSA -keysize 2048
check "and an EC key" pair ec -keyalg EC -groupname secp256r1
listed() {
    key_tool -list | tee "$WORK/list"
    [ "$(grep -c PrivateKeyEntry "$WORK/list")" = 2 ]
}
check "keytool lists both as private key entries" listed
request() {
    key_tool -certreq -alias "$1" -file "$WORK/$1.csr" && openssl req -in "$WORK/$1.csr" -verify -noout
}
check "a request is signed with the RSA key" request rsa
check "and with the EC key" request ec
printf 'wrong-pin-1\n' >"$WORK/wrong"
refuses "a wrong PIN opens nothing" 'PIN_INCORRECT|password|load failed' \
    keytool -providerClass sun.security.pkcs11.SunPKCS11 -providerArg "$WORK/java.cfg" -storetype PKCS11 -keystore NONE \
    -storepass:file "$WORK/wrong" -list

# ---- jars ----
printf 'signed by a vault' >"$WORK/file"
(cd "$WORK" && python3 -c 'import zipfile; zipfile.ZipFile("plain.jar", "w").write("file")')
signed() { # alias
    cp "$WORK/plain.jar" "$WORK/$1.jar"
    jarsigner -providerClass sun.security.pkcs11.SunPKCS11 -providerArg "$WORK/java.cfg" -storetype PKCS11 -keystore NONE \
        -storepass:file "$WORK/pin" "$WORK/$1.jar" "$1" &&
        jarsigner -verify "$WORK/$1.jar" | tee "$WORK/verified" && grep -q 'jar verified' "$WORK/verified"
}
check "jarsigner signs with the RSA key, and verifies without the module" signed rsa
check "and with the EC key" signed ec
by_openssl() { # the block of the signature is CMS over the signature file
    (cd "$WORK" && python3 -c '
import sys, zipfile
jar = zipfile.ZipFile("rsa.jar")
open("block", "wb").write(jar.read("META-INF/RSA.RSA"))
open("sf", "wb").write(jar.read("META-INF/RSA.SF"))') &&
        openssl cms -verify -inform DER -in "$WORK/block" -binary -content "$WORK/sf" -CAfile "$WORK/rsa.crt" -purpose any -out /dev/null
}
check "openssl verifies the jar's signature block" by_openssl
deleted() {
    key_tool -delete -alias ec && ! key_tool -list | grep -q '^ec,'
}
check "keytool deletes an entry" deleted
check "the log verifies" "$KEYWARD" log verify
finish
