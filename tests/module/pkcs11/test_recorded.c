/*
 * Function by function of PKCS#11 2.40: what uses, changes or reads something leaves a record of
 * its own name, and what does not leaves none.
 */
#include "tests/support/lab.h"

#include <string.h>

static struct lab lab;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE kek, key, data_object, pair_public, pair_private;
static CK_BYTE iv[16], plain[32], cipher[64], signature[64], digest[64];
static CK_ULONG cipher_len, signature_len;
static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

static CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
static CK_MECHANISM ecdsa = {.mechanism = CKM_ECDSA_SHA256};
static CK_MECHANISM sha = {.mechanism = CKM_SHA256};
static CK_MECHANISM kwp = {.mechanism = CKM_AES_KEY_WRAP_KWP};

#define SOFTWARE                                                                                   \
    {                                                                                              \
        CKA_KEYWARD_PROTECTION, (CK_UTF8CHAR[]){"software"}, 8                                     \
    }

/* ---- calls that leave a record; each leaves what the next ones need ---- */

static void login(void)
{
    assert_ok(lab_login(&lab, session, CKU_USER, LAB_PIN));
}

static void make_aes(CK_ATTRIBUTE_TYPE a, CK_ATTRIBUTE_TYPE b, CK_OBJECT_HANDLE *ret)
{
    CK_ULONG len = 32;
    CK_MECHANISM gen = {.mechanism = CKM_AES_KEY_GEN};
    CK_ATTRIBUTE template[] = {
        {CKA_VALUE_LEN, &len, sizeof(len)},
        {CKA_TOKEN, &no, sizeof(no)},
        SOFTWARE,
        {a, &yes, sizeof(yes)},
        {b, &yes, sizeof(yes)},
        {CKA_EXTRACTABLE, a == CKA_ENCRYPT ? &yes : &no, sizeof(yes)},
    };

    assert_ok(lab.f->C_GenerateKey(session, &gen, template, 6, ret));
}

static void generate_key(void)
{
    make_aes(CKA_WRAP, CKA_UNWRAP, &kek);
    make_aes(CKA_ENCRYPT, CKA_DECRYPT, &key);
}

static void generate_pair(void)
{
    assert_ok(lab_generate(&lab, session, "fresh", &pair_public, &pair_private));
}

static void create(void)
{
    CK_OBJECT_CLASS cls = CKO_DATA;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &cls, sizeof(cls)},
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_LABEL, (CK_UTF8CHAR[]){"note"}, 4},
        {CKA_VALUE, (CK_UTF8CHAR[]){"text"}, 4},
    };

    assert_ok(lab.f->C_CreateObject(session, template, 4, &data_object));
}

static void copy(void)
{
    CK_OBJECT_HANDLE other;
    CK_ATTRIBUTE label = {CKA_LABEL, (CK_UTF8CHAR[]){"copy"}, 4};

    assert_ok(lab.f->C_CopyObject(session, data_object, &label, 1, &other));
}

static void get(void)
{
    CK_BYTE value[8];
    CK_ATTRIBUTE attribute = {CKA_VALUE, value, sizeof(value)};

    assert_ok(lab.f->C_GetAttributeValue(session, data_object, &attribute, 1));
}

static void set(void)
{
    CK_ATTRIBUTE label = {CKA_LABEL, (CK_UTF8CHAR[]){"other"}, 5};

    assert_ok(lab.f->C_SetAttributeValue(session, data_object, &label, 1));
}

static void find(void)
{
    CK_OBJECT_HANDLE found;
    CK_ULONG count = 0;

    assert_ok(lab.f->C_FindObjectsInit(session, NULL, 0));
    assert_ok(lab.f->C_FindObjects(session, &found, 1, &count));
    assert_ok(lab.f->C_FindObjectsFinal(session));
}

static void destroy(void)
{
    assert_ok(lab.f->C_DestroyObject(session, data_object));
}

static void encrypt(void)
{
    cipher_len = sizeof(cipher);
    assert_ok(lab.f->C_EncryptInit(session, &cbc, key));
    assert_ok(lab.f->C_Encrypt(session, plain, sizeof(plain), cipher, &cipher_len));
}

