/* PKCS#11 2.40, 5.4 (general purpose) and 5.16 (parallel functions): what needs no slot. */
#include "pkcs11/call.h"
#include "pkcs11/module.h"

static CK_RV get_info(CK_VERSION cryptoki, CK_INFO_PTR info)
{
    if (info == NULL)
        return fail_argument("pInfo");
    *info = (CK_INFO){.cryptokiVersion = cryptoki, .libraryVersion = {0, 1}};
    run_pad(info->manufacturerID, sizeof(info->manufacturerID), "keyward");
    run_pad(info->libraryDescription, sizeof(info->libraryDescription), "keyward key vault");
    return CKR_OK;
}

CK_RV module_get_info(CK_VERSION cryptoki, CK_INFO_PTR info)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_INFO, 0);

    if (rv == CKR_OK)
        rv = get_info(cryptoki, info);
    return call_leave(&run, rv);
}

/* Whoever calls it by this name, and not out of a newer list, knows 2.40. */
CK_RV C_GetInfo(CK_INFO_PTR info)
{
    return module_get_info((CK_VERSION){2, 40}, info);
}

/* The two functions PKCS#11 keeps for programs written for 1.0. */
CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GET_FUNCTION_STATUS, session);

    if (rv == CKR_OK)
        rv = fail(CKR_FUNCTION_NOT_PARALLEL, "no function runs in parallel to its caller");
    return call_leave(&run, rv);
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_CANCEL_FUNCTION, session);

    if (rv == CKR_OK)
        rv = fail(CKR_FUNCTION_NOT_PARALLEL, "no function runs in parallel to its caller");
    return call_leave(&run, rv);
}
