/*
 * The state machine of an operation in parts or whole: which call may follow which, when it ends,
 * what is recorded. The states are in operation_int.h; how the work itself is done is in
 * operation_way.c.
 *
 * Records. A one-shot call and a Final leave one record. An Update leaves none, with one exception:
 * before the first part of a cipher's output is released an intent is in the log, and Final writes
 * its outcome. The same where a decryption turns out longer than the buffer. A call that fails is
 * recorded as what it is.
 */
#include "pkcs11/operation_int.h"

/* clang-format off */
#define SIGNS                                                                                      \
    .does = OPERATION_SIGN, .action = ACTION_SIGN, .flag = CKF_SIGN, .right = CKA_SIGN,            \
    .right_name = "CKA_SIGN", .cls = CKO_PRIVATE_KEY, .use = HSM_SIGN, .output = true,             \
    .bad_length = CKR_DATA_LEN_RANGE
#define VERIFIES                                                                                   \
    .does = OPERATION_VERIFY, .action = ACTION_VERIFY, .flag = CKF_VERIFY, .right = CKA_VERIFY,    \
    .right_name = "CKA_VERIFY", .cls = CKO_PUBLIC_KEY, .use = HSM_VERIFY, .after_expiry = true,    \
    .bad_length = CKR_DATA_LEN_RANGE
#define ENCRYPTS                                                                                   \
    .does = OPERATION_ENCRYPT, .action = ACTION_ENCRYPT, .flag = CKF_ENCRYPT,                      \
    .right = CKA_ENCRYPT, .right_name = "CKA_ENCRYPT", .cls = CKO_PUBLIC_KEY,                      \
    .use = HSM_ENCRYPT, .cipher = true, .output = true, .bad_length = CKR_DATA_LEN_RANGE
#define DECRYPTS                                                                                   \
    .does = OPERATION_DECRYPT, .action = ACTION_DECRYPT, .flag = CKF_DECRYPT,                      \
    .right = CKA_DECRYPT, .right_name = "CKA_DECRYPT", .cls = CKO_PRIVATE_KEY,                     \
    .use = HSM_DECRYPT, .after_expiry = true, .cipher = true, .output = true,                      \
    .bad_length = CKR_ENCRYPTED_DATA_LEN_RANGE

