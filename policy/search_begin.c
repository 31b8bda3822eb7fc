/* Making a search ready, and a branch of it into a request. */
#include "policy/search.h"

#include <stdlib.h>
#include <string.h>

/* ---- rules that say the same ---- */

static bool same_nodes(const struct policy *policy, uint32_t a, uint32_t b);

static bool same_list(const struct policy *policy, const struct node *x, const struct node *y,
                      bool pairs)
{
    uint32_t width = pairs ? 2 : 1;

    if (x->b != y->b)
        return false;
    for (uint32_t i = 0; i < x->b; i++) {
        const uint32_t *p = &policy->lists[x->a + i * width];
        const uint32_t *q = &policy->lists[y->a + i * width];

        if ((pairs && p[0] != q[0]) || !same_nodes(policy, p[width - 1], q[width - 1]))
            return false;
    }
    return true;
}

static bool same_names(const struct policy *policy, const struct node *x, const struct node *y)
{
    return x->b == y->b &&
           memcmp(&policy->lists[x->a], &policy->lists[y->a], x->b * sizeof(*policy->lists)) == 0;
}

static bool same_nodes(const struct policy *policy, uint32_t a, uint32_t b)
{
    const struct node *x = &policy->nodes[a];
    const struct node *y = &policy->nodes[b];
    struct value_budget budget = {.steps = VALUE_STEPS_MAX};

    if (x->op != y->op)
        return false;
    switch (x->op) {
    case OP_CONST:
        return value_equal(&policy->values[x->a], &policy->values[y->a], &budget) && !budget.spent;
    case OP_AND:
    case OP_OR:
    case OP_SET:
        return same_list(policy, x, y, false);
    case OP_RECORD:
        return same_list(policy, x, y, true);
    case OP_HAS:
        return same_names(policy, x, y) && same_nodes(policy, x->c, y->c);
    case OP_GET:
    case OP_LIKE:
    case OP_IS:
    case OP_IS_IN:
        return x->b == y->b && same_nodes(policy, x->a, y->a) &&
               (x->op != OP_IS_IN || same_nodes(policy, x->c, y->c));
    case OP_IF:
        return same_nodes(policy, x->a, y->a) && same_nodes(policy, x->b, y->b) &&
               same_nodes(policy, x->c, y->c);
    default:
        if (x->op <= OP_VARIABLE)
            return x->a == y->a && x->b == y->b;
        return same_nodes(policy, x->a, y->a) && (x->b == y->b || same_nodes(policy, x->b, y->b));
    }
}

static bool same_scope(const struct policy *policy, const struct scope *a, const struct scope *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SCOPE_ANY:
        return true;
    case SCOPE_IS:
        return a->type == b->type;
    case SCOPE_IS_IN:
        return a->type == b->type && a->uid == b->uid;
    case SCOPE_LIST:
        return a->count == b->count && memcmp(&policy->lists[a->uid], &policy->lists[b->uid],
                                              a->count * sizeof(*policy->lists)) == 0;
    default:
        return a->uid == b->uid;
    }
}

static bool same_rules(const struct policy *policy, const struct rule *a, const struct rule *b)
{
    if (a->forbid != b->forbid || a->condition_count != b->condition_count)
        return false;
    for (unsigned v = 0; v < 3; v++) {
        if (!same_scope(policy, &a->scopes[v], &b->scopes[v]))
            return false;
    }
    for (uint32_t i = 0; i < a->condition_count; i++) {
        if (!same_nodes(policy, policy->lists[a->conditions + i], policy->lists[b->conditions + i]))
            return false;
    }
    return true;
}

