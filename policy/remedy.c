/* What would have been needed: see remedy.h. Candidates are what the set itself names: its users
 * and groups, and of each member of the context the values that its conditions tell apart. */
#include "policy/remedy.h"

#include "policy/eval_int.h"
#include "policy/policy_int.h"
#include "policy/space.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX   64U
#define ENTITIES_MAX 8U

struct seeker {
    const struct policy *policy;
    const struct policy_request *denied;
    struct policy_advice *advice;
    struct policy_step *candidates;
    size_t count, cap;
    size_t tries;
    bool no_memory;
};

/* ---- candidates ---- */

static void add(struct seeker *s, const struct policy_step *step)
{
    if (s->no_memory ||
        !array_reserve((void **)&s->candidates, &s->cap, s->count + 1, sizeof(*s->candidates))) {
        s->no_memory = true;
        return;
    }
    s->candidates[s->count++] = *step;
}

static bool principal_may_be_in(const struct seeker *s, struct bytes type)
{
    uint32_t caller = schema_type_bit(s->denied->principal.type);

    for (unsigned i = 0; i < TYPE_COUNT; i++)
        if (caller == 1U << i)
            return (schema_parents(i) & schema_type_bit(type)) != 0;
    return false;
}

/* Who has logged in already does not become somebody else. */
static void add_uids(struct seeker *s)
{
    bool anonymous = bytes_equal_str(s->denied->principal.type, "Unix");

    for (size_t i = 0; i < s->policy->uids.count; i++) {
        struct policy_step step = {.uid = s->policy->uids.items[i]};

        if (anonymous && bytes_equal_str(step.uid.type, "User"))
            step.change = POLICY_CHANGE_LOGIN;
        else if (principal_may_be_in(s, step.uid.type))
            step.change = POLICY_CHANGE_GROUP;
        else
            continue;
        add(s, &step);
    }
}

/* What nobody chooses: the vault, whether somebody is logged in, the clock's other face. */
static bool is_given(const char *name)
{
    static const char *const given[] = {"vault", "loggedIn", "now", "via", "function", "approvals"};

    for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
        if (strcmp(given[i], name) == 0)
            return true;
    return false;
}

static bool is_named(const struct seeker *s, const char *name)
{
    return policy_speaks_of(s->policy, name);
}

static void add_values(struct seeker *s, const struct space_variable *v)
{
    for (size_t i = 0; i < v->count; i++) {
        struct policy_step step = {.change = POLICY_CHANGE_CONTEXT};

        step.field.name = bytes_from_str(v->name);
        step.field.value = v->domain[i];
        if (v->kind == POLICY_STRING && v->domain[i].kind == POLICY_STRING) {
            step.field.value.u.string = arena_copy(&s->advice->arena, v->domain[i].u.string);
            s->no_memory = s->no_memory || step.field.value.u.string.data == NULL;
            step.made_up =
                intern_find_string(&s->policy->strings, v->domain[i].u.string) == INTERN_NONE;
        }
        add(s, &step);
    }
}

static CK_RV add_context(struct seeker *s)
{
    struct space space;
    CK_RV rv = space_build(s->policy, &space);

    for (size_t i = 0; rv == CKR_OK && i < space.count; i++) {
        const struct space_variable *v = &space.variables[i];

        if (v->owners == 0 && !v->is_tag && is_named(s, v->name) && !is_given(v->name))
            add_values(s, v);
    }
    space_release(&space);
    return rv;
}

/* ---- the changed request ---- */

struct changed {
    struct policy_request request;
    struct policy_field fields[FIELDS_MAX];
    struct policy_entity entities[ENTITIES_MAX];
    struct policy_uid groups[FIELDS_MAX];
};

static void sort_entities(struct changed *c)
{
    for (size_t i = 1; i < c->request.entity_count; i++)
        for (size_t j = i; j > 0; j--) {
            struct policy_entity *a = &c->entities[j - 1], *b = &c->entities[j], swap = *a;
            int order = bytes_compare(a->uid.type, b->uid.type);

            if (order < 0 || (order == 0 && bytes_compare(a->uid.id, b->uid.id) <= 0))
                break;
            *a = *b;
            *b = swap;
        }
}

static struct policy_entity *principal_of(struct changed *c)
{
    for (size_t i = 0; i < c->request.entity_count; i++)
        if (bytes_equal(c->entities[i].uid.type, c->request.principal.type) &&
            bytes_equal(c->entities[i].uid.id, c->request.principal.id))
            return &c->entities[i];
    return NULL;
}

