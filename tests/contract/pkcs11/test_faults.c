/* The HSM and the log failing at every place of an operation: it ends, nothing is released, nothing
 * is left open. */
#include "tests/contract/pkcs11/double.h"

static uint8_t data[48];

/* A whole life of an operation in parts; stops at the first failure. */
static CK_RV encrypt_in_parts(struct bench *b, uint8_t out[64])
{
    struct bench_mechanism m;
    CK_ULONG n = 64;
    CK_RV rv = b->p11->C_EncryptInit(b->session, bench_mechanism_of(&m, CKM_AES_CBC_PAD),
                                     bench_key(b, BENCH_AES128));

    if (rv == CKR_OK)
        rv = b->p11->C_EncryptUpdate(b->session, data, 20, out, &n);
    n = 64;
    if (rv == CKR_OK)
        rv = b->p11->C_EncryptUpdate(b->session, data + 20, 28, out, &n);
    n = 64;
    return rv == CKR_OK ? b->p11->C_EncryptFinal(b->session, out, &n) : rv;
}

static CK_RV sign_in_parts(struct bench *b, uint8_t out[64])
{
    CK_MECHANISM m = {.mechanism = CKM_SHA512_HMAC};
    CK_ULONG n = 64;
    CK_RV rv = b->p11->C_SignInit(b->session, &m, bench_key(b, BENCH_HMAC));

    if (rv == CKR_OK)
        rv = b->p11->C_SignUpdate(b->session, data, 20);
    if (rv == CKR_OK)
        rv = b->p11->C_SignUpdate(b->session, data, 28);
    return rv == CKR_OK ? b->p11->C_SignFinal(b->session, out, &n) : rv;
}

static CK_RV sign_whole(struct bench *b, uint8_t out[64])
{
    CK_MECHANISM m = {.mechanism = CKM_ECDSA_SHA256};
    CK_ULONG n = 64;
    CK_RV rv = b->p11->C_SignInit(b->session, &m, bench_key(b, BENCH_P256_PRIVATE));

    return rv == CKR_OK ? b->p11->C_Sign(b->session, data, 48, out, &n) : rv;
}

static CK_RV (*const lives[])(struct bench *, uint8_t[64]) = {encrypt_in_parts, sign_in_parts,
                                                              sign_whole};
#define LIVES ((int)(sizeof(lives) / sizeof(*lives)))

static void assert_none_active(struct bench *b)
{
    uint8_t out[64];
    CK_ULONG n = 64;

    assert_rv(CKR_OPERATION_NOT_INITIALIZED, b->p11->C_EncryptFinal(b->session, out, &n));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, b->p11->C_SignFinal(b->session, out, &n));
    ck_assert_uint_eq(double_hsm_open(), 0);
}

static bool has_outcome(struct bench *b, const char *rv)
{
    struct bench_record r[8];
    size_t count = bench_records(b, r, 8);

    return count > 0 && strcmp(r[count - 1].rv, rv) == 0;
}

START_TEST(an_hsm_that_fails_at_any_call_ends_the_operation_and_is_on_record)
{
    struct bench b;
    uint8_t out[64];
    unsigned n = 1;

    bench_open(&b);
    for (;; n++) {
        CK_RV rv;

        switches.hsm_fails = n;
        switches.hsm_rv = CKR_DEVICE_ERROR;
        rv = lives[_i](&b, out);
        if (switches.hsm_fails > 0)
            break; /* it took fewer calls */
        assert_rv(CKR_DEVICE_ERROR, rv);
        assert_none_active(&b);
        ck_assert(has_outcome(&b, "CKR_DEVICE_ERROR"));
    }
    ck_assert_uint_gt(n, 1);
    assert_none_active(&b);
    ck_assert(has_outcome(&b, "CKR_OK"));
    bench_close(&b);
}
END_TEST

START_TEST(a_log_that_cannot_be_written_releases_nothing)
{
    struct bench b;
    uint8_t out[64];

    bench_open(&b);
    memset(out, 0xee, sizeof(out));
    switches.log_broken = true;
    assert_rv(CKR_DEVICE_ERROR, lives[_i](&b, out));
    for (size_t i = 0; i < sizeof(out); i++)
        ck_assert_uint_eq(out[i], 0xee);
    assert_none_active(&b);
    switches.log_broken = false;
    assert_ok(lives[_i](&b, out));
    bench_close(&b);
}
END_TEST

START_TEST(no_intent_means_the_hsm_is_not_asked_for_a_part)
{
    struct bench b;
    struct bench_mechanism m;
    uint8_t out[64];
    CK_ULONG n = sizeof(out);

    bench_open(&b);
    assert_ok(b.p11->C_EncryptInit(b.session, bench_mechanism_of(&m, CKM_AES_CTR),
                                   bench_key(&b, BENCH_AES128)));
    switches.log_broken = true;
    assert_rv(CKR_DEVICE_ERROR, b.p11->C_EncryptUpdate(b.session, data, 20, out, &n));
    ck_assert_uint_eq(double_hsm_calls(), 0);
    bench_close(&b);
}
END_TEST

START_TEST(a_random_number_without_a_record_stays_here)
{
    struct bench b;
    uint8_t out[16] = {0};
    static const uint8_t zero[16];

    bench_open(&b);
    switches.log_broken = true;
    assert_rv(CKR_DEVICE_ERROR, b.p11->C_GenerateRandom(b.session, out, sizeof(out)));
    ck_assert_mem_eq(out, zero, sizeof(out));
    bench_close(&b);
}
END_TEST

