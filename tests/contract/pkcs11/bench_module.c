/*
 * The bench that is the whole module: a home with a SoftHSM token of its own, keys of vault "web"
 * made once for the program, records read from the log as an auditor reads them.
 */
#include "audit/verify.h"
#include "tests/contract/pkcs11/bench.h"
#include "tests/module/pkcs11/token.h"

#include <jansson.h>
#include <openssl/x509.h>
#include <stdio.h>

struct bench_own {
    uint64_t seen; /* sequence number of the first record not looked at */
};

static struct bench_own own;

int bench_suite(const char *name, const struct suite_case *cases, size_t count)
{
    return token_suite(name, cases, count);
}

/* ---- records ---- */

struct reading {
    struct bench_record *out;
    size_t max, count;
    uint64_t next;
};

static void take_text(const json_t *record, const char *member, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(record, member));

    (void)snprintf(to, size, "%s", text != NULL ? text : "");
}

static bool is_of_operations(const json_t *record)
{
    static const char *const actions[] = {"sign",    "verify", "encrypt",
                                          "decrypt", "digest", "random"};
    const char *action = json_string_value(json_object_get(record, "action"));

    for (size_t i = 0; action != NULL && i < sizeof(actions) / sizeof(*actions); i++) {
        if (strcmp(actions[i], action) == 0)
            return true;
    }
    return false;
}

static bool take_record(void *ctx, uint64_t seq, struct bytes text)
{
    struct reading *r = ctx;
    json_t *record = json_loadb((const char *)text.data, text.len, 0, NULL);
    struct bench_record taken = {0};

    ck_assert_ptr_nonnull(record);
    r->next = seq + 1;
    if (is_of_operations(record)) {
        take_text(record, "phase", taken.phase, sizeof(taken.phase));
        take_text(record, "function", taken.function, sizeof(taken.function));
        take_text(record, "action", taken.action, sizeof(taken.action));
        take_text(record, "mechanism", taken.mechanism, sizeof(taken.mechanism));
        take_text(record, "digest", taken.digest, sizeof(taken.digest));
        take_text(record, "rv", taken.rv, sizeof(taken.rv));
        taken.has_length = json_is_integer(json_object_get(record, "length"));
        taken.length = (uint64_t)json_integer_value(json_object_get(record, "length"));
        if (r->count < r->max)
            r->out[r->count] = taken;
        r->count++;
    }
    json_decref(record);
    return true;
}

size_t bench_records(struct bench *b, struct bench_record *out, size_t max)
{
    struct reading r = {.out = out, .max = max, .next = b->own->seen};
    char log[128];

    (void)snprintf(log, sizeof(log), "%s/log", getenv("KEYWARD_HOME"));
    assert_ok(verify_read(log, b->own->seen, take_record, &r));
    b->own->seen = r.next;
    return r.count;
}

