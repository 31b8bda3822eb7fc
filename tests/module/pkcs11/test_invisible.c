/*
 * An object that the caller may not see, and one that is not there: every C_ function that takes a
 * handle answers both with the same code, in the same words, with the same device error and nothing
 * written; and a search finds neither. One row a function and argument.
 */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define SEES_ALL                                                                                   \
    "permit (principal == User::\"alice\", action in [Action::\"cryptoOfficer\", "                 \
    "Action::\"secretsOfficer\", Action::\"release\"], resource);"
#define SEES_NONE                                                                                  \
    SEES_ALL "forbid (principal, action, resource) when { context.via == \"pkcs11\" && "           \
             "resource has token && resource.name like \"hidden-*\" };"
#define NOT_THERE ((CK_OBJECT_HANDLE)987654321)

static struct lab lab;
static CK_FUNCTION_LIST_3_2 *f;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE shown_aes; /* may be used: where a second handle is needed */

static CK_BYTE out[4096];
static CK_ULONG out_len;
static CK_OBJECT_HANDLE made;

/* ---- one row a function ---- */

typedef CK_OBJECT_HANDLE handle_t;

static CK_MECHANISM ecdsa = {.mechanism = CKM_ECDSA_SHA256}, rsa = {.mechanism = CKM_RSA_PKCS},
                    ecb = {.mechanism = CKM_AES_ECB}, gcm = {.mechanism = CKM_AES_GCM},
                    kwp = {.mechanism = CKM_AES_KEY_WRAP_KWP};

static CK_RV destroy(handle_t h)
{
    return f->C_DestroyObject(session, h);
}
static CK_RV copy(handle_t h)
{
    return f->C_CopyObject(session, h, NULL, 0, &made);
}
static CK_RV size(handle_t h)
{
    return f->C_GetObjectSize(session, h, &out_len);
}
static CK_RV read_class(handle_t h)
{
    CK_ATTRIBUTE a = {CKA_CLASS, out, sizeof(out)};
    CK_RV rv = f->C_GetAttributeValue(session, h, &a, 1);

    ck_assert_uint_eq(a.ulValueLen, sizeof(out));
    return rv;
}
static CK_RV read_length(handle_t h)
{
    CK_ATTRIBUTE a = {CKA_VALUE, NULL, 7};
    CK_RV rv = f->C_GetAttributeValue(session, h, &a, 1);

    ck_assert_uint_eq(a.ulValueLen, 7);
    return rv;
}
static CK_RV change(handle_t h)
{
    CK_BYTE id[] = "id";
    CK_ATTRIBUTE a = {CKA_ID, id, 2};

    return f->C_SetAttributeValue(session, h, &a, 1);
}
static CK_RV encrypt(handle_t h)
{
    return f->C_EncryptInit(session, &ecb, h);
}
static CK_RV decrypt(handle_t h)
{
    return f->C_DecryptInit(session, &ecb, h);
}
static CK_RV sign(handle_t h)
{
    return f->C_SignInit(session, &ecdsa, h);
}
static CK_RV sign_wrongly(handle_t h)
{
    return f->C_SignInit(session, &ecb, h);
}
static CK_RV verify(handle_t h)
{
    return f->C_VerifyInit(session, &ecdsa, h);
}
static CK_RV verify_signature(handle_t h)
{
    return f->C_VerifySignatureInit(session, &ecdsa, h, out, 64);
}
static CK_RV sign_recover(handle_t h)
{
    return f->C_SignRecoverInit(session, &rsa, h);
}
static CK_RV verify_recover(handle_t h)
{
    return f->C_VerifyRecoverInit(session, &rsa, h);
}
static CK_RV digest_key(handle_t h)
{
    CK_MECHANISM sha = {.mechanism = CKM_SHA256};
    CK_RV rv;

    assert_ok(f->C_DigestInit(session, &sha));
    rv = f->C_DigestKey(session, h);
    (void)f->C_SessionCancel(session, CKF_DIGEST);
    return rv;
}
static CK_RV wrap_with(handle_t h)
{
    return f->C_WrapKey(session, &kwp, h, shown_aes, out, &out_len);
}
static CK_RV wrap_it(handle_t h)
{
    return f->C_WrapKey(session, &kwp, shown_aes, h, out, &out_len);
}

static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;
static CK_KEY_TYPE aes_type = CKK_AES;
static CK_ULONG aes_len = 32;
static CK_ATTRIBUTE aes_template[] = {{CKA_CLASS, &secret_key, sizeof(secret_key)},
                                      {CKA_KEY_TYPE, &aes_type, sizeof(aes_type)},
                                      {CKA_VALUE_LEN, &aes_len, sizeof(aes_len)}};

