/* What C_*Init refuses, each beside the same call with one fact changed, which is allowed. */
#include "tests/contract/pkcs11/double.h"

struct init_case {
    CK_MECHANISM_TYPE type;
    enum bench_key key;
    CK_FLAGS use;
};

static CK_RV init_as(struct bench *b, CK_FLAGS use, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
    switch (use) {
    case CKF_SIGN:
        return b->p11->C_SignInit(b->session, m, key);
    case CKF_VERIFY:
        return b->p11->C_VerifyInit(b->session, m, key);
    case CKF_ENCRYPT:
        return b->p11->C_EncryptInit(b->session, m, key);
    default:
        return b->p11->C_DecryptInit(b->session, m, key);
    }
}

static CK_RV init(struct bench *b, const struct init_case *c)
{
    struct bench_mechanism m;

    return init_as(b, c->use, bench_mechanism_of(&m, c->type), bench_key(b, c->key));
}

/* One good Init of each use and each class of key. */
static const struct init_case good[] = {
    {CKM_ECDSA_SHA256, BENCH_P256_PRIVATE, CKF_SIGN},
    {CKM_RSA_PKCS_PSS, BENCH_RSA_PRIVATE, CKF_SIGN},
    {CKM_SHA256_HMAC, BENCH_HMAC, CKF_SIGN},
    {CKM_SHA1_RSA_PKCS, BENCH_RSA_PUBLIC, CKF_VERIFY},
    {CKM_ECDSA, BENCH_P521_PUBLIC, CKF_VERIFY},
    {CKM_SHA256_HMAC, BENCH_HMAC, CKF_VERIFY},
    {CKM_RSA_PKCS_OAEP, BENCH_RSA_PUBLIC, CKF_ENCRYPT},
    {CKM_AES_GCM, BENCH_AES128, CKF_ENCRYPT},
    {CKM_RSA_PKCS, BENCH_RSA_PRIVATE, CKF_DECRYPT},
    {CKM_AES_CBC_PAD, BENCH_AES256, CKF_DECRYPT},
};
#define GOOD ((int)(sizeof(good) / sizeof(*good)))

static CK_ATTRIBUTE_TYPE right_of(CK_FLAGS use)
{
    return use == CKF_SIGN      ? CKA_SIGN
           : use == CKF_VERIFY  ? CKA_VERIFY
           : use == CKF_ENCRYPT ? CKA_ENCRYPT
                                : CKA_DECRYPT;
}

static CK_RV cancel(struct bench *b, CK_FLAGS use)
{
    return init_as(b, use, NULL, 0);
}

/* Refused as it stands; the caller then changes the fact back and calls assert_good(). */
static void assert_refused(struct bench *b, const struct init_case *c, CK_RV rv)
{
    assert_rv(rv, init(b, c));
    assert_rv(CKR_ARGUMENTS_BAD, cancel(b, c->use)); /* nothing is active */
    ck_assert_uint_gt(strlen(fail_reason()), 0);
}

static void assert_good(struct bench *b, const struct init_case *c)
{
    assert_ok(init(b, c));
    assert_ok(cancel(b, c->use));
}

START_TEST(a_key_without_the_right_is_refused)
{
    struct bench b;
    const struct init_case *c = &good[_i];

    bench_open(&b);
    assert_ok(attrs_set_bool(&double_object(c->key)->attrs, right_of(c->use), false));
    assert_refused(&b, c, CKR_KEY_FUNCTION_NOT_PERMITTED);
    attrs_remove(&double_object(c->key)->attrs, right_of(c->use));
    assert_refused(&b, c, CKR_KEY_FUNCTION_NOT_PERMITTED);
    assert_ok(attrs_set_bool(&double_object(c->key)->attrs, right_of(c->use), true));
    assert_good(&b, c);
    bench_close(&b);
}
END_TEST

