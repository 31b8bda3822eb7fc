/*
 * Keys and signatures after quantum computers: see local_pq.h.
 *
 * OpenSSL 3.5 knows the pure forms. A form with prehash differs from them in the message only,
 * which is put together here and signed as it is: FIPS 204, algorithm 4, line 23, and FIPS 205,
 * algorithm 23, line 24, are the same bytes.
 */
#include "hsm/local_pq.h"
#include "base/mech.h"

#include <openssl/params.h>

/* Names of OpenSSL 3.5's core_names.h; 3.0 does not have them. */
#define PARAM_CONTEXT       "context-string"
#define PARAM_DETERMINISTIC "deterministic"
#define PARAM_ENCODING      "message-encoding"

#define MESSAGE_MAX 512

const struct param_set *local_param_set_of_key(const EVP_PKEY *key)
{
    const struct param_set *row;

    for (size_t i = 0; (row = param_set_at(i)) != NULL; i++)
        if (EVP_PKEY_is_a(key, row->name))
            return row;
    return NULL;
}

/* ---- keys ---- */

#define PARAM_SEED "seed"
#define VALUE_MAX  8192

static CK_RV fail_value(const struct param_set *set, const char *what)
{
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "%s is not one of an %s key: check its length and the "
                "parameter set",
                what, set->name);
}

static CK_RV find_set(CK_KEY_TYPE type, CK_ULONG number, const struct param_set **ret)
{
    *ret = param_set_find(type, number);
    if (*ret == NULL)
        return fail(CKR_PARAMETER_SET_NOT_SUPPORTED,
                    "CKA_PARAMETER_SET %lu is none of this type of key", number);
    return CKR_OK;
}

static OSSL_PARAM octets(const char *name, struct bytes value)
{
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)value.data, value.len);
}

/* OpenSSL refuses what is no key: a public value out of range, a private one whose halves or whose
 * seed do not fit. */
static CK_RV from_parts(struct local *local, const struct param_set *set, int selection,
                        const OSSL_PARAM *parts, EVP_PKEY **ret)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(local->ctx, set->oid, NULL);
    OSSL_PARAM list[3] = {parts[0], parts[1], OSSL_PARAM_construct_end()};

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "%s keys need OpenSSL 3.5 or later", set->name);
    return EVP_PKEY_fromdata(ctx, ret, selection, list) == 1 ? CKR_OK : fail_value(set, "the key");
}

CK_RV local_public_from_set(struct local *local, CK_KEY_TYPE type, CK_ULONG number,
                            struct bytes value, struct buf *ret_spki)
{
    LOCAL_QUIET;
    const OSSL_PARAM parts[] = {octets(OSSL_PKEY_PARAM_PUB_KEY, value), OSSL_PARAM_construct_end()};
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    const struct param_set *set = NULL;
    CK_RV rv = find_set(type, number, &set);

    if (rv == CKR_OK && value.len != set->public_len)
        rv = fail_value(set, "CKA_VALUE");
    if (rv == CKR_OK)
        rv = from_parts(local, set, EVP_PKEY_PUBLIC_KEY, parts, &key);
    return rv == CKR_OK ? local_public_encode(key, ret_spki) : rv;
}

CK_RV local_pq_from_attrs(struct local *local, CK_KEY_TYPE type, const struct attrs *attrs,
                          EVP_PKEY **ret)
{
    struct bytes value = attrs_bytes(attrs, CKA_VALUE);
    struct bytes seed = attrs_bytes(attrs, CKA_SEED);
    OSSL_PARAM parts[2] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
    const struct param_set *set = NULL;
    size_t n = 0;
    CK_RV rv = find_set(type, attrs_ulong(attrs, CKA_PARAMETER_SET, 0), &set);

    if (rv != CKR_OK)
        return rv;
    if (value.len == 0 && seed.len == 0)
        return fail(CKR_TEMPLATE_INCOMPLETE,
                    "the private key comes as CKA_VALUE, as CKA_SEED or as "
                    "both: it has neither");
    if (value.len > 0 && value.len != set->private_len)
        return fail_value(set, "CKA_VALUE");
    if (seed.len > 0 && seed.len != set->seed_len)
        return fail_value(set, "CKA_SEED");
    if (value.len > 0)
        parts[n++] = octets(OSSL_PKEY_PARAM_PRIV_KEY, value);
    if (seed.len > 0)
        parts[n++] = octets(PARAM_SEED, seed);
    return from_parts(local, set, EVP_PKEY_KEYPAIR, parts, ret);
}

/* A seed that is not there is left out: the key came without it. */
static CK_RV set_secret(const EVP_PKEY *key, const char *param, CK_ATTRIBUTE_TYPE type,
                        bool optional, struct attrs *ret)
{
    SCOPED_SECRET value = secret_new(VALUE_MAX);
    size_t len = 0;

    if (value == NULL)
        return fail_memory();
    if (EVP_PKEY_get_octet_string_param(key, param, value->data, value->len, &len) != 1)
        return optional ? CKR_OK : local_fail("read a private key");
    return attrs_set(ret, type, BYTES(value->data, len));
}

CK_RV local_pq_to_attrs(const EVP_PKEY *key, struct attrs *ret)
{
    const struct param_set *set = local_param_set_of_key(key);
    CK_RV rv;

    if (set == NULL)
        return fail_internal("a loaded key's parameter set is in the table");
    rv = attrs_set_ulong(ret, CKA_PARAMETER_SET, set->set);
    if (rv == CKR_OK)
        rv = set_secret(key, OSSL_PKEY_PARAM_PRIV_KEY, CKA_VALUE, false, ret);
    if (rv == CKR_OK && set->seed_len > 0)
        rv = set_secret(key, PARAM_SEED, CKA_SEED, true, ret);
    return rv;
}

