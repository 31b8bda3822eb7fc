/*
 * Approvals: with two of them alice signs once, with data, key, version, action and mechanism as
 * they were approved; with one fact changed she does not.
 */
#include "pkcs11/engine.h"
#include "tests/support/verbs.h"
#include "vault/approval.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DATA "pay 100 to Bob"

#define APPROVER(who)                                                                              \
    "permit (principal == User::\"" who "\", action == Action::\"approve\", resource);\n"
#define POLICY                                                                                     \
    "permit (principal, action in [Action::\"list\", Action::\"get\", Action::\"create\"], "       \
    "resource);\n"                                                                                 \
    "permit (principal, action in [Action::\"sign\", Action::\"decrypt\", Action::\"encrypt\","    \
    " Action::\"delete\"], resource) when { context.approvals >= 2 };\n"

struct scene {
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
};

/* Handles of private objects go with a login. */
static void log_in(struct scene *s, const char *pin)
{
    (void)s->lab.f->C_Logout(s->session);
    assert_ok(lab_login(&s->lab, s->session, CKU_USER, pin));
    s->key = lab_find(&s->lab, s->session, CKO_PRIVATE_KEY, "tls");
}

/* As the administrator, who is the Unix user. */
static void administer(struct scene *s, const char *secret, const char *request)
{
    (void)s->lab.f->C_Logout(s->session);
    verb_ok(&s->lab, secret, request);
    log_in(s, LAB_PIN);
}

static void apply(struct scene *s, const char *policy)
{
    (void)s->lab.f->C_Logout(s->session);
    lab_policy(&s->lab, policy);
    log_in(s, LAB_PIN);
}

static void add_user(struct scene *s, const char *name)
{
    char request[256];

    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"%s\",\"pin\":0}", name);
    administer(s, "user-pin-1", request);
}

static void scene_init(struct scene *s)
{
    lab_start(&s->lab);
    s->session = lab_session(&s->lab, CKF_RW_SESSION);
    add_user(s, "dora");
    add_user(s, "erik");
    apply(s, POLICY APPROVER("dora") APPROVER("erik") APPROVER("alice"));
    ck_assert_uint_ne(s->key, 0);
}

/* One more approval by a user, of signing DATA with tls, with these members beside. */
static void approve_as(struct scene *s, const char *pin, const char *data, const char *members)
{
    char request[512];

    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"approve.give\",\"vault\":\"web\",\"data\":0%s}", members);
    log_in(s, pin);
    verb_ok(&s->lab, data, request);
    log_in(s, LAB_PIN);
}

#define SIGN ",\"name\":\"tls\",\"action\":\"sign\""

static void approve(struct scene *s, const char *user)
{
    char pin[64];

    (void)snprintf(pin, sizeof(pin), "%s:user-pin-1", user);
    approve_as(s, pin, DATA, SIGN);
}

static CK_RV sign(struct scene *s)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len;

    return lab_sign(&s->lab, s->session, s->key, DATA, sizeof(DATA) - 1, signature, &len);
}

static size_t open_approvals(struct scene *s)
{
    verb_ok(&s->lab, NULL, "{\"verb\":\"approve.list\",\"vault\":\"web\"}");
    return verb_count(&s->lab, "approvals");
}

START_TEST(two_approvals_are_one_use)
{
    struct scene s;

    scene_init(&s);
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    ck_assert_ptr_nonnull(strstr(s.lab.admin->reason(), "needs approvals by 2 others and has 0"));
    ck_assert_ptr_nonnull(strstr(s.lab.admin->reason(), "keyward approve web/tls --action sign"));
    approve(&s, "dora");
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    approve(&s, "erik");
    ck_assert_uint_eq(open_approvals(&s), 2);
    assert_ok(sign(&s));
    ck_assert_uint_eq(open_approvals(&s), 0);
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    ck_assert_uint_eq(lab_log_count(&s.lab, "approve.give", "CKR_OK"), 2);
    lab_end(&s.lab);
}
END_TEST

/* No more than are needed. */
START_TEST(a_third_approval_stays)
{
    struct scene s;

    scene_init(&s);
    add_user(&s, "fred");
    apply(&s, POLICY APPROVER("dora") APPROVER("erik") APPROVER("fred"));
    approve(&s, "dora");
    approve(&s, "erik");
    approve(&s, "fred");
    assert_ok(sign(&s));
    ck_assert_uint_eq(open_approvals(&s), 1);
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    lab_end(&s.lab);
}
END_TEST

