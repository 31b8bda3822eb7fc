/*
 * What must hold of the values in a parameter, kind by kind; that it is whole and its pointers
 * match their lengths, mech_params.c has seen.
 */
#include "base/mech_params_int.h"

#include <stdint.h>
#include <string.h>

#define refuse mech_params_refuse

static CK_RV check_digest(const struct mech *mech, CK_MECHANISM_TYPE hash)
{
    const struct mech *row = mech_find(hash);

    if (mech_hash_len(hash) == 0 || row == NULL || row->legacy)
        return refuse(mech, "its hash must be a digest like CKM_SHA256, and no legacy one");
    return CKR_OK;
}

static CK_RV check_ctr(const struct mech *mech, const void *params)
{
    const CK_AES_CTR_PARAMS *ctr = params;

    if (ctr->ulCounterBits < 1 || ctr->ulCounterBits > 128)
        return refuse(mech, "ulCounterBits must be 1 to 128");
    return CKR_OK;
}

/* ulIvBits is not checked: the text of 2.40 does not have it, and callers leave it 0 or anything.
 * GMAC's data is what GCM's additional data is, so there is none in its parameter. */
static CK_RV check_gcm(const struct mech *mech, const void *params)
{
    const CK_GCM_PARAMS *gcm = params;

    if (gcm->ulTagBits < 32 || gcm->ulTagBits > 128 || gcm->ulTagBits % 8 != 0)
        return refuse(mech, "ulTagBits must be 32 to 128 in steps of 8");
    if ((mech->flags & CKF_SIGN) != 0 && gcm->ulAADLen > 0)
        return refuse(mech, "GMAC takes its data by C_Sign, not as pAAD");
    return CKR_OK;
}

/* NIST SP 800-38C, A.1: tags of 4, 6 ... 16 bytes, nonces of 7 to 13; the length of the data is
 * written in what the nonce leaves of 15 bytes. */
static CK_RV check_ccm(const struct mech *mech, const void *params)
{
    const CK_CCM_PARAMS *ccm = params;
    CK_ULONG width = 15 - ccm->ulNonceLen;

    if (ccm->ulNonceLen < 7)
        return refuse(mech, "the nonce must have 7 to 13 bytes");
    if (ccm->ulMACLen < 4 || ccm->ulMACLen > 16 || ccm->ulMACLen % 2 != 0)
        return refuse(mech, "ulMACLen must be 4 to 16, and even");
    if (width < sizeof(CK_ULONG) && ccm->ulDataLen >> (8 * width) != 0)
        return refuse(mech, "ulDataLen needs a shorter nonce");
    return CKR_OK;
}

static CK_RV check_poly1305(const struct mech *mech, const void *params)
{
    const CK_SALSA20_CHACHA20_POLY1305_PARAMS *p = params;

    return p->ulNonceLen == 12 ? CKR_OK : refuse(mech, "the nonce must have 12 bytes");
}

static CK_RV check_mac_len(const struct mech *mech, const void *params)
{
    CK_MAC_GENERAL_PARAMS len = *(const CK_MAC_GENERAL_PARAMS *)params;

    /* 4 bytes: what is shorter is guessed. */
    return len >= 4 && len <= mech_mac_full(mech)
               ? CKR_OK
               : refuse(mech, "a MAC has 4 bytes to its full length");
}

/* ---- RSA ---- */

static CK_RV check_hash_and_mgf(const struct mech *mech, CK_MECHANISM_TYPE hash,
                                CK_RSA_PKCS_MGF_TYPE mgf)
{
    CK_RV rv = check_digest(mech, hash);

    if (rv == CKR_OK && mech_mgf_hash(mgf) == KW_NO_MECHANISM)
        return refuse(mech, "mgf must be CKG_MGF1_SHA256 or a sibling");
    return rv;
}

/*
 * The salt must fit the largest key (RFC 8017, 9.1.1). The bound also keeps huge lengths from
 * turning into the negative special values that libraries below know.
 */
