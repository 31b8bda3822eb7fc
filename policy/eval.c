/*
 * Evaluation, as Cedar defines it: && and || stop early, if takes one branch, everything else takes
 * all its operands; a wrong kind, a missing attribute or an overflow is an error, and an error
 * travels up at once.
 *
 * Recursion is bounded by POLICY_DEPTH_MAX (policy_int.h says why), and each operator is one row of
 * `operators`.
 */
#include "policy/eval_int.h"

#include <string.h>

bool eval_wrong(struct eval *e, const struct node *where, const char *what, struct bytes name)
{
    e->where = where;
    e->wrong = what;
    e->name = name;
    return false;
}

/* ---- operands of one kind ---- */

static const char *const kind_wanted[] = {
    [POLICY_BOOL] = "this is not a boolean",
    [POLICY_LONG] = "this is not a long",
    [POLICY_STRING] = "this is not a string",
    [POLICY_ENTITY] = "this is not an entity",
    [POLICY_SET] = "this is not a set",
    [POLICY_RECORD] = "this is not a record",
    [POLICY_IP] = "this is not an ip",
    [POLICY_DATETIME] = "this is not a datetime",
    [POLICY_DURATION] = "this is not a duration",
};

bool eval_run_kind(struct eval *e, uint32_t index, enum policy_kind kind, struct policy_value *out)
{
    if (!eval_run(e, index, out))
        return false;
    if (out->kind != kind)
        return eval_wrong(e, &e->policy->nodes[index], kind_wanted[kind], BYTES_NONE);
    return true;
}

bool eval_answer_bool(struct eval *e, const struct node *node, bool value, struct policy_value *out)
{
    if (e->budget.spent)
        return eval_wrong(e, node, "this compares more than is allowed", BYTES_NONE);
    out->kind = POLICY_BOOL;
    out->u.boolean = value;
    return true;
}

/* ---- entities ---- */

