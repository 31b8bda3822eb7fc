/*
 * C_EncapsulateKey and C_DecapsulateKey (PKCS#11 3.2, 5.18): both sides have the same key, of RSA
 * in either protection and of every curve that agrees; what is not right gives none.
 */
#include "tests/module/pkcs11/token.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#undef fail

#define SOFTWARE       TEXT(CKA_KEYWARD_PROTECTION, "software")
#define HSM            TEXT(CKA_KEYWARD_PROTECTION, "hsm")
#define CIPHERTEXT_MAX 2048

static CK_SESSION_HANDLE session;
static CK_C_EncapsulateKey encapsulate_key;
static CK_C_DecapsulateKey decapsulate_key;

static void start_under(const char *policy_apply)
{
    void *module;

    session = token_alice_under(policy_apply);
    module = dlopen(getenv("KEYWARD_MODULE"), RTLD_NOW | RTLD_NOLOAD);
    ck_assert_ptr_nonnull(module);
    *(void **)&encapsulate_key = dlsym(module, "C_EncapsulateKey");
    *(void **)&decapsulate_key = dlsym(module, "C_DecapsulateKey");
    ck_assert(encapsulate_key != NULL && decapsulate_key != NULL);
}

static void start(void)
{
    start_under(NULL);
}

/* ---- pairs ---- */

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static uint8_t p521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
static uint8_t x25519[] = {0x06, 0x03, 0x2b, 0x65, 0x6e};
static uint8_t x448[] = {0x06, 0x03, 0x2b, 0x65, 0x6f};

static CK_ECDH1_DERIVE_PARAMS plain = {.kdf = CKD_NULL};
static CK_ECDH1_DERIVE_PARAMS x963 = {.kdf = CKD_SHA256_KDF};
static CK_RSA_PKCS_OAEP_PARAMS sha1 = {
    .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1, .source = CKZ_DATA_SPECIFIED};
static CK_RSA_PKCS_OAEP_PARAMS sha256 = {
    .hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .source = CKZ_DATA_SPECIFIED};

struct kem {
    const char *name;
    CK_MECHANISM generator;
    CK_ATTRIBUTE what; /* of the public key's template */
    bool in_hsm;
    CK_MECHANISM mechanism;
    CK_ULONG ciphertext_len;
};

#define CURVE(generator, curve)                                                                    \
    {.mechanism = (generator)}, {CKA_EC_PARAMS, (curve), sizeof(curve)}, false
#define RSA(in_hsm)                                                                                \
    {.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN},                                                      \
        {CKA_MODULUS_BITS, &(CK_ULONG){2048}, sizeof(CK_ULONG)}, (in_hsm)
#define SET(set)                                                                                   \
    {.mechanism = CKM_ML_KEM_KEY_PAIR_GEN},                                                        \
        {CKA_PARAMETER_SET, &(CK_ULONG){set}, sizeof(CK_ULONG)}, false
#define WITH(type, params)                                                                         \
    {                                                                                              \
        (type), &(params), sizeof(params)                                                          \
    }

static const struct kem kems[] = {
    {"P-256", CURVE(CKM_EC_KEY_PAIR_GEN, p256), WITH(CKM_ECDH1_DERIVE, plain), 65},
    {"P-521", CURVE(CKM_EC_KEY_PAIR_GEN, p521), WITH(CKM_ECDH1_COFACTOR_DERIVE, x963), 133},
    {"X25519", CURVE(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, x25519), WITH(CKM_ECDH1_DERIVE, plain), 32},
    {"X448", CURVE(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, x448), WITH(CKM_ECDH1_DERIVE, x963), 56},
    {"RSA", RSA(false), WITH(CKM_RSA_PKCS_OAEP, sha256), 256},
    {"RSA in the HSM", RSA(true), WITH(CKM_RSA_PKCS_OAEP, sha1), 256},
    {"ML-KEM-512", SET(CKP_ML_KEM_512), {.mechanism = CKM_ML_KEM}, 768},
    {"ML-KEM-768", SET(CKP_ML_KEM_768), {.mechanism = CKM_ML_KEM}, 1088},
    {"ML-KEM-1024", SET(CKP_ML_KEM_1024), {.mechanism = CKM_ML_KEM}, 1568},
};

/* ML-KEM is there from OpenSSL 3.5 on; tests/module/pkcs11/test_post_quantum.c says what then. */
static bool is_there(const struct kem *kem)
{
    return kem->mechanism.mechanism != CKM_ML_KEM || OpenSSL_version_num() >= 0x30500000UL;
}

