/*
 * PKCS#11 2.40 base, 5.7: C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal. Init only takes the
 * template; C_FindObjects reads on as far as it is asked (search.c), and what it read is in the log
 * before a handle leaves.
 */
#include "pkcs11/handles.h"
#include "pkcs11/search_int.h"

static CK_RV find_init(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (run->session->search != NULL)
        return fail(CKR_OPERATION_ACTIVE,
                    "a search is active in this session: end it with C_FindObjectsFinal");
    return search_new(template, count, &run->session->search);
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE_PTR template, CK_ULONG count)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_FIND_OBJECTS_INIT, session);

    if (rv == CKR_OK)
        rv = find_init(&run, template, count);
    return call_leave(&run, rv);
}

static CK_RV ensure_searching(const struct run *run)
{
    if (run->session->search == NULL)
        return fail(CKR_OPERATION_NOT_INITIALIZED,
                    "no search is active in this session: start one with C_FindObjectsInit");
    return CKR_OK;
}

/* Searching is never refused: it finds what may be seen, be that single objects of a vault that may
 * not be listed as a whole. */
static CK_RV record_search(struct run *run, size_t count)
{
    struct ask ask = {.action = ACTION_LIST, .quiet = true};
    CK_RV rv = gate_ask(run, &ask);

    gate_count(run, count);
    if (rv == CKR_FUNCTION_REJECTED)
        return gate_note(run, ACTION_LIST, NULL, CKR_OK);
    return rv == CKR_OK ? gate_finish(run, rv) : rv;
}

/* What waited from the call before is in that one's record. */
static CK_RV take(struct run *run, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max, CK_ULONG_PTR count)
{
    SCOPED(buf_release) struct buf handles = BUF_INIT(HANDLES_MAX * sizeof(*objects));
    size_t read = 0;
    CK_RV rv = search_take(run, run->session->search, max, &handles, &read);

    if (rv == CKR_OK)
        rv = run_output_handle(run, count, handles.len / sizeof(*objects));
    if (rv == CKR_OK && read != SEARCH_NOTHING_READ)
        rv = record_search(run, read);
    search_settle(run->session->search, rv == CKR_OK);
    if (rv == CKR_OK)
        run_output(run, (CK_BYTE_PTR)objects, NULL, &handles);
    return rv;
}

static CK_RV find(struct run *run, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max, CK_ULONG_PTR count)
{
    CK_RV rv = ensure_searching(run);

    if (rv != CKR_OK)
        return rv;
    if (count == NULL)
        return fail_argument("pulObjectCount");
    if (objects == NULL && max > 0)
        return fail_argument("phObject");
    return take(run, objects, max, count);
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max,
                    CK_ULONG_PTR count)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_FIND_OBJECTS, session);

    if (rv == CKR_OK)
        rv = find(&run, objects, max, count);
    return call_leave(&run, rv);
}

static CK_RV find_final(struct run *run)
{
    CK_RV rv = ensure_searching(run);

    search_free(TAKE(run->session->search));
    return rv;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_FIND_OBJECTS_FINAL, session);

    if (rv == CKR_OK)
        rv = find_final(&run);
    return call_leave(&run, rv);
}
