/*
 * The decision: the rules filed under what the request is or belongs to, each one's scope, then its
 * conditions. Nothing here allocates, locks or waits.
 *
 * An answer has a rank, and the highest rank seen decides: default deny < a permit held < some
 * policy erred < a forbid held. Whatever order the rules come in, the reasons are the
 * lowest-numbered ones of the highest rank: they are kept in a heap while deciding, and sorted at
 * the end.
 */
#include "policy/eval.h"

#include <stdio.h>
#include <string.h>

/* Uids a request's principal, action or resource may match by number; past that, comparing is by
 * name. */
#define CLOSURE_MAX 256U

/* A uid and its ancestors, as far as the policies know them. */
struct closure {
    const struct policy_uid *uid;
    uint32_t type;   /* string number or INTERN_NONE */
    uint32_t self;   /* uid number or INTERN_NONE */
    bool overflowed; /* there were more than ids holds */
    uint64_t bits;   /* bit (id % 64) of every id: most misses end here */
    size_t count;
    uint32_t ids[CLOSURE_MAX]; /* each once */
};

enum rank {
    RANK_DEFAULT,
    RANK_PERMIT,
    RANK_ERROR,
    RANK_FORBID,
};

struct decision {
    const struct policy *policy;
    const struct policy_request *request;
    struct policy_verdict *verdict;
    enum rank rank;
    uint32_t first_error;
    struct closure closures[3];
    struct eval eval;
};

/* ---- closures ---- */

static bool closure_has(const struct closure *c, uint32_t id)
{
    if ((c->bits >> (id % 64) & 1) == 0)
        return false;
    for (size_t i = 0; i < c->count; i++) {
        if (c->ids[i] == id)
            return true;
    }
    return false;
}

static void closure_add(struct closure *c, uint32_t id)
{
    if (id == INTERN_NONE || closure_has(c, id))
        return;
    if (c->count == CLOSURE_MAX) {
        c->overflowed = true;
        return;
    }
    c->bits |= UINT64_C(1) << (id % 64);
    c->ids[c->count++] = id;
}

static void closure_of(struct closure *c, const struct policy *policy,
                       const struct policy_request *request, const struct policy_uid *uid)
{
    const struct policy_entity *entity = eval_entity(request, uid);

    c->uid = uid;
    c->type = intern_find_string(&policy->strings, uid->type);
    c->self = intern_find(&policy->uids, *uid);
    c->overflowed = false;
    c->bits = 0;
    c->count = 0;
    closure_add(c, c->self);
    for (size_t i = 0; entity != NULL && i < entity->ancestor_count; i++)
        closure_add(c, intern_find(&policy->uids, entity->ancestors[i]));
}

static bool belongs(const struct closure *c, const struct policy *policy,
                    const struct policy_request *request, uint32_t id)
{
    if (closure_has(c, id))
        return true;
    return c->overflowed && eval_is_in(request, c->uid, &policy->uids.items[id]);
}

static bool scope_holds(const struct closure *c, const struct policy *policy,
                        const struct policy_request *request, const struct scope *scope)
{
    switch (scope->kind) {
    case SCOPE_ANY:
        return true;
    case SCOPE_EQUAL:
        return c->self == scope->uid;
    case SCOPE_IN:
        return belongs(c, policy, request, scope->uid);
    case SCOPE_IS:
        return c->type == scope->type;
    case SCOPE_IS_IN:
        return c->type == scope->type && belongs(c, policy, request, scope->uid);
    case SCOPE_LIST:
        for (uint32_t i = 0; i < scope->count; i++) {
            if (belongs(c, policy, request, policy->lists[scope->uid + i]))
                return true;
        }
    }
    return false;
}

bool eval_scope(const struct policy *policy, const struct policy_request *request,
                const struct rule *rule, enum variable variable)
{
    const struct policy_uid *uids[] = {[VARIABLE_PRINCIPAL] = &request->principal,
                                       [VARIABLE_ACTION] = &request->action,
                                       [VARIABLE_RESOURCE] = &request->resource};
    struct closure closure;

    closure_of(&closure, policy, request, uids[variable]);
    return scope_holds(&closure, policy, request, &rule->scopes[variable]);
}

/* ---- the lowest numbers, up to a maximum: a heap with the highest on top ---- */

static void sift_down(uint32_t *heap, size_t count, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        uint32_t item = heap[at];

        if (child >= count)
            return;
        if (child + 1 < count && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= item)
            return;
        heap[at] = heap[child];
        heap[child] = item;
        at = child;
    }
}

static void keep_lowest(uint32_t *heap, size_t max, size_t seen, uint32_t item)
{
    size_t at = seen;

    if (max == 0)
        return;
    if (seen >= max) {
        if (item < heap[0]) {
            heap[0] = item;
            sift_down(heap, max, 0);
        }
        return;
    }
    while (at > 0 && heap[(at - 1) / 2] < item) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = item;
}

static void sort_heap(uint32_t *heap, size_t max, size_t seen)
{
    for (size_t n = seen < max ? seen : max; n > 1; n--) {
        uint32_t top = heap[0];

        heap[0] = heap[n - 1];
        heap[n - 1] = top;
        sift_down(heap, n - 1, 0);
    }
}

/* ---- one rule ---- */

