#!/usr/bin/env bash
# keyward vault, user and status: made, listed, refused; PINs from files and standard input; locking and unlocking.
# shellcheck source-path=SCRIPTDIR source=../lib.sh source=command.sh
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/command.sh"
need python3 pkcs11-tool setsid
make_home

# ---- vaults ----
printf 'bob-pin-1\nso-pin-bob\n' >"$WORK/two-pins"
both_from_stdin() {
    "$KEYWARD" vault create lab --user bob --pin-file - --so-pin-file - --retention 7d --no-purge-protection <"$WORK/two-pins"
}
check "both PINs come from standard input, a line each" both_from_stdin
bob_signs_in() {
    foreign pkcs11-tool --module "$MODULE" --token-label lab --login --pin bob-pin-1 -O
}
check "the first line is the user's" bob_signs_in
bob_so() {
    foreign pkcs11-tool --module "$MODULE" --token-label lab --login --login-type so --so-pin so-pin-bob --init-pin --new-pin bob-pin-1
}
check "the second is the security officer's" bob_so
says "a vault without users" 'vault empty is made' "$KEYWARD" vault create empty
fails "the same name again" 'web' "$KEYWARD" vault create web
fails "a name that is none" 'no name for a vault' "$KEYWARD" vault create 'a b'
fails "a name that begins with a dash behind --" 'no name for a vault' "$KEYWARD" vault create -- -x
says "protection software as a vault's default" 'vault soft is made' "$KEYWARD" vault create soft --protection software
says "new keys have it" 'protection software' "$KEYWARD" key create soft/a --type aes:256
says "unless it is said" 'protection hsm' "$KEYWARD" key create soft/b --type aes:256 --protection hsm
says "the default can be changed" 'vault soft: new keys have protection hsm' "$KEYWARD" vault update soft --protection hsm
says "new keys have the new one" 'protection hsm' "$KEYWARD" key create soft/c --type aes:256
says "the others stay what they are" '^protection: software$' "$KEYWARD" key show soft/a
says "and back" 'protection software' "$KEYWARD" vault update soft --protection software
says "the vault shows it" '^protection: software$' "$KEYWARD" vault show soft
fails "an update to an unknown protection" 'hsm or software' "$KEYWARD" vault update soft --protection paper
misused "an update of nothing is usage" 'nothing is to be changed' "$KEYWARD" vault update soft
misused "retention is not changed afterwards" 'no option --retention' "$KEYWARD" vault update soft --retention 1d
misused "nor is purge protection" 'no option --no-purge-protection' "$KEYWARD" vault update soft --no-purge-protection
says "a vault does not offer what is broken" '^legacy: no$' "$KEYWARD" vault show soft
says "unless it is told to" 'legacy mechanisms are on' "$KEYWARD" vault update soft --legacy on
says "the vault shows that" '^legacy: yes$' "$KEYWARD" vault show soft
says "the list shows it" '^soft .* yes$' "$KEYWARD" vault list
says "status shows it" '^soft +yes +no +yes' "$KEYWARD" status
says "doctor warns of it" 'legacy.*vault soft offers DES' "$KEYWARD" doctor
says "the log tells it" 'will offer legacy mechanisms: DES' "$KEYWARD" log show --vault soft
says "and off again" 'legacy mechanisms are off' "$KEYWARD" vault update soft --legacy=off
says "the log tells that too" 'no longer' "$KEYWARD" log show --vault soft
says "the other setting stayed" '^protection: software$' "$KEYWARD" vault show soft
misused "legacy is on or off" 'it is on or off' "$KEYWARD" vault update soft --legacy maybe
misused "said in a word of its own" '--legacy needs a value' "$KEYWARD" vault update soft --legacy
other_is_refused "who does not administer switches nothing" "$KEYWARD" vault update soft --legacy on
says "a vault may be made with it" 'vault old is made' "$KEYWARD" vault create old --legacy
says "and shows it" '^legacy: yes$' "$KEYWARD" vault show old
misused "there it is a flag" 'takes no value' "$KEYWARD" vault create old2 --legacy=on
fails "an update of a vault that is not there" 'no vault nowhere' "$KEYWARD" vault update nowhere --protection hsm
other_is_refused "who does not administer updates no vault" "$KEYWARD" vault update soft --protection hsm
fails "an unknown protection" 'hsm or software' "$KEYWARD" vault create v2 --protection paper
says "protection hsm, said" 'vault v2 is made' "$KEYWARD" vault create v2 --protection hsm
fails "a retention that is no duration" 'no duration' "$KEYWARD" vault create v3 --retention soon
misused "a PIN without a user is usage" '--pin-file needs --user' "$KEYWARD" vault create v3 --pin-file "$WORK/pin"
fails "a user without a PIN, and no terminal" 'no terminal' setsid -w "$KEYWARD" vault create v3 --user eve
fails "a PIN file that is not there" 'cannot open the PIN file' "$KEYWARD" vault create v3 --user eve --pin-file "$WORK/none"
: >"$WORK/empty-pin"
fails "an empty PIN file" 'it is empty' "$KEYWARD" vault create v3 --user eve --pin-file "$WORK/empty-pin"
echo 123 >"$WORK/short-pin"
fails "a PIN that is too short" '3 bytes' "$KEYWARD" vault create v3 --user eve --pin-file "$WORK/short-pin"
head -c 300 /dev/zero | tr '\0' 7 >"$WORK/long-pin"
fails "a PIN that is too long" 'too long' "$KEYWARD" vault create v3 --user eve --pin-file "$WORK/long-pin"
fails "the user so is reserved" 'security officer' "$KEYWARD" vault create v3 --user so --pin-file "$WORK/pin"
no_v3() {
    ! "$KEYWARD" vault list | grep v3
}
check "none of the refused vaults was made" no_v3
says "vaults are listed" '^lab +[0-9]+ +hsm +bob' "$KEYWARD" vault list
check "as JSON too" is_json "$KEYWARD" vault list --json
says "one is shown" '^retention: 604800$' "$KEYWARD" vault show lab
check "as JSON too" is_json "$KEYWARD" vault show lab --json
fails "one that is not there" 'no vault nowhere' "$KEYWARD" vault show nowhere
other_is_refused "who does not administer makes no vault" "$KEYWARD" vault create theirs
other_is_refused "and lists none" "$KEYWARD" vault list
other_is_refused "and is shown none" "$KEYWARD" vault show web

