/* Verbs about policies and the log: what is applied is what was checked, what is explained is what
 * the gate would answer, what is shown is what happened. */
#include "tests/support/verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- check, apply, show ---- */

/* A verb with a text in it, whatever the text holds. */
static CK_RV with_text(struct lab *lab, const char *verb, const char *vault, const char *text)
{
    json_t *request = json_pack("{s:s, s:s*, s:s, s:s}", "verb", verb, "vault", vault, "text", text,
                                "name", "my.cedar");
    char *json = json_dumps(request, 0);
    CK_RV rv = lab_admin(lab, NULL, "%s", json);

    free(json);
    json_decref(request);
    return rv;
}

static const struct {
    const char *text, *error;
} bad_policies[] = {
    {"permit (principal, action, resource", "my.cedar:1:"},
    {"permit (principal, action, resource);\npermit (principal, action == Action::\"sing\", "
     "resource);",
     "my.cedar:2:"},
    {"permit (principal, action, resource) when { resource.colour == \"red\" };", "my.cedar:1:"},
    {"permit (principal == ?principal, action, resource);", "my.cedar:1:"},
    {"@id(\"a\") permit (principal, action, resource);\n"
     "@id(\"a\") permit (principal, action, resource);",
     "my.cedar:2:"},
    {"permit (principal == Robot::\"r\", action, resource);", "my.cedar:1:"},
};

START_TEST(a_bad_policy_is_refused_with_its_place_and_nothing_changes)
{
    struct lab lab;
    char before[4096];

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    (void)snprintf(before, sizeof(before), "%s", verb_text(&lab, "text"));
    assert_rv(CKR_ARGUMENTS_BAD, with_text(&lab, "policy.check", NULL, bad_policies[_i].text));
    ck_assert_msg(strncmp(verb_text(&lab, "error"), bad_policies[_i].error,
                          strlen(bad_policies[_i].error)) == 0,
                  "%s", lab.answer);
    ck_assert_uint_ge(verb_count(&lab, "errors"), 1);
    assert_rv(CKR_ARGUMENTS_BAD, with_text(&lab, "policy.apply", "web", bad_policies[_i].text));
    ck_assert_str_eq(verb_text(&lab, "errors.0.source"), "my.cedar");
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    ck_assert_str_eq(verb_text(&lab, "text"), before);
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

START_TEST(an_applied_policy_is_shown_as_written_and_holds_at_once)
{
    static const char text[] =
        "// only looking\npermit (principal == User::\"alice\", action in Action::\"reader\", "
        "resource);\n";
    struct lab lab;
    CK_SESSION_HANDLE session;
    CK_MECHANISM mechanism = {CKM_ECDSA_SHA256, NULL, 0};

    lab_start(&lab);
    session = lab_alice(&lab);
    lab_signs(&lab, session);
    assert_ok(with_text(&lab, "policy.check", NULL, text));
    ck_assert_int_eq(lab_answer_number(&lab, "policies"), 1);
    assert_rv(CKR_ACTION_PROHIBITED, with_text(&lab, "policy.apply", "web", text));
    assert_ok(lab.f->C_Logout(session));
    assert_ok(with_text(&lab, "policy.apply", "web", text));
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\",\"vault\":\"web\"}");
    ck_assert_str_eq(verb_text(&lab, "text"), text);
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
    assert_rv(
        CKR_KEY_FUNCTION_NOT_PERMITTED,
        lab.f->C_SignInit(session, &mechanism, lab_find(&lab, session, CKO_PRIVATE_KEY, "tls")));
    lab_end(&lab);
}
END_TEST

START_TEST(the_homes_policy_is_shown_and_names_the_administrator)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"policy.show\"}");
    ck_assert_ptr_nonnull(strstr(verb_text(&lab, "text"), "principal == Unix::\""));
    lab_end(&lab);
}
END_TEST

START_TEST(roles_are_listed_with_their_actions)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"policy.roles\"}");
    ck_assert_uint_ge(verb_count(&lab, "roles"), 8);
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"role\":\"cryptoUser\""));
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"sign\""));
    lab_end(&lab);
}
END_TEST

/* ---- explain ---- */

