/*
 * Verification with, and encryption to, a public key. See local.h.
 *
 * A hashed mechanism is its digest, computed here, and then the raw mechanism of its row in
 * base/mech.h. Whatever OpenSSL says but a plain yes is CKR_SIGNATURE_INVALID: there is no third
 * answer to take for a yes.
 */
#include "base/mech.h"
#include "hsm/local_encapsulate.h"
#include "hsm/local_int.h"
#include "hsm/local_pq.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#define PKCS1_OVERHEAD 11
#define DER_SIG_MAX    160

struct verify {
    struct local *local;
    const struct mech *mech;
    const CK_MECHANISM *given;
    EVP_PKEY *key;
    EVP_MD *md; /* of the hashed mechanism; NULL for a raw one */
};

static CK_RV fail_signature(void)
{
    return fail(CKR_SIGNATURE_INVALID,
                "the signature does not belong to this data and key: check which key signed it");
}

static CK_RV fail_params(const char *what)
{
    return fail(CKR_MECHANISM_PARAM_INVALID, "%s is not known here: use SHA-1 or a SHA-2", what);
}

static EVP_PKEY_CTX *context_of(struct local *local, EVP_PKEY *key)
{
    return EVP_PKEY_CTX_new_from_pkey(local->ctx, key, NULL);
}

/* ---- RSA ---- */

static CK_RV check_rsa_signature_len(const struct verify *v, struct bytes signature)
{
    if (signature.len != (size_t)EVP_PKEY_get_size(v->key))
        return fail(CKR_SIGNATURE_LEN_RANGE,
                    "the signature has %zu bytes where this key makes %d: check which key "
                    "signed it",
                    signature.len, EVP_PKEY_get_size(v->key));
    return CKR_OK;
}

static CK_RV finish_verify(EVP_PKEY_CTX *ctx, struct bytes data, struct bytes signature)
{
    if (EVP_PKEY_verify(ctx, signature.data, signature.len, data.data, data.len) != 1)
        return fail_signature();
    return CKR_OK;
}

static CK_RV verify_pkcs(const struct verify *v, struct bytes data, struct bytes signature)
{
    SCOPED(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = context_of(v->local, v->key);

    if (v->md == NULL && data.len > (size_t)EVP_PKEY_get_size(v->key) - PKCS1_OVERHEAD)
        return fail(CKR_DATA_LEN_RANGE,
                    "%zu bytes are more than this key signs raw: sign a DigestInfo, or use a "
                    "mechanism that hashes",
                    data.len);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
        (v->md != NULL && EVP_PKEY_CTX_set_signature_md(ctx, v->md) != 1))
        return local_fail("start a verification");
    return finish_verify(ctx, data, signature);
}

/* The number that was signed; a shorter one has zeros in front of it. */
static CK_RV verify_raw(const struct verify *v, struct bytes data, struct bytes signature)
{
    struct buf number = BUF_INIT(LOCAL_MODULUS_MAX);
    size_t zeros;
    CK_RV rv = local_recover(v->local, v->key, RSA_NO_PADDING, signature, &number);

    zeros = rv == CKR_OK && data.len < number.len ? number.len - data.len : 0;
    for (size_t i = 0; i < zeros && rv == CKR_OK; i++)
        if (number.data[i] != 0)
            rv = fail_signature();
    if (rv == CKR_OK && !bytes_equal(BYTES(number.data + zeros, number.len - zeros), data))
        rv = fail_signature();
    buf_release(&number);
    return rv;
}

CK_RV local_set_pss(struct local *local, EVP_PKEY_CTX *ctx, const CK_RSA_PKCS_PSS_PARAMS *params,
                    size_t modulus_len)
{
    EVP_MD *md = local_hash(local, params->hashAlg);
    EVP_MD *mgf = local_hash(local, mech_mgf_hash(params->mgf));

    if (md == NULL || mgf == NULL)
        return fail_params("the hash of this PSS signature");
    /* RFC 8017, 9.1.1: the digest, the salt and two bytes stand in the encoded message. */
    if (params->sLen > modulus_len || params->sLen + (size_t)EVP_MD_get_size(md) + 2 > modulus_len)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "a PSS salt of %lu bytes does not fit this key: use the digest's length",
                    params->sLen);
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, md) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mgf) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)params->sLen) != 1)
        return local_fail("set up PSS");
    return CKR_OK;
}

