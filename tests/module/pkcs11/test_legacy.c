/*
 * What is broken or weak (DES, MD5, RSA below 2048 bits, unwrapping with CBC padding) is not there
 * in a vault that does not say legacy, is there in one that does, and goes when it stops to.
 */
#include "base/mech.h"
#include "pkcs11/keyward.h"
#include "tests/module/pkcs11/token.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#undef fail

#define LIST_MAX 256

static char software[] = "software", hsm[] = "hsm";
#define SOFTWARE ATTR(CKA_KEYWARD_PROTECTION, software, 8)
#define HSM      ATTR(CKA_KEYWARD_PROTECTION, hsm, 3)

static CK_SESSION_HANDLE session;

static void say(bool legacy)
{
    token_admin(legacy ? "{\"verb\":\"vault.update\",\"vault\":\"web\",\"legacy\":true}"
                       : "{\"verb\":\"vault.update\",\"vault\":\"web\",\"legacy\":false}");
}

/* The home's administrator does it in a process of its own: in this one alice is logged in. */
static void say_meanwhile(bool legacy)
{
    pid_t child = fork();
    int status = 0;

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        token_start();
        say(legacy);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void start(bool legacy)
{
    token_start();
    say(legacy);
    session = token_open("web", true);
    token_login(session, ALICE_PIN);
}

static CK_SLOT_ID slot(void)
{
    CK_SESSION_INFO info;

    assert_ok(p11->C_GetSessionInfo(session, &info));
    return info.slotID;
}

static bool is_listed(CK_MECHANISM_TYPE type)
{
    CK_MECHANISM_TYPE list[LIST_MAX];
    CK_ULONG count = LIST_MAX;

    assert_ok(p11->C_GetMechanismList(slot(), list, &count));
    for (CK_ULONG i = 0; i < count; i++)
        if (list[i] == type)
            return true;
    return false;
}

/* ---- the list ---- */

START_TEST(legacy_mechanisms_are_listed_where_the_vault_says_so)
{
    bool legacy = _i != 0;
    CK_MECHANISM_INFO info;
    unsigned seen = 0;

    start(legacy);
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *m = mech_at(i);

        if (!m->legacy)
            continue;
        seen++;
        ck_assert_msg(is_listed(m->type) == legacy, "%s", m->name);
        assert_rv(legacy ? CKR_OK : CKR_MECHANISM_INVALID,
                  p11->C_GetMechanismInfo(slot(), m->type, &info));
    }
    ck_assert_uint_ge(seen, 12);
    assert_ok(p11->C_GetMechanismInfo(slot(), CKM_RSA_PKCS, &info));
    ck_assert_uint_eq(info.ulMinKeySize, legacy ? 1024 : 2048);
}
END_TEST

START_TEST(another_vault_says_it_for_itself)
{
    CK_MECHANISM md5 = {CKM_MD5, NULL, 0};
    CK_SESSION_HANDLE other;

    start(true);
    other = token_open("other", false);
    assert_ok(p11->C_DigestInit(session, &md5));
    assert_rv(CKR_MECHANISM_INVALID, p11->C_DigestInit(other, &md5));
}
END_TEST

/* ---- keys ---- */

/* NIST SP 800-67, appendix B.1; FIPS 81, appendix B. */
static uint8_t key_value[24] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01,
                                0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23};

static CK_RV bring_in(CK_KEY_TYPE type, CK_ULONG len, CK_OBJECT_HANDLE *key)
{
    return p11->C_CreateObject(session,
                               LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, type),
                                    ATTR(CKA_VALUE, key_value, len), SOFTWARE),
                               key);
}

static const struct {
    CK_KEY_TYPE type;
    CK_ULONG len;
    CK_MECHANISM_TYPE make, ecb, cbc, cbc_pad;
    CK_BYTE plain[9], cipher[8];
    CK_BYTE check[3]; /* of a block of zeros, by openssl enc */
} ciphers[] = {
    {CKK_DES,
     8,
     CKM_DES_KEY_GEN,
     CKM_DES_ECB,
     CKM_DES_CBC,
     CKM_DES_CBC_PAD,
     "Now is t",
     {0x3f, 0xa4, 0x0e, 0x8a, 0x98, 0x4d, 0x48, 0x15},
     {0xd5, 0xd4, 0x4f}},
    {CKK_DES3,
     24,
     CKM_DES3_KEY_GEN,
     CKM_DES3_ECB,
     CKM_DES3_CBC,
     CKM_DES3_CBC_PAD,
     {0x54, 0x68, 0x65, 0x20, 0x71, 0x75, 0x66, 0x63},
     {0xa8, 0x26, 0xfd, 0x8c, 0xe5, 0x3b, 0x85, 0x5f},
     {0x4e, 0xba, 0x73}},
};

