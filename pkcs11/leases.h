/*
 * The leases of this process (vault/budget.h): uses that are counted already, and spent here
 * without the store. Given back when the engine goes. One an engine; a child of a fork has none.
 */
#ifndef KEYWARD_PKCS11_LEASES_H
#define KEYWARD_PKCS11_LEASES_H

#include "vault/budget.h"

struct leases;

MUST_CHECK CK_RV leases_new(struct leases **ret);
/* store may be NULL: nothing is given back. NULL is fine. */
void leases_free(struct leases *leases, struct store *store);

/* Spends one use of what has this name (up to LEASE_NAME_MAX bytes): CKR_DEVICE_MEMORY when none is
 * left. now is in seconds since 1970. */
#define LEASE_NAME_MAX 2048
MUST_CHECK CK_RV leases_spend(struct leases *leases, struct store *store,
                              const struct vault_info *vault, struct bytes name,
                              const struct budget_limit *limit, int64_t now);

/* "100/1h" and "1000" of the annotations @rate and @uses; NULL: not there. False where one cannot
 * be read: then limit allows nothing. */
bool leases_parse_limit(const char *rate, const char *uses, struct budget_limit *ret);

#endif