struct pair {
    CK_OBJECT_HANDLE public, private;
};

static struct pair make(const struct kem *kem, CK_ATTRIBUTE public, CK_ATTRIBUTE private)
{
    CK_MECHANISM generator = kem->generator;
    struct pair pair = {0, 0};

    assert_ok(p11->C_GenerateKeyPair(session, &generator, LIST(kem->what, NO(CKA_TOKEN), public),
                                     LIST(kem->in_hsm ? HSM : SOFTWARE, NO(CKA_TOKEN), private),
                                     &pair.public, &pair.private));
    return pair;
}

static struct pair make_kem(const struct kem *kem)
{
    return make(kem, YES(CKA_ENCAPSULATE), YES(CKA_DECAPSULATE));
}

/* ---- the two calls ---- */

struct sent {
    uint8_t ciphertext[CIPHERTEXT_MAX];
    CK_ULONG len;
};

#define AES_32                                                                                     \
    ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES), ULONG(CKA_VALUE_LEN, 32),      \
        SOFTWARE

static CK_RV send_as(const struct kem *kem, CK_OBJECT_HANDLE public, CK_ATTRIBUTE one,
                     struct sent *sent, CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM mechanism = kem->mechanism;

    sent->len = sizeof(sent->ciphertext);
    return encapsulate_key(session, &mechanism, public, LIST(AES_32, one), sent->ciphertext,
                           &sent->len, key);
}

static CK_RV receive_as(const struct kem *kem, CK_OBJECT_HANDLE private, CK_ATTRIBUTE one,
                        struct sent *sent, CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM mechanism = kem->mechanism;

    return decapsulate_key(session, &mechanism, private, LIST(AES_32, one), sent->ciphertext,
                           sent->len, key);
}

static CK_RV send(const struct kem *kem, CK_OBJECT_HANDLE public, struct sent *sent,
                  CK_OBJECT_HANDLE *key)
{
    return send_as(kem, public, NO(CKA_TOKEN), sent, key);
}

static CK_RV receive(const struct kem *kem, CK_OBJECT_HANDLE private, struct sent *sent,
                     CK_OBJECT_HANDLE *key)
{
    return receive_as(kem, private, NO(CKA_TOKEN), sent, key);
}

/* What one of them encrypts the other decrypts. */
static bool same_key(CK_OBJECT_HANDLE here, CK_OBJECT_HANDLE there)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    uint8_t block[16] = "sixteen bytes ..";
    uint8_t cipher[16], back[16];
    CK_ULONG len = 16;

    assert_ok(p11->C_EncryptInit(session, &ecb, here));
    assert_ok(p11->C_Encrypt(session, block, 16, cipher, &len));
    assert_ok(p11->C_DecryptInit(session, &ecb, there));
    assert_ok(p11->C_Decrypt(session, cipher, 16, back, &len));
    return memcmp(block, back, 16) == 0;
}

START_TEST(both_sides_have_the_same_key_and_the_next_is_another)
{
    const struct kem *kem = &kems[_i];
    struct sent sent, second;
    CK_OBJECT_HANDLE here, there, other;
    struct pair pair;

    start();
    if (!is_there(kem))
        return;
    pair = make_kem(kem);
    assert_ok(send(kem, pair.public, &sent, &here));
    ck_assert_uint_eq(sent.len, kem->ciphertext_len);
    assert_ok(receive(kem, pair.private, &sent, &there));
    ck_assert(same_key(here, there));
    ck_assert(!token_bool(session, here, CKA_LOCAL));
    ck_assert(!token_bool(session, here, CKA_ALWAYS_SENSITIVE));
    ck_assert(!token_bool(session, there, CKA_NEVER_EXTRACTABLE));
    assert_ok(send(kem, pair.public, &second, &other));
    ck_assert_mem_ne(sent.ciphertext, second.ciphertext, sent.len);
    ck_assert(!same_key(here, other));
}
END_TEST

START_TEST(a_ciphertext_that_was_changed_or_is_anothers_does_not_give_the_key)
{
    const struct kem *kem = &kems[_i];
    struct sent sent, cut;
    CK_OBJECT_HANDLE here, there = 0;
    struct pair pair, other;
    CK_RV rv;

    start();
    if (!is_there(kem))
        return;
    pair = make_kem(kem);
    other = make_kem(kem);
    assert_ok(send(kem, pair.public, &sent, &here));
    cut = sent;
    cut.len--;
    rv = receive(kem, pair.private, &cut, &there);
    ck_assert(rv == CKR_WRAPPED_KEY_INVALID || rv == CKR_WRAPPED_KEY_LEN_RANGE);
    rv = receive(kem, other.private, &sent, &there);
    ck_assert(rv == CKR_WRAPPED_KEY_INVALID || (rv == CKR_OK && !same_key(here, there)));
    sent.ciphertext[sent.len / 2] ^= 1;
    rv = receive(kem, pair.private, &sent, &there);
    ck_assert(rv == CKR_WRAPPED_KEY_INVALID || (rv == CKR_OK && !same_key(here, there)));
}
END_TEST

