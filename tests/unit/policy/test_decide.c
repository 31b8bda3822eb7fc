/* Verdicts: every operator with its neighbours, scopes, ranks, reasons, errors. */
#include "tests/support/suite.h"
#include "tests/unit/policy/world.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list)   (sizeof(list) / sizeof(*(list)))
#define LONG_MIN_TEXT "-9223372036854775808"

enum { NO = 0, YES = 1, ERROR = -1 };

/* Each yes has a neighbour that one changed fact makes no, or an error. */
static const struct {
    const char *expression;
    int truth;
} truths[] = {
    /* addresses: what is read is kept as written, so equality is of the text's bits */
    {"ip(\"10.0.0.1\") == ip(\"10.0.0.1/32\")", YES},
    {"ip(\"10.0.0.1\") == ip(\"10.0.0.1/31\")", NO},
    {"ip(\"10.0.0.1/8\") == ip(\"10.0.0.0/8\")", NO},
    {"ip(\"::1\") == ip(\"0:0:0:0:0:0:0:1\")", YES},
    {"ip(\"1:2:3:4:5:6:7::\") == ip(\"1:2:3:4:5:6:7:0\")", YES},
    {"ip(\"::A\") == ip(\"::a\")", YES},
    {"ip(\"10.0.0.1\") == \"10.0.0.1\"", NO},
    {"ip(\"10.0.0.1\").isIpv4()", YES},
    {"ip(\"::1\").isIpv4()", NO},
    {"ip(\"::1\").isIpv6()", YES},
    {"ip(\"10.0.0.1\").isIpv6()", NO},
    {"\"10.0.0.1\".isIpv4()", ERROR},
    {"ip(\"127.9.9.9\").isLoopback()", YES},
    {"ip(\"127.0.0.0/8\").isLoopback()", YES},
    {"ip(\"127.0.0.0/7\").isLoopback()", NO},
    {"ip(\"128.0.0.1\").isLoopback()", NO},
    {"ip(\"::1\").isLoopback()", YES},
    {"ip(\"::1/127\").isLoopback()", NO},
    {"ip(\"::2\").isLoopback()", NO},
    {"ip(\"239.255.255.255\").isMulticast()", YES},
    {"ip(\"240.0.0.0\").isMulticast()", NO},
    {"ip(\"224.0.0.0/3\").isMulticast()", NO},
    {"ip(\"ff02::1\").isMulticast()", YES},
    {"ip(\"fe80::1\").isMulticast()", NO},
    {"ip(\"ff00::/7\").isMulticast()", NO},
    {"ip(\"10.1.2.3\").isInRange(ip(\"10.0.0.0/8\"))", YES},
    {"ip(\"11.1.2.3\").isInRange(ip(\"10.0.0.0/8\"))", NO},
    {"ip(\"10.1.2.3\").isInRange(ip(\"10.9.9.9/8\"))", YES},
    {"ip(\"10.0.0.0/8\").isInRange(ip(\"10.0.0.0/9\"))", NO},
    {"ip(\"10.0.0.0/9\").isInRange(ip(\"10.0.0.0/8\"))", YES},
    {"ip(\"10.0.0.130\").isInRange(ip(\"10.0.0.128/26\"))", YES},
    {"ip(\"10.0.0.192\").isInRange(ip(\"10.0.0.128/26\"))", NO},
    {"ip(\"1.2.3.4\").isInRange(ip(\"0.0.0.0/0\"))", YES},
    {"ip(\"::1\").isInRange(ip(\"0.0.0.0/0\"))", NO},
    {"ip(\"2001:db8::7\").isInRange(ip(\"2001:db8::/127\"))", NO},
    {"ip(\"2001:db8::1\").isInRange(ip(\"2001:db8::/127\"))", YES},
    {"ip(\"10.0.0.1\").isInRange(\"10.0.0.0/8\")", ERROR},
    {"[ip(\"::1\"), ip(\"10.0.0.1\")].contains(ip(\"10.0.0.1\"))", YES},
    {"[ip(\"::1\"), ip(\"10.0.0.1\")].contains(ip(\"10.0.0.2\"))", NO},
    {"ip(context.mechanism).isIpv4()", ERROR},
    {"ip(if true then \"10.0.0.1\" else \"x\").isIpv4()", YES},
    /* instants and durations */
    {"datetime(\"1970-01-01\") == datetime(\"1970-01-01T00:00:00Z\")", YES},
    {"datetime(\"2024-03-01T01:00:00+0100\") == datetime(\"2024-03-01\")", YES},
    {"datetime(\"2024-02-29T23:59:59.999Z\") < datetime(\"2024-03-01\")", YES},
    {"datetime(\"2024-03-01\") < datetime(\"2024-03-01\")", NO},
    {"datetime(\"2024-03-01\") <= datetime(\"2024-03-01\")", YES},
    {"datetime(\"2024-03-01\") > datetime(\"1969-12-31\")", YES},
    {"datetime(\"1969-12-31\") >= datetime(\"2024-03-01\")", NO},
    {"datetime(\"2024-03-01\") < duration(\"1d\")", ERROR},
    {"datetime(\"2024-03-01\") < 1", ERROR},
    {"1 < duration(\"1ms\")", ERROR},
    {"\"a\" < \"b\"", ERROR},
    {"duration(\"1d\") == duration(\"24h\")", YES},
    {"duration(\"1d2h3m4s5ms\") == duration(\"93784005ms\")", YES},
    {"duration(\"-1s\") < duration(\"0ms\")", YES},
    {"duration(\"1d\") == datetime(\"1970-01-02\")", NO},
    {"duration(\"-9223372036854775808ms\") < duration(\"0s\")", YES},
    {"datetime(\"2024-03-01\").offset(duration(\"-1d\")) == datetime(\"2024-02-29\")", YES},
    {"datetime(\"2024-03-01\").offset(duration(\"-1d\")) == datetime(\"2024-02-28\")", NO},
    {"datetime(\"2024-03-01\").offset(duration(\"9223372036854775807ms\")) == 1", ERROR},
    {"datetime(\"2024-03-01\").offset(1) == 1", ERROR},
    {"datetime(\"2024-03-02\").durationSince(datetime(\"2024-03-01\")) == duration(\"1d\")", YES},
    {"datetime(\"2024-03-01\").durationSince(datetime(\"2024-03-02\")) == duration(\"1d\")", NO},
    {"datetime(\"2024-03-01T12:34:56Z\").toDate() == datetime(\"2024-03-01\")", YES},
    {"datetime(\"1969-12-31T12:00:00Z\").toDate() == datetime(\"1969-12-31\")", YES},
    {"datetime(\"1969-12-31T12:00:00Z\").toTime() == duration(\"12h\")", YES},
    {"datetime(\"2024-03-01T12:34:56Z\").toTime() == duration(\"12h34m56s\")", YES},
    {"datetime(\"2024-03-01T12:34:56Z\").toTime() == duration(\"12h34m57s\")", NO},
    {"duration(\"1500ms\").toMilliseconds() == 1500", YES},
    {"duration(\"1999ms\").toSeconds() == 1", YES},
    {"duration(\"-1999ms\").toSeconds() == -1", YES},
    {"duration(\"-1999ms\").toSeconds() == -2", NO},
    {"duration(\"119s\").toMinutes() == 1", YES},
    {"duration(\"25h\").toHours() == 25", YES},
    {"duration(\"47h\").toDays() == 1", YES},
    {"duration(\"48h\").toDays() == 1", NO},
    {"(1).toDays() == 1", ERROR},
    /* logic stops early, and takes nothing but booleans */
    {"true", YES},
    {"false", NO},
    {"1", ERROR},
    {"\"true\"", ERROR},
    {"true && true", YES},
    {"true && false", NO},
    {"true && 1", ERROR},
    {"1 && true", ERROR},
    {"false && 1", NO},
    {"false && context.nothing", NO},
    {"true && true && false", NO},
    {"false || true", YES},
    {"false || false", NO},
    {"false || 1", ERROR},
    {"1 || true", ERROR},
    {"true || 1", YES},
    {"true || context.nothing", YES},
    {"false || false || true", YES},
    {"true || false && false", YES},
    {"(true || false) && false", NO},
    {"!false", YES},
    {"!true", NO},
    {"!!true", YES},
    {"!1", ERROR},
    {"!context", ERROR},
    {"if true then true else false", YES},
    {"if false then true else false", NO},
    {"if true then true else context.nothing", YES},
    {"if true then context.nothing else true", ERROR},
    {"if false then context.nothing else true", YES},
    {"if 1 then true else true", ERROR},
    {"(if true then 1 else \"a\") == 1", YES},
    /* equality never errs */
    {"1 == 1", YES},
    {"1 == 2", NO},
    {"1 != 2", YES},
    {"1 != 1", NO},
    {"1 == \"1\"", NO},
    {"1 != \"1\"", YES},
    {"1 == true", NO},
    {"\"a\" == \"a\"", YES},
    {"\"a\" == \"A\"", NO},
    {"principal == User::\"alice\"", YES},
    {"principal == User::\"bob\"", NO},
    {"principal == N::User::\"alice\"", NO},
    {"principal == \"alice\"", NO},
    {"\"\\u{e9}\" == context[\"odd name\"]", YES},
    {"[1, 2] == [2, 1, 1]", YES},
    {"[1, 2] == [2, 3]", NO},
    {"[1] == [1, 2]", NO},
    {"[] == []", YES},
    {"[] == {}", NO},
    {"[[1], [2]] == [[2], [1], [1]]", YES},
    {"[[1], [2]] == [[2], [3]]", NO},
    {"context.numbers == [3, 2, 1]", YES},
    {"context.numbers == [3, 2]", NO},
    {"[principal, 1] == [1, User::\"alice\"]", YES},
    {"{a: 1, b: [2]} == {b: [2, 2], a: 1}", YES},
    {"{a: 1} == {a: 2}", NO},
    {"{a: 1} == {b: 1}", NO},
    {"{a: 1} == {a: 1, b: 1}", NO},
    {"{name: \"carol\"} == context.owner", YES},
    {"{name: principal} == context.owner", NO},
    /* order is for longs alone */
    {"1 < 2", YES},
    {"2 < 2", NO},
    {"2 <= 2", YES},
    {"3 <= 2", NO},
    {"3 > 2", YES},
    {"2 > 2", NO},
    {"2 >= 2", YES},
    {"1 >= 2", NO},
    {"-1 < 0", YES},
    {LONG_MIN_TEXT " < 0", YES},
    {"1 < \"2\"", ERROR},
    {"\"a\" < \"b\"", ERROR},
    {"true < false", ERROR},
    {"principal > 1", ERROR},
    {"context.now > 1600000000", YES},
    {"context.now > 1800000000", NO},
    /* minus */
    {"-(1) == -1", YES},
    {"--1 == 1", YES},
    {"-(-1) == -1", NO},
    {"-true", ERROR},
    {"-principal == 1", ERROR},
    {"-" LONG_MIN_TEXT " == 0", ERROR},
    {"-(context.least) == 0", ERROR},
    {"-(context.now) == -1700000000", YES},
    /* in: reflexive, upwards, over sets; an odd one in the set errs */
    {"principal in principal", YES},
    {"principal in Group::\"dev\"", YES},
    {"principal in Group::\"all\"", YES},
    {"principal in Group::\"ops\"", NO},
    {"Group::\"dev\" in principal", NO},
    {"User::\"bob\" in Group::\"dev\"", NO},
    {"resource in Vault::\"v\"", YES},
    {"resource in Vault::\"w\"", NO},
    {"action in Action::\"keyUse\"", YES},
    {"action in Action::\"other\"", NO},
    {"principal in [Group::\"ops\", Group::\"dev\"]", YES},
    {"principal in [Group::\"ops\"]", NO},
    {"principal in []", NO},
    {"principal in context.groups", YES},
    {"resource in context.groups", NO},
    {"principal in [Group::\"dev\", 1]", ERROR},
    {"principal in [context.now, Group::\"dev\"]", ERROR},
    {"principal in 1", ERROR},
    {"1 in principal", ERROR},
    {"context in principal", ERROR},
    {"principal in context", ERROR},
    /* is */
    {"principal is User", YES},
    {"principal is Group", NO},
    {"principal is N::User", NO},
    {"1 is User", ERROR},
    {"context is User", ERROR},
    {"principal is User in Group::\"dev\"", YES},
    {"principal is User in Group::\"ops\"", NO},
    {"principal is Group in Group::\"dev\"", NO},
    {"principal is Group in 1", NO},
    {"principal is User in 1", ERROR},
    {"principal is User in [Group::\"ops\", Group::\"dev\"]", YES},
    /* has, and attributes */
    {"context has now", YES},
    {"context has nothing", NO},
    {"context has \"odd name\"", YES},
    {"context has owner.name", YES},
    {"context has owner.nothing", NO},
    {"context has nothing.name", NO},
    {"context has now.name", ERROR},
    {"context.now has a", ERROR},
    {"resource has size", YES},
    {"resource has tags.name", YES},
    {"resource has nothing", NO},
    {"resource has owner.name", NO},
    {"principal has size", NO},
    {"User::\"nobody\" has size", NO},
    {"User::\"nobody\".size == 1", ERROR},
    {"principal.size == 1", ERROR},
    {"\"a\" has a", ERROR},
    {"[1] has a", ERROR},
    {"resource.size == 2048", YES},
    {"resource.size == 1024", NO},
    {"resource[\"size\"] == 2048", YES},
    {"resource.nothing == 1", ERROR},
    {"resource.tags.name == \"carol\"", YES},
    {"resource.tags.name == \"dave\"", NO},
    {"resource.owner == principal", YES},
    {"resource.size.more == 1", ERROR},
    {"context.nothing == 1", ERROR},
    {"context has nothing && context.nothing == 1", NO},
    {"{a: {b: 1}}.a.b == 1", YES},
    {"{a: principal}.a == principal", YES},
    {"{a: 1}.b == 1", ERROR},
    {"true.a", ERROR},
    /* like */
    {"\"abc\" like \"abc\"", YES},
    {"\"abc\" like \"ab\"", NO},
    {"\"abc\" like \"a*\"", YES},
    {"\"abc\" like \"*c\"", YES},
    {"\"abc\" like \"*b\"", NO},
    {"\"abc\" like \"a*b*c\"", YES},
    {"\"aXbYbZc\" like \"a*b*c\"", YES},
    {"\"acb\" like \"a*b*c\"", NO},
    {"\"\" like \"*\"", YES},
    {"\"\" like \"\"", YES},
    {"\"a\" like \"\"", NO},
    {"\"a*c\" like \"a\\*c\"", YES},
    {"\"abc\" like \"a\\*c\"", NO},
    {"\"abc\" like \"a\\x2ac\"", YES},
    {"\"a\\\\c\" like \"a\\\\c\"", YES},
    {"\"\\u{e9}\" like \"*\"", YES},
    {"\"aab\" like \"*ab\"", YES},
    {"1 like \"1\"", ERROR},
    {"principal like \"*\"", ERROR},
    {"context.mechanism like \"CKM_ECDSA*\"", YES},
    {"context.mechanism like \"CKM_RSA*\"", NO},
    /* sets */
    {"[1, 2].contains(2)", YES},
    {"[1, 2].contains(3)", NO},
    {"[1, 2].contains(\"2\")", NO},
    {"[].contains(1)", NO},
    {"1.contains(1)", ERROR},
    {"context.contains(1)", ERROR},
    {"[[1]].contains([1, 1])", YES},
    {"[[1]].contains([2])", NO},
    {"[{a: 1}].contains({a: 1})", YES},
    {"context.numbers.contains(3)", YES},
    {"context.numbers.contains(4)", NO},
    {"[1, context.nothing].contains(1)", ERROR},
    {"[\"b\", \"a\", \"c\"].contains(\"c\")", YES},
    {"[true, 1, \"a\", User::\"alice\"].contains(principal)", YES},
    {"[true, 1, \"a\", User::\"bob\"].contains(principal)", NO},
    {"[principal].contains(User::\"alice\")", YES},
    {"[1].contains([1])", NO},
    {"[1, 2, 3].containsAll([1, 3, 3])", YES},
    {"[1, 2].containsAll([1, 3])", NO},
    {"[1].containsAll([])", YES},
    {"[1].containsAll(1)", ERROR},
    {"1.containsAll([1])", ERROR},
    {"context.numbers.containsAll([1, 2])", YES},
    {"context.numbers.containsAll([1, 4])", NO},
    {"[1, 2].containsAny([2, 3])", YES},
    {"[1, 2].containsAny([3])", NO},
    {"[1].containsAny([])", NO},
    {"[].containsAny([1])", NO},
    {"[1].containsAny(1)", ERROR},
    {"context.groups.containsAny([Group::\"dev\"])", YES},
    {"context.groups.containsAny([Group::\"nobody\"])", NO},
    {"[].isEmpty()", YES},
    {"[1].isEmpty()", NO},
    {"[principal].isEmpty()", NO},
    {"context.isEmpty()", ERROR},
};

