/*
 * Fences: what keeps one row from being put back to what it once was. Sealing alone cannot:
 * yesterday's row still opens.
 *
 *   bucket fence = MAC(slot's key, id, kind and generation of every row whose id begins with the
 * bucket's byte) root         = MAC(slot's key, every bucket fence of the slot) top          =
 * MAC(home's key, number of the last write, the whole key ring with the roots)
 *
 * Generations are numbers of writes and never come twice, so every write makes a new top. To go
 * back unnoticed a whole store must go back; that is what the log's anchor in the HSM is for.
 *
 * A write only notes which buckets are due; their fences, the roots and the top are made once,
 * right before it is committed (store_leave). Many records written together cost one fence a
 * bucket.
 *
 * While a bucket's MAC is computed its rows are remembered (fenced.h): until the bucket is
 * forgotten or changed, a record that is read is known to be among them without another look at the
 * index.
 *
 * A fence is compared before what it fences is read or changed, and believed until SQLite says that
 * another process has written (store_enter) or a write of ours was rolled back (store_leave): both
 * call fence_forget().
 */
#include "vault/store_int.h"

#include <string.h>

/* A MAC being fed with rows. They are small and many: the MAC gets them by the block. */
struct feed {
    struct local_mac *mac;
    CK_RV rv;
    uint64_t rows;
    struct fenced *fenced; /* remembers rows of a bucket; NULL: they are none */
    size_t len;            /* of what waits in block */
    uint8_t block[4096];
};

static void feed_mac(struct feed *f, struct bytes bytes)
{
    if (f->rv == CKR_OK)
        f->rv = local_mac_update(f->mac, bytes);
}

static void feed_block(struct feed *f)
{
    feed_mac(f, BYTES(f->block, f->len));
    f->len = 0;
}

static void feed_bytes(struct feed *f, struct bytes bytes)
{
    if (bytes.len > sizeof(f->block) - f->len)
        feed_block(f);
    if (bytes.len > sizeof(f->block)) {
        feed_mac(f, bytes);
    } else if (bytes.len > 0) {
        memcpy(f->block + f->len, bytes.data, bytes.len);
        f->len += bytes.len;
    }
}

