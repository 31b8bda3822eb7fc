/* Signatures that hold what was signed: RSA without a digest (PKCS#11 2.40, 5.11 and 5.12). See
 * local.h. */
#include "base/mech.h"
#include "hsm/local_int.h"

#include <openssl/rsa.h>

static CK_RV fail_recovery(void)
{
    return fail(CKR_SIGNATURE_INVALID,
                "nothing can be recovered from the signature: check which key signed it");
}

static CK_RV recover_with(EVP_PKEY_CTX *ctx, int padding, size_t modulus_len,
                          struct bytes signature, struct buf *ret)
{
    size_t len = modulus_len;
    uint8_t *at;

    if (ctx == NULL || EVP_PKEY_verify_recover_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, padding) != 1)
        return local_fail("start a verification");
    buf_clear(ret);
    at = buf_grow(ret, modulus_len);
    if (at == NULL)
        return fail_memory();
    ret->len = 0;
    if (EVP_PKEY_verify_recover(ctx, at, &len, signature.data, signature.len) != 1 ||
        len > modulus_len)
        return fail_recovery();
    ret->len = len;
    return CKR_OK;
}

CK_RV local_recover(struct local *local, EVP_PKEY *key, int padding, struct bytes signature,
                    struct buf *ret)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(local->ctx, key, NULL);
    size_t modulus_len = (size_t)EVP_PKEY_get_size(key);

    if (signature.len != modulus_len)
        return fail(CKR_SIGNATURE_LEN_RANGE,
                    "the signature has %zu bytes where this key makes %zu: check which key signed "
                    "it",
                    signature.len, modulus_len);
    return recover_with(ctx, padding, modulus_len, signature, ret);
}

static const struct {
    CK_MECHANISM_TYPE type;
    int padding;
} paddings[] = {
    {CKM_RSA_PKCS, RSA_PKCS1_PADDING},
    {CKM_RSA_X_509, RSA_NO_PADDING},
};

CK_RV local_verify_recover(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                           struct bytes signature, struct buf *ret_data)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    CK_RV rv;

    for (size_t i = 0; i < sizeof(paddings) / sizeof(*paddings); i++) {
        if (paddings[i].type != mechanism->mechanism)
            continue;
        rv = local_public_load(local, spki, &key);
        if (rv == CKR_OK && local_key_type(key) != CKK_RSA)
            rv = fail(CKR_KEY_TYPE_INCONSISTENT, "only RSA signatures hold what was signed");
        return rv == CKR_OK ? local_recover(local, key, paddings[i].padding, signature, ret_data)
                            : rv;
    }
    return fail(CKR_MECHANISM_INVALID, "mechanism 0x%lx recovers nothing: see C_GetMechanismList",
                mechanism->mechanism);
}
