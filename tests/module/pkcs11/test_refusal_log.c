/* Whatever refuses a use of a key, the policy or the key itself: the log says that it was refused
 * and why. */
#include "tests/support/lab.h"

#include <stdio.h>
#include <string.h>

#define BOOL(type, value)                                                                          \
    {                                                                                              \
        (type), &(CK_BBOOL){value}, 1                                                              \
    }
#define LEN(n)                                                                                     \
    {                                                                                              \
        CKA_VALUE_LEN, &(CK_ULONG){n}, sizeof(CK_ULONG)                                            \
    }
#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define SOFTWARE                                                                                   \
    {                                                                                              \
        CKA_KEYWARD_PROTECTION, (char[]){"software"}, 8                                            \
    }
#define MACS                                                                                       \
    LEN(32), SOFTWARE, BOOL(CKA_SIGN, CK_TRUE), BOOL(CKA_TOKEN, CK_TRUE), BOOL(CKA_PRIVATE, CK_TRUE)

static struct lab lab;
static CK_SESSION_HANDLE session;
static CK_MECHANISM mac = {.mechanism = CKM_SHA256_HMAC};

/* ---- the log ---- */

struct denial {
    unsigned count; /* denials of this function */
    const char *function;
    char rv[64], reason[256], object[32], principal[64]; /* of the last */
};

static void see(void *ctx, json_t *record)
{
    struct denial *d = ctx;

    if (strcmp(lab_member(record, "function"), d->function) != 0 ||
        strcmp(lab_member(record, "verdict"), "deny") != 0)
        return;
    d->count++;
    (void)snprintf(d->rv, sizeof(d->rv), "%s", lab_member(record, "rv"));
    (void)snprintf(d->reason, sizeof(d->reason), "%s", lab_member(record, "reason"));
    (void)snprintf(d->object, sizeof(d->object), "%s", lab_member(record, "object"));
    (void)snprintf(d->principal, sizeof(d->principal), "%s", lab_member(record, "principal"));
}

static struct denial look(const char *function)
{
    struct denial d = {.function = function};

    lab_log_each(&lab, 0, see, &d);
    return d;
}

/* One denial more than before, with this code and these words. */
static void assert_denied(const char *function, unsigned before, const char *rv, const char *words)
{
    struct denial d = look(function);

    ck_assert_uint_eq(d.count, before + 1);
    ck_assert_str_eq(d.rv, rv);
    ck_assert_msg(strstr(d.reason, words) != NULL, "\"%s\" is not in \"%s\"", words, d.reason);
    ck_assert_str_eq(d.principal, "User::\"alice\"");
}

/* ---- keys ---- */

static void begin(void)
{
    lab_start(&lab);
    session = lab_alice(&lab);
}

static CK_OBJECT_HANDLE make(CK_MECHANISM_TYPE type, CK_ATTRIBUTE *template, CK_ULONG count)
{
    CK_MECHANISM gen = {.mechanism = type};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(lab.f->C_GenerateKey(session, &gen, template, count, &key));
    return key;
}

static CK_RV sign_whole(CK_OBJECT_HANDLE key)
{
    CK_BYTE data[8] = {0}, out[64];
    CK_ULONG len = sizeof(out);
    CK_RV rv = lab.f->C_SignInit(session, &mac, key);

    return rv == CKR_OK ? lab.f->C_Sign(session, data, sizeof(data), out, &len) : rv;
}

static void key_verb(const char *verb, const char *name)
{
    assert_ok(lab_admin(&lab, NULL, "{\"verb\":\"key.%s\",\"vault\":\"web\",\"name\":\"%s\"}", verb,
                        name));
}

START_TEST(a_disabled_key_is_refused_in_the_log)
{
    CK_ATTRIBUTE macs[] = {MACS, {CKA_LABEL, (char[]){"stopped"}, 7}};
    CK_OBJECT_HANDLE key;
    struct denial d;

    begin();
    key = make(CKM_GENERIC_SECRET_KEY_GEN, macs, COUNT(macs));
    assert_ok(sign_whole(key));
    ck_assert_uint_eq(look("C_SignInit").count, 0);
    key_verb("disable", "stopped");
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_whole(key));
    assert_denied("C_SignInit", 0, "CKR_KEY_FUNCTION_NOT_PERMITTED", "not enabled");
    d = look("C_SignInit");
    ck_assert_str_eq(d.object, "stopped");
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, sign_whole(key));
    ck_assert_uint_eq(look("C_SignInit").count, 2);
    key_verb("enable", "stopped");
    assert_ok(sign_whole(key));
    ck_assert_uint_eq(look("C_SignInit").count, 2);
    lab_end(&lab);
}
END_TEST

