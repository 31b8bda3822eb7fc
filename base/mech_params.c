/*
 * Parameters of mechanisms: what each consists of, and what must hold of it beyond that. See
 * mech.h. The rules are those of the sections on each mechanism in PKCS#11 3.2, section 6.
 */
#include "base/mech.h"
#include "base/mech_params_int.h"

#include <stdint.h>
#include <string.h>

/* Bounds that no protocol reaches, so that sums and copies stay small. */
#define DATA_MAX ((CK_ULONG)1 << 20)
/* RFC 8032, FIPS 204 and FIPS 205: a context has at most 255 bytes. */
#define CONTEXT_MAX 255
/* RFC 5705: a context's length has two bytes. */
#define CONTEXT_TLS_MAX 65535

#define SPAN(type, pointer_, length_, max_, required_)                                             \
    {                                                                                              \
        .pointer = offsetof(type, pointer_), .length = offsetof(type, length_), .max = (max_),     \
        .required = (required_)                                                                    \
    }
/* One whose bytes are secret. */
#define SECRET_SPAN(type, pointer_, length_, max_)                                                 \
    {                                                                                              \
        .pointer = offsetof(type, pointer_), .length = offsetof(type, length_), .max = (max_),     \
        .secret = true                                                                             \
    }
/* A pointer to something else, and what lies between two members. */
#define POINTER(type, member)                                                                      \
    {                                                                                              \
        .at = offsetof(type, member), .len = sizeof(void *)                                        \
    }
#define GAP(type, member, next)                                                                    \
    {                                                                                              \
        .at = offsetof(type, member) + sizeof(((type *)NULL)->member),                             \
        .len = offsetof(type, next) - offsetof(type, member) - sizeof(((type *)NULL)->member)      \
    }
#define STRUCT(type_) .type = "a " #type_, .size = sizeof(type_)
#define RANDOMS(type)                                                                              \
    SPAN(type, RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen, DATA_MAX, true),            \
        SPAN(type, RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen, DATA_MAX, true)

