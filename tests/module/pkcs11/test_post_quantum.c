/*
 * ML-DSA, SLH-DSA and ML-KEM keys (PKCS#11 3.2, 6.67 to 6.69): made, brought in, read, used. With
 * an OpenSSL before 3.5 there are none, and everything about them is refused.
 */
#include "base/param_set.h"
#include "tests/module/pkcs11/token.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#undef fail

#define SOFTWARE      TEXT(CKA_KEYWARD_PROTECTION, "software")
#define SIGNATURE_MAX 50000
#define VALUE_MAX     8192

static CK_SESSION_HANDLE session;
static CK_BYTE message[] = "what is signed";

static bool there(void)
{
    return OpenSSL_version_num() >= 0x30500000UL;
}

static void start(void)
{
    session = token_alice_under("{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit "
                                "(principal, action, resource);\"}"); /* to read values: release */
}

static CK_MECHANISM_TYPE generator_of(const struct param_set *set)
{
    return set->type == CKK_ML_KEM   ? CKM_ML_KEM_KEY_PAIR_GEN
           : set->type == CKK_ML_DSA ? CKM_ML_DSA_KEY_PAIR_GEN
                                     : CKM_SLH_DSA_KEY_PAIR_GEN;
}

struct pair {
    CK_OBJECT_HANDLE public, private;
};

static CK_RV try_make(const struct param_set *set, CK_ULONG number, struct pair *pair)
{
    CK_MECHANISM generator = {generator_of(set), NULL, 0};

    return p11->C_GenerateKeyPair(
        session, &generator, LIST(ULONG(CKA_PARAMETER_SET, number), NO(CKA_TOKEN)),
        LIST(SOFTWARE, NO(CKA_TOKEN), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE)), &pair->public,
        &pair->private);
}

static struct pair make(CK_KEY_TYPE type, CK_ULONG number)
{
    struct pair pair = {0, 0};

    assert_ok(try_make(param_set_find(type, number), number, &pair));
    return pair;
}

/* ---- there, or not at all ---- */

START_TEST(mechanisms_are_in_the_list_where_openssl_has_them_and_keys_nowhere_else)
{
    static const CK_MECHANISM_TYPE types[] = {CKM_ML_KEM_KEY_PAIR_GEN,   CKM_ML_KEM,
                                              CKM_ML_DSA_KEY_PAIR_GEN,   CKM_ML_DSA,
                                              CKM_HASH_ML_DSA,           CKM_SLH_DSA,
                                              CKM_HASH_ML_DSA_SHA512,    CKM_HASH_SLH_DSA,
                                              CKM_HASH_SLH_DSA_SHAKE128, CKM_SLH_DSA_KEY_PAIR_GEN};
    CK_RV want = there() ? CKR_OK : CKR_MECHANISM_INVALID;
    CK_BYTE value[2592] = {0};
    CK_MECHANISM_INFO info;
    CK_SESSION_INFO about;
    CK_OBJECT_HANDLE key;
    struct pair pair;

    start();
    assert_ok(p11->C_GetSessionInfo(session, &about));
    for (size_t i = 0; i < COUNT(types); i++)
        assert_rv(want, p11->C_GetMechanismInfo(about.slotID, types[i], &info));
    assert_rv(want, try_make(param_set_find(CKK_ML_DSA, CKP_ML_DSA_44), CKP_ML_DSA_44, &pair));
    assert_rv(
        there() ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID,
        p11->C_CreateObject(session,
                            LIST(ULONG(CKA_CLASS, CKO_PUBLIC_KEY), ULONG(CKA_KEY_TYPE, CKK_ML_DSA),
                                 NO(CKA_TOKEN), ULONG(CKA_PARAMETER_SET, CKP_ML_DSA_87),
                                 ATTR(CKA_VALUE, value, sizeof(value))),
                            &key));
}
END_TEST

/* ---- signing ---- */

static CK_BYTE signature[SIGNATURE_MAX], other[SIGNATURE_MAX];

static CK_ULONG sign(CK_MECHANISM *m, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG len,
                     CK_BYTE *out)
{
    CK_ULONG out_len = SIGNATURE_MAX;

    assert_ok(p11->C_SignInit(session, m, key));
    assert_ok(p11->C_Sign(session, data, len, out, &out_len));
    return out_len;
}

static CK_RV verify(CK_MECHANISM *m, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG len,
                    CK_ULONG signature_len)
{
    assert_ok(p11->C_VerifyInit(session, m, key));
    return p11->C_Verify(session, data, len, signature, signature_len);
}

