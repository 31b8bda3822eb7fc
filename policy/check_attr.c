/* Attributes: which there are, and the `has` that must stand before an optional one. */
#include "policy/check_int.h"
#include "policy/nearest.h"

static const struct type any = {.kind = KIND_ANY};

static const struct node *node_at(const struct checker *c, uint32_t index)
{
    return &c->policy->nodes[index];
}

/* ---- places: has guards speak of the same place again ---- */

static bool same_place(const struct checker *c, uint32_t a, uint32_t b)
{
    const struct node *x = node_at(c, a);
    const struct node *y = node_at(c, b);

    if (x->op != y->op || x->a != y->a) {
        return x->op == OP_GET && y->op == OP_GET && x->b == y->b && same_place(c, x->a, y->a);
    }
    return x->op == OP_VARIABLE || x->op == OP_UID || (x->op == OP_GET && x->b == y->b);
}

/* True when guard's first `names` names lead from its object to the place. */
static bool leads_to(const struct checker *c, const struct node *guard, uint32_t names,
                     uint32_t place)
{
    while (names > 0) {
        const struct node *node = node_at(c, place);

        names--;
        if (node->op != OP_GET || node->b != c->policy->lists[guard->a + names])
            return false;
        place = node->a;
    }
    return same_place(c, place, guard->c);
}

static bool is_guarded(const struct checker *c, const struct facts *facts, uint32_t object,
                       uint32_t name)
{
    for (unsigned g = 0; g < facts->guard_count; g++) {
        const struct node *guard = node_at(c, facts->guards[g]);

        for (uint32_t i = 0; i < guard->b; i++) {
            if (c->policy->lists[guard->a + i] == name && leads_to(c, guard, i, object))
                return true;
        }
    }
    return false;
}

/* ---- attributes ---- */

static bool belongs_to(const struct schema_attribute *row, struct type type)
{
    if (type.kind == KIND_ENTITY)
        return (row->owners & type.entities) != 0;
    return type.kind == KIND_RECORD && type.record == RECORD_CONTEXT && row->owners == 0;
}

static void fault_no_attribute(struct checker *c, const struct node *node, struct type type,
                               struct bytes name)
{
    struct nearest nearest = nearest_start(name);
    char names[CHECK_NAMES_MAX] = "the context";
    int len = name.len < 60 ? (int)name.len : 60;

    if (type.kind == KIND_ENTITY)
        (void)check_type_names(type.entities, names);
    for (size_t i = 0; schema_attribute_at(i) != NULL; i++) {
        if (belongs_to(schema_attribute_at(i), type))
            nearest_offer(&nearest, schema_attribute_at(i)->name);
    }
    if (nearest.best != NULL)
        check_fault(c, node->line, node->column, "%s has no attribute `%.*s`: did you mean `%s`?",
                    names, len, (const char *)name.data, nearest.best);
    else
        check_fault(c, node->line, node->column, "%s has no attribute `%.*s`", names, len,
                    (const char *)name.data);
}

static const struct schema_attribute *find_attribute(struct type type, struct bytes name)
{
    for (size_t i = 0; schema_attribute_at(i) != NULL; i++) {
        if (belongs_to(schema_attribute_at(i), type) &&
            bytes_equal_str(name, schema_attribute_at(i)->name))
            return schema_attribute_at(i);
    }
    return NULL;
}

/* The attribute's type, and whether it may be missing. Says so, and answers ANY, when there is none
 * of that name. */
static struct type attribute_type(struct checker *c, const struct node *node, struct type object,
                                  struct bytes name, bool *ret_may_miss)
{
    const struct schema_attribute *row;
    struct type type = any;

    *ret_may_miss = false;
    if (object.kind == KIND_RECORD && object.record == RECORD_TAGS) {
        *ret_may_miss = true;
        return (struct type){.kind = KIND_STRING};
    }
    if (object.kind == KIND_ANY || (object.kind == KIND_RECORD && object.record == RECORD_FREE))
        return any;
    if (object.kind != KIND_ENTITY && object.kind != KIND_RECORD) {
        check_fault(c, node->line, node->column, "a %s has no attributes",
                    check_kind_names[object.kind]);
        return any;
    }
    row = find_attribute(object, name);
    if (row == NULL) {
        fault_no_attribute(c, node, object, name);
        return any;
    }
    *ret_may_miss =
        row->optional || (object.kind == KIND_ENTITY && (object.entities & ~row->owners) != 0);
    type.kind = check_kind_of_value[row->kind];
    type.record = row->kind == POLICY_RECORD ? RECORD_TAGS : RECORD_FREE;
    return type;
}

struct type check_get(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type object = check_alone(c, node->a, facts);
    struct bytes name = policy_string(c->policy, node->b);
    int len = name.len < 60 ? (int)name.len : 60;
    bool may_miss;
    struct type type = attribute_type(c, node, object, name, &may_miss);

    if (may_miss && !is_guarded(c, facts, node->a, node->b))
        check_fault(c, node->line, node->column,
                    "`%.*s` may be missing here: ask `has %.*s &&` first%s", len,
                    (const char *)name.data, len, (const char *)name.data,
                    object.kind == KIND_ENTITY ? ", or `resource is Key &&`" : "");
    return type;
}

struct type check_has(struct checker *c, const struct node *node, struct facts *facts)
{
    struct type object = check_alone(c, node->c, facts);

    for (uint32_t i = 0; i < node->b && object.kind != KIND_ANY; i++) {
        struct bytes name = policy_string(c->policy, c->policy->lists[node->a + i]);
        bool may_miss;

        object = attribute_type(c, node, object, name, &may_miss);
    }
    if (facts->guard_count < GUARDS_MAX)
        facts->guards[facts->guard_count++] = (uint32_t)(node - c->policy->nodes);
    return (struct type){.kind = KIND_BOOL};
}