/* dora's is right; of the second one fact is another. */
static const struct {
    const char *pin, *data, *members;
} others[] = {
    {"dora:user-pin-1", DATA, SIGN},             /* the same approver again */
    {LAB_PIN, DATA, SIGN},                       /* the requester */
    {"erik:user-pin-1", "pay 900 to Bob", SIGN}, /* other data */
    {"erik:user-pin-1", DATA, SIGN ",\"mechanism\":\"CKM_ECDSA_SHA384\""},
    {"erik:user-pin-1", DATA, SIGN ",\"requester\":\"user:bob\""},
    {"erik:user-pin-1", DATA, ",\"name\":\"sign\",\"action\":\"sign\""},   /* another key */
    {"erik:user-pin-1", DATA, ",\"name\":\"tls\",\"action\":\"decrypt\""}, /* another action */
};

START_TEST(one_fact_changed_and_it_does_not_count)
{
    struct scene s;

    scene_init(&s);
    approve(&s, "dora");
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        approve_as(&s, others[i].pin, others[i].data, others[i].members);
        ck_assert_uint_eq(open_approvals(&s), i + 2);
        assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    }
    approve_as(&s, "erik:user-pin-1", DATA,
               SIGN ",\"mechanism\":\"CKM_ECDSA_SHA256\",\"requester\":\"user:alice\"");
    assert_ok(sign(&s));
    lab_end(&s.lab);
}
END_TEST

START_TEST(an_approval_is_of_one_version)
{
    CK_OBJECT_HANDLE old, new_public, new_private;
    struct scene s;

    scene_init(&s);
    approve(&s, "dora");
    approve(&s, "erik");
    old = s.key;
    assert_ok(lab_generate(&s.lab, s.session, "tls", &new_public, &new_private));
    s.key = new_private;
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    s.key = old;
    assert_ok(sign(&s));
    lab_end(&s.lab);
}
END_TEST

START_TEST(an_approval_expires)
{
    struct scene s;

    scene_init(&s);
    approve_as(&s, "dora:user-pin-1", DATA, SIGN ",\"expires\":\"1s\"");
    lab_sleep_ms(1100);
    approve(&s, "erik");
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    approve(&s, "dora");
    assert_ok(sign(&s));
    lab_end(&s.lab);
}
END_TEST

START_TEST(an_approval_is_withdrawn_by_who_gave_it)
{
    char request[256];
    struct scene s;

    scene_init(&s);
    approve(&s, "dora");
    ck_assert_uint_eq(open_approvals(&s), 1);
    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"approve.withdraw\",\"vault\":\"web\",\"id\":\"%s\"}",
                   verb_text(&s.lab, "approvals.0.id"));
    log_in(&s, "erik:user-pin-1");
    verb_refused(&s.lab, CKR_ACTION_PROHIBITED, "user dora who gave", NULL, request);
    log_in(&s, "dora:user-pin-1");
    verb_ok(&s.lab, NULL, request);
    verb_refused(&s.lab, CKR_ACTION_PROHIBITED, "has no approval", NULL, request);
    log_in(&s, LAB_PIN);
    approve(&s, "erik");
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    lab_end(&s.lab);
}
END_TEST

/* As somebody does who has the store's keys, but not the HSM's: the newest is made to be of the
 * data of the oldest. */
static void forge(struct lab *lab, int n)
{
    struct engine *engine = NULL;
    struct approval *list = NULL;
    struct approval forged;
    struct vault_info vault;
    size_t count = 0;

    (void)n;
    assert_ok(engine_new(lab->home, HSM_WORKER, &clock_system, &engine));
    assert_ok(engine_wake(engine));
    assert_ok(vault_get(engine_store(engine), "web", &vault));
    assert_ok(approval_list(engine_store(engine), &vault, NULL, &list, &count));
    ck_assert_uint_eq(count, 2);
    forged = list[1];
    memcpy(forged.digest, list[0].digest, APPROVAL_DIGEST_LEN);
    assert_ok(approval_take(engine_store(engine), &vault, &forged.id, 1));
    assert_ok(approval_add(engine_store(engine), &vault, &forged));
    free(list);
    engine_free(engine);
}