START_TEST(a_key_of_every_set_signs_and_has_the_lengths_of_the_standard)
{
    const struct param_set *set = param_set_at((size_t)_i);
    CK_MECHANISM m = {set->type == CKK_ML_DSA ? CKM_ML_DSA : CKM_SLH_DSA, NULL, 0};
    CK_BYTE value[VALUE_MAX];
    struct pair pair;
    CK_ULONG len = 0;

    start();
    if (!there())
        return;
    pair = make(set->type, set->set);
    ck_assert_uint_eq(token_ulong(session, pair.public, CKA_PARAMETER_SET), set->set);
    ck_assert_uint_eq(token_ulong(session, pair.private, CKA_PARAMETER_SET), set->set);
    ck_assert_uint_eq(token_bytes(session, pair.public, CKA_VALUE, value, VALUE_MAX),
                      set->public_len);
    ck_assert_uint_eq(token_bytes(session, pair.private, CKA_VALUE, value, VALUE_MAX),
                      set->private_len);
    if (set->type == CKK_ML_KEM)
        return;
    assert_ok(p11->C_SignInit(session, &m, pair.private));
    assert_ok(p11->C_Sign(session, message, sizeof(message), NULL, &len));
    ck_assert_uint_eq(len, set->output_len);
    assert_ok(p11->C_Sign(session, message, sizeof(message), signature, &len));
    ck_assert_uint_eq(len, set->output_len);
    assert_ok(verify(&m, pair.public, message, sizeof(message), len));
    assert_rv(CKR_SIGNATURE_INVALID, verify(&m, pair.public, message, sizeof(message) - 1, len));
    assert_rv(CKR_SIGNATURE_LEN_RANGE, verify(&m, pair.public, message, sizeof(message), len - 1));
    signature[len / 2] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, verify(&m, pair.public, message, sizeof(message), len));
}
END_TEST

/* The forms with a digest, each beside what its digest is made with. */
static const struct hashed {
    CK_MECHANISM_TYPE ml, slh, hash; /* hash: of C_Digest, or 0 */
} hashed[] = {
    {CKM_HASH_ML_DSA_SHA224, CKM_HASH_SLH_DSA_SHA224, CKM_SHA224},
    {CKM_HASH_ML_DSA_SHA256, CKM_HASH_SLH_DSA_SHA256, CKM_SHA256},
    {CKM_HASH_ML_DSA_SHA384, CKM_HASH_SLH_DSA_SHA384, CKM_SHA384},
    {CKM_HASH_ML_DSA_SHA512, CKM_HASH_SLH_DSA_SHA512, CKM_SHA512},
    {CKM_HASH_ML_DSA_SHA3_224, CKM_HASH_SLH_DSA_SHA3_224, CKM_SHA3_224},
    {CKM_HASH_ML_DSA_SHA3_256, CKM_HASH_SLH_DSA_SHA3_256, CKM_SHA3_256},
    {CKM_HASH_ML_DSA_SHA3_384, CKM_HASH_SLH_DSA_SHA3_384, CKM_SHA3_384},
    {CKM_HASH_ML_DSA_SHA3_512, CKM_HASH_SLH_DSA_SHA3_512, CKM_SHA3_512},
    {CKM_HASH_ML_DSA_SHAKE128, CKM_HASH_SLH_DSA_SHAKE128, 0},
    {CKM_HASH_ML_DSA_SHAKE256, CKM_HASH_SLH_DSA_SHAKE256, 0},
};

/* In two parts, and verified in two. */
static void sign_in_parts(CK_MECHANISM *m, const struct pair *pair)
{
    CK_ULONG len = SIGNATURE_MAX;

    assert_ok(p11->C_SignInit(session, m, pair->private));
    assert_ok(p11->C_SignUpdate(session, message, 3));
    assert_ok(p11->C_SignUpdate(session, message + 3, sizeof(message) - 3));
    assert_ok(p11->C_SignFinal(session, signature, &len));
    assert_ok(verify(m, pair->public, message, sizeof(message), len));
    assert_ok(p11->C_VerifyInit(session, m, pair->public));
    assert_ok(p11->C_VerifyUpdate(session, message, 5));
    assert_ok(p11->C_VerifyUpdate(session, message + 5, sizeof(message) - 5));
    assert_ok(p11->C_VerifyFinal(session, signature, len));
    assert_ok(p11->C_VerifyInit(session, m, pair->public));
    assert_ok(p11->C_VerifyUpdate(session, message, 5));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_VerifyFinal(session, signature, len));
}

