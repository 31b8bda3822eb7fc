/*
 * The mechanisms of the software device beyond those of an HSM: answers of the standards, of
 * another implementation (pyca/cryptography with OpenSSL 4.0, CPython's hmac), and refusals by
 * one changed fact.
 */
#include "hsm/local_secret.h"
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

static struct buf hex(const char *text)
{
    struct buf b = BUF_INIT(4096);
    size_t n = strlen(text) / 2;

    if (n > 0)
        ck_assert(bytes_from_hex(text, buf_grow(&b, n), n));
    return b;
}

static void world_start(struct hsm_world *w)
{
    world_init(w);
    world_open(w);
}

static void import(struct hsm_world *w, CK_KEY_TYPE type, const char *value, struct hsm_key *ret)
{
    struct buf b = hex(value);

    world_import(w, HSM_KEY_SECRET, type, buf_bytes(&b), ret, NULL);
    buf_release(&b);
}

/* ---- MACs over RFC 4231's "what do ya want for nothing?" ---- */

static const struct {
    CK_MECHANISM_TYPE mechanism;
    CK_KEY_TYPE type;
    const char *key;
    CK_MAC_GENERAL_PARAMS cut; /* 0: no parameter */
    const char *mac;
} macs[] = {
    {CKM_SHA224_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44"},
    {CKM_SHA384_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c7"
     "8b3239ecfab21649"},
    {CKM_SHA512_224_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "4a530b31a79ebcce36916546317c45f247d83241dfb818fd37254bde"},
    {CKM_SHA512_256_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "6df7b24630d5ccb2ee335407081a87188c221489768fa2020513b2d593359456"},
    {CKM_SHA3_224_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "7fdb8dd88bd2f60d1b798634ad386811c2cfc85bfaf5d52bbace5e66"},
    {CKM_SHA3_256_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5"},
    {CKM_SHA3_384_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a23ca13508a93243ce48c045dc007f26a2"
     "1b3f5e0e9df4c20a"},
    {CKM_SHA3_512_HMAC, CKK_GENERIC_SECRET, "4a656665", 0,
     "5a4bfeab6166427c7a3647b747292b8384537cdb89afb3bf5665e4c5e709350b287baec921fd7ca0"
     "ee7a0c31d022a95e1fc92ba9d77df883960275beb4e62024"},
    {CKM_SHA_1_HMAC, CKK_GENERIC_SECRET, "4a656665", 0, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
    {CKM_SHA256_HMAC, CKK_SHA256_HMAC, "4a656665", 0,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {CKM_SHA256_HMAC_GENERAL, CKK_GENERIC_SECRET, "4a656665", 10, "5bdcc146bf60754e6a04"},
    {CKM_AES_CMAC, CKK_AES, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 0,
     "237086fbe5a53a26a1311effbd9c2d8c"},
    {CKM_AES_CMAC_GENERAL, CKK_AES,
     "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 8, "237086fbe5a53a26"},
};

#define MACS ((int)(sizeof(macs) / sizeof(*macs)))
#define TEXT BYTES_LIT("what do ya want for nothing?")

START_TEST(mac_is_that_of_another_implementation_and_a_changed_one_is_refused)
{
    CK_MAC_GENERAL_PARAMS cut = macs[_i].cut;
    CK_MECHANISM m = {macs[_i].mechanism, cut > 0 ? &cut : NULL, cut > 0 ? sizeof(cut) : 0};
    struct buf wanted = hex(macs[_i].mac);
    struct buf out = BUF_INIT(256);
    struct hsm_op *op = NULL;
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    import(&w, macs[_i].type, macs[_i].key, &key);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &m, TEXT, BYTES_NONE, &out));
    ck_assert(bytes_equal(buf_bytes(&out), buf_bytes(&wanted)));
    assert_ok(hsm_begin(w.hsm, HSM_VERIFY, &key, &m, &op));
    assert_ok(hsm_update(op, BYTES(TEXT.data, 5), NULL));
    assert_ok(hsm_update(op, BYTES(TEXT.data + 5, TEXT.len - 5), NULL));
    assert_ok(hsm_final(op, buf_bytes(&wanted), NULL));
    hsm_op_free(op);
    wanted.data[0] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID,
              hsm_run(w.hsm, HSM_VERIFY, &key, &m, TEXT, buf_bytes(&wanted), NULL));
    assert_rv(CKR_SIGNATURE_LEN_RANGE,
              hsm_run(w.hsm, HSM_VERIFY, &key, &m, TEXT, BYTES(out.data, out.len - 1), NULL));
    buf_release(&wanted);
    buf_release(&out);
    world_release(&w);
}
END_TEST

START_TEST(gmac_is_gcm_of_a_header_alone)
{
    static CK_BYTE iv[12] = {1};
    static CK_BYTE text[] = "header";
    CK_GCM_PARAMS mac = {.pIv = iv, .ulIvLen = 12, .ulTagBits = 128};
    CK_GCM_PARAMS gcm = mac;
    CK_MECHANISM gmac = {CKM_AES_GMAC, &mac, sizeof(mac)};
    CK_MECHANISM seal = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    struct buf a = BUF_INIT(64);
    struct buf b = BUF_INIT(64);
    struct hsm_world w;
    struct hsm_key key;

    gcm.pAAD = text;
    gcm.ulAADLen = 6;
    world_start(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 256, BYTES_NONE, &key, NULL);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &gmac, BYTES(text, 6), BYTES_NONE, &a));
    assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &seal, BYTES_NONE, BYTES_NONE, &b));
    ck_assert(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    assert_ok(hsm_run(w.hsm, HSM_VERIFY, &key, &gmac, BYTES(text, 6), buf_bytes(&a), NULL));
    assert_rv(CKR_SIGNATURE_INVALID,
              hsm_run(w.hsm, HSM_VERIFY, &key, &gmac, BYTES(text, 5), buf_bytes(&a), NULL));
    gmac.pParameter = &gcm;
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              hsm_run(w.hsm, HSM_SIGN, &key, &gmac, BYTES(text, 6), BYTES_NONE, &a));
    buf_release(&a);
    buf_release(&b);
    world_release(&w);
}
END_TEST

