/* Signatures over curves known to be accepted where they must not be, as tables. Sources are named
 * at the tables; the first row of each is a good one. */
#include "tests/unit/hsm/known_bad.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <string.h>

struct rs {
    BIGNUM *r, *s, *n;
    int len;
};

static void unchanged(struct rs *x)
{
    (void)x;
}
static void s_above_half(struct rs *x)
{
    ck_assert_int_eq(BN_sub(x->s, x->n, x->s), 1);
}
static void swapped(struct rs *x)
{
    BN_swap(x->r, x->s);
}
static void r_0(struct rs *x)
{
    BN_zero(x->r);
}
static void s_0(struct rs *x)
{
    BN_zero(x->s);
}
static void both_0(struct rs *x)
{
    BN_zero(x->r);
    BN_zero(x->s);
}
static void both_1(struct rs *x)
{
    ck_assert(BN_one(x->r) && BN_one(x->s));
}
static void r_n(struct rs *x)
{
    ck_assert_ptr_nonnull(BN_copy(x->r, x->n));
}
static void s_n(struct rs *x)
{
    ck_assert_ptr_nonnull(BN_copy(x->s, x->n));
}
static void r_n_plus_1(struct rs *x)
{
    r_n(x);
    ck_assert(BN_add_word(x->r, 1));
}
static void s_n_plus_1(struct rs *x)
{
    s_n(x);
    ck_assert(BN_add_word(x->s, 1));
}
static void r_n_minus_1(struct rs *x)
{
    r_n(x);
    ck_assert(BN_sub_word(x->r, 1));
}
/* The same numbers modulo n, written differently: only P-521's n leaves room for it. */
static void r_plus_n(struct rs *x)
{
    ck_assert_int_eq(BN_add(x->r, x->r, x->n), 1);
}
static void s_plus_n(struct rs *x)
{
    ck_assert_int_eq(BN_add(x->s, x->s, x->n), 1);
}
static void s_negated_r(struct rs *x)
{
    ck_assert_int_eq(BN_sub(x->r, x->n, x->r), 1);
}

/* FIPS 186-5, 6.4.2, step 1: r and s are in [1, n - 1]. s and n - s are both right: the standard
 * has no rule for the lower one. "0, 0" is CVE-2022-21449. Wycheproof's ecdsa tests have all of
 * them. */
static const struct {
    const char *what;
    void (*change)(struct rs *x);
    bool p521, good;
} ecdsa[] = {
    {"as it was signed", unchanged, false, true},
    {"s replaced by n - s", s_above_half, false, true},
    {"r replaced by n - r", s_negated_r, false, false},
    {"r and s swapped", swapped, false, false},
    {"r = 0", r_0, false, false},
    {"s = 0", s_0, false, false},
    {"r = s = 0", both_0, false, false},
    {"r = s = 1", both_1, false, false},
    {"r = n", r_n, false, false},
    {"s = n", s_n, false, false},
    {"r = n + 1", r_n_plus_1, false, false},
    {"s = n + 1", s_n_plus_1, false, false},
    {"r = n - 1", r_n_minus_1, false, false},
    {"r + n", r_plus_n, true, false},
    {"s + n", s_plus_n, true, false},
};

static const struct {
    const char *name, *hash;
    CK_MECHANISM_TYPE mechanism;
    int len;
} curves[] = {
    {"P-256", "SHA256", CKM_ECDSA_SHA256, 32},
    {"P-384", "SHA384", CKM_ECDSA_SHA384, 48},
    {"P-521", "SHA512", CKM_ECDSA_SHA512, 66},
};

static ECDSA_SIG *sign_ecdsa(struct world *w, const char *hash)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char der[160];
    const unsigned char *p = der;
    size_t len = sizeof(der);

    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, hash, NULL, NULL, w->key, NULL), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, der, &len, (const unsigned char *)TEXT, sizeof(TEXT) - 1),
                     1);
    EVP_MD_CTX_free(ctx);
    return d2i_ECDSA_SIG(NULL, &p, (long)len);
}

/* r | s, each of the order's length. */
static void take_rs(struct world *w, int i, struct rs *x)
{
    ECDSA_SIG *sig = sign_ecdsa(w, curves[i].hash);

    ck_assert_ptr_nonnull(sig);
    *x = (struct rs){.r = BN_dup(ECDSA_SIG_get0_r(sig)),
                     .s = BN_dup(ECDSA_SIG_get0_s(sig)),
                     .len = curves[i].len};
    ck_assert_int_eq(EVP_PKEY_get_bn_param(w->key, "order", &x->n), 1);
    ECDSA_SIG_free(sig);
}

static struct bytes put_rs(const struct rs *x, uint8_t out[static 2 * 66])
{
    ck_assert_int_eq(BN_bn2binpad(x->r, out, x->len), x->len);
    ck_assert_int_eq(BN_bn2binpad(x->s, out + x->len, x->len), x->len);
    return BYTES(out, 2 * (size_t)x->len);
}

static void free_rs(struct rs *x)
{
    BN_free(x->r);
    BN_free(x->s);
    BN_free(x->n);
}

