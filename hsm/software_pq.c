/* ML-DSA and SLH-DSA in software: see software_int.h. ML-KEM is in software_kem.c. */
#include "hsm/local_pq.h"
#include "hsm/software_int.h"

static CK_RV prepare(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                     struct software_context *context)
{
    (void)ready;
    (void)mechanism;
    context->sign = EVP_MD_CTX_new();
    return context->sign != NULL ? CKR_OK : local_fail("start a signature");
}

/* From 3.4 on, OpenSSL lets one initialisation sign once. */
static CK_RV sign(struct software_op *op, const struct local_pq *pq, struct buf *out)
{
    EVP_MD_CTX *ctx = op->context->sign;
    size_t len = op->ready->set->output_len;
    uint8_t *at = buf_grow(out, len);

    if (at == NULL)
        return fail_memory();
    if (EVP_DigestSignInit_ex(ctx, NULL, NULL, op->ready->local->ctx, NULL, op->ready->key,
                              pq->params) != 1 ||
        EVP_DigestSign(ctx, at, &len, pq->message.data, pq->message.len) != 1)
        return local_fail("sign");
    return CKR_OK;
}

static CK_RV run(struct software_op *op, struct bytes in, struct buf *out)
{
    struct local_pq pq;
    CK_RV rv = local_pq_make(op->mechanism, in, &pq);

    if (rv == CKR_OK)
        rv = sign(op, &pq, out);
    local_pq_release(&pq);
    return rv;
}

#define SIGNS (CKF_SIGN | CKF_VERIFY)

static const struct software_way ways[] = {
    {.mechanism = CKM_ML_DSA, .uses = SIGNS, .prepare = prepare, .run = run},
    {.mechanism = CKM_HASH_ML_DSA, .uses = SIGNS, .prepare = prepare, .run = run},
    {.mechanism = CKM_SLH_DSA, .uses = SIGNS, .prepare = prepare, .run = run},
    {.mechanism = CKM_HASH_SLH_DSA, .uses = SIGNS, .prepare = prepare, .run = run},
};

const struct software_family software_pq = {
    .name = "ML-DSA and SLH-DSA",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_pq,
};
