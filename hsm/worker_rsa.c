/*
 * RSA where an HSM does less than we offer: the number is raised there (CKM_RSA_X_509), its padding
 * is made or undone here. That is sound: a signature's padding is public, and what a decryption
 * leaves is unpadded before it leaves the worker.
 *
 * What the HSM can do itself is left to it, with one exception: SoftHSM accepts an OAEP label and
 * ignores it, which would decrypt what was bound to another purpose.
 */
#include "hsm/worker_int.h"

#include <string.h>

#define MODULUS_MAX 2048 /* bytes: RSA-16384 */

static bool is_refusal(CK_RV rv)
{
    return rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_MECHANISM_INVALID;
}

static CK_RV run_own(struct lane *l, const struct wire_request *q)
{
    CK_MECHANISM mechanism = q->mechanism;

    return use_run_with(l, q, &mechanism);
}

static CK_RV run_raw(struct lane *l, const struct wire_request *q, struct bytes number)
{
    CK_MECHANISM raw = {CKM_RSA_X_509, NULL, 0};
    struct wire_request there = *q;

    there.in = number;
    return use_run_with(l, &there, &raw);
}

/* ---- numbers ---- */

struct modulus {
    CK_BYTE bytes[MODULUS_MAX];
    size_t len;
};

static CK_RV read_modulus(struct lane *l, const struct wire_request *q, struct modulus *ret)
{
    CK_ATTRIBUTE wanted = {CKA_MODULUS, ret->bytes, sizeof(ret->bytes)};
    size_t zeros = 0;
    CK_OBJECT_HANDLE key;
    CK_RV rv = resident_find(l->device, l->session, &q->spec.key, &key);

    if (rv != CKR_OK)
        return rv;
    rv = l->device->p11->C_GetAttributeValue(l->session, key, &wanted, 1);
    if (rv != CKR_OK)
        return device_fail("C_GetAttributeValue", rv);
    while (zeros < wanted.ulValueLen && ret->bytes[zeros] == 0)
        zeros++;
    ret->len = wanted.ulValueLen - zeros;
    memmove(ret->bytes, ret->bytes + zeros, ret->len);
    return ret->len > 0 ? CKR_OK : fail(CKR_DEVICE_ERROR, "the HSM's RSA key has no modulus");
}

/* Zeros in front, up to len bytes. */
static bool pad_number(struct bytes number, size_t len, struct buf *out)
{
    for (size_t i = number.len; i < len; i++)
        buf_putc(out, 0);
    buf_put_bytes(out, number);
    return buf_ok(out);
}

/* A library may cut the leading zeros of a number. */
static CK_RV restore_zeros(struct lane *l, size_t len)
{
    struct buf block = BUF_INIT(MODULUS_MAX);
    CK_RV rv = pad_number(buf_bytes(&l->out), len, &block) ? CKR_OK : fail_memory();

    bytes_wipe(l->out.data, l->out.len);
    buf_clear(&l->out);
    if (rv == CKR_OK && buf_grow(&l->out, block.len) == NULL)
        rv = fail_memory();
    if (rv == CKR_OK)
        memcpy(l->out.data, block.data, block.len);
    buf_release_secure(&block);
    return rv;
}

/* ---- CKM_RSA_X_509 ---- */

static CK_RV sign_raw(struct lane *l, const struct wire_request *q)
{
    struct buf number = BUF_INIT(MODULUS_MAX);
    struct modulus modulus;
    CK_RV rv = read_modulus(l, q, &modulus);

    if (rv != CKR_OK)
        return rv;
    if (q->in.len > modulus.len)
        return fail(CKR_DATA_LEN_RANGE, "the number is longer than the modulus");
    if (!pad_number(q->in, modulus.len, &number))
        rv = fail_memory();
    else if (memcmp(number.data, modulus.bytes, modulus.len) >= 0)
        rv = fail(CKR_DATA_INVALID, "the number is not below the modulus");
    else
        rv = run_raw(l, q, buf_bytes(&number));
    buf_release_secure(&number);
    return rv == CKR_OK ? restore_zeros(l, modulus.len) : rv;
}

