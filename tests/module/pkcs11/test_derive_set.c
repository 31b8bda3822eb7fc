/*
 * Derivations with more than one result, or with one that is no key: TLS 1.2's key block and master
 * secret, SP 800-108 with additional keys, HKDF's data and salt keys.
 */
#include "pkcs11/keyward.h"
#include "tests/module/pkcs11/token.h"

#include <string.h>

#undef fail

static char software[] = "software";
#define SOFTWARE ATTR(CKA_KEYWARD_PROTECTION, software, 8)

static CK_SESSION_HANDLE session;

/* Under a policy that lets values be read. */
static void start(void)
{
    session = token_alice_under("{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":"
                                "\"permit (principal, action, resource);\"}");
}

static CK_OBJECT_HANDLE import(uint8_t *value, CK_ULONG len, CK_ATTRIBUTE one, CK_ATTRIBUTE two)
{
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
             ATTR(CKA_VALUE, value, len), YES(CKA_DERIVE), SOFTWARE, one, two),
        &key));
    return key;
}

#define OPEN     YES(CKA_EXTRACTABLE), NO(CKA_SENSITIVE)
#define OPEN_KEY OPEN, SOFTWARE /* of a derived key */

static CK_ULONG value_of(CK_OBJECT_HANDLE key, uint8_t out[static 512])
{
    return token_bytes(session, key, CKA_VALUE, out, 512);
}

static void assert_value(CK_OBJECT_HANDLE key, const uint8_t *value, CK_ULONG len)
{
    uint8_t got[512];

    ck_assert_uint_eq(value_of(key, got), len);
    ck_assert_mem_eq(got, value, len);
}

static CK_ULONG objects(void)
{
    CK_OBJECT_HANDLE found[64];

    return token_find(session, NULL, 0, found, COUNT(found));
}

/* ---- TLS 1.2 ---- */

static uint8_t master[48] = "forty-eight bytes of a secret that two share....";
static uint8_t client[32] = "thirty-two bytes of the client..",
               server[32] = "the server's thirty-two bytes...";

#define RANDOMS                                                                                    \
    {                                                                                              \
        client, sizeof(client), server, sizeof(server)                                             \
    }

/* The key block by the exporter, whose seed has the randoms the other way round. */
static void expand(CK_OBJECT_HANDLE base, uint8_t *out, CK_ULONG len)
{
    static CK_BYTE label[] = "key expansion";
    CK_TLS_KDF_PARAMS params = {.prfMechanism = CKM_SHA256,
                                .pLabel = label,
                                .ulLabelLength = sizeof(label) - 1,
                                .RandomInfo = {server, sizeof(server), client, sizeof(client)}};
    CK_MECHANISM kdf = {CKM_TLS_KDF, &params, sizeof(params)};
    CK_OBJECT_HANDLE key = 0;
    uint8_t all[512];

    assert_ok(
        p11->C_DeriveKey(session, &kdf, base, LIST(ULONG(CKA_VALUE_LEN, len), OPEN_KEY), &key));
    ck_assert_uint_eq(value_of(key, all), len);
    memcpy(out, all, len);
    assert_ok(p11->C_DestroyObject(session, key));
}

struct block {
    CK_SSL3_KEY_MAT_OUT out;
    CK_TLS12_KEY_MAT_PARAMS params;
    CK_MECHANISM mechanism;
    CK_BYTE ivs[2][16];
};

static void make_block(struct block *b, CK_ULONG mac, CK_ULONG key, CK_ULONG iv)
{
    *b = (struct block){.out = {77, 77, 77, 77, b->ivs[0], b->ivs[1]},
                        .params = {.ulMacSizeInBits = mac * 8,
                                   .ulKeySizeInBits = key * 8,
                                   .ulIVSizeInBits = iv * 8,
                                   .RandomInfo = RANDOMS,
                                   .pReturnedKeyMaterial = &b->out,
                                   .prfHashMechanism = CKM_SHA256},
                        .mechanism = {CKM_TLS12_KEY_AND_MAC_DERIVE, &b->params, sizeof(b->params)}};
}

