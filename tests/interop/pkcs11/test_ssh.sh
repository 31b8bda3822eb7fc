#!/usr/bin/env bash
# OpenSSH reads keys through the module: ssh-keygen lists the public halves, and they are the right ones.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need ssh-keygen pkcs11-tool openssl
make_home

check "an RSA key is made" p11_login --keypairgen --key-type rsa:2048 --label rsa --id 01
check "an EC key is made" p11_login --keypairgen --key-type EC:prime256v1 --label ec --id 02
# The policy shows nothing without a login; the PIN comes from where ssh asks for it without a terminal.
printf '#!/bin/sh\necho %s\n' "$PIN" >"$WORK/askpass"
chmod 700 "$WORK/askpass"
export SSH_ASKPASS="$WORK/askpass" SSH_ASKPASS_REQUIRE=force DISPLAY=:0
listed() {
    foreign ssh-keygen -D "$MODULE" >"$WORK/keys" && cat "$WORK/keys" &&
        grep -q '^ssh-rsa ' "$WORK/keys" && grep -q '^ecdsa-sha2-nistp256 ' "$WORK/keys"
}
check "ssh-keygen lists both" listed
same() {
    p11_login --read-object --type pubkey --label rsa -o "$WORK/rsa.der" &&
        openssl pkey -pubin -inform DER -in "$WORK/rsa.der" -out "$WORK/rsa.pem" &&
        ssh-keygen -i -m PKCS8 -f "$WORK/rsa.pem" | cut -d' ' -f2 >"$WORK/want" &&
        grep '^ssh-rsa ' "$WORK/keys" | cut -d' ' -f2 | cmp "$WORK/want"
}
check "the RSA key is the one pkcs11-tool reads" same
finish
