/*
 * Two operations in one call (PKCS#11 2.40, 5.14): what comes out is what the two give one after
 * the other, and what ends one ends both.
 */
#include "tests/contract/pkcs11/bench.h"

#define PARTS    3
#define PART_LEN 32
#define DATA_LEN (PARTS * PART_LEN)

struct work {
    struct bench b;
    uint8_t data[DATA_LEN];
    uint8_t cipher[DATA_LEN];
    uint8_t plain[DATA_LEN];
    uint8_t sum[32]; /* digest or MAC */
    struct bench_mechanism cbc;
};

static CK_MECHANISM sha256 = {.mechanism = CKM_SHA256};
static CK_MECHANISM hmac = {.mechanism = CKM_SHA256_HMAC};
static CK_MECHANISM ecdsa = {.mechanism = CKM_ECDSA};

static void open_work(struct work *w)
{
    memset(w, 0, sizeof(*w));
    bench_open(&w->b);
    bench_fill(w->data, sizeof(w->data));
}

static CK_MECHANISM *cbc(struct work *w)
{
    return bench_mechanism_of(&w->cbc, CKM_AES_CBC);
}

static void encrypt_init(struct work *w)
{
    assert_ok(w->b.p11->C_EncryptInit(w->b.session, cbc(w), bench_key(&w->b, BENCH_AES128)));
}

static void decrypt_init(struct work *w)
{
    assert_ok(w->b.p11->C_DecryptInit(w->b.session, cbc(w), bench_key(&w->b, BENCH_AES128)));
}

/* One of the four functions over all the data. */
static void all_parts(struct work *w, CK_C_DigestEncryptUpdate update, uint8_t *in, uint8_t *out)
{
    for (size_t i = 0; i < PARTS; i++) {
        CK_ULONG len = PART_LEN;

        assert_ok(update(w->b.session, in + i * PART_LEN, PART_LEN, out + i * PART_LEN, &len));
        ck_assert_uint_eq(len, PART_LEN);
    }
}

static void encrypt_final(struct work *w)
{
    CK_ULONG none = 0;

    assert_ok(w->b.p11->C_EncryptFinal(w->b.session, (CK_BYTE[1]){0}, &none));
}

static void decrypt_final(struct work *w)
{
    CK_ULONG none = 0;

    assert_ok(w->b.p11->C_DecryptFinal(w->b.session, (CK_BYTE[1]){0}, &none));
}

/* Ciphertext and digest as the two functions alone make them. */
static void make_expected(struct work *w, uint8_t cipher[DATA_LEN], uint8_t digest[32])
{
    CK_ULONG len = DATA_LEN;

    encrypt_init(w);
    assert_ok(w->b.p11->C_Encrypt(w->b.session, w->data, DATA_LEN, cipher, &len));
    len = 32;
    assert_ok(w->b.p11->C_DigestInit(w->b.session, &sha256));
    assert_ok(w->b.p11->C_Digest(w->b.session, w->data, DATA_LEN, digest, &len));
}

START_TEST(digest_and_encryption_in_one_call_give_what_both_give_alone)
{
    struct work w;
    uint8_t cipher[DATA_LEN];
    uint8_t digest[32];
    CK_ULONG len = sizeof(w.sum);

    open_work(&w);
    make_expected(&w, cipher, digest);
    encrypt_init(&w);
    assert_ok(w.b.p11->C_DigestInit(w.b.session, &sha256));
    all_parts(&w, w.b.p11->C_DigestEncryptUpdate, w.data, w.cipher);
    encrypt_final(&w);
    assert_ok(w.b.p11->C_DigestFinal(w.b.session, w.sum, &len));
    ck_assert_mem_eq(w.cipher, cipher, DATA_LEN);
    ck_assert_mem_eq(w.sum, digest, 32);

    decrypt_init(&w);
    assert_ok(w.b.p11->C_DigestInit(w.b.session, &sha256));
    all_parts(&w, w.b.p11->C_DecryptDigestUpdate, w.cipher, w.plain);
    decrypt_final(&w);
    memset(w.sum, 0, sizeof(w.sum));
    assert_ok(w.b.p11->C_DigestFinal(w.b.session, w.sum, &len));
    ck_assert_mem_eq(w.plain, w.data, DATA_LEN);
    ck_assert_mem_eq(w.sum, digest, 32);
    bench_close(&w.b);
}
END_TEST

