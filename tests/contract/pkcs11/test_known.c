/*
 * Keys brought in, and what they make of data: the answers others have published (known.h), whole
 * and in parts; a MAC or ciphertext with one bit changed is refused. With TOKEN_PROTECTION
 * "software" every row is tried; without it the keys are in the HSM, which does some.
 */
#include "base/bytes.h"
#include "base/mech.h"
#include "tests/contract/pkcs11/known.h"
#include "tests/module/pkcs11/token.h"

#include <stdlib.h>
#include <string.h>

#undef fail

#define MAX 256

struct text {
    CK_BYTE data[MAX];
    CK_ULONG len;
};

static struct text unhex(const char *hex)
{
    struct text t = {.len = strlen(hex) / 2};

    ck_assert_uint_le(t.len, MAX);
    for (size_t i = 0; i < t.len; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        t.data[i] = (CK_BYTE)strtoul(two, NULL, 16);
    }
    return t;
}

static bool software(void)
{
    const char *protection = getenv("TOKEN_PROTECTION");

    return protection != NULL && strcmp(protection, "software") == 0;
}

static void assert_text(const struct known *k, const CK_BYTE *got, CK_ULONG len,
                        const struct text *want)
{
    ck_assert_msg(len == want->len && memcmp(got, want->data, len) == 0, "%s, %s",
                  mech_find(k->mechanism.mechanism)->name, k->source);
}

static CK_OBJECT_HANDLE bring_in(CK_SESSION_HANDLE session, const struct known *k)
{
    struct text key = unhex(k->key);
    bool mac = (mech_find(k->mechanism.mechanism)->flags & CKF_SIGN) != 0;
    CK_OBJECT_HANDLE handle = 0;

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, CKO_SECRET_KEY), ULONG(CKA_KEY_TYPE, k->key_type),
             ATTR(CKA_VALUE, key.data, key.len), YES(mac ? CKA_SIGN : CKA_ENCRYPT),
             YES(mac ? CKA_VERIFY : CKA_DECRYPT)),
        &handle));
    return handle;
}

static CK_MECHANISM *of(const struct known *k)
{
    return (CK_MECHANISM *)(uintptr_t)&k->mechanism;
}

/* ---- MACs ---- */

static void sign_whole(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key)
{
    struct text in = unhex(k->in);
    struct text want = unhex(k->out);
    struct text got;

    assert_ok(p11->C_SignInit(s, of(k), key));
    assert_ok(p11->C_Sign(s, in.data, in.len, NULL, &got.len));
    ck_assert_uint_eq(got.len, want.len);
    assert_ok(p11->C_Sign(s, in.data, in.len, got.data, &got.len));
    assert_text(k, got.data, got.len, &want);
}

static void sign_parts(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key)
{
    struct text in = unhex(k->in);
    struct text want = unhex(k->out);
    struct text got = {.len = MAX};

    assert_ok(p11->C_SignInit(s, of(k), key));
    assert_ok(p11->C_SignUpdate(s, in.data, in.len / 3));
    assert_ok(p11->C_SignUpdate(s, in.data + in.len / 3, in.len - in.len / 3));
    assert_ok(p11->C_SignFinal(s, got.data, &got.len));
    assert_text(k, got.data, got.len, &want);
}

static CK_RV verify(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key,
                    const struct text *mac, bool parts)
{
    struct text in = unhex(k->in);
    CK_BYTE_PTR data = (CK_BYTE_PTR)(uintptr_t)mac->data;

    assert_ok(p11->C_VerifyInit(s, of(k), key));
    if (!parts)
        return p11->C_Verify(s, in.data, in.len, data, mac->len);
    assert_ok(p11->C_VerifyUpdate(s, in.data, in.len));
    return p11->C_VerifyFinal(s, data, mac->len);
}

