/* Approvals, each a record that is found by its key's id: see approval.h. */
#include "vault/approval.h"

#include "base/heap.h"
#include "vault/record.h"
#include "vault/reset_int.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is signed ---- */

static void put_hex(struct buf *out, const char *name, struct bytes bytes)
{
    char hex[2 * APPROVAL_DIGEST_LEN + 1];

    bytes_to_hex(bytes, hex);
    buf_printf(out, "%s %s\n", name, hex);
}

void approval_text(const struct vault_info *vault, const struct approval *a, struct buf *out)
{
    buf_puts(out, "keyward approval\n");
    put_hex(out, "id", BYTES(a->id, APPROVAL_ID_LEN));
    put_hex(out, "vault", BYTES(vault->id, VAULT_ID_LEN));
    put_hex(out, "object", BYTES(a->object, OBJECT_ID_LEN));
    buf_printf(out, "version %llu\naction %s\nmechanism %s\n", (unsigned long long)a->version,
               a->action, a->mechanism);
    put_hex(out, "digest", BYTES(a->digest, a->has_digest ? APPROVAL_DIGEST_LEN : 0));
    buf_printf(out, "requester %s\napprover %s\n", a->requester, a->approver);
    put_hex(out, "identity", BYTES(a->identity, USER_IDENTITY_LEN));
    buf_printf(out, "created %lld\nexpires %lld\n", (long long)a->created, (long long)a->expires);
}

/* ---- the record ---- */

/* The octets point into what was decoded. */
struct approval_der {
    struct bytes object, digest, identity, signature;
    int64_t version, created, expires;
    char action[APPROVAL_WORD_MAX + 1];
    char mechanism[APPROVAL_WORD_MAX + 1];
    char requester[PRINCIPAL_MAX + 1];
    char approver[USER_NAME_MAX + 1];
};

#define MEMBER(n, k, field, most)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct approval_der, field), .max = (most)    \
    }

static const struct der_member approval_members[] = {
    MEMBER("object", DER_OCTETS, object, OBJECT_ID_LEN),
    MEMBER("version", DER_NUMBER, version, INT64_MAX),
    MEMBER("action", DER_TEXT, action, APPROVAL_WORD_MAX),
    MEMBER("mechanism", DER_TEXT, mechanism, APPROVAL_WORD_MAX),
    MEMBER("digest", DER_OCTETS, digest, APPROVAL_DIGEST_LEN),
    MEMBER("requester", DER_TEXT, requester, PRINCIPAL_MAX),
    MEMBER("approver", DER_TEXT, approver, USER_NAME_MAX),
    MEMBER("identity", DER_OCTETS, identity, USER_IDENTITY_LEN),
    MEMBER("created", DER_NUMBER, created, INT64_MAX),
    MEMBER("expires", DER_NUMBER, expires, INT64_MAX),
    MEMBER("signature", DER_OCTETS, signature, APPROVAL_SIGNATURE_LEN),
};

static const struct der_type approval_type = {
    .name = "KEYWARD.Approval",
    .members = approval_members,
    .count = sizeof(approval_members) / sizeof(*approval_members),
};

static CK_RV encode(struct store *store, const struct approval *a, struct buf *content)
{
    struct approval_der d = {
        .object = BYTES(a->object, OBJECT_ID_LEN),
        .digest = BYTES(a->digest, a->has_digest ? APPROVAL_DIGEST_LEN : 0),
        .identity = BYTES(a->identity, USER_IDENTITY_LEN),
        .signature = BYTES(a->signature, APPROVAL_SIGNATURE_LEN),
        .version = (int64_t)a->version,
        .created = a->created,
        .expires = a->expires,
    };

    memcpy(d.action, a->action, sizeof(d.action));
    memcpy(d.mechanism, a->mechanism, sizeof(d.mechanism));
    memcpy(d.requester, a->requester, sizeof(d.requester));
    memcpy(d.approver, a->approver, sizeof(d.approver));
    return der_encode(store->der, &approval_type, &d, content);
}

static CK_RV decode(struct store *store, const struct record *record, struct bytes content,
                    struct approval *ret)
{
    struct approval_der d = {.version = 0};
    CK_RV rv = der_decode(store->der, &approval_type, content, &d);