static CK_RV decrypt_raw(struct lane *l, const struct wire_request *q)
{
    struct modulus modulus;
    CK_RV rv = read_modulus(l, q, &modulus);

    if (rv != CKR_OK)
        return rv;
    if (q->in.len != modulus.len)
        return fail(CKR_ENCRYPTED_DATA_LEN_RANGE,
                    "the ciphertext has %zu bytes where this key makes %zu", q->in.len,
                    modulus.len);
    if (memcmp(q->in.data, modulus.bytes, modulus.len) >= 0)
        return fail(CKR_ENCRYPTED_DATA_INVALID, "the ciphertext was not made for this key");
    rv = run_raw(l, q, q->in);
    return rv == CKR_OK ? restore_zeros(l, modulus.len) : rv;
}

/* ---- PSS: an HSM may not know a hash, or want the same in the mask ---- */

static CK_RV compose_pss(struct lane *l, const struct wire_request *q)
{
    struct buf block = BUF_INIT(MODULUS_MAX);
    struct modulus modulus;
    CK_RV rv = read_modulus(l, q, &modulus);

    if (rv == CKR_OK)
        rv = pss_encode(l->device->local, q->mechanism.pParameter, q->in,
                        BYTES(modulus.bytes, modulus.len), &block);
    if (rv == CKR_OK)
        rv = run_raw(l, q, buf_bytes(&block));
    buf_release(&block);
    return rv == CKR_OK ? restore_zeros(l, modulus.len) : rv;
}

static CK_RV sign_pss(struct lane *l, const struct wire_request *q)
{
    CK_RV rv = run_own(l, q);

    return is_refusal(rv) ? compose_pss(l, q) : rv;
}

/* ---- OAEP: an HSM may know it with SHA-1 and no label only ---- */

static CK_RV undo_oaep(struct lane *l, const struct wire_request *q)
{
    struct buf block = BUF_INIT(MODULUS_MAX);
    CK_RV rv = run_raw(l, q, q->in);

    if (rv != CKR_OK)
        return rv;
    if (!pad_number(buf_bytes(&l->out), q->in.len, &block))
        rv = fail_memory();
    bytes_wipe(l->out.data, l->out.len);
    buf_clear(&l->out);
    if (rv == CKR_OK)
        rv = oaep_decode(l->device->local, q->mechanism.pParameter, buf_bytes(&block), &l->out);
    buf_release_secure(&block);
    return rv;
}

static CK_RV decrypt_oaep(struct lane *l, const struct wire_request *q)
{
    const CK_RSA_PKCS_OAEP_PARAMS *params = q->mechanism.pParameter;
    bool label = params->ulSourceDataLen > 0;
    CK_RV rv = label ? undo_oaep(l, q) : run_own(l, q);

    if (!is_refusal(rv))
        return rv;
    return label ? run_own(l, q) : undo_oaep(l, q);
}

/* ---- which ---- */

static const struct {
    CK_MECHANISM_TYPE mechanism;
    enum hsm_use use;
    CK_RV (*run)(struct lane *l, const struct wire_request *q);
} rows[] = {
    {CKM_RSA_X_509, HSM_SIGN, sign_raw},
    {CKM_RSA_X_509, HSM_DECRYPT, decrypt_raw},
    {CKM_RSA_PKCS_PSS, HSM_SIGN, sign_pss},
    {CKM_RSA_PKCS_OAEP, HSM_DECRYPT, decrypt_oaep},
};

CK_RV rsa_run(struct lane *l, const struct wire_request *q)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].mechanism == q->mechanism.mechanism && rows[i].use == q->use)
            return rows[i].run(l, q);
    return run_own(l, q);
}