static void give_reason(struct decision *d, enum rank rank, uint32_t rule)
{
    if (rank < d->rank)
        return;
    if (rank > d->rank) {
        d->rank = rank;
        d->verdict->reason_count = 0;
    }
    keep_lowest(d->verdict->reasons, d->verdict->max, d->verdict->reason_count, rule);
    d->verdict->reason_count++;
}

static void note_error(struct decision *d, uint32_t rule)
{
    struct policy_verdict *verdict = d->verdict;
    const struct eval *eval = &d->eval;
    int len = eval->name.len < 40 ? (int)eval->name.len : 40;

    give_reason(d, RANK_ERROR, rule);
    keep_lowest(verdict->errors, verdict->error_max, verdict->error_count, rule);
    verdict->error_count++;
    if (rule > d->first_error)
        return;
    d->first_error = rule;
    (void)snprintf(verdict->error, sizeof(verdict->error), "%.40s (%u:%u): %s%s%.*s",
                   d->policy->rules[rule].id, eval->where->line, eval->where->column, eval->wrong,
                   len > 0 ? " " : "", len, len > 0 ? (const char *)eval->name.data : "");
}

static void consider(struct decision *d, uint32_t number)
{
    const struct rule *rule = &d->policy->rules[number];

    for (unsigned v = 0; v < 3; v++) {
        if (!scope_holds(&d->closures[v], d->policy, d->request, &rule->scopes[v]))
            return;
    }
    switch (eval_rule(&d->eval, rule)) {
    case EVAL_FALSE:
        return;
    case EVAL_TRUE:
        give_reason(d, rule->forbid ? RANK_FORBID : RANK_PERMIT, number);
        return;
    case EVAL_UNKNOWN: /* a request of an analysis strayed here: no */
    case EVAL_ERROR:
        note_error(d, number);
    }
}

/* ---- all rules ---- */

static void consider_filed(struct decision *d, unsigned v)
{
    const struct rule_index *index = &d->policy->index;

    for (size_t i = 0; i < d->closures[v].count; i++) {
        uint32_t id = d->closures[v].ids[i];

        for (uint32_t r = index->start[v][id]; r < index->start[v][id + 1]; r++)
            consider(d, index->rules[v][r]);
    }
}

static void consider_all(struct decision *d)
{
    bool overflowed = false;

    for (unsigned v = 0; v < 3; v++)
        overflowed = overflowed || d->closures[v].overflowed;
    if (overflowed) { /* the index cannot be trusted to be complete */
        for (size_t i = 0; i < d->policy->rule_count; i++)
            consider(d, (uint32_t)i);
        return;
    }
    for (unsigned v = 0; v < 3; v++)
        consider_filed(d, v);
    for (size_t i = 0; i < d->policy->index.open_count; i++)
        consider(d, d->policy->index.open[i]);
}

static void close_over(struct closure closures[static 3], const struct policy *policy,
                       const struct policy_request *request)
{
    closure_of(&closures[VARIABLE_PRINCIPAL], policy, request, &request->principal);
    closure_of(&closures[VARIABLE_ACTION], policy, request, &request->action);
    closure_of(&closures[VARIABLE_RESOURCE], policy, request, &request->resource);
}

void policy_decide(const struct policy *policy, const struct policy_request *request,
                   struct policy_verdict *verdict)
{
    struct decision d; /* some 20 KiB: only what is used is set */

    verdict->allow = false;
    verdict->reason_count = 0;
    verdict->error_count = 0;
    verdict->error[0] = '\0';
    if (policy == NULL)
        return;
    d.policy = d.eval.policy = policy;
    d.request = d.eval.request = request;
    d.eval.doubt = NULL;
    d.verdict = verdict;
    d.rank = RANK_DEFAULT;
    d.first_error = UINT32_MAX;
    close_over(d.closures, policy, request);
    consider_all(&d);
    sort_heap(verdict->reasons, verdict->max, verdict->reason_count);
    sort_heap(verdict->errors, verdict->error_max, verdict->error_count);
    verdict->allow = d.rank == RANK_PERMIT;
}

/* The rule is a permit whose scope says who, and this principal is it. */
static bool rule_names(const struct policy *policy, const struct policy_request *request,
                       const struct closure closures[3], const struct rule *rule)
{
    const struct scope *principal = &rule->scopes[VARIABLE_PRINCIPAL];

    if (rule->forbid || principal->kind == SCOPE_ANY || principal->kind == SCOPE_IS)
        return false;
    return scope_holds(&closures[VARIABLE_PRINCIPAL], policy, request, principal) &&
           scope_holds(&closures[VARIABLE_ACTION], policy, request, &rule->scopes[VARIABLE_ACTION]);
}

bool policy_names_principal(const struct policy *policy, const struct policy_request *request)
{
    struct closure closures[3];

    if (policy == NULL)
        return false;
    close_over(closures, policy, request);
    for (size_t i = 0; i < policy->rule_count; i++)
        if (rule_names(policy, request, closures, &policy->rules[i]))
            return true;
    return false;
}

bool policy_verdict_names_principal(const struct policy *policy,
                                    const struct policy_request *request,
                                    const struct policy_verdict *verdict)
{
    size_t stored = verdict->reason_count < verdict->max ? verdict->reason_count : verdict->max;
    struct closure closures[3];

    if (policy == NULL || !verdict->allow)
        return false;
    close_over(closures, policy, request);
    for (size_t i = 0; i < stored; i++)
        if (rule_names(policy, request, closures, &policy->rules[verdict->reasons[i]]))
            return true;
    return false;
}
