/*
 * Wrapping composed: see compose_wrap.h. AES key wrap is single blocks of AES-ECB, which the HSM
 * does one by one; the AES key in front of CKM_RSA_AES_KEY_WRAP is decrypted there, and what it
 * wraps unwrapped here. All else is encryption by another name.
 */
#include "hsm/compose_wrap.h"
#include "hsm/local_int.h"
#include "hsm/local_wrap.h"

#include <string.h>

struct wrap_call {
    const struct wrap_device *d;
    const struct hsm_key *key;
    const CK_MECHANISM *mechanism;
    bool wrap;
};

typedef CK_RV wrap_act(const struct wrap_call *c, struct bytes in, struct buf *out);

static CK_RV as_cipher(const struct wrap_call *c, struct bytes in, struct buf *out)
{
    return c->d->run(c->d->device, c->wrap ? HSM_ENCRYPT : HSM_DECRYPT, c->key, c->mechanism, in,
                     BYTES_NONE, out);
}

/* ---- AES key wrap ---- */

static CK_RV crypt_there(const struct local_block *self, bool encrypt, uint8_t block[static 16])
{
    static const CK_MECHANISM ecb = {.mechanism = CKM_AES_ECB};
    const struct wrap_call *c = self->ctx;
    struct buf out = BUF_INIT(4096);
    CK_RV rv = c->d->run(c->d->device, encrypt ? HSM_ENCRYPT : HSM_DECRYPT, c->key, &ecb,
                         BYTES(block, 16), BYTES_NONE, &out);

    if (rv == CKR_OK && out.len != 16)
        rv = fail(CKR_DEVICE_ERROR, "the HSM made %zu bytes of a block of 16", out.len);
    if (rv == CKR_OK)
        memcpy(block, out.data, 16);
    buf_release_secure(&out);
    return rv;
}

static CK_RV key_wrap(const struct wrap_call *c, enum local_wrap kind, struct bytes in,
                      struct buf *out)
{
    struct wrap_call there = *c;
    const struct local_block block = {.crypt = crypt_there, .ctx = &there};
    struct bytes iv = BYTES(c->mechanism->pParameter, c->mechanism->ulParameterLen);

    return c->wrap ? local_key_wrap(&block, kind, iv, in, out)
                   : local_key_unwrap(&block, kind, iv, in, out);
}

static CK_RV as_kw(const struct wrap_call *c, struct bytes in, struct buf *out)
{
    return key_wrap(c, LOCAL_KW, in, out);
}

static CK_RV as_kwp(const struct wrap_call *c, struct bytes in, struct buf *out)
{
    return key_wrap(c, LOCAL_KWP, in, out);
}

/* ---- CKM_RSA_AES_KEY_WRAP: a private key only unwraps ---- */

static CK_RV as_rsa_aes(const struct wrap_call *c, struct bytes in, struct buf *out)
{
    const CK_RSA_AES_KEY_WRAP_PARAMS *params = c->mechanism->pParameter;
    const CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, params->pOAEPParams,
                               sizeof(*params->pOAEPParams)};
    const size_t lengths[] = {256, 384, 512, 128, 1024, 2048}; /* bytes of usual moduli */
    struct buf aes = BUF_INIT(4096);
    CK_RV rv = CKR_ENCRYPTED_DATA_LEN_RANGE;
    size_t head = 0;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        head = lengths[i];
        if (rv != CKR_ENCRYPTED_DATA_LEN_RANGE || in.len < head + 16)
            continue;
        buf_clear(&aes);
        rv = c->d->run(c->d->device, HSM_DECRYPT, c->key, &oaep, BYTES(in.data, head), BYTES_NONE,
                       &aes);
        if (rv != CKR_ENCRYPTED_DATA_LEN_RANGE)
            break;
    }
    if (rv == CKR_OK && aes.len != params->ulAESKeyBits / 8)
        rv = fail(CKR_ENCRYPTED_DATA_INVALID, "the AES key in front has another length");
    if (rv == CKR_OK)
        rv = local_aes_unwrap(c->d->local, buf_bytes(&aes), LOCAL_KWP, BYTES_NONE,
                              BYTES(in.data + head, in.len - head), out);
    buf_release_secure(&aes);
    return rv;
}

/* Raw RSA unwraps nothing: a key that unwraps does not do it (pkcs11/operation_init.c). */
static CK_RV as_nothing(const struct wrap_call *c, struct bytes in, struct buf *out)
{
    (void)c;
    (void)in;
    (void)out;
    return fail(CKR_MECHANISM_INVALID, "CKM_RSA_X_509 wraps no keys: use a padding");
}

static const struct wrap_row {
    CK_MECHANISM_TYPE mechanism;
    wrap_act *act;
    CK_MECHANISM_TYPE needs;
} rows[] = {
    {CKM_AES_KEY_WRAP, as_kw, CKM_AES_ECB},
    {CKM_AES_KEY_WRAP_KWP, as_kwp, CKM_AES_ECB},
    {CKM_RSA_AES_KEY_WRAP, as_rsa_aes, CKM_RSA_PKCS_OAEP},
    {CKM_RSA_X_509, as_nothing, KW_NO_MECHANISM},
};

static const struct wrap_row *row_of(CK_MECHANISM_TYPE mechanism)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].mechanism == mechanism)
            return &rows[i];
    }
    return NULL;
}

CK_RV wrap_compose(const struct wrap_device *d, enum hsm_use use, const struct hsm_key *key,
                   const CK_MECHANISM *mechanism, struct bytes in, struct buf *out)
{
    const struct wrap_call call = {
        .d = d, .key = key, .mechanism = mechanism, .wrap = use == HSM_WRAP};
    const struct wrap_row *row = row_of(mechanism->mechanism);

    return row != NULL ? row->act(&call, in, out) : as_cipher(&call, in, out);
}

void wrap_needs(CK_MECHANISM_TYPE mechanism, CK_FLAGS use, CK_MECHANISM_TYPE *ret_mechanism,
                CK_FLAGS *ret_use)
{
    const struct wrap_row *row = row_of(mechanism);

    *ret_mechanism = row != NULL ? row->needs : mechanism;
    *ret_use =
        ((use & CKF_WRAP) != 0 ? CKF_ENCRYPT : 0) | ((use & CKF_UNWRAP) != 0 ? CKF_DECRYPT : 0);
}
