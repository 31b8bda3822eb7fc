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

#define WHY_ASYNC "no function goes on after it has returned: asynchronous sessions are not offered"

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
