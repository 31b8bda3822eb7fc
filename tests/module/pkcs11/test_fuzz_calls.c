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
#include "base/names.h"
#include "tests/module/pkcs11/fuzz_input.h"
#include "tests/support/lab.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

#define INPUT_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
        z->sessions[2 + take(z) % (FUZZ_HANDLES - 2)] = session;
}

static void do_close(struct fuzz *z)
{
    unsigned n = 2 + take(z) % (FUZZ_HANDLES - 2); /* the first two stay, so that calls find one */

    check_rv(z, z->f->C_CloseSession(z->sessions[n]));
}

static void do_find(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    CK_ULONG count;
    CK_ATTRIBUTE_PTR template = take_template(z, &count);
    CK_OBJECT_HANDLE found[FUZZ_HANDLES] = {0};
    CK_ULONG n = 0;
    CK_RV rv = z->f->C_FindObjectsInit(session, template, count);

    check_rv(z, rv);
    check_rv(z, z->f->C_FindObjects(session, found, take(z) % (FUZZ_HANDLES + 1), &n));
    require(z, n <= FUZZ_HANDLES, "more objects than asked for", rv);
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

static void do_lists(struct fuzz *z)
{
    CK_ULONG count = take(z) % 4;
    CK_SLOT_ID *slots = take(z) % 4 != 0 ? block(z, count * sizeof(*slots)) : NULL;
    CK_INFO info;

    check_rv(z, z->f->C_GetInfo(&info));
    check_rv(z, z->f->C_GetSlotList((CK_BBOOL)take(z), slots, &count));
    check_rv(z, z->f->C_WaitForSlotEvent(CKF_DONT_BLOCK, take(z) % 2 == 0 ? &count : NULL, NULL));
}

/* Of a slot that is none: the sessions of the other calls stay. */
static void do_close_all(struct fuzz *z)
{
    check_rv(z, z->f->C_CloseAllSessions(z->slot + 1 + take(z)));
}

static void do_set_state(struct fuzz *z)
{
    CK_SESSION_HANDLE session = take_session(z);
    struct bytes state = take_bytes(z);
    CK_OBJECT_HANDLE key = take_object(z);

    check_rv(z, z->f->C_SetOperationState(session, raw(state), state.len, key, take_object(z)));
}

/* The members of the function list by shape, so that a row is a function and nothing else. */
#define AT(member) offsetof(CK_FUNCTION_LIST_3_2, member)

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
    {"C_GetSlotInfo", OWN, 0, do_infos},
    {"C_GetTokenInfo", OWN, 0, do_infos},
    {"C_GetMechanismInfo", OWN, 0, do_infos},
    {"C_GetMechanismList", OWN, 0, do_infos},
    {"C_GetSessionInfo", OWN, 0, do_infos},
    {"C_GetInfo", OWN, 0, do_lists},
    {"C_GetSlotList", OWN, 0, do_lists},
    {"C_WaitForSlotEvent", OWN, 0, do_lists},
    {"C_CloseAllSessions", OWN, 0, do_close_all},
    {"C_FindObjectsInit", OWN, 0, do_find},
    {"C_MessageEncryptInit", INIT, AT(C_MessageEncryptInit), NULL},
    {"C_MessageDecryptInit", INIT, AT(C_MessageDecryptInit), NULL},
    {"C_MessageSignInit", INIT, AT(C_MessageSignInit), NULL},
    {"C_MessageVerifyInit", INIT, AT(C_MessageVerifyInit), NULL},
    {"C_MessageEncryptFinal", SESSION, AT(C_MessageEncryptFinal), NULL},
    {"C_MessageDecryptFinal", SESSION, AT(C_MessageDecryptFinal), NULL},
    {"C_MessageSignFinal", SESSION, AT(C_MessageSignFinal), NULL},
    {"C_MessageVerifyFinal", SESSION, AT(C_MessageVerifyFinal), NULL},
    {"C_VerifySignature", IN, AT(C_VerifySignature), NULL},
    {"C_VerifySignatureUpdate", IN, AT(C_VerifySignatureUpdate), NULL},
    {"C_VerifySignatureFinal", SESSION, AT(C_VerifySignatureFinal), NULL},
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

/* One that 3.0 or 3.2 added, with a shape of its own. */
static void one_call_3(struct fuzz *z)
{
    const struct fuzz_row *row = &fuzz_rows_3[take(z) % fuzz_row_count_3];

    z->call = row->name;
    row->call(z);
    release(z);
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

static CK_FUNCTION_LIST_3_2 *functions(void)
{
    static CK_FUNCTION_LIST_3_2 *list;
    CK_RV (*get)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE **, CK_FLAGS) = NULL;
    CK_VERSION version = {3, 2};
    CK_INTERFACE *interface = NULL;

    if (list != NULL)
        return list;
    *(void **)&get = dlsym(world.library, "C_GetInterface");
    assert_ok(get(NULL, &version, &interface, 0));
    list = interface->pFunctionList;
    return list;
}

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

/* Inputs may have tried her PIN until she was locked out, or changed it. */
static void log_alice_in(CK_SESSION_HANDLE *ret_session)
{
    assert_ok(lab_admin(&world, LAB_PIN,
                        "{\"verb\":\"user.pin\",\"vault\":\"web\",\"user\":\"alice\",\"pin\":0}"));
    *ret_session = lab_alice(&world);
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
    log_alice_in(&z->sessions[0]);
    z->sessions[1] = lab_session(&world, 0);
    for (size_t i = 0; i < COUNT(known); i++)
        z->objects[i] = lab_find(&world, z->sessions[0], known[i].cls, known[i].label);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *z = &state;

    z->f = functions();
    z->slot = world.slot;
    z->data = data;
    z->left = size;
    if (!is_alice(z))
        begin(z);
    while (z->left > 0)
        (take(z) % 4 == 0 ? one_call_3 : one_call)(z);
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
    log_alice_in(&session);
    lab_signs(&world, session);
    (void)lab_log_whole(&world);
    lab_end(&world);
}
END_TEST

/* Those that end the world the others live in, or read nothing of what they are given. */
static bool is_exempt(const char *name)
{
    static const char *const names[] = {"C_Initialize", "C_Finalize", "C_GetFunctionList",
                                        "C_InitToken"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool has_row(const char *name)
{
    for (size_t i = 0; i < COUNT(calls); i++)
        if (strcmp(calls[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < fuzz_row_count_3; i++)
        if (strcmp(fuzz_rows_3[i].name, name) == 0)
            return true;
    return false;
}

START_TEST(every_function_of_every_version_is_called)
{
#define NAME(function) #function,
    static const char *const names[] = {CRYPTOKI_2_40(NAME) CRYPTOKI_3_0(NAME) CRYPTOKI_3_2(NAME)};

    for (size_t i = 0; i < COUNT(names); i++)
        ck_assert_msg(has_row(names[i]) != is_exempt(names[i]), "%s", names[i]);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_function_of_every_version_is_called),
        CASE_SLOW(any_sequence_of_calls_is_answered_in_the_standards_words, 120),
    };

    return lab_suite_run("pkcs11/fuzz_calls", cases, COUNT(cases));
}

#endif
