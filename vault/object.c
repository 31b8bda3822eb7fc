/* Objects of a vault: see object.h. */
#include "base/heap.h"
#include "vault/object_int.h"
#include "vault/reset_int.h"

#include <stdlib.h>
#include <string.h>

/* On disk only: a deleted object that was disabled before. */
#define STATE_DELETED_DISABLED (OBJECT_DELETED + 1)

/* The sealed record; its spans point elsewhere. */
struct object_der {
    int64_t cls, version, state, created, updated, deleted_at, not_before, expires, protection;
    struct bytes hsm_key_id;
    int64_t hsm_key_kind, hsm_key_type;
    struct bytes attributes;
    struct bytes material;
};

#define MEMBER(n, k, field, most)                                                                  \
    {                                                                                              \
        .name = (n), .kind = (k), .offset = offsetof(struct object_der, field), .max = (most)      \
    }
#define TIME(n, field) MEMBER(n, DER_NUMBER, field, INT64_MAX)

static const struct der_member object_members[] = {
    MEMBER("class", DER_NUMBER, cls, INT64_MAX),
    MEMBER("version", DER_NUMBER, version, INT64_MAX),
    MEMBER("state", DER_NUMBER, state, STATE_DELETED_DISABLED),
    TIME("created", created),
    TIME("updated", updated),
    TIME("deletedAt", deleted_at),
    TIME("notBefore", not_before),
    TIME("expires", expires),
    MEMBER("protection", DER_NUMBER, protection, PROTECTION_SOFTWARE),
    MEMBER("hsmKeyId", DER_OCTETS, hsm_key_id, HSM_ID_LEN),
    MEMBER("hsmKeyKind", DER_NUMBER, hsm_key_kind, HSM_KEY_PRIVATE),
    MEMBER("hsmKeyType", DER_NUMBER, hsm_key_type, INT64_MAX),
    MEMBER("attributes", DER_OCTETS, attributes, RECORD_MAX),
    MEMBER("material", DER_OCTETS_OPTIONAL, material, OBJECT_MATERIAL_MAX),
};

static const struct der_type object_type = {
    .name = "KEYWARD.Object",
    .members = object_members,
    .count = sizeof(object_members) / sizeof(*object_members),
};

void object_release(struct object *object)
{
    attrs_release(&object->attrs);
    secret_free(object->material);
    object->material = NULL;
}

CK_RV object_copy(struct object *to, const struct object *from)
{
    struct object copy = *from;
    CK_RV rv;

    copy.attrs = ATTRS_INIT;
    copy.material = NULL;
    rv = attrs_copy(&copy.attrs, &from->attrs);
    if (rv == CKR_OK && from->material != NULL) {
        copy.material = secret_copy(secret_bytes(from->material));
        if (copy.material == NULL)
            rv = fail_memory();
    }
    if (rv != CKR_OK) {
        object_release(&copy);
        return rv;
    }
    *to = copy;
    return CKR_OK;
}

/* ---- to and from the record ---- */

/* What the record can hold; nothing else is written, so what is read back is what was given. */
static CK_RV check_object(const struct object *o)
{
    if (o->cls > INT64_MAX || o->version > INT64_MAX || o->hsm_key.type > INT64_MAX ||
        o->state > OBJECT_DELETED || o->protection > PROTECTION_SOFTWARE || o->created < 0 ||
        o->updated < 0 || o->deleted_at < 0 || o->not_before < 0 || o->expires < 0)
        return fail_internal("an object's numbers are in their ranges");
    if (o->material != NULL &&
        (o->protection != PROTECTION_SOFTWARE || o->material->len > OBJECT_MATERIAL_MAX))
        return fail_internal("only keys of protection software have material, and not that much");
    return CKR_OK;
}