START_TEST(des_gives_the_known_answers)
{
    CK_MECHANISM ecb = {ciphers[_i].ecb, NULL, 0};
    CK_BYTE out[8], check[3];
    CK_ULONG n = sizeof(out);
    CK_OBJECT_HANDLE key = 0;

    start(true);
    assert_ok(bring_in(ciphers[_i].type, ciphers[_i].len, &key));
    token_bytes(session, key, CKA_CHECK_VALUE, check, sizeof(check));
    ck_assert_mem_eq(check, ciphers[_i].check, 3);
    assert_ok(p11->C_EncryptInit(session, &ecb, key));
    assert_ok(p11->C_Encrypt(session, (CK_BYTE *)(uintptr_t)ciphers[_i].plain, 8, out, &n));
    ck_assert_mem_eq(out, ciphers[_i].cipher, 8);
}
END_TEST

/* With the padding looked at here: every wrong one is refused with one code, the next right one is
 * not. */
START_TEST(des_pads_and_looks_at_the_padding)
{
    CK_BYTE iv[8] = {1, 2, 3, 4, 5, 6, 7, 8}, cipher[16], plain[16], edited[16];
    CK_MECHANISM pad = {ciphers[_i].cbc_pad, iv, sizeof(iv)};
    CK_MECHANISM raw = {ciphers[_i].cbc, iv, sizeof(iv)};
    CK_MECHANISM make = {ciphers[_i].make, NULL, 0};
    CK_OBJECT_HANDLE key = 0;
    CK_ULONG n = sizeof(cipher);

    start(true);
    assert_ok(p11->C_GenerateKey(session, &make, LIST(SOFTWARE), &key));
    assert_ok(p11->C_EncryptInit(session, &pad, key));
    assert_ok(p11->C_Encrypt(session, (CK_BYTE[]){"ten bytes!"}, 10, cipher, &n));
    ck_assert_uint_eq(n, 16);
    n = sizeof(plain);
    assert_ok(p11->C_DecryptInit(session, &raw, key));
    assert_ok(p11->C_Decrypt(session, cipher, 16, plain, &n));
    ck_assert_mem_eq(plain, "ten bytes!\6\6\6\6\6\6", 16);
    for (unsigned last = 0; last < 256; last++) {
        memcpy(edited, cipher, sizeof(edited));
        edited[7] ^= (CK_BYTE)(last ^ 6); /* the last byte of the plaintext becomes `last` */
        n = sizeof(plain);
        assert_ok(p11->C_DecryptInit(session, &pad, key));
        assert_rv(last == 6 || last == 1 ? CKR_OK : CKR_ENCRYPTED_DATA_INVALID,
                  p11->C_Decrypt(session, edited, 16, plain, &n));
    }
    n = sizeof(plain);
    assert_ok(p11->C_DecryptInit(session, &pad, key));
    assert_rv(CKR_ENCRYPTED_DATA_LEN_RANGE, p11->C_Decrypt(session, cipher, 15, plain, &n));
}
END_TEST

static unsigned ones(uint8_t byte)
{
    unsigned n = 0;

    for (; byte != 0; byte >>= 1)
        n += byte & 1;
    return n;
}

START_TEST(des_keys_are_of_odd_parity_and_no_others_come_in)
{
    CK_MECHANISM make = {ciphers[_i].make, NULL, 0};
    CK_OBJECT_HANDLE key = 0;
    uint8_t value[24];
    uint8_t was = key_value[3];

    token_start();
    say(true);
    token_admin("{\"verb\":\"policy.apply\",\"vault\":\"web\",\"text\":"
                "\"permit (principal, action, resource);\"}");
    session = token_open("web", true);
    token_login(session, ALICE_PIN);
    assert_ok(p11->C_GenerateKey(session, &make,
                                 LIST(SOFTWARE, NO(CKA_SENSITIVE), YES(CKA_EXTRACTABLE)), &key));
    ck_assert_uint_eq(token_bytes(session, key, CKA_VALUE, value, sizeof(value)), ciphers[_i].len);
    for (CK_ULONG i = 0; i < ciphers[_i].len; i++)
        ck_assert_uint_eq(ones(value[i]) % 2, 1);
    assert_ok(bring_in(ciphers[_i].type, ciphers[_i].len, &key));
    key_value[3] ^= 1;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, bring_in(ciphers[_i].type, ciphers[_i].len, &key));
    key_value[3] = was;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, bring_in(ciphers[_i].type, ciphers[_i].len - 1, &key));
}
END_TEST

