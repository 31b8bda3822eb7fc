/*
 * PKCS#11 3.2, 5.18.8 and 5.18.9: C_EncapsulateKey and C_DecapsulateKey.
 *
 * Both make a key as C_DeriveKey does: what it is to be is settled and asked for first, then the
 * pair is used, then the secret takes its place. The records of both sides have the same keyed
 * digest, that of the secret.
 */
#include "hsm/local_encapsulate.h"
#include "pkcs11/incoming.h"
#include "pkcs11/key_use.h"

#define CIPHERTEXT_MAX 4096U

/* What a call brings beside the key it uses. */
struct kem_call {
    const CK_MECHANISM *mechanism;
    const CK_ATTRIBUTE *template;
    CK_ULONG count;
    CK_OBJECT_HANDLE_PTR ret;
};

static size_t secret_len(const struct incoming *incoming)
{
    return attrs_ulong(&incoming->object.attrs, CKA_VALUE_LEN, 0);
}

/* ---- C_EncapsulateKey ---- */

static const struct incoming_way encapsulates = {
    .use = TEMPLATE_DERIVE, .template = CKA_ENCAPSULATE_TEMPLATE, .action = ACTION_CREATE};

/* Where the ciphertext goes. */
struct ciphertext {
    CK_BYTE_PTR out;
    CK_ULONG_PTR len;
};

static struct bytes spki_of(const struct key_use *use)
{
    return attrs_bytes(&key_use_object(use)->attrs, CKA_PUBLIC_KEY_INFO);
}

static CK_RV do_encapsulate(struct run *run, const struct key_use *use, const struct kem_call *call,
                            const struct ciphertext *to)
{
    SCOPED(buf_release) struct buf out = BUF_INIT(CIPHERTEXT_MAX);
    struct incoming incoming;
    struct secret *value = NULL;
    CK_RV rv = incoming_begin(run, &encapsulates, key_use_object(use), call->mechanism,
                              call->template, call->count, &incoming);

    if (rv != CKR_OK)
        return rv;
    rv = local_encapsulate(run_local(run), spki_of(use), call->mechanism, secret_len(&incoming),
                           &out, &value);
    rv = key_use_record(run, &use->op->grant, rv == CKR_OK ? secret_bytes(value) : BYTES_NONE, rv);
    if (rv == CKR_OK)
        rv = incoming_finish(run, &incoming, value, call->ret);
    else
        secret_free(value);
    if (rv == CKR_OK)
        run_output(run, to->out, to->len, &out);
    incoming_release(&incoming);
    return rv;
}

/* What only asks for the length makes no key and leaves no record. */
static CK_RV encapsulate_with(struct run *run, const struct key_use *use,
                              const struct kem_call *call, const struct ciphertext *to)
{
    CK_ULONG had = *to->len;
    size_t len = 0;
    CK_RV rv = local_encapsulate_len(run_local(run), spki_of(use), call->mechanism, &len);

    if (rv != CKR_OK)
        return rv;
    if (to->out == NULL || had < len) {
        *to->len = len;
        return to->out == NULL
                   ? CKR_OK
                   : fail(CKR_BUFFER_TOO_SMALL,
                          "the ciphertext needs %zu bytes where the buffer has %lu", len, had);
    }
    return call->ret != NULL ? do_encapsulate(run, use, call, to) : fail_argument("phKey");
}

static CK_RV encapsulate(struct run *run, CK_OBJECT_HANDLE key, const struct kem_call *call,
                         const struct ciphertext *to)
{
    struct key_use use = {.op = NULL};
    CK_RV rv;

    if (to->len == NULL)
        return fail_argument("pulCiphertextLen");
    rv = key_use_begin(run, OPERATION_ENCAPSULATE, call->mechanism, key, &use);
    if (rv == CKR_OK)
        rv = encapsulate_with(run, &use, call, to);
    key_use_release(&use);
    return rv;
}

