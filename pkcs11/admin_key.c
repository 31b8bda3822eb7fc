/* Verbs about keys that exist: list, show, public half, delete, recover, purge. What the policy
 * does not list for the caller is not found here either, by name no more than by listing. */
#include "pkcs11/admin_int.h"

#include "base/curve.h"
#include "base/names.h"
#include "base/param_set.h"
#include "pkcs11/keys.h"
#include "pkcs11/view.h"

#include <stdlib.h>
#include <string.h>

/* ---- finding ---- */

/* Ids of a search: the policy is asked afterwards, since a search's callback may not ask the store.
 */
struct found {
    uint8_t (*ids)[OBJECT_ID_LEN];
    size_t count, cap;
    bool any_class; /* also what is no key */
    bool failed;
};

static bool is_key(const struct object *object)
{
    return object->cls == CKO_PUBLIC_KEY || object->cls == CKO_PRIVATE_KEY ||
           object->cls == CKO_SECRET_KEY;
}

static bool remember(void *ctx, const struct object *object)
{
    struct found *found = ctx;

    if (!found->any_class && !is_key(object))
        return true;
    if (found->count == found->cap) {
        size_t cap = found->cap > 0 ? found->cap * 2 : 64;
        uint8_t(*ids)[OBJECT_ID_LEN] = realloc(found->ids, cap * sizeof(*ids));

        if (ids == NULL) {
            found->failed = true;
            return false;
        }
        found->ids = ids;
        found->cap = cap;
    }
    memcpy(found->ids[found->count++], object->id, OBJECT_ID_LEN);
    return true;
}

static CK_RV search(struct admin *a, const char *name, bool deleted, struct found *found)
{
    struct object_query query = {.deleted = deleted};
    CK_RV rv;

    if (name != NULL) {
        query.has_label = true;
        query.label = bytes_from_str(name);
    }
    rv = object_find(run_store(&a->run), &a->run.vault, &query, remember, found);
    return rv == CKR_OK && found->failed ? fail_memory() : rv;
}

/* The object, when it is still there and the caller may see it; otherwise *ret_visible is false. */
static CK_RV look(struct admin *a, const uint8_t id[static OBJECT_ID_LEN], struct object *ret,
                  bool *ret_visible)
{
    CK_RV rv = object_get(run_store(&a->run), &a->run.vault, id, ret);

    *ret_visible = false;
    if (rv == CKR_OBJECT_HANDLE_INVALID)
        return CKR_OK;
    if (rv != CKR_OK)
        return rv;
    *ret_visible = gate_visible(&a->run, ret);
    if (!*ret_visible)
        object_release(ret);
    return CKR_OK;
}

void admin_objects_release(struct admin_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        object_release(&objects->list[i]);
    objects->count = 0;
}

/* Keeps objects of one version: the wanted one, or (0) the newest seen. Takes object. */
static CK_RV keep(struct admin_objects *objects, struct object *object, uint64_t wanted)
{
    uint64_t held = objects->count > 0 ? objects->list[0].version : 0;

    if ((wanted != 0 && object->version != wanted) || object->version < held) {
        object_release(object);
        return CKR_OK;
    }
    if (object->version > held)
        admin_objects_release(objects);
    if (objects->count == ADMIN_HALVES_MAX) {
        object_release(object);
        return fail(CKR_FUNCTION_REJECTED,
                    "more than %d keys have this name: give it to one of them only, or use "
                    "PKCS#11 and their ids",
                    ADMIN_HALVES_MAX);
    }
    objects->list[objects->count++] = *object;
    return CKR_OK;
}

/* All visible objects of a name that are of one version. None: an empty answer. */
static CK_RV find_visible(struct admin *a, const char *name, uint64_t version, bool deleted,
                          struct found *scratch, struct admin_objects *ret)
{
    struct admin_objects objects = {.count = 0};
    CK_RV rv = search(a, name, deleted, scratch);

    for (size_t i = 0; rv == CKR_OK && i < scratch->count; i++) {
        struct object object = {0};
        bool visible;

        rv = look(a, scratch->ids[i], &object, &visible);
        if (rv == CKR_OK && visible)
            rv = keep(&objects, &object, version);
    }
    free(scratch->ids);
    if (rv != CKR_OK) {
        admin_objects_release(&objects);
        return rv;
    }
    *ret = objects;
    return CKR_OK;
}

