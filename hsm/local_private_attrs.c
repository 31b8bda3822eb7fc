/*
 * Private keys between PKCS#11's attributes and their material: see local_private.h.
 *
 * An RSA key may come as modulus and two exponents alone; its primes are found from them as in NIST
 * SP 800-56B, appendix C.1, for without them every use would be four times as slow, and the
 * encoding wants them.
 */
#include "hsm/local_int.h"
#include "hsm/local_pq.h"
#include "hsm/local_private.h"

#include <openssl/bn.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <string.h>

#define NUMBER_MAX 2048 /* bytes */

SCOPE_DEFINE(BN_CTX, BN_CTX_free)
SCOPE_DEFINE(OSSL_PARAM, OSSL_PARAM_free)
SCOPE_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)

enum rsa_number { N, E, D, P, Q, DP, DQ, QINV, RSA_NUMBERS };

static const struct {
    CK_ATTRIBUTE_TYPE type;
    const char *param;
} rsa_numbers[RSA_NUMBERS] = {
    [N] = {CKA_MODULUS, OSSL_PKEY_PARAM_RSA_N},
    [E] = {CKA_PUBLIC_EXPONENT, OSSL_PKEY_PARAM_RSA_E},
    [D] = {CKA_PRIVATE_EXPONENT, OSSL_PKEY_PARAM_RSA_D},
    [P] = {CKA_PRIME_1, OSSL_PKEY_PARAM_RSA_FACTOR1},
    [Q] = {CKA_PRIME_2, OSSL_PKEY_PARAM_RSA_FACTOR2},
    [DP] = {CKA_EXPONENT_1, OSSL_PKEY_PARAM_RSA_EXPONENT1},
    [DQ] = {CKA_EXPONENT_2, OSSL_PKEY_PARAM_RSA_EXPONENT2},
    [QINV] = {CKA_COEFFICIENT, OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

struct rsa {
    BIGNUM *n[RSA_NUMBERS];
    BN_CTX *bn;
};

static void rsa_release(struct rsa *rsa)
{
    for (size_t i = 0; i < RSA_NUMBERS; i++)
        BN_clear_free(rsa->n[i]);
    BN_CTX_free(rsa->bn);
}

/* ---- RSA from attributes ---- */

static CK_RV read_numbers(const struct attrs *attrs, struct rsa *rsa)
{
    rsa->bn = BN_CTX_secure_new();
    if (rsa->bn == NULL)
        return fail_memory();
    for (size_t i = 0; i < RSA_NUMBERS; i++) {
        struct bytes value = attrs_bytes(attrs, rsa_numbers[i].type);

        if (value.len > NUMBER_MAX)
            return local_private_fail("has a number that is too long");
        if (value.len == 0)
            continue;
        rsa->n[i] = BN_bin2bn(value.data, (int)value.len, NULL);
        if (rsa->n[i] == NULL)
            return fail_memory();
        BN_set_flags(rsa->n[i], BN_FLG_CONSTTIME);
    }
    if (rsa->n[N] == NULL || rsa->n[E] == NULL || rsa->n[D] == NULL)
        return fail(CKR_TEMPLATE_INCOMPLETE, "an RSA private key needs its modulus, its public and "
                                             "its private exponent");
    return CKR_OK;
}

/* One try with the base g: k = d * e - 1 = 2^t * r. True when x - 1 shares a prime with n. */
static bool try_base(const struct rsa *rsa, const BIGNUM *r, int t, unsigned base, BIGNUM *ret_p)
{
    BIGNUM *x;
    BIGNUM *square;
    BIGNUM *minus_one;
    bool found = false;

    BN_CTX_start(rsa->bn);
    x = BN_CTX_get(rsa->bn);
    square = BN_CTX_get(rsa->bn);
    minus_one = BN_CTX_get(rsa->bn);
    if (minus_one == NULL || BN_set_word(x, base) != 1 ||
        BN_sub(minus_one, rsa->n[N], BN_value_one()) != 1 ||
        BN_mod_exp(x, x, r, rsa->n[N], rsa->bn) != 1)
        t = 0;
    for (int i = 0; i < t && !found && !BN_is_one(x) && BN_cmp(x, minus_one) != 0; i++) {
        if (BN_mod_sqr(square, x, rsa->n[N], rsa->bn) != 1)
            break;
        if (BN_is_one(square))
            found = BN_sub_word(x, 1) == 1 && BN_gcd(ret_p, x, rsa->n[N], rsa->bn) == 1;
        else if (BN_copy(x, square) == NULL)
            break;
    }
    BN_CTX_end(rsa->bn);
    return found;
}

#define BASES 100

static CK_RV find_primes(struct rsa *rsa)
{
    BIGNUM *r = BN_new();
    int t = 0;
    bool found = false;

    rsa->n[P] = BN_secure_new();
    rsa->n[Q] = BN_secure_new();
    if (r != NULL && rsa->n[P] != NULL && rsa->n[Q] != NULL &&
        BN_mul(r, rsa->n[D], rsa->n[E], rsa->bn) == 1 && BN_sub_word(r, 1) == 1 && !BN_is_zero(r)) {
        while (!BN_is_bit_set(r, t))
            t++;
        if (t > 0 && BN_rshift(r, r, t) == 1) {
            for (unsigned base = 2; base < 2 + BASES && !found; base++)
                found = try_base(rsa, r, t, base, rsa->n[P]);
        }
    }
    BN_clear_free(r);
    if (!found || BN_div(rsa->n[Q], NULL, rsa->n[N], rsa->n[P], rsa->bn) != 1)
        return local_private_fail("has exponents that do not belong to its modulus");
    if (BN_cmp(rsa->n[P], rsa->n[Q]) < 0)
        BN_swap(rsa->n[P], rsa->n[Q]);
    return CKR_OK;
}

/* p * q is n; what is not given of the rest is computed, what is given must be that. */
static bool complete(struct rsa *rsa)
{
    BIGNUM *wanted[RSA_NUMBERS] = {NULL};
    BIGNUM *less;
    bool good;

    BN_CTX_start(rsa->bn);
    for (size_t i = DP; i <= QINV; i++)
        wanted[i] = BN_CTX_get(rsa->bn);
    less = BN_CTX_get(rsa->bn);
    good = less != NULL && BN_mul(less, rsa->n[P], rsa->n[Q], rsa->bn) == 1 &&
           BN_cmp(less, rsa->n[N]) == 0 && BN_sub(less, rsa->n[P], BN_value_one()) == 1 &&
           BN_mod(wanted[DP], rsa->n[D], less, rsa->bn) == 1 &&
           BN_sub(less, rsa->n[Q], BN_value_one()) == 1 &&
           BN_mod(wanted[DQ], rsa->n[D], less, rsa->bn) == 1 &&
           BN_mod_inverse(wanted[QINV], rsa->n[Q], rsa->n[P], rsa->bn) != NULL;
    for (size_t i = DP; i <= QINV && good; i++) {
        if (rsa->n[i] == NULL)
            rsa->n[i] = BN_dup(wanted[i]);
        good = rsa->n[i] != NULL && BN_cmp(rsa->n[i], wanted[i]) == 0;
    }
    BN_CTX_end(rsa->bn);
    return good;
}

static CK_RV build_rsa(struct local *local, const struct rsa *rsa, EVP_PKEY **ret)
{
    SCOPED(OSSL_PARAM_BLD_free_p) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    SCOPED(OSSL_PARAM_free_p) OSSL_PARAM *params = NULL;
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(local->ctx, local_key_oid("RSA"), NULL);

    for (size_t i = 0; i < RSA_NUMBERS && bld != NULL; i++) {
        if (OSSL_PARAM_BLD_push_BN(bld, rsa_numbers[i].param, rsa->n[i]) != 1)
            return fail_memory();
    }
    params = bld != NULL ? OSSL_PARAM_BLD_to_param(bld) : NULL;
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
        return local_fail("build an RSA key");
    if (EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_KEYPAIR, params) != 1)
        return local_private_fail("has numbers that make no key");
    return CKR_OK;
}

static CK_RV rsa_from_attrs(struct local *local, CK_KEY_TYPE type, const struct attrs *attrs,
                            EVP_PKEY **ret)
{
    struct rsa rsa = {.bn = NULL};
    CK_RV rv = read_numbers(attrs, &rsa);

    (void)type;
    if (rv == CKR_OK && (rsa.n[P] == NULL) != (rsa.n[Q] == NULL))
        rv = fail(CKR_TEMPLATE_INCONSISTENT, "an RSA key comes with both primes or with none");
    if (rv == CKR_OK && rsa.n[P] == NULL)
        rv = find_primes(&rsa);
    if (rv == CKR_OK && !complete(&rsa))
        rv = local_private_fail("has numbers that do not agree");
    if (rv == CKR_OK)
        rv = build_rsa(local, &rsa, ret);
    rsa_release(&rsa);
    return rv;
}

/* ---- curves from attributes: the PKCS#8 is written, and decoding adds the public half ---- */

#define SEQUENCE     0x30
#define INTEGER      0x02
#define OCTET_STRING 0x04

/* Nothing written here has more than 255 bytes. */
static void put_tlv(struct buf *out, uint8_t tag, struct bytes value)
{
    buf_putc(out, (char)tag);
    if (value.len > 127)
        buf_putc(out, (char)0x81);
    buf_putc(out, (char)value.len);
    buf_put_bytes(out, value);
}

/* RFC 5915: ECPrivateKey without the curve, which stands in front, and the point. */
static void put_ec_key(struct buf *out, struct bytes value)
{
    struct buf in = BUF_INIT(256);

    put_tlv(&in, INTEGER, BYTES_LIT("\x01"));
    put_tlv(&in, OCTET_STRING, value);
    put_tlv(out, SEQUENCE, buf_bytes(&in));
    out->failed |= in.failed;
    buf_release_secure(&in);
}

/* RFC 8410: CurvePrivateKey is one more OCTET STRING. */
static void put_raw_key(struct buf *out, struct bytes value)
{
    put_tlv(out, OCTET_STRING, value);
}

static void put_pkcs8(struct buf *out, const struct local_curve *curve, struct bytes value)
{
    struct buf algorithm = BUF_INIT(256);
    struct buf key = BUF_INIT(256);
    struct buf all = BUF_INIT(512);

    if (curve->type == CKK_EC) {
        buf_puts(&algorithm, "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"); /* id-ecPublicKey */
        put_ec_key(&key, value);
    } else {
        put_raw_key(&key, value);
    }
    buf_put_bytes(&algorithm, curve->params);
    put_tlv(&all, INTEGER, BYTES("\0", 1));
    put_tlv(&all, SEQUENCE, buf_bytes(&algorithm));
    put_tlv(&all, OCTET_STRING, buf_bytes(&key));
    put_tlv(out, SEQUENCE, buf_bytes(&all));
    out->failed |= algorithm.failed || key.failed || all.failed;
    buf_release(&algorithm);
    buf_release_secure(&key);
    buf_release_secure(&all);
}

/* A number of exactly the order's length; the value of an Edwards key as it is. */
static CK_RV fit_value(const struct local_curve *curve, struct bytes value, uint8_t *out)
{
    if (curve->type == CKK_EC) {
        while (value.len > curve->order_len && value.data[0] == 0)
            value = BYTES(value.data + 1, value.len - 1);
    } else if (value.len != curve->order_len) {
        return local_private_fail("has a value of another length than its curve's");
    }
    if (value.len == 0 || value.len > curve->order_len)
        return local_private_fail("has no value, or one that is longer than its curve's");
    memset(out, 0, curve->order_len - value.len);
    memcpy(out + curve->order_len - value.len, value.data, value.len);
    return CKR_OK;
}

static CK_RV curve_from_attrs(struct local *local, CK_KEY_TYPE type, const struct attrs *attrs,
                              EVP_PKEY **ret)
{
    const struct local_curve *curve = NULL;
    struct buf pkcs8 = BUF_INIT(512);
    uint8_t value[128];
    CK_RV rv;

    if (attrs_get(attrs, CKA_EC_PARAMS) == NULL || attrs_get(attrs, CKA_VALUE) == NULL)
        return fail(CKR_TEMPLATE_INCOMPLETE, "a private key on a curve needs the curve and its "
                                             "value");
    curve = local_curve_of_params(type, attrs_bytes(attrs, CKA_EC_PARAMS));
    if (curve == NULL)
        return fail(CKR_CURVE_NOT_SUPPORTED, "the curve is not one of those known here");
    rv = fit_value(curve, attrs_bytes(attrs, CKA_VALUE), value);
    if (rv == CKR_OK) {
        put_pkcs8(&pkcs8, curve, BYTES(value, curve->order_len));
        rv = buf_ok(&pkcs8) ? local_private_load(local, buf_bytes(&pkcs8), ret) : fail_memory();
    }
    bytes_wipe(value, sizeof(value));
    buf_release_secure(&pkcs8);
    return rv;
}

/* ---- to attributes ---- */

/* Numbers have no leading zeros, or exactly len bytes where len is not 0. */
static CK_RV set_number(const EVP_PKEY *key, const char *param, size_t len, CK_ATTRIBUTE_TYPE type,
                        struct attrs *ret)
{
    BIGNUM *n = NULL;
    SCOPED_SECRET bytes = NULL;
    CK_RV rv;

    if (EVP_PKEY_get_bn_param(key, param, &n) != 1)
        return local_fail("read a private key");
    if (len == 0)
        len = (size_t)BN_num_bytes(n);
    bytes = secret_new(len);
    if (bytes == NULL)
        rv = fail_memory();
    else if (BN_bn2binpad(n, bytes->data, (int)len) != (int)len)
        rv = fail_internal("a private number is no longer than its order");
    else
        rv = attrs_set(ret, type, secret_bytes(bytes));
    BN_clear_free(n);
    return rv;
}

static CK_RV rsa_to_attrs(const EVP_PKEY *key, struct attrs *ret)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < RSA_NUMBERS && rv == CKR_OK; i++)
        rv = set_number(key, rsa_numbers[i].param, 0, rsa_numbers[i].type, ret);
    return rv;
}

