/* Keys of protection software: made, used, kept, ended. */
#include "tests/module/pkcs11/token.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOFTWARE TEXT(CKA_KEYWARD_PROTECTION, "software")
#define HSM      TEXT(CKA_KEYWARD_PROTECTION, "hsm")

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static uint8_t data[32] = "what is signed";

static CK_RV try_aes(CK_SESSION_HANDLE session, CK_ATTRIBUTE one, CK_ATTRIBUTE two,
                     CK_OBJECT_HANDLE *ret)
{
    CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};

    return p11->C_GenerateKey(session, &m, LIST(ULONG(CKA_VALUE_LEN, 32), one, two), ret);
}

static CK_OBJECT_HANDLE make_aes(CK_SESSION_HANDLE session, CK_ATTRIBUTE one)
{
    CK_OBJECT_HANDLE key = 0;

    assert_ok(try_aes(session, SOFTWARE, one, &key));
    return key;
}

static void make_ec(CK_SESSION_HANDLE session, CK_ATTRIBUTE protection, CK_ATTRIBUTE place,
                    CK_OBJECT_HANDLE *public, CK_OBJECT_HANDLE *private)
{
    CK_MECHANISM m = {CKM_EC_KEY_PAIR_GEN, NULL, 0};

    assert_ok(p11->C_GenerateKeyPair(
        session, &m,
        LIST(ATTR(CKA_EC_PARAMS, p256, sizeof(p256)), place, TEXT(CKA_LABEL, "soft-ec")),
        LIST(protection, place, TEXT(CKA_LABEL, "soft-ec")), public, private));
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint8_t out[64])
{
    CK_MECHANISM m = {CKM_ECDSA_SHA256, NULL, 0};
    CK_ULONG n = 64;
    CK_RV rv = p11->C_SignInit(session, &m, key);

    return rv == CKR_OK ? p11->C_Sign(session, data, sizeof(data), out, &n) : rv;
}

static CK_RV verify(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, uint8_t signature[64])
{
    CK_MECHANISM m = {CKM_ECDSA_SHA256, NULL, 0};
    CK_RV rv = p11->C_VerifyInit(session, &m, key);

    return rv == CKR_OK ? p11->C_Verify(session, data, sizeof(data), signature, 64) : rv;
}

static bool is_protected_by(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, const char *word)
{
    char is[16];
    CK_ULONG n = token_bytes(session, key, CKA_KEYWARD_PROTECTION, (uint8_t *)is, sizeof(is));

    return n == strlen(word) && memcmp(is, word, n) == 0;
}

/* ---- made ---- */

