/* Keys brought in by C_CreateObject, and keys whose values come out again. */
#include "tests/module/pkcs11/token.h"

#include <string.h>

#define ALICE_RELEASES                                                                             \
    "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit(principal == "                 \
    "User::\\\"alice\\\", action in Action::\\\"dataPlane\\\", resource in "                       \
    "Vault::\\\"web\\\");\"}"
#define ALICE_DOES_NOT                                                                             \
    "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit(principal == "                 \
    "User::\\\"alice\\\", action in Action::\\\"dataPlane\\\", resource in "                       \
    "Vault::\\\"web\\\") unless {action == Action::\\\"release\\\"};\"}"
#define ALICE_IMPORTS_NOT                                                                          \
    "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit(principal == "                 \
    "User::\\\"alice\\\", action in Action::\\\"dataPlane\\\", resource in "                       \
    "Vault::\\\"web\\\") unless {action == Action::\\\"import\\\"};\"}"

static char hsm[] = "hsm", software[] = "software";
static char *const protections[] = {hsm, software};
#define PROTECTION(word) ATTR(CKA_KEYWARD_PROTECTION, (word), strlen(word))

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static uint8_t data[32] = "what is signed";
/* FIPS 197, C.1, and the first bytes of the encryption of zeros under it. */
static uint8_t aes_value[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static uint8_t aes_kcv[] = {0xc6, 0xa1, 0x3b};
static uint8_t fips_plain[16] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
static uint8_t fips_cipher[16] = {0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30,
                                  0xd8, 0xcd, 0xb7, 0x80, 0x70, 0xb4, 0xc5, 0x5a};

/* ---- secret keys ---- */

static CK_RV import_aes(CK_SESSION_HANDLE session, char *protection, CK_ATTRIBUTE more,
                        CK_OBJECT_HANDLE *ret)
{
    return p11->C_CreateObject(session,
                               LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
                                    ATTR(CKA_VALUE, aes_value, sizeof(aes_value)), YES(CKA_ENCRYPT),
                                    PROTECTION(protection), more),
                               ret);
}