static CK_RV check_pss(const struct mech *mech, const void *params)
{
    const CK_RSA_PKCS_PSS_PARAMS *pss = params;
    CK_RV rv = check_hash_and_mgf(mech, pss->hashAlg, pss->mgf);

    if (rv != CKR_OK)
        return rv;
    if (mech->hash != KW_NO_MECHANISM && pss->hashAlg != mech->hash)
        return refuse(mech, "hashAlg must be the mechanism's own digest");
    if (pss->sLen > mech->max / 8 - mech_hash_len(pss->hashAlg) - 2)
        return refuse(mech, "sLen is larger than the largest key has room for");
    return CKR_OK;
}

static CK_RV check_oaep(const struct mech *mech, const void *params)
{
    const CK_RSA_PKCS_OAEP_PARAMS *oaep = params;
    CK_RV rv = check_hash_and_mgf(mech, oaep->hashAlg, oaep->mgf);

    if (rv != CKR_OK)
        return rv;
    if (oaep->source != 0 && oaep->source != CKZ_DATA_SPECIFIED)
        return refuse(mech, "source must be CKZ_DATA_SPECIFIED or 0");
    if (oaep->source == 0 && oaep->ulSourceDataLen > 0)
        return refuse(mech, "a label needs source CKZ_DATA_SPECIFIED");
    return CKR_OK;
}

/* The OAEP parameter inside is checked as OAEP's own. */
static CK_RV check_rsa_aes_wrap(const struct mech *mech, const void *params)
{
    const CK_RSA_AES_KEY_WRAP_PARAMS *wrap = params;
    CK_MECHANISM inner = {.mechanism = CKM_RSA_PKCS_OAEP,
                          .pParameter = wrap->pOAEPParams,
                          .ulParameterLen = sizeof(CK_RSA_PKCS_OAEP_PARAMS)};

    if (wrap->ulAESKeyBits != 128 && wrap->ulAESKeyBits != 192 && wrap->ulAESKeyBits != 256)
        return refuse(mech, "ulAESKeyBits must be 128, 192 or 256");
    return mech_check_params(mech_find(CKM_RSA_PKCS_OAEP), &inner);
}

/* ---- signatures ---- */

static CK_RV check_eddsa(const struct mech *mech, const void *params)
{
    const CK_EDDSA_PARAMS *p = params;

    if (p->phFlag != CK_TRUE && p->phFlag != CK_FALSE)
        return refuse(mech, "phFlag must be CK_TRUE or CK_FALSE");
    return CKR_OK;
}

static CK_RV check_sign_context(const struct mech *mech, const void *params)
{
    const CK_SIGN_ADDITIONAL_CONTEXT *p = params;

    if (p->hedgeVariant > CKH_DETERMINISTIC_REQUIRED)
        return refuse(mech, "hedgeVariant must be one of CKH_HEDGE_... and CKH_DETERMINISTIC_...");
    return CKR_OK;
}

/* SHA-1 is no digest that FIPS 204 and 205 sign. */
static CK_RV check_hash_context(const struct mech *mech, const void *params)
{
    const CK_HASH_SIGN_ADDITIONAL_CONTEXT *p = params;
    const CK_SIGN_ADDITIONAL_CONTEXT sign = {.hedgeVariant = p->hedgeVariant};
    CK_RV rv = check_sign_context(mech, &sign);

    if (rv == CKR_OK)
        rv = check_digest(mech, p->hash);
    if (rv == CKR_OK && p->hash == CKM_SHA_1)
        rv = refuse(mech, "its hash must be a SHA-2 or a SHA-3");
    return rv;
}