START_TEST(a_key_that_is_disabled_in_the_middle_is_refused_in_the_log)
{
    CK_ATTRIBUTE macs[] = {MACS, {CKA_LABEL, (char[]){"halfway"}, 7}};
    CK_OBJECT_HANDLE key;
    CK_BYTE data[8] = {0}, out[64];
    CK_ULONG len = sizeof(out);

    begin();
    key = make(CKM_GENERIC_SECRET_KEY_GEN, macs, COUNT(macs));
    assert_ok(lab.f->C_SignInit(session, &mac, key));
    assert_ok(lab.f->C_SignUpdate(session, data, sizeof(data)));
    key_verb("disable", "halfway");
    assert_rv(CKR_KEY_FUNCTION_NOT_PERMITTED, lab.f->C_SignFinal(session, out, &len));
    assert_denied("C_SignFinal", 0, "CKR_KEY_FUNCTION_NOT_PERMITTED", "not enabled");
    lab_end(&lab);
}
END_TEST

/* One fact of a key each; neighbour: the key of begin(), without the fact, signs. */
static struct {
    CK_ATTRIBUTE fact;
    const char *rv, *words;
} facts[] = {
    {{CKA_SIGN, &(CK_BBOOL){CK_FALSE}, 1}, "CKR_KEY_FUNCTION_NOT_PERMITTED", "CKA_SIGN"},
    {{CKA_END_DATE, &(CK_DATE){"2020", "01", "01"}, sizeof(CK_DATE)},
     "CKR_KEY_FUNCTION_NOT_PERMITTED",
     "expired"},
    {{CKA_START_DATE, &(CK_DATE){"2199", "01", "01"}, sizeof(CK_DATE)},
     "CKR_KEY_FUNCTION_NOT_PERMITTED",
     "not valid yet"},
    {{CKA_ALLOWED_MECHANISMS, &(CK_MECHANISM_TYPE){CKM_SHA512_HMAC}, sizeof(CK_MECHANISM_TYPE)},
     "CKR_MECHANISM_INVALID",
     "CKA_ALLOWED_MECHANISMS"},
};

START_TEST(what_a_keys_attributes_refuse_is_in_the_log)
{
    CK_ATTRIBUTE macs[] = {
        {0}, LEN(32), SOFTWARE, BOOL(CKA_VERIFY, CK_TRUE), BOOL(CKA_SIGN, CK_TRUE)};

    begin();
    assert_ok(sign_whole(make(CKM_GENERIC_SECRET_KEY_GEN, macs + 1, COUNT(macs) - 1)));
    for (unsigned i = 0; i < COUNT(facts); i++) {
        CK_ULONG count = facts[i].fact.type == CKA_SIGN ? COUNT(macs) - 1 : COUNT(macs);
        CK_OBJECT_HANDLE key;

        macs[0] = facts[i].fact;
        key = make(CKM_GENERIC_SECRET_KEY_GEN, macs, count);
        ck_assert_uint_ne(sign_whole(key), CKR_OK);
        assert_denied("C_SignInit", i, facts[i].rv, facts[i].words);
    }
    lab_end(&lab);
}
END_TEST

START_TEST(a_mechanism_the_key_cannot_do_is_in_the_log)
{
    CK_ATTRIBUTE macs[] = {MACS};
    CK_MECHANISM rsa = {.mechanism = CKM_SHA256_RSA_PKCS};
    CK_OBJECT_HANDLE key;

    begin();
    key = make(CKM_GENERIC_SECRET_KEY_GEN, macs, COUNT(macs));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, lab.f->C_SignInit(session, &rsa, key));
    assert_denied("C_SignInit", 0, "CKR_KEY_TYPE_INCONSISTENT", "CKM_SHA256_RSA_PKCS");
    assert_ok(sign_whole(key));
    lab_end(&lab);
}
END_TEST

