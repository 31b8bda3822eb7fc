/*
 * Parameter sets of ML-KEM (FIPS 203), ML-DSA (FIPS 204) and SLH-DSA (FIPS 205) as a table: what
 * CKA_PARAMETER_SET, NIST and OpenSSL call them, and how long what they make is.
 */
#ifndef KEYWARD_BASE_PARAM_SET_H
#define KEYWARD_BASE_PARAM_SET_H

#include "base/pkcs11.h"

#include <stddef.h>

struct param_set {
    CK_KEY_TYPE type;  /* CKK_ML_KEM, CKK_ML_DSA, CKK_SLH_DSA */
    CK_ULONG set;      /* CKP_ML_DSA_44 */
    const char *name;  /* "ML-DSA-44": NIST's and OpenSSL's */
    const char *word;  /* "ml-dsa-44": the command's, and the policy's */
    const char *oid;   /* of its keys */
    CK_ULONG size;     /* the number in its name */
    size_t public_len; /* bytes of CKA_VALUE of the public key */
    size_t private_len;
    size_t seed_len;   /* CKA_SEED; 0: it has none in PKCS#11 */
    size_t output_len; /* of a signature; of ML-KEM: of a ciphertext */
};

const struct param_set *param_set_at(size_t i); /* NULL past the end */
/* NULL when keys of this type have no such set. */
const struct param_set *param_set_find(CK_KEY_TYPE type, CK_ULONG set);

#endif