static CK_RV check_tls_mac(const struct mech *mech, const void *params)
{
    const CK_TLS_MAC_PARAMS *p = params;
    CK_RV rv = check_digest(mech, p->prfHashMechanism);

    if (rv != CKR_OK)
        return rv;
    if (p->ulMacLength < 12 || p->ulMacLength > mech_hash_len(p->prfHashMechanism))
        return refuse(mech, "ulMacLength must be 12 to the digest's length");
    if (p->ulServerOrClient != 1 && p->ulServerOrClient != 2)
        return refuse(mech, "ulServerOrClient must be 1 (server) or 2 (client)");
    return CKR_OK;
}

/* ---- derivation ---- */

static CK_RV check_ecdh1(const struct mech *mech, const void *params)
{
    const CK_ECDH1_DERIVE_PARAMS *p = params;

    if (p->kdf < CKD_NULL || p->kdf > CKD_SHA3_512_KDF_SP800 || p->kdf == CKD_CPDIVERSIFY_KDF ||
        p->kdf == CKD_SHA1_KDF_ASN1 || p->kdf == CKD_SHA1_KDF_CONCATENATE)
        return refuse(mech, "kdf must be CKD_NULL or a CKD_..._KDF of X9.63 or SP 800-56");
    if (p->kdf == CKD_NULL && p->ulSharedDataLen > 0)
        return refuse(mech, "CKD_NULL takes no shared data");
    return CKR_OK;
}

static CK_RV check_hkdf(const struct mech *mech, const void *params)
{
    const CK_HKDF_PARAMS *p = params;
    bool data = p->ulSaltType == CKF_HKDF_SALT_DATA;

    if (p->bExtract > CK_TRUE || p->bExpand > CK_TRUE ||
        (p->bExtract == CK_FALSE && p->bExpand == CK_FALSE))
        return refuse(mech, "bExtract, bExpand or both must be CK_TRUE");
    if (p->bExtract == CK_TRUE && !data && p->ulSaltType != CKF_HKDF_SALT_NULL &&
        p->ulSaltType != CKF_HKDF_SALT_KEY)
        return refuse(mech, "ulSaltType must be one of CKF_HKDF_SALT_...");
    if (p->bExtract == CK_TRUE && data != (p->ulSaltLen > 0))
        return refuse(mech, "salt is given with CKF_HKDF_SALT_DATA, and only with it");
    return check_digest(mech, p->prfHashMechanism);
}

static CK_RV check_extract(const struct mech *mech, const void *params)
{
    /* No key is longer than 4096 bits. */
    return *(const CK_EXTRACT_PARAMS *)params < 4096 ? CKR_OK
                                                     : refuse(mech, "no key has so many bits");
}

static CK_RV check_pbkd2(const struct mech *mech, const void *params)
{
    const CK_PKCS5_PBKD2_PARAMS2 *p = params;

    if (p->saltSource != CKZ_SALT_SPECIFIED)
        return refuse(mech, "saltSource must be CKZ_SALT_SPECIFIED");
    if (p->iterations < 1 || p->iterations > 100000000)
        return refuse(mech, "iterations must be 1 to 100,000,000");
    if (p->prf < CKP_PKCS5_PBKD2_HMAC_SHA1 || p->prf > CKP_PKCS5_PBKD2_HMAC_SHA512_256 ||
        p->prf == CKP_PKCS5_PBKD2_HMAC_GOSTR3411)
        return refuse(mech, "prf must be CKP_PKCS5_PBKD2_HMAC_SHA256 or a sibling");
    return CKR_OK;
}

static CK_RV check_tls12_master(const struct mech *mech, const void *params)
{
    const CK_TLS12_MASTER_KEY_DERIVE_PARAMS *p = params;
    bool dh = mech->type == CKM_TLS12_MASTER_KEY_DERIVE_DH;

    if ((p->pVersion == NULL) != dh)
        return refuse(mech, dh ? "pVersion must be NULL: there is none in the secret"
                               : "pVersion must point to where the version goes");
    return check_digest(mech, p->prfHashMechanism);
}

