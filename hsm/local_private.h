/*
 * Private keys between PKCS#11's attributes and their material, which is PKCS#8 PrivateKeyInfo
 * (RFC 5958) in DER. Thread-safe. Material and the attributes' values are secret: the one lives in
 * a struct secret, the others are released with attrs_release(), which wipes.
 */
#ifndef KEYWARD_HSM_LOCAL_PRIVATE_H
#define KEYWARD_HSM_LOCAL_PRIVATE_H

#include "base/attrs.h"
#include "base/secret.h"
#include "hsm/local.h"

/*
 * RSA: CKA_MODULUS, CKA_PUBLIC_EXPONENT and CKA_PRIVATE_EXPONENT are required
 * (CKR_TEMPLATE_INCOMPLETE), the rest is computed where it is not given and compared where it is.
 * EC, Edwards: CKA_EC_PARAMS and CKA_VALUE. ML-KEM, ML-DSA, SLH-DSA: CKA_PARAMETER_SET, and
 * CKA_VALUE, CKA_SEED or both. What does not fit together is CKR_ATTRIBUTE_VALUE_INVALID.
 */
MUST_CHECK CK_RV local_private_from_attrs(struct local *local, CK_KEY_TYPE type,
                                          const struct attrs *attrs, struct secret **ret_material);
/* Sets what the standard's tables list for a private key of this type; what else is in ret stays.
 */
MUST_CHECK CK_RV local_private_to_attrs(struct local *local, CK_KEY_TYPE type,
                                        struct bytes material, struct attrs *ret);

/*
 * What comes from outside, checked and in the one form we write. CKR_ATTRIBUTE_VALUE_INVALID when
 * its type is another, its numbers do not agree or its halves do not fit.
 */
MUST_CHECK CK_RV local_private_import(struct local *local, CK_KEY_TYPE type, struct bytes material,
                                      struct buf *ret_spki, struct secret **ret_material);

/*
 * A private key out of a file, PEM or DER: PKCS#8, SEC 1 or PKCS#1; its type and its material. One
 * that is encrypted, or is none: CKR_ARGUMENTS_BAD. Nothing is asked of anybody.
 */
MUST_CHECK CK_RV local_private_decode(struct local *local, struct bytes file, CK_KEY_TYPE *ret_type,
                                      struct secret **ret_material);

#endif
