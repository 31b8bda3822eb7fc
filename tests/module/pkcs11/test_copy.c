/* C_CopyObject: what a copy is, what it may be told, and who may make one. */
#include "tests/module/pkcs11/token.h"

#include "tests/module/pkcs11/certificate.h"

#include <string.h>

static CK_OBJECT_CLASS cls_certificate = CKO_CERTIFICATE, cls_data = CKO_DATA;
static uint8_t value[] = {1, 2, 3, 4};

#define NUMBER(type, n)   ATTR(type, &(n), sizeof(n))
#define BYTES_OF(type, b) ATTR(type, b, sizeof(b))

static CK_OBJECT_HANDLE data_object(CK_SESSION_HANDLE session, CK_BBOOL *token, CK_BBOOL *copyable)
{
    CK_OBJECT_HANDLE object = 0;

    assert_ok(p11->C_CreateObject(session,
                                  LIST(NUMBER(CKA_CLASS, cls_data), TEXT(CKA_LABEL, "original"),
                                       BYTES_OF(CKA_VALUE, value), ATTR(CKA_TOKEN, token, 1),
                                       ATTR(CKA_COPYABLE, copyable, 1)),
                                  &object));
    return object;
}

static CK_RV copy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *template,
                  CK_ULONG count, CK_OBJECT_HANDLE *ret)
{
    return p11->C_CopyObject(session, object, template, count, ret);
}

START_TEST(copy_is_an_object_of_its_own_with_the_same_contents)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = data_object(session, &token_yes, &token_yes);
    CK_OBJECT_HANDLE other = 0;
    uint8_t id[40], other_id[40], out[8];

    assert_ok(copy(session, object, LIST(TEXT(CKA_LABEL, "copy")), &other));
    ck_assert_uint_ne(object, other);
    ck_assert_uint_eq(token_bytes(session, object, CKA_UNIQUE_ID, id, sizeof(id)), 32);
    ck_assert_uint_eq(token_bytes(session, other, CKA_UNIQUE_ID, other_id, sizeof(other_id)), 32);
    ck_assert_mem_ne(id, other_id, 32);
    ck_assert_uint_eq(token_bytes(session, other, CKA_VALUE, out, sizeof(out)), sizeof(value));
    ck_assert_mem_eq(out, value, sizeof(value));
    assert_ok(p11->C_DestroyObject(session, object));
    ck_assert_uint_eq(token_one(session, "copy", CKO_DATA), other);
    ck_assert_uint_eq(token_bytes(session, other, CKA_VALUE, out, sizeof(out)), sizeof(value));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(copy_under_the_same_name_is_its_next_version)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = data_object(session, &token_yes, &token_yes);
    CK_OBJECT_HANDLE other = 0;

    assert_ok(copy(session, object, NULL, 0, &other));
    ck_assert_uint_eq(token_ulong(session, other, CKA_KEYWARD_VERSION),
                      token_ulong(session, object, CKA_KEYWARD_VERSION) + 1);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(session_object_is_kept_by_a_copy_on_the_token_and_the_other_way_round)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = data_object(session, &token_no, &token_yes);
    CK_OBJECT_HANDLE kept = 0, brief = 0;

    assert_ok(copy(session, object, LIST(YES(CKA_TOKEN), TEXT(CKA_LABEL, "kept")), &kept));
    ck_assert_uint_eq(token_bool(session, kept, CKA_TOKEN), CK_TRUE);
    assert_ok(copy(session, kept, LIST(NO(CKA_TOKEN), TEXT(CKA_LABEL, "brief")), &brief));
    assert_ok(p11->C_CloseSession(session));
    session = token_open("web", true);
    token_login(session, ALICE_PIN);
    ck_assert_uint_eq(token_find(session, LIST(TEXT(CKA_LABEL, "kept")), &kept, 1), 1);
    ck_assert_uint_eq(token_find(session, LIST(TEXT(CKA_LABEL, "brief")), &brief, 1), 0);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(read_only_session_copies_into_itself_only)
{
    CK_SESSION_HANDLE writer = token_alice();
    CK_SESSION_HANDLE reader = token_open("web", false);
    CK_OBJECT_HANDLE object = data_object(writer, &token_yes, &token_yes);
    CK_OBJECT_HANDLE other = 0;

    assert_rv(CKR_SESSION_READ_ONLY, copy(reader, object, NULL, 0, &other));
    assert_ok(copy(reader, object, LIST(NO(CKA_TOKEN)), &other));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(what_is_not_copyable_is_not_copied)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = data_object(session, &token_yes, &token_no);
    CK_OBJECT_HANDLE other = 0, third = 0;

    assert_rv(CKR_ACTION_PROHIBITED, copy(session, object, NULL, 0, &other));
    object = data_object(session, &token_yes, &token_yes);
    assert_ok(copy(session, object, LIST(NO(CKA_COPYABLE)), &other));
    assert_rv(CKR_ACTION_PROHIBITED, copy(session, other, NULL, 0, &third));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(copy_is_told_no_other_contents_and_no_more_rights)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = data_object(session, &token_yes, &token_yes);
    CK_OBJECT_HANDLE other = 77;

    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              copy(session, object, LIST(BYTES_OF(CKA_VALUE, value)), &other));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, copy(session, object, LIST(NO(CKA_PRIVATE)), &other));
    assert_rv(CKR_ATTRIBUTE_TYPE_INVALID, copy(session, object, LIST(YES(CKA_SIGN)), &other));
    assert_rv(CKR_ARGUMENTS_BAD, copy(session, object, NULL, 0, NULL));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, copy(session, 4711, NULL, 0, &other));
    ck_assert_uint_eq(other, 77);
    assert_ok(copy(session, object, LIST(NO(CKA_MODIFIABLE)), &other));
    assert_rv(CKR_ACTION_PROHIBITED,
              p11->C_SetAttributeValue(session, other, LIST(TEXT(CKA_LABEL, "x"))));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(key_in_the_hsm_is_not_copied_but_its_public_half_is)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE public_key = 0, private_key = 0, other = 0;

    token_ec(session, "pair", true, &public_key, &private_key);
    assert_rv(CKR_ACTION_PROHIBITED, copy(session, private_key, NULL, 0, &other));
    assert_rv(CKR_ACTION_PROHIBITED,
              copy(session, token_aes(session, "brief", false), NULL, 0, &other));
    assert_ok(copy(session, public_key, LIST(NO(CKA_VERIFY)), &other));
    ck_assert_uint_eq(token_bool(session, other, CKA_VERIFY), CK_FALSE);
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, copy(session, other, LIST(YES(CKA_VERIFY)), &other));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