static const char explained_policy[] =
    "@id(\"alice-uses\") permit (principal == User::\"alice\", action in Action::\"cryptoUser\", "
    "resource);\n"
    "@id(\"no-rsa\") forbid (principal, action == Action::\"sign\", resource is Key)\n"
    "when { resource.type == \"rsa\" };\n"
    "@id(\"errs\") permit (principal == User::\"bob\", action == Action::\"verify\", resource)\n"
    "when { context.now > 0 };\n"
    "@id(\"pss-only\") permit (principal == User::\"carol\", action == Action::\"sign\", "
    "resource)\n"
    "when { context has mechanism && context.mechanism == \"CKM_ECDSA\" };\n"
    "@id(\"staff\") permit (principal in UnixGroup::\"staff\", action == Action::\"list\", "
    "resource);\n"
    "@id(\"dan\") permit (principal == Unix::\"dan\", action in Action::\"reader\", resource);\n";

static const struct {
    const char *request, *decision, *why, *rule, *effect;
} explanations[] = {
    {"\"principal\":\"User::\\\"alice\\\"\",\"action\":\"sign\",\"object\":\"tls\"", "allow",
     "permitted", "alice-uses", "permit"},
    {"\"principal\":\"User::\\\"alice\\\"\",\"action\":\"Action::\\\"sign\\\"\","
     "\"resource\":\"Key::\\\"web/tls\\\"\"",
     "allow", "permitted", "alice-uses", "permit"},
    {"\"principal\":\"User::\\\"alice\\\"\",\"action\":\"sign\",\"object\":\"sign\"", "deny",
     "forbidden", "no-rsa", "forbid"},
    {"\"principal\":\"User::\\\"alice\\\"\",\"action\":\"verify\",\"object\":\"sign\"", "allow",
     "permitted", "alice-uses", "permit"},
    {"\"principal\":\"User::\\\"alice\\\"\",\"action\":\"delete\",\"object\":\"tls\"", "deny",
     "default deny", "", ""},
    {"\"principal\":\"User::\\\"eve\\\"\",\"action\":\"sign\",\"object\":\"tls\"", "deny",
     "default deny", "", ""},
    {"\"principal\":\"User::\\\"bob\\\"\",\"action\":\"verify\",\"object\":\"tls\","
     "\"context\":{\"now\":\"soon\"}",
     "deny", "an error means no", "errs", "permit"},
    {"\"principal\":\"User::\\\"carol\\\"\",\"action\":\"sign\",\"object\":\"tls\","
     "\"context\":{\"mechanism\":\"CKM_ECDSA\"}",
     "allow", "permitted", "pss-only", "permit"},
    {"\"principal\":\"User::\\\"carol\\\"\",\"action\":\"sign\",\"object\":\"tls\","
     "\"context\":{\"mechanism\":\"CKM_ECDSA_SHA1\"}",
     "deny", "default deny", "", ""},
    {"\"principal\":\"Unix::\\\"www\\\"\",\"action\":\"list\",\"groups\":[\"staff\"]", "allow",
     "permitted", "staff", "permit"},
    {"\"principal\":\"Unix::\\\"www\\\"\",\"action\":\"list\",\"groups\":[\"other\"]", "deny",
     "default deny", "", ""},
    {"\"principal\":\"Unix::\\\"dan\\\"\",\"action\":\"list\",\"object\":\"tls\"", "allow",
     "permitted", "dan", "permit"},
    /* A group is not the caller by name: the private half stays hidden until a login. */
    {"\"principal\":\"Unix::\\\"root\\\"\",\"action\":\"applyPolicy\","
     "\"context\":{\"via\":\"admin\"}",
     "allow", "permitted", "home:administrator", "permit"},
    {"\"principal\":\"Unix::\\\"root\\\"\",\"action\":\"applyPolicy\"", "deny", "default deny", "",
     ""},
    {"\"principal\":\"User::\\\"alice\\\"\",\"action\":\"login\"", "allow", "permitted",
     "home:services", "permit"},
};

START_TEST(a_request_is_explained_as_the_gate_would_answer_it)
{
    struct lab lab;
    char request[1024];

    lab_start(&lab);
    lab_policy(&lab, explained_policy);
    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{%s}}",
                   explanations[_i].request);
    verb_ok(&lab, NULL, request);
    ck_assert_msg(strcmp(verb_text(&lab, "decision"), explanations[_i].decision) == 0, "%s",
                  lab.answer);
    ck_assert_msg(strstr(verb_text(&lab, "why"), explanations[_i].why) != NULL, "%s", lab.answer);
    ck_assert_msg(strcmp(verb_text(&lab, "rules.0.id"), explanations[_i].rule) == 0, "%s",
                  lab.answer);
    ck_assert_str_eq(verb_text(&lab, "rules.0.effect"), explanations[_i].effect);
    lab_end(&lab);
}
END_TEST

