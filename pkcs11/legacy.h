/*
 * What a vault does for old data only, and only where it says so (keyward vault create --legacy):
 * mechanisms whose row says legacy (DES, MD5), keys that nothing else works with, RSA below 2048
 * bits, and unwrapping with CKM_AES_CBC_PAD.
 *
 * Asked each time anew: a vault that stops to say it stops doing it, also with keys that are there.
 */
#ifndef KEYWARD_PKCS11_LEGACY_H
#define KEYWARD_PKCS11_LEGACY_H

#include "base/mech.h"
#include "pkcs11/call.h"

/* Does the run's vault offer it, as far as that goes? */
bool legacy_allows(const struct run *run, const struct mech *mech);
/* CKR_MECHANISM_INVALID when it does not. */
MUST_CHECK CK_RV legacy_check(const struct run *run, const struct mech *mech);
/* CKR_ATTRIBUTE_VALUE_INVALID for a type of key that the run's vault does not keep. */
MUST_CHECK CK_RV legacy_check_key_type(const struct run *run, CK_KEY_TYPE type);
/* The same for an RSA key of so many bits. */
MUST_CHECK CK_RV legacy_check_rsa(const struct run *run, CK_ULONG bits);
/* The shortest keys that the mechanism takes in the run's vault, in its unit. */
CK_ULONG legacy_min(const struct run *run, const struct mech *mech);

#endif
