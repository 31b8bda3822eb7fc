/* PKCS#11 2.40 base, 5.7: object management, but for search (c_find.c). */
#include "pkcs11/birth.h"
#include "pkcs11/create.h"
#include "pkcs11/handles.h"
#include "pkcs11/keys.h"
#include "pkcs11/profile.h"
#include "pkcs11/read.h"
#include "pkcs11/trust.h"
#include "pkcs11/view.h"

/* ---- C_CreateObject ---- */

static CK_RV create(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count,
                    CK_OBJECT_HANDLE_PTR ret)
{
    struct object object = {0};
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    CK_RV rv;

    if (ret == NULL)
        return fail_argument("phObject");
    rv = create_object(run, template, count, &object);
    if (rv == CKR_OK)
        rv = birth_handle(run, &object, &handle);
    if (rv == CKR_OK)
        rv = run_output_handle(run, ret, handle);
    object_release(&object);
    return rv;
}

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count,
                     CK_OBJECT_HANDLE_PTR object)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_CREATE_OBJECT, session);

    if (rv == CKR_OK)
        rv = create(&run, template, count, object);
    return call_leave(&run, rv);
}

/* ---- C_DestroyObject ---- */

/* Gone at once, its key in the HSM too: a session object has no retention. */
static CK_RV destroy_session_object(struct run *run, CK_OBJECT_HANDLE handle,
                                    const struct object *object)
{
    struct ask ask = {.action = ACTION_DELETE, .object = object};
    CK_RV rv = gate_ask(run, &ask);

    if (rv != CKR_OK)
        return rv;
    if (!attrs_true(&object->attrs, CKA_DESTROYABLE))
        return fail(CKR_ACTION_PROHIBITED,
                    "the object was made with CKA_DESTROYABLE false: it ends with its session");
    rv = gate_intent(run);
    if (rv == CKR_OK)
        handles_session_remove(run->app, handle);
    return rv;
}

/* Whether it may be seen is asked before whether the session may write: the second answer would
 * tell that it exists. */
static CK_RV destroy_token_object(struct run *run, const struct object *object)
{
    if (gate_visible(run, object)) {
        CK_RV rv = run_ensure_read_write(run);

        if (rv != CKR_OK)
            return rv;
    }
    return keys_delete(run, object);
}

static CK_RV destroy(struct run *run, CK_OBJECT_HANDLE handle)
{
    SCOPED(held_release_p) struct held *held = NULL;
    CK_RV rv = handles_get(run, handle, &held);

    if (rv == CKR_OK)
        rv = profile_ensure_not(&held->object);
    if (rv != CKR_OK)
        return rv;
    return held->session != 0 ? destroy_session_object(run, handle, &held->object)
                              : destroy_token_object(run, &held->object);
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DESTROY_OBJECT, session);

    if (rv == CKR_OK)
        rv = destroy(&run, object);
    return call_leave(&run, rv);
}

/* ---- C_GetObjectSize ---- */

static CK_RV get_size(struct run *run, CK_OBJECT_HANDLE handle, CK_ULONG_PTR ret)
{
    struct reading reading = {0};
    struct buf bytes = BUF_INIT(sizeof(CK_ULONG));
    CK_RV rv;

    if (ret == NULL)
        return fail_argument("pulSize");
    rv = read_attributes(run, handle, NULL, 0, &reading);
    if (rv == CKR_OK) {
        CK_ULONG size = view_size(&reading.held->object);

        buf_put(&bytes, &size, sizeof(size));
        if (!buf_ok(&bytes))
            rv = fail_memory();
        else
            run_output(run, (CK_BYTE_PTR)ret, NULL, &bytes);
    }
    buf_release(&bytes);
    reading_release(&reading);
    return rv;
}

CK_RV C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG_PTR size)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_OBJECT_SIZE, session);

    if (rv == CKR_OK)
        rv = get_size(&run, object, size);
    return call_leave(&run, rv);
}

/* ---- C_GetAttributeValue ---- */

