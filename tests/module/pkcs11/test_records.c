/*
 * The log of random traces of calls: exactly the records that are expected, in their order. The
 * model is a table of acts; what an act leaves depends on nothing but what the acts before it left
 * in progress.
 */
#include "tests/support/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACE_ACTS  150
#define EXPECT_MAX  64
#define RECORDS_MAX 512

static struct lab lab;
static CK_SESSION_HANDLE session;
static CK_OBJECT_HANDLE tls, tls_public, seal;
static CK_BYTE data[32], iv[16], signature[64];

/* ---- what is expected ---- */

static char expected[RECORDS_MAX][EXPECT_MAX];
static size_t expected_count;

/* "function phase action rv" of a record. */
static void expect(const char *record)
{
    ck_assert_uint_lt(expected_count, RECORDS_MAX);
    (void)snprintf(expected[expected_count++], EXPECT_MAX, "%s", record);
}

struct comparison {
    size_t seen;
};

static void compare(void *ctx, json_t *record)
{
    struct comparison *c = ctx;
    char text[4 * EXPECT_MAX];

    (void)snprintf(text, sizeof(text), "%s %s %s %s", lab_member(record, "function"),
                   lab_member(record, "phase"), lab_member(record, "action"),
                   lab_member(record, "rv"));
    ck_assert_msg(c->seen < expected_count, "one too many: %s", text);
    ck_assert_msg(strcmp(text, expected[c->seen]) == 0, "record %zu is \"%s\", expected \"%s\"",
                  c->seen, text, expected[c->seen]);
    c->seen++;
}

/* ---- what is in progress ---- */

enum progress { NONE, READY, PARTS };
static enum progress encrypting, signing;

static CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
static CK_MECHANISM ecdsa = {.mechanism = CKM_ECDSA_SHA256};
static CK_MECHANISM sha = {.mechanism = CKM_SHA256};

static void encrypt_init(void)
{
    assert_rv(encrypting == NONE ? CKR_OK : CKR_OPERATION_ACTIVE,
              lab.f->C_EncryptInit(session, &cbc, seal));
    if (encrypting == NONE)
        encrypting = READY;
}

static void encrypt_update(void)
{
    CK_BYTE out[sizeof(data)];
    CK_ULONG len = sizeof(out);

    assert_rv(encrypting == NONE ? CKR_OPERATION_NOT_INITIALIZED : CKR_OK,
              lab.f->C_EncryptUpdate(session, data, sizeof(data), out, &len));
    if (encrypting == READY) { /* an intent before the first of the output */
        expect("C_EncryptUpdate intent encrypt ");
        encrypting = PARTS;
    }
}

static void encrypt_final(void)
{
    CK_BYTE out[sizeof(data)];
    CK_ULONG len = sizeof(out);

    assert_rv(encrypting == NONE ? CKR_OPERATION_NOT_INITIALIZED : CKR_OK,
              lab.f->C_EncryptFinal(session, out, &len));
    if (encrypting == READY)
        expect("C_EncryptFinal done encrypt CKR_OK");
    if (encrypting == PARTS)
        expect("C_EncryptFinal outcome encrypt CKR_OK");
    encrypting = NONE;
}

static void sign_init(void)
{
    assert_rv(signing == NONE ? CKR_OK : CKR_OPERATION_ACTIVE,
              lab.f->C_SignInit(session, &ecdsa, tls));
    if (signing == NONE)
        signing = READY;
}

static void sign_update(void)
{
    assert_rv(signing == NONE ? CKR_OPERATION_NOT_INITIALIZED : CKR_OK,
              lab.f->C_SignUpdate(session, data, sizeof(data)));
    if (signing == READY)
        signing = PARTS;
}

static void sign_final(void)
{
    CK_ULONG len = sizeof(signature);

    assert_rv(signing == NONE ? CKR_OPERATION_NOT_INITIALIZED : CKR_OK,
              lab.f->C_SignFinal(session, signature, &len));
    if (signing != NONE)
        expect("C_SignFinal done sign CKR_OK");
    signing = NONE;
}

/* One-shot in the middle of parts is out of order, and ends the operation: the key was not used. */
static void sign(void)
{
    CK_ULONG len = sizeof(signature);
    CK_RV want = signing == NONE    ? CKR_OPERATION_NOT_INITIALIZED
                 : signing == READY ? CKR_OK
                                    : CKR_OPERATION_ACTIVE;

    assert_rv(want, lab.f->C_Sign(session, data, sizeof(data), signature, &len));
    if (signing == READY)
        expect("C_Sign done sign CKR_OK");
    signing = NONE;
}

/* A question for the length, and a buffer that is too small, use nothing. */
static void sign_length(void)
{
    CK_ULONG len = 0;

    if (signing != READY)
        return;
    assert_ok(lab.f->C_Sign(session, data, sizeof(data), NULL, &len));
    len = 1;
    assert_rv(CKR_BUFFER_TOO_SMALL, lab.f->C_Sign(session, data, sizeof(data), signature, &len));
}

/* ---- acts that are whole ---- */

static void verify_bad(void)
{
    static const CK_BYTE zeros[64];

    assert_ok(lab.f->C_VerifyInit(session, &ecdsa, tls_public));
    assert_rv(CKR_SIGNATURE_INVALID,
              lab.f->C_Verify(session, data, sizeof(data), (CK_BYTE_PTR)(uintptr_t)zeros, 64));
    expect("C_Verify done verify CKR_SIGNATURE_INVALID");
}

