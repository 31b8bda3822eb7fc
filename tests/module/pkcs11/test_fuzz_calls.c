/*
 * Any sequence of C_ calls, with arguments made of arbitrary bytes: sessions, objects and
 * mechanisms that exist and that do not, templates and parameters of every length, buffers that
 * are NULL, short or long enough.
 *
 * With -DFUZZ_LIBFUZZER a libFuzzer target (tests/fuzz.sh builds and runs it); else a test that
 * plays FUZZ_INPUTS (200) pseudo-random inputs from FUZZ_SEED, or as many as FUZZ_SECONDS (30) are
 * enough for. It must never crash (the sanitizers watch), and:
 *   - every return code is one the standard names;
 *   - nothing is written behind a buffer, and nothing into it where the call fails;
 *   - afterwards the module still works, and the log is whole.
 * Each buffer handed over is a heap block of exactly its length, so that one byte more is seen.
 */
#include "base/mech.h"
#include "base/names.h"
#include "tests/support/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

#define INPUT_MAX    1024
#define BLOCKS_MAX   64
#define TEMPLATE_MAX 12
#define HANDLES      8
#define FILL         0xA5
#define GUARD        16 /* bytes behind an output buffer, for builds without a sanitizer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    CK_FUNCTION_LIST *f;
    CK_SLOT_ID slot;
    const uint8_t *data;
    size_t left;
    void *blocks[BLOCKS_MAX];
    size_t block_count;
    CK_SESSION_HANDLE sessions[HANDLES];
    CK_OBJECT_HANDLE objects[HANDLES];
    const char *call;
};

static void require(const struct fuzz *z, bool holds, const char *what, CK_RV rv)
{
    if (holds)
        return;
    (void)fprintf(stderr, "fuzz_calls: %s: %s (0x%lx)\n", z->call, what, rv);
    __builtin_trap();
}

/* ---- arguments ---- */

static unsigned take(struct fuzz *z)
{
    if (z->left == 0)
        return 0;
    z->left--;
    return *z->data++;
}

static CK_ULONG take_ulong(struct fuzz *z)
{
    CK_ULONG value = 0;

    for (unsigned i = take(z) % (sizeof(value) + 1); i > 0; i--)
        value = value << 8 | take(z);
    return value;
}

static void *block(struct fuzz *z, size_t len)
{
    void *p = malloc(len > 0 ? len : 1);

    if (p == NULL || z->block_count == BLOCKS_MAX) {
        (void)fprintf(stderr, "fuzz_calls: out of blocks\n");
        abort();
    }
    z->blocks[z->block_count++] = p;
    return p;
}

static void release(struct fuzz *z)
{
    while (z->block_count > 0)
        free(z->blocks[--z->block_count]);
}

/* Bytes of the input in a block of their own; now and then NULL, with the length all the same. */
static struct bytes take_bytes(struct fuzz *z)
{
    unsigned head = take(z);
    size_t len = head % 8 == 7 ? 16 * (size_t)take(z) : head >> 3;
    uint8_t *p;

    if (head == 0xF8)
        return BYTES(NULL, take_ulong(z));
    p = block(z, len);
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)take(z);
    return BYTES(p, len);
}

static CK_BYTE_PTR raw(struct bytes b)
{
    return (CK_BYTE_PTR)(uintptr_t)b.data;
}

static CK_SESSION_HANDLE take_session(struct fuzz *z)
{
    unsigned n = take(z);

    return n < 0xF0 ? z->sessions[n % 2] : n < 0xF8 ? z->sessions[n % HANDLES] : take_ulong(z);
}

static CK_OBJECT_HANDLE take_object(struct fuzz *z)
{
    unsigned n = take(z);

    return n < 0xF0 ? z->objects[n % HANDLES] : take_ulong(z);
}

static CK_SLOT_ID take_slot(struct fuzz *z)
{
    unsigned n = take(z);

    return n < 0xF0 ? z->slot : take_ulong(z);
}

