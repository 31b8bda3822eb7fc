/*
 * Encryption and decryption by every mechanism of the table. AES keys cannot be read, so one mode
 * is held against another: CBC and CTR by hand over ECB, GCM's ciphertext over CTR.
 */
#include "tests/contract/pkcs11/bench.h"

#include <openssl/rsa.h>

#define MAX ((size_t)700000)

struct crypting {
    struct bench b;
    struct bench_mechanism m;
    enum bench_key encrypt_key, decrypt_key;
    uint8_t *plain, *whole, *parts, *back;
    CK_ULONG whole_len, parts_len, back_len;
};

static void begin(struct crypting *c)
{
    memset(c, 0, sizeof(*c));
    bench_open(&c->b);
    c->plain = malloc(MAX);
    c->whole = malloc(MAX + 64);
    c->parts = malloc(MAX + 64);
    c->back = malloc(MAX + 64);
    ck_assert(c->plain != NULL && c->whole != NULL && c->parts != NULL && c->back != NULL);
    bench_fill(c->plain, MAX);
}

static void end(struct crypting *c)
{
    free(c->plain);
    free(c->whole);
    free(c->parts);
    free(c->back);
    bench_close(&c->b);
}

static void use(struct crypting *c, CK_MECHANISM_TYPE type)
{
    bench_mechanism_of(&c->m, type);
    c->encrypt_key = bench_key_for(mech_find(type), CKF_ENCRYPT);
    c->decrypt_key = bench_key_for(mech_find(type), CKF_DECRYPT);
}

static void begin_encrypt(struct crypting *c)
{
    assert_ok(
        c->b.p11->C_EncryptInit(c->b.session, &c->m.mechanism, bench_key(&c->b, c->encrypt_key)));
}

static void begin_decrypt(struct crypting *c)
{
    assert_ok(
        c->b.p11->C_DecryptInit(c->b.session, &c->m.mechanism, bench_key(&c->b, c->decrypt_key)));
}

static CK_RV encrypt_whole(struct crypting *c, size_t len)
{
    begin_encrypt(c);
    c->whole_len = MAX + 64;
    return c->b.p11->C_Encrypt(c->b.session, c->plain, len, c->whole, &c->whole_len);
}

static CK_RV decrypt_whole(struct crypting *c)
{
    begin_decrypt(c);
    c->back_len = MAX + 64;
    return c->b.p11->C_Decrypt(c->b.session, c->whole, c->whole_len, c->back, &c->back_len);
}

/* Parts of a length that is no multiple of a block; buffers exactly as long as asked for. */
static CK_RV in_parts(struct crypting *c, bool encrypt, size_t step, uint8_t *in, size_t len,
                      uint8_t *out, CK_ULONG *ret_len)
{
    CK_FUNCTION_LIST *p = c->b.p11;
    size_t done = 0;
    CK_ULONG n = 0;
    CK_RV rv;

    for (size_t at = 0; at < len; at += step) {
        size_t now = len - at < step ? len - at : step;
        CK_C_EncryptUpdate update = encrypt ? p->C_EncryptUpdate : p->C_DecryptUpdate;

        assert_ok(update(c->b.session, in + at, now, NULL, &n));
        rv = update(c->b.session, in + at, now, out + done, &n);
        if (rv != CKR_OK)
            return rv;
        done += n;
    }
    n = MAX + 64 - done;
    rv = encrypt ? p->C_EncryptFinal(c->b.session, out + done, &n)
                 : p->C_DecryptFinal(c->b.session, out + done, &n);
    *ret_len = done + n;
    return rv;
}

static CK_RV encrypt_parts(struct crypting *c, size_t step, size_t len)
{
    begin_encrypt(c);
    return in_parts(c, true, step, c->plain, len, c->parts, &c->parts_len);
}

static CK_RV decrypt_parts(struct crypting *c, size_t step)
{
    begin_decrypt(c);
    return in_parts(c, false, step, c->whole, c->whole_len, c->back, &c->back_len);
}

static void assert_back(struct crypting *c, size_t len)
{
    ck_assert_uint_eq(c->back_len, len);
    if (len > 0)
        ck_assert_mem_eq(c->back, c->plain, len);
}

