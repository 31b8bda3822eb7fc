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

static CK_RV seal(const struct scene *s, CK_OBJECT_HANDLE key, CK_BYTE nonce)
{
    CK_BYTE iv[12] = {nonce};
    CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    CK_BYTE data[4] = {1};
    CK_BYTE out[32];
    CK_ULONG len = sizeof(out);
    CK_RV rv = s->lab.f->C_EncryptInit(s->session, &mechanism, key);

    return rv == CKR_OK ? s->lab.f->C_Encrypt(s->session, data, sizeof(data), out, &len) : rv;
}

struct parameters {
    char list[3][65];
    size_t count;
};

static void note_parameters(void *ctx, json_t *record)
{
    struct parameters *p = ctx;
    const char *function = json_string_value(json_object_get(record, "function"));
    const char *text = json_string_value(json_object_get(record, "parameters"));

    if (function == NULL || strcmp(function, "C_Encrypt") != 0)
        return;
    ck_assert_ptr_nonnull(text);
    ck_assert_uint_lt(p->count, 3);
    (void)snprintf(p->list[p->count++], sizeof(p->list[0]), "%s", text);
}

START_TEST(each_record_of_a_remembered_use_has_its_own_parameters)
{
    struct parameters p = {.count = 0};
    CK_OBJECT_HANDLE key;
    struct scene s;

    scene_init(&s, ALICE);
    key = lab_find(&s.lab, s.session, CKO_SECRET_KEY, "seal");
    assert_ok(seal(&s, key, 1));
    assert_ok(seal(&s, key, 2));
    assert_ok(seal(&s, key, 1));
    lab_log_each(&s.lab, 0, note_parameters, &p);
    ck_assert_uint_eq(p.count, 3);
    ck_assert_str_ne(p.list[0], p.list[1]);
    ck_assert_str_eq(p.list[0], p.list[2]);
    lab_policy(&s.lab, ALICE "forbid(principal, action == Action::\"encrypt\", resource);");
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, seal(&s, key, 3));
    lab_end(&s.lab);
}
END_TEST

static CK_RV sign_salted(const struct scene *s, CK_OBJECT_HANDLE key, CK_ULONG salt)
{
    CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, salt};
    CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof(pss)};
    CK_BYTE data[4] = {1};
    CK_BYTE out[256];
    CK_ULONG len = sizeof(out);
    CK_RV rv = s->lab.f->C_SignInit(s->session, &mechanism, key);

    return rv == CKR_OK ? s->lab.f->C_Sign(s->session, data, sizeof(data), out, &len) : rv;
}

START_TEST(parameters_that_the_policy_is_told_of_are_asked_every_time)
{
    CK_OBJECT_HANDLE key;
    struct scene s;

    scene_init(&s, ALICE "forbid(principal, action == Action::\"sign\", resource) when { "
                         "context has saltLength && context.saltLength < 32 };");
    key = lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "sign");
    assert_ok(sign_salted(&s, key, 32));
    assert_ok(sign_salted(&s, key, 32));
    assert_rv(CKR_MECHANISM_INVALID, sign_salted(&s, key, 20));
    assert_ok(sign_salted(&s, key, 32));
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
        CASE_SLOW(each_record_of_a_remembered_use_has_its_own_parameters, 120),
        CASE_SLOW(parameters_that_the_policy_is_told_of_are_asked_every_time, 120),
    };

    return lab_suite_run("pkcs11/recall", cases, sizeof(cases) / sizeof(*cases));
}
