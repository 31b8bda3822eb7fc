#!/usr/bin/env bash
# osslsigncode signs a PowerShell script with a code signing key of a vault, by the libp11 engine.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need osslsigncode openssl
# With a sanitizer programs that load libgnutls now and then wait for ever for a lock of the C library, in libp11-kit's beginning or end.
[ -z "$SANITIZER" ] || skip_all "libgnutls does not bear a sanitizer"
version=$(osslsigncode --version 2>&1 | sed -n 's/^osslsigncode \([0-9.]*\).*/\1/p' | head -n 1)
# 2.5 asks OpenSSL's dynamic engine for one without a name: "bad engine id", whatever the engine.
[ "$(printf '%s\n2.6\n' "$version" | sort -V | head -n 1)" = 2.6 ] || skip_all "osslsigncode $version does not load an engine"
engine_conf
make_home
ENGINE=$(sed -n 's/^dynamic_path = //p' "$WORK/openssl.cnf")
uri() { # name
    echo "pkcs11:token=web;object=$1;type=private;pin-value=$PIN"
}
export OPENSSL_CONF="$WORK/openssl.cnf"
for key in rsa:2048 rsa:3072; do
    name=${key/:/}
    "$KEYWARD" key create "web/$name" --type "$key" >/dev/null
    foreign openssl req -x509 -new -engine pkcs11 -keyform engine -key "$(uri "$name")" -subj "/CN=$name" \
        -addext extendedKeyUsage=codeSigning -days 2 -out "$WORK/$name.crt" 2>"$WORK/req.err"
done
printf 'Write-Host "hello"\r\n' >"$WORK/hello.ps1"
signed() { # name
    rm -f "$WORK/$1.ps1"
    # It loads the engine itself, and fails where a configuration already did.
    OPENSSL_CONF=/dev/null foreign osslsigncode sign -pkcs11engine "$ENGINE" -pkcs11module "$MODULE" -certs "$WORK/$1.crt" -key "$(uri "$1")" -h sha256 \
        -in "$WORK/hello.ps1" -out "$WORK/$1.ps1"
}
verified() { # name ca
    OPENSSL_CONF=/dev/null osslsigncode verify -CAfile "$WORK/$2.crt" -in "$WORK/$1.ps1"
}
for name in rsa2048 rsa3072; do
    check "a script is signed with $name" signed "$name"
    check "and verified without the module" verified "$name" "$name"
done
refuses "it is not the other key's" 'erification: failed|rror' verified rsa2048 rsa3072
sed 's/hello/hallo/' "$WORK/rsa2048.ps1" >"$WORK/changed.ps1"
refuses "a changed script is found out" 'erification: failed|MISMATCH' verified changed rsa2048
check "the log verifies" env OPENSSL_CONF=/dev/null "$KEYWARD" log verify
finish
