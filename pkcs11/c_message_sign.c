/* Signing and verifying messages: PKCS#11 3.0, 5.14 and 5.16. */
#include "pkcs11/message.h"

#include "pkcs11/operation_int.h"

CK_RV C_MessageSignInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_SIGN_INIT, session);

    if (rv == CKR_OK)
        rv = message_init(&run, OPERATION_MESSAGE_SIGN, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_SignMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                    CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature,
                    CK_ULONG_PTR signature_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {
        .in = BYTES(data, data_len), .out = signature, .out_len = signature_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_MESSAGE, session);

    if (rv == CKR_OK)
        rv = message_whole(&run, OPERATION_MESSAGE_SIGN, &given, BYTES_NONE, &io);
    return call_leave(&run, rv);
}

CK_RV C_SignMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_MESSAGE_BEGIN, session);

    if (rv == CKR_OK)
        rv = message_begin(&run, OPERATION_MESSAGE_SIGN, &given, BYTES_NONE);
    return call_leave(&run, rv);
}

/* The last part is the one with a place for the signature's length. */
CK_RV C_SignMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                        CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature,
                        CK_ULONG_PTR signature_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {
        .in = BYTES(data, data_len), .out = signature, .out_len = signature_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SIGN_MESSAGE_NEXT, session);

    if (rv == CKR_OK)
        rv = message_next(&run, OPERATION_MESSAGE_SIGN, &given, &io, signature_len != NULL);
    return call_leave(&run, rv);
}

CK_RV C_MessageSignFinal(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_SIGN_FINAL, session);

    if (rv == CKR_OK)
        rv = message_final(&run, OPERATION_MESSAGE_SIGN);
    return call_leave(&run, rv);
}

CK_RV C_MessageVerifyInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                          CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_VERIFY_INIT, session);

    if (rv == CKR_OK)
        rv = message_init(&run, OPERATION_MESSAGE_VERIFY, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_VerifyMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                      CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature,
                      CK_ULONG signature_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {.in = BYTES(data, data_len),
                                    .signature = BYTES(signature, signature_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_MESSAGE, session);

    if (rv == CKR_OK)
        rv = message_whole(&run, OPERATION_MESSAGE_VERIFY, &given, BYTES_NONE, &io);
    return call_leave(&run, rv);
}

CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_MESSAGE_BEGIN, session);

    if (rv == CKR_OK)
        rv = message_begin(&run, OPERATION_MESSAGE_VERIFY, &given, BYTES_NONE);
    return call_leave(&run, rv);
}

/* The last part is the one with the signature. */
CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                          CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR signature,
                          CK_ULONG signature_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {.in = BYTES(data, data_len),
                                    .signature = BYTES(signature, signature_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_MESSAGE_NEXT, session);

    if (rv == CKR_OK)
        rv = message_next(&run, OPERATION_MESSAGE_VERIFY, &given, &io, signature != NULL);
    return call_leave(&run, rv);
}

CK_RV C_MessageVerifyFinal(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_VERIFY_FINAL, session);

    if (rv == CKR_OK)
        rv = message_final(&run, OPERATION_MESSAGE_VERIFY);
    return call_leave(&run, rv);
}
