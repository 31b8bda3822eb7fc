/* Values compared: what ==, contains and like mean. Bounded by a step budget, because a request's
 * sets nest as they like. */
#ifndef KEYWARD_POLICY_VALUE_H
#define KEYWARD_POLICY_VALUE_H

#include "policy/policy_int.h"

#define VALUE_STEPS_MAX 1000000U /* comparisons one policy may make */
#define VALUE_NEST_MAX  64U      /* sets in sets, records in records */

struct value_budget {
    uint32_t steps; /* left */
    bool spent;     /* ran out, or nested too deep: the answer given means nothing */
};

/* The value of a constant's node (op <= OP_CONST). */
struct policy_value value_of(const struct policy *policy, const struct node *node);
bool value_is_scalar(const struct policy_value *value);
/* A total order over scalars, for sorted sets (qsort's shape). */
int value_order(const void *a, const void *b);
/* Cedar's ==: different kinds differ; sets are unordered and without duplicates. */
bool value_equal(const struct policy_value *a, const struct policy_value *b,
                 struct value_budget *budget);
bool value_contains(const struct policy_value *set, const struct policy_value *item,
                    struct value_budget *budget);
/* The same where the set's items are scalars sorted by value_order(). */
bool value_contains_sorted(const struct policy_value *set, const struct policy_value *item);
bool value_contains_all(const struct policy_value *set, const struct policy_value *items,
                        struct value_budget *budget);
/* The field's value, or NULL. */
const struct policy_value *value_field(const struct policy_value *record, struct bytes name);
/* Pattern as the parser leaves it: PATTERN_ANY matches any run of bytes. */
bool value_like(struct bytes string, struct bytes pattern, struct value_budget *budget);
int value_uid_compare(const struct policy_uid *a, const struct policy_uid *b);

#endif