/* What a digest made elsewhere is signed as, by the mechanism that takes one. */
static void assert_same_as_of_digest(CK_MECHANISM *m, CK_MECHANISM_TYPE raw, CK_MECHANISM_TYPE hash,
                                     const struct pair *pair, CK_ULONG len)
{
    CK_HASH_SIGN_ADDITIONAL_CONTEXT context = {.hedgeVariant = CKH_DETERMINISTIC_REQUIRED,
                                               .hash = hash};
    CK_MECHANISM of_digest = {raw, &context, sizeof(context)};
    CK_MECHANISM digest = {hash, NULL, 0};
    CK_BYTE made[64];
    CK_ULONG made_len = sizeof(made);

    assert_ok(p11->C_DigestInit(session, &digest));
    assert_ok(p11->C_Digest(session, message, sizeof(message), made, &made_len));
    ck_assert_uint_eq(sign(&of_digest, pair->private, made, made_len, other), len);
    ck_assert_mem_eq(signature, other, len);
    assert_ok(verify(&of_digest, pair->public, made, made_len, len));
    assert_ok(verify(m, pair->public, message, sizeof(message), len));
    assert_rv(CKR_DATA_LEN_RANGE, verify(&of_digest, pair->public, made, made_len - 1, len));
    assert_ok(p11->C_SignInit(session, &of_digest, pair->private));
    len = SIGNATURE_MAX;
    assert_rv(CKR_DATA_LEN_RANGE, p11->C_Sign(session, made, made_len - 1, other, &len));
}

static void sign_hashed(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE raw, CK_MECHANISM_TYPE hash,
                        const struct pair *pair)
{
    CK_SIGN_ADDITIONAL_CONTEXT context = {.hedgeVariant = CKH_DETERMINISTIC_REQUIRED};
    CK_MECHANISM m = {type, NULL, 0};
    CK_ULONG len;

    sign_in_parts(&m, pair);
    m.pParameter = &context;
    m.ulParameterLen = sizeof(context);
    len = sign(&m, pair->private, message, sizeof(message), signature);
    if (hash != 0)
        assert_same_as_of_digest(&m, raw, hash, pair, len);
    /* It is another signature than the pure one. */
    m.mechanism = raw == CKM_HASH_ML_DSA ? CKM_ML_DSA : CKM_SLH_DSA;
    assert_rv(CKR_SIGNATURE_INVALID, verify(&m, pair->public, message, sizeof(message), len));
}

START_TEST(prehashed_forms_sign_the_digest_with_its_name)
{
    const struct hashed *h = &hashed[_i];
    struct pair pair;

    start();
    if (!there())
        return;
    pair = make(CKK_ML_DSA, CKP_ML_DSA_44);
    sign_hashed(h->ml, CKM_HASH_ML_DSA, h->hash, &pair);
    pair = make(CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F);
    sign_hashed(h->slh, CKM_HASH_SLH_DSA, h->hash, &pair);
}
END_TEST

START_TEST(the_context_and_the_hedge_are_the_parameters)
{
    CK_BYTE bytes[256] = "context";
    CK_SIGN_ADDITIONAL_CONTEXT context = {
        .hedgeVariant = CKH_HEDGE_REQUIRED, .pContext = bytes, .ulContextLen = 255};
    CK_MECHANISM m = {CKM_ML_DSA, &context, sizeof(context)};
    struct pair pair;
    CK_ULONG len;

    start();
    if (!there())
        return;
    pair = make(CKK_ML_DSA, CKP_ML_DSA_65);
    len = sign(&m, pair.private, message, sizeof(message), signature);
    ck_assert_uint_eq(sign(&m, pair.private, message, sizeof(message), other), len);
    ck_assert_mem_ne(signature, other, len);
    context.hedgeVariant = CKH_DETERMINISTIC_REQUIRED; /* ignored on verification */
    assert_ok(verify(&m, pair.public, message, sizeof(message), len));
    (void)sign(&m, pair.private, message, sizeof(message), signature);
    (void)sign(&m, pair.private, message, sizeof(message), other);
    ck_assert_mem_eq(signature, other, len);
    context.ulContextLen = 254;
    assert_rv(CKR_SIGNATURE_INVALID, verify(&m, pair.public, message, sizeof(message), len));
    context.ulContextLen = 256;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, p11->C_SignInit(session, &m, pair.private));
    context.ulContextLen = 0;
    context.hedgeVariant = CKH_DETERMINISTIC_REQUIRED + 1;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, p11->C_SignInit(session, &m, pair.private));
    m.mechanism = CKM_SLH_DSA;
    context.hedgeVariant = CKH_HEDGE_PREFERRED;
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, p11->C_SignInit(session, &m, pair.private));
}
END_TEST

