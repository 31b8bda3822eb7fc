/*
 * AES, and DES for old data, without authentication, in software: ECB, CBC, CTR. See
 * software_int.h.
 *
 * CBC_PAD is undone here, not by OpenSSL: the last block is held back and its padding looked at in
 * constant time, with one refusal for whatever is wrong with it.
 */
#include "hsm/software_int.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BLOCK      16        /* of AES; the longest there is */
#define DES_LEN    8         /* of a key and of a block */
#define PIECE_MAX  (1 << 30) /* OpenSSL counts in int */
#define COUNT_BITS 60        /* from here on a counter does not come to its end */

static CK_RV prepare_with(const struct hsm_ready *ready, const char *name, const uint8_t *key,
                          struct software_context *context)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(ready->local->ctx, name, NULL);
    int ok = 0;

    context->cipher = EVP_CIPHER_CTX_new();
    if (cipher != NULL && context->cipher != NULL)
        ok = EVP_CipherInit_ex2(context->cipher, cipher, key, NULL, context->use != HSM_DECRYPT,
                                NULL);
    EVP_CIPHER_free(cipher);
    if (ok != 1)
        return local_fail("start a cipher");
    (void)EVP_CIPHER_CTX_set_padding(context->cipher, 0);
    return CKR_OK;
}

CK_RV software_prepare_cipher(const struct hsm_ready *ready, const char *name,
                              struct software_context *context)
{
    return prepare_with(ready, name, ready->value->data, context);
}

CK_RV software_prepare_aes(const struct hsm_ready *ready, const char *mode,
                           struct software_context *context)
{
    char name[32];

    (void)snprintf(name, sizeof(name), "AES-%zu-%s", ready->value->len * 8, mode);
    return software_prepare_cipher(ready, name, context);
}

static CK_RV prepare_ecb(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    (void)mechanism;
    return software_prepare_aes(ready, "ECB", context);
}

static CK_RV prepare_cbc(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    (void)mechanism;
    return software_prepare_aes(ready, "CBC", context);
}

static CK_RV prepare_ctr(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    (void)mechanism;
    return software_prepare_aes(ready, "CTR", context);
}

/* Two keys in one value (IEEE 1619). */
static CK_RV prepare_xts(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    (void)mechanism;
    return software_prepare_cipher(ready, ready->value->len == 64 ? "AES-256-XTS" : "AES-128-XTS",
                                   context);
}

/* OpenSSL keeps single DES in a provider that is not everywhere. Triple DES whose three keys are
 * one is single DES: what the first two steps do to a block, one undoes of the other. */
static CK_RV prepare_des(const struct hsm_ready *ready, const char *name,
                         struct software_context *context)
{
    uint8_t key[3 * DES_LEN];
    CK_RV rv;

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = ready->value->data[i % ready->value->len];
    rv = prepare_with(ready, name, key, context);
    bytes_wipe(key, sizeof(key));
    return rv;
}

static CK_RV prepare_des_ecb(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                             struct software_context *context)
{
    (void)mechanism;
    return prepare_des(ready, "DES-EDE3-ECB", context);
}

static CK_RV prepare_des_cbc(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                             struct software_context *context)
{
    (void)mechanism;
    return prepare_des(ready, "DES-EDE3-CBC", context);
}

/* Padding is OpenSSL's to add and ours to look at. */
static CK_RV let_pad(CK_RV rv, struct software_context *context)
{
    if (rv == CKR_OK && context->use == HSM_ENCRYPT)
        (void)EVP_CIPHER_CTX_set_padding(context->cipher, 1);
    return rv;
}

static CK_RV prepare_des_cbc_pad(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                                 struct software_context *context)
{
    return let_pad(prepare_des_cbc(ready, mechanism, context), context);
}

static CK_RV prepare_cbc_pad(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                             struct software_context *context)
{
    return let_pad(prepare_cbc(ready, mechanism, context), context);
}

/* ---- start: the same key, another IV ---- */

static CK_RV start_with(struct software_op *op, const uint8_t *iv)
{
    if (EVP_CipherInit_ex2(op->context->cipher, NULL, NULL, iv, -1, NULL) != 1)
        return local_fail("start a cipher");
    return CKR_OK;
}

