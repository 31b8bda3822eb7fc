/* PSS made here, for HSMs that do not know it with the hash asked for: RFC 8017, section 9.1.1.
 * What is made is public; only what the HSM does with it needs its key. */
#include "base/mech.h"
#include "hsm/worker_int.h"

#include <string.h>

/* RFC 8017, appendix B.2.1: the mask of seed, laid over data. */
static CK_RV mask(struct local *local, CK_MECHANISM_TYPE hash, struct bytes seed, uint8_t *data,
                  size_t len)
{
    size_t at = 0;
    CK_RV rv = CKR_OK;

    for (uint32_t i = 0; at < len && rv == CKR_OK; i++) {
        const uint8_t counter[] = {(uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8),
                                   (uint8_t)i};
        struct buf in = BUF_INIT(LOCAL_DIGEST_MAX + sizeof(counter));
        uint8_t digest[LOCAL_DIGEST_MAX];
        size_t n = 0;

        buf_put_bytes(&in, seed);
        buf_put(&in, counter, sizeof(counter));
        rv = buf_ok(&in) ? local_hash_of(local, hash, buf_bytes(&in), digest, &n) : fail_memory();
        for (size_t j = 0; j < n && at < len; j++)
            data[at++] ^= digest[j];
        buf_release(&in);
    }
    return rv;
}

/* H: the hash of eight zeros, the digest and the salt. */
static CK_RV hash_salted(struct local *local, CK_MECHANISM_TYPE hash, struct bytes digest,
                         struct bytes salt, uint8_t out[static LOCAL_DIGEST_MAX])
{
    static const uint8_t zeros[8];
    struct buf in = BUF_INIT(sizeof(zeros) + digest.len + salt.len);
    size_t n = 0;
    CK_RV rv;

    buf_put(&in, zeros, sizeof(zeros));
    buf_put_bytes(&in, digest);
    buf_put_bytes(&in, salt);
    rv = buf_ok(&in) ? local_hash_of(local, hash, buf_bytes(&in), out, &n) : fail_memory();
    buf_release(&in);
    return rv;
}

static unsigned bits_of(uint8_t byte)
{
    unsigned n = 0;

    for (; byte != 0; byte >>= 1)
        n++;
    return n;
}

/* em: zeros. Its parts: padding, 1, salt (masked), H, 0xbc. */
static CK_RV fill(struct local *local, const CK_RSA_PKCS_PSS_PARAMS *params, struct bytes digest,
                  uint8_t *em, size_t len)
{
    uint8_t *h = em + len - 1 - digest.len;
    uint8_t *salt = h - params->sLen;
    uint8_t hash[LOCAL_DIGEST_MAX];
    CK_RV rv = local_random(local, salt, params->sLen);

    if (rv == CKR_OK)
        rv = hash_salted(local, params->hashAlg, digest, BYTES(salt, params->sLen), hash);
    if (rv != CKR_OK)
        return rv;
    salt[-1] = 1;
    memcpy(h, hash, digest.len);
    em[len - 1] = 0xbc;
    return mask(local, mech_mgf_hash(params->mgf), BYTES(h, digest.len), em, (size_t)(h - em));
}

CK_RV pss_encode(struct local *local, const CK_RSA_PKCS_PSS_PARAMS *params, struct bytes digest,
                 struct bytes modulus, struct buf *out)
{
    size_t bits = (modulus.len - 1) * 8 + bits_of(modulus.data[0]) - 1;
    size_t len = (bits + 7) / 8;
    uint8_t *em = buf_grow(out, modulus.len);
    CK_RV rv;

    if (em == NULL)
        return fail_memory();
    if (params->sLen > len || digest.len + params->sLen + 2 > len)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "a PSS salt of %lu bytes does not fit this key: use the digest's length",
                    params->sLen);
    memset(em, 0, modulus.len);
    em += modulus.len - len;
    rv = fill(local, params, digest, em, len);
    em[0] &= (uint8_t)(0xff >> (8 * len - bits));
    return rv;
}
