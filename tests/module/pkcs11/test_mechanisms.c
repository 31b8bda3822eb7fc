/*
 * Which mechanisms there are: what either device does is listed, and a key does what its own device
 * does. Keys of every kind, in every length they have and in none they have not.
 */
#include "base/mech.h"
#include "pkcs11/keyward.h"
#include "tests/module/pkcs11/token.h"

#include <string.h>

#undef fail

#define LIST_MAX 256

static char software[] = "software", hsm[] = "hsm";

#define SOFTWARE ATTR(CKA_KEYWARD_PROTECTION, software, 8)
#define HSM      ATTR(CKA_KEYWARD_PROTECTION, hsm, 3)

static CK_SLOT_ID slot_of(CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;

    assert_ok(p11->C_GetSessionInfo(session, &info));
    return info.slotID;
}

/* ---- the list ---- */

static const struct {
    CK_MECHANISM_TYPE type;
    CK_ULONG min, max; /* PKCS#11 3.0, in the unit of each */
    CK_FLAGS flags;    /* among others */
} listed[] = {
    {CKM_RSA_PKCS, 2048, 4096, CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_GCM, 16, 32, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_CCM, 16, 32, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_XTS, 32, 64, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_XTS_KEY_GEN, 32, 64, CKF_GENERATE},
    {CKM_AES_CMAC, 16, 32, CKF_SIGN | CKF_VERIFY},
    {CKM_AES_CMAC_GENERAL, 16, 32, CKF_SIGN | CKF_VERIFY},
    {CKM_AES_GMAC, 16, 32, CKF_SIGN | CKF_VERIFY},
    {CKM_CHACHA20_POLY1305, 32, 32, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_CHACHA20_KEY_GEN, 32, 32, CKF_GENERATE},
    {CKM_SHA256_HMAC_GENERAL, 8, 4096, CKF_SIGN | CKF_VERIFY},
    {CKM_SHA3_256_HMAC, 8, 4096, CKF_SIGN | CKF_VERIFY},
    {CKM_SHA256_KEY_GEN, 8, 4096, CKF_GENERATE},
    {CKM_HKDF_KEY_GEN, 8, 4096, CKF_GENERATE},
    {CKM_EDDSA, 255, 448, CKF_SIGN | CKF_VERIFY | CKF_EC_OID},
    {CKM_EC_EDWARDS_KEY_PAIR_GEN, 255, 448, CKF_GENERATE_KEY_PAIR | CKF_EC_OID},
    {CKM_EC_MONTGOMERY_KEY_PAIR_GEN, 255, 448, CKF_GENERATE_KEY_PAIR | CKF_EC_OID},
    {CKM_ECDSA_SHA3_256, 256, 521, CKF_SIGN | CKF_VERIFY | CKF_EC_NAMEDCURVE},
};

static bool is_listed(CK_SLOT_ID slot, CK_MECHANISM_TYPE type)
{
    CK_MECHANISM_TYPE list[LIST_MAX];
    CK_ULONG count = LIST_MAX;

    assert_ok(p11->C_GetMechanismList(slot, list, &count));
    for (CK_ULONG i = 0; i < count; i++)
        if (list[i] == type)
            return true;
    return false;
}

