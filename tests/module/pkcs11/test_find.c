/* Searching through the module: what is found, what is hidden, whose objects are whose. */
#include "tests/module/pkcs11/token.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static CK_OBJECT_CLASS cls_secret = CKO_SECRET_KEY, cls_data = CKO_DATA;

#define NUMBER(type, n) ATTR(type, &(n), sizeof(n))

static CK_ULONG count_label(CK_SESSION_HANDLE session, const char *label)
{
    char text[64];
    CK_OBJECT_HANDLE handles[64];
    CK_ATTRIBUTE attr = {CKA_LABEL, text, strlen(label)};

    (void)snprintf(text, sizeof(text), "%s", label);
    return token_find(session, &attr, 1, handles, COUNT(handles));
}

/* ---- the calls ---- */

START_TEST(one_search_at_a_time_in_a_session)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_SESSION_HANDLE other = token_open("web", false);
    CK_OBJECT_HANDLE handle;
    CK_ULONG n = 9;

    assert_rv(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjects(session, &handle, 1, &n));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, p11->C_FindObjectsFinal(session));
    assert_ok(p11->C_FindObjectsInit(session, NULL, 0));
    assert_rv(CKR_OPERATION_ACTIVE, p11->C_FindObjectsInit(session, NULL, 0));
    assert_ok(p11->C_FindObjectsInit(other, NULL, 0));
    assert_ok(p11->C_FindObjectsFinal(other));
    assert_ok(p11->C_FindObjectsFinal(session));
    assert_ok(p11->C_FindObjectsInit(session, NULL, 0));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(results_are_given_in_portions)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE made[5], got[5];
    CK_ULONG n = 0;

    for (int i = 0; i < 5; i++)
        made[i] = token_aes(session, "portion", i % 2 == 0);
    assert_ok(p11->C_FindObjectsInit(session, LIST(TEXT(CKA_LABEL, "portion"))));
    assert_ok(p11->C_FindObjects(session, NULL, 0, &n));
    ck_assert_uint_eq(n, 0);
    assert_ok(p11->C_FindObjects(session, got, 2, &n));
    ck_assert_uint_eq(n, 2);
    assert_ok(p11->C_FindObjects(session, got + 2, 9, &n));
    ck_assert_uint_eq(n, 3);
    assert_ok(p11->C_FindObjects(session, got, 2, &n));
    ck_assert_uint_eq(n, 0);
    assert_ok(p11->C_FindObjectsFinal(session));
    for (int i = 0; i < 5; i++) {
        bool found = false;

        for (int k = 0; k < 5; k++)
            found = found || got[k] == made[i];
        ck_assert(found);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(null_pointers_and_absurd_templates_are_refused_and_end_nothing)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_ATTRIBUTE null_value = {CKA_LABEL, NULL, 5};
    char text[] = "x";
    CK_ATTRIBUTE long_value = {CKA_LABEL, text, (CK_ULONG)-1};
    CK_OBJECT_HANDLE handle;
    CK_ULONG n;

    assert_rv(CKR_ARGUMENTS_BAD, p11->C_FindObjectsInit(session, NULL, 1));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_FindObjectsInit(session, NULL, (CK_ULONG)-1));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_FindObjectsInit(session, &null_value, (CK_ULONG)-1));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_FindObjectsInit(session, &null_value, 1));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_FindObjectsInit(session, &long_value, 1));
    assert_ok(p11->C_FindObjectsInit(session, NULL, 0));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_FindObjects(session, NULL, 1, &n));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_FindObjects(session, &handle, 1, NULL));
    assert_ok(p11->C_FindObjects(session, &handle, 1, &n));
    assert_ok(p11->C_FindObjectsFinal(session));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- what matches ---- */

