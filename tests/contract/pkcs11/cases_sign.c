/* Signing and verifying by every mechanism of the table, whole and in parts; OpenSSL has the last
 * word on signatures. */
#include "tests/contract/pkcs11/bench.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#define SIGNATURE_MAX 1024
#define BIG           ((size_t)3 << 20)

struct signing {
    struct bench b;
    const struct mech *row;
    struct bench_mechanism m;
    enum bench_key sign_key, verify_key;
    uint8_t signature[SIGNATURE_MAX];
    CK_ULONG len;
};

static void prepare(struct signing *s, const struct mech *row)
{
    s->row = row;
    bench_mechanism(&s->m, row);
    s->sign_key = bench_key_for(row, CKF_SIGN);
    s->verify_key = bench_key_for(row, CKF_VERIFY);
}

static CK_RV sign_whole(struct signing *s, uint8_t *data, size_t len)
{
    CK_FUNCTION_LIST *p = s->b.p11;

    assert_ok(p->C_SignInit(s->b.session, &s->m.mechanism, bench_key(&s->b, s->sign_key)));
    s->len = sizeof(s->signature);
    return p->C_Sign(s->b.session, data, len, s->signature, &s->len);
}

/* Three parts, the first of them empty. */
static CK_RV sign_parts(struct signing *s, uint8_t *data, size_t len)
{
    CK_FUNCTION_LIST *p = s->b.p11;

    assert_ok(p->C_SignInit(s->b.session, &s->m.mechanism, bench_key(&s->b, s->sign_key)));
    assert_ok(p->C_SignUpdate(s->b.session, NULL, 0));
    assert_ok(p->C_SignUpdate(s->b.session, data, len / 3));
    assert_ok(p->C_SignUpdate(s->b.session, data + len / 3, len - len / 3));
    s->len = sizeof(s->signature);
    return p->C_SignFinal(s->b.session, s->signature, &s->len);
}

static CK_RV verify_whole(struct signing *s, uint8_t *data, size_t len)
{
    CK_FUNCTION_LIST *p = s->b.p11;

    assert_ok(p->C_VerifyInit(s->b.session, &s->m.mechanism, bench_key(&s->b, s->verify_key)));
    return p->C_Verify(s->b.session, data, len, s->signature, s->len);
}

static CK_RV verify_parts(struct signing *s, uint8_t *data, size_t len)
{
    CK_FUNCTION_LIST *p = s->b.p11;

    assert_ok(p->C_VerifyInit(s->b.session, &s->m.mechanism, bench_key(&s->b, s->verify_key)));
    assert_ok(p->C_VerifyUpdate(s->b.session, data, len / 2));
    assert_ok(p->C_VerifyUpdate(s->b.session, data + len / 2, len - len / 2));
    return p->C_VerifyFinal(s->b.session, s->signature, s->len);
}

/* ---- OpenSSL's word ---- */

static size_t unflatten(const struct signing *s, uint8_t *der)
{
    int half = (int)s->len / 2;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    unsigned char *at = der;
    int len;

    ck_assert_int_eq(ECDSA_SIG_set0(sig, BN_bin2bn(s->signature, half, NULL),
                                    BN_bin2bn(s->signature + half, half, NULL)),
                     1);
    len = i2d_ECDSA_SIG(sig, &at);
    ck_assert_int_gt(len, 0);
    ECDSA_SIG_free(sig);
    return (size_t)len;
}

static void set_padding(EVP_PKEY_CTX *ctx, const struct signing *s)
{
    bool pss = s->row->params == MECH_PARAMS_PSS;

    if (s->row->key != CKK_RSA)
        return;
    ck_assert_int_eq(
        EVP_PKEY_CTX_set_rsa_padding(ctx, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING), 1);
    if (pss) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_signature_md(ctx, bench_md(s->m.pss.hashAlg)), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)s->m.pss.sLen), 1);
    }
}

