/*
 * An operation in parts: Update and Final, and the calls that work on two operations at once. The
 * states are in operation_int.h, the records in operation.c.
 */
#include "pkcs11/operation_int.h"

/* ---- in parts ---- */

static CK_RV begin(struct run *run, struct operation *op)
{
    CK_RV rv = CKR_OK;

    if (op->stage != OPERATION_READY)
        return CKR_OK;
    if (op->does == OPERATION_SIGN || op->does == OPERATION_VERIFY)
        rv = local_mac_new(run_local(run), BYTES(run->vault.log_key, sizeof(run->vault.log_key)),
                           &op->mac);
    if (rv == CKR_OK && op->grant.pays)
        rv = local_digest_new(run_local(run), CKM_SHA256, &op->data);
    if (rv == CKR_OK)
        rv = op->way->begin(run, op);
    if (rv == CKR_OK)
        op->stage = OPERATION_PARTS;
    return rv;
}

/* The data of all parts is known, or there was none of it to digest. */
static CK_RV pay_parts(struct run *run, struct operation *op)
{
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = CKR_OK;

    if (op->paid || !run->gate.grant.pays)
        return CKR_OK;
    if (op->data != NULL)
        rv = local_digest_final(op->data, out, &len);
    return rv == CKR_OK ? operation_pay(run, op, op->data != NULL ? out : NULL) : rv;
}

/* The intent of a cipher that releases its output part by part, before its first part; what the
 * policy counts is due then too, though not all of the data is known. */
static CK_RV resume_part(struct run *run, struct operation *op)
{
    CK_RV rv;

    if (!op->way->releases)
        return CKR_OK;
    rv = operation_resume(run, op);
    if (rv == CKR_OK && !op->paid)
        rv = operation_pay(run, op, NULL);
    if (rv != CKR_OK || op->intended)
        return rv;
    rv = gate_intent(run);
    if (rv == CKR_OK) {
        op->intended = true;
        op->intent = run->gate.intent;
    }
    return rv;
}

static CK_RV feed(struct run *run, struct operation *op, struct bytes in, struct buf *out)
{
    CK_RV rv = begin(run, op);

    if (rv == CKR_OK && op->mac != NULL)
        rv = local_mac_update(op->mac, in);
    if (rv == CKR_OK && op->data != NULL)
        rv = local_digest_update(op->data, in);
    if (rv == CKR_OK)
        rv = op->way->update(run, op, in, out);
    if (rv != CKR_OK)
        return rv;
    op->total += in.len;
    return CKR_OK;
}

/* A part that failed ends the operation: that is on record, also where a good part is not. */
static CK_RV part_failed(struct run *run, struct operation *op, CK_RV rv)
{
    CK_RV asked = CKR_OK;

    if (!op->way->releases)
        asked = operation_resume(run, op);
    if (asked == CKR_OK)
        gate_length(run, op->total);
    return rv;
}

static CK_RV part_done(struct run *run, struct operation *op, const struct operation_io *io,
                       uint64_t most, struct buf *out)
{
    if (out->len > most)
        return part_failed(run, op, fail_internal("an update gives out whole blocks only"));
    op->released += out->len;
    if (op->way->releases)
        gate_keep(run, &op->grant);
    if (operation_kind_row(op->kind)->cipher)
        run_output(run, io->out, io->out_len, out);
    return CKR_OK;
}

/* The data of one part goes through op and, where the call is one of two operations, through other:
 * what is encrypted on its way in, what was decrypted on its way out. */
static CK_RV feed_both(struct run *run, struct operation *op, struct operation *other,
                       struct bytes in, struct buf *out)
{
    bool encrypts = op->does == OPERATION_ENCRYPT;
    struct buf none = BUF_INIT(0);
    CK_RV rv = CKR_OK;

    if (other != NULL && encrypts)
        rv = feed(run, other, in, &none);
    if (rv == CKR_OK)
        rv = feed(run, op, in, out);
    if (rv == CKR_OK && other != NULL && !encrypts)
        rv = feed(run, other, buf_bytes(out), &none);
    return rv;
}

