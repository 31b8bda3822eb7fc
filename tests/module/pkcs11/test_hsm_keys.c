/* What keys in the HSM do beyond plain signing and encryption, composed where the HSM alone does
 * not do it, and what they are refused. */
#include "tests/module/pkcs11/token.h"

#include <string.h>

#define HSM      TEXT(CKA_KEYWARD_PROTECTION, "hsm")
#define SOFTWARE TEXT(CKA_KEYWARD_PROTECTION, "software")

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_SESSION_HANDLE session;

struct pair {
    CK_OBJECT_HANDLE public, private;
};

static void make_pair(CK_MECHANISM_TYPE type, CK_ATTRIBUTE kind, CK_ATTRIBUTE protection,
                      CK_ATTRIBUTE may, CK_ATTRIBUTE and, struct pair *ret)
{
    CK_MECHANISM m = {type, NULL, 0};

    assert_ok(p11->C_GenerateKeyPair(session, &m, LIST(kind), LIST(protection, may, and),
                                     &ret->public, &ret->private));
}

static void make_rsa(CK_ATTRIBUTE may, CK_ATTRIBUTE and, struct pair *ret)
{
    make_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, ULONG(CKA_MODULUS_BITS, 2048), HSM, may, and, ret);
}

static void make_ec(CK_ATTRIBUTE protection, CK_ATTRIBUTE may, struct pair *ret)
{
    make_pair(CKM_EC_KEY_PAIR_GEN, ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), protection, may,
              NO(CKA_TOKEN), ret);
}

static bool is_in(CK_OBJECT_HANDLE key, const char *protection)
{
    uint8_t word[16];
    CK_ULONG n = token_bytes(session, key, CKA_KEYWARD_PROTECTION, word, sizeof(word));

    return n == strlen(protection) && memcmp(word, protection, n) == 0;
}

/* ---- RSA ---- */

START_TEST(pss_with_sha3_is_signed_in_the_hsm)
{
    CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA3_256, CKG_MGF1_SHA3_256, 32};
    CK_MECHANISM m = {CKM_SHA3_256_RSA_PKCS_PSS, &pss, sizeof(pss)};
    uint8_t data[100] = {1}, out[256];
    CK_ULONG n = sizeof(out);
    struct pair rsa;

    session = token_alice();
    make_rsa(YES(CKA_SIGN), NO(CKA_TOKEN), &rsa);
    assert_ok(p11->C_SignInit(session, &m, rsa.private));
    assert_ok(p11->C_Sign(session, data, sizeof(data), out, &n));
    assert_ok(p11->C_VerifyInit(session, &m, rsa.public));
    assert_ok(p11->C_Verify(session, data, sizeof(data), out, n));
    out[100] ^= 1;
    assert_ok(p11->C_VerifyInit(session, &m, rsa.public));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_Verify(session, data, sizeof(data), out, n));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(raw_rsa_signs_and_decrypts_but_with_no_key_that_unwraps)
{
    CK_MECHANISM raw = {CKM_RSA_X_509, NULL, 0};
    uint8_t number[256] = {[100] = 1}, out[256], back[256];
    CK_ULONG n = sizeof(out), m = sizeof(back);
    struct pair rsa;

    session = token_alice();
    make_rsa(YES(CKA_SIGN), YES(CKA_DECRYPT), &rsa);
    assert_ok(p11->C_SignInit(session, &raw, rsa.private));
    assert_ok(p11->C_Sign(session, number, sizeof(number), out, &n));
    assert_ok(p11->C_VerifyInit(session, &raw, rsa.public));
    assert_ok(p11->C_Verify(session, number, sizeof(number), out, n));
    assert_ok(p11->C_DecryptInit(session, &raw, rsa.private));
    assert_ok(p11->C_Decrypt(session, number, sizeof(number), back, &m));
    ck_assert_uint_eq(m, n);
    ck_assert_mem_eq(back, out, n);
    make_rsa(YES(CKA_SIGN), YES(CKA_UNWRAP), &rsa);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_SignInit(session, &raw, rsa.private));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* What is wrapped to a public key must meet the private one with a padding only, for ever. */
