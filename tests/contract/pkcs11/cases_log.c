/* What operations leave in the log: one record a result, an intent before a cipher's first part,
 * nothing for a question. */
#include "tests/contract/pkcs11/bench.h"

#define RECORDS 16

struct watch {
    struct bench b;
    struct bench_mechanism m;
    struct bench_record got[RECORDS];
    size_t count;
    uint8_t data[64], out[512];
    CK_ULONG len;
};

static void begin(struct watch *w, CK_MECHANISM_TYPE type)
{
    memset(w, 0, sizeof(*w));
    bench_open(&w->b);
    bench_fill(w->data, sizeof(w->data));
    bench_mechanism_of(&w->m, type);
    w->len = sizeof(w->out);
}

/* Keys are made before the watch begins: their records are not of operations. */
static CK_OBJECT_HANDLE key_of(struct watch *w, enum bench_key key)
{
    CK_OBJECT_HANDLE handle = bench_key(&w->b, key);

    (void)bench_records(&w->b, w->got, RECORDS);
    return handle;
}

static void look(struct watch *w, size_t want)
{
    w->count = bench_records(&w->b, w->got, RECORDS);
    ck_assert_uint_eq(w->count, want);
}

static void assert_record(const struct bench_record *r, const char *phase, const char *function,
                          const char *action, const char *mechanism, const char *rv)
{
    ck_assert_str_eq(r->phase, phase);
    ck_assert_str_eq(r->function, function);
    ck_assert_str_eq(r->action, action);
    ck_assert_str_eq(r->mechanism, mechanism);
    ck_assert_str_eq(r->rv, rv);
}

static void assert_length(const struct bench_record *r, uint64_t length, bool digest)
{
    ck_assert(r->has_length);
    ck_assert_uint_eq(r->length, length);
    ck_assert_uint_eq(strlen(r->digest), digest ? 64 : 0);
}

START_TEST(a_signature_is_one_record_with_the_keyed_digest_of_the_data)
{
    struct watch w;
    CK_OBJECT_HANDLE key;
    char digest[65];

    begin(&w, CKM_ECDSA_SHA256);
    key = key_of(&w, BENCH_P256_PRIVATE);
    assert_ok(w.b.p11->C_SignInit(w.b.session, &w.m.mechanism, key));
    look(&w, 0);
    assert_ok(w.b.p11->C_Sign(w.b.session, w.data, 50, NULL, &w.len));
    assert_rv(CKR_BUFFER_TOO_SMALL,
              w.b.p11->C_Sign(w.b.session, w.data, 50, w.out, &(CK_ULONG){1}));
    look(&w, 0);
    assert_ok(w.b.p11->C_Sign(w.b.session, w.data, 50, w.out, &w.len));
    look(&w, 1);
    assert_record(&w.got[0], "done", "C_Sign", "sign", "CKM_ECDSA_SHA256", "CKR_OK");
    assert_length(&w.got[0], 50, true);
    memcpy(digest, w.got[0].digest, sizeof(digest));
    /* In parts: one record at the end, and the same digest. */
    assert_ok(w.b.p11->C_SignInit(w.b.session, &w.m.mechanism, key));
    assert_ok(w.b.p11->C_SignUpdate(w.b.session, w.data, 20));
    assert_ok(w.b.p11->C_SignUpdate(w.b.session, w.data + 20, 30));
    look(&w, 0);
    w.len = sizeof(w.out);
    assert_ok(w.b.p11->C_SignFinal(w.b.session, w.out, &w.len));
    look(&w, 1);
    assert_record(&w.got[0], "done", "C_SignFinal", "sign", "CKM_ECDSA_SHA256", "CKR_OK");
    assert_length(&w.got[0], 50, true);
    ck_assert_str_eq(w.got[0].digest, digest);
    bench_close(&w.b);
}
END_TEST

