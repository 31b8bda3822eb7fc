/* The walk: see search.h. */
#include "policy/search.h"

#include <stdlib.h>
#include <string.h>

/* ---- one rule under what is known ---- */

static bool uid_equal(const struct policy_uid *a, const struct policy_uid *b)
{
    return bytes_equal(a->id, b->id) && bytes_equal(a->type, b->type);
}

static const struct policy_uid *party(const struct search *s, unsigned variable)
{
    return variable == VARIABLE_PRINCIPAL ? &s->request.principal
           : variable == VARIABLE_ACTION  ? &s->request.action
                                          : &s->request.resource;
}

static enum eval_answer is_in(struct search *s, unsigned variable, uint32_t number)
{
    const struct policy_uid *uid = party(s, variable);
    const struct policy_uid *of = &s->policy->uids.items[number];
    const struct eval_group *group;

    if (variable != VARIABLE_PRINCIPAL)
        return eval_is_in(&s->request, uid, of) ? EVAL_TRUE : EVAL_FALSE;
    if (uid_equal(uid, of))
        return EVAL_TRUE;
    group = eval_doubted(&s->doubt, of);
    if (group == NULL || group->state == GROUP_OUT)
        return EVAL_FALSE;
    if (group->state == GROUP_IN)
        return EVAL_TRUE;
    s->wanted = s->wanted != NULL ? s->wanted : group;
    return EVAL_UNKNOWN;
}

static enum eval_answer in_scope(struct search *s, unsigned variable, const struct scope *scope)
{
    const struct policy_uid *uid = party(s, variable);
    const struct policy *policy = s->policy;

    switch (scope->kind) {
    case SCOPE_ANY:
        return EVAL_TRUE;
    case SCOPE_EQUAL:
        return uid_equal(uid, &policy->uids.items[scope->uid]) ? EVAL_TRUE : EVAL_FALSE;
    case SCOPE_IN:
        return is_in(s, variable, scope->uid);
    case SCOPE_IS:
    case SCOPE_IS_IN:
        if (!bytes_equal(uid->type, policy_string(policy, scope->type)))
            return EVAL_FALSE;
        return scope->kind == SCOPE_IS ? EVAL_TRUE : is_in(s, variable, scope->uid);
    case SCOPE_LIST:
        for (uint32_t i = 0; i < scope->count; i++) { /* of actions: never unknown */
            if (is_in(s, variable, policy->lists[scope->uid + i]) == EVAL_TRUE)
                return EVAL_TRUE;
        }
    }
    return EVAL_FALSE;
}

static enum eval_answer answer(struct search *s, uint32_t number)
{
    const struct rule *rule = &s->policy->rules[number];
    bool known = s->known == 3;
    enum eval_answer result;

    s->work++;
    for (unsigned v = 0; v < s->known; v++) {
        result = in_scope(s, v, &rule->scopes[v]);
        if (result == EVAL_FALSE)
            return EVAL_FALSE;
        known = known && result == EVAL_TRUE;
    }
    if (!known)
        return EVAL_UNKNOWN;
    result = eval_rule(&s->eval, rule);
    if (result == EVAL_UNKNOWN && s->wanted == NULL)
        s->wanted = s->eval.unknown;
    return result;
}

/* ---- one side ---- */

static bool is_forbid(const struct search *s, uint32_t rule)
{
    return s->policy->rules[rule].forbid && rule != s->as_permit;
}

static bool keep_open(struct search *s, struct side *side, uint32_t rule)
{
    if (!array_reserve((void **)&s->open, &s->open_cap, s->open_count + 1, sizeof(*s->open))) {
        s->no_memory = true;
        return false;
    }
    s->open[s->open_count++] = rule;
    side->count++;
    return true;
}

static void settle_end(struct search *s, struct side *side)
{
    bool may_permit = side->permitted;
    bool may_deny = false;

    for (size_t i = 0; i < side->count; i++) {
        uint32_t rule = s->open[side->first + i];

        may_permit = may_permit || !is_forbid(s, rule);
        may_deny = may_deny || is_forbid(s, rule) || s->may_err[rule];
    }
    if (!may_permit)
        side->state = SIDE_DENY;
    else if (side->permitted && !may_deny)
        side->state = SIDE_ALLOW;
}

/* Asks the side's open rules again. Those that still are go behind the others in s->open. */
static void settle(struct search *s, const struct side *above, struct side *side)
{
    *side = (struct side){.first = s->open_count, .permitted = above->permitted, .by = above->by};
    for (size_t i = 0; i < above->count; i++) {
        uint32_t rule = s->open[above->first + i];
        enum eval_answer result = answer(s, rule);

        if (result == EVAL_FALSE)
            continue;
        if (result == EVAL_UNKNOWN && !keep_open(s, side, rule))
            return;
        if (result == EVAL_ERROR || (result == EVAL_TRUE && is_forbid(s, rule))) {
            side->state = SIDE_DENY;
            side->by = rule;
            return;
        }
        if (result == EVAL_TRUE) {
            side->by = side->permitted ? side->by : rule;
            side->permitted = true;
        }
    }
    settle_end(s, side);
}

/* Both sides are left with the same rules, so they will answer the same. */
static bool sides_agree(struct search *s, const struct side *sides)
{
    size_t distinct = 0;

    if (sides[0].permitted != sides[1].permitted)
        return false;
    s->stamp++;
    for (size_t i = 0; i < sides[0].count; i++) {
        uint32_t *stamp = &s->stamps[s->classes[s->open[sides[0].first + i]]];

        distinct += *stamp != s->stamp ? 1 : 0;
        *stamp = s->stamp;
    }
    for (size_t i = 0; i < sides[1].count; i++) {
        if (s->stamps[s->classes[s->open[sides[1].first + i]]] < s->stamp)
            return false;
    }
    s->stamp++;
    for (size_t i = 0; i < sides[1].count; i++) {
        uint32_t *stamp = &s->stamps[s->classes[s->open[sides[1].first + i]]];

        distinct -= *stamp != s->stamp ? 1 : 0;
        *stamp = s->stamp;
    }
    return distinct == 0;
}

/* ---- the walk ---- */

void search_explore(struct search *s, const struct side *above)
{
    struct side sides[SEARCH_SIDES];
    size_t mark = s->open_count;
    bool open = false;

    s->wanted = NULL;
    for (unsigned i = 0; i < s->side_count; i++) {
        sides[i] = above[i];
        if (above[i].state == SIDE_OPEN)
            settle(s, &above[i], &sides[i]);
        open = open || sides[i].state == SIDE_OPEN;
    }
    s->ended = s->ended || s->no_memory || s->work > s->work_max;
    if (!s->ended && !open)
        s->ended = !s->settled(s->ctx, s, sides);
    else if (!s->ended &&
             !(s->differences && sides[0].state == sides[1].state && sides_agree(s, sides)))
        search_choose(s, sides);
    s->open_count = mark;
}

bool search_walk(struct search *s, const uint32_t *const rules[], const size_t counts[], CK_RV *ret)
{
    struct side sides[SEARCH_SIDES] = {{0}};

    s->open_count = 0;
    s->known = 0;
    s->ended = s->no_memory = false;
    for (unsigned i = 0; i < s->side_count; i++) {
        sides[i].first = s->open_count;
        sides[i].by = SPACE_NONE;
        for (size_t r = 0; r < counts[i]; r++)
            (void)keep_open(s, &sides[i], rules[i][r]);
    }
    if (!s->no_memory)
        search_explore(s, sides);
    *ret = s->no_memory ? fail_memory() : CKR_OK;
    return !s->no_memory && s->work <= s->work_max && s->space.why == NULL;
}
