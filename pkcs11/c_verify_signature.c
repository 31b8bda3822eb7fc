/* Verifying with the signature given first: PKCS#11 3.2, 5.15. */
#include "pkcs11/operation_int.h"

/* Longer than any signature there is (SLH-DSA: 49,856 bytes). */
#define SIGNATURE_MAX 65536U

static CK_RV init(struct run *run, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
                  struct bytes signature)
{
    struct buf kept = BUF_INIT(SIGNATURE_MAX);
    CK_RV rv;

    if (mechanism != NULL && signature.data == NULL)
        return fail_argument("pSignature");
    if (mechanism != NULL && signature.len > SIGNATURE_MAX)
        return fail(CKR_SIGNATURE_LEN_RANGE, "no signature has %zu bytes", signature.len);
    rv = operation_init(run, OPERATION_VERIFY_SIGNATURE, mechanism, key);
    if (rv != CKR_OK || mechanism == NULL)
        return rv;
    buf_put_bytes(&kept, signature);
    if (!buf_ok(&kept)) {
        operation_free(TAKE(run->session->operations[OPERATION_VERIFY_SIGNATURE]));
        return fail_memory();
    }
    run->session->operations[OPERATION_VERIFY_SIGNATURE]->signature = kept;
    return CKR_OK;
}

CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                            CK_OBJECT_HANDLE key, CK_BYTE_PTR signature, CK_ULONG signature_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_SIGNATURE_INIT, session);

    if (rv == CKR_OK)
        rv = init(&run, mechanism, key, BYTES(signature, signature_len));
    return call_leave(&run, rv);
}

/* The signature of the operation in progress; without one there is none, and the call says so. */
static struct bytes signature_of(const struct run *run)
{
    const struct operation *op = run->session->operations[OPERATION_VERIFY_SIGNATURE];

    return op != NULL ? buf_bytes(&op->signature) : BYTES_NONE;
}

static CK_RV verify(struct run *run, struct bytes data)
{
    const struct operation_io io = {.in = data, .signature = signature_of(run)};

    return operation_whole(run, OPERATION_VERIFY_SIGNATURE, &io);
}

CK_RV C_VerifySignature(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG data_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_SIGNATURE, session);

    if (rv == CKR_OK)
        rv = verify(&run, BYTES(data, data_len));
    return call_leave(&run, rv);
}

CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE session, CK_BYTE_PTR part, CK_ULONG part_len)
{
    const struct operation_io io = {.in = BYTES(part, part_len)};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_SIGNATURE_UPDATE, session);

    if (rv == CKR_OK)
        rv = operation_update(&run, OPERATION_VERIFY_SIGNATURE, &io);
    return call_leave(&run, rv);
}

static CK_RV final(struct run *run)
{
    const struct operation_io io = {.signature = signature_of(run)};

    return operation_final(run, OPERATION_VERIFY_SIGNATURE, &io);
}

CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE session)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_VERIFY_SIGNATURE_FINAL, session);

    if (rv == CKR_OK)
        rv = final(&run);
    return call_leave(&run, rv);
}
