/* What check.c (scopes, names, the list of errors) and check_expr.c (types of expressions) share.
 */
#ifndef KEYWARD_POLICY_CHECK_INT_H
#define KEYWARD_POLICY_CHECK_INT_H

#include "policy/policy_int.h"
#include "policy/schema_int.h"

#define GUARDS_MAX 32U

struct checker {
    const struct policy *policy;
    const struct rule *rule;
    struct policy_error *errors; /* sorted by place */
    size_t max;
    size_t count; /* found, stored or not */
};

/* What is known where an expression stands: entity types left, and the `has` that were true on the
 * way. */
struct facts {
    uint32_t types[3];           /* by enum variable: bits of enum schema_type */
    uint32_t guards[GUARDS_MAX]; /* OP_HAS nodes */
    unsigned guard_count;
};

__attribute__((format(printf, 4, 5), cold)) void check_fault(struct checker *c, uint32_t line,
                                                             uint32_t column, const char *fmt, ...);
/* Type and, for an action, id. Its type's bit, 0 when unknown (and then said). */
uint32_t check_uid(struct checker *c, uint32_t line, uint32_t column, const struct policy_uid *uid);
uint32_t check_type(struct checker *c, uint32_t line, uint32_t column, struct bytes type);
/* "Key, Secret" for the bits; cut where out ends. */
#define CHECK_NAMES_MAX 100
const char *check_type_names(uint32_t bits, char out[static CHECK_NAMES_MAX]);

/* A condition: must be a boolean. facts becomes what holds when it is true. */
void check_condition(struct checker *c, uint32_t node, struct facts *facts);

#endif
