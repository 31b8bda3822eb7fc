/*
 * C_DeriveKey: what comes out is what the standards say, what it may be follows from where it comes
 * from, and no piece of a sensitive key is to be had.
 */
#include "tests/module/pkcs11/token.h"

#include <string.h>

#define SOFTWARE TEXT(CKA_KEYWARD_PROTECTION, "software")

static CK_SESSION_HANDLE session;

static void start(void)
{
    session = token_alice();
}

static CK_OBJECT_HANDLE import(uint8_t *value, CK_ULONG len, CK_ATTRIBUTE one, CK_ATTRIBUTE two)
{
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_GENERIC_SECRET), SOFTWARE,
             ATTR(CKA_VALUE, value, len), YES(CKA_DERIVE), NO(CKA_SIGN), NO(CKA_VERIFY), one, two),
        &key));
    return key;
}

/* RFC 5869, test case 1. */
static uint8_t ikm[22] = {0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
                          0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b};
static uint8_t salt[13] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static uint8_t info[10] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9};
static uint8_t okm[42] = {0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a, 0x90, 0x43, 0x4f,
                          0x64, 0xd0, 0x36, 0x2f, 0x2a, 0x2d, 0x2d, 0x0a, 0x90, 0xcf, 0x1a,
                          0x5a, 0x4c, 0x5d, 0xb0, 0x2d, 0x56, 0xec, 0xc4, 0xc5, 0xbf, 0x34,
                          0x00, 0x72, 0x08, 0xd5, 0xb8, 0x87, 0x18, 0x58, 0x65};

static CK_HKDF_PARAMS hkdf_params = {.bExtract = CK_TRUE,
                                     .bExpand = CK_TRUE,
                                     .prfHashMechanism = CKM_SHA256,
                                     .ulSaltType = CKF_HKDF_SALT_DATA,
                                     .pSalt = salt,
                                     .ulSaltLen = sizeof(salt),
                                     .pInfo = info,
                                     .ulInfoLen = sizeof(info)};
static CK_MECHANISM hkdf = {CKM_HKDF_DERIVE, &hkdf_params, sizeof(hkdf_params)};

static CK_RV derive(CK_MECHANISM *m, CK_OBJECT_HANDLE base, CK_ULONG len, CK_ATTRIBUTE one,
                    CK_ATTRIBUTE two, CK_OBJECT_HANDLE *ret)
{
    return p11->C_DeriveKey(session, m, base,
                            LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY),
                                 ULONG(CKA_KEY_TYPE, CKK_GENERIC_SECRET), SOFTWARE,
                                 ULONG(CKA_VALUE_LEN, len), one, two),
                            ret);
}

/* The digest of a value is asked of a key that may be read. */
static void assert_value(CK_OBJECT_HANDLE key, uint8_t *value, CK_ULONG len)
{
    CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
    uint8_t of_key[32];
    uint8_t of_value[32];
    CK_ULONG n = 32;

    assert_ok(p11->C_DigestInit(session, &sha256));
    assert_ok(p11->C_DigestKey(session, key));
    assert_ok(p11->C_DigestFinal(session, of_key, &n));
    assert_ok(p11->C_DigestInit(session, &sha256));
    assert_ok(p11->C_Digest(session, value, len, of_value, &n));
    ck_assert_mem_eq(of_key, of_value, 32);
}

START_TEST(hkdf_gives_the_known_answer)
{
    CK_OBJECT_HANDLE base, key;

    start();
    base = import(ikm, sizeof(ikm), NO(CKA_TOKEN), NO(CKA_SENSITIVE));
    assert_ok(derive(&hkdf, base, sizeof(okm), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE), &key));
    assert_value(key, okm, sizeof(okm));
    ck_assert(!token_bool(session, key, CKA_LOCAL));
    ck_assert_uint_eq(token_ulong(session, key, CKA_VALUE_LEN), sizeof(okm));
}
END_TEST

/* ---- ECDH ---- */

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

struct party {
    CK_OBJECT_HANDLE public, private;
    uint8_t point[67]; /* in its OCTET STRING */
};

static void make_party(struct party *p)
{
    CK_MECHANISM gen = {CKM_EC_KEY_PAIR_GEN, NULL, 0};

    assert_ok(p11->C_GenerateKeyPair(
        session, &gen, LIST(ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), NO(CKA_TOKEN)),
        LIST(SOFTWARE, NO(CKA_TOKEN), YES(CKA_DERIVE)), &p->public, &p->private));
    ck_assert_uint_eq(token_bytes(session, p->public, CKA_EC_POINT, p->point, sizeof(p->point)),
                      sizeof(p->point));
}

