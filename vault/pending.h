/* Changes of rights that wait until other administrators have confirmed them. Sealed records, found
 * by the hash by which administrators name them. */
#ifndef KEYWARD_VAULT_PENDING_H
#define KEYWARD_VAULT_PENDING_H

#include "vault/vault.h"

#define PENDING_HASH_LEN      32
#define PENDING_PRINCIPAL_MAX 288 /* bytes of Cedar text: User::"alice" */
#define PENDING_VERDICT_MAX   256
#define PENDING_CONFIRMED_MAX 4608 /* of VAULT_CONFIRMATIONS_MAX principals, a line each */
#define PENDING_REQUEST_MAX   (10 << 20)

struct pending {
    uint8_t hash[PENDING_HASH_LEN]; /* of all that is asked for, and of base */
    char applier[PENDING_PRINCIPAL_MAX + 1];
    char base[65]; /* hash of the policy in force when it was asked for */
    char verdict[PENDING_VERDICT_MAX + 1];
    char confirmed[PENDING_CONFIRMED_MAX + 1];
    int64_t created, expires; /* seconds since 1970 */
};

/* Adds, or replaces the one of that hash. */
MUST_CHECK CK_RV pending_put(struct store *store, const struct vault_info *vault,
                             const struct pending *pending, struct bytes request);
/* CKR_ACTION_PROHIBITED when there is none of that hash. request is cleared first. */
MUST_CHECK CK_RV pending_get(struct store *store, const struct vault_info *vault,
                             const uint8_t hash[static PENDING_HASH_LEN], struct pending *ret,
                             struct buf *request);
MUST_CHECK CK_RV pending_remove(struct store *store, const struct vault_info *vault,
                                const uint8_t hash[static PENDING_HASH_LEN]);
/* each sees all of them; what it returns that is not CKR_OK ends the walk. */
MUST_CHECK CK_RV pending_each(struct store *store, const struct vault_info *vault,
                              CK_RV (*each)(void *ctx, const struct pending *pending,
                                            struct bytes request),
                              void *ctx);

#endif
