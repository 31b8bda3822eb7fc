/*
 * Ciphers that authenticate, in software: AES-GCM, AES-CCM, ChaCha20-Poly1305. See software_int.h.
 *
 * Plaintext whose tag has not been seen leaves nobody: a decryption in parts holds its ciphertext
 * and gives everything at the end.
 */
#include "hsm/software_int.h"

#define HELD_MAX     ((size_t)1 << 30)
#define TAG_MAX      16
#define POLY1305_TAG 16

static CK_RV prepare_gcm(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    (void)mechanism;
    context->iv_len = 12;
    return software_prepare_aes(ready, "GCM", context);
}

static CK_RV prepare_chacha(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                            struct software_context *context)
{
    (void)mechanism;
    context->iv_len = 12;
    return software_prepare_cipher(ready, "ChaCha20-Poly1305", context);
}

static CK_RV put_aad(EVP_CIPHER_CTX *ctx, struct bytes aad)
{
    int n = 0;

    if (aad.len > 0 && EVP_CipherUpdate(ctx, NULL, &n, aad.data, (int)aad.len) != 1)
        return local_fail("authenticate a header");
    return CKR_OK;
}

static CK_RV start(struct software_op *op, struct bytes iv, struct bytes aad, size_t tag_len)
{
    EVP_CIPHER_CTX *ctx = op->context->cipher;

    op->tag_len = tag_len;
    op->held = BUF_INIT(HELD_MAX);
    if (op->context->iv_len != iv.len &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)iv.len, NULL) != 1)
        return local_fail("set the length of an IV");
    op->context->iv_len = iv.len;
    if (EVP_CipherInit_ex2(ctx, NULL, NULL, iv.data, -1, NULL) != 1)
        return local_fail("start an authenticated encryption");
    return put_aad(ctx, aad);
}

static CK_RV start_gcm(struct software_op *op)
{
    const CK_GCM_PARAMS *params = op->mechanism->pParameter;

    return start(op, BYTES(params->pIv, params->ulIvLen), BYTES(params->pAAD, params->ulAADLen),
                 params->ulTagBits / 8);
}

static CK_RV start_chacha(struct software_op *op)
{
    const CK_SALSA20_CHACHA20_POLY1305_PARAMS *params = op->mechanism->pParameter;

    return start(op, BYTES(params->pNonce, params->ulNonceLen),
                 BYTES(params->pAAD, params->ulAADLen), POLY1305_TAG);
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

static CK_RV fail_tag(void)
{
    return fail(CKR_ENCRYPTED_DATA_INVALID,
                "the ciphertext was changed, or made with another key, IV or header");
}

static CK_RV fail_short(void)
{
    return fail(CKR_ENCRYPTED_DATA_LEN_RANGE, "the ciphertext is shorter than its tag");
}

static bool set_tag(struct software_op *op, struct bytes in)
{
    uint8_t tag[TAG_MAX];

    for (size_t i = 0; i < op->tag_len; i++)
        tag[i] = in.data[in.len - op->tag_len + i];
    return EVP_CIPHER_CTX_ctrl(op->context->cipher, EVP_CTRL_AEAD_SET_TAG, (int)op->tag_len, tag) ==
           1;
}

/* in: ciphertext and tag. */
static CK_RV decrypt(struct software_op *op, struct bytes in, struct buf *out)
{
    uint8_t none[TAG_MAX];
    int n = 0;
    CK_RV rv;

    if (in.len < op->tag_len)
        return fail_short();
    rv = software_cipher_update(op, BYTES(in.data, in.len - op->tag_len), out);
    if (rv != CKR_OK)
        return rv;
    if (!set_tag(op, in) || EVP_CipherFinal_ex(op->context->cipher, none, &n) != 1)
        return fail_tag();
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

/* ---- GMAC: GCM of a header and nothing else (NIST SP 800-38D, 3) ---- */

static CK_RV start_gmac(struct software_op *op)
{
    const CK_GCM_PARAMS *params = op->mechanism->pParameter;

    if (params->ulAADLen > 0)
        return fail(CKR_MECHANISM_PARAM_INVALID, "GMAC's data is its header: give no other");
    return start_gcm(op);
}

static CK_RV update_gmac(struct software_op *op, struct bytes in, struct buf *out)
{
    const size_t piece = (size_t)1 << 30; /* OpenSSL counts in int */
    CK_RV rv = CKR_OK;

    (void)out;
    for (; in.len > piece && rv == CKR_OK; in = BYTES(in.data + piece, in.len - piece))
        rv = put_aad(op->context->cipher, BYTES(in.data, piece));
    return rv == CKR_OK ? put_aad(op->context->cipher, in) : rv;
}

/* ---- CCM: lengths are part of the first block, so they stand before the data ---- */

static CK_RV prepare_ccm(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    (void)mechanism;
    return software_prepare_aes(ready, "CCM", context);
}

/* Nonce and tag lengths go into the key's setting up: OpenSSL wants them before it. */
static CK_RV start_ccm(struct software_op *op, struct bytes in, size_t len)
{
    const CK_CCM_PARAMS *params = op->mechanism->pParameter;
    EVP_CIPHER_CTX *ctx = op->context->cipher;
    bool encrypt = op->use == HSM_ENCRYPT;
    int n = 0;
    bool good =
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, (int)params->ulNonceLen, NULL) == 1 &&
        (encrypt ? EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, (int)op->tag_len, NULL) == 1
                 : set_tag(op, in));

    if (!good ||
        EVP_CipherInit_ex2(ctx, NULL, op->ready->value->data, params->pNonce, -1, NULL) != 1 ||
        EVP_CipherUpdate(ctx, NULL, &n, NULL, (int)len) != 1)
        return local_fail("start an authenticated encryption");
    return put_aad(ctx, BYTES(params->pAAD, params->ulAADLen));
}