static CK_RV check_tls12_extended(const struct mech *mech, const void *params)
{
    const CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS *p = params;
    bool dh = mech->type == CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH;

    if ((p->pVersion == NULL) != dh)
        return refuse(mech, dh ? "pVersion must be NULL: there is none in the secret"
                               : "pVersion must point to where the version goes");
    return check_digest(mech, p->prfHashMechanism);
}

static CK_RV check_tls12_key_mat(const struct mech *mech, const void *params)
{
    const CK_TLS12_KEY_MAT_PARAMS *p = params;

    if (p->bIsExport != CK_FALSE)
        return refuse(mech, "export ciphers ended with TLS 1.0");
    if (p->ulMacSizeInBits % 8 != 0 || p->ulMacSizeInBits > 512 || p->ulKeySizeInBits % 8 != 0 ||
        p->ulKeySizeInBits > 256 || p->ulIVSizeInBits % 8 != 0 || p->ulIVSizeInBits > 128)
        return refuse(mech, "its sizes must be whole bytes: MAC at most 512 bits, key 256, IV 128");
    if (p->pReturnedKeyMaterial == NULL)
        return refuse(mech, "pReturnedKeyMaterial is NULL");
    if (p->ulIVSizeInBits > 0 &&
        (p->pReturnedKeyMaterial->pIVClient == NULL || p->pReturnedKeyMaterial->pIVServer == NULL))
        return refuse(mech, "it asks for IVs and has no place for them");
    return check_digest(mech, p->prfHashMechanism);
}

static CK_RV check_tls_kdf(const struct mech *mech, const void *params)
{
    const CK_TLS_KDF_PARAMS *p = params;

    return check_digest(mech, p->prfMechanism);
}

/* ---- SP 800-108 ---- */

#define SP800_PARTS_MAX 16
#define SP800_KEYS_MAX  7 /* a call gives no more handles beside its own */

/* What a part of the input may be, and how long. */
static bool part_is_sound(const CK_PRF_DATA_PARAM *part, bool counter_mode)
{
    static const struct {
        CK_PRF_DATA_TYPE type;
        size_t size; /* 0: bytes of any number */
    } kinds[] = {
        {CK_SP800_108_ITERATION_VARIABLE, sizeof(CK_SP800_108_COUNTER_FORMAT)},
        {CK_SP800_108_COUNTER, sizeof(CK_SP800_108_COUNTER_FORMAT)},
        {CK_SP800_108_DKM_LENGTH, sizeof(CK_SP800_108_DKM_LENGTH_FORMAT)},
        {CK_SP800_108_BYTE_ARRAY, 0},
        {CK_SP800_108_KEY_HANDLE, sizeof(CK_OBJECT_HANDLE)},
    };

    /* Elsewhere than in counter mode the iteration variable is the last output: it has no form. */
    if (part->type == CK_SP800_108_ITERATION_VARIABLE && !counter_mode)
        return part->pValue == NULL && part->ulValueLen == 0;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].type == part->type)
            return part->pValue != NULL && part->ulValueLen > 0 &&
                   part->ulValueLen <= ((CK_ULONG)1 << 20) &&
                   (kinds[i].size == 0 || kinds[i].size == part->ulValueLen);
    return false;
}

/* Whoever knows the base key can turn CMAC round, and reads the other key in what is derived. */
static CK_RV check_sp800_keys(const struct mech *mech, const CK_SP800_108_KDF_PARAMS *p,
                              CK_ULONG keys)
{
    if (keys > 1)
        return refuse(mech, "at most one part may be another key");
    if (keys > 0 && p->prfType == CKM_AES_CMAC)
        return refuse(mech, "a part may be another key with an HMAC only");
    return CKR_OK;
}

