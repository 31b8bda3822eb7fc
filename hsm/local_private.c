/*
 * Private keys from and to their material, and checks of both halves: see local_private.h and
 * local_int.h.
 */
#include "hsm/local_private.h"
#include "hsm/local_int.h"
#include "hsm/local_pq.h"

#include <openssl/decoder.h>
#include <openssl/encoder.h>

SCOPE_DEFINE(OSSL_DECODER_CTX, OSSL_DECODER_CTX_free)
SCOPE_DEFINE(OSSL_ENCODER_CTX, OSSL_ENCODER_CTX_free)

#define MATERIAL_MAX (64u << 10)

CK_RV local_private_fail(const char *what)
{
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "the private key %s: give a whole RSA key of 1024 to 16384 bits, one on a named "
                "curve, or one of a parameter set",
                what);
}

CK_RV local_private_load(struct local *local, struct bytes material, EVP_PKEY **ret)
{
    EVP_PKEY *key = NULL;
    const unsigned char *p = material.data;
    size_t left = material.len;
    SCOPED(OSSL_DECODER_CTX_free_p)
    OSSL_DECODER_CTX *ctx = NULL;
    bool decoded;

    if (material.len == 0 || material.len > MATERIAL_MAX)
        return local_private_fail("is empty or too long");
    ctx = OSSL_DECODER_CTX_new_for_pkey(&key, "DER", "PrivateKeyInfo", NULL, EVP_PKEY_KEYPAIR,
                                        local->ctx, NULL);
    if (ctx == NULL)
        return local_fail("start to decode a private key");
    decoded = OSSL_DECODER_from_data(ctx, &p, &left) == 1 && left == 0;
    if (!decoded) {
        EVP_PKEY_free(key);
        return local_private_fail("is no PKCS#8 PrivateKeyInfo, or has bytes behind its end");
    }
    *ret = key;
    return CKR_OK;
}

/* An EC key that came without its point would be written without it: one form for one key. */
static bool include_point(EVP_PKEY *key)
{
    return !EVP_PKEY_is_a(key, "EC") ||
           EVP_PKEY_set_int_param(key, OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, 1) == 1;
}

CK_RV local_private_encode(EVP_PKEY *key, struct secret **ret_material)
{
    SCOPED(OSSL_ENCODER_CTX_free_p) OSSL_ENCODER_CTX *ctx = NULL;
    unsigned char *der = NULL;
    size_t len = 0;
    struct secret *material;

    if (include_point(key))
        ctx = OSSL_ENCODER_CTX_new_for_pkey(key, EVP_PKEY_KEYPAIR, "DER", "PrivateKeyInfo", NULL);
    if (ctx == NULL || OSSL_ENCODER_to_data(ctx, &der, &len) != 1)
        return local_fail("encode a private key");
    material = secret_copy(BYTES(der, len));
    OPENSSL_clear_free(der, len);
    if (material == NULL)
        return fail_memory();
    *ret_material = material;
    return CKR_OK;
}

CK_KEY_TYPE local_key_type(const EVP_PKEY *key)
{
    const struct local_curve *curve = local_curve_of_key(key);

    const struct param_set *set = local_param_set_of_key(key);

    if (EVP_PKEY_is_a(key, "RSA"))
        return CKK_RSA;
    if (set != NULL)
        return set->type;
    return curve != NULL ? curve->type : CK_UNAVAILABLE_INFORMATION;
}

static CK_RV check(struct local *local, EVP_PKEY *key)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(local->ctx, key, NULL);

    if (ctx == NULL)
        return fail_memory();
    if (EVP_PKEY_check(ctx) != 1)
        return local_private_fail("does not fit its public half, or its numbers do not agree");
    return CKR_OK;
}

CK_RV local_private_normal(struct local *local, CK_KEY_TYPE type, struct bytes material,
                           EVP_PKEY **ret)
{
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    CK_RV rv = local_private_load(local, material, &key);

    if (rv == CKR_OK)
        rv = local_public_check(key);
    if (rv == CKR_OK && local_key_type(key) != type)
        rv = local_private_fail("is of another type than it is said to be");
    if (rv == CKR_OK)
        rv = check(local, key);
    if (rv == CKR_OK)
        *ret = TAKE(key);
    return rv;
}

CK_RV local_private_import(struct local *local, CK_KEY_TYPE type, struct bytes material,
                           struct buf *ret_spki, struct secret **ret_material)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    CK_RV rv = local_private_normal(local, type, material, &key);

    if (rv == CKR_OK)
        rv = local_public_encode(key, ret_spki);
    return rv == CKR_OK ? local_private_encode(key, ret_material) : rv;
}
