/* Equality, membership and patterns: see value.h. */
#include "policy/value.h"

#include "policy/extension.h"

#include <stdlib.h>

struct policy_value value_of(const struct policy *policy, const struct node *node)
{
    struct policy_value value = {.kind = POLICY_BOOL};

    switch (node->op) {
    case OP_BOOL:
        value.u.boolean = node->a != 0;
        break;
    case OP_LONG:
        value.kind = POLICY_LONG;
        value.u.number = (int64_t)((uint64_t)node->b << 32 | node->a);
        break;
    case OP_STRING:
        value.kind = POLICY_STRING;
        value.u.string = policy_string(policy, node->a);
        break;
    case OP_UID:
        value.kind = POLICY_ENTITY;
        value.u.uid = policy->uids.items[node->a];
        break;
    default:
        value = policy->values[node->a];
    }
    return value;
}

bool value_is_scalar(const struct policy_value *value)
{
    return value->kind != POLICY_SET && value->kind != POLICY_RECORD;
}

int value_uid_compare(const struct policy_uid *a, const struct policy_uid *b)
{
    int c = bytes_compare(a->type, b->type);

    return c != 0 ? c : bytes_compare(a->id, b->id);
}

int value_order(const void *a, const void *b)
{
    const struct policy_value *x = a;
    const struct policy_value *y = b;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    switch (x->kind) {
    case POLICY_BOOL:
        return (int)x->u.boolean - (int)y->u.boolean;
    case POLICY_LONG:
    case POLICY_DATETIME:
    case POLICY_DURATION:
        return x->u.number == y->u.number ? 0 : (x->u.number < y->u.number ? -1 : 1);
    case POLICY_STRING:
        return bytes_compare(x->u.string, y->u.string);
    case POLICY_IP:
        return extension_ip_compare(&x->u.ip, &y->u.ip);
    default:
        return value_uid_compare(&x->u.uid, &y->u.uid);
    }
}

static bool equal_at(const struct policy_value *a, const struct policy_value *b,
                     struct value_budget *budget, unsigned nest);

static bool spend(struct value_budget *budget, unsigned nest)
{
    if (budget->steps == 0 || nest > VALUE_NEST_MAX) {
        budget->steps = 0;
        budget->spent = true;
        return false;
    }
    budget->steps--;
    return true;
}

static bool contains_at(const struct policy_value *set, const struct policy_value *item,
                        struct value_budget *budget, unsigned nest)
{
    for (size_t i = 0; i < set->u.set.count; i++) {
        if (equal_at(&set->u.set.items[i], item, budget, nest))
            return true;
        if (budget->spent)
            return false;
    }
    return false;
}

static bool contains_all_at(const struct policy_value *set, const struct policy_value *items,
                            struct value_budget *budget, unsigned nest)
{
    for (size_t i = 0; i < items->u.set.count; i++) {
        if (!contains_at(set, &items->u.set.items[i], budget, nest))
            return false;
    }
    return true;
}

static bool sets_equal(const struct policy_value *a, const struct policy_value *b,
                       struct value_budget *budget, unsigned nest)
{
    /* Two singletons take one comparison, not two: else nested ones would double at every level. */
    if (a->u.set.count == 1 && b->u.set.count == 1)
        return equal_at(&a->u.set.items[0], &b->u.set.items[0], budget, nest);
    return contains_all_at(a, b, budget, nest) && contains_all_at(b, a, budget, nest);
}

static bool records_equal(const struct policy_value *a, const struct policy_value *b,
                          struct value_budget *budget, unsigned nest)
{
    if (a->u.record.count != b->u.record.count)
        return false;
    for (size_t i = 0; i < a->u.record.count; i++) {
        if (!bytes_equal(a->u.record.fields[i].name, b->u.record.fields[i].name) ||
            !equal_at(&a->u.record.fields[i].value, &b->u.record.fields[i].value, budget, nest))
            return false;
    }
    return true;
}

static bool equal_at(const struct policy_value *a, const struct policy_value *b,
                     struct value_budget *budget, unsigned nest)
{
    if (!spend(budget, nest) || a->kind != b->kind)
        return false;
    if (a->kind == POLICY_SET)
        return sets_equal(a, b, budget, nest + 1);
    if (a->kind == POLICY_RECORD)
        return records_equal(a, b, budget, nest + 1);
    return value_order(a, b) == 0;
}

bool value_equal(const struct policy_value *a, const struct policy_value *b,
                 struct value_budget *budget)
{
    return equal_at(a, b, budget, 0);
}

bool value_contains(const struct policy_value *set, const struct policy_value *item,
                    struct value_budget *budget)
{
    return contains_at(set, item, budget, 0);
}

bool value_contains_sorted(const struct policy_value *set, const struct policy_value *item)
{
    return value_is_scalar(item) && set->u.set.count > 0 &&
           bsearch(item, set->u.set.items, set->u.set.count, sizeof(*item), value_order) != NULL;
}

bool value_contains_all(const struct policy_value *set, const struct policy_value *items,
                        struct value_budget *budget)
{
    return contains_all_at(set, items, budget, 0);
}

const struct policy_value *value_field(const struct policy_value *record, struct bytes name)
{
    size_t low = 0;
    size_t high = record->kind == POLICY_RECORD ? record->u.record.count : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = bytes_compare(name, record->u.record.fields[middle].name);

        if (c == 0)
            return &record->u.record.fields[middle].value;
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Greedy with one step back: on a mismatch the last wildcard takes one byte more. */
bool value_like(struct bytes string, struct bytes pattern, struct value_budget *budget)
{
    size_t s = 0;
    size_t p = 0;
    size_t resume_s = 0;
    size_t resume_p = SIZE_MAX; /* behind the last wildcard */

    while (s < string.len) {
        if (p < pattern.len && pattern.data[p] == PATTERN_ANY) {
            resume_p = ++p;
            resume_s = s;
        } else if (p < pattern.len && pattern.data[p] == string.data[s]) {
            p++;
            s++;
        } else if (resume_p != SIZE_MAX && spend(budget, 0)) {
            p = resume_p;
            s = ++resume_s;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == PATTERN_ANY)
        p++;
    return p == pattern.len;
}
