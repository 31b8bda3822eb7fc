/* The vocabulary against its definition in schema.h, and the checker. */
#include "policy/schema.h"

#include "tests/support/suite.h"
#include "tests/unit/policy/world.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* ---- the tables ---- */

#define USE                                                                                        \
    "sign verify encrypt decrypt wrapKey unwrapKey derive encapsulate decapsulate digest random"
#define MANAGE "list get create import update rotate delete recover backup restore"
#define CONTROL                                                                                    \
    "createVault listVault updateVault deleteVault initToken addUser listUser setPin unlockUser "  \
    "removeUser bindUser editGroup editIssuer applyPolicy readPolicy readLog verifyLog "           \
    "readStatus "                                                                                  \
    "acceptClock acceptLoss"
#define SELF "login changePin"

static const struct {
    const char *group;
    const char *members;
} groups[] = {
    {"dataPlane", USE " " MANAGE " " SELF " release getSecret setSecret purge"},
    {"controlPlane", CONTROL},
    {"keyUse", USE},
    {"keyManagement", MANAGE},
    {"administrator", CONTROL " " MANAGE " purge"},
    {"cryptoOfficer", MANAGE " " USE " " SELF},
    {"cryptoUser", "list get " USE " " SELF},
    {"serviceEncryption", "list get wrapKey unwrapKey encrypt decrypt " SELF},
    {"reader", "list get " SELF},
    {"approver", "list approve " SELF},
    {"auditor", "listVault listUser readPolicy readLog verifyLog readStatus"},
    {"secretsOfficer", "list get getSecret setSecret create update delete recover " SELF},
    {"secretsUser", "list getSecret " SELF},
    {"certificatesOfficer", "list get create import update delete recover " SELF},
};

/* One whole word of a list. */
static bool listed(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n) {
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    }
    return false;
}

START_TEST(every_action_is_in_the_groups_the_header_says_and_in_no_other)
{
    for (unsigned a = 0; a < ACTION_COUNT; a++) {
        const struct policy_entity *entity = schema_action((enum action)a);
        const char *name = schema_action_name((enum action)a);
        size_t expected = 0;
        enum action found;

        ck_assert_ptr_nonnull(name);
        ck_assert(bytes_equal_str(entity->uid.type, "Action"));
        ck_assert(bytes_equal_str(entity->uid.id, name));
        ck_assert(schema_action_find(name, &found) && found == (enum action)a);
        for (size_t g = 0; g < COUNT(groups); g++) {
            bool in = false;

            for (size_t i = 0; i < entity->ancestor_count; i++)
                in = in || bytes_equal_str(entity->ancestors[i].id, groups[g].group);
            ck_assert_msg(in == listed(groups[g].members, name), "%s in %s", name, groups[g].group);
            expected += in ? 1 : 0;
        }
        ck_assert_uint_eq(entity->ancestor_count, expected);
    }
}
END_TEST

START_TEST(unknown_actions_are_not_found)
{
    enum action found = ACTION_COUNT;

    ck_assert(!schema_action_find("Sign", &found));
    ck_assert(!schema_action_find("keyUse", &found));
    ck_assert(!schema_action_find("", &found));
    ck_assert_int_eq(found, ACTION_COUNT);
    ck_assert_ptr_null(schema_action(ACTION_COUNT));
    ck_assert_ptr_null(schema_action_name(ACTION_COUNT));
}
END_TEST

START_TEST(roles_are_groups_and_parts_are_no_roles)
{
    size_t count = 0;

    for (const char *const *role = schema_roles(); *role != NULL; role++, count++) {
        bool known = false;

        for (size_t g = 0; g < COUNT(groups); g++)
            known = known || strcmp(groups[g].group, *role) == 0;
        ck_assert_msg(known, "%s", *role);
        ck_assert_str_ne(*role, "dataPlane");
        ck_assert_str_ne(*role, "keyUse");
    }
    ck_assert_uint_eq(count, 10);
}
END_TEST

/* ---- the checker ---- */

#define W(ex)   "permit(principal, action == Action::\"sign\", resource)\nwhen { " ex " };"
#define ANY(ex) "permit(principal, action, resource)\nwhen { " ex " };"

