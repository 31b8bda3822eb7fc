/* What the log says of keys that leave and come in. */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define YES(type)                                                                                  \
    {                                                                                              \
        (type), &yes, 1                                                                            \
    }
#define TEXT(type, s)                                                                              \
    {                                                                                              \
        (type), (char[]){s}, sizeof(s) - 1                                                         \
    }
#define LEN(n)                                                                                     \
    {                                                                                              \
        CKA_VALUE_LEN, &(CK_ULONG){n}, sizeof(CK_ULONG)                                            \
    }
#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define SOFTWARE    TEXT(CKA_KEYWARD_PROTECTION, "software")
#define RECORDS     8

static CK_BBOOL yes = CK_TRUE;
static CK_MECHANISM kwp = {.mechanism = CKM_AES_KEY_WRAP_KWP};
static struct lab lab;
static CK_SESSION_HANDLE session;

struct seen {
    const char *function;
    unsigned count;
    char phase[RECORDS][16], action[RECORDS][16], object[RECORDS][16], digest[RECORDS][65];
};

static void see(void *ctx, json_t *record)
{
    struct seen *s = ctx;

    if (strcmp(lab_member(record, "function"), s->function) != 0 || s->count == RECORDS)
        return;
    (void)snprintf(s->phase[s->count], 16, "%s", lab_member(record, "phase"));
    (void)snprintf(s->action[s->count], 16, "%s", lab_member(record, "action"));
    (void)snprintf(s->object[s->count], 16, "%s", lab_member(record, "object"));
    (void)snprintf(s->digest[s->count], 65, "%s", lab_member(record, "digest"));
    s->count++;
}

static struct seen look(const char *function)
{
    struct seen s = {.function = function};

    lab_log_each(&lab, 0, see, &s);
    return s;
}

static CK_OBJECT_HANDLE make(CK_ATTRIBUTE *template, CK_ULONG count)
{
    CK_MECHANISM gen = {.mechanism = CKM_AES_KEY_GEN};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(lab.f->C_GenerateKey(session, &gen, template, count, &key));
    return key;
}

START_TEST(a_key_that_leaves_and_comes_back_is_told_of_by_name_and_digest)
{
    CK_ATTRIBUTE kek[] = {LEN(32), SOFTWARE, YES(CKA_WRAP), YES(CKA_UNWRAP),
                          TEXT(CKA_LABEL, "kek")};
    CK_ATTRIBUTE leaves[] = {LEN(32), SOFTWARE, YES(CKA_EXTRACTABLE), TEXT(CKA_LABEL, "leaves")};
    CK_ATTRIBUTE back[] = {{CKA_CLASS, &(CK_OBJECT_CLASS){CKO_SECRET_KEY}, sizeof(CK_ULONG)},
                           {CKA_KEY_TYPE, &(CK_KEY_TYPE){CKK_AES}, sizeof(CK_ULONG)},
                           SOFTWARE,
                           TEXT(CKA_LABEL, "back")};
    CK_OBJECT_HANDLE with, key;
    uint8_t wrapped[64];
    CK_ULONG len = 0;
    struct seen out, in;

    lab_start(&lab);
    session = lab_alice(&lab);
    with = make(kek, COUNT(kek));
    key = make(leaves, COUNT(leaves));
    assert_ok(lab.f->C_WrapKey(session, &kwp, with, key, NULL, &len));
    ck_assert_uint_eq(look("C_WrapKey").count, 0); /* a question */
    assert_ok(lab.f->C_WrapKey(session, &kwp, with, key, wrapped, &len));
    out = look("C_WrapKey");
    ck_assert_uint_eq(out.count, 2);
    ck_assert_str_eq(out.action[0], "wrapKey");
    ck_assert_str_eq(out.object[0], "leaves");
    ck_assert_str_eq(out.object[1], "kek");
    ck_assert_uint_eq(strlen(out.digest[0]), 64);
    ck_assert_str_eq(out.digest[0], out.digest[1]);

    assert_ok(lab.f->C_UnwrapKey(session, &kwp, with, wrapped, len, back, COUNT(back), &key));
    in = look("C_UnwrapKey");
    ck_assert_uint_eq(in.count, 3);
    ck_assert_str_eq(in.action[0], "unwrapKey");
    ck_assert_str_eq(in.object[0], "kek");
    ck_assert_str_eq(in.digest[0], out.digest[0]);
    ck_assert_str_eq(in.action[1], "import");
    ck_assert_str_eq(in.phase[1], "intent");
    ck_assert_str_eq(in.object[1], "back");
    ck_assert_str_eq(in.phase[2], "outcome");
    wrapped[3] ^= 1;
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              lab.f->C_UnwrapKey(session, &kwp, with, wrapped, len, back, COUNT(back), &key));
    ck_assert_uint_eq(lab_log_count(&lab, "C_UnwrapKey", "CKR_WRAPPED_KEY_INVALID"), 1);
    lab_end(&lab);
}
END_TEST