START_TEST(a_software_pair_signs_and_verifies_and_says_what_it_is)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE public, private, other;
    uint8_t signature[64] = {0};

    make_ec(session, SOFTWARE, YES(CKA_TOKEN), &public, &private);
    ck_assert(is_protected_by(session, private, "software"));
    ck_assert(token_bool(session, private, CKA_LOCAL));
    assert_ok(sign(session, private, signature));
    assert_ok(verify(session, public, signature));
    signature[5] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, verify(session, public, signature));
    make_ec(session, HSM, NO(CKA_TOKEN), &public, &other);
    ck_assert(is_protected_by(session, other, "hsm"));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(only_software_keys_can_be_extractable)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = 77;

    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              try_aes(session, YES(CKA_EXTRACTABLE), YES(CKA_SENSITIVE), &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, try_aes(session, YES(CKA_EXTRACTABLE), HSM, &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, try_aes(session, NO(CKA_SENSITIVE), HSM, &key));
    ck_assert_uint_eq(key, 77);
    key = make_aes(session, YES(CKA_EXTRACTABLE));
    ck_assert(token_bool(session, key, CKA_EXTRACTABLE));
    ck_assert(!token_bool(session, key, CKA_NEVER_EXTRACTABLE));
    key = make_aes(session, NO(CKA_SENSITIVE));
    ck_assert(!token_bool(session, key, CKA_SENSITIVE));
    ck_assert(!token_bool(session, key, CKA_ALWAYS_SENSITIVE));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(protection_is_one_of_two_words_and_chosen_once)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_ATTRIBUTE hsm = HSM;
    CK_OBJECT_HANDLE key = 77;

    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              try_aes(session, TEXT(CKA_KEYWARD_PROTECTION, "softwar"), YES(CKA_ENCRYPT), &key));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              try_aes(session, TEXT(CKA_KEYWARD_PROTECTION, ""), YES(CKA_ENCRYPT), &key));
    key = make_aes(session, YES(CKA_ENCRYPT));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, p11->C_SetAttributeValue(session, key, &hsm, 1));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(the_vaults_default_decides_where_the_template_is_silent)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key = 0;

    token_start();
    token_admin("{\"verb\":\"vault.create\",\"vault\":\"soft\",\"user\":\"alice\",\"pin\":0,"
                "\"protection\":\"software\"}");
    session = token_open("soft", true);
    token_login(session, ALICE_PIN);
    assert_ok(try_aes(session, YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT), &key));
    ck_assert(is_protected_by(session, key, "software"));
    assert_ok(try_aes(session, HSM, YES(CKA_ENCRYPT), &key));
    ck_assert(is_protected_by(session, key, "hsm"));
    assert_ok(p11->C_Logout(session)); /* alice does not administer */
    token_admin("{\"verb\":\"vault.update\",\"vault\":\"soft\",\"protection\":\"hsm\"}");
    token_login(session, ALICE_PIN);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              try_aes(session, YES(CKA_EXTRACTABLE), YES(CKA_ENCRYPT), &key));
    assert_ok(try_aes(session, YES(CKA_SENSITIVE), YES(CKA_ENCRYPT), &key));
    ck_assert(is_protected_by(session, key, "hsm"));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(the_check_value_is_of_the_encryption_of_zeros)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = make_aes(session, YES(CKA_ENCRYPT));
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    uint8_t zeros[16] = {0};
    uint8_t out[16], kcv[16];
    CK_ULONG n = sizeof(out);

    ck_assert_uint_eq(token_bytes(session, key, CKA_CHECK_VALUE, kcv, sizeof(kcv)), 3);
    assert_ok(p11->C_EncryptInit(session, &ecb, key));
    assert_ok(p11->C_Encrypt(session, zeros, sizeof(zeros), out, &n));
    ck_assert_mem_eq(kcv, out, 3);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- kept ---- */

START_TEST(a_token_key_lives_on_and_a_session_key_ends_with_its_session)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_SESSION_HANDLE other = token_open("web", true);
    CK_OBJECT_HANDLE public, private, passing;
    uint8_t signature[64] = {0};

    make_ec(session, SOFTWARE, YES(CKA_TOKEN), &public, &private);
    assert_ok(sign(session, private, signature));
    make_ec(other, SOFTWARE, NO(CKA_TOKEN), &public, &passing);
    assert_ok(sign(session, passing, signature));
    assert_ok(p11->C_CloseSession(other));
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(session, passing, signature));
    assert_ok(p11->C_Finalize(NULL));
    session = token_alice();
    ck_assert_uint_ge(
        token_find(session, LIST(TEXT(CKA_LABEL, "soft-ec"), ULONG(CKA_CLASS, CKO_PRIVATE_KEY)),
                   &private, 1),
        1);
    assert_ok(sign(session, private, signature));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* A streaming cipher goes on with the key it began with, and is not disturbed by the record's
 * change. */
START_TEST(a_key_that_is_renamed_in_the_middle_goes_on)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE key = make_aes(session, YES(CKA_TOKEN));
    CK_ATTRIBUTE name = TEXT(CKA_LABEL, "renamed");
    uint8_t iv[16] = {0};
    CK_MECHANISM cbc = {CKM_AES_CBC, iv, sizeof(iv)};
    uint8_t parts[64], whole[32];
    CK_ULONG n = 32, m = 32, last = 32, all = sizeof(whole);

    assert_ok(p11->C_EncryptInit(session, &cbc, key));
    assert_ok(p11->C_EncryptUpdate(session, data, 16, parts, &n));
    assert_ok(p11->C_SetAttributeValue(session, key, &name, 1));
    assert_ok(p11->C_EncryptUpdate(session, data + 16, 16, parts + n, &m));
    assert_ok(p11->C_EncryptFinal(session, parts + n + m, &last));
    ck_assert_uint_eq(n + m + last, 32);
    assert_ok(p11->C_EncryptInit(session, &cbc, key));
    assert_ok(p11->C_Encrypt(session, data, 32, whole, &all));
    ck_assert_mem_eq(parts, whole, 32);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

#define THREADS 4

struct worker {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
    CK_RV rv;
};

