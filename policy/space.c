/* Variables, and what each is compared with: see space.h. */
#include "policy/space.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

void space_give_up(struct space *space, const struct node *where, const char *why)
{
    if (space->why != NULL)
        return;
    space->beyond = where;
    space->why = why;
}

/* ---- walking ---- */

/* Which of a node's a, b and c are operands, by operator: bits 1, 2 and 4; 8: a list of nodes. */
static const uint8_t operands[OP_COUNT] = {
    [OP_AND] = 8,
    [OP_OR] = 8,
    [OP_SET] = 8,
    [OP_NOT] = 1,
    [OP_NEGATE] = 1,
    [OP_IF] = 7,
    [OP_EQUAL] = 3,
    [OP_UNEQUAL] = 3,
    [OP_LESS] = 3,
    [OP_LESS_EQUAL] = 3,
    [OP_MORE] = 3,
    [OP_MORE_EQUAL] = 3,
    [OP_IN] = 3,
    [OP_HAS] = 4,
    [OP_GET] = 1,
    [OP_LIKE] = 1,
    [OP_IS] = 1,
    [OP_IS_IN] = 5,
    [OP_CONTAINS] = 3,
    [OP_CONTAINS_ALL] = 3,
    [OP_CONTAINS_ANY] = 3,
    [OP_IS_EMPTY] = 1,
    [OP_IP] = 1,
    [OP_DATETIME] = 1,
    [OP_DURATION] = 1,
    [OP_IS_IPV4] = 1,
    [OP_IS_IPV6] = 1,
    [OP_IS_LOOPBACK] = 1,
    [OP_IS_MULTICAST] = 1,
    [OP_IN_RANGE] = 3,
    [OP_OFFSET] = 3,
    [OP_DURATION_SINCE] = 3,
    [OP_TO_DATE] = 1,
    [OP_TO_TIME] = 1,
    [OP_TO_MILLISECONDS] = 1,
    [OP_TO_SECONDS] = 1,
    [OP_TO_MINUTES] = 1,
    [OP_TO_HOURS] = 1,
    [OP_TO_DAYS] = 1,
};

void space_operands(const struct policy *policy, const struct node *node,
                    void (*visit)(void *ctx, const struct node *operand), void *ctx)
{
    const uint32_t each[] = {node->a, node->b, node->c};
    uint8_t which = operands[node->op];

    for (unsigned i = 0; i < 3; i++) {
        if ((which >> i & 1) != 0)
            visit(ctx, &policy->nodes[each[i]]);
    }
    for (uint32_t i = 0; (which & 8) != 0 && i < node->b; i++)
        visit(ctx, &policy->nodes[policy->lists[node->a + i]]);
    for (uint32_t i = 0; node->op == OP_RECORD && i < node->b; i++)
        visit(ctx, &policy->nodes[policy->lists[node->a + 2 * i + 1]]);
}

bool space_is_comparison(const struct node *node)
{
    return (node->op >= OP_EQUAL && node->op <= OP_IN) ||
           (node->op >= OP_LIKE && node->op <= OP_IS_EMPTY) ||
           (node->op >= OP_IS_IPV4 && node->op <= OP_IN_RANGE);
}

/* ---- variables ---- */

static uint32_t find_variable(const struct space *space, struct bytes name, bool is_tag,
                              bool of_context)
{
    for (size_t i = 0; i < space->count; i++) {
        const struct space_variable *v = &space->variables[i];

        if (v->is_tag == is_tag && (v->owners == 0) == of_context && bytes_equal_str(name, v->name))
            return (uint32_t)i;
    }
    return SPACE_NONE;
}

static CK_RV add_variable(struct space *space, const struct space_variable *variable)
{
    if (!array_reserve((void **)&space->variables, &space->cap, space->count + 1,
                       sizeof(*space->variables)))
        return fail_memory();
    space->variables[space->count] = *variable;
    space->variables[space->count].together = (uint32_t)space->count;
    space->count++;
    return CKR_OK;
}