/* ---- ciphers ---- */

static CK_BYTE nonce[12] = {7};
static CK_BYTE header[] = "header";
static CK_BYTE tweak[16] = {5};
static CK_CCM_PARAMS ccm = {.ulDataLen = 100,
                            .pNonce = nonce,
                            .ulNonceLen = 12,
                            .pAAD = header,
                            .ulAADLen = 6,
                            .ulMACLen = 16};
static CK_SALSA20_CHACHA20_POLY1305_PARAMS poly = {
    .pNonce = nonce, .ulNonceLen = 12, .pAAD = header, .ulAADLen = 6};

static const struct cipher {
    CK_MECHANISM m;
    CK_KEY_TYPE type;
    CK_ULONG bits;
    size_t tag_len;
} ciphers[] = {
    {{CKM_AES_CCM, &ccm, sizeof(ccm)}, CKK_AES, 256, 16},
    {{CKM_CHACHA20_POLY1305, &poly, sizeof(poly)}, CKK_CHACHA20, 256, 16},
    {{CKM_AES_XTS, tweak, sizeof(tweak)}, CKK_AES_XTS, 512, 0},
};

START_TEST(cipher_comes_back_whole_and_in_parts_and_a_changed_one_does_not)
{
    const struct cipher *c = &ciphers[_i];
    static const uint8_t data[100] = {1};
    struct buf sealed = BUF_INIT(256);
    struct buf plain = BUF_INIT(256);
    struct hsm_op *op = NULL;
    struct hsm_world w;
    struct hsm_key key;
    CK_RV rv;

    world_start(&w);
    world_key(&w, HSM_KEY_SECRET, c->type, c->bits, BYTES_NONE, &key, NULL);
    for (int i = 0; i < 2; i++) {
        assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &c->m, BYTES(data, 100), BYTES_NONE, &sealed));
        ck_assert_uint_eq(sealed.len, 100 + c->tag_len);
        assert_ok(hsm_run(w.hsm, HSM_DECRYPT, &key, &c->m, buf_bytes(&sealed), BYTES_NONE, &plain));
        ck_assert(bytes_equal(buf_bytes(&plain), BYTES(data, 100)));
    }
    assert_ok(hsm_begin(w.hsm, HSM_DECRYPT, &key, &c->m, &op));
    assert_ok(hsm_update(op, BYTES(sealed.data, 50), &plain));
    ck_assert_uint_eq(plain.len, 0);
    assert_ok(hsm_update(op, BYTES(sealed.data + 50, sealed.len - 50), &plain));
    ck_assert_uint_eq(plain.len, 0);
    assert_ok(hsm_final(op, BYTES_NONE, &plain));
    ck_assert(bytes_equal(buf_bytes(&plain), BYTES(data, 100)));
    hsm_op_free(op);
    sealed.data[3] ^= 1;
    rv = hsm_run(w.hsm, HSM_DECRYPT, &key, &c->m, buf_bytes(&sealed), BYTES_NONE, &plain);
    assert_rv(c->tag_len > 0 ? CKR_ENCRYPTED_DATA_INVALID : CKR_OK, rv);
    ck_assert(!bytes_equal(buf_bytes(&plain), BYTES(data, 100)));
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &c->m, BYTES(data, 15), BYTES_NONE, &plain));
    buf_release(&sealed);
    buf_release(&plain);
    world_release(&w);
}
END_TEST