static const struct {
    CK_ULONG mac, key, iv;
} suites[] = {
    {32, 16, 16}, /* AES-128-CBC with SHA-256 */
    {0, 16, 4},   /* AES-128-GCM */
    {20, 32, 0},
    {32, 0, 0}, /* no cipher */
};

START_TEST(a_key_block_is_cut_into_its_keys)
{
    CK_ULONG mac = suites[_i].mac, len = suites[_i].key, iv = suites[_i].iv;
    CK_OBJECT_HANDLE base;
    uint8_t want[256];
    struct block b;

    start();
    base = import(master, sizeof(master), OPEN);
    expand(base, want, 2 * (mac + len + iv));
    make_block(&b, mac, len, iv);
    assert_ok(
        p11->C_DeriveKey(session, &b.mechanism, base, LIST(ULONG(CKA_KEY_TYPE, CKK_AES)), NULL));
    if (mac > 0) {
        assert_value(b.out.hClientMacSecret, want, mac);
        assert_value(b.out.hServerMacSecret, want + mac, mac);
        ck_assert(token_bool(session, b.out.hClientMacSecret, CKA_SIGN));
        ck_assert(!token_bool(session, b.out.hServerMacSecret, CKA_DERIVE));
    } else {
        ck_assert_uint_eq(b.out.hClientMacSecret, CK_INVALID_HANDLE);
        ck_assert_uint_eq(b.out.hServerMacSecret, CK_INVALID_HANDLE);
    }
    if (len > 0) {
        assert_value(b.out.hClientKey, want + 2 * mac, len);
        assert_value(b.out.hServerKey, want + 2 * mac + len, len);
        ck_assert_uint_eq(token_ulong(session, b.out.hServerKey, CKA_KEY_TYPE), CKK_AES);
    } else {
        ck_assert_uint_eq(b.out.hClientKey, CK_INVALID_HANDLE);
    }
    ck_assert_mem_eq(b.ivs[0], want + 2 * (mac + len), iv);
    ck_assert_mem_eq(b.ivs[1], want + 2 * (mac + len) + iv, iv);
}
END_TEST

START_TEST(keys_of_a_block_are_as_safe_as_the_master_secret)
{
    CK_OBJECT_HANDLE base;
    struct block b;

    start();
    base = import(master, sizeof(master), NO(CKA_EXTRACTABLE), YES(CKA_SENSITIVE));
    make_block(&b, 32, 16, 0);
    assert_ok(
        p11->C_DeriveKey(session, &b.mechanism, base, LIST(ULONG(CKA_KEY_TYPE, CKK_AES)), NULL));
    ck_assert(token_bool(session, b.out.hClientMacSecret, CKA_SENSITIVE));
    ck_assert(token_bool(session, b.out.hServerKey, CKA_SENSITIVE));
    ck_assert(!token_bool(session, b.out.hServerKey, CKA_EXTRACTABLE));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_DeriveKey(session, &b.mechanism, base,
                               LIST(ULONG(CKA_KEY_TYPE, CKK_AES), NO(CKA_SENSITIVE)), NULL));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_DeriveKey(session, &b.mechanism, base,
                               LIST(ULONG(CKA_KEY_TYPE, CKK_AES), YES(CKA_EXTRACTABLE)), NULL));
    assert_ok(p11->C_DeriveKey(
        session, &b.mechanism, base,
        LIST(ULONG(CKA_KEY_TYPE, CKK_AES), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE)), NULL));
}
END_TEST

