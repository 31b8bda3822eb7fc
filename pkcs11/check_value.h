/* Key check values, so that two people can tell that they hold the same key. */
#ifndef KEYWARD_PKCS11_CHECK_VALUE_H
#define KEYWARD_PKCS11_CHECK_VALUE_H

#include "pkcs11/call.h"

/*
 * CKA_CHECK_VALUE of a secret key with this value (PKCS#11 2.40 base, 4.10): for a block cipher the
 * first three bytes of the encryption of a block of zeros, for others of the SHA-1 of the value.
 * What a template said of it is compared: CKR_ATTRIBUTE_VALUE_INVALID when it is another key's; an
 * empty one asks for none and stays.
 */
MUST_CHECK CK_RV check_value_set(struct run *run, struct object *key, struct bytes value);
/* The same of a key that lives in the HSM, which is asked; where the HSM cannot tell the key has
 * none. */
MUST_CHECK CK_RV check_value_ask(struct run *run, struct object *key);

#endif
