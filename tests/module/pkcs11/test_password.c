/* Keys made of passwords: known answers, every type, and that they are keys from outside. */
#include "pkcs11/keyward.h"
#include "tests/module/pkcs11/token.h"

#include <string.h>

static char software[] = "software", hsm[] = "hsm";
#define SOFTWARE ATTR(CKA_KEYWARD_PROTECTION, software, 8)
#define HSM      ATTR(CKA_KEYWARD_PROTECTION, hsm, 3)

static CK_SESSION_HANDLE session;
static CK_BYTE password[] = "password", passwd[] = "passwd", salt[] = "salt";

static CK_PKCS5_PBKD2_PARAMS2 params_of(CK_BYTE *secret, CK_ULONG iterations, CK_ULONG prf)
{
    return (CK_PKCS5_PBKD2_PARAMS2){.saltSource = CKZ_SALT_SPECIFIED,
                                    .pSaltSourceData = salt,
                                    .ulSaltSourceDataLen = 4,
                                    .iterations = iterations,
                                    .prf = prf,
                                    .pPassword = secret,
                                    .ulPasswordLen = strlen((char *)secret)};
}

static CK_RV make(CK_PKCS5_PBKD2_PARAMS2 params, CK_ATTRIBUTE *template, CK_ULONG count,
                  CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM m = {CKM_PKCS5_PBKD2, &params, sizeof(params)};

    return p11->C_GenerateKey(session, &m, template, count, key);
}

#define TYPED(type, len) ULONG(CKA_KEY_TYPE, type), ULONG(CKA_VALUE_LEN, len), SOFTWARE

static const struct {
    CK_BYTE *secret;
    CK_ULONG iterations, prf;
    CK_BYTE value[20];
} answers[] = {
    /* RFC 6070 */
    {password, 2, CKP_PKCS5_PBKD2_HMAC_SHA1, {0xea, 0x6c, 0x01, 0x4d, 0xc7, 0x2d, 0x6f,
                                              0x8c, 0xcd, 0x1e, 0xd9, 0x2a, 0xce, 0x1d,
                                              0x41, 0xf0, 0xd8, 0xde, 0x89, 0x57}},
    /* RFC 7914, 11 */
    {passwd, 1, CKP_PKCS5_PBKD2_HMAC_SHA256, {0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08,
                                              0x9f, 0xec, 0x16, 0x91, 0xc2, 0x25, 0x44,
                                              0xb6, 0x05, 0xf9, 0x41, 0x85, 0x21}},
};

START_TEST(a_password_makes_the_known_key)
{
    CK_OBJECT_HANDLE key = 0;
    CK_BYTE value[64];

    session = token_alice_under("{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":"
                                "\"permit (principal, action, resource);\"}");
    assert_ok(make(params_of(answers[_i].secret, answers[_i].iterations, answers[_i].prf),
                   LIST(TYPED(CKK_GENERIC_SECRET, 20), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE)),
                   &key));
    ck_assert_uint_eq(token_bytes(session, key, CKA_VALUE, value, sizeof(value)), 20);
    ck_assert_mem_eq(value, answers[_i].value, 20);
}
END_TEST

START_TEST(the_key_is_one_from_outside_in_both_protections)
{
    CK_PKCS5_PBKD2_PARAMS2 params;
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    CK_OBJECT_HANDLE key = 0;
    CK_BYTE one[2][16], in[16] = {0};

    session = token_alice();
    params = params_of(password, 1000, CKP_PKCS5_PBKD2_HMAC_SHA512);
    for (int i = 0; i < 2; i++) {
        CK_ULONG n = 16;

        assert_ok(make(
            params,
            LIST(ULONG(CKA_KEY_TYPE, CKK_AES), ULONG(CKA_VALUE_LEN, 32), i == 0 ? SOFTWARE : HSM),
            &key));
        ck_assert(!token_bool(session, key, CKA_LOCAL));
        ck_assert(!token_bool(session, key, CKA_NEVER_EXTRACTABLE));
        ck_assert(!token_bool(session, key, CKA_ALWAYS_SENSITIVE));
        ck_assert(token_bool(session, key, CKA_SENSITIVE));
        assert_ok(p11->C_EncryptInit(session, &ecb, key));
        assert_ok(p11->C_Encrypt(session, in, 16, one[i], &n));
    }
    ck_assert_mem_eq(one[0], one[1], 16);
}
END_TEST

