/* Keys that ask for a login each time: nothing is done with them before it, and it counts once. */
#include "tests/module/pkcs11/token.h"

#include <string.h>

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_BYTE data[] = {'d', 'a', 't', 'a'};
static CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};

static CK_OBJECT_HANDLE careful_key(CK_SESSION_HANDLE session)
{
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;

    assert_ok(p11->C_GenerateKeyPair(
        session, &mechanism, LIST(YES(CKA_TOKEN), ATTR(CKA_EC_PARAMS, p256, sizeof(p256))),
        LIST(YES(CKA_TOKEN), YES(CKA_SIGN), YES(CKA_ALWAYS_AUTHENTICATE)), &public_key,
        &private_key));
    ck_assert_uint_eq(token_bool(session, private_key, CKA_ALWAYS_AUTHENTICATE), CK_TRUE);
    return private_key;
}

static CK_RV sign(CK_SESSION_HANDLE session)
{
    CK_BYTE signature[64];
    CK_ULONG len = sizeof(signature);

    return p11->C_Sign(session, data, sizeof(data), signature, &len);
}

static CK_RV login_again(CK_SESSION_HANDLE session, const char *pin)
{
    return p11->C_Login(session, CKU_CONTEXT_SPECIFIC, (CK_UTF8CHAR_PTR)(uintptr_t)pin,
                        strlen(pin));
}

START_TEST(nothing_is_signed_before_the_login_and_one_signature_after_it)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = careful_key(session);

    assert_ok(p11->C_SignInit(session, &ecdsa, key));
    assert_rv(CKR_USER_NOT_LOGGED_IN, sign(session));
    assert_rv(CKR_USER_NOT_LOGGED_IN, p11->C_SignUpdate(session, data, sizeof(data)));
    assert_ok(login_again(session, ALICE_PIN));
    assert_ok(sign(session));
    assert_ok(p11->C_SignInit(session, &ecdsa, key));
    assert_rv(CKR_USER_NOT_LOGGED_IN, sign(session));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(parts_need_one_login_for_the_operation)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_BYTE signature[64];
    CK_ULONG len = sizeof(signature);

    assert_ok(p11->C_SignInit(session, &ecdsa, careful_key(session)));
    assert_ok(login_again(session, ALICE_PIN));
    assert_ok(p11->C_SignUpdate(session, data, sizeof(data)));
    assert_ok(p11->C_SignUpdate(session, data, sizeof(data)));
    assert_ok(p11->C_SignFinal(session, signature, &len));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(wrong_pin_and_the_pin_of_another_user_open_nothing)
{
    CK_SESSION_HANDLE session = token_alice();

    assert_ok(p11->C_SignInit(session, &ecdsa, careful_key(session)));
    assert_rv(CKR_PIN_INCORRECT, login_again(session, "not-the-pin"));
    assert_rv(CKR_PIN_INCORRECT, login_again(session, "bob:" BOB_PIN));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_Login(session, CKU_CONTEXT_SPECIFIC, NULL, 0));
    assert_rv(CKR_USER_NOT_LOGGED_IN, sign(session));
    assert_ok(login_again(session, "alice:" ALICE_PIN));
    assert_ok(sign(session));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(login_without_an_operation_that_waits_is_refused)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = careful_key(session), public_key = 0, other = 0;

    assert_rv(CKR_OPERATION_NOT_INITIALIZED, login_again(session, ALICE_PIN));
    token_ec(session, "plain", false, &public_key, &other);
    assert_ok(p11->C_SignInit(session, &ecdsa, other));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, login_again(session, ALICE_PIN));
    assert_ok(sign(session));
    assert_ok(p11->C_SignInit(session, &ecdsa, key));
    assert_ok(login_again(session, ALICE_PIN));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, login_again(session, ALICE_PIN));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(login_counts_in_its_own_session_only)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_SESSION_HANDLE other = token_open("web", true);
    CK_OBJECT_HANDLE key = careful_key(session);

    assert_ok(p11->C_SignInit(session, &ecdsa, key));
    assert_ok(p11->C_SignInit(other, &ecdsa, key));
    assert_ok(login_again(session, ALICE_PIN));
    assert_rv(CKR_USER_NOT_LOGGED_IN, sign(other));
    assert_ok(sign(session));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(nothing_is_signed_before_the_login_and_one_signature_after_it),
        CASE(parts_need_one_login_for_the_operation),
        CASE(wrong_pin_and_the_pin_of_another_user_open_nothing),
        CASE(login_without_an_operation_that_waits_is_refused),
        CASE(login_counts_in_its_own_session_only),
    };

    return token_suite("pkcs11/always_authenticate", cases, COUNT(cases));
}
