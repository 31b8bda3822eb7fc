/*
 * PKCS#11 2.40 base, 5.7: C_CopyObject.
 *
 * A copy is a new object with an id and a version of its own, and as much of a right as its
 * original, or less. Since it can go by another name, and policies go by names, the caller must be
 * one who could have renamed the original (update), and who may make what the copy is.
 *
 * A key that lives in an HSM is not copied: the HSM has one, and two objects over it would each
 * take the other's key along when they are purged.
 */
#include "pkcs11/birth.h"
#include "pkcs11/handles.h"
#include "pkcs11/profile.h"
#include "pkcs11/trust.h"

#include <string.h>

/* ---- who may ---- */

/* What making an object of the copy's class needs. */
static enum action making(const struct object *object)
{
    static const struct {
        CK_OBJECT_CLASS cls;
        enum action action;
    } rows[] = {
        {CKO_DATA, ACTION_SET_SECRET},
        {CKO_CERTIFICATE, ACTION_IMPORT},
        {CKO_PUBLIC_KEY, ACTION_IMPORT},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].cls == object->cls)
            return rows[i].action;
    return ACTION_CREATE;
}

static CK_RV ask(struct run *run, enum action action, const struct object *object)
{
    struct ask ask = {.action = action, .object = object};

    return gate_ask(run, &ask);
}

/* The contents of a data object can be read from its copy: whoever copies must be able to. */
static CK_RV ask_for_original(struct run *run, const struct object *original)
{
    CK_RV rv = ask(run, ACTION_UPDATE, original);

    if (rv == CKR_OK && original->cls == CKO_DATA)
        rv = ask(run, ACTION_GET_SECRET, original);
    if (rv == CKR_ATTRIBUTE_SENSITIVE)
        rv = fail(CKR_ACTION_PROHIBITED,
                  "the policy does not let this caller read the object: so none copies it either");
    return rv;
}

/* ---- the copy ---- */

static CK_RV check_device(const struct object *original)
{
    if (original->has_hsm_key && original->protection == PROTECTION_HSM)
        return fail(
            CKR_ACTION_PROHIBITED,
            "the key lives in the HSM, which has it once: make a new version of it instead");
    return CKR_OK;
}

/* Its state, dates and origin stay the original's: a copy of a disabled key is disabled. */
static CK_RV set_identity(struct run *run, struct object *copy)
{
    CK_RV rv = local_random(run_local(run), copy->id, OBJECT_ID_LEN);

    copy->generation = 0;
    copy->version = 1;
    copy->created = clock_realtime(engine_clock(run->app->engine)) / 1000000000;
    copy->updated = copy->created;
    memcpy(copy->hsm_key.id, copy->id, sizeof(copy->hsm_key.id));
    return rv;
}

static CK_RV make(struct run *run, const struct object *original, const CK_ATTRIBUTE *template,
                  CK_ULONG count, struct object *copy)
{
    CK_RV rv = ask_for_original(run, original);

    if (rv == CKR_OK)
        rv = check_device(original);
    if (rv == CKR_OK)
        rv = object_copy(copy, original);
    if (rv == CKR_OK)
        rv = template_copy(copy, template, count);
    if (rv == CKR_OK)
        rv = trust_check(run, &original->attrs, &copy->attrs);
    if (rv == CKR_OK)
        rv = birth_check_place(run, copy);
    if (rv == CKR_OK)
        rv = set_identity(run, copy);
    if (rv == CKR_OK)
        rv = birth_version(run, &copy, 1);
    return rv == CKR_OK ? ask(run, making(copy), copy) : rv;
}

static CK_RV keep(struct run *run, struct object *copy, CK_OBJECT_HANDLE *ret)
{
    CK_RV rv = gate_intent(run);

    if (rv == CKR_OK)
        rv = birth_store(run, &copy, 1);
    if (rv != CKR_OK)
        return rv;
    gate_object(run, copy);
    return birth_handle(run, copy, ret);
}

static CK_RV copy_object(struct run *run, CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *template,
                         CK_ULONG count, CK_OBJECT_HANDLE_PTR ret)
{
    SCOPED(held_release_p) struct held *held = NULL;
    struct object copy = {0};
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_RV rv;

    if (ret == NULL)
        return fail_argument("phNewObject");
    rv = template_scan(template, count);
    if (rv == CKR_OK)
        rv = handles_get(run, object, &held);
    if (rv == CKR_OK)
        rv = profile_ensure_not(&held->object);
    if (rv == CKR_OK)
        rv = make(run, &held->object, template, count, &copy);
    if (rv == CKR_OK)
        rv = keep(run, &copy, &handle);
    if (rv == CKR_OK)
        rv = run_output_handle(run, ret, handle);
    object_release(&copy);
    return rv;
}

CK_RV C_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_PTR template,
                   CK_ULONG count, CK_OBJECT_HANDLE_PTR copy)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_COPY_OBJECT, session);

    if (rv == CKR_OK)
        rv = copy_object(&run, object, template, count, copy);
    return call_leave(&run, rv);
}
