/*
 * PKCS#11 2.40 base, 5.7: C_FindObjectsInit, C_FindObjects, C_FindObjectsFinal. The search is done
 * at Init, once, with one record that says how many objects it found.
 */
#include "pkcs11/search_int.h"

#include <string.h>

/* Searching is never refused: it finds what may be seen, be that single objects of a vault that may
 * not be listed as a whole. */
static CK_RV record_search(struct run *run, const struct search *search)
{
    struct ask ask = {.action = ACTION_LIST, .quiet = true};
    CK_RV rv = gate_ask(run, &ask);

    gate_count(run, search->count);
    return rv == CKR_FUNCTION_REJECTED ? gate_note(run, ACTION_LIST, NULL, CKR_OK) : rv;
}

static CK_RV find_init(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    struct search *search = NULL;
    CK_RV rv;

    if (run->session->search != NULL)
        return fail(CKR_OPERATION_ACTIVE,
                    "a search is active in this session: end it with C_FindObjectsFinal");
    rv = search_run(run, template, count, &search);
    if (rv == CKR_OK)
        rv = record_search(run, search);
    /* The record must be in the log before the search is there to be read from. */
    if (rv == CKR_OK)
        rv = gate_finish(run, rv);
    if (rv != CKR_OK) {
        search_free(search);
        return rv;
    }
    run->session->search = search;
    return CKR_OK;
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

/* Handles say nothing that the search's record does not say: given at once. */
static CK_RV find(struct run *run, CK_OBJECT_HANDLE_PTR objects, CK_ULONG max, CK_ULONG_PTR count)
{
    struct search *search = run->session->search;
    size_t left, n;
    CK_RV rv = ensure_searching(run);

    if (rv != CKR_OK)
        return rv;
    if (count == NULL)
        return fail_argument("pulObjectCount");
    if (objects == NULL && max > 0)
        return fail_argument("phObject");
    left = search->count - search->given;
    n = max < left ? max : left;
    if (n > 0)
        memcpy(objects, search->handles + search->given, n * sizeof(*objects));
    search->given += n;
    *count = n;
    return CKR_OK;
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

    search_free(run->session->search);
    run->session->search = NULL;
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
