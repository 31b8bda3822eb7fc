/*
 * Two operations in one call: PKCS#11 2.40, 5.14. The digest, signature or verification is over the
 * plaintext. The Inits and Finals are those of the single operations.
 */
#include "pkcs11/operation_int.h"

static CK_RV update_both(enum call_id id, CK_SESSION_HANDLE session, enum operation_kind cipher,
                         enum operation_kind other, const struct operation_io *io)
{
    struct run run;
    CK_RV rv = call_enter(&run, id, session);

    if (rv == CKR_OK)
        rv = operation_update_both(&run, cipher, other, io);
    return call_leave(&run, rv);
}

CK_RV C_DigestEncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len,
                            CK_BYTE_PTR encrypted, CK_ULONG_PTR encrypted_len)
{
    const struct operation_io io = {
        .in = BYTES(part, part_len), .out = encrypted, .out_len = encrypted_len};

    return update_both(CALL_DIGEST_ENCRYPT_UPDATE, session, OPERATION_ENCRYPT, OPERATION_DIGEST,
                       &io);
}

CK_RV C_DecryptDigestUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR encrypted,
                            CK_ULONG encrypted_len, CK_BYTE_PTR part, CK_ULONG_PTR part_len)
{
    const struct operation_io io = {
        .in = BYTES(encrypted, encrypted_len), .out = part, .out_len = part_len};

    return update_both(CALL_DECRYPT_DIGEST_UPDATE, session, OPERATION_DECRYPT, OPERATION_DIGEST,
                       &io);
}

CK_RV C_SignEncryptUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len,
                          CK_BYTE_PTR encrypted, CK_ULONG_PTR encrypted_len)
{
    const struct operation_io io = {
        .in = BYTES(part, part_len), .out = encrypted, .out_len = encrypted_len};

    return update_both(CALL_SIGN_ENCRYPT_UPDATE, session, OPERATION_ENCRYPT, OPERATION_SIGN, &io);
}

CK_RV C_DecryptVerifyUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR encrypted,
                            CK_ULONG encrypted_len, CK_BYTE_PTR part, CK_ULONG_PTR part_len)
{
    const struct operation_io io = {
        .in = BYTES(encrypted, encrypted_len), .out = part, .out_len = part_len};

    return update_both(CALL_DECRYPT_VERIFY_UPDATE, session, OPERATION_DECRYPT, OPERATION_VERIFY,
                       &io);
}