static CK_RV check_sp800(const struct mech *mech, const CK_SP800_108_KDF_PARAMS *p)
{
    const struct mech *prf = mech_find(p->prfType);
    bool counter_mode = mech->type == CKM_SP800_108_COUNTER_KDF;
    CK_ULONG keys = 0;

    if (prf == NULL || prf->legacy || prf->params != MECH_PARAMS_NONE ||
        !mech_key_is_secret(prf->key) || (prf->flags & CKF_SIGN) == 0)
        return refuse(mech, "prfType must be an HMAC at full length, or CKM_AES_CMAC");
    if (p->pDataParams == NULL || p->ulNumberOfDataParams < 1 ||
        p->ulNumberOfDataParams > SP800_PARTS_MAX)
        return refuse(mech, "pDataParams must have 1 to 16 parts");
    if ((p->pAdditionalDerivedKeys == NULL) != (p->ulAdditionalDerivedKeys == 0) ||
        p->ulAdditionalDerivedKeys > SP800_KEYS_MAX)
        return refuse(mech, "at most 7 additional keys, and a pointer to them if there are any");
    for (CK_ULONG i = 0; i < p->ulNumberOfDataParams; i++) {
        CK_PRF_DATA_PARAM part;

        memcpy(&part, (const uint8_t *)p->pDataParams + i * sizeof(part), sizeof(part));
        if (!part_is_sound(&part, counter_mode))
            return refuse(mech, "a part of pDataParams is of no known type, or not of its length");
        keys += part.type == CK_SP800_108_KEY_HANDLE;
    }
    return check_sp800_keys(mech, p, keys);
}

static CK_RV check_sp800_kdf(const struct mech *mech, const void *params)
{
    return check_sp800(mech, params);
}

static CK_RV check_sp800_feedback(const struct mech *mech, const void *params)
{
    const CK_SP800_108_FEEDBACK_KDF_PARAMS *p = params;
    const CK_SP800_108_KDF_PARAMS common = {.prfType = p->prfType,
                                            .ulNumberOfDataParams = p->ulNumberOfDataParams,
                                            .pDataParams = p->pDataParams,
                                            .ulAdditionalDerivedKeys = p->ulAdditionalDerivedKeys,
                                            .pAdditionalDerivedKeys = p->pAdditionalDerivedKeys};

    return check_sp800(mech, &common);
}

CK_RV mech_params_check_values(const struct mech *mech, const void *params)
{
    /* A kind that is not here has nothing more to it than its size and its bytes. */
    static CK_RV (*const checks[MECH_PARAMS_COUNT])(const struct mech *, const void *) = {
        [MECH_PARAMS_CTR] = check_ctr,
        [MECH_PARAMS_GCM] = check_gcm,
        [MECH_PARAMS_PSS] = check_pss,
        [MECH_PARAMS_OAEP] = check_oaep,
        [MECH_PARAMS_CCM] = check_ccm,
        [MECH_PARAMS_POLY1305] = check_poly1305,
        [MECH_PARAMS_MAC_LEN] = check_mac_len,
        [MECH_PARAMS_EDDSA] = check_eddsa,
        [MECH_PARAMS_SIGN_CONTEXT] = check_sign_context,
        [MECH_PARAMS_HASH_CONTEXT] = check_hash_context,
        [MECH_PARAMS_TLS_MAC] = check_tls_mac,
        [MECH_PARAMS_RSA_AES_WRAP] = check_rsa_aes_wrap,
        [MECH_PARAMS_ECDH1] = check_ecdh1,
        [MECH_PARAMS_HKDF] = check_hkdf,
        [MECH_PARAMS_SP800_KDF] = check_sp800_kdf,
        [MECH_PARAMS_SP800_FEEDBACK] = check_sp800_feedback,
        [MECH_PARAMS_PBKD2] = check_pbkd2,
        [MECH_PARAMS_EXTRACT] = check_extract,
        [MECH_PARAMS_TLS12_MASTER] = check_tls12_master,
        [MECH_PARAMS_TLS12_EXTENDED] = check_tls12_extended,
        [MECH_PARAMS_TLS12_KEY_MAT] = check_tls12_key_mat,
        [MECH_PARAMS_TLS_KDF] = check_tls_kdf,
    };

    return checks[mech->params] != NULL ? checks[mech->params](mech, params) : CKR_OK;
}
