/*
 * Random sequences of calls with arguments that are good, empty, absurd or stale, for as many
 * seconds as KEYWARD_FUZZ_SECONDS says (3), from the seed KEYWARD_FUZZ_SEED (the time). Nothing is
 * expected of a single call; afterwards the log is whole and the module works. Most is seen under
 * the sanitizers: every buffer is exactly as long as it is said to be.
 */
#include "tests/support/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POOL 12U

static struct {
    struct lab lab;
    CK_FUNCTION_LIST *f;
    uint64_t state;
    CK_SESSION_HANDLE sessions[POOL];
    CK_OBJECT_HANDLE objects[POOL];
} own;

/* xorshift64* */
static uint64_t any(uint64_t below)
{
    own.state ^= own.state >> 12;
    own.state ^= own.state << 25;
    own.state ^= own.state >> 27;
    return (own.state * UINT64_C(2685821657736338717) >> 16) % below;
}

static CK_SESSION_HANDLE session(void)
{
    return own.sessions[any(POOL)];
}

static CK_OBJECT_HANDLE object(void)
{
    return any(10) == 0 ? (CK_OBJECT_HANDLE)any(30) : own.objects[any(POOL)];
}

/* ---- arguments ---- */

struct span {
    CK_BYTE *data;
    CK_ULONG len;
};

static struct span span(void)
{
    static const CK_ULONG lengths[] = {0, 1, 15, 16, 17, 32, 64, 256, 300, 5000};
    struct span s = {.len = lengths[any(sizeof(lengths) / sizeof(*lengths))]};

    if (any(12) == 0)
        return s;
    s.data = malloc(s.len + (s.len == 0));
    ck_assert_ptr_nonnull(s.data);
    memset(s.data, (int)any(256), s.len);
    if (any(12) == 0)
        s.len = (CK_ULONG)-1 - any(8);
    return s;
}

static struct span out(void)
{
    struct span s = span();

    if (s.len > 5000)
        s.len = 0;
    return s;
}

union params {
    CK_GCM_PARAMS gcm;
    CK_RSA_PKCS_OAEP_PARAMS oaep;
    CK_RSA_PKCS_PSS_PARAMS pss;
    CK_AES_CTR_PARAMS ctr;
    CK_BYTE iv[16];
};

static CK_BYTE aad[16];

static CK_MECHANISM *mechanism(CK_MECHANISM *m, union params *p)
{
    static const CK_MECHANISM_TYPE types[] = {
        CKM_RSA_PKCS,      CKM_SHA256_RSA_PKCS, CKM_RSA_PKCS_PSS,    CKM_RSA_PKCS_OAEP,
        CKM_ECDSA,         CKM_ECDSA_SHA256,    CKM_AES_ECB,         CKM_AES_CBC,
        CKM_AES_CBC_PAD,   CKM_AES_CTR,         CKM_AES_GCM,         CKM_SHA256,
        CKM_SHA256_HMAC,   CKM_AES_KEY_GEN,     CKM_EC_KEY_PAIR_GEN, CKM_GENERIC_SECRET_KEY_GEN,
        CKM_VENDOR_DEFINED};
    static const size_t sizes[] = {
        0, 16, sizeof(p->gcm), sizeof(p->oaep), sizeof(p->pss), sizeof(p->ctr)};

    memset(p, 0, sizeof(*p));
    *m = (CK_MECHANISM){types[any(sizeof(types) / sizeof(*types))], NULL, 0};
    if (m->mechanism == CKM_AES_GCM)
        p->gcm = (CK_GCM_PARAMS){any(4) ? aad : NULL, 12, 96, any(2) ? aad : NULL, any(17), 128};
    if (m->mechanism == CKM_RSA_PKCS_OAEP)
        p->oaep = (CK_RSA_PKCS_OAEP_PARAMS){CKM_SHA_1, CKG_MGF1_SHA1, any(3), NULL, any(2)};
    if (m->mechanism == CKM_RSA_PKCS_PSS)
        p->pss = (CK_RSA_PKCS_PSS_PARAMS){CKM_SHA256, CKG_MGF1_SHA256, any(2) ? 32 : any(2000)};
    if (m->mechanism == CKM_AES_CTR)
        p->ctr.ulCounterBits = any(140);
    m->pParameter = any(8) ? p : NULL;
    m->ulParameterLen = m->mechanism == CKM_AES_GCM         ? sizeof(p->gcm)
                        : m->mechanism == CKM_RSA_PKCS_OAEP ? sizeof(p->oaep)
                        : m->mechanism == CKM_RSA_PKCS_PSS  ? sizeof(p->pss)
                                                            : sizes[any(6)];
    return any(20) ? m : NULL;
}

