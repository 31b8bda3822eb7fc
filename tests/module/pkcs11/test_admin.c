/*
 * The administrative verbs as a whole: each is done for whoever administers and refused to another
 * Unix user, each stands in the log either way, and what is no request is refused by name.
 */
#include "tests/support/verbs.h"

#include <stdio.h>
#include <string.h>

/* One request a verb; nobody's refusal: the code and words of it. */
static const struct verb {
    const char *name, *request, *secret;
    CK_RV refused;
    const char *words;
} verbs[] = {
    {"status", "{\"verb\":\"status\",\"check\":true}", NULL, CKR_ACTION_PROHIBITED, "readStatus"},
    {"vault.create", "{\"verb\":\"vault.create\",\"vault\":\"new\"}", NULL, CKR_FUNCTION_REJECTED,
     "createVault"},
    {"vault.list", "{\"verb\":\"vault.list\"}", NULL, CKR_ACTION_PROHIBITED, "listVault"},
    {"vault.show", "{\"verb\":\"vault.show\",\"vault\":\"web\"}", NULL, CKR_ACTION_PROHIBITED,
     "listVault web"},
    {"vault.update", "{\"verb\":\"vault.update\",\"vault\":\"web\",\"legacy\":true}", NULL,
     CKR_ACTION_PROHIBITED, "updateVault web"},
    {"user.add", "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0}",
     "dave-pin-1", CKR_ACTION_PROHIBITED, "addUser web"},
    {"user.list", "{\"verb\":\"user.list\",\"vault\":\"web\"}", NULL, CKR_ACTION_PROHIBITED,
     "listUser web"},
    {"user.pin", "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":0}",
     "bob-pin-23", CKR_ACTION_PROHIBITED, "setPin web"},
    {"user.unlock", "{\"verb\":\"user.unlock\",\"vault\":\"web\",\"user\":\"bob\"}", NULL,
     CKR_ACTION_PROHIBITED, "unlockUser web"},
    {"user.remove", "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"bob\"}", NULL,
     CKR_ACTION_PROHIBITED, "removeUser web"},
    {"key.create",
     "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"new\",\"type\":\"ec:P-256\"}", NULL,
     CKR_ACTION_PROHIBITED, "create web/new"},
    {"key.list", "{\"verb\":\"key.list\",\"vault\":\"web\"}", NULL, CKR_OBJECT_HANDLE_INVALID,
     "list web"},
    {"key.show", "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\"}", NULL,
     CKR_OBJECT_HANDLE_INVALID, "no key tls that you may see"},
    {"key.public", "{\"verb\":\"key.public\",\"vault\":\"web\",\"name\":\"tls\"}", NULL,
     CKR_OBJECT_HANDLE_INVALID, "no key tls that you may see"},
    {"key.delete", "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}", NULL,
     CKR_OBJECT_HANDLE_INVALID, "no key tls that you may see"},
    {"approve.list", "{\"verb\":\"approve.list\",\"vault\":\"web\"}", NULL,
     CKR_OBJECT_HANDLE_INVALID, "list web"},
    {"policy.check", "{\"verb\":\"policy.check\",\"text\":\"\"}", NULL, CKR_ACTION_PROHIBITED,
     "readPolicy"},
    {"policy.apply", "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"\"}", NULL,
     CKR_ACTION_PROHIBITED, "applyPolicy web"},
    {"policy.pending", "{\"verb\":\"policy.pending\",\"vault\":\"web\"}", NULL,
     CKR_ACTION_PROHIBITED, "readPolicy web"},
    {"policy.show", "{\"verb\":\"policy.show\",\"vault\":\"web\"}", NULL, CKR_ACTION_PROHIBITED,
     "readPolicy web"},
    {"policy.explain",
     "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{\"principal\":"
     "\"User::\\\"alice\\\"\",\"action\":\"sign\",\"object\":\"tls\"}}",
     NULL, CKR_ACTION_PROHIBITED, "readPolicy web"},
    {"policy.roles", "{\"verb\":\"policy.roles\"}", NULL, CKR_ACTION_PROHIBITED, "readPolicy"},
    {"log.show", "{\"verb\":\"log.show\"}", NULL, CKR_ACTION_PROHIBITED, "readLog"},
    {"log.verify", "{\"verb\":\"log.verify\"}", NULL, CKR_ACTION_PROHIBITED, "verifyLog"},
    {"log.key", "{\"verb\":\"log.key\"}", NULL, CKR_ACTION_PROHIBITED, "verifyLog"},
    {"log.checkpoint", "{\"verb\":\"log.checkpoint\"}", NULL, CKR_ACTION_PROHIBITED, "verifyLog"},
    {"log.accept-clock", "{\"verb\":\"log.accept-clock\"}", NULL, CKR_ACTION_PROHIBITED,
     "acceptClock"},
    {"log.accept-loss", "{\"verb\":\"log.accept-loss\"}", NULL, CKR_ACTION_PROHIBITED,
     "acceptLoss"},
};
#define VERBS ((int)(sizeof(verbs) / sizeof(*verbs)))

