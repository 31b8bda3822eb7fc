/* What the log says when a policy changes: which hash before and after, and what became of it. */
#include "tests/support/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAY_SIGN "permit (principal == User::\"alice\", action == Action::\"sign\", resource);"
#define MAY_SIGN_AND_VERIFY                                                                        \
    "permit (principal == User::\"alice\", action in [Action::\"sign\", Action::\"verify\"], "     \
    "resource);"
#define MAY_VERIFY "permit (principal == User::\"alice\", action == Action::\"verify\", resource);"

static struct lab lab;

struct told {
    unsigned changes; /* records that have a new policy */
    char policy[65];  /* of the newest record that has one */
    char before[65], after[65], change[16], function[32], phase[16];
};

static void look(void *ctx, json_t *record)
{
    struct told *t = ctx;

    if (lab_member(record, "policy")[0] != '\0')
        (void)snprintf(t->policy, sizeof(t->policy), "%s", lab_member(record, "policy"));
    ck_assert_int_eq(lab_member(record, "new_policy")[0] != '\0',
                     lab_member(record, "policy_change")[0] != '\0');
    if (lab_member(record, "new_policy")[0] == '\0')
        return;
    t->changes++;
    (void)snprintf(t->before, sizeof(t->before), "%s", lab_member(record, "policy"));
    (void)snprintf(t->after, sizeof(t->after), "%s", lab_member(record, "new_policy"));
    (void)snprintf(t->change, sizeof(t->change), "%s", lab_member(record, "policy_change"));
    (void)snprintf(t->function, sizeof(t->function), "%s", lab_member(record, "function"));
    (void)snprintf(t->phase, sizeof(t->phase), "%s", lab_member(record, "phase"));
}

static struct told told(void)
{
    struct told t = {.changes = 0};

    lab_log_each(&lab, 0, look, &t);
    return t;
}

static CK_RV apply(const char *text)
{
    json_t *request =
        json_pack("{s:s, s:s, s:s}", "verb", "policy.apply", "vault", "web", "text", text);
    char *json = json_dumps(request, 0);
    CK_RV rv = lab_admin(&lab, NULL, "%s", json);

    free(json);
    json_decref(request);
    return rv;
}

static const struct {
    const char *was, *text, *change;
} changes[] = {
    {MAY_SIGN, MAY_SIGN_AND_VERIFY, "looser"},
    {MAY_SIGN_AND_VERIFY, MAY_SIGN, "stricter"},
    {MAY_SIGN, MAY_VERIFY, "incomparable"},
    {MAY_SIGN, "// the same\n" MAY_SIGN, "equal"},
};

START_TEST(a_policy_that_is_applied_is_told_with_both_hashes_and_the_verdict)
{
    struct told t;

    lab_start(&lab);
    assert_ok(apply(changes[_i].was));
    assert_ok(apply(changes[_i].text));
    t = told();
    ck_assert_str_eq(t.change, changes[_i].change);
    ck_assert_str_eq(t.function, "policy.apply");
    ck_assert_str_eq(t.phase, "outcome");
    ck_assert_str_ne(t.before, t.after);
    /* What the next record is decided under is what was put in force. */
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    ck_assert_str_eq(told().policy, t.after);
    lab_end(&lab);
}
END_TEST

START_TEST(a_policy_that_is_refused_changes_nothing_and_says_so)
{
    struct told before, after;

    lab_start(&lab);
    before = told();
    assert_rv(CKR_ARGUMENTS_BAD, apply("permit (principal"));
    after = told();
    ck_assert_uint_eq(after.changes, before.changes);
    lab_end(&lab);
}
END_TEST

START_TEST(giving_and_taking_a_role_is_a_change_of_policy)
{
    unsigned before;
    struct told t;

    lab_start(&lab);
    before = told().changes;
    verb_ok(&lab, "dave-pin-44",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"plain\",\"pin\":0}");
    ck_assert_uint_eq(told().changes, before);
    verb_ok(&lab, "dave-pin-44",
            "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0,"
            "\"roles\":[\"cryptoUser\"]}");
    t = told();
    ck_assert_uint_eq(t.changes, before + 1);
    ck_assert_str_eq(t.function, "user.add");
    ck_assert_str_eq(t.change, "looser");
    verb_ok(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"plain\"}");
    ck_assert_uint_eq(told().changes, before + 1);
    verb_ok(&lab, NULL, "{\"verb\":\"user.remove\",\"vault\":\"web\",\"user\":\"dave\"}");
    t = told();
    ck_assert_uint_eq(t.changes, before + 2);
    ck_assert_str_eq(t.function, "user.remove");
    ck_assert_str_eq(t.change, "stricter");
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_policy_that_is_applied_is_told_with_both_hashes_and_the_verdict,
                  sizeof(changes) / sizeof(*changes)),
        CASE(a_policy_that_is_refused_changes_nothing_and_says_so),
        CASE(giving_and_taking_a_role_is_a_change_of_policy),
    };

    return lab_suite_run("pkcs11/policy_change", cases, sizeof(cases) / sizeof(*cases));
}