static CK_RV verify_pss(const struct verify *v, struct bytes data, struct bytes signature)
{
    SCOPED(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = context_of(v->local, v->key);
    const CK_RSA_PKCS_PSS_PARAMS *p = v->given->pParameter;
    CK_RV rv;

    if (data.len != mech_hash_len(p->hashAlg))
        return fail(CKR_DATA_LEN_RANGE,
                    "PSS signs a digest of %zu bytes, not %zu: digest the data with the hash of "
                    "the parameters first",
                    mech_hash_len(p->hashAlg), data.len);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1)
        return local_fail("start a PSS verification");
    rv = local_set_pss(v->local, ctx, p, (size_t)EVP_PKEY_get_size(v->key));
    return rv == CKR_OK ? finish_verify(ctx, data, signature) : rv;
}

/* ---- curves ---- */

/* r | s to the DER OpenSSL wants. */
static CK_RV signature_to_der(struct bytes signature, uint8_t out[static DER_SIG_MAX],
                              size_t *ret_len)
{
    int half = (int)(signature.len / 2);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.data, half, NULL);
    BIGNUM *s = BN_bin2bn(signature.data + half, half, NULL);
    int len = 0;

    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return fail_memory();
    }
    if (i2d_ECDSA_SIG(sig, NULL) <= DER_SIG_MAX)
        len = i2d_ECDSA_SIG(sig, &out);
    ECDSA_SIG_free(sig);
    *ret_len = len > 0 ? (size_t)len : 0;
    return len > 0 ? CKR_OK : fail_signature();
}

static CK_RV check_curve_signature_len(const struct verify *v, struct bytes signature)
{
    const struct local_curve *curve = local_curve_of_key(v->key);

    if (curve == NULL)
        return fail_internal("a loaded key's curve is in the table");
    if (signature.len != 2 * (size_t)curve->order_len)
        return fail(CKR_SIGNATURE_LEN_RANGE,
                    "the signature has %zu bytes where curve %s makes %u: give r and s, "
                    "each padded, not DER",
                    signature.len, curve->name, 2 * curve->order_len);
    return CKR_OK;
}

static CK_RV verify_ecdsa(const struct verify *v, struct bytes data, struct bytes signature)
{
    SCOPED(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = context_of(v->local, v->key);
    uint8_t der[DER_SIG_MAX];
    size_t len = 0;
    CK_RV rv;

    if (data.len == 0)
        return fail(CKR_DATA_LEN_RANGE, "there is nothing to verify: give the digest");
    rv = signature_to_der(signature, der, &len);
    if (rv != CKR_OK)
        return rv;
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1)
        return local_fail("start a verification");
    return finish_verify(ctx, data, BYTES(der, len));
}

