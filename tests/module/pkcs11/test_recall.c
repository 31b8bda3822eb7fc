/* What a session remembers of the policy's answers: never longer than the answer would be the same.
 */
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ALICE "permit(principal == User::\"alice\", action, resource);\n"
#define BOB_LISTS                                                                                  \
    "permit(principal == User::\"bob\", action in [Action::\"list\", Action::\"get\"], "           \
    "resource);\n"

struct scene {
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
};

static void scene_init(struct scene *s, const char *policy)
{
    lab_start(&s->lab);
    if (policy != NULL)
        lab_policy(&s->lab, policy);
    s->session = lab_alice(&s->lab);
    s->key = lab_find(&s->lab, s->session, CKO_PRIVATE_KEY, "tls");
}

static CK_RV sign(const struct scene *s)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);

    return lab_sign(&s->lab, s->session, s->key, "data", 4, signature, &len);
}

static CK_RV sign_init(const struct scene *s, CK_MECHANISM_TYPE type)
{
    CK_MECHANISM mechanism = {.mechanism = type};

    return s->lab.f->C_SignInit(s->session, &mechanism, s->key);
}

/* Twice, so that the second answer is a remembered one. */
static void signs_again(const struct scene *s)
{
    assert_ok(sign(s));
    assert_ok(sign(s));
}

START_TEST(a_policy_of_this_process_ends_what_is_remembered)
{
    struct scene s;

    scene_init(&s, ALICE);
    signs_again(&s);
    lab_policy(&s.lab, ALICE "forbid(principal, action == Action::\"sign\", resource);");
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_init(&s, CKM_ECDSA_SHA256));
    lab_policy(&s.lab, ALICE);
    assert_ok(sign(&s));
    lab_end(&s.lab);
}
END_TEST

static void forbid_signing(struct lab *lab, int n)
{
    (void)n;
    lab_load(lab);
    assert_ok(lab->f->C_Initialize(NULL));
    lab_policy(lab, ALICE "forbid(principal, action == Action::\"sign\", resource);");
    lab_unload(lab);
}

START_TEST(a_policy_of_another_process_ends_what_is_remembered)
{
    struct scene s;

    scene_init(&s, ALICE);
    signs_again(&s);
    lab_join(lab_child(forbid_signing, &s.lab, 0));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_init(&s, CKM_ECDSA_SHA256));
    lab_end(&s.lab);
}
END_TEST

/* Nothing is written anywhere when the time comes. */
START_TEST(a_policy_that_looks_at_the_time_is_asked_every_time)
{
    struct scene s;
    char policy[256];
    long until = (long)time(NULL) + 20;

    (void)snprintf(policy, sizeof(policy),
                   ALICE "forbid(principal, action == Action::\"sign\", resource) when { "
                         "context.now >= %ld };",
                   until);
    scene_init(&s, policy);
    signs_again(&s);
    while (time(NULL) < until)
        lab_sleep_ms(100);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(&s));
    lab_end(&s.lab);
}
END_TEST

START_TEST(what_one_user_was_granted_is_not_the_next_ones)
{
    struct scene s;

    scene_init(&s, ALICE BOB_LISTS);
    signs_again(&s);
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(lab_login(&s.lab, s.session, CKU_USER, "bob:" LAB_BOB_PIN));
    s.key = lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls");
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(&s));
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(lab_login(&s.lab, s.session, CKU_USER, "alice:" LAB_PIN));
    s.key = lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls");
    assert_ok(sign(&s));
    lab_end(&s.lab);
}
END_TEST

START_TEST(one_mechanism_is_not_another)
{
    struct scene s;

    scene_init(&s, ALICE "forbid(principal, action == Action::\"sign\", resource) when { "
                         "context has mechanism && context.mechanism == \"CKM_ECDSA\" };");
    signs_again(&s);
    assert_rv(CKR_MECHANISM_INVALID, sign_init(&s, CKM_ECDSA));
    assert_ok(sign(&s));
    lab_end(&s.lab);
}
END_TEST

START_TEST(a_use_that_was_remembered_has_the_same_record)
{
    struct scene s;
    unsigned before;

    scene_init(&s, ALICE);
    before = lab_log_count(&s.lab, "C_Sign", "CKR_OK");
    signs_again(&s);
    ck_assert_uint_eq(lab_log_count(&s.lab, "C_Sign", "CKR_OK"), before + 2);
    (void)lab_log_whole(&s.lab);
    lab_end(&s.lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_policy_of_this_process_ends_what_is_remembered, 120),
        CASE_SLOW(a_policy_of_another_process_ends_what_is_remembered, 120),
        CASE_SLOW(a_policy_that_looks_at_the_time_is_asked_every_time, 180),
        CASE_SLOW(what_one_user_was_granted_is_not_the_next_ones, 120),
        CASE_SLOW(one_mechanism_is_not_another, 120),
        CASE_SLOW(a_use_that_was_remembered_has_the_same_record, 120),
    };

    return lab_suite_run("pkcs11/recall", cases, sizeof(cases) / sizeof(*cases));
}