START_TEST(an_expression_is_true_false_or_an_error_as_in_cedar)
{
    int truth = world_truth(truths[_i].expression);

    ck_assert_msg(truth == truths[_i].truth, "%s: wanted %d, got %d", truths[_i].expression,
                  truths[_i].truth, truth);
}
END_TEST

static const struct {
    const char *scope;
    bool holds;
} scopes[] = {
    {"principal, action, resource", true},
    {"principal == User::\"alice\", action, resource", true},
    {"principal == User::\"bob\", action, resource", false},
    {"principal == Group::\"dev\", action, resource", false},
    {"principal in User::\"alice\", action, resource", true},
    {"principal in Group::\"dev\", action, resource", true},
    {"principal in Group::\"all\", action, resource", true},
    {"principal in Group::\"ops\", action, resource", false},
    {"principal is User, action, resource", true},
    {"principal is Group, action, resource", false},
    {"principal is User in Group::\"dev\", action, resource", true},
    {"principal is User in Group::\"ops\", action, resource", false},
    {"principal is Cert in Group::\"dev\", action, resource", false},
    {"principal, action == Action::\"sign\", resource", true},
    {"principal, action == Action::\"keyUse\", resource", false},
    {"principal, action in Action::\"keyUse\", resource", true},
    {"principal, action in Action::\"reader\", resource", false},
    {"principal, action in [Action::\"list\", Action::\"sign\"], resource", true},
    {"principal, action in [Action::\"list\", Action::\"keyUse\"], resource", true},
    {"principal, action in [Action::\"list\"], resource", false},
    {"principal, action in [], resource", false},
    {"principal, action, resource == Key::\"v/k\"", true},
    {"principal, action, resource == Key::\"v/l\"", false},
    {"principal, action, resource in Vault::\"v\"", true},
    {"principal, action, resource in Vault::\"w\"", false},
    {"principal, action, resource is Key", true},
    {"principal, action, resource is Secret", false},
    {"principal, action, resource is Key in Vault::\"v\"", true},
    {"principal, action, resource is Key in Vault::\"w\"", false},
    {"principal == User::\"alice\", action == Action::\"sign\", resource == Key::\"v/k\"", true},
    {"principal == User::\"alice\", action == Action::\"sign\", resource == Key::\"v/l\"", false},
    {"principal == User::\"alice\", action == Action::\"list\", resource == Key::\"v/k\"", false},
};

