/* Sealed, fenced rows: see record.h. */
#include "vault/record.h"

#include <string.h>

#define SEALED_MAX (RECORD_MAX + LOCAL_SEAL_OVERHEAD)
#define AAD_MAX    256

static const char *const kind_names[] = {
    [RECORD_VALUE] = "home value", [RECORD_VAULT] = "vault",
    [RECORD_POLICY] = "policy",    [RECORD_USER] = "user",
    [RECORD_OBJECT] = "object",    [RECORD_LINK] = "directory entry",
    [RECORD_ISSUER] = "issuer",    [RECORD_APPROVAL] = "approval",
    [RECORD_BUDGET] = "budget",    [RECORD_PENDING] = "pending change",
};

static CK_RV fail_row(const struct store *store, const struct keys *keys, int64_t seq,
                      enum record_kind kind)
{
    return fail(CKR_DEVICE_ERROR,
                "the store %s is damaged: record %lld (%s) of slot %lld was changed or moved; "
                "restore the store from a backup",
                store->path, (long long)seq, kind_names[kind], (long long)keys->slot);
}

static void put_number(struct buf *b, uint64_t n)
{
    uint8_t raw[8];

    for (size_t i = 0; i < 8; i++)
        raw[i] = (uint8_t)(n >> (56 - 8 * i));
    buf_put(b, raw, 8);
}

/* kind | vault | object | version | generation, and the lookup columns. All of fixed length. */
static void put_aad(struct buf *aad, const struct keys *keys, const struct record *r)
{
    buf_puts(aad, "keyward record");
    put_number(aad, (uint64_t)r->kind);
    buf_put(aad, keys->id, STORE_ID_LEN);
    buf_put(aad, r->id, STORE_ID_LEN);
    put_number(aad, r->version);
    put_number(aad, r->generation);
    put_number(aad, r->cls);
    put_number(aad, r->deleted ? 1 : 0);
    buf_put(aad, r->label_tag, TAG_LEN);
    buf_put(aad, r->id_tag, TAG_LEN);
}

/* ---- reading ---- */

/* The columns of RECORD_COLUMNS in db.c. */
enum column {
    COLUMN_SEQ,
    COLUMN_KIND,
    COLUMN_ID,
    COLUMN_VERSION,
    COLUMN_GENERATION,
    COLUMN_CLASS,
    COLUMN_DELETED,
    COLUMN_LABEL_TAG,
    COLUMN_ID_TAG,
    COLUMN_SEALED,
    COLUMNS
};

static bool copy_id(const struct db_value *value, uint8_t to[static STORE_ID_LEN])
{
    if (!value->is_blob || value->blob.len != STORE_ID_LEN)
        return false;
    memcpy(to, value->blob.data, STORE_ID_LEN);
    return true;
}

static bool read_row(const struct db_value *row, size_t columns, enum record_kind kind,
                     struct record *ret)
{
    *ret = (struct record){
        .kind = kind,
        .seq = row[COLUMN_SEQ].number,
        .version = (uint64_t)row[COLUMN_VERSION].number,
        .generation = (uint64_t)row[COLUMN_GENERATION].number,
        .cls = (uint64_t)row[COLUMN_CLASS].number,
        .deleted = row[COLUMN_DELETED].number != 0,
    };
    return columns == COLUMNS && row[COLUMN_KIND].number == (int64_t)kind &&
           row[COLUMN_SEALED].is_blob && copy_id(&row[COLUMN_ID], ret->id) &&
           copy_id(&row[COLUMN_LABEL_TAG], ret->label_tag) &&
           copy_id(&row[COLUMN_ID_TAG], ret->id_tag);
}

/*
 * The fence is over the index record_set; the row came from the table. Somebody who edits pages can
 * make the two differ, so the row's generation is looked up where the fence stands.
 */
static CK_RV check_fenced(struct store *store, struct keys *keys, const struct record *r,
                          int64_t seq)
{
    bool there = false;
    CK_RV rv = fence_check_row(store, keys, r->id, (int64_t)r->kind, r->generation, &there);

    return rv == CKR_OK && !there ? fail_row(store, keys, seq, r->kind) : rv;
}

static CK_RV open_row(struct store *store, struct keys *keys, const struct record *r,
                      struct bytes sealed, int64_t seq, struct buf *content)
{
    struct buf aad = BUF_INIT(AAD_MAX);
    CK_RV rv = check_fenced(store, keys, r, seq);

    put_aad(&aad, keys, r);
    if (rv == CKR_OK && !buf_ok(&aad))
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = local_unseal(store->local, keys_use(keys, KEY_SEAL), buf_bytes(&aad), sealed, content);
    if (rv == CKR_ENCRYPTED_DATA_INVALID)
        rv = fail_row(store, keys, seq, r->kind);
    buf_release(&aad);
    return rv;
}

/* A walk over rows, each opened into one buffer. */
struct walk {
    struct store *store;
    struct keys *keys;
    const struct record_query *query;
    record_each *each;
    void *ctx;
    struct buf content;
    int64_t seq; /* of the row looked at last */
    size_t rows; /* looked at */
    bool ended;  /* by each */
    CK_RV rv;
};

