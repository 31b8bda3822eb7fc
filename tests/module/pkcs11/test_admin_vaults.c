/* Verbs about vaults and their users, and status: what they make, what they refuse, what is left
 * when they refuse. */
#include "tests/support/verbs.h"

#include <stdio.h>
#include <string.h>

/* ---- vault.create ---- */

START_TEST(a_vault_is_a_token_whose_user_has_its_data_plane)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    verb_ok(&lab, "dan-pin-1",
            "{\"verb\":\"vault.create\",\"vault\":\"box\",\"user\":\"dan\",\"pin\":0,"
            "\"retention\":\"30d\",\"purge-protection\":false}");
    ck_assert_str_eq(verb_text(&lab, "vault.default-user"), "dan");
    ck_assert_int_eq(lab_answer_number(&lab, "vault.retention"), 30 * 86400);
    lab.slot = lab_slot(&lab, "box");
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab_login(&lab, session, CKU_USER, "dan-pin-1"));
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"box\",\"name\":\"k\",\"type\":\"ec:P-256\"}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "applyPolicy", NULL,
                 "{\"verb\":\"policy.apply\",\"vault\":\"box\",\"text\":\"\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(a_vault_without_a_user_lets_nobody_use_keys)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.create\",\"vault\":\"bare\"}");
    ck_assert_str_eq(verb_text(&lab, "vault.default-user"), "");
    lab.slot = lab_slot(&lab, "bare");
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED,
              lab_login(&lab, lab_session(&lab, CKF_RW_SESSION), CKU_USER, "any-pin-1"));
    lab_end(&lab);
}
END_TEST

static const struct {
    const char *members;
    CK_RV rv;
    const char *words;
} bad_vaults[] = {
    {"\"vault\":\"\"", CKR_ARGUMENTS_BAD, "is no name for a vault"},
    {"\"vault\":\"-x\"", CKR_ARGUMENTS_BAD, "is no name for a vault"},
    {"\"vault\":\".x\"", CKR_ARGUMENTS_BAD, "is no name for a vault"},
    {"\"vault\":\"a/b\"", CKR_ARGUMENTS_BAD, "is no name for a vault"},
    {"\"vault\":\"a123456789b123456789c123456789d12\"", CKR_ARGUMENTS_BAD,
     "is no name for a vault"},
    {"\"vault\":\"web\"", CKR_ACTION_PROHIBITED, "web"},
    {"\"vault\":\"x\",\"protection\":\"paper\"", CKR_ARGUMENTS_BAD, "it is hsm or software"},
    {"\"vault\":\"x\",\"retention\":\"90\"", CKR_ARGUMENTS_BAD, "is no duration"},
    {"\"vault\":\"x\",\"retention\":\"0d\"", CKR_ARGUMENTS_BAD, "is no duration"},
    {"\"vault\":\"x\",\"retention\":\"-1d\"", CKR_ARGUMENTS_BAD, "is no duration"},
    {"\"vault\":\"x\",\"retention\":\"99999999999y\"", CKR_ARGUMENTS_BAD, "is no duration"},
    {"\"vault\":\"x\",\"user\":\"dan\"", CKR_ARGUMENTS_BAD, "go together"},
    {"\"vault\":\"x\",\"pin\":0", CKR_ARGUMENTS_BAD, "go together"},
    {"\"vault\":\"x\",\"user\":\"so\",\"pin\":0", CKR_ARGUMENTS_BAD, "is no name for a user"},
    {"\"vault\":\"x\",\"user\":\"a b\",\"pin\":0", CKR_ARGUMENTS_BAD, "is no name for a user"},
};

START_TEST(a_bad_vault_is_refused_and_not_made)
{
    struct lab lab;
    char request[512];

    lab_start(&lab);
    (void)snprintf(request, sizeof(request), "{\"verb\":\"vault.create\",%s}",
                   bad_vaults[_i].members);
    verb_refused(&lab, bad_vaults[_i].rv, bad_vaults[_i].words, "dan-pin-1", request);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.list\"}");
    ck_assert_uint_eq(verb_count(&lab, "vaults"), 2);
    lab_end(&lab);
}
END_TEST

static const struct {
    const char *pin;
    size_t len;
    CK_RV rv;
} bad_pins[] = {
    {"abc", 3, CKR_PIN_LEN_RANGE},
    {"", 0, CKR_PIN_LEN_RANGE},
    {"pin\0more", 8, CKR_PIN_INVALID},
};

