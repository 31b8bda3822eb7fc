/*
 * Questions about whole policy sets, answered exactly over the vocabulary (policy/space.h says over
 * which requests, policy/search.h how): are two sets the same, does a rule ever count, who may do
 * something. The answer is never a guess: beyond POLICY_WORK_MAX evaluations, or where a rule uses
 * what the method does not follow, it is "undecided", and says why.
 *
 * All take sets that policy_check() finds nothing wrong with.
 */
#ifndef KEYWARD_POLICY_ANALYSIS_H
#define KEYWARD_POLICY_ANALYSIS_H

#include "policy/arena.h"
#include "policy/policy.h"

#define POLICY_WORK_MAX UINT64_C(20000000) /* evaluations of one rule */

/* Why there is no answer; text is "" when there is one. */
struct policy_doubt {
    char text[160];
    const char *source; /* of the place, borrowed from the set; NULL for no place */
    unsigned line, column;
};

/* ---- two sets ---- */

enum policy_relation {
    POLICY_SAME,
    POLICY_STRICTER,     /* the second allows less, and nothing more */
    POLICY_LOOSER,       /* the second allows more, and nothing less */
    POLICY_INCOMPARABLE, /* each allows what the other does not */
    POLICY_UNDECIDED,
};

struct policy_difference {
    enum policy_relation relation;
    struct policy_doubt doubt;
    /* Of relation UNDECIDED too where one was found. */
    bool has_denied, has_allowed;
    struct policy_request denied;  /* the first allows it, the second does not */
    struct policy_request allowed; /* the second allows it, the first does not */
    struct arena arena;            /* what the requests are made of */
};

/* Of a set loaded from two sources: source 0 against source 1. *ret is to be released. */
MUST_CHECK CK_RV policy_compare(const struct policy *both, uint64_t work_max,
                                struct policy_difference *ret);
/* Each set out of several sources: those before `second`, against those from there on. */
MUST_CHECK CK_RV policy_compare_parts(const struct policy *both, uint32_t second, uint64_t work_max,
                                      struct policy_difference *ret);
void policy_difference_release(struct policy_difference *difference);

/* ---- rules that do nothing ---- */

enum policy_waste {
    POLICY_NEVER,   /* no request satisfies it */
    POLICY_BEATEN,  /* a permit: whenever it holds, a forbid holds too */
    POLICY_COVERED, /* a forbid: whenever it holds, another forbid holds too */
};

struct policy_wasted {
    enum policy_waste waste;
    uint32_t rule;
    const char *source; /* borrowed from the set */
    unsigned line, column;
    uint32_t by; /* for BEATEN and COVERED: one of the forbids; UINT32_MAX when none was seen */
};

/* Fills the first max and counts them all. ret_doubt: why the rest of the rules was not looked at.
 */
MUST_CHECK CK_RV policy_find_wasted(const struct policy *policy, uint64_t work_max,
                                    struct policy_wasted *ret, size_t max, size_t *ret_count,
                                    struct policy_doubt *ret_doubt);

/* ---- who may ---- */

struct policy_who {
    struct policy_uid
        principal; /* "+" at the end of a made-up one: anybody of that type whom no rule names */
    bool anybody;
    bool always; /* in every circumstance; else only in some */
    struct policy_request example;
    uint32_t by; /* a permit that allows the example */
};

struct policy_who_list {
    struct policy_who *items;
    size_t count, cap;
    struct policy_doubt doubt;
    struct arena arena;
};

/*
 * Everybody who may do given->action on given->resource, whose entity and attributes are in
 * given->entities, in at least one circumstance; members of given->context are fixed, the others
 * vary. *ret is to be released.
 */
MUST_CHECK CK_RV policy_who_can(const struct policy *policy, const struct policy_request *given,
                                uint64_t work_max, struct policy_who_list *ret);
void policy_who_release(struct policy_who_list *list);

/* ---- requests as text ---- */

/* Type::"id" */
void policy_write_uid(struct buf *out, const struct policy_uid *uid);
/* Of Cedar's JSON, one value. */
void policy_write_value(struct buf *out, const struct policy_value *value);
/* Cedar's JSON: principal, action, resource, context, and the entities it stands on. */
void policy_write_request(struct buf *out, const struct policy_request *request);

#endif
