/* Ciphers of the device: AES against itself and against OpenSSL's sealing, RSA decryption of what
 * OpenSSL encrypted. */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <stdlib.h>
#include <string.h>

static CK_BYTE iv16[16] = {1, 2, 3};
static CK_BYTE aad[] = "header";
static CK_AES_CTR_PARAMS ctr = {.ulCounterBits = 128};
static CK_GCM_PARAMS gcm = {
    .pIv = iv16, .ulIvLen = 12, .ulIvBits = 96, .pAAD = aad, .ulAADLen = 6, .ulTagBits = 128};

static const struct cipher {
    CK_MECHANISM mechanism;
    CK_ULONG key_bits;
    size_t data_len;
    size_t cipher_len;
} ciphers[] = {
    {{CKM_AES_ECB, NULL, 0}, 128, 1600, 1600},
    {{CKM_AES_ECB, NULL, 0}, 256, 1600, 1600},
    {{CKM_AES_CBC, iv16, 16}, 128, 1600, 1600},
    {{CKM_AES_CBC, iv16, 16}, 256, 1600, 1600},
    {{CKM_AES_CBC_PAD, iv16, 16}, 256, 1601, 1616},
    {{CKM_AES_CBC_PAD, iv16, 16}, 256, 0, 16},
    {{CKM_AES_CTR, &ctr, sizeof(ctr)}, 128, 1601, 1601},
    {{CKM_AES_CTR, &ctr, sizeof(ctr)}, 256, 1601, 1601},
    {{CKM_AES_GCM, &gcm, sizeof(gcm)}, 128, 1601, 1617},
    {{CKM_AES_GCM, &gcm, sizeof(gcm)}, 256, 1601, 1617},
    {{CKM_AES_GCM, &gcm, sizeof(gcm)}, 256, 0, 16},
};

#define CIPHERS ((int)(sizeof(ciphers) / sizeof(*ciphers)))

static uint8_t *some_data(size_t len)
{
    uint8_t *data = malloc(len + 1);

    ck_assert(data != NULL);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    return data;
}

static void crypt_in_parts(struct hsm_world *w, enum hsm_use use, const struct hsm_key *key,
                           const CK_MECHANISM *m, struct bytes in, size_t step, struct buf *all)
{
    struct buf out = BUF_INIT(16u << 20);
    struct hsm_op *op = NULL;

    assert_ok(hsm_begin(w->hsm, use, key, m, &op));
    buf_clear(all);
    for (size_t at = 0; at < in.len; at += step) {
        size_t n = in.len - at < step ? in.len - at : step;

        assert_ok(hsm_update(op, BYTES(in.data + at, n), &out));
        buf_put_bytes(all, buf_bytes(&out));
    }
    assert_ok(hsm_final(op, BYTES_NONE, &out));
    buf_put_bytes(all, buf_bytes(&out));
    hsm_op_free(op);
    buf_release_secure(&out);
}

static void round_trip(struct hsm_world *w, const struct hsm_key *key, const CK_MECHANISM *m,
                       struct bytes data, size_t step, size_t cipher_len)
{
    struct buf whole = BUF_INIT(16u << 20);
    struct buf parts = BUF_INIT(16u << 20);
    struct buf plain = BUF_INIT(16u << 20);

    assert_ok(hsm_run(w->hsm, HSM_ENCRYPT, key, m, data, BYTES_NONE, &whole));
    ck_assert_uint_eq(whole.len, cipher_len);
    crypt_in_parts(w, HSM_ENCRYPT, key, m, data, step, &parts);
    ck_assert(bytes_equal(buf_bytes(&whole), buf_bytes(&parts)));
    assert_ok(hsm_run(w->hsm, HSM_DECRYPT, key, m, buf_bytes(&whole), BYTES_NONE, &plain));
    ck_assert(bytes_equal(buf_bytes(&plain), data));
    crypt_in_parts(w, HSM_DECRYPT, key, m, buf_bytes(&whole), step, &plain);
    ck_assert(bytes_equal(buf_bytes(&plain), data));
    buf_release(&whole);
    buf_release(&parts);
    buf_release_secure(&plain);
}

