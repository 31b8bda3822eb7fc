/*
 * Sealing: AES-256-GCM with a fresh random nonce in front and the tag behind. See local.h. What
 * does not open leaves no plaintext: the buffer is wiped before the refusal returns.
 */
#include "hsm/local_int.h"

#include <limits.h>

#define NONCE_LEN 12
#define TAG_LEN   16

/* GCM's interface counts in int; nothing sealed here comes near. */
static bool fits(struct bytes aad, struct bytes text)
{
    return aad.len <= INT_MAX && text.len <= INT_MAX - LOCAL_SEAL_OVERHEAD;
}

static bool gcm_text(EVP_CIPHER_CTX *ctx, struct bytes aad, struct bytes in, uint8_t *out)
{
    int n = 0;

    if (aad.len > 0 && EVP_CipherUpdate(ctx, NULL, &n, aad.data, (int)aad.len) != 1)
        return false;
    return in.len == 0 || EVP_CipherUpdate(ctx, out, &n, in.data, (int)in.len) == 1;
}

CK_RV local_seal_with(struct local *local, struct bytes key32, const uint8_t nonce[static 12],
                      struct bytes aad, struct bytes plain, struct buf *ret_sealed)
{
    LOCAL_QUIET;
    SCOPED(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = NULL;
    uint8_t *text;
    uint8_t tag[TAG_LEN];
    int n = 0;

    if (key32.len != 32 || !fits(aad, plain))
        return fail_internal("what is sealed is short and its key has 32 bytes");
    buf_clear(ret_sealed);
    buf_put(ret_sealed, nonce, NONCE_LEN);
    text = buf_grow(ret_sealed, plain.len + TAG_LEN);
    if (text == NULL)
        return fail_memory();
    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL || EVP_EncryptInit_ex2(ctx, local->gcm, key32.data, nonce, NULL) != 1 ||
        !gcm_text(ctx, aad, plain, text) || EVP_EncryptFinal_ex(ctx, tag, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, text + plain.len) != 1) {
        buf_clear(ret_sealed);
        return local_fail("seal a record");
    }
    return CKR_OK;
}

CK_RV local_seal(struct local *local, struct bytes key32, struct bytes aad, struct bytes plain,
                 struct buf *ret_sealed)
{
    uint8_t nonce[NONCE_LEN];
    CK_RV rv = local_random(local, nonce, sizeof(nonce));

    if (rv != CKR_OK)
        return rv;
    return local_seal_with(local, key32, nonce, aad, plain, ret_sealed);
}

static CK_RV fail_does_not_open(void)
{
    return fail(CKR_ENCRYPTED_DATA_INVALID,
                "a sealed record does not open: it was changed, moved or sealed under another key; "
                "restore it from a backup");
}

/* Opens into out, which has room for text.len bytes. */
static bool gcm_open(struct local *local, EVP_CIPHER_CTX *ctx, struct bytes key32,
                     struct bytes sealed, struct bytes aad, uint8_t *out)
{
    struct bytes text = BYTES(sealed.data + NONCE_LEN, sealed.len - LOCAL_SEAL_OVERHEAD);
    uint8_t tag[TAG_LEN];
    uint8_t none[1];
    int n = 0;

    for (size_t i = 0; i < TAG_LEN; i++)
        tag[i] = sealed.data[sealed.len - TAG_LEN + i];
    return EVP_DecryptInit_ex2(ctx, local->gcm, key32.data, sealed.data, NULL) == 1 &&
           gcm_text(ctx, aad, text, out) &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 &&
           EVP_DecryptFinal_ex(ctx, none, &n) == 1;
}

CK_RV local_unseal(struct local *local, struct bytes key32, struct bytes aad, struct bytes sealed,
                   struct buf *ret_plain)
{
    LOCAL_QUIET;
    SCOPED(EVP_CIPHER_CTX_free_p) EVP_CIPHER_CTX *ctx = NULL;
    uint8_t *plain = NULL;
    size_t len = 0;

    buf_clear(ret_plain);
    if (key32.len != 32 || !fits(aad, sealed))
        return fail_internal("what is unsealed is short and its key has 32 bytes");
    if (sealed.len < LOCAL_SEAL_OVERHEAD)
        return fail_does_not_open();
    len = sealed.len - LOCAL_SEAL_OVERHEAD;
    if (len > 0) {
        plain = buf_grow(ret_plain, len);
        if (plain == NULL)
            return fail_memory();
    }
    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL)
        return fail_memory();
    if (gcm_open(local, ctx, key32, sealed, aad, plain))
        return CKR_OK;
    if (len > 0)
        bytes_wipe(plain, len);
    buf_clear(ret_plain);
    return fail_does_not_open();
}
