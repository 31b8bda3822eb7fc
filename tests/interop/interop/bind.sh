#!/usr/bin/env bash
# BIND's DNSSEC tools, unmodified, sign zones with keys of a vault by pkcs11-provider; ldns and dnssec-verify check the zones.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need dnssec-keyfromlabel dnssec-signzone dnssec-verify ldns-verify-zone openssl
# jemalloc, which BIND is linked to, and a sanitizer both want to be the allocator.
[ -z "$SANITIZER" ] || skip_all "BIND brings an allocator of its own, which does not bear a sanitizer"
# Debian 12's BIND 9.18 is built without OpenSSL's engines and knows no providers yet: it reaches no token at all.
for library in $(ldd "$(command -v dnssec-keyfromlabel)" | awk '/libdns/ {print $3}'); do
    grep -q OSSL_STORE_open "$library" || skip_all "this BIND knows neither engines nor providers"
done
provider_conf
make_home
export OPENSSL_CONF="$WORK/openssl.cnf"
for key in ksk:ec:P-256:hsm zsk:ec:P-256:software rsaksk:rsa:2048:software rsazsk:rsa:2048:hsm; do
    IFS=: read -r name type size protection <<<"$key"
    "$KEYWARD" key create "web/$name" --type "$type:$size" --protection "$protection" >/dev/null
done

zone() { # zone
    mkdir -p "$WORK/$1" && cat >"$WORK/$1/zone" <<ZONE
\$TTL 300
@   IN SOA ns.$1. host.$1. 1 3600 900 2419200 300
@   IN NS  ns
ns  IN A   192.0.2.1
www IN A   192.0.2.2
ZONE
}
key_of() { # zone algorithm name options...
    local zone=$1 algorithm=$2 name=$3
    shift 3
    timeout 60 dnssec-keyfromlabel -K "$WORK/$zone" -a "$algorithm" -l "pkcs11:token=web;object=$name" "$@" "$zone"
}
# The key's file names it, and holds nothing of it.
only_named() { # zone count
    [ "$(grep -l '^Label:' "$WORK/$1"/K*.private | wc -l)" = "$2" ] && ! grep '^PrivateKey:' "$WORK/$1"/K*.private
}
signed() { # zone
    (cd "$WORK/$1" && timeout 120 dnssec-signzone -S -z -o "$1" -f signed zone) && [ "$(grep -c RRSIG "$WORK/$1/signed")" -ge 8 ]
}
independently() { # zone file
    ldns-verify-zone "$WORK/$1/$2"
}
same_key() { # zone name: a DNSKEY of the zone is the vault's public key
    local der
    der=$("$KEYWARD" key public "web/$2" | openssl pkey -pubin -outform DER | tail -c 64 | base64 -w 0)
    sed -n 's/.* DNSKEY 25[67] 3 13 //p' "$WORK/$1"/K*.key | tr -d ' ' | tee "$WORK/dnskeys"
    grep -qxF "$der" "$WORK/dnskeys"
}
zone ec.test
check "dnssec-keyfromlabel takes a key of the HSM" key_of ec.test ECDSAP256SHA256 ksk -f KSK
check "and a software key" key_of ec.test ECDSAP256SHA256 zsk
check "it wrote names of keys, not keys" only_named ec.test 2
check "the public key in the zone is the vault's" same_key ec.test ksk
check "dnssec-signzone signs with ECDSA" signed ec.test
check "ldns verifies the zone" independently ec.test signed
check "and dnssec-verify" dnssec-verify -z -o ec.test "$WORK/ec.test/signed"
sed 's/192\.0\.2\.2/192.0.2.3/' "$WORK/ec.test/signed" >"$WORK/ec.test/changed"
refuses "a zone with another address is found out" 'Bogus|error' independently ec.test changed

zone rsa.test
check "RSA keys are taken" key_of rsa.test RSASHA256 rsaksk -f KSK
check "of both protections" key_of rsa.test RSASHA256 rsazsk
check "dnssec-signzone signs with RSA" signed rsa.test
check "ldns verifies that zone" independently rsa.test signed
refuses "a key that is not there" 'not found|failed' key_of rsa.test RSASHA256 nobody

# ---- the policy says no ----
cat >"$WORK/no-sign.cedar" <<'CEDAR'
permit (principal == User::"alice", action in Action::"cryptoUser", resource);
@id("no-new-zones")
forbid (principal, action == Action::"sign", resource) when { resource.name == "rsazsk" };
CEDAR
"$KEYWARD" policy apply web "$WORK/no-sign.cedar" >/dev/null
refuses "a zone whose key the policy forbids is not signed" 'fail' signed rsa.test
check "its neighbour is" signed ec.test
denied() {
    "$KEYWARD" log show --denied | grep no-new-zones
}
check "the refusal is in the log, with the rule" denied
check "the log verifies" "$KEYWARD" log verify
finish
