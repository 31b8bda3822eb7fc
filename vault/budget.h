/*
 * Budgets: how often something may be done, in each period and ever, counted for all processes of
 * the home. A process takes a lease, a few uses at once, which are counted as used from then on;
 * what is left of it it gives back. A process that is killed has lost the rest of its lease:
 * counting errs on the strict side, never on the other.
 */
#ifndef KEYWARD_VAULT_BUDGET_H
#define KEYWARD_VAULT_BUDGET_H

#include "vault/vault.h"

/* Periods follow each other from the first use on; each has its own `rate`. */
struct budget_limit {
    uint64_t rate;  /* uses in a period of: */
    int64_t period; /* seconds; 0: no limit of this kind */
    uint64_t uses;  /* ever */
    bool has_uses;
};

struct budget_lease {
    uint64_t left;
    int64_t started; /* of the period they are of, seconds since 1970; 0 without one */
};

/* What is counted has any name. CKR_DEVICE_MEMORY when nothing is left. now before the period's
 * beginning is in it: a clock that goes back gives nothing. */
MUST_CHECK CK_RV budget_take(struct store *store, const uint8_t vault_id[static VAULT_ID_LEN],
                             struct bytes name, const struct budget_limit *limit, int64_t now,
                             struct budget_lease *ret);
MUST_CHECK CK_RV budget_give_back(struct store *store, const uint8_t vault_id[static VAULT_ID_LEN],
                                  struct bytes name, const struct budget_lease *lease);

#endif
