#!/usr/bin/env bash
# keyward doctor: each finding provoked once, and gone again when it is mended.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3
PIN=alice-pin-1
CONF="$KEYWARD_HOME/keyward.conf"

# finds FAIL|warn CHECK PATTERN [command before doctor]: the row stands in the table; a FAIL is exit 1 with one line, a warn is not.
row_is() {
    grep -qE "^$2 +$1 +.*$3" "$WORK/out"
}
ended() { # status finding
    if [ "$2" = FAIL ]; then
        [ "$1" = 1 ] && [ "$(grep -c 'something is wrong' "$WORK/err")" = 1 ]
    else
        [ "$1" = 0 ] && [ ! -s "$WORK/err" ]
    fi
}
finds() {
    local finding=$1 name=$2 pattern=$3 status
    shift 3
    ran "$@" "$KEYWARD" doctor
    status=$?
    verdict "$name: $finding ($pattern)" row_is "$finding" "$name" "$pattern"
    verdict "$name: $finding, and the exit code says so" ended "$status" "$finding"
}
healthy() {
    "$KEYWARD" doctor >"$WORK/found" 2>&1 && ! grep -E '(FAIL|warn)' "$WORK/found"
}

finds FAIL home 'keyward init' env
touch "$WORK/file"
finds FAIL home 'is no folder' env KEYWARD_HOME="$WORK/file"
make_home
check "a new home is healthy" healthy
check "as JSON" is_json "$KEYWARD" doctor --json
every() {
    member '[c["check"] for c in j["checks"]]' | grep -x "\['mode', 'home', 'settings', 'HSM library', 'HSM PIN file', 'HSM worker', 'isolation', 'disk', 'clock', 'memory limit', 'start', 'log', 'log clock', 'memory', 'policies', 'PINs', 'legacy'\]"
}
check "every check has its row" every

# ---- files ----
finds FAIL mode 'KEYWARD_SERVER' env KEYWARD_SERVER=unix:/nowhere
chmod 755 "$KEYWARD_HOME"
finds FAIL home 'chmod 700' env
chmod 700 "$KEYWARD_HOME"
cp "$CONF" "$WORK/conf"
echo 'lines = 8' >>"$CONF"
finds FAIL settings 'keyward.conf' env
cp "$WORK/conf" "$CONF"
sed -i 's|^module = .*|module = /no-such.so|' "$CONF"
finds FAIL 'HSM library' '/no-such.so.*install it' env
cp "$WORK/conf" "$CONF"
chmod 644 "$KEYWARD_HOME/hsm/pin"
finds FAIL 'HSM PIN file' 'chmod 600' env
chmod 600 "$KEYWARD_HOME/hsm/pin"
mv "$KEYWARD_HOME/hsm/pin" "$WORK/hsm-pin"
finds FAIL 'HSM PIN file' 'put the HSM' env
mv "$WORK/hsm-pin" "$KEYWARD_HOME/hsm/pin"
sed -i 's|^deadline-ms = .*|isolation = none|' "$CONF"
finds warn isolation 'none.*SoftHSM deadlocks.*isolation = worker' env
cp "$WORK/conf" "$CONF"
check "all mended: healthy again" healthy
limited() {
    (
        ulimit -l 16 && exec "$@"
    )
}
finds warn 'memory limit' 'RLIMIT_MEMLOCK' limited
# What is root's by right locks memory whatever the limit says.
unlockable() {
    prlimit --memlock=0 setpriv --bounding-set -ipc_lock "$@"
}
# A sanitizer turns locking into nothing, and wants to be loaded before faketime.
[ -z "$SANITIZER" ] && unlockable true 2>/dev/null && finds warn memory 'RLIMIT_MEMLOCK' unlockable
long_ago() {
    faketime '2020-01-01 12:00:00' "$@"
}
[ -z "$SANITIZER" ] && command -v faketime >/dev/null && finds FAIL clock 'before 2025' long_ago
behind_the_log() {
    faketime -f '-10m' "$@"
}
[ -z "$SANITIZER" ] && command -v faketime >/dev/null && finds FAIL 'log clock' 'set it right.*accept-clock' behind_the_log
# A tree without the worker: the command and the module alone.
mkdir -p "$WORK/tree/tools" "$WORK/tree/pkcs11"
cp "$KEYWARD" "$WORK/tree/tools/"
cp "$MODULE" "$WORK/tree/pkcs11/"
if [ ! -x /usr/libexec/keyward/keyward-hsm ] && [ ! -x /usr/local/libexec/keyward/keyward-hsm ]; then
    whole=$KEYWARD
    KEYWARD="$WORK/tree/tools/keyward"
    finds FAIL 'HSM worker' 'reinstall' env
    KEYWARD=$whole
fi
# ---- the vault, running ----
mv "$KEYWARD_HOME/store.db" "$WORK/store.db"
finds FAIL start 'store' env
finds FAIL policies 'not looked at' env
mv "$WORK/store.db" "$KEYWARD_HOME/store.db"
"$KEYWARD" log checkpoint >/dev/null
cp -a "$KEYWARD_HOME/log" "$WORK/log"
rm -rf "$KEYWARD_HOME/log/tile/0"
finds FAIL '(start|log)' 'log' env
rm -rf "$KEYWARD_HOME/log"
cp -a "$WORK/log" "$KEYWARD_HOME/log"
check "put back: healthy again" healthy
: >"$WORK/none.cedar"
"$KEYWARD" policy show web >"$WORK/web.cedar"
"$KEYWARD" policy apply web "$WORK/none.cedar" >/dev/null
finds warn policies 'nobody may use it' env
"$KEYWARD" policy apply web "$WORK/web.cedar" >/dev/null
check "with its policy: healthy again" healthy
SPOIL="$BUILD/tests/interop/tools/spoil"
check "a policy that does not load" "$SPOIL" policy web
finds FAIL policies 'web.*until it is applied anew' env
"$KEYWARD" policy apply web "$WORK/web.cedar" >/dev/null
check "applied anew: healthy again" healthy
check "a user without a PIN" "$SPOIL" user web carol
finds warn PINs 'user web/carol has no PIN: keyward user pin web/carol' env
printf 'carol-pin-1' >"$WORK/carol"
"$KEYWARD" user pin web/carol --pin-file "$WORK/carol" >/dev/null
check "with a PIN: healthy again" healthy
# A full disk last: the home goes onto a small one.
mkdir "$WORK/small"
if mount -t tmpfs -o size=32m none "$WORK/small" 2>/dev/null; then
    trap 'umount "$WORK/small" 2>/dev/null; at_exit' EXIT
    cp -a "$KEYWARD_HOME" "$WORK/small/home"
    finds warn disk 'make room' env KEYWARD_HOME="$WORK/small/home"
    head -c 64m /dev/zero >"$WORK/small/filler" 2>/dev/null
    finds FAIL disk '0 MiB are free' env KEYWARD_HOME="$WORK/small/home"
fi
finish
