/* policy_check(): names and scopes against the vocabulary, and the sorted list of what is wrong. */
#include "policy/check_int.h"
#include "policy/nearest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- the list of errors ---- */

/* Rules come source by source, so only places within one source need comparing. */
static bool stands_before(const struct policy_error *a, const struct policy_error *b)
{
    if (a->source != b->source)
        return false;
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void check_fault(struct checker *c, uint32_t line, uint32_t column, const char *fmt, ...)
{
    struct policy_error error = {
        .source = c->policy->sources[c->rule->source], .line = line, .column = column};
    size_t stored = c->count < c->max ? c->count : c->max;
    size_t at = stored;
    va_list ap;

    c->count++;
    while (at > 0 && stands_before(&error, &c->errors[at - 1]))
        at--;
    if (at >= c->max)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(error.message, sizeof(error.message), fmt, ap);
    va_end(ap);
    if (stored == c->max)
        stored--;
    memmove(&c->errors[at + 1], &c->errors[at], (stored - at) * sizeof(error));
    c->errors[at] = error;
}

/* ---- names ---- */

/* "there is no WHAT `name`", and the nearest one. */
static void fault_unknown(struct checker *c, uint32_t line, uint32_t column, const char *what,
                          const struct nearest *nearest)
{
    int len = nearest->wanted.len < 60 ? (int)nearest->wanted.len : 60;
    const char *name = (const char *)nearest->wanted.data;

    if (nearest->best != NULL)
        check_fault(c, line, column, "there is no %s `%.*s`: did you mean `%s`?", what, len, name,
                    nearest->best);
    else
        check_fault(c, line, column, "there is no %s `%.*s`", what, len, name);
}

uint32_t check_type(struct checker *c, uint32_t line, uint32_t column, struct bytes type)
{
    uint32_t bit = schema_type_bit(type);
    struct nearest nearest = nearest_start(type);

    if (bit != 0)
        return bit;
    for (unsigned i = 0; i < TYPE_COUNT; i++)
        nearest_offer(&nearest, schema_type_name(i));
    fault_unknown(c, line, column, "entity type", &nearest);
    return 0;
}

static void check_action_id(struct checker *c, uint32_t line, uint32_t column, struct bytes id)
{
    struct nearest nearest = nearest_start(id);

    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if (bytes_equal_str(id, schema_action_name((enum action)i)))
            return;
        nearest_offer(&nearest, schema_action_name((enum action)i));
    }
    for (size_t i = 0; schema_group_at(i) != NULL; i++) {
        if (bytes_equal_str(id, schema_group_at(i)))
            return;
        nearest_offer(&nearest, schema_group_at(i));
    }
    fault_unknown(c, line, column, "action", &nearest);
}

uint32_t check_uid(struct checker *c, uint32_t line, uint32_t column, const struct policy_uid *uid)
{
    uint32_t bit = check_type(c, line, column, uid->type);

    if (bit == TYPE_ACTION)
        check_action_id(c, line, column, uid->id);
    return bit;
}

const char *check_type_names(uint32_t bits, char out[static CHECK_NAMES_MAX])
{
    size_t len = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < TYPE_COUNT; i++) {
        int n;

        if ((bits >> i & 1) == 0)
            continue;
        n = snprintf(out + len, CHECK_NAMES_MAX - len, "%s%s", len > 0 ? ", " : "",
                     schema_type_name(i));
        if (n < 0 || (size_t)n >= CHECK_NAMES_MAX - len)
            break;
        len += (size_t)n;
    }
    return out;
}

/* ---- scopes ---- */

