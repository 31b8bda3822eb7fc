/*
 * What is done here and what in the HSM: hashed signatures are a digest here and the raw mechanism
 * there. That is sound because the digest is public, and it spares the HSM the data.
 */
#include "hsm/hsm_int.h"

#include <string.h>

/* RFC 8017, appendix B.1 and note 1 of section 9.2: the DER in front of the digest. */
static const struct digest_info {
    CK_MECHANISM_TYPE hash;
    uint8_t prefix[19];
    uint8_t len;
} digest_infos[] = {
    {CKM_MD5,
     {0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05, 0x05,
      0x00, 0x04, 0x10},
     18},
    {CKM_SHA_1,
     {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14},
     15},
    {CKM_SHA224,
     {0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04,
      0x05, 0x00, 0x04, 0x1c},
     19},
    {CKM_SHA256,
     {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
      0x05, 0x00, 0x04, 0x20},
     19},
    {CKM_SHA384,
     {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
      0x05, 0x00, 0x04, 0x30},
     19},
    {CKM_SHA512,
     {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03,
      0x05, 0x00, 0x04, 0x40},
     19},
    {CKM_SHA3_224,
     {0x30, 0x2d, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x07,
      0x05, 0x00, 0x04, 0x1c},
     19},
    {CKM_SHA3_256,
     {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x08,
      0x05, 0x00, 0x04, 0x20},
     19},
    {CKM_SHA3_384,
     {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x09,
      0x05, 0x00, 0x04, 0x30},
     19},
    {CKM_SHA3_512,
     {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x0a,
      0x05, 0x00, 0x04, 0x40},
     19},
};

static const CK_FLAGS flag_of[] = {
    [HSM_SIGN] = CKF_SIGN,       [HSM_VERIFY] = CKF_VERIFY, [HSM_ENCRYPT] = CKF_ENCRYPT,
    [HSM_DECRYPT] = CKF_DECRYPT, [HSM_WRAP] = CKF_WRAP,     [HSM_UNWRAP] = CKF_UNWRAP,
};

CK_FLAGS plan_flag_of(enum hsm_use use)
{
    return flag_of[use];
}

CK_MECHANISM_TYPE plan_raw_of(CK_MECHANISM_TYPE mechanism)
{
    const struct mech *row = mech_find(mechanism);

    return row != NULL ? row->raw : KW_NO_MECHANISM;
}

/* Public halves are hsm/local.h's: here they would cost a way to the HSM, and mean trusting its
 * copy. */
static CK_RV check_use(enum hsm_use use, const struct hsm_key *key)
{
    if (key->kind == HSM_KEY_PRIVATE &&
        (use == HSM_VERIFY || use == HSM_ENCRYPT || use == HSM_WRAP))
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED,
                    "a private key neither verifies, encrypts nor wraps: use its public half");
    return CKR_OK;
}

CK_RV plan_check(CK_FLAGS use, const struct hsm_key *key, const CK_MECHANISM *mechanism)
{
    const struct mech *row = mech_find(mechanism->mechanism);

    if (row == NULL)
        return fail(CKR_MECHANISM_INVALID, "mechanism 0x%lx is not known", mechanism->mechanism);
    if (!mech_takes_key(row, key->type))
        return fail(CKR_KEY_TYPE_INCONSISTENT, "%s does not work with this type of key", row->name);
    if ((row->flags & use) == 0)
        return fail(CKR_MECHANISM_INVALID, "%s is not for this operation", row->name);
    return mech_check_params(row, mechanism);
}

CK_RV plan_make(enum hsm_use use, const struct hsm_key *key, const CK_MECHANISM *mechanism,
                struct plan *ret)
{
    const struct mech *row = mech_find(mechanism->mechanism);
    bool composed;
    CK_RV rv = plan_check(flag_of[use], key, mechanism);

    if (rv == CKR_OK)
        rv = check_use(use, key);
    if (rv != CKR_OK)
        return rv;
    composed = row->raw != KW_NO_MECHANISM;
    *ret = (struct plan){
        .row = row,
        .hash = composed ? row->hash : KW_NO_MECHANISM,
        .mechanism = composed ? row->raw : row->type,
    };
    return CKR_OK;
}

CK_MECHANISM plan_raw_mechanism(const struct plan *plan, const CK_MECHANISM *asked,
                                CK_HASH_SIGN_ADDITIONAL_CONTEXT *context)
{
    const struct mech *raw = mech_find(plan->mechanism);

    if (raw == NULL || raw->params != MECH_PARAMS_HASH_CONTEXT || plan->hash == KW_NO_MECHANISM)
        return (CK_MECHANISM){plan->mechanism, asked->pParameter, asked->ulParameterLen};
    *context = mech_hash_context(asked, plan->hash);
    return (CK_MECHANISM){plan->mechanism, context, sizeof(*context)};
}

CK_RV plan_message(const struct plan *plan, struct bytes digest,
                   uint8_t out[static PLAN_MESSAGE_MAX], size_t *ret_len)
{
    if (plan->mechanism != CKM_RSA_PKCS) {
        memcpy(out, digest.data, digest.len);
        *ret_len = digest.len;
        return CKR_OK;
    }
    for (size_t i = 0; i < sizeof(digest_infos) / sizeof(*digest_infos); i++) {
        const struct digest_info *info = &digest_infos[i];

        if (info->hash != plan->hash)
            continue;
        memcpy(out, info->prefix, info->len);
        memcpy(out + info->len, digest.data, digest.len);
        *ret_len = info->len + digest.len;
        return CKR_OK;
    }
    return fail_internal("a hash without a DigestInfo");
}

CK_RV plan_check_data(const struct plan *plan, const CK_MECHANISM *mechanism, size_t len)
{
    const CK_RSA_PKCS_PSS_PARAMS *pss = mechanism->pParameter;
    const CK_HASH_SIGN_ADDITIONAL_CONTEXT *pq = mechanism->pParameter;

    if (plan->row->params == MECH_PARAMS_HASH_CONTEXT && len != mech_hash_len(pq->hash))
        return fail(CKR_DATA_LEN_RANGE, "%s signs a digest of %zu bytes, not %zu", plan->row->name,
                    mech_hash_len(pq->hash), len);
    if (plan->row->type == CKM_RSA_PKCS_PSS && len != mech_hash_len(pss->hashAlg))
        return fail(CKR_DATA_LEN_RANGE, "raw PSS signs a digest of %zu bytes, not %zu",
                    mech_hash_len(pss->hashAlg), len);
    if (plan->row->type == CKM_ECDSA && len == 0)
        return fail(CKR_DATA_LEN_RANGE, "raw ECDSA signs a digest, not nothing");
    return CKR_OK;
}