/* Enough to tell most rules apart: equal rules have equal marks. */
static uint64_t mark_of(const struct policy *policy, const struct rule *rule)
{
    uint64_t mark = rule->forbid ? 3 : 5;

    for (unsigned v = 0; v < 3; v++) {
        const struct scope *scope = &rule->scopes[v];
        bool named =
            scope->kind == SCOPE_EQUAL || scope->kind == SCOPE_IN || scope->kind == SCOPE_IS_IN;

        mark = (mark + (unsigned)scope->kind + (named ? (uint64_t)scope->uid << 8 : 0)) *
               UINT64_C(0x9E3779B97F4A7C15);
    }
    for (uint32_t i = 0; i < rule->condition_count; i++)
        mark = (mark + policy->nodes[policy->lists[rule->conditions + i]].op) *
               UINT64_C(0x9E3779B97F4A7C15);
    return mark;
}

struct marked {
    uint64_t mark;
    uint32_t rule;
};

static int by_mark(const void *a, const void *b)
{
    const struct marked *x = a;
    const struct marked *y = b;

    if (x->mark != y->mark)
        return x->mark < y->mark ? -1 : 1;
    return (x->rule > y->rule) - (x->rule < y->rule);
}

#define ALIKE_MAX 64U /* rules of one mark that are compared: more only cost time, no answer */

CK_RV search_classify(const struct policy *policy, uint32_t *classes)
{
    SCOPED_FREE struct marked *list = calloc(policy->rule_count + 1, sizeof(*list));

    if (list == NULL)
        return fail_memory();
    for (uint32_t i = 0; i < policy->rule_count; i++)
        list[i] = (struct marked){mark_of(policy, &policy->rules[i]), i};
    qsort(list, policy->rule_count, sizeof(*list), by_mark);
    for (size_t i = 0; i < policy->rule_count; i++) {
        uint32_t rule = list[i].rule;

        classes[rule] = rule;
        for (size_t j = i; j-- > 0 && i - j <= ALIKE_MAX && list[j].mark == list[i].mark;) {
            if (same_rules(policy, &policy->rules[rule], &policy->rules[list[j].rule]))
                classes[rule] = classes[list[j].rule];
        }
    }
    return CKR_OK;
}

/* ---- getting ready ---- */

static void look_for_errors(void *ctx, const struct node *node);

struct erring {
    const struct policy *policy;
    bool may;
};

static void look_for_errors(void *ctx, const struct node *node)
{
    struct erring *e = ctx;

    e->may = e->may || node->op == OP_NEGATE || node->op == OP_OFFSET ||
             node->op == OP_DURATION_SINCE || node->op == OP_TO_DATE ||
             (node->op >= OP_IP && node->op <= OP_DURATION);
    space_operands(e->policy, node, look_for_errors, e);
}

static void find_erring(struct search *s)
{
    for (size_t i = 0; i < s->policy->rule_count; i++) {
        const struct rule *rule = &s->policy->rules[i];
        struct erring e = {.policy = s->policy};

        for (uint32_t c = 0; c < rule->condition_count; c++)
            look_for_errors(&e, &s->policy->nodes[s->policy->lists[rule->conditions + c]]);
        s->may_err[i] = e.may;
    }
}

static bool allocate(struct search *s)
{
    size_t uids = s->policy->uids.count;

    s->classes = calloc(s->policy->rule_count + 1, sizeof(*s->classes));
    s->stamps = calloc(s->policy->rule_count + 1, sizeof(*s->stamps));
    s->uid_stamps = calloc(uids + 1, sizeof(*s->uid_stamps));
    s->may_err = calloc(s->policy->rule_count + 1, sizeof(*s->may_err));
    s->groups = calloc(uids + 1, sizeof(*s->groups));
    s->tags = calloc(s->space.count + 1, sizeof(*s->tags));
    s->tag_variable = calloc(s->space.count + 1, sizeof(*s->tag_variable));
    return s->classes != NULL && s->stamps != NULL && s->uid_stamps != NULL && s->may_err != NULL &&
           s->groups != NULL && s->tags != NULL && s->tag_variable != NULL;
}

static int field_order(const void *a, const void *b)
{
    return bytes_compare(((const struct policy_field *)a)->name,
                         ((const struct policy_field *)b)->name);
}