START_TEST(a_forged_approval_does_not_count)
{
    struct scene s;

    scene_init(&s);
    approve(&s, "dora");
    approve_as(&s, "erik:user-pin-1", "pay 900 to Bob", SIGN);
    lab_join(lab_child(forge, &s.lab, 0));
    ck_assert_uint_eq(open_approvals(&s), 2);
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    approve(&s, "erik");
    assert_ok(sign(&s));
    lab_end(&s.lab);
}
END_TEST

static void remove_erik(struct scene *s)
{
    administer(s, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"erik\"}");
}

/* The next of his name is another. */
static void replace_erik(struct scene *s)
{
    remove_erik(s);
    add_user(s, "erik");
    apply(s, POLICY APPROVER("dora") APPROVER("erik"));
}

static void demote_erik(struct scene *s)
{
    apply(s, POLICY APPROVER("dora"));
}

static void (*const losses[])(struct scene *s) = {remove_erik, replace_erik, demote_erik};

START_TEST(an_approver_who_is_one_no_longer_does_not_count)
{
    struct scene s;

    scene_init(&s);
    approve(&s, "dora");
    approve(&s, "erik");
    losses[_i](&s);
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    lab_end(&s.lab);
}
END_TEST

START_TEST(who_may_not_approve_is_refused)
{
    static const char give[] = "{\"verb\":\"approve.give\",\"vault\":\"web\",\"data\":0" SIGN "}";
    struct scene s;

    scene_init(&s);
    log_in(&s, "bob:" LAB_BOB_PIN);
    verb_refused(&s.lab, CKR_ACTION_PROHIBITED, "approve web/tls", DATA, give);
    assert_ok(s.lab.f->C_Logout(s.session));
    verb_refused(&s.lab, CKR_ACTION_PROHIBITED, "approve web/tls", DATA, give);
    apply(&s, POLICY "permit (principal, action == Action::\"approve\", resource);");
    assert_ok(s.lab.f->C_Logout(s.session));
    verb_refused(&s.lab, CKR_USER_NOT_LOGGED_IN, "is no user of the vault", DATA, give);
    log_in(&s, "bob:" LAB_BOB_PIN);
    verb_ok(&s.lab, DATA, give);
    lab_end(&s.lab);
}
END_TEST

static const struct {
    const char *words, *members;
} wrong[] = {
    {"nothing that is approved", ",\"name\":\"tls\",\"action\":\"login\",\"data\":0"},
    {"nothing that is approved", ",\"name\":\"tls\",\"action\":\"fly\",\"data\":0"},
    {"done with data", ",\"name\":\"tls\",\"action\":\"sign\""},
    {"done without data", ",\"name\":\"tls\",\"action\":\"delete\",\"data\":0"},
    {"64 hex digits", ",\"name\":\"tls\",\"action\":\"sign\",\"digest\":\"abc\""},
    {"give one of them", ",\"name\":\"tls\",\"action\":\"sign\",\"data\":0,\"digest\":\"ab\""},
    {"is no mechanism", SIGN ",\"data\":0,\"mechanism\":\"CKM_NONE\""},
    {"is no principal", SIGN ",\"data\":0,\"requester\":\"Alice\""},
    {"30 days at most", SIGN ",\"data\":0,\"expires\":\"31d\""},
};

START_TEST(a_wrong_request_is_refused)
{
    char request[512];
    struct scene s;

    scene_init(&s);
    log_in(&s, "dora:user-pin-1");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        (void)snprintf(request, sizeof(request), "{\"verb\":\"approve.give\",\"vault\":\"web\"%s}",
                       wrong[i].members);
        verb_refused(&s.lab, CKR_ARGUMENTS_BAD, wrong[i].words, DATA, request);
    }
    lab_end(&s.lab);
}
END_TEST

/* ---- in parts ---- */