static const struct operation_kind_row kind_rows[OPERATION_KINDS] = {
    [OPERATION_DIGEST] = {.name = "digest", .does = OPERATION_DIGEST, .action = ACTION_DIGEST,
                          .flag = CKF_DIGEST, .output = true, .bad_length = CKR_DATA_LEN_RANGE},
    [OPERATION_SIGN] = {.name = "sign", SIGNS},
    [OPERATION_VERIFY] = {.name = "verify", VERIFIES},
    [OPERATION_VERIFY_SIGNATURE] = {.name = "verify a given signature", VERIFIES},
    [OPERATION_ENCRYPT] = {.name = "encrypt", ENCRYPTS},
    [OPERATION_DECRYPT] = {.name = "decrypt", DECRYPTS, .bad_cipher = CKR_ENCRYPTED_DATA_INVALID},
    [OPERATION_MESSAGE_SIGN] = {.name = "sign a message", SIGNS},
    [OPERATION_MESSAGE_VERIFY] = {.name = "verify a message", VERIFIES},
    [OPERATION_MESSAGE_ENCRYPT] = {.name = "encrypt a message", ENCRYPTS},
    [OPERATION_MESSAGE_DECRYPT] = {.name = "decrypt a message", DECRYPTS,
                                   .bad_cipher = CKR_AEAD_DECRYPT_FAILED},
    [OPERATION_SIGN_RECOVER] = {.name = "sign with recovery", .does = OPERATION_SIGN,
                                .action = ACTION_SIGN, .flag = CKF_SIGN_RECOVER,
                                .device = CKF_SIGN, .right = CKA_SIGN_RECOVER,
                                .right_name = "CKA_SIGN_RECOVER", .cls = CKO_PRIVATE_KEY,
                                .use = HSM_SIGN, .output = true,
                                .bad_length = CKR_DATA_LEN_RANGE},
    [OPERATION_VERIFY_RECOVER] = {.name = "verify with recovery",
                                  .does = OPERATION_VERIFY_RECOVER, .action = ACTION_VERIFY,
                                  .flag = CKF_VERIFY_RECOVER, .right = CKA_VERIFY_RECOVER,
                                  .right_name = "CKA_VERIFY_RECOVER", .cls = CKO_PUBLIC_KEY,
                                  .use = HSM_VERIFY, .after_expiry = true, .output = true,
                                  .bad_length = CKR_SIGNATURE_LEN_RANGE},
    [OPERATION_WRAP] = {.name = "wrap keys", .does = OPERATION_WRAP, .action = ACTION_WRAP_KEY,
                        .flag = CKF_WRAP, .right = CKA_WRAP, .right_name = "CKA_WRAP",
                        .cls = CKO_PUBLIC_KEY},
    [OPERATION_UNWRAP] = {.name = "unwrap keys", .does = OPERATION_UNWRAP,
                          .action = ACTION_UNWRAP_KEY, .flag = CKF_UNWRAP, .right = CKA_UNWRAP,
                          .right_name = "CKA_UNWRAP", .cls = CKO_PRIVATE_KEY,
                          .after_expiry = true},
    [OPERATION_DERIVE] = {.name = "derive keys", .does = OPERATION_DERIVE, .action = ACTION_DERIVE,
                          .flag = CKF_DERIVE, .right = CKA_DERIVE, .right_name = "CKA_DERIVE",
                          .cls = CKO_PRIVATE_KEY},
    [OPERATION_ENCAPSULATE] = {.name = "encapsulate keys", .does = OPERATION_ENCAPSULATE,
                               .action = ACTION_ENCAPSULATE, .flag = CKF_ENCAPSULATE,
                               .right = CKA_ENCAPSULATE, .right_name = "CKA_ENCAPSULATE",
                               .cls = CKO_PUBLIC_KEY},
    [OPERATION_DECAPSULATE] = {.name = "decapsulate keys", .does = OPERATION_DECAPSULATE,
                               .action = ACTION_DECAPSULATE, .flag = CKF_DECAPSULATE,
                               .right = CKA_DECAPSULATE, .right_name = "CKA_DECAPSULATE",
                               .cls = CKO_PRIVATE_KEY, .after_expiry = true},
};
/* clang-format on */

const struct operation_kind_row *operation_kind_row(enum operation_kind kind)
{
    return &kind_rows[kind];
}

void operation_free(struct operation *op)
{
    if (op == NULL)
        return;
    hsm_op_free(op->hsm);
    held_release(op->begun);
    local_digest_free(op->data);
    local_digest_free(op->digest);
    local_mac_free(op->mac);
    buf_release_secure(&op->gathered);
    buf_release_secure(&op->staged);
    buf_release(&op->signature);
    mechanism_copy_release(&op->mechanism);
    held_release(op->held);
    free(op);
}

struct ask operation_ask(const struct operation *op)
{
    return (struct ask){
        .action = kind_rows[op->kind].action,
        .object = op->held != NULL ? &op->held->object : NULL,
        .mechanism = &op->mechanism.mechanism,
        .later = op->kind < OPERATION_WRAP,
        .paid = op->paid ? op->grant.approvals : 0,
        .iv_made = op->iv_made,
    };
}

CK_RV operation_key_code(CK_RV rv)
{
    return rv == CKR_OBJECT_HANDLE_INVALID ? CKR_KEY_HANDLE_INVALID : rv;
}

CK_RV operation_find(struct run *run, enum operation_kind kind, struct operation **ret)
{
    *ret = run->session->operations[kind];
    if (*ret == NULL)
        return fail(CKR_OPERATION_NOT_INITIALIZED,
                    "no operation to %s is in progress in this session: call its Init first "
                    "(a failed call ends the operation)",
                    kind_rows[kind].name);
    return operation_ensure_login(run, *ret);
}

/* What is left of the operation after a call that ended with rv. */
CK_RV operation_settle(struct run *run, enum operation_kind kind, CK_RV rv, bool ended)
{
    if (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && !ended)) {
        if (!run->gate.granted)
            spent_move(&run->session->operations[kind]->spent, &run->spent);
        return rv;
    }
    operation_free(run->session->operations[kind]);
    run->session->operations[kind] = NULL;
    return rv;
}