static CK_RV encode(struct store *store, const struct object *o, struct buf *out)
{
    struct buf list = BUF_INIT(RECORD_MAX - OBJECT_MATERIAL_MAX - 1024);
    struct object_der d = {
        .cls = (int64_t)o->cls,
        .version = (int64_t)o->version,
        .state = o->state == OBJECT_DELETED && o->was_disabled ? STATE_DELETED_DISABLED
                                                               : (int64_t)o->state,
        .created = o->created,
        .updated = o->updated,
        .deleted_at = o->deleted_at,
        .not_before = o->not_before,
        .expires = o->expires,
        .protection = o->protection,
    };
    CK_RV rv = check_object(o);

    if (o->has_hsm_key) {
        d.hsm_key_id = BYTES(o->hsm_key.id, HSM_ID_LEN);
        d.hsm_key_kind = o->hsm_key.kind;
        d.hsm_key_type = (int64_t)o->hsm_key.type;
    }
    if (rv == CKR_OK)
        rv = der_encode_attrs(&o->attrs, &list);
    d.attributes = buf_bytes(&list);
    if (o->material != NULL)
        d.material = secret_bytes(o->material);
    if (rv == CKR_OK)
        rv = der_encode(store->der, &object_type, &d, out);
    buf_release_secure(&list);
    return rv;
}

CK_RV object_decode(struct store *store, const struct keys *keys, const struct record *record,
                    struct bytes content, enum object_part part, struct object *ret)
{
    struct object_der d;
    struct object o = {.attrs = ATTRS_INIT};
    CK_RV rv = der_decode(store->der, &object_type, content, &d);

    if (rv != CKR_OK)
        return rv;
    if (d.hsm_key_id.len != 0 && d.hsm_key_id.len != HSM_ID_LEN)
        return fail_internal("an HSM key's id has its length");
    o.generation = record->generation;
    o.cls = (CK_OBJECT_CLASS)d.cls;
    o.version = (uint64_t)d.version;
    o.was_disabled = d.state == STATE_DELETED_DISABLED;
    o.state = o.was_disabled ? OBJECT_DELETED : (enum object_state)d.state;
    o.created = d.created;
    o.updated = d.updated;
    o.deleted_at = d.deleted_at;
    o.not_before = d.not_before;
    o.expires = d.expires;
    o.protection = (enum protection)d.protection;
    o.has_hsm_key = d.hsm_key_id.len == HSM_ID_LEN;
    memcpy(o.id, record->id, OBJECT_ID_LEN);
    memcpy(o.vault, keys->id, VAULT_ID_LEN);
    if (o.has_hsm_key) {
        memcpy(o.hsm_key.id, d.hsm_key_id.data, HSM_ID_LEN);
        o.hsm_key.kind = (enum hsm_key_kind)d.hsm_key_kind;
        o.hsm_key.type = (CK_KEY_TYPE)d.hsm_key_type;
    }
    rv = der_decode_attrs(d.attributes, &o.attrs);
    if (rv == CKR_OK && part == OBJECT_WHOLE && d.material.len > 0) {
        o.material = secret_copy(d.material);
        if (o.material == NULL)
            rv = fail_memory();
    }
    if (rv != CKR_OK) {
        object_release(&o);
        return rv;
    }
    *ret = o;
    return CKR_OK;
}

CK_RV object_tag(struct store *store, struct keys *keys, CK_ATTRIBUTE_TYPE type, struct bytes value,
                 uint8_t ret[static TAG_LEN])
{
    return keys_tag(store->local, keys, type == CKA_LABEL ? "label" : "id", value, ret);
}

/* The row's columns of an object. */
static CK_RV record_of(struct store *store, struct keys *keys, const struct object *o,
                       struct record *ret)
{
    struct record r = {
        .kind = RECORD_OBJECT,
        .version = o->version,
        .cls = o->cls,
        .deleted = o->state == OBJECT_DELETED,
    };
    CK_RV rv = object_tag(store, keys, CKA_LABEL, attrs_bytes(&o->attrs, CKA_LABEL), r.label_tag);

    if (rv == CKR_OK)
        rv = object_tag(store, keys, CKA_ID, attrs_bytes(&o->attrs, CKA_ID), r.id_tag);
    memcpy(r.id, o->id, OBJECT_ID_LEN);
    if (rv == CKR_OK)
        *ret = r;
    return rv;
}

