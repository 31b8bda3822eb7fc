/*
 * Derivation in software: the table of all that there are, key agreement on curves, and keys joined
 * and cut. See software_int.h; key derivation functions are in software_kdf.c and software_tls.c.
 */
#include "hsm/software_int.h"
#include "hsm/software_kdf.h"

#include <string.h>

#define VALUE_MAX 8192

/* ---- ECDH1 (SEC 1, 3.3.1 and 6.1; RFC 7748) ---- */

CK_RV software_load_peer(const struct hsm_ready *ready, struct bytes point, EVP_PKEY **ret)
{
    struct buf spki = BUF_INIT(1024);
    CK_RV rv = local_public_from_ec(ready->local, ready->type, ready->curve->params, point, &spki);

    if (rv == CKR_OK)
        rv = local_public_load(ready->local, buf_bytes(&spki), ret);
    buf_release(&spki);
    return rv == CKR_HOST_MEMORY ? rv
           : rv == CKR_OK        ? CKR_OK
                                 : fail(CKR_MECHANISM_PARAM_INVALID,
                                        "the other public value is no point of this key's curve");
}

/* An Edwards or Montgomery point of small order gives zero, which OpenSSL refuses. */
CK_RV software_agree(const struct hsm_ready *ready, EVP_PKEY *peer, struct secret **ret)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(ready->local->ctx, ready->key, NULL);
    size_t len = ready->curve->field_len;
    SCOPED_SECRET value = secret_new(len);

    if (ctx == NULL || value == NULL)
        return fail_memory();
    if (EVP_PKEY_derive_init(ctx) != 1)
        return local_fail("start a key agreement");
    if (EVP_PKEY_derive_set_peer(ctx, peer) != 1 || EVP_PKEY_derive(ctx, value->data, &len) != 1 ||
        len != value->len)
        return fail(CKR_MECHANISM_PARAM_INVALID, "the other public value agrees on nothing");
    *ret = TAKE(value);
    return CKR_OK;
}

static const struct kdf_row {
    CK_EC_KDF_TYPE kdf;
    CK_MECHANISM_TYPE hash;
    bool counter_first; /* SP 800-56A instead of X9.63 */
} kdfs[] = {
    {CKD_SHA1_KDF, CKM_SHA_1, false},
    {CKD_SHA224_KDF, CKM_SHA224, false},
    {CKD_SHA256_KDF, CKM_SHA256, false},
    {CKD_SHA384_KDF, CKM_SHA384, false},
    {CKD_SHA512_KDF, CKM_SHA512, false},
    {CKD_SHA3_224_KDF, CKM_SHA3_224, false},
    {CKD_SHA3_256_KDF, CKM_SHA3_256, false},
    {CKD_SHA3_384_KDF, CKM_SHA3_384, false},
    {CKD_SHA3_512_KDF, CKM_SHA3_512, false},
    {CKD_SHA1_KDF_SP800, CKM_SHA_1, true},
    {CKD_SHA224_KDF_SP800, CKM_SHA224, true},
    {CKD_SHA256_KDF_SP800, CKM_SHA256, true},
    {CKD_SHA384_KDF_SP800, CKM_SHA384, true},
    {CKD_SHA512_KDF_SP800, CKM_SHA512, true},
    {CKD_SHA3_224_KDF_SP800, CKM_SHA3_224, true},
    {CKD_SHA3_256_KDF_SP800, CKM_SHA3_256, true},
    {CKD_SHA3_384_KDF_SP800, CKM_SHA3_384, true},
    {CKD_SHA3_512_KDF_SP800, CKM_SHA3_512, true},
};

CK_RV kdf_x963(struct local *local, CK_MECHANISM_TYPE hash, bool counter_first, struct bytes value,
               struct bytes info, size_t len, struct secret **ret)
{
    SCOPED_SECRET out = secret_new(len);
    size_t at = 0;
    CK_RV rv = out != NULL ? CKR_OK : fail_memory();

    for (uint32_t i = 1; at < len && rv == CKR_OK; i++) {
        const uint8_t counter[] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                                   (uint8_t)i};
        struct buf in = BUF_INIT(value.len + info.len + sizeof(counter));
        uint8_t digest[LOCAL_DIGEST_MAX];
        size_t n = 0;