START_TEST(a_question_for_the_length_and_a_buffer_too_small_make_no_key)
{
    const struct kem *kem = &kems[0];
    CK_MECHANISM mechanism = kem->mechanism;
    CK_OBJECT_HANDLE found[1], key = 77;
    struct sent sent;
    struct pair pair;
    CK_ULONG len = 0;

    start();
    pair = make_kem(kem);
#define ASK(out, ret)                                                                              \
    encapsulate_key(session, &mechanism, pair.public, LIST(AES_32, TEXT(CKA_LABEL, "asked")),      \
                    (out), &len, (ret))
    assert_ok(ASK(NULL, NULL));
    ck_assert_uint_eq(len, kem->ciphertext_len);
    len--;
    assert_rv(CKR_BUFFER_TOO_SMALL, ASK(sent.ciphertext, &key));
    ck_assert_uint_eq(len, kem->ciphertext_len);
    ck_assert_uint_eq(key, 77);
    assert_rv(CKR_ARGUMENTS_BAD, ASK(sent.ciphertext, NULL));
    ck_assert_uint_eq(token_find(session, LIST(TEXT(CKA_LABEL, "asked")), found, 1), 0);
    assert_ok(ASK(sent.ciphertext, &key));
#undef ASK
    ck_assert_uint_eq(token_find(session, LIST(TEXT(CKA_LABEL, "asked")), found, 1), 1);
}
END_TEST

/* ---- rights ---- */

START_TEST(each_half_needs_its_right_and_has_it_only_when_asked_for)
{
    const struct kem *kem = &kems[_i];
    CK_OBJECT_HANDLE key;
    struct pair pair;
    struct sent sent;

    start();
    pair = make_kem(kem);
    assert_ok(send(kem, pair.public, &sent, &key));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, send(kem, pair.private, &sent, &key));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, receive(kem, pair.public, &sent, &key));
    pair = make(kem, YES(CKA_VERIFY), YES(CKA_SIGN));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, send(kem, pair.public, &sent, &key));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, receive(kem, pair.private, &sent, &key));
}
END_TEST

START_TEST(an_rsa_pair_that_decrypts_does_not_encapsulate)
{
    const struct kem *kem = &kems[4];
    CK_MECHANISM generator = kem->generator;
    struct pair pair;

    start();
    assert_ok(p11->C_GenerateKeyPair(
        session, &generator, LIST(kem->what, NO(CKA_TOKEN), YES(CKA_ENCAPSULATE)),
        LIST(SOFTWARE, NO(CKA_TOKEN), YES(CKA_DECAPSULATE), YES(CKA_DECRYPT)), &pair.public,
        &pair.private));
    ck_assert(token_bool(session, pair.private, CKA_DECRYPT));
    ck_assert(!token_bool(session, pair.private, CKA_DECAPSULATE));
    ck_assert(!token_bool(session, pair.public, CKA_ENCAPSULATE));
    pair = make_kem(kem);
    ck_assert(!token_bool(session, pair.private, CKA_DECRYPT));
    ck_assert(token_bool(session, pair.private, CKA_DECAPSULATE));
    ck_assert(token_bool(session, pair.public, CKA_ENCAPSULATE));
}
END_TEST

static struct pair make_named(const struct kem *kem, CK_ATTRIBUTE public, CK_ATTRIBUTE private)
{
    CK_MECHANISM generator = kem->generator;
    struct pair pair;

    assert_ok(p11->C_GenerateKeyPair(
        session, &generator, LIST(kem->what, NO(CKA_TOKEN), YES(CKA_ENCAPSULATE), public),
        LIST(SOFTWARE, NO(CKA_TOKEN), YES(CKA_DECAPSULATE), private), &pair.public, &pair.private));
    return pair;
}

