/*
 * Which call may follow which, and what a call with a short buffer or none does: PKCS#11 2.40, 5.2
 * and 5.8 to 5.12.
 */
#include "tests/contract/pkcs11/bench.h"

#define DATA_LEN 48

/* One row a kind: its functions, all of the shape "data in, result out". */
struct kind {
    const char *name;
    CK_MECHANISM_TYPE type;
    enum bench_key key;
    CK_ULONG out_len; /* of the result for the bench's data */
    CK_RV (*init)(struct bench *b, CK_MECHANISM *m, CK_OBJECT_HANDLE key);
    CK_RV (*whole)(struct bench *b, uint8_t *out, CK_ULONG *out_len);
    CK_RV (*update)(struct bench *b);
    CK_RV (*final)(struct bench *b, uint8_t *out, CK_ULONG *out_len);
};

static uint8_t data[DATA_LEN + 16];
static CK_ULONG data_len = DATA_LEN;

#define KIND(Name, lower)                                                                          \
    static CK_RV lower##_init(struct bench *b, CK_MECHANISM *m, CK_OBJECT_HANDLE key)              \
    {                                                                                              \
        return b->p11->C_##Name##Init(b->session, m, key);                                         \
    }                                                                                              \
    static CK_RV lower##_whole(struct bench *b, uint8_t *out, CK_ULONG *out_len)                   \
    {                                                                                              \
        return b->p11->C_##Name(b->session, data, data_len, out, out_len);                         \
    }                                                                                              \
    static CK_RV lower##_final(struct bench *b, uint8_t *out, CK_ULONG *out_len)                   \
    {                                                                                              \
        return b->p11->C_##Name##Final(b->session, out, out_len);                                  \
    }

KIND(Sign, sign)
KIND(Encrypt, encrypt)
KIND(Decrypt, decrypt)

static CK_RV digest_init(struct bench *b, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
    (void)key;
    return b->p11->C_DigestInit(b->session, m);
}

static CK_RV digest_whole(struct bench *b, uint8_t *out, CK_ULONG *out_len)
{
    return b->p11->C_Digest(b->session, data, data_len, out, out_len);
}

static CK_RV digest_final(struct bench *b, uint8_t *out, CK_ULONG *out_len)
{
    return b->p11->C_DigestFinal(b->session, out, out_len);
}

static CK_RV digest_update(struct bench *b)
{
    return b->p11->C_DigestUpdate(b->session, data, data_len);
}

static CK_RV sign_update(struct bench *b)
{
    return b->p11->C_SignUpdate(b->session, data, data_len);
}

static CK_RV encrypt_update(struct bench *b)
{
    uint8_t out[DATA_LEN + 32];
    CK_ULONG n = sizeof(out);

    return b->p11->C_EncryptUpdate(b->session, data, data_len, out, &n);
}

static CK_RV decrypt_update(struct bench *b)
{
    uint8_t out[DATA_LEN + 32];
    CK_ULONG n = sizeof(out);

    return b->p11->C_DecryptUpdate(b->session, data, data_len, out, &n);
}

/* A fixed signature for verification: the MAC of the data. */
static uint8_t mac[32];

static CK_RV verify_init(struct bench *b, CK_MECHANISM *m, CK_OBJECT_HANDLE key)
{
    return b->p11->C_VerifyInit(b->session, m, key);
}

static CK_RV verify_whole(struct bench *b, uint8_t *out, CK_ULONG *out_len)
{
    (void)out;
    (void)out_len;
    return b->p11->C_Verify(b->session, data, data_len, mac, sizeof(mac));
}

static CK_RV verify_update(struct bench *b)
{
    return b->p11->C_VerifyUpdate(b->session, data, data_len);
}

static CK_RV verify_final(struct bench *b, uint8_t *out, CK_ULONG *out_len)
{
    (void)out;
    (void)out_len;
    return b->p11->C_VerifyFinal(b->session, mac, sizeof(mac));
}

