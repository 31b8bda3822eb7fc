/* Texts: what is accepted, and for what is refused the place and the sentence. */
#include "tests/support/suite.h"
#include "tests/unit/policy/world.h"

#include <string.h>

#define P           "permit(principal, action, resource)"
#define W(ex)       "permit(principal,action,resource)\nwhen { " ex " };"
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static const char *const accepted[] = {
    "",
    "  \t\r\n\f\v// nothing but a comment",
    P ";",
    "forbid(principal, action, resource,);",
    P "when{true}unless{false}when{true};",
    "@a @b(\"x\") @if(\"y\") " P ";",
    "permit(principal == User::\"a\", action == Action::\"x\", resource == A::B::C::\"d\");",
    "permit(principal in Group::\"a\", action in Action::\"x\", resource in Vault::\"d\");",
    "permit(principal is User, action in [], resource is A::B in Vault::\"v\");",
    "permit(principal is permit, action in [Action::\"a\", N::Action::\"b\",], resource);",
    W("!!!!true && ----1 == 1 && -(-1) == 1 && - 7 < 1"),
    W("principal.principal == context[\"any name\"].permit"),
    W("context has a && context has a.b.c && context has \"a b\""),
    W("[1,].contains(1,) && [].isEmpty() && [[1], {a: 1}].containsAny([])"),
    W("{a: 1, \"b c\": 2,} == {}"),
    W("if true then 1 == 1 else if false then true else false"),
    W("\"\\n\\r\\t\\\\\\0\\'\\\"\\x7f\\u{1F_600}\\u{000041}\" like \"a*\\*\\x2a\""),
    W("-9223372036854775808 < 9223372036854775807 && 007 == 7"),
    W("\"two\nlines\" == \"\t\""),
    W("principal is User in [Group::\"a\"] || principal in principal"),
    W("context.contains == [1].contains"),
};

START_TEST(text_of_the_subset_is_accepted)
{
    policy_free(world_load(accepted[_i]));
}
END_TEST

