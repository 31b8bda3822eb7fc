/* Signatures with recovery: PKCS#11 2.40, 5.11 and 5.12. Of RSA without a digest, and only with
 * keys that were made for it (CKA_SIGN_RECOVER, CKA_VERIFY_RECOVER). The policy is asked sign and
 * verify. */
#include "pkcs11/operation_int.h"

CK_RV C_SignRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_RECOVER_INIT, session);

    if (rv == CKR_OK)
        rv = operation_init(&run, OPERATION_SIGN_RECOVER, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_SignRecover(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len,
                    CK_BYTE_PTR signature, CK_ULONG_PTR signature_len)
{
    struct operation_io io = {
        .in = BYTES(data, data_len), .out = signature, .out_len = signature_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_RECOVER, session);

    if (rv == CKR_OK)
        rv = operation_whole(&run, OPERATION_SIGN_RECOVER, &io);
    return call_leave(&run, rv);
}

CK_RV C_VerifyRecoverInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                          CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_RECOVER_INIT, session);

    if (rv == CKR_OK)
        rv = operation_init(&run, OPERATION_VERIFY_RECOVER, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_VerifyRecover(CK_SESSION_HANDLE session, CK_BYTE_PTR signature, CK_ULONG signature_len,
                      CK_BYTE_PTR data, CK_ULONG_PTR data_len)
{
    struct operation_io io = {
        .in = BYTES(signature, signature_len), .out = data, .out_len = data_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_RECOVER, session);

    if (rv == CKR_OK)
        rv = operation_whole(&run, OPERATION_VERIFY_RECOVER, &io);
    return call_leave(&run, rv);
}
