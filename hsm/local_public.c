/*
 * Public keys: SubjectPublicKeyInfo from and to the attributes of PKCS#11, and encryption to one.
 * See local.h.
 *
 * Whatever comes in is checked before it is used: only named curves of the table below, points in
 * their uncompressed form and on the curve (OpenSSL checks that whenever it decodes one), RSA
 * moduli of 1024 to 16384 bits, odd exponents of at least 3. A point of an
 * Edwards or Montgomery curve is checked for its length only: one that is none verifies nothing and
 * agrees on nothing.
 */
#include "base/curve.h"
#include "hsm/local_int.h"
#include "hsm/local_pq.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/decoder.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/x509.h>
#include <string.h>

#define RSA_BITS_MIN 1024
#define RSA_BITS_MAX 16384
#define SPKI_MAX     8192
#define OCTET_STRING 0x04

SCOPE_DEFINE(BIGNUM, BN_free)
SCOPE_DEFINE(OSSL_DECODER_CTX, OSSL_DECODER_CTX_free)
SCOPE_DEFINE(OSSL_PARAM, OSSL_PARAM_free)
SCOPE_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)

#define CURVE(n, t, p, b, f, o)                                                                    \
    {                                                                                              \
        .name = (n), .type = (t), .params = {(const uint8_t *)(p), sizeof(p) - 1}, .bits = (b),    \
        .field_len = (f), .order_len = (o)                                                         \
    }

static const struct local_curve curves[] = {
    CURVE("prime256v1", CKK_EC, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 256, 32, 32),
    CURVE("secp384r1", CKK_EC, "\x06\x05\x2b\x81\x04\x00\x22", 384, 48, 48),
    CURVE("secp521r1", CKK_EC, "\x06\x05\x2b\x81\x04\x00\x23", 521, 66, 66),
    CURVE("secp224r1", CKK_EC, "\x06\x05\x2b\x81\x04\x00\x21", 224, 28, 28),
    CURVE("secp256k1", CKK_EC, "\x06\x05\x2b\x81\x04\x00\x0a", 256, 32, 32),
    CURVE("brainpoolP256r1", CKK_EC, "\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07", 256, 32, 32),
    CURVE("brainpoolP384r1", CKK_EC, "\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b", 384, 48, 48),
    CURVE("brainpoolP512r1", CKK_EC, "\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d", 512, 64, 64),
    CURVE("ED25519", CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x70", 255, 32, 32),
    CURVE("ED448", CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x71", 448, 57, 57),
    CURVE("X25519", CKK_EC_MONTGOMERY, "\x06\x03\x2b\x65\x6e", 255, 32, 32),
    CURVE("X448", CKK_EC_MONTGOMERY, "\x06\x03\x2b\x65\x6f", 448, 56, 56),
};

static const struct local_curve *local_curve_named(const char *name)
{
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        if (strcmp(curves[i].name, name) == 0)
            return &curves[i];
    }
    return NULL;
}

/* A curve's name, where PKCS#11 has one for it, means its OID: base/curve.c knows both. */
const struct local_curve *local_curve_of_params(CK_KEY_TYPE type, struct bytes params)
{
    const struct curve *known = curve_find(type, params);

    if (known != NULL)
        params = known->params;
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        if (curves[i].type == type && bytes_equal(curves[i].params, params))
            return &curves[i];
    }
    return NULL;
}

const struct local_curve *local_curve_of_key(const EVP_PKEY *key)
{
    char name[64];
    size_t len = 0;

    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        if (curves[i].type != CKK_EC && EVP_PKEY_is_a(key, curves[i].name))
            return &curves[i];
    }
    /* A curve spelt out is refused even where it is one of ours: checks then all hang on one table.
     */
    if (!EVP_PKEY_is_a(key, "EC") ||
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, name, sizeof(name),
                                       &len) != 1 ||
        strcmp(name, OSSL_PKEY_EC_ENCODING_GROUP) != 0 ||
        EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name), &len) !=
            1)
        return NULL;
    return local_curve_named(name);
}

