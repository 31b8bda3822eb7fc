/*
 * What a record says of a change of policy: the hash of what is in force afterwards, and how it
 * relates to what was. The hash of what was in force before is every record's member "policy".
 */
#include "pkcs11/gate.h"

#include "pkcs11/call.h"
#include "policy/analysis.h"

/* Evaluations spent on the comparison: a fraction of a second. Nobody's change waits for more. */
#define WORK_MAX UINT64_C(1000000)

static const char *const relations[] = {
    [POLICY_SAME] = "equal",          [POLICY_STRICTER] = "stricter",
    [POLICY_LOOSER] = "looser",       [POLICY_INCOMPARABLE] = "incomparable",
    [POLICY_UNDECIDED] = "undecided",
};

/* Of the vault's own texts, as `keyward policy diff` compares them. One of the two that does not
 * load (what was may be another version's) cannot be compared. */
static enum policy_relation compare(struct bytes was, struct bytes text)
{
    const struct policy_source sources[] = {{.name = "old", .text = was, .prefix = "old:"},
                                            {.name = "new", .text = text, .prefix = "new:"}};
    struct policy_difference difference = {.relation = POLICY_UNDECIDED};
    enum policy_relation relation = POLICY_UNDECIDED;
    struct policy_error error;
    struct policy *both = NULL;

    if (policy_load(sources, 2, &both, &error) != CKR_OK)
        return POLICY_UNDECIDED;
    if (policy_check(both, &error, 1) == 0 &&
        policy_compare(both, WORK_MAX, &difference) == CKR_OK) {
        relation = difference.relation;
        policy_difference_release(&difference);
    }
    policy_free(both);
    return relation;
}

CK_RV gate_policy_change(struct run *run, struct bytes was, struct bytes text)
{
    CK_RV rv = engine_policy_hash(run->app->engine, text, run->gate.new_policy);

    run->gate.policy_change = rv == CKR_OK ? relations[compare(was, text)] : NULL;
    return rv;
}