static void assert_round_trip(struct crypting *c, size_t len)
{
    static const size_t steps[] = {7, 16, 33, 65537};

    assert_ok(encrypt_whole(c, len));
    assert_ok(decrypt_whole(c));
    assert_back(c, len);
    for (size_t i = len > 1000 ? 3 : 0; i < 4; i++) {
        assert_ok(encrypt_parts(c, steps[i], len));
        ck_assert_uint_eq(c->parts_len, c->whole_len);
        ck_assert_mem_eq(c->parts, c->whole, c->whole_len);
        assert_ok(decrypt_parts(c, steps[i]));
        assert_back(c, len);
    }
}

static const CK_MECHANISM_TYPE aes[] = {CKM_AES_ECB, CKM_AES_CBC, CKM_AES_CBC_PAD, CKM_AES_CTR,
                                        CKM_AES_GCM};

START_TEST(every_aes_mode_comes_back_whole_and_in_parts)
{
    static const size_t lens[] = {16, 160, MAX - MAX % 16, 0, 1, 15, 17, 31, MAX - 3};
    struct crypting c;

    begin(&c);
    for (size_t i = 0; i < 2 * sizeof(aes) / sizeof(*aes); i++) {
        CK_MECHANISM_TYPE type = aes[i / 2];
        bool blocks = type == CKM_AES_ECB || type == CKM_AES_CBC;

        use(&c, type);
        c.encrypt_key = c.decrypt_key = i % 2 == 0 ? BENCH_AES128 : BENCH_AES256;
        for (size_t n = 0; n < (blocks ? 3 : sizeof(lens) / sizeof(*lens)); n++)
            assert_round_trip(&c, lens[n]);
    }
    end(&c);
}
END_TEST

START_TEST(the_modes_agree_with_one_another)
{
    struct crypting c;
    uint8_t block[16];

    begin(&c);
    /* CBC: each block xor the one before, through ECB. */
    use(&c, CKM_AES_CBC);
    memcpy(block, c.m.iv, 16);
    assert_ok(encrypt_whole(&c, 48));
    memcpy(c.parts, c.whole, 48);
    use(&c, CKM_AES_ECB);
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 16; j++)
            c.plain[j] = block[j] ^ (uint8_t)((16 * i + j) * 7 + 1);
        assert_ok(encrypt_whole(&c, 16));
        ck_assert_mem_eq(c.whole, c.parts + 16 * i, 16);
        memcpy(block, c.whole, 16);
    }
    bench_fill(c.plain, MAX);
    /* CTR: the counter block through ECB, xor the data. */
    use(&c, CKM_AES_CTR);
    assert_ok(encrypt_whole(&c, 16));
    memcpy(c.parts, c.whole, 16);
    use(&c, CKM_AES_ECB);
    memcpy(c.plain, c.m.iv, 16);
    assert_ok(encrypt_whole(&c, 16));
    bench_fill(c.plain, MAX);
    for (size_t j = 0; j < 16; j++)
        ck_assert_uint_eq(c.whole[j] ^ c.plain[j], c.parts[j]);
    /* GCM with an IV of 96 bits: CTR from IV | 00000002 (SP 800-38D, 7.1). */
    use(&c, CKM_AES_GCM);
    assert_ok(encrypt_whole(&c, 100));
    memcpy(c.parts, c.whole, 100);
    use(&c, CKM_AES_CTR);
    memcpy(c.m.ctr.cb + 12, "\0\0\0\2", 4);
    assert_ok(encrypt_whole(&c, 100));
    ck_assert_mem_eq(c.whole, c.parts, 100);
    end(&c);
}
END_TEST

START_TEST(lengths_that_cannot_be_are_refused)
{
    static const struct {
        CK_MECHANISM_TYPE type;
        size_t encrypt, decrypt; /* a bad length; 0: all are good */
    } bad[] = {{CKM_AES_ECB, 17, 17}, {CKM_AES_CBC, 15, 15},    {CKM_AES_CBC_PAD, 0, 17},
               {CKM_AES_GCM, 0, 15},  {CKM_RSA_PKCS, 246, 255}, {CKM_RSA_PKCS_OAEP, 215, 257}};
    struct crypting c;

    begin(&c);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        use(&c, bad[i].type);
        if (bad[i].encrypt != 0) {
            assert_rv(CKR_DATA_LEN_RANGE, encrypt_whole(&c, bad[i].encrypt));
            assert_rv(CKR_DATA_LEN_RANGE, encrypt_parts(&c, 64, bad[i].encrypt));
        }
        c.whole_len = bad[i].decrypt;
        assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE, decrypt_whole(&c));
        c.whole_len = bad[i].decrypt;
        assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE, decrypt_parts(&c, 64));
    }
    use(&c, CKM_AES_CBC_PAD);
    c.whole_len = 0;
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE, decrypt_whole(&c));
    end(&c);
}
END_TEST

