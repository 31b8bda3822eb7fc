/* Pending changes: see pending.h. */
#include "vault/pending.h"

#include "vault/record.h"
#include "vault/reset_int.h"

#include <string.h>

/* The octets point into what was decoded. */
struct pending_der {
    struct bytes hash, request;
    char applier[PENDING_PRINCIPAL_MAX + 1];
    char base[65];
    char verdict[PENDING_VERDICT_MAX + 1];
    char confirmed[PENDING_CONFIRMED_MAX + 1];
    int64_t created, expires;
};

#define MEMBER(n, k, field, most)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct pending_der, field), .max = (most)     \
    }

static const struct der_member pending_members[] = {
    MEMBER("hash", DER_OCTETS, hash, PENDING_HASH_LEN),
    MEMBER("applier", DER_TEXT, applier, PENDING_PRINCIPAL_MAX),
    MEMBER("base", DER_TEXT, base, 64),
    MEMBER("verdict", DER_TEXT, verdict, PENDING_VERDICT_MAX),
    MEMBER("confirmed", DER_TEXT, confirmed, PENDING_CONFIRMED_MAX),
    MEMBER("created", DER_NUMBER, created, INT64_MAX),
    MEMBER("expires", DER_NUMBER, expires, INT64_MAX),
    MEMBER("request", DER_OCTETS, request, PENDING_REQUEST_MAX),
};

static const struct der_type pending_type = {
    .name = "KEYWARD.Pending",
    .members = pending_members,
    .count = sizeof(pending_members) / sizeof(*pending_members),
};

static CK_RV decode(struct store *store, struct bytes content, struct pending *ret,
                    struct bytes *ret_request)
{
    struct pending_der d = {.created = 0};
    CK_RV rv = der_decode(store->der, &pending_type, content, &d);

    if (rv == CKR_OK && d.hash.len != PENDING_HASH_LEN)
        rv = fail_internal("a pending change's hash has its length");
    if (rv != CKR_OK)
        return rv;
    *ret = (struct pending){.created = d.created, .expires = d.expires};
    memcpy(ret->hash, d.hash.data, PENDING_HASH_LEN);
    memcpy(ret->applier, d.applier, sizeof(ret->applier));
    memcpy(ret->base, d.base, sizeof(ret->base));
    memcpy(ret->verdict, d.verdict, sizeof(ret->verdict));
    memcpy(ret->confirmed, d.confirmed, sizeof(ret->confirmed));
    *ret_request = d.request;
    return CKR_OK;
}

/* ---- one ---- */

static CK_RV put(struct store *store, struct keys *keys, const struct pending *p,
                 struct bytes request)
{
    struct pending_der d = {.hash = BYTES(p->hash, PENDING_HASH_LEN),
                            .request = request,
                            .created = p->created,
                            .expires = p->expires};
    struct buf content = BUF_INIT(RECORD_MAX);
    CK_RV rv;

    memcpy(d.applier, p->applier, sizeof(d.applier));
    memcpy(d.base, p->base, sizeof(d.base));
    memcpy(d.verdict, p->verdict, sizeof(d.verdict));
    memcpy(d.confirmed, p->confirmed, sizeof(d.confirmed));
    rv = der_encode(store->der, &pending_type, &d, &content);
    if (rv == CKR_OK)
        rv = record_put(store, keys, RECORD_PENDING, p->hash, buf_bytes(&content));
    buf_release_secure(&content);
    return rv;
}

CK_RV pending_put(struct store *store, const struct vault_info *vault,
                  const struct pending *pending, struct bytes request)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, put(store, keys, pending, request)) : rv;
}

static CK_RV get(struct store *store, struct keys *keys, const uint8_t *hash, struct pending *ret,
                 struct buf *request)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    struct record record;
    struct bytes inside;
    bool found = false;
    CK_RV rv = record_get(store, keys, RECORD_PENDING, hash, &record, &content, &found);

    if (rv == CKR_OK && found)
        rv = decode(store, buf_bytes(&content), ret, &inside);
    if (rv == CKR_OK && (!found || memcmp(ret->hash, hash, PENDING_HASH_LEN) != 0))
        rv = fail(CKR_ACTION_PROHIBITED, "no such change is pending: it was done, withdrawn, or "
                                         "has expired (keyward policy pending)");
    buf_clear(request);
    if (rv == CKR_OK)
        buf_put_bytes(request, inside);
    buf_release_secure(&content);
    return rv == CKR_OK && !buf_ok(request) ? fail_memory() : rv;
}

CK_RV pending_get(struct store *store, const struct vault_info *vault,
                  const uint8_t hash[static PENDING_HASH_LEN], struct pending *ret,
                  struct buf *request)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    return rv == CKR_OK ? store_leave(store, get(store, keys, hash, ret, request)) : rv;
}

CK_RV pending_remove(struct store *store, const struct vault_info *vault,
                     const uint8_t hash[static PENDING_HASH_LEN])
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, record_remove(store, keys, RECORD_PENDING, hash)) : rv;
}

/* ---- all ---- */

struct walk {
    struct store *store;
    CK_RV (*each)(void *ctx, const struct pending *pending, struct bytes request);
    void *ctx;
};

static CK_RV see(void *ctx, const struct record *record, struct bytes content, bool *ret_more)
{
    const struct walk *walk = ctx;
    struct pending pending;
    struct bytes request;
    CK_RV rv = decode(walk->store, content, &pending, &request);

    (void)record;
    *ret_more = true;
    return rv == CKR_OK ? walk->each(walk->ctx, &pending, request) : rv;
}

CK_RV pending_each(struct store *store, const struct vault_info *vault,
                   CK_RV (*each)(void *ctx, const struct pending *pending, struct bytes request),
                   void *ctx)
{
    const struct record_query query = {.kind = RECORD_PENDING};
    struct walk walk = {.store = store, .each = each, .ctx = ctx};
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    return rv == CKR_OK ? store_leave(store, record_walk(store, keys, &query, see, &walk)) : rv;
}

/* The ids of those that are there, a few at a time. */
#define REMOVED_AT_ONCE 32

struct ids {
    uint8_t ids[REMOVED_AT_ONCE][STORE_ID_LEN];
    size_t count;
};

static CK_RV note_id(void *ctx, const struct record *record, struct bytes content, bool *ret_more)
{
    struct ids *ids = ctx;

    (void)content;
    memcpy(ids->ids[ids->count++], record->id, STORE_ID_LEN);
    *ret_more = ids->count < REMOVED_AT_ONCE;
    return CKR_OK;
}

CK_RV pending_remove_all(struct store *store, struct keys *keys)
{
    const struct record_query query = {.kind = RECORD_PENDING};
    struct ids ids;
    CK_RV rv;

    do {
        ids.count = 0;
        rv = record_walk(store, keys, &query, note_id, &ids);
        for (size_t i = 0; rv == CKR_OK && i < ids.count; i++)
            rv = record_remove(store, keys, RECORD_PENDING, ids.ids[i]);
    } while (rv == CKR_OK && ids.count > 0);
    return rv;
}