#define ATTRS_MAX 4U

struct attributes {
    CK_ATTRIBUTE list[ATTRS_MAX];
    CK_ULONG count;
};

static void attributes_make(struct attributes *a)
{
    static const CK_ATTRIBUTE_TYPE types[] = {
        CKA_CLASS,     CKA_LABEL, CKA_TOKEN,     CKA_PRIVATE,      CKA_ID,         CKA_VALUE,
        CKA_VALUE_LEN, CKA_SIGN,  CKA_EC_PARAMS, CKA_MODULUS_BITS, CKA_START_DATE, CKA_MODULUS};
    static const CK_ULONG lengths[] = {0, 1, 8, 8, 32};

    a->count = any(ATTRS_MAX + 1);
    for (CK_ULONG i = 0; i < a->count; i++) {
        CK_ULONG len = lengths[any(5)];
        CK_BYTE *value = calloc(1, len + 1);

        ck_assert_ptr_nonnull(value);
        value[0] = (CK_BYTE)any(33);
        a->list[i] = (CK_ATTRIBUTE){types[any(sizeof(types) / sizeof(*types))], value, len};
    }
}

static void attributes_free(const struct attributes *a, void *const values[ATTRS_MAX])
{
    for (CK_ULONG i = 0; i < a->count; i++)
        free(values[i]);
}

/* ---- steps ---- */

static void open_or_close(void)
{
    CK_SESSION_HANDLE *place = &own.sessions[any(POOL)];
    CK_FLAGS flags = CKF_SERIAL_SESSION | (any(2) ? CKF_RW_SESSION : 0);

    if (any(4) == 0)
        (void)own.f->C_CloseSession(*place);
    else
        (void)own.f->C_OpenSession(any(9) ? own.lab.slot : any(5), flags, NULL, NULL, place);
}

static void log_in_or_out(void)
{
    CK_UTF8CHAR pin[] = LAB_PIN;

    if (any(6) == 0)
        (void)own.f->C_Logout(session());
    else
        (void)own.f->C_Login(session(), any(5) ? CKU_USER : any(4), any(9) ? pin : NULL,
                             sizeof(pin) - 1);
}

static void find(void)
{
    CK_SESSION_HANDLE s = session();
    CK_ULONG n = 0;

    (void)own.f->C_FindObjectsInit(s, NULL, 0);
    (void)own.f->C_FindObjects(s, own.objects, any(POOL + 1), any(9) ? &n : NULL);
    if (any(3))
        (void)own.f->C_FindObjectsFinal(s);
}

static void use_template(void)
{
    struct attributes a;
    void *values[ATTRS_MAX];
    CK_OBJECT_HANDLE *made = &own.objects[any(POOL)];
    CK_MECHANISM m;
    union params p;

    attributes_make(&a);
    for (CK_ULONG i = 0; i < a.count; i++) {
        values[i] = a.list[i].pValue;
        if (any(9) == 0)
            a.list[i].pValue = NULL;
    }
    switch (any(5)) {
    case 0:
        (void)own.f->C_CreateObject(session(), a.list, a.count, made);
        break;
    case 1:
        (void)own.f->C_GetAttributeValue(session(), object(), a.list, a.count);
        break;
    case 2:
        (void)own.f->C_SetAttributeValue(session(), object(), a.list, a.count);
        break;
    case 3:
        (void)own.f->C_FindObjectsInit(session(), a.list, a.count);
        break;
    default:
        (void)own.f->C_GenerateKey(session(), mechanism(&m, &p), a.list, a.count, made);
        break;
    }
    attributes_free(&a, values);
}

