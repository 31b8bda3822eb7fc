/* Decapsulation in software: see software_int.h. The other side is local_encapsulate.c; RSA is
 * unwrapping, which hsm.c sees to. */
#include "hsm/software_int.h"

#include <string.h>

static CK_RV fail_ciphertext(void)
{
    return fail(CKR_WRAPPED_KEY_INVALID, "the ciphertext was not made for this key");
}

/* ---- ECDH1 ---- */

static CK_RV run_ecdh(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                      struct bytes ciphertext, size_t len, struct secret **ret)
{
    const CK_ECDH1_DERIVE_PARAMS *params = mechanism->pParameter;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *peer = NULL;
    CK_RV rv;

    if (params->ulPublicDataLen > 0)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "pPublicData is NULL here: the other public value is the ciphertext");
    rv = software_load_peer(ready, ciphertext, &peer);
    if (rv == CKR_OK)
        rv = software_exchange(ready, peer, params, len, ret);
    return rv == CKR_MECHANISM_PARAM_INVALID ? fail_ciphertext() : rv;
}

/* ---- ML-KEM ---- */

#define ML_KEM_SECRET 32

/* A changed ciphertext gives another secret (FIPS 203, 6.3): nobody learns that it was one. */
static CK_RV run_ml_kem(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                        struct bytes ciphertext, size_t len, struct secret **ret)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(ready->local->ctx, ready->key, NULL);
    SCOPED_SECRET secret = secret_new(ML_KEM_SECRET);
    size_t secret_len = ML_KEM_SECRET;

    (void)mechanism;
    if (ciphertext.len != ready->set->output_len)
        return fail(CKR_WRAPPED_KEY_LEN_RANGE, "the ciphertext has %zu bytes where %s makes %zu",
                    ciphertext.len, ready->set->name, ready->set->output_len);
    if (len != 0 && len != ML_KEM_SECRET)
        return fail(CKR_KEY_SIZE_RANGE, "ML-KEM makes secrets of %d bytes, not %zu", ML_KEM_SECRET,
                    len);
    if (ctx == NULL || secret == NULL)
        return fail_memory();
    if (EVP_PKEY_decapsulate_init(ctx, NULL) != 1 ||
        EVP_PKEY_decapsulate(ctx, secret->data, &secret_len, ciphertext.data, ciphertext.len) != 1)
        return local_fail("decapsulate a secret");
    *ret = TAKE(secret);
    return CKR_OK;
}

/* ---- all ---- */

static const struct kem_row {
    CK_MECHANISM_TYPE mechanism;
    CK_RV(*run)
    (const struct hsm_ready *ready, const CK_MECHANISM *mechanism, struct bytes ciphertext,
     size_t len, struct secret **ret);
} rows[] = {
    {CKM_ECDH1_DERIVE, run_ecdh},
    {CKM_ECDH1_COFACTOR_DERIVE, run_ecdh},
    {CKM_ML_KEM, run_ml_kem},
};

static const struct kem_row *row_of(CK_MECHANISM_TYPE mechanism)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].mechanism == mechanism)
            return &rows[i];
    return NULL;
}

bool software_decapsulates(CK_MECHANISM_TYPE mechanism)
{
    return row_of(mechanism) != NULL;
}

CK_RV software_decapsulate(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                           struct bytes ciphertext, size_t len, struct secret **ret_secret)
{
    const struct kem_row *row = row_of(mechanism->mechanism);

    if (row == NULL)
        return fail(CKR_MECHANISM_INVALID, "mechanism 0x%lx decapsulates nothing in software",
                    mechanism->mechanism);
    return row->run(ready, mechanism, ciphertext, len, ret_secret);
}