static const CK_ATTRIBUTE_TYPE types[] = {
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_LABEL,
    CKA_ID,
    CKA_KEY_TYPE,
    CKA_VALUE,
    CKA_VALUE_LEN,
    CKA_MODULUS,
    CKA_MODULUS_BITS,
    CKA_EC_PARAMS,
    CKA_EC_POINT,
    CKA_SIGN,
    CKA_VERIFY,
    CKA_ENCRYPT,
    CKA_DECRYPT,
    CKA_SENSITIVE,
    CKA_EXTRACTABLE,
    CKA_START_DATE,
    CKA_PUBLIC_EXPONENT,
    CKA_WRAP_TEMPLATE,
    CKA_UNWRAP,
    CKA_MODIFIABLE,
    CKA_ALLOWED_MECHANISMS,
    CKA_SUBJECT,
    CKA_APPLICATION,
    CKA_CHECK_VALUE,
    CKA_PUBLIC_KEY_INFO,
    CKA_TRUSTED,
    CKA_SERIAL_NUMBER,
    CKA_UNIQUE_ID,
    CKA_KEYWARD_PROTECTION,
};

static const CK_ULONG small[] = {CKO_DATA,
                                 CKO_CERTIFICATE,
                                 CKO_PUBLIC_KEY,
                                 CKO_PRIVATE_KEY,
                                 CKO_SECRET_KEY,
                                 CKK_AES,
                                 CKK_RSA,
                                 CKK_EC,
                                 16,
                                 32,
                                 2048,
                                 CKC_X_509};

/* A value of the right shape often enough to get behind the first check. */
static void take_value(struct fuzz *z, CK_ATTRIBUTE *a)
{
    unsigned shape = take(z);
    struct bytes b;

    if (shape % 4 == 0) {
        CK_ULONG *value = block(z, sizeof(*value));

        *value = small[take(z) % COUNT(small)];
        a->pValue = value;
        a->ulValueLen = sizeof(*value);
    } else if (shape % 4 == 1) {
        CK_BBOOL *value = block(z, sizeof(*value));

        *value = (CK_BBOOL)(take(z) % 3);
        a->pValue = value;
        a->ulValueLen = sizeof(*value);
    } else {
        b = take_bytes(z);
        a->pValue = raw(b);
        a->ulValueLen = b.len;
    }
}

static CK_ATTRIBUTE_PTR take_template(struct fuzz *z, CK_ULONG *ret_count)
{
    unsigned head = take(z);
    CK_ULONG count = head % (TEMPLATE_MAX + 1);
    CK_ATTRIBUTE *a;

    if (head == 0xFF) {
        *ret_count = take_ulong(z);
        return NULL;
    }
    a = block(z, count * sizeof(*a));
    for (CK_ULONG i = 0; i < count; i++) {
        unsigned n = take(z);

        a[i].type = n < 0xF0 ? types[n % COUNT(types)] : take_ulong(z);
        take_value(z, &a[i]);
    }
    *ret_count = count;
    return a;
}

/* Parameters as the mechanism has them, filled from the input; a pointer in them is NULL or points
 * to a block of the length beside it. */
static void fill_params(struct fuzz *z, const struct mech *mech, CK_MECHANISM *m)
{
    struct bytes a = take_bytes(z);
    struct bytes b = take_bytes(z);
    union {
        CK_AES_CTR_PARAMS ctr;
        CK_GCM_PARAMS gcm;
        CK_RSA_PKCS_PSS_PARAMS pss;
        CK_RSA_PKCS_OAEP_PARAMS oaep;
    } p;
    size_t len = 0;

    memset(&p, 0, sizeof(p));
    if (mech->params == MECH_PARAMS_CTR) {
        p.ctr.ulCounterBits = take(z);
        len = sizeof(p.ctr);
    } else if (mech->params == MECH_PARAMS_GCM) {
        p.gcm = (CK_GCM_PARAMS){raw(a), a.len, take_ulong(z), raw(b), b.len, take(z)};
        len = sizeof(p.gcm);
    } else if (mech->params == MECH_PARAMS_PSS) {
        p.pss = (CK_RSA_PKCS_PSS_PARAMS){CKM_SHA256, CKG_MGF1_SHA256, take(z)};
        len = sizeof(p.pss);
    } else if (mech->params == MECH_PARAMS_OAEP) {
        p.oaep = (CK_RSA_PKCS_OAEP_PARAMS){CKM_SHA_1, CKG_MGF1_SHA1, take(z) % 3, raw(a), a.len};
        len = sizeof(p.oaep);
    } else if (mech->params == MECH_PARAMS_IV) {
        len = 16;
    }
    m->pParameter = len > 0 ? block(z, len) : NULL;
    m->ulParameterLen = len;
    if (len > 0)
        memcpy(m->pParameter, &p, len < sizeof(p) ? len : sizeof(p));
}

