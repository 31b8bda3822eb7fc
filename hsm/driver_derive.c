/*
 * Key agreement with keys of the HSM. The HSM gives the shared value (SEC 1, 3.3.1), which is a
 * secret of this one agreement and not of its key; what the parameters make of it is done here, as
 * for a software key.
 */
#include "hsm/hsm_int.h"
#include "hsm/pool.h"
#include "hsm/software_kdf.h"

#define SHARED_MAX 1024

static CK_RV agree(void *device, struct local *local, const struct hsm_key *key,
                   const CK_ECDH1_DERIVE_PARAMS *params, struct bytes point, size_t len,
                   struct secret **ret)
{
    struct wire_request q = {.op = WIRE_AGREE, .spec.key = *key, .in = point};
    struct buf shared = BUF_INIT(SHARED_MAX);
    bool lost;
    CK_RV rv = pool_call(device, &q, true, &shared, &lost);

    if (rv == CKR_OK)
        rv = kdf_agreement(local, params, buf_bytes(&shared), len, ret);
    buf_release_secure(&shared);
    return rv;
}

CK_RV driver_derive(void *device, struct local *local, const struct hsm_key *key,
                    const CK_MECHANISM *mechanism, struct bytes second, const size_t *lens,
                    size_t count, struct secret **ret_values)
{
    const CK_ECDH1_DERIVE_PARAMS *params = mechanism->pParameter;

    (void)second;
    if (key->kind != HSM_KEY_PRIVATE || count != 1)
        return fail(CKR_MECHANISM_INVALID,
                    "secret keys in the HSM derive nothing: the HSM would give their values away");
    return agree(device, local, key, params, BYTES(params->pPublicData, params->ulPublicDataLen),
                 lens[0], ret_values);
}

CK_RV driver_decapsulate(void *device, struct local *local, const struct hsm_key *key,
                         const CK_MECHANISM *mechanism, struct bytes ciphertext, size_t len,
                         struct secret **ret_secret)
{
    const CK_ECDH1_DERIVE_PARAMS *params = mechanism->pParameter;
    CK_RV rv;

    if (key->type != CKK_EC)
        return fail(CKR_MECHANISM_INVALID, "the HSM does not decapsulate with this type of key");
    if (params->ulPublicDataLen > 0)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "pPublicData is NULL here: the other public value is the ciphertext");
    rv = agree(device, local, key, params, ciphertext, len, ret_secret);
    return rv == CKR_MECHANISM_PARAM_INVALID
               ? fail(CKR_WRAPPED_KEY_INVALID, "the ciphertext was not made for this key")
               : rv;
}

CK_RV driver_check_value(void *device, const struct hsm_key *key, struct buf *out)
{
    struct wire_request q = {.op = WIRE_CHECK_VALUE, .spec.key = *key};
    bool lost;

    return pool_call(device, &q, true, out, &lost);
}
