/* Key wrapping: see local_wrap.h. Names are those of RFC 3394, 2.2, and RFC 5649, 4. */
#include "hsm/local_wrap.h"
#include "base/mech.h"
#include "base/secret.h"
#include "hsm/local_int.h"

#include <stdio.h>
#include <string.h>

#define SEMI      8
#define WRAP_MAX  ((size_t)1 << 20)
#define KW_IV     0xa6
#define ROUNDS    6
#define LENGTH_AT 4

static const uint8_t kwp_iv[4] = {0xa6, 0x59, 0x59, 0xa6};

/* A ^= t, t counted from 1. */
static void mix_counter(uint8_t a[static SEMI], uint64_t t)
{
    for (size_t i = 0; i < SEMI; i++)
        a[SEMI - 1 - i] ^= (uint8_t)(t >> (8 * i));
}

/* W over A | R1 | ... | Rn, in place; len: all of it. */
static CK_RV w_forward(const struct local_block *block, uint8_t *data, size_t len)
{
    const size_t n = len / SEMI - 1;
    uint8_t b[2 * SEMI];
    CK_RV rv = CKR_OK;

    for (uint64_t t = 1; t <= ROUNDS * n && rv == CKR_OK; t++) {
        uint8_t *r = data + SEMI * (1 + (t - 1) % n);

        memcpy(b, data, SEMI);
        memcpy(b + SEMI, r, SEMI);
        rv = block->crypt(block, true, b);
        mix_counter(b, t);
        memcpy(data, b, SEMI);
        memcpy(r, b + SEMI, SEMI);
    }
    bytes_wipe(b, sizeof(b));
    return rv;
}

static CK_RV w_backward(const struct local_block *block, uint8_t *data, size_t len)
{
    const size_t n = len / SEMI - 1;
    uint8_t b[2 * SEMI];
    CK_RV rv = CKR_OK;

    for (uint64_t t = ROUNDS * n; t >= 1 && rv == CKR_OK; t--) {
        uint8_t *r = data + SEMI * (1 + (t - 1) % n);

        memcpy(b, data, SEMI);
        memcpy(b + SEMI, r, SEMI);
        mix_counter(b, t);
        rv = block->crypt(block, false, b);
        memcpy(data, b, SEMI);
        memcpy(r, b + SEMI, SEMI);
    }
    bytes_wipe(b, sizeof(b));
    return rv;
}

/* ---- wrapping ---- */

static CK_RV check_key_len(enum local_wrap kind, size_t len)
{
    bool good = kind == LOCAL_KW ? len >= 2 * SEMI && len % SEMI == 0 : len > 0;

    return good && len <= WRAP_MAX
               ? CKR_OK
               : fail(CKR_DATA_LEN_RANGE, "a key of %zu bytes cannot be wrapped so: use %s", len,
                      kind == LOCAL_KW ? "CKM_AES_KEY_WRAP_KWP" : "a shorter one");
}

static void put_iv(enum local_wrap kind, struct bytes iv, size_t len, uint8_t a[static SEMI])
{
    if (kind == LOCAL_KW) {
        memset(a, KW_IV, SEMI);
        if (iv.len == SEMI)
            memcpy(a, iv.data, SEMI);
        return;
    }
    memcpy(a, iv.len == sizeof(kwp_iv) ? iv.data : kwp_iv, sizeof(kwp_iv));
    for (size_t i = 0; i < 4; i++)
        a[LENGTH_AT + i] = (uint8_t)(len >> (8 * (3 - i)));
}

CK_RV local_key_wrap(const struct local_block *block, enum local_wrap kind, struct bytes iv,
                     struct bytes key, struct buf *ret_wrapped)
{
    size_t padded = (key.len + SEMI - 1) / SEMI * SEMI;
    uint8_t *data;
    CK_RV rv = check_key_len(kind, key.len);

    if (rv != CKR_OK)
        return rv;
    data = buf_grow(ret_wrapped, SEMI + padded);
    if (data == NULL)
        return fail_memory();
    put_iv(kind, iv, key.len, data);
    memcpy(data + SEMI, key.data, key.len);
    memset(data + SEMI + key.len, 0, padded - key.len);
    /* Of one block, KWP encrypts just that (RFC 5649, 4.1). */
    return kind == LOCAL_KWP && padded == SEMI ? block->crypt(block, true, data)
                                               : w_forward(block, data, SEMI + padded);
}

/* ---- unwrapping ---- */

static CK_RV fail_unwrap(void)
{
    return fail(CKR_ENCRYPTED_DATA_INVALID, "the wrapped key was changed, or is another key's");
}

/* The bytes of the key when all is right, else 0: without a branch before the end. */
static size_t kwp_len(const uint8_t *data, size_t padded)
{
    size_t len = 0;
    unsigned fault = 0;

    for (size_t i = 0; i < 4; i++)
        len = len << 8 | data[LENGTH_AT + i];
    fault |= len > padded || len + SEMI <= padded;
    for (size_t i = 0; i < SEMI; i++) {
        size_t at = padded - SEMI + i;

        fault |= (at >= len) & (data[SEMI + at] != 0);
    }
    return fault ? 0 : len;
}

static CK_RV check_unwrapped(enum local_wrap kind, struct bytes iv, const uint8_t *data,
                             size_t padded, size_t *ret_len)
{
    uint8_t want[SEMI];
    bool good;

    put_iv(kind, iv, 0, want);
    good = CRYPTO_memcmp(want, data, kind == LOCAL_KW ? SEMI : sizeof(kwp_iv)) == 0;
    *ret_len = kind == LOCAL_KW ? padded : kwp_len(data, padded);
    return good && *ret_len > 0 ? CKR_OK : fail_unwrap();
}

