/* Slots and tokens (PKCS#11 2.40, 5.5): a vault is a token, and what is shown of it is true. */
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MECHANISMS_MAX 512

static void assert_padded(const CK_UTF8CHAR *field, size_t size, const char *text)
{
    char want[65];

    (void)snprintf(want, sizeof(want), "%-*s", (int)size, text);
    ck_assert_msg(memcmp(field, want, size) == 0, "wanted \"%s\", got \"%.*s\"", want, (int)size,
                  (const char *)field);
}

/* ---- slots ---- */

START_TEST(slot_list_follows_the_length_protocol)
{
    CK_SLOT_ID slots[3] = {99, 99, 99};
    CK_ULONG count = 77;
    struct lab lab;

    lab_start(&lab);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_GetSlotList(CK_TRUE, slots, NULL));
    assert_ok(lab.f->C_GetSlotList(CK_TRUE, NULL, &count));
    ck_assert_uint_eq(count, 2);
    count = 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, lab.f->C_GetSlotList(CK_TRUE, slots, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(slots[0], 99);
    count = 3;
    assert_ok(lab.f->C_GetSlotList(CK_FALSE, slots, &count));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_ne(slots[0], slots[1]);
    ck_assert_uint_eq(slots[2], 99);
    lab_end(&lab);
}
END_TEST

START_TEST(slot_info_names_the_vault_and_its_token_is_there)
{
    CK_SLOT_INFO info;
    struct lab lab;

    lab_start(&lab);
    assert_ok(lab.f->C_GetSlotInfo(lab.slot, &info));
    assert_padded(info.slotDescription, 64, "keyward vault web");
    assert_padded(info.manufacturerID, 32, "keyward");
    ck_assert_uint_eq(info.flags, CKF_TOKEN_PRESENT);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_GetSlotInfo(lab.slot, NULL));
    assert_rv(CKR_SLOT_ID_INVALID, lab.f->C_GetSlotInfo(4711, &info));
    lab_end(&lab);
}
END_TEST

START_TEST(a_slot_keeps_its_number_when_others_come)
{
    CK_ULONG count = 0;
    CK_SLOT_ID mail;
    struct lab lab;

    lab_start(&lab);
    mail = lab_slot(&lab, "mail");
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"vault.create\",\"vault\":\"a-third\"}"));
    assert_ok(lab.f->C_GetSlotList(CK_TRUE, NULL, &count));
    ck_assert_uint_eq(count, 3);
    ck_assert_uint_eq(lab_slot(&lab, "web"), lab.slot);
    ck_assert_uint_eq(lab_slot(&lab, "mail"), mail);
    ck_assert_uint_ne(lab_slot(&lab, "a-third"), lab.slot);
    lab_end(&lab);
}
END_TEST

/* ---- two vaults are two tokens ---- */