START_TEST(a_key_that_may_not_leave_is_in_the_log)
{
    CK_MECHANISM kwp = {.mechanism = CKM_AES_KEY_WRAP_KWP};
    CK_ATTRIBUTE kek[] = {LEN(32), SOFTWARE, BOOL(CKA_WRAP, CK_TRUE)};
    CK_ATTRIBUTE stays[] = {LEN(32), SOFTWARE, BOOL(CKA_EXTRACTABLE, CK_FALSE)};
    CK_ATTRIBUTE leaves[] = {LEN(32), SOFTWARE, BOOL(CKA_EXTRACTABLE, CK_TRUE)};
    CK_OBJECT_HANDLE with;
    CK_BYTE out[64];
    CK_ULONG len = sizeof(out);

    begin();
    with = make(CKM_AES_KEY_GEN, kek, COUNT(kek));
    assert_rv(CKR_KEY_UNEXTRACTABLE,
              lab.f->C_WrapKey(session, &kwp, with, make(CKM_AES_KEY_GEN, stays, COUNT(stays)), out,
                               &len));
    assert_denied("C_WrapKey", 0, "CKR_KEY_UNEXTRACTABLE", "CKA_EXTRACTABLE");
    assert_ok(lab.f->C_WrapKey(session, &kwp, with, make(CKM_AES_KEY_GEN, leaves, COUNT(leaves)),
                               out, &len));
    ck_assert_uint_eq(look("C_WrapKey").count, 1);
    lab_end(&lab);
}
END_TEST

START_TEST(a_key_that_may_not_be_digested_is_in_the_log)
{
    CK_MECHANISM sha256 = {.mechanism = CKM_SHA256};
    CK_ATTRIBUTE hidden[] = {LEN(32), SOFTWARE, BOOL(CKA_EXTRACTABLE, CK_TRUE),
                             BOOL(CKA_SENSITIVE, CK_TRUE)};
    CK_ATTRIBUTE open[] = {LEN(32), SOFTWARE, BOOL(CKA_EXTRACTABLE, CK_TRUE),
                           BOOL(CKA_SENSITIVE, CK_FALSE)};

    begin();
    assert_ok(lab.f->C_DigestInit(session, &sha256));
    assert_rv(CKR_KEY_INDIGESTIBLE,
              lab.f->C_DigestKey(session, make(CKM_AES_KEY_GEN, hidden, COUNT(hidden))));
    assert_denied("C_DigestKey", 0, "CKR_KEY_INDIGESTIBLE", "sensitive");
    assert_ok(lab.f->C_DigestInit(session, &sha256));
    assert_ok(lab.f->C_DigestKey(session, make(CKM_AES_KEY_GEN, open, COUNT(open))));
    lab_end(&lab);
}
END_TEST

START_TEST(an_operation_without_the_login_it_waits_for_is_in_the_log)
{
    static CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM gen = {.mechanism = CKM_EC_KEY_PAIR_GEN};
    CK_MECHANISM ecdsa = {.mechanism = CKM_ECDSA_SHA256};
    CK_ATTRIBUTE public[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}};
    CK_ATTRIBUTE private[] = {SOFTWARE, BOOL(CKA_SIGN, CK_TRUE), BOOL(CKA_PRIVATE, CK_TRUE),
                              BOOL(CKA_ALWAYS_AUTHENTICATE, CK_TRUE)};
    CK_OBJECT_HANDLE pair[2];
    CK_BYTE data[8] = {0}, out[64];
    CK_ULONG len = sizeof(out);

    begin();
    assert_ok(lab.f->C_GenerateKeyPair(session, &gen, public, COUNT(public), private,
                                       COUNT(private), &pair[0], &pair[1]));
    assert_ok(lab.f->C_SignInit(session, &ecdsa, pair[1]));
    assert_rv(CKR_USER_NOT_LOGGED_IN, lab.f->C_Sign(session, data, sizeof(data), out, &len));
    assert_denied("C_Sign", 0, "CKR_USER_NOT_LOGGED_IN", "CKU_CONTEXT_SPECIFIC");
    assert_ok(lab_login(&lab, session, CKU_CONTEXT_SPECIFIC, LAB_PIN));
    assert_ok(lab.f->C_Sign(session, data, sizeof(data), out, &len));
    ck_assert_uint_eq(look("C_Sign").count, 1);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_disabled_key_is_refused_in_the_log),
        CASE(a_key_that_is_disabled_in_the_middle_is_refused_in_the_log),
        CASE(what_a_keys_attributes_refuse_is_in_the_log),
        CASE(a_mechanism_the_key_cannot_do_is_in_the_log),
        CASE(a_key_that_may_not_leave_is_in_the_log),
        CASE(a_key_that_may_not_be_digested_is_in_the_log),
        CASE(an_operation_without_the_login_it_waits_for_is_in_the_log),
    };

    return lab_suite_run("pkcs11/refusal_log", cases, COUNT(cases));
}
