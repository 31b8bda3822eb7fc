/* The types of keys, one row each: see hsm_int.h. */
#include "hsm/hsm_int.h"

#define SECRET_BYTES_MAX 4096

static bool fits_any(size_t len)
{
    return len > 0 && len <= SECRET_BYTES_MAX;
}

static bool fits_aes(size_t len)
{
    return len == 16 || len == 24 || len == 32;
}

static bool fits_xts(size_t len)
{
    return len == 32 || len == 64;
}

static bool fits_des(size_t len)
{
    return len == 8;
}

static bool fits_des3(size_t len)
{
    return len == 24;
}

static bool fits_chacha20(size_t len)
{
    return len == 32;
}

static const struct hsm_key_type types[] = {
    {CKK_RSA, HSM_KEY_PRIVATE, CKM_RSA_PKCS_KEY_PAIR_GEN, NULL},
    {CKK_EC, HSM_KEY_PRIVATE, CKM_EC_KEY_PAIR_GEN, NULL},
    {CKK_EC_EDWARDS, HSM_KEY_PRIVATE, CKM_EC_EDWARDS_KEY_PAIR_GEN, NULL},
    {CKK_EC_MONTGOMERY, HSM_KEY_PRIVATE, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, NULL},
    {CKK_ML_KEM, HSM_KEY_PRIVATE, CKM_ML_KEM_KEY_PAIR_GEN, NULL},
    {CKK_ML_DSA, HSM_KEY_PRIVATE, CKM_ML_DSA_KEY_PAIR_GEN, NULL},
    {CKK_SLH_DSA, HSM_KEY_PRIVATE, CKM_SLH_DSA_KEY_PAIR_GEN, NULL},
    {CKK_AES, HSM_KEY_SECRET, CKM_AES_KEY_GEN, fits_aes},
    {CKK_AES_XTS, HSM_KEY_SECRET, CKM_AES_XTS_KEY_GEN, fits_xts},
    {CKK_CHACHA20, HSM_KEY_SECRET, CKM_CHACHA20_KEY_GEN, fits_chacha20},
    {CKK_DES, HSM_KEY_SECRET, CKM_DES_KEY_GEN, fits_des},
    {CKK_DES3, HSM_KEY_SECRET, CKM_DES3_KEY_GEN, fits_des3},
    {CKK_GENERIC_SECRET, HSM_KEY_SECRET, CKM_GENERIC_SECRET_KEY_GEN, fits_any},
    {CKK_HKDF, HSM_KEY_SECRET, CKM_HKDF_KEY_GEN, fits_any},
    {CKK_MD5_HMAC, HSM_KEY_SECRET, KW_NO_MECHANISM, fits_any}, /* comes from outside only */
    {CKK_SHA_1_HMAC, HSM_KEY_SECRET, CKM_SHA_1_KEY_GEN, fits_any},
    {CKK_SHA224_HMAC, HSM_KEY_SECRET, CKM_SHA224_KEY_GEN, fits_any},
    {CKK_SHA256_HMAC, HSM_KEY_SECRET, CKM_SHA256_KEY_GEN, fits_any},
    {CKK_SHA384_HMAC, HSM_KEY_SECRET, CKM_SHA384_KEY_GEN, fits_any},
    {CKK_SHA512_HMAC, HSM_KEY_SECRET, CKM_SHA512_KEY_GEN, fits_any},
    {CKK_SHA512_224_HMAC, HSM_KEY_SECRET, CKM_SHA512_224_KEY_GEN, fits_any},
    {CKK_SHA512_256_HMAC, HSM_KEY_SECRET, CKM_SHA512_256_KEY_GEN, fits_any},
    {CKK_SHA3_224_HMAC, HSM_KEY_SECRET, CKM_SHA3_224_KEY_GEN, fits_any},
    {CKK_SHA3_256_HMAC, HSM_KEY_SECRET, CKM_SHA3_256_KEY_GEN, fits_any},
    {CKK_SHA3_384_HMAC, HSM_KEY_SECRET, CKM_SHA3_384_KEY_GEN, fits_any},
    {CKK_SHA3_512_HMAC, HSM_KEY_SECRET, CKM_SHA3_512_KEY_GEN, fits_any},
};

#define COUNT (sizeof(types) / sizeof(*types))

CK_RV hsm_key_type_of(const struct hsm_key *key, const struct hsm_key_type **ret)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (types[i].type == key->type && types[i].kind == key->kind) {
            *ret = &types[i];
            return CKR_OK;
        }
    }
    return fail(CKR_TEMPLATE_INCONSISTENT, "there is no %s key of type 0x%lx",
                key->kind == HSM_KEY_SECRET ? "secret" : "private", key->type);
}

const struct hsm_key_type *hsm_key_type_made_by(CK_MECHANISM_TYPE generator)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (types[i].generator == generator)
            return &types[i];
    }
    return NULL;
}

CK_RV hsm_check_secret_len(const struct hsm_key_type *type, size_t len)
{
    return type->fits(len)
               ? CKR_OK
               : fail(CKR_KEY_SIZE_RANGE, "a key of this type does not have %zu bytes", len);
}