static const char *const fine[] = {
    "permit(principal, action, resource);",
    "permit(principal in Group::\"dev\", action in Action::\"cryptoUser\", resource in "
    "Vault::\"v\");",
    "permit(principal is Unix in UnixGroup::\"www\", action in [Action::\"sign\", "
    "Action::\"keyUse\"], "
    "resource is Key);",
    "permit(principal == User::\"a\", action == Action::\"addUser\", resource == Vault::\"\");",
    W("resource.type == \"rsa\" && resource.size >= 2048 && resource.version == 1"),
    W("resource.private && resource.token && resource.state == \"enabled\""),
    W("context.via == \"pkcs11\" && context.now < 1 && context.loggedIn && !context.readWrite"),
    W("context has mechanism && context.mechanism like \"CKM_*\""),
    W("context has mechanism && [\"CKM_ECDSA\"].contains(context.mechanism)"),
    W("if context has hash then context.hash == \"CKM_SHA256\" else false"),
    W("!(context has saltLength) || (context has saltLength && context.saltLength == 32)"),
    W("context has vault } when { context.vault == \"v\""),
    W("resource.tags has owner && resource.tags.owner == \"a\""),
    W("resource has tags.owner && resource.tags.owner == \"a\""),
    W("resource.tags has \"a b\" && resource.tags[\"a b\"] like \"x*\""),
    ANY("resource is Key && resource.type == \"rsa\""),
    ANY("(resource is Key || resource is Secret) && resource.size > 1"),
    ANY("resource has type && resource.type == \"rsa\""),
    ANY("resource.name == \"a\" && resource.protection == \"hsm\""),
    ANY("if resource is Vault then true else false"),
    "permit(principal, action, resource is Key) when { resource.class == \"private\" };",
    "permit(principal, action, resource == Key::\"v/k\") when { resource.class == \"private\" };",
    W("principal in [Group::\"a\", UnixGroup::\"b\"] || principal is User in Group::\"a\""),
    W("{a: 1}.a == 1 && [context.now].contains(1) && [[1]] == [[2]]"),
    W("action in Action::\"keyUse\" && action != Action::\"verify\""),
    W("(if true then context.now else 1) > 1"),
};

START_TEST(a_policy_that_keeps_to_the_vocabulary_has_no_errors)
{
    struct policy_error errors[4] = {{.message = ""}};
    struct policy *policy = world_load(fine[_i]);
    size_t count = policy_check(policy, errors, COUNT(errors));

    ck_assert_msg(count == 0, "%s\n%u:%u: %s", fine[_i], errors[0].line, errors[0].column,
                  errors[0].message);
    policy_free(policy);
}
END_TEST

static const struct {
    const char *text;
    unsigned line, column;
    const char *says;
} faults[] = {
    /* scopes */
    {"permit(principal == Usr::\"a\", action, resource);", 1, 8,
     "entity type `Usr`: did you mean `User`?"},
    {"permit(principal is Acme::User, action, resource);", 1, 8, "no entity type `Acme::User`"},
    {"permit(principal == Key::\"a\", action, resource);", 1, 8, "principal is never a Key"},
    {"permit(principal in Vault::\"a\", action, resource);", 1, 8, "principal is never a Vault"},
    {"permit(principal, action, resource == User::\"a\");", 1, 27, "resource is never a User"},
    {"permit(principal, action, resource is Keys);", 1, 27, "`Keys`: did you mean `Key`?"},
    {"permit(principal, action == Action::\"sing\", resource);", 1, 19,
     "action `sing`: did you mean `sign`?"},
    {"permit(principal, action == Action::\"getsecret\", resource);", 1, 19,
     "did you mean `getSecret`?"},
    {"permit(principal, action in Action::\"cryptUser\", resource);", 1, 19,
     "did you mean `cryptoUser`?"},
    {"permit(principal, action in [Action::\"sign\", Action::\"qqqqqqqqq\"], resource);", 1, 19,
     "there is no action `qqqqqqqqq`"},
    {"permit(principal, action == Action::\"keyUse\", resource);", 1, 19, "is a group of actions"},
    /* names */
    {W("resource.sise == 1"), 2, 17, "no attribute `sise`: did you mean `size`?"},
    {W("resource.mechanism == \"a\""), 2, 17, "no attribute `mechanism`"},
    {W("context has mechanisn"), 2, 16, "did you mean `mechanism`?"},
    {W("context.func == \"a\""), 2, 16, "the context has no attribute `func`"},
    {W("principal.name == \"a\""), 2, 18, "no attribute `name`"},
    {W("principal == Usr::\"a\""), 2, 21, "did you mean `User`?"},
    {W("principal is Usr"), 2, 18, "did you mean `User`?"},
    {W("principal in [Usr::\"a\"]"), 2, 21, "did you mean `User`?"},
    {W("action == Action::\"sing\""), 2, 18, "did you mean `sign`?"},
    /* what may be missing */
    {W("context.mechanism == \"a\""), 2, 16, "may be missing here"},
    {W("context has hash && context.mechanism == \"a\""), 2, 36, "may be missing here"},
    {W("context has mechanism || context.mechanism == \"a\""), 2, 41, "may be missing here"},
    {W("!(context has mechanism) && context.mechanism == \"a\""), 2, 44, "may be missing here"},
    {W("if context has hash then true else context.hash == \"a\""), 2, 51, "may be missing here"},
    {W("(context has hash && true) == true && context.hash == \"a\""), 2, 54,
     "may be missing here"},
    {"permit(principal, action, resource)\nunless { context has hash }\nwhen { context.hash == "
     "\"a\" };",
     3, 16, "may be missing here"},
    {W("resource.tags.owner == \"a\""), 2, 22, "may be missing here"},
    {W("resource.tags has owner && resource.tags.other == \"a\""), 2, 49, "may be missing here"},
    {W("context has vault && resource.tags.vault == \"a\""), 2, 43, "may be missing here"},
    {ANY("resource.type == \"rsa\""), 2, 17, "may be missing here"},
    {"permit(principal, action == Action::\"list\", resource)\nwhen { resource.type == \"rsa\" };",
     2, 17, "may be missing here"},
    {ANY("(resource is Key || resource is Vault) && resource.size > 1"), 2, 59,
     "may be missing here"},
    {ANY("!(resource is Vault) && resource.size > 1"), 2, 41, "may be missing here"},
    /* types */
    {W("1"), 2, 8, "a condition takes a Bool, this is a Long"},
    {W("context.now"), 2, 16, "a condition takes a Bool"},
    {W("true && 1"), 2, 16, "`&&` takes a Bool, this is a Long"},
    {W("\"a\" || true"), 2, 8, "`||` takes a Bool, this is a String"},
    {W("!context.now"), 2, 17, "takes a Bool"},
    {W("-(context.via) == 1"), 2, 18, "`-` takes a Long"},
    {W("if 1 then true else true"), 2, 11, "`if` takes a Bool"},
    {W("(if true then 1 else \"a\") == 1"), 2, 9, "both must be of one type"},
    {W("context.now < \"a\""), 2, 22, "takes a Long, this is a String"},
    {W("context.via > 1"), 2, 16, "takes a Long, this is a String"},
    {W("context.now == \"a\""), 2, 20, "compares a Long with a String"},
    {W("principal == \"alice\""), 2, 18, "compares a entity with a String"},
    {W("principal == Key::\"a\""), 2, 18, "never equal"},
    {W("context.now like \"a\""), 2, 16, "`like` takes a String"},
    {W("context.via in principal"), 2, 16, "`in` takes a entity, this is a String"},
    {W("principal in context.via"), 2, 29, "takes an entity or a set of entities"},
    {W("principal in [1]"), 2, 21, "a Set of something else"},
    {W("context.via is User"), 2, 16, "`is` takes a entity"},
    {W("principal is Key"), 2, 18, "this is never so"},
    {W("context.via.a == 1"), 2, 20, "a String has no attributes"},
    {W("context.via.contains(1)"), 2, 16, "contains() takes a Set"},
    {W("[1].contains(\"a\")"), 2, 12, "a set of Long never contains a String"},
    {W("[1].containsAll(1)"), 2, 24, "containsAll() takes a Set"},
    {W("context.containsAny([1])"), 2, 8, "containsAny() takes a Set"},
    {W("context.via.isEmpty()"), 2, 16, "isEmpty() takes a Set"},
    {W("[principal, Usr::\"a\"] == [principal]"), 2, 20, "did you mean `User`?"},
    {W("{a: context.nov, b: principal} == context"), 2, 20, "did you mean `now`?"},
};

