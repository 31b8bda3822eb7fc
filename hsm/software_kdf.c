/*
 * Derivation from secret keys, in software: HKDF and SP 800-108. See software_int.h; TLS's are in
 * software_tls.c.
 */
#include "hsm/software_kdf.h"
#include "hsm/local_secret.h"
#include "hsm/software_int.h"

#include <openssl/params.h>
#include <string.h>

#define OUT_MAX 8192

OSSL_PARAM kdf_text(const char *name, const char *value)
{
    return OSSL_PARAM_construct_utf8_string(name, (char *)(uintptr_t)value, 0);
}

OSSL_PARAM kdf_octets(const char *name, struct bytes value)
{
    static const uint8_t none;

    return OSSL_PARAM_construct_octet_string(
        name, (void *)(uintptr_t)(value.len > 0 ? value.data : &none), value.len);
}

CK_RV kdf_run(struct local *local, const char *name, const OSSL_PARAM *params, size_t len,
              struct secret **ret)
{
    EVP_KDF *kdf = EVP_KDF_fetch(local->ctx, name, NULL);
    SCOPED(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    SCOPED_SECRET value = NULL;

    EVP_KDF_free(kdf);
    if (len == 0 || len > OUT_MAX)
        return fail(CKR_KEY_SIZE_RANGE, "%zu bytes are not derived at once", len);
    value = secret_new(len);
    if (value == NULL)
        return fail_memory();
    if (ctx == NULL || EVP_KDF_derive(ctx, value->data, len, params) != 1)
        return local_fail("derive a key");
    *ret = TAKE(value);
    return CKR_OK;
}

static CK_RV hash_named(CK_MECHANISM_TYPE hash, const char **ret)
{
    *ret = local_hash_name(hash);
    return *ret != NULL ? CKR_OK
                        : fail(CKR_MECHANISM_PARAM_INVALID, "digest 0x%lx is not known here", hash);
}

/* ---- HKDF (RFC 5869) ---- */

static int hkdf_mode(const CK_HKDF_PARAMS *params)
{
    if (params->bExtract == CK_TRUE)
        return params->bExpand == CK_TRUE ? EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND
                                          : EVP_KDF_HKDF_MODE_EXTRACT_ONLY;
    return EVP_KDF_HKDF_MODE_EXPAND_ONLY;
}

static struct bytes hkdf_salt(const CK_HKDF_PARAMS *params, struct bytes salt_key)
{
    if (params->ulSaltType == CKF_HKDF_SALT_KEY)
        return salt_key;
    return BYTES(params->pSalt, params->ulSaltType == CKF_HKDF_SALT_DATA ? params->ulSaltLen : 0);
}

static CK_RV hkdf_len(const CK_HKDF_PARAMS *params, size_t len, size_t *ret)
{
    size_t hash_len = mech_hash_len(params->prfHashMechanism);
    bool extract_only = params->bExpand != CK_TRUE;

    *ret = len == 0 ? hash_len : len;
    if (extract_only ? *ret != hash_len : *ret > 255 * hash_len)
        return fail(CKR_KEY_SIZE_RANGE, "HKDF does not give %zu bytes so", len);
    return CKR_OK;
}

static CK_RV run_hkdf(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                      struct bytes second, size_t len, struct secret **ret)
{
    const CK_HKDF_PARAMS *p = mechanism->pParameter;
    const char *hash = NULL;
    int mode = hkdf_mode(p);
    struct bytes salt = hkdf_salt(p, second);
    OSSL_PARAM params[6];
    size_t n = 0;
    CK_RV rv = hash_named(p->prfHashMechanism, &hash);

    if (rv == CKR_OK)
        rv = hkdf_len(p, len, &len);
    if (rv != CKR_OK)
        return rv;
    if (p->bExtract == CK_TRUE && p->ulSaltType == CKF_HKDF_SALT_KEY && second.len == 0)
        return fail(CKR_KEY_HANDLE_INVALID, "the key that is to be the salt was not given");
    params[n++] = kdf_text(OSSL_KDF_PARAM_DIGEST, hash);
    params[n++] = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    params[n++] = kdf_octets(OSSL_KDF_PARAM_KEY, secret_bytes(ready->value));
    if (p->bExtract == CK_TRUE && salt.len > 0)
        params[n++] = kdf_octets(OSSL_KDF_PARAM_SALT, salt);
    params[n++] = kdf_octets(OSSL_KDF_PARAM_INFO, BYTES(p->pInfo, p->ulInfoLen));
    params[n] = OSSL_PARAM_construct_end();
    return kdf_run(ready->local, OSSL_KDF_NAME_HKDF, params, len, ret);
}

/* ---- SP 800-108: the PRF over parts that the caller puts in order ---- */

struct sp800 {
    struct hsm_ready *ready; /* the key, as a MAC's */
    CK_MECHANISM prf;
    const CK_PRF_DATA_PARAM *parts;
    size_t part_count;
    struct bytes iv;     /* feedback: the first iteration variable */
    struct bytes second; /* the value of the key that is a part */
    const size_t *lens;  /* bytes wanted of each key */
    size_t key_count;
    CK_MECHANISM_TYPE mode;          /* CKM_SP800_108_... */
    uint8_t last[SOFTWARE_MAC_MAX];  /* K(i-1) */
    uint8_t chain[SOFTWARE_MAC_MAX]; /* double pipeline: A(i) */
    size_t last_len, chain_len;
};

static void put_number(struct buf *out, uint64_t n, CK_ULONG bits, bool little)
{
    size_t len = bits / 8;

    for (size_t i = 0; i < len; i++) {
        size_t byte = little ? i : len - 1 - i;

        buf_putc(out, (char)(byte < 8 ? n >> (8 * byte) : 0));
    }
}

static CK_RV check_width(CK_ULONG bits, uint64_t n)
{
    return bits % 8 == 0 && bits >= 8 && bits <= 64 && (bits == 64 || n >> bits == 0)
               ? CKR_OK
               : fail(CKR_MECHANISM_PARAM_INVALID,
                      "a counter or length of %lu bits: it must be 8 to 64 in steps of 8, and hold "
                      "its number",
                      bits);
}

static CK_RV put_counter(const CK_PRF_DATA_PARAM *part, uint64_t i, struct buf *out)
{
    CK_SP800_108_COUNTER_FORMAT format;
    CK_RV rv;

    memcpy(&format, part->pValue, sizeof(format));
    rv = check_width(format.ulWidthInBits, i);
    if (rv == CKR_OK)
        put_number(out, i, format.ulWidthInBits, format.bLittleEndian == CK_TRUE);
    return rv;
}

/* L, in bits: of the keys, or of the whole segments they are cut from. */
static CK_RV put_length(const struct sp800 *s, const CK_PRF_DATA_PARAM *part, struct buf *out)
{
    CK_SP800_108_DKM_LENGTH_FORMAT format;
    size_t len = 0;
    CK_RV rv;

    memcpy(&format, part->pValue, sizeof(format));
    for (size_t k = 0; k < s->key_count; k++)
        len += format.dkmLengthMethod == CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS
                   ? (s->lens[k] + s->last_len - 1) / s->last_len * s->last_len
                   : s->lens[k];
    rv = check_width(format.ulWidthInBits, (uint64_t)len * 8);
    if (rv == CKR_OK)
        put_number(out, (uint64_t)len * 8, format.ulWidthInBits, format.bLittleEndian == CK_TRUE);
    return rv;
}

/* What the iteration variable is in this mode. */
static CK_RV put_variable(const struct sp800 *s, const CK_PRF_DATA_PARAM *part, uint64_t i,
                          struct buf *out)
{
    if (s->mode == CKM_SP800_108_COUNTER_KDF)
        return put_counter(part, i, out);
    if (s->mode == CKM_SP800_108_DOUBLE_PIPELINE_KDF)
        buf_put(out, s->chain, s->chain_len);
    else if (i == 1)
        buf_put_bytes(out, s->iv);
    else
        buf_put(out, s->last, s->last_len);
    return CKR_OK;
}

/* variable: with it and the counter, or without (the chain's own input). */
static CK_RV put_parts(const struct sp800 *s, uint64_t i, bool variable, struct buf *out)
{
    CK_RV rv = CKR_OK;

    for (size_t k = 0; k < s->part_count && rv == CKR_OK; k++) {
        const CK_PRF_DATA_PARAM *part = &s->parts[k];

        if (part->type == CK_SP800_108_BYTE_ARRAY)
            buf_put(out, part->pValue, part->ulValueLen);
        else if (part->type == CK_SP800_108_DKM_LENGTH)
            rv = put_length(s, part, out);
        else if (part->type == CK_SP800_108_ITERATION_VARIABLE)
            rv = variable ? put_variable(s, part, i, out) : CKR_OK;
        else if (part->type == CK_SP800_108_COUNTER)
            rv = variable ? put_counter(part, i, out) : CKR_OK;
        else if (s->second.len > 0) /* CK_SP800_108_KEY_HANDLE */
            buf_put_bytes(out, s->second);
        else
            rv = fail(CKR_KEY_HANDLE_INVALID, "the key that is to be a part was not given");
    }
    return rv == CKR_OK && !buf_ok(out) ? fail_memory() : rv;
}

static CK_RV prf(const struct sp800 *s, struct bytes in, uint8_t out[static SOFTWARE_MAC_MAX],
                 size_t *ret_len)
{
    struct buf mac = BUF_INIT(SOFTWARE_MAC_MAX);
    CK_RV rv = software_run(HSM_SIGN, s->ready, &s->prf, in, BYTES_NONE, &mac);

    if (rv == CKR_OK) {
        memcpy(out, mac.data, mac.len);
        *ret_len = mac.len;
    }
    buf_release_secure(&mac);
    return rv;
}

/* A(i) = PRF(A(i-1)), A(0) = the parts without their variable. */
static CK_RV step_chain(struct sp800 *s, uint64_t i)
{
    struct buf in = BUF_INIT(OUT_MAX << 8);
    CK_RV rv = CKR_OK;

    if (i == 1)
        rv = put_parts(s, i, false, &in);
    else
        buf_put(&in, s->chain, s->chain_len);
    if (rv == CKR_OK)
        rv = prf(s, buf_bytes(&in), s->chain, &s->chain_len);
    buf_release_secure(&in);
    return rv;
}

static CK_RV step(struct sp800 *s, uint64_t i)
{
    struct buf in = BUF_INIT(OUT_MAX << 8);
    CK_RV rv = CKR_OK;

    if (s->mode == CKM_SP800_108_DOUBLE_PIPELINE_KDF)
        rv = step_chain(s, i);
    if (rv == CKR_OK)
        rv = put_parts(s, i, true, &in);
    if (rv == CKR_OK)
        rv = prf(s, buf_bytes(&in), s->last, &s->last_len);
    buf_release_secure(&in);
    return rv;
}

static bool has_variable(const struct sp800 *s)
{
    for (size_t k = 0; k < s->part_count; k++) {
        if (s->parts[k].type == CK_SP800_108_ITERATION_VARIABLE)
            return true;
    }
    return false;
}

/* One key: from a segment of its own on, i being the number of the last one before it. */
static CK_RV fill_key(struct sp800 *s, uint64_t *i, uint8_t *out, size_t len)
{
    CK_RV rv = CKR_OK;

    while (len > 0 && rv == CKR_OK) {
        size_t n;

        rv = step(s, ++*i);
        n = len < s->last_len ? len : s->last_len;
        if (rv == CKR_OK)
            memcpy(out, s->last, n);
        out += n;
        len -= n;
    }
    return rv;
}

static CK_RV iterate(struct sp800 *s, size_t sum, struct secret **ret)
{
    SCOPED_SECRET value = secret_new(sum);
    size_t at = 0;
    uint64_t i = 0;
    CK_RV rv = value != NULL ? CKR_OK : fail_memory();

    for (size_t k = 0; k < s->key_count && rv == CKR_OK; k++) {
        rv = fill_key(s, &i, value->data + at, s->lens[k]);
        at += s->lens[k];
    }
    if (rv == CKR_OK)
        *ret = TAKE(value);
    return rv;
}

static CK_RV check_lens(const struct sp800 *s, size_t *ret_sum)
{
    *ret_sum = 0;
    for (size_t k = 0; k < s->key_count; k++) {
        if (s->lens[k] == 0 || s->lens[k] > OUT_MAX - *ret_sum)
            return fail(CKR_KEY_SIZE_RANGE, "say how many bytes each key has, at most %u together",
                        OUT_MAX);
        *ret_sum += s->lens[k];
    }
    return CKR_OK;
}

static CK_RV run_sp800(const struct hsm_ready *ready, struct sp800 *s, struct secret **ret)
{
    const struct mech *prf_row = mech_find(s->prf.mechanism);
    const struct hsm_key key = {.kind = HSM_KEY_SECRET,
                                .type = s->prf.mechanism == CKM_AES_CMAC ? CKK_AES
                                                                         : CKK_GENERIC_SECRET};
    size_t sum = 0;
    CK_RV rv = check_lens(s, &sum);

    if (rv != CKR_OK)
        return rv;
    if (!has_variable(s))
        return fail(CKR_MECHANISM_PARAM_INVALID, "the parts lack the iteration variable");
    if (prf_row == NULL)
        return fail_internal("a PRF has a row");
    /* What SUM_OF_SEGMENTS counts in. */
    s->last_len = key.type == CKK_AES ? 16 : mech_hash_len(prf_row->hash);
    rv = software_ready_new(ready->local, &key, secret_bytes(ready->value), &s->ready);
    if (rv == CKR_OK)
        rv = iterate(s, sum, ret);
    hsm_ready_free(s->ready);
    bytes_wipe(s, sizeof(*s));
    return rv;
}

static CK_RV run_counter_keys(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                              struct bytes second, const size_t *lens, size_t count,
                              struct secret **ret)
{
    const CK_SP800_108_KDF_PARAMS *p = mechanism->pParameter;
    struct sp800 s = {.prf = {.mechanism = p->prfType},
                      .parts = p->pDataParams,
                      .part_count = p->ulNumberOfDataParams,
                      .second = second,
                      .lens = lens,
                      .key_count = count,
                      .mode = mechanism->mechanism};