static bool openssl_verifies(struct signing *s, const uint8_t *data, size_t len)
{
    EVP_PKEY *key = bench_public(&s->b, s->sign_key);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    uint8_t digest[EVP_MAX_MD_SIZE];
    uint8_t der[SIGNATURE_MAX];
    size_t signature_len = s->len;
    unsigned n = 0;
    int verified;

    ck_assert_int_eq(EVP_PKEY_verify_init(ctx), 1);
    set_padding(ctx, s);
    if (s->row->hash != KW_NO_MECHANISM) {
        ck_assert_int_eq(EVP_Digest(data, len, digest, &n, bench_md(s->row->hash), NULL), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_signature_md(ctx, bench_md(s->row->hash)), 1);
        data = digest;
        len = n;
    }
    memcpy(der, s->signature, s->len);
    if (s->row->key == CKK_EC)
        signature_len = unflatten(s, der);
    verified = EVP_PKEY_verify(ctx, der, signature_len, data, len);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
    return verified == 1;
}

/* ---- cases ---- */

static void assert_good_and_only_this(struct signing *s, uint8_t *data, size_t len)
{
    if (s->row->key != CKK_GENERIC_SECRET)
        ck_assert_msg(openssl_verifies(s, data, len), "%s: openssl refuses", s->row->name);
    assert_ok(verify_whole(s, data, len));
    assert_ok(verify_parts(s, data, len));
    s->signature[s->len - 1] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, verify_whole(s, data, len));
    assert_rv(CKR_SIGNATURE_INVALID, verify_parts(s, data, len));
    s->signature[s->len - 1] ^= 1;
    data[len - 1] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, verify_whole(s, data, len));
    assert_rv(CKR_SIGNATURE_INVALID, verify_parts(s, data, len));
    data[len - 1] ^= 1;
    s->len--;
    assert_rv(CKR_SIGNATURE_LEN_RANGE, verify_whole(s, data, len));
    assert_rv(CKR_SIGNATURE_LEN_RANGE, verify_parts(s, data, len));
}

START_TEST(every_mechanism_signs_whole_and_in_parts_what_verifies)
{
    struct signing s;
    const struct mech *row;
    uint8_t data[256];

    bench_open(&s.b);
    for (size_t n = 0; (row = bench_row(CKF_SIGN, n)) != NULL; n++) {
        size_t len = bench_data_len(row, CKF_SIGN);

        prepare(&s, row);
        bench_fill(data, len);
        assert_ok(sign_whole(&s, data, len));
        assert_good_and_only_this(&s, data, len);
        assert_ok(sign_parts(&s, data, len));
        assert_good_and_only_this(&s, data, len);
    }
    bench_close(&s.b);
}
END_TEST

START_TEST(signatures_on_larger_curves_are_as_long_as_two_orders)
{
    static const struct {
        enum bench_key sign, verify;
        CK_ULONG len;
    } curves[] = {{BENCH_P384_PRIVATE, BENCH_P384_PUBLIC, 96},
                  {BENCH_P521_PRIVATE, BENCH_P521_PUBLIC, 132}};
    static const CK_MECHANISM_TYPE types[] = {CKM_ECDSA, CKM_ECDSA_SHA256, CKM_ECDSA_SHA512};
    struct signing s;
    uint8_t data[20];

    bench_open(&s.b);
    bench_fill(data, sizeof(data));
    for (size_t i = 0; i < 6; i++) {
        prepare(&s, mech_find(types[i % 3]));
        s.sign_key = curves[i / 3].sign;
        s.verify_key = curves[i / 3].verify;
        assert_ok(sign_whole(&s, data, sizeof(data)));
        ck_assert_uint_eq(s.len, curves[i / 3].len);
        assert_good_and_only_this(&s, data, sizeof(data));
    }
    bench_close(&s.b);
}
END_TEST

START_TEST(nothing_is_data_too_where_a_mechanism_digests)
{
    struct signing s;
    const struct mech *row;
    uint8_t none = 0;

    bench_open(&s.b);
    for (size_t n = 0; (row = bench_row(CKF_SIGN, n)) != NULL; n++) {
        if (row->hash == KW_NO_MECHANISM)
            continue;
        prepare(&s, row);
        assert_ok(sign_whole(&s, NULL, 0));
        assert_ok(verify_parts(&s, &none, 0));
        assert_ok(sign_parts(&s, &none, 0));
        assert_ok(verify_whole(&s, NULL, 0));
    }
    bench_close(&s.b);
}
END_TEST