/* clang-format off */
static const struct mech_layout layouts[] = {
    [MECH_PARAMS_NONE] = {.type = "none", .size = 0},
    [MECH_PARAMS_IV] = {.type = "an IV of 16 bytes", .size = 16},
    [MECH_PARAMS_IV8] = {.type = "an IV of 8 bytes", .size = 8},
    [MECH_PARAMS_CTR] = {STRUCT(CK_AES_CTR_PARAMS)},
    [MECH_PARAMS_GCM] = {STRUCT(CK_GCM_PARAMS), .span_count = 2,
        .spans = {SPAN(CK_GCM_PARAMS, pIv, ulIvLen, 256, true),
                  SPAN(CK_GCM_PARAMS, pAAD, ulAADLen, DATA_MAX, false)}},
    [MECH_PARAMS_PSS] = {STRUCT(CK_RSA_PKCS_PSS_PARAMS)},
    [MECH_PARAMS_OAEP] = {STRUCT(CK_RSA_PKCS_OAEP_PARAMS), .span_count = 1,
        .spans = {SPAN(CK_RSA_PKCS_OAEP_PARAMS, pSourceData, ulSourceDataLen, DATA_MAX, false)}},
    [MECH_PARAMS_CCM] = {STRUCT(CK_CCM_PARAMS), .span_count = 2,
        .spans = {SPAN(CK_CCM_PARAMS, pNonce, ulNonceLen, 13, true),
                  SPAN(CK_CCM_PARAMS, pAAD, ulAADLen, DATA_MAX, false)}},
    [MECH_PARAMS_POLY1305] = {STRUCT(CK_SALSA20_CHACHA20_POLY1305_PARAMS), .span_count = 2,
        .spans = {SPAN(CK_SALSA20_CHACHA20_POLY1305_PARAMS, pNonce, ulNonceLen, 12, true),
                  SPAN(CK_SALSA20_CHACHA20_POLY1305_PARAMS, pAAD, ulAADLen, DATA_MAX, false)}},
    [MECH_PARAMS_MAC_LEN] = {STRUCT(CK_MAC_GENERAL_PARAMS)},
    [MECH_PARAMS_EDDSA] = {STRUCT(CK_EDDSA_PARAMS), .optional = true, .span_count = 1, .hole_count = 1,
        .holes = {GAP(CK_EDDSA_PARAMS, phFlag, ulContextDataLen)},
        .spans = {SPAN(CK_EDDSA_PARAMS, pContextData, ulContextDataLen, CONTEXT_MAX, false)}},
    [MECH_PARAMS_SIGN_CONTEXT] = {STRUCT(CK_SIGN_ADDITIONAL_CONTEXT), .optional = true, .span_count = 1,
        .spans = {SPAN(CK_SIGN_ADDITIONAL_CONTEXT, pContext, ulContextLen, CONTEXT_MAX, false)}},
    [MECH_PARAMS_HASH_CONTEXT] = {STRUCT(CK_HASH_SIGN_ADDITIONAL_CONTEXT), .span_count = 1,
        .spans = {SPAN(CK_HASH_SIGN_ADDITIONAL_CONTEXT, pContext, ulContextLen, CONTEXT_MAX, false)}},
    [MECH_PARAMS_TLS_MAC] = {STRUCT(CK_TLS_MAC_PARAMS)},
    [MECH_PARAMS_WRAP_IV8] = {.type = "an IV of 8 bytes", .size = 8, .optional = true},
    [MECH_PARAMS_WRAP_IV4] = {.type = "an IV of 4 bytes", .size = 4, .optional = true},
    [MECH_PARAMS_RSA_AES_WRAP] = {STRUCT(CK_RSA_AES_KEY_WRAP_PARAMS), .hole_count = 1,
        .holes = {POINTER(CK_RSA_AES_KEY_WRAP_PARAMS, pOAEPParams)}},
    [MECH_PARAMS_ECDH1] = {STRUCT(CK_ECDH1_DERIVE_PARAMS), .span_count = 2,
        .spans = {SPAN(CK_ECDH1_DERIVE_PARAMS, pSharedData, ulSharedDataLen, DATA_MAX, false),
                  SPAN(CK_ECDH1_DERIVE_PARAMS, pPublicData, ulPublicDataLen, 1024, false)}},
    [MECH_PARAMS_HKDF] = {STRUCT(CK_HKDF_PARAMS), .span_count = 2, .hole_count = 1,
        .holes = {GAP(CK_HKDF_PARAMS, bExpand, prfHashMechanism)},
        .spans = {SPAN(CK_HKDF_PARAMS, pSalt, ulSaltLen, DATA_MAX, false),
                  SPAN(CK_HKDF_PARAMS, pInfo, ulInfoLen, DATA_MAX, false)}},
    [MECH_PARAMS_SP800_KDF] = {STRUCT(CK_SP800_108_KDF_PARAMS), .hole_count = 2,
        .holes = {POINTER(CK_SP800_108_KDF_PARAMS, pDataParams),
                  POINTER(CK_SP800_108_KDF_PARAMS, pAdditionalDerivedKeys)}},
    [MECH_PARAMS_SP800_FEEDBACK] = {STRUCT(CK_SP800_108_FEEDBACK_KDF_PARAMS), .span_count = 1, .hole_count = 2,
        .holes = {POINTER(CK_SP800_108_FEEDBACK_KDF_PARAMS, pDataParams),
                  POINTER(CK_SP800_108_FEEDBACK_KDF_PARAMS, pAdditionalDerivedKeys)},
        .spans = {SPAN(CK_SP800_108_FEEDBACK_KDF_PARAMS, pIV, ulIVLen, DATA_MAX, false)}},
    [MECH_PARAMS_PBKD2] = {STRUCT(CK_PKCS5_PBKD2_PARAMS2), .span_count = 3,
        .spans = {SPAN(CK_PKCS5_PBKD2_PARAMS2, pSaltSourceData, ulSaltSourceDataLen, DATA_MAX, true),
                  SPAN(CK_PKCS5_PBKD2_PARAMS2, pPrfData, ulPrfDataLen, 0, false),
                  SECRET_SPAN(CK_PKCS5_PBKD2_PARAMS2, pPassword, ulPasswordLen, DATA_MAX)}},
    [MECH_PARAMS_KEY_HANDLE] = {STRUCT(CK_OBJECT_HANDLE)},
    [MECH_PARAMS_STRING] = {STRUCT(CK_KEY_DERIVATION_STRING_DATA), .span_count = 1,
        .spans = {SPAN(CK_KEY_DERIVATION_STRING_DATA, pData, ulLen, DATA_MAX, true)}},
    [MECH_PARAMS_EXTRACT] = {STRUCT(CK_EXTRACT_PARAMS)},
    [MECH_PARAMS_TLS12_MASTER] = {STRUCT(CK_TLS12_MASTER_KEY_DERIVE_PARAMS), .span_count = 2, .hole_count = 1,
        .holes = {POINTER(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, pVersion)},
        .spans = {RANDOMS(CK_TLS12_MASTER_KEY_DERIVE_PARAMS)}},
    [MECH_PARAMS_TLS12_EXTENDED] = {STRUCT(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS), .span_count = 1, .hole_count = 1,
        .holes = {POINTER(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pVersion)},
        .spans = {SPAN(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pSessionHash, ulSessionHashLen, 64, true)}},
    [MECH_PARAMS_TLS12_KEY_MAT] = {STRUCT(CK_TLS12_KEY_MAT_PARAMS), .span_count = 2, .hole_count = 2,
        .holes = {GAP(CK_TLS12_KEY_MAT_PARAMS, bIsExport, RandomInfo),
                  POINTER(CK_TLS12_KEY_MAT_PARAMS, pReturnedKeyMaterial)},
        .spans = {RANDOMS(CK_TLS12_KEY_MAT_PARAMS)}},
    [MECH_PARAMS_TLS_KDF] = {STRUCT(CK_TLS_KDF_PARAMS), .span_count = 4,
        .spans = {SPAN(CK_TLS_KDF_PARAMS, pLabel, ulLabelLength, DATA_MAX, true),
                  SPAN(CK_TLS_KDF_PARAMS, RandomInfo.pClientRandom, RandomInfo.ulClientRandomLen, DATA_MAX, false),
                  SPAN(CK_TLS_KDF_PARAMS, RandomInfo.pServerRandom, RandomInfo.ulServerRandomLen, DATA_MAX, false),
                  SPAN(CK_TLS_KDF_PARAMS, pContextData, ulContextDataLength, CONTEXT_TLS_MAX, false)}},
};
/* clang-format on */

