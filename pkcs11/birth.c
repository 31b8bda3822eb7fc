/* New objects: see birth.h. */
#include "pkcs11/birth.h"

#include "pkcs11/handles.h"
#include "pkcs11/legacy.h"
#include "pkcs11/trust.h"

#include <string.h>

static CK_RV set_identity(struct run *run, CK_OBJECT_CLASS cls, CK_KEY_TYPE key_type,
                          struct object *object)
{
    int64_t now = clock_realtime(engine_clock(run->app->engine)) / 1000000000;
    CK_RV rv = local_random(run_local(run), object->id, OBJECT_ID_LEN);

    if (rv == CKR_OK)
        rv = attrs_set_ulong(&object->attrs, CKA_CLASS, cls);
    if (rv == CKR_OK && key_type != CK_UNAVAILABLE_INFORMATION)
        rv = attrs_set_ulong(&object->attrs, CKA_KEY_TYPE, key_type);
    memcpy(object->vault, run->vault.id, VAULT_ID_LEN);
    object->cls = cls;
    object->version = 1;
    object->state = OBJECT_ENABLED;
    object->created = now;
    object->updated = now;
    return rv;
}

/* The dates of a certificate are facts about it, those of a key its life in the vault. */
static CK_RV set_dates(enum object_kind kind, struct object *object)
{
    return ((unsigned)kind & KINDS_KEY) != 0 ? template_dates(object) : CKR_OK;
}

/* ---- protection ---- */

static CK_RV fail_extractable(const struct run *run)
{
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "keys protected by the HSM never leave it: set CKA_EXTRACTABLE false, or ask for a "
                "software key with CKA_KEYWARD_PROTECTION \"software\" (--protection software; the "
                "default of vault %s is hsm)",
                run->vault.name);
}

/*
 * What an HSM key may be asked for. pkcs11-tool asks for secret keys with CKA_SENSITIVE false and
 * CKA_EXTRACTABLE false: that asks for no value to come out (either alone keeps it in, footnote 7),
 * so it is kept as asked. CKA_SENSITIVE false alone is not.
 */
static CK_RV check_hsm_residence(const struct run *run, const CK_ATTRIBUTE *template,
                                 CK_ULONG count, const struct object *key)
{
    if (attrs_true(&key->attrs, CKA_EXTRACTABLE))
        return fail_extractable(run);
    if (!attrs_true(&key->attrs, CKA_SENSITIVE) &&
        template_get(template, count, CKA_EXTRACTABLE) == NULL)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_SENSITIVE false: keys protected by the HSM never leave it, give true");
    return CKR_OK;
}

/*
 * Where the template is silent: the vault's default, but for a session key that is derived. It
 * stays with the key it comes from; and one that is to derive in turn is a software key, since the
 * HSM derives nothing from a secret key.
 */
static enum protection silent_protection(const struct run *run, const struct object *base,
                                         const struct object *key)
{
    if (base == NULL || base->cls == CKO_PUBLIC_KEY || birth_is_token(key))
        return run->vault.protection;
    return attrs_true(&key->attrs, CKA_DERIVE) ? PROTECTION_SOFTWARE : base->protection;
}

/* Chosen at birth: by the template, or by what holds where it is silent. A view of the object from
 * then on, not an attribute it carries. */
static CK_RV set_protection(const struct run *run, const struct object *base,
                            const CK_ATTRIBUTE *template, CK_ULONG count, struct object *key)
{
    const CK_ATTRIBUTE *asked = attrs_get(&key->attrs, CKA_KEYWARD_PROTECTION);
    CK_RV rv = CKR_OK;

    key->protection = silent_protection(run, base, key);
    if (asked != NULL)
        rv = protection_parse(BYTES(asked->pValue, asked->ulValueLen), &key->protection);
    attrs_remove(&key->attrs, CKA_KEYWARD_PROTECTION);
    if (rv == CKR_OK && key->protection == PROTECTION_HSM)
        rv = check_hsm_residence(run, template, count, key);
    return rv;
}

/* ---- beginning ---- */

