/* The three questions, each a walk of its own: see analysis.h. */
#include "policy/analysis.h"
#include "policy/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- why not ---- */

static void doubt_place(const struct search *s, struct policy_doubt *ret)
{
    const struct node *node = s->space.beyond;
    size_t number = (size_t)(node - s->policy->nodes);

    /* Rules come in the order of their nodes. */
    for (size_t i = 0; i < s->policy->rule_count; i++) {
        const struct rule *rule = &s->policy->rules[i];

        if (rule->condition_count == 0 ||
            number > s->policy->lists[rule->conditions + rule->condition_count - 1])
            continue;
        ret->source = s->policy->sources[rule->source];
        ret->line = node->line;
        ret->column = node->column;
        return;
    }
}

static void set_doubt(const struct search *s, struct policy_doubt *ret)
{
    if (s->space.why != NULL) {
        (void)snprintf(ret->text, sizeof(ret->text), "%s", s->space.why);
        doubt_place(s, ret);
    } else if (s->work > s->work_max) {
        (void)snprintf(ret->text, sizeof(ret->text), "undecided beyond %llu evaluations",
                       (unsigned long long)s->work_max);
    }
}

static uint32_t *number_all(size_t count)
{
    uint32_t *list = calloc(count + 1, sizeof(*list));

    for (uint32_t i = 0; list != NULL && i < count; i++)
        list[i] = i;
    return list;
}

/* ---- two sets ---- */

struct comparing {
    struct policy_difference *ret;
    CK_RV rv;
};

static bool differs(void *ctx, struct search *s, const struct side *sides)
{
    struct comparing *c = ctx;
    struct policy_difference *d = c->ret;
    bool denied = sides[0].state == SIDE_ALLOW && sides[1].state == SIDE_DENY;
    bool allowed = sides[0].state == SIDE_DENY && sides[1].state == SIDE_ALLOW;

    if (denied && !d->has_denied) {
        c->rv = search_example(s, &d->arena, &d->denied);
        d->has_denied = true;
    }
    if (allowed && !d->has_allowed) {
        c->rv = search_example(s, &d->arena, &d->allowed);
        d->has_allowed = true;
    }
    return c->rv == CKR_OK && !(d->has_denied && d->has_allowed);
}

static void judge(struct policy_difference *d, bool seen)
{
    static const enum policy_relation relations[2][2] = {{POLICY_SAME, POLICY_LOOSER},
                                                         {POLICY_STRICTER, POLICY_INCOMPARABLE}};

    d->relation = relations[d->has_denied][d->has_allowed];
    if (!seen && d->relation != POLICY_INCOMPARABLE)
        d->relation = POLICY_UNDECIDED;
}

CK_RV policy_compare(const struct policy *both, uint64_t work_max, struct policy_difference *ret)
{
    return policy_compare_parts(both, 1, work_max, ret);
}

CK_RV policy_compare_parts(const struct policy *both, uint32_t second, uint64_t work_max,
                           struct policy_difference *ret)
{
    struct search s;
    SCOPED_FREE uint32_t *all = number_all(both->rule_count);
    size_t first = 0;
    struct comparing c = {.ret = ret, .rv = CKR_OK};
    CK_RV rv = search_begin(both, &s);
    bool seen = false;

    *ret = (struct policy_difference){.relation = POLICY_UNDECIDED};
    if (rv == CKR_OK && all == NULL)
        rv = fail_memory();
    if (rv == CKR_OK && s.space.why == NULL) {
        while (first < both->rule_count && both->rules[first].source < second)
            first++;
        s.side_count = 2;
        s.differences = true;
        s.work_max = work_max;
        s.settled = differs;
        s.ctx = &c;
        seen = search_walk(&s, (const uint32_t *const[]){all, all + first},
                           (const size_t[]){first, both->rule_count - first}, &rv);
        if (rv == CKR_OK)
            rv = c.rv;
        judge(ret, seen);
    }
    set_doubt(&s, &ret->doubt);
    search_end(&s);
    return rv;
}

void policy_difference_release(struct policy_difference *difference)
{
    arena_release(&difference->arena);
    *difference = (struct policy_difference){.relation = POLICY_UNDECIDED};
}

/* ---- rules that do nothing ---- */

/* Two sides: the rule alone, and the rule with the other forbids. */
struct wasting {
    bool satisfied, counts;
    uint32_t by;
};

static bool seen_at_work(void *ctx, struct search *s, const struct side *sides)
{
    struct wasting *w = ctx;

    (void)s;
    if (sides[0].state == SIDE_ALLOW && sides[1].state == SIDE_DENY && w->by == UINT32_MAX)
        w->by = sides[1].by;
    w->satisfied = w->satisfied || sides[0].state == SIDE_ALLOW;
    w->counts = w->counts || sides[1].state == SIDE_ALLOW;
    return !w->counts;
}

struct wasted_list {
    struct policy_wasted *items;
    size_t max, count;
};