static CK_RV start_ecb(struct software_op *op)
{
    return start_with(op, NULL);
}

static CK_RV start_cbc(struct software_op *op)
{
    return start_with(op, op->mechanism->pParameter);
}

static CK_RV start_cbc_pad(struct software_op *op)
{
    op->held = BUF_INIT(BLOCK);
    return start_cbc(op);
}

/* Bytes until the counter, the low `bits` of the block, would repeat and the key stream with it. */
static uint64_t bytes_to_repeat(const uint8_t cb[static BLOCK], CK_ULONG bits)
{
    uint64_t counter = 0;
    uint64_t end;

    if (bits >= COUNT_BITS)
        return UINT64_MAX;
    for (size_t i = BLOCK - 8; i < BLOCK; i++)
        counter = counter << 8 | cb[i];
    end = (uint64_t)1 << bits;
    return (end - (counter & (end - 1))) * BLOCK;
}

static CK_RV start_ctr(struct software_op *op)
{
    const CK_AES_CTR_PARAMS *params = op->mechanism->pParameter;

    op->left = bytes_to_repeat(params->cb, params->ulCounterBits);
    return start_with(op, params->cb);
}

/* ---- update ---- */

CK_RV software_cipher_update(struct software_op *op, struct bytes in, struct buf *out)
{
    size_t had = out->len;
    uint8_t *at = buf_grow(out, in.len + BLOCK);
    size_t done = 0;

    if (at == NULL)
        return fail_memory();
    while (in.len > 0) {
        int n = in.len < PIECE_MAX ? (int)in.len : PIECE_MAX;
        int got = 0;

        if (EVP_CipherUpdate(op->context->cipher, at + done, &got, in.data, n) != 1)
            return local_fail("continue a cipher");
        done += (size_t)got;
        in = BYTES(in.data + n, in.len - (size_t)n);
    }
    out->len = had + done;
    return CKR_OK;
}

/* XTS: one data unit, in one piece. */
static CK_RV run_xts(struct software_op *op, struct bytes in, struct buf *out)
{
    CK_RV rv;

    if (in.len < BLOCK)
        return fail(op->use == HSM_ENCRYPT ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
                    "a data unit of XTS has at least 16 bytes");
    rv = start_with(op, op->mechanism->pParameter);
    return rv == CKR_OK ? software_cipher_update(op, in, out) : rv;
}

static CK_RV update_ctr(struct software_op *op, struct bytes in, struct buf *out)
{
    if (in.len > op->left)
        return fail(op->use == HSM_ENCRYPT ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
                    "the counter's %lu bits do not last for so much data: use more bits",
                    ((const CK_AES_CTR_PARAMS *)op->mechanism->pParameter)->ulCounterBits);
    op->left -= in.len;
    return software_cipher_update(op, in, out);
}

static size_t block_of(const struct software_op *op)
{
    return (size_t)EVP_CIPHER_CTX_get_block_size(op->context->cipher);
}

/* Puts what is held in front of the new plaintext and holds the last block back. */
static CK_RV hold_last(struct software_op *op, struct bytes plain, struct buf *out)
{
    size_t keep = plain.len > 0 ? block_of(op) : 0;

    if (keep == 0)
        return CKR_OK;
    buf_put_bytes(out, buf_bytes(&op->held));
    buf_put(out, plain.data, plain.len - keep);
    buf_clear(&op->held);
    buf_put(&op->held, plain.data + plain.len - keep, keep);
    return buf_ok(out) && buf_ok(&op->held) ? CKR_OK : fail_memory();
}

static CK_RV update_cbc_pad(struct software_op *op, struct bytes in, struct buf *out)
{
    struct buf plain = BUF_INIT(in.len + BLOCK);
    CK_RV rv;

    if (op->use == HSM_ENCRYPT)
        return software_cipher_update(op, in, out);
    rv = software_cipher_update(op, in, &plain);
    if (rv == CKR_OK)
        rv = hold_last(op, buf_bytes(&plain), out);
    buf_release_secure(&plain);
    return rv;
}

/* ---- final ---- */