/* The types this scope leaves of those its variable can have. */
static uint32_t check_party(struct checker *c, const struct scope *scope, const char *variable,
                            uint32_t possible)
{
    const struct policy *policy = c->policy;
    uint32_t left = possible;
    char names[CHECK_NAMES_MAX];

    if (scope->kind == SCOPE_IS || scope->kind == SCOPE_IS_IN)
        left = check_type(c, scope->line, scope->column, policy_string(policy, scope->type));
    if (scope->kind == SCOPE_EQUAL)
        left = check_uid(c, scope->line, scope->column, &policy->uids.items[scope->uid]);
    if (scope->kind == SCOPE_IN || scope->kind == SCOPE_IS_IN) {
        uint32_t of = check_uid(c, scope->line, scope->column, &policy->uids.items[scope->uid]);

        if (of != 0 && (of & possible) == 0)
            left = of;
    }
    if (left == 0)
        return possible;
    if ((left & possible) == 0) {
        check_fault(c, scope->line, scope->column, "%s is never a %s", variable,
                    check_type_names(left, names));
        return possible;
    }
    return left & possible;
}

/* Members of an action or group, as bits of enum action. */
static uint64_t members(struct bytes id)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        const struct policy_entity *entity = schema_action((enum action)i);
        bool in = bytes_equal(entity->uid.id, id);

        for (size_t g = 0; g < entity->ancestor_count; g++)
            in = in || bytes_equal(entity->ancestors[g].id, id);
        if (in)
            bits |= UINT64_C(1) << i;
    }
    return bits;
}

/* The types of resource that the scope's actions are asked about. */
static uint32_t check_action(struct checker *c, const struct scope *scope)
{
    const struct policy *policy = c->policy;
    uint32_t count = scope->kind == SCOPE_LIST ? scope->count : 1;
    uint64_t bits = 0;
    uint32_t types = 0;

    if (scope->kind == SCOPE_ANY)
        return TYPE_RESOURCES;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = scope->kind == SCOPE_LIST ? policy->lists[scope->uid + i] : scope->uid;
        const struct policy_uid *uid = &policy->uids.items[number];

        (void)check_uid(c, scope->line, scope->column, uid);
        bits |= members(uid->id);
    }
    for (unsigned i = 0; i < ACTION_COUNT; i++) {
        if ((bits >> i & 1) != 0)
            types |= schema_action_resources((enum action)i);
    }
    return types != 0 ? types : TYPE_RESOURCES;
}

/* A group in `action ==` never equals an action that is asked for. */
static void check_group(struct checker *c, const struct scope *scope)
{
    const struct policy_uid *uid;

    if (scope->kind != SCOPE_EQUAL)
        return;
    uid = &c->policy->uids.items[scope->uid];
    for (size_t i = 0; schema_group_at(i) != NULL; i++) {
        if (bytes_equal_str(uid->id, schema_group_at(i)))
            check_fault(c, scope->line, scope->column,
                        "`%s` is a group of actions: write `action in Action::\"%s\"`",
                        schema_group_at(i), schema_group_at(i));
    }
}

static void check_rule(struct checker *c)
{
    const struct rule *rule = c->rule;
    struct facts facts = {.guard_count = 0};
    uint32_t asked;

    facts.types[VARIABLE_PRINCIPAL] =
        check_party(c, &rule->scopes[VARIABLE_PRINCIPAL], "principal", TYPE_PRINCIPALS);
    facts.types[VARIABLE_ACTION] = TYPE_ACTION;
    asked = check_action(c, &rule->scopes[VARIABLE_ACTION]);
    check_group(c, &rule->scopes[VARIABLE_ACTION]);
    facts.types[VARIABLE_RESOURCE] =
        check_party(c, &rule->scopes[VARIABLE_RESOURCE], "resource", TYPE_RESOURCES);
    if ((facts.types[VARIABLE_RESOURCE] & asked) != 0)
        facts.types[VARIABLE_RESOURCE] &= asked;
    for (uint32_t i = 0; i < rule->condition_count; i++)
        check_condition(c, c->policy->lists[rule->conditions + i], &facts);
}

size_t policy_check(const struct policy *policy, struct policy_error *errors, size_t max)
{
    struct checker c = {.policy = policy, .errors = errors, .max = max};

    for (size_t i = 0; i < policy_count(policy); i++) {
        c.rule = &policy->rules[i];
        check_rule(&c);
    }
    return c.count;
}
