/*
 * RSA signatures known to be accepted where they must not be, as tables: what is signed by hand
 * here, with the private key, is exactly what a forger would like to be taken for a signature. The
 * first row of each table is a good one, made in the same way.
 */
#include "tests/unit/hsm/known_bad.h"

#include <openssl/bn.h>
#include <openssl/rsa.h>
#include <string.h>

#define K    256 /* bytes of the modulus */
#define INFO 51  /* bytes of SHA-256's DigestInfo */

/* The private operation on an encoded message as it stands; false when it is not below n. */
static bool sign_block(struct world *w, const uint8_t block[static K], uint8_t out[static K])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(w->key, NULL);
    size_t len = K;
    bool done;

    ck_assert_int_eq(EVP_PKEY_sign_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    done = EVP_PKEY_sign(ctx, out, &len, block, K) == 1;
    EVP_PKEY_CTX_free(ctx);
    return done;
}

/* SHA-256's DigestInfo: RFC 8017, 9.2, note 1. */
static const uint8_t info_head[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

/* 00 01 FF.. 00 and then whatever is said to be the DigestInfo, with garbage behind it. */
static void encode(uint8_t block[static K], struct bytes info, size_t garbage)
{
    size_t at = K - info.len - garbage;

    memset(block, 0xff, K);
    block[0] = 0;
    block[1] = 1;
    block[at - 1] = 0;
    memcpy(block + at, info.data, info.len);
    memset(block + at + info.len, 0x5a, garbage);
}

static void encode_good(const struct world *w, uint8_t block[static K])
{
    uint8_t info[INFO];

    memcpy(info, info_head, sizeof(info_head));
    memcpy(info + sizeof(info_head), w->digest, DIGEST);
    encode(block, BYTES(info, INFO), 0);
}

/* A DigestInfo of another form around the right digest. */
static void encode_with(const struct world *w, uint8_t block[static K], struct bytes head,
                        size_t digest)
{
    uint8_t info[128];

    memcpy(info, head.data, head.len);
    memcpy(info + head.len, w->digest, digest);
    encode(block, BYTES(info, head.len + digest), 0);
}

static void good(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
}

static void garbage_behind(const struct world *w, uint8_t *b)
{
    uint8_t info[INFO];

    encode_good(w, b);
    memcpy(info, b + K - INFO, INFO);
    encode(b, BYTES(info, INFO), K - INFO - 11);
}

static void one_byte_behind(const struct world *w, uint8_t *b)
{
    uint8_t info[INFO];

    encode_good(w, b);
    memcpy(info, b + K - INFO, INFO);
    encode(b, BYTES(info, INFO), 1);
}

static void no_null(const struct world *w, uint8_t *b)
{
    encode_with(w, b,
                BYTES_LIT("\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"),
                DIGEST);
}

static void garbage_in_the_parameters(const struct world *w, uint8_t *b)
{
    encode_with(
        w, b,
        BYTES_LIT(
            "\x30\x35\x30\x11\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x04garb\x04\x20"),
        DIGEST);
}

static void long_form_lengths(const struct world *w, uint8_t *b)
{
    encode_with(w, b,
                BYTES_LIT("\x30\x81\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05"
                          "\x00\x04\x20"),
                DIGEST);
}

static void another_hash(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    b[K - DIGEST - 5] = 2; /* id-sha384 */
}

static void short_digest(const struct world *w, uint8_t *b)
{
    encode_with(w, b,
                BYTES_LIT("\x30\x30\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
                          "\x04\x1f"),
                DIGEST - 1);
}

static void bare_digest(const struct world *w, uint8_t *b)
{
    encode(b, BYTES(w->digest, DIGEST), 0);
}

static void first_byte_1(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    b[0] = 1;
}

static void block_type_0(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    b[1] = 0;
}

static void block_type_2(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    b[1] = 2;
}

static void padding_not_ff(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    b[100] = 0xfe;
}

static void first_padding_byte_0(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    b[2] = 0;
}

static void no_separator(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    b[K - INFO - 1] = 0xff;
}

/* The padding ends early: what follows looks like a block of its own. */
static void short_padding(const struct world *w, uint8_t *b)
{
    encode_good(w, b);
    memset(b + 10, 0, K - INFO - 10);
}

/* RFC 8017, 8.2.2 and 9.2: the whole encoded message is compared. Garbage behind or inside:
 * Bleichenbacher at Crypto 2006, CVE-2006-4339. Lengths not in DER: BERserk, CVE-2014-1568.
 * Wycheproof's rsa_signature tests have all of them. */
static const struct {
    const char *what;
    void (*make)(const struct world *w, uint8_t *block);
    bool good;
} pkcs1[] = {
    {"as it should be", good, true},
    {"garbage behind the digest", garbage_behind, false},
    {"one byte behind the digest", one_byte_behind, false},
    {"no NULL parameters", no_null, false},
    {"garbage as the parameters", garbage_in_the_parameters, false},
    {"lengths in long form", long_form_lengths, false},
    {"another hash's name", another_hash, false},
    {"a digest cut short", short_digest, false},
    {"no DigestInfo", bare_digest, false},
    {"first byte 1", first_byte_1, false},
    {"block type 0", block_type_0, false},
    {"block type 2", block_type_2, false},
    {"a padding byte that is not FF", padding_not_ff, false},
    {"the first padding byte 0", first_padding_byte_0, false},
    {"no byte between padding and DigestInfo", no_separator, false},
    {"short padding", short_padding, false},
};

START_TEST(a_pkcs1_signature_of_any_other_form_is_refused)
{
    CK_MECHANISM m = {CKM_SHA256_RSA_PKCS, NULL, 0};
    uint8_t block[K], signature[K];
    struct world w;

    world_init(&w, EVP_RSA_gen(8 * K));
    for (size_t i = 0; i < sizeof(pkcs1) / sizeof(*pkcs1); i++) {
        pkcs1[i].make(&w, block);
        ck_assert(sign_block(&w, block, signature));
        assert_verdict(&w, &m, pkcs1[i].what, pkcs1[i].good ? CKR_OK : CKR_SIGNATURE_INVALID,
                       BYTES(signature, K));
    }
    world_release(&w);
}
END_TEST

static EVP_PKEY *rsa_with_exponent_3(void)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *e = BN_new();
    EVP_PKEY *key = NULL;

    ck_assert_int_eq(BN_set_word(e, 3), 1);
    ck_assert_int_eq(EVP_PKEY_keygen_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 8 * K), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e), 1);
    ck_assert_int_eq(EVP_PKEY_generate(ctx, &key), 1);
    BN_free(e);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* The largest whole number whose cube is not above n, bit by bit. */