START_TEST(in_parts_the_data_of_all_of_them_counts)
{
    CK_BYTE first[] = {'p', 'a', 'y', ' '};
    CK_BYTE last[] = "100 to Bob";
    CK_BYTE other[] = "900 to Bob";
    CK_MECHANISM mechanism = {.mechanism = CKM_ECDSA_SHA256};
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    struct scene s;

    scene_init(&s);
    approve(&s, "dora");
    approve(&s, "erik");
    assert_ok(s.lab.f->C_SignInit(s.session, &mechanism, s.key));
    assert_ok(s.lab.f->C_SignUpdate(s.session, first, sizeof(first)));
    assert_ok(s.lab.f->C_SignUpdate(s.session, other, sizeof(other) - 1));
    assert_rv(CKR_FUNCTION_REJECTED, s.lab.f->C_SignFinal(s.session, signature, &len));
    ck_assert_uint_eq(open_approvals(&s), 2);
    assert_ok(s.lab.f->C_SignInit(s.session, &mechanism, s.key));
    assert_ok(s.lab.f->C_SignUpdate(s.session, first, sizeof(first)));
    assert_ok(s.lab.f->C_SignUpdate(s.session, last, sizeof(last) - 1));
    len = 0; /* a buffer that is too small uses nothing up */
    assert_rv(CKR_BUFFER_TOO_SMALL, s.lab.f->C_SignFinal(s.session, signature, &len));
    len = sizeof(signature);
    assert_ok(s.lab.f->C_SignFinal(s.session, signature, &len));
    ck_assert_uint_eq(open_approvals(&s), 0);
    lab_end(&s.lab);
}
END_TEST

/* What goes out with each part goes out before all of the data is known. */
START_TEST(a_cipher_in_parts_has_no_approval)
{
    CK_BYTE iv[16] = {1};
    CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, sizeof(iv)};
    CK_BYTE block[] = "sixteen bytes -";
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);
    CK_OBJECT_HANDLE key;
    struct scene s;

    scene_init(&s);
    approve_as(&s, "dora:user-pin-1", (char *)block, ",\"name\":\"seal\",\"action\":\"encrypt\"");
    approve_as(&s, "erik:user-pin-1", (char *)block, ",\"name\":\"seal\",\"action\":\"encrypt\"");
    key = lab_find(&s.lab, s.session, CKO_SECRET_KEY, "seal");
    assert_ok(s.lab.f->C_EncryptInit(s.session, &mechanism, key));
    assert_rv(CKR_FUNCTION_REJECTED,
              s.lab.f->C_EncryptUpdate(s.session, block, sizeof(block) - 1, out, &len));
    len = sizeof(out);
    assert_ok(s.lab.f->C_EncryptInit(s.session, &mechanism, key));
    assert_ok(s.lab.f->C_Encrypt(s.session, block, sizeof(block) - 1, out, &len));
    ck_assert_uint_eq(open_approvals(&s), 0);
    lab_end(&s.lab);
}
END_TEST

START_TEST(an_act_without_data_is_approved_too)
{
    static const char give[] = "{\"verb\":\"approve.give\",\"vault\":\"web\",\"name\":\"tls\","
                               "\"action\":\"delete\"}";
    struct scene s;

    scene_init(&s);
    assert_rv(CKR_FUNCTION_REJECTED, s.lab.f->C_DestroyObject(s.session, s.key));
    log_in(&s, "dora:user-pin-1");
    verb_ok(&s.lab, NULL, give);
    log_in(&s, "erik:user-pin-1");
    verb_ok(&s.lab, NULL, give);
    log_in(&s, LAB_PIN);
    s.key = lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls");
    assert_ok(s.lab.f->C_DestroyObject(s.session, s.key));
    lab_end(&s.lab);
}
END_TEST

START_TEST(explain_says_how_many_are_needed)
{
    struct scene s;

    scene_init(&s);
    assert_ok(s.lab.f->C_Logout(s.session));
    verb_ok(&s.lab, NULL,
            "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{\"principal\":"
            "\"User::\\\"alice\\\"\",\"action\":\"sign\",\"object\":\"tls\"}}");
    ck_assert_str_eq(verb_text(&s.lab, "decision"), "deny");
    ck_assert_int_eq(lab_answer_number(&s.lab, "approvals-needed"), 2);
    verb_ok(&s.lab, NULL,
            "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{\"principal\":"
            "\"User::\\\"alice\\\"\",\"action\":\"sign\",\"object\":\"tls\","
            "\"context\":{\"approvals\":2}}}");
    ck_assert_str_eq(verb_text(&s.lab, "decision"), "allow");
    lab_end(&s.lab);
}
END_TEST

/* ---- several processes ---- */

