/*
 * After a denial: what would have been needed. A remedy is a smallest change of the request that
 * makes it allowed, found by deciding the changed request: another group, a login, a member of the
 * context. And the permits that came nearest, with the first part of each that does not hold.
 */
#ifndef KEYWARD_POLICY_REMEDY_H
#define KEYWARD_POLICY_REMEDY_H

#include "policy/arena.h"
#include "policy/policy.h"

enum policy_change {
    POLICY_CHANGE_LOGIN,   /* to be this user */
    POLICY_CHANGE_GROUP,   /* to be in this group */
    POLICY_CHANGE_CONTEXT, /* this member of the context with this value */
};

struct policy_step {
    enum policy_change change;
    struct policy_uid uid;     /* LOGIN, GROUP */
    struct policy_field field; /* CONTEXT; the value's kind is POLICY_ABSENT to leave it out */
    bool made_up; /* the value is one of many that no rule names: told once for a member */
};

#define POLICY_STEPS_MAX    2U
#define POLICY_REMEDIES_MAX 8U
#define POLICY_NEAR_MAX     8U

struct policy_remedy {
    struct policy_step steps[POLICY_STEPS_MAX];
    size_t count;
};

struct policy_near {
    uint32_t rule;
    const char *part;   /* that does not hold: "principal", "resource" or "condition" */
    const char *source; /* borrowed from the set */
    unsigned line, column;
};

struct policy_advice {
    /* All of one size: one step where one is enough. */
    struct policy_remedy remedies[POLICY_REMEDIES_MAX];
    size_t remedy_count;
    /* The permits for this action with the fewest parts that do not hold, in the set's order. */
    struct policy_near near[POLICY_NEAR_MAX];
    size_t near_count;
    struct arena arena; /* what the steps are made of */
};

/* Of a request that the set denies; the set is one policy_check() finds nothing wrong with. *ret is
 * to be released. At most POLICY_TRIES_MAX decisions: no remedy found is no proof of none. */
#define POLICY_TRIES_MAX 20000U
MUST_CHECK CK_RV policy_advise(const struct policy *policy, const struct policy_request *denied,
                               struct policy_advice *ret);
void policy_advice_release(struct policy_advice *advice);

#endif