static void cube_root(const BIGNUM *n, BIGNUM *ret)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *cube = BN_new();

    BN_zero(ret);
    for (int bit = 8 * K / 3 + 1; bit >= 0; bit--) {
        ck_assert_int_eq(BN_set_bit(ret, bit), 1);
        ck_assert_int_eq(BN_sqr(cube, ret, ctx), 1);
        ck_assert_int_eq(BN_mul(cube, cube, ret, ctx), 1);
        if (BN_cmp(cube, n) > 0)
            ck_assert_int_eq(BN_clear_bit(ret, bit), 1);
    }
    BN_free(cube);
    BN_CTX_free(ctx);
}

/* Bleichenbacher's forgery without the private key: with exponent 3, a number whose cube begins
 * like a signature's block. */
START_TEST(a_cube_that_begins_like_a_signature_is_refused)
{
    CK_MECHANISM m = {CKM_SHA256_RSA_PKCS, NULL, 0};
    BIGNUM *top = NULL, *root = BN_new(), *cube = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    uint8_t block[K], forged[K], begins[K];
    struct world w;

    world_init(&w, rsa_with_exponent_3());
    encode_good(&w, block);
    ck_assert(sign_block(&w, block, forged));
    assert_verdict(&w, &m, "signed", CKR_OK, BYTES(forged, K));
    garbage_behind(&w, block);
    memset(block + 11 + INFO, 0xff, K - 11 - INFO);
    top = BN_bin2bn(block, K, NULL);
    cube_root(top, root);
    ck_assert_int_eq(BN_bn2binpad(root, forged, K), K);
    ck_assert_int_eq(BN_sqr(cube, root, ctx), 1);
    ck_assert_int_eq(BN_mul(cube, cube, root, ctx), 1);
    ck_assert_int_eq(BN_bn2binpad(cube, begins, K), K);
    ck_assert_mem_eq(begins, block, 11 + INFO); /* it is the forgery it is meant to be */
    assert_verdict(&w, &m, "forged", CKR_SIGNATURE_INVALID, BYTES(forged, K));
    BN_free(top);
    BN_free(root);
    BN_free(cube);
    BN_CTX_free(ctx);
    world_release(&w);
}
END_TEST

