/* Wrapping and unwrapping, on both devices: the standards' examples, round trips, and every fault
 * refused with the word for keys. */
#include "hsm/local_wrap.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <string.h>

static void put_hex(struct buf *b, const char *hex)
{
    size_t n = strlen(hex) / 2;

    ck_assert(bytes_from_hex(hex, buf_grow(b, n), n));
}

static void world_start(struct hsm_world *w)
{
    world_init(w);
    world_open(w);
}

/* RFC 3394, 4.1 to 4.6; RFC 5649, 6. */
static const struct example {
    CK_MECHANISM_TYPE mechanism;
    const char *kek, *key, *wrapped;
} examples[] = {
    {CKM_AES_KEY_WRAP, "000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF",
     "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
    {CKM_AES_KEY_WRAP, "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
     "00112233445566778899AABBCCDDEEFF0001020304050607",
     "A8F9BC1612C68B3FF6E6F4FBE30E71E4769C8B80A32CB8958CD5D17D6B254DA1"},
    {CKM_AES_KEY_WRAP, "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
     "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
     "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
    {CKM_AES_KEY_WRAP_KWP, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
     "c37b7e6492584340bed12207808941155068f738",
     "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"},
    {CKM_AES_KEY_WRAP_KWP, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "466f7250617369",
     "afbeb0f07dfbf5419200f2ccb50bb24f"},
};

#define EXAMPLES ((int)(sizeof(examples) / sizeof(*examples)))

struct wrapping {
    struct hsm_world w;
    struct hsm_key kek;
    struct buf key, wrapped, out;
    CK_MECHANISM m;
};

static void wrapping_init(struct wrapping *t, const struct example *e)
{
    struct buf kek = BUF_INIT(64);

    t->key = BUF_INIT(4096);
    t->wrapped = BUF_INIT(4096);
    t->out = BUF_INIT(4096);
    t->m = (CK_MECHANISM){e->mechanism, NULL, 0};
    put_hex(&kek, e->kek);
    put_hex(&t->key, e->key);
    put_hex(&t->wrapped, e->wrapped);
    world_start(&t->w);
    world_import(&t->w, HSM_KEY_SECRET, CKK_AES, buf_bytes(&kek), &t->kek, NULL);
    buf_release(&kek);
}

static void wrapping_release(struct wrapping *t)
{
    buf_release(&t->key);
    buf_release(&t->wrapped);
    buf_release(&t->out);
    world_release(&t->w);
}

static CK_RV unwrap(struct wrapping *t, struct bytes wrapped)
{
    return hsm_run(t->w.hsm, HSM_UNWRAP, &t->kek, &t->m, wrapped, BYTES_NONE, &t->out);
}

START_TEST(examples_of_the_standards_are_wrapped_and_unwrapped)
{
    struct wrapping t;

    wrapping_init(&t, &examples[_i]);
    assert_ok(hsm_run(t.w.hsm, HSM_WRAP, &t.kek, &t.m, buf_bytes(&t.key), BYTES_NONE, &t.out));
    ck_assert(bytes_equal(buf_bytes(&t.out), buf_bytes(&t.wrapped)));
    assert_ok(unwrap(&t, buf_bytes(&t.wrapped)));
    ck_assert(bytes_equal(buf_bytes(&t.out), buf_bytes(&t.key)));
    wrapping_release(&t);
}
END_TEST

START_TEST(changed_and_cut_wrapped_keys_are_refused)
{
    struct wrapping t;

    wrapping_init(&t, &examples[_i]);
    for (size_t i = 0; i < t.wrapped.len; i += 5) {
        t.wrapped.data[i] ^= 1;
        assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(&t, buf_bytes(&t.wrapped)));
        ck_assert_uint_eq(t.out.len, 0);
        t.wrapped.data[i] ^= 1;
    }
    assert_rv(CKR_WRAPPED_KEY_LEN_RANGE, unwrap(&t, BYTES(t.wrapped.data, t.wrapped.len - 1)));
    assert_rv(CKR_WRAPPED_KEY_LEN_RANGE, unwrap(&t, BYTES(t.wrapped.data, 8)));
    assert_rv(CKR_WRAPPED_KEY_LEN_RANGE, unwrap(&t, BYTES_NONE));
    /* The other form's constant is not this one's. */
    t.m.mechanism = t.m.mechanism == CKM_AES_KEY_WRAP ? CKM_AES_KEY_WRAP_KWP : CKM_AES_KEY_WRAP;
    ck_assert(unwrap(&t, buf_bytes(&t.wrapped)) != CKR_OK);
    wrapping_release(&t);
}
END_TEST

START_TEST(key_of_odd_length_is_wrapped_with_padding_only)
{
    static const uint8_t key[17] = {1};
    struct wrapping t;

    wrapping_init(&t, &examples[0]);
    assert_rv(CKR_KEY_SIZE_RANGE,
              hsm_run(t.w.hsm, HSM_WRAP, &t.kek, &t.m, BYTES(key, 17), BYTES_NONE, &t.out));
    assert_rv(CKR_KEY_SIZE_RANGE,
              hsm_run(t.w.hsm, HSM_WRAP, &t.kek, &t.m, BYTES(key, 8), BYTES_NONE, &t.out));
    t.m.mechanism = CKM_AES_KEY_WRAP_KWP;
    assert_ok(hsm_run(t.w.hsm, HSM_WRAP, &t.kek, &t.m, BYTES(key, 17), BYTES_NONE, &t.wrapped));
    assert_ok(unwrap(&t, buf_bytes(&t.wrapped)));
    ck_assert(bytes_equal(buf_bytes(&t.out), BYTES(key, 17)));
    wrapping_release(&t);
}
END_TEST

START_TEST(ciphers_wrap_too_and_a_fault_has_the_word_for_keys)
{
    static CK_BYTE iv[16] = {9};
    CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = 12, .ulIvBits = 96, .ulTagBits = 128};
    const CK_MECHANISM modes[] = {{CKM_AES_CBC_PAD, iv, 16}, {CKM_AES_GCM, &gcm, sizeof(gcm)}};
    struct wrapping t;

    wrapping_init(&t, &examples[1]);
    t.m = modes[_i];
    assert_ok(hsm_run(t.w.hsm, HSM_WRAP, &t.kek, &t.m, buf_bytes(&t.key), BYTES_NONE, &t.wrapped));
    assert_ok(unwrap(&t, buf_bytes(&t.wrapped)));
    ck_assert(bytes_equal(buf_bytes(&t.out), buf_bytes(&t.key)));
    t.wrapped.data[t.wrapped.len - 1] ^= 0x80;
    assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(&t, buf_bytes(&t.wrapped)));
    if (_i == 0)
        assert_rv(CKR_WRAPPED_KEY_LEN_RANGE, unwrap(&t, BYTES(t.wrapped.data, 15)));
    wrapping_release(&t);
}
END_TEST