START_TEST(no_wrapped_key_is_to_be_had_by_signing_it_raw)
{
    CK_MECHANISM raw = {CKM_RSA_X_509, NULL, 0};
    CK_MECHANISM gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE unwraps_no_more = NO(CKA_UNWRAP), signs_no_more = NO(CKA_SIGN);
    CK_OBJECT_HANDLE copy;
    struct pair rsa;

    session = token_alice();
    /* A private half that signs and does not unwrap: the public one does not wrap. */
    assert_ok(p11->C_GenerateKeyPair(session, &gen,
                                     LIST(ULONG(CKA_MODULUS_BITS, 2048), YES(CKA_WRAP)),
                                     LIST(SOFTWARE, YES(CKA_SIGN)), &rsa.public, &rsa.private));
    ck_assert(!token_bool(session, rsa.public, CKA_WRAP));
    /* One that does both goes on unwrapping as long as it signs. */
    assert_ok(p11->C_GenerateKeyPair(
        session, &gen, LIST(ULONG(CKA_MODULUS_BITS, 2048), YES(CKA_WRAP)),
        LIST(SOFTWARE, YES(CKA_SIGN), YES(CKA_UNWRAP)), &rsa.public, &rsa.private));
    ck_assert(token_bool(session, rsa.public, CKA_WRAP));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_SignInit(session, &raw, rsa.private));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              p11->C_SetAttributeValue(session, rsa.private, &unwraps_no_more, 1));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              p11->C_CopyObject(session, rsa.private, &unwraps_no_more, 1, &copy));
    assert_ok(p11->C_SetAttributeValue(session, rsa.private, &signs_no_more, 1));
    assert_ok(p11->C_SetAttributeValue(session, rsa.private, &unwraps_no_more, 1));
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, p11->C_SignInit(session, &raw, rsa.private));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- agreement ---- */

static CK_RV agree(CK_OBJECT_HANDLE own, CK_OBJECT_HANDLE peer, CK_ATTRIBUTE protection,
                   CK_OBJECT_HANDLE *ret)
{
    uint8_t point[67];
    CK_ULONG n = token_bytes(session, peer, CKA_EC_POINT, point, sizeof(point));
    CK_ECDH1_DERIVE_PARAMS params = {
        .kdf = CKD_SHA256_KDF, .ulPublicDataLen = n, .pPublicData = point};
    CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &params, sizeof(params)};

    return p11->C_DeriveKey(session, &ecdh, own,
                            LIST(ULONG(CKA_KEY_TYPE, CKK_AES), ULONG(CKA_VALUE_LEN, 32),
                                 YES(CKA_ENCRYPT), YES(CKA_DECRYPT), protection),
                            ret);
}

static void ecb(CK_OBJECT_HANDLE key, bool encrypt, uint8_t block[static 16])
{
    CK_MECHANISM m = {CKM_AES_ECB, NULL, 0};
    uint8_t out[32];
    CK_ULONG n = sizeof(out);

    assert_ok((encrypt ? p11->C_EncryptInit : p11->C_DecryptInit)(session, &m, key));
    assert_ok((encrypt ? p11->C_Encrypt : p11->C_Decrypt)(session, block, 16, out, &n));
    ck_assert_uint_eq(n, 16);
    memcpy(block, out, 16);
}

START_TEST(a_key_in_the_hsm_and_one_in_software_agree_on_the_same_cipher_key)
{
    uint8_t block[16] = "a block of text";
    CK_OBJECT_HANDLE here, there, value;
    struct pair a, b, none;

    session = token_alice();
    make_ec(HSM, YES(CKA_DERIVE), &a);
    make_ec(SOFTWARE, YES(CKA_DERIVE), &b);
    assert_ok(agree(a.private, b.public, HSM, &here));
    assert_ok(agree(b.private, a.public, SOFTWARE, &there));
    ecb(here, true, block);
    ecb(there, false, block);
    ck_assert_str_eq((char *)block, "a block of text");
    make_ec(HSM, YES(CKA_SIGN), &none);
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, agree(none.private, b.public, HSM, &value));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- where what is derived lives ---- */

