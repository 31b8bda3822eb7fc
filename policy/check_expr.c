/*
 * The types of expressions. Like evaluation, one function an operator and a table; unlike it, both
 * branches of everything are looked at, and what `has` and `is` prove is carried along && and into
 * `then`.
 *
 * A type that is already wrong becomes ANY, so that one mistake is one message.
 */
#include "policy/check_int.h"

static const struct type any = {.kind = KIND_ANY};
static const struct type boolean = {.kind = KIND_BOOL};

const char *const check_kind_names[] = {
    [KIND_ANY] = "value",         [KIND_BOOL] = "Bool",     [KIND_LONG] = "Long",
    [KIND_STRING] = "String",     [KIND_ENTITY] = "entity", [KIND_SET] = "Set",
    [KIND_RECORD] = "Record",     [KIND_IP] = "ipaddr",     [KIND_DATETIME] = "datetime",
    [KIND_DURATION] = "duration",
};

const enum kind check_kind_of_value[] = {
    [POLICY_BOOL] = KIND_BOOL,
    [POLICY_LONG] = KIND_LONG,
    [POLICY_STRING] = KIND_STRING,
    [POLICY_ENTITY] = KIND_ENTITY,
    [POLICY_SET] = KIND_SET,
    [POLICY_RECORD] = KIND_RECORD,
    [POLICY_IP] = KIND_IP,
    [POLICY_DATETIME] = KIND_DATETIME,
    [POLICY_DURATION] = KIND_DURATION,
};

static struct type check(struct checker *c, uint32_t index, struct facts *facts);

/* An operand whose truth proves nothing for the whole. */
struct type check_alone(struct checker *c, uint32_t index, const struct facts *facts)
{
    struct facts own = *facts;

    return check(c, index, &own);
}

static const struct node *node_at(const struct checker *c, uint32_t index)
{
    return &c->policy->nodes[index];
}

void check_expect(struct checker *c, uint32_t index, struct type type, enum kind wanted,
                  const char *who)
{
    const struct node *node = node_at(c, index);

    if (type.kind != KIND_ANY && type.kind != wanted)
        check_fault(c, node->line, node->column, "%s takes a %s, this is a %s", who,
                    check_kind_names[wanted], check_kind_names[type.kind]);
}

/* ---- leaves ---- */

static struct type type_of_value(struct checker *c, const struct node *node,
                                 const struct policy_value *value)
{
    struct type type = {.kind = check_kind_of_value[value->kind]};

    if (value->kind == POLICY_ENTITY) {
        type.entities = check_uid(c, node->line, node->column, &value->u.uid);
        return type.entities != 0 ? type : any;
    }
    if (value->kind == POLICY_SET) {
        for (size_t i = 0; i < value->u.set.count; i++) {
            struct type item = type_of_value(c, node, &value->u.set.items[i]);

            type.item = i == 0 || type.item == item.kind ? item.kind : KIND_ANY;
            type.entities |= item.entities;
        }
    }
    if (value->kind == POLICY_RECORD) {
        for (size_t i = 0; i < value->u.record.count; i++)
            (void)type_of_value(c, node, &value->u.record.fields[i].value);
    }
    return type;
}

static struct type check_leaf(struct checker *c, const struct node *node, struct facts *facts)
{
    static const enum kind kinds[] = {
        [OP_BOOL] = KIND_BOOL,
        [OP_LONG] = KIND_LONG,
        [OP_STRING] = KIND_STRING,
    };

    (void)c;
    (void)facts;
    return (struct type){.kind = kinds[node->op]};
}

static struct type check_entity(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type type = {.kind = KIND_ENTITY};

    (void)facts;
    type.entities = check_uid(c, node->line, node->column, &c->policy->uids.items[node->a]);
    return type.entities != 0 ? type : any;
}

static struct type check_constant(struct checker *c, const struct node *node, struct facts *facts)
{
    (void)facts;
    return type_of_value(c, node, &c->policy->values[node->a]);
}

static struct type check_variable(struct checker *c, const struct node *node, struct facts *facts)
{
    (void)c;
    if (node->a == VARIABLE_CONTEXT)
        return (struct type){.kind = KIND_RECORD, .record = RECORD_CONTEXT};
    return (struct type){.kind = KIND_ENTITY, .entities = facts->types[node->a]};
}

/* ---- logic ---- */

static struct type check_and(struct checker *c, const struct node *node, struct facts *facts)
{
    for (uint32_t i = 0; i < node->b; i++) {
        uint32_t operand = c->policy->lists[node->a + i];

        check_expect(c, operand, check(c, operand, facts), KIND_BOOL, "`&&`");
    }
    return boolean;
}