/* theirs NULL: with nobody. */
static CK_RV agree(const struct party *mine, struct party *theirs, CK_OBJECT_HANDLE *ret)
{
    CK_ECDH1_DERIVE_PARAMS p = {.kdf = CKD_NULL,
                                .ulPublicDataLen = theirs != NULL ? 65 : 0,
                                .pPublicData = theirs != NULL ? theirs->point + 2 : NULL};
    CK_MECHANISM m = {CKM_ECDH1_DERIVE, &p, sizeof(p)};

    return p11->C_DeriveKey(session, &m, mine->private,
                            LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
                                 SOFTWARE, ULONG(CKA_VALUE_LEN, 32)),
                            ret);
}

START_TEST(two_parties_agree_on_one_key_and_a_point_off_the_curve_on_none)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    struct party a, b;
    CK_OBJECT_HANDLE ab, ba;
    uint8_t block[16] = "sixteen bytes ..";
    uint8_t cipher[16];
    uint8_t back[16];
    CK_ULONG len = 16;

    start();
    make_party(&a);
    make_party(&b);
    assert_ok(agree(&a, &b, &ab));
    assert_ok(agree(&b, &a, &ba));
    assert_ok(p11->C_EncryptInit(session, &ecb, ab));
    assert_ok(p11->C_Encrypt(session, block, 16, cipher, &len));
    assert_ok(p11->C_DecryptInit(session, &ecb, ba));
    assert_ok(p11->C_Decrypt(session, cipher, 16, back, &len));
    ck_assert_mem_eq(block, back, 16);
    assert_rv(CKR_MECHANISM_PARAM_INVALID, agree(&a, NULL, &ab));
    ck_assert(token_bool(session, ab, CKA_SENSITIVE));
    ck_assert(token_bool(session, ab, CKA_ALWAYS_SENSITIVE));
    ck_assert(token_bool(session, ab, CKA_NEVER_EXTRACTABLE));
    b.point[40] ^= 1;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, agree(&a, &b, &ab));
}
END_TEST

/* ---- who may, and what it may be ---- */

START_TEST(only_a_key_made_to_derive_derives_and_only_with_its_mechanisms)
{
    CK_MECHANISM sha = {CKM_SHA256, NULL, 0};
    CK_OBJECT_HANDLE base, key;

    start();
    base = import(ikm, sizeof(ikm), NO(CKA_TOKEN), NO(CKA_SENSITIVE));
    assert_ok(derive(&hkdf, base, 32, NO(CKA_TOKEN), NO(CKA_SENSITIVE), &key));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              derive(&hkdf, key, 32, NO(CKA_TOKEN), NO(CKA_SENSITIVE), &key));
    assert_rv(CKR_MECHANISM_INVALID,
              derive(&sha, base, 32, NO(CKA_TOKEN), NO(CKA_SENSITIVE), &key));
    assert_rv(CKR_KEY_HANDLE_INVALID,
              derive(&hkdf, 4711, 32, NO(CKA_TOKEN), NO(CKA_SENSITIVE), &key));
    assert_rv(CKR_ARGUMENTS_BAD, derive(&hkdf, base, 32, NO(CKA_TOKEN), NO(CKA_SENSITIVE), NULL));
    assert_rv(CKR_ARGUMENTS_BAD, derive(NULL, base, 32, NO(CKA_TOKEN), NO(CKA_SENSITIVE), &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              p11->C_DeriveKey(session, &hkdf, base, LIST(ULONG(CKA_CLASS, CKO_DATA)), &key));
}
END_TEST

START_TEST(a_derive_template_decides_what_is_derived)
{
    CK_ATTRIBUTE asks[] = {NO(CKA_EXTRACTABLE)};
    CK_OBJECT_HANDLE base, key;

    start();
    base = import(ikm, sizeof(ikm), NO(CKA_TOKEN), ATTR(CKA_DERIVE_TEMPLATE, asks, sizeof(asks)));
    assert_ok(derive(&hkdf, base, 32, NO(CKA_TOKEN), NO(CKA_EXTRACTABLE), &key));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              derive(&hkdf, base, 32, NO(CKA_TOKEN), YES(CKA_EXTRACTABLE), &key));
}
END_TEST

