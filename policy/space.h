/*
 * The space of requests, cut down to finitely many without losing a difference that a policy set
 * can see. Each thing a request may vary is a variable (a context member, a resource's attribute, a
 * key's tag), and each variable's domain holds one representative of every class of values that the
 * conditions tell apart: the values they name, the values beside them, and one fresh value.
 *
 * What a class is comes from the comparisons: every constant and pattern in a comparison counts for
 * every variable in it, and variables compared with each other share them all, with as many
 * representatives of each class as there are variables. That is finer than needed, never coarser.
 *
 * Bounds of the vocabulary: a request's time lies in the years 1970 to 9999 (and `now` is the same
 * instant in seconds), its address is one address, numbers are any long, texts are any text.
 */
#ifndef KEYWARD_POLICY_SPACE_H
#define KEYWARD_POLICY_SPACE_H

#include "policy/policy_int.h"
#include "policy/schema_int.h"

struct space_variable {
    const char *name;      /* of the attribute, or of the tag */
    enum policy_kind kind; /* of its values */
    uint32_t owners;       /* as in struct schema_attribute; for a tag all objects */
    bool is_tag, optional;
    uint32_t together; /* a variable it is compared with, itself when it is none: a union-find */
    struct policy_value *domain; /* an absent one is POLICY_ABSENT, and comes last */
    size_t count;
};

struct space {
    const struct policy *policy;
    struct arena arena; /* names and domains */
    struct space_variable *variables;
    size_t count, cap;
    uint32_t clock; /* the variable `time`; `now` follows it and has no domain of its own */
    uint32_t now;
    /* Where the method does not reach: the first such place. */
    const struct node *beyond;
    const char *why;
};

#define SPACE_NONE     UINT32_MAX
#define SPACE_TIME_MAX (INT64_C(253402300800000) - 1)

/* Of a policy set that policy_check() finds nothing wrong with. CKR_OK also where space->why says
 * that the set is beyond the method; CKR_HOST_MEMORY. To be released in either case. */
MUST_CHECK CK_RV space_build(const struct policy *policy, struct space *ret);
void space_release(struct space *space);

/* The variable that node reads, SPACE_NONE when it reads none as a whole. */
uint32_t space_variable_of(const struct space *space, const struct node *node);

/* ---- between the files of the space ---- */

/* The constants and patterns that one group of variables is compared with. */
struct space_points {
    struct policy_value *values;
    size_t count, cap;
    struct bytes *patterns;
    size_t pattern_count, pattern_cap;
    bool negated; /* a long stands behind a minus somewhere */
    size_t width; /* variables in the group */
};

/* Each writes a domain of its kind into the arena. */
MUST_CHECK CK_RV space_texts(struct space *space, const struct space_points *points,
                             struct policy_value **ret, size_t *ret_count);
MUST_CHECK CK_RV space_longs(struct space *space, const struct space_points *points,
                             struct policy_value **ret, size_t *ret_count);
MUST_CHECK CK_RV space_addresses(struct space *space, const struct space_points *points,
                                 struct policy_value **ret, size_t *ret_count);
/* Of the clock, from all comparisons that look at it. */
MUST_CHECK CK_RV space_instants(struct space *space);
bool space_is_comparison(const struct node *node);
/* Sorts, and keeps one of each. */
size_t space_sort(struct policy_value *values, size_t count);
/* Marks the set as beyond the method; the first place stays. */
void space_give_up(struct space *space, const struct node *where, const char *why);
/* Calls visit for each operand of node, in any order. */
void space_operands(const struct policy *policy, const struct node *node,
                    void (*visit)(void *ctx, const struct node *operand), void *ctx);

#endif