START_TEST(legacy_keys_are_neither_made_nor_kept_where_the_vault_does_not_say_so)
{
    static const CK_KEY_TYPE types[] = {CKK_DES, CKK_DES3, CKK_MD5_HMAC};
    CK_OBJECT_HANDLE key = 0;

    start(false);
    for (size_t i = 0; i < COUNT(ciphers); i++) {
        CK_MECHANISM make = {ciphers[i].make, NULL, 0};

        assert_rv(CKR_MECHANISM_INVALID, p11->C_GenerateKey(session, &make, LIST(SOFTWARE), &key));
    }
    for (size_t i = 0; i < COUNT(types); i++)
        assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
                  bring_in(types[i], types[i] == CKK_DES ? 8 : 24, &key));
    say_meanwhile(true);
    for (size_t i = 0; i < COUNT(types); i++)
        assert_ok(bring_in(types[i], types[i] == CKK_DES ? 8 : 24, &key));
}
END_TEST

START_TEST(des_keys_are_not_derived)
{
    CK_MECHANISM make = {CKM_HKDF_KEY_GEN, NULL, 0};
    CK_HKDF_PARAMS params = {
        .bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256, .ulSaltType = CKF_HKDF_SALT_NULL};
    CK_MECHANISM hkdf = {CKM_HKDF_DERIVE, &params, sizeof(params)};
    CK_OBJECT_HANDLE base = 0, key = 0;

    start(true);
    assert_ok(p11->C_GenerateKey(session, &make, LIST(ULONG(CKA_VALUE_LEN, 32), SOFTWARE), &base));
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_DeriveKey(session, &hkdf, base, LIST(ULONG(CKA_KEY_TYPE, CKK_DES3)), &key));
    assert_ok(p11->C_DeriveKey(session, &hkdf, base,
                               LIST(ULONG(CKA_KEY_TYPE, CKK_AES), ULONG(CKA_VALUE_LEN, 32)), &key));
}
END_TEST

/* ---- MD5 ---- */

START_TEST(md5_gives_the_known_answers)
{
    static const CK_BYTE of_abc[16] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0,
                                       0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72};
    /* RFC 2202, 2, test case 2 */
    static const CK_BYTE mac[16] = {0x75, 0x0c, 0x78, 0x3e, 0x6a, 0xb0, 0xb5, 0x03,
                                    0xea, 0xa8, 0x6e, 0x31, 0x0a, 0x5d, 0xb7, 0x38};
    CK_MECHANISM md5 = {CKM_MD5, NULL, 0}, hmac = {CKM_MD5_HMAC, NULL, 0};
    CK_MECHANISM cut = {CKM_MD5_HMAC_GENERAL, &(CK_ULONG){8}, sizeof(CK_ULONG)};
    CK_OBJECT_HANDLE key = 0;
    CK_BYTE out[16];
    CK_ULONG n = sizeof(out);

    start(true);
    assert_ok(p11->C_DigestInit(session, &md5));
    assert_ok(p11->C_Digest(session, (CK_BYTE[]){"abc"}, 3, out, &n));
    ck_assert_mem_eq(out, of_abc, 16);
    assert_ok(p11->C_CreateObject(session,
                                  LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY),
                                       ULONG(CKA_KEY_TYPE, CKK_MD5_HMAC), TEXT(CKA_VALUE, "Jefe"),
                                       SOFTWARE),
                                  &key));
    assert_ok(p11->C_SignInit(session, &hmac, key));
    assert_ok(p11->C_Sign(session, (CK_BYTE[]){"what do ya want for nothing?"}, 28, out, &n));
    ck_assert_mem_eq(out, mac, 16);
    assert_ok(p11->C_SignInit(session, &cut, key));
    assert_ok(p11->C_Sign(session, (CK_BYTE[]){"what do ya want for nothing?"}, 28, out, &n));
    ck_assert_uint_eq(n, 8);
    ck_assert_mem_eq(out, mac, 8);
}
END_TEST

