/*
 * A policy in the store that does not load: written by another version, or by a hand that is not
 * ours. Nothing is allowed until it is applied anew, and the reason says so.
 */
#include "pkcs11/engine.h"
#include "tests/support/lab.h"
#include "vault/vault.h"

#include <string.h>

#define LABEL "tls"

static const char unparsable[] = "permit (principal, action, resource";

/* As policy.apply would never do it: unread, into the store. */
static void spoil(struct lab *lab, int n)
{
    struct engine *engine = NULL;
    struct vault_info vault;

    (void)n;
    assert_ok(engine_new(lab->home, HSM_WORKER, &clock_system, &engine));
    assert_ok(engine_wake(engine));
    assert_ok(vault_get(engine_store(engine), "web", &vault));
    assert_ok(vault_set_policy(engine_store(engine), &vault, bytes_from_str(unparsable)));
    engine_free(engine);
}

static void because_of_the_policy(const struct lab *lab)
{
    ck_assert_msg(strstr(lab->admin->reason(), "apply it anew") != NULL, "%s",
                  lab->admin->reason());
}

START_TEST(under_a_policy_that_does_not_load_nobody_does_anything)
{
    CK_BYTE random[8];
    CK_SESSION_HANDLE session;
    struct lab lab;

    lab_make(&lab);
    lab_join(lab_child(spoil, &lab, 0));
    lab_up(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_FUNCTION_REJECTED, lab_login(&lab, session, CKU_USER, LAB_PIN));
    because_of_the_policy(&lab);
    assert_rv(CKR_FUNCTION_REJECTED, lab_login(&lab, session, CKU_SO, LAB_SO_PIN));
    assert_rv(CKR_FUNCTION_REJECTED, lab.f->C_GenerateRandom(session, random, sizeof(random)));
    because_of_the_policy(&lab);
    ck_assert_uint_eq(lab_count(&lab, session), 0);
    /* The other vault has a policy of its own. */
    lab.slot = lab_slot(&lab, "mail");
    ck_assert_uint_ne(lab_count(&lab, lab_alice(&lab)), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(the_log_and_status_say_which_policy_does_not_load)
{
    struct lab lab;

    lab_make(&lab);
    lab_join(lab_child(spoil, &lab, 0));
    lab_up(&lab);
    assert_rv(CKR_FUNCTION_REJECTED,
              lab_login(&lab, lab_session(&lab, CKF_RW_SESSION), CKU_USER, LAB_PIN));
    ck_assert_uint_eq(lab_log_count(&lab, "C_Login", "CKR_FUNCTION_REJECTED"), 1);
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"status\"}"));
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"policy-ok\":false"));
    ck_assert_ptr_nonnull(strstr(lab.answer, "nothing is allowed until it is applied anew"));
    lab_end(&lab);
}
END_TEST

START_TEST(a_login_does_not_outlast_a_policy_that_stops_loading)
{
    CK_BYTE signature[LAB_SIGNATURE_MAX];
    CK_OBJECT_HANDLE key;
    CK_SESSION_HANDLE session;
    CK_ULONG len;
    struct lab lab;

    lab_start(&lab);
    session = lab_alice(&lab);
    key = lab_find(&lab, session, CKO_PRIVATE_KEY, LABEL);
    assert_ok(lab_sign(&lab, session, key, "data", 4, signature, &len));
    lab_join(lab_child(spoil, &lab, 0));
    assert_rv(CKR_KEY_HANDLE_INVALID, lab_sign(&lab, session, key, "data", 4, signature, &len));
    ck_assert_uint_eq(lab_count(&lab, session), 0);
    lab_end(&lab);
}
END_TEST

/* And does nothing else to the vault before. */
START_TEST(the_administrator_applies_it_anew)
{
    struct lab lab;

    lab_start(&lab);
    lab_join(lab_child(spoil, &lab, 0));
    assert_rv(CKR_ACTION_PROHIBITED,
              lab_admin(&lab, NULL,
                        "{\"verb\":\"key.create\",\"vault\":\"web\",\"name\":\"k\","
                        "\"type\":\"aes:256\"}"));
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"status\"}"));
    ck_assert_msg(strstr(lab.answer, "applied anew") != NULL, "%s", lab.answer);
    lab_policy(&lab, "permit (principal, action in [Action::\"cryptoOfficer\", Action::\"login\"], "
                     "resource);");
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(the_log_and_status_say_which_policy_does_not_load, 120),
        CASE(under_a_policy_that_does_not_load_nobody_does_anything),
        CASE(a_login_does_not_outlast_a_policy_that_stops_loading),
        CASE(the_administrator_applies_it_anew),
    };

    return lab_suite_run("pkcs11/bad_policy", cases, sizeof(cases) / sizeof(*cases));
}
