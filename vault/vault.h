/*
 * Vaults, their users and policies, in the store. Reads copy out; the caller releases. Writes are
 * one durable transaction each.
 */
#ifndef KEYWARD_VAULT_VAULT_H
#define KEYWARD_VAULT_VAULT_H

#include "vault/store.h"

#define VAULT_ID_LEN 16
#define VAULT_NAME_MAX                                                                             \
    32 /* a token label: 1..32 bytes of [A-Za-z0-9._-], not beginning with '-' or '.' */
#define USER_NAME_MAX                                                                              \
    64              /* 1..64 bytes of [A-Za-z0-9._@-]; "so" is the security officer and reserved */
#define PIN_MIN   4 /* bytes */
#define PIN_MAX   255
#define PIN_TRIES 10 /* failures until locked */

enum protection { PROTECTION_HSM, PROTECTION_SOFTWARE };

/* "hsm", "software". */
const char *protection_name(enum protection protection);
/* CKR_ATTRIBUTE_VALUE_INVALID when it is neither. */
MUST_CHECK CK_RV protection_parse(struct bytes name, enum protection *ret);

#define VAULT_CONFIRMATIONS_MAX 16

struct vault_info {
    uint8_t id[VAULT_ID_LEN];
    char name[VAULT_NAME_MAX + 1];
    CK_SLOT_ID slot;            /* from 1, never given twice in a home */
    enum protection protection; /* default for new keys */
    int64_t created;            /* seconds since 1970 */
    int64_t retention;          /* seconds a deleted object can be recovered; default 90 days */
    bool purge_protection;
    unsigned confirmations; /* administrators who must stand behind a change that widens the rights
                               of one of them; 0: one where there is one, else two */
    bool legacy;            /* offers what is broken or weak, for old data: mech.legacy */
    char default_user[USER_NAME_MAX + 1]; /* "" when there is none */
    uint8_t log_key[32];                  /* key of the digests in the log */
    uint64_t generation;                  /* of this record */
};

/* As user_add() takes them. */
struct vault_user {
    const char *name;
    struct bytes pin;
};

#define VAULT_USERS_MAX 4

struct vault_spec {
    const char *name;
    enum protection protection;
    int64_t retention; /* 0: default */
    bool purge_protection;
    bool legacy;
    struct vault_user users[VAULT_USERS_MAX]; /* it has from the start; name NULL ends them */
    const char *default_user;                 /* one of these; NULL: none */
    struct bytes policy;                      /* empty: none is set */
};

bool vault_name_is_valid(const char *name);
bool user_name_is_valid(const char *name);

/* Makes the vault's KEK in the HSM, its data key, its record, users and policy: all of it, or no
 * vault. CKR_ACTION_PROHIBITED when the name is taken; a bad user as user_add() says. */
MUST_CHECK CK_RV vault_create(struct store *store, const struct vault_spec *spec,
                              struct vault_info *ret);
/* Sorted by slot. The caller frees *ret. */
MUST_CHECK CK_RV vault_list(struct store *store, struct vault_info **ret, size_t *ret_count);
/* By name or slot: CKR_OK, or CKR_SLOT_ID_INVALID when there is none. */
MUST_CHECK CK_RV vault_get(struct store *store, const char *name, struct vault_info *ret);
MUST_CHECK CK_RV vault_get_slot(struct store *store, CK_SLOT_ID slot, struct vault_info *ret);
/* The same for a caller who knows the generation: from memory where it was read at that one or
 * later. */
MUST_CHECK CK_RV vault_of_slot(struct store *store, CK_SLOT_ID slot, uint64_t generation,
                               struct vault_info *ret);
/* Renames (NULL: keeps) and writes protection, retention, purge_protection, legacy,
 * default_user. CKR_FUNCTION_REJECTED when info->generation is no longer the record's (somebody
 * else changed it).
 */
MUST_CHECK CK_RV vault_update(struct store *store, const struct vault_info *info,
                              const char *new_name);

/*
 * The vault as new, in one transaction: every object deleted (state OBJECT_DELETED, recoverable as
 * after any deletion), every user but "so" removed and the directory and the issuers (directory.h,
 * issuer.h) gone, no default user, policy emptied, renamed to new_name. CKR_ACTION_PROHIBITED when
 * another vault has that name.
 */
MUST_CHECK CK_RV vault_reset(struct store *store, const struct vault_info *vault,
                             const char *new_name);

/* Policy text in force; empty when none was ever set. */
MUST_CHECK CK_RV vault_get_policy(struct store *store, const struct vault_info *vault,
                                  struct buf *ret);
MUST_CHECK CK_RV vault_set_policy(struct store *store, const struct vault_info *vault,
                                  struct bytes text);

/* The same where it is `was` that is in force: CKR_FUNCTION_REJECTED when it is not (somebody else
 * changed it meanwhile). */
MUST_CHECK CK_RV vault_replace_policy(struct store *store, const struct vault_info *vault,
                                      struct bytes was, struct bytes becomes);

#define USER_IDENTITY_LEN 16

struct user_info {
    char name[USER_NAME_MAX + 1];
    uint8_t identity[USER_IDENTITY_LEN]; /* drawn by user_add(): one that was removed and added
                                            again under its name is another user */
    unsigned failures;                   /* since the last good PIN */
    bool locked;                         /* failures >= PIN_TRIES */
    bool has_pin;
    int64_t created; /* seconds since 1970 */
};

/* "so" too. CKR_ACTION_PROHIBITED when the name is taken; CKR_PIN_LEN_RANGE, CKR_PIN_INVALID (a NUL
 * byte) for a bad PIN. BYTES_NONE: a user without a PIN, who cannot log in until one is set. */
MUST_CHECK CK_RV user_add(struct store *store, const struct vault_info *vault, const char *name,
                          struct bytes pin);
/* The same, and the vault's policy goes from `was` to `becomes` with it: both or neither.
 * CKR_FUNCTION_REJECTED when it is not `was` (somebody else changed it meanwhile). */
MUST_CHECK CK_RV user_add_with_policy(struct store *store, const struct vault_info *vault,
                                      const char *name, struct bytes pin, struct bytes was,
                                      struct bytes becomes);
/* Sorted by name. The caller frees *ret. */
MUST_CHECK CK_RV user_list(struct store *store, const struct vault_info *vault,
                           struct user_info **ret, size_t *ret_count);
/* CKR_OK, or CKR_USER_PIN_NOT_INITIALIZED when there is no such user. */
MUST_CHECK CK_RV user_get(struct store *store, const struct vault_info *vault, const char *name,
                          struct user_info *ret);
/* Sets a new PIN and forgets failures. */
MUST_CHECK CK_RV user_set_pin(struct store *store, const struct vault_info *vault, const char *name,
                              struct bytes pin);
MUST_CHECK CK_RV user_unlock(struct store *store, const struct vault_info *vault, const char *name);
MUST_CHECK CK_RV user_remove(struct store *store, const struct vault_info *vault, const char *name);
/*
 * One try: CKR_OK, CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_USER_PIN_NOT_INITIALIZED. The failure is
 * on disk before the PIN is looked at, so no kill buys a free try; tries on one user are serialised
 * over all processes (flock), so many good logins at once never lock anybody out. A locked user is
 * refused without looking at the PIN. An unknown user costs the same time.
 */
MUST_CHECK CK_RV user_verify(struct store *store, const struct vault_info *vault, const char *name,
                             struct bytes pin);

#endif
