/* Message digesting: PKCS#11 2.40, 5.10. The digests are computed here, not in the HSM. */
#include "pkcs11/operation_int.h"

CK_RV C_DigestInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DIGEST_INIT, session);

    if (rv == CKR_OK)
        rv = operation_init(&run, OPERATION_DIGEST, mechanism, 0);
    return call_leave(&run, rv);
}

CK_RV C_Digest(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len, CK_BYTE_PTR digest,
               CK_ULONG_PTR digest_len)
{
    struct operation_io io = {.in = BYTES(data, data_len), .out = digest, .out_len = digest_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DIGEST, session);

    if (rv == CKR_OK)
        rv = operation_whole(&run, OPERATION_DIGEST, &io);
    return call_leave(&run, rv);
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len)
{
    struct operation_io io = {.in = BYTES(part, part_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DIGEST_UPDATE, session);

    if (rv == CKR_OK)
        rv = operation_update(&run, OPERATION_DIGEST, &io);
    return call_leave(&run, rv);
}

CK_RV C_DigestKey(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DIGEST_KEY, session);

    if (rv == CKR_OK)
        rv = operation_digest_key(&run, key);
    return call_leave(&run, rv);
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE session, CK_BYTE_PTR digest, CK_ULONG_PTR digest_len)
{
    struct operation_io io = {.out = digest, .out_len = digest_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DIGEST_FINAL, session);

    if (rv == CKR_OK)
        rv = operation_final(&run, OPERATION_DIGEST, &io);
    return call_leave(&run, rv);
}
