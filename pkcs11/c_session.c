/* PKCS#11 2.40, 5.6; 3.0, 5.6 (C_SessionCancel); 3.2, 5.6 (C_GetSessionValidationFlags): sessions,
 * without login (c_login.c). */
#include "pkcs11/message.h"
#include "pkcs11/operation_int.h"
#include "pkcs11/search.h"

static CK_RV open_session(struct run *run, CK_FLAGS flags, CK_SESSION_HANDLE_PTR ret)
{
    struct login login;
    CK_RV rv;

    if (ret == NULL)
        return fail_argument("phSession");
    if ((flags & CKF_SERIAL_SESSION) == 0)
        return fail(CKR_SESSION_PARALLEL_NOT_SUPPORTED, "CKF_SERIAL_SESSION must be set");
    rv = gate_login(run, &login);
    if (rv != CKR_OK)
        return rv;
    if (login.kind == LOGIN_SO && (flags & CKF_RW_SESSION) == 0)
        return fail(CKR_SESSION_READ_WRITE_SO_EXISTS,
                    "the security officer is logged in: only read-write sessions can be opened");
    return app_session_open(run->app, run->vault.slot,
                            flags & (CKF_SERIAL_SESSION | CKF_RW_SESSION), ret);
}

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, CK_VOID_PTR application, CK_NOTIFY notify,
                    CK_SESSION_HANDLE_PTR ret)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_OPEN_SESSION, slot);

    (void)application;
    (void)notify; /* the only notification, surrender, is for functions that run long: none does */
    if (rv == CKR_OK)
        rv = open_session(&run, flags, ret);
    return call_leave(&run, rv);
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_CLOSE_SESSION, 0);

    if (rv == CKR_OK)
        rv = app_session_close(run.app, session);
    return call_leave(&run, rv);
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slot)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_CLOSE_ALL_SESSIONS, slot);

    if (rv == CKR_OK)
        app_session_close_all(run.app, slot);
    return call_leave(&run, rv);
}

static CK_RV get_session_info(struct run *run, CK_SESSION_INFO_PTR info)
{
    struct login login;
    CK_RV rv;

    if (info == NULL)
        return fail_argument("pInfo");
    rv = gate_login(run, &login);
    if (rv != CKR_OK)
        return rv;
    *info = (CK_SESSION_INFO){.slotID = run->session->slot,
                              .state = app_session_state(run->app, run->session),
                              .flags = run->session->flags,
                              .ulDeviceError = run->session->device_error};
    return CKR_OK;
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_SESSION_INFO, session);

    if (rv == CKR_OK)
        rv = get_session_info(&run, info);
    return call_leave(&run, rv);
}

/* One row a kind of operation that a session can have in progress. */
static const struct {
    CK_FLAGS flag;
    enum operation_kind kind;
} cancels[] = {
    {CKF_DIGEST, OPERATION_DIGEST},
    {CKF_SIGN, OPERATION_SIGN},
    {CKF_VERIFY, OPERATION_VERIFY},
    {CKF_VERIFY, OPERATION_VERIFY_SIGNATURE},
    {CKF_SIGN_RECOVER, OPERATION_SIGN_RECOVER},
    {CKF_VERIFY_RECOVER, OPERATION_VERIFY_RECOVER},
    {CKF_ENCRYPT, OPERATION_ENCRYPT},
    {CKF_DECRYPT, OPERATION_DECRYPT},
    {CKF_MESSAGE_SIGN, OPERATION_MESSAGE_SIGN},
    {CKF_MESSAGE_VERIFY, OPERATION_MESSAGE_VERIFY},
    {CKF_MESSAGE_ENCRYPT, OPERATION_MESSAGE_ENCRYPT},
    {CKF_MESSAGE_DECRYPT, OPERATION_MESSAGE_DECRYPT},
};

/* Flags of what is not in progress change nothing. The first failure is told of, the others end
 * all the same. */
static CK_RV session_cancel(struct run *run, CK_FLAGS flags)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < sizeof(cancels) / sizeof(*cancels); i++) {
        CK_RV ended;

        if ((flags & cancels[i].flag) == 0)
            continue;
        ended = operation_cancel(run, cancels[i].kind);
        message_free(TAKE(run->session->messages[cancels[i].kind]));
        if (rv == CKR_OK)
            rv = ended;
    }
    if ((flags & CKF_FIND_OBJECTS) != 0)
        search_free(TAKE(run->session->search));
    return rv;
}

CK_RV C_SessionCancel(CK_SESSION_HANDLE session, CK_FLAGS flags)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SESSION_CANCEL, session);

    if (rv == CKR_OK)
        rv = session_cancel(&run, flags);
    return call_leave(&run, rv);
}

/* There are no CKO_VALIDATION objects, so no operation was ever one that they cover. */
static CK_RV get_validation_flags(CK_SESSION_VALIDATION_FLAGS_TYPE type, CK_FLAGS *flags)
{
    if (flags == NULL)
        return fail_argument("pFlags");
    if (type != CKS_LAST_VALIDATION_OK)
        return fail(CKR_ARGUMENTS_BAD, "there are no validation flags of type %lu", type);
    *flags = 0;
    return CKR_OK;
}

CK_RV C_GetSessionValidationFlags(CK_SESSION_HANDLE session, CK_SESSION_VALIDATION_FLAGS_TYPE type,
                                  CK_FLAGS *flags)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_SESSION_VALIDATION_FLAGS, session);

    if (rv == CKR_OK)
        rv = get_validation_flags(type, flags);
    return call_leave(&run, rv);
}