/* ---- RSA ---- */

static CK_RV make_rsa(CK_ULONG bits, CK_ATTRIBUTE protection, CK_OBJECT_HANDLE *public,
                      CK_OBJECT_HANDLE *private)
{
    CK_MECHANISM make = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};

    return p11->C_GenerateKeyPair(session, &make, LIST(ULONG(CKA_MODULUS_BITS, bits)),
                                  LIST(protection), public, private);
}

static CK_RV sign(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE private, CK_BYTE out[static 128])
{
    CK_MECHANISM m = {type, NULL, 0};
    CK_ULONG n = 128;
    CK_RV rv = p11->C_SignInit(session, &m, private);

    return rv == CKR_OK ? p11->C_Sign(session, (CK_BYTE[]){"abc"}, 3, out, &n) : rv;
}

static CK_RV verify(CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE public, CK_BYTE signature[static 128])
{
    CK_MECHANISM m = {type, NULL, 0};
    CK_RV rv = p11->C_VerifyInit(session, &m, public);

    return rv == CKR_OK ? p11->C_Verify(session, (CK_BYTE[]){"abc"}, 3, signature, 128) : rv;
}

/* RFC 8017, 9.2, with the DigestInfo of MD5: what the raw mechanism would have signed. */
static CK_RV verify_raw(CK_OBJECT_HANDLE public, CK_BYTE signature[static 128])
{
    CK_BYTE info[34] = {0x30, 0x20, 0x30, 0x0c, 0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                        0x02, 0x05, 0x05, 0x00, 0x04, 0x10, 0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2,
                        0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72};
    CK_MECHANISM m = {CKM_RSA_PKCS, NULL, 0};

    assert_ok(p11->C_VerifyInit(session, &m, public));
    return p11->C_Verify(session, info, sizeof(info), signature, 128);
}

START_TEST(short_rsa_keys_sign_with_md5_in_both_protections)
{
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE signature[128];

    start(true);
    assert_ok(make_rsa(1024, _i == 0 ? SOFTWARE : HSM, &public, &private));
    assert_ok(sign(CKM_MD5_RSA_PKCS, private, signature));
    assert_ok(verify(CKM_MD5_RSA_PKCS, public, signature));
    assert_ok(verify_raw(public, signature));
    assert_rv(CKR_SIGNATURE_INVALID, verify(CKM_SHA1_RSA_PKCS, public, signature));
    signature[5] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, verify(CKM_MD5_RSA_PKCS, public, signature));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, make_rsa(1016, SOFTWARE, &public, &private));
}
END_TEST

START_TEST(short_rsa_keys_are_not_made_brought_in_or_used_without_legacy)
{
    CK_OBJECT_HANDLE public = 0, private = 0, copy = 0;
    CK_BYTE signature[128], modulus[128];
    CK_ATTRIBUTE in[] = {ULONG(CKA_CLASS, CKO_PUBLIC_KEY), ULONG(CKA_KEY_TYPE, CKK_RSA),
                         ATTR(CKA_MODULUS, modulus, 128),
                         ATTR(CKA_PUBLIC_EXPONENT, ((CK_BYTE[]){1, 0, 1}), 3)};

    start(true);
    assert_ok(make_rsa(1024, SOFTWARE, &public, &private));
    token_bytes(session, public, CKA_MODULUS, modulus, sizeof(modulus));
    assert_ok(p11->C_CreateObject(session, in, COUNT(in), &copy));
    assert_ok(sign(CKM_SHA256_RSA_PKCS, private, signature));
    assert_ok(verify(CKM_SHA256_RSA_PKCS, copy, signature));
    say_meanwhile(false);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, make_rsa(1024, SOFTWARE, &copy, &copy));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, p11->C_CreateObject(session, in, COUNT(in), &copy));
    assert_rv(CKR_KEY_SIZE_RANGE, sign(CKM_SHA256_RSA_PKCS, private, signature));
    assert_rv(CKR_KEY_SIZE_RANGE, verify(CKM_SHA256_RSA_PKCS, public, signature));
    assert_ok(make_rsa(2048, SOFTWARE, &public, &private));
}
END_TEST