/* ---- keys: pairs and secrets, by label ---- */

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static uint8_t p384[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static uint8_t p521[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
static CK_ULONG bits = 2048;

static const struct {
    const char *label;
    CK_MECHANISM_TYPE make;
    CK_ATTRIBUTE size;
    bool signs, crypts;
} rows[] = {
    [BENCH_RSA_PRIVATE] =
        {"rsa", CKM_RSA_PKCS_KEY_PAIR_GEN, {CKA_MODULUS_BITS, &bits, sizeof(bits)}, true, true},
    [BENCH_P256_PRIVATE] =
        {"p256", CKM_EC_KEY_PAIR_GEN, {CKA_EC_PARAMS, p256, sizeof(p256)}, true, false},
    [BENCH_P384_PRIVATE] =
        {"p384", CKM_EC_KEY_PAIR_GEN, {CKA_EC_PARAMS, p384, sizeof(p384)}, true, false},
    [BENCH_P521_PRIVATE] =
        {"p521", CKM_EC_KEY_PAIR_GEN, {CKA_EC_PARAMS, p521, sizeof(p521)}, true, false},
    [BENCH_AES128] = {"aes128",
                      CKM_AES_KEY_GEN,
                      {CKA_VALUE_LEN, &(CK_ULONG){16}, sizeof(CK_ULONG)},
                      false,
                      true},
    [BENCH_AES256] = {"aes256",
                      CKM_AES_KEY_GEN,
                      {CKA_VALUE_LEN, &(CK_ULONG){32}, sizeof(CK_ULONG)},
                      false,
                      true},
    [BENCH_HMAC] = {"hmac",
                    CKM_GENERIC_SECRET_KEY_GEN,
                    {CKA_VALUE_LEN, &(CK_ULONG){64}, sizeof(CK_ULONG)},
                    true,
                    false},
};

static CK_OBJECT_HANDLE find(struct bench *b, const char *label, CK_OBJECT_CLASS cls)
{
    char text[16];
    CK_ATTRIBUTE template[] = {{CKA_LABEL, text, strlen(label)}, {CKA_CLASS, &cls, sizeof(cls)}};
    CK_OBJECT_HANDLE handle = 0;

    (void)snprintf(text, sizeof(text), "%s", label);
    (void)token_find(b->session, template, 2, &handle, 1);
    return handle;
}

static void make(struct bench *b, enum bench_key key)
{
    CK_MECHANISM m = {.mechanism = rows[key].make};
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL signs = rows[key].signs;
    CK_BBOOL crypts = rows[key].crypts;
    CK_OBJECT_HANDLE made[2];
    char label[16];
    CK_ATTRIBUTE secret[] = {{CKA_LABEL, label, strlen(rows[key].label)},
                             {CKA_TOKEN, &yes, 1},
                             {CKA_SIGN, &signs, 1},
                             {CKA_DECRYPT, &crypts, 1},
                             {CKA_VERIFY, &signs, 1},
                             {CKA_ENCRYPT, &crypts, 1},
                             rows[key].size};
    CK_ATTRIBUTE public[] = {secret[0], secret[1], secret[4], secret[5], secret[6]};

    (void)snprintf(label, sizeof(label), "%s", rows[key].label);
    if (key >= BENCH_AES128)
        assert_ok(p11->C_GenerateKey(b->session, &m, secret, 7, made));
    else
        assert_ok(p11->C_GenerateKeyPair(b->session, &m, public, 5, secret, 4, &made[0], &made[1]));
}

CK_OBJECT_HANDLE bench_key(struct bench *b, enum bench_key key)
{
    bool pair = key < BENCH_AES128;
    bool public = pair && key % 2 == 1;
    enum bench_key row = public ? key - 1 : key;
    CK_OBJECT_CLASS cls = public ? CKO_PUBLIC_KEY : pair ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
    CK_OBJECT_HANDLE handle = find(b, rows[row].label, cls);

    if (handle != 0)
        return handle;
    make(b, row);
    handle = find(b, rows[row].label, cls);
    ck_assert_uint_ne(handle, 0);
    return handle;
}

EVP_PKEY *bench_public(struct bench *b, enum bench_key key)
{
    uint8_t spki[1024];
    CK_OBJECT_HANDLE handle = bench_key(b, (enum bench_key)((unsigned)key | 1));
    CK_ULONG len = token_bytes(b->session, handle, CKA_PUBLIC_KEY_INFO, spki, sizeof(spki));
    const unsigned char *at = spki;
    EVP_PKEY *made = d2i_PUBKEY(NULL, &at, (long)len);

    ck_assert_ptr_nonnull(made);
    return made;
}

/* ---- the session ---- */

void bench_open(struct bench *b)
{
    struct bench_record none;

    *b = (struct bench){.session = token_alice(), .own = &own};
    b->p11 = p11;
    own.seen = 0;
    (void)bench_records(b, &none, 1);
}

void bench_close(struct bench *b)
{
    assert_ok(p11->C_CloseSession(b->session));
    assert_ok(p11->C_Finalize(NULL));
}