START_TEST(a_scope_holds_for_what_it_names_and_nothing_else)
{
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;
    struct policy *policy;
    char text[512];

    (void)snprintf(text, sizeof(text), "permit(%s);", scopes[_i].scope);
    policy = world_load(text);
    world_decide(policy, &request, &answer);
    ck_assert_msg(answer.verdict.allow == scopes[_i].holds, "%s", scopes[_i].scope);
    ck_assert_uint_eq(answer.verdict.reason_count, scopes[_i].holds ? 1 : 0);
    policy_free(policy);
}
END_TEST

#define PERMIT         "permit(principal, action, resource);"
#define FORBID         "forbid(principal, action, resource);"
#define ERRS           "permit(principal, action, resource) when { context.nothing };"
#define FORBIDS_ERRING "forbid(principal, action, resource) when { context.nothing };"
#define OTHER          "permit(principal == User::\"bob\", action, resource);"
#define FALSE_FORBID   "forbid(principal, action, resource) unless { true };"

static const struct {
    const char *text;
    bool allow;
    const char *reasons, *errors; /* one digit a policy */
} sets[] = {
    {"", false, "", ""},
    {OTHER, false, "", ""},
    {PERMIT, true, "0", ""},
    {OTHER PERMIT OTHER PERMIT, true, "13", ""},
    {FORBID, false, "0", ""},
    {PERMIT FORBID, false, "1", ""},
    {FORBID PERMIT FORBID, false, "02", ""},
    {PERMIT FALSE_FORBID, true, "0", ""},
    {ERRS, false, "0", "0"},
    {PERMIT ERRS, false, "1", "1"},
    {ERRS PERMIT ERRS, false, "02", "02"},
    {PERMIT FORBIDS_ERRING, false, "1", "1"},
    {ERRS FORBID PERMIT, false, "1", "0"},
    {FORBID ERRS FORBIDS_ERRING, false, "0", "12"},
    {PERMIT "permit(principal == User::\"bob\", action, resource) when { context.nothing };", true,
     "0", ""},
    {"permit(principal, action, resource) when { true } when { false } when { context.nothing };",
     false, "", ""},
    {"permit(principal, action, resource) when { true } unless { false } when { 1 == 1 };", true,
     "0", ""},
    {"permit(principal, action, resource) unless { 1 };", false, "0", "0"},
    /* filed under different variables, still in order */
    {"permit(principal, action, resource == Key::\"v/k\"); permit(principal in Group::\"all\", "
     "action, resource);"
     "permit(principal, action in Action::\"keyUse\", resource);" PERMIT
     "permit(principal == User::\"alice\", action, resource);",
     true, "01234", ""},
};

