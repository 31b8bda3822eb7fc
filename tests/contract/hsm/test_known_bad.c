/* Ciphertexts known to be bad, to an HSM key and to a software key: every failure of a kind is told
 * in the same words, and nothing of the plaintext comes out. */
#include "hsm/local_int.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define K    256 /* bytes of the RSA modulus */
#define HASH 32

struct world {
    struct hsm_world w;
    struct hsm_key key;
    struct buf spki, plain;
};

static void begin(struct world *b, enum hsm_key_kind kind, CK_KEY_TYPE type, CK_ULONG bits)
{
    *b = (struct world){.spki = BUF_INIT(4096), .plain = BUF_INIT(4096)};
    world_init(&b->w);
    world_open(&b->w);
    world_key(&b->w, kind, type, bits, BYTES_NONE, &b->key,
              kind == HSM_KEY_PRIVATE ? &b->spki : NULL);
}

static void end(struct world *b)
{
    buf_release(&b->spki);
    buf_release_secure(&b->plain);
    world_release(&b->w);
}

static void assert_decrypts(struct world *b, CK_MECHANISM *m, const char *what, CK_RV want,
                            struct bytes cipher)
{
    CK_RV rv = hsm_run(b->w.hsm, HSM_DECRYPT, &b->key, m, cipher, BYTES_NONE, &b->plain);

    ck_assert_msg(rv == want, "%s: wanted 0x%lx, got 0x%lx (%s)", what, want, rv, fail_reason());
    ck_assert(rv == CKR_OK || b->plain.len == 0);
}

/* ---- OAEP ---- */

/* What may be wrong in an EME-OAEP encoded message (RFC 8017, 7.1.2): Manger, Crypto 2001, needs to
 * see no more than the first of them told apart from the others. */
static const struct oaep {
    const char *what;
    uint8_t first, label, padding, separator;
} oaeps[] = {
    {"as it should be", 0, 0, 0, 1},
    {"a first byte that is not 0", 1, 0, 0, 1},
    {"another label's hash", 0, 1, 0, 1},
    {"a padding byte that is not 0", 0, 0, 2, 1},
    {"no 1 before the message", 0, 0, 0, 0},
    {"a 2 before the message", 0, 0, 0, 2},
    {"all of it", 1, 1, 2, 2},
};

#define OAEPS ((int)(sizeof(oaeps) / sizeof(*oaeps)))

static void mask(struct world *b, uint8_t *out, size_t len, struct bytes seed)
{
    uint8_t in[K + 4] = {0}, digest[HASH];

    memcpy(in, seed.data, seed.len);
    for (size_t i = 0; i < len; i++) {
        in[seed.len + 3] = (uint8_t)(i / HASH);
        if (i % HASH == 0)
            assert_ok(local_sha256(b->w.local, BYTES(in, seed.len + 4), digest));
        out[i] ^= digest[i % HASH];
    }
}

/* first | seed | label's hash, padding, separator, message; masked with each other. */
static void encode(struct world *b, const struct oaep *o, uint8_t block[static K])
{
    uint8_t *seed = block + 1;
    uint8_t *db = block + 1 + HASH;
    size_t len = K - 1 - HASH;

    memset(block, 0, K);
    assert_ok(local_random(b->w.local, seed, HASH));
    assert_ok(local_sha256(b->w.local, BYTES_NONE, db));
    db[0] ^= o->label;
    db[HASH + 3] = o->padding;
    db[len - 6] = o->separator;
    memcpy(db + len - 5, "a key", 5);
    mask(b, db, len, BYTES(seed, HASH));
    mask(b, seed, HASH, BYTES(db, len));
    block[0] = o->first;
}

static void encrypt_block(struct world *b, const uint8_t block[static K], uint8_t out[static K])
{
    const unsigned char *p = b->spki.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)b->spki.len);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t len = K;

    ck_assert_int_eq(EVP_PKEY_encrypt_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    ck_assert_int_eq(EVP_PKEY_encrypt(ctx, out, &len, block, K), 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(key);
}

START_TEST(every_bad_oaep_block_is_refused_with_one_code)
{
    CK_RSA_PKCS_OAEP_PARAMS p = {CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, NULL, 0};
    CK_MECHANISM m = {CKM_RSA_PKCS_OAEP, &p, sizeof(p)};
    uint8_t block[K], cipher[K];
    struct world b;

    begin(&b, HSM_KEY_PRIVATE, CKK_RSA, 8 * K);
    for (int i = 0; i < OAEPS; i++) {
        encode(&b, &oaeps[i], block);
        encrypt_block(&b, block, cipher);
        assert_decrypts(&b, &m, oaeps[i].what, i == 0 ? CKR_OK : CKR_ENCRYPTED_DATA_INVALID,
                        BYTES(cipher, K));
        ck_assert(i > 0 || bytes_equal_str(buf_bytes(&b.plain), "a key"));
    }
    memset(cipher, 0, K);
    assert_decrypts(&b, &m, "0", CKR_ENCRYPTED_DATA_INVALID, BYTES(cipher, K));
    cipher[K - 1] = 1;
    assert_decrypts(&b, &m, "1", CKR_ENCRYPTED_DATA_INVALID, BYTES(cipher, K));
    memset(cipher, 0xff, K);
    assert_decrypts(&b, &m, "above the modulus", CKR_ENCRYPTED_DATA_INVALID, BYTES(cipher, K));
    end(&b);
}
END_TEST

/* ---- GCM ---- */

START_TEST(a_gcm_ciphertext_whose_tag_is_cut_or_changed_in_one_bit_is_refused)
{
    uint8_t iv[12] = {1};
    CK_GCM_PARAMS p = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
    CK_MECHANISM m = {CKM_AES_GCM, &p, sizeof(p)};
    struct buf sealed = BUF_INIT(256);
    struct world b;

    begin(&b, HSM_KEY_SECRET, CKK_AES, 256);
    assert_ok(hsm_run(b.w.hsm, HSM_ENCRYPT, &b.key, &m, BYTES_LIT("plain"), BYTES_NONE, &sealed));
    assert_decrypts(&b, &m, "whole", CKR_OK, buf_bytes(&sealed));
    for (size_t bit = 0; bit < 128; bit += 7) {
        sealed.data[5 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_decrypts(&b, &m, "a bit of the tag", CKR_ENCRYPTED_DATA_INVALID, buf_bytes(&sealed));
        sealed.data[5 + bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memset(sealed.data + 5, 0, 16);
    assert_decrypts(&b, &m, "a tag of zeros", CKR_ENCRYPTED_DATA_INVALID, buf_bytes(&sealed));
    assert_decrypts(&b, &m, "a byte short", CKR_ENCRYPTED_DATA_INVALID,
                    BYTES(sealed.data, sealed.len - 1));
    p.ulTagBits = 0;
    assert_decrypts(&b, &m, "a tag of no bits", CKR_MECHANISM_PARAM_INVALID, buf_bytes(&sealed));
    p.ulTagBits = 128;
    p.ulIvLen = 0;
    p.ulIvBits = 0;
    assert_decrypts(&b, &m, "no IV", CKR_MECHANISM_PARAM_INVALID, buf_bytes(&sealed));
    buf_release(&sealed);
    end(&b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_bad_oaep_block_is_refused_with_one_code),
        CASE(a_gcm_ciphertext_whose_tag_is_cut_or_changed_in_one_bit_is_refused),
    };

    return suite_run("hsm/known_bad", cases, sizeof(cases) / sizeof(*cases));
}