static void *sign_often(void *arg)
{
    struct worker *w = arg;
    uint8_t signature[64] = {0};

    for (int i = 0; i < 50 && w->rv == CKR_OK; i++)
        w->rv = sign(w->session, w->key, signature);
    return NULL;
}

START_TEST(threads_that_meet_at_the_first_use_all_get_the_key)
{
    CK_SESSION_HANDLE session = token_alice();
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    CK_OBJECT_HANDLE public, private;

    make_ec(session, SOFTWARE, YES(CKA_TOKEN), &public, &private);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.session = token_open("web", true), .key = private};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sign_often, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_ok(workers[i].rv);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- ended ---- */

#define VERB(verb, name) "{\"verb\":\"" verb "\",\"vault\":\"brief\",\"name\":\"" name "\"}"

START_TEST(a_deleted_key_signs_no_more_until_it_is_recovered_and_a_purged_one_never)
{
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE public, private;
    uint8_t signature[64] = {0};

    token_start();
    token_admin("{\"verb\":\"vault.create\",\"vault\":\"brief\",\"user\":\"alice\",\"pin\":0,"
                "\"protection\":\"software\",\"purge-protection\":false}");
    session = token_open("brief", true);
    token_login(session, ALICE_PIN);
    make_ec(session, SOFTWARE, YES(CKA_TOKEN), &public, &private);
    assert_ok(sign(session, private, signature));
    token_admin(VERB("key.delete", "soft-ec"));
    assert_rv(CKR_KEY_HANDLE_INVALID, sign(session, private, signature));
    token_admin(VERB("key.recover", "soft-ec"));
    assert_ok(sign(session, private, signature));
    token_admin(VERB("key.delete", "soft-ec"));
    assert_ok(p11->C_Logout(session)); /* alice may not purge */
    token_admin(VERB("key.purge", "soft-ec"));
    token_login(session, ALICE_PIN);
    ck_assert_uint_eq(token_find(session, LIST(TEXT(CKA_LABEL, "soft-ec")), &private, 1), 0);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* Pages of secrets: mapped so that a forked child finds them empty (base/secret.c). Mappings that
 * lie side by side are one to the kernel where they are not locked, so pages are counted. */
static long secret_pages(void)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    char line[512];
    long pages = 0;
    long kib = 0;

    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (strncmp(line, "Size:", 5) == 0)
            kib = strtol(line + 5, NULL, 10);
        if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " wf") != NULL)
            pages += kib / 4;
    }
    (void)fclose(maps);
    return pages;
}

/* Each ready secret key has a page of its own, wiped when it goes. */
START_TEST(keys_in_memory_are_let_go_when_there_are_many_and_at_logout)
{
    CK_SESSION_HANDLE session = token_alice();
    long before = secret_pages();
    uint8_t zeros[16] = {0};
    uint8_t out[16];

    for (int i = 0; i < 1300; i++) {
        CK_OBJECT_HANDLE key = make_aes(session, YES(CKA_TOKEN));
        CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
        CK_ULONG n = sizeof(out);

        assert_ok(p11->C_EncryptInit(session, &ecb, key));
        assert_ok(p11->C_Encrypt(session, zeros, sizeof(zeros), out, &n));
    }
    ck_assert_int_gt(secret_pages(), before + 1000);
    ck_assert_int_lt(secret_pages(), before + 2 * 1100 + 100);
    assert_ok(p11->C_Logout(session));
    ck_assert_int_lt(secret_pages(), before + 100);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_software_pair_signs_and_verifies_and_says_what_it_is),
        CASE(only_software_keys_can_be_extractable),
        CASE(protection_is_one_of_two_words_and_chosen_once),
        CASE(the_vaults_default_decides_where_the_template_is_silent),
        CASE(the_check_value_is_of_the_encryption_of_zeros),
        CASE(a_token_key_lives_on_and_a_session_key_ends_with_its_session),
        CASE(a_key_that_is_renamed_in_the_middle_goes_on),
        CASE(threads_that_meet_at_the_first_use_all_get_the_key),
        CASE(a_deleted_key_signs_no_more_until_it_is_recovered_and_a_purged_one_never),
        CASE_SLOW(keys_in_memory_are_let_go_when_there_are_many_and_at_logout, 300),
    };

    return token_suite("pkcs11/software", cases, COUNT(cases));
}