START_TEST(objects_are_found_by_every_attribute_and_by_those_of_the_vault)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "many", true), found = 0;
    uint8_t unique[32];
    CK_ULONG version = 1, wrong = 2, length = 32;
    char hsm[] = "hsm", label[] = "many";

    (void)token_bytes(session, object, CKA_UNIQUE_ID, unique, sizeof(unique));
    ck_assert_uint_eq(token_find(session, LIST(ATTR(CKA_UNIQUE_ID, unique, 32)), &found, 1), 1);
    ck_assert_uint_eq(found, object);
    ck_assert_uint_eq(token_find(session,
                                 LIST(ATTR(CKA_LABEL, label, 4), NUMBER(CKA_CLASS, cls_secret),
                                      NUMBER(CKA_KEYWARD_VERSION, version), YES(CKA_TOKEN),
                                      ATTR(CKA_KEYWARD_PROTECTION, hsm, 3),
                                      NUMBER(CKA_VALUE_LEN, length), YES(CKA_ENCRYPT)),
                                 &found, 1),
                      1);
    ck_assert_uint_eq(
        token_find(session, LIST(ATTR(CKA_LABEL, label, 4), NUMBER(CKA_KEYWARD_VERSION, wrong)),
                   &found, 1),
        0);
    ck_assert_uint_eq(
        token_find(session, LIST(ATTR(CKA_LABEL, label, 4), NO(CKA_TOKEN)), &found, 1), 0);
    ck_assert_uint_eq(token_find(session, LIST(ATTR(0x7ffffffeUL, label, 4)), &found, 1), 0);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(empty_label_is_searched_for_too)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = 0, found = 0;

    assert_ok(p11->C_CreateObject(
        session, LIST(NUMBER(CKA_CLASS, cls_data), TEXT(CKA_APPLICATION, "nameless")), &object));
    ck_assert_uint_eq(token_find(session,
                                 LIST(ATTR(CKA_LABEL, NULL, 0), TEXT(CKA_APPLICATION, "nameless")),
                                 &found, 1),
                      1);
    ck_assert_uint_eq(found, object);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(value_of_data_is_no_search_term)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = 0;

    assert_ok(p11->C_CreateObject(
        session,
        LIST(NUMBER(CKA_CLASS, cls_data), TEXT(CKA_LABEL, "guess"), TEXT(CKA_VALUE, "secret")),
        &object));
    ck_assert_uint_eq(
        token_find(session, LIST(TEXT(CKA_LABEL, "guess"), TEXT(CKA_VALUE, "secret")), &object, 1),
        0);
    ck_assert_uint_eq(count_label(session, "guess"), 1);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- who sees what ---- */

START_TEST(session_objects_are_seen_by_all_sessions_and_end_with_theirs)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_SESSION_HANDLE other = token_open("web", false);
    CK_OBJECT_HANDLE object = token_aes(session, "fleeting", false);
    CK_ATTRIBUTE attr = {CKA_LABEL, NULL, 0};

    ck_assert_uint_eq(count_label(other, "fleeting"), 1);
    assert_ok(p11->C_CloseSession(session));
    ck_assert_uint_eq(count_label(other, "fleeting"), 0);
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(other, object, &attr, 1));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(two_vaults_see_nothing_of_each_other)
{
    CK_SESSION_HANDLE web = token_alice();
    CK_SESSION_HANDLE other = token_open("other", true);
    CK_OBJECT_HANDLE object = token_aes(web, "only-web", true);
    CK_OBJECT_HANDLE fleeting = token_aes(web, "only-web", false);
    CK_ATTRIBUTE attr = {CKA_LABEL, NULL, 0};

    token_login(other, ALICE_PIN);
    ck_assert_uint_eq(count_label(web, "only-web"), 2);
    ck_assert_uint_eq(count_label(other, "only-web"), 0);
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(other, object, &attr, 1));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(other, fleeting, &attr, 1));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(other, object));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(other, fleeting));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