START_TEST(a_key_block_comes_whole_or_not_at_all)
{
    CK_OBJECT_HANDLE base;
    struct block b;
    CK_ULONG before;

    start();
    base = import(master, sizeof(master), OPEN);
    before = objects();
    make_block(&b, 32, 16, 0);
    assert_rv(CKR_TEMPLATE_INCONSISTENT, /* found when the MAC keys are there already */
              p11->C_DeriveKey(session, &b.mechanism, base,
                               LIST(ULONG(CKA_KEY_TYPE, CKK_AES), ULONG(CKA_VALUE_LEN, 24)), NULL));
    ck_assert_uint_eq(objects(), before);
    ck_assert_uint_eq(b.out.hClientKey, 77);
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_DeriveKey(session, &b.mechanism, base,
                               LIST(ULONG(CKA_KEY_TYPE, CKK_AES), YES(CKA_TOKEN)), NULL));
    make_block(&b, 0, 0, 16);
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              p11->C_DeriveKey(session, &b.mechanism, base, NULL, 0, NULL));
    ck_assert_uint_eq(objects(), before);
    make_block(&b, 32, 16, 0);
    assert_ok(p11->C_DeriveKey(session, &b.mechanism, base,
                               LIST(ULONG(CKA_KEY_TYPE, CKK_AES), ULONG(CKA_VALUE_LEN, 16)), NULL));
    ck_assert_uint_eq(objects(), before + 4);
}
END_TEST

START_TEST(a_master_secret_tells_the_version_and_goes_on_to_its_connection_only)
{
    CK_VERSION version = {0, 0};
    CK_TLS12_MASTER_KEY_DERIVE_PARAMS params = {
        .RandomInfo = RANDOMS, .pVersion = &version, .prfHashMechanism = CKM_SHA256};
    CK_MECHANISM derive = {CKM_TLS12_MASTER_KEY_DERIVE, &params, sizeof(params)};
    CK_HKDF_PARAMS hkdf_params = {.bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256};
    CK_MECHANISM hkdf = {CKM_HKDF_DERIVE, &hkdf_params, sizeof(hkdf_params)};
    CK_OBJECT_HANDLE base, key = 0, other = 0;
    uint8_t premaster[48] = {3, 3, 1, 2, 3};
    struct block b;

    hkdf_params.ulSaltType = CKF_HKDF_SALT_NULL;
    start();
    base = import(premaster, sizeof(premaster), OPEN);
    assert_ok(p11->C_DeriveKey(session, &derive, base, LIST(YES(CKA_DERIVE), SOFTWARE), &key));
    ck_assert_uint_eq(version.major, 3);
    ck_assert_uint_eq(version.minor, 3);
    ck_assert_uint_eq(token_ulong(session, key, CKA_VALUE_LEN), 48);
    make_block(&b, 0, 16, 4);
    assert_ok(
        p11->C_DeriveKey(session, &b.mechanism, key, LIST(ULONG(CKA_KEY_TYPE, CKK_AES)), NULL));
    assert_rv(CKR_MECHANISM_INVALID,
              p11->C_DeriveKey(session, &hkdf, key, LIST(ULONG(CKA_VALUE_LEN, 32)), &other));
    assert_ok(p11->C_DeriveKey(session, &hkdf, base, LIST(ULONG(CKA_VALUE_LEN, 32)), &other));
}
END_TEST

/* SunPKCS11 says nothing of what a master secret is for, and needs both. */
START_TEST(a_master_secret_that_nothing_is_said_of_derives_and_signs_for_its_connection)
{
    CK_TLS12_MASTER_KEY_DERIVE_PARAMS params = {.RandomInfo = RANDOMS,
                                                .prfHashMechanism = CKM_SHA256};
    CK_MECHANISM derive = {CKM_TLS12_MASTER_KEY_DERIVE_DH, &params, sizeof(params)};
    CK_TLS_MAC_PARAMS finished = {CKM_SHA256, 12, 2};
    CK_MECHANISM mac = {CKM_TLS_MAC, &finished, sizeof(finished)};
    CK_MECHANISM_TYPE exporter = CKM_TLS_KDF;
    CK_OBJECT_HANDLE base, key = 0, other = 0;
    uint8_t premaster[48] = {3, 3, 1, 2, 3}, handshake[32] = {1}, out[16];
    CK_ULONG n = sizeof(out);
    struct block b;

    start();
    base = import(premaster, sizeof(premaster), OPEN);
    assert_ok(p11->C_DeriveKey(session, &derive, base, NULL, 0, &key));
    ck_assert(token_bool(session, key, CKA_DERIVE) && token_bool(session, key, CKA_SIGN));
    assert_ok(p11->C_SignInit(session, &mac, key));
    assert_ok(p11->C_Sign(session, handshake, sizeof(handshake), out, &n));
    ck_assert_uint_eq(n, 12);
    make_block(&b, 0, 16, 4);
    assert_ok(
        p11->C_DeriveKey(session, &b.mechanism, key, LIST(ULONG(CKA_KEY_TYPE, CKK_AES)), NULL));
    /* With a label of one's own the MAC would be a key. */
    assert_rv(
        CKR_TEMPLATE_INCONSISTENT,
        p11->C_DeriveKey(session, &derive, base, LIST(YES(CKA_DERIVE), YES(CKA_SIGN)), &other));
    assert_ok(p11->C_DeriveKey(
        session, &derive, base,
        LIST(YES(CKA_DERIVE), ATTR(CKA_ALLOWED_MECHANISMS, &exporter, sizeof(exporter))), &other));
    ck_assert(!token_bool(session, other, CKA_SIGN));
}
END_TEST