static CK_RV fail_length(const struct software_op *op)
{
    return fail(op->use == HSM_ENCRYPT ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
                "the data must be a multiple of %zu bytes", block_of(op));
}

static CK_RV final_plain(struct software_op *op, struct buf *out)
{
    size_t had = out->len;
    uint8_t *at = buf_grow(out, BLOCK);
    int n = 0;

    if (at == NULL)
        return fail_memory();
    out->len = had;
    /* With no padding to look at, the one thing that fails is a block that is not full. */
    if (EVP_CipherFinal_ex(op->context->cipher, at, &n) != 1)
        return fail_length(op);
    out->len += (size_t)n;
    return CKR_OK;
}

/* 0 when the block ends in 1 to len bytes of their number. */
static unsigned padding_fault(const uint8_t *block, unsigned len)
{
    unsigned pad = block[len - 1];
    unsigned fault = ((pad - 1) | (len - pad)) >> 8; /* 0 or over len */

    for (unsigned i = 0; i < len; i++) {
        unsigned inside = (i - pad) >> 8; /* nonzero while i < pad */

        fault |= inside & (block[len - 1 - i] ^ pad);
    }
    return fault;
}

static CK_RV final_cbc_pad(struct software_op *op, struct buf *out)
{
    struct buf none = BUF_INIT(BLOCK);
    size_t block = block_of(op);
    CK_RV rv;

    if (op->use == HSM_ENCRYPT)
        return final_plain(op, out);
    rv = final_plain(op, &none);
    buf_release(&none);
    if (rv == CKR_OK && op->held.len != block)
        rv = fail_length(op);
    if (rv != CKR_OK)
        return rv;
    if (padding_fault(op->held.data, (unsigned)block) != 0)
        return fail(CKR_ENCRYPTED_DATA_INVALID, "the ciphertext was not made for this key");
    buf_put(out, op->held.data, block - op->held.data[block - 1]);
    return buf_ok(out) ? CKR_OK : fail_memory();
}

#define CRYPTS (CKF_ENCRYPT | CKF_DECRYPT)

#define DES(d)                                                                                     \
    {.mechanism = CKM_##d##_ECB,                                                                   \
     .uses = CRYPTS,                                                                               \
     .prepare = prepare_des_ecb,                                                                   \
     .start = start_ecb,                                                                           \
     .update = software_cipher_update,                                                             \
     .final = final_plain},                                                                        \
        {.mechanism = CKM_##d##_CBC,                                                               \
         .uses = CRYPTS,                                                                           \
         .prepare = prepare_des_cbc,                                                               \
         .start = start_cbc,                                                                       \
         .update = software_cipher_update,                                                         \
         .final = final_plain},                                                                    \
    {                                                                                              \
        .mechanism = CKM_##d##_CBC_PAD, .uses = CRYPTS, .prepare = prepare_des_cbc_pad,            \
        .start = start_cbc_pad, .update = update_cbc_pad, .final = final_cbc_pad                   \
    }

static const struct software_way ways[] = {
    {.mechanism = CKM_AES_XTS, .uses = CRYPTS, .prepare = prepare_xts, .run = run_xts},
    {.mechanism = CKM_AES_ECB,
     .uses = CRYPTS,
     .prepare = prepare_ecb,
     .start = start_ecb,
     .update = software_cipher_update,
     .final = final_plain},
    {.mechanism = CKM_AES_CBC,
     .uses = CRYPTS,
     .prepare = prepare_cbc,
     .start = start_cbc,
     .update = software_cipher_update,
     .final = final_plain},
    {.mechanism = CKM_AES_CBC_PAD,
     .uses = CRYPTS | CKF_WRAP | CKF_UNWRAP,
     .prepare = prepare_cbc_pad,
     .start = start_cbc_pad,
     .update = update_cbc_pad,
     .final = final_cbc_pad},
    {.mechanism = CKM_AES_CTR,
     .uses = CRYPTS,
     .prepare = prepare_ctr,
     .start = start_ctr,
     .update = update_ctr,
     .final = final_plain},
    DES(DES),
    DES(DES3),
};

const struct software_family software_cipher = {
    .name = "block ciphers",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_cipher,
};