union any_params {
    uint8_t raw[MECH_PARAMS_SIZE_MAX];
    CK_TLS12_KEY_MAT_PARAMS largest;
    CK_TLS_KDF_PARAMS kdf;
    CK_PKCS5_PBKD2_PARAMS2 pbkd2;
};

const struct mech_layout *mech_layout_of(enum mech_params params)
{
    return &layouts[params];
}

CK_RV mech_params_refuse(const struct mech *mech, const char *why)
{
    return fail(CKR_MECHANISM_PARAM_INVALID, "parameter of %s: %s", mech->name, why);
}

static CK_RV check_span(const struct mech *mech, const struct mech_span *span,
                        const uint8_t *params)
{
    const void *data;
    CK_ULONG len;

    memcpy(&data, params + span->pointer, sizeof(data));
    memcpy(&len, params + span->length, sizeof(len));
    if (data == NULL && len > 0)
        return mech_params_refuse(mech, "a pointer is NULL but its length is not 0");
    if (len > span->max)
        return mech_params_refuse(mech, "it points to more bytes than there may be");
    if (span->required && (data == NULL || len == 0))
        return mech_params_refuse(mech, "it lacks bytes that must be there");
    return CKR_OK;
}

/* The caller's struct may stand at any address, so it is copied out before a field is read. */
static CK_RV check_given(const struct mech *mech, const struct mech_layout *layout,
                         const CK_MECHANISM *given)
{
    union any_params params;
    CK_RV rv = CKR_OK;

    if (given->pParameter == NULL || given->ulParameterLen != layout->size)
        return fail(CKR_MECHANISM_PARAM_INVALID, "parameter of %s: it must be %s", mech->name,
                    layout->type);
    memcpy(&params, given->pParameter, layout->size);
    for (size_t i = 0; rv == CKR_OK && i < layout->span_count; i++)
        rv = check_span(mech, &layout->spans[i], params.raw);
    return rv == CKR_OK ? mech_params_check_values(mech, &params) : rv;
}

