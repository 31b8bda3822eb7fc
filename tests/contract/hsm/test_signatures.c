/* Signatures of the device, whole and in parts, verified by OpenSSL from the public half alone. */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <string.h>

static const CK_RSA_PKCS_PSS_PARAMS pss256 = {CKM_SHA256, CKG_MGF1_SHA256, 32};
static const CK_RSA_PKCS_PSS_PARAMS pss3_256 = {CKM_SHA3_256, CKG_MGF1_SHA3_256, 32};
static const CK_RSA_PKCS_PSS_PARAMS pss3_512 = {CKM_SHA3_512, CKG_MGF1_SHA3_512, 0};
static const CK_RSA_PKCS_PSS_PARAMS pss384 = {CKM_SHA384, CKG_MGF1_SHA384, 48};
static const CK_RSA_PKCS_PSS_PARAMS pss512 = {CKM_SHA512, CKG_MGF1_SHA512, 64};

#define RSA                                                                                        \
    CKK_RSA, 2048,                                                                                 \
    {                                                                                              \
        NULL, 0                                                                                    \
    }
#define P256                                                                                       \
    CKK_EC, 0,                                                                                     \
    {                                                                                              \
        (const uint8_t *)"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10                            \
    }
#define P384                                                                                       \
    CKK_EC, 0,                                                                                     \
    {                                                                                              \
        (const uint8_t *)"\x06\x05\x2b\x81\x04\x00\x22", 7                                         \
    }
#define P521                                                                                       \
    CKK_EC, 0,                                                                                     \
    {                                                                                              \
        (const uint8_t *)"\x06\x05\x2b\x81\x04\x00\x23", 7                                         \
    }
#define ED                                                                                         \
    CKK_EC_EDWARDS, 0,                                                                             \
    {                                                                                              \
        (const uint8_t *)"\x06\x03\x2b\x65\x70", 5                                                 \
    }

static const struct signer {
    CK_KEY_TYPE type;
    CK_ULONG bits;
    struct bytes curve;
    CK_MECHANISM_TYPE mechanism;
    const CK_RSA_PKCS_PSS_PARAMS *pss;
    size_t data_len; /* 0: any */
} signers[] = {
    {RSA, CKM_RSA_PKCS, NULL, 51},
    {RSA, CKM_SHA1_RSA_PKCS, NULL, 0},
    {RSA, CKM_SHA224_RSA_PKCS, NULL, 0},
    {RSA, CKM_SHA256_RSA_PKCS, NULL, 0},
    {RSA, CKM_SHA384_RSA_PKCS, NULL, 0},
    {RSA, CKM_SHA512_RSA_PKCS, NULL, 0},
    {RSA, CKM_RSA_PKCS_PSS, &pss256, 32},
    {RSA, CKM_SHA256_RSA_PKCS_PSS, &pss256, 0},
    {RSA, CKM_SHA384_RSA_PKCS_PSS, &pss384, 0},
    {RSA, CKM_SHA512_RSA_PKCS_PSS, &pss512, 0},
    {RSA, CKM_RSA_PKCS_PSS, &pss3_256, 32},
    {RSA, CKM_SHA3_256_RSA_PKCS_PSS, &pss3_256, 0},
    {RSA, CKM_SHA3_512_RSA_PKCS_PSS, &pss3_512, 0},
    {RSA, CKM_RSA_X_509, NULL, 200},
    {P256, CKM_ECDSA, NULL, 32},
    {P256, CKM_ECDSA_SHA256, NULL, 0},
    {P256, CKM_ECDSA_SHA512, NULL, 0},
    {P384, CKM_ECDSA, NULL, 48},
    {P384, CKM_ECDSA_SHA384, NULL, 0},
    {P521, CKM_ECDSA, NULL, 64},
    {P521, CKM_ECDSA_SHA512, NULL, 0},
    {ED, CKM_EDDSA, NULL, 0},
};

#define SIGNERS ((int)(sizeof(signers) / sizeof(*signers)))

static CK_MECHANISM mechanism_of(const struct signer *s)
{
    union {
        const void *in;
        void *out;
    } cast = {.in = s->pss};

    return (CK_MECHANISM){s->mechanism, cast.out, s->pss != NULL ? sizeof(*s->pss) : 0};
}

static struct bytes data_for(const struct signer *s)
{
    static const uint8_t some[300] = {1, 2, 3};

    return BYTES(some, s->data_len > 0 ? s->data_len : sizeof(some));
}

static void sign_in_parts(struct hsm_world *w, const struct hsm_key *key, const CK_MECHANISM *m,
                          struct bytes data, struct buf *out)
{
    struct hsm_op *op = NULL;

    assert_ok(hsm_begin(w->hsm, HSM_SIGN, key, m, &op));
    assert_ok(hsm_update(op, BYTES(data.data, 7), NULL));
    assert_ok(hsm_update(op, BYTES_NONE, NULL));
    assert_ok(hsm_update(op, BYTES(data.data + 7, data.len - 7), NULL));
    assert_ok(hsm_final(op, BYTES_NONE, out));
    hsm_op_free(op);
}

START_TEST(signature_is_verified_by_openssl_whole_and_in_parts)
{
    const struct signer *s = &signers[_i];
    CK_MECHANISM m = mechanism_of(s);
    struct bytes data = data_for(s);
    struct buf spki = BUF_INIT(4096);
    struct buf sig = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_PRIVATE, s->type, s->bits, s->curve, &key, &spki);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &m, data, BYTES_NONE, &sig));
    assert_ok(local_verify(w.local, buf_bytes(&spki), &m, data, buf_bytes(&sig)));
    sig.data[sig.len / 2] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID,
              local_verify(w.local, buf_bytes(&spki), &m, data, buf_bytes(&sig)));
    sign_in_parts(&w, &key, &m, data, &sig);
    assert_ok(local_verify(w.local, buf_bytes(&spki), &m, data, buf_bytes(&sig)));
    buf_release(&spki);
    buf_release(&sig);
    world_release(&w);
}
END_TEST