static CK_RV verify_eddsa(const struct verify *v, struct bytes data, struct bytes signature)
{
    SCOPED(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const struct local_curve *curve = local_curve_of_key(v->key);
    struct local_eddsa form;
    CK_RV rv = curve != NULL ? local_eddsa_form(curve, v->given, &form)
                             : fail_internal("a loaded key's curve is in the table");

    if (rv != CKR_OK)
        return rv;
    if (ctx == NULL ||
        EVP_DigestVerifyInit_ex(ctx, NULL, NULL, v->local->ctx, NULL, v->key, form.params) != 1)
        return local_fail("start a verification");
    if (EVP_DigestVerify(ctx, signature.data, signature.len, data.data, data.len) != 1)
        return fail_signature();
    return CKR_OK;
}

/* ---- ML-DSA, SLH-DSA ---- */

static CK_RV check_pq_signature_len(const struct verify *v, struct bytes signature)
{
    const struct param_set *set = local_param_set_of_key(v->key);

    if (set == NULL)
        return fail_internal("a loaded key's parameter set is in the table");
    if (signature.len != set->output_len)
        return fail(CKR_SIGNATURE_LEN_RANGE, "the signature has %zu bytes where %s makes %zu",
                    signature.len, set->name, set->output_len);
    return CKR_OK;
}

static CK_RV verify_pq_message(const struct verify *v, const struct local_pq *pq,
                               struct bytes signature)
{
    SCOPED(EVP_MD_CTX_free_p) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL ||
        EVP_DigestVerifyInit_ex(ctx, NULL, NULL, v->local->ctx, NULL, v->key, pq->params) != 1)
        return local_fail("start a verification");
    if (EVP_DigestVerify(ctx, signature.data, signature.len, pq->message.data, pq->message.len) !=
        1)
        return fail_signature();
    return CKR_OK;
}

/* What a mechanism with a digest says the raw one is told in its own parameter. */
static CK_RV verify_pq(const struct verify *v, struct bytes data, struct bytes signature)
{
    CK_HASH_SIGN_ADDITIONAL_CONTEXT context;
    CK_MECHANISM raw = {v->mech->raw, &context, sizeof(context)};
    bool hashed = v->mech->raw != KW_NO_MECHANISM;
    struct local_pq pq;
    CK_RV rv;

    if (hashed)
        context = mech_hash_context(v->given, v->mech->hash);
    rv = local_pq_make(hashed ? &raw : v->given, data, &pq);
    if (rv == CKR_OK)
        rv = verify_pq_message(v, &pq, signature);
    local_pq_release(&pq);
    return rv;
}

/* One row a raw mechanism: how it is verified. */
static const struct verify_row {
    CK_MECHANISM_TYPE raw;
    CK_RV (*check_len)(const struct verify *v, struct bytes signature);
    CK_RV (*run)(const struct verify *v, struct bytes data, struct bytes signature);
} verify_rows[] = {
    {CKM_RSA_PKCS, check_rsa_signature_len, verify_pkcs},
    {CKM_RSA_X_509, check_rsa_signature_len, verify_raw},
    {CKM_RSA_PKCS_PSS, check_rsa_signature_len, verify_pss},
    {CKM_ECDSA, check_curve_signature_len, verify_ecdsa},
    {CKM_EDDSA, check_curve_signature_len, verify_eddsa},
    {CKM_ML_DSA, check_pq_signature_len, verify_pq},
    {CKM_HASH_ML_DSA, check_pq_signature_len, verify_pq},
    {CKM_SLH_DSA, check_pq_signature_len, verify_pq},
    {CKM_HASH_SLH_DSA, check_pq_signature_len, verify_pq},
};

static const struct verify_row *row_of(const struct mech *mech)
{
    CK_MECHANISM_TYPE raw;

    if (mech == NULL)
        return NULL;
    raw = mech->raw != KW_NO_MECHANISM ? mech->raw : mech->type;
    for (size_t i = 0; i < sizeof(verify_rows) / sizeof(*verify_rows); i++) {
        if (verify_rows[i].raw == raw)
            return &verify_rows[i];
    }
    return NULL;
}

static CK_RV check_key_type(const struct mech *mech, const EVP_PKEY *key)
{
    if (!mech_takes_key(mech, local_key_type(key)))
        return fail(CKR_KEY_TYPE_INCONSISTENT,
                    "%s is not for this type of key: use a mechanism of "
                    "the key's type",
                    mech->name);
    return CKR_OK;
}

