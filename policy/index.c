/*
 * The index by scope: each rule stands once, under the uid of its scope that the fewest other rules
 * name, so that a decision looks only at rules filed under what the request is or belongs to, and
 * at the open ones.
 */
#include "policy/policy_int.h"

#include <stdlib.h>

#define OPEN 3U /* the rule is filed under no variable */

static bool names_one(const struct scope *scope)
{
    return scope->kind == SCOPE_EQUAL || scope->kind == SCOPE_IN || scope->kind == SCOPE_IS_IN;
}

/* How many rules name each uid, per variable; start[v][uid + 1] holds it for uid. */
static void count_names(struct policy *policy)
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        for (unsigned v = 0; v < 3; v++) {
            const struct scope *scope = &policy->rules[i].scopes[v];

            if (names_one(scope))
                policy->index.start[v][scope->uid + 1]++;
        }
    }
}

static void choose(struct policy *policy, uint8_t *chosen)
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        uint32_t best = UINT32_MAX;

        chosen[i] = OPEN;
        for (unsigned v = 0; v < 3; v++) {
            const struct scope *scope = &policy->rules[i].scopes[v];

            if (names_one(scope) && policy->index.start[v][scope->uid + 1] < best) {
                best = policy->index.start[v][scope->uid + 1];
                chosen[i] = (uint8_t)v;
            }
        }
    }
}

/* Counting sort: ranges from the counts, then every rule into its range, in order. */
static void file_rules(struct policy *policy, const uint8_t *chosen)
{
    struct rule_index *index = &policy->index;
    size_t uids = policy->uids.count;

    for (unsigned v = 0; v < 3; v++) {
        for (size_t u = 0; u <= uids; u++)
            index->start[v][u] = 0;
    }
    for (size_t i = 0; i < policy->rule_count; i++) {
        if (chosen[i] != OPEN)
            index->start[chosen[i]][policy->rules[i].scopes[chosen[i]].uid]++;
    }
    for (unsigned v = 0; v < 3; v++) {
        uint32_t sum = 0;

        for (size_t u = 0; u <= uids; u++) {
            sum += index->start[v][u];
            index->start[v][u] = sum;
        }
    }
    /* start[u] is now the end of u's range: filling from the last rule back leaves it at the start.
     */
    for (size_t i = policy->rule_count; i-- > 0;) {
        if (chosen[i] == OPEN)
            continue;
        index->rules[chosen[i]][--index->start[chosen[i]][policy->rules[i].scopes[chosen[i]].uid]] =
            (uint32_t)i;
    }
    for (size_t i = 0; i < policy->rule_count; i++) {
        if (chosen[i] == OPEN)
            index->open[index->open_count++] = (uint32_t)i;
    }
}

bool index_build(struct policy *policy)
{
    struct rule_index *index = &policy->index;
    SCOPED_FREE uint8_t *chosen = calloc(policy->rule_count + 1, sizeof(*chosen));

    index->open = calloc(policy->rule_count + 1, sizeof(*index->open));
    if (chosen == NULL || index->open == NULL)
        return false;
    for (unsigned v = 0; v < 3; v++) {
        index->start[v] = calloc(policy->uids.count + 2, sizeof(*index->start[v]));
        index->rules[v] = calloc(policy->rule_count + 1, sizeof(*index->rules[v]));
        if (index->start[v] == NULL || index->rules[v] == NULL)
            return false;
    }
    count_names(policy);
    choose(policy, chosen);
    file_rules(policy, chosen);
    return true;
}

void index_release(struct rule_index *index)
{
    for (unsigned v = 0; v < 3; v++) {
        free(index->start[v]);
        free(index->rules[v]);
    }
    free(index->open);
}