START_TEST(a_signature_that_is_refused_stands_in_the_log_as_that)
{
    struct watch w;
    CK_OBJECT_HANDLE key;

    begin(&w, CKM_ECDSA_SHA256);
    key = key_of(&w, BENCH_P256_PUBLIC);
    assert_ok(w.b.p11->C_VerifyInit(w.b.session, &w.m.mechanism, key));
    assert_rv(CKR_SIGNATURE_INVALID, w.b.p11->C_Verify(w.b.session, w.data, 64, w.data, 64));
    look(&w, 1);
    assert_record(&w.got[0], "done", "C_Verify", "verify", "CKM_ECDSA_SHA256",
                  "CKR_SIGNATURE_INVALID");
    assert_length(&w.got[0], 64, true);
    bench_close(&w.b);
}
END_TEST

START_TEST(an_encryption_is_one_record_with_its_length)
{
    struct watch w;
    CK_OBJECT_HANDLE key;

    begin(&w, CKM_AES_GCM);
    key = key_of(&w, BENCH_AES256);
    assert_ok(w.b.p11->C_EncryptInit(w.b.session, &w.m.mechanism, key));
    assert_ok(w.b.p11->C_Encrypt(w.b.session, w.data, 33, w.out, &w.len));
    look(&w, 1);
    assert_record(&w.got[0], "done", "C_Encrypt", "encrypt", "CKM_AES_GCM", "CKR_OK");
    assert_length(&w.got[0], 33, false);
    /* Gathered until its tag: no intent is needed, for no part is released. */
    assert_ok(w.b.p11->C_DecryptInit(w.b.session, &w.m.mechanism, key));
    assert_ok(w.b.p11->C_DecryptUpdate(w.b.session, w.out, w.len, w.data, &(CK_ULONG){64}));
    look(&w, 0);
    assert_ok(w.b.p11->C_DecryptFinal(w.b.session, w.data, &(CK_ULONG){64}));
    look(&w, 1);
    assert_record(&w.got[0], "done", "C_DecryptFinal", "decrypt", "CKM_AES_GCM", "CKR_OK");
    assert_length(&w.got[0], 49, false);
    bench_close(&w.b);
}
END_TEST

START_TEST(an_encryption_in_parts_is_an_intent_and_its_outcome)
{
    struct watch w;
    CK_OBJECT_HANDLE key;
    CK_ULONG n = 64;

    begin(&w, CKM_AES_CBC_PAD);
    key = key_of(&w, BENCH_AES256);
    assert_ok(w.b.p11->C_EncryptInit(w.b.session, &w.m.mechanism, key));
    assert_ok(w.b.p11->C_EncryptUpdate(w.b.session, w.data, 20, NULL, &n));
    look(&w, 0);
    n = 64;
    assert_ok(w.b.p11->C_EncryptUpdate(w.b.session, w.data, 20, w.out, &n));
    look(&w, 1);
    assert_record(&w.got[0], "intent", "C_EncryptUpdate", "encrypt", "CKM_AES_CBC_PAD", "");
    n = 64;
    assert_ok(w.b.p11->C_EncryptUpdate(w.b.session, w.data, 30, w.out, &n));
    look(&w, 0);
    n = 64;
    assert_ok(w.b.p11->C_EncryptFinal(w.b.session, w.out, &n));
    look(&w, 1);
    assert_record(&w.got[0], "outcome", "C_EncryptFinal", "encrypt", "CKM_AES_CBC_PAD", "CKR_OK");
    assert_length(&w.got[0], 50, false);
    bench_close(&w.b);
}
END_TEST

START_TEST(a_plaintext_that_does_not_fit_is_on_record_before_its_length_is_told)
{
    struct watch w;
    CK_OBJECT_HANDLE key;
    CK_ULONG n = 64;

    begin(&w, CKM_AES_CBC_PAD);
    key = key_of(&w, BENCH_AES256);
    assert_ok(w.b.p11->C_EncryptInit(w.b.session, &w.m.mechanism, key));
    assert_ok(w.b.p11->C_Encrypt(w.b.session, w.data, 40, w.out, &n));
    look(&w, 1);
    assert_ok(w.b.p11->C_DecryptInit(w.b.session, &w.m.mechanism, key));
    assert_rv(CKR_BUFFER_TOO_SMALL,
              w.b.p11->C_Decrypt(w.b.session, w.out, n, w.data, &(CK_ULONG){39}));
    look(&w, 1);
    assert_record(&w.got[0], "intent", "C_Decrypt", "decrypt", "CKM_AES_CBC_PAD", "");
    assert_ok(w.b.p11->C_Decrypt(w.b.session, w.out, n, w.data, &(CK_ULONG){40}));
    look(&w, 1);
    assert_record(&w.got[0], "outcome", "C_Decrypt", "decrypt", "CKM_AES_CBC_PAD", "CKR_OK");
    bench_close(&w.b);
}
END_TEST

