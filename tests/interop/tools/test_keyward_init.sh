#!/usr/bin/env bash
# keyward init: a home once, whole or not at all, with a token of its own or in an HSM that is there already.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 softhsm2-util pkcs11-tool

SOFTHSM=
for path in /usr/lib/softhsm /usr/lib/*/softhsm /usr/lib64/softhsm; do
    [ -r "$path/libsofthsm2.so" ] && SOFTHSM=$path/libsofthsm2.so
done
[ -n "$SOFTHSM" ] || skip_all "SoftHSM is not installed"

# A token that was there before keyward, where SoftHSM keeps tokens by default: the worker's environment is not the caller's,
# so SOFTHSM2_CONF could not lead it elsewhere.
unset SOFTHSM2_CONF
DESK="keyward-test-$$"
softhsm2-util --init-token --free --label "$DESK" --pin 12345678 --so-pin 87654321 >/dev/null 2>&1 ||
    skip_all "SoftHSM's own token folder cannot be written"
trap 'softhsm2-util --delete-token --token "$DESK" >/dev/null 2>&1; at_exit' EXIT
printf '12345678\n' >"$WORK/hsm-pin"
chmod 600 "$WORK/hsm-pin"
printf 'wrong-pin\n' >"$WORK/wrong-pin"
chmod 600 "$WORK/wrong-pin"
printf '12345678\n' >"$WORK/open-pin"
chmod 644 "$WORK/open-pin"

external() { # module token pin-file
    "$KEYWARD" init --hsm "$1" --hsm-token "$2" --hsm-pin-file "$3"
}
gone() {
    [ ! -e "$KEYWARD_HOME" ]
}
hsm_objects() {
    foreign pkcs11-tool --module "$SOFTHSM" --token-label "$DESK" --login --pin 12345678 -O 2>/dev/null | grep -cE '^(Secret|Private|Public)'
}
hsm_is_empty() {
    [ "$(hsm_objects)" = 0 ]
}

# ---- refused, and nothing left ----
fails "an HSM library that is not there" 'cannot find .*/no-such\.so' external /no-such.so "$DESK" "$WORK/hsm-pin"
check "leaves nothing" gone
fails "a file that is no library" 'keyward: init: ' external /etc/passwd "$DESK" "$WORK/hsm-pin"
check "leaves nothing either" gone
fails "a token that is not in the HSM" 'no-such-token' external "$SOFTHSM" no-such-token "$WORK/hsm-pin"
check "leaves nothing as well" gone
fails "a wrong HSM PIN" 'PIN' external "$SOFTHSM" "$DESK" "$WORK/wrong-pin"
check "leaves nothing too" gone
fails "a PIN file that others may read" 'chmod 600' external "$SOFTHSM" "$DESK" "$WORK/open-pin"
check "and nothing was made" gone
fails "a PIN file that is not there" 'cannot find' external "$SOFTHSM" "$DESK" "$WORK/no-such-file"
fails "an HSM without its token" 'go together' "$KEYWARD" init --hsm "$SOFTHSM"
fails "an HSM without its PIN file" 'go together' "$KEYWARD" init --hsm "$SOFTHSM" --hsm-token "$DESK"
fails "a token label that settings cannot say" 'line break' external "$SOFTHSM" "a;b" "$WORK/hsm-pin"
check "nothing of all that is in the HSM" hsm_is_empty
deep() {
    KEYWARD_HOME="$WORK/a/b/c" external "$SOFTHSM" no-such-token "$WORK/hsm-pin"
}
fails "a home some folders down" 'no-such-token' deep
none_of_them() {
    [ ! -e "$WORK/a" ]
}
check "its folders are gone again" none_of_them
mkdir "$WORK/kept"
fails "an empty folder that was there" 'no-such-token' env KEYWARD_HOME="$WORK/kept" "$KEYWARD" init --hsm "$SOFTHSM" \
    --hsm-token no-such-token --hsm-pin-file "$WORK/hsm-pin"
still_empty() {
    [ -d "$WORK/kept" ] && [ -z "$(ls -A "$WORK/kept")" ]
}
check "is still there, and empty" still_empty

# ---- a disk that is full ----
mkdir "$WORK/small"
if mount -t tmpfs -o size=64k none "$WORK/small" 2>/dev/null; then
    trap 'umount "$WORK/small" 2>/dev/null; softhsm2-util --delete-token --token "$DESK" >/dev/null 2>&1; at_exit' EXIT
    for kib in 4 40 64 72 76 80 84 88 96 128; do
        mount -o "remount,size=${kib}k" "$WORK/small"
        KEYWARD_HOME="$WORK/small/home" ran external "$SOFTHSM" "$DESK" "$WORK/hsm-pin"
        status=$?
        if [ "$status" = 0 ]; then
            rm -rf "$WORK/small/home"
            break
        fi
        verdict "a disk of $kib KiB: one line" did_end "$status" 1 'space' err 1
        nothing_left() {
            [ -z "$(ls -A "$WORK/small")" ]
        }
        check "a disk of $kib KiB: nothing left on it" nothing_left
        check "a disk of $kib KiB: nothing left in the HSM" hsm_is_empty
    done
    umount "$WORK/small"
else
    tests=$((tests + 1))
    echo "ok $tests - a full disk # SKIP no file system can be mounted here"
fi

# ---- made ----
mkdir "$WORK/used"
touch "$WORK/used/file"
fails "a folder that holds anything" 'is not empty' env KEYWARD_HOME="$WORK/used" "$KEYWARD" init
untouched() {
    [ "$(ls -A "$WORK/used")" = file ]
}
check "is left untouched" untouched
says "a home in an HSM that was there" 'is made; .* administers it' external "$SOFTHSM" "$DESK" "$WORK/hsm-pin"
settings() {
    grep -qx "token = $DESK" "$KEYWARD_HOME/keyward.conf" && grep -qx 'own-token = no' "$KEYWARD_HOME/keyward.conf" &&
        [ "$(stat -c %a "$KEYWARD_HOME")" = 700 ]
}
check "its settings name the token, and it is closed to others" settings
printf 'alice-pin-1\n' >"$WORK/pin"
says "a vault is made in it" 'vault web is made' "$KEYWARD" vault create web --user alice --pin-file "$WORK/pin"
says "and a key" 'key web/tls is made' "$KEYWARD" key create web/tls --type ec:P-256
in_the_token() {
    [ "$(hsm_objects)" -ge 3 ]
}
check "the keys are in the token" in_the_token
says "the log verifies" 'log verified' "$KEYWARD" log verify
fails "init again is refused" 'is not empty' "$KEYWARD" init
says "and the home still works" 'tls' "$KEYWARD" key list web
own() {
    KEYWARD_HOME="$WORK/own" "$KEYWARD" init
}
says "without --hsm it makes a token of its own" 'log key: ' own
closed() {
    [ "$(stat -c %a "$WORK/own/hsm/pin")" = 600 ] && [ -d "$WORK/own/hsm" ] && grep -qx 'own-token = yes' "$WORK/own/keyward.conf"
}
check "with its PIN in a file nobody else reads" closed
finish