static CK_RV unwrap_with(handle_t h)
{
    return f->C_UnwrapKey(session, &kwp, h, out, 40, aes_template, 2, &made);
}
static CK_RV derive_from(handle_t h)
{
    CK_HKDF_PARAMS params = {.bExpand = CK_TRUE, .prfHashMechanism = CKM_SHA256};
    CK_MECHANISM hkdf = {CKM_HKDF_DERIVE, &params, sizeof(params)};

    return f->C_DeriveKey(session, &hkdf, h, aes_template, 3, &made);
}

/* With parameters of a message, which wrapping with associated data takes too. */
static CK_BYTE iv[12], tag[16];
static CK_GCM_MESSAGE_PARAMS message = {
    .pIv = iv, .ulIvLen = 12, .pTag = tag, .ulTagBits = 128, .ivGenerator = CKG_NO_GENERATE};
static CK_MECHANISM aead = {CKM_AES_GCM, &message, sizeof(message)};

static CK_RV wrap_authenticated_with(handle_t h)
{
    return f->C_WrapKeyAuthenticated(session, &aead, h, shown_aes, NULL, 0, out, &out_len);
}
static CK_RV wrap_it_authenticated(handle_t h)
{
    return f->C_WrapKeyAuthenticated(session, &aead, shown_aes, h, NULL, 0, out, &out_len);
}
static CK_RV unwrap_authenticated_with(handle_t h)
{
    return f->C_UnwrapKeyAuthenticated(session, &aead, h, out, 32, aes_template, 2, NULL, 0, &made);
}

static CK_RSA_PKCS_OAEP_PARAMS oaep_params = {
    .hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA256, .source = CKZ_DATA_SPECIFIED};
static CK_MECHANISM oaep = {CKM_RSA_PKCS_OAEP, &oaep_params, sizeof(oaep_params)};

static CK_RV encapsulate(handle_t h)
{
    return f->C_EncapsulateKey(session, &oaep, h, aes_template, 3, out, &out_len, &made);
}
static CK_RV decapsulate(handle_t h)
{
    return f->C_DecapsulateKey(session, &oaep, h, aes_template, 3, out, 256, &made);
}
static CK_RV message_encrypt(handle_t h)
{
    return f->C_MessageEncryptInit(session, &gcm, h);
}
static CK_RV message_decrypt(handle_t h)
{
    return f->C_MessageDecryptInit(session, &gcm, h);
}
static CK_RV message_sign(handle_t h)
{
    return f->C_MessageSignInit(session, &ecdsa, h);
}
static CK_RV message_verify(handle_t h)
{
    return f->C_MessageVerifyInit(session, &ecdsa, h);
}

enum hidden { EC_PRIVATE, EC_PUBLIC, RSA_PRIVATE, RSA_PUBLIC, AES, DATA, HIDDEN_COUNT };