START_TEST(a_policy_that_changed_meanwhile_stops_an_operation_in_progress)
{
    struct bench b;
    struct bench_mechanism m;
    uint8_t out[64];
    CK_ULONG n = sizeof(out);

    bench_open(&b);
    assert_ok(b.p11->C_EncryptInit(b.session, bench_mechanism_of(&m, CKM_AES_CTR),
                                   bench_key(&b, BENCH_AES128)));
    assert_ok(b.p11->C_EncryptUpdate(b.session, data, 20, out, &n));
    switches.policy_changed = switches.denied = true;
    n = sizeof(out);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, b.p11->C_EncryptUpdate(b.session, data, 20, out, &n));
    assert_none_active(&b);
    switches.denied = false;
    assert_ok(sign_in_parts(&b, out)); /* changed, but not in this */
    bench_close(&b);
}
END_TEST

START_TEST(a_key_hidden_meanwhile_is_gone)
{
    struct bench b;
    CK_MECHANISM m = {.mechanism = CKM_SHA256_HMAC};
    uint8_t out[64];
    CK_ULONG n = sizeof(out);

    bench_open(&b);
    assert_ok(b.p11->C_SignInit(b.session, &m, bench_key(&b, BENCH_HMAC)));
    switches.policy_changed = switches.hidden = true;
    assert_rv(CKR_KEY_HANDLE_INVALID, b.p11->C_Sign(b.session, data, 20, out, &n));
    ck_assert_uint_eq(double_hsm_calls(), 0);
    bench_close(&b);
}
END_TEST

START_TEST(whatever_the_hsm_says_of_a_ciphertext_the_answer_is_one)
{
    static const CK_RV said[] = {CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE,
                                 CKR_DATA_INVALID,           CKR_DATA_LEN_RANGE,
                                 CKR_FUNCTION_FAILED,        CKR_GENERAL_ERROR};
    struct bench b;
    struct bench_mechanism m;
    uint8_t block[256] = {1};
    uint8_t out[256];
    char reason[FAIL_REASON_MAX] = "";

    bench_open(&b);
    for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
        CK_ULONG n = sizeof(out);

        switches.hsm_fails = 1;
        switches.hsm_rv = said[i];
        assert_ok(b.p11->C_DecryptInit(b.session, bench_mechanism_of(&m, CKM_RSA_PKCS),
                                       bench_key(&b, BENCH_RSA_PRIVATE)));
        assert_rv(CKR_ENCRYPTED_DATA_INVALID,
                  b.p11->C_Decrypt(b.session, block, sizeof(block), out, &n));
        if (i > 0)
            ck_assert_str_eq(reason, fail_reason());
        memcpy(reason, fail_reason(), sizeof(reason));
    }
    bench_close(&b);
}
END_TEST

START_TEST(parameters_the_hsm_does_not_take_are_the_callers_to_change)
{
    struct bench b;
    struct bench_mechanism m;
    uint8_t block[256] = {1};
    uint8_t out[256];
    CK_ULONG n = sizeof(out);

    bench_open(&b);
    switches.hsm_fails = 1;
    switches.hsm_rv = CKR_ARGUMENTS_BAD;
    assert_ok(b.p11->C_DecryptInit(b.session, bench_mechanism_of(&m, CKM_RSA_PKCS_OAEP),
                                   bench_key(&b, BENCH_RSA_PRIVATE)));
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              b.p11->C_Decrypt(b.session, block, sizeof(block), out, &n));
    bench_close(&b);
}
END_TEST

START_TEST(gcm_decryption_gathers_up_to_a_limit_only)
{
    struct bench b;
    struct bench_mechanism m;
    size_t step = (size_t)8 << 20;
    uint8_t *in = calloc(1, step);
    uint8_t out[16];
    CK_ULONG n = sizeof(out);

    ck_assert_ptr_nonnull(in);
    bench_open(&b);
    assert_ok(b.p11->C_DecryptInit(b.session, bench_mechanism_of(&m, CKM_AES_GCM),
                                   bench_key(&b, BENCH_AES128)));
    for (size_t i = 0; i < 8; i++) {
        n = sizeof(out);
        assert_ok(b.p11->C_DecryptUpdate(b.session, in, step, out, &n));
        ck_assert_uint_eq(n, 0);
    }
    n = sizeof(out);
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE, b.p11->C_DecryptUpdate(b.session, in, 1, out, &n));
    assert_none_active(&b);
    bench_close(&b);
    free(in);
}
END_TEST

START_TEST(a_session_may_end_with_an_operation_open)
{
    struct bench b;
    CK_MECHANISM m = {.mechanism = CKM_SHA256_HMAC};

    bench_open(&b);
    assert_ok(b.p11->C_SignInit(b.session, &m, bench_key(&b, BENCH_HMAC)));
    assert_ok(b.p11->C_SignUpdate(b.session, data, 20));
    ck_assert_uint_eq(double_hsm_open(), 1);
    bench_close(&b); /* asserts that nothing is left */
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(an_hsm_that_fails_at_any_call_ends_the_operation_and_is_on_record, LIVES),
        CASE_LOOP(a_log_that_cannot_be_written_releases_nothing, LIVES),
        CASE(no_intent_means_the_hsm_is_not_asked_for_a_part),
        CASE(a_random_number_without_a_record_stays_here),
        CASE(a_policy_that_changed_meanwhile_stops_an_operation_in_progress),
        CASE(a_key_hidden_meanwhile_is_gone),
        CASE(whatever_the_hsm_says_of_a_ciphertext_the_answer_is_one),
        CASE(parameters_the_hsm_does_not_take_are_the_callers_to_change),
        CASE(gcm_decryption_gathers_up_to_a_limit_only),
        CASE(a_session_may_end_with_an_operation_open),
    };

    return suite_run("pkcs11/faults", cases, sizeof(cases) / sizeof(*cases));
}