static CK_RV curve_to_attrs(const EVP_PKEY *key, struct attrs *ret)
{
    const struct local_curve *curve = local_curve_of_key(key);
    uint8_t value[128];
    size_t len = 0;
    CK_RV rv;

    if (curve == NULL)
        return local_private_fail("is on a curve that is not supported");
    rv = attrs_set(ret, CKA_EC_PARAMS, curve->params);
    if (rv != CKR_OK || curve->type == CKK_EC)
        return rv != CKR_OK
                   ? rv
                   : set_number(key, OSSL_PKEY_PARAM_PRIV_KEY, curve->order_len, CKA_VALUE, ret);
    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PRIV_KEY, value, sizeof(value),
                                        &len) != 1)
        return local_fail("read a private key");
    rv = attrs_set(ret, CKA_VALUE, BYTES(value, len));
    bytes_wipe(value, sizeof(value));
    return rv;
}

static const struct {
    CK_KEY_TYPE type;
    CK_RV (*from)(struct local *local, CK_KEY_TYPE type, const struct attrs *attrs, EVP_PKEY **ret);
    CK_RV (*to)(const EVP_PKEY *key, struct attrs *ret);
} rows[] = {
    {CKK_RSA, rsa_from_attrs, rsa_to_attrs},
    {CKK_EC, curve_from_attrs, curve_to_attrs},
    {CKK_EC_EDWARDS, curve_from_attrs, curve_to_attrs},
    {CKK_EC_MONTGOMERY, curve_from_attrs, curve_to_attrs},
    {CKK_ML_KEM, local_pq_from_attrs, local_pq_to_attrs},
    {CKK_ML_DSA, local_pq_from_attrs, local_pq_to_attrs},
    {CKK_SLH_DSA, local_pq_from_attrs, local_pq_to_attrs},
};

CK_RV local_private_from_attrs(struct local *local, CK_KEY_TYPE type, const struct attrs *attrs,
                               struct secret **ret_material)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CK_RV rv;

        if (rows[i].type != type)
            continue;
        rv = rows[i].from(local, type, attrs, &key);
        return rv == CKR_OK ? local_private_encode(key, ret_material) : rv;
    }
    return fail(CKR_ATTRIBUTE_VALUE_INVALID, "private keys of type 0x%lx are not known here", type);
}

CK_RV local_private_to_attrs(struct local *local, CK_KEY_TYPE type, struct bytes material,
                             struct attrs *ret)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *key = NULL;
    CK_RV rv = local_private_load(local, material, &key);

    if (rv != CKR_OK)
        return rv;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].type == type && local_key_type(key) == type)
            return rows[i].to(key, ret);
    }
    return local_private_fail("is of another type than it is said to be");
}