CK_RV operation_check_io(const struct operation *op, const struct operation_io *io, bool has_output)
{
    if (io->in.data == NULL && io->in.len > 0)
        return fail_argument("the data");
    if (io->signature.data == NULL && io->signature.len > 0)
        return fail_argument("the signature");
    if (has_output && io->out_len == NULL)
        return fail_argument("the result's length");
    if (io->in.len > OPERATION_CALL_MAX)
        return fail(kind_rows[op->kind].bad_length, "%zu bytes are too many: check the length",
                    io->in.len);
    return CKR_OK;
}

CK_RV operation_ensure_stage(const struct operation *op, bool right)
{
    if (!right)
        return fail(CKR_OPERATION_ACTIVE,
                    "this call cannot follow the ones before it in the operation to %s, which is "
                    "ended by it: after an Update only Update and Final go on",
                    kind_rows[op->kind].name);
    return CKR_OK;
}

static CK_RV too_small(const struct operation_io *io, uint64_t length)
{
    CK_ULONG had = *io->out_len;

    *io->out_len = (CK_ULONG)length;
    return fail(CKR_BUFFER_TOO_SMALL, "the result needs %lu bytes where the buffer has %lu",
                (unsigned long)length, (unsigned long)had);
}

/* PKCS#11 2.40, 5.2. The operation stands where it stood after a true *ret_asked and a failure. */
CK_RV operation_offer_length(const struct operation_io *io, uint64_t length, bool exact,
                             bool *ret_asked)
{
    if (io->out == NULL) {
        *io->out_len = (CK_ULONG)length;
        *ret_asked = true;
        return CKR_OK;
    }
    return exact && *io->out_len < length ? too_small(io, length) : CKR_OK;
}

/* The length of what a one-shot or Final call gives out after input bytes in all. */
CK_RV operation_offer_result(const struct operation *op, const struct operation_io *io,
                             uint64_t input, bool *ret_asked)
{
    uint64_t length = 0;
    bool exact = true;
    CK_RV rv = CKR_OK;

    if (op->stage == OPERATION_STAGED)
        length = op->staged.len;
    else
        rv = operation_length(op, input, &length, &exact);
    if (rv != CKR_OK || !kind_rows[op->kind].output)
        return rv;
    return operation_offer_length(io, length - op->released, exact, ret_asked);
}

/* The key as it is now: what has happened to it since Init holds for the rest of the operation. */
static CK_RV read_key(struct run *run, struct operation *op, bool *ret_changed)
{
    SCOPED(held_release_p) struct held *now = NULL;
    CK_RV rv = op->held != NULL ? handles_get(run, op->key, &now) : CKR_OK;

    *ret_changed = now != op->held;
    if (rv != CKR_OK || !*ret_changed)
        return rv;
    held_release(op->held);
    op->held = TAKE(now);
    return CKR_OK;
}

static CK_RV ask_again(struct run *run, struct operation *op)
{
    bool changed = false;
    CK_RV rv = read_key(run, op, &changed);
    struct ask ask = operation_ask(op);

    if (rv != CKR_OK)
        return operation_key_code(rv);
    rv = operation_check_legacy(run, op);
    if (rv != CKR_OK)
        rv = gate_refuse(run, &ask, rv);
    else
        rv = changed ? operation_ask_gate(run, op) : gate_resume(run, &op->grant, &ask);
    return operation_key_code(rv);
}

/* Asks the gate again; from here on call_leave() writes a record, an intent's outcome where there
 * is one: also when the answer is now no. */
CK_RV operation_resume(struct run *run, struct operation *op)
{
    CK_RV rv;

    spent_move(&run->spent, &op->spent);
    rv = ask_again(run, op);
    if (!op->intended)
        return rv;
    if (rv != CKR_OK)
        run->gate.grant = op->grant;
    run->gate.granted = true;
    run->gate.intended = true;
    run->gate.intent = op->intent;
    return rv;
}