static void encrypt_parts(void)
{
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);

    assert_ok(lab.f->C_EncryptInit(session, &cbc, key));
    assert_ok(lab.f->C_EncryptUpdate(session, plain, sizeof(plain), out, &len));
    len = sizeof(out);
    assert_ok(lab.f->C_EncryptFinal(session, out, &len));
}

static void decrypt(void)
{
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);

    assert_ok(lab.f->C_DecryptInit(session, &cbc, key));
    assert_ok(lab.f->C_Decrypt(session, cipher, cipher_len, out, &len));
}

static void decrypt_parts(void)
{
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);

    assert_ok(lab.f->C_DecryptInit(session, &cbc, key));
    assert_ok(lab.f->C_DecryptUpdate(session, cipher, cipher_len, out, &len));
    len = sizeof(out);
    assert_ok(lab.f->C_DecryptFinal(session, out, &len));
}

static void digest_whole(void)
{
    CK_ULONG len = sizeof(digest);

    assert_ok(lab.f->C_DigestInit(session, &sha));
    assert_ok(lab.f->C_Digest(session, plain, sizeof(plain), digest, &len));
}

static void digest_parts(void)
{
    CK_ULONG len = sizeof(digest);

    assert_ok(lab.f->C_DigestInit(session, &sha));
    assert_ok(lab.f->C_DigestUpdate(session, plain, sizeof(plain)));
    assert_ok(lab.f->C_DigestFinal(session, digest, &len));
}

static void sign(void)
{
    signature_len = sizeof(signature);
    assert_ok(lab.f->C_SignInit(session, &ecdsa, pair_private));
    assert_ok(lab.f->C_Sign(session, plain, sizeof(plain), signature, &signature_len));
}

static void sign_parts(void)
{
    signature_len = sizeof(signature);
    assert_ok(lab.f->C_SignInit(session, &ecdsa, pair_private));
    assert_ok(lab.f->C_SignUpdate(session, plain, sizeof(plain)));
    assert_ok(lab.f->C_SignFinal(session, signature, &signature_len));
}

static void verify(void)
{
    assert_ok(lab.f->C_VerifyInit(session, &ecdsa, pair_public));
    assert_ok(lab.f->C_Verify(session, plain, sizeof(plain), signature, signature_len));
}

static void verify_parts(void)
{
    assert_ok(lab.f->C_VerifyInit(session, &ecdsa, pair_public));
    assert_ok(lab.f->C_VerifyUpdate(session, plain, sizeof(plain)));
    assert_ok(lab.f->C_VerifyFinal(session, signature, signature_len));
}

static void wrap(void)
{
    cipher_len = sizeof(cipher);
    assert_ok(lab.f->C_WrapKey(session, &kwp, kek, key, cipher, &cipher_len));
}

static void unwrap(void)
{
    CK_OBJECT_CLASS cls = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_OBJECT_HANDLE back;
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &cls, sizeof(cls)},
                               {CKA_KEY_TYPE, &type, sizeof(type)},
                               {CKA_TOKEN, &no, sizeof(no)},
                               SOFTWARE};

    assert_ok(lab.f->C_UnwrapKey(session, &kwp, kek, cipher, cipher_len, template, 4, &back));
}

static void draw(void)
{
    assert_ok(lab.f->C_GenerateRandom(session, iv, sizeof(iv)));
}

static void set_pin(void)
{
    CK_UTF8CHAR old[] = LAB_PIN, new[] = "another-pin-9";

    assert_ok(lab.f->C_SetPIN(session, old, sizeof(old) - 1, new, sizeof(new) - 1));
}

static void logout(void)
{
    assert_ok(lab.f->C_Logout(session));
}

static const struct {
    const char *function;
    void (*call)(void);
} leaving[] = {
    {"C_Login", login},
    {"C_GenerateKey", generate_key},
    {"C_GenerateKeyPair", generate_pair},
    {"C_CreateObject", create},
    {"C_CopyObject", copy},
    {"C_GetAttributeValue", get},
    {"C_SetAttributeValue", set},
    {"C_FindObjects", find},
    {"C_DestroyObject", destroy},
    {"C_Encrypt", encrypt},
    {"C_EncryptFinal", encrypt_parts},
    {"C_Decrypt", decrypt},
    {"C_DecryptFinal", decrypt_parts},
    {"C_Digest", digest_whole},
    {"C_DigestFinal", digest_parts},
    {"C_Sign", sign},
    {"C_SignFinal", sign_parts},
    {"C_Verify", verify},
    {"C_VerifyFinal", verify_parts},
    {"C_WrapKey", wrap},
    {"C_UnwrapKey", unwrap},
    {"C_GenerateRandom", draw},
    {"C_SetPIN", set_pin},
    {"C_Logout", logout},
};

