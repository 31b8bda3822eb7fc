/* A vault's records, shared by vault.c and create.c; all inside a call. */
#ifndef KEYWARD_VAULT_VAULT_INT_H
#define KEYWARD_VAULT_VAULT_INT_H

#include "vault/record.h"

MUST_CHECK CK_RV vault_check_name_is_free(struct store *store, const char *name);
/* Sets record's label tag and generation. */
MUST_CHECK CK_RV vault_write(struct store *store, const struct vault_info *info,
                             struct record *record, bool is_new);
/* Empty where none was ever set. */
MUST_CHECK CK_RV vault_read_policy(struct store *store, struct keys *keys, struct buf *ret);
MUST_CHECK CK_RV vault_write_policy(struct store *store, struct keys *keys, struct bytes text);
/* From was to becomes: CKR_FUNCTION_REJECTED when it is another that is in force. */
MUST_CHECK CK_RV vault_swap_policy(struct store *store, struct keys *keys, struct bytes was,
                                   struct bytes becomes);

#endif