/* What holds after either of two: the types of both, and the guards both began with. */
static void join(struct facts *into, const struct facts *other, unsigned guard_count)
{
    for (unsigned v = 0; v < 3; v++)
        into->types[v] |= other->types[v];
    into->guard_count = guard_count;
}

static struct type check_or(struct checker *c, const struct node *node, struct facts *facts)
{
    const struct facts before = *facts;

    for (uint32_t i = 0; i < node->b; i++) {
        uint32_t operand = c->policy->lists[node->a + i];
        struct facts own = before;

        check_expect(c, operand, check(c, operand, &own), KIND_BOOL, "`||`");
        if (i == 0)
            *facts = own;
        join(facts, &own, before.guard_count);
    }
    return boolean;
}

static struct type check_not(struct checker *c, const struct node *node, struct facts *facts)
{
    bool negative = node->op == OP_NEGATE;

    check_expect(c, node->a, check_alone(c, node->a, facts), negative ? KIND_LONG : KIND_BOOL,
                 negative ? "`-`" : "`!` or `unless`");
    return (struct type){.kind = negative ? KIND_LONG : KIND_BOOL};
}

static struct type check_if(struct checker *c, const struct node *node, struct facts *facts)
{
    unsigned guard_count = facts->guard_count;
    struct facts then = *facts;
    struct type yes;
    struct type no;

    check_expect(c, node->a, check(c, node->a, &then), KIND_BOOL, "`if`");
    yes = check(c, node->b, &then);
    no = check(c, node->c, facts);
    join(facts, &then, guard_count);
    if (yes.kind == KIND_ANY || no.kind == KIND_ANY)
        return any;
    if (yes.kind != no.kind) {
        check_fault(c, node->line, node->column,
                    "`then` gives a %s and `else` a %s: both must be of one type",
                    check_kind_names[yes.kind], check_kind_names[no.kind]);
        return any;
    }
    yes.entities |= no.entities;
    yes.item = yes.item == no.item ? yes.item : KIND_ANY;
    return yes.kind == KIND_RECORD && yes.record != no.record ? any : yes;
}

/* ---- comparisons ---- */

static void check_comparable(struct checker *c, const struct node *node, struct type a,
                             struct type b)
{
    char left[CHECK_NAMES_MAX];
    char right[CHECK_NAMES_MAX];

    if (a.kind == KIND_ANY || b.kind == KIND_ANY)
        return;
    if (a.kind != b.kind)
        check_fault(c, node->line, node->column,
                    "this compares a %s with a %s, which are never equal", check_kind_names[a.kind],
                    check_kind_names[b.kind]);
    else if (a.kind == KIND_ENTITY && (a.entities & b.entities) == 0)
        check_fault(c, node->line, node->column,
                    "this compares a %s with a %s, which are never equal",
                    check_type_names(a.entities, left), check_type_names(b.entities, right));
}

static struct type check_equal(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type a = check_alone(c, node->a, facts);
    struct type b = check_alone(c, node->b, facts);

    check_comparable(c, node, a, b);
    return boolean;
}

static struct type check_order(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type a = check_alone(c, node->a, facts);
    struct type b = check_alone(c, node->b, facts);
    bool ordered = a.kind == KIND_DATETIME || a.kind == KIND_DURATION;

    if (!ordered)
        check_expect(c, node->a, a, KIND_LONG, "an order comparison");
    if (a.kind != KIND_ANY)
        check_expect(c, node->b, b, ordered ? a.kind : KIND_LONG, "an order comparison");
    return boolean;
}

static struct type check_like(struct checker *c, const struct node *node, struct facts *facts)
{
    check_expect(c, node->a, check_alone(c, node->a, facts), KIND_STRING, "`like`");
    return boolean;
}

static void expect_entities(struct checker *c, uint32_t index, struct type type)
{
    const struct node *node = node_at(c, index);

    if (type.kind == KIND_SET && (type.item == KIND_ANY || type.item == KIND_ENTITY))
        return;
    if (type.kind != KIND_ENTITY && type.kind != KIND_ANY)
        check_fault(c, node->line, node->column,
                    "`in` takes an entity or a set of entities, this is a %s%s",
                    check_kind_names[type.kind], type.kind == KIND_SET ? " of something else" : "");
}

static struct type check_in(struct checker *c, const struct node *node, struct facts *facts)
{
    check_expect(c, node->a, check_alone(c, node->a, facts), KIND_ENTITY, "`in`");
    expect_entities(c, node->b, check_alone(c, node->b, facts));
    return boolean;
}