START_TEST(a_given_signature_is_verified_over_data_in_parts)
{
    CK_MECHANISM m = {CKM_ML_DSA, NULL, 0};
    CK_C_VerifySignatureInit init;
    CK_C_VerifySignatureUpdate update;
    CK_C_VerifySignatureFinal final;
    void *module;
    struct pair pair;
    CK_ULONG len;

    start();
    if (!there())
        return;
    module = dlopen(getenv("KEYWARD_MODULE"), RTLD_NOW | RTLD_NOLOAD);
    *(void **)&init = dlsym(module, "C_VerifySignatureInit");
    *(void **)&update = dlsym(module, "C_VerifySignatureUpdate");
    *(void **)&final = dlsym(module, "C_VerifySignatureFinal");
    pair = make(CKK_ML_DSA, CKP_ML_DSA_44);
    len = sign(&m, pair.private, message, sizeof(message), signature);
    assert_ok(init(session, &m, pair.public, signature, len));
    assert_ok(update(session, message, 4));
    assert_ok(update(session, message + 4, sizeof(message) - 4));
    assert_ok(final(session));
    assert_ok(init(session, &m, pair.public, signature, len));
    assert_ok(update(session, message, 4));
    assert_rv(CKR_SIGNATURE_INVALID, final(session));
}
END_TEST

/* ---- keys that come in ---- */

/* NIST ACVP, ML-DSA-keyGen-FIPS204, tcId 1: the seed, and the SHA-256 of its public key. */
static CK_BYTE seed_44[] = {0xd7, 0x13, 0x61, 0xc0, 0x00, 0xf9, 0xa7, 0xbc, 0x99, 0xdf, 0xb4,
                            0x25, 0xbc, 0xb6, 0xbb, 0x27, 0xc3, 0x2c, 0x36, 0xab, 0x44, 0x4f,
                            0xf3, 0x70, 0x8b, 0x2d, 0x93, 0xb4, 0xe6, 0x6d, 0x5b, 0x5b};
static const CK_BYTE public_44[] = {
    0x45, 0x1a, 0x80, 0x8c, 0x52, 0x22, 0x18, 0xfa, 0xdb, 0xda, 0xb1, 0x46, 0xfc, 0x12, 0x00, 0x4b,
    0x07, 0x41, 0xc7, 0xd0, 0x69, 0xf2, 0x38, 0xf4, 0x3a, 0xd7, 0x72, 0x16, 0x15, 0x9f, 0x6a, 0x34};

static CK_RV bring(CK_KEY_TYPE type, CK_ULONG set, CK_ATTRIBUTE one, CK_ATTRIBUTE two,
                   CK_OBJECT_HANDLE *ret)
{
    return p11->C_CreateObject(session,
                               LIST(ULONG(CKA_CLASS, CKO_PRIVATE_KEY), ULONG(CKA_KEY_TYPE, type),
                                    SOFTWARE, NO(CKA_TOKEN), NO(CKA_SENSITIVE),
                                    YES(CKA_EXTRACTABLE), ULONG(CKA_PARAMETER_SET, set), one, two),
                               ret);
}

#define NOTHING TEXT(CKA_LABEL, "brought in")

START_TEST(a_private_key_comes_as_seed_as_value_or_as_both_that_agree)
{
    CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
    CK_BYTE info[4096], value[VALUE_MAX], digest[32];
    CK_OBJECT_HANDLE key, again;
    CK_ULONG len, n = sizeof(digest);

    start();
    if (!there())
        return;
    assert_ok(bring(CKK_ML_DSA, CKP_ML_DSA_44, ATTR(CKA_SEED, seed_44, 32), NOTHING, &key));
    /* The public key's value is what its information ends with. */
    len = token_bytes(session, key, CKA_PUBLIC_KEY_INFO, info, sizeof(info));
    assert_ok(p11->C_DigestInit(session, &sha256));
    assert_ok(p11->C_Digest(session, info + len - 1312, 1312, digest, &n));
    ck_assert_mem_eq(digest, public_44, sizeof(digest));
    ck_assert_uint_eq(token_bytes(session, key, CKA_SEED, info, sizeof(info)), 32);
    ck_assert_mem_eq(info, seed_44, 32);
    len = token_bytes(session, key, CKA_VALUE, value, VALUE_MAX);
    assert_ok(bring(CKK_ML_DSA, CKP_ML_DSA_44, ATTR(CKA_VALUE, value, len), NOTHING, &again));
    assert_ok(bring(CKK_ML_DSA, CKP_ML_DSA_44, ATTR(CKA_VALUE, value, len),
                    ATTR(CKA_SEED, seed_44, 32), &again));
    seed_44[0] ^= 1;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              bring(CKK_ML_DSA, CKP_ML_DSA_44, ATTR(CKA_VALUE, value, len),
                    ATTR(CKA_SEED, seed_44, 32), &again));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              bring(CKK_ML_DSA, CKP_ML_DSA_44, ATTR(CKA_VALUE, value, len - 1), NOTHING, &again));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              bring(CKK_ML_DSA, CKP_ML_DSA_65, ATTR(CKA_VALUE, value, len), NOTHING, &again));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              bring(CKK_ML_DSA, CKP_ML_DSA_44, ATTR(CKA_SEED, seed_44, 31), NOTHING, &again));
    assert_rv(CKR_PARAMETER_SET_NOT_SUPPORTED,
              bring(CKK_ML_DSA, 4, ATTR(CKA_SEED, seed_44, 32), NOTHING, &again));
    assert_rv(CKR_TEMPLATE_INCOMPLETE,
              bring(CKK_ML_DSA, CKP_ML_DSA_44, NOTHING, TEXT(CKA_ID, "1"), &again));
}
END_TEST