static CK_MECHANISM_PTR take_mechanism(struct fuzz *z)
{
    unsigned head = take(z);
    const struct mech *mech = mech_at(take(z) % mech_count());
    CK_MECHANISM *m;
    struct bytes b;

    if (head == 0xFF)
        return NULL;
    m = block(z, sizeof(*m));
    m->mechanism = head < 0xF0 ? mech->type : take_ulong(z);
    if (head % 4 != 0) {
        fill_params(z, mech, m);
        return m;
    }
    b = take_bytes(z);
    m->pParameter = raw(b);
    m->ulParameterLen = b.len;
    return m;
}

/* ---- results ---- */

struct result {
    CK_BYTE *data;
    CK_ULONG room, len;
    CK_ULONG *len_arg;
};

static struct result take_result(struct fuzz *z)
{
    unsigned head = take(z);
    struct result r = {.room = head % 4 == 0 ? take(z) % 32 : 512};

    r.len = r.room;
    if (head < 0xE0) {
        r.data = block(z, r.room + GUARD);
        memset(r.data, FILL, r.room + GUARD);
    }
    return r;
}

static bool is_filled(const CK_BYTE *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != FILL)
            return false;
    return true;
}

static void check_rv(const struct fuzz *z, CK_RV rv)
{
    char name[NAME_BUF_MAX];

    require(z, strncmp(name_of_rv(rv, name), "CKR_", 4) == 0, "a code without a name", rv);
}

static void check_result(const struct fuzz *z, const struct result *r, CK_RV rv)
{
    check_rv(z, rv);
    if (r->data == NULL)
        return;
    require(z, is_filled(r->data + r->room, GUARD), "written behind the buffer", rv);
    if (rv != CKR_OK)
        require(z, is_filled(r->data, r->room), "a result although the call failed", rv);
    else
        require(z, r->len <= r->room, "more than there was room for", rv);
}

static void keep_object(struct fuzz *z, CK_RV rv, CK_OBJECT_HANDLE object)
{
    check_rv(z, rv);
    if (rv == CKR_OK)
        z->objects[take(z) % HANDLES] = object;
}

/* ---- calls: one function a shape ---- */

typedef CK_RV init_fn(CK_SESSION_HANDLE, CK_MECHANISM_PTR, CK_OBJECT_HANDLE);
typedef CK_RV in_out_fn(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV out_fn(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR);
typedef CK_RV in_fn(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);
typedef CK_RV in_in_fn(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG);
typedef CK_RV session_fn(CK_SESSION_HANDLE);

static void do_init(struct fuzz *z, init_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);

    check_rv(z, fn(session, mechanism, take_object(z)));
}

static void do_in_out(struct fuzz *z, in_out_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes in = take_bytes(z);
    struct result r = take_result(z);

    /* A NULL with a length is read by nobody who checks. */
    check_result(z, &r, fn(session, raw(in), in.len, r.data, &r.len));
}

static void do_out(struct fuzz *z, out_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct result r = take_result(z);

    check_result(z, &r, fn(session, r.data, &r.len));
}

static void do_in(struct fuzz *z, in_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes in = take_bytes(z);

    check_rv(z, fn(session, raw(in), in.len));
}

static void do_in_in(struct fuzz *z, in_in_fn *fn)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes a = take_bytes(z);
    struct bytes b = take_bytes(z);

    check_rv(z, fn(session, raw(a), a.len, raw(b), b.len));
}