static void digits(const uint32_t *list, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++)
        *out++ = (char)('0' + list[i]);
    *out = '\0';
}

START_TEST(forbid_beats_an_error_beats_permit_beats_nothing)
{
    struct policy *policy = world_load(sets[_i].text);
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;
    char reasons[WORLD_REASONS + 1];
    char errors[WORLD_REASONS + 1];

    world_decide(policy, &request, &answer);
    digits(answer.reasons, answer.verdict.reason_count, reasons);
    digits(answer.errors, answer.verdict.error_count, errors);
    ck_assert_int_eq(answer.verdict.allow, sets[_i].allow);
    ck_assert_str_eq(reasons, sets[_i].reasons);
    ck_assert_str_eq(errors, sets[_i].errors);
    ck_assert_int_eq(answer.verdict.error[0] != '\0', sets[_i].errors[0] != '\0');
    policy_free(policy);
}
END_TEST

START_TEST(without_a_policy_the_answer_is_no)
{
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;

    world_decide(NULL, &request, &answer);
    ck_assert(!answer.verdict.allow);
    ck_assert_uint_eq(answer.verdict.reason_count, 0);
    ck_assert(!policy_names_principal(NULL, &request));
}
END_TEST

START_TEST(the_error_text_names_the_first_policy_its_place_and_the_attribute)
{
    struct policy *policy = world_load(
        PERMIT
        "\npermit(principal, action, resource == Key::\"v/k\") when { context.nothing };" ERRS);
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;

    world_decide(policy, &request, &answer);
    ck_assert_str_eq(answer.verdict.error, "policy1 (2:66): there is no attribute nothing");
    policy_free(policy);
}
END_TEST