START_TEST(a_part_that_fails_is_on_record)
{
    struct watch w;
    CK_OBJECT_HANDLE key;
    static uint8_t big[4000];

    begin(&w, CKM_ECDSA);
    key = key_of(&w, BENCH_P256_PRIVATE);
    assert_ok(w.b.p11->C_SignInit(w.b.session, &w.m.mechanism, key));
    assert_rv(CKR_DATA_LEN_RANGE, w.b.p11->C_SignUpdate(w.b.session, big, sizeof(big)));
    look(&w, 1);
    assert_record(&w.got[0], "done", "C_SignUpdate", "sign", "CKM_ECDSA", "CKR_DATA_LEN_RANGE");
    bench_close(&w.b);
}
END_TEST

START_TEST(digests_and_random_numbers_are_records_with_their_length)
{
    struct watch w;
    CK_MECHANISM sha = {.mechanism = CKM_SHA384};
    CK_ULONG n = 64;

    begin(&w, CKM_AES_ECB);
    (void)bench_records(&w.b, w.got, RECORDS);
    assert_ok(w.b.p11->C_DigestInit(w.b.session, &sha));
    assert_ok(w.b.p11->C_Digest(w.b.session, w.data, 31, w.out, &n));
    assert_ok(w.b.p11->C_DigestInit(w.b.session, &sha));
    assert_ok(w.b.p11->C_DigestUpdate(w.b.session, w.data, 31));
    assert_ok(w.b.p11->C_DigestUpdate(w.b.session, w.data, 10));
    n = 64;
    assert_ok(w.b.p11->C_DigestFinal(w.b.session, w.out, &n));
    assert_ok(w.b.p11->C_GenerateRandom(w.b.session, w.out, 24));
    look(&w, 3);
    assert_record(&w.got[0], "done", "C_Digest", "digest", "CKM_SHA384", "CKR_OK");
    assert_length(&w.got[0], 31, false);
    assert_record(&w.got[1], "done", "C_DigestFinal", "digest", "CKM_SHA384", "CKR_OK");
    assert_length(&w.got[1], 41, false);
    assert_record(&w.got[2], "done", "C_GenerateRandom", "random", "", "CKR_OK");
    assert_length(&w.got[2], 24, false);
    bench_close(&w.b);
}
END_TEST

START_TEST(a_key_that_is_not_digested_is_on_record)
{
    struct watch w;
    CK_MECHANISM sha = {.mechanism = CKM_SHA256};
    CK_OBJECT_HANDLE key;

    begin(&w, CKM_AES_ECB);
    key = key_of(&w, BENCH_AES128);
    assert_ok(w.b.p11->C_DigestInit(w.b.session, &sha));
    assert_rv(CKR_KEY_INDIGESTIBLE, w.b.p11->C_DigestKey(w.b.session, key));
    look(&w, 1);
    assert_record(&w.got[0], "done", "C_DigestKey", "digest", "CKM_SHA256", "CKR_KEY_INDIGESTIBLE");
    bench_close(&w.b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_signature_is_one_record_with_the_keyed_digest_of_the_data, 60),
        CASE_SLOW(a_signature_that_is_refused_stands_in_the_log_as_that, 60),
        CASE_SLOW(an_encryption_is_one_record_with_its_length, 60),
        CASE_SLOW(an_encryption_in_parts_is_an_intent_and_its_outcome, 60),
        CASE_SLOW(a_plaintext_that_does_not_fit_is_on_record_before_its_length_is_told, 60),
        CASE_SLOW(a_part_that_fails_is_on_record, 60),
        CASE_SLOW(digests_and_random_numbers_are_records_with_their_length, 60),
        CASE_SLOW(a_key_that_is_not_digested_is_on_record, 60),
    };

    return bench_suite("pkcs11/log", cases, sizeof(cases) / sizeof(*cases));
}
