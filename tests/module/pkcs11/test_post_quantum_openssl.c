/*
 * What ML-DSA, SLH-DSA and ML-KEM keys make, openssl's own command takes: signatures, and secrets
 * that it encapsulates. It is told nothing but the public key, as keyward key public writes it.
 */
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#undef fail

#define COUNT(list) (sizeof(list) / sizeof(*(list)))
#define YES(type)                                                                                  \
    {                                                                                              \
        (type), &yes, 1                                                                            \
    }
#define NUMBER(type, n)                                                                            \
    {                                                                                              \
        (type), &(CK_ULONG){n}, sizeof(CK_ULONG)                                                   \
    }
#define TEXT(type, s)                                                                              \
    {                                                                                              \
        (type), (char[]){s}, sizeof(s) - 1                                                         \
    }
#define SOFTWARE  TEXT(CKA_KEYWARD_PROTECTION, "software")
#define BYTES_MAX 50000

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static struct lab lab;
static CK_SESSION_HANDLE session;
static CK_BYTE bytes[BYTES_MAX];
static CK_BYTE message[] = "signed here, verified there";

static bool there(void)
{
    return OpenSSL_version_num() >= 0x30500000UL;
}

static void start(void)
{
    lab_start(&lab);
    /* To read the secret that both sides have: release. */
    lab_policy(&lab, "permit (principal, action, resource);");
    session = lab_alice(&lab);
}

static char *path(const char *name, char out[static LAB_PATH_MAX])
{
    (void)snprintf(out, LAB_PATH_MAX, "%s/%s", lab.root, name);
    return out;
}