CK_RV admin_key_find(struct admin *a, bool deleted, struct admin_objects *ret)
{
    const char *name = admin_text(a, "name");
    struct found found = {.ids = NULL};
    CK_RV rv = find_visible(a, name, (uint64_t)admin_number(a, "version", 0), deleted, &found, ret);

    if (rv == CKR_OK && ret->count == 0)
        return fail(CKR_OBJECT_HANDLE_INVALID,
                    "vault %s has no %skey %.128s that you may see: see keyward key list %s",
                    a->run.vault.name, deleted ? "deleted " : "", name, a->run.vault.name);
    return rv;
}

CK_RV admin_object_find(struct admin *a, const char *name, struct admin_objects *ret)
{
    struct found found = {.any_class = true};

    return find_visible(a, name, 0, false, &found, ret);
}

/* ---- showing ---- */

static const struct {
    CK_KEY_TYPE type;
    const char *word;
} type_words[] = {
    {CKK_RSA, "rsa"},
    {CKK_EC, "ec"},
    {CKK_EC_EDWARDS, "ec-edwards"},
    {CKK_EC_MONTGOMERY, "ec-montgomery"},
    {CKK_ML_KEM, "ml-kem"},
    {CKK_ML_DSA, "ml-dsa"},
    {CKK_SLH_DSA, "slh-dsa"},
    {CKK_AES, "aes"},
    {CKK_GENERIC_SECRET, "hmac"},
};

static const char *type_word(CK_KEY_TYPE type)
{
    for (size_t i = 0; i < sizeof(type_words) / sizeof(*type_words); i++)
        if (type_words[i].type == type)
            return type_words[i].word;
    return "other";
}

static const char *class_word(CK_OBJECT_CLASS cls)
{
    return cls == CKO_PUBLIC_KEY ? "public" : cls == CKO_PRIVATE_KEY ? "private" : "secret";
}

static const char *state_word(enum object_state state)
{
    static const char *const words[] = {
        [OBJECT_ENABLED] = "enabled", [OBJECT_DISABLED] = "disabled", [OBJECT_DELETED] = "deleted"};

    return words[state];
}

static const struct curve *curve_of(const struct attrs *attrs)
{
    return curve_find(attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION),
                      attrs_bytes(attrs, CKA_EC_PARAMS));
}

static const struct param_set *set_of(const struct attrs *attrs)
{
    return param_set_find(attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION),
                          attrs_ulong(attrs, CKA_PARAMETER_SET, 0));
}

static CK_ULONG size_bits(const struct attrs *attrs)
{
    struct bytes modulus = attrs_bytes(attrs, CKA_MODULUS);
    const struct curve *curve = curve_of(attrs);
    const struct param_set *set = set_of(attrs);

    while (modulus.len > 0 && modulus.data[0] == 0)
        modulus = BYTES(modulus.data + 1, modulus.len - 1);
    if (modulus.len > 0)
        return modulus.len * 8;
    if (curve != NULL)
        return curve->bits;
    if (set != NULL)
        return set->size;
    return attrs_ulong(attrs, CKA_VALUE_LEN, 0) * 8;
}

static json_t *json_hex(struct bytes bytes)
{
    SCOPED_FREE char *hex = malloc(2 * bytes.len + 1);

    if (hex == NULL)
        return NULL;
    bytes_to_hex(bytes, hex);
    return json_string(hex);
}

static json_t *use_json(const struct attrs *attrs)
{
    json_t *list = json_array();
    const struct admin_use *use;

    for (size_t i = 0; (use = admin_use_at(i)) != NULL; i++)
        if (attrs_true(attrs, use->attribute))
            (void)json_array_append_new(list, json_string(use->word));
    return list;
}

static json_t *mechanisms_json(const struct attrs *attrs)
{
    struct bytes allowed = attrs_bytes(attrs, CKA_ALLOWED_MECHANISMS);
    json_t *list = json_array();

    for (size_t at = 0; at + sizeof(CK_MECHANISM_TYPE) <= allowed.len;
         at += sizeof(CK_MECHANISM_TYPE)) {
        CK_MECHANISM_TYPE type;
        char name[NAME_BUF_MAX];

        memcpy(&type, allowed.data + at, sizeof(type));
        (void)json_array_append_new(list, json_string(name_of_mechanism(type, name)));
    }
    return list;
}

static CK_RV put_curve(json_t *json, const struct attrs *attrs)
{
    const struct curve *curve = curve_of(attrs);
    const struct param_set *set = set_of(attrs);

    if (set != NULL)
        return admin_put(json, "parameter-set", json_string(set->name));
    return curve != NULL ? admin_put(json, "curve", json_string(curve->name)) : CKR_OK;
}