static CK_RV add_attributes(struct space *space)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && schema_attribute_at(i) != NULL; i++) {
        const struct schema_attribute *row = schema_attribute_at(i);

        if (row->kind != POLICY_RECORD)
            rv = add_variable(space, &(struct space_variable){.name = row->name,
                                                              .kind = row->kind,
                                                              .owners = row->owners,
                                                              .optional = row->optional});
    }
    space->clock = find_variable(space, BYTES_LIT("time"), false, true);
    space->now = find_variable(space, BYTES_LIT("now"), false, true);
    return rv;
}

static bool is_variable(const struct node *node, enum variable which)
{
    return node->op == OP_VARIABLE && node->a == (uint32_t)which;
}

static bool is_tags(const struct policy *policy, const struct node *node)
{
    return node->op == OP_GET && is_variable(&policy->nodes[node->a], VARIABLE_RESOURCE) &&
           bytes_equal_str(policy_string(policy, node->b), "tags");
}

uint32_t space_variable_of(const struct space *space, const struct node *node)
{
    const struct node *object;
    struct bytes name;

    if (node->op != OP_GET)
        return SPACE_NONE;
    object = &space->policy->nodes[node->a];
    name = policy_string(space->policy, node->b);
    if (is_tags(space->policy, object))
        return find_variable(space, name, true, false);
    if (is_variable(object, VARIABLE_CONTEXT) || is_variable(object, VARIABLE_RESOURCE))
        return find_variable(space, name, false, is_variable(object, VARIABLE_CONTEXT));
    return SPACE_NONE;
}

static CK_RV add_tag(struct space *space, uint32_t string)
{
    struct bytes name = policy_string(space->policy, string);

    if (memchr(name.data, '\0', name.len) != NULL) {
        space_give_up(space, space->policy->nodes, "a tag's name holds a NUL");
        return CKR_OK;
    }
    if (find_variable(space, name, true, false) != SPACE_NONE)
        return CKR_OK;
    return add_variable(space, &(struct space_variable){.name = (const char *)name.data,
                                                        .kind = POLICY_STRING,
                                                        .owners = TYPE_OBJECTS,
                                                        .is_tag = true,
                                                        .optional = true});
}

/* resource.tags.x, resource.tags has x, resource has tags.x */
static CK_RV add_tags(struct space *space)
{
    const struct policy *policy = space->policy;
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < policy->node_count; i++) {
        const struct node *node = &policy->nodes[i];

        if (node->op == OP_GET && is_tags(policy, &policy->nodes[node->a]))
            rv = add_tag(space, node->b);
        if (node->op != OP_HAS)
            continue;
        if (is_tags(policy, &policy->nodes[node->c]))
            rv = add_tag(space, policy->lists[node->a]);
        else if (is_variable(&policy->nodes[node->c], VARIABLE_RESOURCE) && node->b > 1 &&
                 bytes_equal_str(policy_string(policy, policy->lists[node->a]), "tags"))
            rv = add_tag(space, policy->lists[node->a + 1]);
    }
    return rv;
}

/* ---- what the method does not follow ---- */

struct watch {
    struct space *space;
    const struct node *parent;
};

/* Whole records are not variables, and entities other than the request's own are not varied. */
static void watch_operand(void *ctx, const struct node *operand)
{
    const struct watch *w = ctx;
    bool reads = w->parent->op == OP_GET || w->parent->op == OP_HAS;

    if (is_variable(operand, VARIABLE_CONTEXT) && !reads)
        space_give_up(w->space, operand, "the context is used as a whole");
    if (is_tags(w->space->policy, operand) && !reads)
        space_give_up(w->space, operand, "the tags are used as a whole");
    if (reads && operand->op != OP_VARIABLE && operand->op != OP_RECORD &&
        operand->op != OP_CONST && !is_tags(w->space->policy, operand))
        space_give_up(w->space, operand, "an attribute of something computed is read");
}