static void sign_and_encrypt(struct work *w)
{
    CK_ULONG len = sizeof(w->sum);

    encrypt_init(w);
    assert_ok(w->b.p11->C_SignInit(w->b.session, &hmac, bench_key(&w->b, BENCH_HMAC)));
    all_parts(w, w->b.p11->C_SignEncryptUpdate, w->data, w->cipher);
    encrypt_final(w);
    assert_ok(w->b.p11->C_SignFinal(w->b.session, w->sum, &len));
}

static CK_RV decrypt_and_verify(struct work *w)
{
    decrypt_init(w);
    assert_ok(w->b.p11->C_VerifyInit(w->b.session, &hmac, bench_key(&w->b, BENCH_HMAC)));
    all_parts(w, w->b.p11->C_DecryptVerifyUpdate, w->cipher, w->plain);
    decrypt_final(w);
    return w->b.p11->C_VerifyFinal(w->b.session, w->sum, sizeof(w->sum));
}

START_TEST(what_was_signed_and_encrypted_is_decrypted_and_verified_and_nothing_else)
{
    struct work w;
    uint8_t mac[32];
    CK_ULONG len = sizeof(mac);

    open_work(&w);
    sign_and_encrypt(&w);
    assert_ok(w.b.p11->C_SignInit(w.b.session, &hmac, bench_key(&w.b, BENCH_HMAC)));
    assert_ok(w.b.p11->C_Sign(w.b.session, w.data, DATA_LEN, mac, &len));
    ck_assert_mem_eq(w.sum, mac, 32);
    assert_ok(decrypt_and_verify(&w));
    ck_assert_mem_eq(w.plain, w.data, DATA_LEN);
    w.cipher[DATA_LEN - 1] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, decrypt_and_verify(&w));
    bench_close(&w.b);
}
END_TEST

START_TEST(one_call_for_two_needs_both)
{
    struct work w;
    CK_ULONG len = PART_LEN;

    open_work(&w);
    assert_ok(w.b.p11->C_DigestInit(w.b.session, &sha256));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              w.b.p11->C_DigestEncryptUpdate(w.b.session, w.data, PART_LEN, w.cipher, &len));
    encrypt_init(&w);
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              w.b.p11->C_SignEncryptUpdate(w.b.session, w.data, PART_LEN, w.cipher, &len));
    /* A call that found only one of them has not touched it. */
    assert_ok(w.b.p11->C_DigestEncryptUpdate(w.b.session, w.data, PART_LEN, w.cipher, &len));
    bench_close(&w.b);
}
END_TEST

START_TEST(a_short_buffer_changes_neither_operation)
{
    struct work w;
    uint8_t cipher[DATA_LEN];
    uint8_t digest[32];
    CK_ULONG len = PART_LEN - 1;

    open_work(&w);
    make_expected(&w, cipher, digest);
    encrypt_init(&w);
    assert_ok(w.b.p11->C_DigestInit(w.b.session, &sha256));
    assert_rv(CKR_BUFFER_TOO_SMALL,
              w.b.p11->C_DigestEncryptUpdate(w.b.session, w.data, PART_LEN, w.cipher, &len));
    ck_assert_uint_eq(len, PART_LEN);
    len = 0;
    assert_ok(w.b.p11->C_DigestEncryptUpdate(w.b.session, w.data, PART_LEN, NULL, &len));
    ck_assert_uint_eq(len, PART_LEN);
    all_parts(&w, w.b.p11->C_DigestEncryptUpdate, w.data, w.cipher);
    len = sizeof(w.sum);
    assert_ok(w.b.p11->C_DigestFinal(w.b.session, w.sum, &len));
    ck_assert_mem_eq(w.cipher, cipher, DATA_LEN);
    ck_assert_mem_eq(w.sum, digest, 32);
    bench_close(&w.b);
}
END_TEST

