/*
 * PKCS#11 2.40, 5.6: C_GetOperationState and C_SetOperationState, of digests.
 *
 * Whatever works with a key has no state that could be saved: its key would have to come with it,
 * or be asked for again, and what a policy allowed to go on once would go on as often as one likes.
 */
#include "pkcs11/message.h"
#include "pkcs11/operation_int.h"
#include "pkcs11/saved_state.h"

/* A digest in the state of op, in no session. */
static CK_RV clone_digest(const struct operation *op, struct operation **ret)
{
    struct operation *copy = calloc(1, sizeof(*copy));
    CK_RV rv;

    if (copy == NULL)
        return fail_memory();
    copy->kind = op->kind;
    copy->does = op->does;
    copy->stage = op->stage;
    copy->mech = op->mech;
    copy->way = op->way;
    copy->grant = op->grant;
    copy->total = op->total;
    rv = mechanism_copy_make(&copy->mechanism, op->mech, &op->mechanism.mechanism);
    if (rv == CKR_OK && op->digest != NULL)
        rv = local_digest_copy(op->digest, &copy->digest);
    if (rv != CKR_OK) {
        operation_free(copy);
        return rv;
    }
    *ret = copy;
    return CKR_OK;
}

/* ---- out ---- */

/* All that is in progress must be in the state: a session with a key in use has none. */
static CK_RV find_savable(const struct session *session, const struct operation **ret)
{
    *ret = session->operations[OPERATION_DIGEST];
    for (int i = 0; i < OPERATION_KINDS; i++)
        if (i != OPERATION_DIGEST &&
            (session->operations[i] != NULL || session->messages[i] != NULL))
            return fail(CKR_STATE_UNSAVEABLE,
                        "an operation to %s is in progress in this session, and only digests can "
                        "be saved: end it, or digest in another session",
                        operation_kind_row((enum operation_kind)i)->name);
    if (*ret == NULL)
        return fail(CKR_OPERATION_NOT_INITIALIZED,
                    "no operation is in progress in this session: there is nothing to save");
    if ((*ret)->stage == OPERATION_STAGED)
        return fail(CKR_STATE_UNSAVEABLE, "the digest is made and waits: fetch it");
    return CKR_OK;
}

static CK_RV save(struct run *run, const struct operation *op, CK_BYTE_PTR state, CK_ULONG_PTR len)
{
    struct buf out = BUF_INIT(SAVED_STATE_LEN);
    struct operation *copy = NULL;
    uint8_t name[SAVED_STATE_LEN];
    CK_RV rv = clone_digest(op, &copy);

    if (rv == CKR_OK)
        rv = saved_state_add(run->app, run->session->slot, copy, name);
    if (rv != CKR_OK)
        return rv;
    buf_put(&out, name, sizeof(name));
    if (!buf_ok(&out))
        return fail_memory();
    run_output(run, state, len, &out);
    return CKR_OK;
}

static CK_RV get_state(struct run *run, CK_BYTE_PTR state, CK_ULONG_PTR len)
{
    const struct operation *op = NULL;
    CK_ULONG had;
    CK_RV rv;

    if (len == NULL)
        return fail_argument("pulOperationStateLen");
    rv = find_savable(run->session, &op);
    if (rv != CKR_OK)
        return rv;
    had = *len;
    if (state != NULL && had >= SAVED_STATE_LEN)
        return save(run, op, state, len);
    *len = SAVED_STATE_LEN;
    return state == NULL ? CKR_OK
                         : fail(CKR_BUFFER_TOO_SMALL,
                                "a state has %d bytes where there is room "
                                "for %lu",
                                SAVED_STATE_LEN, had);
}

CK_RV C_GetOperationState(CK_SESSION_HANDLE session, CK_BYTE_PTR state, CK_ULONG_PTR len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_OPERATION_STATE, session);

    if (rv == CKR_OK)
        rv = get_state(&run, state, len);
    return call_leave(&run, rv);
}

/* ---- in ---- */

static CK_RV clone_saved(void *ctx, const struct operation *op)
{
    return clone_digest(op, ctx);
}

/* What was in progress in the session is given up: a state is that of the whole session. */
static CK_RV give_up_all(struct run *run)
{
    CK_RV rv = CKR_OK;

    for (int i = 0; i < OPERATION_KINDS; i++) {
        CK_RV ended = operation_cancel(run, (enum operation_kind)i);

        message_free(TAKE(run->session->messages[i]));
        if (rv == CKR_OK)
            rv = ended;
    }
    return rv;
}

static CK_RV set_state(struct run *run, struct bytes state, bool has_key)
{
    struct operation *op = NULL;
    CK_RV rv;

    if (state.data == NULL)
        return fail_argument("pOperationState");
    rv = saved_state_use(run->app, run->session->slot, state, clone_saved, &op);
    if (rv == CKR_OK && has_key)
        rv = fail(CKR_KEY_NOT_NEEDED, "a digest has no key: give none");
    if (rv == CKR_OK)
        rv = give_up_all(run);
    if (rv != CKR_OK) {
        operation_free(op);
        return rv;
    }
    run->session->operations[OPERATION_DIGEST] = op;
    return CKR_OK;
}

CK_RV C_SetOperationState(CK_SESSION_HANDLE session, CK_BYTE_PTR state, CK_ULONG len,
                          CK_OBJECT_HANDLE encryption_key, CK_OBJECT_HANDLE authentication_key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SET_OPERATION_STATE, session);

    if (rv == CKR_OK)
        rv = set_state(&run, BYTES(state, len), encryption_key != 0 || authentication_key != 0);
    return call_leave(&run, rv);
}