static bool set_field(struct changed *c, const struct policy_field *field)
{
    size_t n = c->request.context.u.record.count;
    size_t at = 0;
    bool absent = field->value.kind == POLICY_ABSENT;

    while (at < n && bytes_compare(c->fields[at].name, field->name) < 0)
        at++;
    if (at < n && bytes_equal(c->fields[at].name, field->name)) {
        if (!absent) {
            c->fields[at].value = field->value;
            return true;
        }
        memmove(&c->fields[at], &c->fields[at + 1], (n - at - 1) * sizeof(*c->fields));
        c->request.context.u.record.count--;
        return true;
    }
    if (absent || n == FIELDS_MAX)
        return false;
    memmove(&c->fields[at + 1], &c->fields[at], (n - at) * sizeof(*c->fields));
    c->fields[at] = *field;
    c->request.context.u.record.count++;
    return true;
}

static bool set_group(struct changed *c, const struct policy_uid *group)
{
    struct policy_entity *principal = principal_of(c);
    size_t n = principal != NULL ? principal->ancestor_count : FIELDS_MAX;

    if (n >= FIELDS_MAX)
        return false;
    if (n > 0 && principal->ancestors != c->groups)
        memcpy(c->groups, principal->ancestors, n * sizeof(*c->groups));
    c->groups[n] = *group;
    principal->ancestors = c->groups;
    principal->ancestor_count = n + 1;
    return true;
}

static bool set_login(struct changed *c, const struct policy_uid *user)
{
    static const struct policy_field logged_in = {
        .name = {.data = (const uint8_t *)"loggedIn", .len = 8},
        .value = {.kind = POLICY_BOOL, .u.boolean = true}};
    struct policy_entity *principal = principal_of(c);

    if (principal == NULL)
        return false;
    *principal = (struct policy_entity){.uid = *user, .attributes = {.kind = POLICY_RECORD}};
    c->request.principal = *user;
    sort_entities(c);
    return set_field(c, &logged_in);
}

static bool take_step(struct changed *c, const struct policy_step *step)
{
    struct policy_field now = {.name = BYTES_LIT("now"), .value = {.kind = POLICY_LONG}};

    if (step->change == POLICY_CHANGE_LOGIN)
        return set_login(c, &step->uid);
    if (step->change == POLICY_CHANGE_GROUP)
        return set_group(c, &step->uid);
    now.value.u.number = step->field.value.u.number / 1000;
    if (step->field.value.kind == POLICY_DATETIME && !set_field(c, &now))
        return false;
    return set_field(c, &step->field);
}

/* One that is not listed has no groups. */
static void add_principal(struct changed *c)
{
    if (principal_of(c) != NULL)
        return;
    c->entities[c->request.entity_count++] =
        (struct policy_entity){.uid = c->request.principal, .attributes = {.kind = POLICY_RECORD}};
    sort_entities(c);
}

static bool start(const struct seeker *s, struct changed *c)
{
    const struct policy_request *r = s->denied;

    if (r->context.u.record.count > FIELDS_MAX || r->entity_count >= ENTITIES_MAX)
        return false;
    c->request = *r;
    memcpy(c->entities, r->entities, r->entity_count * sizeof(*c->entities));
    c->request.entities = c->entities;
    if (r->context.u.record.count > 0)
        memcpy(c->fields, r->context.u.record.fields,
               r->context.u.record.count * sizeof(*c->fields));
    c->request.context.u.record.fields = c->fields;
    add_principal(c);
    return true;
}

static bool would_allow(struct seeker *s, const struct policy_remedy *remedy)
{
    struct changed c;
    struct policy_verdict verdict = {.max = 0};

    s->tries++;
    if (!start(s, &c))
        return false;
    for (size_t i = 0; i < remedy->count; i++)
        if (!take_step(&c, &remedy->steps[i]))
            return false;
    policy_decide(s->policy, &c.request, &verdict);
    return verdict.allow;
}

/* ---- the search ---- */

static bool is_full(const struct seeker *s)
{
    return s->advice->remedy_count == POLICY_REMEDIES_MAX || s->tries >= POLICY_TRIES_MAX;
}

static bool same_step(const struct policy_step *a, const struct policy_step *b)
{
    return a->made_up && b->made_up && bytes_equal(a->field.name, b->field.name);
}