/* What the columns say already; they are sealed in with the content. */
static bool is_asked(const struct record_query *q, const struct record *r)
{
    return (q->either || r->deleted == q->deleted) && (!q->has_cls || r->cls == q->cls) &&
           (q->label_tag == NULL || memcmp(q->label_tag, r->label_tag, TAG_LEN) == 0) &&
           (q->id_tag == NULL || memcmp(q->id_tag, r->id_tag, TAG_LEN) == 0);
}

static bool walk_row(void *ctx, const struct db_value *row, size_t columns)
{
    struct walk *w = ctx;
    struct record r;
    bool more = true;

    w->seq = row[COLUMN_SEQ].number;
    w->rows++;
    if (!read_row(row, columns, w->query->kind, &r)) {
        w->rv = fail_row(w->store, w->keys, row[COLUMN_SEQ].number, w->query->kind);
        return false;
    }
    if (!is_asked(w->query, &r))
        return true;
    w->rv = open_row(w->store, w->keys, &r, row[COLUMN_SEALED].blob, row[COLUMN_SEQ].number,
                     &w->content);
    if (w->rv == CKR_OK)
        w->rv = w->each(w->ctx, &r, buf_bytes(&w->content), &more);
    w->ended = !more;
    return w->rv == CKR_OK && more;
}

static CK_RV walk_run(struct walk *w, enum db_sql sql, const struct db_value *args, size_t count)
{
    CK_RV rv;

    w->content = BUF_INIT(RECORD_MAX);
    rv = db_run(w->store->db, sql, args, count, walk_row, w);
    buf_release_secure(&w->content);
    return w->rv != CKR_OK ? w->rv : rv;
}

#define ALL_ROWS (-1) /* SQL's LIMIT for no limit */

static CK_RV walk_behind(struct walk *w, int64_t after, int64_t limit)
{
    const struct record_query *q = w->query;
    struct db_value args[] = {DB_NUMBER(w->keys->slot), DB_NUMBER(q->kind),
                              DB_NUMBER(q->deleted ? 1 : 0), DB_NUMBER(after), DB_NUMBER(limit)};
    enum db_sql sql = SQL_RECORD_ALL;
    CK_RV rv = fence_check_top(w->store);

    if (rv != CKR_OK)
        return rv;
    if (q->id_tag != NULL) {
        sql = SQL_RECORD_BY_ID_TAG;
        args[2] = DB_BLOB(BYTES(q->id_tag, TAG_LEN));
    } else if (q->label_tag != NULL) {
        sql = SQL_RECORD_BY_LABEL;
        args[2] = DB_BLOB(BYTES(q->label_tag, TAG_LEN));
    }
    return walk_run(w, sql, args, 5);
}

CK_RV record_walk(struct store *store, struct keys *keys, const struct record_query *query,
                  record_each *each, void *ctx)
{
    struct walk w = {.store = store, .keys = keys, .query = query, .each = each, .ctx = ctx};

    return walk_behind(&w, 0, ALL_ROWS);
}

CK_RV record_walk_page(struct store *store, struct keys *keys, const struct record_query *query,
                       struct record_page *page, record_each *each, void *ctx)
{
    struct walk w = {.store = store, .keys = keys, .query = query, .each = each, .ctx = ctx};
    CK_RV rv = walk_behind(&w, page->after, (int64_t)page->rows);

    if (rv != CKR_OK)
        return rv;
    page->last = w.rows < page->rows && !w.ended;
    if (w.rows > 0)
        page->after = w.seq;
    return CKR_OK;
}

struct get {
    struct record *record;
    struct buf *content;
    bool found;
};

static CK_RV get_each(void *ctx, const struct record *record, struct bytes content, bool *ret_more)
{
    struct get *get = ctx;

    *get->record = *record;
    buf_put_bytes(get->content, content);
    get->found = true;
    *ret_more = false;
    return buf_ok(get->content) ? CKR_OK : fail_memory();
}

CK_RV record_get(struct store *store, struct keys *keys, enum record_kind kind,
                 const uint8_t id[static STORE_ID_LEN], struct record *ret, struct buf *content,
                 bool *ret_found)
{
    struct get get = {.record = ret, .content = content};
    const struct db_value args[] = {DB_NUMBER(keys->slot), DB_BLOB(BYTES(id, STORE_ID_LEN)),
                                    DB_NUMBER(kind)};
    const struct record_query query = {.kind = kind, .either = true};
    struct walk w = {.store = store, .keys = keys, .query = &query, .each = get_each, .ctx = &get};
    CK_RV rv = fence_check(store, keys, id[0]);

    buf_clear(content);
    if (rv == CKR_OK)
        rv = walk_run(&w, SQL_RECORD_GET, args, 3);
    *ret_found = get.found;
    return rv;
}