# ---- status ----
says "status shows home, HSM, log and vaults" '^web +yes +no' "$KEYWARD" status
check "as JSON too" is_json "$KEYWARD" status --json
other_is_refused "status is the administrator's" "$KEYWARD" status
if [ "$(id -u)" = 0 ] && as_other test -x "$KEYWARD"; then
    fails "a home that is closed to the caller" 'that you may open' as_other env KEYWARD_HOME="$KEYWARD_HOME" "$KEYWARD" status
fi

# ---- users ----
carol() {
    printf 'carol-pin-1\n' | "$KEYWARD" user add web/carol --pin-file - --role cryptoUser --role auditor
}
check "a user is added with two roles" carol
says "the roles are in the vault's policy" 'carol-cryptoUser' "$KEYWARD" policy show web
fails "the same user again" 'carol' "$KEYWARD" user add web/carol --pin-file "$WORK/pin"
fails "a role that is none" 'no role "king"' "$KEYWARD" user add web/dave --pin-file "$WORK/pin" --role king
fails "roles for the security officer" 'takes no roles' "$KEYWARD" user add empty/so --pin-file "$WORK/pin" --role cryptoUser
fails "a user name that is none" 'no name for a user' "$KEYWARD" user add 'web/a:b' --pin-file "$WORK/pin"
fails "a user of a vault that is not there" 'no vault nowhere' "$KEYWARD" user add nowhere/dave --pin-file "$WORK/pin"
fails "no PIN, and no terminal to ask" 'no terminal' setsid -w "$KEYWARD" user add web/dave
no_dave() {
    ! "$KEYWARD" user list web | grep dave
}
check "none of the refused users was made" no_dave
says "users are listed" '^alice +yes +yes +0 +no' "$KEYWARD" user list web
check "as JSON too" is_json "$KEYWARD" user list web --json
fails "users of a vault that is not there" 'no vault nowhere' "$KEYWARD" user list nowhere
echo mallory-pin-1 >"$WORK/open-pin"
other_is_refused "who does not administer adds no user" "$KEYWARD" user add web/mallory --pin-file "$WORK/open-pin"
other_is_refused "lists none" "$KEYWARD" user list web
other_is_refused "unlocks none" "$KEYWARD" user unlock web/alice
other_is_refused "removes none" "$KEYWARD" user remove web/alice