CK_RV local_key_unwrap(const struct local_block *block, enum local_wrap kind, struct bytes iv,
                       struct bytes wrapped, struct buf *ret_key)
{
    size_t least = kind == LOCAL_KW ? 3 * SEMI : 2 * SEMI;
    SCOPED_SECRET work = NULL;
    size_t len = 0;
    CK_RV rv;

    if (wrapped.len < least || wrapped.len % SEMI != 0 || wrapped.len > WRAP_MAX + 2 * SEMI)
        return fail(CKR_ENCRYPTED_DATA_LEN_RANGE, "no wrapped key has %zu bytes", wrapped.len);
    work = secret_copy(wrapped);
    if (work == NULL)
        return fail_memory();
    rv = kind == LOCAL_KWP && wrapped.len == 2 * SEMI ? block->crypt(block, false, work->data)
                                                      : w_backward(block, work->data, work->len);
    if (rv == CKR_OK)
        rv = check_unwrapped(kind, iv, work->data, wrapped.len - SEMI, &len);
    if (rv != CKR_OK)
        return rv;
    buf_put(ret_key, work->data + SEMI, len);
    return buf_ok(ret_key) ? CKR_OK : fail_memory();
}

/* ---- with an AES key at hand ---- */

static CK_RV crypt_local(const struct local_block *self, bool encrypt, uint8_t block[static 16])
{
    int n = 0;

    (void)encrypt; /* the context is for one direction */
    return EVP_CipherUpdate(self->ctx, block, &n, block, 16) == 1 && n == 16
               ? CKR_OK
               : local_fail("wrap a key");
}

static CK_RV open_ecb(struct local *local, struct bytes aes, bool encrypt, EVP_CIPHER_CTX *ctx)
{
    EVP_CIPHER *ecb;
    char name[32];
    int ok;

    if (aes.len != 16 && aes.len != 24 && aes.len != 32)
        return fail(CKR_KEY_SIZE_RANGE, "no AES key has %zu bytes", aes.len);
    (void)snprintf(name, sizeof(name), "AES-%zu-ECB", aes.len * 8);
    ecb = EVP_CIPHER_fetch(local->ctx, name, NULL);
    ok = ecb != NULL && ctx != NULL &&
         EVP_CipherInit_ex2(ctx, ecb, aes.data, NULL, encrypt, NULL) == 1 &&
         EVP_CIPHER_CTX_set_padding(ctx, 0) == 1;
    EVP_CIPHER_free(ecb);
    return ok ? CKR_OK : local_fail("start to wrap a key");
}

CK_RV local_aes_wrap(struct local *local, struct bytes aes, enum local_wrap kind, struct bytes iv,
                     struct bytes key, struct buf *ret_wrapped)
{
    LOCAL_QUIET;
    SCOPED(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const struct local_block block = {.crypt = crypt_local, .ctx = ctx};
    CK_RV rv = open_ecb(local, aes, true, ctx);

    return rv == CKR_OK ? local_key_wrap(&block, kind, iv, key, ret_wrapped) : rv;
}

CK_RV local_aes_unwrap(struct local *local, struct bytes aes, enum local_wrap kind, struct bytes iv,
                       struct bytes wrapped, struct buf *ret_key)
{
    LOCAL_QUIET;
    SCOPED(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    const struct local_block block = {.crypt = crypt_local, .ctx = ctx};
    CK_RV rv = open_ecb(local, aes, false, ctx);

    return rv == CKR_OK ? local_key_unwrap(&block, kind, iv, wrapped, ret_key) : rv;
}

/* ---- to a public key ---- */

static CK_RV wrap_rsa_aes(struct local *local, struct bytes spki,
                          const CK_RSA_AES_KEY_WRAP_PARAMS *params, struct bytes key,
                          struct buf *ret)
{
    const CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, params->pOAEPParams,
                               sizeof(*params->pOAEPParams)};
    SCOPED_SECRET aes = secret_new(params->ulAESKeyBits / 8);
    struct buf behind = BUF_INIT(WRAP_MAX + 2 * SEMI);
    CK_RV rv = aes != NULL ? local_random_secret(local, aes->data, aes->len) : fail_memory();

    if (rv == CKR_OK)
        rv = local_encrypt(local, spki, &oaep, secret_bytes(aes), ret);
    if (rv == CKR_OK)
        rv = local_aes_wrap(local, secret_bytes(aes), LOCAL_KWP, BYTES_NONE, key, &behind);
    if (rv == CKR_OK) {
        buf_put_bytes(ret, buf_bytes(&behind));
        rv = buf_ok(ret) ? CKR_OK : fail_memory();
    }
    buf_release(&behind);
    return rv;
}

CK_RV local_wrap(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                 struct bytes key, struct buf *ret_wrapped)
{
    const struct mech *row = mech_find(mechanism->mechanism);
    CK_RV rv;

    buf_clear(ret_wrapped);
    if (row == NULL || (row->flags & CKF_WRAP) == 0)
        return fail(CKR_MECHANISM_INVALID, "mechanism 0x%lx wraps no key: see C_GetMechanismList",
                    mechanism->mechanism);
    rv = mech_check_params(row, mechanism);
    if (rv == CKR_OK && mechanism->mechanism == CKM_RSA_AES_KEY_WRAP)
        rv = wrap_rsa_aes(local, spki, mechanism->pParameter, key, ret_wrapped);
    else if (rv == CKR_OK)
        rv = local_encrypt(local, spki, mechanism, key, ret_wrapped);
    return rv == CKR_DATA_LEN_RANGE ? CKR_KEY_SIZE_RANGE : rv;
}