CK_RV birth_begin_from(struct run *run, const struct object *base, CK_OBJECT_CLASS cls,
                       CK_KEY_TYPE key_type, enum template_use use, const CK_ATTRIBUTE *template,
                       CK_ULONG count, struct object *ret)
{
    enum object_kind kind = kind_of(cls, key_type);
    struct object object = {.cls = cls};
    CK_RV rv;

    if (template_ulong(template, count, CKA_CLASS, cls) != cls ||
        template_ulong(template, count, CKA_KEY_TYPE, key_type) != key_type)
        return fail(CKR_TEMPLATE_INCONSISTENT,
                    "CKA_CLASS or CKA_KEY_TYPE is not what this call makes: leave them out");
    rv = legacy_check_key_type(run, key_type);
    if (rv == CKR_OK)
        rv = template_complete(kind, use, template, count, &object.attrs);
    if (rv == CKR_OK)
        rv = trust_check(run, NULL, &object.attrs);
    if (rv == CKR_OK)
        rv = set_identity(run, cls, key_type, &object);
    if (rv == CKR_OK)
        rv = set_dates(kind, &object);
    if (rv == CKR_OK && ((unsigned)kind & KINDS_SECURED) != 0)
        rv = set_protection(run, base, template, count, &object);
    if (rv != CKR_OK) {
        object_release(&object);
        return rv;
    }
    *ret = object;
    return CKR_OK;
}

CK_RV birth_begin(struct run *run, CK_OBJECT_CLASS cls, CK_KEY_TYPE key_type, enum template_use use,
                  const CK_ATTRIBUTE *template, CK_ULONG count, struct object *ret)
{
    return birth_begin_from(run, NULL, cls, key_type, use, template, count, ret);
}

bool birth_is_token(const struct object *object)
{
    return attrs_true(&object->attrs, CKA_TOKEN);
}

CK_RV birth_check_place(const struct run *run, const struct object *object)
{
    if (run->session == NULL)
        return birth_is_token(object)
                   ? CKR_OK
                   : fail(CKR_TEMPLATE_INCONSISTENT,
                          "there is no session to keep the object: set CKA_TOKEN true");
    return birth_is_token(object) ? run_ensure_read_write(run) : CKR_OK;
}

/* ---- versions ---- */

static bool keep_highest(void *ctx, const struct object *object)
{
    uint64_t *highest = ctx;

    if (object->version > *highest)
        *highest = object->version;
    return true;
}

/* Deleted objects count: a version that was once given out is never another key. */
static CK_RV highest_version(struct run *run, const struct object *object, uint64_t *highest)
{
    struct object_query query = {
        .has_label = true,
        .has_class = true,
        .label = attrs_bytes(&object->attrs, CKA_LABEL),
        .cls = object->cls,
    };
    CK_RV rv;

    if (query.label.len == 0)
        return CKR_OK;
    rv = object_find(run_store(run), &run->vault, &query, keep_highest, highest);
    query.deleted = true;
    if (rv == CKR_OK)
        rv = object_find(run_store(run), &run->vault, &query, keep_highest, highest);
    return rv;
}

CK_RV birth_version(struct run *run, struct object *const *objects, size_t count)
{
    uint64_t highest = 0;

    for (size_t i = 0; i < count; i++) {
        CK_RV rv;

        if (!birth_is_token(objects[i]))
            continue;
        rv = highest_version(run, objects[i], &highest);
        if (rv != CKR_OK)
            return rv;
    }
    for (size_t i = 0; i < count; i++)
        objects[i]->version = birth_is_token(objects[i]) ? highest + 1 : 1;
    return CKR_OK;
}

/* ---- places ---- */

CK_RV birth_store(struct run *run, struct object *const *objects, size_t count)
{
    struct object *stored[2];
    size_t n = 0;

    for (size_t i = 0; i < count && n < sizeof(stored) / sizeof(*stored); i++)
        if (birth_is_token(objects[i]))
            stored[n++] = objects[i];
    return n > 0 ? object_insert(run_store(run), stored, n) : CKR_OK;
}

CK_RV birth_handle(struct run *run, struct object *object, CK_OBJECT_HANDLE *ret)
{
    struct hsm *device = run_device(run, object);
    struct hsm_key key = object->hsm_key;
    bool has_key = object->has_hsm_key;
    CK_RV rv;

    if (birth_is_token(object))
        return handles_token(run->app, run->vault.slot, object->id,
                             attrs_true(&object->attrs, CKA_PRIVATE), ret);
    rv = handles_session(run->app, run->session, object, ret);
    if (rv != CKR_OK && has_key)
        fail_unheeded(hsm_destroy(device, &key)); /* it ends with its session anyway */
    return rv;
}