START_TEST(ecdsa_takes_the_leftmost_bits_of_a_longer_digest)
{
    CK_MECHANISM raw = {CKM_ECDSA, NULL, 0};
    const uint8_t digest[64] = {9, 8, 7};
    struct buf spki = BUF_INIT(4096);
    struct buf sig = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_EC, 0, world_p256, &key, &spki);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(digest, 64), BYTES_NONE, &sig));
    assert_ok(local_verify(w.local, buf_bytes(&spki), &raw, BYTES(digest, 32), buf_bytes(&sig)));
    assert_rv(CKR_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES_NONE, BYTES_NONE, &sig));
    buf_release(&spki);
    buf_release(&sig);
    world_release(&w);
}
END_TEST

START_TEST(wrong_lengths_parameters_keys_and_uses_are_refused)
{
    CK_RSA_PKCS_PSS_PARAMS mixed = {CKM_SHA256, CKG_MGF1_SHA384, 32};
    CK_RSA_PKCS_PSS_PARAMS good = pss256;
    CK_MECHANISM pss = {CKM_RSA_PKCS_PSS, &good, sizeof(good)};
    CK_MECHANISM mixed_pss = {CKM_RSA_PKCS_PSS, &mixed, sizeof(mixed)};
    CK_MECHANISM no_pss = {CKM_RSA_PKCS_PSS, NULL, 0};
    CK_MECHANISM pkcs = {CKM_RSA_PKCS, NULL, 0};
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    CK_MECHANISM md2 = {CKM_MD2_RSA_PKCS, NULL, 0};
    CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    static const uint8_t data[300];
    struct buf spki = BUF_INIT(4096);
    struct buf out = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_RSA, 2048, BYTES_NONE, &key, &spki);
