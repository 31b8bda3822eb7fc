/* The same uses by OpenSSL alone, as fast as it goes: contexts made once, duplicated or reset for
 * each use. */
#include "tests/bench/world.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

struct raw {
    EVP_PKEY *keys[KEYS];
    EVP_PKEY_CTX *ec;
    EVP_MD_CTX *rsa;
    EVP_CIPHER_CTX *gcm;
};

static void need(bool ok, const char *what)
{
    if (!ok)
        die("OpenSSL: %s", what);
}

struct raw *raw_new(void)
{
    static const unsigned char key[32] = {7};
    struct raw *r = calloc(1, sizeof(*r));

    need(r != NULL, "memory");
    r->keys[KEY_EC] = EVP_EC_gen("P-256");
    r->keys[KEY_RSA] = EVP_RSA_gen(2048);
    r->rsa = EVP_MD_CTX_new();
    r->gcm = EVP_CIPHER_CTX_new();
    need(r->keys[KEY_EC] != NULL && r->keys[KEY_RSA] != NULL && r->rsa != NULL && r->gcm != NULL,
         "keys");
    r->ec = EVP_PKEY_CTX_new(r->keys[KEY_EC], NULL);
    need(r->ec != NULL && EVP_PKEY_sign_init(r->ec) == 1, "ECDSA");
    need(EVP_DigestSignInit(r->rsa, NULL, EVP_sha256(), NULL, r->keys[KEY_RSA]) == 1, "RSA");
    need(EVP_EncryptInit_ex(r->gcm, EVP_aes_256_gcm(), NULL, key, NULL) == 1, "AES");
    return r;
}

void raw_free(struct raw *r)
{
    if (r == NULL)
        return;
    EVP_PKEY_CTX_free(r->ec);
    EVP_MD_CTX_free(r->rsa);
    EVP_CIPHER_CTX_free(r->gcm);
    EVP_PKEY_free(r->keys[KEY_EC]);
    EVP_PKEY_free(r->keys[KEY_RSA]);
    free(r);
}

struct raw_use {
    struct raw *raw;
    const struct work *work;
};

static void ec_one(const struct raw_use *u)
{
    unsigned char data[64] = {1};
    unsigned char out[128];
    size_t len = sizeof(out);

    need(EVP_PKEY_sign(u->raw->ec, out, &len, data, u->work->length) == 1, "ECDSA");
}

static void rsa_one(const struct raw_use *u)
{
    unsigned char data[64] = {1};
    unsigned char out[256];
    size_t len = sizeof(out);
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    need(md != NULL && EVP_MD_CTX_copy_ex(md, u->raw->rsa) == 1 &&
             EVP_DigestSign(md, out, &len, data, u->work->length) == 1,
         "RSA");
    EVP_MD_CTX_free(md);
}

static void gcm_one(const struct raw_use *u, uint64_t i)
{
    static unsigned char data[16384];
    static unsigned char out[sizeof(data) + 16];
    unsigned char nonce[12] = {0};
    unsigned char tag[16];
    int n = 0;

    memcpy(nonce, &i, sizeof(i));
    need(EVP_EncryptInit_ex(u->raw->gcm, NULL, NULL, NULL, nonce) == 1 &&
             EVP_EncryptUpdate(u->raw->gcm, out, &n, data, (int)u->work->length) == 1 &&
             EVP_EncryptFinal_ex(u->raw->gcm, out + n, &n) == 1 &&
             EVP_CIPHER_CTX_ctrl(u->raw->gcm, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1,
         "AES-GCM");
}

static void raw_one(void *ctx, unsigned thread, uint64_t i)
{
    const struct raw_use *u = ctx;

    (void)thread;
    switch (u->work->key) {
    case KEY_EC:
        ec_one(u);
        return;
    case KEY_RSA:
        rsa_one(u);
        return;
    default:
        gcm_one(u, i);
    }
}

double sample_crypto_raw(struct world *w, const struct row *row)
{
    struct raw_use u = {.raw = w->raw, .work = row->work};

    return time_slice(w, 1, raw_one, &u);
}