const struct policy_entity *eval_entity(const struct policy_request *request,
                                        const struct policy_uid *uid)
{
    size_t low = 0;
    size_t high = request->entity_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = value_uid_compare(uid, &request->entities[middle].uid);

        if (c == 0)
            return &request->entities[middle];
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static bool uid_equal(const struct policy_uid *a, const struct policy_uid *b)
{
    return bytes_equal(a->id, b->id) && bytes_equal(a->type, b->type);
}

static bool is_descendant(const struct policy_entity *entity, const struct policy_uid *of)
{
    for (size_t i = 0; i < entity->ancestor_count; i++) {
        if (uid_equal(&entity->ancestors[i], of))
            return true;
    }
    return false;
}

const struct eval_group *eval_doubted(const struct eval_doubt *doubt, const struct policy_uid *uid)
{
    for (size_t i = 0; i < doubt->count; i++) {
        if (uid_equal(&doubt->groups[i].uid, uid))
            return &doubt->groups[i];
    }
    return NULL;
}

bool eval_is_in(const struct policy_request *request, const struct policy_uid *uid,
                const struct policy_uid *of)
{
    const struct policy_entity *entity;

    if (uid_equal(uid, of))
        return true;
    entity = eval_entity(request, uid);
    return entity != NULL && is_descendant(entity, of);
}

/* ---- leaves ---- */

static bool constant(struct eval *e, const struct node *node, struct policy_value *out)
{
    *out = value_of(e->policy, node);
    return true;
}

static bool variable(struct eval *e, const struct node *node, struct policy_value *out)
{
    const struct policy_uid *const uids[] = {
        [VARIABLE_PRINCIPAL] = &e->request->principal,
        [VARIABLE_ACTION] = &e->request->action,
        [VARIABLE_RESOURCE] = &e->request->resource,
    };

    if (node->a == VARIABLE_CONTEXT) {
        *out = e->request->context;
        return true;
    }
    out->kind = POLICY_ENTITY;
    out->u.uid = *uids[node->a];
    return true;
}

/* ---- logic ---- */

/* && stops at the first false, || at the first true. */
static bool chain(struct eval *e, const struct node *node, struct policy_value *out)
{
    bool stop = node->op == OP_OR;

    for (uint32_t i = 0; i < node->b; i++) {
        if (!eval_run_kind(e, e->policy->lists[node->a + i], POLICY_BOOL, out))
            return false;
        if (out->u.boolean == stop)
            return true;
    }
    return true;
}

static bool not(struct eval * e, const struct node *node, struct policy_value *out)
{
    if (!eval_run_kind(e, node->a, POLICY_BOOL, out))
        return false;
    out->u.boolean = !out->u.boolean;
    return true;
}

static bool negate(struct eval *e, const struct node *node, struct policy_value *out)
{
    if (!eval_run_kind(e, node->a, POLICY_LONG, out))
        return false;
    if (out->u.number == INT64_MIN)
        return eval_wrong(e, node, "this overflows a long", BYTES_NONE);
    out->u.number = -out->u.number;
    return true;
}

static bool choose(struct eval *e, const struct node *node, struct policy_value *out)
{
    if (!eval_run_kind(e, node->a, POLICY_BOOL, out))
        return false;
    return eval_run(e, out->u.boolean ? node->b : node->c, out);
}

/* ---- comparisons ---- */

static bool equal(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value right;
    bool same;

    if (!eval_run(e, node->a, out) || !eval_run(e, node->b, &right))
        return false;
    same = value_equal(out, &right, &e->budget);
    return eval_answer_bool(e, node, node->op == OP_EQUAL ? same : !same, out);
}

/* Two longs, two datetimes or two durations. */
static bool order(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value right;
    int64_t a;
    int64_t b;

    if (!eval_run(e, node->a, out))
        return false;
    if (out->kind != POLICY_LONG && out->kind != POLICY_DATETIME && out->kind != POLICY_DURATION)
        return eval_wrong(e, &e->policy->nodes[node->a], "this has no order", BYTES_NONE);
    if (!eval_run_kind(e, node->b, out->kind, &right))
        return false;
    a = out->u.number;
    b = right.u.number;
    switch (node->op) {
    case OP_LESS:
        return eval_answer_bool(e, node, a < b, out);
    case OP_LESS_EQUAL:
        return eval_answer_bool(e, node, a <= b, out);
    case OP_MORE:
        return eval_answer_bool(e, node, a > b, out);
    default:
        return eval_answer_bool(e, node, a >= b, out);
    }
}

static bool like(struct eval *e, const struct node *node, struct policy_value *out)
{
    if (!eval_run_kind(e, node->a, POLICY_STRING, out))
        return false;
    return eval_answer_bool(
        e, node, value_like(out->u.string, policy_string(e->policy, node->b), &e->budget), out);
}

/* ---- hierarchy and types ---- */

/* What is not known yet stops the evaluation like an error. */
static bool stop_unknown(struct eval *e, const struct node *where, const void *what)
{
    e->unknown = what;
    return eval_wrong(e, where, "this is not known", BYTES_NONE);
}

static bool belongs(struct eval *e, const struct node *node, const struct policy_uid *uid,
                    const struct policy_uid *of, bool *ret)
{
    const struct policy_entity *entity;

    if (e->doubt != NULL && uid_equal(uid, &e->request->principal)) {
        const struct eval_group *group = eval_doubted(e->doubt, of);

        *ret = uid_equal(uid, of) || (group != NULL && group->state == GROUP_IN);
        return group == NULL || group->state != GROUP_OPEN || stop_unknown(e, node, group);
    }
    entity = eval_entity(e->request, uid);
    *ret = uid_equal(uid, of) || (entity != NULL && is_descendant(entity, of));
    return true;
}

/* uid in (an entity, or a set of nothing but entities): an odd one in the set errs even when
 * another matches. */
static bool is_in(struct eval *e, const struct node *node, const struct policy_uid *uid,
                  uint32_t right, struct policy_value *out)
{
    struct policy_value group;
    bool found = false;

    if (!eval_run(e, right, &group))
        return false;
    if (group.kind == POLICY_ENTITY)
        return belongs(e, node, uid, &group.u.uid, &found) && eval_answer_bool(e, node, found, out);
    if (group.kind != POLICY_SET)
        return eval_wrong(e, &e->policy->nodes[right],
                          "this is neither an entity nor a set of them", BYTES_NONE);
    for (size_t i = 0; i < group.u.set.count; i++) {
        const struct policy_value *item = &group.u.set.items[i];
        bool is_this = false;

        if (item->kind != POLICY_ENTITY)
            return eval_wrong(e, &e->policy->nodes[right], "this set holds more than entities",
                              BYTES_NONE);
        if (!belongs(e, node, uid, &item->u.uid, &is_this))
            return false;
        found = found || is_this;
    }
    return eval_answer_bool(e, node, found, out);
}

static bool in(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_uid uid;

    if (!eval_run_kind(e, node->a, POLICY_ENTITY, out))
        return false;
    uid = out->u.uid;
    return is_in(e, node, &uid, node->b, out);
}

static bool is(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_uid uid;
    bool right_type;

    if (!eval_run_kind(e, node->a, POLICY_ENTITY, out))
        return false;
    uid = out->u.uid;
    right_type = bytes_equal(uid.type, policy_string(e->policy, node->b));
    if (node->op == OP_IS_IN && right_type)
        return is_in(e, node, &uid, node->c, out);
    return eval_answer_bool(e, node, right_type, out);
}

/* ---- attributes ---- */

/* The attribute of a record or a listed entity, NULL when it is not there. False when value can
 * have none. */
static bool find(struct eval *e, const struct node *node, const struct policy_value *value,
                 struct bytes name, const struct policy_value **ret)
{
    const struct policy_entity *entity;

    *ret = NULL;
    if (value->kind != POLICY_RECORD && value->kind != POLICY_ENTITY)
        return eval_wrong(e, node, "this is neither an entity nor a record: no attribute", name);
    entity = value->kind == POLICY_ENTITY ? eval_entity(e->request, &value->u.uid) : NULL;
    if (value->kind == POLICY_RECORD)
        *ret = value_field(value, name);
    else if (entity != NULL)
        *ret = value_field(&entity->attributes, name);
    if (*ret == NULL || (*ret)->kind < POLICY_ABSENT)
        return true;
    if ((*ret)->kind == POLICY_UNKNOWN)
        return stop_unknown(e, node, *ret);
    *ret = NULL;
    return true;
}

static bool get(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct bytes name = policy_string(e->policy, node->b);
    const struct policy_value *found;

    if (!eval_run(e, node->a, out) || !find(e, node, out, name, &found))
        return false;
    if (found == NULL)
        return eval_wrong(e, node, "there is no attribute", name);
    *out = *found;
    return true;
}

/* e has a.b is e has a && e.a has b. */
static bool has(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value at;

    if (!eval_run(e, node->c, &at))
        return false;
    for (uint32_t i = 0; i < node->b; i++) {
        struct bytes name = policy_string(e->policy, e->policy->lists[node->a + i]);
        const struct policy_value *found;

        if (!find(e, node, &at, name, &found))
            return false;
        if (found == NULL)
            return eval_answer_bool(e, node, false, out);
        at = *found;
    }
    return eval_answer_bool(e, node, true, out);
}

/* ---- sets and records ---- */

static bool is_sorted(const struct eval *e, uint32_t index)
{
    return e->policy->nodes[index].op == OP_CONST && e->policy->nodes[index].b == 1;
}

static bool contains(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value set;

    if (!eval_run_kind(e, node->a, POLICY_SET, &set) || !eval_run(e, node->b, out))
        return false;
    if (is_sorted(e, node->a))
        return eval_answer_bool(e, node, value_contains_sorted(&set, out), out);
    return eval_answer_bool(e, node, value_contains(&set, out, &e->budget), out);
}

static bool contains_some(struct eval *e, const struct node *node, struct policy_value *out)
{
    bool all = node->op == OP_CONTAINS_ALL;
    bool sorted = is_sorted(e, node->a);
    struct policy_value set;
    struct policy_value items;

    if (!eval_run_kind(e, node->a, POLICY_SET, &set) ||
        !eval_run_kind(e, node->b, POLICY_SET, &items))
        return false;
    for (size_t i = 0; i < items.u.set.count && !e->budget.spent; i++) {
        const struct policy_value *item = &items.u.set.items[i];
        bool found =
            sorted ? value_contains_sorted(&set, item) : value_contains(&set, item, &e->budget);

        if (found != all)
            return eval_answer_bool(e, node, found, out);
    }
    return eval_answer_bool(e, node, all, out);
}

static bool is_empty(struct eval *e, const struct node *node, struct policy_value *out)
{
    if (!eval_run_kind(e, node->a, POLICY_SET, out))
        return false;
    return eval_answer_bool(e, node, out->u.set.count == 0, out);
}

static bool make_set(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value *items = (struct policy_value *)(void *)(e->scratch + node->c);

    for (uint32_t i = 0; i < node->b; i++) {
        if (!eval_run(e, e->policy->lists[node->a + i], &items[i]))
            return false;
    }
    out->kind = POLICY_SET;
    out->u.set.items = items;
    out->u.set.count = node->b;
    return true;
}

static bool make_record(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_field *fields = (struct policy_field *)(void *)(e->scratch + node->c);

    for (uint32_t i = 0; i < node->b; i++) {
        fields[i].name = policy_string(e->policy, e->policy->lists[node->a + 2 * i]);
        if (!eval_run(e, e->policy->lists[node->a + 2 * i + 1], &fields[i].value))
            return false;
    }
    out->kind = POLICY_RECORD;
    out->u.record.fields = fields;
    out->u.record.count = node->b;
    return true;
}

/* ---- the table ---- */

static const operator_fn operators[OP_COUNT] = {
    [OP_BOOL] = constant,
    [OP_LONG] = constant,
    [OP_STRING] = constant,
    [OP_UID] = constant,
    [OP_CONST] = constant,
    [OP_VARIABLE] = variable,
    [OP_AND] = chain,
    [OP_OR] = chain,
    [OP_NOT] = not,
    [OP_NEGATE] = negate,
    [OP_IF] = choose,
    [OP_EQUAL] = equal,
    [OP_UNEQUAL] = equal,
    [OP_LESS] = order,
    [OP_LESS_EQUAL] = order,
    [OP_MORE] = order,
    [OP_MORE_EQUAL] = order,
    [OP_IN] = in,
    [OP_HAS] = has,
    [OP_GET] = get,
    [OP_LIKE] = like,
    [OP_IS] = is,
    [OP_IS_IN] = is,
    [OP_CONTAINS] = contains,
    [OP_CONTAINS_ALL] = contains_some,
    [OP_CONTAINS_ANY] = contains_some,
    [OP_IS_EMPTY] = is_empty,
    [OP_SET] = make_set,
    [OP_RECORD] = make_record,
    [OP_IP] = eval_construct,
    [OP_DATETIME] = eval_construct,
    [OP_DURATION] = eval_construct,
    [OP_IS_IPV4] = eval_ip,
    [OP_IS_IPV6] = eval_ip,
    [OP_IS_LOOPBACK] = eval_ip,
    [OP_IS_MULTICAST] = eval_ip,
    [OP_IN_RANGE] = eval_in_range,
    [OP_OFFSET] = eval_offset,
    [OP_DURATION_SINCE] = eval_duration_since,
    [OP_TO_DATE] = eval_to_date,
    [OP_TO_TIME] = eval_to_time,
    [OP_TO_MILLISECONDS] = eval_to_unit,
    [OP_TO_SECONDS] = eval_to_unit,
    [OP_TO_MINUTES] = eval_to_unit,
    [OP_TO_HOURS] = eval_to_unit,
    [OP_TO_DAYS] = eval_to_unit,
};

bool eval_run(struct eval *e, uint32_t index, struct policy_value *out)
{
    const struct node *node = &e->policy->nodes[index];

    return operators[node->op](e, node, out);
}

enum eval_answer eval_rule(struct eval *e, const struct rule *rule)
{
    e->wrong = NULL;
    e->unknown = NULL;
    e->budget = (struct value_budget){.steps = VALUE_STEPS_MAX, .spent = false};
    for (uint32_t i = 0; i < rule->condition_count; i++) {
        struct policy_value value;

        if (!eval_run_kind(e, e->policy->lists[rule->conditions + i], POLICY_BOOL, &value))
            return e->unknown != NULL ? EVAL_UNKNOWN : EVAL_ERROR;
        if (!value.u.boolean)
            return EVAL_FALSE;
    }
    return EVAL_TRUE;
}