static void list_tags(struct search *s)
{
    for (uint32_t i = 0; i < s->space.count; i++) {
        if (s->space.variables[i].is_tag)
            s->tags[s->tag_count++].name = bytes_from_str(s->space.variables[i].name);
    }
    if (s->tag_count > 0)
        qsort(s->tags, s->tag_count, sizeof(*s->tags), field_order);
    for (size_t t = 0; t < s->tag_count; t++) {
        for (uint32_t i = 0; i < s->space.count; i++) {
            if (s->space.variables[i].is_tag &&
                bytes_equal_str(s->tags[t].name, s->space.variables[i].name))
                s->tag_variable[t] = i;
        }
    }
}

static void list_groups(struct search *s)
{
    for (size_t i = 0; i < s->policy->uids.count; i++) {
        uint32_t type = schema_type_bit(s->policy->uids.items[i].type);

        if ((type & (TYPE_GROUP | TYPE_UNIX_GROUP)) != 0)
            s->groups[s->doubt.count++].uid = s->policy->uids.items[i];
    }
    s->doubt.groups = s->groups;
}

CK_RV search_begin(const struct policy *policy, struct search *s)
{
    CK_RV rv;

    *s = (struct search){.policy = policy, .as_permit = SPACE_NONE, .work_max = UINT64_MAX};
    rv = space_build(policy, &s->space);
    if (rv != CKR_OK)
        return rv;
    if (!allocate(s))
        return fail_memory();
    s->eval.policy = policy;
    s->eval.request = &s->request;
    s->eval.doubt = &s->doubt;
    find_erring(s);
    list_tags(s);
    list_groups(s);
    return search_classify(policy, s->classes);
}

void search_end(struct search *s)
{
    space_release(&s->space);
    arena_release(&s->arena);
    free(s->classes);
    free(s->stamps);
    free(s->uid_stamps);
    free(s->may_err);
    free(s->groups);
    free(s->tags);
    free(s->tag_variable);
    free(s->open);
}

/* ---- a branch as a request ---- */

static struct bytes keep_text(struct arena *arena, struct bytes text, bool *failed)
{
    struct bytes copy = arena_copy(arena, text);

    *failed = *failed || copy.data == NULL;
    return copy;
}

static struct policy_uid keep_uid(struct arena *arena, const struct policy_uid *uid, bool *failed)
{
    return (struct policy_uid){keep_text(arena, uid->type, failed),
                               keep_text(arena, uid->id, failed)};
}

/* What was left open does not matter: any value will do. What may be missing is left out. */
static struct policy_value fill(const struct search *s, const struct policy_value *value,
                                uint32_t variable)
{
    const struct space_variable *v = &s->space.variables[variable];
    struct policy_value any = {.kind = v->optional ? POLICY_ABSENT : v->kind};

    if (value->kind != POLICY_UNKNOWN)
        return *value;
    if (any.kind == POLICY_STRING)
        any.u.string = BYTES_LIT("any");
    return any;
}

static struct policy_value record(struct search *s, struct arena *arena,
                                  const struct policy_field *from, const uint32_t *variables,
                                  size_t count, bool *failed)
{
    struct policy_field *fields = arena_take(arena, (count + 1) * sizeof(*fields));
    size_t kept = 0;

    *failed = *failed || fields == NULL;
    for (size_t i = 0; !*failed && i < count; i++) {
        struct policy_value value =
            from[i].value.kind == POLICY_RECORD
                ? record(s, arena, from[i].value.u.record.fields, s->tag_variable,
                         from[i].value.u.record.count, failed)
                : fill(s, &from[i].value, variables[i]);

        if (value.kind == POLICY_ABSENT)
            continue;
        if (value.kind == POLICY_STRING)
            value.u.string = keep_text(arena, value.u.string, failed);
        fields[kept++] = (struct policy_field){keep_text(arena, from[i].name, failed), value};
    }
    return (struct policy_value){.kind = POLICY_RECORD, .u.record = {fields, kept}};
}

