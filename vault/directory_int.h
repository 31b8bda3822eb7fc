/* What of the directory goes with users and vaults; inside a write. */
#ifndef KEYWARD_VAULT_DIRECTORY_INT_H
#define KEYWARD_VAULT_DIRECTORY_INT_H

#include "vault/store_int.h"

/* Bindings to the user and its memberships. */
MUST_CHECK CK_RV directory_forget_user(struct store *store, struct keys *keys, const char *user);
/* All of it. */
MUST_CHECK CK_RV directory_clear(struct store *store, struct keys *keys);

#endif
