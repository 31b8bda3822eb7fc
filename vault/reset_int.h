/* The parts of vault_reset(), each by the file that owns the records; all in its one transaction.
 */
#ifndef KEYWARD_VAULT_RESET_INT_H
#define KEYWARD_VAULT_RESET_INT_H

#include "vault/store_int.h"

/* Every object that is not deleted becomes so now. */
MUST_CHECK CK_RV object_delete_all(struct store *store, struct keys *keys);
/* Every user goes, but the one of that name. */
MUST_CHECK CK_RV user_remove_all(struct store *store, struct keys *keys, const char *but);

/* Every issuer goes. */
MUST_CHECK CK_RV issuer_remove_all(struct store *store, struct keys *keys);

/* Every pending change goes. */
MUST_CHECK CK_RV pending_remove_all(struct store *store, struct keys *keys);

/* Every approval goes. */
MUST_CHECK CK_RV approval_remove_all(struct store *store, struct keys *keys);

#endif
