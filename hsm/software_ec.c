/* Curves in software: ECDSA and EdDSA. See software_int.h. */
#include "hsm/software_int.h"

#include <string.h>

#define DER_SIG_MAX 160

/* ---- ECDSA ---- */

static CK_RV prepare_ecdsa(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                           struct software_context *context)
{
    (void)mechanism;
    context->pkey = EVP_PKEY_CTX_new_from_pkey(ready->local->ctx, ready->key, NULL);
    if (context->pkey == NULL || EVP_PKEY_sign_init(context->pkey) != 1)
        return local_fail("start an ECDSA signature");
    return CKR_OK;
}

/* One INTEGER of a DER signature, right-aligned in len bytes; returns what follows it. */
static const uint8_t *read_integer(const uint8_t *p, const uint8_t *end, uint8_t *out, size_t len)
{
    size_t n;

    if (end - p < 2 || p[0] != 0x02 || p[1] > 0x7f || p[1] > end - p - 2)
        return NULL;
    n = p[1];
    p += 2;
    while (n > 0 && *p == 0) {
        p++;
        n--;
    }
    if (n > len)
        return NULL;
    memset(out, 0, len - n);
    memcpy(out + len - n, p, n);
    return p + n;
}

/* SEQUENCE of r and s to r | s. Ours to read by hand: it is OpenSSL's own output, on the hot path.
 */
static CK_RV der_to_raw(struct bytes der, size_t order_len, struct buf *out)
{
    const uint8_t *p = der.data;
    const uint8_t *end = der.data + der.len;
    uint8_t *raw = buf_grow(out, 2 * order_len);

    if (raw == NULL)
        return fail_memory();
    /* The length is one byte, or 0x81 and one. */
    p += der.len > 2 && p[1] == 0x81 ? 3 : 2;
    p = p < end ? read_integer(p, end, raw, order_len) : NULL;
    p = p != NULL ? read_integer(p, end, raw + order_len, order_len) : NULL;
    return p == end ? CKR_OK : fail_internal("OpenSSL's signature is a SEQUENCE of r and s");
}

static CK_RV run_ecdsa(struct software_op *op, struct bytes in, struct buf *out)
{
    uint8_t der[DER_SIG_MAX];
    size_t len = sizeof(der);

    if (EVP_PKEY_sign(op->context->pkey, der, &len, in.data, in.len) != 1)
        return local_fail("sign with an EC key");
    return der_to_raw(BYTES(der, len), op->ready->curve->order_len, out);
}

/* ---- EdDSA ---- */

static CK_RV prepare_eddsa(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                           struct software_context *context)
{
    (void)ready;
    (void)mechanism;
    context->sign = EVP_MD_CTX_new();
    return context->sign != NULL ? CKR_OK : local_fail("start an EdDSA signature");
}

/* From 3.4 on, OpenSSL lets one initialisation sign once. */
static CK_RV run_eddsa(struct software_op *op, struct bytes in, struct buf *out)
{
    EVP_MD_CTX *sign = op->context->sign;
    size_t len = 2 * (size_t)op->ready->curve->order_len;
    struct local_eddsa form;
    uint8_t *at;
    CK_RV rv = local_eddsa_form(op->ready->curve, op->mechanism, &form);

    if (rv != CKR_OK)
        return rv;
    at = buf_grow(out, len);
    if (at == NULL)
        return fail_memory();
    if (EVP_DigestSignInit_ex(sign, NULL, NULL, op->ready->local->ctx, NULL, op->ready->key,
                              form.params) != 1 ||
        EVP_DigestSign(sign, at, &len, in.data, in.len) != 1)
        return local_fail("sign with an Edwards key");
    return CKR_OK;
}

#define SIGNS (CKF_SIGN | CKF_VERIFY)

static const struct software_way ways[] = {
    {.mechanism = CKM_ECDSA, .uses = SIGNS, .prepare = prepare_ecdsa, .run = run_ecdsa},
    {.mechanism = CKM_EDDSA, .uses = SIGNS, .prepare = prepare_eddsa, .run = run_eddsa},
};

const struct software_family software_ec = {
    .name = "EC",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_ec,
};
