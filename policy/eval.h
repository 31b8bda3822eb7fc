/* One policy's conditions against one request. No allocation; the state is a few KiB on the
 * caller's stack. */
#ifndef KEYWARD_POLICY_EVAL_H
#define KEYWARD_POLICY_EVAL_H

#include "policy/value.h"

struct eval {
    const struct policy *policy;
    const struct policy_request *request;
    struct value_budget budget;
    const char *wrong;        /* what went wrong, static; NULL while all is well */
    struct bytes name;        /* the attribute or type it is about, may be empty */
    const struct node *where; /* the node it went wrong at */
    uint64_t scratch[SCRATCH_WORDS];
};

enum eval_answer {
    EVAL_FALSE,
    EVAL_TRUE,
    EVAL_ERROR, /* wrong, name and where say which */
};

/* The fields policy and request are the caller's to set; the rest is set here. */
enum eval_answer eval_rule(struct eval *eval, const struct rule *rule);

/* The listed entity, or NULL. */
const struct policy_entity *eval_entity(const struct policy_request *request,
                                        const struct policy_uid *uid);
/* Reflexive. */
bool eval_is_in(const struct policy_request *request, const struct policy_uid *uid,
                const struct policy_uid *of);

#endif
