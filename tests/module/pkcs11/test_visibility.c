/* What a policy hides, forbids and allows, as the C_ functions answer it: the code says what would
 * help and no more than the caller may know. */
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>

/* Both users may use all keys. */
#define USE_ALL "permit (principal is User, action in Action::\"cryptoUser\", resource);"
/* But for one key. */
#define HIDE_TLS                                                                                   \
    "permit (principal is User, action in Action::\"cryptoUser\", resource)"                       \
    "unless { resource.name == \"tls\" };"
#define FORBID_SIGN USE_ALL "forbid (principal is User, action == Action::\"sign\", resource);"

static CK_BYTE_PTR data(void)
{
    static CK_BYTE bytes[] = {'d', 'a', 't', 'a'};

    return bytes;
}

static CK_RV sign_with(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                       CK_MECHANISM_TYPE type)
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    CK_RV rv = lab->f->C_SignInit(session, &mechanism, key);

    return rv == CKR_OK ? lab->f->C_Sign(session, data(), 4, signature, &len) : rv;
}

static CK_RV sign(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    return sign_with(lab, session, key, CKM_ECDSA_SHA256);
}

static CK_RV verify_init(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_RV rv = lab->f->C_VerifyInit(session, &mechanism, key);

    if (rv == CKR_OK)
        assert_ok(lab->f->C_VerifyInit(session, NULL, 0)); /* cancels */
    return rv;
}

static CK_RV read_class(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    CK_OBJECT_CLASS cls;
    CK_ATTRIBUTE attribute = {CKA_CLASS, &cls, sizeof(cls)};

    return lab->f->C_GetAttributeValue(session, object, &attribute, 1);
}

static CK_RV set_label(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    char label[] = "other";
    CK_ATTRIBUTE attribute = {CKA_LABEL, label, 5};

    return lab->f->C_SetAttributeValue(session, object, &attribute, 1);
}

static CK_ULONG device_error(const struct lab *lab, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info = {.ulDeviceError = 99};

    assert_ok(lab->f->C_GetSessionInfo(session, &info));
    return info.ulDeviceError;
}

/* alice in vault web, with the handles of key tls. */
struct scene {
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key, public_key;
};

static void scene_start(struct scene *s, const char *policy)
{
    lab_start(&s->lab);
    lab_policy(&s->lab, policy);
    s->session = lab_alice(&s->lab);
    s->key = lab_find(&s->lab, s->session, CKO_PRIVATE_KEY, "tls");
    s->public_key = lab_find(&s->lab, s->session, CKO_PUBLIC_KEY, "tls");
    ck_assert_uint_ne(s->key, 0);
    ck_assert_uint_ne(s->public_key, 0);
}

/* The policy to apply in the child. */
static const char *text;

static void apply_here(struct lab *lab, int n)
{
    (void)n;
    assert_ok(lab->f->C_Initialize(NULL));
    lab_policy(lab, text);
    lab_unload(lab);
}

/* In another process, where nobody is logged in and the Unix user is the administrator. */
static void apply(struct scene *s, const char *policy)
{
    text = policy;
    lab_join(lab_child(apply_here, &s->lab, 0));
}

START_TEST(a_hidden_key_is_not_found_and_its_handle_means_nothing)
{
    struct scene s;
    CK_ULONG size;

    scene_start(&s, USE_ALL);
    assert_ok(sign(&s.lab, s.session, s.key));
    apply(&s, HIDE_TLS);
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PUBLIC_KEY, "tls"), 0);
    ck_assert_uint_ne(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "sign"), 0);
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(&s.lab, s.session, s.key));
    assert_rv(CKR_KEY_HANDLE_INVALID, verify_init(&s.lab, s.session, s.public_key));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, read_class(&s.lab, s.session, s.key));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, set_label(&s.lab, s.session, s.key));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, s.lab.f->C_GetObjectSize(s.session, s.public_key, &size));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, s.lab.f->C_DestroyObject(s.session, s.key));
    apply(&s, USE_ALL);
    assert_ok(sign(&s.lab, s.session, s.key));
    assert_ok(verify_init(&s.lab, s.session, s.public_key));
    assert_ok(read_class(&s.lab, s.session, s.key));
    lab_end(&s.lab);
}
END_TEST

