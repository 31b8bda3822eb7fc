/*
 * What of PKCS#11 3.2 keyward does not do, in one place: absence is worth reading too. Each
 * answers CKR_CRYPTOKI_NOT_INITIALIZED before C_Initialize, else CKR_FUNCTION_NOT_SUPPORTED, with
 * the reason below in fail_reason().
 */
#include "base/fail.h"
#include "pkcs11/module.h"

static CK_RV refuse(const char *function, const char *why)
{
    struct app *app = NULL;
    CK_RV rv = module_acquire(&app);

    if (rv != CKR_OK)
        return rv;
    module_release();
    return fail(CKR_FUNCTION_NOT_SUPPORTED, "%s is not supported: %s", function, why);
}

/* One row a function: its parameters are unused, its reason is its own. */
#define REFUSE(function, parameters, why)                                                          \
    CK_RV function parameters                                                                      \
    {                                                                                              \
        return refuse(#function, why);                                                             \
    }

#define UNUSED __attribute__((unused))

#define WHY_STATE                                                                                  \
    "an operation's state is in OpenSSL or in an HSM and cannot be taken out of either"
#define WHY_ASYNC "no function goes on after it has returned: asynchronous sessions are not offered"
#define WHY_RECOVER                                                                                \
    "signatures with recovery exist only in RSA without a hash, which is no longer sound"

REFUSE(C_GetOperationState,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_BYTE_PTR state, UNUSED CK_ULONG_PTR len),
       WHY_STATE)
REFUSE(C_SetOperationState,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_BYTE_PTR state, UNUSED CK_ULONG len,
        UNUSED CK_OBJECT_HANDLE encryption, UNUSED CK_OBJECT_HANDLE authentication),
       WHY_STATE)
REFUSE(C_SignRecoverInit,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_MECHANISM_PTR mechanism,
        UNUSED CK_OBJECT_HANDLE key),
       WHY_RECOVER)
REFUSE(C_SignRecover,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_BYTE_PTR data, UNUSED CK_ULONG data_len,
        UNUSED CK_BYTE_PTR signature, UNUSED CK_ULONG_PTR signature_len),
       WHY_RECOVER)
REFUSE(C_VerifyRecoverInit,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_MECHANISM_PTR mechanism,
        UNUSED CK_OBJECT_HANDLE key),
       WHY_RECOVER)
REFUSE(C_VerifyRecover,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_BYTE_PTR signature,
        UNUSED CK_ULONG signature_len, UNUSED CK_BYTE_PTR data, UNUSED CK_ULONG_PTR data_len),
       WHY_RECOVER)
REFUSE(C_AsyncComplete,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_UTF8CHAR_PTR function,
        UNUSED CK_ASYNC_DATA_PTR result),
       WHY_ASYNC)
REFUSE(C_AsyncGetID,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_UTF8CHAR_PTR function, UNUSED CK_ULONG_PTR id),
       WHY_ASYNC)
REFUSE(C_AsyncJoin,
       (UNUSED CK_SESSION_HANDLE session, UNUSED CK_UTF8CHAR_PTR function, UNUSED CK_ULONG id,
        UNUSED CK_BYTE_PTR data, UNUSED CK_ULONG data_len),
       WHY_ASYNC)
