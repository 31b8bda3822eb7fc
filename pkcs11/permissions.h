/*
 * What each call may ask the policy for: the table that docs/PERMISSIONS.md is made from. The gate
 * answers no question that has no place in it, so the page cannot promise less than the code does.
 */
#ifndef KEYWARD_PKCS11_PERMISSIONS_H
#define KEYWARD_PKCS11_PERMISSIONS_H

#include "policy/schema.h"

/* What the policy is told beside what it is always told. */
#define TOLD_MECHANISM 1U /* mechanism and its parameters */
#define TOLD_WRAPPING  2U /* wrappingKey */
#define TOLD_ATTRIBUTE 4U /* attribute, where a policy looks at it */

struct permission {
    uint64_t actions; /* bits by enum action; 0: no question is asked */
    unsigned told;
    const char *note; /* why none, or which when; NULL: nothing to say */
};

_Static_assert(ACTION_COUNT <= 64, "each action has its bit");

static inline bool permission_has(const struct permission *permission, enum action action)
{
    return (permission->actions >> action & 1) != 0;
}

/* Of a C_ function with a row in the call table; call is an enum call_id. */
const struct permission *permission_of_call(unsigned call);
/* Of a verb whose row names this action. */
struct permission permission_of_verb(const char *verb, enum action action);

/* C_ functions that have no row there: they come before C_Initialize or do nothing. */
struct permission_outside {
    const char *function, *why;
};
const struct permission_outside *permission_outside_at(size_t i); /* NULL past the end */

#endif