START_TEST(what_is_public_is_found_before_a_login_and_what_is_private_is_not)
{
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public_key;

    lab_start(&lab);
    session = lab_session(&lab, CKF_SERIAL_SESSION);
    public_key = lab_find(&lab, session, CKO_PUBLIC_KEY, "tls");
    ck_assert_uint_ne(public_key, 0);
    assert_ok(read_class(&lab, session, public_key));
    ck_assert_uint_eq(lab_find(&lab, session, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_eq(lab_find(&lab, session, CKO_SECRET_KEY, "seal"), 0);
    /* It is seen, not used. */
    assert_rv(CKR_USER_NOT_LOGGED_IN, verify_init(&lab, session, public_key));
    lab_end(&lab);
}
END_TEST

START_TEST(a_policy_without_that_permit_shows_nothing_before_a_login)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    lab_policy(&lab, USE_ALL);
    session = lab_session(&lab, CKF_SERIAL_SESSION);
    ck_assert_uint_eq(lab_count(&lab, session), 0);
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    ck_assert_uint_ne(lab_find(&lab, session, CKO_PUBLIC_KEY, "tls"), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_key_is_hidden_from_one_user_and_not_from_another)
{
    struct scene s;

    scene_start(&s, USE_ALL);
    apply(&s, USE_ALL "forbid (principal == User::\"bob\", action, resource)"
                      "when { resource.name == \"tls\" };");
    assert_ok(sign(&s.lab, s.session, s.key));
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(lab_login(&s.lab, s.session, CKU_USER, "bob:" LAB_BOB_PIN));
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_ne(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "sign"), 0);
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(&s.lab, s.session, s.key));
    lab_end(&s.lab);
}
END_TEST

START_TEST(a_visible_key_that_is_not_for_this_use_says_so)
{
    struct scene s;

    scene_start(&s, FORBID_SIGN);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(&s.lab, s.session, s.key));
    assert_ok(read_class(&s.lab, s.session, s.key));
    assert_ok(verify_init(&s.lab, s.session, s.public_key));
    ck_assert_uint_eq(lab_log_count(&s.lab, "C_SignInit", "CKR_KEY_FUNCTION_NOT_PERMITTED"), 1);
    apply(&s, USE_ALL);
    assert_ok(sign(&s.lab, s.session, s.key));
    lab_end(&s.lab);
}
END_TEST

START_TEST(where_another_mechanism_would_do_the_mechanism_is_invalid)
{
    struct scene s;

    scene_start(&s, USE_ALL "forbid (principal, action == Action::\"sign\", resource) when"
                            "{ context has mechanism && context.mechanism == "
                            "\"CKM_ECDSA_SHA256\" };");
    assert_rv(CKR_MECHANISM_INVALID, sign_with(&s.lab, s.session, s.key, CKM_ECDSA_SHA256));
    assert_ok(sign_with(&s.lab, s.session, s.key, CKM_ECDSA_SHA384));
    lab_end(&s.lab);
}
END_TEST

START_TEST(where_a_login_would_help_nobody_is_logged_in)
{
    struct scene s;

    scene_start(&s, USE_ALL "permit (principal, action in [Action::\"list\", Action::\"get\"],"
                            "resource);");
    assert_ok(verify_init(&s.lab, s.session, s.public_key));
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(read_class(&s.lab, s.session, s.public_key));
    assert_rv(CKR_USER_NOT_LOGGED_IN, verify_init(&s.lab, s.session, s.public_key));
    /* To whom no login would help, none is recommended. */
    apply(&s, "permit (principal, action in [Action::\"list\", Action::\"get\"],"
              "resource);");
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, verify_init(&s.lab, s.session, s.public_key));
    lab_end(&s.lab);
}
END_TEST

START_TEST(device_error_is_the_number_of_the_rule_that_refused)
{
    struct scene s;
    CK_ULONG first;

    scene_start(&s, USE_ALL "forbid (principal, action == Action::\"sign\", resource);"
                            "forbid (principal, action == Action::\"verify\", resource);");
    ck_assert_uint_eq(device_error(&s.lab, s.session), 0);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(&s.lab, s.session, s.key));
    first = device_error(&s.lab, s.session);
    ck_assert_uint_gt(first, 0);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, verify_init(&s.lab, s.session, s.public_key));
    ck_assert_uint_eq(device_error(&s.lab, s.session), first + 1);
    /* No rule permits it: there is no number to give. */
    assert_rv(CKR_ACTION_PROHIBITED, s.lab.f->C_DestroyObject(s.session, s.key));
    ck_assert_uint_eq(device_error(&s.lab, s.session), 0);
    lab_end(&s.lab);
}
END_TEST