START_TEST(a_hidden_key_is_no_key_whatever_else_is_wrong_with_it)
{
    struct bench b;
    const struct init_case *c = &good[_i];
    struct bench_mechanism m;

    bench_open(&b);
    switches.hidden = true;
    assert_refused(&b, c, CKR_KEY_HANDLE_INVALID);
    assert_ok(attrs_set_bool(&double_object(c->key)->attrs, right_of(c->use), false));
    assert_refused(&b, c, CKR_KEY_HANDLE_INVALID);
    double_object(c->key)->state = OBJECT_DISABLED;
    assert_refused(&b, c, CKR_KEY_HANDLE_INVALID);
    /* As for a handle that never was. */
    assert_rv(CKR_KEY_HANDLE_INVALID, init_as(&b, c->use, bench_mechanism_of(&m, c->type), 4711));
    switches.hidden = false;
    double_object(c->key)->state = OBJECT_ENABLED;
    assert_ok(attrs_set_bool(&double_object(c->key)->attrs, right_of(c->use), true));
    assert_good(&b, c);
    bench_close(&b);
}
END_TEST

START_TEST(a_use_the_policy_denies_is_refused_and_on_record)
{
    struct bench b;
    struct bench_record record;
    const struct init_case *c = &good[_i];

    bench_open(&b);
    switches.denied = true;
    assert_refused(&b, c, CKR_KEY_FUNCTION_NOT_PERMITTED);
    ck_assert_uint_eq(bench_records(&b, &record, 1), 1);
    switches.log_broken = true;
    assert_refused(&b, c, CKR_DEVICE_ERROR);
    switches.denied = switches.log_broken = false;
    assert_good(&b, c);
    bench_close(&b);
}
END_TEST

START_TEST(a_disabled_key_is_refused)
{
    struct bench b;
    const struct init_case *c = &good[_i];

    bench_open(&b);
    double_object(c->key)->state = OBJECT_DISABLED;
    assert_refused(&b, c, CKR_KEY_FUNCTION_NOT_PERMITTED);
    double_object(c->key)->state = OBJECT_ENABLED;
    assert_good(&b, c);
    bench_close(&b);
}
END_TEST

START_TEST(a_key_before_its_time_is_refused)
{
    struct bench b;
    const struct init_case *c = &good[_i];

    bench_open(&b);
    double_object(c->key)->not_before = switches.now + 1;
    assert_refused(&b, c, CKR_KEY_FUNCTION_NOT_PERMITTED);
    switches.now++;
    assert_good(&b, c);
    bench_close(&b);
}
END_TEST

START_TEST(an_expired_key_verifies_and_decrypts_only)
{
    struct bench b;
    const struct init_case *c = &good[_i];

    bench_open(&b);
    double_object(c->key)->expires = switches.now + 1;
    assert_good(&b, c);
    switches.now++;
    if (c->use == CKF_VERIFY || c->use == CKF_DECRYPT)
        assert_good(&b, c);
    else
        assert_refused(&b, c, CKR_KEY_FUNCTION_NOT_PERMITTED);
    bench_close(&b);
}
END_TEST

START_TEST(a_mechanism_the_key_does_not_allow_is_refused)
{
    struct bench b;
    const struct init_case *c = &good[_i];
    CK_MECHANISM_TYPE list[] = {CKM_SHA256, CKM_AES_KEY_GEN, CKM_SHA512};

    bench_open(&b);
    assert_ok(attrs_set(&double_object(c->key)->attrs, CKA_ALLOWED_MECHANISMS,
                        BYTES(list, sizeof(list))));
    assert_refused(&b, c, CKR_MECHANISM_INVALID);
    list[2] = c->type;
    assert_ok(attrs_set(&double_object(c->key)->attrs, CKA_ALLOWED_MECHANISMS,
                        BYTES(list, sizeof(list))));
    assert_good(&b, c);
    assert_ok(attrs_set(&double_object(c->key)->attrs, CKA_ALLOWED_MECHANISMS, BYTES_NONE));
    assert_good(&b, c);
    bench_close(&b);
}
END_TEST

START_TEST(a_mechanism_the_hsm_lacks_is_refused_for_its_keys)
{
    struct bench b;
    const struct init_case *c = &good[_i];
    bool in_hsm;

    bench_open(&b);
    in_hsm = double_object(c->key)->cls != CKO_PUBLIC_KEY;
    switches.hsm_offers_nothing = true;
    if (in_hsm)
        assert_refused(&b, c, CKR_MECHANISM_INVALID);
    else
        assert_good(&b, c);
    bench_close(&b);
}
END_TEST

