/* A hostile or clumsy caller: every pointer NULL, every length absurd, every handle stale or
 * foreign, at every C_ function. Whatever is refused leaves the module at work. */
#include "tests/support/lab.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ABSURD ((CK_ULONG)-1)

struct row {
    const char *call;
    CK_RV want, got;
};

/* The call is made where the row stands; rows do not depend on one another. */
#define ROW(want, expression)                                                                      \
    {                                                                                              \
#expression, (want), (expression)                                                          \
    }

static void check(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(rows[i].got == rows[i].want, "%s gave 0x%lx, not 0x%lx", rows[i].call,
                      rows[i].got, rows[i].want);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof(*(rows)))

static CK_BYTE bytes[64];
static CK_UTF8CHAR pin[] = LAB_PIN;
static CK_MECHANISM sha256 = {CKM_SHA256, NULL, 0};
static CK_MECHANISM ecdsa = {CKM_ECDSA_SHA256, NULL, 0};

START_TEST(a_null_pointer_is_refused_by_every_function_that_wants_one)
{
    struct lab lab;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE s;
    CK_SLOT_ID slot;
    CK_OBJECT_HANDLE key, out;
    CK_ULONG n = 0;

    lab_start(&lab);
    f = lab.f;
    slot = lab.slot;
    s = lab_alice(&lab);
    key = lab_find(&lab, s, CKO_PRIVATE_KEY, "tls");
    const struct row rows[] = {
        ROW(CKR_ARGUMENTS_BAD, f->C_GetInfo(NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetFunctionList(NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetSlotList(CK_TRUE, NULL, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetSlotInfo(slot, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetTokenInfo(slot, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetMechanismList(slot, NULL, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetMechanismInfo(slot, CKM_SHA256, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_InitToken(slot, NULL, 5, bytes)),
        ROW(CKR_ARGUMENTS_BAD, f->C_InitToken(slot, pin, 5, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_SetPIN(s, NULL, 5, pin, 5)),
        ROW(CKR_ARGUMENTS_BAD, f->C_SetPIN(s, pin, sizeof(pin) - 1, NULL, 5)),
        ROW(CKR_ARGUMENTS_BAD, f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetSessionInfo(s, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_CreateObject(s, NULL, 3, &out)),
        ROW(CKR_ARGUMENTS_BAD, f->C_CreateObject(s, NULL, 0, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetObjectSize(s, key, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetAttributeValue(s, key, NULL, 1)),
        ROW(CKR_ARGUMENTS_BAD, f->C_SetAttributeValue(s, key, NULL, 1)),
        ROW(CKR_ARGUMENTS_BAD, f->C_FindObjectsInit(s, NULL, 1)),
        ROW(CKR_ARGUMENTS_BAD, f->C_EncryptInit(s, NULL, key)),
        ROW(CKR_ARGUMENTS_BAD, f->C_DecryptInit(s, NULL, key)),
        ROW(CKR_ARGUMENTS_BAD, f->C_DigestInit(s, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_SignInit(s, NULL, key)),
        ROW(CKR_ARGUMENTS_BAD, f->C_VerifyInit(s, NULL, key)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GenerateKey(s, NULL, NULL, 0, &out)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GenerateKey(s, &sha256, NULL, 0, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GenerateKeyPair(s, NULL, NULL, 0, NULL, 0, &out, &out)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GenerateKeyPair(s, &sha256, NULL, 0, NULL, 0, NULL, &out)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GenerateKeyPair(s, &sha256, NULL, 0, NULL, 0, &out, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_SeedRandom(s, NULL, 1)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GenerateRandom(s, NULL, 1)),
        ROW(CKR_ARGUMENTS_BAD, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, NULL, NULL)),
        ROW(CKR_ARGUMENTS_BAD, f->C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, &slot)),
        ROW(CKR_ARGUMENTS_BAD, f->C_Finalize(&slot)),
        ROW(CKR_OPERATION_NOT_INITIALIZED, f->C_Sign(s, NULL, 1, NULL, NULL)),
        ROW(CKR_OPERATION_NOT_INITIALIZED, f->C_FindObjects(s, NULL, 1, NULL)),
        ROW(CKR_OPERATION_NOT_INITIALIZED, f->C_DecryptFinal(s, NULL, NULL)),
    };
    CHECK(rows);
    assert_ok(f->C_FindObjectsInit(s, NULL, 0));
    assert_rv(CKR_ARGUMENTS_BAD, f->C_FindObjects(s, NULL, 1, &n));
    assert_rv(CKR_ARGUMENTS_BAD, f->C_FindObjects(s, &out, 1, NULL));
    assert_ok(f->C_FindObjectsFinal(s));
    assert_ok(f->C_SignInit(s, &ecdsa, key));
    assert_rv(CKR_ARGUMENTS_BAD, f->C_Sign(s, NULL, 1, bytes, &n));
    assert_ok(f->C_SignInit(s, &ecdsa, key));
    assert_rv(CKR_ARGUMENTS_BAD, f->C_Sign(s, bytes, 1, bytes, NULL));
    assert_ok(f->C_DigestInit(s, &sha256));
    assert_rv(CKR_ARGUMENTS_BAD, f->C_DigestUpdate(s, NULL, 1));
    lab_signs(&lab, s);
    lab_end(&lab);
}
END_TEST

START_TEST(an_absurd_length_is_refused_before_anything_is_read)
{
    CK_ATTRIBUTE label = {CKA_LABEL, bytes, ABSURD};
    CK_ATTRIBUTE hollow = {CKA_LABEL, NULL, 5};
    CK_MECHANISM none = {CKM_AES_GCM, NULL, ABSURD};
    CK_GCM_PARAMS gcm = {bytes, 12, 96, bytes, ABSURD, 128};
    CK_MECHANISM long_aad = {CKM_AES_GCM, &gcm, sizeof(gcm)};
    CK_MECHANISM cut = {CKM_AES_GCM, &gcm, sizeof(gcm) - 1};
    struct lab lab;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE aes, out;
    CK_ULONG n = sizeof(bytes);

    lab_start(&lab);
    f = lab.f;
    s = lab_alice(&lab);
    aes = lab_find(&lab, s, CKO_SECRET_KEY, "seal");
    const struct row rows[] = {
        ROW(CKR_ARGUMENTS_BAD, f->C_CreateObject(s, &label, ABSURD, &out)),
        ROW(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(s, &label, 1, &out)),
        ROW(CKR_ATTRIBUTE_VALUE_INVALID, f->C_CreateObject(s, &hollow, 1, &out)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GetAttributeValue(s, aes, &label, ABSURD)),
        ROW(CKR_ARGUMENTS_BAD, f->C_SetAttributeValue(s, aes, &label, ABSURD)),
        ROW(CKR_ATTRIBUTE_VALUE_INVALID, f->C_SetAttributeValue(s, aes, &label, 1)),
        ROW(CKR_ATTRIBUTE_VALUE_INVALID, f->C_SetAttributeValue(s, aes, &hollow, 1)),
        ROW(CKR_ARGUMENTS_BAD, f->C_FindObjectsInit(s, &label, ABSURD)),
        ROW(CKR_ATTRIBUTE_VALUE_INVALID, f->C_FindObjectsInit(s, &label, 1)),
        ROW(CKR_ATTRIBUTE_VALUE_INVALID, f->C_FindObjectsInit(s, &hollow, 1)),
        ROW(CKR_ARGUMENTS_BAD, f->C_GenerateRandom(s, bytes, ABSURD)),
        ROW(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(s, &none, aes)),
        ROW(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(s, &cut, aes)),
        ROW(CKR_MECHANISM_PARAM_INVALID, f->C_EncryptInit(s, &long_aad, aes)),
        ROW(CKR_PIN_LEN_RANGE, f->C_SetPIN(s, pin, sizeof(pin) - 1, pin, ABSURD)),
    };
    CHECK(rows);
    assert_ok(f->C_DigestInit(s, &sha256));
    assert_rv(CKR_DATA_LEN_RANGE, f->C_Digest(s, bytes, ABSURD, bytes, &n));
    assert_ok(f->C_DigestInit(s, &sha256));
    assert_rv(CKR_DATA_LEN_RANGE, f->C_DigestUpdate(s, bytes, ABSURD));
    assert_ok(f->C_VerifyInit(s, &ecdsa, lab_find(&lab, s, CKO_PUBLIC_KEY, "tls")));
    assert_rv(CKR_SIGNATURE_LEN_RANGE, f->C_Verify(s, bytes, 1, bytes, ABSURD));
    lab_signs(&lab, s);
    lab_end(&lab);
}
END_TEST

/* The PIN is looked at only as far as one can be long. */
START_TEST(a_pin_of_absurd_length_is_wrong_without_being_read)
{
    CK_UTF8CHAR *small = malloc(8);
    struct lab lab;
    CK_SESSION_HANDLE s;

    lab_start(&lab);
    ck_assert_ptr_nonnull(small);
    memset(small, 'p', 8);
    s = lab_session(&lab, CKF_RW_SESSION);
    assert_rv(CKR_PIN_INCORRECT, lab.f->C_Login(s, CKU_USER, small, 4096));
    assert_rv(CKR_PIN_INCORRECT, lab.f->C_Login(s, CKU_USER, small, ABSURD));
    assert_rv(CKR_PIN_INCORRECT, lab.f->C_Login(s, CKU_SO, small, ABSURD));
    assert_rv(CKR_PIN_INCORRECT, lab.f->C_SetPIN(s, small, ABSURD, pin, 8));
    assert_ok(lab_login(&lab, s, CKU_USER, LAB_PIN));
    free(small);
    lab_end(&lab);
}
END_TEST

static void check_session(const CK_FUNCTION_LIST *f, CK_SESSION_HANDLE s)
{
    CK_SESSION_INFO info;
    CK_OBJECT_HANDLE out;
    CK_ULONG n = sizeof(bytes);
    const struct row rows[] = {
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_CloseSession(s)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_GetSessionInfo(s, &info)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_Login(s, CKU_USER, pin, 5)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_Logout(s)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_InitPIN(s, pin, 5)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_SetPIN(s, pin, 5, pin, 5)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_CreateObject(s, NULL, 0, &out)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DestroyObject(s, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_GetObjectSize(s, 1, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_GetAttributeValue(s, 1, NULL, 0)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_SetAttributeValue(s, 1, NULL, 0)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_FindObjectsInit(s, NULL, 0)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_FindObjects(s, &out, 1, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_FindObjectsFinal(s)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_EncryptInit(s, &sha256, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_Encrypt(s, bytes, 1, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_EncryptUpdate(s, bytes, 1, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_EncryptFinal(s, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DecryptInit(s, &sha256, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_Decrypt(s, bytes, 1, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DecryptUpdate(s, bytes, 1, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DecryptFinal(s, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DigestInit(s, &sha256)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_Digest(s, bytes, 1, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DigestUpdate(s, bytes, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DigestKey(s, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_DigestFinal(s, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_SignInit(s, &ecdsa, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_Sign(s, bytes, 1, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_SignUpdate(s, bytes, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_SignFinal(s, bytes, &n)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_VerifyInit(s, &ecdsa, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_Verify(s, bytes, 1, bytes, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_VerifyUpdate(s, bytes, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_VerifyFinal(s, bytes, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_GenerateKey(s, &sha256, NULL, 0, &out)),
        ROW(CKR_SESSION_HANDLE_INVALID,
            f->C_GenerateKeyPair(s, &sha256, NULL, 0, NULL, 0, &out, &out)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_SeedRandom(s, bytes, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_GenerateRandom(s, bytes, 1)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_GetFunctionStatus(s)),
        ROW(CKR_SESSION_HANDLE_INVALID, f->C_CancelFunction(s)),
    };

    CHECK(rows);
}

START_TEST(a_session_that_is_closed_or_never_was_is_none_to_every_function)
{
    struct lab lab;
    CK_SESSION_HANDLE s;
    CK_SESSION_HANDLE left;

    lab_start(&lab);
    left = lab_alice(&lab);
    s = lab_session(&lab, CKF_RW_SESSION);
    assert_ok(lab.f->C_SignInit(s, &ecdsa, lab_find(&lab, s, CKO_PRIVATE_KEY, "tls")));
    assert_ok(lab.f->C_CloseSession(s));
    check_session(lab.f, s);
    check_session(lab.f, 0);
    check_session(lab.f, ABSURD);
    lab_signs(&lab, left);
    lab_end(&lab);
}
END_TEST

static void check_object(const CK_FUNCTION_LIST *f, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key)
{
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    CK_ATTRIBUTE label = {CKA_LABEL, bytes, 0};
    CK_ULONG n;
    const struct row rows[] = {
        ROW(CKR_OBJECT_HANDLE_INVALID, f->C_DestroyObject(s, key)),
        ROW(CKR_OBJECT_HANDLE_INVALID, f->C_GetObjectSize(s, key, &n)),
        ROW(CKR_OBJECT_HANDLE_INVALID, f->C_GetAttributeValue(s, key, &label, 1)),
        ROW(CKR_OBJECT_HANDLE_INVALID, f->C_SetAttributeValue(s, key, &label, 1)),
        ROW(CKR_KEY_HANDLE_INVALID, f->C_SignInit(s, &ecdsa, key)),
        ROW(CKR_KEY_HANDLE_INVALID, f->C_VerifyInit(s, &ecdsa, key)),
        ROW(CKR_KEY_HANDLE_INVALID, f->C_EncryptInit(s, &ecb, key)),
        ROW(CKR_KEY_HANDLE_INVALID, f->C_DecryptInit(s, &ecb, key)),
    };

    CHECK(rows);
    assert_ok(f->C_DigestInit(s, &sha256));
    assert_rv(CKR_KEY_HANDLE_INVALID, f->C_DigestKey(s, key));
}

START_TEST(an_object_that_is_gone_foreign_or_never_was_is_none_to_every_function)
{
    struct lab lab;
    CK_SESSION_HANDLE s;
    CK_SESSION_HANDLE mail;
    CK_OBJECT_HANDLE public, private, foreign;

    lab_start(&lab);
    s = lab_alice(&lab);
    assert_ok(lab.f->C_OpenSession(lab_slot(&lab, "mail"), CKF_SERIAL_SESSION, NULL, NULL, &mail));
    assert_ok(lab_login(&lab, mail, CKU_USER, LAB_PIN));
    foreign = lab_find(&lab, mail, CKO_PRIVATE_KEY, "dkim");
    ck_assert_uint_ne(foreign, 0);
    assert_ok(lab_generate(&lab, s, "gone", &public, &private));
    assert_ok(lab.f->C_DestroyObject(s, private));
    check_object(lab.f, s, private);
    check_object(lab.f, s, foreign);
    check_object(lab.f, s, 0);
    check_object(lab.f, s, ABSURD);
    lab_signs(&lab, s);
    lab_end(&lab);
}
END_TEST

START_TEST(json_that_is_no_request_is_refused_in_one_sentence)
{
    static const char *const requests[] = {
        "",
        "null",
        "[]",
        "{\"verb\":1}",
        "{\"verb\":null}",
        "{\"verb\":\"status\",\"verb\":\"status\"}",
        "{\"verb\":\"status\\u0000\"}",
        "{\"verb\":\"vault.show\",\"vault\":[]}",
        "{\"verb\":\"vault.show\",\"vault\":\"\"}",
        "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":-1}",
        "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":1.5}",
        "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":"
        "99999999999999999999}",
        "{\"verb\":\"key.show\",\"vault\":\"web\",\"name\":\"tls\",\"version\":"
        "9223372036854775807}",
        "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}",
        "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":-1}",
        "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"x\",\"pin\":9223372036854775807}",
        "{\"verb\":\"user.add\",\"vault\":\"web\",\"user\":\"a\\nb\",\"roles\":[{}]}",
        "{\"verb\":\"policy.explain\",\"vault\":\"web\",\"request\":{\"principal\":{}}}",
        "{\"verb\":\"log.show\",\"since\":\"9999999999999999999y\"}",
        "{\"verb\":\"vault.create\",\"vault\":\"../up\"}",
        "{\"verb\":\"vault.create\",\"vault\":\"n\",\"retention\":\"9223372036854775807d\"}",
    };
    struct lab lab;

    lab_start(&lab);
    for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
        CK_RV rv = lab.admin->call((const CK_UTF8CHAR *)requests[i], strlen(requests[i]), NULL, 0,
                                   lab_receive, &lab);

        ck_assert_msg(rv != CKR_OK, "%s was taken", requests[i]);
        ck_assert_msg(strstr(lab.answer, "\"error\"") != NULL && strchr(lab.answer, '\n') == NULL,
                      "%s: %s", requests[i], lab.answer);
    }
    lab_signs(&lab, lab_alice(&lab));
    lab_end(&lab);
}
END_TEST

/* n times the text, as a policy or as a request. */
static char *repeated(const char *text, size_t n)
{
    size_t len = strlen(text);
    char *all = malloc(n * len + 1);

    ck_assert_ptr_nonnull(all);
    for (size_t i = 0; i < n; i++)
        memcpy(all + i * len, text, len);
    all[n * len] = '\0';
    return all;
}

START_TEST(deep_nesting_is_refused_and_not_followed)
{
    static const char *const texts[] = {"[", "{\\\"a\\\":", "(", "!", "-", "if "};
    struct lab lab;

    lab_start(&lab);
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        char *deep = repeated(texts[i], 20000);

        assert_rv(CKR_ARGUMENTS_BAD,
                  lab_admin(&lab, NULL,
                            "{\"verb\":\"policy.check\",\"text\":\"permit(principal, action, "
                            "resource) when { %s\"}",
                            deep));
        assert_rv(CKR_ARGUMENTS_BAD, lab_admin(&lab, NULL, "%s", deep));
        free(deep);
    }
    lab_end(&lab);
}
END_TEST

static struct {
    const struct lab *lab;
    CK_SESSION_HANDLE session;
} making;

/* Takes long enough for the session to go meanwhile. */
static void *make_session_keys(void *unused)
{
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG bits = 2048;
    CK_ATTRIBUTE size = {CKA_MODULUS_BITS, &bits, sizeof(bits)};
    CK_OBJECT_HANDLE public, private;

    (void)unused;
    (void)making.lab->f->C_GenerateKeyPair(making.session, &mechanism, &size, 1, NULL, 0, &public,
                                           &private);
    return NULL;
}

START_TEST(no_session_object_outlives_a_session_that_was_closed_meanwhile)
{
    struct lab lab;
    CK_SESSION_HANDLE left;
    CK_ULONG before;

    lab_start(&lab);
    left = lab_alice(&lab);
    before = lab_count(&lab, left);
    making.lab = &lab;
    for (unsigned i = 0; i < 4; i++) {
        pthread_t thread;

        making.session = lab_session(&lab, CKF_RW_SESSION);
        ck_assert_int_eq(pthread_create(&thread, NULL, make_session_keys, NULL), 0);
        lab_sleep_ms(10 + 5 * i);
        assert_ok(lab.f->C_CloseSession(making.session));
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_uint_eq(lab_count(&lab, left), before);
    }
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_null_pointer_is_refused_by_every_function_that_wants_one, 120),
        CASE_SLOW(an_absurd_length_is_refused_before_anything_is_read, 120),
        CASE_SLOW(a_pin_of_absurd_length_is_wrong_without_being_read, 120),
        CASE_SLOW(a_session_that_is_closed_or_never_was_is_none_to_every_function, 120),
        CASE_SLOW(an_object_that_is_gone_foreign_or_never_was_is_none_to_every_function, 120),
        CASE_SLOW(no_session_object_outlives_a_session_that_was_closed_meanwhile, 120),
        CASE_SLOW(json_that_is_no_request_is_refused_in_one_sentence, 120),
        CASE_SLOW(deep_nesting_is_refused_and_not_followed, 120),
    };

    return lab_suite_run("pkcs11/hostile", cases, sizeof(cases) / sizeof(*cases));
}