static void encrypt(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint8_t out[16])
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    uint8_t block[16] = {0};
    CK_ULONG len = 16;

    assert_ok(p11->C_EncryptInit(session, &ecb, key));
    assert_ok(p11->C_Encrypt(session, block, sizeof(block), out, &len));
}

static CK_OBJECT_HANDLE software_key(CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_GenerateKey(session, &mechanism,
                                 LIST(ULONG(CKA_VALUE_LEN, 32), YES(CKA_TOKEN),
                                      YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT), YES(CKA_DECRYPT),
                                      TEXT(CKA_KEYWARD_PROTECTION, "software")),
                                 &key));
    return key;
}

START_TEST(software_key_and_its_copy_are_the_same_key_and_two_lives)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = software_key(session), brief = 0, kept = 0;
    uint8_t one[16], two[16], three[16];

    encrypt(session, key, one);
    assert_ok(copy(session, key, LIST(NO(CKA_TOKEN)), &brief));
    assert_ok(copy(session, brief, LIST(YES(CKA_TOKEN), TEXT(CKA_LABEL, "kept")), &kept));
    encrypt(session, brief, two);
    ck_assert_mem_eq(one, two, 16);
    assert_ok(p11->C_DestroyObject(session, key));
    assert_ok(p11->C_DestroyObject(session, brief));
    encrypt(session, kept, three);
    ck_assert_mem_eq(one, three, 16);
    assert_ok(p11->C_Finalize(NULL));
    session = token_alice();
    encrypt(session, token_one(session, "kept", CKO_SECRET_KEY), two);
    ck_assert_mem_eq(one, two, 16);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(copy_of_a_software_key_has_at_most_its_rights)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = software_key(session), other = 0, third = 0;

    assert_ok(copy(session, key, LIST(NO(CKA_EXTRACTABLE), NO(CKA_DECRYPT)), &other));
    ck_assert_uint_eq(token_bool(session, other, CKA_EXTRACTABLE), CK_FALSE);
    ck_assert_uint_eq(token_bool(session, other, CKA_NEVER_EXTRACTABLE), CK_FALSE);
    ck_assert_uint_eq(token_bool(session, key, CKA_EXTRACTABLE), CK_TRUE);
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, copy(session, other, LIST(YES(CKA_EXTRACTABLE)), &third));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, copy(session, other, LIST(YES(CKA_DECRYPT)), &third));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, copy(session, key, LIST(YES(CKA_WRAP)), &third));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, copy(session, key, LIST(NO(CKA_SENSITIVE)), &third));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              copy(session, key, LIST(TEXT(CKA_KEYWARD_PROTECTION, "hsm")), &third));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(certificate_is_copied)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = 0, other = 0;
    uint8_t out[1024];

    assert_ok(p11->C_CreateObject(
        session, LIST(NUMBER(CKA_CLASS, cls_certificate), BYTES_OF(CKA_VALUE, certificate)),
        &object));
    assert_ok(copy(session, object, LIST(YES(CKA_TOKEN), YES(CKA_PRIVATE)), &other));
    ck_assert_uint_eq(token_bytes(session, other, CKA_VALUE, out, sizeof(out)),
                      sizeof(certificate));
    ck_assert_uint_eq(token_bytes(session, other, CKA_SUBJECT, out, sizeof(out)),
                      sizeof(certificate_name));
    ck_assert_mem_eq(out, certificate_name, sizeof(certificate_name));
    ck_assert_uint_eq(token_bool(session, other, CKA_PRIVATE), CK_TRUE);
    assert_rv(CKR_USER_NOT_LOGGED_IN, copy(session, other, LIST(YES(CKA_TRUSTED)), &object));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- what the policy says ---- */