/* ---- bits that are passed on ---- */

static CK_KEY_DERIVATION_STRING_DATA text = {.pData = salt, .ulLen = sizeof(salt)};
static CK_MECHANISM append = {CKM_CONCATENATE_BASE_AND_DATA, &text, sizeof(text)};
static CK_MECHANISM xor = {CKM_XOR_BASE_AND_DATA, &text, sizeof(text)};

START_TEST(what_passes_bits_on_keeps_them_as_safe_as_they_were)
{
    CK_OBJECT_HANDLE open, closed, key;
    uint8_t both[sizeof(ikm) + sizeof(salt)];

    start();
    open = import(ikm, sizeof(ikm), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE));
    closed = import(ikm, sizeof(ikm), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE));
    memcpy(both, ikm, sizeof(ikm));
    memcpy(both + sizeof(ikm), salt, sizeof(salt));
    assert_ok(derive(&append, open, sizeof(both), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE), &key));
    assert_value(key, both, sizeof(both));
    assert_ok(derive(&append, closed, sizeof(both), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              derive(&append, closed, sizeof(both), NO(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
    assert_rv(CKR_TEMPLATE_INCONSISTENT, derive(&append, closed, sizeof(both), YES(CKA_SENSITIVE),
                                                YES(CKA_EXTRACTABLE), &key));
}
END_TEST

START_TEST(no_piece_of_a_sensitive_key_is_to_be_had)
{
    CK_EXTRACT_PARAMS bit = 0;
    CK_MECHANISM extract = {CKM_EXTRACT_KEY_FROM_KEY, &bit, sizeof(bit)};
    CK_OBJECT_HANDLE open, closed, key;

    start();
    open = import(ikm, sizeof(ikm), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE));
    closed = import(ikm, sizeof(ikm), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE));
    assert_ok(derive(&extract, open, 1, YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
    assert_rv(CKR_KEY_SIZE_RANGE,
              derive(&extract, closed, 1, YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
    assert_rv(CKR_KEY_SIZE_RANGE, derive(&extract, closed, sizeof(ikm) - 1, YES(CKA_SENSITIVE),
                                         NO(CKA_EXTRACTABLE), &key));
    assert_ok(derive(&xor, open, sizeof(salt), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
    assert_rv(CKR_KEY_SIZE_RANGE,
              derive(&xor, closed, sizeof(salt), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
}
END_TEST

START_TEST(two_keys_are_joined_when_both_may_derive)
{
    CK_OBJECT_HANDLE one, two, sealed, key;
    CK_MECHANISM join = {CKM_CONCATENATE_BASE_AND_KEY, &two, sizeof(two)};
    uint8_t both[sizeof(ikm) + sizeof(salt)];

    start();
    one = import(ikm, sizeof(ikm), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE));
    two = import(salt, sizeof(salt), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE));
    sealed = import(salt, sizeof(salt), YES(CKA_SENSITIVE), YES(CKA_EXTRACTABLE));
    memcpy(both, ikm, sizeof(ikm));
    memcpy(both + sizeof(ikm), salt, sizeof(salt));
    assert_ok(derive(&join, one, sizeof(both), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE), &key));
    assert_value(key, both, sizeof(both));
    two = sealed;
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              derive(&join, one, sizeof(both), NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE), &key));
    assert_ok(derive(&join, one, sizeof(both), YES(CKA_SENSITIVE), YES(CKA_EXTRACTABLE), &key));
    two = key; /* made without CKA_DERIVE */
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED,
              derive(&join, one, sizeof(both), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
    two = 4711;
    assert_rv(CKR_KEY_HANDLE_INVALID,
              derive(&join, one, sizeof(both), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), &key));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(hkdf_gives_the_known_answer),
        CASE(two_parties_agree_on_one_key_and_a_point_off_the_curve_on_none),
        CASE(only_a_key_made_to_derive_derives_and_only_with_its_mechanisms),
        CASE(a_derive_template_decides_what_is_derived),
        CASE(what_passes_bits_on_keeps_them_as_safe_as_they_were),
        CASE(no_piece_of_a_sensitive_key_is_to_be_had),
        CASE(two_keys_are_joined_when_both_may_derive),
    };

    return token_suite("pkcs11/derive", cases, sizeof(cases) / sizeof(*cases));
}
