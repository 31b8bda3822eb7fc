#!/usr/bin/env bash
# Apache's mod_ssl, unmodified, with TLS keys that live in a vault: SSLCertificateKeyFile "pkcs11:...", by pkcs11-provider where there is
# one, by the libp11 engine otherwise.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
PATH="$PATH:/usr/sbin"
need apache2 openssl curl
MODULES=/usr/lib/apache2/modules
[ -e "$MODULES/mod_ssl.so" ] || skip_all "mod_ssl is not installed"
if [ -n "$(provider_file)" ]; then
    provider_conf
    REQ=()
    DEVICE=
    # mod_ssl takes an engine where it finds one, and libp11 0.4.13, which comes with the provider, frees its EC methods before
    # mod_ssl frees the keys.
    export OPENSSL_ENGINES=/nonexistent
else
    engine_conf
    REQ=(-engine pkcs11 -keyform engine)
    DEVICE="SSLCryptoDevice pkcs11"
fi
make_home
PORT_RSA=$((20000 + RANDOM % 20000))
PORT_EC=$((PORT_RSA + 1))

uri() { # name
    echo "pkcs11:token=web;object=$1;type=private;pin-value=$PIN"
}
export OPENSSL_CONF="$WORK/openssl.cnf"
for key in rsa:2048 ec:P-256; do
    name=${key%%:*}
    "$KEYWARD" key create "web/$name" --type "$key" >/dev/null
    foreign openssl req -x509 -new "${REQ[@]}" -key "$(uri "$name")" -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -days 2 -out "$WORK/$name.crt" 2>"$WORK/req.err"
done
mkdir "$WORK/www"
echo 'from a vault' >"$WORK/www/index.html"
chmod -R a+rX "$WORK/www"
cat >"$WORK/apache.conf" <<CONF
ServerName localhost
ServerRoot $WORK
PidFile $WORK/apache.pid
ErrorLog $WORK/error.log
DefaultRuntimeDir $WORK
LoadModule mpm_event_module $MODULES/mod_mpm_event.so
LoadModule authz_core_module $MODULES/mod_authz_core.so
LoadModule dir_module $MODULES/mod_dir.so
LoadModule ssl_module $MODULES/mod_ssl.so
Listen 127.0.0.1:$PORT_RSA
Listen 127.0.0.1:$PORT_EC
DocumentRoot $WORK/www
DirectoryIndex index.html
<Directory $WORK/www>
    Require all granted
</Directory>
$DEVICE
SSLSessionTickets off
<VirtualHost 127.0.0.1:$PORT_RSA>
    SSLEngine on
    SSLCertificateFile $WORK/rsa.crt
    SSLCertificateKeyFile "$(uri rsa)"
</VirtualHost>
<VirtualHost 127.0.0.1:$PORT_EC>
    SSLEngine on
    SSLCertificateFile $WORK/ec.crt
    SSLCertificateKeyFile "$(uri ec)"
</VirtualHost>
CONF
# Everything is done as one user, who owns the home: the children of apache must be able to open it, as its parent does.
AS=()
if [ "$(id -u)" = 0 ]; then
    AS=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chown -R 65534:65534 "$WORK"
    "${AS[@]}" test -r "$MODULE" || skip_all "the build cannot be read by anybody but root"
fi
# The output is its own: a child that outlives us must not hold the test's pipe open.
foreign "${AS[@]}" apache2 -DFOREGROUND -f "$WORK/apache.conf" >"$WORK/apache.out" 2>&1 </dev/null &
stop_apache() {
    local server
    server=$(cat "$WORK/apache.pid" 2>/dev/null) || return 0
    kill -TERM "$server" 2>/dev/null
    wait_for 10 gone "$server" || kill -KILL "$server" 2>/dev/null
}
gone() {
    ! kill -0 "$1" 2>/dev/null
}
trap 'stop_apache; at_exit' EXIT
get() { # name port options...
    local name=$1 port=$2
    shift 2
    OPENSSL_CONF=/dev/null curl -sS --max-time 10 --cacert "$WORK/$name.crt" --resolve "localhost:$port:127.0.0.1" "$@" "https://localhost:$port/"
}
served() {
    get "$@" | grep 'from a vault' || {
        cat "$WORK/error.log" "$WORK/apache.out"
        return 1
    }
}
check "apache serves TLS with the RSA key" wait_for 20 served rsa "$PORT_RSA"
check "and with the EC key" served ec "$PORT_EC"
check "and TLS 1.2 with the RSA key" served rsa "$PORT_RSA" --tls-max 1.2
check "and with the EC key" served ec "$PORT_EC" --tls-max 1.2
many() {
    local i
    for ((i = 0; i < 20; i++)); do
        { served rsa "$PORT_RSA" && served ec "$PORT_EC"; } || return 1
    done
}
check "40 handshakes, each with a signature of the vault" many
reloaded() {
    kill -HUP "$(cat "$WORK/apache.pid")" && sleep 1 && served ec "$PORT_EC" && served rsa "$PORT_RSA"
}
check "a reload starts children that serve too" reloaded
stop_apache
# The administrator is who made the home.
export OPENSSL_CONF=/dev/null
[ "$(id -u)" != 0 ] || chown -R 0:0 "$WORK"
signatures() {
    [ "$("$KEYWARD" log show --vault web --json | grep -c '"action": *"sign"')" -ge 44 ]
}
check "the signatures are in the log" signatures
check "the log verifies" "$KEYWARD" log verify
finish