/* ---- calls: those with a shape of their own ---- */

static void do_open(struct fuzz *z)
{
    CK_SESSION_HANDLE session = 0;
    CK_SLOT_ID slot = take_slot(z);
    CK_RV rv = z->f->C_OpenSession(slot, take(z) % 8, NULL, NULL, &session);

    check_rv(z, rv);
    if (rv == CKR_OK)
        z->sessions[2 + take(z) % (HANDLES - 2)] = session;
}

static void do_close(struct fuzz *z)
{
    unsigned n = 2 + take(z) % (HANDLES - 2); /* the first two stay, so that calls find one */

    check_rv(z, z->f->C_CloseSession(z->sessions[n]));
}

static void do_find(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);
    CK_OBJECT_HANDLE found[HANDLES] = {0};
    CK_ULONG n = 0;
    CK_RV rv = z->f->C_FindObjectsInit(session, template, count);

    check_rv(z, rv);
    check_rv(z, z->f->C_FindObjects(session, found, take(z) % (HANDLES + 1), &n));
    require(z, n <= HANDLES, "more objects than asked for", rv);
    for (CK_ULONG i = 0; i < n; i++)
        z->objects[i] = found[i];
    if (take(z) % 8 != 0)
        check_rv(z, z->f->C_FindObjectsFinal(session));
}

static void do_get(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_OBJECT_HANDLE object = take_object(z);
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);

    check_rv(z, z->f->C_GetAttributeValue(session, object, template, count));
}

static void do_set(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_OBJECT_HANDLE object = take_object(z);
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);

    check_rv(z, z->f->C_SetAttributeValue(session, object, template, count));
}

static void do_size(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_ULONG size = 0;

    check_rv(z, z->f->C_GetObjectSize(session, take_object(z), &size));
}

static void do_create(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);

    keep_object(z, z->f->C_CreateObject(session, template, count, &object), object);
}

static void do_copy(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_OBJECT_HANDLE from = take_object(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);

    keep_object(z, z->f->C_CopyObject(session, from, template, count, &object), object);
}

static void do_destroy(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);

    check_rv(z, z->f->C_DestroyObject(session, take_object(z)));
}

static void do_generate(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);

    keep_object(z, z->f->C_GenerateKey(session, mechanism, template, count, &object), object);
}

static void do_generate_pair(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE pair[2] = {0};
    CK_ULONG counts[2];
    CK_ATTRIBUTE_PTR public_template = take_template(z, &counts[0]);
    CK_ATTRIBUTE_PTR private_template = take_template(z, &counts[1]);
    CK_RV rv = z->f->C_GenerateKeyPair(session, mechanism, public_template, counts[0],
                                       private_template, counts[1], &pair[0], &pair[1]);

    keep_object(z, rv, pair[0]);
    keep_object(z, rv, pair[1]);
}

static void do_wrap(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE key = take_object(z);
    CK_OBJECT_HANDLE target = take_object(z);
    struct result r = take_result(z);

    check_result(z, &r, z->f->C_WrapKey(session, mechanism, key, target, r.data, &r.len));
}

static void do_unwrap(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE key = take_object(z);
    struct bytes in = take_bytes(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);

    keep_object(
        z, z->f->C_UnwrapKey(session, mechanism, key, raw(in), in.len, template, count, &object),
        object);
}

static void do_derive(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_MECHANISM_PTR mechanism = take_mechanism(z);
    CK_OBJECT_HANDLE key = take_object(z);
    CK_OBJECT_HANDLE object = 0;
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);

    keep_object(z, z->f->C_DeriveKey(session, mechanism, key, template, count, &object), object);
}

static void do_digest_init(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);

    check_rv(z, z->f->C_DigestInit(session, take_mechanism(z)));
}

static void do_digest_key(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);

    check_rv(z, z->f->C_DigestKey(session, take_object(z)));
}

static void do_random(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct result r = take_result(z);

    check_result(z, &r, z->f->C_GenerateRandom(session, r.data, r.room));
}