static const struct refusal {
    const char *text;
    unsigned line, column;
    const char *says;
} refusals[] = {
    /* policies */
    {";", 1, 1, "expected `permit`, `forbid`"},
    {"allow(principal, action, resource);", 1, 1, "expected `permit`, `forbid`"},
    {P, 1, 36, "end of the text"},
    {P ";;", 1, 37, "expected `permit`"},
    {P "\n advice { true };", 2, 2, "expected `when`, `unless` or `;`"},
    {P " when true;", 1, 42, "expected `{`"},
    {P " when {};", 1, 43, "condition is empty"},
    {P " unless { };", 1, 46, "condition is empty"},
    {P " /* no */;", 1, 37, "found `/`"},
    {"\xEF\xBB\xBF" P ";", 1, 1, "unexpected character (byte 0xef)"},
    {P "\xC2\xA0;", 1, 36, "unexpected character (byte 0xc2)"},
    {P "#", 1, 36, "unexpected character (byte 0x23)"},
    {P "; @x", 1, 40, "end of the text"},
    /* a carriage return ends a comment, as in Cedar */
    {"// a\rb\n", 1, 6, "expected `permit`"},
    /* annotations */
    {"@a() " P ";", 1, 4, "expected a string, found `)`"},
    {"@a(\"x\" " P ";", 1, 8, "expected `)`"},
    {"@a(\"x\")\n@a(\"y\")" P ";", 2, 2, "a second @a"},
    {"@\"a\" " P ";", 1, 2, "annotation's name, found a string"},
    {"@id(\"a\\0b\") " P ";", 1, 5, "holds a NUL"},
    {"@id(\"a\") " P ";\n@id(\"a\") " P ";", 2, 10, "a second policy of the id \"a\""},
    {P ";\n@id(\"policy0\") " P ";", 2, 16, "a second policy of the id \"policy0\""},
    /* scope */
    {"permit(principal, action);", 1, 25, "expected `==`, `in`, `is` or `,`"},
    {"permit(action, principal, resource);", 1, 8, "expected principal, found `action`"},
    {"permit(principal == User, action, resource);", 1, 25, "an entity is written Type::\"id\""},
    {"permit(principal != User::\"a\", action, resource);", 1, 18, "found `!=`"},
    {"permit(principal: User, action, resource);", 1, 17, "found `:`"},
    {"permit(principal in [User::\"a\"], action, resource);", 1, 21, "only `action in [..]`"},
    {"permit(principal, action == [Action::\"a\"], resource);", 1, 29, "stands behind `in`"},
    {"permit(principal, action == User::\"a\", resource);", 1, 29, "Action::\"name\""},
    {"permit(principal, action == MyAction::\"a\", resource);", 1, 29, "Action::\"name\""},
    {"permit(principal, action in [Action::\"a\", User::\"a\"], resource);", 1, 43, "Action::"},
    {"permit(principal, action is Action, resource);", 1, 26, "`is` does not go with action"},
    {"permit(principal is User::\"a\", action, resource);", 1, 21, "leave out the"},
    {"permit(principal is User == User::\"a\", action, resource);", 1, 26, "do not go together"},
    {"permit(principal is if, action, resource);", 1, 21, "reserved word `if`"},
    {"permit(principal is A::__cedar, action, resource);", 1, 24, "reserved word `__cedar`"},
    {"permit(principal == A::in::\"a\", action, resource);", 1, 24, "reserved word `in`"},
    {"permit(principal == ?principal, action, resource);", 1, 21, "templates"},
    {"permit(principal in ?principal, action, resource);", 1, 21, "templates"},
    {"permit(principal, action, resource is K in ?resource);", 1, 44, "templates"},
    /* what Cedar has and the subset does not */
    {W("decimal(\"1.0\")"), 2, 8, "decimal() is not in keyward's subset of Cedar"},
    {W("principal.hasTag(\"a\")"), 2, 18, "write `resource.tags has owner`"},
    {W("principal.getTag(\"a\")"), 2, 18, "write `resource.tags.owner`"},
    {W("(1).lessThan(2)"), 2, 12, "compare whole numbers with `<`"},
    /* functions and methods of the extension types */
    {W("ip()"), 2, 11, "ip() takes one text"},
    {W("ip(\"10.0.0.1\", 1)"), 2, 23, "ip() takes one text"},
    {W("ip(\"10.0.0\") == 1"), 2, 11, "ip() cannot read this text"},
    {W("ip(\"::ffff:10.0.0.1\") == 1"), 2, 11, "ip() cannot read this text"},
    {W("ip(\"10.0.0.0/33\") == 1"), 2, 11, "ip() cannot read this text"},
    {W("datetime(\"2025-02-29\") == 1"), 2, 17, "datetime() cannot read this text"},
    {W("duration(\"1h1d\") == 1"), 2, 17, "duration() cannot read this text"},
    {W("context.ip.ip()"), 2, 19, "is a function, not a method"},
    {W("isIpv4(context.ip)"), 2, 8, "is a method: write it behind"},
    {W("ip(\"::1\").isIpv4(1)"), 2, 25, "takes no argument"},
    {W("ip(\"::1\").isInRange()"), 2, 28, "takes one argument"},
    {W("1 + 1 == 2"), 2, 10, "arithmetic is not in keyward's subset"},
    {W("2 == 1 - 1"), 2, 15, "arithmetic is not in keyward's subset"},
    {W("2 * 3 == 6"), 2, 10, "arithmetic is not in keyward's subset"},
    {W("5 % 3 == 2"), 2, 10, "arithmetic is not in keyward's subset"},
    {W("principal == ?principal"), 2, 21, "templates"},
    /* expressions */
    {W("1 = 1"), 2, 10, "compare with `==`"},
    {W("1 < 2 < 3"), 2, 14, "do not chain"},
    {W("1 == 1 == true"), 2, 15, "do not chain"},
    {W("principal is A in principal in principal"), 2, 36, "do not chain"},
    {W("principal has a == true"), 2, 24, "do not chain"},
    {W("!!!!!true"), 2, 12, "too many `!`"},
    {W("-----1 == 1"), 2, 12, "too many `-`"},
    {W("!-1"), 2, 9, "found `-`"},
    {W("-!true"), 2, 9, "found `!`"},
    {W("-1.a"), 2, 10, "a number has no attributes"},
    {W("true && if true then true else true"), 2, 16, "reserved word `if`"},
    {W("if true then 1"), 2, 23, "expected `else`"},
    {W("if true else 1"), 2, 16, "expected `then`"},
    {W("true & true"), 2, 13, "unexpected character (byte 0x26)"},
    {W("true | true"), 2, 13, "unexpected character (byte 0x7c)"},
    {W("true and true"), 2, 13, "expected an operator or `}`, found `and`"},
    {W("(true"), 2, 14, "expected `)`"},
    {W("true)"), 2, 12, "found `)`"},
    {W("()"), 2, 9, "expected an expression"},
    {W("[,]"), 2, 9, "expected an expression"},
    {W("[1 2]"), 2, 11, "expected `,` or `]`"},
    {W("foo"), 2, 8, "`foo` is not a variable"},
    {W("foo(1)"), 2, 8, "`foo` is not a function"},
    {W("in"), 2, 8, "reserved word `in`"},
    {W("User::a == principal"), 2, 16, "`::` and an id in quotes"},
    {W("User::"), 2, 15, "expected an entity, found `}`"},
    {W("9223372036854775808 == 1"), 2, 8, "out of range"},
    {W("-9223372036854775809 == 1"), 2, 9, "out of range"},
    {W("-(9223372036854775808) == 1"), 2, 10, "out of range"},
    {W("99999999999999999999999 == 1"), 2, 8, "out of range"},
    {W("1_000 == 1"), 2, 9, "found `_000`"},
    {W("principal.if"), 2, 18, "reserved word `if`"},
    {W("principal.1"), 2, 18, "an attribute's name"},
    {W("principal[name]"), 2, 18, "an attribute's name as a string"},
    {W("principal[\"a\""), 2, 22, "expected `]`"},
    {W("principal has if"), 2, 22, "reserved word `if`"},
    {W("principal has \"a\".b"), 2, 25, "found `.`"},
    {W("principal has a.\"b\""), 2, 24, "an attribute's name"},
    {W("principal like a"), 2, 23, "a pattern in quotes"},
    {W("principal is \"User\""), 2, 21, "an entity type, found a string"},
    {W("[1].foo(1)"), 2, 12, "`foo` is not a method"},
    {W("[1].contains()"), 2, 21, "takes one argument"},
    {W("[1].contains(1, 2)"), 2, 24, "takes one argument"},
    {W("[1].isEmpty(1)"), 2, 20, "takes no argument"},
    {W("{a: 1, a: 2} == {}"), 2, 15, "stands twice"},
    {W("{a: 1, \"a\": 2} == {}"), 2, 15, "stands twice"},
    {W("{a: principal, a: 2} == {}"), 2, 23, "stands twice"},
    {W("{if: 1} == {}"), 2, 9, "reserved word `if`"},
    {W("{1: 1} == {}"), 2, 9, "a field's name"},
    {W("{a = 1} == {}"), 2, 11, "expected `:`"},
    /* strings */
    {W("\"abc == 1"), 2, 8, "this string has no end"},
    {W("'a' == 1"), 2, 8, "unexpected character (byte 0x27)"},
    {W("\"a\\q\" == 1"), 2, 10, "no such escape"},
    {W("\"a\\*\" == 1"), 2, 10, "no such escape"},
    {W("\"\\x80\" == 1"), 2, 9, "no such escape"},
    {W("\"\\x7\" == 1"), 2, 9, "no such escape"},
    {W("\"\\u{}\" == 1"), 2, 9, "no such escape"},
    {W("\"\\u{_1}\" == 1"), 2, 9, "no such escape"},
    {W("\"\\u{d800}\" == 1"), 2, 9, "no such escape"},
    {W("\"\\u{110000}\" == 1"), 2, 9, "no such escape"},
    {W("\"\\u{0000041}\" == 1"), 2, 9, "no such escape"},
    {W("\"\\u41\" == 1"), 2, 9, "no such escape"},
    {W("\"a\nb\\q\" == 1"), 3, 2, "no such escape"},
    {W("\"a\rb\" == 1"), 2, 10, "carriage return"},
    {W("\"a\\\nb\" == 1"), 2, 10, "no such escape"},
};

