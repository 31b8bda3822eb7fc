/*
 * Keys made of passwords: CKM_PKCS5_PBKD2 (PKCS#11 3.2, 6.37). See keys.h.
 *
 * Who knows the password knows the key, so it is no key that was made here, whatever function made
 * it: the policy is asked to import it, CKA_LOCAL is false, and it wraps nothing sensitive.
 */
#include "base/mech.h"
#include "hsm/local_secret.h"
#include "pkcs11/birth.h"
#include "pkcs11/import.h"
#include "pkcs11/keys.h"

#define CHACHA20_LEN 32

static CK_RV find_type(const CK_ATTRIBUTE *template, CK_ULONG count, CK_KEY_TYPE *ret)
{
    CK_RV rv = template_scan(template, count);

    if (rv != CKR_OK)
        return rv;
    if (template_get(template, count, CKA_KEY_TYPE) == NULL)
        return fail(CKR_TEMPLATE_INCOMPLETE,
                    "a password makes keys of any type: add CKA_KEY_TYPE to the template");
    *ret = template_ulong(template, count, CKA_KEY_TYPE, CKK_GENERIC_SECRET);
    if (kind_of(CKO_SECRET_KEY, *ret) == KIND_NONE)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "there are no secret keys of type 0x%lx", *ret);
    return kind_of(CKO_SECRET_KEY, *ret) != KIND_DES
               ? CKR_OK
               : fail(CKR_TEMPLATE_INCONSISTENT,
                      "DES keys have parity bits that no password sets: generate them");
}

static CK_RV begin(struct run *run, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *template,
                   CK_ULONG count, struct object *object)
{
    struct ask ask = {.action = ACTION_IMPORT, .object = object, .mechanism = mechanism};
    CK_KEY_TYPE type = CK_UNAVAILABLE_INFORMATION;
    CK_RV rv = find_type(template, count, &type);

    if (rv == CKR_OK)
        rv = birth_begin(run, CKO_SECRET_KEY, type, TEMPLATE_GENERATE, template, count, object);
    if (rv == CKR_OK)
        rv = birth_check_place(run, object);
    if (rv == CKR_OK)
        rv = import_origin(object);
    if (rv == CKR_OK)
        rv = birth_version(run, &object, 1);
    return rv == CKR_OK ? gate_ask(run, &ask) : rv;
}

static CK_RV make_value(struct run *run, const struct mech *row, const CK_MECHANISM *mechanism,
                        struct object *object)
{
    bool fixed = kind_of_object(object) == KIND_CHACHA20;
    CK_ULONG len = attrs_ulong(&object->attrs, CKA_VALUE_LEN, fixed ? CHACHA20_LEN : 0);

    if (len == 0 || len > row->max / 8)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN is %lu: give 1 to %lu bytes", len,
                    row->max / 8);
    return local_pbkdf2(run_local(run), mechanism->pParameter, len, &object->material);
}

CK_RV keys_of_password(struct run *run, const CK_MECHANISM *mechanism, const CK_ATTRIBUTE *template,
                       CK_ULONG count, struct object *ret)
{
    const struct mech *row = mech_find(mechanism->mechanism);
    struct object object = {.cls = CKO_SECRET_KEY};
    CK_RV rv = mech_check_params(row, mechanism);

    if (rv == CKR_OK)
        rv = begin(run, mechanism, template, count, &object);
    if (rv == CKR_OK)
        rv = make_value(run, row, mechanism, &object);
    if (rv == CKR_OK)
        rv = import_keep(run, &object);
    if (rv != CKR_OK) {
        object_release(&object);
        return rv;
    }
    *ret = object;
    return CKR_OK;
}
