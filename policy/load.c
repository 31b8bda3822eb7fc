/* Loading, freeing and describing a policy set. */
#include "policy/parse_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fits(const struct policy_source *sources, size_t count, struct policy_error *error)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        if (sources[i].text.len > POLICY_TEXT_MAX - total) {
            *error = (struct policy_error){.source = sources[i].name};
            (void)snprintf(error->message, sizeof(error->message),
                           "more than %u bytes of policy text: split the vaults, or use groups",
                           POLICY_TEXT_MAX);
            return false;
        }
        total += sources[i].text.len;
    }
    return true;
}

static CK_RV keep_name(struct policy *policy, size_t index, const char *name)
{
    struct bytes copy = arena_copy(&policy->arena, bytes_from_str(name));

    if (copy.data == NULL)
        return fail_memory();
    policy->sources[index] = (const char *)copy.data;
    return CKR_OK;
}

static CK_RV parse_all(struct policy *policy, const struct policy_source *sources, size_t count,
                       struct policy_error *error)
{
    struct intern ids = {.items = NULL};
    struct parser p = {.policy = policy, .error = error, .ids = &ids, .rv = CKR_OK};

    p.text = BUF_INIT(POLICY_TEXT_MAX + 4096U);
    for (size_t i = 0; i < count && p.rv == CKR_OK; i++) {
        p.source = &sources[i];
        p.source_number = (uint32_t)i;
        p.rules_before = (uint32_t)policy->rule_count;
        p.rv = keep_name(policy, i, sources[i].name);
        if (p.rv == CKR_OK)
            (void)parse_source(&p);
    }
    parse_end(&p);
    intern_release(&ids);
    return p.rv;
}

/* Each policy error is also the thread's reason. */
static CK_RV report(CK_RV rv, const struct policy_error *error)
{
    if (rv != CKR_ARGUMENTS_BAD)
        return rv;
    if (error->line == 0)
        return fail(rv, "%s: %s", error->source != NULL ? error->source : "policy", error->message);
    return fail(rv, "%s:%u:%u: %s", error->source != NULL ? error->source : "policy", error->line,
                error->column, error->message);
}

CK_RV policy_load(const struct policy_source *sources, size_t count, struct policy **ret,
                  struct policy_error *ret_error)
{
    SCOPED(policy_free_p) struct policy *policy = NULL;
    CK_RV rv;

    if (!fits(sources, count, ret_error))
        return report(CKR_ARGUMENTS_BAD, ret_error);
    policy = calloc(1, sizeof(*policy));
    if (policy == NULL)
        return fail_memory();
    policy->sources = calloc(count + 1, sizeof(*policy->sources));
    if (policy->sources == NULL)
        return fail_memory();
    rv = parse_all(policy, sources, count, ret_error);
    if (rv != CKR_OK)
        return report(rv, ret_error);
    if (!index_build(policy))
        return fail_memory();
    *ret = TAKE(policy);
    return CKR_OK;
}

void policy_free(struct policy *policy)
{
    if (policy == NULL)
        return;
    index_release(&policy->index);
    intern_release(&policy->strings);
    intern_release(&policy->uids);
    arena_release(&policy->arena);
    free(policy->nodes);
    free(policy->lists);
    free(policy->values);
    free(policy->rules);
    free(policy->notes);
    free(policy->sources);
    free(policy);
}

size_t policy_count(const struct policy *policy)
{
    return policy != NULL ? policy->rule_count : 0;
}

const char *policy_id(const struct policy *policy, size_t index)
{
    return index < policy_count(policy) ? policy->rules[index].id : NULL;
}

bool policy_is_forbid(const struct policy *policy, size_t index)
{
    return index < policy_count(policy) && policy->rules[index].forbid;
}

bool policy_speaks_of(const struct policy *policy, const char *name)
{
    return intern_find_string(&policy->strings, bytes_from_str(name)) != INTERN_NONE;
}

bool policy_is_for_actions(const struct policy *policy, size_t index)
{
    return index < policy_count(policy) &&
           policy->rules[index].scopes[VARIABLE_ACTION].kind != SCOPE_ANY;
}

bool policy_names(const struct policy *policy, const struct policy_uid *uid)
{
    return intern_find(&policy->uids, *uid) != INTERN_NONE;
}

const char *policy_annotation(const struct policy *policy, size_t index, const char *name)
{
    const struct rule *rule;

    if (index >= policy_count(policy))
        return NULL;
    rule = &policy->rules[index];
    for (uint32_t i = 0; i < rule->note_count; i++) {
        if (strcmp(policy->notes[rule->notes + i].name, name) == 0)
            return policy->notes[rule->notes + i].value;
    }
    return NULL;
}