static CK_RV derive_secret(CK_OBJECT_HANDLE own, CK_OBJECT_HANDLE peer, CK_ATTRIBUTE one,
                           CK_ATTRIBUTE two, CK_OBJECT_HANDLE *ret)
{
    uint8_t point[67];
    CK_ULONG n = token_bytes(session, peer, CKA_EC_POINT, point, sizeof(point));
    CK_ECDH1_DERIVE_PARAMS params = {.kdf = CKD_NULL, .ulPublicDataLen = n, .pPublicData = point};
    CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &params, sizeof(params)};

    return p11->C_DeriveKey(session, &ecdh, own, LIST(one, two), ret);
}

/* The vault's default is hsm. */
START_TEST(a_session_key_stays_with_its_base_and_a_token_key_takes_the_default)
{
    CK_OBJECT_HANDLE key;
    struct pair hsm, soft;

    session = token_alice();
    make_ec(HSM, YES(CKA_DERIVE), &hsm);
    make_ec(SOFTWARE, YES(CKA_DERIVE), &soft);
    assert_ok(derive_secret(soft.private, hsm.public, YES(CKA_SIGN), NO(CKA_TOKEN), &key));
    ck_assert(is_in(key, "software"));
    assert_ok(derive_secret(soft.private, hsm.public, YES(CKA_SIGN), YES(CKA_TOKEN), &key));
    ck_assert(is_in(key, "hsm"));
    assert_ok(derive_secret(soft.private, hsm.public, YES(CKA_SIGN), HSM, &key));
    ck_assert(is_in(key, "hsm"));
    assert_ok(derive_secret(hsm.private, soft.public, YES(CKA_SIGN), NO(CKA_TOKEN), &key));
    ck_assert(is_in(key, "hsm"));
    assert_ok(derive_secret(hsm.private, soft.public, YES(CKA_SIGN), SOFTWARE, &key));
    ck_assert(is_in(key, "software"));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* Or the chain would end there: the HSM derives nothing from it. */
START_TEST(a_secret_that_is_to_derive_is_a_software_key_also_where_its_base_is_in_the_hsm)
{
    CK_HKDF_PARAMS params = {
        .bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256, .ulSaltType = CKF_HKDF_SALT_NULL};
    CK_MECHANISM hkdf = {CKM_HKDF_DERIVE, &params, sizeof(params)};
    CK_OBJECT_HANDLE key, next;
    struct pair hsm, soft;

    session = token_alice();
    make_ec(HSM, YES(CKA_DERIVE), &hsm);
    make_ec(SOFTWARE, YES(CKA_DERIVE), &soft);
    assert_ok(derive_secret(hsm.private, soft.public, YES(CKA_DERIVE), NO(CKA_TOKEN), &key));
    ck_assert(is_in(key, "software"));
    assert_ok(p11->C_DeriveKey(session, &hkdf, key, LIST(ULONG(CKA_VALUE_LEN, 32)), &next));
    /* What curves agree on is there to derive from, where nothing is said. */
    assert_ok(derive_secret(hsm.private, soft.public, NO(CKA_PRIVATE), NO(CKA_TOKEN), &key));
    ck_assert(token_bool(session, key, CKA_DERIVE) && !token_bool(session, key, CKA_SIGN));
    ck_assert(is_in(key, "software"));
    assert_ok(derive_secret(hsm.private, soft.public, YES(CKA_DERIVE), HSM, &key));
    ck_assert(is_in(key, "hsm"));
    assert_rv(CKR_MECHANISM_INVALID,
              p11->C_DeriveKey(session, &hkdf, key, LIST(ULONG(CKA_VALUE_LEN, 32)), &next));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- keys that come and go ---- */

static CK_OBJECT_HANDLE make_aes(CK_ATTRIBUTE protection, CK_ATTRIBUTE one, CK_ATTRIBUTE two)
{
    CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_GenerateKey(session, &m, LIST(ULONG(CKA_VALUE_LEN, 32), protection, one, two),
                                 &key));
    return key;
}

static CK_RV unwrap(CK_MECHANISM *m, CK_OBJECT_HANDLE with, uint8_t *wrapped, CK_ULONG len,
                    CK_ATTRIBUTE protection, CK_OBJECT_HANDLE *ret)
{
    return p11->C_UnwrapKey(session, m, with, wrapped, len,
                            LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES),
                                 YES(CKA_ENCRYPT), YES(CKA_DECRYPT), protection),
                            ret);
}

