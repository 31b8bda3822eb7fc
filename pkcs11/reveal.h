/*
 * The value of a key, for C_GetAttributeValue (PKCS#11 2.40 base, footnote 7): only of a software
 * key that is not sensitive and may be extracted. An HSM key's never comes out.
 */
#ifndef KEYWARD_PKCS11_REVEAL_H
#define KEYWARD_PKCS11_REVEAL_H

#include "pkcs11/call.h"

/* Is this attribute part of the key's value, and the key one whose value may be shown? */
bool reveal_has(const struct object *key, CK_ATTRIBUTE_TYPE type);

/* The value as attributes: CKA_VALUE, CKA_PRIVATE_EXPONENT and so on. Secret: release it with
 * attrs_release(), which wipes. To be called when the gate has said yes. */
MUST_CHECK CK_RV reveal_value(struct run *run, const struct object *key, struct attrs *ret);

#endif