static CK_RV check_ccm_len(const struct software_op *op, size_t len)
{
    const CK_CCM_PARAMS *params = op->mechanism->pParameter;

    if (len == params->ulDataLen && len < ((size_t)1 << 30))
        return CKR_OK;
    return fail(op->use == HSM_ENCRYPT ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE,
                "CCM was told of %lu bytes and given %zu", params->ulDataLen, len);
}

/* OpenSSL looks at the tag when it decrypts: what comes out is what was sealed. */
static CK_RV run_ccm(struct software_op *op, struct bytes in, struct buf *out)
{
    const CK_CCM_PARAMS *params = op->mechanism->pParameter;
    bool encrypt = op->use == HSM_ENCRYPT;
    size_t len = in.len;
    uint8_t *at;
    int n = 0;
    CK_RV rv;

    op->tag_len = params->ulMACLen;
    if (!encrypt && in.len < op->tag_len)
        return fail_short();
    if (!encrypt)
        len -= op->tag_len;
    rv = check_ccm_len(op, len);
    if (rv == CKR_OK)
        rv = start_ccm(op, in, len);
    if (rv != CKR_OK)
        return rv;
    at = buf_grow(out, len + TAG_MAX);
    if (at == NULL)
        return fail_memory();
    if (EVP_CipherUpdate(op->context->cipher, at, &n, in.len > 0 ? in.data : at, (int)len) != 1)
        return encrypt ? local_fail("encrypt") : fail_tag();
    out->len -= TAG_MAX;
    return encrypt ? final_encrypt(op, out) : CKR_OK;
}

#define CRYPTS (CKF_ENCRYPT | CKF_DECRYPT)
#define WRAPS  (CKF_WRAP | CKF_UNWRAP)

static const struct software_way ways[] = {
    {.mechanism = CKM_AES_GCM,
     .uses = CRYPTS | WRAPS,
     .prepare = prepare_gcm,
     .run = run,
     .start = start_gcm,
     .update = update,
     .final = final},
    {.mechanism = CKM_CHACHA20_POLY1305,
     .uses = CRYPTS,
     .prepare = prepare_chacha,
     .run = run,
     .start = start_chacha,
     .update = update,
     .final = final},
    {.mechanism = CKM_AES_GMAC,
     .uses = CKF_SIGN | CKF_VERIFY,
     .prepare = prepare_gcm,
     .start = start_gmac,
     .update = update_gmac,
     .final = final_encrypt},
    {.mechanism = CKM_AES_CCM, .uses = CRYPTS | WRAPS, .prepare = prepare_ccm, .run = run_ccm},
};

const struct software_family software_aead = {
    .name = "AEAD",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_aead,
};
