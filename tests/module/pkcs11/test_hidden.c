/* What the policy hides is not told of in any other way: not by the sentence that explains a
 * refusal, by the device error, or by sizes. And what was allowed once is not allowed for good. */
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>

#define FOR_ALICE(rest)                                                                            \
    "permit (principal == User::\"alice\", action in [Action::\"cryptoOfficer\", "                 \
    "Action::\"secretsOfficer\"], resource);" rest

static CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};

static CK_ULONG device_error(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;

    assert_ok(lab->f->C_GetSessionInfo(session, &info));
    return info.ulDeviceError;
}

/* The code and the sentence of a C_SignInit, and what the session tells after it. */
static void sign_init(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                      char ret[static 512])
{
    CK_RV rv = lab->f->C_SignInit(session, &ecdsa, key);
    int n = snprintf(ret, 512, "%lx %s", rv, lab->admin->reason());

    ck_assert_int_lt(n, 400);
    (void)snprintf(ret + n, 100, " %lu", device_error(lab, session));
}

static const char *const policies[] = {
    FOR_ALICE("forbid (principal, action == Action::\"sign\", resource);"
              "forbid (principal, action, resource) when { context.via == \"pkcs11\" && "
              "resource has name && resource.name == \"tls\" };"),
    FOR_ALICE("forbid (principal, action == Action::\"sign\", resource);"),
};

/* By the administrator, who is another process. */
static void apply(struct lab *lab, int n)
{
    assert_ok(lab->f->C_Initialize(NULL));
    lab_policy(lab, policies[n]);
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(a_hidden_key_is_refused_in_the_words_of_one_that_never_was)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    char hidden[512], none[512], shown[512];

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    lab_join(lab_child(apply, &lab, 0));
    sign_init(&lab, session, 987654, none);
    sign_init(&lab, session, key, hidden);
    ck_assert_str_eq(hidden, none);
    lab_join(lab_child(apply, &lab, 1));
    sign_init(&lab, session, key, shown);
    ck_assert_ptr_nonnull(strstr(shown, "forbidden by"));
    ck_assert_uint_ne(device_error(&lab, session), 0);
    lab_end(&lab);
}
END_TEST

static CK_ULONG size_of_data(const struct lab *lab, CK_SESSION_HANDLE session, CK_ULONG len)
{
    CK_OBJECT_CLASS cls = CKO_DATA;
    CK_BYTE value[64] = {0};
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &cls, sizeof(cls)}, {CKA_VALUE, value, len}};
    CK_OBJECT_HANDLE object;
    CK_ULONG size = 0;

    assert_ok(lab->f->C_CreateObject(session, template, 2, &object));
    assert_ok(lab->f->C_GetObjectSize(session, object, &size));
    return size;
}

START_TEST(the_size_of_a_data_object_does_not_tell_how_long_its_secret_is)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    session = lab_alice(&lab);
    ck_assert_uint_eq(size_of_data(&lab, session, 4), size_of_data(&lab, session, 64));
    lab_end(&lab);
}
END_TEST

static CK_RV sign_rest(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_BYTE data[] = "a document";
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);

    return lab->f->C_Sign(session, data, sizeof(data), signature, &len);
}

START_TEST(a_signature_that_was_begun_ends_with_the_deletion_of_its_key)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public, private, other;

    lab_start(&lab);
    session = lab_alice(&lab);
    assert_ok(lab_generate(&lab, session, "doomed", &public, &private));
    assert_ok(lab.f->C_SignInit(session, &ecdsa, private));
    assert_ok(lab_generate(&lab, session, "another", &public, &other));
    assert_ok(sign_rest(&lab, session)); /* the store changed, the key did not */
    assert_ok(lab.f->C_SignInit(session, &ecdsa, private));
    assert_ok(lab.f->C_DestroyObject(session, private));
    assert_rv(CKR_KEY_HANDLE_INVALID, sign_rest(&lab, session));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, sign_rest(&lab, session));
    lab_end(&lab);
}
END_TEST

START_TEST(a_signature_that_was_begun_ends_with_the_right_to_sign)
{
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE unsign = {CKA_SIGN, &no, sizeof(no)};
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    assert_ok(lab.f->C_SignInit(session, &ecdsa, key));
    assert_ok(lab.f->C_SetAttributeValue(session, key, &unsign, 1));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_rest(&lab, session));
    lab_end(&lab);
}
END_TEST

/* Its first part is out, with an intent in the log: that ends in an outcome. */
START_TEST(an_encryption_whose_key_is_deleted_half_way_ends_and_its_intent_too)
{
    CK_BYTE data[16] = {0};
    CK_BYTE out[32];
    CK_ULONG len = sizeof(out);
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_SECRET_KEY, "seal");
    assert_ok(lab.f->C_EncryptInit(session, &ecb, key));
    assert_ok(lab.f->C_EncryptUpdate(session, data, sizeof(data), out, &len));
    assert_ok(lab.f->C_DestroyObject(session, key));
    len = sizeof(out);
    assert_rv(CKR_KEY_HANDLE_INVALID,
              lab.f->C_EncryptUpdate(session, data, sizeof(data), out, &len));
    ck_assert_uint_eq(lab_log_count(&lab, "C_EncryptUpdate", "CKR_KEY_HANDLE_INVALID"), 1);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_hidden_key_is_refused_in_the_words_of_one_that_never_was, 120),
        CASE_SLOW(the_size_of_a_data_object_does_not_tell_how_long_its_secret_is, 120),
        CASE_SLOW(a_signature_that_was_begun_ends_with_the_deletion_of_its_key, 120),
        CASE_SLOW(a_signature_that_was_begun_ends_with_the_right_to_sign, 120),
        CASE_SLOW(an_encryption_whose_key_is_deleted_half_way_ends_and_its_intent_too, 120),
    };

    return lab_suite_run("pkcs11/hidden", cases, sizeof(cases) / sizeof(*cases));
}