/* Into both protections; each time the key that went out is the one that is there. */
static void comes_back(CK_MECHANISM *m, CK_OBJECT_HANDLE wraps, CK_OBJECT_HANDLE unwraps)
{
    CK_ATTRIBUTE protections[] = {HSM, SOFTWARE};
    CK_OBJECT_HANDLE leaves = make_aes(SOFTWARE, YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT));
    uint8_t wrapped[512];
    CK_ULONG len = sizeof(wrapped);

    assert_ok(p11->C_WrapKey(session, m, wraps, leaves, wrapped, &len));
    for (unsigned i = 0; i < COUNT(protections); i++) {
        uint8_t block[16] = "a block of text";
        CK_OBJECT_HANDLE back = 0;

        assert_ok(unwrap(m, unwraps, wrapped, len, protections[i], &back));
        ck_assert(is_in(back, i == 0 ? "hsm" : "software"));
        ecb(leaves, true, block);
        ecb(back, false, block);
        ck_assert_str_eq((char *)block, "a block of text");
    }
    wrapped[len - 1] ^= 1;
    assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(m, unwraps, wrapped, len, HSM, &leaves));
}

START_TEST(keys_in_the_hsm_wrap_and_unwrap_into_either_protection)
{
    CK_MECHANISM kw = {CKM_AES_KEY_WRAP, NULL, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0};
    CK_RSA_PKCS_OAEP_PARAMS params = {
        .hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .source = CKZ_DATA_SPECIFIED};
    CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &params, sizeof(params)};
    CK_MECHANISM rsa_gen = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE kek, leaves;
    uint8_t out[64];
    CK_ULONG len = sizeof(out);
    struct pair rsa;

    session = token_alice();
    kek = make_aes(HSM, YES(CKA_WRAP), YES(CKA_UNWRAP));
    comes_back(&kw, kek, kek);
    comes_back(&kwp, kek, kek);
    assert_ok(p11->C_GenerateKeyPair(session, &rsa_gen,
                                     LIST(ULONG(CKA_MODULUS_BITS, 2048), YES(CKA_WRAP)),
                                     LIST(HSM, YES(CKA_UNWRAP)), &rsa.public, &rsa.private));
    comes_back(&oaep, rsa.public, rsa.private);
    leaves = make_aes(HSM, YES(CKA_ENCRYPT), YES(CKA_DECRYPT));
    assert_rv(CKR_KEY_UNEXTRACTABLE, p11->C_WrapKey(session, &kw, kek, leaves, out, &len));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- check values ---- */

START_TEST(a_secret_key_in_the_hsm_has_a_check_value)
{
    uint8_t kcv[3], block[16] = {0};
    CK_MECHANISM generic = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key;

    session = token_alice();
    key = make_aes(HSM, YES(CKA_ENCRYPT), YES(CKA_DECRYPT));
    ck_assert_uint_eq(token_bytes(session, key, CKA_CHECK_VALUE, kcv, 3), 3);
    ecb(key, true, block);
    ck_assert_mem_eq(kcv, block, 3);
    assert_ok(p11->C_GenerateKey(session, &generic, LIST(ULONG(CKA_VALUE_LEN, 32), HSM), &key));
    ck_assert_uint_eq(token_bytes(session, key, CKA_CHECK_VALUE, kcv, 3), 3);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(pss_with_sha3_is_signed_in_the_hsm),
        CASE(raw_rsa_signs_and_decrypts_but_with_no_key_that_unwraps),
        CASE(no_wrapped_key_is_to_be_had_by_signing_it_raw),
        CASE(a_key_in_the_hsm_and_one_in_software_agree_on_the_same_cipher_key),
        CASE(a_session_key_stays_with_its_base_and_a_token_key_takes_the_default),
        CASE(a_secret_that_is_to_derive_is_a_software_key_also_where_its_base_is_in_the_hsm),
        CASE(keys_in_the_hsm_wrap_and_unwrap_into_either_protection),
        CASE(a_secret_key_in_the_hsm_has_a_check_value),
    };

    return token_suite("pkcs11/hsm_keys", cases, COUNT(cases));
}