/* ---- SP 800-108 ---- */

static uint8_t kdk[32] = "a key that others are made from.";
static CK_SP800_108_COUNTER_FORMAT counter = {.ulWidthInBits = 16};
static CK_SP800_108_DKM_LENGTH_FORMAT sum = {CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_FALSE, 16};
static CK_BYTE label[] = {0xde, 0xad, 0xbe, 0xef}, bits_512[] = {2, 0}, bits_768[] = {3, 0};
static CK_BYTE start_iv[32] = "feedback";

/* Two keys of 48 and 16 bytes: three segments of SHA-256, the standard's example. */
static const struct {
    CK_MECHANISM_TYPE type;
    CK_SP800_108_DKM_LENGTH_METHOD method;
    CK_BYTE *bits;
} forms[] = {
    {CKM_SP800_108_COUNTER_KDF, CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, bits_512},
    {CKM_SP800_108_COUNTER_KDF, CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS, bits_768},
    {CKM_SP800_108_FEEDBACK_KDF, CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, bits_512},
    {CKM_SP800_108_DOUBLE_PIPELINE_KDF, CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS, bits_768},
};

struct sp800 {
    CK_PRF_DATA_PARAM parts[3];
    union {
        CK_SP800_108_KDF_PARAMS plain;
        CK_SP800_108_FEEDBACK_KDF_PARAMS feedback;
    } params;
    CK_MECHANISM mechanism;
};

static void make_sp800(struct sp800 *s, int form, CK_DERIVED_KEY *more, CK_ULONG count)
{
    bool counts = forms[form].type == CKM_SP800_108_COUNTER_KDF;

    sum.dkmLengthMethod = forms[form].method;
    *s = (struct sp800){.parts = {{CK_SP800_108_ITERATION_VARIABLE, counts ? &counter : NULL,
                                   counts ? sizeof(counter) : 0},
                                  {CK_SP800_108_BYTE_ARRAY, label, sizeof(label)},
                                  {CK_SP800_108_DKM_LENGTH, &sum, sizeof(sum)}},
                        .mechanism = {forms[form].type, &s->params, sizeof(s->params.plain)}};
    if (forms[form].type != CKM_SP800_108_FEEDBACK_KDF) {
        s->params.plain = (CK_SP800_108_KDF_PARAMS){CKM_SHA256_HMAC, 3, s->parts, count, more};
        return;
    }
    s->params.feedback = (CK_SP800_108_FEEDBACK_KDF_PARAMS){
        CKM_SHA256_HMAC, 3, s->parts, sizeof(start_iv), start_iv, count, more};
    s->mechanism.ulParameterLen = sizeof(s->params.feedback);
}