static void forget(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len)
{
    (void)ctx;
    ck_assert_uint_gt(len, 0);
    ck_assert_ptr_nonnull(json);
}

static CK_RV call_with(struct lab *lab, const char *request, const char *pin, size_t len)
{
    struct keyward_secret secret = {.data = (const CK_BYTE *)pin, .len = len};

    return lab->admin->call((const CK_UTF8CHAR *)request, strlen(request), &secret, 1, forget, lab);
}

START_TEST(a_bad_pin_makes_neither_vault_nor_user)
{
    static char long_pin[300];
    const char *pin = _i < 3 ? bad_pins[_i].pin : long_pin;
    size_t len = _i < 3 ? bad_pins[_i].len : 256;
    CK_RV rv = _i < 3 ? bad_pins[_i].rv : CKR_PIN_LEN_RANGE;
    struct lab lab;

    memset(long_pin, 'x', sizeof(long_pin));
    lab_start(&lab);
    assert_rv(rv,
              call_with(&lab,
                        "{\"verb\":\"vault.create\",\"vault\":\"x\",\"user\":\"dan\",\"pin\":0}",
                        pin, len));
    assert_rv(rv, call_with(&lab,
                            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dan\",\"pin\":0}",
                            pin, len));
    assert_rv(rv, call_with(&lab,
                            "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":0}",
                            pin, len));
    verb_ok(&lab, NULL, "{\"verb\":\"vault.list\"}");
    ck_assert_uint_eq(verb_count(&lab, "vaults"), 2);
    ck_assert(!verb_has_user(&lab, "web", "dan"));
    lab_end(&lab);
}
END_TEST

START_TEST(vaults_are_listed_and_shown_with_their_counts)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.list\"}");
    ck_assert_str_eq(verb_text(&lab, "vaults.0.name"), "web");
    ck_assert_str_eq(verb_text(&lab, "vaults.1.name"), "mail");
    verb_ok(&lab, NULL, "{\"verb\":\"vault.show\",\"vault\":\"web\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "users"), 3);
    ck_assert_int_eq(lab_answer_number(&lab, "objects"), 5);
    ck_assert_str_eq(verb_text(&lab, "vault.protection"), "hsm");
    lab_end(&lab);
}
END_TEST

/* ---- users ---- */

START_TEST(an_added_user_logs_in_and_has_the_roles_given)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    verb_ok(&lab, "dave-pin-1",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0,"
            "\"roles\":[\"reader\",\"cryptoOfficer\"]}");
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab_login(&lab, session, CKU_USER, "dave:dave-pin-1"));
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"d\",\"type\":\"aes:128\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(an_added_user_without_roles_sees_no_key)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    verb_ok(&lab, "dave-pin-1",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0}");
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab_login(&lab, session, CKU_USER, "dave:dave-pin-1"));
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "User::\"dave\" may not list", NULL,
                 "{\"verb\":\"key.list\",\"vault\":\"web\"}");
    lab_end(&lab);
}
END_TEST

static const struct {
    const char *members;
    CK_RV rv;
    const char *words;
} bad_users[] = {
    {"\"user\":\"\"", CKR_ARGUMENTS_BAD, "is no name for a user"},
    {"\"user\":\"a:b\"", CKR_ARGUMENTS_BAD, "is no name for a user"},
    {"\"user\":\"a\\\"b\"", CKR_ARGUMENTS_BAD, "is no name for a user"},
    {"\"user\":\"alice\"", CKR_ACTION_PROHIBITED, "alice"},
    {"\"user\":\"dave\",\"roles\":[\"king\"]", CKR_ARGUMENTS_BAD, "there is no role \"king\""},
    {"\"user\":\"dave\",\"roles\":[\"sign\"]", CKR_ARGUMENTS_BAD, "there is no role \"sign\""},
    {"\"user\":\"so\",\"roles\":[\"reader\"]", CKR_ARGUMENTS_BAD, "takes no roles"},
};

