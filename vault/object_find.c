/* Finding objects, whole vaults or page by page: see object.h. */
#include "vault/lookups.h"
#include "vault/object_int.h"

typedef bool found_each(void *ctx, int64_t row, struct object *object);

struct find {
    struct store *store;
    struct keys *keys;
    const struct object_query *query;
    found_each *each;
    void *ctx;
    struct lookup *keep; /* gets copies of what is shown; NULL: nobody wants them */
    bool too_many;       /* for keep */
};

/* The columns are keyed hashes cut short; the value itself decides. */
static bool matches(const struct object_query *q, const struct object *o)
{
    return (!q->has_label || bytes_equal(q->label, attrs_bytes(&o->attrs, CKA_LABEL))) &&
           (!q->has_id || bytes_equal(q->id, attrs_bytes(&o->attrs, CKA_ID))) &&
           (!q->has_class || q->cls == o->cls) && q->deleted == (o->state == OBJECT_DELETED);
}

static void keep_copy(struct find *find, int64_t row, const struct object *object)
{
    struct lookup *keep = find->keep;

    if (keep == NULL || find->too_many)
        return;
    find->too_many =
        keep->count == LOOKUP_OBJECTS || object_copy(&keep->objects[keep->count], object) != CKR_OK;
    if (!find->too_many)
        keep->rows[keep->count++] = row;
}

static CK_RV find_each(void *ctx, const struct record *record, struct bytes content, bool *ret_more)
{
    struct find *find = ctx;
    struct object o = {.attrs = ATTRS_INIT};
    CK_RV rv = object_decode(find->store, find->keys, record, content, OBJECT_WITHOUT_MATERIAL, &o);

    if (rv == CKR_OK && matches(find->query, &o)) {
        keep_copy(find, record->seq, &o);
        *ret_more = find->each(find->ctx, record->seq, &o);
    }
    object_release(&o);
    return rv;
}

/* One page of it; NULL: all. */
static CK_RV find_in(struct find *find, struct record_page *page)
{
    const struct object_query *q = find->query;
    uint8_t label_tag[TAG_LEN];
    uint8_t id_tag[TAG_LEN];
    const struct record_query query = {
        .kind = RECORD_OBJECT,
        .deleted = q->deleted,
        .label_tag = q->has_label ? label_tag : NULL,
        .id_tag = q->has_id ? id_tag : NULL,
        .has_cls = q->has_class,
        .cls = q->cls,
    };
    CK_RV rv = CKR_OK;

    if (q->has_label)
        rv = object_tag(find->store, find->keys, CKA_LABEL, q->label, label_tag);
    if (rv == CKR_OK && q->has_id)
        rv = object_tag(find->store, find->keys, CKA_ID, q->id, id_tag);
    if (rv != CKR_OK)
        return rv;
    return page != NULL ? record_walk_page(find->store, find->keys, &query, page, find_each, find)
                        : record_walk(find->store, find->keys, &query, find_each, find);
}

struct shown {
    bool (*each)(void *ctx, const struct object *object);
    void *ctx;
};

static bool show(void *ctx, int64_t row, struct object *object)
{
    const struct shown *shown = ctx;

    (void)row;
    return shown->each(shown->ctx, object);
}

CK_RV object_find(struct store *store, const struct vault_info *vault,
                  const struct object_query *query,
                  bool (*each)(void *ctx, const struct object *object), void *ctx)
{
    struct shown shown = {.each = each, .ctx = ctx};
    struct find find = {.store = store, .query = query, .each = show, .ctx = &shown};
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &find.keys);

    return rv == CKR_OK ? store_leave(store, find_in(&find, NULL)) : rv;
}

/* Shows what was kept; the copies go. */
static void show_known(struct lookup *known, struct object_cursor *cursor, found_each *each,
                       void *ctx)
{
    bool more = true;

    for (size_t i = 0; more && i < known->count; i++) {
        cursor->after = known->rows[i];
        more = each(ctx, known->rows[i], &known->objects[i]);
    }
    cursor->end = more;
    lookup_release(known);
}

static CK_RV find_page(struct find *find, const struct vault_info *vault,
                       struct object_cursor *cursor)
{
    struct record_page page = {.after = cursor->after, .rows = OBJECT_FIND_ROWS};
    CK_RV rv = store_enter(find->store, vault->id, STORE_READ, &find->keys);

    if (rv == CKR_OK)
        rv = store_leave(find->store, find_in(find, &page));
    if (rv == CKR_OK)
        *cursor = (struct object_cursor){.after = page.after, .end = page.last};
    return rv;
}

CK_RV object_find_some(struct store *store, const struct vault_info *vault,
                       const struct object_query *query, uint64_t generation,
                       struct object_cursor *cursor, found_each *each, void *ctx)
{
    struct find find = {.store = store, .query = query, .each = each, .ctx = ctx};
    enum lookup_answer answer = LOOKUP_UNWANTED;
    struct lookup found;
    CK_RV rv;

    found.count = 0;
    if (cursor->after == 0)
        answer = lookups_get(store->lookups, vault, query, generation, &found);
    if (answer == LOOKUP_KNOWN) {
        show_known(&found, cursor, each, ctx);
        return CKR_OK;
    }
    if (answer == LOOKUP_WANTED)
        find.keep = &found;
    rv = find_page(&find, vault, cursor);
    if (rv == CKR_OK && find.keep != NULL && !find.too_many && cursor->end)
        lookups_keep(store->lookups, vault, query, generation, &found);
    lookup_release(&found);
    return rv;
}