static const struct {
    const char *name;
    CK_RV (*call)(handle_t h);
    enum hidden kind;
    CK_RV rv;
} rows[] = {
    {"C_DestroyObject", destroy, EC_PRIVATE, CKR_OBJECT_HANDLE_INVALID},
    {"C_DestroyObject", destroy, DATA, CKR_OBJECT_HANDLE_INVALID},
    {"C_CopyObject", copy, EC_PRIVATE, CKR_OBJECT_HANDLE_INVALID},
    {"C_CopyObject", copy, DATA, CKR_OBJECT_HANDLE_INVALID},
    {"C_GetObjectSize", size, AES, CKR_OBJECT_HANDLE_INVALID},
    {"C_GetAttributeValue", read_class, EC_PUBLIC, CKR_OBJECT_HANDLE_INVALID},
    {"C_GetAttributeValue", read_length, DATA, CKR_OBJECT_HANDLE_INVALID},
    {"C_GetAttributeValue", read_length, AES, CKR_OBJECT_HANDLE_INVALID},
    {"C_SetAttributeValue", change, EC_PRIVATE, CKR_OBJECT_HANDLE_INVALID},
    {"C_EncryptInit", encrypt, AES, CKR_KEY_HANDLE_INVALID},
    {"C_DecryptInit", decrypt, AES, CKR_KEY_HANDLE_INVALID},
    {"C_SignInit", sign, EC_PRIVATE, CKR_KEY_HANDLE_INVALID},
    {"C_SignInit of a wrong type", sign_wrongly, EC_PRIVATE, CKR_MECHANISM_INVALID},
    {"C_VerifyInit", verify, EC_PUBLIC, CKR_KEY_HANDLE_INVALID},
    {"C_VerifyInit of a private key", verify, EC_PRIVATE, CKR_KEY_HANDLE_INVALID},
    {"C_VerifySignatureInit", verify_signature, EC_PUBLIC, CKR_KEY_HANDLE_INVALID},
    {"C_SignRecoverInit", sign_recover, RSA_PRIVATE, CKR_KEY_HANDLE_INVALID},
    {"C_VerifyRecoverInit", verify_recover, RSA_PUBLIC, CKR_KEY_HANDLE_INVALID},
    {"C_DigestKey", digest_key, AES, CKR_KEY_HANDLE_INVALID},
    {"C_WrapKey, the wrapping key", wrap_with, AES, CKR_KEY_HANDLE_INVALID},
    {"C_WrapKey, the key", wrap_it, AES, CKR_KEY_HANDLE_INVALID},
    {"C_UnwrapKey", unwrap_with, AES, CKR_KEY_HANDLE_INVALID},
    {"C_DeriveKey", derive_from, AES, CKR_KEY_HANDLE_INVALID},
    {"C_WrapKeyAuthenticated, the wrapping key", wrap_authenticated_with, AES,
     CKR_KEY_HANDLE_INVALID},
    {"C_WrapKeyAuthenticated, the key", wrap_it_authenticated, AES, CKR_KEY_HANDLE_INVALID},
    {"C_UnwrapKeyAuthenticated", unwrap_authenticated_with, AES, CKR_KEY_HANDLE_INVALID},
    {"C_EncapsulateKey", encapsulate, RSA_PUBLIC, CKR_KEY_HANDLE_INVALID},
    {"C_DecapsulateKey", decapsulate, RSA_PRIVATE, CKR_KEY_HANDLE_INVALID},
    {"C_MessageEncryptInit", message_encrypt, AES, CKR_KEY_HANDLE_INVALID},
    {"C_MessageDecryptInit", message_decrypt, AES, CKR_KEY_HANDLE_INVALID},
    {"C_MessageSignInit", message_sign, EC_PRIVATE, CKR_KEY_HANDLE_INVALID},
    {"C_MessageVerifyInit", message_verify, EC_PUBLIC, CKR_KEY_HANDLE_INVALID},
};

/* ---- the objects ---- */

static handle_t hidden[HIDDEN_COUNT];

static handle_t make_aes(const char *label)
{
    CK_MECHANISM m = {.mechanism = CKM_AES_KEY_GEN};
    CK_BBOOL yes = CK_TRUE;
    char text[32], protection[] = "software";
    CK_ATTRIBUTE template[] = {{CKA_VALUE_LEN, &aes_len, sizeof(aes_len)},
                               {CKA_TOKEN, &yes, 1},
                               {CKA_WRAP, &yes, 1},
                               {CKA_UNWRAP, &yes, 1},
                               {CKA_KEYWARD_PROTECTION, protection, 8},
                               {CKA_LABEL, text, strlen(label)}};
    handle_t key = 0;

    memcpy(text, label, strlen(label));
    assert_ok(f->C_GenerateKey(session, &m, template, 6, &key));
    return key;
}

static void make_rsa(handle_t *ret_public, handle_t *ret_private)
{
    CK_MECHANISM m = {.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN};
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG bits = 2048;
    char label[] = "hidden-rsa", protection[] = "software";
    CK_ATTRIBUTE public[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_MODULUS_BITS, &bits, sizeof(bits)}, {CKA_LABEL, label, 10}};
    CK_ATTRIBUTE private[] = {
        {CKA_TOKEN, &yes, 1}, {CKA_KEYWARD_PROTECTION, protection, 8}, {CKA_LABEL, label, 10}};

    assert_ok(f->C_GenerateKeyPair(session, &m, public, 3, private, 3, ret_public, ret_private));
}

static handle_t make_data(void)
{
    CK_OBJECT_CLASS cls = CKO_DATA;
    CK_BBOOL yes = CK_TRUE;
    char label[] = "hidden-note";
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &cls, sizeof(cls)}, {CKA_TOKEN, &yes, 1}, {CKA_LABEL, label, 11}};
    handle_t object = 0;

    assert_ok(f->C_CreateObject(session, template, 3, &object));
    return object;
}

static void hide(struct lab *other, int n)
{
    (void)n;
    assert_ok(other->f->C_Initialize(NULL));
    lab_policy(other, SEES_NONE);
    lab_unload(other);
}

