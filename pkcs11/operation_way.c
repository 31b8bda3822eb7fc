/*
 * How operations are done: digests and public keys here (hsm/local.h), private and secret keys in
 * the HSM.
 *
 *   way_digest   a digest, computed here
 *   way_prehash  verification by a public key after a digest computed here
 *   way_gather   everything waits until the end: mechanisms that work on one block or on the whole
 *                data, and decryption with a tag, which may release nothing before it is verified
 *   way_stream   parts go to the HSM as they come
 */
#include "pkcs11/operation_int.h"

/* Most bytes handed to the HSM at once. */
#define PIECE ((size_t)256 << 10)

static bool is_public(const struct operation *op)
{
    return op->held != NULL && op->held->object.cls == CKO_PUBLIC_KEY;
}

static struct bytes spki_of(const struct operation *op)
{
    return attrs_bytes(&op->held->object.attrs, CKA_PUBLIC_KEY_INFO);
}

/*
 * One answer for everything that can be wrong with a ciphertext, code and sentence alike: which
 * check failed is what padding oracles live on. What says nothing of the plaintext passes.
 */
static CK_RV decrypt_code(const struct operation *op, CK_RV rv)
{
    switch (rv) {
    case CKR_ENCRYPTED_DATA_INVALID:
    case CKR_AEAD_DECRYPT_FAILED:
    case CKR_ENCRYPTED_DATA_LEN_RANGE:
    case CKR_DATA_INVALID:
    case CKR_DATA_LEN_RANGE:
    case CKR_FUNCTION_FAILED:
    case CKR_GENERAL_ERROR:
    case CKR_BUFFER_TOO_SMALL:
        return fail(operation_kind_row(op->kind)->bad_cipher,
                    "the ciphertext is not one of this key, mechanism and parameters: check them");
    default:
        return rv;
    }
}

/* The HSM's answer in the caller's words: the arguments it got were ours, but for the parameters.
 */
static CK_RV hsm_code(const struct operation *op, CK_RV rv)
{
    if (rv == CKR_ARGUMENTS_BAD)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "the HSM does not take these parameters of %s: use its defaults (SHA-1 and no "
                    "label for OAEP on SoftHSM)",
                    op->mech->name);
    return op->does == OPERATION_DECRYPT ? decrypt_code(op, rv) : rv;
}

/* SoftHSM and others are lenient; a MAC of another length is no MAC of ours. */
static CK_RV check_mac_len(const struct operation *op, struct bytes signature)
{
    size_t length = mech_mac_len(op->mech, &op->mechanism.mechanism);

    if (op->does == OPERATION_VERIFY && signature.len != length)
        return fail(CKR_SIGNATURE_LEN_RANGE, "the MAC has %zu bytes where %s makes %zu",
                    signature.len, op->mech->name, length);
    return CKR_OK;
}

/* ---- the key, on data that is all there ---- */

static CK_RV use_hsm(struct run *run, const struct operation *op, struct bytes in,
                     struct bytes signature, struct buf *out)
{
    const struct object *object = &op->held->object;
    struct hsm_key key;
    int64_t began;
    CK_RV rv = check_mac_len(op, signature);

    if (rv == CKR_OK)
        rv = held_key(run, op->held, &key);
    if (rv != CKR_OK)
        return rv;
    began = run_now(run);
    rv = hsm_run(run_device(run, object), operation_kind_row(op->kind)->use, &key,
                 &op->mechanism.mechanism, in, signature, out);
    run_device_took(run, object, began);
    return hsm_code(op, rv);
}

static CK_RV use_key(struct run *run, const struct operation *op, struct bytes in,
                     struct bytes signature, struct buf *out)
{
    if (!is_public(op))
        return use_hsm(run, op, in, signature, out);
    if (op->does == OPERATION_VERIFY)
        return local_verify(run_local(run), spki_of(op), &op->mechanism.mechanism, in, signature);
    if (op->does == OPERATION_VERIFY_RECOVER)
        return local_verify_recover(run_local(run), spki_of(op), &op->mechanism.mechanism, in, out);
    return local_encrypt(run_local(run), spki_of(op), &op->mechanism.mechanism, in, out);
}

static CK_RV whole_key(struct run *run, struct operation *op, const struct operation_io *io,
                       struct buf *out)
{
    return use_key(run, op, io->in, io->signature, out);
}

/* ---- digests ---- */

static CK_RV begin_digest(struct run *run, struct operation *op)
{
    CK_MECHANISM_TYPE hash = op->does == OPERATION_DIGEST ? op->mech->type : op->mech->hash;

    return local_digest_new(run_local(run), hash, &op->digest);
}

static CK_RV update_digest(struct run *run, struct operation *op, struct bytes in, struct buf *out)
{
    (void)run;
    (void)out;
    return local_digest_update(op->digest, in);
}

static CK_RV final_digest(struct run *run, struct operation *op, struct bytes signature,
                          struct buf *out)
{
    uint8_t digest[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_final(op->digest, digest, &len);

    (void)run;
    (void)signature;
    if (rv != CKR_OK)
        return rv;
    buf_put(out, digest, len);
    return buf_ok(out) ? CKR_OK : fail_memory();
}

static CK_RV whole_digest(struct run *run, struct operation *op, const struct operation_io *io,
                          struct buf *out)
{
    CK_RV rv = begin_digest(run, op);

