/*
 * Who administers does not thereby use keys: what widens an administrator's own rights waits for
 * another one, by whichever way it is tried. ann and ben administer by their PINs; root is the
 * third, by the home's policy.
 */
#include "tests/support/verbs.h"

#include <stdio.h>
#include <string.h>

#define ADMIN(who)                                                                                 \
    "permit (principal == User::\\\"" who "\\\", action in Action::\\\"controlPlane\\\", "         \
    "resource);"
#define ADMINS ADMIN("ann") ADMIN("ben")
#define SIGNS(who)                                                                                 \
    "permit (principal == User::\\\"" who "\\\", action == Action::\\\"sign\\\", resource);"
#define APPLY(text) "{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":\"" text "\"}"

struct scene {
    struct lab lab;
    CK_SESSION_HANDLE session;
};

static void as(struct scene *s, const char *name)
{
    char pin[64];

    (void)snprintf(pin, sizeof(pin), "%s:admin-pin-1", name);
    (void)s->lab.f->C_Logout(s->session);
    assert_ok(lab_login(&s->lab, s->session, CKU_USER, pin));
}

/* carl is nobody yet, in no policy. */
static void scene_init(struct scene *s)
{
    lab_start(&s->lab);
    for (int i = 0; i < 3; i++) {
        char request[128];
        static const char *const names[] = {"ann", "ben", "carl"};

        (void)snprintf(request, sizeof(request),
                       "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"%s\",\"pin\":0}",
                       names[i]);
        verb_ok(&s->lab, "admin-pin-1", request);
    }
    verb_ok(&s->lab, NULL, "{\"verb\":\"group.add\",\"vault\":\"web\",\"group\":\"signers\"}");
    verb_ok(&s->lab, NULL, "{\"verb\":\"group.add\",\"vault\":\"web\",\"group\":\"idle\"}");
    verb_ok(&s->lab, NULL,
            APPLY(ADMINS SIGNS("alice") "permit (principal in Group::\\\"signers\\\", action == "
                                        "Action::\\\"sign\\\", resource);"));
    s->session = lab_session(&s->lab, CKF_RW_SESSION);
    as(s, "ann");
}

static const char *hash(struct scene *s)
{
    static char kept[65];

    verb_ok(&s->lab, NULL, "{\"verb\":\"policy.pending\",\"vault\":\"web\"}");
    ck_assert_uint_eq(verb_count(&s->lab, "pending"), 1);
    (void)snprintf(kept, sizeof(kept), "%s", verb_text(&s->lab, "pending.0.hash"));
    return kept;
}

static CK_RV with_hash(struct scene *s, const char *verb, const char *of)
{
    return lab_admin(&s->lab, NULL, "{\"verb\":\"%s\",\"vault\":\"web\",\"hash\":\"%s\"}", verb,
                     of);
}

static bool policy_has(struct scene *s, const char *words)
{
    verb_ok(&s->lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    return strstr(verb_text(&s->lab, "text"), words) != NULL;
}

#define WIDER APPLY(ADMINS SIGNS("alice") SIGNS("ann"))

START_TEST(a_policy_that_widens_waits_for_another_administrator)
{
    struct scene s;
    const char *of;

    scene_init(&s);
    verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "keyward policy confirm web", NULL, WIDER);
    ck_assert(!policy_has(&s, "User::\"ann\", action == Action::\"sign\""));
    of = hash(&s);
    ck_assert_str_eq(verb_text(&s.lab, "pending.0.by"), "User::\"ann\"");
    ck_assert_ptr_nonnull(strstr(verb_text(&s.lab, "pending.0.verdict"), "incomparable"));
    ck_assert_ptr_nonnull(strstr(verb_text(&s.lab, "pending.0.request.text"), "ann"));
    assert_rv(CKR_ACTION_PROHIBITED, with_hash(&s, "policy.confirm", of));
    as(&s, "carl");
    assert_rv(CKR_ACTION_PROHIBITED, with_hash(&s, "policy.confirm", of));
    as(&s, "ben");
    assert_ok(with_hash(&s, "policy.confirm", of));
    ck_assert(policy_has(&s, "User::\"ann\", action == Action::\"sign\""));
    assert_rv(CKR_ACTION_PROHIBITED, with_hash(&s, "policy.confirm", of));
    lab_end(&s.lab);
}
END_TEST