START_TEST(cipher_round_trips_whole_and_in_parts)
{
    const struct cipher *c = &ciphers[_i];
    SCOPED_FREE uint8_t *data = some_data(c->data_len);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, c->key_bits, BYTES_NONE, &key, NULL);
    round_trip(&w, &key, &c->mechanism, BYTES(data, c->data_len), 160, c->cipher_len);
    world_release(&w);
}
END_TEST

START_TEST(data_larger_than_a_message_goes_over_whole_and_in_parts)
{
    const CK_MECHANISM modes[] = {{CKM_AES_CTR, &ctr, sizeof(ctr)},
                                  {CKM_AES_GCM, &gcm, sizeof(gcm)}};
    const size_t len = (3u << 20) + 5;
    SCOPED_FREE uint8_t *data = some_data(len);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 256, BYTES_NONE, &key, NULL);
    round_trip(&w, &key, &modes[_i], BYTES(data, len), 700001, len + (_i == 1 ? 16 : 0));
    world_release(&w);
}
END_TEST

START_TEST(changed_ciphertext_tag_or_header_is_encrypted_data_invalid)
{
    CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    CK_GCM_PARAMS other = gcm;
    CK_MECHANISM m_other = {CKM_AES_GCM, &other, sizeof(other)};
    struct buf sealed = BUF_INIT(4096);
    struct buf plain = BUF_INIT(4096);
    struct hsm_op *op = NULL;
    struct hsm_world w;
    struct hsm_key key;

    other.ulAADLen = 5;
    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 256, BYTES_NONE, &key, NULL);
    assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &m, BYTES_LIT("plain"), BYTES_NONE, &sealed));
    assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&sealed), BYTES_NONE, &plain));
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &m_other, buf_bytes(&sealed), BYTES_NONE, &plain));
    ck_assert_uint_eq(plain.len, 0);
    for (size_t i = 0; i < sealed.len; i += 10) {
        sealed.data[i] ^= 1;
        assert_rv(CKR_ENCRYPTED_DATA_INVALID,
                  hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&sealed), BYTES_NONE, &plain));
        sealed.data[i] ^= 1;
    }
    sealed.data[0] ^= 1;
    assert_ok(hsm_begin(w.hsm, HSM_DECRYPT, &key, &m, &op));
    assert_ok(hsm_update(op, buf_bytes(&sealed), &plain));
    assert_rv(CKR_ENCRYPTED_DATA_INVALID, hsm_final(op, BYTES_NONE, &plain));
    hsm_op_free(op);
    buf_release(&sealed);
    buf_release_secure(&plain);
    world_release(&w);
}
END_TEST

START_TEST(broken_padding_is_encrypted_data_invalid_and_odd_lengths_are_refused)
{
    CK_MECHANISM cbc = {CKM_AES_CBC, iv16, 16};
    CK_MECHANISM pad = {CKM_AES_CBC_PAD, iv16, 16};
    CK_MECHANISM no_iv = {CKM_AES_CBC, NULL, 0};
    static const uint8_t zeros[32];
    struct buf sealed = BUF_INIT(4096);
    struct buf plain = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 256, BYTES_NONE, &key, NULL);
    assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &cbc, BYTES(zeros, 32), BYTES_NONE, &sealed));
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &pad, buf_bytes(&sealed), BYTES_NONE, &plain));
    assert_rv(CKR_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_ENCRYPT, &key, &cbc, BYTES(zeros, 31), BYTES_NONE, &sealed));
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &cbc, BYTES(zeros, 31), BYTES_NONE, &plain));
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              hsm_run(w.hsm, HSM_ENCRYPT, &key, &no_iv, BYTES(zeros, 32), BYTES_NONE, &sealed));
    buf_release(&sealed);
    buf_release(&plain);
    world_release(&w);
}
END_TEST

/* ---- RSA ---- */

