/* What the cases share: see bench.h. */
#include "tests/contract/pkcs11/bench.h"

#include <stdlib.h>

const EVP_MD *bench_md(CK_MECHANISM_TYPE hash)
{
    static const struct {
        CK_MECHANISM_TYPE hash;
        const char *name;
    } names[] = {
        {CKM_SHA_1, "SHA1"},
        {CKM_SHA224, "SHA224"},
        {CKM_SHA256, "SHA256"},
        {CKM_SHA384, "SHA384"},
        {CKM_SHA512, "SHA512"},
        {CKM_SHA512_224, "SHA512-224"},
        {CKM_SHA512_256, "SHA512-256"},
        {CKM_SHA3_224, "SHA3-224"},
        {CKM_SHA3_256, "SHA3-256"},
        {CKM_SHA3_384, "SHA3-384"},
        {CKM_SHA3_512, "SHA3-512"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i].hash == hash)
            return EVP_get_digestbyname(names[i].name);
    return NULL;
}

/* SoftHSM's PSS knows SHA-1 and SHA-2; software keys know all. */
static bool lacks_its_digest(const struct mech *row)
{
    const char *protection = getenv("TOKEN_PROTECTION");

    return row->params == MECH_PARAMS_PSS && row->hash >= CKM_SHA3_256 &&
           row->hash <= CKM_SHA3_512 && (protection == NULL || strcmp(protection, "software") != 0);
}

bool bench_does(const struct mech *row)
{
    static const CK_MECHANISM_TYPE raws[] = {
        CKM_RSA_PKCS,    CKM_RSA_PKCS_OAEP, CKM_RSA_PKCS_PSS, CKM_ECDSA,       CKM_SHA_1_HMAC,
        CKM_SHA224_HMAC, CKM_SHA256_HMAC,   CKM_SHA384_HMAC,  CKM_SHA512_HMAC, CKM_AES_ECB,
        CKM_AES_CBC,     CKM_AES_CBC_PAD,   CKM_AES_CTR,      CKM_AES_GCM};
    CK_MECHANISM_TYPE raw = row->raw != KW_NO_MECHANISM ? row->raw : row->type;

    if (row->legacy || lacks_its_digest(row))
        return false;
    for (size_t i = 0; i < sizeof(raws) / sizeof(*raws); i++)
        if (raws[i] == raw)
            return true;
    return (row->flags & CKF_DIGEST) != 0;
}

static void fill_hash(const struct mech *row, CK_MECHANISM_TYPE *hash, CK_RSA_PKCS_MGF_TYPE *mgf)
{
    *hash = row->hash != KW_NO_MECHANISM ? row->hash : CKM_SHA_1;
    for (CK_RSA_PKCS_MGF_TYPE i = CKG_MGF1_SHA1; i <= CKG_MGF1_SHA3_512; i++) {
        if (mech_mgf_hash(i) == *hash)
            *mgf = i;
    }
}

static void set_param(struct bench_mechanism *m, void *param, CK_ULONG len)
{
    m->mechanism.pParameter = param;
    m->mechanism.ulParameterLen = len;
}

CK_MECHANISM *bench_mechanism(struct bench_mechanism *m, const struct mech *row)
{
    memset(m, 0, sizeof(*m));
    m->mechanism.mechanism = row->type;
    bench_fill(m->iv, sizeof(m->iv));
    bench_fill(m->aad, sizeof(m->aad));
    if (row->params == MECH_PARAMS_IV)
        set_param(m, m->iv, sizeof(m->iv));
    if (row->params == MECH_PARAMS_CTR) {
        m->ctr.ulCounterBits = 128;
        memcpy(m->ctr.cb, m->iv, sizeof(m->ctr.cb));
        set_param(m, &m->ctr, sizeof(m->ctr));
    }
    if (row->params == MECH_PARAMS_GCM) {
        m->gcm = (CK_GCM_PARAMS){.pIv = m->iv,
                                 .ulIvLen = 12,
                                 .ulIvBits = 96,
                                 .pAAD = m->aad,
                                 .ulAADLen = sizeof(m->aad),
                                 .ulTagBits = 128};
        set_param(m, &m->gcm, sizeof(m->gcm));
    }
    if (row->params == MECH_PARAMS_PSS) {
        fill_hash(row, &m->pss.hashAlg, &m->pss.mgf);
        m->pss.sLen = mech_hash_len(m->pss.hashAlg);
        set_param(m, &m->pss, sizeof(m->pss));
    }
    if (row->params == MECH_PARAMS_OAEP) {
        fill_hash(row, &m->oaep.hashAlg, &m->oaep.mgf);
        m->oaep.source = CKZ_DATA_SPECIFIED;
        set_param(m, &m->oaep, sizeof(m->oaep));
    }
    return &m->mechanism;
}

CK_MECHANISM *bench_mechanism_of(struct bench_mechanism *m, CK_MECHANISM_TYPE type)
{
    const struct mech *row = mech_find(type);

    ck_assert_ptr_nonnull(row);
    return bench_mechanism(m, row);
}

const struct mech *bench_row(CK_FLAGS flag, size_t n)
{
    for (size_t i = 0; i < mech_count(); i++) {
        if ((mech_at(i)->flags & flag) != 0 && bench_does(mech_at(i)) && n-- == 0)
            return mech_at(i);
    }
    return NULL;
}

enum bench_key bench_key_for(const struct mech *row, CK_FLAGS flag)
{
    bool private = (flag & (CKF_SIGN | CKF_DECRYPT)) != 0;

    if (row->key == CKK_AES)
        return BENCH_AES256;
    if (row->key == CKK_GENERIC_SECRET)
        return BENCH_HMAC;
    if (row->key == CKK_EC)
        return private ? BENCH_P256_PRIVATE : BENCH_P256_PUBLIC;
    return private ? BENCH_RSA_PRIVATE : BENCH_RSA_PUBLIC;
}

void bench_fill(uint8_t *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)(i * 7 + i / 251 + 1);
}

size_t bench_data_len(const struct mech *row, CK_FLAGS flag)
{
    if ((flag & (CKF_SIGN | CKF_VERIFY)) != 0 && row->hash == KW_NO_MECHANISM)
        return 20; /* a SHA-1 digest, the hash of a raw PSS parameter above */
    if (row->key == CKK_RSA && (flag & (CKF_ENCRYPT | CKF_DECRYPT)) != 0)
        return 32;
    return 160;
}