static const struct policy_uid *groups_of(struct search *s, struct arena *arena, size_t *ret_count,
                                          bool *failed)
{
    struct policy_uid *list = arena_take(arena, (s->doubt.count + 1) * sizeof(*list));

    *failed = *failed || list == NULL;
    *ret_count = 0;
    for (size_t i = 0; !*failed && i < s->doubt.count; i++) {
        if (s->groups[i].state == GROUP_IN)
            list[(*ret_count)++] = keep_uid(arena, &s->groups[i].uid, failed);
    }
    return list;
}

/* The id of what no rule mentions follows its name; an object without a name goes by its unique id.
 */
static void follow_name(struct search *s, struct arena *arena, struct policy_uid *uid,
                        struct bytes name, bool *failed)
{
    struct policy_uid named = *uid;
    struct buf id = BUF_INIT(1U << 20);

    if ((schema_type_bit(uid->type) & TYPE_OBJECTS) != 0) {
        buf_put_bytes(&id, s->vault.id);
        buf_puts(&id, name.len > 0 ? "/" : "/00000000000000000000000000000000");
    }
    buf_put_bytes(&id, name);
    *failed = *failed || !buf_ok(&id);
    named.id = keep_text(arena, buf_bytes(&id), failed);
    /* A name that was left open may be one that is mentioned: then the made-up id stays. */
    if (intern_find(&s->policy->uids, named) == INTERN_NONE)
        *uid = named;
    buf_release(&id);
}

static void keep_resource(struct search *s, struct arena *arena, struct policy_entity *ret,
                          bool *failed)
{
    bool is_object = (schema_type_bit(s->request.resource.type) & TYPE_OBJECTS) != 0;
    struct policy_uid *vault = arena_take(arena, sizeof(*vault));
    const struct policy_value *name;

    *failed = *failed || vault == NULL;
    if (*failed)
        return;
    *vault = keep_uid(arena, &s->vault, failed);
    *ret = (struct policy_entity){.uid = keep_uid(arena, &s->request.resource, failed)};
    ret->attributes =
        record(s, arena, s->attributes, s->attribute_variable, s->attribute_count, failed);
    name = value_field(&ret->attributes, BYTES_LIT("name"));
    if (s->given == NULL && name != NULL && intern_find(&s->policy->uids, ret->uid) == INTERN_NONE)
        follow_name(s, arena, &ret->uid, name->u.string, failed);
    if (!is_object)
        return;
    ret->ancestors = vault;
    ret->ancestor_count = 1;
}

static int entity_order(const void *a, const void *b)
{
    return value_uid_compare(&((const struct policy_entity *)a)->uid,
                             &((const struct policy_entity *)b)->uid);
}

CK_RV search_example(struct search *s, struct arena *arena, struct policy_request *ret)
{
    struct policy_entity *entities = arena_take(arena, 3 * sizeof(*entities));
    bool failed = entities == NULL;

    if (failed)
        return fail_memory();
    entities[0] = (struct policy_entity){.uid = keep_uid(arena, &s->request.principal, &failed),
                                         .attributes = {.kind = POLICY_RECORD}};
    entities[0].ancestors = groups_of(s, arena, &entities[0].ancestor_count, &failed);
    entities[1] = s->entities[0];
    keep_resource(s, arena, &entities[2], &failed);
    if (failed)
        return fail_memory();
    *ret = (struct policy_request){.principal = entities[0].uid,
                                   .action = entities[1].uid,
                                   .resource = entities[2].uid,
                                   .entities = entities,
                                   .entity_count = 3};
    ret->context = record(s, arena, s->context, s->context_variable, s->context_count, &failed);
    qsort(entities, 3, sizeof(*entities), entity_order);
    return failed ? fail_memory() : CKR_OK;
}