/* Row, parameters and key: what stands before the data. The caller frees v->key. */
static CK_RV prepare(struct verify *v, struct bytes spki, const struct verify_row **ret_row)
{
    CK_RV rv;

    v->mech = mech_find(v->given->mechanism);
    *ret_row = row_of(v->mech);
    if (*ret_row == NULL)
        return fail(CKR_MECHANISM_INVALID,
                    "mechanism 0x%lx verifies no signature here: see C_GetMechanismList",
                    v->given->mechanism);
    rv = mech_check_params(v->mech, v->given);
    if (rv == CKR_OK)
        rv = local_public_load(v->local, spki, &v->key);
    if (rv == CKR_OK)
        rv = check_key_type(v->mech, v->key);
    if (rv == CKR_OK && v->mech->hash != KW_NO_MECHANISM)
        v->md = local_hash(v->local, v->mech->hash);
    return rv;
}

static CK_RV verify_data(const struct verify *v, const struct verify_row *row, struct bytes data,
                         struct bytes signature)
{
    uint8_t digest[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = row->check_len(v, signature);

    if (rv != CKR_OK || v->mech->hash == KW_NO_MECHANISM)
        return rv != CKR_OK ? rv : row->run(v, data, signature);
    rv = local_hash_of(v->local, v->mech->hash, data, digest, &len);
    return rv == CKR_OK ? row->run(v, BYTES(digest, len), signature) : rv;
}

static CK_RV verify_digest(const struct verify *v, const struct verify_row *row,
                           struct bytes digest, struct bytes signature)
{
    CK_RV rv;

    if (v->mech->hash == KW_NO_MECHANISM)
        return fail(CKR_MECHANISM_INVALID, "%s digests nothing: verify the data itself",
                    v->mech->name);
    if (digest.len != mech_hash_len(v->mech->hash))
        return fail(CKR_DATA_LEN_RANGE, "%s takes a digest of %zu bytes, not %zu", v->mech->name,
                    mech_hash_len(v->mech->hash), digest.len);
    rv = row->check_len(v, signature);
    return rv == CKR_OK ? row->run(v, digest, signature) : rv;
}

CK_RV local_verify(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                   struct bytes data, struct bytes signature)
{
    LOCAL_QUIET;
    const struct verify_row *row = NULL;
    struct verify v = {.local = local, .given = mechanism};
    CK_RV rv = prepare(&v, spki, &row);

    if (rv == CKR_OK)
        rv = verify_data(&v, row, data, signature);
    EVP_PKEY_free(v.key);
    return rv;
}

CK_RV local_verify_digest(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                          struct bytes digest, struct bytes signature)
{
    LOCAL_QUIET;
    const struct verify_row *row = NULL;
    struct verify v = {.local = local, .given = mechanism};
    CK_RV rv = prepare(&v, spki, &row);

    if (rv == CKR_OK)
        rv = verify_digest(&v, row, digest, signature);
    EVP_PKEY_free(v.key);
    return rv;
}

/* ---- encryption ---- */

CK_RV local_set_oaep(struct local *local, EVP_PKEY_CTX *ctx, const CK_RSA_PKCS_OAEP_PARAMS *p)
{
    EVP_MD *md = local_hash(local, p->hashAlg);
    EVP_MD *mgf = local_hash(local, mech_mgf_hash(p->mgf));
    void *label = NULL;

    if (md == NULL || mgf == NULL)
        return fail_params("the hash of this OAEP encryption");
    if (p->ulSourceDataLen > INT_MAX)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "an OAEP label of %lu bytes is too long: shorten "
                    "it",
                    p->ulSourceDataLen);
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) != 1 || EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, mgf) != 1)
        return local_fail("set up OAEP");
    if (p->ulSourceDataLen == 0)
        return CKR_OK;
    /* The context owns its copy from here on. */
    label = OPENSSL_memdup(p->pSourceData, p->ulSourceDataLen);
    if (label == NULL)
        return fail_memory();
    if (EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, (int)p->ulSourceDataLen) != 1) {
        OPENSSL_free(label);
        return local_fail("set an OAEP label");
    }
    return CKR_OK;
}

