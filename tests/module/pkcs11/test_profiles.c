/*
 * The profiles the token says it meets, and the standard's mandatory test case of each ("PKCS #11
 * Profiles" 3.2, BL-M-1-32, EXT-M-1-32, AUTH-M-1-32), played call by call. Names, versions and the
 * key are ours.
 */
#include "tests/module/pkcs11/token.h"

#include <string.h>

static CK_OBJECT_CLASS cls_profile = 9, cls_public = CKO_PUBLIC_KEY, cls_private = CKO_PRIVATE_KEY;

#define PROFILE_ID   0x00000601UL /* CKA_PROFILE_ID */
#define NUMBER(t, n) ATTR(t, &(n), sizeof(n))

/* ---- the objects ---- */

START_TEST(profiles_that_are_met_are_there_before_any_login)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE found[8];
    const CK_ULONG met[] = {1, 2, 3}; /* Baseline, Extended, Authentication Token */

    token_start();
    session = token_open("web", false);
    ck_assert_uint_eq(token_find(session, LIST(NUMBER(CKA_CLASS, cls_profile)), found, 8),
                      COUNT(met));
    for (size_t i = 0; i < COUNT(met); i++) {
        ck_assert_uint_eq(token_ulong(session, found[i], PROFILE_ID), met[i]);
        ck_assert_uint_eq(token_bool(session, found[i], CKA_TOKEN), CK_TRUE);
        ck_assert_uint_eq(token_bool(session, found[i], CKA_PRIVATE), CK_FALSE);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(profile_is_found_by_its_number_and_one_that_is_not_met_is_not)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE found[8];

    ck_assert_uint_eq(token_find(session, LIST(ULONG(PROFILE_ID, 1)), found, 8), 1);
    ck_assert_uint_eq(token_find(session, LIST(ULONG(PROFILE_ID, 4)), found, 8), 0);
    ck_assert_uint_eq(token_find(session, LIST(ULONG(PROFILE_ID, 5)), found, 8), 0);
    ck_assert_uint_eq(
        token_find(session, LIST(NUMBER(CKA_CLASS, cls_profile), NO(CKA_TOKEN)), found, 8), 0);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(profile_object_is_not_changed_copied_destroyed_or_used_as_a_key)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_OBJECT_HANDLE profile = 0, copy = 0;

    ck_assert_uint_eq(token_find(session, LIST(ULONG(PROFILE_ID, 1)), &profile, 1), 1);
    assert_rv(CKR_ACTION_PROHIBITED,
              p11->C_SetAttributeValue(session, profile, LIST(TEXT(CKA_LABEL, "x"))));
    assert_rv(CKR_ACTION_PROHIBITED, p11->C_CopyObject(session, profile, NULL, 0, &copy));
    assert_rv(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(session, profile));
    assert_rv(CKR_KEY_HANDLE_INVALID, p11->C_SignInit(session, &mechanism, profile));
    ck_assert_uint_eq(token_find(session, LIST(ULONG(PROFILE_ID, 1)), &profile, 1), 1);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- the standard's test cases ---- */

static CK_SLOT_ID first_slot(void)
{
    CK_SLOT_ID slots[8];
    CK_ULONG count = 0;

    assert_ok(p11->C_GetSlotList(CK_TRUE, NULL, &count));
    ck_assert_uint_ge(count, 1);
    ck_assert_uint_le(count, COUNT(slots));
    assert_ok(p11->C_GetSlotList(CK_TRUE, slots, &count));
    return slots[0];
}

static CK_SLOT_ID begin(void)
{
    CK_INFO info;
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token_info;
    CK_SLOT_ID slot;

    token_start();
    assert_ok(p11->C_GetInfo(&info));
    slot = first_slot();
    assert_ok(p11->C_GetSlotInfo(slot, &slot_info));
    ck_assert(slot_info.flags & CKF_TOKEN_PRESENT);
    assert_ok(p11->C_GetTokenInfo(slot, &token_info));
    ck_assert(token_info.flags & CKF_TOKEN_INITIALIZED);
    ck_assert(token_info.flags & CKF_RNG);
    return slot;
}

static void find_one(CK_SESSION_HANDLE session)
{
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count = 0;

    assert_ok(p11->C_FindObjectsInit(session, LIST(YES(CKA_TOKEN))));
    assert_ok(p11->C_FindObjects(session, &object, 1, &count));
    ck_assert_uint_eq(count, 1);
    assert_ok(p11->C_FindObjectsFinal(session));
}

static void end(CK_SLOT_ID slot, CK_SESSION_HANDLE session)
{
    assert_ok(p11->C_CloseSession(session));
    assert_ok(p11->C_CloseAllSessions(slot));
    assert_ok(p11->C_Finalize(NULL));
}

START_TEST(bl_m_1_32_baseline_provider)
{
    CK_SLOT_ID slot = begin();
    CK_SESSION_HANDLE session = 0;

    assert_ok(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
    find_one(session);
    end(slot, session);
}
END_TEST

START_TEST(ext_m_1_32_extended_provider)
{
    const CK_MECHANISM_TYPE asked[] = {CKM_SHA512, CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS};
    const CK_FLAGS flags[] = {CKF_DIGEST, CKF_GENERATE_KEY_PAIR, CKF_SIGN | CKF_VERIFY};
    CK_SLOT_ID slot = begin();
    CK_SESSION_HANDLE session = 0;
    CK_MECHANISM_TYPE list[512];
    CK_MECHANISM_INFO info;
    CK_ULONG count = 0;

    assert_ok(p11->C_GetMechanismList(slot, NULL, &count));
    ck_assert_uint_le(count, COUNT(list));
    assert_ok(p11->C_GetMechanismList(slot, list, &count));
    for (size_t i = 0; i < COUNT(asked); i++) {
        assert_ok(p11->C_GetMechanismInfo(slot, asked[i], &info));
        ck_assert_uint_eq(info.flags & flags[i], flags[i]);
    }
    assert_ok(p11->C_OpenSession(slot, CKF_RW_SESSION | CKF_SERIAL_SESSION, NULL, NULL, &session));
    token_login(session, ALICE_PIN);
    find_one(session);
    assert_ok(p11->C_Logout(session));
    end(slot, session);
}
END_TEST

static CK_OBJECT_HANDLE find_key(CK_SESSION_HANDLE session, CK_OBJECT_CLASS *cls)
{
    CK_OBJECT_HANDLE object = 0;

    ck_assert_uint_eq(token_find(session,
                                 LIST(YES(CKA_TOKEN), TEXT(CKA_LABEL, "testrsa"),
                                      ATTR(CKA_CLASS, cls, sizeof(*cls))),
                                 &object, 1),
                      1);
    return object;
}

START_TEST(auth_m_1_32_authentication_token)
{
    CK_MECHANISM generate = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_MECHANISM sha256_rsa = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE made[2], key;
    CK_BYTE data[391] = {0x30}, signature[256], modulus[1024], exponent[1024];
    CK_ULONG len = sizeof(signature);
    CK_SLOT_ID slot;

    assert_ok(p11->C_GenerateKeyPair(
        session, &generate,
        LIST(YES(CKA_TOKEN), TEXT(CKA_LABEL, "testrsa"), ULONG(CKA_MODULUS_BITS, 2048)),
        LIST(YES(CKA_TOKEN), TEXT(CKA_LABEL, "testrsa")), &made[0], &made[1]));
    assert_ok(p11->C_Finalize(NULL));
    slot = begin();
    assert_ok(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
    token_login(session, ALICE_PIN);
    key = find_key(session, &cls_public);
    ck_assert_uint_eq(token_bytes(session, key, CKA_MODULUS, modulus, sizeof(modulus)), 256);
    ck_assert_uint_eq(token_bytes(session, key, CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent)),
                      3);
    assert_ok(p11->C_SignInit(session, &sha256_rsa, find_key(session, &cls_private)));
    assert_ok(p11->C_Sign(session, data, sizeof(data), signature, &len));
    ck_assert_uint_eq(len, 256);
    assert_ok(p11->C_VerifyInit(session, &sha256_rsa, key));
    assert_ok(p11->C_Verify(session, data, sizeof(data), signature, len));
    assert_ok(p11->C_Logout(session));
    end(slot, session);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(profiles_that_are_met_are_there_before_any_login),
        CASE(profile_is_found_by_its_number_and_one_that_is_not_met_is_not),
        CASE(profile_object_is_not_changed_copied_destroyed_or_used_as_a_key),
        CASE(bl_m_1_32_baseline_provider),
        CASE(ext_m_1_32_extended_provider),
        CASE(auth_m_1_32_authentication_token),
    };

    return token_suite("pkcs11/profiles", cases, COUNT(cases));
}
