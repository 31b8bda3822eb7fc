/*
 * RSA in software: PKCS#1 v1.5, PSS, OAEP. See software_int.h.
 *
 * Decryption of PKCS#1 v1.5 never says whether the padding was right: see software_pkcs1.c.
 */
#include "hsm/software_int.h"
#include "hsm/software_pkcs1.h"

#include <openssl/bn.h>
#include <openssl/rsa.h>
#include <string.h>

#define PKCS1_OVERHEAD 11

static size_t modulus_len(const struct hsm_ready *ready)
{
    return (size_t)EVP_PKEY_get_size(ready->key);
}

/* Signing or decrypting, begun; the padding is the caller's. */
static CK_RV begin(const struct hsm_ready *ready, struct software_context *context)
{
    context->pkey = EVP_PKEY_CTX_new_from_pkey(ready->local->ctx, ready->key, NULL);
    if (context->pkey == NULL ||
        (context->use == HSM_SIGN ? EVP_PKEY_sign_init(context->pkey)
                                  : EVP_PKEY_decrypt_init(context->pkey)) != 1)
        return local_fail("start an RSA operation");
    return CKR_OK;
}

static CK_RV set_padding(struct software_context *context, int padding)
{
    return EVP_PKEY_CTX_set_rsa_padding(context->pkey, padding) == 1
               ? CKR_OK
               : local_fail("set an RSA padding");
}

static CK_RV sign(struct software_op *op, struct bytes in, struct buf *out)
{
    size_t len = modulus_len(op->ready);
    uint8_t *at = buf_grow(out, len);

    if (at == NULL)
        return fail_memory();
    if (EVP_PKEY_sign(op->context->pkey, at, &len, in.data, in.len) != 1)
        return local_fail("sign with an RSA key");
    return CKR_OK;
}

static CK_RV fail_cipher_len(const struct software_op *op, struct bytes in)
{
    return fail(CKR_ENCRYPTED_DATA_LEN_RANGE,
                "the ciphertext has %zu bytes where this key makes %zu", in.len,
                modulus_len(op->ready));
}

static CK_RV fail_cipher(void)
{
    return fail(CKR_ENCRYPTED_DATA_INVALID, "the ciphertext was not made for this key");
}

/* ---- PKCS#1 v1.5 ---- */

static CK_RV prepare_pkcs(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct software_context *context)
{
    CK_RV rv = begin(ready, context);

    (void)mechanism;
    if (rv == CKR_OK)
        rv = set_padding(context, context->use == HSM_SIGN ? RSA_PKCS1_PADDING : RSA_NO_PADDING);
    if (rv == CKR_OK && context->use == HSM_DECRYPT)
        rv = pkcs1_rejection_key(ready->local, ready->key, context->rejection);
    return rv;
}

static CK_RV decrypt_pkcs(struct software_op *op, struct bytes in, struct buf *out)
{
    size_t len = modulus_len(op->ready);
    SCOPED_SECRET block = secret_new(len);

    if (in.len != len)
        return fail_cipher_len(op, in);
    if (block == NULL)
        return fail_memory();
    /* Only a number that is no residue fails here, and that is seen from outside. */
    if (EVP_PKEY_decrypt(op->context->pkey, block->data, &len, in.data, in.len) != 1 ||
        len != block->len)
        return fail_cipher();
    return pkcs1_unpad(op->ready->local, op->context->rejection, in, secret_bytes(block), out);
}

static CK_RV run_pkcs(struct software_op *op, struct bytes in, struct buf *out)
{
    if (op->use == HSM_DECRYPT)
        return decrypt_pkcs(op, in, out);
    if (in.len + PKCS1_OVERHEAD > modulus_len(op->ready))
        return fail(CKR_DATA_LEN_RANGE,
                    "%zu bytes are more than this key signs raw: sign a DigestInfo, or use a "
                    "mechanism that hashes",
                    in.len);
    return sign(op, in, out);
}

/* ---- PSS ---- */

static CK_RV prepare_pss(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    CK_RV rv = begin(ready, context);

    if (rv == CKR_OK)
        rv = local_set_pss(ready->local, context->pkey, mechanism->pParameter, modulus_len(ready));
    return rv;
}

/* ---- OAEP ---- */

static CK_RV prepare_oaep(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct software_context *context)
{
    const CK_RSA_PKCS_OAEP_PARAMS *params = mechanism->pParameter;
    CK_RV rv = begin(ready, context);

    context->once = params->ulSourceDataLen > 0;
    if (rv == CKR_OK)
        rv = local_set_oaep(ready->local, context->pkey, params);
    return rv;
}

/* What the padding of the context leaves: OAEP's message, or with none the number. */
static CK_RV decrypt(struct software_op *op, struct bytes in, struct buf *out)
{
    size_t len = modulus_len(op->ready);
    uint8_t *at;

    if (in.len != len)
        return fail_cipher_len(op, in);
    at = buf_grow(out, len);
    if (at == NULL)
        return fail_memory();
    if (EVP_PKEY_decrypt(op->context->pkey, at, &len, in.data, in.len) != 1)
        return fail_cipher();
    out->len = (size_t)(at - out->data) + len;
    return CKR_OK;
}

/* ---- raw: CKM_RSA_X_509 ---- */

static CK_RV prepare_raw(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                         struct software_context *context)
{
    CK_RV rv = begin(ready, context);

    (void)mechanism;
    return rv == CKR_OK ? set_padding(context, RSA_NO_PADDING) : rv;
}

/* A shorter number has zeros in front of it. */
static CK_RV sign_raw(struct software_op *op, struct bytes in, struct buf *out)
{
    size_t len = modulus_len(op->ready);
    SCOPED_SECRET block = secret_new(len);
    CK_RV rv;

    if (in.len > len)
        return fail(CKR_DATA_LEN_RANGE, "the number is longer than the modulus");
    if (block == NULL)
        return fail_memory();
    if (in.len > 0)
        memcpy(block->data + len - in.len, in.data, in.len);
    rv = sign(op, secret_bytes(block), out);
    /* Nothing is wrong with the key: the number is not below its modulus. */
    return rv == CKR_DEVICE_ERROR ? fail(CKR_DATA_INVALID, "the number is not below the modulus")
                                  : rv;
}

static CK_RV run_raw(struct software_op *op, struct bytes in, struct buf *out)
{
    return op->use == HSM_DECRYPT ? decrypt(op, in, out) : sign_raw(op, in, out);
}

/* ---- the family ---- */

#define SIGNS  (CKF_SIGN | CKF_VERIFY)
#define CRYPTS (CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP)

static const struct software_way ways[] = {
    {.mechanism = CKM_RSA_PKCS, .uses = SIGNS | CRYPTS, .prepare = prepare_pkcs, .run = run_pkcs},
    {.mechanism = CKM_RSA_PKCS_PSS,
     .uses = SIGNS,
     .fixed_len = sizeof(CK_RSA_PKCS_PSS_PARAMS),
     .prepare = prepare_pss,
     .run = sign},
    {.mechanism = CKM_RSA_PKCS_OAEP,
     .uses = CRYPTS,
     .fixed_len = sizeof(CK_RSA_PKCS_OAEP_PARAMS),
     .prepare = prepare_oaep,
     .run = decrypt},
    {.mechanism = CKM_RSA_X_509,
     .uses = SIGNS | CKF_ENCRYPT | CKF_DECRYPT,
     .prepare = prepare_raw,
     .run = run_raw},
};

const struct software_family software_rsa = {
    .name = "RSA",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_rsa,
};
