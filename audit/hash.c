/* SHA-256 and Ed25519 through OpenSSL in a library context of our own: see hash.h. */
#include "audit/hash.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct hash {
    OSSL_LIB_CTX *lib;
    EVP_MD *sha256;
    EVP_MD_CTX *ctx;
};

CK_RV hash_new(struct hash **ret)
{
    struct hash *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return fail_memory();
    ERR_set_mark();
    h->lib = OSSL_LIB_CTX_new();
    /* A NULL context would mean the host's default one, where a provider may lead back to us. */
    if (h->lib != NULL)
        h->sha256 = EVP_MD_fetch(h->lib, "SHA256", NULL);
    h->ctx = EVP_MD_CTX_new();
    ERR_pop_to_mark();
    if (h->sha256 == NULL || h->ctx == NULL) {
        hash_free(h);
        return fail(CKR_GENERAL_ERROR, "OpenSSL gives no SHA-256: is its default provider "
                                       "installed?");
    }
    *ret = h;
    return CKR_OK;
}

void hash_free(struct hash *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    EVP_MD_free(h->sha256);
    OSSL_LIB_CTX_free(h->lib);
    free(h);
}

/* The prefix separates leaves from nodes (RFC 6962, section 2.1); a second part is a node's right
 * child. */
static CK_RV digest(struct hash *h, struct bytes prefix, struct bytes a, struct bytes b,
                    uint8_t ret[static HASH_LEN])
{
    int good;

    ERR_set_mark();
    good = EVP_DigestInit_ex2(h->ctx, h->sha256, NULL);
    if (good == 1 && prefix.len > 0)
        good = EVP_DigestUpdate(h->ctx, prefix.data, prefix.len);
    if (good == 1 && a.len > 0)
        good = EVP_DigestUpdate(h->ctx, a.data, a.len);
    if (good == 1 && b.len > 0)
        good = EVP_DigestUpdate(h->ctx, b.data, b.len);
    if (good == 1)
        good = EVP_DigestFinal_ex(h->ctx, ret, NULL);
    ERR_pop_to_mark();
    return good == 1 ? CKR_OK : fail(CKR_GENERAL_ERROR, "OpenSSL failed to hash with SHA-256");
}

CK_RV hash_sha256(struct hash *h, struct bytes data, uint8_t ret[static HASH_LEN])
{
    return digest(h, BYTES_NONE, data, BYTES_NONE, ret);
}

CK_RV hash_leaf(struct hash *h, struct bytes entry, uint8_t ret[static HASH_LEN])
{
    return digest(h, BYTES_LIT("\x00"), entry, BYTES_NONE, ret);
}

CK_RV hash_node(struct hash *h, const uint8_t left[static HASH_LEN],
                const uint8_t right[static HASH_LEN], uint8_t ret[static HASH_LEN])
{
    return digest(h, BYTES_LIT("\x01"), BYTES(left, HASH_LEN), BYTES(right, HASH_LEN), ret);
}

CK_RV hash_verify_ed25519(struct hash *h, const uint8_t key[static 32], struct bytes message,
                          const uint8_t signature[static 64], bool *ret_good)
{
    EVP_PKEY *pkey;
    EVP_MD_CTX *ctx;
    bool ready;
    int verdict = 0;

    ERR_set_mark();
    pkey = EVP_PKEY_new_raw_public_key_ex(h->lib, "ED25519", NULL, key, 32);
    ctx = EVP_MD_CTX_new();
    ready = pkey != NULL && ctx != NULL &&
            EVP_DigestVerifyInit_ex(ctx, NULL, NULL, h->lib, NULL, pkey, NULL) == 1;
    if (ready)
        verdict = EVP_DigestVerify(ctx, signature, 64, message.data, message.len);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    ERR_pop_to_mark();
    if (!ready)
        return fail(CKR_GENERAL_ERROR, "OpenSSL cannot verify with this Ed25519 key");
    *ret_good = verdict == 1;
    return CKR_OK;
}
