/*
 * Cedar's JSON: see policy_json.h.
 *
 * Source: docs.cedarpolicy.com, "Entities and context", JSON format.
 */
#include "tools/policy_json.h"

#include "policy/extension.h"
#include "policy/text.h"

#include <stdlib.h>
#include <string.h>

static struct bytes text_of(const json_t *json)
{
    return BYTES(json_string_value(json), json_string_length(json));
}

/* ---- uids ---- */

static CK_RV uid_from_text(struct arena *arena, struct bytes text, struct policy_uid *ret)
{
    static const char open[] = "::\"";
    const uint8_t *at = text.len > 0 ? memmem(text.data, text.len, open, sizeof(open) - 1) : NULL;
    const uint8_t *id = at != NULL ? at + sizeof(open) - 1 : NULL;
    const uint8_t *end = text.data + text.len;
    uint8_t *out;
    size_t len;

    if (at == NULL || at == text.data || id == end || end[-1] != '"')
        return fail(CKR_ARGUMENTS_BAD, "an entity is written Type::\"id\"");
    out = arena_take(arena, (size_t)(end - id));
    if (out == NULL)
        return fail_memory();
    if (!text_unescape(BYTES(id, (size_t)(end - 1 - id)), -1, out, &len))
        return fail(CKR_ARGUMENTS_BAD, "no such escape in an entity's id");
    ret->type = BYTES(text.data, (size_t)(at - text.data));
    ret->id = BYTES(out, len);
    return CKR_OK;
}

CK_RV policy_json_uid(struct arena *arena, json_t *json, struct policy_uid *ret)
{
    json_t *inner = json_object_get(json, "__entity");
    json_t *type;
    json_t *id;

    if (json_is_string(json))
        return uid_from_text(arena, text_of(json), ret);
    if (inner != NULL)
        json = inner;
    type = json_object_get(json, "type");
    id = json_object_get(json, "id");
    if (!json_is_string(type) || !json_is_string(id))
        return fail(CKR_ARGUMENTS_BAD, "an entity is Type::\"id\" or {\"type\":..,\"id\":..}");
    ret->type = text_of(type);
    ret->id = text_of(id);
    return CKR_OK;
}

/* ---- values ---- */

static CK_RV set_from(struct arena *arena, json_t *json, struct policy_value *ret)
{
    size_t count = json_array_size(json);
    struct policy_value *items = arena_take(arena, count * sizeof(*items));
    CK_RV rv = CKR_OK;

    if (items == NULL)
        return fail_memory();
    for (size_t i = 0; i < count && rv == CKR_OK; i++)
        rv = policy_json_value(arena, json_array_get(json, i), &items[i]);
    ret->kind = POLICY_SET;
    ret->u.set.items = items;
    ret->u.set.count = count;
    return rv;
}

static int field_order(const void *a, const void *b)
{
    return bytes_compare(((const struct policy_field *)a)->name,
                         ((const struct policy_field *)b)->name);
}

static CK_RV record_from(struct arena *arena, json_t *json, struct policy_value *ret)
{
    size_t count = 0;
    struct policy_field *fields = arena_take(arena, json_object_size(json) * sizeof(*fields));
    const char *key;
    json_t *value;
    CK_RV rv = CKR_OK;

    if (fields == NULL)
        return fail_memory();
    json_object_foreach(json, key, value)
    {
        fields[count].name = bytes_from_str(key);
        if (rv == CKR_OK)
            rv = policy_json_value(arena, value, &fields[count].value);
        count++;
    }
    qsort(fields, count, sizeof(*fields), field_order);
    ret->kind = POLICY_RECORD;
    ret->u.record.fields = fields;
    ret->u.record.count = count;
    return rv;
}

/* {"fn": "ip", "arg": "10.0.0.1"} */
static CK_RV extension_from(json_t *json, struct policy_value *ret)
{
    json_t *function = json_object_get(json, "fn");
    json_t *argument = json_object_get(json, "arg");
    const struct extension *extension;

    if (!json_is_string(function) || !json_is_string(argument))
        return fail(CKR_ARGUMENTS_BAD, "an __extn has the texts fn and arg");
    extension = extension_find(text_of(function));
    if (extension == NULL)
        return fail(CKR_ARGUMENTS_BAD,
                    "there is no extension function %.40s: it is ip, datetime or duration",
                    json_string_value(function));
    if (!extension_read(extension->kind, text_of(argument), ret))
        return fail(CKR_ARGUMENTS_BAD, "%s() cannot read \"%.60s\"", extension->name,
                    json_string_value(argument));
    return CKR_OK;
}

static CK_RV object_from(struct arena *arena, json_t *json, struct policy_value *ret)
{
    if (json_object_get(json, "__extn") != NULL)
        return extension_from(json_object_get(json, "__extn"), ret);
    if (json_object_get(json, "__entity") == NULL)
        return record_from(arena, json, ret);
    ret->kind = POLICY_ENTITY;
    return policy_json_uid(arena, json, &ret->u.uid);
}

CK_RV policy_json_value(struct arena *arena, json_t *json, struct policy_value *ret)
{
    switch (json_typeof(json)) {
    case JSON_TRUE:
    case JSON_FALSE:
        ret->kind = POLICY_BOOL;
        ret->u.boolean = json_is_true(json);
        return CKR_OK;
    case JSON_INTEGER:
        ret->kind = POLICY_LONG;
        ret->u.number = json_integer_value(json);
        return CKR_OK;
    case JSON_STRING:
        ret->kind = POLICY_STRING;
        ret->u.string = text_of(json);
        return CKR_OK;
    case JSON_ARRAY:
        return set_from(arena, json, ret);
    case JSON_OBJECT:
        return object_from(arena, json, ret);
    default:
        return fail(CKR_ARGUMENTS_BAD, "a value is neither null nor a fraction");
    }
}