static void begin(void)
{
    CK_MECHANISM m;
    union params p;
    CK_MECHANISM *given = mechanism(&m, &p);

    switch (any(5)) {
    case 0:
        (void)own.f->C_SignInit(session(), given, object());
        break;
    case 1:
        (void)own.f->C_VerifyInit(session(), given, object());
        break;
    case 2:
        (void)own.f->C_EncryptInit(session(), given, object());
        break;
    case 3:
        (void)own.f->C_DecryptInit(session(), given, object());
        break;
    default:
        (void)own.f->C_DigestInit(session(), given);
        break;
    }
}

static void work(void)
{
    CK_RV(*const whole[])
    (CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR) = {
        own.f->C_Sign,   own.f->C_Encrypt,       own.f->C_Decrypt,
        own.f->C_Digest, own.f->C_EncryptUpdate, own.f->C_DecryptUpdate,
    };
    CK_RV(*const part[])
    (CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG) = {own.f->C_SignUpdate,     own.f->C_VerifyUpdate,
                                                  own.f->C_DigestUpdate,   own.f->C_VerifyFinal,
                                                  own.f->C_GenerateRandom, own.f->C_SeedRandom};
    CK_RV(*const last[])
    (CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR) = {own.f->C_SignFinal, own.f->C_EncryptFinal,
                                                      own.f->C_DecryptFinal, own.f->C_DigestFinal};
    struct span in = span();
    struct span to = out();
    CK_ULONG *len = any(12) ? &to.len : NULL;

    switch (any(5)) {
    case 0:
    case 1:
        (void)whole[any(6)](session(), in.data, in.len, to.data, len);
        break;
    case 2:
        (void)part[any(6)](session(), in.data, in.len);
        break;
    case 3:
        (void)last[any(4)](session(), to.data, len);
        break;
    default:
        (void)own.f->C_Verify(session(), in.data, in.len, to.data, to.len);
        break;
    }
    free(in.data);
    free(to.data);
}

static void look(void)
{
    CK_SESSION_INFO info;
    CK_ULONG n;

    (void)own.f->C_GetSessionInfo(session(), any(9) ? &info : NULL);
    (void)own.f->C_GetObjectSize(session(), object(), any(9) ? &n : NULL);
    (void)own.f->C_DigestKey(session(), object());
    if (any(20) == 0)
        (void)own.f->C_DestroyObject(session(), object());
    if (any(200) == 0)
        (void)own.f->C_CloseAllSessions(own.lab.slot);
}

static void start(void)
{
    lab_start(&own.lab);
    own.f = own.lab.f;
    own.sessions[0] = lab_alice(&own.lab);
    find();
}

START_TEST(a_random_sequence_of_calls_leaves_module_and_log_whole)
{
    static void (*const steps[])(void) = {open_or_close, log_in_or_out, find, use_template, begin,
                                          begin,         work,          work, work,         look};
    const char *seconds = getenv("KEYWARD_FUZZ_SECONDS");
    const char *seed = getenv("KEYWARD_FUZZ_SEED");
    uint64_t n = 0;
    int64_t end;

    own.state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL) | 1;
    (void)fprintf(stderr, "KEYWARD_FUZZ_SEED=%llu\n", (unsigned long long)own.state);
    start();
    end = lab_ms() + 1000 * (seconds != NULL ? strtoll(seconds, NULL, 10) : 3);
    for (; lab_ms() < end; n++)
        steps[any(sizeof(steps) / sizeof(*steps))]();
    (void)fprintf(stderr, "%llu steps\n", (unsigned long long)n);
    assert_ok(own.f->C_Finalize(NULL));
    (void)lab_log_whole(&own.lab);
    lab_up(&own.lab);
    (void)lab_alice(&own.lab);
    lab_end(&own.lab);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(a_random_sequence_of_calls_leaves_module_and_log_whole, 36000),
    };

    return lab_suite_run("pkcs11/random", cases, sizeof(cases) / sizeof(*cases));
}
