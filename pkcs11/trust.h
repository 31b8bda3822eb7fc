/*
 * CKA_TRUSTED: set by the security officer and nobody else (PKCS#11 2.40 base, footnote 10). A key
 * with CKA_WRAP_WITH_TRUSTED leaves only under one that is trusted, so whoever can set this can let
 * keys out.
 */
#ifndef KEYWARD_PKCS11_TRUST_H
#define KEYWARD_PKCS11_TRUST_H

#include "pkcs11/call.h"

/* before NULL: a new object. CKR_USER_NOT_LOGGED_IN where it becomes trusted and the security
 * officer is not logged in. */
MUST_CHECK CK_RV trust_check(struct run *run, const struct attrs *before,
                             const struct attrs *after);

#endif