static void add_wasted(struct wasted_list *list, const struct policy *policy, uint32_t rule,
                       const struct wasting *w)
{
    const struct rule *at = &policy->rules[rule];

    if (list->count < list->max)
        list->items[list->count] = (struct policy_wasted){
            .waste = !w->satisfied ? POLICY_NEVER
                     : at->forbid  ? POLICY_COVERED
                                   : POLICY_BEATEN,
            .rule = rule,
            .source = policy->sources[at->source],
            .line = at->line,
            .column = at->column,
            .by = w->by,
        };
    list->count++;
}

/* The forbids of the set, the rule first. */
static size_t list_forbids(const struct policy *policy, uint32_t rule, uint32_t *list)
{
    size_t count = 0;

    list[count++] = rule;
    for (uint32_t i = 0; i < policy->rule_count; i++) {
        if (policy->rules[i].forbid && i != rule)
            list[count++] = i;
    }
    return count;
}

static bool look_at_rule(struct search *s, uint32_t rule, uint32_t *scratch,
                         struct wasted_list *list, CK_RV *ret)
{
    struct wasting w = {.by = UINT32_MAX};
    size_t forbids = list_forbids(s->policy, rule, scratch);
    bool seen;

    s->ctx = &w;
    s->as_permit = rule;
    seen = search_walk(s, (const uint32_t *const[]){&rule, scratch}, (const size_t[]){1, forbids},
                       ret);
    if (seen && !w.counts)
        add_wasted(list, s->policy, rule, &w);
    return seen;
}

CK_RV policy_find_wasted(const struct policy *policy, uint64_t work_max, struct policy_wasted *ret,
                         size_t max, size_t *ret_count, struct policy_doubt *ret_doubt)
{
    struct search s;
    SCOPED_FREE uint32_t *scratch = calloc(policy->rule_count + 1, sizeof(*scratch));
    struct wasted_list list = {.items = ret, .max = max};
    CK_RV rv = search_begin(policy, &s);
    bool seen = true;

    *ret_doubt = (struct policy_doubt){.source = NULL};
    if (rv == CKR_OK && scratch == NULL)
        rv = fail_memory();
    s.side_count = 2;
    s.work_max = work_max;
    s.settled = seen_at_work;
    for (uint32_t i = 0; rv == CKR_OK && s.space.why == NULL && seen && i < policy->rule_count; i++)
        seen = look_at_rule(&s, i, scratch, &list, &rv);
    set_doubt(&s, ret_doubt);
    search_end(&s);
    *ret_count = list.count;
    return rv;
}

/* ---- who may ---- */

struct asking {
    struct policy_who_list *list;
    bool allowed, denied; /* seen for this principal */
    struct policy_uid principal;
    CK_RV rv;
};

static CK_RV add_who(struct asking *a, struct search *s, uint32_t by)
{
    struct policy_who_list *list = a->list;
    struct policy_who *who;
    CK_RV rv;

    if (!array_reserve((void **)&list->items, &list->cap, list->count + 1, sizeof(*list->items)))
        return fail_memory();
    who = &list->items[list->count];
    *who = (struct policy_who){.by = by, .always = !a->denied};
    rv = search_example(s, &list->arena, &who->example);
    if (rv != CKR_OK)
        return rv;
    who->principal = who->example.principal;
    who->anybody = intern_find(&s->policy->uids, who->principal) == INTERN_NONE;
    list->count++;
    return CKR_OK;
}

static bool note_answer(void *ctx, struct search *s, const struct side *sides)
{
    struct asking *a = ctx;
    bool allow = sides[0].state == SIDE_ALLOW;

    if (s->known == 0)
        return true;
    if (value_uid_compare(&a->principal, &s->request.principal) != 0) {
        a->principal = s->request.principal;
        a->allowed = a->denied = false;
    }
    a->denied = a->denied || !allow;
    if (allow && !a->allowed)
        a->rv = add_who(a, s, sides[0].by);
    a->allowed = a->allowed || allow;
    if (a->allowed && a->denied && a->rv == CKR_OK)
        a->list->items[a->list->count - 1].always = false;
    return a->rv == CKR_OK;
}

CK_RV policy_who_can(const struct policy *policy, const struct policy_request *given,
                     uint64_t work_max, struct policy_who_list *ret)
{
    struct search s;
    SCOPED_FREE uint32_t *all = number_all(policy->rule_count);
    struct asking a = {.list = ret, .rv = CKR_OK};
    CK_RV rv = search_begin(policy, &s);

    *ret = (struct policy_who_list){.items = NULL};
    if (rv == CKR_OK && all == NULL)
        rv = fail_memory();
    if (rv == CKR_OK && s.space.why == NULL) {
        s.side_count = 1;
        s.given = given;
        s.work_max = work_max;
        s.settled = note_answer;
        s.ctx = &a;
        (void)search_walk(&s, (const uint32_t *const[]){all}, (const size_t[]){policy->rule_count},
                          &rv);
        if (rv == CKR_OK)
            rv = a.rv;
    }
    set_doubt(&s, &ret->doubt);
    search_end(&s);
    return rv;
}

void policy_who_release(struct policy_who_list *list)
{
    arena_release(&list->arena);
    free(list->items);
    *list = (struct policy_who_list){.items = NULL};
}