START_TEST(an_imported_aes_key_encrypts_as_the_standard_says)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    CK_OBJECT_HANDLE key = 0;
    uint8_t out[16], kcv[16];
    CK_ULONG n = sizeof(out);

    assert_ok(
        import_aes(session, protections[_i], _i % 2 == 0 ? YES(CKA_TOKEN) : NO(CKA_TOKEN), &key));
    assert_ok(p11->C_EncryptInit(session, &ecb, key));
    assert_ok(p11->C_Encrypt(session, fips_plain, 16, out, &n));
    ck_assert_mem_eq(out, fips_cipher, 16);
    ck_assert(!token_bool(session, key, CKA_LOCAL));
    ck_assert(!token_bool(session, key, CKA_ALWAYS_SENSITIVE));
    ck_assert(!token_bool(session, key, CKA_NEVER_EXTRACTABLE));
    ck_assert(!token_bool(session, key, CKA_TRUSTED));
    ck_assert_uint_eq(token_ulong(session, key, CKA_VALUE_LEN), 16);
    ck_assert_uint_eq(token_ulong(session, key, CKA_KEY_GEN_MECHANISM), CK_UNAVAILABLE_INFORMATION);
    ck_assert_uint_eq(token_bytes(session, key, CKA_CHECK_VALUE, kcv, sizeof(kcv)), 3);
    ck_assert_mem_eq(kcv, aes_kcv, 3);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(a_check_value_that_is_given_must_be_the_keys)
{
    CK_SESSION_HANDLE session = token_alice();
    uint8_t other[] = {0xc6, 0xa1, 0x3c};
    CK_OBJECT_HANDLE key = 77;

    assert_ok(import_aes(session, protections[_i], ATTR(CKA_CHECK_VALUE, aes_kcv, 3), &key));
    key = 77;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              import_aes(session, protections[_i], ATTR(CKA_CHECK_VALUE, other, 3), &key));
    ck_assert_uint_eq(key, 77);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(a_generic_secrets_check_value_is_of_its_sha1)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = 0;
    uint8_t kcv[16];

    /* FIPS 180, SHA-1 of "abc" */
    assert_ok(p11->C_CreateObject(session,
                                  LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY),
                                       ULONG(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
                                       TEXT(CKA_VALUE, "abc"), PROTECTION(software)),
                                  &key));
    ck_assert_uint_eq(token_bytes(session, key, CKA_CHECK_VALUE, kcv, sizeof(kcv)), 3);
    ck_assert_mem_eq(kcv, "\xa9\x99\x3e", 3);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(secret_keys_that_are_none_are_refused)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = 77;

    assert_rv(
        CKR_ATTRIBUTE_VALUE_INVALID,
        p11->C_CreateObject(session,
                            LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
                                 ATTR(CKA_VALUE, aes_value, 15), PROTECTION(protections[_i])),
                            &key));
    assert_rv(CKR_TEMPLATE_INCOMPLETE,
              p11->C_CreateObject(session,
                                  LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY),
                                       ULONG(CKA_KEY_TYPE, CKK_AES), PROTECTION(protections[_i])),
                                  &key));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, import_aes(session, protections[_i], YES(CKA_LOCAL), &key));
    ck_assert_uint_eq(key, 77);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(an_hsm_key_cannot_be_imported_as_extractable)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = 77;

    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, import_aes(session, hsm, YES(CKA_EXTRACTABLE), &key));
    assert_ok(import_aes(session, software, YES(CKA_EXTRACTABLE), &key));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(who_may_not_import_brings_no_key_in)
{
    CK_SESSION_HANDLE session = token_alice_under(ALICE_IMPORTS_NOT);
    CK_OBJECT_HANDLE key = 77;

    assert_rv(CKR_ACTION_PROHIBITED, import_aes(session, software, YES(CKA_TOKEN), &key));
    assert_rv(CKR_ACTION_PROHIBITED, import_aes(session, hsm, YES(CKA_TOKEN), &key));
    ck_assert_uint_eq(key, 77);
    assert_ok(p11->C_Logout(session));
    token_admin(ALICE_RELEASES);
    token_login(session, ALICE_PIN);
    assert_ok(import_aes(session, software, YES(CKA_TOKEN), &key));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- values that come out ---- */

static CK_RV read_value(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type,
                        uint8_t *out, CK_ULONG *len)
{
    CK_ATTRIBUTE attr = {type, out, *len};
    CK_RV rv = p11->C_GetAttributeValue(session, key, &attr, 1);

    *len = attr.ulValueLen;
    return rv;
}

static const struct {
    char *protection;
    bool sensitive, extractable;
    CK_RV want;
} shown[] = {
    {software, false, true, CKR_OK},
    {software, true, true, CKR_ATTRIBUTE_SENSITIVE},
    {software, false, false, CKR_ATTRIBUTE_SENSITIVE},
    {hsm, false, false, CKR_ATTRIBUTE_SENSITIVE},
};

START_TEST(a_value_is_shown_of_software_keys_that_are_extractable_and_not_sensitive)
{
    CK_SESSION_HANDLE session = token_alice_under(ALICE_RELEASES);
    CK_BBOOL sensitive = shown[_i].sensitive, extractable = shown[_i].extractable;
    CK_OBJECT_HANDLE key = 0;
    uint8_t out[32];
    CK_ULONG n = sizeof(out);

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
             ATTR(CKA_VALUE, aes_value, 16), PROTECTION(shown[_i].protection),
             ATTR(CKA_SENSITIVE, &sensitive, 1), ATTR(CKA_EXTRACTABLE, &extractable, 1)),
        &key));
    assert_rv(shown[_i].want, read_value(session, key, CKA_VALUE, out, &n));
    if (shown[_i].want == CKR_OK)
        ck_assert(n == 16 && memcmp(out, aes_value, 16) == 0);
    else
        ck_assert_uint_eq(n, CK_UNAVAILABLE_INFORMATION);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(a_value_is_shown_to_whom_the_policy_releases_it)
{
    CK_SESSION_HANDLE session = token_alice_under(ALICE_DOES_NOT);
    CK_OBJECT_HANDLE key = 0;
    uint8_t out[32];
    CK_ULONG n = sizeof(out);
    CK_BBOOL local = 9;
    CK_ATTRIBUTE both[] = {{CKA_VALUE, out, sizeof(out)}, {CKA_LOCAL, &local, 1}};

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
             ATTR(CKA_VALUE, aes_value, 16), PROTECTION(software), NO(CKA_SENSITIVE),
             YES(CKA_EXTRACTABLE), YES(CKA_TOKEN), TEXT(CKA_LABEL, "released")),
        &key));
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, p11->C_GetAttributeValue(session, key, both, 2));
    ck_assert_uint_eq(both[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_int_eq(local, CK_FALSE);
    assert_ok(p11->C_Logout(session));
    token_admin(ALICE_RELEASES);
    token_login(session, ALICE_PIN);
    key = token_one(session, "released", CKO_SECRET_KEY);
    assert_ok(read_value(session, key, CKA_VALUE, out, &n));
    ck_assert(n == 16 && memcmp(out, aes_value, 16) == 0);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- pairs: made extractable, read out, brought in again ---- */

struct value {
    CK_ATTRIBUTE_TYPE type;
    uint8_t data[1024];
    CK_ULONG len;
};

static CK_RV sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key,
                  uint8_t *out, CK_ULONG *len)
{
    CK_MECHANISM m = {type, NULL, 0};
    CK_RV rv = p11->C_SignInit(session, &m, key);

    return rv == CKR_OK ? p11->C_Sign(session, data, sizeof(data), out, len) : rv;
}

static CK_RV verify(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key,
                    uint8_t *signature, CK_ULONG len)
{
    CK_MECHANISM m = {type, NULL, 0};
    CK_RV rv = p11->C_VerifyInit(session, &m, key);

    return rv == CKR_OK ? p11->C_Verify(session, data, sizeof(data), signature, len) : rv;
}

static const struct pair {
    CK_KEY_TYPE type;
    CK_MECHANISM_TYPE make, sign;
    CK_ATTRIBUTE_TYPE parts[8]; /* what a template for C_CreateObject has, the secret ones last */
    size_t count, whole;        /* parts; those that an import cannot do without */
} pairs[] = {
    {CKK_EC, CKM_EC_KEY_PAIR_GEN, CKM_ECDSA_SHA256, {CKA_EC_PARAMS, CKA_VALUE}, 2, 2},
    {CKK_RSA,
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     CKM_SHA256_RSA_PKCS,
     {CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2,
      CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT},
     8,
     3},
};

static void make_pair(CK_SESSION_HANDLE session, const struct pair *pair, CK_OBJECT_HANDLE *public,
                      struct value values[8])
{
    CK_MECHANISM m = {pair->make, NULL, 0};
    CK_ULONG bits = 2048;
    CK_ATTRIBUTE size = pair->type == CKK_RSA ? ATTR(CKA_MODULUS_BITS, &bits, sizeof(bits))
                                              : ATTR(CKA_EC_PARAMS, p256, sizeof(p256));
    CK_OBJECT_HANDLE private = 0;

    assert_ok(p11->C_GenerateKeyPair(
        session, &m, LIST(size, YES(CKA_VERIFY)),
        LIST(PROTECTION(software), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE), YES(CKA_SIGN)), public,
        &private));
    for (size_t i = 0; i < pair->count; i++) {
        values[i].type = pair->parts[i];
        values[i].len = sizeof(values[i].data);
        assert_ok(read_value(session, private, values[i].type, values[i].data, &values[i].len));
    }
}