CK_RV local_pq_put_public(const EVP_PKEY *key, struct local_public *p)
{
    const struct param_set *set = local_param_set_of_key(key);
    size_t len = 0;
    uint8_t *at;

    if (set == NULL)
        return fail_internal("a loaded key's parameter set is in the table");
    p->type = set->type;
    p->bits = set->size;
    p->parameter_set = set->set;
    p->value = BUF_INIT(VALUE_MAX);
    at = buf_grow(&p->value, set->public_len);
    if (at == NULL)
        return fail_memory();
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, at, set->public_len, &len) !=
            1 ||
        len != set->public_len)
        return local_fail("read a public key");
    return CKR_OK;
}

CK_RV local_pq_make_pair(struct local *local, const struct param_set *set, struct bytes seed,
                         EVP_PKEY **ret)
{
    const OSSL_PARAM seeded[] = {octets(PARAM_SEED, seed), OSSL_PARAM_construct_end()};
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(local->ctx, set->oid, NULL);

    if (ctx == NULL || EVP_PKEY_keygen_init(ctx) != 1 ||
        (seed.len > 0 && EVP_PKEY_CTX_set_params(ctx, seeded) != 1) ||
        EVP_PKEY_generate(ctx, ret) != 1)
        return local_fail("make a key pair");
    return CKR_OK;
}

/* ---- signatures ---- */

/* The last byte of each digest's OID, 2.16.840.1.101.3.4.2.n. */
static const struct {
    CK_MECHANISM_TYPE hash;
    char last;
} oids[] = {
    {CKM_SHA256, 1},     {CKM_SHA384, 2},     {CKM_SHA512, 3},    {CKM_SHA224, 4},
    {CKM_SHA512_224, 5}, {CKM_SHA512_256, 6}, {CKM_SHA3_224, 7},  {CKM_SHA3_256, 8},
    {CKM_SHA3_384, 9},   {CKM_SHA3_512, 10},  {KW_SHAKE_128, 11}, {KW_SHAKE_256, 12},
};

/* 1, the context with its length, the digest's OID, the digest. */
static CK_RV put_prehashed(const CK_HASH_SIGN_ADDITIONAL_CONTEXT *given, struct bytes digest,
                           struct buf *out)
{
    if (digest.len != mech_hash_len(given->hash))
        return fail(CKR_DATA_LEN_RANGE, "a digest of %zu bytes is signed with this hash, not %zu",
                    mech_hash_len(given->hash), digest.len);
    for (size_t i = 0; i < sizeof(oids) / sizeof(*oids); i++) {
        if (oids[i].hash != given->hash)
            continue;
        buf_putc(out, 1);
        buf_putc(out, (char)given->ulContextLen);
        buf_put(out, given->pContext, given->ulContextLen);
        buf_put(out, "\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02", 10);
        buf_putc(out, oids[i].last);
        buf_put_bytes(out, digest);
        return buf_ok(out) ? CKR_OK : fail_memory();
    }
    return fail(CKR_MECHANISM_PARAM_INVALID, "no signature is made over a digest of that hash");
}

static bool is_prehashed(CK_MECHANISM_TYPE mechanism)
{
    return mechanism == CKM_HASH_ML_DSA || mechanism == CKM_HASH_SLH_DSA;
}

static size_t add_hedge(CK_HEDGE_TYPE hedge, struct local_pq *pq, size_t n)
{
    pq->deterministic = hedge == CKH_DETERMINISTIC_REQUIRED ? 1 : 0;
    pq->params[n] = OSSL_PARAM_construct_int(PARAM_DETERMINISTIC, &pq->deterministic);
    return n + 1;
}

static CK_RV make_prehashed(const CK_MECHANISM *mechanism, struct bytes digest, struct local_pq *pq)
{
    const CK_HASH_SIGN_ADDITIONAL_CONTEXT *given = mechanism->pParameter;
    size_t n = add_hedge(given->hedgeVariant, pq, 0);
    CK_RV rv = put_prehashed(given, digest, &pq->built);

    pq->encoding = 0; /* as it is */
    pq->params[n++] = OSSL_PARAM_construct_int(PARAM_ENCODING, &pq->encoding);
    pq->params[n] = OSSL_PARAM_construct_end();
    pq->message = buf_bytes(&pq->built);
    return rv;
}

static void make_pure(const CK_MECHANISM *mechanism, struct bytes data, struct local_pq *pq)
{
    static const CK_SIGN_ADDITIONAL_CONTEXT none = {.hedgeVariant = CKH_HEDGE_PREFERRED};
    const CK_SIGN_ADDITIONAL_CONTEXT *given =
        mechanism->pParameter != NULL ? mechanism->pParameter : &none;
    size_t n = add_hedge(given->hedgeVariant, pq, 0);

    if (given->ulContextLen > 0)
        pq->params[n++] =
            OSSL_PARAM_construct_octet_string(PARAM_CONTEXT, given->pContext, given->ulContextLen);
    pq->params[n] = OSSL_PARAM_construct_end();
    pq->message = data;
}

CK_RV local_pq_make(const CK_MECHANISM *mechanism, struct bytes data, struct local_pq *ret)
{
    *ret = (struct local_pq){.built = BUF_INIT(MESSAGE_MAX)};
    if (is_prehashed(mechanism->mechanism))
        return make_prehashed(mechanism, data, ret);
    make_pure(mechanism, data, ret);
    return CKR_OK;
}

void local_pq_release(struct local_pq *pq)
{
    buf_release(&pq->built);
}