/* Of the module: the list of 2.40 has none of 3.2. */
static void *function_3_2(const char *name)
{
    void *function = dlsym(lab.library, name);

    ck_assert_ptr_nonnull(function);
    return function;
}

START_TEST(both_sides_of_an_encapsulation_tell_of_the_same_secret)
{
    static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM gen = {.mechanism = CKM_EC_KEY_PAIR_GEN};
    CK_ECDH1_DERIVE_PARAMS params = {.kdf = CKD_SHA256_KDF};
    CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &params, sizeof(params)};
    CK_ATTRIBUTE public[] = {{CKA_EC_PARAMS, p256, sizeof(p256)}, YES(CKA_ENCAPSULATE)};
    CK_ATTRIBUTE private[] = {SOFTWARE, YES(CKA_DECAPSULATE), TEXT(CKA_LABEL, "pair")};
    CK_ATTRIBUTE made[] = {LEN(32), SOFTWARE, TEXT(CKA_LABEL, "made")};
    CK_OBJECT_HANDLE pair[2], key;
    CK_C_EncapsulateKey encapsulate;
    CK_C_DecapsulateKey decapsulate;
    uint8_t ciphertext[65];
    CK_ULONG len = 0;
    struct seen out, in;

    lab_start(&lab);
    session = lab_alice(&lab);
    *(void **)&encapsulate = function_3_2("C_EncapsulateKey");
    *(void **)&decapsulate = function_3_2("C_DecapsulateKey");
    assert_ok(lab.f->C_GenerateKeyPair(session, &gen, public, COUNT(public), private,
                                       COUNT(private), &pair[0], &pair[1]));
    assert_ok(encapsulate(session, &ecdh, pair[0], made, COUNT(made), NULL, &len, &key));
    ck_assert_uint_eq(look("C_EncapsulateKey").count, 0); /* a question */
    assert_ok(encapsulate(session, &ecdh, pair[0], made, COUNT(made), ciphertext, &len, &key));
    out = look("C_EncapsulateKey");
    ck_assert_uint_eq(out.count, 3);
    ck_assert_str_eq(out.action[0], "encapsulate");
    ck_assert_uint_eq(strlen(out.digest[0]), 64);
    ck_assert_str_eq(out.action[1], "create");
    ck_assert_str_eq(out.phase[1], "intent");
    ck_assert_str_eq(out.object[1], "made");
    ck_assert_str_eq(out.phase[2], "outcome");
    assert_ok(decapsulate(session, &ecdh, pair[1], made, COUNT(made), ciphertext, len, &key));
    in = look("C_DecapsulateKey");
    ck_assert_uint_eq(in.count, 3);
    ck_assert_str_eq(in.action[0], "decapsulate");
    ck_assert_str_eq(in.object[0], "pair");
    ck_assert_str_eq(in.digest[0], out.digest[0]);
    ck_assert_str_eq(in.action[1], "create");
    ciphertext[3] ^= 1;
    assert_rv(CKR_WRAPPED_KEY_INVALID,
              decapsulate(session, &ecdh, pair[1], made, COUNT(made), ciphertext, len, &key));
    ck_assert_uint_eq(lab_log_count(&lab, "C_DecapsulateKey", "CKR_WRAPPED_KEY_INVALID"), 1);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_key_that_leaves_and_comes_back_is_told_of_by_name_and_digest),
        CASE(both_sides_of_an_encapsulation_tell_of_the_same_secret),
    };

    return lab_suite_run("pkcs11/wrap_log", cases, COUNT(cases));
}
