/*
 * The table of mechanisms and the check of their parameters: see mech.h. A mechanism without a row
 * does not exist.
 *
 * Key sizes and their units are those of PKCS#11 2.40 Current Mechanisms: bits for RSA (2.1), EC
 * (2.3) and generic secrets (2.7), bytes for AES (2.8 to 2.11). HMAC keys are generic secrets and
 * are counted in bits like them (2.14 to 2.18).
 */
#include "base/mech.h"
#include "base/table.h"

#include <stdbool.h>
#include <string.h>

#define NO_KEY  CK_UNAVAILABLE_INFORMATION
#define NO_MECH KW_NO_MECHANISM

#define RSA_BITS    2048, 4096
#define EC_BITS     256, 521
#define AES_BYTES   16, 32
#define SECRET_BITS 8, 4096
#define NO_SIZE     0, 0

#define SIGNS    (CKF_SIGN | CKF_VERIFY)
#define CRYPTS   (CKF_ENCRYPT | CKF_DECRYPT)
#define EC_ALL   (CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS)
#define EC_SIGNS (SIGNS | EC_ALL)
#define EC_PAIR  (CKF_GENERATE_KEY_PAIR | EC_ALL)
#define RSA_PAIR CKF_GENERATE_KEY_PAIR

/* The name is made from the constant, so a row cannot be called by another's name. */
#define ROW(mech, key_, params_, hash_, raw_, sizes, flags_)                                       \
    ROW_(mech, key_, params_, hash_, raw_, sizes, flags_)
#define ROW_(mech, key_, params_, hash_, raw_, min_, max_, flags_)                                 \
    {                                                                                              \
        .type = CKM_##mech, .name = "CKM_" #mech, .key = (key_), .params = MECH_PARAMS_##params_,  \
        .hash = (hash_), .raw = (raw_), .min = (min_), .max = (max_), .flags = (flags_)            \
    }