/* ---- on the device ---- */

static bool any_true(const struct object *object, const CK_ATTRIBUTE_TYPE *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (attrs_true(&object->attrs, types[i]))
            return true;
    return false;
}

/* The HSM's key may do what the object may do now: rights only fall afterwards, and the object's
 * flags are asked on every use. */
void birth_spec(struct object *key, struct hsm_key_spec *spec)
{
    static const CK_ATTRIBUTE_TYPE signs[] = {CKA_SIGN, CKA_SIGN_RECOVER, CKA_VERIFY};
    static const CK_ATTRIBUTE_TYPE crypts[] = {CKA_DECRYPT, CKA_ENCRYPT, CKA_UNWRAP, CKA_WRAP,
                                               CKA_DECAPSULATE};
    static const CK_ATTRIBUTE_TYPE derives[] = {CKA_DERIVE, CKA_DECAPSULATE};

    memcpy(spec->key.id, key->id, HSM_ID_LEN);
    spec->key.kind = key->cls == CKO_PRIVATE_KEY ? HSM_KEY_PRIVATE : HSM_KEY_SECRET;
    spec->key.type = attrs_ulong(&key->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    spec->session = !birth_is_token(key);
    spec->sign = any_true(key, signs, sizeof(signs) / sizeof(*signs));
    spec->decrypt = any_true(key, crypts, sizeof(crypts) / sizeof(*crypts));
    spec->derive = any_true(key, derives, sizeof(derives) / sizeof(*derives));
    key->has_hsm_key = true;
    key->hsm_key = spec->key;
}

/* A key that stays all the same is found by its id, which the intent's record has. */
CK_RV birth_undo(struct run *run, const struct object *key, CK_RV rv)
{
    char reason[FAIL_REASON_MAX];

    memcpy(reason, fail_reason(), strlen(fail_reason()) + 1);
    if (key->has_hsm_key)
        fail_unheeded(hsm_destroy(run_device(run, key), &key->hsm_key));
    return fail(rv, "%s", reason);
}

/* ---- public halves ---- */

static CK_RV set_rsa(struct object *object, const struct local_public *p)
{
    CK_RV rv = attrs_set(&object->attrs, CKA_MODULUS, buf_bytes(&p->modulus));

    if (rv == CKR_OK)
        rv = attrs_set(&object->attrs, CKA_PUBLIC_EXPONENT, buf_bytes(&p->exponent));
    if (rv == CKR_OK)
        rv = attrs_set_ulong(&object->attrs, CKA_MODULUS_BITS, p->bits);
    return rv;
}

static CK_RV set_ec(struct object *object, const struct local_public *p)
{
    CK_RV rv = attrs_set(&object->attrs, CKA_EC_PARAMS, buf_bytes(&p->params));

    if (rv == CKR_OK)
        rv = attrs_set(&object->attrs, CKA_EC_POINT, buf_bytes(&p->point));
    return rv;
}

/* A private key's CKA_VALUE is another thing. */
static CK_RV set_parameter_set(struct object *object, const struct local_public *p)
{
    CK_RV rv = attrs_set_ulong(&object->attrs, CKA_PARAMETER_SET, p->parameter_set);

    if (rv == CKR_OK && object->cls == CKO_PUBLIC_KEY)
        rv = attrs_set(&object->attrs, CKA_VALUE, buf_bytes(&p->value));
    return rv;
}

CK_RV birth_public(struct run *run, struct bytes spki, struct object *object)
{
    struct local_public p = {0};
    CK_RV rv = local_public_parse(run_local(run), spki, &p);

    if (rv != CKR_OK)
        return rv;
    rv = p.type == CKK_RSA ? legacy_check_rsa(run, p.bits) : CKR_OK;
    if (rv == CKR_OK)
        rv = p.parameter_set != 0 ? set_parameter_set(object, &p)
             : p.type == CKK_RSA  ? set_rsa(object, &p)
                                  : set_ec(object, &p);
    if (rv == CKR_OK)
        rv = attrs_set(&object->attrs, CKA_PUBLIC_KEY_INFO, spki);
    local_public_release(&p);
    return rv;
}