    if (rv == CKR_OK && (d.object.len != OBJECT_ID_LEN || d.identity.len != USER_IDENTITY_LEN ||
                         d.signature.len != APPROVAL_SIGNATURE_LEN ||
                         (d.digest.len != 0 && d.digest.len != APPROVAL_DIGEST_LEN)))
        rv = fail_internal("an approval's ids, digest and signature have their lengths");
    if (rv != CKR_OK)
        return rv;
    *ret = (struct approval){.version = (uint64_t)d.version,
                             .has_digest = d.digest.len > 0,
                             .created = d.created,
                             .expires = d.expires};
    memcpy(ret->id, record->id, APPROVAL_ID_LEN);
    memcpy(ret->object, d.object.data, OBJECT_ID_LEN);
    if (ret->has_digest)
        memcpy(ret->digest, d.digest.data, APPROVAL_DIGEST_LEN);
    memcpy(ret->identity, d.identity.data, USER_IDENTITY_LEN);
    memcpy(ret->signature, d.signature.data, APPROVAL_SIGNATURE_LEN);
    memcpy(ret->action, d.action, sizeof(ret->action));
    memcpy(ret->mechanism, d.mechanism, sizeof(ret->mechanism));
    memcpy(ret->requester, d.requester, sizeof(ret->requester));
    memcpy(ret->approver, d.approver, sizeof(ret->approver));
    return CKR_OK;
}

/* ---- reading ---- */

struct list {
    struct store *store;
    struct approval *approvals;
    size_t count;
};

static CK_RV list_one(void *ctx, const struct record *record, struct bytes content, bool *ret_more)
{
    struct list *list = ctx;
    struct approval *approvals = array_resize(list->approvals, list->count + 1, sizeof(*approvals));
    CK_RV rv;

    if (approvals == NULL)
        return fail_memory();
    list->approvals = approvals;
    rv = decode(list->store, record, content, &approvals[list->count]);
    list->count += rv == CKR_OK;
    *ret_more = true;
    return rv;
}

static CK_RV object_tag(struct store *store, struct keys *keys,
                        const uint8_t object[static OBJECT_ID_LEN], uint8_t ret[static TAG_LEN])
{
    return keys_tag(store->local, keys, "approved", BYTES(object, OBJECT_ID_LEN), ret);
}

static CK_RV read_all(struct store *store, struct keys *keys, const uint8_t *object,
                      struct list *list)
{
    struct record_query query = {.kind = RECORD_APPROVAL};
    uint8_t tag[TAG_LEN];
    CK_RV rv = CKR_OK;

    if (object != NULL) {
        rv = object_tag(store, keys, object, tag);
        query.label_tag = tag;
    }
    return rv == CKR_OK ? record_walk(store, keys, &query, list_one, list) : rv;
}

CK_RV approval_list(struct store *store, const struct vault_info *vault, const uint8_t *object,
                    struct approval **ret, size_t *ret_count)
{
    struct list list = {.store = store};
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, read_all(store, keys, object, &list));
    if (rv != CKR_OK) {
        free(list.approvals);
        return rv;
    }
    *ret = list.approvals;
    *ret_count = list.count;
    return CKR_OK;
}

/* ---- writing ---- */

/* Those that expired before this time go. */
static CK_RV remove_expired(struct store *store, struct keys *keys, int64_t before)
{
    struct list list = {.store = store};
    CK_RV rv = read_all(store, keys, NULL, &list);

    for (size_t i = 0; rv == CKR_OK && i < list.count; i++)
        if (list.approvals[i].expires < before)
            rv = record_remove(store, keys, RECORD_APPROVAL, list.approvals[i].id);
    free(list.approvals);
    return rv;
}

CK_RV approval_remove_all(struct store *store, struct keys *keys)
{
    return remove_expired(store, keys, INT64_MAX);
}

static CK_RV add(struct store *store, struct keys *keys, const struct approval *a)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    struct record record = {.kind = RECORD_APPROVAL};
    CK_RV rv = remove_expired(store, keys, store_now(store));

    memcpy(record.id, a->id, STORE_ID_LEN);
    if (rv == CKR_OK)
        rv = object_tag(store, keys, a->object, record.label_tag);
    if (rv == CKR_OK)
        rv = encode(store, a, &content);
    if (rv == CKR_OK)
        rv = record_add(store, keys, &record, buf_bytes(&content));
    buf_release_secure(&content);
    return rv;
}

CK_RV approval_add(struct store *store, const struct vault_info *vault,
                   const struct approval *approval)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, add(store, keys, approval)) : rv;
}

static CK_RV take(struct store *store, struct keys *keys, const uint8_t id[static APPROVAL_ID_LEN])
{
    struct buf content = BUF_INIT(RECORD_MAX);
    struct record record;
    bool found = false;
    CK_RV rv = record_get(store, keys, RECORD_APPROVAL, id, &record, &content, &found);

    buf_release_secure(&content);
    if (rv == CKR_OK && !found)
        rv = fail(CKR_FUNCTION_REJECTED, "there is no such approval any more: it was used, or "
                                         "withdrawn");
    return rv == CKR_OK ? record_remove(store, keys, RECORD_APPROVAL, id) : rv;
}

CK_RV approval_take(struct store *store, const struct vault_info *vault,
                    const uint8_t (*ids)[APPROVAL_ID_LEN], size_t count)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    if (rv != CKR_OK)
        return rv;
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = take(store, keys, ids[i]);
    return store_leave(store, rv);
}