    return run_sp800(ready, &s, ret);
}

static CK_RV run_feedback_keys(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                               struct bytes second, const size_t *lens, size_t count,
                               struct secret **ret)
{
    const CK_SP800_108_FEEDBACK_KDF_PARAMS *p = mechanism->pParameter;
    struct sp800 s = {.prf = {.mechanism = p->prfType},
                      .parts = p->pDataParams,
                      .part_count = p->ulNumberOfDataParams,
                      .iv = BYTES(p->pIV, p->ulIVLen),
                      .second = second,
                      .lens = lens,
                      .key_count = count,
                      .mode = mechanism->mechanism};

    return run_sp800(ready, &s, ret);
}

static CK_RV run_counter(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct bytes second, size_t len, struct secret **ret)
{
    return run_counter_keys(ready, mechanism, second, &len, 1, ret);
}

static CK_RV run_feedback(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct bytes second, size_t len, struct secret **ret)
{
    return run_feedback_keys(ready, mechanism, second, &len, 1, ret);
}

static const struct software_derivation rows[] = {
    {CKM_HKDF_DERIVE, run_hkdf, NULL},
    {CKM_HKDF_DATA, run_hkdf, NULL},
    {CKM_SP800_108_COUNTER_KDF, run_counter, run_counter_keys},
    {CKM_SP800_108_FEEDBACK_KDF, run_feedback, run_feedback_keys},
    {CKM_SP800_108_DOUBLE_PIPELINE_KDF, run_counter, run_counter_keys},
};

const struct software_derivations software_kdfs = {rows, sizeof(rows) / sizeof(*rows)};
