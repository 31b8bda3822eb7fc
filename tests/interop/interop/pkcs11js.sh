#!/usr/bin/env bash
# Node's pkcs11js, unmodified, signs with keys of a vault; openssl and node verify.
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
need node npm openssl timeout
VERSION=2.1.7
# Built here, against the headers of node's package where they are.
NODEDIR=()
[ ! -e /usr/include/node/node_api.h ] || NODEDIR=(--nodedir=/usr)
timeout 200 npm install --prefix "$WORK" --no-audit --no-fund "${NODEDIR[@]}" "pkcs11js@$VERSION" >"$WORK/npm" 2>&1 </dev/null ||
    skip_all "npm cannot install pkcs11js: $(head -n 1 "$WORK/npm")"
[ -e "$WORK/node_modules/pkcs11js/build/Release/pkcs11.node" ] || skip_all "pkcs11js cannot be built here"
make_home
for key in rsa:rsa:2048:hsm ec:ec:P-256:software; do
    IFS=: read -r name type size protection <<<"$key"
    "$KEYWARD" key create "web/$name" --type "$type:$size" --protection "$protection" >/dev/null
    "$KEYWARD" key public "web/$name" >"$WORK/$name.pub"
done
printf 'signed by node' >"$WORK/data"
printf 'something else' >"$WORK/other"
cat >"$WORK/sign.js" <<'JS'
/* Usage: node sign.js MODULE PIN-FILE LABEL MECHANISM DATA SIGNATURE */
const fs = require('fs');
const pkcs11js = require('pkcs11js');
const [module_, pinFile, label, mechanism, data, signature] = process.argv.slice(2);
const token = new pkcs11js.PKCS11();
token.load(module_);
token.C_Initialize();
try {
  const slot = token.C_GetSlotList(true).find((s) => token.C_GetTokenInfo(s).label.trim() === 'web');
  const session = token.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
  token.C_Login(session, pkcs11js.CKU_USER, fs.readFileSync(pinFile, 'utf8').trim());
  token.C_FindObjectsInit(session, [{ type: pkcs11js.CKA_CLASS, value: pkcs11js.CKO_PRIVATE_KEY }, { type: pkcs11js.CKA_LABEL, value: label }]);
  const key = token.C_FindObjects(session);
  token.C_FindObjectsFinal(session);
  token.C_SignInit(session, { mechanism: pkcs11js[mechanism] }, key);
  fs.writeFileSync(signature, token.C_Sign(session, fs.readFileSync(data), Buffer.alloc(1024)));
  token.C_Logout(session);
} finally {
  token.C_Finalize();
}
JS
signs() { # name mechanism pin-file
    rm -f "$WORK/$1.sig"
    (cd "$WORK" && foreign timeout 60 node sign.js "$MODULE" "$3" "$1" "$2" data "$1.sig")
}
verified() { # name data
    local form="$WORK/$1.sig"
    if [ "$1" = ec ]; then
        # PKCS#11 has r and s side by side, openssl wants them in DER.
        node -e 'const f = require("fs"), c = require("crypto"), [key, data, sig] = process.argv.slice(1);
            process.exit(c.verify("sha256", f.readFileSync(data), { key: f.readFileSync(key), dsaEncoding: "ieee-p1363" }, f.readFileSync(sig)) ? 0 : 1)' \
            "$WORK/ec.pub" "$WORK/$2" "$form"
    else
        openssl dgst -sha256 -verify "$WORK/$1.pub" -signature "$form" "$WORK/$2"
    fi
}
check "node signs with the RSA key" signs rsa CKM_SHA256_RSA_PKCS "$WORK/pin"
check "openssl verifies it" verified rsa data
refuses "but not with other data" 'failure' verified rsa other
check "node signs with the EC key" signs ec CKM_ECDSA_SHA256 "$WORK/pin"
check "node's own crypto verifies it" verified ec data
echo no-such-pin >"$WORK/wrong"
refuses "a wrong PIN signs nothing" 'CKR_PIN_INCORRECT' signs ec CKM_ECDSA_SHA256 "$WORK/wrong"
signatures() {
    [ "$("$KEYWARD" log show --vault web --json | grep -c '"action": *"sign"')" -ge 2 ]
}
check "the signatures are in the log" signatures
check "the log verifies" "$KEYWARD" log verify
finish