static void write_file(const char *name, const void *data, size_t len)
{
    char where[LAB_PATH_MAX];
    FILE *file = fopen(path(name, where), "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

static size_t read_file(const char *name, void *data, size_t max)
{
    char where[LAB_PATH_MAX];
    FILE *file = fopen(path(name, where), "rb");
    size_t len;

    ck_assert_ptr_nonnull(file);
    len = fread(data, 1, max, file);
    ck_assert_int_eq(fclose(file), 0);
    return len;
}

struct pair {
    CK_OBJECT_HANDLE public, private;
};

/* A pair, its public key in the file "public.der". */
static struct pair make(CK_MECHANISM_TYPE generator, CK_ULONG set)
{
    CK_MECHANISM m = {.mechanism = generator};
    CK_ATTRIBUTE public[] = {NUMBER(CKA_PARAMETER_SET, set)};
    CK_ATTRIBUTE private[] = {SOFTWARE};
    CK_ATTRIBUTE info = {CKA_PUBLIC_KEY_INFO, bytes, sizeof(bytes)};
    struct pair pair = {0, 0};

    assert_ok(
        lab.f->C_GenerateKeyPair(session, &m, public, 1, private, 1, &pair.public, &pair.private));
    assert_ok(lab.f->C_GetAttributeValue(session, pair.public, &info, 1));
    write_file("public.der", bytes, info.ulValueLen);
    return pair;
}

/* Its exit status. */
static int openssl_verify(const char *option)
{
    char key[LAB_PATH_MAX], data[LAB_PATH_MAX], sig[LAB_PATH_MAX];
    const char *argv[] = {"openssl",
                          "pkeyutl",
                          "-verify",
                          "-pubin",
                          "-keyform",
                          "DER",
                          "-inkey",
                          path("public.der", key),
                          "-rawin",
                          "-in",
                          path("data", data),
                          "-sigfile",
                          path("signature", sig),
                          option != NULL ? "-pkeyopt" : NULL,
                          option,
                          NULL};

    return lab_program(argv);
}

static const struct row {
    CK_MECHANISM_TYPE generator, mechanism;
    CK_ULONG set;
} rows[] = {
    {CKM_ML_DSA_KEY_PAIR_GEN, CKM_ML_DSA, CKP_ML_DSA_44},
    {CKM_ML_DSA_KEY_PAIR_GEN, CKM_ML_DSA, CKP_ML_DSA_87},
    {CKM_SLH_DSA_KEY_PAIR_GEN, CKM_SLH_DSA, CKP_SLH_DSA_SHA2_128F},
    {CKM_SLH_DSA_KEY_PAIR_GEN, CKM_SLH_DSA, CKP_SLH_DSA_SHAKE_256F},
};

START_TEST(openssl_verifies_what_is_signed_with_its_context_and_no_other)
{
    const struct row *row = &rows[_i];
    CK_SIGN_ADDITIONAL_CONTEXT context = {.hedgeVariant = CKH_HEDGE_PREFERRED,
                                          .pContext = (CK_BYTE[]){'t', 'a', 'x'},
                                          .ulContextLen = 3};
    CK_MECHANISM m = {.mechanism = row->mechanism};
    CK_ULONG len = sizeof(bytes);
    struct pair pair;

    if (!there())
        return;
    start();
    pair = make(row->generator, row->set);
    write_file("data", message, sizeof(message));
    assert_ok(lab.f->C_SignInit(session, &m, pair.private));
    assert_ok(lab.f->C_Sign(session, message, sizeof(message), bytes, &len));
    write_file("signature", bytes, len);
    ck_assert_int_eq(openssl_verify(NULL), 0);
    ck_assert_int_ne(openssl_verify("context-string:tax"), 0);
    m.pParameter = &context;
    m.ulParameterLen = sizeof(context);
    len = sizeof(bytes);
    assert_ok(lab.f->C_SignInit(session, &m, pair.private));
    assert_ok(lab.f->C_Sign(session, message, sizeof(message), bytes, &len));
    write_file("signature", bytes, len);
    ck_assert_int_eq(openssl_verify("context-string:tax"), 0);
    ck_assert_int_ne(openssl_verify("context-string:tex"), 0);
    write_file("data", message, sizeof(message) - 1);
    ck_assert_int_ne(openssl_verify("context-string:tax"), 0);
    lab_end(&lab);
}
END_TEST

START_TEST(a_secret_that_openssl_encapsulates_comes_out_here)
{
    static const CK_ULONG sets[] = {CKP_ML_KEM_512, CKP_ML_KEM_768, CKP_ML_KEM_1024};
    CK_MECHANISM m = {.mechanism = CKM_ML_KEM};
    CK_ATTRIBUTE template[] = {SOFTWARE, {CKA_SENSITIVE, &no, 1}, YES(CKA_EXTRACTABLE)};
    CK_BYTE value[64], secret[64];
    CK_ATTRIBUTE read = {CKA_VALUE, value, sizeof(value)};
    char key[LAB_PATH_MAX], out[LAB_PATH_MAX], shared[LAB_PATH_MAX];
    const char *argv[] = {"openssl", "pkeyutl", "-encap", "-pubin",  "-keyform", "DER", "-inkey",
                          NULL,      "-out",    NULL,     "-secret", NULL,       NULL};
    CK_C_DecapsulateKey decapsulate;
    CK_OBJECT_HANDLE made;
    struct pair pair;
    size_t len;

    if (!there())
        return;
    start();
    *(void **)&decapsulate = dlsym(lab.library, "C_DecapsulateKey");
    argv[7] = path("public.der", key);
    argv[9] = path("ciphertext", out);
    argv[11] = path("secret", shared);
    pair = make(CKM_ML_KEM_KEY_PAIR_GEN, sets[_i]);
    ck_assert_int_eq(lab_program(argv), 0);
    len = read_file("ciphertext", bytes, sizeof(bytes));
    assert_ok(decapsulate(session, &m, pair.private, template, COUNT(template), bytes, len, &made));
    assert_ok(lab.f->C_GetAttributeValue(session, made, &read, 1));
    ck_assert_uint_eq(read_file("secret", secret, sizeof(secret)), 32);
    ck_assert_uint_eq(read.ulValueLen, 32);
    ck_assert_mem_eq(value, secret, 32);
    lab_end(&lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(openssl_verifies_what_is_signed_with_its_context_and_no_other, COUNT(rows)),
        CASE_LOOP(a_secret_that_openssl_encapsulates_comes_out_here, 3),
    };

    return lab_suite_run("pkcs11/post_quantum_openssl", cases, COUNT(cases));
}