START_TEST(a_changed_gcm_message_gives_nothing_whole_or_in_parts)
{
    static const size_t places[] = {0, 50, 100, 115};
    struct crypting c;
    CK_ULONG n;

    begin(&c);
    use(&c, CKM_AES_GCM);
    assert_ok(encrypt_whole(&c, 100));
    ck_assert_uint_eq(c.whole_len, 116);
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        c.whole[places[i]] ^= 4;
        memset(c.back, 0xee, 200);
        assert_rv(CKR_ENCRYPTED_DATA_INVALID, decrypt_whole(&c));
        assert_rv(CKR_ENCRYPTED_DATA_INVALID, decrypt_parts(&c, 30));
        for (size_t j = 0; j < 200; j++)
            ck_assert_uint_eq(c.back[j], 0xee);
        c.whole[places[i]] ^= 4;
    }
    c.m.aad[3] ^= 1;
    assert_rv(CKR_ENCRYPTED_DATA_INVALID, decrypt_whole(&c));
    c.m.aad[3] ^= 1;
    /* Good as it is: still nothing comes before the tag. */
    begin_decrypt(&c);
    n = 200;
    assert_ok(c.b.p11->C_DecryptUpdate(c.b.session, c.whole, c.whole_len, c.back, &n));
    ck_assert_uint_eq(n, 0);
    n = 200;
    assert_ok(c.b.p11->C_DecryptFinal(c.b.session, c.back, &n));
    c.back_len = n;
    assert_back(&c, 100);
    end(&c);
}
END_TEST

START_TEST(gcm_keeps_to_its_tag_length_and_its_iv_length)
{
    struct crypting c;

    begin(&c);
    use(&c, CKM_AES_GCM);
    c.m.gcm.ulTagBits = 96;
    assert_ok(encrypt_whole(&c, 50));
    ck_assert_uint_eq(c.whole_len, 62);
    assert_ok(decrypt_whole(&c));
    assert_back(&c, 50);
    c.whole[61] ^= 1;
    assert_rv(CKR_ENCRYPTED_DATA_INVALID, decrypt_whole(&c));
    end(&c);
}
END_TEST

START_TEST(every_bad_padding_has_the_same_answer)
{
    struct crypting c;

    begin(&c);
    /* One block whose last byte decrypts to anything: 0, more than 16, unequal bytes. */
    use(&c, CKM_AES_CBC);
    for (unsigned last = 0; last < 256; last += 51) {
        c.plain[14] = 0x77;
        c.plain[15] = (uint8_t)(last == 1 ? 2 : last);
        use(&c, CKM_AES_CBC);
        assert_ok(encrypt_whole(&c, 16));
        use(&c, CKM_AES_CBC_PAD);
        assert_rv(CKR_ENCRYPTED_DATA_INVALID, decrypt_whole(&c));
        assert_rv(CKR_ENCRYPTED_DATA_INVALID, decrypt_parts(&c, 5));
    }
    end(&c);
}
END_TEST

/* A device that rejects PKCS#1 v1.5 padding implicitly gives out another plaintext, and no error.
 */
static void assert_rejected(struct crypting *c, CK_MECHANISM_TYPE type, size_t len)
{
    CK_RV rv = decrypt_whole(c);

    if (rv == CKR_OK && type == CKM_RSA_PKCS)
        ck_assert(c->back_len != len || memcmp(c->back, c->plain, len) != 0);
    else
        assert_rv(CKR_ENCRYPTED_DATA_INVALID, rv);
}