        if (counter_first)
            buf_put(&in, counter, sizeof(counter));
        buf_put_bytes(&in, value);
        if (!counter_first)
            buf_put(&in, counter, sizeof(counter));
        buf_put_bytes(&in, info);
        rv = buf_ok(&in) ? local_hash_of(local, hash, buf_bytes(&in), digest, &n) : fail_memory();
        n = len - at < n ? len - at : n;
        if (rv == CKR_OK)
            memcpy(out->data + at, digest, n);
        at += n;
        bytes_wipe(digest, sizeof(digest));
        buf_release_secure(&in);
    }
    if (rv == CKR_OK)
        *ret = TAKE(out);
    return rv;
}

/* Without a function the value itself, of which a shorter key takes the trailing bytes. */
static CK_RV last_bytes(struct bytes value, size_t len, struct secret **ret)
{
    size_t n = len == 0 ? value.len : len;

    if (n > value.len)
        return fail(CKR_KEY_SIZE_RANGE, "this agreement gives %zu bytes, not %zu", value.len, len);
    *ret = secret_copy(BYTES(value.data + value.len - n, n));
    return *ret != NULL ? CKR_OK : fail_memory();
}

CK_RV kdf_agreement(struct local *local, const CK_ECDH1_DERIVE_PARAMS *p, struct bytes value,
                    size_t len, struct secret **ret)
{
    struct bytes info = BYTES(p->pSharedData, p->ulSharedDataLen);

    if (p->kdf == CKD_NULL)
        return last_bytes(value, len, ret);
    if (len > VALUE_MAX)
        return fail(CKR_KEY_SIZE_RANGE, "%zu bytes are not derived at once", len);
    for (size_t i = 0; i < sizeof(kdfs) / sizeof(*kdfs); i++) {
        if (kdfs[i].kdf == p->kdf)
            return kdf_x963(local, kdfs[i].hash, kdfs[i].counter_first, value, info,
                            len == 0 ? value.len : len, ret);
    }
    return fail(CKR_MECHANISM_PARAM_INVALID, "key derivation function 0x%lx is not known here",
                p->kdf);
}

CK_RV software_exchange(const struct hsm_ready *ready, EVP_PKEY *peer,
                        const CK_ECDH1_DERIVE_PARAMS *params, size_t len, struct secret **ret)
{
    SCOPED_SECRET value = NULL;
    CK_RV rv = software_agree(ready, peer, &value);

    return rv == CKR_OK ? kdf_agreement(ready->local, params, secret_bytes(value), len, ret) : rv;
}

/* All curves here have cofactor 1, or have it in their functions (RFC 7748): both forms are one. */
static CK_RV run_ecdh1(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                       struct bytes second, size_t len, struct secret **ret)
{
    const CK_ECDH1_DERIVE_PARAMS *p = mechanism->pParameter;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *peer = NULL;
    CK_RV rv = software_load_peer(ready, BYTES(p->pPublicData, p->ulPublicDataLen), &peer);

    (void)second;
    return rv == CKR_OK ? software_exchange(ready, peer, p, len, ret) : rv;
}

static const struct software_derivation agreements[] = {
    {CKM_ECDH1_DERIVE, run_ecdh1, NULL},
    {CKM_ECDH1_COFACTOR_DERIVE, run_ecdh1, NULL},
};

const struct software_derivations software_agreements = {agreements,
                                                         sizeof(agreements) / sizeof(*agreements)};

/* ---- joined and cut (PKCS#11 3.1, 6.43) ---- */

/* The first bytes of a | b. */
static CK_RV join(struct bytes a, struct bytes b, size_t len, struct secret **ret)
{
    SCOPED_SECRET value = NULL;

    if (b.len == 0 || a.len + b.len > VALUE_MAX || len > a.len + b.len)
        return fail(CKR_KEY_SIZE_RANGE, "these two do not give %zu bytes", len);
    value = secret_new(a.len + b.len);
    if (value == NULL)
        return fail_memory();
    memcpy(value->data, a.data, a.len);
    memcpy(value->data + a.len, b.data, b.len);
    if (len > 0)
        secret_shorten(value, len);
    *ret = TAKE(value);
    return CKR_OK;
}

static struct bytes string_of(const CK_MECHANISM *mechanism)
{
    const CK_KEY_DERIVATION_STRING_DATA *p = mechanism->pParameter;

    return BYTES(p->pData, p->ulLen);
}

