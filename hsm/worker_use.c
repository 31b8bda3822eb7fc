/*
 * What keys do: sign, verify, encrypt, decrypt, whole or in parts, on the lane's own session.
 *
 * Libraries differ in which errors end an operation. So every failure after the Init closes the
 * session; the next request opens a new one, and nothing of the failed operation is left in it.
 */
#include "base/mech.h"
#include "hsm/worker_int.h"

#include <string.h>

typedef CK_RV begin_call(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
typedef CK_RV transform_call(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV feed_call(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);
typedef CK_RV finish_call(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV check_call(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);

/* One row a use. Absent calls are NULL: a cipher is fed by transform, a MAC by feed; only a
 * verification checks. */
struct use_calls {
    begin_call *begin;
    transform_call *whole;
    transform_call *part;
    feed_call *feed;
    finish_call *finish;
    check_call *check;
    feed_call *check_final;
    const char *begin_name, *whole_name, *part_name, *final_name;
};

static struct use_calls calls_of(const CK_FUNCTION_LIST *p, enum hsm_use use)
{
    const struct use_calls rows[] = {
        [HSM_SIGN] = {.begin = p->C_SignInit,
                      .whole = p->C_Sign,
                      .feed = p->C_SignUpdate,
                      .finish = p->C_SignFinal,
                      .begin_name = "C_SignInit",
                      .whole_name = "C_Sign",
                      .part_name = "C_SignUpdate",
                      .final_name = "C_SignFinal"},
        [HSM_VERIFY] = {.begin = p->C_VerifyInit,
                        .check = p->C_Verify,
                        .feed = p->C_VerifyUpdate,
                        .check_final = p->C_VerifyFinal,
                        .begin_name = "C_VerifyInit",
                        .whole_name = "C_Verify",
                        .part_name = "C_VerifyUpdate",
                        .final_name = "C_VerifyFinal"},
        [HSM_ENCRYPT] = {.begin = p->C_EncryptInit,
                         .whole = p->C_Encrypt,
                         .part = p->C_EncryptUpdate,
                         .finish = p->C_EncryptFinal,
                         .begin_name = "C_EncryptInit",
                         .whole_name = "C_Encrypt",
                         .part_name = "C_EncryptUpdate",
                         .final_name = "C_EncryptFinal"},
        [HSM_DECRYPT] = {.begin = p->C_DecryptInit,
                         .whole = p->C_Decrypt,
                         .part = p->C_DecryptUpdate,
                         .finish = p->C_DecryptFinal,
                         .begin_name = "C_DecryptInit",
                         .whole_name = "C_Decrypt",
                         .part_name = "C_DecryptUpdate",
                         .final_name = "C_DecryptFinal"},
    };

    return rows[use];
}

/* PKCS#11 has no const, and many libraries refuse NULL even for nothing. */
static CK_BYTE_PTR given(struct bytes b)
{
    static CK_BYTE nothing;
    union {
        const uint8_t *in;
        CK_BYTE_PTR out;
    } cast = {.in = b.data};

    return b.len > 0 ? cast.out : &nothing;
}

/* Room for what an operation adds beyond its input: padding, a tag, a signature of RSA-16384. */
#define ROOM_BEYOND 4096

/* Calls transform or finish (the other is NULL) with room enough: once as guessed, once as the
 * library says. */
static CK_RV collect(struct lane *l, transform_call *transform, finish_call *finish,
                     struct bytes in, size_t room)
{
    CK_RV rv = CKR_BUFFER_TOO_SMALL;

    for (int attempt = 0; attempt < 2 && rv == CKR_BUFFER_TOO_SMALL; attempt++) {
        size_t had = l->out.len;
        uint8_t *at = buf_grow(&l->out, room);
        CK_ULONG len = room;

        if (at == NULL)
            return CKR_HOST_MEMORY;
        if (transform != NULL)
            rv = transform(l->session, given(in), in.len, at, &len);
        else
            /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): one of the two is given */
            rv = finish(l->session, at, &len);
        if (rv == CKR_OK && len > room)
            rv = CKR_DEVICE_ERROR; /* it has written past our buffer, or lies */
        l->out.len = had + (rv == CKR_OK ? len : 0);
        if (rv != CKR_OK)
            bytes_wipe(at, room);
        room = len + ROOM_BEYOND;
    }
    return rv;
}

void lane_drop_session(struct lane *l)
{
    if (l->session != CK_INVALID_HANDLE)
        (void)l->device->p11->C_CloseSession(l->session);
    l->session = CK_INVALID_HANDLE;
    l->active = false;
}

/* The library's word for parameters it does not like differs; the standard has one. */
static CK_RV begin_error(const struct wire_request *q, CK_RV rv)
{
    if (rv == CKR_ARGUMENTS_BAD && q->mechanism.pParameter != NULL)
        return CKR_MECHANISM_PARAM_INVALID;
    return rv;
}

static CK_RV begin_with(struct lane *l, const struct wire_request *q, CK_MECHANISM *mechanism)
{
    struct device *d = l->device;
    struct use_calls calls = calls_of(d->p11, q->use);
    CK_OBJECT_HANDLE key;
    CK_RV rv = resident_find(d, l->session, &q->spec.key, &key);

    if (rv != CKR_OK)
        return rv;
    rv = calls.begin(l->session, mechanism, key);
    return rv == CKR_OK ? rv : device_fail(calls.begin_name, begin_error(q, rv));
}

#define PKCS1_OVERHEAD 11

/*
 * SoftHSM has one word, "general error", for RSA data of a wrong length. Looked up only after a
 * failure: the modulus costs a call.
 */
static CK_RV length_error(const struct lane *l, const struct wire_request *q, CK_RV rv)
{
    struct device *d = l->device;
    CK_ATTRIBUTE modulus = {CKA_MODULUS, NULL, 0};
    CK_OBJECT_HANDLE key;

    if (rv != CKR_GENERAL_ERROR || q->spec.key.type != CKK_RSA ||
        resident_find(d, l->session, &q->spec.key, &key) != CKR_OK ||
        d->p11->C_GetAttributeValue(l->session, key, &modulus, 1) != CKR_OK)
        return rv;
    if (q->use == HSM_DECRYPT && q->in.len != modulus.ulValueLen)
        return CKR_ENCRYPTED_DATA_LEN_RANGE;
    if (q->use == HSM_SIGN && q->mechanism.mechanism == CKM_RSA_PKCS &&
        q->in.len + PKCS1_OVERHEAD > modulus.ulValueLen)
        return CKR_DATA_LEN_RANGE;
    return rv;
}

CK_RV use_run_with(struct lane *l, const struct wire_request *q, CK_MECHANISM *mechanism)
{
    struct use_calls calls = calls_of(l->device->p11, q->use);
    CK_RV rv = begin_with(l, q, mechanism);

    if (rv != CKR_OK)
        return rv;
    if (calls.check != NULL)
        rv =
            calls.check(l->session, given(q->in), q->in.len, given(q->signature), q->signature.len);
    else
        rv = collect(l, calls.whole, NULL, q->in, q->in.len + ROOM_BEYOND);
    if (rv == CKR_OK)
        return rv;
    rv = length_error(l, q, rv);
    lane_drop_session(l);
    return device_fail(calls.whole_name, rv);
}

CK_RV use_run(struct lane *l, const struct wire_request *q)
{
    CK_MECHANISM mechanism = q->mechanism;

    return q->spec.key.type == CKK_RSA ? rsa_run(l, q) : use_run_with(l, q, &mechanism);
}

CK_RV use_begin(struct lane *l, const struct wire_request *q)
{
    CK_MECHANISM mechanism = q->mechanism;
    CK_RV rv = begin_with(l, q, &mechanism);

    if (rv != CKR_OK)
        return rv;
    l->use = q->use;
    l->active = true;
    l->fed = 0;
    return CKR_OK;
}

static CK_RV ended(struct lane *l, const char *name, CK_RV rv)
{
    l->active = false;
    if (rv == CKR_OK)
        return rv;
    lane_drop_session(l);
    return device_fail(name, rv);
}

CK_RV use_update(struct lane *l, const struct wire_request *q)
{
    struct use_calls calls = calls_of(l->device->p11, l->use);
    CK_RV rv;

    if (calls.part != NULL)
        rv = collect(l, calls.part, NULL, q->in, q->in.len + ROOM_BEYOND);
    else
        rv = calls.feed(l->session, given(q->in), q->in.len);
    l->fed += q->in.len;
    return rv == CKR_OK ? rv : ended(l, calls.part_name, rv);
}

/* A GCM decryption gives its whole plaintext here, so there must be room for all it was fed. */
CK_RV use_final(struct lane *l, const struct wire_request *q)
{
    struct use_calls calls = calls_of(l->device->p11, l->use);
    CK_RV rv;

    if (calls.check_final != NULL)
        rv = calls.check_final(l->session, given(q->signature), q->signature.len);
    else
        rv = collect(l, NULL, calls.finish, BYTES_NONE,
                     (l->use == HSM_DECRYPT ? l->fed : 0) + ROOM_BEYOND);
    return ended(l, calls.final_name, rv);
}