CK_RV C_EncapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                       CK_OBJECT_HANDLE public_key, CK_ATTRIBUTE_PTR template, CK_ULONG count,
                       CK_BYTE_PTR ciphertext, CK_ULONG_PTR ciphertext_len,
                       CK_OBJECT_HANDLE_PTR key)
{
    const struct kem_call call = {mechanism, template, count, key};
    const struct ciphertext to = {ciphertext, ciphertext_len};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_ENCAPSULATE_KEY, session);

    if (rv == CKR_OK)
        rv = encapsulate(&run, public_key, &call, &to);
    return call_leave(&run, rv);
}

/* ---- C_DecapsulateKey ---- */

static const struct incoming_way decapsulates = {
    .use = TEMPLATE_DERIVE, .template = CKA_DECAPSULATE_TEMPLATE, .action = ACTION_CREATE};
/* An RSA ciphertext has in it what its sender chose: it is a key that is unwrapped. */
static const struct incoming_way decapsulates_chosen = {.use = TEMPLATE_DERIVE,
                                                        .template = CKA_DECAPSULATE_TEMPLATE,
                                                        .action = ACTION_IMPORT,
                                                        .sensitive = true};

static const struct incoming_way *decapsulation_of(const struct key_use *use)
{
    return use->op->mech->key == CKK_RSA ? &decapsulates_chosen : &decapsulates;
}

static CK_RV do_decapsulate(struct run *run, const struct key_use *use, const struct kem_call *call,
                            struct bytes ciphertext)
{
    const struct incoming_way *way = decapsulation_of(use);
    struct hsm *device = run_device(run, key_use_object(use));
    struct incoming incoming;
    struct secret *value = NULL;
    int64_t began;
    CK_RV rv = incoming_begin(run, way, key_use_object(use), call->mechanism, call->template,
                              call->count, &incoming);

    if (rv != CKR_OK)
        return rv;
    began = run_now(run);
    rv = hsm_decapsulate(device, &use->key, call->mechanism, ciphertext, secret_len(&incoming),
                         &value);
    run_device_took(run, key_use_object(use), began);
    if (way->sensitive)
        rv = incoming_unwrap_code(rv);
    rv = key_use_record(run, &use->op->grant, rv == CKR_OK ? secret_bytes(value) : BYTES_NONE, rv);
    if (rv == CKR_OK)
        rv = incoming_finish(run, &incoming, value, call->ret);
    else
        secret_free(value);
    incoming_release(&incoming);
    return way->sensitive ? incoming_unwrap_code(rv) : rv;
}

static CK_RV decapsulate(struct run *run, CK_OBJECT_HANDLE key, const struct kem_call *call,
                         struct bytes ciphertext)
{
    struct key_use use = {.op = NULL};
    CK_RV rv;

    if (ciphertext.data == NULL || call->ret == NULL)
        return fail_argument(call->ret == NULL ? "phKey" : "pCiphertext");
    if (ciphertext.len > CIPHERTEXT_MAX)
        return fail(CKR_WRAPPED_KEY_LEN_RANGE, "no ciphertext has %zu bytes", ciphertext.len);
    rv = key_use_begin(run, OPERATION_DECAPSULATE, call->mechanism, key, &use);
    if (rv == CKR_OK)
        rv = do_decapsulate(run, &use, call, ciphertext);
    key_use_release(&use);
    return rv;
}

CK_RV C_DecapsulateKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
                       CK_OBJECT_HANDLE private_key, CK_ATTRIBUTE_PTR template, CK_ULONG count,
                       CK_BYTE_PTR ciphertext, CK_ULONG ciphertext_len, CK_OBJECT_HANDLE_PTR key)
{
    const struct kem_call call = {mechanism, template, count, key};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DECAPSULATE_KEY, session);

    if (rv == CKR_OK)
        rv = decapsulate(&run, private_key, &call, BYTES(ciphertext, ciphertext_len));
    return call_leave(&run, rv);
}