START_TEST(a_bad_user_is_refused_and_the_policy_stays)
{
    struct lab lab;
    char request[512];
    char before[4096];

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    (void)snprintf(before, sizeof(before), "%s", verb_text(&lab, "text"));
    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"user.add\",\"vault\":\"web\",\"pin\":0,%s}", bad_users[_i].members);
    verb_refused(&lab, bad_users[_i].rv, bad_users[_i].words, "dave-pin-1", request);
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    ck_assert_str_eq(verb_text(&lab, "text"), before);
    ck_assert(!verb_has_user(&lab, "web", "dave"));
    lab_end(&lab);
}
END_TEST

START_TEST(a_role_given_twice_stands_in_the_policy_once)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, "dave-pin-1",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0,"
            "\"roles\":[\"reader\",\"reader\"]}");
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    ck_assert_ptr_nonnull(strstr(verb_text(&lab, "text"), "dave-reader"));
    ck_assert_ptr_null(strstr(strstr(verb_text(&lab, "text"), "dave-reader") + 1, "dave-reader"));
    lab_end(&lab);
}
END_TEST

START_TEST(a_later_user_of_a_removed_name_inherits_nothing)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"bob\"}");
    ck_assert(strstr(lab.answer, "\"named-in-policy\":false") != NULL);
    ck_assert(!verb_has_user(&lab, "web", "bob"));
    verb_ok(&lab, "bob-pin-99",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":0}");
    assert_ok(lab_login(&lab, lab_session(&lab, CKF_RW_SESSION), CKU_USER, "bob:bob-pin-99"));
    verb_refused(&lab, CKR_OBJECT_HANDLE_INVALID, "you may see", NULL,
                 "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(removing_a_user_the_administrator_wrote_rules_for_says_so)
{
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, "permit (principal == User::\"bob\", action == Action::\"sign\", resource);");
    verb_ok(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"bob\"}");
    ck_assert(strstr(lab.answer, "\"named-in-policy\":true") != NULL);
    lab_end(&lab);
}
END_TEST

START_TEST(removing_the_default_user_leaves_the_others)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"alice\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"vault.show\",\"vault\":\"web\"}");
    ck_assert_str_eq(verb_text(&lab, "vault.default-user"), "");
    assert_rv(CKR_USER_PIN_NOT_INITIALIZED,
              lab_login(&lab, lab_session(&lab, CKF_RW_SESSION), CKU_USER, LAB_PIN));
    assert_ok(lab_login(&lab, lab_session(&lab, CKF_RW_SESSION), CKU_USER, "bob:" LAB_BOB_PIN));
    lab_end(&lab);
}
END_TEST

static const char *const of_a_user[] = {
    "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"nemo\",\"pin\":0}",
    "{\"verb\":\"user.unlock\",\"vault\":\"web\",\"user\":\"nemo\"}",
    "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"nemo\"}",
};

START_TEST(a_user_who_is_not_there_is_named)
{
    struct lab lab;

    lab_start(&lab);
    verb_refused(&lab, CKR_USER_PIN_NOT_INITIALIZED, "vault web has no user nemo", "new-pin-1",
                 of_a_user[_i]);
    lab_end(&lab);
}
END_TEST

START_TEST(a_locked_user_is_shown_locked_and_unlocked)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    for (int i = 0; i < 10; i++)
        assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, "wrong-pin"));
    assert_rv(CKR_PIN_LOCKED, lab_login(&lab, session, CKU_USER, LAB_PIN));
    verb_ok(&lab, NULL, "{\"verb\":\"user.list\",\"vault\":\"web\"}");
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"failures\":10,\"locked\":true"));
    verb_ok(&lab, NULL, "{\"verb\":\"user.unlock\",\"vault\":\"web\",\"user\":\"alice\"}");
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    lab_end(&lab);
}
END_TEST

START_TEST(a_new_pin_replaces_the_old_one)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    verb_ok(&lab, "brand-new-1",
            "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}");
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_PIN_INCORRECT, lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_ok(lab_login(&lab, session, CKU_USER, "brand-new-1"));
    lab_end(&lab);
}
END_TEST

/* ---- status ---- */