#define RESULT(rv, use, m, len)                                                                    \
    assert_rv(rv, hsm_run(w.hsm, use, &key, m, BYTES(data, len), BYTES_NONE, &out))
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &pss, BYTES(data, 32), BYTES_NONE, &out));
    RESULT(CKR_DATA_LEN_RANGE, HSM_SIGN, &pss, 31);
    /* SoftHSM does not take it; then the padding is ours. */
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &mixed_pss, BYTES(data, 32), BYTES_NONE, &out));
    assert_ok(
        local_verify(w.local, buf_bytes(&spki), &mixed_pss, BYTES(data, 32), buf_bytes(&out)));
    mixed.sLen = 256 - 32 - 1;
    RESULT(CKR_MECHANISM_PARAM_INVALID, HSM_SIGN, &mixed_pss, 32); /* its longest salt is 222 */
    RESULT(CKR_MECHANISM_PARAM_INVALID, HSM_SIGN, &no_pss, 32);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &pkcs, BYTES(data, 245), BYTES_NONE, &out));
    RESULT(CKR_DATA_LEN_RANGE, HSM_SIGN, &pkcs, 246);
    RESULT(CKR_KEY_TYPE_INCONSISTENT, HSM_SIGN, &ecdsa, 32);
    RESULT(CKR_MECHANISM_INVALID, HSM_SIGN, &md2, 32);
    RESULT(CKR_MECHANISM_INVALID, HSM_SIGN, &gen, 32);
    RESULT(CKR_KEY_FUNCTION_NOT_PERMITTED, HSM_VERIFY, &pkcs, 32);
    RESULT(CKR_KEY_FUNCTION_NOT_PERMITTED, HSM_ENCRYPT, &pkcs, 32);
    ck_assert_uint_eq(out.len, 0);
    buf_release(&spki);
    buf_release(&out);
    world_release(&w);
}
END_TEST

static void check_mac(struct hsm_world *w, const struct hsm_key *key, CK_MECHANISM *m,
                      struct bytes data, struct bytes mac)
{
    struct hsm_op *op = NULL;
    uint8_t bad[64];

    memcpy(bad, mac.data, mac.len);
    bad[0] ^= 1;
    assert_ok(hsm_run(w->hsm, HSM_VERIFY, key, m, data, mac, NULL));
    assert_rv(CKR_SIGNATURE_INVALID,
              hsm_run(w->hsm, HSM_VERIFY, key, m, data, BYTES(bad, mac.len), NULL));
    assert_rv(CKR_SIGNATURE_LEN_RANGE,
              hsm_run(w->hsm, HSM_VERIFY, key, m, data, BYTES(mac.data, mac.len - 1), NULL));
    assert_ok(hsm_begin(w->hsm, HSM_VERIFY, key, m, &op));
    assert_ok(hsm_update(op, data, NULL));
    assert_ok(hsm_final(op, mac, NULL));
    assert_rv(CKR_OPERATION_NOT_INITIALIZED, hsm_final(op, mac, NULL));
    hsm_op_free(op);
}

START_TEST(hmac_is_the_same_whole_and_in_parts_and_a_changed_one_is_refused)
{
    const struct {
        CK_MECHANISM_TYPE type;
        size_t len;
    } macs[] = {
        {CKM_SHA_1_HMAC, 20}, {CKM_SHA256_HMAC, 32}, {CKM_SHA384_HMAC, 48}, {CKM_SHA512_HMAC, 64}};
    CK_MECHANISM m = {macs[_i].type, NULL, 0};
    static const uint8_t data[1000] = {7};
    struct buf whole = BUF_INIT(4096);
    struct buf parts = BUF_INIT(4096);
    struct hsm_world w;
    struct hsm_key key;

    world_init(&w);
    world_open(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_GENERIC_SECRET, 512, BYTES_NONE, &key, NULL);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &m, BYTES(data, 1000), BYTES_NONE, &whole));
    ck_assert_uint_eq(whole.len, macs[_i].len);
    sign_in_parts(&w, &key, &m, BYTES(data, 1000), &parts);
    ck_assert(bytes_equal(buf_bytes(&whole), buf_bytes(&parts)));
    check_mac(&w, &key, &m, BYTES(data, 1000), buf_bytes(&whole));
    buf_release(&whole);
    buf_release(&parts);
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(signature_is_verified_by_openssl_whole_and_in_parts, SIGNERS),
        CASE(ecdsa_takes_the_leftmost_bits_of_a_longer_digest),
        CASE(wrong_lengths_parameters_keys_and_uses_are_refused),
        CASE_LOOP(hmac_is_the_same_whole_and_in_parts_and_a_changed_one_is_refused, 4),
    };

    return suite_run("hsm/signatures", cases, sizeof(cases) / sizeof(*cases));
}