START_TEST(what_may_not_be_destroyed_or_changed_is_prohibited_and_stays)
{
    struct scene s;

    scene_start(&s, USE_ALL);
    assert_rv(CKR_ACTION_PROHIBITED, s.lab.f->C_DestroyObject(s.session, s.key));
    assert_rv(CKR_ACTION_PROHIBITED, set_label(&s.lab, s.session, s.key));
    lab_signs(&s.lab, s.session);
    apply(&s, "permit (principal is User, action in Action::\"cryptoOfficer\", resource);");
    assert_ok(s.lab.f->C_DestroyObject(s.session, s.key));
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "tls"), 0);
    lab_end(&s.lab);
}
END_TEST

/* The record has no such attribute, which only the question shows. */
#define ERRS  "{ (if resource.name == \"tls\" then {a: true} else {b: true}).b };"
#define HOLDS "{ (if resource.name == \"tls\" then {a: true} else {b: true}).a };"

static const struct {
    const char *errs, *holds;
} erring[] = {
    {"permit (principal, action == Action::\"sign\", resource) when " ERRS,
     "permit (principal, action == Action::\"sign\", resource) when " HOLDS},
    {"permit (principal, action == Action::\"sign\", resource);"
     "forbid (principal, action == Action::\"sign\", resource) when " ERRS,
     "permit (principal, action == Action::\"sign\", resource);"
     "forbid (principal, action == Action::\"sign\", resource) unless " HOLDS},
    {"permit (principal, action == Action::\"sign\", resource);"
     "permit (principal, action == Action::\"sign\", resource) when " ERRS,
     "permit (principal, action == Action::\"sign\", resource);"
     "permit (principal, action == Action::\"sign\", resource) when " HOLDS},
};

#define ERRING ((int)(sizeof(erring) / sizeof(*erring)))
#define LIST   "permit (principal, action == Action::\"list\", resource);"

START_TEST(a_policy_that_errs_denies)
{
    char policy[1024];
    struct scene s;

    scene_start(&s, USE_ALL);
    (void)snprintf(policy, sizeof(policy), LIST "%s", erring[_i].errs);
    apply(&s, policy);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign(&s.lab, s.session, s.key));
    (void)snprintf(policy, sizeof(policy), LIST "%s", erring[_i].holds);
    apply(&s, policy);
    assert_ok(sign(&s.lab, s.session, s.key));
    lab_end(&s.lab);
}
END_TEST

START_TEST(a_user_of_one_vault_has_no_handle_in_the_other)
{
    CK_SESSION_HANDLE there = 0;
    struct scene s;

    scene_start(&s, USE_ALL);
    s.lab.slot = lab_slot(&s.lab, "mail");
    there = lab_session(&s.lab, CKF_RW_SESSION);
    ck_assert_uint_eq(lab_find(&s.lab, there, CKO_PRIVATE_KEY, "tls"), 0);
    assert_ok(lab_login(&s.lab, there, CKU_USER, LAB_PIN)); /* carol */
    ck_assert_uint_eq(lab_find(&s.lab, there, CKO_PRIVATE_KEY, "tls"), 0);
    ck_assert_uint_eq(lab_find(&s.lab, s.session, CKO_PRIVATE_KEY, "dkim"), 0);
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(&s.lab, there, s.key));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, read_class(&s.lab, there, s.public_key));
    assert_ok(sign(&s.lab, there, lab_find(&s.lab, there, CKO_PRIVATE_KEY, "dkim")));
    lab_end(&s.lab);
}
END_TEST

/* ---- policies applied in another process ---- */

static const struct {
    const char *policy;
    CK_RV init, finish;
} elsewhere[] = {
    {FORBID_SIGN, CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_FUNCTION_NOT_PERMITTED},
    {HIDE_TLS, CKR_KEY_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID},
    {"", CKR_KEY_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID},
    {USE_ALL "forbid (principal, action, resource) when { false };", CKR_OK, CKR_OK},
};

#define ELSEWHERE ((int)(sizeof(elsewhere) / sizeof(*elsewhere)))

START_TEST(a_policy_applied_in_another_process_holds_from_the_next_call_on)
{
    struct scene s;

    scene_start(&s, USE_ALL);
    assert_ok(sign(&s.lab, s.session, s.key));
    apply(&s, elsewhere[_i].policy);
    assert_rv(elsewhere[_i].init, sign(&s.lab, s.session, s.key));
    lab_end(&s.lab);
}
END_TEST