START_TEST(status_tells_of_home_hsm_log_and_every_vault)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"status\",\"check\":true}");
    ck_assert_str_eq(verb_text(&lab, "home"), lab.home);
    ck_assert_int_gt(lab_answer_number(&lab, "generation"), 0);
    ck_assert_int_gt(lab_answer_number(&lab, "hsm.worker"), 0);
    ck_assert_str_eq(verb_text(&lab, "hsm.token"), "keyward");
    ck_assert_int_gt(lab_answer_number(&lab, "log.size"), 0);
    ck_assert_str_eq(verb_text(&lab, "log.last-error"), "");
    ck_assert_int_gt(lab_answer_number(&lab, "records-checked"), 0);
    ck_assert_str_eq(verb_text(&lab, "vaults.1.name"), "mail");
    ck_assert_ptr_null(strstr(lab.answer, "\"policy-ok\":false"));
    lab_end(&lab);
}
END_TEST

START_TEST(no_answer_and_no_record_holds_a_pin)
{
    struct lab lab;
    const char *const argv[] = {"grep", "-rqa", "pin-never-seen", lab.root, NULL};

    lab_start(&lab);
    verb_ok(&lab, "pin-never-seen",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0}");
    ck_assert_ptr_null(strstr(lab.answer, "pin-never-seen"));
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\"}");
    ck_assert_ptr_null(strstr(lab.answer, "pin-never-seen"));
    ck_assert_int_eq(lab_program(argv), 1);
    lab_end(&lab);
}
END_TEST

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

/* ---- vault.update ---- */

static void is_legacy(void *ctx, json_t *record)
{
    unsigned *seen = ctx;

    if (strcmp(lab_member(record, "function"), "vault.update") == 0)
        *seen += strstr(lab_member(record, "reason"), "will offer legacy mechanisms") != NULL;
}

START_TEST(an_update_changes_what_it_names_and_the_log_tells_when_that_is_legacy)
{
    struct lab lab;
    unsigned seen = 0;

    lab_start(&lab);
    verb_refused(&lab, CKR_ARGUMENTS_BAD, "nothing is to be changed", NULL,
                 "{\"verb\":\"vault.update\",\"vault\":\"web\"}");
    verb_refused(&lab, CKR_ARGUMENTS_BAD, "unknown member \"retention\"", NULL,
                 "{\"verb\":\"vault.update\",\"vault\":\"web\",\"retention\":\"1d\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"vault.show\",\"vault\":\"web\"}");
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"legacy\":false"));
    verb_ok(&lab, NULL,
            "{\"verb\":\"vault.update\",\"vault\":\"web\",\"protection\":\"software\"}");
    lab_log_each(&lab, 0, is_legacy, &seen);
    ck_assert_uint_eq(seen, 0);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.update\",\"vault\":\"web\",\"legacy\":true}");
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"legacy\":true"));
    ck_assert_str_eq(verb_text(&lab, "vault.protection"), "software");
    lab_log_each(&lab, 0, is_legacy, &seen);
    ck_assert_uint_eq(seen, 1);
    verb_ok(&lab, NULL, "{\"verb\":\"vault.show\",\"vault\":\"mail\"}");
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"legacy\":false"));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_vault_is_a_token_whose_user_has_its_data_plane),
        CASE(a_vault_without_a_user_lets_nobody_use_keys),
        CASE_LOOP(a_bad_vault_is_refused_and_not_made, LENGTH(bad_vaults)),
        CASE_LOOP(a_bad_pin_makes_neither_vault_nor_user, LENGTH(bad_pins) + 1),
        CASE(vaults_are_listed_and_shown_with_their_counts),
        CASE(an_added_user_logs_in_and_has_the_roles_given),
        CASE(an_added_user_without_roles_sees_no_key),
        CASE_LOOP(a_bad_user_is_refused_and_the_policy_stays, LENGTH(bad_users)),
        CASE(a_role_given_twice_stands_in_the_policy_once),
        CASE(a_later_user_of_a_removed_name_inherits_nothing),
        CASE(removing_a_user_the_administrator_wrote_rules_for_says_so),
        CASE(removing_the_default_user_leaves_the_others),
        CASE_LOOP(a_user_who_is_not_there_is_named, LENGTH(of_a_user)),
        CASE_SLOW(a_locked_user_is_shown_locked_and_unlocked, 60),
        CASE(a_new_pin_replaces_the_old_one),
        CASE(status_tells_of_home_hsm_log_and_every_vault),
        CASE(an_update_changes_what_it_names_and_the_log_tells_when_that_is_legacy),
        CASE(no_answer_and_no_record_holds_a_pin),
    };

    return lab_suite_run("pkcs11/admin_vaults", cases, sizeof(cases) / sizeof(*cases));
}