START_TEST(a_verb_is_done_for_the_administrator_and_on_record)
{
    const struct verb *v = &verbs[_i];
    struct lab lab;
    unsigned before;

    lab_start(&lab);
    before = lab_log_count(&lab, v->name, "CKR_OK");
    verb_ok(&lab, v->secret, v->request);
    ck_assert_msg(lab_log_count(&lab, v->name, "CKR_OK") > before, "%s left no record", v->name);
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

static void try_verb(struct lab *lab, int n)
{
    verb_refused(lab, verbs[n].refused, verbs[n].words, verbs[n].secret, verbs[n].request);
}

START_TEST(a_verb_is_refused_to_another_unix_user)
{
    struct lab lab;
    unsigned all, done;

    lab_make(&lab);
    all = lab_log_count(&lab, verbs[_i].name, NULL);
    done = lab_log_count(&lab, verbs[_i].name, "CKR_OK");
    if (verb_as_nobody(&lab, try_verb, _i)) {
        /* What the policy hides is not found, so there was nothing to ask it about. */
        if (strstr(verbs[_i].words, "you may see") == NULL)
            ck_assert_uint_eq(lab_log_count(&lab, verbs[_i].name, NULL), all + 1);
        ck_assert_uint_eq(lab_log_count(&lab, verbs[_i].name, "CKR_OK"), done);
    }
    lab_end(&lab);
}
END_TEST

/* ---- a deleted key's verbs, which need one ---- */

static void try_recover(struct lab *lab, int n)
{
    static const char *const requests[] = {
        "{\"verb\":\"key.recover\",\"vault\":\"web\",\"name\":\"tls\"}",
        "{\"verb\":\"key.purge\",\"vault\":\"web\",\"name\":\"tls\"}"};

    verb_refused(lab, CKR_OBJECT_HANDLE_INVALID, "no deleted key tls that you may see", NULL,
                 requests[n]);
}

START_TEST(recovering_and_purging_are_refused_to_another_unix_user)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}");
    assert_ok(lab.f->C_Finalize(NULL));
    (void)verb_as_nobody(&lab, try_recover, _i);
    lab_end(&lab);
}
END_TEST

/* ---- a policy that names the other user, and one fact less ---- */

static void try_auditing(struct lab *lab, int n)
{
    (void)n;
    verb_ok(lab, NULL, "{\"verb\":\"user.list\",\"vault\":\"web\"}");
    verb_ok(lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    verb_ok(lab, NULL, "{\"verb\":\"log.show\",\"vault\":\"web\"}");
    verb_refused(lab, CKR_ACTION_PROHIBITED, "addUser web", "eve-pin-1",
                 "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"eve\",\"pin\":0}");
    verb_refused(lab, CKR_ACTION_PROHIBITED, "listUser mail", NULL,
                 "{\"verb\":\"user.list\",\"vault\":\"mail\"}");
    verb_refused(lab, CKR_ACTION_PROHIBITED, "readLog", NULL, "{\"verb\":\"log.show\"}");
}

START_TEST(an_auditor_of_one_vault_reads_it_and_nothing_else)
{
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, "permit (principal == Unix::\"nobody\", action in Action::\"auditor\", "
                     "resource);");
    assert_ok(lab.f->C_Finalize(NULL));
    (void)verb_as_nobody(&lab, try_auditing, 0);
    lab_end(&lab);
}
END_TEST

/* ---- who has logged in acts as that user ---- */

START_TEST(a_user_of_the_data_plane_manages_keys_and_administers_nothing)
{
    struct lab lab;

    lab_start(&lab);
    (void)lab_alice(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"key.list\",\"vault\":\"web\"}");
    ck_assert_uint_gt(verb_count(&lab, "keys"), 0);
    verb_ok(&lab, NULL,
            "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"mine\",\"type\":\"aes:128\"}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "User::\"alice\" may not listUser", NULL,
                 "{\"verb\":\"user.list\",\"vault\":\"web\"}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "User::\"alice\" may not applyPolicy", NULL,
                 "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"\"}");
    /* The login holds on its own vault only: on the other it is the Unix user who asks. */
    verb_ok(&lab, NULL, "{\"verb\":\"user.list\",\"vault\":\"mail\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(a_user_who_only_uses_keys_makes_and_deletes_none)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\"}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "User::\"bob\" may not create", NULL,
                 "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"x\",\"type\":\"aes:128\"}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "User::\"bob\" may not delete", NULL,
                 "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(the_security_officer_adds_users_but_gives_no_roles)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    verb_ok(&lab, "dave-pin-1",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0}");
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "User::\"so\" may not applyPolicy", "eve-pin-1",
                 "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"eve\",\"pin\":0,"
                 "\"roles\":[\"cryptoUser\"]}");
    ck_assert(verb_has_user(&lab, "web", "dave"));
    ck_assert(!verb_has_user(&lab, "web", "eve"));
    lab_end(&lab);
}
END_TEST

/* ---- what is no request ---- */