static void watch_all(struct space *space)
{
    for (size_t i = 0; i < space->policy->node_count; i++) {
        const struct node *node = &space->policy->nodes[i];
        struct watch w = {.space = space, .parent = node};

        uint32_t variable = space_variable_of(space, node);

        space_operands(space->policy, node, watch_operand, &w);
        if (variable != SPACE_NONE && variable != space->clock &&
            space->variables[variable].kind > POLICY_STRING &&
            space->variables[variable].kind != POLICY_IP)
            space_give_up(space, node, "an attribute of this type is read");
        if (node->op == OP_IP || node->op == OP_DATETIME || node->op == OP_DURATION)
            space_give_up(space, node, "a text is read while deciding");
    }
}

/* ---- groups of variables ---- */

static uint32_t root_of(const struct space *space, uint32_t variable)
{
    while (space->variables[variable].together != variable)
        variable = space->variables[variable].together;
    return variable;
}

struct meeting {
    struct space *space;
    uint32_t first[POLICY_UNKNOWN]; /* by kind: a variable seen in this comparison */
};

static void meet(void *ctx, const struct node *node)
{
    struct meeting *m = ctx;
    uint32_t variable = space_variable_of(m->space, node);

    if (variable != SPACE_NONE) {
        uint32_t *first = &m->first[m->space->variables[variable].kind];

        if (*first == SPACE_NONE)
            *first = variable;
        else
            m->space->variables[root_of(m->space, variable)].together = root_of(m->space, *first);
        return;
    }
    space_operands(m->space->policy, node, meet, m);
}

static void join_compared(struct space *space)
{
    for (size_t i = 0; i < space->policy->node_count; i++) {
        struct meeting m = {.space = space};

        if (!space_is_comparison(&space->policy->nodes[i]))
            continue;
        for (unsigned kind = 0; kind < POLICY_UNKNOWN; kind++)
            m.first[kind] = SPACE_NONE;
        meet(&m, &space->policy->nodes[i]);
    }
}

/* ---- what a group is compared with ---- */

struct gathering {
    struct space *space;
    struct space_points *points;
    uint32_t root;
    enum policy_kind kind;
    bool in_it; /* the comparison has a variable of the group */
    bool failed;
};

static void look_for(void *ctx, const struct node *node)
{
    struct gathering *g = ctx;
    uint32_t variable = space_variable_of(g->space, node);

    if (variable != SPACE_NONE)
        g->in_it = g->in_it || root_of(g->space, variable) == g->root;
    else
        space_operands(g->space->policy, node, look_for, g);
}

static void keep_value(struct gathering *g, const struct policy_value *value)
{
    struct space_points *points = g->points;

    for (size_t i = 0; value->kind == POLICY_SET && i < value->u.set.count; i++)
        keep_value(g, &value->u.set.items[i]);
    for (size_t i = 0; value->kind == POLICY_RECORD && i < value->u.record.count; i++)
        keep_value(g, &value->u.record.fields[i].value);
    if (value->kind != g->kind)
        return;
    if (!array_reserve((void **)&points->values, &points->cap, points->count + 1,
                       sizeof(*points->values)))
        g->failed = true;
    else
        points->values[points->count++] = *value;
}

static void keep_pattern(struct gathering *g, struct bytes pattern)
{
    struct space_points *points = g->points;

    if (!array_reserve((void **)&points->patterns, &points->pattern_cap, points->pattern_count + 1,
                       sizeof(*points->patterns)))
        g->failed = true;
    else
        points->patterns[points->pattern_count++] = pattern;
}

static void keep(void *ctx, const struct node *node)
{
    struct gathering *g = ctx;

    if (node->op <= OP_CONST) {
        struct policy_value value = value_of(g->space->policy, node);

        keep_value(g, &value);
        return;
    }
    if (node->op == OP_LIKE)
        keep_pattern(g, policy_string(g->space->policy, node->b));
    if (node->op == OP_NEGATE)
        g->points->negated = true;
    space_operands(g->space->policy, node, keep, g);
}

