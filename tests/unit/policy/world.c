/* The world of the policy tests: see world.h. */
#include "tests/unit/policy/world.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

#define SPAN(lit)                                                                                  \
    {                                                                                              \
        .data = (const uint8_t *)(lit), .len = sizeof(lit) - 1                                     \
    }
#define UID(t, i)                                                                                  \
    {                                                                                              \
        .type = SPAN(t), .id = SPAN(i)                                                             \
    }
#define STRING(lit)                                                                                \
    {                                                                                              \
        .kind = POLICY_STRING, .u.string = SPAN(lit)                                               \
    }
#define LONG(n)                                                                                    \
    {                                                                                              \
        .kind = POLICY_LONG, .u.number = (n)                                                       \
    }
#define BOOL(b)                                                                                    \
    {                                                                                              \
        .kind = POLICY_BOOL, .u.boolean = (b)                                                      \
    }
#define ENTITY(t, i)                                                                               \
    {                                                                                              \
        .kind = POLICY_ENTITY, .u.uid = UID(t, i)                                                  \
    }
#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define RECORD(fields)                                                                             \
    {                                                                                              \
        .kind = POLICY_RECORD, .u.record = { fields, COUNT(fields) }                               \
    }
#define SET(items)                                                                                 \
    {                                                                                              \
        .kind = POLICY_SET, .u.set = { items, COUNT(items) }                                       \
    }

static const struct policy_value numbers[] = {LONG(3), LONG(1), LONG(2), LONG(1)};
static const struct policy_value groups[] = {ENTITY("Group", "ops"), ENTITY("Group", "dev")};
static const struct policy_field owner_fields[] = {{SPAN("name"), STRING("carol")}};

static const struct policy_field key_fields[] = {
    {SPAN("class"), STRING("private")},       {SPAN("name"), STRING("k")},
    {SPAN("owner"), ENTITY("User", "alice")}, {SPAN("size"), LONG(2048)},
    {SPAN("tags"), RECORD(owner_fields)},
};

static const struct policy_field context_fields[] = {
    {SPAN("groups"), SET(groups)},          {SPAN("least"), LONG(INT64_MIN)},
    {SPAN("loggedIn"), BOOL(true)},         {SPAN("mechanism"), STRING("CKM_ECDSA_SHA256")},
    {SPAN("now"), LONG(1700000000)},        {SPAN("numbers"), SET(numbers)},
    {SPAN("odd name"), STRING("\xC3\xA9")}, {SPAN("owner"), RECORD(owner_fields)},
};

static const struct policy_uid alice_groups[] = {UID("Group", "dev"), UID("Group", "all")};
static const struct policy_uid in_vault[] = {UID("Vault", "v")};
static const struct policy_uid in_key_use[] = {UID("Action", "keyUse")};

/* Sorted by type, then id. */
static const struct policy_entity entities[] = {
    {UID("Action", "sign"), in_key_use, COUNT(in_key_use), {.kind = POLICY_RECORD}},
    {UID("Key", "v/k"), in_vault, COUNT(in_vault), RECORD(key_fields)},
    {UID("Key", "v/l"), in_vault, COUNT(in_vault), {.kind = POLICY_RECORD}},
    {UID("User", "alice"), alice_groups, COUNT(alice_groups), {.kind = POLICY_RECORD}},
};

struct policy *world_load(const char *text)
{
    struct policy_source source = {.name = "test", .text = bytes_from_str(text), .prefix = ""};
    struct policy *policy = NULL;
    struct policy_error error = {.message = ""};
    CK_RV rv = policy_load(&source, 1, &policy, &error);

    ck_assert_msg(rv == CKR_OK, "%s\n%u:%u: %s", text, error.line, error.column, error.message);
    return policy;
}

struct policy_error world_refused(struct bytes text)
{
    struct policy_source source = {.name = "test", .text = text, .prefix = ""};
    struct policy *policy = NULL;
    struct policy_error error = {.message = ""};

    assert_rv(CKR_ARGUMENTS_BAD, policy_load(&source, 1, &policy, &error));
    ck_assert_ptr_null(policy);
    ck_assert_str_eq(error.source, "test");
    return error;
}

struct policy_request world_request(const char *user, const char *action)
{
    return (struct policy_request){
        .principal = {BYTES_LIT("User"), bytes_from_str(user)},
        .action = {BYTES_LIT("Action"), bytes_from_str(action)},
        .resource = {BYTES_LIT("Key"), BYTES_LIT("v/k")},
        .context = RECORD(context_fields),
        .entities = entities,
        .entity_count = COUNT(entities),
    };
}

void world_decide(const struct policy *policy, const struct policy_request *request,
                  struct world_answer *answer)
{
    answer->verdict = (struct policy_verdict){
        .reasons = answer->reasons,
        .max = WORLD_REASONS,
        .errors = answer->errors,
        .error_max = WORLD_REASONS,
    };
    policy_decide(policy, request, &answer->verdict);
}

int world_truth(const char *expression)
{
    char text[2048];
    struct policy_request request = world_request("alice", "sign");
    struct world_answer answer;
    struct policy *policy;

    (void)snprintf(text, sizeof(text), "permit(principal, action, resource) when { %s };",
                   expression);
    policy = world_load(text);
    world_decide(policy, &request, &answer);
    policy_free(policy);
    ck_assert(!(answer.verdict.allow && answer.verdict.error_count > 0));
    if (answer.verdict.error_count > 0)
        return -1;
    return answer.verdict.allow ? 1 : 0;
}