START_TEST(a_policy_applied_between_init_and_sign_holds_for_sign)
{
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};
    CK_BYTE signature[LAB_SIGNATURE_MAX] = {0};
    static const CK_BYTE untouched[LAB_SIGNATURE_MAX];
    CK_ULONG len = sizeof(signature);
    struct scene s;

    scene_start(&s, USE_ALL);
    assert_ok(s.lab.f->C_SignInit(s.session, &mechanism, s.key));
    apply(&s, elsewhere[_i].policy);
    assert_rv(elsewhere[_i].finish, s.lab.f->C_Sign(s.session, data(), 4, signature, &len));
    ck_assert_int_eq(memcmp(signature, untouched, sizeof(signature)) == 0,
                     elsewhere[_i].finish != CKR_OK);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              s.lab.f->C_Sign(s.session, data(), 4, signature, &len));
    lab_end(&s.lab);
}
END_TEST

/* ---- CKA_TRUSTED ---- */

#define OFFICER                                                                                    \
    "permit (principal is User, action in Action::\"dataPlane\", resource)"                        \
    "when { principal == User::\"alice\" || principal == User::\"so\" };"

static CK_RV set_trusted(const struct lab *lab, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                         CK_BBOOL value)
{
    CK_ATTRIBUTE attribute = {CKA_TRUSTED, &value, sizeof(value)};

    return lab->f->C_SetAttributeValue(session, object, &attribute, 1);
}

static CK_BBOOL is_trusted(const struct lab *lab, CK_SESSION_HANDLE session,
                           CK_OBJECT_HANDLE object)
{
    CK_BBOOL value = 99;
    CK_ATTRIBUTE attribute = {CKA_TRUSTED, &value, sizeof(value)};

    assert_ok(lab->f->C_GetAttributeValue(session, object, &attribute, 1));
    return value;
}

START_TEST(trusted_is_set_by_the_security_officer_and_taken_away_by_who_may_update)
{
    struct scene s;

    scene_start(&s, OFFICER);
    assert_rv(CKR_USER_NOT_LOGGED_IN, set_trusted(&s.lab, s.session, s.public_key, CK_TRUE));
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(lab_login(&s.lab, s.session, CKU_SO, LAB_SO_PIN));
    assert_ok(set_trusted(&s.lab, s.session, s.public_key, CK_TRUE));
    ck_assert_uint_eq(is_trusted(&s.lab, s.session, s.public_key), CK_TRUE);
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(lab_login(&s.lab, s.session, CKU_USER, LAB_PIN));
    ck_assert_uint_eq(is_trusted(&s.lab, s.session, s.public_key), CK_TRUE);
    assert_ok(set_trusted(&s.lab, s.session, s.public_key, CK_TRUE)); /* it is */
    assert_ok(set_trusted(&s.lab, s.session, s.public_key, CK_FALSE));
    assert_rv(CKR_USER_NOT_LOGGED_IN, set_trusted(&s.lab, s.session, s.public_key, CK_TRUE));
    lab_end(&s.lab);
}
END_TEST

START_TEST(trusted_is_not_set_by_an_officer_whom_the_policy_lets_read_only)
{
    struct scene s;

    scene_start(&s, USE_ALL);
    assert_ok(s.lab.f->C_Logout(s.session));
    assert_ok(lab_login(&s.lab, s.session, CKU_SO, LAB_SO_PIN));
    assert_rv(CKR_ACTION_PROHIBITED, set_trusted(&s.lab, s.session, s.public_key, CK_TRUE));
    lab_end(&s.lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_hidden_key_is_not_found_and_its_handle_means_nothing),
        CASE(what_is_public_is_found_before_a_login_and_what_is_private_is_not),
        CASE(a_policy_without_that_permit_shows_nothing_before_a_login),
        CASE(a_key_is_hidden_from_one_user_and_not_from_another),
        CASE(a_visible_key_that_is_not_for_this_use_says_so),
        CASE(where_another_mechanism_would_do_the_mechanism_is_invalid),
        CASE(where_a_login_would_help_nobody_is_logged_in),
        CASE(device_error_is_the_number_of_the_rule_that_refused),
        CASE(what_may_not_be_destroyed_or_changed_is_prohibited_and_stays),
        CASE_LOOP(a_policy_that_errs_denies, ERRING),
        CASE(a_user_of_one_vault_has_no_handle_in_the_other),
        CASE_LOOP(a_policy_applied_in_another_process_holds_from_the_next_call_on, ELSEWHERE),
        CASE_LOOP(a_policy_applied_between_init_and_sign_holds_for_sign, ELSEWHERE),
        CASE(trusted_is_set_by_the_security_officer_and_taken_away_by_who_may_update),
        CASE(trusted_is_not_set_by_an_officer_whom_the_policy_lets_read_only),
    };

    return lab_suite_run("pkcs11/visibility", cases, sizeof(cases) / sizeof(*cases));
}
