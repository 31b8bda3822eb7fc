/*
 * Sealed records: the one way anything but keys gets into the store's file and out of it. All
 * functions stand between store_enter() and store_leave().
 *
 * A record is sealed under its slot's key with everything beside it on its row as associated data,
 * and fenced (fence.c): edited, swapped, moved or put back, it does not open, and the reason says
 * which one and what to do.
 */
#ifndef KEYWARD_VAULT_RECORD_H
#define KEYWARD_VAULT_RECORD_H

#include "vault/store_int.h"

#define RECORD_MAX                                                                                 \
    (11 << 20) /* bytes of one record before sealing: 10 MiB of data, and its names */

enum record_kind {
    RECORD_VALUE = 1, /* of the home */
    RECORD_VAULT,     /* of the home */
    RECORD_POLICY,
    RECORD_USER,
    RECORD_OBJECT,
    RECORD_LINK, /* of the directory */
    RECORD_ISSUER,
    RECORD_APPROVAL,
    RECORD_BUDGET,
    RECORD_PENDING,
    RECORD_KINDS_END
};

/* What stands on the row beside the sealed content. id, label_tag and id_tag are random or keyed
 * hashes. */
struct record {
    enum record_kind kind;
    int64_t seq; /* number of the row: a later one's is greater; set by what reads */
    uint8_t id[STORE_ID_LEN];
    uint64_t version;    /* of an object's name; else 0 */
    uint64_t generation; /* number of the write that made this row */
    uint64_t cls;        /* of an object; else 0 */
    bool deleted;
    uint8_t label_tag[TAG_LEN];
    uint8_t id_tag[TAG_LEN];
};

/* content is cleared first, released securely by the caller. Absent: CKR_OK and *ret_found false.
 */
MUST_CHECK CK_RV record_get(struct store *store, struct keys *keys, enum record_kind kind,
                            const uint8_t id[static STORE_ID_LEN], struct record *ret,
                            struct buf *content, bool *ret_found);
/* Sets record->generation. The id must be new. */
MUST_CHECK CK_RV record_add(struct store *store, struct keys *keys, struct record *record,
                            struct bytes content);
/* Replaces the row of that kind and id, whatever its generation: the caller has read it in the same
 * transaction. Sets record->generation. */
MUST_CHECK CK_RV record_set(struct store *store, struct keys *keys, struct record *record,
                            struct bytes content);
/* Adds or replaces one that has nothing beside its content. */
MUST_CHECK CK_RV record_put(struct store *store, struct keys *keys, enum record_kind kind,
                            const uint8_t id[static STORE_ID_LEN], struct bytes content);
MUST_CHECK CK_RV record_remove(struct store *store, struct keys *keys, enum record_kind kind,
                               const uint8_t id[static STORE_ID_LEN]);
MUST_CHECK CK_RV record_count(struct store *store, struct keys *keys, enum record_kind kind,
                              bool deleted, uint64_t *ret);

/* Which records: all of a kind, or those of one label_tag or id_tag (NULL: any), in order of
 * creation. */
struct record_query {
    enum record_kind kind;
    bool deleted; /* those deleted, or those not */
    bool either;  /* both */
    const uint8_t *label_tag, *id_tag;
    bool has_cls;
    uint64_t cls;
};

/* each sees every record opened; sets *ret_more to false to end. Its failure ends the walk and is
 * returned. */
typedef CK_RV record_each(void *ctx, const struct record *record, struct bytes content,
                          bool *ret_more);
MUST_CHECK CK_RV record_walk(struct store *store, struct keys *keys,
                             const struct record_query *query, record_each *each, void *ctx);

/* A part of a walk: at most `rows` of the rows that the index gives behind row `after`, those that
 * the query leaves out among them. */
struct record_page {
    int64_t after; /* 0: from the first; becomes the last row that was looked at */
    size_t rows;
    bool last; /* set: no row is behind it */
};
MUST_CHECK CK_RV record_walk_page(struct store *store, struct keys *keys,
                                  const struct record_query *query, struct record_page *page,
                                  record_each *each, void *ctx);

#endif