START_TEST(final_right_after_init_signs_nothing_like_the_one_shot)
{
    struct signing s;
    uint8_t mac[64];
    CK_ULONG len = sizeof(mac);

    bench_open(&s.b);
    prepare(&s, mech_find(CKM_SHA256_HMAC));
    assert_ok(sign_whole(&s, NULL, 0));
    assert_ok(s.b.p11->C_SignInit(s.b.session, &s.m.mechanism, bench_key(&s.b, s.sign_key)));
    assert_ok(s.b.p11->C_SignFinal(s.b.session, mac, &len));
    ck_assert_uint_eq(len, s.len);
    ck_assert_mem_eq(mac, s.signature, len);
    bench_close(&s.b);
}
END_TEST

START_TEST(data_of_megabytes_is_signed_whole_and_in_parts_alike)
{
    static const CK_MECHANISM_TYPE types[] = {CKM_SHA256_HMAC, CKM_ECDSA_SHA256,
                                              CKM_SHA512_RSA_PKCS};
    struct signing s;
    uint8_t *data = malloc(BIG);

    ck_assert_ptr_nonnull(data);
    bench_fill(data, BIG);
    bench_open(&s.b);
    for (size_t i = 0; i < 3; i++) {
        prepare(&s, mech_find(types[i]));
        assert_ok(sign_whole(&s, data, BIG));
        assert_ok(verify_parts(&s, data, BIG));
        assert_ok(sign_parts(&s, data, BIG));
        assert_ok(verify_whole(&s, data, BIG));
        data[BIG - 1] ^= 1;
        assert_rv(CKR_SIGNATURE_INVALID, verify_whole(&s, data, BIG));
        data[BIG - 1] ^= 1;
    }
    bench_close(&s.b);
    free(data);
}
END_TEST

START_TEST(a_raw_mechanism_gathers_parts_up_to_a_limit_only)
{
    struct signing s;
    uint8_t data[3000];

    bench_open(&s.b);
    bench_fill(data, sizeof(data));
    prepare(&s, mech_find(CKM_ECDSA));
    assert_ok(s.b.p11->C_SignInit(s.b.session, &s.m.mechanism, bench_key(&s.b, s.sign_key)));
    assert_ok(s.b.p11->C_SignUpdate(s.b.session, data, 20));
    assert_rv(CKR_DATA_LEN_RANGE, s.b.p11->C_SignUpdate(s.b.session, data, sizeof(data)));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, s.b.p11->C_SignUpdate(s.b.session, data, 1));
    bench_close(&s.b);
}
END_TEST

START_TEST(a_raw_rsa_signature_refuses_what_does_not_fit_the_key)
{
    struct signing s;
    uint8_t data[256];

    bench_open(&s.b);
    bench_fill(data, sizeof(data));
    prepare(&s, mech_find(CKM_RSA_PKCS));
    assert_rv(CKR_DATA_LEN_RANGE, sign_whole(&s, data, 246));
    assert_ok(sign_whole(&s, data, 245));
    ck_assert(openssl_verifies(&s, data, 245));
    bench_close(&s.b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(every_mechanism_signs_whole_and_in_parts_what_verifies, 120),
        CASE_SLOW(signatures_on_larger_curves_are_as_long_as_two_orders, 120),
        CASE_SLOW(nothing_is_data_too_where_a_mechanism_digests, 120),
        CASE_SLOW(final_right_after_init_signs_nothing_like_the_one_shot, 60),
        CASE_SLOW(data_of_megabytes_is_signed_whole_and_in_parts_alike, 120),
        CASE_SLOW(a_raw_mechanism_gathers_parts_up_to_a_limit_only, 60),
        CASE_SLOW(a_raw_rsa_signature_refuses_what_does_not_fit_the_key, 60),
    };

    return bench_suite("pkcs11/sign", cases, sizeof(cases) / sizeof(*cases));
}