static CK_RV update(struct run *run, struct operation *op, struct operation *other,
                    const struct operation_io *io)
{
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(SIZE_MAX);
    bool asked = false;
    uint64_t most = 0;
    CK_RV rv = operation_check_io(op, io, operation_kind_row(op->kind)->cipher);

    if (rv == CKR_OK)
        rv = operation_ensure_stage(op, op->stage != OPERATION_STAGED);
    if (rv == CKR_OK && other != NULL)
        rv = operation_ensure_stage(other, other->stage != OPERATION_STAGED);
    if (rv == CKR_OK && operation_kind_row(op->kind)->cipher) {
        most = operation_length_of_part(op, io->in.len);
        rv = operation_offer_length(io, most, true, &asked);
    }
    if (rv != CKR_OK || asked)
        return rv;
    rv = resume_part(run, op);
    if (rv != CKR_OK)
        return rv;
    rv = feed_both(run, op, other, io->in, &out);
    return rv == CKR_OK ? part_done(run, op, io, most, &out) : part_failed(run, op, rv);
}

CK_RV operation_update(struct run *run, enum operation_kind kind, const struct operation_io *io)
{
    struct operation *op = NULL;
    CK_RV rv = operation_find(run, kind, &op);

    if (rv != CKR_OK)
        return rv;
    rv = update(run, op, NULL, io);
    return operation_settle(run, kind, rv, false);
}

CK_RV operation_update_both(struct run *run, enum operation_kind cipher, enum operation_kind other,
                            const struct operation_io *io)
{
    struct operation *first = NULL;
    struct operation *second = NULL;
    CK_RV rv = operation_find(run, cipher, &first);

    if (rv == CKR_OK)
        rv = operation_find(run, other, &second);
    if (rv != CKR_OK)
        return rv;
    rv = update(run, first, second, io);
    rv = operation_settle(run, cipher, rv, false);
    return operation_settle(run, other, rv, false);
}

static CK_RV note_parts(struct run *run, struct operation *op)
{
    uint8_t mac[32];
    CK_RV rv;

    if (op->mac == NULL) {
        gate_length(run, op->total);
        return CKR_OK;
    }
    rv = local_mac_final(op->mac, mac);
    if (rv == CKR_OK)
        gate_digest_done(run, mac, op->total);
    return rv;
}

/* The result comes out of the way once; one that does not fit waits, for the way is at its end. */
static CK_RV finish(struct run *run, struct operation *op, const struct operation_io *io)
{
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(SIZE_MAX);
    CK_RV rv = begin(run, op);

    if (rv == CKR_OK)
        rv = pay_parts(run, op);
    if (rv == CKR_OK)
        rv = note_parts(run, op);
    if (rv == CKR_OK)
        rv = op->way->final(run, op, io->signature, &out);
    if (rv == CKR_OK)
        rv = operation_give(run, op, io, &out);
    if (rv != CKR_BUFFER_TOO_SMALL)
        return rv;
    op->staged = out;
    out = BUF_INIT(SIZE_MAX);
    op->stage = OPERATION_STAGED;
    op->released = 0; /* of what is staged */
    return rv;
}

static CK_RV final(struct run *run, struct operation *op, const struct operation_io *io,
                   bool *ret_ended)
{
    bool asked = false;
    CK_RV rv = operation_check_io(op, io, operation_kind_row(op->kind)->output);

    if (rv == CKR_OK)
        rv = operation_offer_result(op, io, op->total, &asked);
    if (rv != CKR_OK || asked)
        return rv;
    rv = operation_resume(run, op);
    *ret_ended = true;
    if (rv != CKR_OK)
        return rv;
    if (op->stage != OPERATION_STAGED)
        return finish(run, op, io);
    gate_length(run, op->total);
    return operation_give(run, op, io, &op->staged);
}

CK_RV operation_final(struct run *run, enum operation_kind kind, const struct operation_io *io)
{
    struct operation *op = NULL;
    bool ended = false;
    CK_RV rv = operation_find(run, kind, &op);

    if (rv != CKR_OK)
        return rv;
    rv = final(run, op, io, &ended);
    return operation_settle(run, kind, rv, ended);
}

/* ---- both at once ---- */