static void feed_number(struct feed *f, int64_t number)
{
    uint8_t raw[8];

    for (size_t i = 0; i < 8; i++)
        raw[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    feed_bytes(f, BYTES(raw, 8));
}

static void feed_blob(struct feed *f, struct bytes blob)
{
    feed_number(f, (int64_t)blob.len);
    feed_bytes(f, blob);
}

/* Of SQL_BUCKET_ROWS. */
enum { BUCKET_ID, BUCKET_KIND, BUCKET_GENERATION, BUCKET_COLUMNS };

static void remember(struct fenced *fenced, const struct db_value *row, size_t columns)
{
    if (columns == BUCKET_COLUMNS && row[BUCKET_ID].is_blob)
        fenced_add(fenced, row[BUCKET_ID].blob.data, row[BUCKET_ID].blob.len,
                   row[BUCKET_KIND].number, row[BUCKET_GENERATION].number);
}

/* Every column, as it stands. */
static bool feed_row(void *ctx, const struct db_value *row, size_t columns)
{
    struct feed *f = ctx;

    for (size_t i = 0; i < columns; i++) {
        if (row[i].is_blob)
            feed_blob(f, row[i].blob);
        else
            feed_number(f, row[i].number);
    }
    if (f->fenced != NULL)
        remember(f->fenced, row, columns);
    f->rows++;
    return f->rv == CKR_OK;
}

static CK_RV feed_begin(struct store *store, const struct keys *keys, const char *what,
                        struct feed *ret)
{
    ret->mac = NULL;
    ret->rows = 0;
    ret->fenced = NULL;
    ret->len = 0;
    ret->rv = local_mac_new(store->local, keys_use(keys, KEY_FENCE), &ret->mac);
    if (ret->rv == CKR_OK)
        feed_blob(ret, bytes_from_str(what));
    return ret->rv;
}

static CK_RV feed_end(struct feed *f, uint8_t ret[static MAC_LEN])
{
    feed_block(f);
    if (f->rv == CKR_OK)
        f->rv = local_mac_final(f->mac, ret);
    local_mac_free(f->mac);
    return f->rv;
}

static CK_RV mac_of_rows(struct store *store, const struct keys *keys, const char *what,
                         enum db_sql sql, const struct db_value *args, size_t count,
                         struct fenced *fenced, uint8_t ret[static MAC_LEN], uint64_t *ret_rows)
{
    struct feed f;
    CK_RV rv = feed_begin(store, keys, what, &f);

    f.fenced = fenced;
    if (rv == CKR_OK)
        rv = db_run(store->db, sql, args, count, feed_row, &f);
    if (rv != CKR_OK)
        f.rv = rv;
    *ret_rows = f.rows;
    return feed_end(&f, ret);
}

static CK_RV mac_of_bucket(struct store *store, struct keys *keys, uint8_t bucket,
                           uint8_t ret[static MAC_LEN], uint64_t *ret_rows)
{
    /* Ids are 16 bytes; 17 of 0xff are above all of them, and the last bucket's own. */
    uint8_t after[STORE_ID_LEN + 1];
    uint8_t next = (uint8_t)(bucket + 1);
    struct db_value args[] = {
        DB_NUMBER(keys->slot),
        DB_BLOB(BYTES(&bucket, 1)),
        DB_BLOB(BYTES(&next, 1)),
    };

    memset(after, 0xff, sizeof(after));
    if (bucket == BUCKETS - 1)
        args[2] = DB_BLOB(BYTES(after, sizeof(after)));
    fenced_clear(&keys->fenced[bucket]);
    return mac_of_rows(store, keys, "bucket", SQL_BUCKET_ROWS, args, 3, &keys->fenced[bucket], ret,
                       ret_rows);
}

static CK_RV mac_of_root(struct store *store, const struct keys *keys, uint8_t ret[static MAC_LEN])
{
    const struct db_value slot = DB_NUMBER(keys->slot);
    uint64_t rows;

    return mac_of_rows(store, keys, "root", SQL_FENCE_ALL, &slot, 1, NULL, ret, &rows);
}

static CK_RV mac_of_top(struct store *store, int64_t counter, uint8_t ret[static MAC_LEN])
{
    struct feed f;
    CK_RV rv = feed_begin(store, store->keys[0], "top", &f);

    feed_number(&f, counter);
    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_KEYRING_ALL, NULL, 0, feed_row, &f);
    if (rv != CKR_OK)
        f.rv = rv;
    return feed_end(&f, ret);
}

/* ---- comparing ---- */

static CK_RV fail_fence(const struct store *store, const char *what, int64_t slot)
{
    return fail(CKR_DEVICE_ERROR,
                "the store %s was changed by something other than keyward: %s of slot %lld are not "
                "what was last written; restore the whole store from a backup",
                store->path, what, (long long)slot);
}

/* One blob of a row, copied; where the row is. */
struct found {
    size_t column;
    bool there;
    int64_t number;
    uint8_t mac[MAC_LEN];
    bool whole;
};

static bool find_mac(void *ctx, const struct db_value *row, size_t columns)
{
    struct found *found = ctx;

    if (found->column < columns && row[found->column].is_blob &&
        row[found->column].blob.len == MAC_LEN) {
        memcpy(found->mac, row[found->column].blob.data, MAC_LEN);
        found->whole = true;
    }
    found->there = true;
    found->number = row[0].number;
    return false;
}

static bool is_mac(const struct found *found, const uint8_t mac[static MAC_LEN])
{
    return found->whole && local_equal(BYTES(found->mac, MAC_LEN), BYTES(mac, MAC_LEN));
}