START_TEST(ccm_takes_as_much_as_it_was_told)
{
    static const uint8_t data[101];
    struct buf out = BUF_INIT(256);
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    world_key(&w, HSM_KEY_SECRET, CKK_AES, 128, BYTES_NONE, &key, NULL);
    assert_rv(CKR_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_ENCRYPT, &key, &ciphers[0].m, BYTES(data, 101), BYTES_NONE, &out));
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_DECRYPT, &key, &ciphers[0].m, BYTES(data, 101), BYTES_NONE, &out));
    assert_ok(hsm_run(w.hsm, HSM_ENCRYPT, &key, &ciphers[0].m, BYTES(data, 100), BYTES_NONE, &out));
    buf_release(&out);
    world_release(&w);
}
END_TEST

START_TEST(raw_rsa_pads_a_short_number_and_refuses_one_not_below_its_modulus)
{
    CK_MECHANISM raw = {CKM_RSA_X_509, NULL, 0};
    CK_MECHANISM pkcs = {CKM_RSA_PKCS, NULL, 0};
    uint8_t block[257] = {0};
    struct buf spki = BUF_INIT(4096);
    struct buf a = BUF_INIT(512);
    struct buf b = BUF_INIT(512);
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_RSA, 2048, BYTES_NONE, &key, &spki);
    /* PKCS#1 v1.5, padded by hand (RFC 8017, 9.2), without its leading zero. */
    memset(block, 0xff, 256);
    block[1] = 1;
    memcpy(block + 251, "\0abcd", 5);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(block + 1, 255), BYTES_NONE, &a));
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &pkcs, BYTES_LIT("abcd"), BYTES_NONE, &b));
    ck_assert(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
    memset(block, 0xff, sizeof(block));
    assert_rv(CKR_DATA_INVALID,
              hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(block, 256), BYTES_NONE, &a));
    assert_rv(CKR_DATA_LEN_RANGE,
              hsm_run(w.hsm, HSM_SIGN, &key, &raw, BYTES(block, 257), BYTES_NONE, &a));
    buf_release(&spki);
    buf_release(&a);
    buf_release(&b);
    world_release(&w);
}
END_TEST

/* ---- curves ---- */

#define OID(text)                                                                                  \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const struct {
    CK_KEY_TYPE type;
    struct bytes params;
    size_t len;
} agreeing[] = {
    {CKK_EC, OID("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"), 32},
    {CKK_EC, OID("\x06\x05\x2b\x81\x04\x00\x23"), 66},
    {CKK_EC, OID("\x06\x05\x2b\x81\x04\x00\x0a"), 32},
    {CKK_EC, OID("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"), 32},
    {CKK_EC_MONTGOMERY, OID("\x06\x03\x2b\x65\x6e"), 32},
    {CKK_EC_MONTGOMERY, OID("\x06\x03\x2b\x65\x6f"), 56},
};