json_t *admin_key_json(const struct object *object)
{
    const struct attrs *attrs = &object->attrs;
    json_t *json = json_pack(
        "{s:o, s:I, s:s, s:s, s:I, s:o, s:o, s:s, s:s, s:b}", "name",
        admin_json_text(attrs_bytes(attrs, CKA_LABEL)), "version", (json_int_t)object->version,
        "class", class_word(object->cls), "type",
        type_word(attrs_ulong(attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION)), "size",
        (json_int_t)size_bits(attrs), "id", json_hex(attrs_bytes(attrs, CKA_ID)), "unique-id",
        json_hex(BYTES(object->id, OBJECT_ID_LEN)), "state", state_word(object->state),
        "protection", view_protection(object), "private", (int)attrs_true(attrs, CKA_PRIVATE));
    json_t *more =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "created",
                  admin_json_time(object->created), "updated", admin_json_time(object->updated),
                  "not-before", admin_json_time(object->not_before), "expires",
                  admin_json_time(object->expires), "deleted", admin_json_time(object->deleted_at),
                  "use", use_json(attrs), "mechanisms", mechanisms_json(attrs));
    bool whole = json != NULL && more != NULL && json_object_update(json, more) == 0 &&
                 put_curve(json, attrs) == CKR_OK;

    json_decref(more);
    if (whole)
        return json;
    json_decref(json);
    return NULL;
}

static CK_RV put_objects(struct admin *a, const struct admin_objects *objects)
{
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "keys", list);

    for (size_t i = 0; rv == CKR_OK && i < objects->count; i++)
        rv = admin_append(list, admin_key_json(&objects->list[i]));
    return rv;
}

/* ---- key.list ---- */

/*
 * The record of a listing. Whoever may list the whole vault is granted that; whoever may list only
 * some keys is granted the first of them; whoever sees none and may not list the vault is refused,
 * which says more than an empty list.
 */
static CK_RV ask_to_list(struct admin *a, const struct object *first)
{
    struct ask whole = {.action = ACTION_LIST, .quiet = first != NULL};
    struct ask one = {.action = ACTION_LIST, .object = first};
    CK_RV rv = gate_ask(&a->run, &whole);

    return rv == CKR_FUNCTION_REJECTED && first != NULL ? gate_ask(&a->run, &one) : rv;
}

static CK_RV list_visible(struct admin *a, const struct found *found, json_t *list)
{
    struct object first = {0};
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < found->count; i++) {
        struct object object = {0};
        bool visible;

        rv = look(a, found->ids[i], &object, &visible);
        if (rv != CKR_OK || !visible)
            continue;
        rv = admin_append(list, admin_key_json(&object));
        if (json_array_size(list) == 1)
            first = object;
        else
            object_release(&object);
    }
    if (rv == CKR_OK)
        rv = ask_to_list(a, json_array_size(list) > 0 ? &first : NULL);
    object_release(&first);
    return rv;
}

static CK_RV key_list_verb(struct admin *a)
{
    json_t *list = json_array();
    struct found found = {.ids = NULL};
    CK_RV rv = admin_put(a->answer, "keys", list);

    if (rv == CKR_OK)
        rv = search(a, NULL, admin_bool(a, "deleted", false), &found);
    if (rv == CKR_OK)
        rv = list_visible(a, &found, list);
    gate_count(&a->run, json_array_size(list));
    free(found.ids);
    return rv;
}

/* ---- key.show, key.public ---- */

static CK_RV key_show_verb(struct admin *a)
{
    struct admin_objects objects = {.count = 0};
    CK_RV rv = admin_key_find(a, admin_bool(a, "deleted", false), &objects);

    if (rv == CKR_OK)
        rv = admin_ask(a, ACTION_LIST, &objects.list[0]);
    if (rv == CKR_OK)
        rv = put_objects(a, &objects);
    admin_objects_release(&objects);
    return rv;
}

static CK_RV public_pem(struct admin *a, const struct attrs *attrs, struct buf *ret_pem)
{
    return local_public_to_pem(run_local(&a->run), attrs_bytes(attrs, CKA_PUBLIC_KEY_INFO),
                               ret_pem);
}

static const struct object *public_half(const struct admin_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        if (objects->list[i].cls == CKO_PUBLIC_KEY)
            return &objects->list[i];
    return NULL;
}