static CK_RV gather(struct space *space, uint32_t root, struct space_points *ret)
{
    struct gathering g = {.space = space, .points = ret, .root = root};

    g.kind = space->variables[root].kind;
    for (uint32_t i = 0; i < space->count; i++)
        ret->width += root_of(space, i) == root ? 1 : 0;
    for (size_t i = 0; i < space->policy->node_count; i++) {
        const struct node *node = &space->policy->nodes[i];

        g.in_it = false;
        if (space_is_comparison(node))
            look_for(&g, node);
        if (g.in_it)
            keep(&g, node);
    }
    return g.failed ? fail_memory() : CKR_OK;
}

/* ---- domains ---- */

size_t space_sort(struct policy_value *values, size_t count)
{
    size_t kept = 0;

    if (count > 0)
        qsort(values, count, sizeof(*values), value_order);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || value_order(&values[i], &values[kept - 1]) != 0)
            values[kept++] = values[i];
    }
    return kept;
}

static CK_RV booleans(struct space *space, struct policy_value **ret, size_t *ret_count)
{
    struct policy_value *both = arena_take(&space->arena, 2 * sizeof(*both));

    if (both == NULL)
        return fail_memory();
    both[0] = (struct policy_value){.kind = POLICY_BOOL, .u.boolean = false};
    both[1] = (struct policy_value){.kind = POLICY_BOOL, .u.boolean = true};
    *ret = both;
    *ret_count = 2;
    return CKR_OK;
}

static CK_RV make_domain(struct space *space, uint32_t root, struct policy_value **ret,
                         size_t *ret_count)
{
    struct space_points points = {.values = NULL};
    CK_RV rv = gather(space, root, &points);

    if (rv == CKR_OK) {
        switch (space->variables[root].kind) {
        case POLICY_BOOL:
            rv = booleans(space, ret, ret_count);
            break;
        case POLICY_STRING:
            rv = space_texts(space, &points, ret, ret_count);
            break;
        case POLICY_IP:
            rv = space_addresses(space, &points, ret, ret_count);
            break;
        case POLICY_LONG:
            rv = space_longs(space, &points, ret, ret_count);
            break;
        default: /* nobody reads it */
            break;
        }
    }
    free(points.values);
    free(points.patterns);
    return rv;
}

/* The group's domain, and "not there" for a variable that may be missing. */
static CK_RV give_domain(struct space *space, struct space_variable *v,
                         const struct policy_value *domain, size_t count)
{
    struct policy_value *own = arena_take(&space->arena, (count + 1) * sizeof(*own));

    if (own == NULL)
        return fail_memory();
    if (count > 0)
        memcpy(own, domain, count * sizeof(*own));
    v->domain = own;
    v->count = count;
    if (v->optional)
        own[v->count++] = (struct policy_value){.kind = POLICY_ABSENT};
    return CKR_OK;
}

static CK_RV make_domains(struct space *space)
{
    CK_RV rv = space_instants(space);

    for (uint32_t root = 0; rv == CKR_OK && space->why == NULL && root < space->count; root++) {
        struct policy_value *domain = NULL;
        size_t count = 0;

        if (root == space->clock || root == space->now || root_of(space, root) != root)
            continue;
        rv = make_domain(space, root, &domain, &count);
        for (uint32_t i = 0; rv == CKR_OK && space->why == NULL && i < space->count; i++) {
            if (root_of(space, i) == root)
                rv = give_domain(space, &space->variables[i], domain, count);
        }
    }
    return rv;
}

CK_RV space_build(const struct policy *policy, struct space *ret)
{
    CK_RV rv;

    *ret = (struct space){.policy = policy};
    rv = add_attributes(ret);
    if (rv == CKR_OK)
        rv = add_tags(ret);
    if (rv != CKR_OK)
        return rv;
    watch_all(ret);
    join_compared(ret);
    return ret->why == NULL ? make_domains(ret) : CKR_OK;
}

void space_release(struct space *space)
{
    arena_release(&space->arena);
    free(space->variables);
    *space = (struct space){.policy = NULL};
}