#define AGREEING ((int)(sizeof(agreeing) / sizeof(*agreeing)))

static CK_RV derive(struct hsm_world *w, const struct hsm_key *key, CK_EC_KDF_TYPE kdf,
                    struct bytes point, size_t len, struct secret **ret)
{
    CK_ECDH1_DERIVE_PARAMS p = {.kdf = kdf,
                                .ulPublicDataLen = point.len,
                                .pPublicData = (CK_BYTE_PTR)(uintptr_t)point.data};
    CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};

    return hsm_derive(w->hsm, key, &m, BYTES_NONE, len, ret);
}

START_TEST(two_pairs_agree_and_a_point_off_the_curve_is_refused)
{
    struct local_public pub[2];
    struct hsm_key key[2];
    struct hsm_world w;
    SCOPED_SECRET a = NULL;
    SCOPED_SECRET b = NULL;
    SCOPED_SECRET c = NULL;
    struct bytes point;

    world_start(&w);
    for (int i = 0; i < 2; i++) {
        struct buf spki = BUF_INIT(4096);

        world_key(&w, HSM_KEY_PRIVATE, agreeing[_i].type, 0, agreeing[_i].params, &key[i], &spki);
        assert_ok(local_public_parse(w.local, buf_bytes(&spki), &pub[i]));
        buf_release(&spki);
    }
    point = buf_bytes(&pub[1].point);
    assert_ok(derive(&w, &key[0], CKD_NULL, point, 0, &a));
    assert_ok(derive(&w, &key[1], CKD_NULL, buf_bytes(&pub[0].point), 0, &b));
    ck_assert_uint_eq(a->len, agreeing[_i].len);
    ck_assert(bytes_equal(secret_bytes(a), secret_bytes(b)));
    /* A shorter key is the value's end; a longer one there is not without a function. */
    assert_ok(derive(&w, &key[0], CKD_NULL, point, 16, &c));
    ck_assert(bytes_equal(secret_bytes(c), BYTES(a->data + a->len - 16, 16)));
    assert_rv(CKR_KEY_SIZE_RANGE, derive(&w, &key[0], CKD_NULL, point, a->len + 1, &c));
    pub[1].point.data[point.len - 1] ^= 1;
    if (agreeing[_i].type == CKK_EC)
        assert_rv(CKR_MECHANISM_PARAM_INVALID, derive(&w, &key[0], CKD_NULL, point, 0, &c));
    memset(pub[1].point.data + 2, 0, point.len - 2);
    assert_rv(CKR_MECHANISM_PARAM_INVALID, derive(&w, &key[0], CKD_NULL, point, 0, &c));
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              derive(&w, &key[0], CKD_NULL, BYTES(point.data, point.len - 1), 0, &c));
    local_public_release(&pub[0]);
    local_public_release(&pub[1]);
    world_release(&w);
}
END_TEST

/* OpenSSL has the other forms from 3.2 on; before it they are refused, not signed as the pure one.
 */