/* More than raw ECDSA can sign, after a part that was released. */
START_TEST(a_failure_of_one_ends_both_releases_nothing_and_is_on_record)
{
    struct work w;
    static uint8_t much[4096];
    static uint8_t out[4096];
    static const uint8_t untouched[sizeof(out)];
    struct bench_record got[4];
    CK_ULONG len = PART_LEN;

    open_work(&w);
    encrypt_init(&w);
    assert_ok(w.b.p11->C_SignInit(w.b.session, &ecdsa, bench_key(&w.b, BENCH_P256_PRIVATE)));
    (void)bench_records(&w.b, got, 4);
    assert_ok(w.b.p11->C_SignEncryptUpdate(w.b.session, w.data, PART_LEN, w.cipher, &len));
    ck_assert_uint_eq(bench_records(&w.b, got, 4), 1);
    ck_assert_str_eq(got[0].phase, "intent");
    ck_assert_str_eq(got[0].action, "encrypt");
    len = sizeof(out);
    assert_rv(CKR_DATA_LEN_RANGE,
              w.b.p11->C_SignEncryptUpdate(w.b.session, much, sizeof(much), out, &len));
    ck_assert_mem_eq(out, untouched, sizeof(out));
    ck_assert_uint_eq(bench_records(&w.b, got, 4), 1);
    ck_assert_str_eq(got[0].phase, "outcome");
    ck_assert_str_eq(got[0].function, "C_SignEncryptUpdate");
    ck_assert_str_eq(got[0].rv, "CKR_DATA_LEN_RANGE");
    assert_rv(CKR_OPERATION_NOT_INITIALIZED,
              w.b.p11->C_EncryptUpdate(w.b.session, w.data, PART_LEN, w.cipher, &len));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, w.b.p11->C_SignUpdate(w.b.session, w.data, PART_LEN));
    bench_close(&w.b);
}
END_TEST

START_TEST(a_cancelled_cipher_has_an_outcome_in_the_log)
{
    struct work w;
    struct bench_record got[4];
    CK_ULONG len = PART_LEN;

    open_work(&w);
    encrypt_init(&w);
    assert_ok(w.b.p11->C_EncryptUpdate(w.b.session, w.data, PART_LEN, w.cipher, &len));
    (void)bench_records(&w.b, got, 4);
    assert_ok(w.b.p11->C_EncryptInit(w.b.session, NULL, 0));
    ck_assert_uint_eq(bench_records(&w.b, got, 4), 1);
    ck_assert_str_eq(got[0].phase, "outcome");
    ck_assert_str_eq(got[0].rv, "CKR_FUNCTION_CANCELED");
    /* Before its first part there is nothing to tell of. */
    encrypt_init(&w);
    assert_ok(w.b.p11->C_EncryptInit(w.b.session, NULL, 0));
    ck_assert_uint_eq(bench_records(&w.b, got, 4), 0);
    bench_close(&w.b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(digest_and_encryption_in_one_call_give_what_both_give_alone),
        CASE(what_was_signed_and_encrypted_is_decrypted_and_verified_and_nothing_else),
        CASE(one_call_for_two_needs_both),
        CASE(a_short_buffer_changes_neither_operation),
        CASE(a_failure_of_one_ends_both_releases_nothing_and_is_on_record),
        CASE(a_cancelled_cipher_has_an_outcome_in_the_log),
    };

    return bench_suite("pkcs11/dual", cases, sizeof(cases) / sizeof(*cases));
}
