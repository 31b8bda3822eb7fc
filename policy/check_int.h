/* What check.c (scopes, names, the list of errors) and check_expr.c, check_attr.c and check_ext.c
 * (types of expressions) share. */
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

/* ---- types of expressions ---- */

enum kind {
    KIND_ANY,
    KIND_BOOL,
    KIND_LONG,
    KIND_STRING,
    KIND_ENTITY,
    KIND_SET,
    KIND_RECORD,
    KIND_IP,
    KIND_DATETIME,
    KIND_DURATION,
};

/* Which record. */
enum record {
    RECORD_FREE,    /* of a literal: its fields are not looked into */
    RECORD_CONTEXT, /* the request's */
    RECORD_TAGS,    /* open: any name, a string, after `has` */
};

struct type {
    enum kind kind;
    enum record record; /* KIND_RECORD */
    uint32_t entities;  /* KIND_ENTITY, or a set of them: bits of enum schema_type */
    enum kind item;     /* KIND_SET */
};

/* facts: in, what holds before; out, what holds when the expression is true. */
typedef struct type (*check_fn)(struct checker *c, const struct node *node, struct facts *facts);

extern const char *const check_kind_names[];
extern const enum kind check_kind_of_value[]; /* by enum policy_kind */

/* An operand whose truth proves nothing for the whole. */
struct type check_alone(struct checker *c, uint32_t index, const struct facts *facts);
void check_expect(struct checker *c, uint32_t index, struct type type, enum kind wanted,
                  const char *who);
/* Operators that stand in files of their own. */
struct type check_get(struct checker *c, const struct node *node, struct facts *facts);
struct type check_has(struct checker *c, const struct node *node, struct facts *facts);
struct type check_extension(struct checker *c, const struct node *node, struct facts *facts);

/* ---- faults and names ---- */

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