CK_RV fence_check_top(struct store *store)
{
    struct found found = {.column = 1};
    uint8_t mac[MAC_LEN];
    CK_RV rv;

    if (store->top_checked)
        return CKR_OK;
    rv = db_run(store->db, SQL_TOP_GET, NULL, 0, find_mac, &found);
    if (rv == CKR_OK)
        rv = mac_of_top(store, found.number, mac);
    if (rv != CKR_OK)
        return rv;
    if (!is_mac(&found, mac))
        return fail_fence(store, "the key ring and the vaults' roots", 0);
    store->counter = found.number;
    store->top_checked = true;
    return CKR_OK;
}

static CK_RV check_root(struct store *store, struct keys *keys)
{
    const struct db_value slot = DB_NUMBER(keys->slot);
    struct found found = {.column = 4};
    uint8_t mac[MAC_LEN];
    CK_RV rv;

    if (keys->root_checked)
        return CKR_OK;
    rv = db_run(store->db, SQL_KEYRING_BY_SLOT, &slot, 1, find_mac, &found);
    if (rv == CKR_OK)
        rv = mac_of_root(store, keys, mac);
    if (rv != CKR_OK)
        return rv;
    if (!is_mac(&found, mac))
        return fail_fence(store, "fences", keys->slot);
    keys->root_checked = true;
    return CKR_OK;
}

static CK_RV check_bucket(struct store *store, struct keys *keys, uint8_t bucket)
{
    const struct db_value args[] = {DB_NUMBER(keys->slot), DB_NUMBER(bucket)};
    struct found found = {.column = 0};
    uint8_t mac[MAC_LEN];
    uint64_t rows = 0;
    CK_RV rv = db_run(store->db, SQL_FENCE_GET, args, 2, find_mac, &found);

    if (rv == CKR_OK)
        rv = mac_of_bucket(store, keys, bucket, mac, &rows);
    if (rv != CKR_OK)
        return rv;
    /* No fence goes with no rows, and neither without the other. */
    if (found.there ? rows == 0 || !is_mac(&found, mac) : rows > 0) {
        fenced_clear(&keys->fenced[bucket]);
        return fail_fence(store, "records", keys->slot);
    }
    keys->bucket_checked[bucket] = true;
    return CKR_OK;
}

CK_RV fence_check(struct store *store, struct keys *keys, uint8_t bucket)
{
    CK_RV rv;

    if (store->top_checked && keys->root_checked && keys->bucket_checked[bucket])
        return CKR_OK;
    rv = fence_check_top(store);
    if (rv == CKR_OK)
        rv = check_root(store, keys);
    if (rv == CKR_OK)
        rv = check_bucket(store, keys, bucket);
    return rv;
}

static bool see_row(void *ctx, const struct db_value *row, size_t columns)
{
    (void)row;
    *(bool *)ctx = columns == 1;
    return false;
}

CK_RV fence_check_row(struct store *store, struct keys *keys, const uint8_t id[static STORE_ID_LEN],
                      int64_t kind, uint64_t generation, bool *ret_there)
{
    const struct db_value args[] = {DB_NUMBER(keys->slot), DB_BLOB(BYTES(id, STORE_ID_LEN)),
                                    DB_NUMBER(kind), DB_NUMBER(generation)};
    CK_RV rv = fence_check(store, keys, id[0]);

    *ret_there = rv == CKR_OK && fenced_has(&keys->fenced[id[0]], id, kind, (int64_t)generation);
    if (rv != CKR_OK || *ret_there)
        return rv;
    return db_run(store->db, SQL_RECORD_IS_FENCED, args, 4, see_row, ret_there);
}

static void forget_rows(struct keys *keys)
{
    for (size_t i = 0; i < BUCKETS; i++)
        fenced_clear(&keys->fenced[i]);
}