START_TEST(eddsa_never_takes_one_form_for_another)
{
    const bool has_forms = OpenSSL_version_num() >= 0x30200000UL;
    CK_EDDSA_PARAMS ph = {.phFlag = CK_TRUE};
    CK_MECHANISM pure = {CKM_EDDSA, NULL, 0};
    CK_MECHANISM prehash = {CKM_EDDSA, &ph, sizeof(ph)};
    const struct bytes ed448 = OID("\x06\x03\x2b\x65\x71");
    struct buf spki = BUF_INIT(4096);
    struct buf sig = BUF_INIT(256);
    struct hsm_world w;
    struct hsm_key key;

    world_start(&w);
    world_key(&w, HSM_KEY_PRIVATE, CKK_EC_EDWARDS, 0, _i == 0 ? world_ed25519 : ed448, &key, &spki);
    assert_ok(hsm_run(w.hsm, HSM_SIGN, &key, &pure, TEXT, BYTES_NONE, &sig));
    assert_ok(local_verify(w.local, buf_bytes(&spki), &pure, TEXT, buf_bytes(&sig)));
    assert_rv(has_forms ? CKR_SIGNATURE_INVALID : CKR_MECHANISM_PARAM_INVALID,
              local_verify(w.local, buf_bytes(&spki), &prehash, TEXT, buf_bytes(&sig)));
    buf_clear(&sig);
    assert_rv(has_forms ? CKR_OK : CKR_MECHANISM_PARAM_INVALID,
              hsm_run(w.hsm, HSM_SIGN, &key, &prehash, TEXT, BYTES_NONE, &sig));
    if (has_forms) {
        assert_ok(local_verify(w.local, buf_bytes(&spki), &prehash, TEXT, buf_bytes(&sig)));
        assert_rv(CKR_SIGNATURE_INVALID,
                  local_verify(w.local, buf_bytes(&spki), &pure, TEXT, buf_bytes(&sig)));
    }
    buf_release(&spki);
    buf_release(&sig);
    world_release(&w);
}
END_TEST

/* ---- derivation from secret keys ---- */

static CK_RV derive_from(struct hsm_world *w, const char *base, const CK_MECHANISM *m,
                         const char *second, size_t len, const char *wanted)
{
    struct buf other = hex(second);
    struct buf want = hex(wanted);
    SCOPED_SECRET value = NULL;
    struct hsm_key key;
    CK_RV rv;

    import(w, CKK_GENERIC_SECRET, base, &key);
    rv = hsm_derive(w->hsm, &key, m, buf_bytes(&other), len, &value);
    if (rv == CKR_OK)
        ck_assert(bytes_equal(secret_bytes(value), buf_bytes(&want)));
    buf_release(&other);
    buf_release(&want);
    return rv;
}

START_TEST(keys_are_joined_and_cut)
{
    static CK_BYTE data[] = {0x05, 0x06};
    CK_KEY_DERIVATION_STRING_DATA string = {data, 2};
    CK_OBJECT_HANDLE handle = 1;
    CK_EXTRACT_PARAMS bit = 21;
    CK_MECHANISM key = {CKM_CONCATENATE_BASE_AND_KEY, &handle, sizeof(handle)};
    CK_MECHANISM after = {CKM_CONCATENATE_BASE_AND_DATA, &string, sizeof(string)};
    CK_MECHANISM before = {CKM_CONCATENATE_DATA_AND_BASE, &string, sizeof(string)};
    CK_MECHANISM mix = {CKM_XOR_BASE_AND_DATA, &string, sizeof(string)};
    CK_MECHANISM cut = {CKM_EXTRACT_KEY_FROM_KEY, &bit, sizeof(bit)};
    struct hsm_world w;

    world_start(&w);
    assert_ok(derive_from(&w, "010203", &key, "0a0b", 0, "0102030a0b"));
    assert_ok(derive_from(&w, "010203", &key, "0a0b", 4, "0102030a"));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, "010203", &key, "0a0b", 6, ""));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, "010203", &key, "", 0, ""));
    assert_ok(derive_from(&w, "010203", &after, "", 0, "0102030506"));
    assert_ok(derive_from(&w, "010203", &before, "", 0, "0506010203"));
    assert_ok(derive_from(&w, "010203", &mix, "", 0, "0404"));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, "010203", &mix, "", 3, ""));
    /* The standard's example: 0x329F84A9, from bit 21, gives 0x9 5 A 2 6 8. */
    assert_ok(derive_from(&w, "329f84a9", &cut, "", 3,
                          "9526"
                          "53"));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, "329f84a9", &cut, "", 5, ""));
    bit = 32;
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, "329f84a9", &cut, "", 2, ""));
    world_release(&w);
}
END_TEST

static CK_SP800_108_COUNTER_FORMAT counter32 = {CK_FALSE, 32};
static CK_SP800_108_DKM_LENGTH_FORMAT length32 = {CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_FALSE,
                                                  32};