START_TEST(additional_keys_come_of_segments_of_their_own)
{
    CK_ATTRIBUTE second[] = {ULONG(CKA_VALUE_LEN, 16), ULONG(CKA_KEY_TYPE, CKK_AES), OPEN_KEY};
    CK_OBJECT_HANDLE base, one = 0, two = 0, whole = 0;
    CK_DERIVED_KEY more = {second, COUNT(second), &two};
    uint8_t all[512];
    struct sp800 s;

    start();
    base = import(kdk, sizeof(kdk), OPEN);
    make_sp800(&s, _i, &more, 1);
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 48), OPEN_KEY), &one));
    /* All three segments as one key, with the length in bits written out. */
    make_sp800(&s, _i, NULL, 0);
    s.parts[2] = (CK_PRF_DATA_PARAM){CK_SP800_108_BYTE_ARRAY, forms[_i].bits, 2};
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 96), OPEN_KEY), &whole));
    ck_assert_uint_eq(value_of(whole, all), 96);
    assert_value(one, all, 48);
    assert_value(two, all + 64, 16);
    ck_assert_uint_eq(token_ulong(session, two, CKA_KEY_TYPE), CKK_AES);
}
END_TEST

/* The value of the other key stands where the handle stood (3.2, 6.42.1). */
START_TEST(a_part_may_be_another_key_that_may_derive)
{
    CK_OBJECT_HANDLE base, one = 0, two = 0, other, open = 0;
    CK_ATTRIBUTE second[] = {ULONG(CKA_VALUE_LEN, 16), OPEN_KEY};
    CK_DERIVED_KEY more = {second, COUNT(second), &two};
    uint8_t want[512], got[512];
    struct sp800 s;

    start();
    base = import(kdk, sizeof(kdk), OPEN);
    other = import(label, sizeof(label), OPEN);
    make_sp800(&s, _i, NULL, 0);
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 48), OPEN_KEY), &one));
    ck_assert_uint_eq(value_of(one, want), 48);
    s.parts[1] = (CK_PRF_DATA_PARAM){CK_SP800_108_KEY_HANDLE, &other, sizeof(other)};
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 48), OPEN_KEY), &open));
    ck_assert_uint_eq(value_of(open, got), 48);
    ck_assert_mem_eq(got, want, 48);
    /* With additional keys as well. */
    make_sp800(&s, _i, &more, 1);
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 48), OPEN_KEY), &one));
    value_of(two, want);
    s.parts[1] = (CK_PRF_DATA_PARAM){CK_SP800_108_KEY_HANDLE, &other, sizeof(other)};
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 48), OPEN_KEY), &one));
    ck_assert_uint_eq(value_of(two, got), 16);
    ck_assert_mem_eq(got, want, 16);
    other = open; /* made without CKA_DERIVE */
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 48), OPEN_KEY), &one));
    other = 4711;
    assert_rv(CKR_KEY_HANDLE_INVALID,
              p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 48), OPEN_KEY), &one));
}
END_TEST

/* Who knows the base key turns CMAC round. */
START_TEST(a_part_is_no_other_key_under_cmac_and_never_two)
{
    CK_OBJECT_HANDLE base, one = 0, other;
    struct sp800 s;

    start();
    base = import(kdk, sizeof(kdk), OPEN);
    other = import(label, sizeof(label), OPEN);
    make_sp800(&s, 0, NULL, 0);
    s.params.plain.prfType = CKM_AES_CMAC;
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 32), OPEN_KEY), &one));
    s.parts[1] = (CK_PRF_DATA_PARAM){CK_SP800_108_KEY_HANDLE, &other, sizeof(other)};
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 32), OPEN_KEY), &one));
    s.params.plain.prfType = CKM_SHA256_HMAC;
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 32), OPEN_KEY), &one));
    s.parts[2] = s.parts[1];
    assert_rv(CKR_MECHANISM_PARAM_INVALID,
              p11->C_DeriveKey(session, &s.mechanism, base,
                               LIST(ULONG(CKA_VALUE_LEN, 32), OPEN_KEY), &one));
}
END_TEST

