/* Implicit rejection: see software_pkcs1.h. No branch and no index below depends on the block but
 * the length of what comes out. */
#include "hsm/software_pkcs1.h"

#include <openssl/bn.h>
#include <string.h>

#define TRIES     128 /* candidates for the length of a made-up message */
#define HEAD_LEN  10  /* 00 02 and eight bytes that are not zero */
#define BLOCK_MAX 2048

SCOPE_DEFINE(BIGNUM, BN_clear_free)

/* All ones when the claim holds, else 0; arguments below 2^31. */
static uint32_t mask_less(uint32_t a, uint32_t b)
{
    return 0U - ((a - b) >> 31);
}

static uint32_t mask_equal(uint32_t a, uint32_t b)
{
    uint32_t d = a ^ b;

    return ~(0U - ((d | (0U - d)) >> 31));
}

static uint32_t choose(uint32_t mask, uint32_t a, uint32_t b)
{
    return (mask & a) | (~mask & b);
}

CK_RV pkcs1_rejection_key(struct local *local, const EVP_PKEY *key,
                          uint8_t ret[static PKCS1_REJECTION_LEN])
{
    SCOPED(BN_clear_free_p) BIGNUM *d = NULL;
    int len = EVP_PKEY_get_size(key);
    SCOPED_SECRET bytes = secret_new((size_t)len);

    if (bytes == NULL)
        return fail_memory();
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_D, &d) != 1 ||
        BN_bn2binpad(d, bytes->data, len) != len)
        return local_fail("read an RSA key");
    return local_sha256(local, secret_bytes(bytes), ret);
}

/* The draft's PRF: HMAC over counter, label and the length wanted in bits. */
static CK_RV expand(struct local *local, struct bytes key, const char *label, uint8_t *out,
                    size_t len)
{
    const size_t bits = len * 8;
    CK_RV rv = CKR_OK;

    for (size_t at = 0, i = 0; at < len && rv == CKR_OK; at += 32, i++) {
        struct buf in = BUF_INIT(64);
        uint8_t block[32];

        buf_putc(&in, (char)(i >> 8));
        buf_putc(&in, (char)i);
        buf_puts(&in, label);
        buf_putc(&in, (char)(bits >> 8));
        buf_putc(&in, (char)bits);
        rv = buf_ok(&in) ? local_hmac_sha256(local, key, buf_bytes(&in), block) : fail_memory();
        buf_release(&in);
        if (rv == CKR_OK)
            memcpy(out + at, block, len - at < 32 ? len - at : 32);
        bytes_wipe(block, sizeof(block));
    }
    return rv;
}

/* The last candidate that is short enough. */
static uint32_t pick_length(const uint8_t candidates[static 2 * TRIES], uint32_t max)
{
    uint32_t cover = max;
    uint32_t picked = 0;

    for (unsigned shift = 1; shift < 16; shift *= 2)
        cover |= cover >> shift;
    for (size_t i = 0; i < TRIES; i++) {
        uint32_t candidate = ((uint32_t)candidates[2 * i] << 8 | candidates[2 * i + 1]) & cover;

        picked = choose(mask_less(candidate, max), candidate, picked);
    }
    return picked;
}

/* Where the message begins; *ret_good is all ones when the padding is right. */
static uint32_t find_message(struct bytes block, uint32_t *ret_good)
{
    uint32_t good = mask_equal(block.data[0], 0) & mask_equal(block.data[1], 2);
    uint32_t zero_at = 0;
    uint32_t seen = 0;

    for (uint32_t i = 2; i < block.len; i++) {
        uint32_t zero = mask_equal(block.data[i], 0);

        zero_at = choose(~seen & zero, i, zero_at);
        seen |= zero;
    }
    *ret_good = good & seen & ~mask_less(zero_at, HEAD_LEN);
    return zero_at + 1;
}

/* What takes the message's place when there is none: its bytes, and where in them it begins. */
static CK_RV make_up(struct local *local, const uint8_t key[static PKCS1_REJECTION_LEN],
                     struct bytes cipher, uint8_t *message, uint32_t *ret_at)
{
    uint8_t derived[32];
    uint8_t candidates[2 * TRIES];
    struct bytes kdk = BYTES(derived, sizeof(derived));
    CK_RV rv = local_hmac_sha256(local, BYTES(key, PKCS1_REJECTION_LEN), cipher, derived);

    if (rv == CKR_OK)
        rv = expand(local, kdk, "length", candidates, sizeof(candidates));
    if (rv == CKR_OK)
        rv = expand(local, kdk, "message", message, cipher.len);
    if (rv == CKR_OK)
        *ret_at = (uint32_t)cipher.len - pick_length(candidates, (uint32_t)cipher.len - HEAD_LEN);
    bytes_wipe(derived, sizeof(derived));
    bytes_wipe(candidates, sizeof(candidates));
    return rv;
}

CK_RV pkcs1_unpad(struct local *local, const uint8_t key[static PKCS1_REJECTION_LEN],
                  struct bytes cipher, struct bytes block, struct buf *out)
{
    uint8_t message[BLOCK_MAX];
    uint32_t good = 0;
    uint32_t at = 0;
    uint32_t made_up_at = 0;
    CK_RV rv;

    if (block.len != cipher.len || block.len > BLOCK_MAX || block.len < HEAD_LEN + 1)
        return fail_internal("a block is as long as its modulus");
    rv = make_up(local, key, cipher, message, &made_up_at);
    if (rv != CKR_OK)
        return rv;
    at = find_message(block, &good);
    at = choose(good, at, made_up_at);
    for (size_t i = 0; i < block.len; i++)
        message[i] = (uint8_t)choose(good, block.data[i], message[i]);
    buf_put(out, message + at, block.len - at);
    bytes_wipe(message, sizeof(message));
    return buf_ok(out) ? CKR_OK : fail_memory();
}
