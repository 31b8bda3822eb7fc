/*
 * Keys brought in, and what they make of data: the answers others have published (known.h), whole
 * and in parts; a MAC or ciphertext with one bit changed is refused. With TOKEN_PROTECTION
 * "software" every row is tried; without it the keys are in the HSM, which does some.
 */
#include "base/bytes.h"
#include "base/mech.h"
#include "tests/contract/pkcs11/known.h"
#include "tests/module/pkcs11/token.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#undef fail

static bool software(void)
{
    const char *protection = getenv("TOKEN_PROTECTION");

    return protection != NULL && strcmp(protection, "software") == 0;
}

static void assert_text(const struct known *k, const CK_BYTE *got, CK_ULONG len,
                        const struct known_text *want)
{
    ck_assert_msg(len == want->len && memcmp(got, want->data, len) == 0, "%s, %s",
                  mech_find(k->mechanism.mechanism)->name, k->source);
}

static CK_OBJECT_HANDLE bring_in(CK_SESSION_HANDLE session, const struct known *k)
{
    struct known_text key = known_unhex(k->key);
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
    struct known_text in = known_unhex(k->in);
    struct known_text want = known_unhex(k->out);
    struct known_text got;

    assert_ok(p11->C_SignInit(s, of(k), key));
    assert_ok(p11->C_Sign(s, in.data, in.len, NULL, &got.len));
    ck_assert_uint_eq(got.len, want.len);
    assert_ok(p11->C_Sign(s, in.data, in.len, got.data, &got.len));
    assert_text(k, got.data, got.len, &want);
}

static void sign_parts(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key)
{
    struct known_text in = known_unhex(k->in);
    struct known_text want = known_unhex(k->out);
    struct known_text got = {.len = KNOWN_MAX};

    assert_ok(p11->C_SignInit(s, of(k), key));
    assert_ok(p11->C_SignUpdate(s, in.data, in.len / 3));
    assert_ok(p11->C_SignUpdate(s, in.data + in.len / 3, in.len - in.len / 3));
    assert_ok(p11->C_SignFinal(s, got.data, &got.len));
    assert_text(k, got.data, got.len, &want);
}

static CK_RV verify(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key,
                    const struct known_text *mac, bool parts)
{
    struct known_text in = known_unhex(k->in);
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
    struct known_text good = known_unhex(k->out);
    struct known_text bad = good;
    struct known_text shorter = good;
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
                         bool encrypt, struct known_text in, struct known_text *out)
{
    struct direction d = direction(encrypt);

    assert_ok(d.init(s, of(k), key));
    out->len = KNOWN_MAX;
    return d.whole(s, in.data, in.len, out->data, &out->len);
}

/* The first part in the middle of a block. */
static CK_RV crypt_parts(CK_SESSION_HANDLE s, const struct known *k, CK_OBJECT_HANDLE key,
                         bool encrypt, struct known_text in, struct known_text *out)
{
    struct direction d = direction(encrypt);
    CK_ULONG first = in.len / 3;
    CK_ULONG n = KNOWN_MAX;
    CK_ULONG done;
    CK_RV rv;

    assert_ok(d.init(s, of(k), key));
    assert_ok(d.update(s, in.data, first, out->data, &n));
    done = n;
    n = KNOWN_MAX - done;
    assert_ok(d.update(s, in.data + first, in.len - first, out->data + done, &n));
    done += n;
    n = KNOWN_MAX - done;
    rv = d.final(s, out->data + done, &n);
    out->len = done + n;
    return rv;
}