static bool count_row(void *ctx, const struct db_value *row, size_t columns)
{
    *(uint64_t *)ctx = columns > 0 ? (uint64_t)row[0].number : 0;
    return false;
}

CK_RV record_count(struct store *store, struct keys *keys, enum record_kind kind, bool deleted,
                   uint64_t *ret)
{
    const struct db_value args[] = {DB_NUMBER(keys->slot), DB_NUMBER(kind),
                                    DB_NUMBER(deleted ? 1 : 0)};
    uint64_t count = 0;
    CK_RV rv = db_run(store->db, SQL_RECORD_COUNT, args, 3, count_row, &count);

    if (rv == CKR_OK)
        *ret = count;
    return rv;
}

/* ---- writing ---- */

static CK_RV seal_row(struct store *store, const struct keys *keys, const struct record *r,
                      struct bytes content, struct buf *sealed)
{
    struct buf aad = BUF_INIT(AAD_MAX);
    CK_RV rv = CKR_OK;

    put_aad(&aad, keys, r);
    if (!buf_ok(&aad))
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = local_seal(store->local, keys_use(keys, KEY_SEAL), buf_bytes(&aad), content, sealed);
    buf_release(&aad);
    return rv;
}

/* SQL_RECORD_ADD and SQL_RECORD_SET take the same arguments. */
static CK_RV write_row(struct store *store, struct keys *keys, enum db_sql sql,
                       struct record *record, struct bytes content)
{
    struct buf sealed = BUF_INIT(SEALED_MAX);
    struct record r = *record;
    CK_RV rv;

    if (content.len > RECORD_MAX)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "a record of %zu bytes is over the limit of %d: store less in one", content.len,
                    RECORD_MAX);
    /* What is there is compared before it is fenced anew, so a change by others is never taken
     * over. */
    rv = fence_check(store, keys, r.id[0]);
    if (rv == CKR_OK)
        rv = fence_next(store, &r.generation);
    if (rv == CKR_OK)
        rv = seal_row(store, keys, &r, content, &sealed);
    if (rv == CKR_OK) {
        const struct db_value args[] = {
            DB_NUMBER(keys->slot),
            DB_NUMBER(r.kind),
            DB_BLOB(BYTES(r.id, STORE_ID_LEN)),
            DB_NUMBER(r.version),
            DB_NUMBER(r.generation),
            DB_NUMBER(r.cls),
            DB_NUMBER(r.deleted ? 1 : 0),
            DB_BLOB(BYTES(r.label_tag, TAG_LEN)),
            DB_BLOB(BYTES(r.id_tag, TAG_LEN)),
            DB_BLOB(buf_bytes(&sealed)),
        };

        rv = db_run(store->db, sql, args, 10, NULL, NULL);
    }
    if (rv == CKR_OK && db_changed(store->db) != 1)
        rv = fail_internal("a record to be written is there once");
    if (rv == CKR_OK) {
        fence_due(store, keys, r.id[0]);
        record->generation = r.generation;
    }
    buf_release(&sealed);
    return rv;
}

CK_RV record_add(struct store *store, struct keys *keys, struct record *record,
                 struct bytes content)
{
    struct buf old = BUF_INIT(RECORD_MAX);
    struct record there;
    bool found = false;
    CK_RV rv = record_get(store, keys, record->kind, record->id, &there, &old, &found);

    buf_release_secure(&old);
    if (rv == CKR_OK && found)
        rv = fail(CKR_FUNCTION_REJECTED, "a record of this id is there already: take a new random "
                                         "id");
    return rv == CKR_OK ? write_row(store, keys, SQL_RECORD_ADD, record, content) : rv;
}

CK_RV record_set(struct store *store, struct keys *keys, struct record *record,
                 struct bytes content)
{
    return write_row(store, keys, SQL_RECORD_SET, record, content);
}

CK_RV record_remove(struct store *store, struct keys *keys, enum record_kind kind,
                    const uint8_t id[static STORE_ID_LEN])
{
    const struct db_value args[] = {DB_NUMBER(keys->slot), DB_BLOB(BYTES(id, STORE_ID_LEN)),
                                    DB_NUMBER(kind)};
    uint64_t number;
    CK_RV rv = fence_check(store, keys, id[0]);

    if (rv == CKR_OK)
        rv = fence_next(store, &number);
    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_RECORD_REMOVE, args, 3, NULL, NULL);
    if (rv == CKR_OK)
        fence_due(store, keys, id[0]);
    return rv;
}

CK_RV record_put(struct store *store, struct keys *keys, enum record_kind kind,
                 const uint8_t id[static STORE_ID_LEN], struct bytes content)
{
    struct buf old = BUF_INIT(RECORD_MAX);
    struct record record = {0};
    bool found = false;
    CK_RV rv = record_get(store, keys, kind, id, &record, &old, &found);

    buf_release_secure(&old);
    if (rv != CKR_OK)
        return rv;
    if (found)
        return record_set(store, keys, &record, content);
    record.kind = kind;
    memcpy(record.id, id, STORE_ID_LEN);
    return record_add(store, keys, &record, content);
}