typedef CK_RV record_write(struct store *store, struct keys *keys, struct record *record,
                           struct bytes content);

static CK_RV write_object(struct store *store, struct keys *keys, struct object *o,
                          record_write *write)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    struct record record;
    CK_RV rv = record_of(store, keys, o, &record);

    if (rv == CKR_OK)
        rv = encode(store, o, &content);
    if (rv == CKR_OK)
        rv = write(store, keys, &record, buf_bytes(&content));
    if (rv == CKR_OK)
        o->generation = record.generation;
    buf_release_secure(&content);
    return rv;
}

/* ---- the calls ---- */

struct highest {
    uint64_t cls, version;
};

static CK_RV keep_highest(void *ctx, const struct record *record, struct bytes content,
                          bool *ret_more)
{
    struct highest *highest = ctx;

    (void)content;
    if (record->cls == highest->cls && record->version > highest->version)
        highest->version = record->version;
    *ret_more = true;
    return CKR_OK;
}

/* The highest version that an object's label and class have had. */
static CK_RV highest_version(struct store *store, struct keys *keys, const struct object *o,
                             uint64_t *ret)
{
    uint8_t label_tag[TAG_LEN];
    const struct record_query query = {
        .kind = RECORD_OBJECT, .either = true, .label_tag = label_tag};
    struct highest highest = {.cls = o->cls};
    struct bytes label = attrs_bytes(&o->attrs, CKA_LABEL);
    CK_RV rv = CKR_OK;

    if (label.len > 0)
        rv = object_tag(store, keys, CKA_LABEL, label, label_tag);
    if (rv == CKR_OK && label.len > 0)
        rv = record_walk(store, keys, &query, keep_highest, &highest);
    *ret = highest.version;
    return rv;
}

/* The caller counted before this transaction, and another process may have been faster: objects
 * born together then get the next version that is free for all of them. */
static CK_RV raise_versions(struct store *store, struct keys *keys, struct object *const *objects,
                            size_t count)
{
    uint64_t top = 0;
    bool taken = false;

    for (size_t i = 0; i < count; i++) {
        uint64_t highest = 0;
        CK_RV rv = highest_version(store, keys, objects[i], &highest);

        if (rv != CKR_OK)
            return rv;
        taken = taken || highest >= objects[i]->version;
        top = highest > top ? highest : top;
    }
    for (size_t i = 0; taken && i < count; i++)
        objects[i]->version = top + 1;
    return CKR_OK;
}

static CK_RV insert_all(struct store *store, struct keys *keys, struct object *const *objects,
                        size_t count)
{
    int64_t now = store_now(store);
    CK_RV rv = raise_versions(store, keys, objects, count);

    for (size_t i = 0; i < count && rv == CKR_OK; i++) {
        if (memcmp(objects[i]->vault, keys->id, VAULT_ID_LEN) != 0)
            return fail_internal("objects written together are of one vault");
        if (objects[i]->created == 0)
            objects[i]->created = now;
        if (objects[i]->updated == 0)
            objects[i]->updated = objects[i]->created;
        rv = write_object(store, keys, objects[i], record_add);
    }
    return rv;
}

CK_RV object_insert(struct store *store, struct object *const *objects, size_t count)
{
    struct keys *keys = NULL;
    CK_RV rv;

    if (count == 0)
        return CKR_OK;
    rv = store_enter(store, objects[0]->vault, STORE_WRITE, &keys);
    return rv == CKR_OK ? store_leave(store, insert_all(store, keys, objects, count)) : rv;
}

static CK_RV read_object(struct store *store, struct keys *keys,
                         const uint8_t id[static OBJECT_ID_LEN], struct object *ret)
{
    struct buf content = BUF_INIT(RECORD_MAX);
    struct record record;
    bool found = false;
    CK_RV rv = record_get(store, keys, RECORD_OBJECT, id, &record, &content, &found);

    if (rv == CKR_OK && !found)
        rv = fail(CKR_OBJECT_HANDLE_INVALID, "the object is gone: find it again");
    if (rv == CKR_OK)
        rv = object_decode(store, keys, &record, buf_bytes(&content), OBJECT_WHOLE, ret);
    buf_release_secure(&content);
    return rv;
}

