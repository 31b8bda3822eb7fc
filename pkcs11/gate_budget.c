/*
 * Budgets at the gate: a permit with @rate("100/1h") or @uses("1000") permits so many uses of each
 * key by each principal. It is the permit that is used up: where another one without a budget holds
 * too, the use is free, and of several with budgets the first that has something left is spent.
 */
#include "pkcs11/gate_int.h"
#include "pkcs11/leases.h"

#define NS_PER_S INT64_C(1000000000)

/* Which budget: of a permit, for a key and a principal. */
static CK_RV spend_of(const struct question *q, const char *rule, const struct budget_limit *limit)
{
    int64_t now = clock_realtime(engine_clock(q->run->app->engine)) / NS_PER_S;
    struct buf name = BUF_INIT(LEASE_NAME_MAX);
    char who[PRINCIPAL_MAX + 33];
    CK_RV rv;

    who_text(q->run, &q->login, who, sizeof(who));
    buf_printf(&name, "%s\n%s\n", rule, who);
    buf_put(&name, q->ask->object->id, OBJECT_ID_LEN);
    rv = buf_ok(&name) ? leases_spend(engine_leases(q->run->app->engine), run_store(q->run),
                                      &q->run->vault, buf_bytes(&name), limit, now)
                       : fail(CKR_FUNCTION_FAILED, "the id of a policy with a budget is too long");
    buf_release(&name);
    return rv;
}

static const char *annotation(const struct question *q, size_t reason, const char *name)
{
    return policy_annotation(q->rules->policy, q->reasons[reason], name);
}

CK_RV question_spend(struct question *q)
{
    size_t stored = q->verdict.reason_count < QUESTION_REASONS_MAX ? q->verdict.reason_count
                                                                   : QUESTION_REASONS_MAX;
    struct budget_limit limit;
    CK_RV rv = CKR_DEVICE_MEMORY;

    if (!q->rules->budgets)
        return CKR_OK;
    for (size_t i = 0; i < stored; i++)
        if (annotation(q, i, "rate") == NULL && annotation(q, i, "uses") == NULL)
            return CKR_OK;
    for (size_t i = 0; i < stored && rv == CKR_DEVICE_MEMORY; i++) {
        q->spent = policy_id(q->rules->policy, q->reasons[i]);
        (void)leases_parse_limit(annotation(q, i, "rate"), annotation(q, i, "uses"), &limit);
        rv = spend_of(q, q->spent, &limit);
    }
    if (rv != CKR_DEVICE_MEMORY) {
        q->spent = NULL;
        return rv;
    }
    q->verdict.allow = false;
    return CKR_OK;
}