START_TEST(an_unknown_mechanism_and_one_for_another_use_are_refused)
{
    static const struct init_case bad[] = {
        {CKM_AES_CBC, BENCH_AES128, CKF_SIGN},
        {CKM_SHA256, BENCH_HMAC, CKF_SIGN},
        {CKM_ECDSA, BENCH_P256_PUBLIC, CKF_ENCRYPT},
        {CKM_SHA256_RSA_PKCS, BENCH_RSA_PRIVATE, CKF_DECRYPT},
        {CKM_RSA_PKCS_OAEP, BENCH_RSA_PUBLIC, CKF_VERIFY},
        {CKM_RSA_PKCS_KEY_PAIR_GEN, BENCH_RSA_PRIVATE, CKF_SIGN},
    };
    struct bench b;
    CK_MECHANISM unknown = {.mechanism = CKM_VENDOR_DEFINED + 1};

    bench_open(&b);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_refused(&b, &bad[i], CKR_MECHANISM_INVALID);
    for (CK_FLAGS i = 0; i < 4; i++)
        assert_rv(CKR_MECHANISM_INVALID,
                  init_as(&b, good[i * 3].use, &unknown, bench_key(&b, good[i * 3].key)));
    bench_close(&b);
}
END_TEST

START_TEST(a_key_of_another_type_or_class_is_refused)
{
    static const struct init_case bad[] = {
        {CKM_ECDSA_SHA256, BENCH_RSA_PRIVATE, CKF_SIGN},
        {CKM_SHA256_RSA_PKCS, BENCH_P256_PRIVATE, CKF_SIGN},
        {CKM_SHA256_HMAC, BENCH_AES256, CKF_SIGN},
        {CKM_SHA256_RSA_PKCS, BENCH_RSA_PUBLIC, CKF_SIGN},
        {CKM_SHA256_RSA_PKCS, BENCH_RSA_PRIVATE, CKF_VERIFY},
        {CKM_RSA_PKCS, BENCH_RSA_PRIVATE, CKF_ENCRYPT},
        {CKM_RSA_PKCS, BENCH_RSA_PUBLIC, CKF_DECRYPT},
        {CKM_AES_GCM, BENCH_HMAC, CKF_ENCRYPT},
        {CKM_AES_GCM, BENCH_RSA_PUBLIC, CKF_ENCRYPT},
    };
    struct bench b;

    bench_open(&b);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_refused(&b, &bad[i], CKR_KEY_TYPE_INCONSISTENT);
    bench_close(&b);
}
END_TEST

START_TEST(an_object_that_is_no_key_is_no_key_handle)
{
    struct bench b;

    bench_open(&b);
    double_object(BENCH_AES128)->cls = CKO_DATA;
    assert_refused(&b, &(struct init_case){CKM_AES_GCM, BENCH_AES128, CKF_ENCRYPT},
                   CKR_KEY_HANDLE_INVALID);
    double_object(BENCH_AES128)->cls = CKO_SECRET_KEY;
    assert_good(&b, &(struct init_case){CKM_AES_GCM, BENCH_AES128, CKF_ENCRYPT});
    bench_close(&b);
}
END_TEST

START_TEST(an_rsa_key_that_is_too_short_is_refused)
{
    struct bench b;
    const struct init_case c = {CKM_SHA256_RSA_PKCS, BENCH_RSA_PUBLIC, CKF_VERIFY};
    uint8_t modulus[129] = {0};

    bench_open(&b);
    memset(modulus + 1, 0xaa, 128);
    assert_ok(
        attrs_set(&double_object(c.key)->attrs, CKA_MODULUS, BYTES(modulus, sizeof(modulus))));
    assert_refused(&b, &c, CKR_KEY_SIZE_RANGE);
    bench_close(&b);
}
END_TEST

START_TEST(a_bad_parameter_is_refused)
{
    struct bench b;
    struct bench_mechanism m;
    CK_OBJECT_HANDLE aes, rsa;

    bench_open(&b);
    aes = bench_key(&b, BENCH_AES128);
    rsa = bench_key(&b, BENCH_RSA_PRIVATE);
    bench_mechanism_of(&m, CKM_AES_CBC);
    m.mechanism.ulParameterLen = 15;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, init_as(&b, CKF_ENCRYPT, &m.mechanism, aes));
    bench_mechanism_of(&m, CKM_AES_CBC);
    m.mechanism.pParameter = NULL;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, init_as(&b, CKF_DECRYPT, &m.mechanism, aes));
    bench_mechanism_of(&m, CKM_AES_GCM);
    m.gcm.ulTagBits = 20;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, init_as(&b, CKF_ENCRYPT, &m.mechanism, aes));
    bench_mechanism_of(&m, CKM_AES_GCM);
    m.gcm.ulAADLen = (CK_ULONG)2 << 20;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, init_as(&b, CKF_ENCRYPT, &m.mechanism, aes));
    bench_mechanism_of(&m, CKM_RSA_PKCS_PSS);
    m.pss.hashAlg = CKM_MD5;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, init_as(&b, CKF_SIGN, &m.mechanism, rsa));
    bench_close(&b);
}
END_TEST

