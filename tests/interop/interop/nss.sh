#!/usr/bin/env bash
# NSS, as Firefox and Chromium use it: modutil adds the module, certutil makes keys and certificates in a vault, selfserv serves TLS
# with them and tstclnt and plain openssl are its clients.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need modutil certutil selfserv tstclnt openssl
make_home
# What certutil hides is said here, should it fail.
export KEYWARD_DEBUG=1
DB="sql:$WORK/nss"
mkdir "$WORK/nss"
head -c 64 /dev/urandom >"$WORK/noise"
printf 'web:%s\n' "$PIN" >"$WORK/pins"

nss() { # program arguments...
    local program=$1
    shift
    foreign "$program" -d "$DB" "$@"
}
"$KEYWARD" key create web/made-before --type rsa:2048 >/dev/null
nss certutil -N --empty-password >/dev/null 2>&1
check "modutil adds the module" foreign modutil -force -dbdir "$DB" -add keyward -libfile "$MODULE"
listed() { # pattern command...
    local pattern=$1
    shift
    "$@" 2>&1 | tee "$WORK/listed"
    grep -qE "$pattern" "$WORK/listed"
}
check "and lists the vault as a token" listed 'Token Name: web' foreign modutil -dbdir "$DB" -list keyward
keys() {
    nss certutil -K -h web -f "$WORK/pin"
}
check "certutil -K shows a key that keyward made" listed 'rsa +[0-9a-f]+ +made-before' keys
refuses "but not with a wrong PIN" 'PIN|assword' nss certutil -K -h web -f "$WORK/noise"

# The serial number is given: certutil makes it of the time, in half seconds, and would refuse the second certificate of the same.
self_signed() { # name serial options-of-the-key...
    local name=$1 serial=$2
    shift 2
    nss certutil -S -h web -f "$WORK/pin" -z "$WORK/noise" -n "$name" -m "$serial" -s CN=localhost --extSAN dns:localhost -x -t CTu,Cu,Cu -v 12 "$@" &&
        nss certutil -L -h web -f "$WORK/pin" -n "web:$name" -a >"$WORK/$name.crt" &&
        openssl verify -CAfile "$WORK/$name.crt" "$WORK/$name.crt"
}
check "certutil -S makes an RSA key and signs with it, openssl verifies" self_signed rsa 1 -k rsa -g 2048
check "and an EC key" self_signed ec 2 -k ec -q nistp256
check "both keys are listed, with their certificates" listed 'web:ec' keys
in_the_vault() {
    "$KEYWARD" key list web
    [ "$("$KEYWARD" key list web --json | jq '[.keys[] | select(.protection == "hsm")] | length')" = 3 ]
}
check "both keys are in the vault" in_the_vault
request() {
    nss certutil -R -h web -f "$WORK/pin" -z "$WORK/noise" -k rsa -g 2048 -s CN=requested -a -o "$WORK/req" &&
        openssl req -in "$WORK/req" -verify -noout -subject
}
check "certutil -R makes a request, openssl verifies it" request

# ---- TLS ----
start() { # name port options...
    local name=$1 port=$2
    shift 2
    nss selfserv -n "web:$name" -p "$port" -f "$WORK/pins" "$@" >"$WORK/selfserv.out" 2>&1 </dev/null &
    pids+=($!)
}
client() { # name port version
    printf 'GET / HTTP/1.0\r\n\r\n' |
        timeout 10 openssl s_client -connect "127.0.0.1:$2" -servername localhost -verify_return_error -CAfile "$WORK/$1.crt" "$3" \
            -ign_eof >"$WORK/client" 2>&1
    cat "$WORK/client"
    grep -q 'Verify return code: 0' "$WORK/client" && grep -q 'HTTP/1' "$WORK/client"
}
PORT=$((20000 + RANDOM % 20000))
start rsa "$PORT" -V tls1.2:tls1.3
start ec $((PORT + 1)) -V tls1.2:tls1.3
check "selfserv serves TLS 1.3 with the RSA key" wait_for 20 client rsa "$PORT" -tls1_3
check "and TLS 1.2" client rsa "$PORT" -tls1_2
check "and with the EC key, TLS 1.3" wait_for 20 client ec $((PORT + 1)) -tls1_3
check "and TLS 1.2" client ec $((PORT + 1)) -tls1_2
tstclnt_gets() {
    printf 'GET / HTTP/1.0\r\n\r\n' | foreign timeout 20 tstclnt -d "$DB" -h localhost -p "$PORT" -W "$WORK/pins" | tee "$WORK/client"
    grep -q 'HTTP/1' "$WORK/client"
}
check "tstclnt, with the module in it too, is its client" tstclnt_gets
check "the log verifies" "$KEYWARD" log verify
finish