static struct type check_is(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type type = check_alone(c, node->a, facts);
    uint32_t bit = check_type(c, node->line, node->column, policy_string(c->policy, node->b));
    const struct node *object = node_at(c, node->a);
    char names[CHECK_NAMES_MAX];

    check_expect(c, node->a, type, KIND_ENTITY, "`is`");
    if (node->op == OP_IS_IN)
        expect_entities(c, node->c, check_alone(c, node->c, facts));
    if (bit == 0 || type.kind != KIND_ENTITY)
        return boolean;
    if ((type.entities & bit) == 0)
        check_fault(c, node->line, node->column, "this is never so: here it is a %s",
                    check_type_names(type.entities, names));
    else if (object->op == OP_VARIABLE && object->a != VARIABLE_CONTEXT)
        facts->types[object->a] &= bit;
    return boolean;
}

/* ---- sets and records ---- */

static struct type check_contains(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type set = check_alone(c, node->a, facts);
    struct type item = check_alone(c, node->b, facts);

    check_expect(c, node->a, set, KIND_SET, "contains()");
    if (set.kind == KIND_SET && set.item != KIND_ANY && item.kind != KIND_ANY &&
        set.item != item.kind)
        check_fault(c, node->line, node->column, "a set of %s never contains a %s",
                    check_kind_names[set.item], check_kind_names[item.kind]);
    return boolean;
}

static struct type check_contains_some(struct checker *c, const struct node *node,
                                       struct facts *facts)
{
    const char *who = node->op == OP_CONTAINS_ALL ? "containsAll()" : "containsAny()";

    check_expect(c, node->a, check_alone(c, node->a, facts), KIND_SET, who);
    check_expect(c, node->b, check_alone(c, node->b, facts), KIND_SET, who);
    return boolean;
}

static struct type check_is_empty(struct checker *c, const struct node *node, struct facts *facts)
{
    check_expect(c, node->a, check_alone(c, node->a, facts), KIND_SET, "isEmpty()");
    return boolean;
}

static struct type check_set(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type set = {.kind = KIND_SET};

    for (uint32_t i = 0; i < node->b; i++) {
        struct type item = check_alone(c, c->policy->lists[node->a + i], facts);

        set.item = i == 0 || set.item == item.kind ? item.kind : KIND_ANY;
        set.entities |= item.entities;
    }
    return set;
}

static struct type check_record(struct checker *c, const struct node *node, struct facts *facts)
{
    for (uint32_t i = 0; i < node->b; i++)
        (void)check_alone(c, c->policy->lists[node->a + 2 * i + 1], facts);
    return (struct type){.kind = KIND_RECORD, .record = RECORD_FREE};
}

/* ---- the table ---- */

static const check_fn checks[OP_COUNT] = {
    [OP_BOOL] = check_leaf,
    [OP_LONG] = check_leaf,
    [OP_STRING] = check_leaf,
    [OP_UID] = check_entity,
    [OP_CONST] = check_constant,
    [OP_VARIABLE] = check_variable,
    [OP_AND] = check_and,
    [OP_OR] = check_or,
    [OP_NOT] = check_not,
    [OP_NEGATE] = check_not,
    [OP_IF] = check_if,
    [OP_EQUAL] = check_equal,
    [OP_UNEQUAL] = check_equal,
    [OP_LESS] = check_order,
    [OP_LESS_EQUAL] = check_order,
    [OP_MORE] = check_order,
    [OP_MORE_EQUAL] = check_order,
    [OP_IN] = check_in,
    [OP_HAS] = check_has,
    [OP_GET] = check_get,
    [OP_LIKE] = check_like,
    [OP_IS] = check_is,
    [OP_IS_IN] = check_is,
    [OP_CONTAINS] = check_contains,
    [OP_CONTAINS_ALL] = check_contains_some,
    [OP_CONTAINS_ANY] = check_contains_some,
    [OP_IS_EMPTY] = check_is_empty,
    [OP_SET] = check_set,
    [OP_RECORD] = check_record,
    [OP_IP] = check_extension,
    [OP_DATETIME] = check_extension,
    [OP_DURATION] = check_extension,
    [OP_IS_IPV4] = check_extension,
    [OP_IS_IPV6] = check_extension,
    [OP_IS_LOOPBACK] = check_extension,
    [OP_IS_MULTICAST] = check_extension,
    [OP_IN_RANGE] = check_extension,
    [OP_OFFSET] = check_extension,
    [OP_DURATION_SINCE] = check_extension,
    [OP_TO_DATE] = check_extension,
    [OP_TO_TIME] = check_extension,
    [OP_TO_MILLISECONDS] = check_extension,
    [OP_TO_SECONDS] = check_extension,
    [OP_TO_MINUTES] = check_extension,
    [OP_TO_HOURS] = check_extension,
    [OP_TO_DAYS] = check_extension,
};

static struct type check(struct checker *c, uint32_t index, struct facts *facts)
{
    const struct node *node = node_at(c, index);

    return checks[node->op](c, node, facts);
}

void check_condition(struct checker *c, uint32_t node, struct facts *facts)
{
    check_expect(c, node, check(c, node, facts), KIND_BOOL, "a condition");
}