START_TEST(what_is_in_progress_ends_with_legacy)
{
    CK_MECHANISM md5 = {CKM_MD5, NULL, 0}, pkcs = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_OBJECT_HANDLE public = 0, private = 0;
    CK_BYTE out[128];
    CK_ULONG n = sizeof(out);

    start(true);
    assert_ok(make_rsa(1024, SOFTWARE, &public, &private));
    assert_ok(p11->C_SignInit(session, &pkcs, private));
    assert_ok(p11->C_DigestInit(session, &md5));
    assert_ok(p11->C_DigestUpdate(session, (CK_BYTE[]){"abc"}, 3));
    say_meanwhile(false);
    assert_rv(CKR_MECHANISM_INVALID, p11->C_DigestFinal(session, out, &n));
    n = sizeof(out);
    assert_rv(CKR_KEY_SIZE_RANGE, p11->C_Sign(session, (CK_BYTE[]){"abc"}, 3, out, &n));
}
END_TEST

/* ---- unwrapping with padding ---- */

static CK_BYTE iv[16];
static CK_MECHANISM cbc_pad = {CKM_AES_CBC_PAD, iv, sizeof(iv)};

static void make_wrapping(CK_OBJECT_HANDLE *with, CK_OBJECT_HANDLE *key)
{
    CK_MECHANISM aes = {CKM_AES_KEY_GEN, NULL, 0};

    assert_ok(p11->C_GenerateKey(
        session, &aes, LIST(ULONG(CKA_VALUE_LEN, 32), YES(CKA_WRAP), YES(CKA_UNWRAP), SOFTWARE),
        with));
    assert_ok(p11->C_GenerateKey(
        session, &aes, LIST(ULONG(CKA_VALUE_LEN, 16), YES(CKA_EXTRACTABLE), SOFTWARE), key));
}

static CK_RV unwrap(CK_OBJECT_HANDLE with, CK_BYTE *wrapped, CK_ULONG len)
{
    CK_OBJECT_HANDLE key = 0;

    return p11->C_UnwrapKey(
        session, &cbc_pad, with, wrapped, len,
        LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, CKK_AES), SOFTWARE), &key);
}

START_TEST(cbc_padding_unwraps_in_a_legacy_vault_with_one_code_for_all_that_is_wrong)
{
    CK_OBJECT_HANDLE with = 0, key = 0;
    CK_BYTE wrapped[64], edited[64];
    CK_ULONG n = sizeof(wrapped);

    start(true);
    make_wrapping(&with, &key);
    assert_ok(p11->C_WrapKey(session, &cbc_pad, with, key, wrapped, &n));
    ck_assert_uint_eq(n, 32);
    assert_ok(unwrap(with, wrapped, n));
    for (unsigned i = 1; i < 256; i++) { /* each last byte of padding but the right one */
        memcpy(edited, wrapped, n);
        edited[15] ^= (CK_BYTE)i;
        assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(with, edited, n));
    }
    memcpy(edited, wrapped, n);
    edited[0] ^= 1; /* the first byte of sixteen that must be alike */
    assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(with, edited, n));
    assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(with, wrapped, 31));
    assert_rv(CKR_WRAPPED_KEY_INVALID, unwrap(with, wrapped, 16));
    say_meanwhile(false);
    assert_rv(CKR_MECHANISM_INVALID, unwrap(with, wrapped, n));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(legacy_mechanisms_are_listed_where_the_vault_says_so, 2),
        CASE(another_vault_says_it_for_itself),
        CASE_LOOP(des_gives_the_known_answers, COUNT(ciphers)),
        CASE_LOOP(des_pads_and_looks_at_the_padding, COUNT(ciphers)),
        CASE_LOOP(des_keys_are_of_odd_parity_and_no_others_come_in, COUNT(ciphers)),
        CASE(legacy_keys_are_neither_made_nor_kept_where_the_vault_does_not_say_so),
        CASE(des_keys_are_not_derived),
        CASE(md5_gives_the_known_answers),
        CASE_LOOP(short_rsa_keys_sign_with_md5_in_both_protections, 2),
        CASE(short_rsa_keys_are_not_made_brought_in_or_used_without_legacy),
        CASE(what_is_in_progress_ends_with_legacy),
        CASE(cbc_padding_unwraps_in_a_legacy_vault_with_one_code_for_all_that_is_wrong),
    };

    return token_suite("pkcs11/legacy", cases, COUNT(cases));
}