static CK_RV record_or_empty(struct arena *arena, json_t *json, struct policy_value *ret)
{
    *ret = (struct policy_value){.kind = POLICY_RECORD};
    if (json == NULL)
        return CKR_OK;
    if (!json_is_object(json))
        return fail(CKR_ARGUMENTS_BAD, "attributes and context are objects");
    return record_from(arena, json, ret);
}

/* ---- entities ---- */

static int entity_order(const void *a, const void *b)
{
    const struct policy_uid *x = &((const struct policy_entity *)a)->uid;
    const struct policy_uid *y = &((const struct policy_entity *)b)->uid;
    int c = bytes_compare(x->type, y->type);

    return c != 0 ? c : bytes_compare(x->id, y->id);
}

static CK_RV entity_from(struct arena *arena, json_t *json, struct policy_entity *ret)
{
    json_t *parents = json_object_get(json, "parents");
    size_t count = json_array_size(parents);
    struct policy_uid *list = arena_take(arena, count * sizeof(*list));
    CK_RV rv;

    if (list == NULL)
        return fail_memory();
    if (json_object_get(json, "uid") == NULL)
        return fail(CKR_ARGUMENTS_BAD, "an entity has no uid");
    rv = policy_json_uid(arena, json_object_get(json, "uid"), &ret->uid);
    for (size_t i = 0; i < count && rv == CKR_OK; i++)
        rv = policy_json_uid(arena, json_array_get(parents, i), &list[i]);
    ret->ancestors = list;
    ret->ancestor_count = count;
    return rv == CKR_OK ? record_or_empty(arena, json_object_get(json, "attrs"), &ret->attributes)
                        : rv;
}

static const struct policy_entity *find_entity(const struct policy_entity *entities, size_t count,
                                               const struct policy_uid *uid)
{
    struct policy_entity key = {.uid = *uid};

    return bsearch(&key, entities, count, sizeof(key), entity_order);
}

static bool listed(const struct policy_uid *list, size_t count, const struct policy_uid *uid)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal(list[i].id, uid->id) && bytes_equal(list[i].type, uid->type))
            return true;
    }
    return false;
}

/* Parents, their parents and so on, each once; direct[] still holds every entity's own parents. */
static CK_RV close_parents(struct arena *arena, const struct policy_entity *direct, size_t count,
                           struct policy_entity *entity)
{
    SCOPED_FREE struct policy_uid *all = NULL;
    size_t found = 0;
    size_t cap = 0;
    const struct policy_entity *from = entity;

    for (size_t next = 0;;) {
        for (size_t i = 0; from != NULL && i < from->ancestor_count; i++) {
            if (listed(all, found, &from->ancestors[i]))
                continue;
            if (!array_reserve((void **)&all, &cap, found + 1, sizeof(*all)))
                return fail_memory();
            all[found++] = from->ancestors[i];
        }
        if (next == found)
            break;
        from = find_entity(direct, count, &all[next++]);
    }
    if (found > 0) {
        struct policy_uid *kept = arena_take(arena, found * sizeof(*kept));

        if (kept == NULL)
            return fail_memory();
        memcpy(kept, all, found * sizeof(*kept));
        entity->ancestors = kept;
    }
    entity->ancestor_count = found;
    return CKR_OK;
}

CK_RV policy_json_entities(struct arena *arena, json_t *json, const struct policy_entity **ret,
                           size_t *ret_count)
{
    size_t count = json_array_size(json);
    struct policy_entity *direct = arena_take(arena, count * sizeof(*direct));
    struct policy_entity *closed = arena_take(arena, count * sizeof(*closed));
    CK_RV rv = CKR_OK;

    if (!json_is_array(json))
        return fail(CKR_ARGUMENTS_BAD, "entities are an array of {uid, attrs, parents}");
    if (direct == NULL || closed == NULL)
        return fail_memory();
    for (size_t i = 0; i < count && rv == CKR_OK; i++)
        rv = entity_from(arena, json_array_get(json, i), &direct[i]);
    if (rv != CKR_OK)
        return rv;
    qsort(direct, count, sizeof(*direct), entity_order);
    for (size_t i = 1; i < count; i++) {
        if (entity_order(&direct[i - 1], &direct[i]) == 0)
            return fail(CKR_ARGUMENTS_BAD, "an entity is listed twice");
    }
    for (size_t i = 0; i < count && rv == CKR_OK; i++) {
        closed[i] = direct[i];
        rv = close_parents(arena, direct, count, &closed[i]);
    }
    *ret = closed;
    *ret_count = count;
    return rv;
}

/* ---- requests ---- */

CK_RV policy_json_request(struct arena *arena, json_t *json, struct policy_request *ret)
{
    struct {
        const char *name;
        struct policy_uid *uid;
    } parties[] = {
        {"principal", &ret->principal},
        {"action", &ret->action},
        {"resource", &ret->resource},
    };

    for (size_t i = 0; i < sizeof(parties) / sizeof(*parties); i++) {
        json_t *party = json_object_get(json, parties[i].name);
        CK_RV rv = party != NULL ? policy_json_uid(arena, party, parties[i].uid)
                                 : fail(CKR_ARGUMENTS_BAD, "it is missing");

        if (rv != CKR_OK)
            return fail_in(rv, parties[i].name);
    }
    return record_or_empty(arena, json_object_get(json, "context"), &ret->context);
}