static const struct kind kinds[] = {
    {"digest", CKM_SHA256, BENCH_HMAC, 32, digest_init, digest_whole, digest_update, digest_final},
    {"sign by MAC", CKM_SHA256_HMAC, BENCH_HMAC, 32, sign_init, sign_whole, sign_update,
     sign_final},
    {"sign by RSA", CKM_SHA256_RSA_PKCS, BENCH_RSA_PRIVATE, 256, sign_init, sign_whole, sign_update,
     sign_final},
    {"sign raw by ECDSA", CKM_ECDSA, BENCH_P384_PRIVATE, 96, sign_init, sign_whole, sign_update,
     sign_final},
    {"encrypt by CBC", CKM_AES_CBC, BENCH_AES128, DATA_LEN, encrypt_init, encrypt_whole,
     encrypt_update, encrypt_final},
    {"encrypt with padding", CKM_AES_CBC_PAD, BENCH_AES256, DATA_LEN + 16, encrypt_init,
     encrypt_whole, encrypt_update, encrypt_final},
    {"encrypt by GCM", CKM_AES_GCM, BENCH_AES256, DATA_LEN + 16, encrypt_init, encrypt_whole,
     encrypt_update, encrypt_final},
    {"encrypt by OAEP", CKM_RSA_PKCS_OAEP, BENCH_RSA_PUBLIC, 256, encrypt_init, encrypt_whole,
     encrypt_update, encrypt_final},
    {"decrypt by CTR", CKM_AES_CTR, BENCH_AES256, DATA_LEN, decrypt_init, decrypt_whole,
     decrypt_update, decrypt_final},
    {"verify a MAC", CKM_SHA256_HMAC, BENCH_HMAC, 0, verify_init, verify_whole, verify_update,
     verify_final},
};
#define KINDS ((int)(sizeof(kinds) / sizeof(*kinds)))

struct trial {
    struct bench b;
    const struct kind *kind;
    struct bench_mechanism m;
    uint8_t out[512];
    CK_ULONG len;
};

static void set_mac(struct bench *b)
{
    CK_MECHANISM m = {.mechanism = CKM_SHA256_HMAC};
    CK_ULONG n = sizeof(mac);

    assert_ok(b->p11->C_SignInit(b->session, &m, bench_key(b, BENCH_HMAC)));
    assert_ok(b->p11->C_Sign(b->session, data, data_len, mac, &n));
}

static void begin(struct trial *t, int i)
{
    bench_open(&t->b);
    bench_fill(data, sizeof(data));
    t->kind = &kinds[i];
    t->len = sizeof(t->out);
    bench_mechanism_of(&t->m, t->kind->type);
    if (t->kind->out_len == 0)
        set_mac(&t->b);
}

static CK_RV init(struct trial *t)
{
    t->len = sizeof(t->out);
    return t->kind->init(&t->b, &t->m.mechanism, bench_key(&t->b, t->kind->key));
}

static CK_RV whole(struct trial *t)
{
    t->len = sizeof(t->out);
    return t->kind->whole(&t->b, t->out, &t->len);
}

static CK_RV final(struct trial *t)
{
    t->len = sizeof(t->out);
    return t->kind->final(&t->b, t->out, &t->len);
}

static void assert_none_active(struct trial *t)
{
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, t->kind->update(&t->b));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, whole(t));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, final(t));
}

START_TEST(nothing_goes_without_init)
{
    struct trial t;

    begin(&t, _i);
    assert_none_active(&t);
    bench_close(&t.b);
}
END_TEST

START_TEST(a_second_init_is_refused_and_the_first_goes_on)
{
    struct trial t;

    begin(&t, _i);
    assert_ok(init(&t));
    assert_rv(CKR_OPERATION_ACTIVE, init(&t));
    assert_ok(whole(&t));
    assert_none_active(&t);
    bench_close(&t.b);
}
END_TEST

START_TEST(a_one_shot_ends_it_and_so_does_final)
{
    struct trial t;

    begin(&t, _i);
    assert_ok(init(&t));
    assert_ok(whole(&t));
    assert_none_active(&t);
    assert_ok(init(&t));
    assert_ok(t.kind->update(&t.b));
    assert_ok(final(&t));
    assert_none_active(&t);
    bench_close(&t.b);
}
END_TEST

START_TEST(a_one_shot_after_a_part_fails_and_ends_it)
{
    struct trial t;

    begin(&t, _i);
    assert_ok(init(&t));
    assert_ok(t.kind->update(&t.b));
    assert_rv(CKR_OPERATION_ACTIVE, whole(&t));
    assert_none_active(&t);
    bench_close(&t.b);
}
END_TEST

START_TEST(init_without_a_mechanism_cancels_what_is_active_only)
{
    struct trial t;

    begin(&t, _i);
    assert_rv(CKR_ARGUMENTS_BAD, t.kind->init(&t.b, NULL, 0));
    assert_ok(init(&t));
    assert_ok(t.kind->update(&t.b));
    assert_ok(t.kind->init(&t.b, NULL, 0));
    assert_none_active(&t);
    assert_ok(init(&t));
    assert_ok(whole(&t));
    bench_close(&t.b);
}
END_TEST