static CK_BYTE label[] = "label\0context";

START_TEST(sp800_108_gives_what_others_give_in_every_mode)
{
    static const char base[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    static const struct {
        CK_MECHANISM_TYPE mode;
        const char *wanted;
    } modes[] = {
        {CKM_SP800_108_COUNTER_KDF,
         "793c8c6322234b76061bb6be858d899cf6c2cf3a2cf075f22bed2b8a17d10ff1cd9a6cdfd6c0f4bc"
         "aea6f6700b4decc8cb28a019968a859f4e2d4ec8c686dbd5a33e6943413e3db9b6c04a28022f936e"},
        {CKM_SP800_108_FEEDBACK_KDF,
         "9b19b7051e1c456b2e546648483c14d5696c6cdcc47b781147a35ccd855bc4175fa5105b31bdc2d3"
         "59fa4f4563396209cf05796a9e347d15264d194cbfe994f711c7f5f9c2913505918a4c8398b7f8f5"},
        {CKM_SP800_108_DOUBLE_PIPELINE_KDF,
         "35e297f71a608735462708a2acfcd32b04670e15f391bf71c25007e3c7197844e358b452f58f0e99"
         "c9c72b52cf05a8118343c4f6c27cf10f08d1740a042dba90dae53703894d5a4400f069d177cd17d4"},
    };
    CK_BYTE iv[32];
    bool counted = modes[_i].mode == CKM_SP800_108_COUNTER_KDF;
    CK_PRF_DATA_PARAM parts[] = {
        {CK_SP800_108_ITERATION_VARIABLE, counted ? &counter32 : NULL,
         counted ? sizeof(counter32) : 0},
        {CK_SP800_108_COUNTER, &counter32, sizeof(counter32)},
        {CK_SP800_108_BYTE_ARRAY, label, 13},
        {CK_SP800_108_DKM_LENGTH, &length32, sizeof(length32)},
    };
    CK_SP800_108_KDF_PARAMS kdf = {CKM_SHA256_HMAC, 4, parts, 0, NULL};
    CK_SP800_108_FEEDBACK_KDF_PARAMS feedback = {CKM_SHA256_HMAC, 4, parts, 32, iv, 0, NULL};
    CK_MECHANISM m = {modes[_i].mode, &kdf, sizeof(kdf)};
    struct hsm_world w;

    memset(iv, 0x77, sizeof(iv));
    if (counted) { /* its variable is the counter */
        memmove(&parts[1], &parts[2], 2 * sizeof(parts[0]));
        kdf.ulNumberOfDataParams = 3;
    }
    if (modes[_i].mode == CKM_SP800_108_FEEDBACK_KDF)
        m = (CK_MECHANISM){modes[_i].mode, &feedback, sizeof(feedback)};
    world_start(&w);
    assert_ok(derive_from(&w, base, &m, "", 80, modes[_i].wanted));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, base, &m, "", 0, ""));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, base, &m, "", 8193, ""));
    parts[0] = parts[2];
    feedback.ulNumberOfDataParams = kdf.ulNumberOfDataParams = 1;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, derive_from(&w, base, &m, "", 80, ""));
    world_release(&w);
}
END_TEST

START_TEST(tls_prf_gives_the_published_answer)
{
    /* IETF TLS mailing list, "TLS 1.2 PRF test vectors", P_SHA256. */
    static const char key[] = "9bbe436ba940f017b17652849a71db35";
    static const char wanted[] = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a";
    CK_BYTE seed[16];
    CK_BYTE text[] = "test label";
    CK_TLS_KDF_PARAMS kdf = {.prfMechanism = CKM_SHA256,
                             .pLabel = text,
                             .ulLabelLength = 10,
                             .RandomInfo = {seed, 8, seed + 8, 8}};
    CK_MECHANISM m = {CKM_TLS_KDF, &kdf, sizeof(kdf)};
    struct hsm_world w;

    ck_assert(bytes_from_hex("a0ba9f936cda311827a6f796ffd5198c", seed, 16));
    world_start(&w);
    assert_ok(derive_from(&w, key, &m, "", 32, wanted));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, key, &m, "", 0, ""));
    world_release(&w);
}
END_TEST