static CK_RV fail_public(const char *what)
{
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "the public key %s: give an RSA key of 1024 to 16384 bits with an odd exponent, or "
                "an uncompressed point of a named curve",
                what);
}

/* ---- checks ---- */

static CK_RV check_rsa_numbers(const BIGNUM *n, const BIGNUM *e)
{
    int bits = BN_num_bits(n);

    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return fail_public("has a modulus that is too short or too long");
    if (!BN_is_odd(n))
        return fail_public("has an even modulus");
    if (!BN_is_odd(e) || BN_is_one(e))
        return fail_public("has an exponent that is even or 1");
    if (BN_cmp(e, n) >= 0)
        return fail_public("has an exponent that is not below its modulus");
    return CKR_OK;
}

static CK_RV check_rsa(const EVP_PKEY *key)
{
    SCOPED(BN_free_p) BIGNUM *n = NULL;
    SCOPED(BN_free_p) BIGNUM *e = NULL;

    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        return fail_public("has no modulus or no exponent");
    return check_rsa_numbers(n, e);
}

CK_RV local_public_point(const EVP_PKEY *key, const struct local_curve *curve,
                         uint8_t out[static LOCAL_POINT_MAX], size_t *ret_len)
{
    bool flat = curve->type != CKK_EC;
    size_t want = flat ? curve->field_len : 1 + 2 * (size_t)curve->field_len;
    size_t len = 0;

    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, out, LOCAL_POINT_MAX, &len) !=
        1)
        return fail_public("has no point");
    if (len != want || (!flat && out[0] != 0x04))
        return fail_public("has a point that is compressed");
    *ret_len = len;
    return CKR_OK;
}

static CK_RV check_curve(const EVP_PKEY *key)
{
    const struct local_curve *curve = local_curve_of_key(key);
    uint8_t point[LOCAL_POINT_MAX];
    size_t len = 0;
    CK_RV rv;

    if (curve == NULL)
        return fail_public("is of a type or on a curve that is not supported");
    rv = local_public_point(key, curve, point, &len);
    if (rv == CKR_OK && curve->type == CKK_EC_EDWARDS && local_point_is_small(BYTES(point, len)))
        return fail_public("has a point of small order, under which anything verifies");
    return rv;
}

CK_RV local_public_check(const EVP_PKEY *key)
{
    if (local_param_set_of_key(key) != NULL)
        return CKR_OK; /* of the only length there is, and in range: OpenSSL decoded it */
    return EVP_PKEY_is_a(key, "RSA") ? check_rsa(key) : check_curve(key);
}

/*
 * Both ways to a key go to the provider by names that no engine answers to: d2i_PUBKEY_ex() and the
 * short names
 * ("EC") ask the process's table of engines first, and the host's engine may lead back to us.
 */
static EVP_PKEY *decode(struct local *local, const unsigned char **data, size_t *len)
{
    EVP_PKEY *key = NULL;
    SCOPED(OSSL_DECODER_CTX_free_p)
    OSSL_DECODER_CTX *ctx = OSSL_DECODER_CTX_new_for_pkey(&key, "DER", "SubjectPublicKeyInfo", NULL,
                                                          EVP_PKEY_PUBLIC_KEY, local->ctx, NULL);

    if (ctx != NULL && OSSL_DECODER_from_data(ctx, data, len) == 1)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

static const struct {
    const char *name, *oid;
} key_types[] = {
    {"RSA", "1.2.840.113549.1.1.1"}, {"EC", "1.2.840.10045.2.1"}, {"ED25519", "1.3.101.112"},
    {"ED448", "1.3.101.113"},        {"X25519", "1.3.101.110"},   {"X448", "1.3.101.111"},
};

const char *local_key_oid(const char *name)
{
    for (size_t i = 0; i < sizeof(key_types) / sizeof(*key_types); i++)
        if (strcmp(key_types[i].name, name) == 0)
            return key_types[i].oid;
    return name;
}

CK_RV local_public_load(struct local *local, struct bytes spki, EVP_PKEY **ret)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    const unsigned char *p = spki.data;
    size_t left = spki.len;
    CK_RV rv;

    if (spki.len == 0 || spki.len > SPKI_MAX)
        return fail_public("is empty or too long");
    key = decode(local, &p, &left);
    if (key == NULL)
        return fail_public("cannot be decoded, or its point is not on its curve");
    if (left != 0)
        return fail_public("has bytes behind its end");
    rv = local_public_check(key);
    if (rv == CKR_OK)
        *ret = TAKE(key);
    return rv;
}

