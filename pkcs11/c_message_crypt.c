/* Encrypting and decrypting messages: PKCS#11 3.0, 5.9 and 5.11. */
#include "pkcs11/message.h"

#include "pkcs11/operation_int.h"

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                           CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_ENCRYPT_INIT, session);

    if (rv == CKR_OK)
        rv = message_init(&run, OPERATION_MESSAGE_ENCRYPT, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_EncryptMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                       CK_BYTE_PTR aad, CK_ULONG aad_len, CK_BYTE_PTR plaintext,
                       CK_ULONG plaintext_len, CK_BYTE_PTR ciphertext, CK_ULONG_PTR ciphertext_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {
        .in = BYTES(plaintext, plaintext_len), .out = ciphertext, .out_len = ciphertext_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCRYPT_MESSAGE, session);

    if (rv == CKR_OK)
        rv = message_whole(&run, OPERATION_MESSAGE_ENCRYPT, &given, BYTES(aad, aad_len), &io);
    return call_leave(&run, rv);
}

CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter,
                            CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCRYPT_MESSAGE_BEGIN, session);

    if (rv == CKR_OK)
        rv = message_begin(&run, OPERATION_MESSAGE_ENCRYPT, &given, BYTES(aad, aad_len));
    return call_leave(&run, rv);
}

CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                           CK_BYTE_PTR plaintext, CK_ULONG plaintext_len, CK_BYTE_PTR ciphertext,
                           CK_ULONG_PTR ciphertext_len, CK_FLAGS flags)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {
        .in = BYTES(plaintext, plaintext_len), .out = ciphertext, .out_len = ciphertext_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCRYPT_MESSAGE_NEXT, session);

    if (rv == CKR_OK)
        rv = message_next(&run, OPERATION_MESSAGE_ENCRYPT, &given, &io,
                          (flags & CKF_END_OF_MESSAGE) != 0);
    return call_leave(&run, rv);
}

CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_ENCRYPT_FINAL, session);

    if (rv == CKR_OK)
        rv = message_final(&run, OPERATION_MESSAGE_ENCRYPT);
    return call_leave(&run, rv);
}

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                           CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_DECRYPT_INIT, session);

    if (rv == CKR_OK)
        rv = message_init(&run, OPERATION_MESSAGE_DECRYPT, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_DecryptMessage(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                       CK_BYTE_PTR aad, CK_ULONG aad_len, CK_BYTE_PTR ciphertext,
                       CK_ULONG ciphertext_len, CK_BYTE_PTR plaintext, CK_ULONG_PTR plaintext_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {
        .in = BYTES(ciphertext, ciphertext_len), .out = plaintext, .out_len = plaintext_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECRYPT_MESSAGE, session);

    if (rv == CKR_OK)
        rv = message_whole(&run, OPERATION_MESSAGE_DECRYPT, &given, BYTES(aad, aad_len), &io);
    return call_leave(&run, rv);
}

CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE session, CK_VOID_PTR parameter,
                            CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len)
{
    const struct message_parameter given = {parameter, parameter_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECRYPT_MESSAGE_BEGIN, session);

    if (rv == CKR_OK)
        rv = message_begin(&run, OPERATION_MESSAGE_DECRYPT, &given, BYTES(aad, aad_len));
    return call_leave(&run, rv);
}

CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE session, CK_VOID_PTR parameter, CK_ULONG parameter_len,
                           CK_BYTE_PTR ciphertext, CK_ULONG ciphertext_len, CK_BYTE_PTR plaintext,
                           CK_ULONG_PTR plaintext_len, CK_FLAGS flags)
{
    const struct message_parameter given = {parameter, parameter_len};
    const struct operation_io io = {
        .in = BYTES(ciphertext, ciphertext_len), .out = plaintext, .out_len = plaintext_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECRYPT_MESSAGE_NEXT, session);

    if (rv == CKR_OK)
        rv = message_next(&run, OPERATION_MESSAGE_DECRYPT, &given, &io,
                          (flags & CKF_END_OF_MESSAGE) != 0);
    return call_leave(&run, rv);
}

CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_MESSAGE_DECRYPT_FINAL, session);

    if (rv == CKR_OK)
        rv = message_final(&run, OPERATION_MESSAGE_DECRYPT);
    return call_leave(&run, rv);
}