void fence_forget(struct store *store)
{
    store->top_checked = false;
    store->fences_due = false;
    for (size_t i = 0; i < store->keys_count; i++) {
        struct keys *keys = store->keys[i];

        keys->root_checked = false;
        keys->root_due = false;
        memset(keys->bucket_checked, 0, sizeof(keys->bucket_checked));
        memset(keys->bucket_due, 0, sizeof(keys->bucket_due));
        forget_rows(keys);
    }
}

/* ---- writing ---- */

CK_RV fence_next(struct store *store, uint64_t *ret)
{
    CK_RV rv = fence_check_top(store);

    if (rv != CKR_OK)
        return rv;
    if (store->counter < 0 || store->counter == INT64_MAX)
        return fail_internal("the number of writes is positive and fits");
    store->counter++;
    *ret = (uint64_t)store->counter;
    return CKR_OK;
}

static CK_RV write_top(struct store *store)
{
    uint8_t mac[MAC_LEN];
    CK_RV rv = mac_of_top(store, store->counter, mac);
    const struct db_value args[] = {DB_NUMBER(store->counter), DB_BLOB(BYTES(mac, MAC_LEN))};

    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_TOP_SET, args, 2, NULL, NULL);
    if (rv == CKR_OK)
        store->top_checked = true;
    return rv;
}

static CK_RV write_root(struct store *store, struct keys *keys)
{
    uint8_t mac[MAC_LEN];
    CK_RV rv = mac_of_root(store, keys, mac);
    const struct db_value args[] = {DB_NUMBER(keys->slot), DB_BLOB(BYTES(mac, MAC_LEN))};

    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_KEYRING_SET_ROOT, args, 2, NULL, NULL);
    if (rv == CKR_OK)
        keys->root_checked = true;
    return rv;
}

static CK_RV write_bucket(struct store *store, struct keys *keys, uint8_t bucket)
{
    uint8_t mac[MAC_LEN];
    uint64_t rows = 0;
    CK_RV rv = mac_of_bucket(store, keys, bucket, mac, &rows);
    const struct db_value args[] = {DB_NUMBER(keys->slot), DB_NUMBER(bucket),
                                    DB_BLOB(BYTES(mac, MAC_LEN))};

    if (rv == CKR_OK && rows == 0)
        rv = db_run(store->db, SQL_FENCE_REMOVE, args, 2, NULL, NULL);
    else if (rv == CKR_OK)
        rv = db_run(store->db, SQL_FENCE_SET, args, 3, NULL, NULL);
    if (rv == CKR_OK)
        keys->bucket_due[bucket] = false;
    return rv;
}

void fence_due(struct store *store, struct keys *keys, uint8_t bucket)
{
    keys->bucket_due[bucket] = true;
    fenced_clear(&keys->fenced[bucket]);
    keys->root_due = true;
    store->fences_due = true;
}

CK_RV fence_write_slot(struct store *store, struct keys *keys)
{
    CK_RV rv = CKR_OK;

    for (unsigned bucket = 0; rv == CKR_OK && bucket < BUCKETS; bucket++)
        if (keys->bucket_due[bucket])
            rv = write_bucket(store, keys, (uint8_t)bucket);
    if (rv == CKR_OK)
        rv = write_root(store, keys);
    if (rv == CKR_OK)
        keys->root_due = false;
    return rv;
}

CK_RV fence_write_due(struct store *store)
{
    CK_RV rv = CKR_OK;

    if (!store->fences_due)
        return CKR_OK;
    for (size_t i = 0; rv == CKR_OK && i < store->keys_count; i++)
        if (store->keys[i]->root_due)
            rv = fence_write_slot(store, store->keys[i]);
    if (rv == CKR_OK)
        rv = write_top(store);
    if (rv == CKR_OK)
        store->fences_due = false;
    return rv;
}

CK_RV fence_begin(struct store *store, struct keys *keys)
{
    CK_RV rv = write_root(store, keys);

    return rv == CKR_OK ? write_top(store) : rv;
}