/* ---- SubjectPublicKeyInfo to attributes ---- */

static CK_RV put_number(const EVP_PKEY *key, const char *name, struct buf *ret)
{
    SCOPED(BN_free_p) BIGNUM *n = NULL;
    uint8_t *out;

    if (EVP_PKEY_get_bn_param(key, name, &n) != 1)
        return local_fail("read an RSA key");
    *ret = BUF_INIT(RSA_BITS_MAX / 8);
    out = buf_grow(ret, (size_t)BN_num_bytes(n));
    if (out == NULL)
        return fail_memory();
    (void)BN_bn2bin(n, out);
    return CKR_OK;
}

static CK_RV put_rsa(const EVP_PKEY *key, struct local_public *p)
{
    CK_RV rv = put_number(key, OSSL_PKEY_PARAM_RSA_N, &p->modulus);

    p->type = CKK_RSA;
    p->bits = (CK_ULONG)EVP_PKEY_get_bits(key);
    return rv == CKR_OK ? put_number(key, OSSL_PKEY_PARAM_RSA_E, &p->exponent) : rv;
}

static CK_RV put_curve(const EVP_PKEY *key, struct local_public *p)
{
    const struct local_curve *curve = local_curve_of_key(key);
    uint8_t point[LOCAL_POINT_MAX];
    size_t len = 0;
    CK_RV rv;

    if (curve == NULL)
        return fail_internal("a loaded key's curve is in the table");
    rv = local_public_point(key, curve, point, &len);
    if (rv != CKR_OK)
        return rv;
    p->type = curve->type;
    p->bits = curve->bits;
    p->params = BUF_INIT(64);
    buf_put_bytes(&p->params, curve->params);
    p->point = BUF_INIT(LOCAL_POINT_MAX + 4);
    buf_putc(&p->point, OCTET_STRING);
    if (len > 127)
        buf_putc(&p->point, (char)0x81);
    buf_putc(&p->point, (char)len);
    buf_put(&p->point, point, len);
    return buf_ok(&p->params) && buf_ok(&p->point) ? CKR_OK : fail_memory();
}

CK_RV local_public_parse(struct local *local, struct bytes spki, struct local_public *ret)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    struct local_public p = {0};
    CK_RV rv = local_public_load(local, spki, &key);

    if (rv != CKR_OK)
        return rv;
    if (local_param_set_of_key(key) != NULL)
        rv = local_pq_put_public(key, &p);
    else
        rv = EVP_PKEY_is_a(key, "RSA") ? put_rsa(key, &p) : put_curve(key, &p);
    if (rv != CKR_OK) {
        local_public_release(&p);
        return rv;
    }
    *ret = p;
    return CKR_OK;
}

void local_public_release(struct local_public *p)
{
    buf_release(&p->modulus);
    buf_release(&p->exponent);
    buf_release(&p->params);
    buf_release(&p->point);
    buf_release(&p->value);
}

/* ---- attributes to SubjectPublicKeyInfo ---- */

CK_RV local_public_encode(const EVP_PKEY *key, struct buf *ret_spki)
{
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(key, &der);

    if (len <= 0)
        return local_fail("encode a public key");
    buf_clear(ret_spki);
    buf_put(ret_spki, der, (size_t)len);
    OPENSSL_free(der);
    return buf_ok(ret_spki) ? CKR_OK : fail_memory();
}