static CK_RV import_pair(CK_SESSION_HANDLE session, const struct pair *pair, char *protection,
                         struct value values[8], size_t count, CK_OBJECT_HANDLE *ret)
{
    CK_KEY_TYPE type = pair->type;
    CK_ATTRIBUTE template[12] = {ULONG(CKA_CLASS, CKO_PRIVATE_KEY),
                                 ATTR(CKA_KEY_TYPE, &type, sizeof(type)), PROTECTION(protection),
                                 YES(CKA_SIGN)};

    for (size_t i = 0; i < count; i++)
        template[4 + i] = ATTR(values[i].type, values[i].data, values[i].len);
    return p11->C_CreateObject(session, template, 4 + count, ret);
}

START_TEST(a_private_key_that_was_read_out_signs_where_it_is_brought_in)
{
    const struct pair *pair = &pairs[_i / 2];
    CK_SESSION_HANDLE session = token_alice_under(ALICE_RELEASES);
    static struct value values[8];
    CK_OBJECT_HANDLE public = 0, private = 0;
    uint8_t signature[512], info[1024], same[1024];
    CK_ULONG n = sizeof(signature);

    make_pair(session, pair, &public, values);
    assert_ok(import_pair(session, pair, protections[_i % 2], values, pair->count, &private));
    assert_ok(sign(session, pair->sign, private, signature, &n));
    assert_ok(verify(session, pair->sign, public, signature, n));
    ck_assert(!token_bool(session, private, CKA_LOCAL));
    ck_assert(!token_bool(session, private, CKA_ALWAYS_SENSITIVE));
    ck_assert(token_bool(session, private, CKA_SENSITIVE));
    n = token_bytes(session, public, CKA_PUBLIC_KEY_INFO, info, sizeof(info));
    ck_assert_uint_eq(token_bytes(session, private, CKA_PUBLIC_KEY_INFO, same, sizeof(same)), n);
    ck_assert_mem_eq(info, same, n);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(a_private_key_with_a_changed_or_missing_part_is_refused)
{
    const struct pair *pair = &pairs[_i / 2];
    CK_SESSION_HANDLE session = token_alice_under(ALICE_RELEASES);
    static struct value values[8];
    CK_OBJECT_HANDLE public = 0, private = 77;

    make_pair(session, pair, &public, values);
    for (size_t i = 0; i < pair->count; i++) {
        /* Another EC private value is another key, and a good one. */
        if (values[i].type == CKA_VALUE)
            continue;
        values[i].data[values[i].len - 1] ^= 4;
        ck_assert_uint_ne(
            import_pair(session, pair, protections[_i % 2], values, pair->count, &private), CKR_OK);
        values[i].data[values[i].len - 1] ^= 4;
    }
    assert_rv(CKR_TEMPLATE_INCOMPLETE,
              import_pair(session, pair, protections[_i % 2], values, pair->whole - 1, &private));
    ck_assert_uint_eq(private, 77);
    assert_ok(import_pair(session, pair, protections[_i % 2], values, pair->whole, &private));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(an_imported_aes_key_encrypts_as_the_standard_says, 2),
        CASE_LOOP(a_check_value_that_is_given_must_be_the_keys, 2),
        CASE(a_generic_secrets_check_value_is_of_its_sha1),
        CASE_LOOP(secret_keys_that_are_none_are_refused, 2),
        CASE(an_hsm_key_cannot_be_imported_as_extractable),
        CASE(who_may_not_import_brings_no_key_in),
        CASE_LOOP(a_value_is_shown_of_software_keys_that_are_extractable_and_not_sensitive,
                  (int)COUNT(shown)),
        CASE(a_value_is_shown_to_whom_the_policy_releases_it),
        CASE_LOOP(a_private_key_that_was_read_out_signs_where_it_is_brought_in, 4),
        CASE_LOOP(a_private_key_with_a_changed_or_missing_part_is_refused, 4),
    };

    return token_suite("pkcs11/import", cases, COUNT(cases));
}