/* alice has handles of all, and then loses sight of them. */
static void start(CK_FLAGS flags)
{
    CK_UTF8CHAR name[] = "PKCS 11";
    CK_VERSION version = {3, 2};
    CK_INTERFACE *interface = NULL;
    CK_C_GetInterface get;

    lab_start(&lab);
    lab_policy(&lab, SEES_ALL);
    *(void **)&get = dlsym(lab.library, "C_GetInterface");
    assert_ok(get(name, &version, &interface, 0));
    f = interface->pFunctionList;
    session = lab_alice(&lab);
    shown_aes = make_aes("shown");
    hidden[AES] = make_aes("hidden-aes");
    assert_ok(lab_generate(&lab, session, "hidden-ec", &hidden[EC_PUBLIC], &hidden[EC_PRIVATE]));
    make_rsa(&hidden[RSA_PUBLIC], &hidden[RSA_PRIVATE]);
    hidden[DATA] = make_data();
    if ((flags & CKF_RW_SESSION) == 0)
        session = lab_session(&lab, flags);
    lab_join(lab_child(hide, &lab, 0));
}

/* ---- the answer ---- */

/* The code, the words, and what the session tells afterwards; no result is written. */
static void answer(CK_RV (*call)(handle_t h), handle_t h, char ret[static 512])
{
    CK_SESSION_INFO info;
    CK_RV rv;
    int n;

    memset(out, 0x5a, sizeof(out));
    out_len = sizeof(out);
    made = 77;
    rv = call(h);
    n = snprintf(ret, 512, "%lx %.380s", rv, lab.admin->reason());
    assert_ok(f->C_GetSessionInfo(session, &info));
    (void)snprintf(ret + n, 40, " %lu %lx", info.ulDeviceError, info.state);
    ck_assert_uint_eq(made, 77);
    ck_assert_uint_eq(out_len, sizeof(out));
    for (size_t i = 0; i < sizeof(out); i++)
        ck_assert_uint_eq(out[i], 0x5a);
}

static void compare_all(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char absent[512], unseen[512], code[32];
        int n = snprintf(code, sizeof(code), "%lx ", rows[i].rv);

        answer(rows[i].call, NOT_THERE, absent);
        answer(rows[i].call, hidden[rows[i].kind], unseen);
        ck_assert_msg(strcmp(absent, unseen) == 0, "%s: %s / %s", rows[i].name, absent, unseen);
        ck_assert_msg(strncmp(absent, code, (size_t)n) == 0, "%s: %s", rows[i].name, absent);
    }
}

START_TEST(what_is_hidden_and_what_is_not_there_are_answered_alike)
{
    start(CKF_SERIAL_SESSION | CKF_RW_SESSION);
    compare_all();
    lab_end(&lab);
}
END_TEST

START_TEST(in_a_read_only_session_too)
{
    start(CKF_SERIAL_SESSION);
    compare_all();
    lab_end(&lab);
}
END_TEST

/* ---- searches ---- */

static CK_ULONG found(CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG len)
{
    CK_ATTRIBUTE template = {type, value, len};
    handle_t handles[64];
    CK_ULONG count = 0;

    assert_ok(f->C_FindObjectsInit(session, &template, 1));
    assert_ok(f->C_FindObjects(session, handles, 64, &count));
    assert_ok(f->C_FindObjectsFinal(session));
    for (CK_ULONG i = 0; i < count; i++)
        for (int k = 0; k < HIDDEN_COUNT; k++)
            ck_assert_uint_ne(handles[i], hidden[k]);
    return count;
}

START_TEST(a_search_finds_nothing_that_is_hidden)
{
    char label[] = "hidden-ec", other[] = "nobody-ec", shown[] = "shown";
    CK_OBJECT_CLASS data = CKO_DATA;

    start(CKF_SERIAL_SESSION | CKF_RW_SESSION);
    ck_assert_uint_eq(found(CKA_LABEL, label, 9), 0);
    ck_assert_uint_eq(found(CKA_LABEL, other, 9), 0);
    ck_assert_uint_eq(found(CKA_CLASS, &data, sizeof(data)), 0);
    ck_assert_uint_eq(found(CKA_LABEL, shown, 5), 1);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(what_is_hidden_and_what_is_not_there_are_answered_alike, 120),
        CASE_SLOW(in_a_read_only_session_too, 120),
        CASE_SLOW(a_search_finds_nothing_that_is_hidden, 120),
    };

    return lab_suite_run("pkcs11/invisible", cases, sizeof(cases) / sizeof(*cases));
}
