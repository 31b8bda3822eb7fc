/*
 * Ciphers that authenticate, in software: AES-GCM. See software_int.h.
 *
 * Plaintext whose tag has not been seen leaves nobody: a decryption in parts holds its ciphertext
 * and gives everything at the end.
 */
#include "hsm/software_int.h"

#define HELD_MAX ((size_t)1 << 30)
#define TAG_MAX  16

static CK_RV prepare_gcm(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    (void)mechanism;
    context->iv_len = 12;
    return software_prepare_cipher(ready, "GCM", context);
}

static CK_RV start(struct software_op *op, struct bytes iv, struct bytes aad, size_t tag_len)
{
    EVP_CIPHER_CTX *ctx = op->context->cipher;
    int n = 0;

    op->tag_len = tag_len;
    op->held = BUF_INIT(HELD_MAX);
    if (op->context->iv_len != iv.len &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) != 1)
        return local_fail("set the length of an IV");
    op->context->iv_len = iv.len;
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, iv.data, -1, NULL) != 1 ||
        (aad.len > 0 && EVP_CipherUpdate(ctx, NULL, &n, aad.data, (int)aad.len) != 1))
        return local_fail("start an authenticated encryption");
    return CKR_OK;
}

static CK_RV start_gcm(struct software_op *op)
{
    const CK_GCM_PARAMS *params = op->mechanism->pParameter;

    return start(op, BYTES(params->pIv, params->ulIvLen), BYTES(params->pAAD, params->ulAADLen),
                 params->ulTagBits / 8);
}

static CK_RV final_encrypt(struct software_op *op, struct buf *out)
{
    uint8_t tag[TAG_MAX];
    int n = 0;

    if (EVP_CipherFinal_ex(op->context->cipher, tag, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(op->context->cipher, EVP_CTRL_AEAD_GET_TAG, (int)op->tag_len, tag) != 1)
        return local_fail("end an authenticated encryption");
    buf_put(out, tag, op->tag_len);
    return buf_ok(out) ? CKR_OK : fail_memory();
}

/* in: ciphertext and tag. */
static CK_RV decrypt(struct software_op *op, struct bytes in, struct buf *out)
{
    uint8_t tag[TAG_MAX];
    uint8_t none[TAG_MAX];
    size_t len;
    int n = 0;
    CK_RV rv;

    if (in.len < op->tag_len)
        return fail(CKR_ENCRYPTED_DATA_LEN_RANGE, "the ciphertext is shorter than its tag");
    len = in.len - op->tag_len;
    rv = software_cipher_update(op, BYTES(in.data, len), out);
    if (rv != CKR_OK)
        return rv;
    for (size_t i = 0; i < op->tag_len; i++)
        tag[i] = in.data[len + i];
    if (EVP_CIPHER_CTX_ctrl(op->context->cipher, EVP_CTRL_AEAD_SET_TAG, (int)op->tag_len, tag) !=
            1 ||
        EVP_CipherFinal_ex(op->context->cipher, none, &n) != 1)
        return fail(CKR_ENCRYPTED_DATA_INVALID,
                    "the ciphertext was changed, or made with another key, IV or header");
    return CKR_OK;
}

static CK_RV run(struct software_op *op, struct bytes in, struct buf *out)
{
    CK_RV rv;

    if (op->use == HSM_DECRYPT)
        return decrypt(op, in, out);
    rv = software_cipher_update(op, in, out);
    return rv == CKR_OK ? final_encrypt(op, out) : rv;
}

static CK_RV update(struct software_op *op, struct bytes in, struct buf *out)
{
    if (op->use == HSM_ENCRYPT)
        return software_cipher_update(op, in, out);
    buf_put_bytes(&op->held, in);
    return buf_ok(&op->held) ? CKR_OK : fail_memory();
}

static CK_RV final(struct software_op *op, struct buf *out)
{
    return op->use == HSM_DECRYPT ? decrypt(op, buf_bytes(&op->held), out) : final_encrypt(op, out);
}

static const struct software_way ways[] = {
    {.mechanism = CKM_AES_GCM,
     .uses = CKF_ENCRYPT | CKF_DECRYPT,
     .prepare = prepare_gcm,
     .run = run,
     .start = start_gcm,
     .update = update,
     .final = final},
};

const struct software_family software_aead = {
    .name = "AES-GCM",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_aead,
};