/* The right PIN, or the security officer's wrong one: alice must not be locked out of the rest. */
static void do_login(struct fuzz *z)
{
    static CK_UTF8CHAR pin[] = LAB_PIN;
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes wrong = take_bytes(z);

    if (take(z) % 2 != 0)
        check_rv(z, z->f->C_Login(session, CKU_USER, pin, sizeof(pin) - 1));
    else
        check_rv(z, z->f->C_Login(session, take(z) % 2 == 0 ? CKU_SO : take_ulong(z) | 2,
                                  raw(wrong), wrong.len));
}

static void do_set_pin(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes new = take_bytes(z);
    static CK_UTF8CHAR pin[] = "so:" LAB_PIN; /* right for nobody */

    check_rv(z, z->f->C_SetPIN(session, pin, take(z) % sizeof(pin), raw(new), new.len));
}

static void do_init_pin(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes pin = take_bytes(z);

    check_rv(z, z->f->C_InitPIN(session, raw(pin), pin.len));
}

static void do_infos(struct fuzz *z)
{
    CK_SLOT_ID slot = take_slot(z);
    CK_MECHANISM_INFO mechanism;
    CK_SESSION_INFO session;
    CK_TOKEN_INFO token;
    CK_SLOT_INFO info;
    CK_ULONG count = take(z);
    CK_MECHANISM_TYPE *list = block(z, count * sizeof(*list));

    check_rv(z, z->f->C_GetSlotInfo(slot, &info));
    check_rv(z, z->f->C_GetTokenInfo(slot, &token));
    check_rv(z, z->f->C_GetMechanismInfo(slot, take_ulong(z), &mechanism));
    check_rv(z, z->f->C_GetMechanismList(slot, list, &count));
    check_rv(z, z->f->C_GetSessionInfo(take_session(z), &session));
}

static void do_set_state(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes state = take_bytes(z);
    CK_OBJECT_HANDLE key = take_object(z);

    check_rv(z, z->f->C_SetOperationState(session, raw(state), state.len, key, take_object(z)));
}

/* The members of the function list by shape, so that a row is a function and nothing else. */
#define AT(member) offsetof(CK_FUNCTION_LIST, member)

enum shape { INIT, IN_OUT, OUT, IN, IN_IN, SESSION, OWN };