/* Whoever knows the password could unwrap at home what it wraps. */
START_TEST(it_wraps_nothing_sensitive)
{
    CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, gen = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE with = 0, closed = 0, open = 0;
    CK_BYTE out[64];
    CK_ULONG n = sizeof(out);

    session = token_alice();
    assert_ok(make(params_of(password, 1000, CKP_PKCS5_PBKD2_HMAC_SHA256),
                   LIST(TYPED(CKK_AES, 32), YES(CKA_WRAP)), &with));
    assert_ok(p11->C_GenerateKey(
        session, &gen, LIST(ULONG(CKA_VALUE_LEN, 16), YES(CKA_EXTRACTABLE), SOFTWARE), &closed));
    assert_ok(p11->C_GenerateKey(
        session, &gen,
        LIST(ULONG(CKA_VALUE_LEN, 16), YES(CKA_EXTRACTABLE), NO(CKA_SENSITIVE), SOFTWARE), &open));
    assert_rv(CKR_KEY_NOT_WRAPPABLE, p11->C_WrapKey(session, &kw, with, closed, out, &n));
    assert_ok(p11->C_WrapKey(session, &kw, with, open, out, &n));
}
END_TEST

START_TEST(templates_and_parameters_are_checked)
{
    CK_PKCS5_PBKD2_PARAMS2 good = params_of(password, 10, CKP_PKCS5_PBKD2_HMAC_SHA256), bad;
    CK_OBJECT_HANDLE key = 0;

    session = token_alice();
    assert_ok(make(good, LIST(TYPED(CKK_AES, 16)), &key));
    assert_rv(CKR_TEMPLATE_INCOMPLETE, make(good, LIST(ULONG(CKA_VALUE_LEN, 16), SOFTWARE), &key));
    assert_rv(CKR_TEMPLATE_INCOMPLETE,
              make(good, LIST(ULONG(CKA_KEY_TYPE, CKK_AES), SOFTWARE), &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, make(good, LIST(TYPED(CKK_AES, 17)), &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, make(good, LIST(TYPED(CKK_GENERIC_SECRET, 513)), &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, make(good, LIST(TYPED(CKK_GENERIC_SECRET, 0)), &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, make(good, LIST(TYPED(CKK_RSA, 16)), &key));
    assert_ok(make(good, LIST(ULONG(CKA_KEY_TYPE, CKK_CHACHA20), SOFTWARE), &key));
    ck_assert_uint_eq(token_ulong(session, key, CKA_VALUE_LEN), 32);
    bad = good;
    bad.iterations = 0;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, make(bad, LIST(TYPED(CKK_AES, 16)), &key));
    bad = good;
    bad.prf = CKP_PKCS5_PBKD2_HMAC_GOSTR3411;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, make(bad, LIST(TYPED(CKK_AES, 16)), &key));
    bad = good; /* as 2.40's first structure has it: no length, but where it is */
    bad.ulPasswordLen = (CK_ULONG)&good.ulPasswordLen;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, make(bad, LIST(TYPED(CKK_AES, 16)), &key));
}
END_TEST

START_TEST(the_policy_is_asked_to_import)
{
    CK_PKCS5_PBKD2_PARAMS2 params = params_of(password, 10, CKP_PKCS5_PBKD2_HMAC_SHA256);
    CK_MECHANISM gen = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    session =
        token_alice_under("{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":"
                          "\"permit (principal, action, resource);"
                          "forbid (principal, action == Action::\\\"import\\\", resource);\"}");
    assert_rv(CKR_ACTION_PROHIBITED, make(params, LIST(TYPED(CKK_AES, 16)), &key));
    assert_ok(p11->C_GenerateKey(session, &gen, LIST(ULONG(CKA_VALUE_LEN, 16), SOFTWARE), &key));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(the_key_is_one_from_outside_in_both_protections),
        CASE(it_wraps_nothing_sensitive),
        CASE(templates_and_parameters_are_checked),
        CASE_LOOP(a_password_makes_the_known_key, COUNT(answers)),
        CASE(the_policy_is_asked_to_import),
    };

    return token_suite("pkcs11/password", cases, COUNT(cases));
}