static CK_BYTE label[] = "label";

static const struct oaep {
    CK_MECHANISM_TYPE hash;
    CK_RSA_PKCS_MGF_TYPE mgf;
    size_t label_len;
} oaeps[] = {
    {CKM_SHA_1, CKG_MGF1_SHA1, 0},    {CKM_SHA_1, CKG_MGF1_SHA1, 5},
    {CKM_SHA256, CKG_MGF1_SHA256, 0}, {CKM_SHA256, CKG_MGF1_SHA256, 5},
    {CKM_SHA256, CKG_MGF1_SHA1, 0},   {CKM_SHA384, CKG_MGF1_SHA384, 0},
    {CKM_SHA512, CKG_MGF1_SHA512, 0},
};

#define OAEPS ((int)(sizeof(oaeps) / sizeof(*oaeps)))

START_TEST(oaep_of_openssl_is_decrypted_and_a_changed_one_is_refused)
{
    const struct oaep *o = &oaeps[_i];
    CK_RSA_PKCS_OAEP_PARAMS p = {o->hash, o->mgf, CKZ_DATA_SPECIFIED,
                                 o->label_len > 0 ? label : NULL, o->label_len};
    CK_MECHANISM m = {CKM_RSA_PKCS_OAEP, &p, sizeof(p)};
    struct buf spki = BUF_INIT(4096);
    struct buf sealed = BUF_INIT(4096);
    struct buf plain = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_RSA, 2048, BYTES_NONE, &key, &spki);
    for (size_t len = 0; len < 60; len += 59) {
        static const uint8_t text[60] = {0, 1, 0, 2};

        assert_ok(local_encrypt(w.local, buf_bytes(&spki), &m, BYTES(text, len), &sealed));
        assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&sealed), BYTES_NONE, &plain));
        ck_assert(bytes_equal(buf_bytes(&plain), BYTES(text, len)));
    }
    sealed.data[sealed.len - 1] ^= 1;
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&sealed), BYTES_NONE, &plain));
    p.ulSourceDataLen = o->label_len > 0 ? 4 : 5;
    p.pSourceData = label;
    sealed.data[sealed.len - 1] ^= 1;
    assert_rv(CKR_ENCRYPTED_DATA_INVALID,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&sealed), BYTES_NONE, &plain));
    ck_assert_uint_eq(plain.len, 0);
    buf_release(&spki);
    buf_release(&sealed);
    buf_release_secure(&plain);
    world_release(&w);
}
END_TEST

START_TEST(rsa_pkcs_is_decrypted_and_other_lengths_are_refused)
{
    CK_MECHANISM m = {CKM_RSA_PKCS, NULL, 0};
    struct buf spki = BUF_INIT(4096);
    struct buf sealed = BUF_INIT(4096);
    struct buf plain = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_RSA, 2048, BYTES_NONE, &key, &spki);
    assert_ok(local_encrypt(w.local, buf_bytes(&spki), &m, BYTES_LIT("a key"), &sealed));
    assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &m, buf_bytes(&sealed), BYTES_NONE, &plain));
    ck_assert(bytes_equal_str(buf_bytes(&plain), "a key"));
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &m, BYTES(sealed.data, 255), BYTES_NONE, &plain));
    buf_release(&spki);
    buf_release(&sealed);
    buf_release_secure(&plain);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(cipher_round_trips_whole_and_in_parts, CIPHERS),
        CASE_LOOP(data_larger_than_a_message_goes_over_whole_and_in_parts, 2),
        CASE(changed_ciphertext_tag_or_header_is_encrypted_data_invalid),
        CASE(broken_padding_is_encrypted_data_invalid_and_odd_lengths_are_refused),
        CASE_LOOP(oaep_of_openssl_is_decrypted_and_a_changed_one_is_refused, OAEPS),
        CASE(rsa_pkcs_is_decrypted_and_other_lengths_are_refused),
    };

    return suite_run("hsm/ciphers", cases, sizeof(cases) / sizeof(*cases));
}
