/*
 * Operations in parts: see hsm.h. An operation is one of three: a digest here that ends in one raw
 * call (hashed signatures), data gathered here until the end (mechanisms that take it in one
 * piece), or an operation on the device, which holds a lane of it.
 */
#include "hsm/hsm_int.h"

#include <stdlib.h>

/* The mechanisms that gather sign a digest, a short message or decrypt one block. */
#define GATHERED_MAX (1u << 20)

struct hsm_op {
    struct hsm *hsm;
    struct plan plan;
    enum hsm_use use;
    struct hsm_key key;
    CK_MECHANISM mechanism; /* what its parameter points to is the caller's */
    struct local_digest *digest;
    struct buf gathered;
    void *device_op;
    bool whole; /* gathered */
    bool ended;
};

static CK_RV start(struct hsm_op *op)
{
    struct hsm *hsm = op->hsm;

    if (op->plan.hash != KW_NO_MECHANISM)
        return local_digest_new(hsm->local, op->plan.hash, &op->digest);
    op->whole = hsm->driver->whole(&op->key, op->plan.mechanism);
    if (op->whole)
        return CKR_OK;
    return hsm->driver->begin(hsm->device, op->use, &op->key, &op->mechanism, &op->device_op);
}

CK_RV hsm_begin(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
                const CK_MECHANISM *mechanism, struct hsm_op **ret)
{
    SCOPED(hsm_op_free_p) struct hsm_op *op = NULL;
    CK_RV rv;

    if (hsm == NULL || key == NULL || mechanism == NULL || ret == NULL)
        return fail_argument("hsm, key, mechanism, ret");
    if (use == HSM_WRAP || use == HSM_UNWRAP)
        return fail_internal("a key is wrapped in one piece");
    op = calloc(1, sizeof(*op));
    if (op == NULL)
        return fail_memory();
    op->hsm = hsm;
    op->use = use;
    op->key = *key;
    op->mechanism = *mechanism;
    op->gathered = BUF_INIT(GATHERED_MAX);
    rv = hsm_check_ready(hsm, key);
    if (rv == CKR_OK)
        rv = plan_make(use, key, mechanism, &op->plan);
    if (rv == CKR_OK)
        rv = start(op);
    if (rv == CKR_OK)
        *ret = TAKE(op);
    return rv;
}

static CK_RV check_running(const struct hsm_op *op)
{
    if (op == NULL)
        return fail_argument("op");
    return op->ended ? fail(CKR_OPERATION_NOT_INITIALIZED, "this operation has ended before")
                     : CKR_OK;
}

static CK_RV gather(struct hsm_op *op, struct bytes in)
{
    buf_put_bytes(&op->gathered, in);
    return buf_ok(&op->gathered)
               ? CKR_OK
               : fail(CKR_DATA_LEN_RANGE, "this mechanism takes at most %u bytes", GATHERED_MAX);
}

static CK_RV update(struct hsm_op *op, struct bytes in, struct buf *out)
{
    if (op->digest != NULL)
        return local_digest_update(op->digest, in);
    if (op->whole)
        return gather(op, in);
    return op->hsm->driver->update(op->device_op, in, out);
}

CK_RV hsm_update(struct hsm_op *op, struct bytes in, struct buf *out)
{
    CK_RV rv = check_running(op);

    if (rv != CKR_OK)
        return rv;
    if (out != NULL)
        buf_clear(out);
    else if (op->use == HSM_ENCRYPT || op->use == HSM_DECRYPT)
        return fail_argument("out");
    rv = update(op, in, out);
    op->ended = rv != CKR_OK;
    return hsm_wipe_unless_ok(rv, out);
}

static CK_RV finish_digest(struct hsm_op *op, struct buf *out)
{
    uint8_t digest[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_final(op->digest, digest, &len);

    if (rv == CKR_OK)
        rv = hsm_sign_digest(op->hsm, &op->key, &op->plan, &op->mechanism, BYTES(digest, len), out);
    return rv;
}

static CK_RV finish(struct hsm_op *op, struct bytes signature, struct buf *out)
{
    if (op->digest != NULL)
        return finish_digest(op, out);
    if (op->whole)
        return hsm_run_plan(op->hsm, op->use, &op->key, &op->plan, &op->mechanism,
                            buf_bytes(&op->gathered), signature, out);
    return op->hsm->driver->final(op->device_op, signature, out);
}

CK_RV hsm_final(struct hsm_op *op, struct bytes signature, struct buf *out)
{
    CK_RV rv = check_running(op);

    if (rv != CKR_OK)
        return rv;
    if (out != NULL)
        buf_clear(out);
    else if (op->use != HSM_VERIFY)
        return fail_argument("out");
    op->ended = true;
    rv = finish(op, signature, out);
    return hsm_wipe_unless_ok(rv, out);
}

void hsm_op_free(struct hsm_op *op)
{
    if (op == NULL)
        return;
    if (op->device_op != NULL)
        op->hsm->driver->op_free(op->device_op);
    local_digest_free(op->digest);
    buf_release_secure(&op->gathered);
    free(op);
}