START_TEST(fewer_places_than_reasons_keep_the_lowest_and_the_count)
{
    /* Filed so that the walk meets 4, 5, .. before 0: the lowest must push the others out. */
    struct policy *policy = world_load(PERMIT PERMIT PERMIT PERMIT
                                       "permit(principal == User::\"alice\", action, resource);"
                                       "permit(principal == User::\"alice\", action, resource);"
                                       "permit(principal, action, resource == Key::\"v/k\");");
    struct policy_request request = world_request("alice", "sign");

    for (size_t max = 0; max <= 7; max++) {
        uint32_t reasons[7];
        struct policy_verdict verdict = {.reasons = reasons, .max = max};

        policy_decide(policy, &request, &verdict);
        ck_assert(verdict.allow);
        ck_assert_uint_eq(verdict.reason_count, 7);
        for (uint32_t i = 0; i < max; i++)
            ck_assert_uint_eq(reasons[i], i);
    }
    policy_free(policy);
}
END_TEST

#define MANY 600

START_TEST(a_caller_in_more_groups_than_the_index_holds_is_judged_the_same)
{
    static struct policy_uid groups[MANY];
    static char names[MANY][8];
    struct buf text = BUF_INIT(1U << 20);
    struct policy_request request = world_request("carol", "sign");
    struct policy_entity carol = {.uid = request.principal,
                                  .ancestors = groups,
                                  .ancestor_count = MANY,
                                  .attributes = {.kind = POLICY_RECORD}};
    struct policy *policy;
    struct world_answer answer;

    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "g%zu", i);
        groups[i] = (struct policy_uid){BYTES_LIT("Group"), bytes_from_str(names[i])};
        buf_printf(&text,
                   "%s(principal in Group::\"g%zu\", action == Action::\"a%zu\", resource);\n",
                   i % 2 == 0 ? "permit" : "forbid", i, i % 4);
    }
    buf_puts(&text, "permit(principal in Group::\"g9999\", action, resource);");
    policy = world_load(buf_str(&text));
    request.entities = &carol;
    request.entity_count = 1;
    request.action.id = BYTES_LIT("a2");
    world_decide(policy, &request, &answer);
    ck_assert(answer.verdict.allow);
    ck_assert_uint_eq(answer.verdict.reason_count, MANY / 4);
    request.action.id = BYTES_LIT("a1");
    world_decide(policy, &request, &answer);
    ck_assert(!answer.verdict.allow);
    ck_assert_uint_eq(answer.verdict.reason_count, MANY / 4);
    ck_assert(policy_names_principal(policy, &request) == false);
    request.action.id = BYTES_LIT("a4");
    world_decide(policy, &request, &answer);
    ck_assert_uint_eq(answer.verdict.reason_count, 0);
    policy_free(policy);
    buf_release(&text);
}
END_TEST