static const struct {
    const char *request, *words;
    CK_RV rv;
} bad_explanations[] = {
    {"\"action\":\"sign\"", "\"principal\" is missing", CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"a\\\"\"", "\"action\" is missing", CKR_ARGUMENTS_BAD},
    {"\"principal\":\"alice\",\"action\":\"sign\"", "names nobody", CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"alice\",\"action\":\"sign\"", "does not end", CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"a\\\"\",\"action\":\"sing\"", "no action \"sing\"",
     CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"a\\\"\",\"action\":\"sign\",\"object\":\"nope\"", "no such object",
     CKR_OBJECT_HANDLE_INVALID},
    {"\"principal\":\"User::\\\"a\\\"\",\"action\":\"sign\",\"resource\":\"Key::\\\"mail/"
     "dkim\\\"\"",
     "is not of vault web", CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"a\\\"\",\"action\":\"sign\",\"context\":{\"x\":[1]}",
     "context member \"x\"", CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"a\\\"\",\"action\":\"sign\",\"context\":7", "must be an object",
     CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"a\\\"\",\"action\":\"sign\",\"groups\":\"x\"", "\"groups\"",
     CKR_ARGUMENTS_BAD},
    {"\"principal\":\"User::\\\"a\\\"\",\"action\":\"sign\",\"who\":1", "unknown member \"who\"",
     CKR_ARGUMENTS_BAD},
};

START_TEST(a_bad_request_to_explain_is_refused_by_name)
{
    struct lab lab;
    char request[1024];

    lab_start(&lab);
    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{%s}}",
                   bad_explanations[_i].request);
    verb_refused(&lab, bad_explanations[_i].rv, bad_explanations[_i].words, NULL, request);
    lab_end(&lab);
}
END_TEST

START_TEST(an_object_that_is_not_there_yet_can_be_asked_about)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL,
            "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{\"principal\":"
            "\"User::\\\"alice\\\"\",\"action\":\"create\",\"object\":\"not-yet\"}}");
    ck_assert_str_eq(verb_text(&lab, "decision"), "allow");
    lab_end(&lab);
}
END_TEST

START_TEST(a_private_key_is_explained_as_hidden_without_a_login)
{
    static const char request[] = "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{"
                                  "\"principal\":\"Unix::\\\"www\\\"\",\"action\":\"list\","
                                  "\"object\":\"tls\"}}";
    struct lab lab;

    lab_start(&lab);
    lab_policy(&lab, "permit (principal, action == Action::\"list\", resource);");
    verb_ok(&lab, NULL, request);
    ck_assert_str_eq(verb_text(&lab, "decision"), "deny");
    ck_assert_ptr_nonnull(strstr(verb_text(&lab, "why"), "until C_Login"));
    lab_policy(&lab, "permit (principal == Unix::\"www\", action == Action::\"list\", resource);");
    verb_ok(&lab, NULL, request);
    ck_assert_str_eq(verb_text(&lab, "decision"), "allow");
    lab_end(&lab);
}
END_TEST

/* ---- the log ---- */

static bool all_are(const struct lab *lab, const char *name, const char *value)
{
    json_t *answer = verb_answer(lab);
    const json_t *events = json_object_get(answer, "events");
    bool all = json_array_size(events) > 0;

    for (size_t i = 0; i < json_array_size(events); i++) {
        const char *has = json_string_value(json_object_get(json_array_get(events, i), name));

        all = all && has != NULL && strcmp(has, value) == 0;
    }
    json_decref(answer);
    return all;
}

START_TEST(the_log_is_shown_by_vault_object_and_denial)
{
    struct lab lab;
    CK_SESSION_HANDLE session;

    lab_start(&lab);
    session = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab_login(&lab, session, CKU_USER, "bob:" LAB_BOB_PIN));
    verb_refused(&lab, CKR_ACTION_PROHIBITED, "may not delete", NULL,
                 "{\"verb\":\"key.delete\",\"vault\":\"web\",\"name\":\"tls\"}");
    assert_ok(lab.f->C_Logout(session));
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\",\"vault\":\"mail\"}");
    ck_assert(all_are(&lab, "vault", "mail"));
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\",\"vault\":\"web\",\"object\":\"tls\"}");
    ck_assert(all_are(&lab, "object", "tls"));
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\",\"denied\":true}");
    ck_assert(all_are(&lab, "verdict", "deny"));
    ck_assert_str_eq(verb_text(&lab, "events.0.principal"), "User::\"bob\"");
    ck_assert_ptr_nonnull(strstr(verb_text(&lab, "events.0.reason"), "no policy permits it"));
    lab_end(&lab);
}
END_TEST