/* What may be wrong in an EMSA-PSS encoded message (RFC 8017, 9.1.1). */
struct pss {
    const char *what;
    size_t salt;
    uint8_t padding, separator, trailer, top;
    bool other_digest, good;
};

static void mask(uint8_t *db, size_t len, const uint8_t seed[static DIGEST], struct world *w)
{
    uint8_t in[DIGEST + 4] = {0}, out[DIGEST];

    memcpy(in, seed, DIGEST);
    for (size_t i = 0; i < len; i++) {
        in[DIGEST + 3] = (uint8_t)(i / DIGEST);
        if (i % DIGEST == 0)
            assert_ok(local_sha256(w->local, BYTES(in, sizeof(in)), out));
        db[i] ^= out[i % DIGEST];
    }
}

static void encode_pss(struct world *w, const struct pss *p, uint8_t block[static K])
{
    uint8_t hashed[8 + DIGEST + K] = {0};
    uint8_t *h = block + K - DIGEST - 1;
    size_t db = K - DIGEST - 1;

    memset(block, 0, K);
    assert_ok(local_random(w->local, hashed + 8 + DIGEST, p->salt));
    memcpy(hashed + 8, w->digest, DIGEST);
    hashed[8] ^= p->other_digest;
    assert_ok(local_sha256(w->local, BYTES(hashed, 8 + DIGEST + p->salt), h));
    block[8] = p->padding;
    block[db - p->salt - 1] = p->separator;
    memcpy(block + db - p->salt, hashed + 8 + DIGEST, p->salt);
    mask(block, db, h, w);
    block[0] = (uint8_t)((block[0] & 0x7f) | p->top);
    block[K - 1] = p->trailer;
}

static const struct pss pss[] = {
    {"as it should be", DIGEST, 0, 1, 0xbc, 0, false, true},
    {"a salt of 31 bytes", DIGEST - 1, 0, 1, 0xbc, 0, false, false},
    {"a salt of 33 bytes", DIGEST + 1, 0, 1, 0xbc, 0, false, false},
    {"no salt", 0, 0, 1, 0xbc, 0, false, false},
    {"the longest salt", K - DIGEST - 2, 0, 1, 0xbc, 0, false, false},
    {"a padding byte that is not 0", DIGEST, 1, 1, 0xbc, 0, false, false},
    {"no 1 before the salt", DIGEST, 0, 0, 0xbc, 0, false, false},
    {"a 2 before the salt", DIGEST, 0, 2, 0xbc, 0, false, false},
    {"trailer CC, of X9.31", DIGEST, 0, 1, 0xcc, 0, false, false},
    {"trailer 0", DIGEST, 0, 1, 0, 0, false, false},
    {"the highest bit set", DIGEST, 0, 1, 0xbc, 0x80, false, false},
    {"another digest", DIGEST, 0, 1, 0xbc, 0, true, false},
};

START_TEST(a_pss_signature_of_any_other_form_is_refused)
{
    CK_RSA_PKCS_PSS_PARAMS params = {.hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .sLen = DIGEST};
    CK_MECHANISM m = {CKM_SHA256_RSA_PKCS_PSS, &params, sizeof(params)};
    uint8_t block[K], signature[K];
    struct world w;

    world_init(&w, EVP_RSA_gen(8 * K));
    for (size_t i = 0; i < sizeof(pss) / sizeof(*pss); i++) {
        bool is_signed = false;

        /* One with its highest bit set is below the modulus now and then only. */
        for (int tries = 0; !is_signed && tries < 500; tries++) {
            encode_pss(&w, &pss[i], block);
            is_signed = sign_block(&w, block, signature);
        }
        ck_assert_msg(is_signed, "%s", pss[i].what);
        assert_verdict(&w, &m, pss[i].what, pss[i].good ? CKR_OK : CKR_SIGNATURE_INVALID,
                       BYTES(signature, K));
    }
    world_release(&w);
}
END_TEST