static CK_RV put_spki(struct local *local, const char *type, OSSL_PARAM *params,
                      struct buf *ret_spki)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(local->ctx, local_key_oid(type), NULL);
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    CK_RV rv;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
        return local_fail("make a public key");
    if (EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return fail_public("has a point that is not on its curve");
    rv = local_public_check(key);
    return rv == CKR_OK ? local_public_encode(key, ret_spki) : rv;
}

CK_RV local_public_from_rsa(struct local *local, struct bytes modulus, struct bytes exponent,
                            struct buf *ret_spki)
{
    LOCAL_QUIET;
    SCOPED(BN_free_p) BIGNUM *n = NULL;
    SCOPED(BN_free_p) BIGNUM *e = NULL;
    SCOPED(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    SCOPED(OSSL_PARAM_free_p) OSSL_PARAM *params = NULL;
    CK_RV rv;

    if (modulus.len == 0 || exponent.len == 0 || modulus.len > SPKI_MAX || exponent.len > SPKI_MAX)
        return fail_public("has no modulus or exponent, or one that is too long");
    n = BN_bin2bn(modulus.data, (int)modulus.len, NULL);
    e = BN_bin2bn(exponent.data, (int)exponent.len, NULL);
    if (bld == NULL || n == NULL || e == NULL)
        return fail_memory();
    rv = check_rsa_numbers(n, e);
    if (rv != CKR_OK)
        return rv;
    if (OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
        return fail_memory();
    params = OSSL_PARAM_BLD_to_param(bld);
    return params != NULL ? put_spki(local, "RSA", params, ret_spki) : fail_memory();
}

/* The raw point of a CKA_EC_POINT that is raw or wrapped; the lengths tell which. */
static bool unwrap_point(const struct local_curve *curve, struct bytes given, struct bytes *ret)
{
    bool flat = curve->type != CKK_EC;
    size_t want = flat ? curve->field_len : 1 + 2 * (size_t)curve->field_len;
    size_t head = want > 127 ? 3 : 2;

    if (given.len == want + head && given.data[0] == OCTET_STRING &&
        (head == 2 || given.data[1] == 0x81) && given.data[head - 1] == want)
        given = BYTES(given.data + head, want);
    *ret = given;
    return given.len == want && (flat || given.data[0] == 0x04);
}

CK_RV local_public_from_ec(struct local *local, CK_KEY_TYPE type, struct bytes params,
                           struct bytes point, struct buf *ret_spki)
{
    LOCAL_QUIET;
    const struct local_curve *curve = local_curve_of_params(type, params);
    char group[32];
    struct bytes raw;
    OSSL_PARAM list[3];
    size_t n = 0;

    if (curve == NULL)
        return fail_public("is on a curve that is not supported");
    if (!unwrap_point(curve, point, &raw))
        return fail_public("has a point that is compressed or of another length than its curve's");
    (void)strncpy(group, curve->name, sizeof(group) - 1);
    group[sizeof(group) - 1] = '\0';
    if (type == CKK_EC)
        list[n++] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    list[n++] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  (void *)(uintptr_t)raw.data, raw.len);
    list[n] = OSSL_PARAM_construct_end();
    return put_spki(local, type == CKK_EC ? "EC" : curve->name, list, ret_spki);
}

CK_RV local_public_to_pem(struct local *local, struct bytes spki, struct buf *ret_pem)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    unsigned char line[65];
    CK_RV rv = local_public_load(local, spki, &key);

    if (rv != CKR_OK)
        return rv;
    buf_clear(ret_pem);
    buf_puts(ret_pem, "-----BEGIN PUBLIC KEY-----\n");
    for (size_t at = 0; at < spki.len; at += 48) {
        size_t n = spki.len - at < 48 ? spki.len - at : 48;

        buf_put(ret_pem, line, (size_t)EVP_EncodeBlock(line, spki.data + at, (int)n));
        buf_putc(ret_pem, '\n');
    }
    buf_puts(ret_pem, "-----END PUBLIC KEY-----\n");
    return buf_ok(ret_pem) ? CKR_OK : fail_memory();
}