#define POLICY(rule)                                                                               \
    "{\"verb\": \"policy.apply\", \"vault\": \"web\", \"text\": \"permit (principal == "           \
    "User::\\\"alice\\\", action in Action::\\\"dataPlane\\\", resource);" rule "\"}"

static const struct {
    CK_RV want;
    const char *policy;
} policies[] = {
    {CKR_OK, POLICY("")},
    {CKR_ACTION_PROHIBITED,
     POLICY("forbid (principal, action == Action::\\\"update\\\", resource) when { resource.name "
            "== \\\"original\\\" };")},
    {CKR_ACTION_PROHIBITED,
     POLICY("forbid (principal, action == Action::\\\"getSecret\\\", resource) when { "
            "resource.name == \\\"original\\\" };")},
    {CKR_ACTION_PROHIBITED,
     POLICY("forbid (principal, action == Action::\\\"setSecret\\\", resource) when { "
            "resource.name == \\\"elsewhere\\\" };")},
};

START_TEST(who_may_not_rename_read_or_make_it_does_not_copy_it)
{
    CK_SESSION_HANDLE session = token_alice_under(policies[_i].policy);
    CK_OBJECT_HANDLE object = data_object(session, &token_yes, &token_yes);
    CK_OBJECT_HANDLE other = 0;

    assert_rv(policies[_i].want, copy(session, object, LIST(TEXT(CKA_LABEL, "elsewhere")), &other));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(copy_is_an_object_of_its_own_with_the_same_contents),
        CASE(copy_under_the_same_name_is_its_next_version),
        CASE(session_object_is_kept_by_a_copy_on_the_token_and_the_other_way_round),
        CASE(read_only_session_copies_into_itself_only),
        CASE(what_is_not_copyable_is_not_copied),
        CASE(copy_is_told_no_other_contents_and_no_more_rights),
        CASE(key_in_the_hsm_is_not_copied_but_its_public_half_is),
        CASE(software_key_and_its_copy_are_the_same_key_and_two_lives),
        CASE(copy_of_a_software_key_has_at_most_its_rights),
        CASE(certificate_is_copied),
        CASE_LOOP(who_may_not_rename_read_or_make_it_does_not_copy_it, COUNT(policies)),
    };

    return token_suite("pkcs11/copy", cases, COUNT(cases));
}