START_TEST(keys_of_every_type_go_round_by_their_values)
{
    static const struct {
        CK_KEY_TYPE type;
        CK_ULONG set;
    } rows[] = {{CKK_ML_KEM, CKP_ML_KEM_768},
                {CKK_ML_DSA, CKP_ML_DSA_87},
                {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128F}};
    CK_BYTE value[VALUE_MAX], first[4096], second[4096];
    CK_OBJECT_HANDLE private, public;
    struct pair pair;
    CK_ULONG len;

    start();
    if (!there())
        return;
    pair = make(rows[_i].type, rows[_i].set);
    len = token_bytes(session, pair.private, CKA_VALUE, value, VALUE_MAX);
    assert_ok(bring(rows[_i].type, rows[_i].set, ATTR(CKA_VALUE, value, len), NOTHING, &private));
    len = token_bytes(session, pair.public, CKA_PUBLIC_KEY_INFO, first, sizeof(first));
    ck_assert_uint_eq(token_bytes(session, private, CKA_PUBLIC_KEY_INFO, second, sizeof(second)),
                      len);
    ck_assert_mem_eq(first, second, len);
    len = token_bytes(session, pair.public, CKA_VALUE, value, VALUE_MAX);
    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, CKO_PUBLIC_KEY), ULONG(CKA_KEY_TYPE, rows[_i].type), NO(CKA_TOKEN),
             ULONG(CKA_PARAMETER_SET, rows[_i].set), ATTR(CKA_VALUE, value, len)),
        &public));
    ck_assert_uint_eq(token_bytes(session, public, CKA_PUBLIC_KEY_INFO, second, sizeof(second)),
                      token_bytes(session, pair.public, CKA_PUBLIC_KEY_INFO, first, sizeof(first)));
    ck_assert_mem_eq(first, second, 800 < len ? 800 : len);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              p11->C_CreateObject(session,
                                  LIST(ULONG(CKA_CLASS, CKO_PUBLIC_KEY),
                                       ULONG(CKA_KEY_TYPE, rows[_i].type), NO(CKA_TOKEN),
                                       ULONG(CKA_PARAMETER_SET, rows[_i].set),
                                       ATTR(CKA_VALUE, value, len - 1)),
                                  &public));
}
END_TEST

START_TEST(a_set_that_is_none_of_the_type_makes_no_key)
{
    struct pair pair;

    start();
    if (!there())
        return;
    assert_rv(CKR_PARAMETER_SET_NOT_SUPPORTED,
              try_make(param_set_find(CKK_ML_KEM, CKP_ML_KEM_512), 4, &pair));
    assert_rv(CKR_PARAMETER_SET_NOT_SUPPORTED,
              try_make(param_set_find(CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F), 13, &pair));
    assert_ok(try_make(param_set_find(CKK_ML_KEM, CKP_ML_KEM_512), 3, &pair));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(mechanisms_are_in_the_list_where_openssl_has_them_and_keys_nowhere_else),
        CASE_LOOP(a_key_of_every_set_signs_and_has_the_lengths_of_the_standard, 18),
        CASE_LOOP(prehashed_forms_sign_the_digest_with_its_name, COUNT(hashed)),
        CASE(the_context_and_the_hedge_are_the_parameters),
        CASE(a_given_signature_is_verified_over_data_in_parts),
        CASE(a_private_key_comes_as_seed_as_value_or_as_both_that_agree),
        CASE_LOOP(keys_of_every_type_go_round_by_their_values, 3),
        CASE(a_set_that_is_none_of_the_type_makes_no_key),
    };

    return token_suite("pkcs11/post_quantum", cases, COUNT(cases));
}
