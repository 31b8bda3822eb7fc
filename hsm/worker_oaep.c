/*
 * OAEP undone here, for HSMs that know it with SHA-1 and no label only: RFC 8017, section 7.1.2, by OpenSSL's constant-time
 * decoder. Which check failed must not show, in the code or in the time: that is all an attacker needs (Manger, 2001).
 */
/* The decoder has no successor in OpenSSL 3's interfaces: EVP does the padding only together with its own RSA. */
#define OPENSSL_API_COMPAT 0x10101000L
#include "base/mech.h"
#include "hsm/worker_int.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static const struct {
    CK_MECHANISM_TYPE hash;
    const char *name;
} names[] = {
    {CKM_SHA_1, "SHA1"},     {CKM_SHA224, "SHA224"}, {CKM_SHA256, "SHA256"},
    {CKM_SHA384, "SHA384"}, {CKM_SHA512, "SHA512"},
};

static EVP_MD *fetch(OSSL_LIB_CTX *ctx, CK_MECHANISM_TYPE hash)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (names[i].hash == hash)
            return EVP_MD_fetch(ctx, names[i].name, NULL);
    }
    return NULL;
}

static CK_RV decode(const CK_RSA_PKCS_OAEP_PARAMS *p, struct bytes block, const EVP_MD *hash,
                    const EVP_MD *mgf, struct buf *out)
{
    uint8_t *at = buf_grow(out, block.len);
    int n;

    if (at == NULL)
        return fail_memory();
    n = RSA_padding_check_PKCS1_OAEP_mgf1(at, (int)block.len, block.data, (int)block.len,
                                          (int)block.len, p->pSourceData, (int)p->ulSourceDataLen,
                                          hash, mgf);
    out->len -= block.len - (n > 0 ? (size_t)n : 0);
    return n >= 0 ? CKR_OK : fail(CKR_ENCRYPTED_DATA_INVALID, "this is no OAEP ciphertext for this key");
}

CK_RV oaep_decode(const CK_RSA_PKCS_OAEP_PARAMS *params, struct bytes block, struct buf *out)
{
    OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();
    EVP_MD *hash = ctx != NULL ? fetch(ctx, params->hashAlg) : NULL;
    EVP_MD *mgf = ctx != NULL ? fetch(ctx, mech_mgf_hash(params->mgf)) : NULL;
    CK_RV rv;

    ERR_set_mark();
    if (hash == NULL || mgf == NULL)
        rv = fail(CKR_MECHANISM_PARAM_INVALID, "OAEP with this hash is not known here");
    else
        rv = decode(params, block, hash, mgf, out);
    ERR_pop_to_mark();
    EVP_MD_free(hash);
    EVP_MD_free(mgf);
    OSSL_LIB_CTX_free(ctx);
    return rv;
}