START_TEST(a_digest_or_random_number_the_policy_denies_is_refused)
{
    struct bench b;
    CK_MECHANISM sha = {.mechanism = CKM_SHA256};
    uint8_t out[8] = {0};
    static const uint8_t zero[8];

    bench_open(&b);
    switches.denied = true;
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, b.p11->C_DigestInit(b.session, &sha));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, b.p11->C_GenerateRandom(b.session, out, 8));
    ck_assert_mem_eq(out, zero, 8);
    switches.denied = false;
    assert_ok(b.p11->C_DigestInit(b.session, &sha));
    bench_close(&b);
}
END_TEST

/* A software key's value, 16 bytes of 0x4b. */
static CK_RV digest_key(struct bench *b, uint8_t out[static 32])
{
    CK_MECHANISM m = {.mechanism = CKM_SHA256};
    CK_ULONG len = 32;
    CK_RV rv;

    assert_ok(b->p11->C_DigestInit(b->session, &m));
    rv = b->p11->C_DigestKey(b->session, bench_key(b, BENCH_AES128));
    return rv == CKR_OK ? b->p11->C_DigestFinal(b->session, out, &len) : rv;
}

START_TEST(only_a_value_that_may_be_read_is_digested)
{
    struct bench b;
    struct object *key;
    uint8_t value[16];
    uint8_t expected[32];
    uint8_t out[32];

    bench_open(&b);
    key = double_object(BENCH_AES128);
    memset(value, 0x4b, sizeof(value));
    ck_assert_int_eq(EVP_Digest(value, sizeof(value), expected, &(unsigned){0}, EVP_sha256(), NULL),
                     1);
    assert_ok(attrs_set_bool(&key->attrs, CKA_EXTRACTABLE, true));
    assert_rv(CKR_KEY_INDIGESTIBLE, digest_key(&b, out));
    key->material = secret_copy(BYTES(value, sizeof(value)));
    ck_assert_ptr_nonnull(key->material);
    assert_ok(digest_key(&b, out));
    ck_assert_mem_eq(out, expected, sizeof(out));
    assert_ok(attrs_set_bool(&key->attrs, CKA_SENSITIVE, true));
    assert_rv(CKR_KEY_INDIGESTIBLE, digest_key(&b, out));
    assert_ok(attrs_set_bool(&key->attrs, CKA_SENSITIVE, false));
    assert_ok(attrs_set_bool(&key->attrs, CKA_EXTRACTABLE, false));
    assert_rv(CKR_KEY_INDIGESTIBLE, digest_key(&b, out));
    secret_free(TAKE(key->material));
    bench_close(&b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(only_a_value_that_may_be_read_is_digested),
        CASE_LOOP(a_key_without_the_right_is_refused, GOOD),
        CASE_LOOP(a_hidden_key_is_no_key_whatever_else_is_wrong_with_it, GOOD),
        CASE_LOOP(a_use_the_policy_denies_is_refused_and_on_record, GOOD),
        CASE_LOOP(a_disabled_key_is_refused, GOOD),
        CASE_LOOP(a_key_before_its_time_is_refused, GOOD),
        CASE_LOOP(an_expired_key_verifies_and_decrypts_only, GOOD),
        CASE_LOOP(a_mechanism_the_key_does_not_allow_is_refused, GOOD),
        CASE_LOOP(a_mechanism_the_hsm_lacks_is_refused_for_its_keys, GOOD),
        CASE(an_unknown_mechanism_and_one_for_another_use_are_refused),
        CASE(a_key_of_another_type_or_class_is_refused),
        CASE(an_object_that_is_no_key_is_no_key_handle),
        CASE(an_rsa_key_that_is_too_short_is_refused),
        CASE(a_bad_parameter_is_refused),
        CASE(a_digest_or_random_number_the_policy_denies_is_refused),
    };

    return suite_run("pkcs11/refusals", cases, sizeof(cases) / sizeof(*cases));
}