/* Each is refused, and its neighbour, which gives nobody new rights, is done at once. */
static const struct {
    const char *secret, *widens, *neighbour;
} ways[] = {
    {NULL, APPLY(ADMINS SIGNS("carl") SIGNS("alice")), APPLY(ADMINS SIGNS("alice"))},
    /* another administrator of one's own, or fewer of the others */
    {NULL, APPLY(ADMINS SIGNS("alice") ADMIN("carl")), APPLY(ADMINS SIGNS("alice"))},
    {"his-pin-123", "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}",
     "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"carl\",\"pin\":0}"},
    {"his-pin-123",
     "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0,\"roles\":["
     "\"cryptoUser\"]}",
     "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"dave\",\"pin\":0}"},
    {NULL,
     "{\"verb\":\"user.bind\",\"vault\":\"web\",\"user\":\"alice\",\"principal\":\"unix:me\"}",
     "{\"verb\":\"user.bind\",\"vault\":\"web\",\"user\":\"carl\",\"principal\":\"unix:me\"}"},
    {NULL,
     "{\"verb\":\"group.join\",\"vault\":\"web\",\"group\":\"signers\",\"principal\":\"user:ann\"}",
     "{\"verb\":\"group.join\",\"vault\":\"web\",\"group\":\"idle\",\"principal\":\"user:ann\"}"},
    {NULL, "{\"verb\":\"vault.update\",\"vault\":\"web\",\"confirmations\":1}",
     "{\"verb\":\"vault.update\",\"vault\":\"web\",\"confirmations\":3}"},
};

START_TEST(every_way_to_more_rights_waits)
{
    struct scene s;

    scene_init(&s);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "it widens your own rights", ways[i].secret,
                     ways[i].widens);
        if (i > 1) /* those that are texts replace the one that is compared with */
            verb_ok(&s.lab, ways[i].secret, ways[i].neighbour);
    }
    verb_ok(&s.lab, NULL, ways[0].neighbour);
    lab_end(&s.lab);
}
END_TEST

/* What is confirmed asks the policy for itself: here editGroup, which no policy.confirm asks. */
START_TEST(a_group_that_widens_is_joined_when_it_is_confirmed)
{
    struct scene s;
    const char *of;

    scene_init(&s);
    verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "pending", ways[5].secret, ways[5].widens);
    of = hash(&s);
    as(&s, "ben");
    assert_ok(with_hash(&s, "policy.confirm", of));
    verb_ok(&s.lab, NULL, "{\"verb\":\"group.list\",\"vault\":\"web\"}");
    ck_assert_ptr_nonnull(strstr(s.lab.answer, "user:ann"));
    lab_end(&s.lab);
}
END_TEST

START_TEST(what_needs_a_pin_is_repeated_once)
{
    struct scene s;
    const char *of;

    scene_init(&s);
    verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "pending", ways[2].secret, ways[2].widens);
    of = hash(&s);
    as(&s, "ben");
    assert_ok(with_hash(&s, "policy.confirm", of));
    ck_assert_ptr_nonnull(strstr(s.lab.answer, "\"done\":false"));
    as(&s, "ann");
    verb_ok(&s.lab, ways[2].secret, ways[2].widens);
    verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "pending", ways[2].secret, ways[2].widens);
    lab_end(&s.lab);
}
END_TEST

START_TEST(another_policy_in_between_voids_it)
{
    struct scene s;
    const char *of;

    scene_init(&s);
    verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "pending", NULL, WIDER);
    of = hash(&s);
    as(&s, "ben");
    verb_ok(&s.lab, NULL, APPLY(ADMINS SIGNS("alice")));
    assert_rv(CKR_ACTION_PROHIBITED, with_hash(&s, "policy.confirm", of));
    ck_assert_ptr_nonnull(strstr(s.lab.admin->reason(), "void"));
    ck_assert(!policy_has(&s, "User::\"ann\", action == Action::\"sign\""));
    lab_end(&s.lab);
}
END_TEST