START_TEST(macs_are_the_published_ones_and_others_are_refused)
{
    const struct known *k = &known_macs[_i];
    struct text good = unhex(k->out);
    struct text bad = good;
    struct text shorter = good;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    session = token_alice();
    key = bring_in(session, k);
    bad.data[bad.len - 1] ^= 1;
    shorter.len--;
    sign_whole(session, k, key);
    sign_parts(session, k, key);
    for (int parts = 0; parts < 2; parts++) {
        assert_ok(verify(session, k, key, &good, parts != 0));
        assert_rv(CKR_SIGNATURE_INVALID, verify(session, k, key, &bad, parts != 0));
        assert_rv(CKR_SIGNATURE_LEN_RANGE, verify(session, k, key, &shorter, parts != 0));
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- ciphers ---- */

struct direction {
    CK_C_EncryptInit init;
    CK_C_Encrypt whole;
    CK_C_EncryptUpdate update;
    CK_C_EncryptFinal final;
};

static struct direction direction(bool encrypt)
{
    if (encrypt)
        return (struct direction){p11->C_EncryptInit, p11->C_Encrypt, p11->C_EncryptUpdate,
                                  p11->C_EncryptFinal};
    return (struct direction){p11->C_DecryptInit, p11->C_Decrypt, p11->C_DecryptUpdate,
                              p11->C_DecryptFinal};
}

static CK_RV crypt_whole(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key,
                         bool encrypt, struct text in, struct text *out)
{
    struct direction d = direction(encrypt);

    assert_ok(d.init(s, of(k), key));
    out->len = MAX;
    return d.whole(s, in.data, in.len, out->data, &out->len);
}

/* The first part in the middle of a block. */
static CK_RV crypt_parts(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key,
                         bool encrypt, struct text in, struct text *out)
{
    struct direction d = direction(encrypt);
    CK_ULONG first = in.len / 3;
    CK_ULONG n = MAX;
    CK_ULONG done;
    CK_RV rv;

    assert_ok(d.init(s, of(k), key));
    assert_ok(d.update(s, in.data, first, out->data, &n));
    done = n;
    n = MAX - done;
    assert_ok(d.update(s, in.data + first, in.len - first, out->data + done, &n));
    done += n;
    n = MAX - done;
    rv = d.final(s, out->data + done, &n);
    out->len = done + n;
    return rv;
}

START_TEST(ciphertexts_are_the_published_ones_and_come_back)
{
    const struct known *k = &known_ciphers[_i];
    struct text plain = unhex(k->in);
    struct text cipher = unhex(k->out);
    struct text got;
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = bring_in(session, k);

    for (int e = 0; e < 2; e++) {
        const struct text *from = e != 0 ? &plain : &cipher;
        const struct text *to = e != 0 ? &cipher : &plain;

        assert_ok(crypt_whole(session, k, key, e != 0, *from, &got));
        assert_text(k, got.data, got.len, to);
        assert_ok(crypt_parts(session, k, key, e != 0, *from, &got));
        assert_text(k, got.data, got.len, to);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* One with a tag gives nothing; one without gives another text. */
START_TEST(a_changed_ciphertext_does_not_come_back)
{
    const struct known *k = &known_ciphers[_i];
    bool tagged = mech_find(k->mechanism.mechanism)->tag > 0;
    struct text plain = unhex(k->in);
    struct text cipher = unhex(k->out);
    struct text got;
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = bring_in(session, k);
    CK_RV rv;

    cipher.data[cipher.len - 1] ^= 1;
    for (int parts = 0; parts < 2; parts++) {
        memset(got.data, 0, sizeof(got.data));
        rv = (parts != 0 ? crypt_parts : crypt_whole)(session, k, key, false, cipher, &got);
        assert_rv(tagged ? CKR_ENCRYPTED_DATA_INVALID : CKR_OK, rv);
        ck_assert_mem_ne(got.data, plain.data, plain.len);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* What the length says is what is there. */
START_TEST(ccm_takes_data_of_the_length_its_parameter_says)
{
    const struct known *k = known_ciphers;
    struct text plain;
    struct text got;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    while (k->mechanism.mechanism != CKM_AES_CCM)
        k++;
    session = token_alice();
    key = bring_in(session, k);
    plain = unhex(k->in);
    plain.len--;
    assert_rv(CKR_DATA_LEN_RANGE, crypt_whole(session, k, key, true, plain, &got));
    assert_rv(CKR_DATA_LEN_RANGE, crypt_parts(session, k, key, true, plain, &got));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- Edwards curves ---- */

static const struct edwards {
    const char *source, *params, *secret, *point, *data, *signature;
} edwards[] = {
    {"RFC 8032, 7.1, test 2", "06032b6570",
     "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "04203d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"RFC 8032, 7.4, 1 octet", "06032b6571",
     "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659"
     "949ef8021e954e0a12274e",
     "043943ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4"
     "cb82169c235160627b4c3a9480",
     "03",
     "26b8f91727bd62897af15e41eb43c377efb9c610d48f2335cb0bd0087810f4352541b143c4b981b7e18f62de8ccd"
     "f633fc1bf037ab7cd779805e0dbcc0aae1cbcee1afb2e027df36bc04dcecbf154336c19f0af7e0a6472905e799f1"
     "953d2a0ff3348ab21aa4adafd1d234441cf807c03a00"},
};

static CK_OBJECT_HANDLE edwards_half(CK_SESSION_HANDLE session, const struct edwards *e,
                                     bool private)
{
    struct text params = unhex(e->params);
    struct text value = unhex(private ? e->secret : e->point);
    CK_OBJECT_HANDLE handle = 0;

    assert_ok(p11->C_CreateObject(
        session,
        LIST(ULONG(CKA_CLASS, private ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY),
             ULONG(CKA_KEY_TYPE, CKK_EC_EDWARDS), ATTR(CKA_EC_PARAMS, params.data, params.len),
             ATTR(private ? CKA_VALUE : CKA_EC_POINT, value.data, value.len),
             YES(private ? CKA_SIGN : CKA_VERIFY)),
        &handle));
    return handle;
}

START_TEST(edwards_signatures_are_the_published_ones_and_others_are_refused)
{
    const struct edwards *e = &edwards[_i];
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    struct text data = unhex(e->data);
    struct text want = unhex(e->signature);
    struct text got;
    CK_SESSION_HANDLE s = token_alice();
    CK_OBJECT_HANDLE private = edwards_half(s, e, true);
    CK_OBJECT_HANDLE public = edwards_half(s, e, false);

    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_Sign(s, data.data, data.len, NULL, &got.len));
    ck_assert_uint_eq(got.len, want.len);
    assert_ok(p11->C_Sign(s, data.data, data.len, got.data, &got.len));
    ck_assert_msg(got.len == want.len && memcmp(got.data, want.data, got.len) == 0, "%s",
                  e->source);
    /* In parts: gathered, and the same. */
    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_SignUpdate(s, data.data, 0));
    assert_ok(p11->C_SignUpdate(s, data.data, data.len));
    got.len = MAX;
    assert_ok(p11->C_SignFinal(s, got.data, &got.len));
    ck_assert_mem_eq(got.data, want.data, want.len);
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_ok(p11->C_Verify(s, data.data, data.len, want.data, want.len));
    data.data[0] ^= 1;
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_rv(CKR_SIGNATURE_INVALID, p11->C_Verify(s, data.data, data.len, want.data, want.len));
    assert_ok(p11->C_VerifyInit(s, &m, public));
    assert_rv(CKR_SIGNATURE_LEN_RANGE,
              p11->C_Verify(s, data.data, data.len, want.data, want.len - 1));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* Longer than what mechanisms of one block gather. */
START_TEST(an_edwards_key_signs_long_data_in_parts)
{
    static CK_BYTE data[5000];
    CK_MECHANISM m = {CKM_EDDSA, NULL, 0};
    struct text whole = {.len = MAX};
    struct text parts = {.len = MAX};
    CK_SESSION_HANDLE s = token_alice();
    CK_OBJECT_HANDLE private = edwards_half(s, &edwards[0], true);

    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_Sign(s, data, sizeof(data), whole.data, &whole.len));
    assert_ok(p11->C_SignInit(s, &m, private));
    assert_ok(p11->C_SignUpdate(s, data, 2500));
    assert_ok(p11->C_SignUpdate(s, data + 2500, 2500));
    assert_ok(p11->C_SignFinal(s, parts.data, &parts.len));
    ck_assert_uint_eq(parts.len, 64);
    ck_assert_mem_eq(parts.data, whole.data, 64);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- which of them ---- */

/* The HSM's rows come first. */
static size_t count_of(const struct known *rows, size_t count)
{
    size_t n = 0;

    while (n < count && (rows[n].hsm || software()))
        n++;
    return n;
}

int main(void)
{
    const int ciphers = (int)count_of(known_ciphers, known_cipher_count);
    const struct suite_case all[] = {
        CASE_LOOP(ciphertexts_are_the_published_ones_and_come_back, ciphers),
        CASE_LOOP(a_changed_ciphertext_does_not_come_back, ciphers),
        CASE_LOOP(macs_are_the_published_ones_and_others_are_refused, (int)known_mac_count),
        CASE(ccm_takes_data_of_the_length_its_parameter_says),
        CASE_LOOP(edwards_signatures_are_the_published_ones_and_others_are_refused,
                  sizeof(edwards) / sizeof(*edwards)),
        CASE(an_edwards_key_signs_long_data_in_parts),
    };

    return token_suite("pkcs11/known", all, software() ? COUNT(all) : 2);
}
