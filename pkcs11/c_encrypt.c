/*
 * Encryption and decryption: PKCS#11 2.40, 5.8 and 5.9. Private and secret keys work in the HSM,
 * public keys here. Update's output follows an intent in the log; GCM's plaintext only the tag.
 */
#include "pkcs11/operation_int.h"

CK_RV C_EncryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCRYPT_INIT, session);

    if (rv == CKR_OK)
        rv = operation_init(&run, OPERATION_ENCRYPT, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_Encrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len,
                CK_BYTE_PTR encrypted, CK_ULONG_PTR encrypted_len)
{
    struct operation_io io = {
        .in = BYTES(data, data_len), .out = encrypted, .out_len = encrypted_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCRYPT, session);

    if (rv == CKR_OK)
        rv = operation_whole(&run, OPERATION_ENCRYPT, &io);
    return call_leave(&run, rv);
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len,
                      CK_BYTE_PTR encrypted, CK_ULONG_PTR encrypted_len)
{
    struct operation_io io = {
        .in = BYTES(part, part_len), .out = encrypted, .out_len = encrypted_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCRYPT_UPDATE, session);

    if (rv == CKR_OK)
        rv = operation_update(&run, OPERATION_ENCRYPT, &io);
    return call_leave(&run, rv);
}

CK_RV C_EncryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR encrypted, CK_ULONG_PTR encrypted_len)
{
    struct operation_io io = {.out = encrypted, .out_len = encrypted_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCRYPT_FINAL, session);

    if (rv == CKR_OK)
        rv = operation_final(&run, OPERATION_ENCRYPT, &io);
    return call_leave(&run, rv);
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECRYPT_INIT, session);

    if (rv == CKR_OK)
        rv = operation_init(&run, OPERATION_DECRYPT, mechanism, key);
    return call_leave(&run, rv);
}

CK_RV C_Decrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR encrypted, CK_ULONG encrypted_len,
                CK_BYTE_PTR data, CK_ULONG_PTR data_len)
{
    struct operation_io io = {
        .in = BYTES(encrypted, encrypted_len), .out = data, .out_len = data_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECRYPT, session);

    if (rv == CKR_OK)
        rv = operation_whole(&run, OPERATION_DECRYPT, &io);
    return call_leave(&run, rv);
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR encrypted, CK_ULONG encrypted_len,
                      CK_BYTE_PTR part, CK_ULONG_PTR part_len)
{
    struct operation_io io = {
        .in = BYTES(encrypted, encrypted_len), .out = part, .out_len = part_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECRYPT_UPDATE, session);

    if (rv == CKR_OK)
        rv = operation_update(&run, OPERATION_DECRYPT, &io);
    return call_leave(&run, rv);
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR last, CK_ULONG_PTR last_len)
{
    struct operation_io io = {.out = last, .out_len = last_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECRYPT_FINAL, session);

    if (rv == CKR_OK)
        rv = operation_final(&run, OPERATION_DECRYPT, &io);
    return call_leave(&run, rv);
}