START_TEST(what_is_withdrawn_is_not_confirmed)
{
    struct scene s;
    const char *of;

    scene_init(&s);
    verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "pending", NULL, WIDER);
    of = hash(&s);
    assert_ok(with_hash(&s, "policy.withdraw", of));
    as(&s, "ben");
    assert_rv(CKR_ACTION_PROHIBITED, with_hash(&s, "policy.confirm", of));
    lab_end(&s.lab);
}
END_TEST

START_TEST(where_three_must_agree_two_are_too_few)
{
    struct scene s;
    const char *of;

    scene_init(&s);
    verb_ok(&s.lab, NULL, "{\"verb\":\"vault.update\",\"vault\":\"web\",\"confirmations\":3}");
    verb_refused(&s.lab, CKR_ARGUMENTS_BAD, "cannot agree where there are 3", NULL,
                 "{\"verb\":\"vault.update\",\"vault\":\"web\",\"confirmations\":4}");
    verb_refused(&s.lab, CKR_FUNCTION_REJECTED, "2 other administrators", NULL, WIDER);
    of = hash(&s);
    as(&s, "ben");
    assert_ok(with_hash(&s, "policy.confirm", of));
    assert_rv(CKR_ACTION_PROHIBITED, with_hash(&s, "policy.confirm", of));
    ck_assert(!policy_has(&s, "User::\"ann\", action == Action::\"sign\""));
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(with_hash(&s, "policy.confirm", of));
    ck_assert(policy_has(&s, "User::\"ann\", action == Action::\"sign\""));
    lab_end(&s.lab);
}
END_TEST

/* In the lab as it is there is one. */
START_TEST(a_lone_administrator_is_not_locked_out)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, APPLY("permit (principal, action, resource is Key);"));
    verb_ok(&lab, NULL, "{\"verb\":\"policy.pending\",\"vault\":\"web\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "administrators-needed"), 1);
    lab_end(&lab);
}
END_TEST

/* Who may do everything gains nothing by writing policy, and is asked by nobody. */
START_TEST(who_may_do_everything_is_no_second_administrator)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, APPLY("permit (principal == User::\\\"alice\\\", action, resource);"));
    verb_ok(&lab, NULL, APPLY("permit (principal, action, resource);"));
    verb_ok(&lab, NULL, "{\"verb\":\"policy.pending\",\"vault\":\"web\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "administrators-needed"), 1);
    lab_end(&lab);
}
END_TEST

START_TEST(a_group_without_members_is_no_administrator)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"group.add\",\"vault\":\"web\",\"group\":\"admins\"}");
    verb_ok(
        &lab, NULL,
        APPLY("permit (principal in Group::\\\"admins\\\", action == Action::\\\"applyPolicy\\\", "
              "resource);" SIGNS("alice")));
    verb_ok(&lab, NULL, "{\"verb\":\"policy.pending\",\"vault\":\"web\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "administrators-needed"), 1);
    verb_ok(&lab, NULL,
            "{\"verb\":\"group.join\",\"vault\":\"web\",\"group\":\"admins\",\"principal\":"
            "\"user:bob\"}");
    verb_ok(&lab, NULL, "{\"verb\":\"policy.pending\",\"vault\":\"web\"}");
    ck_assert_int_eq(lab_answer_number(&lab, "administrators-needed"), 2);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_policy_that_widens_waits_for_another_administrator, 120),
        CASE_SLOW(every_way_to_more_rights_waits, 120),
        CASE_SLOW(a_group_that_widens_is_joined_when_it_is_confirmed, 120),
        CASE_SLOW(what_needs_a_pin_is_repeated_once, 120),
        CASE_SLOW(another_policy_in_between_voids_it, 120),
        CASE_SLOW(what_is_withdrawn_is_not_confirmed, 120),
        CASE_SLOW(where_three_must_agree_two_are_too_few, 120),
        CASE_SLOW(a_lone_administrator_is_not_locked_out, 120),
        CASE_SLOW(who_may_do_everything_is_no_second_administrator, 120),
        CASE_SLOW(a_group_without_members_is_no_administrator, 120),
    };

    return lab_suite_run("pkcs11/confirm", cases, sizeof(cases) / sizeof(*cases));
}
