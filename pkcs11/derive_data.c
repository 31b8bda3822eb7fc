/*
 * PKCS#11 3.0, 2.61.4 (3.2, 6.62.4): CKM_HKDF_DATA, whose result is a data object.
 *
 * Only from a key that is not sensitive. The same parameters with CKM_HKDF_DERIVE give a key of the
 * same value: of a sensitive base the data would be the value of a sensitive key.
 */
#include "pkcs11/birth.h"
#include "pkcs11/derive_int.h"
#include "pkcs11/import.h"

#define DATA_MAX 8192U /* bytes HKDF is asked for here */

static CK_RV check_base(struct run *run, const struct key_use *use)
{
    struct ask ask = operation_ask(use->op);

    if (!attrs_true(&key_use_object(use)->attrs, CKA_SENSITIVE))
        return CKR_OK;
    return gate_refuse(run, &ask,
                       fail(CKR_KEY_FUNCTION_NOT_PERMITTED,
                            "the key is sensitive, and what CKM_HKDF_DATA derives can be read: use "
                            "CKM_HKDF_DERIVE"));
}

/* CKA_VALUE_LEN says how much; it is no attribute of the data. */
static CK_RV take_length(const struct deriving *d, struct attrs *rest, size_t *ret_len)
{
    CK_RV rv = template_scan(d->template, d->count);

    if (rv == CKR_OK && template_get(d->template, d->count, CKA_VALUE) != NULL)
        rv = fail(CKR_TEMPLATE_INCONSISTENT, "CKA_VALUE is what is derived: leave it out");
    for (CK_ULONG i = 0; rv == CKR_OK && i < d->count; i++)
        if (d->template[i].type != CKA_VALUE_LEN)
            rv = attrs_set(rest, d->template[i].type,
                           BYTES(d->template[i].pValue, d->template[i].ulValueLen));
    if (rv != CKR_OK)
        return rv;
    *ret_len = template_ulong(d->template, d->count, CKA_VALUE_LEN, 0);
    return *ret_len <= DATA_MAX
               ? CKR_OK
               : fail(CKR_KEY_SIZE_RANGE, "%zu bytes are not derived at once", *ret_len);
}

static CK_RV begin(struct run *run, const struct deriving *d, struct object *object,
                   struct grant *grant, size_t *ret_len)
{
    struct attrs rest = ATTRS_INIT;
    struct object *one = object;
    struct ask ask = {.action = ACTION_SET_SECRET, .object = object, .mechanism = d->mechanism};
    CK_RV rv = take_length(d, &rest, ret_len);

    if (rv == CKR_OK)
        rv = birth_begin(run, CKO_DATA, CK_UNAVAILABLE_INFORMATION, TEMPLATE_DERIVE, rest.list,
                         rest.count, object);
    attrs_release(&rest);
    if (rv == CKR_OK)
        rv = birth_check_place(run, object);
    if (rv == CKR_OK)
        rv = birth_version(run, &one, 1);
    if (rv == CKR_OK)
        rv = gate_ask(run, &ask);
    if (rv == CKR_OK)
        gate_keep(run, grant);
    return rv;
}

static CK_RV use_base(struct run *run, const struct key_use *use, const CK_MECHANISM *mechanism,
                      size_t len, struct object *object)
{
    const struct object *base = key_use_object(use);
    SCOPED_SECRET value = NULL;
    int64_t began = run_now(run);
    CK_RV rv = hsm_derive(run_device(run, base), &use->key, mechanism, BYTES_NONE, len, &value);

    run_device_took(run, base, began);
    rv = key_use_record(run, &use->op->grant, rv == CKR_OK ? secret_bytes(value) : BYTES_NONE, rv);
    return rv == CKR_OK ? attrs_set(&object->attrs, CKA_VALUE, secret_bytes(value)) : rv;
}

static CK_RV keep(struct run *run, struct object *object, const struct grant *grant,
                  CK_OBJECT_HANDLE_PTR ret)
{
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_RV rv;

    run->gate = (struct gate){.granted = true, .grant = *grant};
    rv = import_keep(run, object);
    if (rv == CKR_OK)
        rv = birth_handle(run, object, &handle);
    return rv == CKR_OK ? run_output_handle(run, ret, handle) : rv;
}

CK_RV derive_data(struct run *run, const struct key_use *use, const struct deriving *d)
{
    struct object object = {.cls = CKO_DATA};
    struct grant grant;
    size_t len = 0;
    CK_RV rv = check_base(run, use);

    if (rv == CKR_OK)
        rv = begin(run, d, &object, &grant, &len);
    if (rv == CKR_OK)
        rv = use_base(run, use, d->mechanism, len, &object);
    if (rv == CKR_OK)
        rv = keep(run, &object, &grant, d->ret);
    object_release(&object);
    return rv;
}