printf 'alice-pin-9\n' >"$WORK/pin9"
says "a new PIN" 'has a new PIN' "$KEYWARD" user pin web/alice --pin-file "$WORK/pin9"
refuses "the old one is no longer good" CKR_PIN_INCORRECT p11 --login --pin "$PIN" -O
check "the new one is" p11 --login --pin alice-pin-9 -O
fails "a PIN for nobody" 'has no user zoe' "$KEYWARD" user pin web/zoe --pin-file "$WORK/pin"
fails "a PIN too short for a user" '3 bytes' "$KEYWARD" user pin web/alice --pin-file "$WORK/short-pin"
check "leaves the one that was" p11 --login --pin alice-pin-9 -O

# ---- locked ----
lock() {
    local i
    for ((i = 0; i < 10; i++)); do
        p11 --login --pin wrong-pin -O && return 1
    done
    p11 --login --pin alice-pin-9 -O 2>&1 | grep CKR_PIN_LOCKED
}
check "ten wrong PINs lock, and the right one is refused then" lock
says "the list shows it" '^alice +yes +yes +10 +yes' "$KEYWARD" user list web
says "unlocking" 'web/alice is unlocked' "$KEYWARD" user unlock web/alice
check "opens it again" p11 --login --pin alice-pin-9 -O
says "the count is gone" '^alice +yes +yes +0 +no' "$KEYWARD" user list web
fails "nobody to unlock" 'has no user zoe' "$KEYWARD" user unlock web/zoe

# ---- removed ----
says "a user is removed" 'web/carol is removed' "$KEYWARD" user remove web/carol
without_roles() {
    ! "$KEYWARD" policy show web | grep carol
}
check "with the roles that came with it" without_roles
refuses "and cannot log in" 'CKR_(PIN_INCORRECT|USER_PIN_NOT_INITIALIZED|PIN_LOCKED)' p11 --login --pin carol:carol-pin-1 -O
fails "a user that is gone" 'has no user carol' "$KEYWARD" user remove web/carol
says "the log verifies" 'log verified' "$KEYWARD" log verify
no_pin_in_log() {
    ! "$KEYWARD" log show --json | grep -E 'alice-pin|bob-pin|carol-pin|so-pin-bob|wrong-pin'
}
check "no PIN is in it" no_pin_in_log
# ---- bindings and groups ----
says "a Unix user is bound" 'unix:www-data acts as user web/alice' "$KEYWARD" user bind web/alice unix:www-data
says "the list shows it" 'unix:www-data' "$KEYWARD" user list web
fails "the same again" 'belongs to alice already' "$KEYWARD" user bind web/alice unix:www-data
fails "somebody who is none" 'no principal' "$KEYWARD" user bind web/alice www-data
other_is_refused "who does not administer binds nobody" "$KEYWARD" user bind web/alice unix:games
says "it is unbound" 'no longer acts as user' "$KEYWARD" user unbind web/alice unix:www-data
fails "it was bound no longer" 'does not belong to alice' "$KEYWARD" user unbind web/alice unix:www-data
says "a group is made" 'group web/signers is added' "$KEYWARD" group add web/signers
says "a user joins" 'user:alice is in group' "$KEYWARD" group join web/signers user:alice
says "a Unix user joins" 'unix:www-data is in group' "$KEYWARD" group join web/signers unix:www-data
says "the list shows both" 'signers +unix:www-data,user:alice' "$KEYWARD" group list web
check "as JSON too" is_json "$KEYWARD" group list web --json
other_is_refused "who does not administer puts nobody into it" "$KEYWARD" group join web/signers unix:games
says "one leaves" 'no longer in group' "$KEYWARD" group leave web/signers unix:www-data
fails "a group that is not there" 'no group others' "$KEYWARD" group join web/others user:alice
says "the group is removed" 'group web/signers is removed' "$KEYWARD" group remove web/signers
says "none is left" 'none' "$KEYWARD" group list web

finish
