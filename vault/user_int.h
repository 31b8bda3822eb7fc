/* A user's record, shared by user.c and login.c. */
#ifndef KEYWARD_VAULT_USER_INT_H
#define KEYWARD_VAULT_USER_INT_H

#include "vault/record.h"
#include "vault/vault.h"

#define USER_SALT_LEN 16
#define USER_HASH_LEN 32

/* Not to be copied by assignment alone: its spans point into the struct (user_set_hash,
 * user_set_identity). */
struct user {
    char name[USER_NAME_MAX + 1];
    int64_t created;
    int64_t failures;        /* since the last good PIN */
    struct bytes salt, hash; /* empty without a PIN */
    struct bytes identity;   /* empty in a record that was made before there were any */
    uint8_t salt_data[USER_SALT_LEN];
    uint8_t hash_data[USER_HASH_LEN];
    uint8_t identity_data[USER_IDENTITY_LEN];
};

void user_set_hash(struct user *user, struct bytes salt, struct bytes hash);
void user_set_identity(struct user *user, struct bytes identity);

/* A new user with salt, hash and identity, not yet written; outside a call, since hashing takes its
 * time. */
MUST_CHECK CK_RV user_make(struct store *store, const char *name, struct bytes pin,
                           struct user *ret);

/* Inside a call. CKR_ACTION_PROHIBITED when the name is taken. */
MUST_CHECK CK_RV user_write_new(struct store *store, struct keys *keys, const struct user *user);
/* Inside a call. CKR_USER_PIN_NOT_INITIALIZED when there is no such user. */
MUST_CHECK CK_RV user_read(struct store *store, struct keys *keys, const char *name,
                           struct user *ret);
MUST_CHECK CK_RV user_write(struct store *store, struct keys *keys, const struct user *user);

#endif