static void digest(void)
{
    CK_BYTE out[32];
    CK_ULONG len = sizeof(out);

    assert_ok(lab.f->C_DigestInit(session, &sha));
    assert_ok(lab.f->C_Digest(session, data, sizeof(data), out, &len));
    expect("C_Digest done digest CKR_OK");
}

static void random_bytes(void)
{
    CK_BYTE out[16];

    assert_ok(lab.f->C_GenerateRandom(session, out, sizeof(out)));
    expect("C_GenerateRandom done random CKR_OK");
}

static void search(void)
{
    CK_OBJECT_HANDLE found[4];
    CK_ULONG count = 0;

    assert_ok(lab.f->C_FindObjectsInit(session, NULL, 0));
    assert_ok(lab.f->C_FindObjects(session, found, 4, &count));
    assert_ok(lab.f->C_FindObjectsFinal(session));
    expect("C_FindObjects done list CKR_OK");
}

static void read_attribute(void)
{
    CK_ULONG type = 0;
    CK_ATTRIBUTE attribute = {CKA_KEY_TYPE, &type, sizeof(type)};

    assert_ok(lab.f->C_GetAttributeValue(session, tls, &attribute, 1));
    expect("C_GetAttributeValue done list CKR_OK");
}

static void make_and_destroy(void)
{
    CK_MECHANISM gen = {.mechanism = CKM_AES_KEY_GEN};
    CK_ULONG len = 32;
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE template[] = {
        {CKA_VALUE_LEN, &len, sizeof(len)},
        {CKA_TOKEN, &no, sizeof(no)},
        {CKA_KEYWARD_PROTECTION, (CK_UTF8CHAR[]){"software"}, 8},
    };
    CK_OBJECT_HANDLE key = 0;

    assert_ok(lab.f->C_GenerateKey(session, &gen, template, 3, &key));
    expect("C_GenerateKey intent create ");
    expect("C_GenerateKey outcome create CKR_OK");
    assert_ok(lab.f->C_DestroyObject(session, key));
    expect("C_DestroyObject intent delete ");
    expect("C_DestroyObject outcome delete CKR_OK");
}

/* Refused by the policy: never the act, always the record. */
static void forbidden(void)
{
    CK_MECHANISM sha384 = {.mechanism = CKM_ECDSA_SHA384};

    if (signing != NONE)
        return;
    assert_rv(CKR_MECHANISM_INVALID, lab.f->C_SignInit(session, &sha384, tls));
    expect("C_SignInit done sign CKR_MECHANISM_INVALID");
}

/* Refused before anybody is asked: no PIN was looked at. */
static void login_again(void)
{
    CK_SESSION_HANDLE other = lab_session(&lab, CKF_SERIAL_SESSION | CKF_RW_SESSION);

    assert_rv(CKR_USER_ALREADY_LOGGED_IN, lab_login(&lab, other, CKU_USER, "nonsense"));
    assert_ok(lab.f->C_CloseSession(other));
}

/* Calls that use, change and read nothing leave nothing. */
static void look_around(void)
{
    CK_INFO info;
    CK_TOKEN_INFO token;
    CK_SESSION_INFO session_info;
    CK_MECHANISM_INFO mechanism;
    CK_ULONG count = 0;

    assert_ok(lab.f->C_GetInfo(&info));
    assert_ok(lab.f->C_GetSlotList(CK_TRUE, NULL, &count));
    assert_ok(lab.f->C_GetTokenInfo(lab.slot, &token));
    assert_ok(lab.f->C_GetSessionInfo(session, &session_info));
    assert_ok(lab.f->C_GetMechanismList(lab.slot, NULL, &count));
    assert_ok(lab.f->C_GetMechanismInfo(lab.slot, CKM_ECDSA, &mechanism));
}

static void (*const acts[])(void) = {
    encrypt_init,   encrypt_update,   encrypt_final, sign_init,   sign_update,  sign_final,
    sign,           sign_length,      verify_bad,    digest,      random_bytes, search,
    read_attribute, make_and_destroy, forbidden,     login_again, look_around,
};

/* ---- traces ---- */

static uint64_t records(void)
{
    return lab_log_whole(&lab);
}

START_TEST(a_random_trace_leaves_exactly_its_records_in_order)
{
    unsigned state = (unsigned)_i * 2654435761U + 12345U;
    struct comparison c = {.seen = 0};
    uint64_t from;

    lab_start(&lab);
    lab_policy(&lab, "permit(principal == User::\"alice\", action, resource);"
                     "forbid(principal, action, resource) when { context has mechanism && "
                     "context.mechanism == \"CKM_ECDSA_SHA384\" };");
    session = lab_alice(&lab);
    tls = lab_find(&lab, session, CKO_PRIVATE_KEY, "tls");
    tls_public = lab_find(&lab, session, CKO_PUBLIC_KEY, "tls");
    seal = lab_find(&lab, session, CKO_SECRET_KEY, "seal");
    from = records();
    for (int i = 0; i < TRACE_ACTS; i++) {
        state = state * 1103515245U + 12345U;
        acts[(state >> 16) % (sizeof(acts) / sizeof(*acts))]();
    }
    lab_log_each(&lab, from, compare, &c);
    ck_assert_uint_eq(c.seen, expected_count);
    ck_assert_uint_gt(c.seen, TRACE_ACTS / 4);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        {.test = a_random_trace_leaves_exactly_its_records_in_order,
         .loop_end = 6,
         .timeout_s = 180},
    };

    return lab_suite_run("pkcs11/records", cases, sizeof(cases) / sizeof(*cases));
}