START_TEST(ciphertexts_are_the_published_ones_and_come_back)
{
    const struct known *k = &known_ciphers[_i];
    struct known_text plain = known_unhex(k->in);
    struct known_text cipher = known_unhex(k->out);
    struct known_text got;
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = bring_in(session, k);

    for (int e = 0; e < 2; e++) {
        const struct known_text *from = e != 0 ? &plain : &cipher;
        const struct known_text *to = e != 0 ? &cipher : &plain;

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
    struct known_text plain = known_unhex(k->in);
    struct known_text cipher = known_unhex(k->out);
    struct known_text got;
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

/* The cipher's row. */
static const struct known *known_of(CK_MECHANISM_TYPE type)
{
    size_t i = 0;

    while (i + 1 < known_cipher_count && known_ciphers[i].mechanism.mechanism != type)
        i++;
    return &known_ciphers[i];
}

/* What the length says is what is there. */
START_TEST(ccm_takes_data_of_the_length_its_parameter_says)
{
    const struct known *k = known_of(CKM_AES_CCM);
    struct known_text plain;
    struct known_text got;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;

    session = token_alice();
    key = bring_in(session, k);
    plain = known_unhex(k->in);
    plain.len--;
    assert_rv(CKR_DATA_LEN_RANGE, crypt_whole(session, k, key, true, plain, &got));
    assert_rv(CKR_DATA_LEN_RANGE, crypt_parts(session, k, key, true, plain, &got));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* IEEE 1619: a data unit has at least one block. */
START_TEST(xts_takes_a_block_at_least)
{
    const struct known *k = known_of(CKM_AES_XTS);
    struct known_text plain = known_unhex(k->in);
    struct known_text got;
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = bring_in(session, k);

    plain.len = 17;
    assert_ok(crypt_whole(session, k, key, true, plain, &got));
    ck_assert_uint_eq(got.len, 17);
    assert_ok(crypt_whole(session, k, key, false, got, &got));
    ck_assert_mem_eq(got.data, plain.data, 17);
    plain.len = 15;
    assert_rv(CKR_DATA_LEN_RANGE, crypt_whole(session, k, key, true, plain, &got));
    assert_rv(CKR_ENCRYPTED_DATA_INVALID, crypt_whole(session, k, key, false, plain, &got));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- the same as messages: header and nonce come with each, and the tag stands by itself ---- */

static CK_FUNCTION_LIST_3_0 *messages(void)
{
    static CK_UTF8CHAR name[] = "PKCS 11";
    CK_VERSION version = {3, 0};
    CK_INTERFACE *interface = NULL;
    CK_C_GetInterface get;
    void *module = dlopen(getenv("KEYWARD_MODULE"), RTLD_NOW | RTLD_NOLOAD);

    ck_assert_ptr_nonnull(module);
    *(void **)&get = dlsym(module, "C_GetInterface");
    assert_ok(get(name, &version, &interface, 0));
    ck_assert_int_eq(dlclose(module), 0);
    return interface->pFunctionList;
}

/* What differs between the two: the struct, and who says how long the tag is. */
struct message {
    CK_BYTE tag[16];
    CK_ULONG tag_len;
    CK_BYTE nonce[16];
    struct known_text aad;
    CK_CCM_MESSAGE_PARAMS ccm;
    CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS chacha;
    void *params;
    CK_ULONG params_len;
};

static void make_ccm(struct message *m, const CK_CCM_PARAMS *p)
{
    memcpy(m->nonce, p->pNonce, p->ulNonceLen);
    memcpy(m->aad.data, p->pAAD, p->ulAADLen);
    m->aad.len = p->ulAADLen;
    m->tag_len = p->ulMACLen;
    m->ccm = (CK_CCM_MESSAGE_PARAMS){.ulDataLen = p->ulDataLen,
                                     .pNonce = m->nonce,
                                     .ulNonceLen = p->ulNonceLen,
                                     .nonceGenerator = CKG_NO_GENERATE,
                                     .pMAC = m->tag,
                                     .ulMACLen = p->ulMACLen};
    m->params = &m->ccm;
    m->params_len = sizeof(m->ccm);
}

static void make_chacha(struct message *m, const CK_SALSA20_CHACHA20_POLY1305_PARAMS *p)
{
    memcpy(m->nonce, p->pNonce, p->ulNonceLen);
    memcpy(m->aad.data, p->pAAD, p->ulAADLen);
    m->aad.len = p->ulAADLen;
    m->tag_len = 16;
    m->chacha = (CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS){
        .pNonce = m->nonce, .ulNonceLen = p->ulNonceLen, .pTag = m->tag};
    m->params = &m->chacha;
    m->params_len = sizeof(m->chacha);
}

static void make_message(struct message *m, CK_MECHANISM_TYPE type)
{
    memset(m, 0, sizeof(*m));
    if (type == CKM_AES_CCM)
        make_ccm(m, known_of(type)->mechanism.pParameter);
    else
        make_chacha(m, known_of(type)->mechanism.pParameter);
}

static const CK_MECHANISM_TYPE message_types[] = {CKM_AES_CCM, CKM_CHACHA20_POLY1305};

START_TEST(messages_are_the_published_ones_with_the_tag_by_itself)
{
    const struct known *k = known_of(message_types[_i]);
    CK_MECHANISM later = {k->mechanism.mechanism, NULL, 0};
    struct known_text plain = known_unhex(k->in);
    struct known_text want = known_unhex(k->out);
    struct known_text got = {.len = KNOWN_MAX};
    struct known_text back = {.len = KNOWN_MAX};
    CK_SESSION_HANDLE s = token_alice();
    CK_OBJECT_HANDLE key = bring_in(s, k);
    CK_FUNCTION_LIST_3_0 *f = messages();
    struct message m;

    make_message(&m, later.mechanism);
    assert_ok(f->C_MessageEncryptInit(s, &later, key));
    assert_ok(f->C_EncryptMessage(s, m.params, m.params_len, m.aad.data, m.aad.len, plain.data,
                                  plain.len, got.data, &got.len));
    ck_assert_uint_eq(got.len, plain.len);
    ck_assert_mem_eq(got.data, want.data, plain.len);
    ck_assert_mem_eq(m.tag, want.data + plain.len, m.tag_len);
    assert_ok(f->C_MessageEncryptFinal(s));
    assert_ok(f->C_MessageDecryptInit(s, &later, key));
    assert_ok(f->C_DecryptMessage(s, m.params, m.params_len, m.aad.data, m.aad.len, got.data,
                                  got.len, back.data, &back.len));
    ck_assert_uint_eq(back.len, plain.len);
    ck_assert_mem_eq(back.data, plain.data, plain.len);
    m.tag[0] ^= 1;
    back.len = KNOWN_MAX;
    assert_rv(CKR_AEAD_DECRYPT_FAILED,
              f->C_DecryptMessage(s, m.params, m.params_len, m.aad.data, m.aad.len, got.data,
                                  got.len, back.data, &back.len));
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
        CASE(xts_takes_a_block_at_least),
        CASE_LOOP(messages_are_the_published_ones_with_the_tag_by_itself, COUNT(message_types)),
    };

    return token_suite("pkcs11/known", all, software() ? COUNT(all) : 2);
}
