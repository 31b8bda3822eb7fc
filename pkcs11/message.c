/*
 * Messages: see message.h. Each is done by an ordinary operation of its own, in the session's place
 * for its kind; what this file adds is the parameters that come with it, and that its tag stands
 * apart from its ciphertext.
 */
#include "pkcs11/message.h"

#include "pkcs11/message_int.h"

#include <string.h>

struct message {
    struct mechanism_copy mechanism; /* with a signature's parameters */
    const struct message_form *form; /* NULL: messages have no parameters */
    CK_OBJECT_HANDLE key;
    uint64_t counter; /* messages whose IV was counted */
};

void message_free(struct message *message)
{
    if (message == NULL)
        return;
    mechanism_copy_release(&message->mechanism);
    free(message);
}

static CK_RV find(const struct run *run, enum operation_kind kind, struct message **ret)
{
    *ret = run->session->messages[kind];
    if (*ret == NULL)
        return fail(CKR_OPERATION_NOT_INITIALIZED,
                    "no messages are in progress here: to %s, call its Init first",
                    operation_kind_row(kind)->name);
    return CKR_OK;
}

static bool is_cipher(enum operation_kind kind)
{
    return operation_kind_row(kind)->cipher;
}

static bool encrypts(enum operation_kind kind)
{
    return kind == OPERATION_MESSAGE_ENCRYPT;
}

/* ---- Init, Final ---- */

static CK_RV set_up(struct run *run, enum operation_kind kind, const CK_MECHANISM *mechanism,
                    struct message *m)
{
    bool cipher = is_cipher(kind);
    CK_RV rv;

    m->form = cipher ? message_form_of(mechanism->mechanism) : NULL;
    if (cipher && m->form == NULL)
        return fail(CKR_MECHANISM_INVALID,
                    "mechanism 0x%lx has no messages: AES-GCM, AES-CCM and ChaCha20-Poly1305 do",
                    mechanism->mechanism);
    if (cipher && mechanism->ulParameterLen > 0)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "this mechanism's parameters come with each message: leave them out here");
    rv = operation_try(run, kind, mechanism, m->key, cipher);
    if (rv != CKR_OK)
        return rv;
    if (!cipher)
        return mechanism_copy_make(&m->mechanism, mech_find(mechanism->mechanism), mechanism);
    m->mechanism.mechanism.mechanism = mechanism->mechanism;
    return CKR_OK;
}

CK_RV message_init(struct run *run, enum operation_kind kind, const CK_MECHANISM *mechanism,
                   CK_OBJECT_HANDLE key)
{
    struct message *m;
    CK_RV rv;

    if (mechanism == NULL)
        return run->session->messages[kind] != NULL ? message_final(run, kind)
                                                    : fail_argument("the mechanism");
    if (run->session->messages[kind] != NULL)
        return fail(CKR_OPERATION_ACTIVE,
                    "messages are in progress here already: to %s with another key, call Final "
                    "first",
                    operation_kind_row(kind)->name);
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        return fail_memory();
    m->key = key;
    rv = set_up(run, kind, mechanism, m);
    if (rv != CKR_OK) {
        message_free(m);
        return rv;
    }
    run->session->messages[kind] = m;
    return CKR_OK;
}

CK_RV message_final(struct run *run, enum operation_kind kind)
{
    struct message *m = NULL;
    CK_RV rv = find(run, kind, &m);

    if (rv != CKR_OK)
        return rv;
    rv = operation_cancel(run, kind);
    message_free(m);
    run->session->messages[kind] = NULL;
    return rv;
}

/* ---- a message ---- */

static CK_RV ensure_none(const struct message_parameter *parameter)
{
    if (parameter->len > 0)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "messages of this mechanism have no parameters of their own: leave them out");
    return CKR_OK;
}

/* The operation that does a message, set up and allowed; aead is filled where it has one. */
static CK_RV start(struct run *run, enum operation_kind kind, struct message *m,
                   const struct message_parameter *parameter, struct bytes aad,
                   struct message_aead *aead)
{
    CK_RV rv;

    if (run->session->operations[kind] != NULL)
        return fail(CKR_OPERATION_ACTIVE, "a message in parts is in progress: end it first");
    if (m->form == NULL) {
        rv = ensure_none(parameter);
        return rv == CKR_OK ? operation_init(run, kind, &m->mechanism.mechanism, m->key) : rv;
    }
    rv = message_aead_read(run, m->form, parameter, aad, encrypts(kind), &m->counter, aead);
    if (rv == CKR_OK)
        rv = operation_init(run, kind, &aead->mechanism, m->key);
    if (rv != CKR_OK || !encrypts(kind))
        return rv;
    run->session->operations[kind]->tag = aead->tag;
    run->session->operations[kind]->tag_len = aead->tag_len;
    return CKR_OK;
}

CK_RV message_output_iv(struct run *run, const struct message_aead *aead)
{
    struct buf iv = BUF_INIT(MESSAGE_IV_MAX);

    if (aead->iv_dest == NULL)
        return CKR_OK;
    buf_put(&iv, aead->iv, aead->iv_len);
    if (!buf_ok(&iv))
        return fail_memory();
    run_output(run, aead->iv_dest, NULL, &iv);
    return CKR_OK;
}

