#!/usr/bin/env bash
# OpenVPN, unmodified, with client keys in a vault: it finds the certificate before it asks for the PIN, its server has plain files and
# checks the client. The management interface gives the PIN.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
PATH="$PATH:/usr/sbin"
need openvpn openssl pkcs11-tool python3
openvpn --version | grep -q PKCS11 || skip_all "this OpenVPN is built without PKCS#11"
# pkcs11-tool 0.23, which writes the certificates, reads freed memory.
[ -z "$SANITIZER" ] || skip_all "pkcs11-tool does not bear a sanitizer"
make_home
PORT=$((20000 + RANDOM % 20000))

# ---- who is who: a CA and a server in files, the clients' keys in the vault ----
plain() {
    OPENSSL_CONF=/dev/null openssl "$@" 2>/dev/null
}
issue() { # name extensions options...
    local name=$1 extensions=$2
    shift 2
    printf '%b\n' "$extensions" >"$WORK/ext"
    plain x509 -req -in "$WORK/$name.csr" -CA "$WORK/ca.crt" -CAkey "$WORK/ca.key" -days 2 -extfile "$WORK/ext" -out "$WORK/$name.crt" "$@"
}
cat >"$WORK/req.cnf" <<'CONF'
[req]
distinguished_name = dn
x509_extensions = ca
[dn]
[ca]
basicConstraints = critical, CA:TRUE
CONF
request() { # name key-options...
    local name=$1
    shift
    plain req -config "$WORK/req.cnf" -nodes -keyout "$WORK/$name.key" -newkey rsa:2048 -subj "/CN=$name" "$@"
}
request ca -x509 -days 2 -out "$WORK/ca.crt"
request server -out "$WORK/server.csr"
issue server 'keyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth'
vault_key() { # name type protection
    "$KEYWARD" key create "web/$1" --type "$2" --protection "$3" >/dev/null && "$KEYWARD" key public "web/$1" >"$WORK/$1.pub"
    # The request's own key is only there to be replaced by the vault's.
    request "$1" -out "$WORK/$1.csr" && issue "$1" 'extendedKeyUsage=clientAuth' -force_pubkey "$WORK/$1.pub"
    plain x509 -in "$WORK/$1.crt" -outform DER -out "$WORK/$1.der"
    p11_login --write-object "$WORK/$1.der" --type cert --id "$(id_of "$1")" --label "$1" >/dev/null 2>&1
    rm "$WORK/$1.key"
}
id_of() { # name
    "$KEYWARD" key show "web/$1" | awk '/^id:/ {print $2; exit}'
}
vault_key rsa-hsm rsa:2048 hsm
vault_key ec-hsm ec:P-256 hsm
vault_key ec-software ec:P-256 software

ids() {
    foreign openvpn --show-pkcs11-ids "$MODULE" | tee "$WORK/ids"
}
all_are_listed() {
    ids
    [ "$(grep -cE 'DN: +CN=(rsa-hsm|ec-hsm|ec-software)$' "$WORK/ids")" = 3 ]
}
check "openvpn finds the certificates before any login" all_are_listed
serialized() { # name: how openvpn calls its certificate
    awk -v dn="CN=$1" '$1 == "DN:" {found = $2 == dn} $1 == "Serialized" && found {print $3}' "$WORK/ids"
}

# ---- handshakes ----
cat >"$WORK/manage.py" <<'PY'
"""Answers OpenVPN's question for the token's PIN. Usage: manage.py SOCKET PIN-FILE"""
import socket
import sys
import time

pin = open(sys.argv[2]).readline().rstrip("\n")
manager = socket.socket(socket.AF_UNIX)
for _ in range(400):
    try:
        manager.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.05)
for line in manager.makefile():
    if line.startswith(">PASSWORD:Need"):
        manager.sendall(f"password \"{line.split(chr(39))[1]}\" \"{pin}\"\n".encode())
PY
# A server, and a client with the vault's key: until the tunnel stands, or the client gave up. Both are new each time.
client() { # name pin-file options...
    local name=$1 pin=$2 server manager vpn status
    shift 2
    PORT=$((PORT + 1))
    rm -f "$WORK/management" "$WORK/server.log" "$WORK/client.log"
    openvpn --dev null --proto tcp-server --local 127.0.0.1 --port "$PORT" --tls-server --dh none --ca "$WORK/ca.crt" \
        --cert "$WORK/server.crt" --key "$WORK/server.key" --verb 3 >"$WORK/server.log" 2>&1 </dev/null &
    server=$!
    wait_for 20 grep 'Listening for incoming' "$WORK/server.log"
    python3 "$WORK/manage.py" "$WORK/management" "$pin" >"$WORK/manage.out" 2>&1 &
    manager=$!
    openvpn --dev null --proto tcp-client --remote 127.0.0.1 "$PORT" --tls-client --ca "$WORK/ca.crt" --remote-cert-tls server \
        --pkcs11-providers "$MODULE" --pkcs11-id "$(serialized "$name")" --management "$WORK/management" unix \
        --management-query-passwords --tls-exit --verb 3 "$@" >"$WORK/client.log" 2>&1 </dev/null &
    vpn=$!
    pids+=("$server" "$manager" "$vpn")
    wait_for 60 stands_or_ended "$vpn"
    grep -q 'Initialization Sequence Completed' "$WORK/client.log"
    status=$?
    kill -KILL "$vpn" "$server" "$manager" 2>/dev/null
    wait "$vpn" "$server" "$manager" 2>/dev/null
    cat "$WORK/client.log" "$WORK/manage.out"
    return $status
}
stands_or_ended() { # pid
    grep -E 'Initialization Sequence Completed|process exiting|Exiting due' "$WORK/client.log" || ! kill -0 "$1"
}
connects() { # name options...
    local name=$1
    shift
    client "$name" "$WORK/pin" "$@" && grep -q "VERIFY OK: depth=0, CN=$name\$" "$WORK/server.log"
}
check "a client with an RSA key of the HSM connects, and its server knows it" connects rsa-hsm
check "one with an EC key of the HSM" connects ec-hsm
check "one with a software key" connects ec-software
check "TLS 1.2 does as well" connects rsa-hsm --tls-version-max 1.2
echo no-such-pin >"$WORK/wrong"
refuses "a wrong PIN connects nobody" 'PIN|PKCS#11|rror' client ec-hsm "$WORK/wrong"

# ---- the policy says no ----
cat >"$WORK/no-list.cedar" <<'CEDAR'
permit (principal == User::"alice", action in Action::"cryptoUser", resource);
CEDAR
"$KEYWARD" policy apply web "$WORK/no-list.cedar" >/dev/null
none_is_listed() {
    ids
    ! grep -q 'CN=' "$WORK/ids"
}
check "where the policy shows nothing before a login, openvpn finds nothing" none_is_listed
signatures() {
    [ "$("$KEYWARD" log show --vault web --json | grep -c '"action": *"sign"')" -ge 4 ]
}
check "the signatures are in the log" signatures
check "the log verifies" "$KEYWARD" log verify
finish