    if (rv == CKR_OK)
        rv = update_digest(run, op, io->in, out);
    return rv == CKR_OK ? final_digest(run, op, BYTES_NONE, out) : rv;
}

static CK_RV final_prehash(struct run *run, struct operation *op, struct bytes signature,
                           struct buf *out)
{
    uint8_t digest[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_final(op->digest, digest, &len);

    (void)out;
    if (rv != CKR_OK)
        return rv;
    return local_verify_digest(run_local(run), spki_of(op), &op->mechanism.mechanism,
                               BYTES(digest, len), signature);
}

/* ---- gathering ---- */

static CK_RV begin_gather(struct run *run, struct operation *op)
{
    (void)run;
    op->gathered =
        BUF_INIT(op->mech->data == MECH_DATA_BLOCK ? OPERATION_RAW_MAX : OPERATION_GATHERED_MAX);
    return CKR_OK;
}

static CK_RV update_gather(struct run *run, struct operation *op, struct bytes in, struct buf *out)
{
    (void)run;
    (void)out;
    if (in.len > op->gathered.max - op->gathered.len)
        return fail(operation_kind_row(op->kind)->bad_length,
                    "%s takes at most %zu bytes in parts: %s", op->mech->name, op->gathered.max,
                    op->mech->data == MECH_DATA_BLOCK
                        ? "use a mechanism that digests the data"
                        : "split the data into messages of their own");
    buf_put_bytes(&op->gathered, in);
    return buf_ok(&op->gathered) ? CKR_OK : fail_memory();
}

static CK_RV final_gather(struct run *run, struct operation *op, struct bytes signature,
                          struct buf *out)
{
    return use_key(run, op, buf_bytes(&op->gathered), signature, out);
}

/* ---- streaming ---- */

static CK_RV begin_stream(struct run *run, struct operation *op)
{
    struct hsm_key key;
    int64_t began;
    CK_RV rv = held_key(run, op->held, &key);

    if (rv != CKR_OK)
        return rv;
    held_release(op->begun);
    op->begun = op->held;
    atomic_fetch_add(&op->begun->refs, 1);
    began = run_now(run);
    rv = hsm_begin(run_device(run, &op->begun->object), operation_kind_row(op->kind)->use, &key,
                   &op->mechanism.mechanism, &op->hsm);
    run_device_took(run, &op->begun->object, began);
    return hsm_code(op, rv);
}

static CK_RV update_stream(struct run *run, struct operation *op, struct bytes in, struct buf *out)
{
    bool cipher = operation_kind_row(op->kind)->cipher;
    SCOPED(buf_release_secure) struct buf part = BUF_INIT(SIZE_MAX);
    int64_t began = run_now(run);
    CK_RV rv = CKR_OK;

    while (rv == CKR_OK && in.len > 0) {
        struct bytes piece = BYTES(in.data, in.len < PIECE ? in.len : PIECE);

        buf_clear(&part);
        rv = hsm_update(op->hsm, piece, cipher ? &part : NULL);
        buf_put_bytes(out, buf_bytes(&part));
        in = BYTES(in.data + piece.len, in.len - piece.len);
    }
    run_device_took(run, &op->begun->object, began);
    if (rv == CKR_OK && !buf_ok(out))
        rv = fail_memory();
    return hsm_code(op, rv);
}

static CK_RV final_stream(struct run *run, struct operation *op, struct bytes signature,
                          struct buf *out)
{
    CK_RV rv = check_mac_len(op, signature);
    int64_t began = run_now(run);

    if (rv != CKR_OK)
        return rv;
    rv = hsm_final(op->hsm, signature, out);
    run_device_took(run, &op->begun->object, began);
    return hsm_code(op, rv);
}

/* Data too long for one message goes in pieces; the caller sees one call all the same. */
static CK_RV whole_in_pieces(struct run *run, struct operation *op, const struct operation_io *io,
                             struct buf *out)
{
    SCOPED(buf_release_secure) struct buf rest = BUF_INIT(SIZE_MAX);
    CK_RV rv = begin_stream(run, op);

    if (rv == CKR_OK)
        rv = update_stream(run, op, io->in, out);
    if (rv == CKR_OK)
        rv = final_stream(run, op, io->signature, &rest);
    if (rv != CKR_OK)
        return rv;
    buf_put_bytes(out, buf_bytes(&rest));
    hsm_op_free(TAKE(op->hsm));
    return buf_ok(out) ? CKR_OK : fail_memory();
}

static CK_RV whole_stream(struct run *run, struct operation *op, const struct operation_io *io,
                          struct buf *out)
{
    if (io->in.len > PIECE)
        return whole_in_pieces(run, op, io, out);
    return use_hsm(run, op, io->in, io->signature, out);
}

static const struct operation_way way_digest = {
    .begin = begin_digest, .update = update_digest, .final = final_digest, .whole = whole_digest};
static const struct operation_way way_prehash = {
    .begin = begin_digest, .update = update_digest, .final = final_prehash, .whole = whole_key};
static const struct operation_way way_gather = {
    .begin = begin_gather, .update = update_gather, .final = final_gather, .whole = whole_key};
static const struct operation_way way_stream = {
    .begin = begin_stream, .update = update_stream, .final = final_stream, .whole = whole_stream};
static const struct operation_way way_stream_out = {.releases = true,
                                                    .begin = begin_stream,
                                                    .update = update_stream,
                                                    .final = final_stream,
                                                    .whole = whole_stream};

/* Plaintext whose tag was not seen leaves nobody. */
static bool waits(const struct operation *op)
{
    return op->mech->data != MECH_DATA_PARTS ||
           (op->does == OPERATION_DECRYPT && mech_mac_full(op->mech) > 0);
}

const struct operation_way *operation_way_of(const struct operation *op)
{
    if (op->does == OPERATION_DIGEST)
        return &way_digest;
    if (waits(op))
        return &way_gather;
    if (operation_kind_row(op->kind)->cipher)
        return &way_stream_out;
    return is_public(op) ? &way_prehash : &way_stream;
}
