/* One policy's conditions against one request. No allocation; the state is a few KiB on the
 * caller's stack. */
#ifndef KEYWARD_POLICY_EVAL_H
#define KEYWARD_POLICY_EVAL_H

#include "policy/value.h"

/* What an analysis leaves open about its request, beside attributes of the kind POLICY_UNKNOWN: the
 * groups its principal is in. Of other groups it is in none. */
struct eval_group {
    struct policy_uid uid;
    enum { GROUP_OPEN, GROUP_IN, GROUP_OUT } state;
};

struct eval_doubt {
    const struct eval_group *groups;
    size_t count;
};

struct eval {
    const struct policy *policy;
    const struct policy_request *request;
    struct value_budget budget;
    const char *wrong;              /* what went wrong, static; NULL while all is well */
    struct bytes name;              /* the attribute or type it is about, may be empty */
    const struct node *where;       /* the node it went wrong at */
    const struct eval_doubt *doubt; /* NULL when all is known */
    const void *unknown; /* what the answer hangs on: a value of the request, or a group of doubt */
    uint64_t scratch[SCRATCH_WORDS];
};

enum eval_answer {
    EVAL_FALSE,
    EVAL_TRUE,
    EVAL_ERROR,   /* wrong, name and where say which */
    EVAL_UNKNOWN, /* only of an analysis */
};

/* The fields policy, request and doubt are the caller's to set; the rest is set here. */
enum eval_answer eval_rule(struct eval *eval, const struct rule *rule);

/* Does the rule's scope of that variable hold (decide.c)? */
bool eval_scope(const struct policy *policy, const struct policy_request *request,
                const struct rule *rule, enum variable variable);

/* The listed entity, or NULL. */
const struct policy_entity *eval_entity(const struct policy_request *request,
                                        const struct policy_uid *uid);
/* The group of that uid, NULL when there is none. */
const struct eval_group *eval_doubted(const struct eval_doubt *doubt, const struct policy_uid *uid);
/* Reflexive. */
bool eval_is_in(const struct policy_request *request, const struct policy_uid *uid,
                const struct policy_uid *of);

#endif