/* Another made-up value in the place of one that is told already says nothing new. */
static bool is_told(const struct seeker *s, const struct policy_remedy *remedy)
{
    for (size_t i = 0; remedy->count == 1 && i < s->advice->remedy_count; i++)
        if (same_step(&s->advice->remedies[i].steps[0], &remedy->steps[0]))
            return true;
    return false;
}

static void try(struct seeker *s, const struct policy_remedy *remedy)
{
    if (!is_full(s) && !is_told(s, remedy) && would_allow(s, remedy))
        s->advice->remedies[s->advice->remedy_count++] = *remedy;
}

/* One step for each candidate; where none is enough, two. */
static void seek(struct seeker *s)
{
    for (size_t i = 0; i < s->count; i++)
        try(s, &(struct policy_remedy){.steps = {s->candidates[i]}, .count = 1});
    if (s->advice->remedy_count > 0)
        return;
    for (size_t i = 0; i < s->count; i++)
        for (size_t j = i + 1; j < s->count && !is_full(s); j++)
            try(s,
                &(struct policy_remedy){.steps = {s->candidates[i], s->candidates[j]}, .count = 2});
}

/* ---- permits that came near ---- */

/* The first part of a conjunction that does not hold. */
static const struct node *failing_part(struct eval *e, uint32_t index)
{
    const struct node *node = &e->policy->nodes[index];

    for (uint32_t i = 0; node->op == OP_AND && i < node->b; i++) {
        struct policy_value value;
        uint32_t part = e->policy->lists[node->a + i];

        if (!eval_run(e, part, &value) || value.kind != POLICY_BOOL || !value.u.boolean)
            return failing_part(e, part);
    }
    return node;
}

static size_t failing_conditions(const struct seeker *s, const struct rule *rule,
                                 struct policy_near *near)
{
    struct eval e = {.policy = s->policy, .request = s->denied};
    size_t count = 0;

    for (uint32_t i = 0; i < rule->condition_count; i++) {
        uint32_t condition = s->policy->lists[rule->conditions + i];
        struct rule one = *rule;
        const struct node *node;

        one.conditions = rule->conditions + i;
        one.condition_count = 1;
        if (eval_rule(&e, &one) == EVAL_TRUE)
            continue;
        if (count++ > 0 || near->part != NULL)
            continue;
        node = failing_part(&e, condition);
        near->part = "condition";
        near->line = node->line;
        near->column = node->column;
    }
    return count;
}

static size_t failing_scopes(const struct seeker *s, const struct rule *rule,
                             struct policy_near *near)
{
    static const struct {
        enum variable variable;
        const char *word;
    } parts[] = {{VARIABLE_PRINCIPAL, "principal"}, {VARIABLE_RESOURCE, "resource"}};
    size_t count = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const struct scope *scope = &rule->scopes[parts[i].variable];

        if (eval_scope(s->policy, s->denied, rule, parts[i].variable) || count++ > 0)
            continue;
        near->part = parts[i].word;
        near->line = scope->line;
        near->column = scope->column;
    }
    return count;
}

static void find_near(struct seeker *s)
{
    size_t least = SIZE_MAX;

    for (uint32_t r = 0; r < s->policy->rule_count; r++) {
        const struct rule *rule = &s->policy->rules[r];
        struct policy_near near = {.rule = r, .source = s->policy->sources[rule->source]};
        size_t failing;

        if (rule->forbid || !eval_scope(s->policy, s->denied, rule, VARIABLE_ACTION))
            continue;
        failing = failing_scopes(s, rule, &near);
        failing += failing_conditions(s, rule, &near);
        if (failing < least)
            s->advice->near_count = 0;
        least = failing < least ? failing : least;
        if (failing == least && failing > 0 && s->advice->near_count < POLICY_NEAR_MAX)
            s->advice->near[s->advice->near_count++] = near;
    }
}

/* ---- the whole ---- */

CK_RV policy_advise(const struct policy *policy, const struct policy_request *denied,
                    struct policy_advice *ret)
{
    struct seeker s = {.policy = policy, .denied = denied, .advice = ret};
    CK_RV rv;

    memset(ret, 0, sizeof(*ret));
    add_uids(&s);
    rv = add_context(&s);
    if (rv == CKR_OK && s.no_memory)
        rv = fail_memory();
    if (rv == CKR_OK) {
        seek(&s);
        find_near(&s);
    }
    free(s.candidates);
    return rv;
}

void policy_advice_release(struct policy_advice *advice)
{
    arena_release(&advice->arena);
}