START_TEST(hkdf_takes_a_key_as_salt_and_gives_no_more_than_it_has)
{
    /* RFC 5869, A.1: the same with the salt as a key. */
    CK_BYTE info[10];
    CK_HKDF_PARAMS p = {.bExtract = CK_TRUE,
                        .bExpand = CK_TRUE,
                        .prfHashMechanism = CKM_SHA256,
                        .ulSaltType = CKF_HKDF_SALT_KEY,
                        .hSaltKey = 1,
                        .pInfo = info,
                        .ulInfoLen = sizeof(info)};
    CK_MECHANISM m = {CKM_HKDF_DERIVE, &p, sizeof(p)};
    static const char base[] = "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b";
    struct hsm_world w;

    for (size_t i = 0; i < sizeof(info); i++)
        info[i] = (CK_BYTE)(0xf0 + i);
    world_start(&w);
    assert_ok(derive_from(&w, base, &m, "000102030405060708090a0b0c", 42,
                          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208"
                          "d5b887185865"));
    assert_rv(CKR_KEY_HANDLE_INVALID, derive_from(&w, base, &m, "", 42, ""));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, base, &m, "00", 255 * 32 + 1, ""));
    /* Extracting alone gives the PRK, which has the hash's length. */
    p.bExpand = CK_FALSE;
    assert_ok(derive_from(&w, base, &m, "000102030405060708090a0b0c", 0,
                          "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
    assert_rv(CKR_KEY_SIZE_RANGE, derive_from(&w, base, &m, "00", 31, ""));
    world_release(&w);
}
END_TEST

START_TEST(pbkdf2_gives_the_answers_of_rfc_6070)
{
    CK_BYTE salt[] = "salt";
    CK_UTF8CHAR password[] = "password";
    CK_PKCS5_PBKD2_PARAMS2 p = {.saltSource = CKZ_SALT_SPECIFIED,
                                .pSaltSourceData = salt,
                                .ulSaltSourceDataLen = 4,
                                .iterations = 2,
                                .prf = CKP_PKCS5_PBKD2_HMAC_SHA1,
                                .pPassword = password,
                                .ulPasswordLen = 8};
    struct hsm_world w;
    SCOPED_SECRET value = NULL;

    world_start(&w);
    assert_ok(local_pbkdf2(w.local, &p, 20, &value));
    ck_assert_uint_eq(value->len, 20);
    ck_assert(memcmp(value->data,
                     "\xea\x6c\x01\x4d\xc7\x2d\x6f\x8c\xcd\x1e\xd9\x2a\xce\x1d\x41"
                     "\xf0\xd8\xde\x89\x57",
                     20) == 0);
    p.prf = 99;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, local_pbkdf2(w.local, &p, 20, &value));
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(mac_is_that_of_another_implementation_and_a_changed_one_is_refused, MACS),
        CASE(gmac_is_gcm_of_a_header_alone),
        CASE_LOOP(cipher_comes_back_whole_and_in_parts_and_a_changed_one_does_not, 3),
        CASE(ccm_takes_as_much_as_it_was_told),
        CASE(raw_rsa_pads_a_short_number_and_refuses_one_not_below_its_modulus),
        CASE_LOOP(two_pairs_agree_and_a_point_off_the_curve_is_refused, AGREEING),
        CASE_LOOP(eddsa_never_takes_one_form_for_another, 2),
        CASE(keys_are_joined_and_cut),
        CASE_LOOP(sp800_108_gives_what_others_give_in_every_mode, 3),
        CASE(tls_prf_gives_the_published_answer),
        CASE(hkdf_takes_a_key_as_salt_and_gives_no_more_than_it_has),
        CASE(pbkdf2_gives_the_answers_of_rfc_6070),
    };

    return setenv("KEYWARD_TEST_DEVICE", "software", 1) != 0
               ? 1
               : suite_run("hsm/mechanisms", cases, sizeof(cases) / sizeof(*cases));
}
