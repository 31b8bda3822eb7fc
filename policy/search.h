/*
 * A walk through the space of requests (space.h), with the evaluator that decides: what has not
 * been chosen yet is unknown to it, and it says what an answer hangs on. So only that is varied,
 * and only while no answer is settled; a branch ends as soon as every side's verdict is.
 *
 * The request is chosen from the outside in: principal, action, resource, then attributes and the
 * principal's groups as they are asked for. Callers are Unix, User, Cert and Token; an object lies
 * in the vault its id begins with, and bears the name behind that.
 */
#ifndef KEYWARD_POLICY_SEARCH_H
#define KEYWARD_POLICY_SEARCH_H

#include "policy/eval.h"
#include "policy/space.h"
#include "policy/value.h"

#define SEARCH_SIDES      2U
#define SEARCH_ATTRIBUTES 48U /* of a resource, or of the context */

enum side_state { SIDE_OPEN, SIDE_ALLOW, SIDE_DENY };

/* Some rules of the set, decided apart from the others. */
struct side {
    size_t first, count; /* open rules: a part of search.open */
    bool permitted;      /* a permit held */
    enum side_state state;
    uint32_t by; /* the rule that permitted, or that made it DENY; SPACE_NONE for none */
};

struct search {
    const struct policy *policy;
    struct space space;
    /* ---- the caller's to set after search_begin() ---- */
    unsigned side_count;
    uint32_t as_permit; /* this forbid counts as a permit; SPACE_NONE for none */
    bool differences;   /* sides that are left with the same rules need no further look */
    uint64_t work_max;
    const struct policy_request
        *given; /* its action and resource are the only ones; NULL: all are */
    /* A settled branch; false ends the walk. */
    bool (*settled)(void *ctx, struct search *search, const struct side *sides);
    void *ctx;
    /* ---- the walk's own ---- */
    uint64_t work;
    bool ended, no_memory;
    unsigned known; /* of principal, action, resource: how many are chosen */
    struct policy_request request;
    struct policy_entity entities[4];
    struct policy_uid vault;
    struct policy_field context[SEARCH_ATTRIBUTES], attributes[SEARCH_ATTRIBUTES], *tags;
    uint32_t context_variable[SEARCH_ATTRIBUTES], attribute_variable[SEARCH_ATTRIBUTES],
        *tag_variable;
    size_t context_count, attribute_count, tag_count;
    struct eval_group *groups;
    struct eval_doubt doubt;
    struct eval eval;
    const void *wanted; /* what an open answer hangs on */
    uint32_t *open;
    size_t open_count, open_cap;
    uint32_t *classes;    /* by rule: equal rules have one number */
    uint32_t *stamps;     /* by class */
    uint32_t *uid_stamps; /* by uid */
    uint32_t stamp;
    bool *may_err; /* by rule: a condition of it can err on some request */
    struct arena arena;
};

/* CKR_OK, and space.why where the set is beyond the method. To be ended in either case. */
MUST_CHECK CK_RV search_begin(const struct policy *policy, struct search *search);
void search_end(struct search *search);

/* Walks with these rules on the sides. True when all was seen or settled() ended it; false beyond
 * work_max (CKR_OK is still *ret), or without memory. */
bool search_walk(struct search *search, const uint32_t *const rules[], const size_t counts[],
                 CK_RV *ret);

/* The branch as one whole request, everything open filled in: in arena. */
MUST_CHECK CK_RV search_example(struct search *search, struct arena *arena,
                                struct policy_request *ret);

/* ---- between the files of the search ---- */

/* Settles the sides under what is chosen, and goes on where one is open. */
void search_explore(struct search *search, const struct side *above);
/* Chooses each value there is for what is asked for next, and explores it. */
void search_choose(struct search *search, const struct side *sides);
/* Rules that say the same have the same class. */
MUST_CHECK CK_RV search_classify(const struct policy *policy, uint32_t *classes);

#endif