static int told[2];

/* Logs in and tries until others have had their turn too; says how often it signed. */
static void race(struct lab *lab, int n)
{
    struct scene s;
    char won = 0;

    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    s.lab = *lab;
    s.session = lab_session(&s.lab, CKF_RW_SESSION);
    log_in(&s, LAB_PIN);
    s.key = lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls");
    for (int i = 0; i < 5; i++)
        won = (char)(won + (sign(&s) == CKR_OK));
    ck_assert_int_eq(write(told[1], &won, 1), 1);
    assert_ok(lab->f->C_Finalize(NULL));
}

START_TEST(of_processes_that_race_one_gets_it)
{
    enum { RACERS = 3 };
    pid_t children[RACERS];
    int wins = 0;
    struct scene s;
    char won;

    scene_init(&s);
    approve(&s, "dora");
    approve(&s, "erik");
    assert_ok(s.lab.f->C_Finalize(NULL));
    ck_assert_int_eq(pipe(told), 0);
    for (int i = 0; i < RACERS; i++)
        children[i] = lab_child(race, &s.lab, i);
    for (int i = 0; i < RACERS; i++) {
        lab_join(children[i]);
        ck_assert_int_eq(read(told[0], &won, 1), 1);
        wins += won;
    }
    ck_assert_int_eq(wins, 1);
    lab_end(&s.lab);
}
END_TEST

/* Its HSM stands still: it does not come back from the use. */
static void hang(struct lab *lab, int n)
{
    struct scene s;
    pid_t worker;

    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    worker = lab_worker(lab);
    s.lab = *lab;
    s.session = lab_session(&s.lab, CKF_RW_SESSION);
    log_in(&s, LAB_PIN);
    ck_assert_int_eq(kill(worker, SIGSTOP), 0);
    ck_assert_int_eq(write(told[1], &worker, sizeof(worker)), (ssize_t)sizeof(worker));
    (void)sign(&s);
}

START_TEST(who_is_killed_in_the_use_has_used_it)
{
    int64_t until = lab_ms() + 60000;
    pid_t child, worker;
    struct scene s;

    scene_init(&s);
    approve(&s, "dora");
    approve(&s, "erik");
    assert_ok(s.lab.f->C_Finalize(NULL));
    ck_assert_int_eq(pipe(told), 0);
    child = lab_child(hang, &s.lab, 0);
    ck_assert_int_eq(read(told[0], &worker, sizeof(worker)), (ssize_t)sizeof(worker));
    lab_up(&s.lab);
    s.session = lab_session(&s.lab, CKF_RW_SESSION);
    while (open_approvals(&s) > 0 && lab_ms() < until)
        lab_sleep_ms(20);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(kill(worker, SIGKILL), 0);
    (void)waitpid(child, NULL, 0);
    log_in(&s, LAB_PIN);
    assert_rv(CKR_FUNCTION_REJECTED, sign(&s));
    lab_end(&s.lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(two_approvals_are_one_use, 120),
        CASE_SLOW(a_third_approval_stays, 120),
        CASE_SLOW(one_fact_changed_and_it_does_not_count, 120),
        CASE_SLOW(an_approval_is_of_one_version, 120),
        CASE_SLOW(an_approval_expires, 120),
        CASE_SLOW(an_approval_is_withdrawn_by_who_gave_it, 120),
        {.test = an_approver_who_is_one_no_longer_does_not_count,
         .loop_end = sizeof(losses) / sizeof(*losses),
         .timeout_s = 120},
        CASE_SLOW(who_may_not_approve_is_refused, 120),
        CASE_SLOW(a_wrong_request_is_refused, 120),
        CASE_SLOW(in_parts_the_data_of_all_of_them_counts, 120),
        CASE_SLOW(a_cipher_in_parts_has_no_approval, 120),
        CASE_SLOW(an_act_without_data_is_approved_too, 120),
        CASE_SLOW(explain_says_how_many_are_needed, 120),
        CASE_SLOW(a_forged_approval_does_not_count, 120),
        CASE_SLOW(who_is_killed_in_the_use_has_used_it, 120),
        CASE_SLOW(of_processes_that_race_one_gets_it, 120),
    };

    return lab_suite_run("pkcs11/approvals", cases, sizeof(cases) / sizeof(*cases));
}