static CK_RV set_padding(struct local *local, EVP_PKEY_CTX *ctx, const CK_MECHANISM *mechanism,
                         size_t *ret_overhead)
{
    const CK_RSA_PKCS_OAEP_PARAMS *p = mechanism->pParameter;

    if (mechanism->mechanism == CKM_RSA_PKCS_OAEP) {
        *ret_overhead = 2 * mech_hash_len(p->hashAlg) + 2;
        return local_set_oaep(local, ctx, p);
    }
    *ret_overhead = PKCS1_OVERHEAD;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1
               ? CKR_OK
               : local_fail("start an encryption");
}

static CK_RV encrypt_with(EVP_PKEY_CTX *ctx, size_t size, struct bytes plain,
                          struct buf *ret_cipher)
{
    uint8_t *out;
    size_t len = size;

    buf_clear(ret_cipher);
    out = buf_grow(ret_cipher, size);
    if (out == NULL)
        return fail_memory();
    if (EVP_PKEY_encrypt(ctx, out, &len, plain.data, plain.len) != 1 || len != size) {
        buf_clear(ret_cipher);
        return local_fail("encrypt to a public key");
    }
    return CKR_OK;
}

static bool encrypts(CK_MECHANISM_TYPE type)
{
    return type == CKM_RSA_PKCS || type == CKM_RSA_PKCS_OAEP;
}

bool local_offers(CK_MECHANISM_TYPE mechanism, CK_FLAGS use)
{
    const struct mech *mech = mech_find(mechanism);

    if (!local_does(mech))
        return false;
    switch (use) {
    case CKF_DIGEST:
        return local_hash_name(mechanism) != NULL;
    case CKF_GENERATE: /* local_pbkdf2() */
        return mechanism == CKM_PKCS5_PBKD2;
    case CKF_VERIFY:
        return row_of(mech) != NULL &&
               (mech->hash == KW_NO_MECHANISM || local_hash_name(mech->hash) != NULL);
    case CKF_VERIFY_RECOVER:
        return mech != NULL && (mech->flags & CKF_VERIFY_RECOVER) != 0;
    case CKF_ENCRYPT:
        return encrypts(mechanism);
    case CKF_ENCAPSULATE:
        return local_encapsulates(mechanism);
    case CKF_WRAP: /* local_wrap(); not without padding */
        return mechanism == CKM_RSA_AES_KEY_WRAP || mechanism == CKM_RSA_PKCS_OAEP ||
               mechanism == CKM_RSA_PKCS;
    default:
        return false;
    }
}

static CK_RV check_encryption(const struct mech *mech, const CK_MECHANISM *mechanism)
{
    if (mech == NULL || !encrypts(mech->type))
        return fail(CKR_MECHANISM_INVALID,
                    "mechanism 0x%lx does not encrypt to a public key: use CKM_RSA_PKCS_OAEP",
                    mechanism->mechanism);
    return mech_check_params(mech, mechanism);
}

CK_RV local_encrypt(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                    struct bytes plain, struct buf *ret_cipher)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    SCOPED(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = NULL;
    const struct mech *mech = mech_find(mechanism->mechanism);
    size_t overhead = 0;
    size_t size;
    CK_RV rv = check_encryption(mech, mechanism);

    if (rv == CKR_OK)
        rv = local_public_load(local, spki, &key);
    if (rv == CKR_OK)
        rv = check_key_type(mech, key);
    if (rv != CKR_OK)
        return rv;
    ctx = context_of(local, key);
    if (ctx == NULL || EVP_PKEY_encrypt_init(ctx) != 1)
        return local_fail("start an encryption");
    rv = set_padding(local, ctx, mechanism, &overhead);
    if (rv != CKR_OK)
        return rv;
    size = (size_t)EVP_PKEY_get_size(key);
    if (overhead > size || plain.len > size - overhead)
        return fail(CKR_DATA_LEN_RANGE,
                    "%zu bytes are more than this key encrypts at once: "
                    "encrypt a secret key and wrap the data with that",
                    plain.len);
    return encrypt_with(ctx, size, plain, ret_cipher);
}