/* Differs from the one shape in its end: this call gives results with codes other than CKR_OK too,
 * so it copies them itself, once call_leave() has written the record. */
CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
    struct run run;
    struct reading reading = {0};
    CK_RV rv = call_enter(&run, CALL_GET_ATTRIBUTE_VALUE, session);
    bool read;

    if (rv == CKR_OK)
        rv = read_attributes(&run, object, template, count, &reading);
    read = rv == CKR_OK;
    if (read)
        rv = reading_recorded(&reading);
    rv = call_leave(&run, rv);
    if (read && rv == reading_recorded(&reading)) {
        reading_give(&reading);
        rv = reading.code;
    }
    reading_release(&reading);
    return rv;
}

/* ---- C_SetAttributeValue ---- */

/* Once, or for each attribute where a policy looks at which they are. */
static CK_RV ask_update(struct run *run, const struct object *object, const CK_ATTRIBUTE *template,
                        CK_ULONG count)
{
    struct ask ask = {.action = ACTION_UPDATE, .object = object};
    CK_RV rv = CKR_OK;

    ask.has_attribute = count > 0 && gate_hears_attributes(run);
    for (CK_ULONG i = 0; rv == CKR_OK && i < (ask.has_attribute ? count : 1); i++) {
        ask.attribute = ask.has_attribute ? template[i].type : 0;
        rv = gate_ask(run, &ask);
    }
    return rv;
}

/* A new name starts a version of its own. */
static CK_RV renumber(struct run *run, const struct object *old, struct object *changed)
{
    if (bytes_equal(attrs_bytes(&old->attrs, CKA_LABEL), attrs_bytes(&changed->attrs, CKA_LABEL)))
        return CKR_OK;
    return birth_version(run, &changed, 1);
}

static CK_RV keep(struct run *run, CK_OBJECT_HANDLE handle, const struct held *held,
                  struct object *changed)
{
    CK_RV rv = gate_intent(run);

    if (rv != CKR_OK)
        return rv;
    return held->session != 0 ? handles_session_replace(run->app, handle, changed)
                              : object_update(run_store(run), changed);
}

/*
 * Asked as it is (nothing is said of an object that may not be changed), then as it will be: a
 * policy that goes by names must hold for the new name too.
 */
static CK_RV change(struct run *run, CK_OBJECT_HANDLE handle, const struct held *held,
                    const CK_ATTRIBUTE *template, CK_ULONG count, struct object *changed)
{
    CK_RV rv = ask_update(run, &held->object, template, count);

    if (rv == CKR_OK && held->session == 0)
        rv = run_ensure_read_write(run);
    if (rv == CKR_OK)
        rv = object_copy(changed, &held->object);
    if (rv == CKR_OK)
        rv = template_change(changed, template, count);
    if (rv == CKR_OK)
        rv = trust_check(run, &held->object.attrs, &changed->attrs);
    if (rv == CKR_OK)
        rv = renumber(run, &held->object, changed);
    if (rv == CKR_OK)
        rv = ask_update(run, changed, template, count);
    if (rv != CKR_OK)
        return rv;
    changed->updated = clock_realtime(engine_clock(run->app->engine)) / 1000000000;
    return keep(run, handle, held, changed);
}

static CK_RV set_attributes(struct run *run, CK_OBJECT_HANDLE handle, const CK_ATTRIBUTE *template,
                            CK_ULONG count)
{
    SCOPED(held_release_p) struct held *held = NULL;
    struct object changed = {0};
    CK_RV rv = template_scan(template, count);

    if (rv == CKR_OK)
        rv = handles_get(run, handle, &held);
    if (rv == CKR_OK)
        rv = profile_ensure_not(&held->object);
    if (rv == CKR_OK)
        rv = change(run, handle, held, template, count, &changed);
    object_release(&changed);
    return rv;
}

CK_RV C_SetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SET_ATTRIBUTE_VALUE, session);

    if (rv == CKR_OK)
        rv = set_attributes(&run, object, template, count);
    return call_leave(&run, rv);
}