/* RFC 8017, 5.2.2: a signature is below the modulus. PSS, since each of its signatures is another:
 * one is looked for to which the modulus can be added without a byte more. */
START_TEST(an_rsa_signature_to_which_the_modulus_is_added_is_refused)
{
    CK_RSA_PKCS_PSS_PARAMS params = {.hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .sLen = DIGEST};
    CK_MECHANISM m = {CKM_SHA256_RSA_PKCS_PSS, &params, sizeof(params)};
    BIGNUM *n = NULL, *s = BN_new();
    uint8_t block[K], signature[K];
    struct world w;
    int tries = 0;

    world_init(&w, EVP_RSA_gen(8 * K));
    ck_assert_int_eq(EVP_PKEY_get_bn_param(w.key, "n", &n), 1);
    do {
        encode_pss(&w, &pss[0], block);
        ck_assert(sign_block(&w, block, signature));
        ck_assert_ptr_nonnull(BN_bin2bn(signature, K, s));
        ck_assert_int_eq(BN_add(s, s, n), 1);
    } while (BN_num_bytes(s) > K && ++tries < 2000);
    assert_verdict(&w, &m, "as it was signed", CKR_OK, BYTES(signature, K));
    ck_assert_int_eq(BN_bn2binpad(s, signature, K), K);
    assert_verdict(&w, &m, "the modulus added", CKR_SIGNATURE_INVALID, BYTES(signature, K));
    BN_free(n);
    BN_free(s);
    world_release(&w);
}
END_TEST

/* RFC 8017, 8.2.2, step 1: a signature has the modulus's length. */
START_TEST(an_rsa_signature_that_is_no_number_of_the_key_is_refused)
{
    CK_MECHANISM m = {CKM_SHA256_RSA_PKCS, NULL, 0};
    BIGNUM *n = NULL;
    uint8_t block[K], signature[K], out[K + 1] = {0};
    struct world w;

    world_init(&w, EVP_RSA_gen(8 * K));
    encode_good(&w, block);
    ck_assert(sign_block(&w, block, signature));
    memcpy(out + 1, signature, K);
    assert_verdict(&w, &m, "as it was signed", CKR_OK, BYTES(signature, K));
    assert_verdict(&w, &m, "a zero before it", CKR_SIGNATURE_LEN_RANGE, BYTES(out, K + 1));
    assert_verdict(&w, &m, "a byte short", CKR_SIGNATURE_LEN_RANGE, BYTES(signature, K - 1));
    assert_verdict(&w, &m, "nothing", CKR_SIGNATURE_LEN_RANGE, BYTES_NONE);
    ck_assert_int_eq(EVP_PKEY_get_bn_param(w.key, "n", &n), 1);
    ck_assert_int_eq(BN_bn2binpad(n, out, K), K);
    assert_verdict(&w, &m, "the modulus", CKR_SIGNATURE_INVALID, BYTES(out, K));
    memset(out, 0xff, K);
    assert_verdict(&w, &m, "all ones", CKR_SIGNATURE_INVALID, BYTES(out, K));
    memset(out, 0, K);
    assert_verdict(&w, &m, "0", CKR_SIGNATURE_INVALID, BYTES(out, K));
    out[K - 1] = 1;
    assert_verdict(&w, &m, "1", CKR_SIGNATURE_INVALID, BYTES(out, K));
    BN_free(n);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_pkcs1_signature_of_any_other_form_is_refused),
        CASE(a_cube_that_begins_like_a_signature_is_refused),
        CASE(a_pss_signature_of_any_other_form_is_refused),
        CASE(an_rsa_signature_to_which_the_modulus_is_added_is_refused),
        CASE(an_rsa_signature_that_is_no_number_of_the_key_is_refused),
    };

    return suite_run("hsm/known_bad_rsa", cases, sizeof(cases) / sizeof(*cases));
}