START_TEST(additional_keys_come_all_or_none_and_the_fault_is_told)
{
    CK_ATTRIBUTE good[] = {ULONG(CKA_VALUE_LEN, 16)},
                 bad[] = {ULONG(CKA_VALUE_LEN, 16), YES(CKA_WRAP)};
    CK_ATTRIBUTE lengthless[] = {YES(CKA_DERIVE)};
    CK_OBJECT_HANDLE base, one = 77, two = 77, three = 77;
    CK_DERIVED_KEY more[] = {{good, 1, &two}, {bad, 2, &three}};
    struct sp800 s;
    CK_ULONG before;

    start();
    base = import(kdk, sizeof(kdk), OPEN);
    before = objects();
    make_sp800(&s, 0, more, 2);
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_DeriveKey(session, &s.mechanism, base, LIST(ULONG(CKA_VALUE_LEN, 16)), &one));
    ck_assert_uint_eq(one, 77);
    ck_assert_uint_eq(two, 77);
    ck_assert_uint_eq(three, CK_INVALID_HANDLE);
    ck_assert_uint_eq(objects(), before);
    more[1] = (CK_DERIVED_KEY){good, 1, NULL};
    assert_rv(CKR_ARGUMENTS_BAD,
              p11->C_DeriveKey(session, &s.mechanism, base, LIST(ULONG(CKA_VALUE_LEN, 16)), &one));
    more[1] = (CK_DERIVED_KEY){lengthless, 1, &three};
    assert_rv(CKR_KEY_SIZE_RANGE,
              p11->C_DeriveKey(session, &s.mechanism, base, LIST(ULONG(CKA_VALUE_LEN, 16)), &one));
    more[1] = (CK_DERIVED_KEY){good, 1, &three};
    assert_rv(CKR_ARGUMENTS_BAD,
              p11->C_DeriveKey(session, &s.mechanism, base, LIST(ULONG(CKA_VALUE_LEN, 16)), NULL));
    ck_assert_uint_eq(objects(), before);
    assert_ok(p11->C_DeriveKey(session, &s.mechanism, base, LIST(ULONG(CKA_VALUE_LEN, 16)), &one));
    ck_assert_uint_eq(objects(), before + 3);
}
END_TEST

/* ---- HKDF: RFC 5869, A.1 ---- */

static uint8_t ikm[22], salt[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static uint8_t info[] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9};
static const uint8_t okm[42] = {0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f,
                                0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a,
                                0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf, 0x34,
                                0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65};

static CK_HKDF_PARAMS hkdf_params(void)
{
    memset(ikm, 0x0b, sizeof(ikm));
    return (CK_HKDF_PARAMS){.bExtract = CK_TRUE,
                            .bExpand = CK_TRUE,
                            .prfHashMechanism = CKM_SHA256,
                            .ulSaltType = CKF_HKDF_SALT_DATA,
                            .pSalt = salt,
                            .ulSaltLen = sizeof(salt),
                            .pInfo = info,
                            .ulInfoLen = sizeof(info)};
}

START_TEST(hkdf_makes_data_of_a_key_that_is_not_sensitive)
{
    CK_HKDF_PARAMS params = hkdf_params();
    CK_MECHANISM m = {CKM_HKDF_DATA, &params, sizeof(params)};
    CK_OBJECT_HANDLE open, closed, data = 0;

    start();
    open = import(ikm, sizeof(ikm), OPEN);
    closed = import(ikm, sizeof(ikm), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE));
    assert_ok(p11->C_DeriveKey(session, &m, open,
                               LIST(ULONG(CKA_VALUE_LEN, 42), TEXT(CKA_LABEL, "iv")), &data));
    ck_assert_uint_eq(token_ulong(session, data, CKA_CLASS), CKO_DATA);
    assert_value(data, okm, 42);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              p11->C_DeriveKey(session, &m, closed, LIST(ULONG(CKA_VALUE_LEN, 42)), &data));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_DeriveKey(session, &m, open,
                               LIST(ULONG(CKA_VALUE_LEN, 42), TEXT(CKA_VALUE, "x")), &data));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_DeriveKey(session, &m, open,
                               LIST(ULONG(CKA_VALUE_LEN, 42), ULONG(CKA_CLASS, CKO_SECRET_KEY)),
                               &data));
    assert_rv(CKR_KEY_SIZE_RANGE,
              p11->C_DeriveKey(session, &m, open, LIST(ULONG(CKA_VALUE_LEN, 8193)), &data));
    assert_rv(CKR_ARGUMENTS_BAD,
              p11->C_DeriveKey(session, &m, open, LIST(ULONG(CKA_VALUE_LEN, 42)), NULL));
}
END_TEST

