/* Who may use which key how: refusals of operations by policy, login, rights and dates, through the
 * module. */
#include "tests/module/pkcs11/token.h"

#include <string.h>

static uint8_t data[32] = "what is signed";

static CK_RV sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM m = {type, NULL, 0};
    uint8_t out[512];
    CK_ULONG n = sizeof(out);
    CK_RV rv = p11->C_SignInit(session, &m, key);

    return rv == CKR_OK ? p11->C_Sign(session, data, sizeof(data), out, &n) : rv;
}

static CK_RV digest(CK_SESSION_HANDLE session)
{
    CK_MECHANISM m = {CKM_SHA256, NULL, 0};
    uint8_t out[32];
    CK_ULONG n = sizeof(out);
    CK_RV rv = p11->C_DigestInit(session, &m);

    return rv == CKR_OK ? p11->C_Digest(session, data, sizeof(data), out, &n) : rv;
}

#define FOR_BOB(text)                                                                              \
    "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit(principal == "                 \
    "User::\\\"alice\\\", action in Action::\\\"dataPlane\\\", resource in "                       \
    "Vault::\\\"web\\\");permit(principal == User::\\\"bob\\\", action in "                        \
    "[Action::\\\"login\\\", Action::\\\"list\\\"], resource in Vault::\\\"web\\\") unless "       \
    "{resource has name && resource.name like \\\"hide-*\\\"};" text "\"}"

#define BOB_SIGNS                                                                                  \
    FOR_BOB("permit(principal == User::\\\"bob\\\", action == Action::\\\"sign\\\", resource in "  \
            "Vault::\\\"web\\\") when {context has mechanism && context.mechanism == "             \
            "\\\"CKM_ECDSA_SHA256\\\"};")

START_TEST(a_key_is_used_by_those_and_with_what_the_policy_names)
{
    CK_SESSION_HANDLE session = token_alice_under(BOB_SIGNS);
    CK_MECHANISM verify = {CKM_ECDSA_SHA256, NULL, 0};
    CK_OBJECT_HANDLE public, private;

    token_ec(session, "shown", true, &public, &private);
    assert_ok(sign(session, CKM_ECDSA_SHA512, private));
    assert_ok(p11->C_VerifyInit(session, &verify, public));
    assert_ok(p11->C_VerifyInit(session, NULL, 0));
    assert_ok(p11->C_Logout(session));
    token_login(session, "bob:" BOB_PIN);
    private = token_one(session, "shown", CKO_PRIVATE_KEY);
    assert_ok(sign(session, CKM_ECDSA_SHA256, private));
    assert_rv(CKR_MECHANISM_INVALID, sign(session, CKM_ECDSA_SHA512, private));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_VerifyInit(session, &verify, public));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* A private key that is no private object: its handle outlives a logout. */
static CK_OBJECT_HANDLE open_key(CK_SESSION_HANDLE session, char *label)
{
    static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public, private;

    assert_ok(p11->C_GenerateKeyPair(
        session, &ec,
        LIST(ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), ATTR(CKA_LABEL, label, strlen(label))),
        LIST(YES(CKA_TOKEN), NO(CKA_PRIVATE), ATTR(CKA_LABEL, label, strlen(label))), &public,
        &private));
    return private;
}

START_TEST(a_hidden_key_answers_like_a_handle_that_never_was)
{
    CK_SESSION_HANDLE session = token_alice_under(BOB_SIGNS);
    char hide[] = "hide-use";
    char show[] = "show-use";
    CK_OBJECT_HANDLE private = open_key(session, hide);
    CK_OBJECT_HANDLE shown = open_key(session, show);

    assert_ok(sign(session, CKM_ECDSA_SHA256, private));
    assert_ok(p11->C_Logout(session));
    token_login(session, "bob:" BOB_PIN);
    assert_ok(sign(session, CKM_ECDSA_SHA256, shown));
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(session, CKM_ECDSA_SHA256, private));
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(session, CKM_SHA256_RSA_PKCS, private));
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(session, CKM_ECDSA_SHA256, 987654));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(without_a_login_no_key_is_used)
{
    CK_SESSION_HANDLE session = token_alice_under(FOR_BOB(""));
    CK_OBJECT_HANDLE public, private;

    token_ec(session, "login", true, &public, &private);
    assert_ok(sign(session, CKM_ECDSA_SHA256, private));
    assert_ok(p11->C_Logout(session));
    ck_assert_uint_ne(sign(session, CKM_ECDSA_SHA256, private), CKR_OK);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(digests_and_random_numbers_are_for_all_but_whom_the_policy_forbids)
{
    CK_SESSION_HANDLE session = token_alice_under(
        FOR_BOB("forbid(principal == User::\\\"bob\\\", action in [Action::\\\"digest\\\", "
                "Action::\\\"random\\\"], resource);"));
    uint8_t random[8];

    assert_ok(digest(session));
    assert_ok(p11->C_GenerateRandom(session, random, sizeof(random)));
    assert_ok(p11->C_Logout(session));
    assert_ok(digest(session)); /* the home's policy lets anybody */
    assert_ok(p11->C_GenerateRandom(session, random, sizeof(random)));
    token_login(session, "bob:" BOB_PIN);
    assert_rv(CKR_MECHANISM_INVALID, digest(session));
    assert_rv(CKR_FUNCTION_REJECTED, p11->C_GenerateRandom(session, random, sizeof(random)));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

static void make_hmac(CK_SESSION_HANDLE session, CK_ATTRIBUTE fact, CK_OBJECT_HANDLE *ret)
{
    CK_MECHANISM m = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};

    assert_ok(p11->C_GenerateKey(session, &m, LIST(ULONG(CKA_VALUE_LEN, 64), YES(CKA_VERIFY), fact),
                                 ret));
}

START_TEST(rights_dates_and_mechanisms_of_a_key_are_enforced)
{
    CK_SESSION_HANDLE session = token_alice_under(FOR_BOB(""));
    CK_MECHANISM_TYPE allowed = CKM_SHA256_HMAC;
    CK_DATE past = {"2020", "01", "01"};
    CK_MECHANISM verify = {CKM_SHA256_HMAC, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    make_hmac(session, NO(CKA_SIGN), &key);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(session, CKM_SHA256_HMAC, key));
    make_hmac(session, YES(CKA_SIGN), &key);
    assert_ok(sign(session, CKM_SHA256_HMAC, key));
    make_hmac(session, ATTR(CKA_ALLOWED_MECHANISMS, &allowed, sizeof(allowed)), &key);
    assert_ok(sign(session, CKM_SHA256_HMAC, key));
    assert_rv(CKR_MECHANISM_INVALID, sign(session, CKM_SHA512_HMAC, key));
    make_hmac(session, ATTR(CKA_END_DATE, &past, sizeof(past)), &key);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(session, CKM_SHA256_HMAC, key));
    assert_ok(p11->C_VerifyInit(session, &verify, key));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_key_is_used_by_those_and_with_what_the_policy_names),
        CASE(a_hidden_key_answers_like_a_handle_that_never_was),
        CASE(without_a_login_no_key_is_used),
        CASE(digests_and_random_numbers_are_for_all_but_whom_the_policy_forbids),
        CASE(rights_dates_and_mechanisms_of_a_key_are_enforced),
    };

    return token_suite("pkcs11/use", cases, COUNT(cases));
}