START_TEST(an_ecdsa_signature_with_numbers_out_of_range_or_place_is_refused)
{
    CK_MECHANISM m = {curves[_i].mechanism, NULL, 0};
    uint8_t out[2 * 66];
    struct world w;
    struct rs x;

    world_init(&w, EVP_EC_gen(curves[_i].name));
    for (size_t i = 0; i < sizeof(ecdsa) / sizeof(*ecdsa); i++) {
        if (ecdsa[i].p521 && curves[_i].len != 66)
            continue;
        take_rs(&w, _i, &x);
        ecdsa[i].change(&x);
        assert_verdict(&w, &m, ecdsa[i].what, ecdsa[i].good ? CKR_OK : CKR_SIGNATURE_INVALID,
                       put_rs(&x, out));
        free_rs(&x);
    }
    world_release(&w);
}
END_TEST

START_TEST(an_ecdsa_signature_of_another_length_or_encoding_is_refused)
{
    CK_MECHANISM m = {curves[_i].mechanism, NULL, 0};
    uint8_t out[2 * 66], longer[2 * 66 + 2] = {0};
    size_t len = (size_t)curves[_i].len;
    struct bytes whole;
    struct world w;
    struct rs x;

    world_init(&w, EVP_EC_gen(curves[_i].name));
    take_rs(&w, _i, &x);
    whole = put_rs(&x, out);
    assert_verdict(&w, &m, "whole", CKR_OK, whole);
    assert_verdict(&w, &m, "a byte short", CKR_SIGNATURE_LEN_RANGE, BYTES(out, whole.len - 1));
    assert_verdict(&w, &m, "r alone", CKR_SIGNATURE_LEN_RANGE, BYTES(out, len));
    assert_verdict(&w, &m, "nothing", CKR_SIGNATURE_LEN_RANGE, BYTES_NONE);
    memcpy(longer + 1, out, len);
    memcpy(longer + len + 2, out + len, len);
    assert_verdict(&w, &m, "a zero before each", CKR_SIGNATURE_LEN_RANGE,
                   BYTES(longer, whole.len + 2));
    memcpy(longer, out, whole.len);
    assert_verdict(&w, &m, "zeros behind", CKR_SIGNATURE_LEN_RANGE, BYTES(longer, whole.len + 2));
    free_rs(&x);
    world_release(&w);
}
END_TEST

/* ---- Edwards curves ---- */

/* RFC 8032, 5.1: L, little-endian. */
static const char order_25519[] =
    "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

static void sign_eddsa(struct world *w, uint8_t out[static 64])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = 64;

    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, w->key, NULL), 1);
    ck_assert_int_eq(EVP_DigestSign(ctx, out, &len, (const unsigned char *)TEXT, sizeof(TEXT) - 1),
                     1);
    EVP_MD_CTX_free(ctx);
}

/* s + times * L, which is below 2^256 for times up to 14. */
static void add_order(uint8_t s[static 32], unsigned times)
{
    uint8_t order[32];

    ck_assert(bytes_from_hex(order_25519, order, 32));
    while (times-- > 0) {
        unsigned carry = 0;

        for (size_t i = 0; i < 32; i++) {
            carry += (unsigned)s[i] + order[i];
            s[i] = (uint8_t)carry;
            carry >>= 8;
        }
    }
}

/* RFC 8032, 5.1.7, step 1, and 8.4: S is below L, or one signature makes many. */
START_TEST(an_ed25519_signature_whose_s_is_not_below_the_order_is_refused)
{
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    uint8_t good[64], bad[65] = {0};
    struct world w;

    world_init(&w, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    sign_eddsa(&w, good);
    assert_verdict(&w, &m, "as it was signed", CKR_OK, BYTES(good, 64));
    for (unsigned times = 1; times <= 14; times++) {
        memcpy(bad, good, 64);
        add_order(bad + 32, times);
        assert_verdict(&w, &m, "S + L, times some", CKR_SIGNATURE_INVALID, BYTES(bad, 64));
    }
    memcpy(bad, good, 64);
    memset(bad + 32, 0, 32);
    assert_verdict(&w, &m, "S = 0", CKR_SIGNATURE_INVALID, BYTES(bad, 64));
    memcpy(bad, good, 64);
    memset(bad, 0, 32);
    assert_verdict(&w, &m, "R = 0", CKR_SIGNATURE_INVALID, BYTES(bad, 64));
    memcpy(bad, good, 64);
    bad[31] ^= 0x80;
    assert_verdict(&w, &m, "R with its other sign", CKR_SIGNATURE_INVALID, BYTES(bad, 64));
    memcpy(bad, good, 64);
    assert_verdict(&w, &m, "a byte short", CKR_SIGNATURE_LEN_RANGE, BYTES(bad, 63));
    assert_verdict(&w, &m, "a byte longer", CKR_SIGNATURE_LEN_RANGE, BYTES(bad, 65));
    assert_verdict(&w, &m, "nothing", CKR_SIGNATURE_LEN_RANGE, BYTES_NONE);
    world_release(&w);
}
END_TEST

int main(void)
{
    const int count = (int)(sizeof(curves) / sizeof(*curves));
    const struct suite_case cases[] = {
        CASE_LOOP(an_ecdsa_signature_with_numbers_out_of_range_or_place_is_refused, count),
        CASE_LOOP(an_ecdsa_signature_of_another_length_or_encoding_is_refused, count),
        CASE(an_ed25519_signature_whose_s_is_not_below_the_order_is_refused),
    };

    return suite_run("hsm/known_bad_curves", cases, sizeof(cases) / sizeof(*cases));
}