static const struct call {
    const char *name;
    enum shape shape;
    size_t at;
    void (*own)(struct fuzz *z);
} calls[] = {
    {"C_SignInit", INIT, AT(C_SignInit), NULL},
    {"C_VerifyInit", INIT, AT(C_VerifyInit), NULL},
    {"C_EncryptInit", INIT, AT(C_EncryptInit), NULL},
    {"C_DecryptInit", INIT, AT(C_DecryptInit), NULL},
    {"C_SignRecoverInit", INIT, AT(C_SignRecoverInit), NULL},
    {"C_VerifyRecoverInit", INIT, AT(C_VerifyRecoverInit), NULL},
    {"C_Sign", IN_OUT, AT(C_Sign), NULL},
    {"C_Encrypt", IN_OUT, AT(C_Encrypt), NULL},
    {"C_Decrypt", IN_OUT, AT(C_Decrypt), NULL},
    {"C_Digest", IN_OUT, AT(C_Digest), NULL},
    {"C_EncryptUpdate", IN_OUT, AT(C_EncryptUpdate), NULL},
    {"C_DecryptUpdate", IN_OUT, AT(C_DecryptUpdate), NULL},
    {"C_DigestEncryptUpdate", IN_OUT, AT(C_DigestEncryptUpdate), NULL},
    {"C_DecryptDigestUpdate", IN_OUT, AT(C_DecryptDigestUpdate), NULL},
    {"C_SignEncryptUpdate", IN_OUT, AT(C_SignEncryptUpdate), NULL},
    {"C_DecryptVerifyUpdate", IN_OUT, AT(C_DecryptVerifyUpdate), NULL},
    {"C_SignRecover", IN_OUT, AT(C_SignRecover), NULL},
    {"C_VerifyRecover", IN_OUT, AT(C_VerifyRecover), NULL},
    {"C_SignFinal", OUT, AT(C_SignFinal), NULL},
    {"C_EncryptFinal", OUT, AT(C_EncryptFinal), NULL},
    {"C_DecryptFinal", OUT, AT(C_DecryptFinal), NULL},
    {"C_DigestFinal", OUT, AT(C_DigestFinal), NULL},
    {"C_GetOperationState", OUT, AT(C_GetOperationState), NULL},
    {"C_SignUpdate", IN, AT(C_SignUpdate), NULL},
    {"C_VerifyUpdate", IN, AT(C_VerifyUpdate), NULL},
    {"C_VerifyFinal", IN, AT(C_VerifyFinal), NULL},
    {"C_DigestUpdate", IN, AT(C_DigestUpdate), NULL},
    {"C_SeedRandom", IN, AT(C_SeedRandom), NULL},
    {"C_Verify", IN_IN, AT(C_Verify), NULL},
    {"C_FindObjectsFinal", SESSION, AT(C_FindObjectsFinal), NULL},
    {"C_GetFunctionStatus", SESSION, AT(C_GetFunctionStatus), NULL},
    {"C_CancelFunction", SESSION, AT(C_CancelFunction), NULL},
    {"C_OpenSession", OWN, 0, do_open},
    {"C_CloseSession", OWN, 0, do_close},
    {"C_FindObjects", OWN, 0, do_find},
    {"C_GetAttributeValue", OWN, 0, do_get},
    {"C_SetAttributeValue", OWN, 0, do_set},
    {"C_GetObjectSize", OWN, 0, do_size},
    {"C_CreateObject", OWN, 0, do_create},
    {"C_CopyObject", OWN, 0, do_copy},
    {"C_DestroyObject", OWN, 0, do_destroy},
    {"C_GenerateKey", OWN, 0, do_generate},
    {"C_GenerateKeyPair", OWN, 0, do_generate_pair},
    {"C_WrapKey", OWN, 0, do_wrap},
    {"C_UnwrapKey", OWN, 0, do_unwrap},
    {"C_DeriveKey", OWN, 0, do_derive},
    {"C_DigestInit", OWN, 0, do_digest_init},
    {"C_DigestKey", OWN, 0, do_digest_key},
    {"C_GenerateRandom", OWN, 0, do_random},
    {"C_Get...Info", OWN, 0, do_infos},
    {"C_SetOperationState", OWN, 0, do_set_state},
    {"C_Logout", SESSION, AT(C_Logout), NULL},
    {"C_Login", OWN, 0, do_login},
    {"C_SetPIN", OWN, 0, do_set_pin},
    {"C_InitPIN", OWN, 0, do_init_pin},
};

#define SLOW_CALLS 4U
/* NOLINTNEXTLINE(bugprone-macro-parentheses): type is a type */
#define MEMBER(type) (*(type *const *)((const char *)z->f + call->at))

/* The last rows hash a PIN: two hundred times slower than the rest, and so rarer. */
static const struct call *take_call(struct fuzz *z)
{
    size_t n = take(z) % COUNT(calls);

    return n >= COUNT(calls) - SLOW_CALLS && take(z) % 16 != 0 ? NULL : &calls[n];
}

static void one_call(struct fuzz *z)
{
    const struct call *call = take_call(z);

    if (call == NULL)
        return;

    z->call = call->name;
    switch (call->shape) {
    case INIT:
        do_init(z, MEMBER(init_fn));
        break;
    case IN_OUT:
        do_in_out(z, MEMBER(in_out_fn));
        break;
    case OUT:
        do_out(z, MEMBER(out_fn));
        break;
    case IN:
        do_in(z, MEMBER(in_fn));
        break;
    case IN_IN:
        do_in_in(z, MEMBER(in_in_fn));
        break;
    case SESSION:
        check_rv(z, MEMBER(session_fn)(take_session(z)));
        break;
    case OWN:
        call->own(z);
        break;
    }
    release(z);
}

/* ---- an input ---- */

static struct lab world;
static struct fuzz state; /* sessions and objects outlive an input: a login costs a scrypt */

