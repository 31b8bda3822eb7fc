/*
 * Signing and MACing, verifying signatures and MACs: PKCS#11 2.40, 5.11 and 5.12. Private and
 * secret keys work in the HSM, public keys here.
 */
#include "pkcs11/operation_int.h"

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_INIT, session);

    if (rv == CKR_OK)
        rv = operation_init(&run, OPERATION_SIGN, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature,
             CK_ULONG_PTR signature_len)
{
    struct operation_io io = {
        .in = BYTES(data, data_len), .out = signature, .out_len = signature_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN, session);

    if (rv == CKR_OK)
        rv = operation_whole(&run, OPERATION_SIGN, &io);
    return call_leave(&run, rv);
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len)
{
    struct operation_io io = {.in = BYTES(part, part_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_UPDATE, session);

    if (rv == CKR_OK)
        rv = operation_update(&run, OPERATION_SIGN, &io);
    return call_leave(&run, rv);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR signature, CK_ULONG_PTR signature_len)
{
    struct operation_io io = {.out = signature, .out_len = signature_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_FINAL, session);

    if (rv == CKR_OK)
        rv = operation_final(&run, OPERATION_SIGN, &io);
    return call_leave(&run, rv);
}

CK_RV C_VerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_INIT, session);

    if (rv == CKR_OK)
        rv = operation_init(&run, OPERATION_VERIFY, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_Verify(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len,
               CK_BYTE_PTR signature, CK_ULONG signature_len)
{
    struct operation_io io = {.in = BYTES(data, data_len),
                              .signature = BYTES(signature, signature_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY, session);

    if (rv == CKR_OK)
        rv = operation_whole(&run, OPERATION_VERIFY, &io);
    return call_leave(&run, rv);
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len)
{
    struct operation_io io = {.in = BYTES(part, part_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_UPDATE, session);

    if (rv == CKR_OK)
        rv = operation_update(&run, OPERATION_VERIFY, &io);
    return call_leave(&run, rv);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
    struct operation_io io = {.signature = BYTES(signature, signature_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_FINAL, session);

    if (rv == CKR_OK)
        rv = operation_final(&run, OPERATION_VERIFY, &io);
    return call_leave(&run, rv);
}