static CK_RV key_public_verb(struct admin *a)
{
    struct admin_objects objects = {.count = 0};
    struct buf pem = BUF_INIT(65536);
    const struct object *half = NULL;
    CK_RV rv = admin_key_find(a, false, &objects);

    if (rv == CKR_OK) {
        half = public_half(&objects);
        if (half == NULL)
            rv = fail(CKR_KEY_TYPE_INCONSISTENT,
                      "key %.128s has no public half: it is a secret key, or its public half was "
                      "deleted",
                      admin_text(a, "name"));
    }
    if (rv == CKR_OK)
        rv = admin_ask(a, ACTION_GET, half);
    if (rv == CKR_OK)
        rv = public_pem(a, &half->attrs, &pem);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "pem", admin_json_text(buf_bytes(&pem)));
    buf_release(&pem);
    admin_objects_release(&objects);
    return rv;
}

/* ---- key.delete, key.recover, key.purge ---- */

CK_RV admin_next_run(struct admin *a)
{
    struct vault_info vault = a->run.vault;
    CK_RV rv = call_leave(&a->run, CKR_OK);
    CK_RV entered = call_enter(&a->run, CALL_ADMIN, 0);

    admin_run_is_verb(a);
    a->run.vault = vault;
    a->run.has_vault = true;
    return entered != CKR_OK ? entered : rv;
}

static CK_RV each_half(struct admin *a, bool deleted,
                       CK_RV (*act)(struct run *run, const struct object *object))
{
    struct admin_objects objects = {.count = 0};
    CK_RV rv = admin_key_find(a, deleted, &objects);

    for (size_t i = 0; rv == CKR_OK && i < objects.count; i++) {
        if (i > 0)
            rv = admin_next_run(a);
        if (rv == CKR_OK)
            rv = act(&a->run, &objects.list[i]);
    }
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "count", json_integer((json_int_t)objects.count));
    admin_objects_release(&objects);
    return rv;
}

static CK_RV key_delete_verb(struct admin *a)
{
    return each_half(a, false, keys_delete);
}

static CK_RV key_recover_verb(struct admin *a)
{
    return each_half(a, true, keys_recover);
}

static CK_RV key_purge_verb(struct admin *a)
{
    return each_half(a, true, keys_purge);
}

/* ---- key.disable, key.enable ---- */

static CK_RV key_disable_verb(struct admin *a)
{
    return each_half(a, false, keys_disable);
}

static CK_RV key_enable_verb(struct admin *a)
{
    return each_half(a, false, keys_enable);
}

/* ---- the chapter ---- */

static const struct admin_member object_members[] = {
    {"vault", MEMBER_TEXT, true},
    {"name", MEMBER_TEXT, true},
    {"version", MEMBER_NUMBER, false},
    {0},
};
static const struct admin_member show_members[] = {
    {"vault", MEMBER_TEXT, true},
    {"name", MEMBER_TEXT, true},
    {"version", MEMBER_NUMBER, false},
    {"deleted", MEMBER_BOOL, false},
    {0},
};
static const struct admin_member list_members[] = {
    {"vault", MEMBER_TEXT, true}, {"deleted", MEMBER_BOOL, false}, {0}};

#define OBJECT_VERB (ADMIN_VAULT | ADMIN_ASKS)

static const struct admin_verb verbs[] = {
    {"key.create", ACTION_CREATE, OBJECT_VERB | ADMIN_CHANGES, admin_key_create_members,
     admin_key_create},
    {"key.import", ACTION_IMPORT, OBJECT_VERB | ADMIN_CHANGES, admin_key_import_members,
     admin_key_import},
    {"key.list", ACTION_LIST, OBJECT_VERB, list_members, key_list_verb},
    {"key.show", ACTION_LIST, OBJECT_VERB, show_members, key_show_verb},
    {"key.public", ACTION_GET, OBJECT_VERB, object_members, key_public_verb},
    {"key.delete", ACTION_DELETE, OBJECT_VERB | ADMIN_CHANGES, object_members, key_delete_verb},
    {"key.recover", ACTION_RECOVER, OBJECT_VERB | ADMIN_CHANGES, object_members, key_recover_verb},
    {"key.disable", ACTION_UPDATE, OBJECT_VERB | ADMIN_CHANGES, object_members, key_disable_verb},
    {"key.enable", ACTION_UPDATE, OBJECT_VERB | ADMIN_CHANGES, object_members, key_enable_verb},
    {"key.purge", ACTION_PURGE, OBJECT_VERB | ADMIN_CHANGES, object_members, key_purge_verb},
};

const struct admin_chapter admin_key_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
