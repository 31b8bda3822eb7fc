/* After a denial: the smallest changes that would have been enough, and the permits that came
 * nearest. */
#include "policy/remedy.h"
#include "tests/support/suite.h"
#include "tests/unit/policy/world.h"

#include <string.h>

static struct policy *policy;
static struct policy_advice advice;

static void ask(const char *text, const struct policy_request *request)
{
    struct world_answer answer;

    policy = world_load(text);
    world_decide(policy, request, &answer);
    ck_assert(!answer.verdict.allow);
    assert_ok(policy_advise(policy, request, &advice));
}

static void ask_alice(const char *text)
{
    struct policy_request request = world_request("alice", "sign");

    ask(text, &request);
}

static void done(void)
{
    policy_advice_release(&advice);
    policy_free(policy);
}

static bool is_group(const struct policy_step *step, const char *id)
{
    return step->change == POLICY_CHANGE_GROUP && bytes_equal_str(step->uid.id, id);
}

static bool is_text(const struct policy_step *step, const char *name, const char *value)
{
    return step->change == POLICY_CHANGE_CONTEXT && bytes_equal_str(step->field.name, name) &&
           step->field.value.kind == POLICY_STRING &&
           bytes_equal_str(step->field.value.u.string, value);
}

START_TEST(a_group_that_is_missing_is_named)
{
    ask_alice("permit (principal in Group::\"signers\", action == Action::\"sign\", resource);");
    ck_assert_uint_eq(advice.remedy_count, 1);
    ck_assert_uint_eq(advice.remedies[0].count, 1);
    ck_assert(is_group(&advice.remedies[0].steps[0], "signers"));
    ck_assert_uint_eq(advice.near_count, 1);
    ck_assert_str_eq(advice.near[0].part, "principal");
    done();
}
END_TEST

START_TEST(a_member_of_the_context_is_named_with_its_value)
{
    ask_alice("permit (principal, action, resource) when { context has hash && context.hash == "
              "\"CKM_SHA256\" };");
    ck_assert_uint_eq(advice.remedy_count, 1);
    ck_assert(is_text(&advice.remedies[0].steps[0], "hash", "CKM_SHA256"));
    done();
}
END_TEST

START_TEST(two_changes_are_named_where_one_is_not_enough)
{
    ask_alice("permit (principal in Group::\"signers\", action, resource) when { context has hash "
              "&& context.hash == \"CKM_SHA256\" };");
    ck_assert_uint_eq(advice.remedy_count, 1);
    ck_assert_uint_eq(advice.remedies[0].count, 2);
    ck_assert(is_group(&advice.remedies[0].steps[0], "signers"));
    ck_assert(is_text(&advice.remedies[0].steps[1], "hash", "CKM_SHA256"));
    done();
}
END_TEST

START_TEST(a_login_is_named_for_who_has_none_and_not_for_another_user)
{
    static const char text[] = "permit (principal == User::\"carol\", action, resource) when { "
                               "context.loggedIn };";
    struct policy_request request = world_request("alice", "sign");

    request.principal = (struct policy_uid){.type = BYTES_LIT("Unix"), .id = BYTES_LIT("www")};
    ask(text, &request);
    ck_assert_uint_eq(advice.remedy_count, 1);
    ck_assert_int_eq(advice.remedies[0].steps[0].change, POLICY_CHANGE_LOGIN);
    ck_assert(bytes_equal_str(advice.remedies[0].steps[0].uid.id, "carol"));
    done();
    ask_alice(text);
    ck_assert_uint_eq(advice.remedy_count, 0);
    done();
}
END_TEST

START_TEST(what_lifts_a_forbid_is_named)
{
    ask_alice("permit (principal, action, resource); forbid (principal, action, resource) when { "
              "context has mechanism && context.mechanism == \"CKM_ECDSA_SHA256\" };");
    ck_assert_uint_eq(advice.remedy_count, 2); /* any other, once, and none */
    for (size_t i = 0; i < advice.remedy_count; i++) {
        ck_assert(bytes_equal_str(advice.remedies[i].steps[0].field.name, "mechanism"));
        ck_assert(!is_text(&advice.remedies[i].steps[0], "mechanism", "CKM_ECDSA_SHA256"));
    }
    done();
}
END_TEST

START_TEST(where_nothing_helps_nothing_is_named)
{
    ask_alice("permit (principal in Group::\"signers\", action, resource); forbid (principal, "
              "action, resource);");
    ck_assert_uint_eq(advice.remedy_count, 0);
    done();
}
END_TEST

START_TEST(the_nearest_permit_is_told_with_the_part_that_fails)
{
    ask_alice("@id(\"far\") permit (principal == User::\"bob\", action, resource)\n"
              "when { context has hash };\n"
              "@id(\"other\") permit (principal, action == Action::\"decrypt\", resource);\n"
              "@id(\"near\") permit (principal, action, resource)\n"
              "when { context.loggedIn && context has hash };\n");
    ck_assert_uint_eq(advice.near_count, 1);
    ck_assert_str_eq(policy_id(policy, advice.near[0].rule), "near");
    ck_assert_str_eq(advice.near[0].part, "condition");
    ck_assert_uint_eq(advice.near[0].line, 5);
    ck_assert_uint_gt(advice.near[0].column, 8);
    done();
}
END_TEST

/* Many names: the search ends, whatever it found. */
START_TEST(the_search_is_bounded)
{
    struct buf text = BUF_INIT(1U << 20);

    for (int i = 0; i < 600; i++)
        buf_printf(&text,
                   "permit (principal in Group::\"g%d\", action, resource) when { context has hash "
                   "&& context.hash == \"h%d\" && context has mgf && context.mgf == \"m\" };\n",
                   i, i);
    ask_alice(buf_str(&text));
    ck_assert_uint_le(advice.remedy_count, POLICY_REMEDIES_MAX);
    done();
    buf_release(&text);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_group_that_is_missing_is_named),
        CASE(a_member_of_the_context_is_named_with_its_value),
        CASE(two_changes_are_named_where_one_is_not_enough),
        CASE(a_login_is_named_for_who_has_none_and_not_for_another_user),
        CASE(what_lifts_a_forbid_is_named),
        CASE(where_nothing_helps_nothing_is_named),
        CASE(the_nearest_permit_is_told_with_the_part_that_fails),
        CASE_SLOW(the_search_is_bounded, 60),
    };

    return suite_run("policy/remedy", cases, sizeof(cases) / sizeof(*cases));
}
