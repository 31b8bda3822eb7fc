#!/usr/bin/env bash
# The tests that pkcs11-tool brings with it: over the keys of a vault, with threads, over a fork, key generation, hot plugging.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need pkcs11-tool timeout
make_home
for key in rsa:2048 ec:P-256 ec:P-384 aes:256; do
    "$KEYWARD" key create "web/${key/:/-}" --type "$key" >/dev/null
done
p11_login --keypairgen --key-type rsa:2048 --label second --id 02 >/dev/null 2>&1