/* ---- calls that leave none ---- */

static void of_the_library(void)
{
    CK_INFO info;
    CK_FUNCTION_LIST_PTR list;
    CK_ULONG count = 0;

    assert_ok(lab.f->C_GetInfo(&info));
    assert_ok(lab.f->C_GetFunctionList(&list));
    assert_ok(lab.f->C_GetSlotList(CK_TRUE, NULL, &count));
    assert_rv(CKR_FUNCTION_NOT_PARALLEL, lab.f->C_GetFunctionStatus(session));
    assert_rv(CKR_FUNCTION_NOT_PARALLEL, lab.f->C_CancelFunction(session));
}

static void of_the_slot(void)
{
    CK_SLOT_INFO slot;
    CK_TOKEN_INFO token;
    CK_MECHANISM_INFO mechanism;
    CK_ULONG count = 0;

    assert_ok(lab.f->C_GetSlotInfo(lab.slot, &slot));
    assert_ok(lab.f->C_GetTokenInfo(lab.slot, &token));
    assert_ok(lab.f->C_GetMechanismList(lab.slot, NULL, &count));
    assert_ok(lab.f->C_GetMechanismInfo(lab.slot, CKM_ECDSA, &mechanism));
}

static void of_sessions(void)
{
    CK_SESSION_HANDLE other;
    CK_SESSION_INFO info;

    assert_ok(lab.f->C_OpenSession(lab.slot, CKF_SERIAL_SESSION, NULL, NULL, &other));
    assert_ok(lab.f->C_GetSessionInfo(other, &info));
    assert_ok(lab.f->C_CloseSession(other));
}

/* Allowed, and then not used. */
static void beginnings(void)
{
    CK_ULONG len = 0;

    assert_ok(lab.f->C_DigestInit(session, &sha));
    assert_ok(lab.f->C_Digest(session, plain, sizeof(plain), NULL, &len));
}

static void (*const silent[])(void) = {of_the_library, of_the_slot, of_sessions, beginnings};

/* ---- the tests ---- */

struct named {
    const char *function; /* NULL: any */
    unsigned count;
};

static void count_named(void *ctx, json_t *record)
{
    struct named *n = ctx;

    n->count += n->function == NULL || strcmp(lab_member(record, "function"), n->function) == 0;
}

static unsigned records_from(uint64_t from, const char *function)
{
    struct named n = {.function = function};

    lab_log_each(&lab, from, count_named, &n);
    return n.count;
}

START_TEST(what_uses_changes_or_reads_something_leaves_a_record_of_its_name)
{
    uint64_t from;

    lab_start(&lab);
    session = lab_session(&lab, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    for (size_t i = 0; i < sizeof(leaving) / sizeof(*leaving); i++) {
        from = lab_log_whole(&lab);
        leaving[i].call();
        ck_assert_msg(records_from(from, leaving[i].function) > 0, "%s left no record",
                      leaving[i].function);
    }
    lab_end(&lab);
}
END_TEST

START_TEST(what_does_not_leaves_none)
{
    uint64_t from;

    lab_start(&lab);
    session = lab_session(&lab, CKF_SERIAL_SESSION | CKF_RW_SESSION);
    from = lab_log_whole(&lab);
    for (size_t i = 0; i < sizeof(silent) / sizeof(*silent); i++) {
        silent[i]();
        ck_assert_msg(records_from(from, NULL) == 0, "group %zu left a record", i);
    }
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(what_uses_changes_or_reads_something_leaves_a_record_of_its_name, 120),
        CASE_SLOW(what_does_not_leaves_none, 60),
    };

    return lab_suite_run("pkcs11/recorded", cases, sizeof(cases) / sizeof(*cases));
}