START_TEST(two_vaults_are_two_tokens)
{
    CK_TOKEN_INFO web;
    CK_TOKEN_INFO mail;
    struct lab lab;

    lab_start(&lab);
    web = lab_token(&lab, lab.slot);
    mail = lab_token(&lab, lab_slot(&lab, "mail"));
    assert_padded(web.label, 32, "web");
    assert_padded(mail.label, 32, "mail");
    ck_assert_int_ne(memcmp(web.serialNumber, mail.serialNumber, 16), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_user_of_one_vault_sees_nothing_of_the_other)
{
    CK_SESSION_HANDLE here;
    CK_SESSION_HANDLE there;
    struct lab lab;

    lab_start(&lab);
    here = lab_alice(&lab);
    ck_assert_uint_ne(lab_find(&lab, here, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_eq(lab_find(&lab, here, CKO_PRIVATE_KEY, "dkim"), 0);
    assert_ok(lab.f->C_OpenSession(lab_slot(&lab, "mail"), CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                   NULL, NULL, &there));
    /* alice is no user of the other vault, and her PIN there is carol's. */
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, there, CKU_USER, "alice:" LAB_PIN));
    /* What is public is there before any login. */
    ck_assert_uint_eq(lab_count(&lab, there), 1);
    ck_assert_uint_ne(lab_find(&lab, there, CKO_PUBLIC_KEY, "dkim"), 0);
    ck_assert_uint_eq(lab_find(&lab, there, CKO_PUBLIC_KEY, "tls"), 0);
    assert_ok(lab_login(&lab, there, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(lab_find(&lab, there, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_ne(lab_find(&lab, there, CKO_PRIVATE_KEY, "dkim"), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_handle_of_one_vault_means_nothing_in_the_other)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;
    CK_SESSION_HANDLE here;
    CK_SESSION_HANDLE there;
    CK_OBJECT_HANDLE key;
    struct lab lab;

    lab_start(&lab);
    here = lab_alice(&lab);
    key = lab_find(&lab, here, CKO_PRIVATE_KEY, "tls");
    assert_ok(lab.f->C_OpenSession(lab_slot(&lab, "mail"), CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                   NULL, NULL, &there));
    assert_ok(lab_login(&lab, there, CKU_USER, LAB_PIN));
    assert_rv(CKR_KEY_HANDLE_INVALID, lab_sign(&lab, there, key, "x", 1, signature, &len));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, lab.f->C_DestroyObject(there, key));
    assert_ok(lab_sign(&lab, here, key, "x", 1, signature, &len));
    lab_end(&lab);
}
END_TEST

/* ---- token info ---- */

START_TEST(token_info_is_filled_in_every_field)
{
    CK_TOKEN_INFO info;
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_start(&lab);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_GetTokenInfo(lab.slot, NULL));
    assert_rv(CKR_SLOT_ID_INVALID, lab.f->C_GetTokenInfo(4711, &info));
    info = lab_token(&lab, lab.slot);
    assert_padded(info.manufacturerID, 32, "keyward");
    assert_padded(info.model, 16, "embedded");
    ck_assert_uint_eq(info.flags, CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_DUAL_CRYPTO_OPERATIONS |
                                      CKF_RESTORE_KEY_NOT_NEEDED | CKF_LOGIN_REQUIRED |
                                      CKF_USER_PIN_INITIALIZED);
    ck_assert_uint_eq(info.ulMinPinLen, 4);
    ck_assert_uint_eq(info.ulMaxPinLen, 255);
    ck_assert_uint_eq(info.ulMaxSessionCount, 65536);
    ck_assert_uint_eq(info.ulTotalPublicMemory, CK_UNAVAILABLE_INFORMATION);
    ck_assert_uint_eq(info.ulFreePrivateMemory, CK_UNAVAILABLE_INFORMATION);
    session = lab_session(&lab, CKF_RW_SESSION);
    (void)lab_session(&lab, 0);
    info = lab_token(&lab, lab.slot);
    ck_assert_uint_eq(info.ulSessionCount, 2);
    ck_assert_uint_eq(info.ulRwSessionCount, 1);
    assert_ok(lab.f->C_CloseSession(session));
    ck_assert_uint_eq(lab_token(&lab, lab.slot).ulRwSessionCount, 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_vault_without_users_has_no_user_pin)
{
    CK_TOKEN_INFO info;
    struct lab lab;

    lab_start(&lab);
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"vault.create\",\"vault\":\"empty\"}"));
    info = lab_token(&lab, lab_slot(&lab, "empty"));
    ck_assert_uint_eq(info.flags & CKF_USER_PIN_INITIALIZED, 0);
    lab_end(&lab);
}
END_TEST

#define NAMES_ROOT                                                                                 \
    "permit (principal == Unix::\"root\", action in Action::\"cryptoUser\", resource);"
#define NAMES_OTHER                                                                                \
    "permit (principal == Unix::\"nobody\", action in Action::\"cryptoUser\", resource);"
#define NAMES_ALL "permit (principal, action in Action::\"cryptoUser\", resource);"

/* Where the policy names the Unix caller, no PIN is needed; a permit for everybody names nobody. */
START_TEST(login_is_required_unless_the_policy_names_the_unix_caller)
{
    CK_SESSION_HANDLE session;
    struct lab lab;

    if (geteuid() != 0)
        return;
    lab_start(&lab);
    session = lab_session(&lab, 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_policy(&lab, NAMES_OTHER);
    ck_assert_uint_ne(lab_token(&lab, lab.slot).flags & CKF_LOGIN_REQUIRED, 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_policy(&lab, NAMES_ALL);
    ck_assert_uint_ne(lab_token(&lab, lab.slot).flags & CKF_LOGIN_REQUIRED, 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_policy(&lab, NAMES_ROOT);
    ck_assert_uint_eq(lab_token(&lab, lab.slot).flags & CKF_LOGIN_REQUIRED, 0);
    ck_assert_uint_ne(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_signs(&lab, session);
    lab_end(&lab);
}
END_TEST

/* ---- mechanisms ---- */

static const struct {
    CK_MECHANISM_TYPE type;
    CK_FLAGS flags; /* among others */
    CK_ULONG min, max;
} promised[] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, 2048, 4096},
    {CKM_RSA_PKCS, CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT, 2048, 4096},
    {CKM_SHA256_RSA_PKCS, CKF_SIGN | CKF_VERIFY, 2048, 4096},
    {CKM_SHA512_RSA_PKCS_PSS, CKF_SIGN | CKF_VERIFY, 2048, 4096},
    {CKM_RSA_PKCS_PSS, CKF_SIGN | CKF_VERIFY, 2048, 4096},
    {CKM_RSA_PKCS_OAEP, CKF_ENCRYPT | CKF_DECRYPT, 2048, 4096},
    {CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, 256, 521},
    {CKM_ECDSA, CKF_SIGN | CKF_VERIFY, 256, 521},
    {CKM_ECDSA_SHA256, CKF_SIGN | CKF_VERIFY, 256, 521},
    {CKM_ECDSA_SHA512, CKF_SIGN | CKF_VERIFY, 256, 521},
    {CKM_AES_KEY_GEN, CKF_GENERATE, 16, 32},
    {CKM_AES_ECB, CKF_ENCRYPT | CKF_DECRYPT, 16, 32},
    {CKM_AES_CBC, CKF_ENCRYPT | CKF_DECRYPT, 16, 32},
    {CKM_AES_CBC_PAD, CKF_ENCRYPT | CKF_DECRYPT, 16, 32},
    {CKM_AES_CTR, CKF_ENCRYPT | CKF_DECRYPT, 16, 32},
    {CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT, 16, 32},
    {CKM_SHA_1, CKF_DIGEST, 0, 0},
    {CKM_SHA256, CKF_DIGEST, 0, 0},
    {CKM_SHA512, CKF_DIGEST, 0, 0},
};

START_TEST(the_promised_mechanisms_are_listed_and_described)
{
    CK_MECHANISM_TYPE list[MECHANISMS_MAX];
    CK_ULONG count = MECHANISMS_MAX;
    CK_MECHANISM_INFO info;
    bool listed = false;
    struct lab lab;

    lab_start(&lab);
    assert_ok(lab.f->C_GetMechanismList(lab.slot, list, &count));
    for (CK_ULONG i = 0; i < count; i++)
        listed = listed || list[i] == promised[_i].type;
    ck_assert_msg(listed, "0x%lx is not listed", promised[_i].type);
    assert_ok(lab.f->C_GetMechanismInfo(lab.slot, promised[_i].type, &info));
    ck_assert_uint_eq(info.flags & promised[_i].flags, promised[_i].flags);
    ck_assert_uint_eq(info.ulMinKeySize, promised[_i].min);
    ck_assert_uint_eq(info.ulMaxKeySize, promised[_i].max);
    lab_end(&lab);
}
END_TEST

START_TEST(mechanism_list_follows_the_length_protocol)
{
    CK_MECHANISM_TYPE list[MECHANISMS_MAX];
    CK_MECHANISM_INFO info;
    CK_ULONG count = 0;
    CK_ULONG all;
    struct lab lab;

    lab_start(&lab);
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_GetMechanismList(lab.slot, list, NULL));
    assert_rv(CKR_SLOT_ID_INVALID, lab.f->C_GetMechanismList(4711, NULL, &count));
    assert_ok(lab.f->C_GetMechanismList(lab.slot, NULL, &count));
    all = count;
    ck_assert_uint_gt(all, 20);
    count = all - 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, lab.f->C_GetMechanismList(lab.slot, list, &count));
    ck_assert_uint_eq(count, all);
    assert_ok(lab.f->C_GetMechanismList(lab.slot, list, &count));
    for (CK_ULONG i = 0; i < count; i++)
        assert_ok(lab.f->C_GetMechanismInfo(lab.slot, list[i], &info));
    lab_end(&lab);
}
END_TEST

START_TEST(a_mechanism_that_is_not_listed_is_not_described)
{
    CK_MECHANISM_INFO info;
    struct lab lab;

    lab_start(&lab);
    assert_rv(CKR_MECHANISM_INVALID, lab.f->C_GetMechanismInfo(lab.slot, CKM_MD5, &info));
    assert_rv(CKR_MECHANISM_INVALID, lab.f->C_GetMechanismInfo(lab.slot, CKM_DES_ECB, &info));
    assert_rv(CKR_MECHANISM_INVALID, lab.f->C_GetMechanismInfo(lab.slot, 0xdeadbeef, &info));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_GetMechanismInfo(lab.slot, CKM_SHA256, NULL));
    assert_rv(CKR_SLOT_ID_INVALID, lab.f->C_GetMechanismInfo(4711, CKM_SHA256, &info));
    lab_end(&lab);
}
END_TEST

START_TEST(no_slot_event_ever_comes)
{
    CK_SLOT_ID slot;
    struct lab lab;

    lab_start(&lab);
    assert_rv(CKR_NO_EVENT, lab.f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, NULL));
    assert_rv(CKR_FUNCTION_NOT_SUPPORTED, lab.f->C_WaitForSlotEvent(0, &slot, NULL));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL));
    assert_rv(CKR_ARGUMENTS_BAD, lab.f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &slot));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(slot_list_follows_the_length_protocol),
        CASE(slot_info_names_the_vault_and_its_token_is_there),
        CASE(a_slot_keeps_its_number_when_others_come),
        CASE(two_vaults_are_two_tokens),
        CASE(a_user_of_one_vault_sees_nothing_of_the_other),
        CASE(a_handle_of_one_vault_means_nothing_in_the_other),
        CASE(token_info_is_filled_in_every_field),
        CASE(a_vault_without_users_has_no_user_pin),
        CASE(login_is_required_unless_the_policy_names_the_unix_caller),
        CASE_LOOP(the_promised_mechanisms_are_listed_and_described,
                  sizeof(promised) / sizeof(*promised)),
        CASE(mechanism_list_follows_the_length_protocol),
        CASE(a_mechanism_that_is_not_listed_is_not_described),
        CASE(no_slot_event_ever_comes),
    };

    return lab_suite_run("pkcs11/slots", cases, sizeof(cases) / sizeof(*cases));
}
