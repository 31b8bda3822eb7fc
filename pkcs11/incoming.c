/* Keys that another key brings in: see incoming.h. */
#include "pkcs11/incoming.h"

#include "pkcs11/birth.h"
#include "pkcs11/import.h"
#include "pkcs11/nested.h"

void incoming_release(struct incoming *incoming)
{
    object_release(&incoming->object);
}

/* ---- what it is to be ---- */

static CK_RV find_kind(const struct incoming_way *way, const CK_ATTRIBUTE *template, CK_ULONG count,
                       CK_OBJECT_CLASS *ret_class, CK_KEY_TYPE *ret_type)
{
    bool derived = way->use == TEMPLATE_DERIVE;

    if (!derived && (template_get(template, count, CKA_CLASS) == NULL ||
                     template_get(template, count, CKA_KEY_TYPE) == NULL))
        return fail(CKR_TEMPLATE_INCOMPLETE,
                    "the template has no CKA_CLASS or no CKA_KEY_TYPE: add them");
    *ret_class = template_ulong(template, count, CKA_CLASS, CKO_SECRET_KEY);
    *ret_type = template_ulong(template, count, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    if (*ret_class != CKO_SECRET_KEY && (derived || *ret_class != CKO_PRIVATE_KEY))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "a key of class 0x%lx is not made by this call",
                    *ret_class);
    if (kind_of(*ret_class, *ret_type) == KIND_NONE)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "keys of class 0x%lx and type 0x%lx are not kept",
                    *ret_class, *ret_type);
    if (derived && kind_of(*ret_class, *ret_type) == KIND_DES)
        return fail(CKR_TEMPLATE_INCONSISTENT,
                    "DES keys have parity bits that no derivation sets: generate them");
    return CKR_OK;
}

static CK_RV begin_object(struct run *run, const struct incoming_way *way,
                          const struct object *from, const CK_ATTRIBUTE *template, CK_ULONG count,
                          struct object *ret)
{
    const struct object *base = way->use == TEMPLATE_DERIVE ? from : NULL;
    CK_OBJECT_CLASS cls = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    struct object *one = ret;
    CK_RV rv = find_kind(way, template, count, &cls, &type);

    if (rv == CKR_OK)
        rv = birth_begin_from(run, base, cls, type, way->use, template, count, ret);
    if (rv == CKR_OK)
        rv = birth_check_place(run, ret);
    if (rv == CKR_OK)
        rv = import_origin(ret);
    return rv == CKR_OK ? birth_version(run, &one, 1) : rv;
}

/*
 * What left as one thing must not come back as another (Bortolozzo and others, "Attacking and
 * fixing PKCS#11 security tokens", CCS 2010): a key that decrypts here must not wrap there, and a
 * sensitive one must not become readable. Where a value comes from cannot be seen, so all are held
 * to it.
 */
static CK_RV check_role(const struct incoming_way *way, const struct object *object)
{
    if (attrs_true(&object->attrs, CKA_WRAP) || attrs_true(&object->attrs, CKA_UNWRAP))
        return fail(
            CKR_TEMPLATE_INCONSISTENT,
            "a key that another key brings in neither wraps nor unwraps: leave CKA_WRAP and "
            "CKA_UNWRAP out, and generate keys for that");
    if (way->sensitive && !attrs_true(&object->attrs, CKA_SENSITIVE))
        return fail(CKR_TEMPLATE_INCONSISTENT,
                    "what is unwrapped is sensitive: leave CKA_SENSITIVE out, or set it true");
    return CKR_OK;
}

static CK_RV ask_for(struct run *run, const struct incoming_way *way, const struct object *from,
                     const CK_MECHANISM *mechanism, struct incoming *incoming)
{
    struct ask ask = {.action = way->action,
                      .object = &incoming->object,
                      .mechanism = mechanism,
                      .wrapping = way->use == TEMPLATE_UNWRAP ? from : NULL};
    CK_RV rv = gate_ask(run, &ask);

    if (rv == CKR_OK)
        gate_keep(run, &incoming->grant);
    return rv;
}

CK_RV incoming_begin(struct run *run, const struct incoming_way *way, const struct object *from,
                     const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *template, CK_ULONG count,
                     struct incoming *ret)
{
    struct incoming incoming = {.object = {.cls = CKO_SECRET_KEY}};
    struct nested_merged merged = {.storage = ATTRS_INIT};
    CK_RV rv = template_scan(template, count);

    if (rv == CKR_OK)
        rv = nested_merge(from, way->template, template, count, &merged);
    if (rv == CKR_OK)
        rv = begin_object(run, way, from, merged.list, merged.count, &incoming.object);
    nested_merged_release(&merged);
    if (rv == CKR_OK)
        rv = check_role(way, &incoming.object);
    if (rv == CKR_OK)
        rv = ask_for(run, way, from, mechanism, &incoming);
    if (rv != CKR_OK) {
        incoming_release(&incoming);
        return rv;
    }
    *ret = incoming;
    return CKR_OK;
}

/* ---- its value ---- */

/* A length the template gave is the value's. */
static CK_RV check_length(const struct object *object, const struct secret *value)
{
    CK_ULONG len = attrs_ulong(&object->attrs, CKA_VALUE_LEN, value->len);

    if (object->cls == CKO_SECRET_KEY && len != value->len)
        return fail(CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE_LEN is %lu, the key has %zu bytes", len,
                    value->len);
    return CKR_OK;
}

CK_RV incoming_keep(struct run *run, struct incoming *incoming, struct secret *value,
                    CK_OBJECT_HANDLE *ret)
{
    struct object *object = &incoming->object;
    CK_RV rv;

    run->gate = (struct gate){.granted = true, .grant = incoming->grant};
    object->material = value;
    rv = check_length(object, value);
    if (rv == CKR_OK)
        rv = import_keep(run, object);
    return rv == CKR_OK ? birth_handle(run, object, ret) : rv;
}

CK_RV incoming_finish(struct run *run, struct incoming *incoming, struct secret *value,
                      CK_OBJECT_HANDLE_PTR ret)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_RV rv = incoming_keep(run, incoming, value, &handle);

    return rv == CKR_OK ? run_output_handle(run, ret, handle) : rv;
}

CK_RV incoming_unwrap_code(CK_RV rv)
{
    static const CK_RV alike[] = {CKR_WRAPPED_KEY_INVALID,      CKR_WRAPPED_KEY_LEN_RANGE,
                                  CKR_ATTRIBUTE_VALUE_INVALID,  CKR_KEY_SIZE_RANGE,
                                  CKR_TEMPLATE_INCONSISTENT,    CKR_ENCRYPTED_DATA_INVALID,
                                  CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_DATA_INVALID,
                                  CKR_FUNCTION_FAILED,          CKR_TEMPLATE_INCOMPLETE};

    for (size_t i = 0; i < sizeof(alike) / sizeof(*alike); i++)
        if (rv == alike[i])
            return fail(CKR_WRAPPED_KEY_INVALID,
                        "this is no key of that class, type and length, wrapped by this key with "
                        "this mechanism: check them");
    return rv;
}