/* A ciphertext with its tag behind it, as ordinary decryption takes it. */
static CK_RV join(struct bytes cipher, struct bytes tag, struct buf *out)
{
    if (cipher.data == NULL && cipher.len > 0)
        return fail_argument("pCiphertext");
    buf_put_bytes(out, cipher);
    buf_put_bytes(out, tag);
    return buf_ok(out) ? CKR_OK : fail_memory();
}

/* What is left of a whole message when only its length was asked for, or its buffer was short: no
 * more than before. */
static CK_RV forget_question(struct run *run, enum operation_kind kind, CK_RV rv)
{
    operation_free(run->session->operations[kind]);
    run->session->operations[kind] = NULL;
    return rv;
}

static CK_RV whole(struct run *run, enum operation_kind kind, const struct message_aead *aead,
                   const struct operation_io *io)
{
    SCOPED(buf_release) struct buf joined = BUF_INIT(OPERATION_GATHERED_MAX);
    struct operation_io given = *io;
    CK_RV rv = CKR_OK;

    if (kind == OPERATION_MESSAGE_DECRYPT) {
        rv = join(io->in, BYTES(aead->tag, aead->tag_len), &joined);
        given.in = buf_bytes(&joined);
    }
    return rv == CKR_OK ? operation_whole(run, kind, &given) : rv;
}

CK_RV message_whole(struct run *run, enum operation_kind kind,
                    const struct message_parameter *parameter, struct bytes aad,
                    const struct operation_io *io)
{
    struct message_aead aead = {.iv_dest = NULL};
    struct message *m = NULL;
    uint64_t counter;
    CK_RV rv = find(run, kind, &m);

    if (rv != CKR_OK)
        return rv;
    counter = m->counter;
    rv = start(run, kind, m, parameter, aad, &aead);
    if (rv != CKR_OK)
        return rv;
    rv = whole(run, kind, &aead, io);
    if (run->session->operations[kind] != NULL) {
        m->counter = counter;
        return forget_question(run, kind, rv);
    }
    return rv == CKR_OK ? message_output_iv(run, &aead) : rv;
}

CK_RV message_begin(struct run *run, enum operation_kind kind,
                    const struct message_parameter *parameter, struct bytes aad)
{
    struct message_aead aead = {.iv_dest = NULL};
    struct message *m = NULL;
    CK_RV rv = find(run, kind, &m);

    if (rv == CKR_OK)
        rv = start(run, kind, m, parameter, aad, &aead);
    return rv == CKR_OK ? message_output_iv(run, &aead) : rv;
}

/* The last part's parameters say where the tag is; as long as the first said it would be. */
static CK_RV find_tag(struct run *run, enum operation_kind kind, const struct message *m,
                      const struct message_parameter *parameter, struct bytes *ret_tag)
{
    struct operation *op = run->session->operations[kind];
    CK_BYTE_PTR tag = NULL;
    size_t len = 0;
    CK_RV rv = message_aead_tag(m->form, parameter, &tag, &len);

    if (rv == CKR_OK && encrypts(kind) && len != op->tag_len)
        rv = fail(CKR_MECHANISM_PARAM_INVALID, "the message began with a tag of another length");
    if (rv != CKR_OK)
        return rv;
    if (encrypts(kind))
        op->tag = tag;
    *ret_tag = BYTES(tag, len);
    return CKR_OK;
}

static CK_RV next_last(struct run *run, enum operation_kind kind, const struct message *m,
                       const struct message_parameter *parameter, const struct operation_io *io)
{
    SCOPED(buf_release) struct buf joined = BUF_INIT(OPERATION_GATHERED_MAX);
    struct operation_io given = *io;
    struct bytes tag = BYTES_NONE;
    CK_RV rv = CKR_OK;

    if (m->form != NULL)
        rv = find_tag(run, kind, m, parameter, &tag);
    if (rv == CKR_OK && kind == OPERATION_MESSAGE_DECRYPT) {
        rv = join(io->in, tag, &joined);
        given.in = buf_bytes(&joined);
    }
    return rv == CKR_OK ? operation_last(run, kind, &given) : rv;
}

CK_RV message_next(struct run *run, enum operation_kind kind,
                   const struct message_parameter *parameter, const struct operation_io *io,
                   bool last)
{
    struct message *m = NULL;
    CK_RV rv = find(run, kind, &m);

    if (rv != CKR_OK)
        return rv;
    if (run->session->operations[kind] == NULL)
        return fail(CKR_OPERATION_NOT_INITIALIZED,
                    "no message in parts is in progress: call its Begin first");
    if (m->form == NULL)
        rv = ensure_none(parameter);
    if (rv != CKR_OK)
        return rv;
    return last ? next_last(run, kind, m, parameter, io) : operation_update(run, kind, io);
}

CK_FLAGS message_flags(CK_MECHANISM_TYPE mechanism, CK_FLAGS flags)
{
    static const struct {
        CK_FLAGS use, message;
        bool cipher;
    } rows[] = {
        {CKF_ENCRYPT, CKF_MESSAGE_ENCRYPT, true},
        {CKF_DECRYPT, CKF_MESSAGE_DECRYPT, true},
        {CKF_SIGN, CKF_MESSAGE_SIGN, false},
        {CKF_VERIFY, CKF_MESSAGE_VERIFY, false},
    };
    CK_FLAGS ret = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if ((flags & rows[i].use) != 0 && (!rows[i].cipher || message_form_of(mechanism) != NULL))
            ret |= rows[i].message;
    return ret;
}