CK_RV operation_pay(struct run *run, struct operation *op, const uint8_t *sha256)
{
    struct ask ask = operation_ask(op);
    CK_RV rv;

    if (!run->gate.grant.pays)
        return CKR_OK;
    ask.later = false;
    ask.data = sha256;
    ask.paid = 0;
    rv = operation_key_code(gate_pay(run, &ask));
    if (rv == CKR_OK) {
        op->paid = true;
        op->grant = run->gate.grant;
    }
    return rv;
}

/*
 * Only the work itself has told that the result does not fit, and the length it answers says
 * something of a plaintext: that the key was used is on record before the caller hears of it. The
 * call that then fetches the result writes the outcome.
 */
static CK_RV promise(struct run *run, struct operation *op)
{
    CK_RV rv = CKR_OK;

    if (!op->intended)
        rv = gate_intent(run);
    if (rv != CKR_OK)
        return rv;
    op->intended = true;
    op->intent = run->gate.intent;
    gate_keep(run, &op->grant);
    return CKR_OK;
}

/* The tag of a message leaves beside its ciphertext. */
static CK_RV detach_tag(struct run *run, const struct operation *op, struct buf *out)
{
    struct buf tag = BUF_INIT(op->tag_len);

    if (out->len < op->tag_len)
        return fail_internal("a message's ciphertext ends with its tag");
    out->len -= op->tag_len;
    buf_put(&tag, out->data + out->len, op->tag_len);
    if (!buf_ok(&tag))
        return fail_memory();
    run_output(run, op->tag, NULL, &tag);
    return CKR_OK;
}

CK_RV operation_give(struct run *run, struct operation *op, const struct operation_io *io,
                     struct buf *out)
{
    CK_RV rv = op->tag != NULL ? detach_tag(run, op, out) : CKR_OK;

    if (rv != CKR_OK || !kind_rows[op->kind].output)
        return rv;
    if (out->len <= *io->out_len) {
        run_output(run, io->out, io->out_len, out);
        return CKR_OK;
    }
    rv = promise(run, op);
    return rv == CKR_OK ? too_small(io, out->len) : rv;
}

/* ---- one-shot ---- */

static CK_RV note_whole(struct run *run, const struct operation *op, struct bytes in)
{
    if (op->does == OPERATION_SIGN || op->does == OPERATION_VERIFY)
        return gate_digest(run, in);
    gate_length(run, in.len);
    return CKR_OK;
}

static CK_RV pay_whole(struct run *run, struct operation *op, struct bytes in)
{
    SCOPED(local_digest_free_p) struct local_digest *digest = NULL;
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv;

    if (!run->gate.grant.pays)
        return CKR_OK;
    rv = local_digest_new(run_local(run), CKM_SHA256, &digest);
    if (rv == CKR_OK)
        rv = local_digest_update(digest, in);
    if (rv == CKR_OK)
        rv = local_digest_final(digest, out, &len);
    return rv == CKR_OK ? operation_pay(run, op, out) : rv;
}

/* Where the buffer turns out too small only afterwards, the next call works again: it may bring
 * other data. */
static CK_RV whole(struct run *run, struct operation *op, const struct operation_io *io,
                   bool *ret_ended)
{
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(SIZE_MAX);
    bool asked = false;
    CK_RV rv = operation_check_io(op, io, kind_rows[op->kind].output);

    if (rv == CKR_OK)
        rv = operation_ensure_stage(op, op->stage == OPERATION_READY);
    if (rv == CKR_OK)
        rv = operation_offer_result(op, io, io->in.len, &asked);
    if (rv != CKR_OK || asked)
        return rv;
    rv = operation_resume(run, op);
    if (rv == CKR_OK)
        rv = pay_whole(run, op, io->in);
    if (rv == CKR_OK)
        rv = note_whole(run, op, io->in);
    if (rv == CKR_OK)
        rv = op->way->whole(run, op, io, &out);
    *ret_ended = true;
    return rv == CKR_OK ? operation_give(run, op, io, &out) : rv;
}

CK_RV operation_whole(struct run *run, enum operation_kind kind, const struct operation_io *io)
{
    struct operation *op = NULL;
    bool ended = false;
    CK_RV rv = operation_find(run, kind, &op);

    if (rv != CKR_OK)
        return rv;
    rv = whole(run, op, io, &ended);
    return operation_settle(run, kind, rv, ended);
}