START_TEST(the_policy_decides_each_of_the_two)
{
    const CK_ATTRIBUTE open = TEXT(CKA_LABEL, "open");
    const CK_ATTRIBUTE closed = TEXT(CKA_LABEL, "closed");
    const struct kem *kem = &kems[0];
    CK_OBJECT_HANDLE key;
    struct pair pair;
    struct sent sent;

    start_under(
        "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit (principal, action, "
        "resource); forbid (principal, action == Action::\\\"encapsulate\\\", resource) when { "
        "resource.name == \\\"closed\\\" }; forbid (principal, action == "
        "Action::\\\"decapsulate\\\", resource) when { resource.name == \\\"closed\\\" };\"}");
    pair = make_named(kem, open, closed);
    assert_ok(send(kem, pair.public, &sent, &key));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, receive(kem, pair.private, &sent, &key));
    pair = make_named(kem, closed, open);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, send(kem, pair.public, &sent, &key));
    pair = make_named(kem, open, open);
    assert_ok(send(kem, pair.public, &sent, &key));
    assert_ok(receive(kem, pair.private, &sent, &key));
}
END_TEST

/* ---- the new key ---- */

START_TEST(the_keys_template_is_joined_with_that_of_the_pair)
{
    const struct kem *kem = &kems[0];
    CK_ATTRIBUTE sensitive[] = {YES(CKA_SENSITIVE)};
    CK_ATTRIBUTE readable[] = {NO(CKA_SENSITIVE)};
    CK_OBJECT_HANDLE key;
    struct pair pair;
    struct sent sent;

    start();
    pair = make_kem(kem);
    assert_ok(send_as(kem, pair.public, readable[0], &sent, &key));
    ck_assert(!token_bool(session, key, CKA_SENSITIVE));
    assert_ok(receive_as(kem, pair.private, readable[0], &sent, &key));
    {
        CK_MECHANISM generator = kem->generator;

        assert_ok(p11->C_GenerateKeyPair(
            session, &generator,
            LIST(kem->what, NO(CKA_TOKEN), YES(CKA_ENCAPSULATE),
                 ATTR(CKA_ENCAPSULATE_TEMPLATE, sensitive, sizeof(sensitive))),
            LIST(SOFTWARE, NO(CKA_TOKEN), YES(CKA_DECAPSULATE),
                 ATTR(CKA_DECAPSULATE_TEMPLATE, sensitive, sizeof(sensitive))),
            &pair.public, &pair.private));
    }
    assert_rv(CKR_TEMPLATE_INCONSISTENT, send_as(kem, pair.public, readable[0], &sent, &key));
    assert_ok(send(kem, pair.public, &sent, &key));
    ck_assert(token_bool(session, key, CKA_SENSITIVE));
    assert_rv(CKR_TEMPLATE_INCONSISTENT, receive_as(kem, pair.private, readable[0], &sent, &key));
    assert_ok(receive(kem, pair.private, &sent, &key));
}
END_TEST

START_TEST(what_rsa_brings_in_is_sensitive_since_its_sender_chose_it)
{
    const struct kem *kem = &kems[4];
    CK_OBJECT_HANDLE key;
    struct pair pair;
    struct sent sent;

    start();
    pair = make_kem(kem);
    assert_ok(send(kem, pair.public, &sent, &key));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              receive_as(kem, pair.private, NO(CKA_SENSITIVE), &sent, &key));
    assert_ok(receive_as(kem, pair.private, YES(CKA_SENSITIVE), &sent, &key));
}
END_TEST

START_TEST(it_neither_wraps_nor_unwraps)
{
    const struct kem *kem = &kems[_i];
    CK_OBJECT_HANDLE key;
    struct pair pair;
    struct sent sent;

    start();
    if (!is_there(kem))
        return;
    pair = make_kem(kem);
    assert_rv(CKR_TEMPLATE_INCONSISTENT, send_as(kem, pair.public, YES(CKA_WRAP), &sent, &key));
    assert_ok(send(kem, pair.public, &sent, &key));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              receive_as(kem, pair.private, YES(CKA_UNWRAP), &sent, &key));
    assert_ok(receive(kem, pair.private, &sent, &key));
}
END_TEST

static CK_RV send_generic(const struct kem *kem, CK_OBJECT_HANDLE public, CK_ULONG len,
                          struct sent *sent, CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM mechanism = kem->mechanism;
    CK_ATTRIBUTE template[] = {ULONG(CKA_KEY_TYPE, CKK_GENERIC_SECRET), SOFTWARE,
                               ULONG(CKA_VALUE_LEN, len)};

    sent->len = sizeof(sent->ciphertext);
    return encapsulate_key(session, &mechanism, public, template, len == 0 ? 2 : 3,
                           sent->ciphertext, &sent->len, key);
}

