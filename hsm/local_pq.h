/*
 * What ML-KEM, ML-DSA and SLH-DSA share in this room: their keys in OpenSSL, and the messages and
 * parameters of their signatures. OpenSSL has them since 3.5; on an older one there is no such key,
 * and nothing here is reached.
 */
#ifndef KEYWARD_HSM_LOCAL_PQ_H
#define KEYWARD_HSM_LOCAL_PQ_H

#include "base/attrs.h"
#include "base/param_set.h"
#include "hsm/local_int.h"

/* The row of a loaded key; NULL when it is of another family. */
const struct param_set *local_param_set_of_key(const EVP_PKEY *key);

/* ---- keys, from and to PKCS#11's attributes; see local_private.h and local.h ---- */

MUST_CHECK CK_RV local_pq_from_attrs(struct local *local, CK_KEY_TYPE type,
                                     const struct attrs *attrs, EVP_PKEY **ret);
MUST_CHECK CK_RV local_pq_to_attrs(const EVP_PKEY *key, struct attrs *ret);
/* CKA_PARAMETER_SET and CKA_VALUE of a public key. */
MUST_CHECK CK_RV local_pq_put_public(const EVP_PKEY *key, struct local_public *p);
/* A new pair; seed: what it is made of, for known answers; empty: of random. */
MUST_CHECK CK_RV local_pq_make_pair(struct local *local, const struct param_set *set,
                                    struct bytes seed, EVP_PKEY **ret);

/* ---- signatures ---- */

/* What to begin a signature with, and what to sign. Points into itself and to the mechanism's
 * context: never moved. */
struct local_pq {
    OSSL_PARAM params[4];
    int deterministic, encoding;
    struct bytes message; /* in `built`, or the caller's data */
    struct buf built;
};

/*
 * mechanism: CKM_ML_DSA or CKM_SLH_DSA over data (FIPS 204, algorithm 2; FIPS 205, 22), or
 * CKM_HASH_ML_DSA or CKM_HASH_SLH_DSA over a digest (4 and 5; 23), with its parameters.
 * CKR_DATA_LEN_RANGE for a digest of another length.
 */
MUST_CHECK CK_RV local_pq_make(const CK_MECHANISM *mechanism, struct bytes data,
                               struct local_pq *ret);
void local_pq_release(struct local_pq *pq);

#endif