#define POLICY(text)                                                                               \
    "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"permit(principal == "                 \
    "User::\\\"alice\\\", action in Action::\\\"dataPlane\\\", resource in "                       \
    "Vault::\\\"web\\\");" text "\"}"

/* One whose handle outlives a logout. */
static CK_OBJECT_HANDLE public_aes(CK_SESSION_HANDLE session, const char *label)
{
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;
    CK_ULONG len = 32;
    char text[64];

    (void)snprintf(text, sizeof(text), "%s", label);
    assert_ok(p11->C_GenerateKey(session, &mechanism,
                                 LIST(NUMBER(CKA_VALUE_LEN, len), YES(CKA_TOKEN), NO(CKA_PRIVATE),
                                      ATTR(CKA_LABEL, text, strlen(text))),
                                 &key));
    return key;
}

START_TEST(what_the_policy_hides_is_not_there)
{
    CK_SESSION_HANDLE session = token_alice_under(
        POLICY("permit(principal == User::\\\"bob\\\", action, resource in "
               "Vault::\\\"web\\\") unless {resource has name && resource.name like "
               "\\\"hide-*\\\"};"));
    CK_OBJECT_HANDLE shown, hidden;
    CK_ULONG size;
    CK_ATTRIBUTE attr = {CKA_LABEL, NULL, 0};

    shown = public_aes(session, "show-1");
    hidden = public_aes(session, "hide-1");
    ck_assert_uint_eq(count_label(session, "hide-1"), 1);
    assert_ok(p11->C_Logout(session));
    token_login(session, "bob:" BOB_PIN);
    ck_assert_uint_eq(count_label(session, "show-1"), 1);
    ck_assert_uint_eq(count_label(session, "hide-1"), 0);
    assert_ok(p11->C_GetAttributeValue(session, shown, &attr, 1));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(session, hidden, &attr, 1));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetObjectSize(session, hidden, &size));
    assert_rv(CKR_OBJECT_HANDLE_INVALID,
              p11->C_SetAttributeValue(session, hidden, LIST(TEXT(CKA_LABEL, "show-2"))));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(session, hidden));
    /* nor may what is shown be renamed to what is hidden */
    assert_rv(CKR_OBJECT_HANDLE_INVALID,
              p11->C_SetAttributeValue(session, shown, LIST(TEXT(CKA_LABEL, "hide-2"))));
    assert_ok(p11->C_SetAttributeValue(session, shown, LIST(TEXT(CKA_LABEL, "show-2"))));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(public_half_may_not_take_a_name_the_policy_refuses)
{
    static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_SESSION_HANDLE session = token_alice_under(
        POLICY("permit(principal == User::\\\"bob\\\", action, resource in "
               "Vault::\\\"web\\\") unless {resource has name && resource.name like "
               "\\\"hide-*\\\"};"));
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE a, b;

    assert_ok(p11->C_Logout(session));
    token_login(session, "bob:" BOB_PIN);
    ck_assert_uint_ne(p11->C_GenerateKeyPair(
                          session, &ec,
                          LIST(ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), TEXT(CKA_LABEL, "hide-me")),
                          LIST(TEXT(CKA_LABEL, "show-me")), &a, &b),
                      CKR_OK);
    assert_ok(p11->C_GenerateKeyPair(
        session, &ec, LIST(ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), TEXT(CKA_LABEL, "show-me")),
        LIST(TEXT(CKA_LABEL, "show-me")), &a, &b));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(value_of_data_needs_the_right_to_read_secrets)
{
    CK_SESSION_HANDLE session =
        token_alice_under(POLICY("permit(principal == User::\\\"bob\\\", action in "
                                 "Action::\\\"reader\\\", resource in Vault::\\\"web\\\");"));
    CK_OBJECT_HANDLE object = 0;
    uint8_t value[16], label[16];
    CK_ATTRIBUTE both[] = {{CKA_VALUE, value, sizeof(value)}, {CKA_LABEL, label, sizeof(label)}};
    CK_ATTRIBUTE length = {CKA_VALUE, NULL, 0};

    assert_ok(p11->C_CreateObject(session,
                                  LIST(NUMBER(CKA_CLASS, cls_data), YES(CKA_TOKEN),
                                       TEXT(CKA_LABEL, "pw"), TEXT(CKA_VALUE, "hunter2")),
                                  &object));
    assert_ok(p11->C_GetAttributeValue(session, object, both, 2));
    ck_assert_uint_eq(both[0].ulValueLen, 7);
    assert_ok(p11->C_Logout(session));
    token_login(session, "bob:" BOB_PIN);
    object = token_one(session, "pw", CKO_DATA);
    memset(value, 0, sizeof(value));
    both[0].ulValueLen = sizeof(value);
    both[1].ulValueLen = sizeof(label);
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, p11->C_GetAttributeValue(session, object, both, 2));
    ck_assert_uint_eq(both[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_uint_eq(value[0], 0);
    ck_assert_uint_eq(both[1].ulValueLen, 2);
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, p11->C_GetAttributeValue(session, object, &length, 1));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(private_objects_wait_for_a_login)
{
    CK_SESSION_HANDLE session = token_alice_under(POLICY(""));
    CK_MECHANISM aes = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE object = token_aes(session, "after-login", true), key = 0;
    CK_ATTRIBUTE attr = {CKA_LABEL, NULL, 0};
    CK_ULONG len = 32;

    assert_ok(p11->C_Logout(session));
    ck_assert_uint_eq(count_label(session, "after-login"), 0);
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(session, object, &attr, 1));
    assert_rv(CKR_USER_NOT_LOGGED_IN,
              p11->C_GenerateKey(session, &aes, LIST(NUMBER(CKA_VALUE_LEN, len)), &key));
    assert_rv(CKR_USER_NOT_LOGGED_IN,
              p11->C_CreateObject(session, LIST(NUMBER(CKA_CLASS, cls_data)), &key));
    token_login(session, ALICE_PIN);
    ck_assert_uint_eq(count_label(session, "after-login"), 1);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- again and again ---- */

static void expect_each_time(CK_SESSION_HANDLE session, const char *label, CK_ULONG count)
{
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(count_label(session, label), count);
}

static void in_another_process(void (*act)(void))
{
    pid_t pid = fork();
    int status = -1;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        act();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void make_another(void)
{
    (void)token_aes(token_alice(), "again", true);
    assert_ok(p11->C_Finalize(NULL));
}

static void hide_them(void)
{
    token_start();
    token_admin(POLICY("forbid(principal, action, resource) when {resource has name && "
                       "resource.name == \\\"again\\\"};"));
    assert_ok(p11->C_Finalize(NULL));
}

static void show_them(void)
{
    token_start();
    token_admin(POLICY(""));
    assert_ok(p11->C_Finalize(NULL));
}

/* Handles of private objects end with a login. */
static CK_OBJECT_HANDLE any_labelled(CK_SESSION_HANDLE session, const char *label)
{
    CK_OBJECT_HANDLE handles[4];
    char text[16];

    (void)snprintf(text, sizeof(text), "%s", label);
    ck_assert_uint_ge(
        token_find(session, LIST(ATTR(CKA_LABEL, text, strlen(text))), handles, COUNT(handles)), 1);
    return handles[0];
}

START_TEST(a_label_looked_for_again_and_again_is_answered_as_things_are_then)
{
    CK_SESSION_HANDLE session = token_alice_under(POLICY(""));
    CK_OBJECT_HANDLE first;

    expect_each_time(session, "again", 0);
    (void)token_aes(session, "again", true);
    expect_each_time(session, "again", 1);
    in_another_process(make_another);
    expect_each_time(session, "again", 2);
    assert_ok(p11->C_Logout(session));
    expect_each_time(session, "again", 0);
    token_login(session, ALICE_PIN);
    expect_each_time(session, "again", 2);
    in_another_process(hide_them);
    expect_each_time(session, "again", 0);
    in_another_process(show_them);
    expect_each_time(session, "again", 2);
    first = any_labelled(session, "again");
    assert_ok(p11->C_DestroyObject(session, first));
    expect_each_time(session, "again", 1);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- many at once ---- */

#define PROCESSES 8
#define EACH      4

/* In a child: makes keys of its own name and finds each of them at once. */
static void make_and_find(int number)
{
    CK_SESSION_HANDLE session = token_alice();
    char name[32];

    (void)snprintf(name, sizeof(name), "process-%d", number);
    for (CK_ULONG i = 0; i < EACH; i++) {
        (void)token_aes(session, name, true);
        ck_assert_uint_eq(count_label(session, name), i + 1);
        (void)token_aes(session, "shared", true);
        ck_assert_uint_ge(count_label(session, "shared"), i + 1);
    }
    assert_ok(p11->C_Finalize(NULL));
}

/* Each version of a name is one object, however many processes made them. */
static void expect_versions(CK_SESSION_HANDLE session, const char *label, CK_ULONG count)
{
    CK_OBJECT_HANDLE handles[64];
    bool seen[65] = {false};
    char text[64];
    CK_ATTRIBUTE attr = {CKA_LABEL, text, strlen(label)};

    (void)snprintf(text, sizeof(text), "%s", label);
    ck_assert_uint_eq(token_find(session, &attr, 1, handles, COUNT(handles)), count);
    for (CK_ULONG i = 0; i < count; i++) {
        CK_ULONG version = token_ulong(session, handles[i], CKA_KEYWARD_VERSION);

        ck_assert_uint_ge(version, 1);
        ck_assert_uint_le(version, count);
        ck_assert_msg(!seen[version], "version %lu is there twice", version);
        seen[version] = true;
    }
}

START_TEST(eight_processes_make_and_find_at_once)
{
    CK_SESSION_HANDLE session;
    pid_t pids[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0) {
            make_and_find(i);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;

        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "process %d: 0x%x", i, status);
    }
    session = token_alice();
    expect_versions(session, "shared", PROCESSES * EACH);
    for (int i = 0; i < PROCESSES; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "process-%d", i);
        ck_assert_uint_eq(count_label(session, name), EACH);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(one_search_at_a_time_in_a_session),
        CASE(results_are_given_in_portions),
        CASE(null_pointers_and_absurd_templates_are_refused_and_end_nothing),
        CASE(objects_are_found_by_every_attribute_and_by_those_of_the_vault),
        CASE(empty_label_is_searched_for_too),
        CASE(value_of_data_is_no_search_term),
        CASE(session_objects_are_seen_by_all_sessions_and_end_with_theirs),
        CASE(two_vaults_see_nothing_of_each_other),
        CASE(what_the_policy_hides_is_not_there),
        CASE(public_half_may_not_take_a_name_the_policy_refuses),
        CASE(value_of_data_needs_the_right_to_read_secrets),
        CASE(private_objects_wait_for_a_login),
        CASE(a_label_looked_for_again_and_again_is_answered_as_things_are_then),
        CASE_SLOW(eight_processes_make_and_find_at_once, 300),
    };

    return token_suite("pkcs11/find", cases, COUNT(cases));
}
