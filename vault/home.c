/* Named values of the home, and the check of a whole store for `keyward doctor`. See store.h. */
#include "vault/record.h"

#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static CK_RV read_value(struct store *store, struct keys *home, const char *name, struct buf *ret)
{
    uint8_t id[STORE_ID_LEN];
    struct record record;
    bool found = false;
    CK_RV rv = keys_tag(store->local, home, "value", bytes_from_str(name), id);

    return rv == CKR_OK ? record_get(store, home, RECORD_VALUE, id, &record, ret, &found) : rv;
}

CK_RV store_get_home(struct store *store, const char *name, struct buf *ret)
{
    struct keys *home = NULL;
    CK_RV rv = store_enter(store, NULL, STORE_READ, &home);

    return rv == CKR_OK ? store_leave(store, read_value(store, home, name, ret)) : rv;
}

static CK_RV write_value(struct store *store, struct keys *home, const char *name,
                         struct bytes value)
{
    uint8_t id[STORE_ID_LEN];
    CK_RV rv = keys_tag(store->local, home, "value", bytes_from_str(name), id);

    return rv == CKR_OK ? record_put(store, home, RECORD_VALUE, id, value) : rv;
}

CK_RV store_set_home(struct store *store, const char *name, struct bytes value)
{
    struct keys *home = NULL;
    CK_RV rv = store_enter(store, NULL, STORE_WRITE, &home);

    return rv == CKR_OK ? store_leave(store, write_value(store, home, name, value)) : rv;
}

/* ---- the whole store ---- */

static CK_RV count_record(void *ctx, const struct record *record, struct bytes content,
                          bool *ret_more)
{
    (void)record;
    (void)content;
    (*(uint64_t *)ctx)++;
    *ret_more = true;
    return CKR_OK;
}

static CK_RV check_slot(struct store *store, struct keys *keys, uint64_t *count)
{
    CK_RV rv = CKR_OK;

    for (unsigned bucket = 0; bucket < BUCKETS && rv == CKR_OK; bucket++)
        rv = fence_check(store, keys, (uint8_t)bucket);
    for (int i = 2; i < 2 * RECORD_KINDS_END && rv == CKR_OK; i++) {
        const struct record_query query = {.kind = (enum record_kind)(i / 2),
                                           .deleted = i % 2 == 1};

        rv = record_walk(store, keys, &query, count_record, count);
    }
    return rv;
}

static bool see_whole(void *ctx, const struct db_value *row, size_t columns)
{
    *(bool *)ctx = columns == 1 && row[0].number == 0;
    return *(bool *)ctx;
}

static bool put_slot_id(void *ctx, const struct db_value *row, size_t columns)
{
    if (columns == 5 && row[1].blob.len == STORE_ID_LEN)
        buf_put_bytes(ctx, row[1].blob);
    return true;
}

/* The file itself, and the ids of all slots, the home's among them. */
static CK_RV check_file(struct store *store, struct buf *ret_ids)
{
    bool whole = false;
    CK_RV rv = db_run(store->db, SQL_INTEGRITY_CHECK, NULL, 0, see_whole, &whole);

    if (rv == CKR_OK && !whole)
        rv = fail(CKR_DEVICE_ERROR,
                  "the store %s is damaged (integrity_check): restore it from a backup",
                  store->path);
    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_KEYRING_ALL, NULL, 0, put_slot_id, ret_ids);
    return rv == CKR_OK && !buf_ok(ret_ids) ? fail_memory() : rv;
}

CK_RV store_check(struct store *store, uint64_t *ret_records)
{
    struct buf ids = BUF_INIT(STORE_ID_LEN << 20);
    struct keys *keys = NULL;
    uint64_t count = 0;
    CK_RV rv = store_enter(store, NULL, STORE_READ, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, check_file(store, &ids));
    for (size_t at = 0; at < ids.len && rv == CKR_OK; at += STORE_ID_LEN) {
        rv = store_enter(store, ids.data + at, STORE_READ, &keys);
        if (rv == CKR_OK) {
            /* From the disk, not from what was believed. */
            fence_forget(store);
            rv = store_leave(store, check_slot(store, keys, &count));
        }
    }
    buf_release(&ids);
    if (rv == CKR_OK)
        *ret_records = count;
    return rv;
}
