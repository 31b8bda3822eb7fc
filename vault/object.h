/*
 * Objects of a vault, in the store. An object is a list of attributes (what PKCS#11 sees) and what
 * a vault adds: version, state, dates, protection, the HSM's key id.
 */
#ifndef KEYWARD_VAULT_OBJECT_H
#define KEYWARD_VAULT_OBJECT_H

#include "base/attrs.h"
#include "base/secret.h"
#include "vault/vault.h"

#define OBJECT_ID_LEN 16

enum object_state {
    OBJECT_ENABLED,
    OBJECT_DISABLED,
    OBJECT_DELETED, /* hidden from PKCS#11; recoverable until deleted_at + retention */
};

struct object {
    uint8_t id[OBJECT_ID_LEN]; /* random; CKA_UNIQUE_ID is its hex */
    uint8_t vault[VAULT_ID_LEN];
    uint64_t generation; /* of this record: grows with each write */
    CK_OBJECT_CLASS cls;
    struct attrs attrs; /* all PKCS#11 attributes but the vault's own; CKA_LABEL, CKA_ID, CKA_CLASS
                           among them */
    uint64_t version;   /* of its name, from 1 */
    enum object_state state;
    bool was_disabled;           /* where deleted: recovered, it is disabled again */
    int64_t created, updated;    /* seconds since 1970 */
    int64_t deleted_at;          /* 0: not deleted */
    int64_t not_before, expires; /* seconds since 1970; 0: none */
    enum protection protection;  /* meaningful for private and secret keys */
    bool has_hsm_key; /* private and secret keys: there is a key on the device of protection */
    struct hsm_key hsm_key; /* where has_hsm_key */
    /* The key itself, where protection is software: PKCS#8 PrivateKeyInfo of a private key, the
     * value of a secret key. NULL otherwise, and in what object_find() shows. */
    struct secret *material;
};

#define OBJECT_MATERIAL_MAX 65536U /* bytes */

void object_release(struct object *object); /* the contents, not the struct; material wiped */
MUST_CHECK CK_RV object_copy(struct object *to, const struct object *from);

/* Writes new objects (one or, for a key pair, two) in one transaction: all or nothing. ids are the
 * caller's (random), generation is set here. Where a label and class already have a version that
 * high, all of them get the next one. */
MUST_CHECK CK_RV object_insert(struct store *store, struct object *const *objects, size_t count);
/* CKR_OBJECT_HANDLE_INVALID when there is none. Deleted objects are returned with their state. */
MUST_CHECK CK_RV object_get(struct store *store, const struct vault_info *vault,
                            const uint8_t id[static OBJECT_ID_LEN], struct object *ret);
/* Replaces the record; CKR_FUNCTION_REJECTED when generation is no longer the record's. A record
 * with material is not replaced by one without: that would be the end of the key. */
MUST_CHECK CK_RV object_update(struct store *store, struct object *object);
/* Removes the record for good. CKR_OK when it was gone. */
MUST_CHECK CK_RV object_purge(struct store *store, const struct vault_info *vault,
                              const uint8_t id[static OBJECT_ID_LEN]);

/* What to look for. Absent members match all. label and id go by index: cost does not grow with the
 * vault. */
struct object_query {
    bool has_label, has_id, has_class;
    struct bytes label, id;
    CK_OBJECT_CLASS cls;
    bool deleted; /* only deleted ones; false: only those not deleted */
};

/*
 * Calls each for every object that matches, in order of creation, until it returns false. The
 * object is borrowed during the call and comes without its material; each may not call the store.
 */
MUST_CHECK CK_RV object_find(struct store *store, const struct vault_info *vault,
                             const struct object_query *query,
                             bool (*each)(void *ctx, const struct object *object), void *ctx);
/*
 * The same in portions, in the same order: one call looks at OBJECT_FIND_ROWS records at most and
 * holds the store no longer. Between two calls the vault may change: no object is shown twice, one
 * that is made meanwhile may be shown or not. each may take the object's contents and leave it
 * zeroed. A call that fails leaves the cursor as it was.
 *
 * generation is the store's (store_generation()): what is shown is of that one or later. A label or
 * id that is looked for again is answered from memory (lookups.h).
 */
#define OBJECT_FIND_ROWS 256U
struct object_cursor {
    int64_t after; /* the row looked at last; from {0} */
    bool end;      /* there are no more */
};
MUST_CHECK CK_RV object_find_some(struct store *store, const struct vault_info *vault,
                                  const struct object_query *query, uint64_t generation,
                                  struct object_cursor *cursor,
                                  bool (*each)(void *ctx, int64_t row, struct object *object),
                                  void *ctx);
MUST_CHECK CK_RV object_count(struct store *store, const struct vault_info *vault, uint64_t *ret);

#endif
