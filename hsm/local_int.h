/*
 * What the local_*.c files share: the context with what was fetched from it, and how OpenSSL is
 * entered and left. Nobody else includes this; only these files and the room's driver include
 * OpenSSL.
 */
#ifndef KEYWARD_HSM_LOCAL_INT_H
#define KEYWARD_HSM_LOCAL_INT_H

#include "base/mech.h"
#include "base/secret.h"
#include "hsm/local.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

#define LOCAL_HASHES 14

struct local {
    struct local_context *context;
    OSSL_LIB_CTX *ctx;            /* the context's */
    EVP_MD *hashes[LOCAL_HASHES]; /* in the order of the table in local.c */
    EVP_MAC *hmac;
    EVP_KDF *hkdf;
    EVP_KDF *scrypt;
    EVP_CIPHER *gcm;
};

/* ---- local_context.c: the library context goes with the last who holds it ---- */
struct local_context;
MUST_CHECK CK_RV local_context_new(struct local_context **ret);
OSSL_LIB_CTX *local_context_ctx(const struct local_context *context);
/* The struct local's part is given up, and this thread's. NULL is fine. */
void local_context_free(struct local_context *context);

/*
 * Stands first in every function that calls OpenSSL: what is put on the error queue until the end
 * of the scope is taken off again, what the host had there stays.
 */
static inline void local_errors_restore(const int *mark)
{
    (void)mark;
    (void)ERR_pop_to_mark();
}
#define LOCAL_QUIET                                                                                \
    SCOPED(local_errors_restore)                                                                   \
    __attribute__((unused)) const int quiet_mark_ = ERR_set_mark()

/* OpenSSL's last error as a failure: CKR_HOST_MEMORY, or CKR_DEVICE_ERROR with its reason. Call it
 * before the scope ends. */
__attribute__((cold)) CK_RV local_fail(const char *doing);

/* Is this OpenSSL young enough for the mechanism? */
bool local_does(const struct mech *mech);

/* The fetched digest for CKM_SHA256 and its like; NULL when the mechanism is no digest we have. */
EVP_MD *local_hash(struct local *local, CK_MECHANISM_TYPE hash);
const char *local_hash_name(CK_MECHANISM_TYPE hash);

/* Sealing with a given nonce: for the known answers only; a nonce used twice gives the key away. */
MUST_CHECK CK_RV local_seal_with(struct local *local, struct bytes key32,
                                 const uint8_t nonce[static 12], struct bytes aad,
                                 struct bytes plain, struct buf *ret_sealed);

struct local_scrypt_cost {
    uint64_t n;
    uint32_t r, p;
};
MUST_CHECK CK_RV local_scrypt_with(struct local *local, const struct local_scrypt_cost *cost,
                                   struct bytes pin, struct bytes salt, uint8_t *out, size_t len);

/* A public key of a SubjectPublicKeyInfo, checked: no trailing bytes, a named curve of the table, a
 * sound RSA key. */
MUST_CHECK CK_RV local_public_load(struct local *local, struct bytes spki, EVP_PKEY **ret);

/* The checks of local_public_load() on a key that came in another way. */
MUST_CHECK CK_RV local_public_check(const EVP_PKEY *key);
/* Its SubjectPublicKeyInfo. */
MUST_CHECK CK_RV local_public_encode(const EVP_PKEY *key, struct buf *ret_spki);
/* OpenSSL's key type ("RSA", a curve's name) by a name that no engine answers to. */
const char *local_key_oid(const char *name);

/* ---- local_private.c ---- */
/* No check but the encoding's: for material that was checked when it came. */
MUST_CHECK CK_RV local_private_load(struct local *local, struct bytes material, EVP_PKEY **ret);
MUST_CHECK CK_RV local_private_encode(EVP_PKEY *key, struct secret **ret_material);
/* For what comes from outside: type, curve and sizes, the numbers agree, the halves fit. Slow for
 * RSA (primes). */
MUST_CHECK CK_RV local_private_normal(struct local *local, CK_KEY_TYPE type, struct bytes material,
                                      EVP_PKEY **ret);
__attribute__((cold)) CK_RV local_private_fail(const char *what);
/* CKK_ of a loaded key, CK_UNAVAILABLE_INFORMATION when it is none of ours. */
CK_KEY_TYPE local_key_type(const EVP_PKEY *key);

/* ---- local_recover.c ---- */
#define LOCAL_MODULUS_MAX 2048U /* bytes */
/* What a signature holds, under a padding of OpenSSL's: CKR_SIGNATURE_INVALID when it does not. */
MUST_CHECK CK_RV local_recover(struct local *local, EVP_PKEY *key, int padding,
                               struct bytes signature, struct buf *ret);

/* ---- local_verify.c: paddings, set on a context after its init ---- */
MUST_CHECK CK_RV local_set_oaep(struct local *local, EVP_PKEY_CTX *ctx,
                                const CK_RSA_PKCS_OAEP_PARAMS *params);
MUST_CHECK CK_RV local_set_pss(struct local *local, EVP_PKEY_CTX *ctx,
                               const CK_RSA_PKCS_PSS_PARAMS *params, size_t modulus_len);

/* ---- local_eddsa.c ---- */
struct local_curve;
/* What to begin a signature with: params is NULL for the pure form. Points into itself and to the
 * mechanism's context: never moved. */
struct local_eddsa {
    const OSSL_PARAM *params;
    OSSL_PARAM list[3];
    char instance[16];
};
/* CKR_MECHANISM_PARAM_INVALID for a form that is none, or that this OpenSSL does not have. */
MUST_CHECK CK_RV local_eddsa_form(const struct local_curve *curve, const CK_MECHANISM *mechanism,
                                  struct local_eddsa *ret);
/* Others than the pure one: not before OpenSSL 3.2. */
bool local_has_eddsa_forms(void);

/* One row a curve: what PKCS#11 calls it (DER of CKA_EC_PARAMS), what OpenSSL calls it. */
struct local_curve {
    const char *name;
    CK_KEY_TYPE type;
    struct bytes params;
    unsigned bits;
    unsigned field_len; /* bytes of a coordinate; of an Edwards point */
    unsigned order_len; /* bytes of r and of s */
};
/* NULL when there is no such row. */
const struct local_curve *local_curve_of_params(CK_KEY_TYPE type, struct bytes params);
const struct local_curve *local_curve_of_key(const EVP_PKEY *key);
/* The point as PKCS#11 has it inside its OCTET STRING. */
#define LOCAL_POINT_MAX 256
MUST_CHECK CK_RV local_public_point(const EVP_PKEY *key, const struct local_curve *curve,
                                    uint8_t out[static LOCAL_POINT_MAX], size_t *ret_len);
/* Is this encoding of a point of an Edwards curve one of small order (local_small_order.c)? */
bool local_point_is_small(struct bytes point);

SCOPE_DEFINE(EVP_PKEY, EVP_PKEY_free)
SCOPE_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
SCOPE_DEFINE(EVP_MD_CTX, EVP_MD_CTX_free)
SCOPE_DEFINE(EVP_MAC_CTX, EVP_MAC_CTX_free)
SCOPE_DEFINE(EVP_KDF_CTX, EVP_KDF_CTX_free)
SCOPE_DEFINE(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

#endif