START_TEST(text_outside_the_subset_is_refused_with_its_place_and_why)
{
    const struct refusal *row = &refusals[_i];
    struct policy_error error = world_refused(bytes_from_str(row->text));

    ck_assert_msg(error.line == row->line && error.column == row->column &&
                      strstr(error.message, row->says) != NULL,
                  "%s\nwanted %u:%u: ..%s..\ngot %u:%u: %s", row->text, row->line, row->column,
                  row->says, error.line, error.column, error.message);
    ck_assert_ptr_nonnull(strstr(fail_reason(), error.message));
}
END_TEST

START_TEST(bytes_that_are_not_text_are_refused)
{
    static const struct {
        struct bytes text;
        unsigned line, column;
        const char *says;
    } rows[] = {
        {{(const uint8_t *)"// a\n\0", 6}, 2, 1, "NUL byte"},
        {{(const uint8_t *)"// \xC3", 4}, 1, 4, "not UTF-8 (byte 0xc3)"},
        {{(const uint8_t *)"// \xC0\x80", 5}, 1, 4, "not UTF-8"},
        {{(const uint8_t *)"// \xE0\x80\x80", 6}, 1, 4, "not UTF-8"},
        {{(const uint8_t *)"// \xED\xA0\x80", 6}, 1, 4, "not UTF-8"},
        {{(const uint8_t *)"// \xF4\x90\x80\x80", 7}, 1, 4, "not UTF-8"},
        {{(const uint8_t *)"// \xE2\x82\x41", 6}, 1, 4, "not UTF-8"},
        {{(const uint8_t *)"// \xFF", 4}, 1, 4, "not UTF-8"},
        {{(const uint8_t *)"// \x80", 4}, 1, 4, "not UTF-8"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy_error error = world_refused(rows[i].text);

        ck_assert_uint_eq(error.line, rows[i].line);
        ck_assert_uint_eq(error.column, rows[i].column);
        ck_assert_ptr_nonnull(strstr(error.message, rows[i].says));
    }
}
END_TEST

START_TEST(ids_come_from_the_annotation_or_the_place_in_the_source_with_the_prefix)
{
    const struct policy_source sources[] = {
        {.name = "one", .text = BYTES_LIT(P "; @id(\"x\") " P ";" P ";"), .prefix = "home:"},
        {.name = "two",
         .text = BYTES_LIT("@note(\"n\") @empty forbid(principal,action,resource);"),
         .prefix = "v:"},
    };
    struct policy_error error;
    struct policy *policy = NULL;

    assert_ok(policy_load(sources, 2, &policy, &error));
    ck_assert_uint_eq(policy_count(policy), 4);
    ck_assert_str_eq(policy_id(policy, 0), "home:policy0");
    ck_assert_str_eq(policy_id(policy, 1), "home:x");
    ck_assert_str_eq(policy_id(policy, 2), "home:policy2");
    ck_assert_str_eq(policy_id(policy, 3), "v:policy0");
    ck_assert_ptr_null(policy_id(policy, 4));
    ck_assert(!policy_is_forbid(policy, 2));
    ck_assert(policy_is_forbid(policy, 3));
    ck_assert_str_eq(policy_annotation(policy, 3, "note"), "n");
    ck_assert_str_eq(policy_annotation(policy, 3, "empty"), "");
    ck_assert_str_eq(policy_annotation(policy, 1, "id"), "x");
    ck_assert_ptr_null(policy_annotation(policy, 0, "note"));
    policy_free(policy);
}
END_TEST

START_TEST(one_id_in_two_sources_is_refused_and_names_the_second)
{
    const struct policy_source sources[] = {
        {.name = "one", .text = BYTES_LIT(P ";"), .prefix = ""},
        {.name = "two", .text = BYTES_LIT("\n" P ";"), .prefix = ""},
    };
    struct policy_error error;
    struct policy *policy = NULL;

    assert_rv(CKR_ARGUMENTS_BAD, policy_load(sources, 2, &policy, &error));
    ck_assert_str_eq(error.source, "two");
    ck_assert_uint_eq(error.line, 2);
    ck_assert_ptr_nonnull(strstr(error.message, "policy0"));
}
END_TEST

START_TEST(no_source_is_the_empty_set_that_denies)
{
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;
    struct policy_error error;
    struct policy *policy = NULL;

    assert_ok(policy_load(NULL, 0, &policy, &error));
    ck_assert_uint_eq(policy_count(policy), 0);
    world_decide(policy, &request, &answer);
    ck_assert(!answer.verdict.allow);
    policy_free(policy);
    policy_free(NULL);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(text_of_the_subset_is_accepted, COUNT(accepted)),
        CASE_LOOP(text_outside_the_subset_is_refused_with_its_place_and_why, COUNT(refusals)),
        CASE(bytes_that_are_not_text_are_refused),
        CASE(ids_come_from_the_annotation_or_the_place_in_the_source_with_the_prefix),
        CASE(one_id_in_two_sources_is_refused_and_names_the_second),
        CASE(no_source_is_the_empty_set_that_denies),
    };

    return suite_run("policy/syntax", cases, COUNT(cases));
}