static const struct {
    const char *text;
    bool named;
} namings[] = {
    {"permit(principal == User::\"alice\", action, resource);", true},
    {"permit(principal == User::\"bob\", action, resource);", false},
    {"permit(principal in Group::\"dev\", action, resource) when { false };", true},
    {"permit(principal in Group::\"ops\", action, resource);", false},
    {"permit(principal is User in Group::\"dev\", action == Action::\"sign\", resource);", true},
    {"permit(principal is User in Group::\"dev\", action == Action::\"list\", resource);", false},
    {"permit(principal, action, resource);", false},
    {"permit(principal is User, action, resource);", false},
    {"forbid(principal == User::\"alice\", action, resource);", false},
    {"permit(principal in Group::\"all\", action in Action::\"keyUse\", resource == Key::\"x\");",
     true},
};

START_TEST(a_permit_that_names_the_caller_is_known_without_its_conditions)
{
    struct policy *policy = world_load(namings[_i].text);
    struct policy_request request = world_request("alice", "sign");

    ck_assert_msg(policy_names_principal(policy, &request) == namings[_i].named, "%s",
                  namings[_i].text);
    policy_free(policy);
}
END_TEST

/* A context that is one set in another, 200 deep. */
START_TEST(values_nested_deeper_than_allowed_err_and_deny)
{
    static struct policy_value nest[200];
    struct policy_request request = world_request("alice", "sign");
    struct policy_field field = {BYTES_LIT("nest"), {.kind = POLICY_BOOL}};
    struct policy *policy =
        world_load("permit(principal, action, resource) when { context.nest == context.nest };");
    struct world_answer answer;

    nest[0] = (struct policy_value){.kind = POLICY_LONG};
    for (size_t i = 1; i < COUNT(nest); i++) {
        nest[i].kind = POLICY_SET;
        nest[i].u.set.items = &nest[i - 1];
        nest[i].u.set.count = 1;
    }
    request.context.u.record.fields = &field;
    request.context.u.record.count = 1;
    field.value = nest[60];
    world_decide(policy, &request, &answer);
    ck_assert(answer.verdict.allow);
    field.value = nest[199];
    world_decide(policy, &request, &answer);
    ck_assert(!answer.verdict.allow);
    ck_assert_uint_eq(answer.verdict.error_count, 1);
    policy_free(policy);
}
END_TEST