/* clang-format off */
static const struct mech rows[] = {
    /*  CKM_                    key                 parameter hash        raw               sizes        flags */
    ROW(RSA_PKCS_KEY_PAIR_GEN,  CKK_RSA,            NONE, NO_MECH,    NO_MECH,          RSA_BITS,    RSA_PAIR),
    ROW(RSA_PKCS,               CKK_RSA,            NONE, NO_MECH,    NO_MECH,          RSA_BITS,    SIGNS | CRYPTS),
    ROW(SHA1_RSA_PKCS,          CKK_RSA,            NONE, CKM_SHA_1,  CKM_RSA_PKCS,     RSA_BITS,    SIGNS),
    ROW(RSA_PKCS_OAEP,          CKK_RSA,            OAEP, NO_MECH,    NO_MECH,          RSA_BITS,    CRYPTS),
    ROW(RSA_PKCS_PSS,           CKK_RSA,            PSS,  NO_MECH,    NO_MECH,          RSA_BITS,    SIGNS),
    ROW(SHA1_RSA_PKCS_PSS,      CKK_RSA,            PSS,  CKM_SHA_1,  CKM_RSA_PKCS_PSS, RSA_BITS,    SIGNS),
    ROW(SHA256_RSA_PKCS,        CKK_RSA,            NONE, CKM_SHA256, CKM_RSA_PKCS,     RSA_BITS,    SIGNS),
    ROW(SHA384_RSA_PKCS,        CKK_RSA,            NONE, CKM_SHA384, CKM_RSA_PKCS,     RSA_BITS,    SIGNS),
    ROW(SHA512_RSA_PKCS,        CKK_RSA,            NONE, CKM_SHA512, CKM_RSA_PKCS,     RSA_BITS,    SIGNS),
    ROW(SHA256_RSA_PKCS_PSS,    CKK_RSA,            PSS,  CKM_SHA256, CKM_RSA_PKCS_PSS, RSA_BITS,    SIGNS),
    ROW(SHA384_RSA_PKCS_PSS,    CKK_RSA,            PSS,  CKM_SHA384, CKM_RSA_PKCS_PSS, RSA_BITS,    SIGNS),
    ROW(SHA512_RSA_PKCS_PSS,    CKK_RSA,            PSS,  CKM_SHA512, CKM_RSA_PKCS_PSS, RSA_BITS,    SIGNS),
    ROW(SHA224_RSA_PKCS,        CKK_RSA,            NONE, CKM_SHA224, CKM_RSA_PKCS,     RSA_BITS,    SIGNS),
    ROW(SHA224_RSA_PKCS_PSS,    CKK_RSA,            PSS,  CKM_SHA224, CKM_RSA_PKCS_PSS, RSA_BITS,    SIGNS),
    ROW(SHA_1,                  NO_KEY,             NONE, NO_MECH,    NO_MECH,          NO_SIZE,     CKF_DIGEST),
    ROW(SHA_1_HMAC,             CKK_GENERIC_SECRET, NONE, CKM_SHA_1,  NO_MECH,          SECRET_BITS, SIGNS),
    ROW(SHA256,                 NO_KEY,             NONE, NO_MECH,    NO_MECH,          NO_SIZE,     CKF_DIGEST),
    ROW(SHA256_HMAC,            CKK_GENERIC_SECRET, NONE, CKM_SHA256, NO_MECH,          SECRET_BITS, SIGNS),
    ROW(SHA224,                 NO_KEY,             NONE, NO_MECH,    NO_MECH,          NO_SIZE,     CKF_DIGEST),
    ROW(SHA224_HMAC,            CKK_GENERIC_SECRET, NONE, CKM_SHA224, NO_MECH,          SECRET_BITS, SIGNS),
    ROW(SHA384,                 NO_KEY,             NONE, NO_MECH,    NO_MECH,          NO_SIZE,     CKF_DIGEST),
    ROW(SHA384_HMAC,            CKK_GENERIC_SECRET, NONE, CKM_SHA384, NO_MECH,          SECRET_BITS, SIGNS),
    ROW(SHA512,                 NO_KEY,             NONE, NO_MECH,    NO_MECH,          NO_SIZE,     CKF_DIGEST),
    ROW(SHA512_HMAC,            CKK_GENERIC_SECRET, NONE, CKM_SHA512, NO_MECH,          SECRET_BITS, SIGNS),
    ROW(GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, NONE, NO_MECH,    NO_MECH,          SECRET_BITS, CKF_GENERATE),
    ROW(EC_KEY_PAIR_GEN,        CKK_EC,             NONE, NO_MECH,    NO_MECH,          EC_BITS,     EC_PAIR),
    ROW(ECDSA,                  CKK_EC,             NONE, NO_MECH,    NO_MECH,          EC_BITS,     EC_SIGNS),
    ROW(ECDSA_SHA1,             CKK_EC,             NONE, CKM_SHA_1,  CKM_ECDSA,        EC_BITS,     EC_SIGNS),
    ROW(ECDSA_SHA224,           CKK_EC,             NONE, CKM_SHA224, CKM_ECDSA,        EC_BITS,     EC_SIGNS),
    ROW(ECDSA_SHA256,           CKK_EC,             NONE, CKM_SHA256, CKM_ECDSA,        EC_BITS,     EC_SIGNS),
    ROW(ECDSA_SHA384,           CKK_EC,             NONE, CKM_SHA384, CKM_ECDSA,        EC_BITS,     EC_SIGNS),
    ROW(ECDSA_SHA512,           CKK_EC,             NONE, CKM_SHA512, CKM_ECDSA,        EC_BITS,     EC_SIGNS),
    ROW(AES_KEY_GEN,            CKK_AES,            NONE, NO_MECH,    NO_MECH,          AES_BYTES,   CKF_GENERATE),
    ROW(AES_ECB,                CKK_AES,            NONE, NO_MECH,    NO_MECH,          AES_BYTES,   CRYPTS),
    ROW(AES_CBC,                CKK_AES,            IV,   NO_MECH,    NO_MECH,          AES_BYTES,   CRYPTS),
    ROW(AES_CBC_PAD,            CKK_AES,            IV,   NO_MECH,    NO_MECH,          AES_BYTES,   CRYPTS),
    ROW(AES_CTR,                CKK_AES,            CTR,  NO_MECH,    NO_MECH,          AES_BYTES,   CRYPTS),
    ROW(AES_GCM,                CKK_AES,            GCM,  NO_MECH,    NO_MECH,          AES_BYTES,   CRYPTS),
};