static const struct {
    const char *request, *words;
} bad_requests[] = {
    {"", "no JSON"},
    {"{", "no JSON"},
    {"{\"verb\":\"status\",\"verb\":\"status\"}", "no JSON"},
    {"[]", "must be an object"},
    {"{}", "must be an object with the text member \"verb\""},
    {"{\"verb\":1}", "text member \"verb\""},
    {"{\"verb\":\"vault.explode\"}", "unknown verb \"vault.explode\""},
    {"{\"verb\":\"status\",\"chekc\":true}", "unknown member \"chekc\""},
    {"{\"verb\":\"status\",\"check\":1}", "\"check\" must be true or false"},
    {"{\"verb\":\"vault.show\"}", "\"vault\" is missing"},
    {"{\"verb\":\"vault.show\",\"vault\":7}", "\"vault\" must be a text"},
    {"{\"verb\":\"vault.show\",\"vault\":null}", "\"vault\" must be a text"},
    {"{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":\"1\"}",
     "\"version\" must be a number"},
    {"{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":-1}",
     "\"version\" must be a number"},
    {"{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"x\",\"type\":\"aes:128\",\"use\":"
     "\"sign\"}",
     "\"use\" must be a list of texts"},
    {"{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"x\",\"type\":\"aes:128\",\"use\":[1]}",
     "\"use\" must be a list of texts"},
    {"{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":1}",
     "\"pin\" must be the index of a secret"},
    {"{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":-1}",
     "\"pin\" must be the index of a secret"},
    {"{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"bob\",\"pin\":\"secret\"}",
     "\"pin\" must be the index of a secret"},
    {"{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":[]}",
     "\"request\" must be an object"},
};

START_TEST(a_bad_request_is_refused_by_name_and_changes_nothing)
{
    struct lab lab;
    uint64_t before;

    lab_start(&lab);
    before = lab_log_whole(&lab);
    verb_refused(&lab, CKR_ARGUMENTS_BAD, bad_requests[_i].words, "a-secret",
                 bad_requests[_i].request[0] != '\0' ? bad_requests[_i].request : " ");
    ck_assert_uint_eq(lab_log_whole(&lab), before);
    lab_end(&lab);
}
END_TEST

START_TEST(an_unknown_vault_is_named)
{
    struct lab lab;

    lab_start(&lab);
    verb_refused(&lab, CKR_SLOT_ID_INVALID, "there is no vault wep", NULL,
                 "{\"verb\":\"vault.show\",\"vault\":\"wep\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(null_arguments_are_refused)
{
    struct lab lab;
    static const CK_UTF8CHAR request[] =
        "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"bob\","
        "\"pin\":0}";

    lab_start(&lab);
    assert_rv(CKR_ARGUMENTS_BAD, lab.admin->call(NULL, 0, NULL, 0, NULL, NULL));
    assert_rv(CKR_ARGUMENTS_BAD,
              lab.admin->call(request, sizeof(request) - 1, NULL, 0, NULL, NULL));
    ck_assert_str_ne(lab.admin->reason(), "");
    lab_end(&lab);
}
END_TEST

START_TEST(a_verb_before_initialize_says_so)
{
    struct lab lab;

    lab_make(&lab);
    verb_refused(&lab, CKR_CRYPTOKI_NOT_INITIALIZED, "C_Initialize", NULL, "{\"verb\":\"status\"}");
    lab_end(&lab);
}
END_TEST

/* ---- record before answer ---- */

static const char *const recorded[] = {
    "{\"verb\":\"vault.list\"}",
    "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"eve\",\"pin\":0}",
    "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}",
};

START_TEST(no_answer_leaves_and_nothing_changes_when_the_log_cannot_be_written)
{
    struct lab lab;

    lab_make(&lab);
    assert_rv(CKR_DEVICE_ERROR, verb_on_full_disk(&lab, true, 0, recorded[_i]));
    lab_up(&lab);
    ck_assert(!verb_has_user(&lab, "web", "eve"));
    verb_ok(&lab, NULL, "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\"}");
    (void)lab_log_whole(&lab);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_verb_is_done_for_the_administrator_and_on_record, VERBS),
        CASE_LOOP(a_verb_is_refused_to_another_unix_user, VERBS),
        CASE_LOOP(recovering_and_purging_are_refused_to_another_unix_user, 2),
        CASE(an_auditor_of_one_vault_reads_it_and_nothing_else),
        CASE(a_user_of_the_data_plane_manages_keys_and_administers_nothing),
        CASE(a_user_who_only_uses_keys_makes_and_deletes_none),
        CASE(the_security_officer_adds_users_but_gives_no_roles),
        CASE_LOOP(a_bad_request_is_refused_by_name_and_changes_nothing,
                  (int)(sizeof(bad_requests) / sizeof(*bad_requests))),
        CASE(an_unknown_vault_is_named),
        CASE(null_arguments_are_refused),
        CASE(a_verb_before_initialize_says_so),
        CASE_LOOP(no_answer_leaves_and_nothing_changes_when_the_log_cannot_be_written, 3),
    };

    return lab_suite_run("pkcs11/admin", cases, sizeof(cases) / sizeof(*cases));
}