static CK_RV take_last(struct run *run, struct operation *op, const struct operation_io *io,
                       struct buf *out)
{
    SCOPED(buf_release_secure) struct buf rest = BUF_INIT(SIZE_MAX);
    CK_RV rv = feed(run, op, io->in, out);

    if (rv == CKR_OK)
        rv = pay_parts(run, op);
    if (rv == CKR_OK)
        rv = note_parts(run, op);
    if (rv == CKR_OK)
        rv = op->way->final(run, op, io->signature, &rest);
    buf_put_bytes(out, buf_bytes(&rest));
    return rv == CKR_OK && !buf_ok(out) ? fail_memory() : rv;
}

static CK_RV last(struct run *run, struct operation *op, const struct operation_io *io,
                  bool *ret_ended)
{
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(SIZE_MAX);
    bool asked = false;
    CK_RV rv = operation_check_io(op, io, operation_kind_row(op->kind)->output);

    if (rv == CKR_OK)
        rv = operation_ensure_stage(op, op->stage != OPERATION_STAGED);
    if (rv == CKR_OK)
        rv = operation_offer_result(op, io, op->total + io->in.len, &asked);
    if (rv != CKR_OK || asked)
        return rv;
    *ret_ended = true;
    rv = operation_resume(run, op);
    if (rv == CKR_OK)
        rv = take_last(run, op, io, &out);
    return rv == CKR_OK ? operation_give(run, op, io, &out) : rv;
}

CK_RV operation_last(struct run *run, enum operation_kind kind, const struct operation_io *io)
{
    struct operation *op = NULL;
    bool ended = false;
    CK_RV rv = operation_find(run, kind, &op);

    if (rv != CKR_OK)
        return rv;
    rv = last(run, op, io, &ended);
    return operation_settle(run, kind, rv, ended);
}

/* ---- a key's value in a digest ---- */

/* Only a value that could be read as well: the digest of one that may not be is a way to guess it.
 */
static CK_RV check_digestible(const struct object *key)
{
    if (key->state != OBJECT_ENABLED)
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED,
                    "the key is not enabled: enable it with `keyward key enable`");
    if (key->cls != CKO_SECRET_KEY || key->material == NULL)
        return fail(CKR_KEY_INDIGESTIBLE,
                    "the key has no value that leaves the HSM: use an HMAC mechanism with the key");
    if (attrs_true(&key->attrs, CKA_SENSITIVE) || !attrs_true(&key->attrs, CKA_EXTRACTABLE))
        return fail(CKR_KEY_INDIGESTIBLE,
                    "the key is sensitive or not extractable, its value is not to be digested: "
                    "use an HMAC mechanism with the key");
    return CKR_OK;
}

static CK_RV digest_key(struct run *run, struct operation *op, CK_OBJECT_HANDLE key)
{
    SCOPED(held_release_p) struct held *held = NULL;
    struct ask ask = operation_ask(op);
    struct buf none = BUF_INIT(0);
    bool visible;
    CK_RV rv = operation_ensure_stage(op, op->stage != OPERATION_STAGED);

    if (rv == CKR_OK)
        rv = handles_get(run, key, &held);
    if (rv != CKR_OK)
        return rv;
    ask.object = &held->object;
    ask.later = false;
    visible = gate_visible(run, ask.object);
    if (visible)
        rv = check_digestible(ask.object);
    rv = rv == CKR_OK ? gate_ask(run, &ask) : gate_refuse(run, &ask, rv);
    if (rv == CKR_OK && !visible)
        rv = fail(CKR_KEY_HANDLE_INVALID, "%s", GATE_NO_OBJECT);
    return rv == CKR_OK ? feed(run, op, secret_bytes(held->object.material), &none) : rv;
}

CK_RV operation_digest_key(struct run *run, CK_OBJECT_HANDLE key)
{
    struct operation *op = NULL;
    CK_RV rv = operation_find(run, OPERATION_DIGEST, &op);

    if (rv != CKR_OK)
        return rv;
    rv = operation_key_code(digest_key(run, op, key));
    return operation_settle(run, OPERATION_DIGEST, rv, false);
}
