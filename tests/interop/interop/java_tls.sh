#!/usr/bin/env bash
# TLS 1.2 by Java with SunPKCS11 before all other providers: the key pairs of a connection, what they agree on, the master secret, the key
# block, the MACs and the ciphers are the vault's; openssl is the other side. The vault's protection is hsm, the configuration of
# SunPKCS11 says nothing of attributes.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
need keytool java javac openssl
# The Java machine handles SIGSEGV itself, and does not start with a sanitizer in it.
[ -z "$SANITIZER" ] || skip_all "Java does not start with a sanitizer in it"
make_home
export JAVA_TOOL_OPTIONS="-Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
printf 'name = keyward\nlibrary = %s\nslotListIndex = 0\n' "$MODULE" >"$WORK/java.cfg"
# A key pair that stays is asked to.
cp "$WORK/java.cfg" "$WORK/make.cfg"
printf 'attributes(generate, CKO_%s_KEY, *) = {\n CKA_TOKEN = true\n}\n' PRIVATE PUBLIC >>"$WORK/make.cfg"
key_tool() {
    keytool -providerClass sun.security.pkcs11.SunPKCS11 -providerArg "$WORK/make.cfg" -storetype PKCS11 -keystore NONE \
        -storepass:file "$WORK/pin" "$@"
}
made() {
    key_tool -genkeypair -providerName SunPKCS11-keyward -alias server -dname "CN=localhost" -ext san=dns:localhost -validity 30 \
        -keyalg RSA -keysize 2048 && key_tool -exportcert -rfc -alias server -file "$WORK/server.crt"
}
check "keytool makes a key in the HSM and its certificate" made
check "the program compiles" javac -d "$WORK" "$HERE/tls.java"
# Java has the extended master secret in its own provider only, which wants the bytes of what was agreed on; and prefers X25519, which its
# SunPKCS11 does not know.
java_tls() { # server or client, certificate, port...
    java -cp "$WORK" -Djdk.tls.useExtendedMasterSecret=false -Djdk.tls.namedGroups=secp256r1 \
        tls "$1" "$WORK/java.cfg" "$WORK/pin" "${@:2}"
}

port_of() {
    sed -n 's/^port //p' "$WORK/server" | grep .
}
greeted() { # cipher, as Java calls it
    local pid
    java_tls server "$WORK/server.crt" >"$WORK/server" 2>&1 &
    pid=$!
    pids+=("$pid")
    wait_for 60 port_of || { cat "$WORK/server" && return 1; }
    openssl s_client -connect "localhost:$(port_of)" -tls1_2 -cipher "$1" -CAfile "$WORK/server.crt" -verify_return_error \
        -verify_hostname localhost -ign_eof </dev/null >"$WORK/client" 2>&1
    wait "$pid"
    cat "$WORK/client" "$WORK/server"
    grep -q 'hello from java' "$WORK/client" && grep -q "^$2" "$WORK/server"
}
check "a server with keys agreed on, AES-GCM" greeted ECDHE-RSA-AES128-GCM-SHA256 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
check "and AES-CBC with HMAC" greeted ECDHE-RSA-AES128-SHA256 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
check "a master secret, a key block and the MACs of a handshake were the vault's" sh -c "\"\$KEYWARD\" log show --json >\"\$WORK/log\" &&
    grep -q 'CKM_ECDH1_DERIVE.*CKR_OK' \"\$WORK/log\" && grep -q 'CKM_TLS12_MASTER_KEY_DERIVE_DH.*CKR_OK' \"\$WORK/log\" &&
    grep -q 'CKM_TLS12_KEY_AND_MAC_DERIVE.*CKR_OK' \"\$WORK/log\" && grep -q 'C_SignFinal.*CKM_TLS_MAC' \"\$WORK/log\""

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$WORK/other.key" -out "$WORK/other.crt" -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -days 2 2>/dev/null
asks() {
    local port
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
    openssl s_server -accept "$port" -naccept 1 -tls1_2 -cert "$WORK/other.crt" -key "$WORK/other.key" -Verify 1 -verify_return_error \
        -CAfile "$WORK/server.crt" -rev </dev/null >"$WORK/s_server" 2>&1 &
    pids+=($!)
    wait_for 20 grep -q ACCEPT "$WORK/s_server" || return 1
    java_tls client "$WORK/other.crt" "$port" | tee "$WORK/said" && grep -q 'avaj morf olleh' "$WORK/said"
}
check "a client shows the vault's certificate to an openssl server that wants one" asks
check "the log verifies" "$KEYWARD" log verify
finish