START_TEST(what_either_device_does_is_listed_with_its_sizes)
{
    CK_SLOT_ID slot = slot_of(token_alice());

    for (size_t i = 0; i < COUNT(listed); i++) {
        const char *name = mech_find(listed[i].type)->name;
        CK_MECHANISM_INFO info;

        ck_assert_msg(is_listed(slot, listed[i].type), "%s", name);
        assert_ok(p11->C_GetMechanismInfo(slot, listed[i].type, &info));
        ck_assert_msg(info.ulMinKeySize == listed[i].min && info.ulMaxKeySize == listed[i].max,
                      "%s", name);
        ck_assert_msg((info.flags & listed[i].flags) == listed[i].flags, "%s", name);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(what_no_device_does_is_neither_listed_nor_described)
{
    CK_SLOT_ID slot = slot_of(token_alice());

    for (size_t i = 0; i < mech_count(); i++) {
        CK_MECHANISM_TYPE type = mech_at(i)->type;
        CK_MECHANISM_INFO info;
        CK_RV rv = p11->C_GetMechanismInfo(slot, type, &info);

        ck_assert_msg((rv == CKR_OK) == is_listed(slot, type), "%s", mech_at(i)->name);
        ck_assert_msg(rv == CKR_OK || rv == CKR_MECHANISM_INVALID, "%s", mech_at(i)->name);
        ck_assert_msg(!mech_at(i)->legacy || rv != CKR_OK, "%s", mech_at(i)->name);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* The private half of a pair may have a mechanism that the public half has not. */
START_TEST(a_use_that_is_described_can_be_begun_with_a_public_key)
{
    static const struct {
        CK_FLAGS flag;
        CK_ATTRIBUTE_TYPE right;
    } uses[] = {{CKF_VERIFY, CKA_VERIFY}, {CKF_ENCRYPT, CKA_ENCRYPT}};
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM make = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};

    for (size_t u = 0; u < COUNT(uses); u++) {
        CK_OBJECT_HANDLE public = 0, private = 0;

        assert_ok(p11->C_GenerateKeyPair(session, &make,
                                         LIST(ULONG(CKA_MODULUS_BITS, 2048), YES(uses[u].right)),
                                         LIST(SOFTWARE), &public, &private));
        for (size_t i = 0; i < mech_count(); i++) {
            CK_MECHANISM m = {mech_at(i)->type, NULL, 0};
            CK_MECHANISM_INFO info = {0};
            CK_RV rv;

            if (mech_at(i)->key != CKK_RSA || mech_at(i)->params != MECH_PARAMS_NONE)
                continue;
            (void)p11->C_GetMechanismInfo(slot_of(session), m.mechanism, &info);
            rv = (u == 0 ? p11->C_VerifyInit : p11->C_EncryptInit)(session, &m, public);
            assert_rv((info.flags & uses[u].flag) != 0 ? CKR_OK : CKR_MECHANISM_INVALID, rv);
            if (rv == CKR_OK)
                assert_ok((u == 0 ? p11->C_VerifyInit : p11->C_EncryptInit)(session, NULL, 0));
        }
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- a key's own device ---- */

static CK_OBJECT_HANDLE aes(CK_SESSION_HANDLE session, CK_ATTRIBUTE protection)
{
    CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_GenerateKey(session, &m,
                                 LIST(ULONG(CKA_VALUE_LEN, 16), YES(CKA_SIGN), protection), &key));
    return key;
}

START_TEST(a_key_does_what_its_own_device_does)
{
    CK_MAC_GENERAL_PARAMS len = 8;
    CK_MECHANISM cmac = {CKM_AES_CMAC_GENERAL, &len, sizeof(len)};
    CK_SESSION_HANDLE session = token_alice();

    assert_ok(p11->C_SignInit(session, &cmac, aes(session, SOFTWARE)));
    assert_ok(p11->C_SignInit(session, NULL, 0));
    assert_rv(CKR_MECHANISM_INVALID, p11->C_SignInit(session, &cmac, aes(session, HSM)));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- lengths of secret keys ---- */

static const struct {
    CK_MECHANISM_TYPE make;
    CK_KEY_TYPE type;
    CK_ULONG good[4], bad[4]; /* bytes; the last good and bad are those before the first 0 */
} secrets[] = {
    {CKM_AES_KEY_GEN, CKK_AES, {16, 24, 32}, {15, 17, 64}},
    {CKM_AES_XTS_KEY_GEN, CKK_AES_XTS, {32, 64}, {16, 48, 65}},
    {CKM_CHACHA20_KEY_GEN, CKK_CHACHA20, {32}, {31, 33, 16}},
    {CKM_GENERIC_SECRET_KEY_GEN, CKK_GENERIC_SECRET, {1, 64, 512}, {513, 4096}},
    {CKM_HKDF_KEY_GEN, CKK_HKDF, {1, 32, 512}, {513}},
    {CKM_SHA_1_KEY_GEN, CKK_SHA_1_HMAC, {20}, {513}},
    {CKM_SHA256_KEY_GEN, CKK_SHA256_HMAC, {1, 32, 512}, {513}},
    {CKM_SHA512_256_KEY_GEN, CKK_SHA512_256_HMAC, {32}, {513}},
    {CKM_SHA3_512_KEY_GEN, CKK_SHA3_512_HMAC, {64, 512}, {513}},
};

static CK_RV make_secret(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE make, CK_ULONG len,
                         CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM m = {make, NULL, 0};

    return p11->C_GenerateKey(session, &m, LIST(ULONG(CKA_VALUE_LEN, len), SOFTWARE), key);
}

START_TEST(secret_keys_are_made_in_the_lengths_they_have)
{
    CK_SESSION_HANDLE session = token_alice();

    for (size_t i = 0; i < 4 && secrets[_i].good[i] != 0; i++) {
        CK_OBJECT_HANDLE key = 0;

        assert_ok(make_secret(session, secrets[_i].make, secrets[_i].good[i], &key));
        ck_assert_uint_eq(token_ulong(session, key, CKA_KEY_TYPE), secrets[_i].type);
        ck_assert_uint_eq(token_ulong(session, key, CKA_VALUE_LEN), secrets[_i].good[i]);
    }
    for (size_t i = 0; i < 4 && secrets[_i].bad[i] != 0; i++) {
        CK_OBJECT_HANDLE key = 77;

        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  make_secret(session, secrets[_i].make, secrets[_i].bad[i], &key));
        ck_assert_uint_eq(key, 77);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- curves of key pairs ---- */

#define CURVE(text) text, sizeof(text) - 1

static const struct {
    CK_RV want;
    CK_MECHANISM_TYPE make;
    const char *params;
    size_t len;
} pairs[] = {
    {CKR_OK, CKM_EC_EDWARDS_KEY_PAIR_GEN, CURVE("\x06\x03\x2b\x65\x70")},
    {CKR_OK, CKM_EC_EDWARDS_KEY_PAIR_GEN, CURVE("\x06\x03\x2b\x65\x71")},
    {CKR_OK, CKM_EC_EDWARDS_KEY_PAIR_GEN,
     CURVE("\x13\x0c"
           "edwards25519")},
    {CKR_OK, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CURVE("\x06\x03\x2b\x65\x6e")},
    {CKR_OK, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CURVE("\x06\x03\x2b\x65\x6f")},
    {CKR_OK, CKM_EC_KEY_PAIR_GEN, CURVE("\x06\x05\x2b\x81\x04\x00\x0a")},
    {CKR_CURVE_NOT_SUPPORTED, CKM_EC_EDWARDS_KEY_PAIR_GEN, CURVE("\x06\x03\x2b\x65\x6e")},
    {CKR_CURVE_NOT_SUPPORTED, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CURVE("\x06\x03\x2b\x65\x70")},
    {CKR_CURVE_NOT_SUPPORTED, CKM_EC_KEY_PAIR_GEN, CURVE("\x06\x03\x2b\x65\x70")},
};

START_TEST(key_pairs_are_made_on_curves_of_their_type)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM m = {pairs[_i].make, NULL, 0};
    CK_BYTE params[32];
    CK_OBJECT_HANDLE public = 77, private = 77;

    memcpy(params, pairs[_i].params, pairs[_i].len);
    assert_rv(pairs[_i].want,
              p11->C_GenerateKeyPair(session, &m, LIST(ATTR(CKA_EC_PARAMS, params, pairs[_i].len)),
                                     LIST(SOFTWARE), &public, &private));
    if (pairs[_i].want != CKR_OK)
        ck_assert_uint_eq(private, 77);
    else
        ck_assert_uint_eq(token_ulong(session, private, CKA_KEY_TYPE), mech_find(m.mechanism)->key);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- ChaCha20 ---- */

static CK_RV poly1305(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, CK_ULONG nonce_len,
                      CK_BYTE out[static 20])
{
    CK_BYTE nonce[96] = "twelve bytes and more";
    CK_SALSA20_CHACHA20_POLY1305_PARAMS params = {.pNonce = nonce, .ulNonceLen = nonce_len};
    CK_MECHANISM m = {CKM_CHACHA20_POLY1305, &params, sizeof(params)};
    CK_ULONG n = 20;
    CK_RV rv = p11->C_EncryptInit(session, &m, key);

    return rv == CKR_OK ? p11->C_Encrypt(session, (CK_BYTE[]){"data"}, 4, out, &n) : rv;
}

START_TEST(a_nonce_of_chacha20_is_counted_in_bits_or_in_bytes)
{
    CK_MECHANISM make = {CKM_CHACHA20_KEY_GEN, NULL, 0};
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = 0;
    CK_BYTE one[20], other[20];

    assert_ok(p11->C_GenerateKey(session, &make, LIST(SOFTWARE), &key)); /* it has one length */
    ck_assert_uint_eq(token_ulong(session, key, CKA_VALUE_LEN), 32);
    assert_ok(poly1305(session, key, 12, one));
    assert_ok(poly1305(session, key, 96, other));
    ck_assert_mem_eq(one, other, 20);
    assert_rv(CKR_MECHANISM_PARAM_INVALID, poly1305(session, key, 11, one));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, poly1305(session, key, 13, one));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, poly1305(session, key, 64, one));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(what_either_device_does_is_listed_with_its_sizes),
        CASE(what_no_device_does_is_neither_listed_nor_described),
        CASE(a_use_that_is_described_can_be_begun_with_a_public_key),
        CASE(a_key_does_what_its_own_device_does),
        CASE_LOOP(secret_keys_are_made_in_the_lengths_they_have, COUNT(secrets)),
        CASE_LOOP(key_pairs_are_made_on_curves_of_their_type, COUNT(pairs)),
        CASE(a_nonce_of_chacha20_is_counted_in_bits_or_in_bytes),
    };

    return token_suite("pkcs11/mechanisms", cases, COUNT(cases));
}