/* Two sets of 3,000 with nothing in common: 9 million comparisons are more than one policy may
 * make. */
START_TEST(a_comparison_that_takes_too_long_errs_and_denies)
{
    static struct policy_value items[2][3000];
    struct policy_request request = world_request("alice", "sign");
    struct policy_field fields[2] = {{.name = BYTES_LIT("a")}, {.name = BYTES_LIT("b")}};
    struct policy *policy = world_load(
        "permit(principal, action, resource) unless { context.a.containsAny(context.b) };");
    struct world_answer answer;

    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < 3000; i++)
            items[s][i] =
                (struct policy_value){.kind = POLICY_LONG, .u.number = (int64_t)(s * 10000 + i)};
        fields[s].value.kind = POLICY_SET;
        fields[s].value.u.set.items = items[s];
        fields[s].value.u.set.count = 900;
    }
    request.context.u.record.fields = fields;
    request.context.u.record.count = 2;
    world_decide(policy, &request, &answer);
    ck_assert(answer.verdict.allow);
    fields[0].value.u.set.count = fields[1].value.u.set.count = 3000;
    world_decide(policy, &request, &answer);
    ck_assert(!answer.verdict.allow);
    ck_assert_uint_eq(answer.verdict.error_count, 1);
    policy_free(policy);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(an_expression_is_true_false_or_an_error_as_in_cedar, COUNT(truths)),
        CASE_LOOP(a_scope_holds_for_what_it_names_and_nothing_else, COUNT(scopes)),
        CASE_LOOP(forbid_beats_an_error_beats_permit_beats_nothing, COUNT(sets)),
        CASE(without_a_policy_the_answer_is_no),
        CASE(the_error_text_names_the_first_policy_its_place_and_the_attribute),
        CASE(fewer_places_than_reasons_keep_the_lowest_and_the_count),
        CASE(a_caller_in_more_groups_than_the_index_holds_is_judged_the_same),
        CASE_LOOP(a_permit_that_names_the_caller_is_known_without_its_conditions, COUNT(namings)),
        CASE(values_nested_deeper_than_allowed_err_and_deny),
        CASE(a_comparison_that_takes_too_long_errs_and_denies),
    };

    return suite_run("policy/decide", cases, COUNT(cases));
}
