/* Secrets made from what is no key: see local_secret.h. */
#include "hsm/local_secret.h"
#include "hsm/software_kdf.h"

#include <openssl/params.h>

static const struct {
    CK_ULONG prf;
    CK_MECHANISM_TYPE hash;
} prfs[] = {
    {CKP_PKCS5_PBKD2_HMAC_SHA1, CKM_SHA_1},
    {CKP_PKCS5_PBKD2_HMAC_SHA224, CKM_SHA224},
    {CKP_PKCS5_PBKD2_HMAC_SHA256, CKM_SHA256},
    {CKP_PKCS5_PBKD2_HMAC_SHA384, CKM_SHA384},
    {CKP_PKCS5_PBKD2_HMAC_SHA512, CKM_SHA512},
    {CKP_PKCS5_PBKD2_HMAC_SHA512_224, CKM_SHA512_224},
    {CKP_PKCS5_PBKD2_HMAC_SHA512_256, CKM_SHA512_256},
};

static const char *hash_of_prf(CK_ULONG prf)
{
    for (size_t i = 0; i < sizeof(prfs) / sizeof(*prfs); i++) {
        if (prfs[i].prf == prf)
            return local_hash_name(prfs[i].hash);
    }
    return NULL;
}

CK_RV local_pbkdf2(struct local *local, const CK_PKCS5_PBKD2_PARAMS2 *p, size_t len,
                   struct secret **ret_value)
{
    LOCAL_QUIET;
    const char *hash = hash_of_prf(p->prf);
    uint64_t iterations = p->iterations;
    int plain = 1; /* salts and counts as the standard allows them, not as SP 800-132 does */
    OSSL_PARAM params[] = {
        kdf_text(OSSL_KDF_PARAM_DIGEST, hash != NULL ? hash : ""),
        kdf_octets(OSSL_KDF_PARAM_PASSWORD, BYTES(p->pPassword, p->ulPasswordLen)),
        kdf_octets(OSSL_KDF_PARAM_SALT, BYTES(p->pSaltSourceData, p->ulSaltSourceDataLen)),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_ITER, &iterations),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &plain),
        OSSL_PARAM_construct_end(),
    };

    if (hash == NULL || iterations == 0)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "PBKDF2 with PRF 0x%lx and %lu iterations is not "
                    "done here",
                    p->prf, p->iterations);
    return kdf_run(local, OSSL_KDF_NAME_PBKDF2, params, len, ret_value);
}