START_TEST(its_length_is_what_the_mechanism_can_give)
{
    CK_OBJECT_HANDLE key;
    struct pair pair;
    struct sent sent;

    start();
    pair = make_kem(&kems[0]);
    assert_ok(send_generic(&kems[0], pair.public, 0, &sent, &key));
    ck_assert_uint_eq(token_ulong(session, key, CKA_VALUE_LEN), 32);
    assert_ok(send_generic(&kems[0], pair.public, 16, &sent, &key));
    assert_rv(CKR_KEY_SIZE_RANGE, send_generic(&kems[0], pair.public, 33, &sent, &key));
    pair = make_kem(&kems[4]);
    assert_rv(CKR_TEMPLATE_INCOMPLETE, send_generic(&kems[4], pair.public, 0, &sent, &key));
    assert_ok(send_generic(&kems[4], pair.public, 190, &sent, &key)); /* 256 - 2 * 32 - 2 */
    assert_rv(CKR_KEY_SIZE_RANGE, send_generic(&kems[4], pair.public, 191, &sent, &key));
}
END_TEST

START_TEST(the_other_public_value_is_the_ciphertext_and_no_parameter)
{
    struct kem kem = kems[0];
    CK_ECDH1_DERIVE_PARAMS with_point = plain;
    uint8_t point[65] = {4};
    CK_OBJECT_HANDLE key;
    struct pair pair;
    struct sent sent;

    start();
    pair = make_kem(&kem);
    assert_ok(send(&kem, pair.public, &sent, &key));
    with_point.pPublicData = point;
    with_point.ulPublicDataLen = sizeof(point);
    kem.mechanism.pParameter = &with_point;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, receive(&kem, pair.private, &sent, &key));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, send(&kem, pair.public, &sent, &key));
}
END_TEST

START_TEST(mechanisms_that_encapsulate_say_so_and_others_are_refused)
{
    static const CK_MECHANISM_TYPE can[] = {CKM_RSA_PKCS_OAEP, CKM_ECDH1_DERIVE,
                                            CKM_ECDH1_COFACTOR_DERIVE};
    struct kem pkcs = kems[4];
    CK_MECHANISM_INFO info;
    CK_OBJECT_HANDLE key;
    CK_SESSION_INFO about;
    struct pair pair;
    struct sent sent;

    start();
    assert_ok(p11->C_GetSessionInfo(session, &about));
    for (size_t i = 0; i < COUNT(can); i++) {
        assert_ok(p11->C_GetMechanismInfo(about.slotID, can[i], &info));
        ck_assert_uint_eq(info.flags & (CKF_ENCAPSULATE | CKF_DECAPSULATE),
                          CKF_ENCAPSULATE | CKF_DECAPSULATE);
    }
    assert_ok(p11->C_GetMechanismInfo(about.slotID, CKM_RSA_PKCS, &info));
    ck_assert_uint_eq(info.flags & (CKF_ENCAPSULATE | CKF_DECAPSULATE), 0);
    pair = make_kem(&pkcs);
    pkcs.mechanism = (CK_MECHANISM){CKM_RSA_PKCS, NULL, 0};
    assert_rv(CKR_MECHANISM_INVALID, send(&pkcs, pair.public, &sent, &key));
    sent.len = 256;
    assert_rv(CKR_MECHANISM_INVALID, receive(&pkcs, pair.private, &sent, &key));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(both_sides_have_the_same_key_and_the_next_is_another, COUNT(kems)),
        CASE_LOOP(a_ciphertext_that_was_changed_or_is_anothers_does_not_give_the_key, COUNT(kems)),
        CASE(a_question_for_the_length_and_a_buffer_too_small_make_no_key),
        CASE_LOOP(each_half_needs_its_right_and_has_it_only_when_asked_for, 2),
        CASE(an_rsa_pair_that_decrypts_does_not_encapsulate),
        CASE(the_policy_decides_each_of_the_two),
        CASE(the_keys_template_is_joined_with_that_of_the_pair),
        CASE(what_rsa_brings_in_is_sensitive_since_its_sender_chose_it),
        CASE_LOOP(it_neither_wraps_nor_unwraps, COUNT(kems)),
        CASE(its_length_is_what_the_mechanism_can_give),
        CASE(the_other_public_value_is_the_ciphertext_and_no_parameter),
        CASE(mechanisms_that_encapsulate_say_so_and_others_are_refused),
    };

    return token_suite("pkcs11/encapsulate", cases, COUNT(cases));
}