/* A key that is joined to another is used as much as that. */
START_TEST(the_second_key_has_its_dates_and_mechanisms_too)
{
    CK_OBJECT_HANDLE second = 0, base, key = 0;
    CK_MECHANISM join = {CKM_CONCATENATE_BASE_AND_KEY, &second, sizeof(second)};
    CK_MECHANISM_TYPE other = CKM_HKDF_DERIVE, this = CKM_CONCATENATE_BASE_AND_KEY;
    CK_DATE past = {"2020", "01", "01"};

    start();
    base = import(ikm, sizeof(ikm), OPEN);
    second = import(salt, sizeof(salt), NO(CKA_SENSITIVE),
                    ATTR(CKA_ALLOWED_MECHANISMS, &this, sizeof(this)));
    assert_ok(p11->C_DeriveKey(session, &join, base, LIST(SOFTWARE), &key));
    second = import(salt, sizeof(salt), NO(CKA_SENSITIVE),
                    ATTR(CKA_ALLOWED_MECHANISMS, &other, sizeof(other)));
    assert_rv(CKR_MECHANISM_INVALID, p11->C_DeriveKey(session, &join, base, LIST(SOFTWARE), &key));
    second = import(salt, sizeof(salt), NO(CKA_SENSITIVE), ATTR(CKA_END_DATE, &past, sizeof(past)));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              p11->C_DeriveKey(session, &join, base, LIST(SOFTWARE), &key));
}
END_TEST

START_TEST(a_key_is_hkdfs_salt_when_it_may_derive)
{
    CK_HKDF_PARAMS params = hkdf_params();
    CK_MECHANISM m = {CKM_HKDF_DERIVE, &params, sizeof(params)};
    CK_OBJECT_HANDLE base, key = 0;

    start();
    base = import(ikm, sizeof(ikm), OPEN);
    params.ulSaltType = CKF_HKDF_SALT_KEY;
    params.hSaltKey = import(salt, sizeof(salt), OPEN);
    params.pSalt = NULL;
    params.ulSaltLen = 0;
    assert_ok(p11->C_DeriveKey(session, &m, base, LIST(ULONG(CKA_VALUE_LEN, 42), OPEN_KEY), &key));
    assert_value(key, okm, 42);
    params.hSaltKey = key; /* made without CKA_DERIVE */
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              p11->C_DeriveKey(session, &m, base, LIST(ULONG(CKA_VALUE_LEN, 42), OPEN_KEY), &key));
    params.hSaltKey = 4711;
    assert_rv(CKR_KEY_HANDLE_INVALID,
              p11->C_DeriveKey(session, &m, base, LIST(ULONG(CKA_VALUE_LEN, 42), OPEN_KEY), &key));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_key_block_is_cut_into_its_keys, COUNT(suites)),
        CASE(keys_of_a_block_are_as_safe_as_the_master_secret),
        CASE(a_key_block_comes_whole_or_not_at_all),
        CASE(a_master_secret_tells_the_version_and_goes_on_to_its_connection_only),
        CASE(a_master_secret_that_nothing_is_said_of_derives_and_signs_for_its_connection),
        CASE_LOOP(additional_keys_come_of_segments_of_their_own, COUNT(forms)),
        CASE_LOOP(a_part_may_be_another_key_that_may_derive, COUNT(forms)),
        CASE(a_part_is_no_other_key_under_cmac_and_never_two),
        CASE(additional_keys_come_all_or_none_and_the_fault_is_told),
        CASE(hkdf_makes_data_of_a_key_that_is_not_sensitive),
        CASE(the_second_key_has_its_dates_and_mechanisms_too),
        CASE(a_key_is_hkdfs_salt_when_it_may_derive),
    };

    return token_suite("pkcs11/derive_set", cases, COUNT(cases));
}