static bool is_alice(const struct fuzz *z)
{
    CK_SESSION_INFO info;

    return z->sessions[0] != 0 && z->sessions[1] != 0 &&
           z->f->C_GetSessionInfo(z->sessions[0], &info) == CKR_OK &&
           info.state == CKS_RW_USER_FUNCTIONS;
}

/* Alice may do all she can, but end or change the three keys that everything needs. */
static void make_world(void)
{
    lab_start(&world);
    lab_policy(
        &world,
        "permit (principal == User::\"alice\", action in [Action::\"cryptoOfficer\", "
        "Action::\"secretsOfficer\", Action::\"certificatesOfficer\"], resource);"
        "forbid (principal, action in [Action::\"delete\", Action::\"update\"], resource)"
        "when { resource has name && [\"tls\", \"seal\", \"sign\"].contains(resource.name) };");
}

/* From the beginning: no session, no operation, alice logged in. */
static void begin(struct fuzz *z)
{
    static const struct {
        CK_OBJECT_CLASS cls;
        const char *label;
    } known[] = {{CKO_PRIVATE_KEY, "tls"},
                 {CKO_PUBLIC_KEY, "tls"},
                 {CKO_SECRET_KEY, "seal"},
                 {CKO_PRIVATE_KEY, "sign"},
                 {CKO_PUBLIC_KEY, "sign"}};

    assert_ok(z->f->C_CloseAllSessions(z->slot));
    memset(z->sessions, 0, sizeof(z->sessions));
    z->sessions[0] = lab_alice(&world);
    z->sessions[1] = lab_session(&world, 0);
    for (size_t i = 0; i < COUNT(known); i++)
        z->objects[i] = lab_find(&world, z->sessions[0], known[i].cls, known[i].label);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *z = &state;

    z->f = world.f;
    z->slot = world.slot;
    z->data = data;
    z->left = size;
    if (!is_alice(z))
        begin(z);
    while (z->left > 0)
        one_call(z);
    return 0;
}

#ifdef FUZZ_LIBFUZZER

/* The lab's assertions want to be inside a test: libFuzzer runs in one, and ends the program. */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one)(const uint8_t *data, size_t size));

static int arg_count;
static char **args;

START_TEST(libfuzzer_finds_nothing)
{
    make_world();
    (void)LLVMFuzzerRunDriver(&arg_count, &args, LLVMFuzzerTestOneInput);
}
END_TEST

int main(int argc, char **argv)
{
    const struct suite_case cases[] = {CASE(libfuzzer_finds_nothing)};

    arg_count = argc;
    args = argv;
    return lab_suite_run("pkcs11/fuzz_calls", cases, COUNT(cases));
}

#else

static unsigned setting(const char *name, unsigned fallback)
{
    const char *text = getenv(name);

    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

START_TEST(any_sequence_of_calls_is_answered_in_the_standards_words)
{
    unsigned seed = setting("FUZZ_SEED", 1);
    unsigned wanted = setting("FUZZ_INPUTS", 200);
    static uint8_t input[INPUT_MAX];
    CK_SESSION_HANDLE session;
    unsigned inputs = 0;
    int64_t end;

    make_world();
    srandom(seed);
    end = lab_ms() + 1000 * (int64_t)setting("FUZZ_SECONDS", 30);
    while (inputs < wanted && lab_ms() < end) {
        size_t len = (size_t)random() % sizeof(input);

        for (size_t i = 0; i < len; i++)
            input[i] = (uint8_t)(random() >> 8);
        (void)LLVMFuzzerTestOneInput(input, len);
        inputs++;
    }
    (void)fprintf(stderr, "# %u inputs from seed %u\n", inputs, seed);
    ck_assert_uint_gt(inputs, 0);
    assert_ok(world.f->C_CloseAllSessions(world.slot));
    session = lab_alice(&world);
    lab_signs(&world, session);
    (void)lab_log_whole(&world);
    lab_end(&world);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_SLOW(any_sequence_of_calls_is_answered_in_the_standards_words, 120),
    };

    return lab_suite_run("pkcs11/fuzz_calls", cases, COUNT(cases));
}

#endif
