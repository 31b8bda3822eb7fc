/* Wrapping of keys in software, where it is more than encrypting them: AES key wrap in its three
 * forms, and RSA with AES behind it. See software_int.h. */
#include "hsm/local_wrap.h"
#include "hsm/software_int.h"

#include <string.h>

#define SEMI 8

static struct bytes iv_of(const struct software_op *op)
{
    return BYTES(op->mechanism->pParameter, op->mechanism->ulParameterLen);
}

static CK_RV run_with(struct software_op *op, enum local_wrap kind, struct bytes in,
                      struct buf *out)
{
    struct bytes aes = secret_bytes(op->ready->value);

    return op->use == HSM_DECRYPT
               ? local_aes_unwrap(op->ready->local, aes, kind, iv_of(op), in, out)
               : local_aes_wrap(op->ready->local, aes, kind, iv_of(op), in, out);
}

static CK_RV run_kw(struct software_op *op, struct bytes in, struct buf *out)
{
    return run_with(op, LOCAL_KW, in, out);
}

static CK_RV run_kwp(struct software_op *op, struct bytes in, struct buf *out)
{
    return run_with(op, LOCAL_KWP, in, out);
}

/* ---- CKM_AES_KEY_WRAP_PAD: PKCS padding to 8 bytes, then KW ---- */

static CK_RV unpad(struct buf *out)
{
    unsigned pad = out->len > 0 ? out->data[out->len - 1] : 0;
    unsigned fault = pad == 0 || pad > SEMI;

    for (size_t i = 0; i < SEMI; i++)
        fault |= (i < pad) & (out->data[out->len - 1 - i] != pad);
    if (fault)
        return fail(CKR_ENCRYPTED_DATA_INVALID, "the wrapped key was changed, or is another key's");
    out->len -= pad;
    return CKR_OK;
}

static CK_RV run_pad(struct software_op *op, struct bytes in, struct buf *out)
{
    uint8_t pad = (uint8_t)(SEMI - in.len % SEMI);
    SCOPED_SECRET padded = NULL;
    CK_RV rv;

    if (op->use == HSM_DECRYPT) {
        rv = run_kw(op, in, out);
        return rv == CKR_OK ? unpad(out) : rv;
    }
    padded = secret_new(in.len + pad);
    if (padded == NULL)
        return fail_memory();
    if (in.len > 0)
        memcpy(padded->data, in.data, in.len);
    memset(padded->data + in.len, pad, pad);
    return run_kw(op, secret_bytes(padded), out);
}

/* ---- CKM_RSA_AES_KEY_WRAP: unwrapping; wrapping is the public half's ---- */

static CK_RV run_rsa_aes(struct software_op *op, struct bytes in, struct buf *out)
{
    const CK_RSA_AES_KEY_WRAP_PARAMS *params = op->mechanism->pParameter;
    const CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, params->pOAEPParams,
                               sizeof(*params->pOAEPParams)};
    size_t head = (size_t)EVP_PKEY_get_size(op->ready->key);
    struct buf aes = BUF_INIT(head);
    CK_RV rv;

    if (in.len < head)
        return fail(CKR_ENCRYPTED_DATA_LEN_RANGE, "the wrapped key is shorter than the modulus");
    rv = software_run(HSM_DECRYPT, op->ready, &oaep, BYTES(in.data, head), BYTES_NONE, &aes);
    if (rv == CKR_OK && aes.len != params->ulAESKeyBits / 8)
        rv = fail(CKR_ENCRYPTED_DATA_INVALID, "the AES key in front has another length");
    if (rv == CKR_OK)
        rv = local_aes_unwrap(op->ready->local, buf_bytes(&aes), LOCAL_KWP, BYTES_NONE,
                              BYTES(in.data + head, in.len - head), out);
    buf_release_secure(&aes);
    return rv;
}

#define WRAPS (CKF_WRAP | CKF_UNWRAP)

static const struct software_way ways[] = {
    {.mechanism = CKM_AES_KEY_WRAP, .uses = WRAPS, .run = run_kw},
    {.mechanism = CKM_AES_KEY_WRAP_KWP, .uses = WRAPS, .run = run_kwp},
    {.mechanism = CKM_AES_KEY_WRAP_PAD, .uses = WRAPS, .run = run_pad},
    {.mechanism = CKM_RSA_AES_KEY_WRAP, .uses = WRAPS, .run = run_rsa_aes},
};

const struct software_family software_wrap = {
    .name = "key wrap",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_wrap,
};