START_TEST(a_bad_argument_ends_it)
{
    struct trial t;
    CK_ULONG real = data_len;

    begin(&t, _i);
    assert_ok(init(&t));
    data_len = (CK_ULONG)-1;
    ck_assert_uint_ne(whole(&t), CKR_OK);
    data_len = real;
    assert_none_active(&t);
    if (t.kind->out_len != 0) {
        assert_ok(init(&t));
        assert_rv(CKR_ARGUMENTS_BAD, t.kind->whole(&t.b, t.out, NULL));
        assert_none_active(&t);
        assert_ok(init(&t));
        assert_rv(CKR_ARGUMENTS_BAD, t.kind->final(&t.b, t.out, NULL));
        assert_none_active(&t);
    }
    bench_close(&t.b);
}
END_TEST

START_TEST(a_one_shot_tells_its_length_and_waits_for_room)
{
    struct trial t;

    begin(&t, _i);
    if (t.kind->out_len == 0) {
        bench_close(&t.b);
        return;
    }
    assert_ok(init(&t));
    t.len = 0;
    assert_ok(t.kind->whole(&t.b, NULL, &t.len));
    ck_assert_uint_eq(t.len, t.kind->out_len);
    memset(t.out, 0xee, sizeof(t.out));
    t.len = t.kind->out_len - 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, t.kind->whole(&t.b, t.out, &t.len));
    ck_assert_uint_eq(t.len, t.kind->out_len);
    ck_assert_uint_eq(t.out[0], 0xee);
    t.len = t.kind->out_len;
    assert_ok(t.kind->whole(&t.b, t.out, &t.len));
    ck_assert_uint_eq(t.len, t.kind->out_len);
    ck_assert_uint_eq(t.out[t.len], 0xee);
    assert_none_active(&t);
    bench_close(&t.b);
}
END_TEST

START_TEST(final_tells_its_length_and_waits_for_room)
{
    struct trial t;
    CK_ULONG need = 0;

    begin(&t, _i);
    if (t.kind->out_len == 0) {
        bench_close(&t.b);
        return;
    }
    assert_ok(init(&t));
    assert_ok(t.kind->update(&t.b));
    assert_ok(t.kind->final(&t.b, NULL, &need));
    if (need > 0) {
        t.len = need - 1;
        assert_rv(CKR_BUFFER_TOO_SMALL, t.kind->final(&t.b, t.out, &t.len));
        ck_assert_uint_eq(t.len, need);
        assert_rv(CKR_BUFFER_TOO_SMALL, t.kind->final(&t.b, t.out, &(CK_ULONG){0}));
    }
    t.len = need;
    assert_ok(t.kind->final(&t.b, t.out, &t.len));
    ck_assert_uint_eq(t.len, need);
    assert_none_active(&t);
    bench_close(&t.b);
}
END_TEST

START_TEST(kinds_of_operations_do_not_disturb_one_another)
{
    struct trial t;
    CK_MECHANISM sha = {.mechanism = CKM_SHA512};
    uint8_t digest[64];
    CK_ULONG n = sizeof(digest);

    begin(&t, 4);
    assert_ok(init(&t));
    assert_ok(t.b.p11->C_DigestInit(t.b.session, &sha));
    assert_ok(t.kind->update(&t.b));
    assert_ok(t.b.p11->C_DigestUpdate(t.b.session, data, data_len));
    assert_ok(final(&t));
    assert_ok(t.b.p11->C_DigestFinal(t.b.session, digest, &n));
    bench_close(&t.b);
}
END_TEST

/* ---- a decryption whose length is known only afterwards ---- */

static void encrypt_padded(struct trial *t, size_t len)
{
    assert_ok(encrypt_init(&t->b, &t->m.mechanism, bench_key(&t->b, BENCH_AES256)));
    t->len = sizeof(t->out);
    assert_ok(t->b.p11->C_Encrypt(t->b.session, data, len, t->out, &t->len));
}

START_TEST(a_padded_plaintext_that_does_not_fit_waits_whole)
{
    struct trial t;
    uint8_t back[64];
    CK_ULONG n = 0;

    begin(&t, 5);
    encrypt_padded(&t, 40);
    assert_ok(decrypt_init(&t.b, &t.m.mechanism, bench_key(&t.b, BENCH_AES256)));
    assert_ok(t.b.p11->C_Decrypt(t.b.session, t.out, t.len, NULL, &n));
    ck_assert_uint_ge(n, 40);
    n = 39;
    assert_rv(CKR_BUFFER_TOO_SMALL, t.b.p11->C_Decrypt(t.b.session, t.out, t.len, back, &n));
    ck_assert_uint_eq(n, 40);
    /* A buffer that is just enough, though shorter than what was foretold. */
    assert_ok(t.b.p11->C_Decrypt(t.b.session, t.out, t.len, back, &n));
    ck_assert_uint_eq(n, 40);
    ck_assert_mem_eq(back, data, 40);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              t.b.p11->C_Decrypt(t.b.session, t.out, t.len, back, &n));
    bench_close(&t.b);
}
END_TEST

