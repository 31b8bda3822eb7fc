/*
 * OAEP undone here, for HSMs that know it with SHA-1 and no label only: RFC 8017, section 7.1.2, by
 * OpenSSL's constant-time decoder. Which check failed must not show, in the code or in the time:
 * that is all an attacker needs (Manger, 2001).
 */
/* The decoder has no successor in OpenSSL 3's interfaces: EVP does the padding only together with
 * its own RSA. */
#define OPENSSL_API_COMPAT 0x10101000L
#include "base/mech.h"
#include "hsm/local_int.h"
#include "hsm/worker_int.h"

#include <openssl/rsa.h>

static CK_RV decode(const CK_RSA_PKCS_OAEP_PARAMS *p, struct bytes block, const EVP_MD *hash,
                    const EVP_MD *mgf, struct buf *out)
{
    uint8_t *at = buf_grow(out, block.len);
    int n;

    if (at == NULL)
        return fail_memory();
    n = RSA_padding_check_PKCS1_OAEP_mgf1(at, (int)block.len, block.data, (int)block.len,
                                          (int)block.len, p->pSourceData, (int)p->ulSourceDataLen,
                                          hash, mgf);
    out->len -= block.len - (n > 0 ? (size_t)n : 0);
    return n >= 0 ? CKR_OK
                  : fail(CKR_ENCRYPTED_DATA_INVALID, "this is no OAEP ciphertext for this key");
}

CK_RV oaep_decode(struct local *local, const CK_RSA_PKCS_OAEP_PARAMS *params, struct bytes block,
                  struct buf *out)
{
    LOCAL_QUIET;
    const EVP_MD *hash = local_hash(local, params->hashAlg);
    const EVP_MD *mgf = local_hash(local, mech_mgf_hash(params->mgf));

    if (hash == NULL || mgf == NULL)
        return fail(CKR_MECHANISM_PARAM_INVALID, "OAEP with this hash is not known here");
    return decode(params, block, hash, mgf, out);
}