START_TEST(the_log_is_shown_from_a_time_on)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\",\"since\":\"2020-01-01\"}");
    ck_assert_uint_gt(verb_count(&lab, "events"), 10);
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\",\"since\":\"2100-01-01T00:00:00Z\"}");
    ck_assert_uint_eq(verb_count(&lab, "events"), 0);
    verb_ok(&lab, NULL, "{\"verb\":\"log.show\",\"since\":\"1h\"}");
    ck_assert_uint_gt(verb_count(&lab, "events"), 10);
    verb_refused(&lab, CKR_ARGUMENTS_BAD, "is no time", NULL,
                 "{\"verb\":\"log.show\",\"since\":\"yesterday\"}");
    lab_end(&lab);
}
END_TEST

START_TEST(pages_of_the_log_join_without_gap)
{
    struct lab lab;
    json_int_t from = 0;
    json_int_t seen = 0;
    char request[128];

    lab_start(&lab);
    for (int page = 0; page < 100 && from >= 0; page++) {
        (void)snprintf(request, sizeof(request),
                       "{\"verb\":\"log.show\",\"limit\":7,\"from\":%lld}", (long long)from);
        verb_ok(&lab, NULL, request);
        ck_assert_uint_le(verb_count(&lab, "events"), 7);
        for (size_t i = 0; i < verb_count(&lab, "events"); i++) {
            json_t *answer = verb_answer(&lab);
            const json_t *event = json_array_get(json_object_get(answer, "events"), i);

            ck_assert_int_eq(json_integer_value(json_object_get(event, "seq")), seen);
            seen++;
            json_decref(answer);
        }
        from = lab_answer_number(&lab, "next");
    }
    ck_assert_int_eq(from, -1);
    ck_assert_int_gt(seen, 14);
    lab_end(&lab);
}
END_TEST

START_TEST(a_checkpoint_signs_what_is_there_and_the_log_verifies)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"log.checkpoint\"}");
    ck_assert_int_gt(lab_answer_number(&lab, "signed-size"), 10);
    verb_ok(&lab, NULL, "{\"verb\":\"log.verify\"}");
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"ok\":true"));
    verb_ok(&lab, NULL, "{\"verb\":\"log.key\"}");
    ck_assert_int_eq(strncmp(verb_text(&lab, "key"), "keyward/", 8), 0);
    lab_end(&lab);
}
END_TEST

/* Changes one byte of a record in place, wherever the records lie. */
static void tamper(const struct lab *lab)
{
    char script[512];
    const char *const argv[] = {"sh", "-c", script, NULL};

    (void)snprintf(script, sizeof(script),
                   "f=$(grep -rla vault.create '%s/log' | head -n 1) && "
                   "at=$(grep -obUa vault.create \"$f\" | head -n 1 | cut -d: -f1) && "
                   "printf X | dd of=\"$f\" bs=1 seek=\"$at\" conv=notrunc 2>/dev/null",
                   lab->home);
    ck_assert_int_eq(lab_program(argv), 0);
}

START_TEST(a_tampered_log_is_reported_not_passed)
{
    struct lab lab;

    lab_start(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"log.checkpoint\"}");
    tamper(&lab);
    verb_ok(&lab, NULL, "{\"verb\":\"log.verify\"}");
    ck_assert_ptr_nonnull(strstr(lab.answer, "\"ok\":false"));
    ck_assert_str_ne(verb_text(&lab, "report.problem"), "");
    lab_end(&lab);
}
END_TEST

#define LENGTH(a) ((int)(sizeof(a) / sizeof(*(a))))

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_bad_policy_is_refused_with_its_place_and_nothing_changes, LENGTH(bad_policies)),
        CASE(an_applied_policy_is_shown_as_written_and_holds_at_once),
        CASE(the_homes_policy_is_shown_and_names_the_administrator),
        CASE(roles_are_listed_with_their_actions),
        CASE_LOOP(a_request_is_explained_as_the_gate_would_answer_it, LENGTH(explanations)),
        CASE_LOOP(a_bad_request_to_explain_is_refused_by_name, LENGTH(bad_explanations)),
        CASE(an_object_that_is_not_there_yet_can_be_asked_about),
        CASE(a_private_key_is_explained_as_hidden_without_a_login),
        CASE(the_log_is_shown_by_vault_object_and_denial),
        CASE(the_log_is_shown_from_a_time_on),
        CASE(pages_of_the_log_join_without_gap),
        CASE(a_checkpoint_signs_what_is_there_and_the_log_verifies),
        CASE(a_tampered_log_is_reported_not_passed),
    };

    return lab_suite_run("pkcs11/admin_policy", cases, sizeof(cases) / sizeof(*cases));
}