START_TEST(private_key_unwraps_what_was_wrapped_to_its_public_half)
{
    CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
    CK_RSA_AES_KEY_WRAP_PARAMS both = {256, &oaep};
    const CK_MECHANISM modes[] = {{CKM_RSA_PKCS_OAEP, &oaep, sizeof(oaep)},
                                  {CKM_RSA_AES_KEY_WRAP, &both, sizeof(both)}};
    CK_MECHANISM m = modes[_i];
    static const uint8_t key[1200] = {3};
    size_t len = _i == 0 ? 32 : sizeof(key);
    struct buf spki = BUF_INIT(4096);
    struct buf wrapped = BUF_INIT(4096);
    struct buf out = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key rsa;

    world_start(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_RSA, 2048, BYTES_NONE, &rsa, &spki);
    assert_ok(local_wrap(w.local, buf_bytes(&spki), &m, BYTES(key, len), &wrapped));
    assert_ok(hsm_run(w.hsm, HSM_UNWRAP, &rsa, &m, buf_bytes(&wrapped), BYTES_NONE, &out));
    ck_assert(bytes_equal(buf_bytes(&out), BYTES(key, len)));
    wrapped.data[wrapped.len - 1] ^= 1;
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              hsm_run(w.hsm, HSM_UNWRAP, &rsa, &m, buf_bytes(&wrapped), BYTES_NONE, &out));
    assert_rv(CKR_WRAPPED_KEY_LEN_RANGE,
              hsm_run(w.hsm, HSM_UNWRAP, &rsa, &m, BYTES(wrapped.data, 100), BYTES_NONE, &out));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              hsm_run(w.hsm, HSM_WRAP, &rsa, &m, BYTES(key, len), BYTES_NONE, &out));
    if (_i == 0)
        assert_rv(CKR_KEY_SIZE_RANGE,
                  local_wrap(w.local, buf_bytes(&spki), &m, BYTES(key, 300), &wrapped));
    buf_release(&spki);
    buf_release(&wrapped);
    buf_release(&out);
    world_release(&w);
}
END_TEST

START_TEST(what_wraps_is_told)
{
    struct hsm_world w;

    world_start(&w);
    ck_assert(hsm_offers(w.hsm, CKM_AES_KEY_WRAP, CKF_WRAP | CKF_UNWRAP));
    ck_assert(hsm_offers(w.hsm, CKM_AES_KEY_WRAP_KWP, CKF_UNWRAP));
    ck_assert(hsm_offers(w.hsm, CKM_RSA_AES_KEY_WRAP, CKF_UNWRAP));
    ck_assert(hsm_offers(w.hsm, CKM_AES_CBC_PAD, CKF_WRAP));
    ck_assert(!hsm_offers(w.hsm, CKM_AES_KEY_WRAP, CKF_SIGN));
    ck_assert(!hsm_offers(w.hsm, CKM_ECDSA, CKF_WRAP));
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(examples_of_the_standards_are_wrapped_and_unwrapped, EXAMPLES),
        CASE_LOOP(changed_and_cut_wrapped_keys_are_refused, EXAMPLES),
        CASE(key_of_odd_length_is_wrapped_with_padding_only),
        CASE_LOOP(ciphers_wrap_too_and_a_fault_has_the_word_for_keys, 2),
        CASE_LOOP(private_key_unwraps_what_was_wrapped_to_its_public_half, 2),
        CASE(what_wraps_is_told),
    };

    return suite_run("hsm/wrap", cases, sizeof(cases) / sizeof(*cases));
}
