/*
 * What the files of this room share: the open store, the keys of one slot, and the shape of every
 * call:
 *
 *   rv = store_enter(store, vault_id, STORE_READ, &keys);
 *   if (rv == CKR_OK) rv = store_leave(store, the_one_thing(store, keys, ...));
 *
 * store_enter takes the lock, fetches keys (from the HSM the first time, before the transaction
 * begins) and begins; store_leave commits or rolls back and gives the lock up. Slot 0 is the home.
 */
#ifndef KEYWARD_VAULT_STORE_INT_H
#define KEYWARD_VAULT_STORE_INT_H

#include "base/secret.h"
#include "vault/db.h"
#include "vault/der.h"
#include "vault/fenced.h"
#include "vault/vault.h"

#include <pthread.h>

#define STORE_ID_LEN 16
#define TAG_LEN      16
#define MAC_LEN      32
#define BUCKETS      256
#define KEK_ID_LEN   HSM_ID_LEN

/* Derived from the data key of a slot; each 32 bytes, one behind the other in one secret. */
enum key_use { KEY_SEAL, KEY_LOOKUP, KEY_FENCE, KEY_LOG, KEY_USES };

struct keys {
    int64_t slot;
    uint8_t id[STORE_ID_LEN];
    struct secret *derived;
    struct local_mac *lookup; /* under KEY_LOOKUP, for one value after another; NULL: none yet */
    /* What was compared with its fence since the last change by somebody else. */
    bool root_checked;
    bool bucket_checked[BUCKETS];
    struct fenced fenced[BUCKETS]; /* rows of those that were compared or made */
    /* What the write now in progress has to fence anew. */
    bool root_due;
    bool bucket_due[BUCKETS];
};

struct store {
    pthread_mutex_t lock; /* guards all below; taken first, before any lock of the file */
    struct db *db;
    char *path;
    char *lock_dir;
    struct hsm *hsm;
    struct local *local;
    const struct clock *clock;
    struct der *der;
    struct keys **keys; /* [0] is the home's */
    size_t keys_count;
    int64_t data_version; /* SQLite's, when the fences were last believed */
    bool fences_due;      /* some keys' root_due */
    bool top_checked;
    int64_t counter;               /* of the last write, where top_checked */
    struct generation *generation; /* has locks of its own: generation.c */
    struct lookups *lookups;       /* has a lock of its own: lookups.h */
};

enum store_access { STORE_READ, STORE_WRITE };

MUST_CHECK CK_RV store_enter(struct store *store, const uint8_t *vault_id, enum store_access access,
                             struct keys **ret);
MUST_CHECK CK_RV store_leave(struct store *store, CK_RV rv);
int64_t store_now(const struct store *store); /* seconds since 1970 */

/* ---- generation.c: has anything changed? ---- */

struct generation; /* NULL without memory */
struct generation *generation_new(void);
void generation_free(struct generation *g); /* NULL is fine */
/* Looks at the file; ret may be NULL. Called by store_generation(), and in every transaction. */
MUST_CHECK CK_RV generation_look(struct store *store, uint64_t *ret);
/* Of a mark that was looked at otherwise. */
void generation_saw(struct store *store, uint64_t mark);
/* The vaults by slot as they were last read; false when the one kept is of an older generation. */
bool generation_vault(struct store *store, uint64_t generation, CK_SLOT_ID slot,
                      struct vault_info *ret);
void generation_keep_vault(struct store *store, uint64_t generation, const struct vault_info *info);

/* ---- keys.c ---- */

/* A data key's row as it is on disk. */
struct keyring_row {
    int64_t slot;
    uint8_t id[STORE_ID_LEN];
    uint8_t kek[KEK_ID_LEN];
    struct buf wrapped;
};

/* A random id, a KEK generated in the HSM, a data key wrapped by it. On failure nothing is left in
 * the HSM. */
MUST_CHECK CK_RV keys_make(struct hsm *hsm, struct local *local, struct keyring_row *ret);
/* Takes the KEK out of the HSM again, for a row that was not written after all. */
void keys_unmake(struct hsm *hsm, struct keyring_row *row);
/* Unwraps with the HSM. Wrong, missing or foreign KEK: CKR_DEVICE_ERROR with the reason. */
MUST_CHECK CK_RV keys_open(struct hsm *hsm, struct local *local, const struct keyring_row *row,
                           struct keys **ret);
void keys_free(struct keys *keys);
struct bytes keys_use(const struct keys *keys, enum key_use use);
/* The lookup column for a value: HMAC(lookup key, what | value), cut. Says nothing about the value
 * without the key. */
MUST_CHECK CK_RV keys_tag(struct local *local, struct keys *keys, const char *what,
                          struct bytes value, uint8_t ret[static TAG_LEN]);

/* ---- fence.c: a row put back to what it once was is found out ---- */

/* Compares the top once, then root and bucket of the slot; cheap where nobody else has written
 * since. */
MUST_CHECK CK_RV fence_check_top(struct store *store);
MUST_CHECK CK_RV fence_check(struct store *store, struct keys *keys, uint8_t bucket);
/* The same, and: is a row of this id, kind and generation among what the fence covers? */
MUST_CHECK CK_RV fence_check_row(struct store *store, struct keys *keys,
                                 const uint8_t id[static STORE_ID_LEN], int64_t kind,
                                 uint64_t generation, bool *ret_there);
/* After rows of a bucket changed, in a write: bucket, root and top are due. */
void fence_due(struct store *store, struct keys *keys, uint8_t bucket);
/* Makes those of one slot, for keys that the store does not hold yet. */
MUST_CHECK CK_RV fence_write_slot(struct store *store, struct keys *keys);
/* Makes all that are due; before the commit. */
MUST_CHECK CK_RV fence_write_due(struct store *store);
/* The number of the write now in progress, never given before. */
MUST_CHECK CK_RV fence_next(struct store *store, uint64_t *ret);
/* Root of an empty slot, and the top: for a key ring that got a row. */
MUST_CHECK CK_RV fence_begin(struct store *store, struct keys *keys);
/* Nothing is believed any more. */
void fence_forget(struct store *store);

SCOPE_DEFINE(struct keys, keys_free)

#endif
