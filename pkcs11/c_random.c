/*
 * Random numbers: PKCS#11 2.40, 5.16. They come from the generator of our own crypto context, which
 * takes no seed from callers.
 */
#include "pkcs11/call.h"

/* Most bytes of one call: they are all made before the first is released. */
#define RANDOM_MAX ((CK_ULONG)16 << 20)

CK_RV C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR seed, CK_ULONG seed_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_SEED_RANDOM, session);

    if (rv == CKR_OK && seed == NULL && seed_len > 0)
        rv = fail_argument("the seed");
    if (rv == CKR_OK)
        rv = fail(CKR_RANDOM_SEED_NOT_SUPPORTED,
                  "the random generator seeds itself: call C_GenerateRandom");
    return call_leave(&run, rv);
}

static CK_RV generate_random(struct run *run, CK_BYTE_PTR data, CK_ULONG len)
{
    struct ask ask = {.action = ACTION_RANDOM};
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(RANDOM_MAX);
    uint8_t *bytes;
    CK_RV rv;

    if (data == NULL && len > 0)
        return fail_argument("the buffer");
    if (len > RANDOM_MAX)
        return fail(CKR_ARGUMENTS_BAD, "%lu random bytes at once are too many: take %lu at most",
                    len, RANDOM_MAX);
    rv = gate_ask(run, &ask);
    if (rv != CKR_OK)
        return rv;
    gate_length(run, len);
    bytes = buf_grow(&out, len);
    if (bytes == NULL && len > 0)
        return fail_memory();
    if (len > 0)
        rv = local_random(run_local(run), bytes, len);
    if (rv == CKR_OK)
        run_output(run, data, NULL, &out);
    return rv;
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_GENERATE_RANDOM, session);

    if (rv == CKR_OK)
        rv = generate_random(&run, data, len);
    return call_leave(&run, rv);
}