CK_RV mech_check_params(const struct mech *mech, const CK_MECHANISM *given)
{
    const struct mech_layout *layout;

    if (mech == NULL || given == NULL)
        return fail_argument("mechanism");
    if (given->mechanism != mech->type)
        return fail_internal("a mechanism's parameter was held against another's row");
    layout = mech_layout_of(mech->params);
    if (layout->size == 0 && given->pParameter != NULL && given->ulParameterLen > 0)
        return mech_params_refuse(mech, "it takes none, pass NULL");
    if (layout->size == 0 ||
        (layout->optional && given->pParameter == NULL && given->ulParameterLen == 0))
        return CKR_OK;
    return check_given(mech, layout, given);
}

/* ---- lengths that stand in parameters ---- */

static size_t len_general(const uint8_t *params)
{
    CK_MAC_GENERAL_PARAMS len;

    memcpy(&len, params, sizeof(len));
    return len;
}

static size_t len_gcm(const uint8_t *params)
{
    CK_GCM_PARAMS gcm;

    memcpy(&gcm, params, sizeof(gcm));
    return gcm.ulTagBits / 8;
}

static size_t len_ccm(const uint8_t *params)
{
    CK_CCM_PARAMS ccm;

    memcpy(&ccm, params, sizeof(ccm));
    return ccm.ulMACLen;
}

static size_t len_tls(const uint8_t *params)
{
    CK_TLS_MAC_PARAMS tls;

    memcpy(&tls, params, sizeof(tls));
    return tls.ulMacLength;
}

size_t mech_mac_full(const struct mech *mech)
{
    bool keyed_hash = (mech->flags & CKF_SIGN) != 0 && mech_key_is_secret(mech->key);

    return mech->tag == 0 && keyed_hash ? mech_hash_len(mech->hash) : mech->tag;
}

size_t mech_mac_len(const struct mech *mech, const CK_MECHANISM *given)
{
    static size_t (*const lens[MECH_PARAMS_COUNT])(const uint8_t *params) = {
        [MECH_PARAMS_MAC_LEN] = len_general,
        [MECH_PARAMS_GCM] = len_gcm,
        [MECH_PARAMS_CCM] = len_ccm,
        [MECH_PARAMS_TLS_MAC] = len_tls,
    };

    if (lens[mech->params] != NULL && given->pParameter != NULL &&
        given->ulParameterLen == layouts[mech->params].size)
        return lens[mech->params](given->pParameter);
    return mech_mac_full(mech);
}

CK_HASH_SIGN_ADDITIONAL_CONTEXT mech_hash_context(const CK_MECHANISM *given, CK_MECHANISM_TYPE hash)
{
    CK_SIGN_ADDITIONAL_CONTEXT sign = {.hedgeVariant = CKH_HEDGE_PREFERRED};

    if (given->pParameter != NULL)
        memcpy(&sign, given->pParameter, sizeof(sign));
    return (CK_HASH_SIGN_ADDITIONAL_CONTEXT){.hedgeVariant = sign.hedgeVariant,
                                             .pContext = sign.pContext,
                                             .ulContextLen = sign.ulContextLen,
                                             .hash = hash};
}