START_TEST(a_policy_outside_the_vocabulary_is_told_where_and_why)
{
    struct policy_error errors[4] = {{.message = ""}};
    struct policy *policy = world_load(faults[_i].text);
    size_t count = policy_check(policy, errors, COUNT(errors));

    ck_assert_msg(count == 1 && errors[0].line == faults[_i].line &&
                      errors[0].column == faults[_i].column &&
                      strstr(errors[0].message, faults[_i].says) != NULL,
                  "%s\nwanted %u:%u: ..%s..\ngot %zu, %u:%u: %s", faults[_i].text, faults[_i].line,
                  faults[_i].column, faults[_i].says, count, errors[0].line, errors[0].column,
                  errors[0].message);
    ck_assert_str_eq(errors[0].source, "test");
    policy_free(policy);
}
END_TEST

START_TEST(errors_are_counted_all_and_the_first_by_place_are_stored)
{
    struct policy *policy = world_load("permit(principal, action, resource) when {\n"
                                       "context.c == 1 ||\ncontext.b == 1 ||\ncontext.a == 1 };\n"
                                       "permit(principal == Foo::\"a\", action, resource);");
    struct policy_error errors[3] = {{.message = ""}};

    ck_assert_uint_eq(policy_check(policy, NULL, 0), 4);
    ck_assert_uint_eq(policy_check(policy, errors, 1), 4);
    ck_assert_uint_eq(errors[0].line, 2);
    ck_assert_uint_eq(policy_check(policy, errors, 3), 4);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(errors[i].line, i + 2);
    ck_assert_uint_eq(policy_check(NULL, errors, 3), 0);
    policy_free(policy);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_action_is_in_the_groups_the_header_says_and_in_no_other),
        CASE(unknown_actions_are_not_found),
        CASE(roles_are_groups_and_parts_are_no_roles),
        CASE_LOOP(a_policy_that_keeps_to_the_vocabulary_has_no_errors, COUNT(fine)),
        CASE_LOOP(a_policy_outside_the_vocabulary_is_told_where_and_why, COUNT(faults)),
        CASE(errors_are_counted_all_and_the_first_by_place_are_stored),
    };

    return suite_run("policy/schema", cases, COUNT(cases));
}
