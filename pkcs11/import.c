/* Keys from outside: see import.h. */
#include "pkcs11/import.h"

#include "base/names.h"
#include "hsm/local_private.h"
#include "pkcs11/birth.h"
#include "pkcs11/check_value.h"

#include <string.h>

#define SPKI_MAX 16384U

static CK_KEY_TYPE type_of(const struct object *object)
{
    return attrs_ulong(&object->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
}

/* ---- the value, out of the template ---- */

static CK_RV secret_value(const CK_ATTRIBUTE *template, CK_ULONG count, struct secret **ret)
{
    const CK_ATTRIBUTE *value = template_get(template, count, CKA_VALUE);

    if (value == NULL || value->ulValueLen == 0)
        return fail(CKR_TEMPLATE_INCOMPLETE, "the template has no CKA_VALUE: add the key's value");
    *ret = secret_copy(BYTES(value->pValue, value->ulValueLen));
    return *ret != NULL ? CKR_OK : fail_memory();
}

/* What the object carries of the key, and beside it what only the template has. */
static CK_RV private_value(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count,
                           const struct object *object, struct secret **ret)
{
    enum object_kind kind = kind_of_object(object);
    struct attrs whole = ATTRS_INIT;
    CK_RV rv = attrs_copy(&whole, &object->attrs);

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        const struct attr_rule *rule = rule_find(template[i].type, kind);

        if (rule != NULL && (rule->notes & NOTE_7) != 0)
            rv = attrs_set(&whole, template[i].type,
                           BYTES(template[i].pValue, template[i].ulValueLen));
    }
    if (rv == CKR_OK)
        rv = local_private_from_attrs(run_local(run), type_of(object), &whole, ret);
    attrs_release(&whole);
    return rv;
}

CK_RV import_value(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count,
                   struct object *object)
{
    return object->cls == CKO_SECRET_KEY
               ? secret_value(template, count, &object->material)
               : private_value(run, template, count, object, &object->material);
}

CK_RV import_origin(struct object *object)
{
    static const CK_ATTRIBUTE_TYPE falses[] = {CKA_LOCAL, CKA_ALWAYS_SENSITIVE,
                                               CKA_NEVER_EXTRACTABLE};
    CK_RV rv = attrs_set_ulong(&object->attrs, CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);

    for (size_t i = 0; rv == CKR_OK && i < sizeof(falses) / sizeof(*falses); i++)
        rv = attrs_set_bool(&object->attrs, falses[i], false);
    return rv;
}

/* ---- what was said of the public half ---- */

static struct bytes without_zeros(struct bytes n)
{
    while (n.len > 0 && n.data[0] == 0)
        n = BYTES(n.data + 1, n.len - 1);
    return n;
}

/* A big integer with zeros in front, and a point outside its OCTET STRING, are the same value. */
static bool same_value(const CK_ATTRIBUTE *found, struct bytes given)
{
    struct bytes value = BYTES(found->pValue, found->ulValueLen);
    const struct attr_name *row = attr_name_find(found->type);

    if (row != NULL && row->kind == ATTR_BIG_INT)
        return bytes_equal(without_zeros(value), without_zeros(given));
    if (found->type == CKA_EC_POINT && value.len > given.len && given.len > 0)
        return bytes_equal(BYTES(value.data + (value.len - given.len), given.len), given);
    return bytes_equal(value, given);
}

/* Every attribute of the public half that the template gave is what the private half has. */
static CK_RV check_public(const struct object *object, const struct object *public)
{
    for (size_t i = 0; i < public->attrs.count; i++) {
        const CK_ATTRIBUTE *found = &public->attrs.list[i];
        struct bytes given = attrs_bytes(&object->attrs, found->type);
        char name[NAME_BUF_MAX];

        /* A curve may be named in two ways; the material was made from what was given. */
        if (found->type != CKA_EC_PARAMS && given.len > 0 && !same_value(found, given))
            return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                        "%s is not that of this private key: give the key's own, or leave it out",
                        name_of_attribute(found->type, name));
    }
    return CKR_OK;
}

static CK_RV fill_public(struct run *run, struct bytes spki, struct object *object)
{
    struct object public = {.cls = CKO_PUBLIC_KEY};
    CK_RV rv = birth_public(run, spki, &public);

    if (rv == CKR_OK)
        rv = check_public(object, &public);
    if (rv == CKR_OK)
        rv = birth_public(run, spki, object);
    object_release(&public);
    return rv;
}

static CK_RV fill_secret(struct run *run, struct bytes value, struct object *object)
{
    CK_RV rv = CKR_OK;

    if (rule_find(CKA_VALUE_LEN, kind_of_object(object)) != NULL)
        rv = attrs_set_ulong(&object->attrs, CKA_VALUE_LEN, value.len);
    return rv == CKR_OK ? check_value_set(run, object, value) : rv;
}

/* ---- the device ---- */

/* In the words of a template: what is wrong is a value in it. */
static CK_RV device_code(const struct object *object, CK_RV rv)
{
    if (rv == CKR_KEY_SIZE_RANGE)
        return CKR_ATTRIBUTE_VALUE_INVALID;
    if (rv != CKR_MECHANISM_INVALID && rv != CKR_FUNCTION_NOT_SUPPORTED)
        return rv;
    return fail(CKR_ATTRIBUTE_VALUE_INVALID, "keys of this type cannot be brought in: %s",
                object->protection == PROTECTION_HSM
                    ? "ask for a software key with CKA_KEYWARD_PROTECTION \"software\" "
                      "(--protection software)"
                    : "nothing here uses them");
}

static CK_RV import_key(struct run *run, struct object *object)
{
    SCOPED_SECRET given = TAKE(object->material);
    struct hsm *device = run_device(run, object);
    struct hsm_key_spec spec = {.session = false};
    struct buf spki = BUF_INIT(SPKI_MAX);
    bool pair = object->cls == CKO_PRIVATE_KEY;
    int64_t began = run_now(run);
    CK_RV rv;

    birth_spec(object, &spec);
    rv = hsm_import(device, &spec, secret_bytes(given), pair ? &spki : NULL, &object->material);
    run_device_took(run, object, began);
    if (rv != CKR_OK) {
        buf_release(&spki);
        return device_code(object, rv);
    }
    rv = pair ? fill_public(run, buf_bytes(&spki), object)
              : fill_secret(run, secret_bytes(given), object);
    buf_release(&spki);
    return rv == CKR_OK ? CKR_OK : birth_undo(run, object, rv);
}

/* ---- its place ---- */

CK_RV import_keep(struct run *run, struct object *object)
{
    bool secured = ((unsigned)kind_of_object(object) & KINDS_SECURED) != 0;
    CK_RV rv = gate_intent(run);

    if (rv == CKR_OK && secured)
        rv = import_key(run, object);
    if (rv != CKR_OK)
        return rv;
    rv = birth_store(run, &object, 1);
    if (rv != CKR_OK)
        return birth_undo(run, object, rv);
    gate_object(run, object);
    return CKR_OK;
}
