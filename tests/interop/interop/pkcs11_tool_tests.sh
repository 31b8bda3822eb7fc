#!/usr/bin/env bash
# The tests that pkcs11-tool brings with it: over the keys of a vault, EC keys, threads, a fork, hot plugging.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need pkcs11-tool timeout
# pkcs11-tool 0.23 reads freed memory with every EC key, which a sanitizer ends.
[ -z "$SANITIZER" ] || skip_all "pkcs11-tool does not bear a sanitizer"
make_home
for key in rsa:2048 ec:P-256 ec:P-384 aes:256; do
    "$KEYWARD" key create "web/${key/:/-}" --type "$key" >/dev/null
done
says() { # pattern command...
    local pattern=$1
    shift
    "$@" >"$WORK/said" 2>&1 </dev/null
    local status=$?
    cat "$WORK/said"
    [ $status = 0 ] && grep -qE -- "$pattern" "$WORK/said"
}
check "its test passes over RSA, EC and AES keys" says 'No errors' p11_login --test
# Making a key as well opens the session for writing, which --test-ec forgets to ask for.
check "its EC test passes: ids changed, a signature, keys deleted" says '==> OK' \
    p11_login --keypairgen --key-type EC:prime256v1 --label made --id 09 --test-ec
check "a forked child initialises the module" p11_login --test-fork
threads() {
    # 0.23 and 0.26 say it differently.
    says 'returning rv( = 0|:CKR_OK)' foreign timeout 120 pkcs11-tool --module "$MODULE" \
        --test-threads ILGISLT0 --test-threads ILGISLT0 --test-threads ILGISLT0 --test-threads ILGISLT0
}
check "four threads initialise, list slots and read the token at once" threads
check "hot plugging ends when its input does" foreign timeout 20 pkcs11-tool --module "$MODULE" --test-hotplug </dev/null
check "the log verifies" "$KEYWARD" log verify
finish