START_TEST(a_padded_plaintext_that_does_not_fit_waits_at_final)
{
    struct trial t;
    uint8_t back[64];
    CK_ULONG first = sizeof(back);
    CK_ULONG n;

    begin(&t, 5);
    encrypt_padded(&t, 40);
    assert_ok(decrypt_init(&t.b, &t.m.mechanism, bench_key(&t.b, BENCH_AES256)));
    assert_ok(t.b.p11->C_DecryptUpdate(t.b.session, t.out, t.len, back, &first));
    ck_assert_uint_le(first, 32);
    n = 40 - first - 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, t.b.p11->C_DecryptFinal(t.b.session, back + first, &n));
    ck_assert_uint_eq(n, 40 - first);
    /* What waits: its exact length is told, and nothing may be added. */
    n = 0;
    assert_ok(t.b.p11->C_DecryptFinal(t.b.session, NULL, &n));
    ck_assert_uint_eq(n, 40 - first);
    assert_ok(t.b.p11->C_DecryptFinal(t.b.session, back + first, &n));
    ck_assert_uint_eq(n, 40 - first);
    ck_assert_mem_eq(back, data, 40);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, t.b.p11->C_DecryptFinal(t.b.session, back, &n));
    bench_close(&t.b);
}
END_TEST

START_TEST(nothing_is_added_to_a_plaintext_that_waits)
{
    struct trial t;
    uint8_t back[64];
    CK_ULONG n = sizeof(back);

    begin(&t, 5);
    encrypt_padded(&t, 40);
    assert_ok(decrypt_init(&t.b, &t.m.mechanism, bench_key(&t.b, BENCH_AES256)));
    assert_ok(t.b.p11->C_DecryptUpdate(t.b.session, t.out, t.len, back, &n));
    n = 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, t.b.p11->C_DecryptFinal(t.b.session, back, &n));
    n = sizeof(back);
    assert_rv(CKR_OPERATION_ACTIVE, t.b.p11->C_DecryptUpdate(t.b.session, t.out, 16, back, &n));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, t.b.p11->C_DecryptFinal(t.b.session, back, &n));
    bench_close(&t.b);
}
END_TEST

START_TEST(a_part_of_a_cipher_tells_its_length_and_waits_for_room)
{
    struct trial t;
    CK_ULONG n = 0;

    begin(&t, 5);
    assert_ok(init(&t));
    assert_ok(t.b.p11->C_EncryptUpdate(t.b.session, data, 40, NULL, &n));
    ck_assert_uint_eq(n, 32);
    n = 31;
    assert_rv(CKR_BUFFER_TOO_SMALL, t.b.p11->C_EncryptUpdate(t.b.session, data, 40, t.out, &n));
    ck_assert_uint_eq(n, 32);
    assert_ok(t.b.p11->C_EncryptUpdate(t.b.session, data, 40, t.out, &n));
    ck_assert_uint_eq(n, 32);
    /* 8 bytes are kept: with 8 more they make a block. */
    n = 0;
    assert_ok(t.b.p11->C_EncryptUpdate(t.b.session, data + 40, 7, t.out + 32, &n));
    ck_assert_uint_eq(n, 0);
    n = 16;
    assert_ok(t.b.p11->C_EncryptUpdate(t.b.session, data + 47, 1, t.out + 32, &n));
    ck_assert_uint_eq(n, 16);
    n = 16;
    assert_ok(t.b.p11->C_EncryptFinal(t.b.session, t.out + 48, &n));
    ck_assert_uint_eq(n, 16);
    bench_close(&t.b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(nothing_goes_without_init, KINDS),
        CASE_LOOP(a_second_init_is_refused_and_the_first_goes_on, KINDS),
        CASE_LOOP(a_one_shot_ends_it_and_so_does_final, KINDS),
        CASE_LOOP(a_one_shot_after_a_part_fails_and_ends_it, KINDS),
        CASE_LOOP(init_without_a_mechanism_cancels_what_is_active_only, KINDS),
        CASE_LOOP(a_bad_argument_ends_it, KINDS),
        CASE_LOOP(a_one_shot_tells_its_length_and_waits_for_room, KINDS),
        CASE_LOOP(final_tells_its_length_and_waits_for_room, KINDS),
        CASE(kinds_of_operations_do_not_disturb_one_another),
        CASE(a_padded_plaintext_that_does_not_fit_waits_whole),
        CASE(a_padded_plaintext_that_does_not_fit_waits_at_final),
        CASE(nothing_is_added_to_a_plaintext_that_waits),
        CASE(a_part_of_a_cipher_tells_its_length_and_waits_for_room),
    };

    return bench_suite("pkcs11/states", cases, sizeof(cases) / sizeof(*cases));
}