CK_RV object_get(struct store *store, const struct vault_info *vault,
                 const uint8_t id[static OBJECT_ID_LEN], struct object *ret)
{
    struct keys *keys = NULL;
    struct object o = {.attrs = ATTRS_INIT};
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, read_object(store, keys, id, &o));
    if (rv == CKR_OK)
        *ret = o;
    else
        object_release(&o);
    return rv;
}

static CK_RV update_object(struct store *store, struct keys *keys, struct object *object)
{
    struct object now = {.attrs = ATTRS_INIT};
    CK_RV rv = read_object(store, keys, object->id, &now);

    if (rv == CKR_OK && now.generation != object->generation)
        rv = fail(CKR_FUNCTION_REJECTED,
                  "the object was changed by somebody else meanwhile: read it again and repeat");
    if (rv == CKR_OK && now.material != NULL && object->material == NULL)
        rv = fail_internal("an object is written with the material it was read with");
    object_release(&now);
    if (rv != CKR_OK)
        return rv;
    object->updated = store_now(store);
    return write_object(store, keys, object, record_set);
}

CK_RV object_update(struct store *store, struct object *object)
{
    struct keys *keys = NULL;
    uint64_t was = object->generation;
    CK_RV rv = store_enter(store, object->vault, STORE_WRITE, &keys);

    if (rv == CKR_OK)
        rv = store_leave(store, update_object(store, keys, object));
    if (rv != CKR_OK)
        object->generation = was;
    return rv;
}

/* ---- all at once, for vault_reset() ---- */

struct ids {
    uint8_t (*list)[STORE_ID_LEN];
    size_t count;
};

static CK_RV collect_id(void *ctx, const struct record *record, struct bytes content,
                        bool *ret_more)
{
    struct ids *ids = ctx;
    uint8_t(*list)[STORE_ID_LEN] = array_resize(ids->list, ids->count + 1, STORE_ID_LEN);

    (void)content;
    if (list == NULL)
        return fail_memory();
    ids->list = list;
    memcpy(list[ids->count++], record->id, STORE_ID_LEN);
    *ret_more = true;
    return CKR_OK;
}

static CK_RV delete_object(struct store *store, struct keys *keys, const uint8_t *id)
{
    struct object o = {.attrs = ATTRS_INIT};
    CK_RV rv = read_object(store, keys, id, &o);

    if (rv == CKR_OK) {
        o.was_disabled = o.state == OBJECT_DISABLED;
        o.state = OBJECT_DELETED;
        o.deleted_at = store_now(store);
        o.updated = o.deleted_at;
        rv = write_object(store, keys, &o, record_set);
    }
    object_release(&o);
    return rv;
}

CK_RV object_delete_all(struct store *store, struct keys *keys)
{
    const struct record_query query = {.kind = RECORD_OBJECT};
    struct ids ids = {.list = NULL};
    CK_RV rv = record_walk(store, keys, &query, collect_id, &ids);

    for (size_t i = 0; rv == CKR_OK && i < ids.count; i++)
        rv = delete_object(store, keys, ids.list[i]);
    free(ids.list);
    return rv;
}

CK_RV object_purge(struct store *store, const struct vault_info *vault,
                   const uint8_t id[static OBJECT_ID_LEN])
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_WRITE, &keys);

    return rv == CKR_OK ? store_leave(store, record_remove(store, keys, RECORD_OBJECT, id)) : rv;
}

CK_RV object_count(struct store *store, const struct vault_info *vault, uint64_t *ret)
{
    struct keys *keys = NULL;
    CK_RV rv = store_enter(store, vault->id, STORE_READ, &keys);

    return rv == CKR_OK ? store_leave(store, record_count(store, keys, RECORD_OBJECT, false, ret))
                        : rv;
}
