/* Digests of every kind against OpenSSL's, and random numbers. */
#include "tests/contract/pkcs11/bench.h"

#define BIG ((size_t)2 << 20)

static void digest_whole(struct bench *b, CK_MECHANISM *m, uint8_t *data, size_t len,
                         uint8_t out[64], CK_ULONG *out_len)
{
    *out_len = 64;
    assert_ok(b->p11->C_DigestInit(b->session, m));
    assert_ok(b->p11->C_Digest(b->session, data, len, out, out_len));
}

static void digest_parts(struct bench *b, CK_MECHANISM *m, uint8_t *data, size_t len,
                         uint8_t out[64], CK_ULONG *out_len)
{
    *out_len = 64;
    assert_ok(b->p11->C_DigestInit(b->session, m));
    assert_ok(b->p11->C_DigestUpdate(b->session, data, len / 3));
    assert_ok(b->p11->C_DigestUpdate(b->session, NULL, 0));
    assert_ok(b->p11->C_DigestUpdate(b->session, data + len / 3, len - len / 3));
    assert_ok(b->p11->C_DigestFinal(b->session, out, out_len));
}

static void assert_digest(const struct mech *row, const uint8_t *data, size_t len,
                          const uint8_t *got, CK_ULONG got_len)
{
    uint8_t want[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    ck_assert_int_eq(EVP_Digest(data, len, want, &n, bench_md(row->type), NULL), 1);
    ck_assert_uint_eq(got_len, n);
    ck_assert_mem_eq(got, want, n);
}

START_TEST(every_digest_is_openssls_whole_and_in_parts)
{
    static const size_t lens[] = {0, 1, 55, 56, 64, 1000, BIG};
    struct bench b;
    const struct mech *row;
    uint8_t *data = malloc(BIG);
    uint8_t out[64];
    CK_ULONG len;

    ck_assert_ptr_nonnull(data);
    bench_fill(data, BIG);
    bench_open(&b);
    for (size_t n = 0; (row = bench_row(CKF_DIGEST, n)) != NULL; n++) {
        CK_MECHANISM m = {.mechanism = row->type};

        for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
            digest_whole(&b, &m, data, lens[i], out, &len);
            assert_digest(row, data, lens[i], out, len);
            digest_parts(&b, &m, data, lens[i], out, &len);
            assert_digest(row, data, lens[i], out, len);
        }
    }
    bench_close(&b);
    free(data);
}
END_TEST

START_TEST(a_digest_needs_a_digest_mechanism)
{
    struct bench b;
    CK_MECHANISM hmac = {.mechanism = CKM_SHA256_HMAC};
    CK_MECHANISM unknown = {.mechanism = CKM_VENDOR_DEFINED + 7};
    uint8_t iv[16] = {0};
    CK_MECHANISM with_iv = {
        .mechanism = CKM_SHA256, .pParameter = iv, .ulParameterLen = sizeof(iv)};

    bench_open(&b);
    assert_rv(CKR_MECHANISM_INVALID, b.p11->C_DigestInit(b.session, &hmac));
    assert_rv(CKR_MECHANISM_INVALID, b.p11->C_DigestInit(b.session, &unknown));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, b.p11->C_DigestInit(b.session, &with_iv));
    assert_rv(CKR_ARGUMENTS_BAD, b.p11->C_DigestInit(b.session, NULL));
    bench_close(&b);
}
END_TEST

START_TEST(no_keys_value_is_digested)
{
    static const enum bench_key keys[] = {BENCH_AES256, BENCH_HMAC, BENCH_RSA_PRIVATE};
    struct bench b;
    CK_MECHANISM m = {.mechanism = CKM_SHA256};

    bench_open(&b);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              b.p11->C_DigestKey(b.session, bench_key(&b, BENCH_AES256)));
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        assert_ok(b.p11->C_DigestInit(b.session, &m));
        assert_rv(CKR_KEY_INDIGESTIBLE, b.p11->C_DigestKey(b.session, bench_key(&b, keys[i])));
        assert_rv(CKR_OPERATION_NOT_INITIALIZED, b.p11->C_DigestUpdate(b.session, NULL, 0));
    }
    assert_ok(b.p11->C_DigestInit(b.session, &m));
    assert_rv(CKR_KEY_HANDLE_INVALID, b.p11->C_DigestKey(b.session, 987654));
    bench_close(&b);
}
END_TEST

START_TEST(random_fills_the_buffer_and_differs)
{
    struct bench b;
    uint8_t one[40] = {0};
    uint8_t two[40] = {0};
    static const uint8_t zero[40] = {0};

    bench_open(&b);
    assert_ok(b.p11->C_GenerateRandom(b.session, one, sizeof(one) - 8));
    assert_ok(b.p11->C_GenerateRandom(b.session, two, sizeof(two) - 8));
    ck_assert_mem_ne(one, two, sizeof(one) - 8);
    ck_assert_mem_ne(one, zero, sizeof(one) - 8);
    ck_assert_mem_eq(one + 32, zero, 8);
    assert_ok(b.p11->C_GenerateRandom(b.session, one, 0));
    assert_ok(b.p11->C_GenerateRandom(b.session, NULL, 0));
    assert_rv(CKR_ARGUMENTS_BAD, b.p11->C_GenerateRandom(b.session, NULL, 1));
    assert_rv(CKR_ARGUMENTS_BAD, b.p11->C_GenerateRandom(b.session, one, (CK_ULONG)1 << 40));
    bench_close(&b);
}
END_TEST

START_TEST(random_takes_no_seed)
{
    struct bench b;
    uint8_t seed[8] = {0};

    bench_open(&b);
    assert_rv(CKR_RANDOM_SEED_NOT_SUPPORTED, b.p11->C_SeedRandom(b.session, seed, sizeof(seed)));
    assert_rv(CKR_ARGUMENTS_BAD, b.p11->C_SeedRandom(b.session, NULL, 8));
    bench_close(&b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(every_digest_is_openssls_whole_and_in_parts, 60),
        CASE_SLOW(a_digest_needs_a_digest_mechanism, 60),
        CASE_SLOW(no_keys_value_is_digested, 60),
        CASE_SLOW(random_fills_the_buffer_and_differs, 60),
        CASE_SLOW(random_takes_no_seed, 60),
    };

    return bench_suite("pkcs11/digest", cases, sizeof(cases) / sizeof(*cases));
}