static CK_RV run_base_and_key(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                              struct bytes second, size_t len, struct secret **ret)
{
    (void)mechanism;
    return join(secret_bytes(ready->value), second, len, ret);
}

static CK_RV run_base_and_data(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                               struct bytes second, size_t len, struct secret **ret)
{
    (void)second;
    return join(secret_bytes(ready->value), string_of(mechanism), len, ret);
}

static CK_RV run_data_and_base(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                               struct bytes second, size_t len, struct secret **ret)
{
    (void)second;
    return join(string_of(mechanism), secret_bytes(ready->value), len, ret);
}

static CK_RV run_xor(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                     struct bytes second, size_t len, struct secret **ret)
{
    struct bytes data = string_of(mechanism);
    struct bytes base = secret_bytes(ready->value);
    size_t shorter = base.len < data.len ? base.len : data.len;
    SCOPED_SECRET value = NULL;

    (void)second;
    if (len > shorter)
        return fail(CKR_KEY_SIZE_RANGE, "the shorter of the two has %zu bytes, not %zu", shorter,
                    len);
    value = secret_copy(BYTES(base.data, len > 0 ? len : shorter));
    if (value == NULL)
        return fail_memory();
    for (size_t i = 0; i < value->len; i++)
        value->data[i] ^= data.data[i];
    *ret = TAKE(value);
    return CKR_OK;
}

/* From this bit on, the first of the first byte being 0, and over the end to the beginning. */
static CK_RV run_extract(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct bytes second, size_t len, struct secret **ret)
{
    struct bytes base = secret_bytes(ready->value);
    size_t first = *(const CK_EXTRACT_PARAMS *)mechanism->pParameter;
    SCOPED_SECRET value = NULL;

    (void)second;
    if (len == 0 || len > base.len || first >= base.len * 8)
        return fail(CKR_KEY_SIZE_RANGE, "%zu bytes from bit %zu on are not in this key", len,
                    first);
    value = secret_new(len);
    if (value == NULL)
        return fail_memory();
    for (size_t i = 0; i < len * 8; i++) {
        size_t from = (first + i) % (base.len * 8);
        unsigned bit = ((unsigned)base.data[from / 8] >> (7 - from % 8)) & 1U;

        value->data[i / 8] = (uint8_t)(value->data[i / 8] | (bit << (7 - i % 8)));
    }
    *ret = TAKE(value);
    return CKR_OK;
}

static const struct software_derivation joins[] = {
    {CKM_CONCATENATE_BASE_AND_KEY, run_base_and_key, NULL},
    {CKM_CONCATENATE_BASE_AND_DATA, run_base_and_data, NULL},
    {CKM_CONCATENATE_DATA_AND_BASE, run_data_and_base, NULL},
    {CKM_XOR_BASE_AND_DATA, run_xor, NULL},
    {CKM_EXTRACT_KEY_FROM_KEY, run_extract, NULL},
};

const struct software_derivations software_joins = {joins, sizeof(joins) / sizeof(*joins)};

/* ---- all ---- */

static const struct software_derivations *const all[] = {&software_agreements, &software_joins,
                                                         &software_kdfs, &software_tls};

static const struct software_derivation *find(CK_MECHANISM_TYPE mechanism)
{
    for (size_t t = 0; t < sizeof(all) / sizeof(*all); t++) {
        for (size_t i = 0; i < all[t]->count; i++) {
            if (all[t]->rows[i].mechanism == mechanism)
                return &all[t]->rows[i];
        }
    }
    return NULL;
}

bool software_derives(CK_MECHANISM_TYPE mechanism)
{
    return find(mechanism) != NULL;
}

CK_RV software_derive(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                      struct bytes second, size_t len, struct secret **ret)
{
    const struct software_derivation *row = find(mechanism->mechanism);

    if (row == NULL)
        return fail(CKR_MECHANISM_INVALID, "mechanism 0x%lx derives nothing in software",
                    mechanism->mechanism);
    return row->run(ready, mechanism, second, len, ret);
}

CK_RV software_derive_keys(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                           struct bytes second, const size_t *lens, size_t count,
                           struct secret **ret)
{
    const struct software_derivation *row = find(mechanism->mechanism);

    if (row == NULL || row->run_keys == NULL)
        return fail(CKR_MECHANISM_PARAM_INVALID, "mechanism 0x%lx makes one key at a time",
                    mechanism->mechanism);
    return row->run_keys(ready, mechanism, second, lens, count, ret);
}