START_TEST(a_changed_rsa_ciphertext_has_one_answer)
{
    static const CK_MECHANISM_TYPE types[] = {CKM_RSA_PKCS_OAEP, CKM_RSA_PKCS};
    struct crypting c;

    begin(&c);
    for (size_t i = 0; i < 2; i++) {
        use(&c, types[i]);
        assert_ok(encrypt_whole(&c, 32));
        c.whole[200] ^= 1;
        assert_rejected(&c, types[i], 32);
        memset(c.whole, 0xff, 256); /* more than the modulus */
        assert_rv(CKR_ENCRYPTED_DATA_INVALID, decrypt_whole(&c));
    }
    end(&c);
}
END_TEST

START_TEST(rsa_encrypts_to_the_public_and_decrypts_with_the_private_key)
{
    static const CK_MECHANISM_TYPE types[] = {CKM_RSA_PKCS, CKM_RSA_PKCS_OAEP};
    static const size_t lens[] = {1, 32, 200};
    struct crypting c;

    begin(&c);
    for (size_t i = 0; i < 6; i++) {
        use(&c, types[i / 3]);
        assert_ok(encrypt_whole(&c, lens[i % 3]));
        ck_assert_uint_eq(c.whole_len, 256);
        assert_ok(decrypt_whole(&c));
        assert_back(&c, lens[i % 3]);
        assert_ok(encrypt_parts(&c, 20, lens[i % 3]));
        memcpy(c.whole, c.parts, c.parts_len);
        assert_ok(decrypt_parts(&c, 100));
        assert_back(&c, lens[i % 3]);
    }
    end(&c);
}
END_TEST

START_TEST(what_openssl_encrypts_to_the_public_key_decrypts)
{
    static const struct {
        CK_MECHANISM_TYPE type;
        int padding;
    } rows[] = {{CKM_RSA_PKCS, RSA_PKCS1_PADDING}, {CKM_RSA_PKCS_OAEP, RSA_PKCS1_OAEP_PADDING}};
    struct crypting c;

    begin(&c);
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY *key = bench_public(&c.b, BENCH_RSA_PUBLIC);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
        size_t len = MAX;

        use(&c, rows[i].type);
        ck_assert_int_eq(EVP_PKEY_encrypt_init(ctx), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, rows[i].padding), 1);
        ck_assert_int_eq(EVP_PKEY_encrypt(ctx, c.whole, &len, c.plain, 40), 1);
        c.whole_len = len;
        assert_ok(decrypt_whole(&c));
        assert_back(&c, 40);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(key);
    }
    end(&c);
}
END_TEST

START_TEST(a_result_may_take_the_place_of_its_input)
{
    struct crypting c;
    CK_ULONG n = 64;

    begin(&c);
    use(&c, CKM_AES_CBC_PAD);
    assert_ok(encrypt_whole(&c, 40));
    memcpy(c.parts, c.plain, 40);
    begin_encrypt(&c);
    assert_ok(c.b.p11->C_Encrypt(c.b.session, c.parts, 40, c.parts, &n));
    ck_assert_mem_eq(c.parts, c.whole, 48);
    begin_decrypt(&c);
    assert_ok(c.b.p11->C_Decrypt(c.b.session, c.parts, 48, c.parts, &n));
    ck_assert_uint_eq(n, 40);
    ck_assert_mem_eq(c.parts, c.plain, 40);
    end(&c);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(every_aes_mode_comes_back_whole_and_in_parts, 200),
        CASE_SLOW(the_modes_agree_with_one_another, 60),
        CASE_SLOW(lengths_that_cannot_be_are_refused, 60),
        CASE_SLOW(a_changed_gcm_message_gives_nothing_whole_or_in_parts, 60),
        CASE_SLOW(gcm_keeps_to_its_tag_length_and_its_iv_length, 60),
        CASE_SLOW(every_bad_padding_has_the_same_answer, 60),
        CASE_SLOW(a_changed_rsa_ciphertext_has_one_answer, 60),
        CASE_SLOW(rsa_encrypts_to_the_public_and_decrypts_with_the_private_key, 60),
        CASE_SLOW(what_openssl_encrypts_to_the_public_key_decrypts, 60),
        CASE_SLOW(a_result_may_take_the_place_of_its_input, 60),
    };

    return bench_suite("pkcs11/cipher", cases, sizeof(cases) / sizeof(*cases));
}