static const struct {
    CK_MECHANISM_TYPE hash;
    CK_RSA_PKCS_MGF_TYPE mgf;
    size_t len;
} hashes[] = {
    {.hash = CKM_SHA_1,  .mgf = CKG_MGF1_SHA1,   .len = 20},
    {.hash = CKM_SHA224, .mgf = CKG_MGF1_SHA224, .len = 28},
    {.hash = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .len = 32},
    {.hash = CKM_SHA384, .mgf = CKG_MGF1_SHA384, .len = 48},
    {.hash = CKM_SHA512, .mgf = CKG_MGF1_SHA512, .len = 64},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

size_t mech_count(void)
{
    return COUNT(rows);
}

const struct mech *mech_at(size_t i)
{
    return i < COUNT(rows) ? &rows[i] : NULL;
}

const struct mech *mech_find(CK_MECHANISM_TYPE type)
{
    return TABLE_FIND(rows, COUNT(rows), type);
}

const struct mech *mech_find_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

size_t mech_hash_len(CK_MECHANISM_TYPE hash)
{
    for (size_t i = 0; i < COUNT(hashes); i++)
        if (hashes[i].hash == hash)
            return hashes[i].len;
    return 0;
}

CK_MECHANISM_TYPE mech_mgf_hash(CK_RSA_PKCS_MGF_TYPE mgf)
{
    for (size_t i = 0; i < COUNT(hashes); i++)
        if (hashes[i].mgf == mgf)
            return hashes[i].hash;
    return KW_NO_MECHANISM;
}

static CK_RV refuse(const struct mech *mech, const char *why)
{
    return fail(CKR_MECHANISM_PARAM_INVALID, "parameter of %s: %s", mech->name, why);
}

/* The caller's struct may stand at any address, so it is copied out before a field is read. */
static bool copy_params(const CK_MECHANISM *given, void *out, size_t len)
{
    if (given->pParameter == NULL || given->ulParameterLen != len)
        return false;
    memcpy(out, given->pParameter, len);
    return true;
}

static CK_RV check_none(const struct mech *mech, const CK_MECHANISM *given)
{
    if (given->pParameter == NULL || given->ulParameterLen == 0)
        return CKR_OK;
    return refuse(mech, "it takes none, pass NULL");
}

static CK_RV check_iv(const struct mech *mech, const CK_MECHANISM *given)
{
    if (given->pParameter == NULL || given->ulParameterLen != 16)
        return refuse(mech, "it must be an IV of 16 bytes");
    return CKR_OK;
}

static CK_RV check_ctr(const struct mech *mech, const CK_MECHANISM *given)
{
    CK_AES_CTR_PARAMS ctr;

    if (!copy_params(given, &ctr, sizeof(ctr)))
        return refuse(mech, "it must be a CK_AES_CTR_PARAMS");
    if (ctr.ulCounterBits < 1 || ctr.ulCounterBits > 128)
        return refuse(mech, "ulCounterBits must be 1 to 128");
    return CKR_OK;
}

/* ulIvBits is not checked: the text of 2.40 does not have it, and callers leave it 0 or anything.
 */
static CK_RV check_gcm(const struct mech *mech, const CK_MECHANISM *given)
{
    CK_GCM_PARAMS gcm;

    if (!copy_params(given, &gcm, sizeof(gcm)))
        return refuse(mech, "it must be a CK_GCM_PARAMS");
    if (gcm.pIv == NULL || gcm.ulIvLen < 1 || gcm.ulIvLen > 256)
        return refuse(mech, "the IV must have 1 to 256 bytes");
    if (gcm.pAAD == NULL && gcm.ulAADLen > 0)
        return refuse(mech, "pAAD is NULL but ulAADLen is not 0");
    if (gcm.ulTagBits < 32 || gcm.ulTagBits > 128 || gcm.ulTagBits % 8 != 0)
        return refuse(mech, "ulTagBits must be 32 to 128 in steps of 8");
    return CKR_OK;
}

static CK_RV check_hash_and_mgf(const struct mech *mech, CK_MECHANISM_TYPE hash,
                                CK_RSA_PKCS_MGF_TYPE mgf)
{
    if (mech_hash_len(hash) == 0)
        return refuse(mech, "hashAlg must be CKM_SHA_1, SHA224, SHA256, SHA384 or SHA512");
    if (mech_mgf_hash(mgf) == KW_NO_MECHANISM)
        return refuse(mech, "mgf must be CKG_MGF1_SHA1, SHA224, SHA256, SHA384 or SHA512");
    return CKR_OK;
}

/*
 * The salt must fit the largest key (RFC 8017, 9.1.1). The bound also keeps huge lengths from
 * turning into the negative special values that libraries below know.
 */
static CK_RV check_pss(const struct mech *mech, const CK_MECHANISM *given)
{
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_RV rv;

    if (!copy_params(given, &pss, sizeof(pss)))
        return refuse(mech, "it must be a CK_RSA_PKCS_PSS_PARAMS");
    rv = check_hash_and_mgf(mech, pss.hashAlg, pss.mgf);
    if (rv != CKR_OK)
        return rv;
    if (mech->hash != KW_NO_MECHANISM && pss.hashAlg != mech->hash)
        return refuse(mech, "hashAlg must be the mechanism's own digest");
    if (pss.sLen > mech->max / 8 - mech_hash_len(pss.hashAlg) - 2)
        return refuse(mech, "sLen is larger than the largest key has room for");
    return CKR_OK;
}

static CK_RV check_oaep(const struct mech *mech, const CK_MECHANISM *given)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep;
    CK_RV rv;

    if (!copy_params(given, &oaep, sizeof(oaep)))
        return refuse(mech, "it must be a CK_RSA_PKCS_OAEP_PARAMS");
    rv = check_hash_and_mgf(mech, oaep.hashAlg, oaep.mgf);
    if (rv != CKR_OK)
        return rv;
    if (oaep.source != 0 && oaep.source != CKZ_DATA_SPECIFIED)
        return refuse(mech, "source must be CKZ_DATA_SPECIFIED or 0");
    if (oaep.source == 0 && oaep.ulSourceDataLen > 0)
        return refuse(mech, "a label needs source CKZ_DATA_SPECIFIED");
    if (oaep.pSourceData == NULL && oaep.ulSourceDataLen > 0)
        return refuse(mech, "pSourceData is NULL but ulSourceDataLen is not 0");
    return CKR_OK;
}

CK_RV mech_check_params(const struct mech *mech, const CK_MECHANISM *given)
{
    static CK_RV (*const checks[])(const struct mech *, const CK_MECHANISM *) = {
        [MECH_PARAMS_NONE] = check_none, [MECH_PARAMS_IV] = check_iv,
        [MECH_PARAMS_CTR] = check_ctr,   [MECH_PARAMS_GCM] = check_gcm,
        [MECH_PARAMS_PSS] = check_pss,   [MECH_PARAMS_OAEP] = check_oaep,
    };

    if (mech == NULL || given == NULL)
        return fail_argument("mechanism");
    if (given->mechanism != mech->type)
        return fail_internal("a mechanism's parameter was held against another's row");
    return checks[mech->params](mech, given);
}
