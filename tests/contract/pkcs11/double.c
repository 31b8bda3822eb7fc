/* See double.h. One session, one vault; handle of a key: its number in bench.h, plus 1. */
#include "tests/contract/pkcs11/double.h"

#include "base/names.h"
#include "pkcs11/operation.h"

#include <openssl/x509.h>
#include <stdio.h>

#define RECORDS_MAX 64

struct engine {
    struct local *local;
};

struct bench_own {
    struct engine engine;
    struct app app;
    struct session session;
    struct held held[BENCH_KEYS];
    struct bench_record records[RECORDS_MAX];
    size_t record_count;
    uint64_t sequence;
};

static struct bench_own own;
struct double_switches switches;

/* ---- engine ---- */

struct local *engine_local(struct engine *engine)
{
    return engine->local;
}

struct hsm *engine_hsm(struct engine *engine)
{
    return (struct hsm *)engine; /* its double keeps its keys elsewhere */
}

struct hsm *engine_device(struct engine *engine, enum protection protection)
{
    (void)protection;
    return engine_hsm(engine);
}

static int64_t now(const struct clock *clock)
{
    (void)clock;
    return switches.now * 1000000000;
}

const struct clock *engine_clock(const struct engine *engine)
{
    static const struct clock clock = {.realtime = now, .monotonic = now};

    (void)engine;
    return &clock;
}

/* ---- handles ---- */

void held_release(struct held *held)
{
    if (held != NULL)
        (void)atomic_fetch_sub(&held->refs, 1);
}

CK_RV handles_get(struct run *run, CK_OBJECT_HANDLE handle, struct held **ret)
{
    (void)run;
    if (handle == 0 || handle > BENCH_KEYS)
        return fail(CKR_OBJECT_HANDLE_INVALID, "no such handle");
    (void)atomic_fetch_add(&own.held[handle - 1].refs, 1);
    *ret = &own.held[handle - 1];
    return CKR_OK;
}

CK_RV held_key(struct run *run, struct held *held, struct hsm_key *ret)
{
    (void)run;
    *ret = held->object.hsm_key;
    return CKR_OK;
}

/* ---- gate ---- */

static CK_RV write_record(const struct run *run, const char *phase, CK_RV rv)
{
    struct bench_record *r = &own.records[own.record_count % RECORDS_MAX];
    char name[NAME_BUF_MAX];

    if (switches.log_broken)
        return fail(CKR_DEVICE_ERROR, "the log cannot be written");
    *r = (struct bench_record){.has_length = run->gate.has_length, .length = run->gate.length};
    (void)snprintf(r->phase, sizeof(r->phase), "%s", phase);
    (void)snprintf(r->function, sizeof(r->function), "%s", run->call->name);
    (void)snprintf(r->action, sizeof(r->action), "%s", schema_action_name(run->gate.grant.action));
    (void)snprintf(r->mechanism, sizeof(r->mechanism), "%s",
                   run->gate.grant.mechanism == KW_NO_MECHANISM
                       ? ""
                       : name_of_mechanism(run->gate.grant.mechanism, name));
    (void)snprintf(r->digest, sizeof(r->digest), "%s", run->gate.digest);
    if (strcmp(phase, "intent") != 0)
        (void)snprintf(r->rv, sizeof(r->rv), "%s", name_of_rv(rv, name));
    own.record_count++;
    own.sequence++;
    return CKR_OK;
}

bool gate_visible(struct run *run, const struct object *object)
{
    (void)run;
    (void)object;
    return !switches.hidden;
}

CK_RV gate_ask(struct run *run, const struct ask *ask)
{
    CK_RV rv = CKR_OK;

    run->gate.grant = (struct grant){.action = ask->action,
                                     .mechanism = ask->mechanism != NULL ? ask->mechanism->mechanism
                                                                         : KW_NO_MECHANISM};
    if (ask->object != NULL && switches.hidden)
        rv = CKR_OBJECT_HANDLE_INVALID;
    else if (switches.denied)
        rv = CKR_KEY_FUNCTION_NOT_PERMITTED;
    if (rv == CKR_OK) {
        run->gate.granted = true;
        return CKR_OK;
    }
    return write_record(run, "done", rv) == CKR_OK ? fail(rv, "denied") : CKR_DEVICE_ERROR;
}

CK_RV gate_refuse(struct run *run, const struct ask *ask, CK_RV rv)
{
    char reason[FAIL_REASON_MAX];

    (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    run->gate.grant = (struct grant){.action = ask->action,
                                     .mechanism = ask->mechanism != NULL ? ask->mechanism->mechanism
                                                                         : KW_NO_MECHANISM};
    return write_record(run, "done", rv) == CKR_OK ? fail(rv, "%s", reason) : CKR_DEVICE_ERROR;
}

/* This gate has no memory: every question is put. */
const struct grant *gate_recall(struct run *run, const struct ask *ask)
{
    (void)run;
    (void)ask;
    return NULL;
}

CK_RV gate_reuse(struct run *run, const struct ask *ask, const struct grant *grant)
{
    (void)ask;
    run->gate.granted = true;
    run->gate.grant = *grant;
    return CKR_OK;
}

void gate_remember(struct run *run, const struct ask *ask)
{
    (void)run;
    (void)ask;
}

void gate_keep(struct run *run, struct grant *ret)
{
    ck_assert(run->gate.granted);
    *ret = run->gate.grant;
    run->gate.granted = false;
}

CK_RV gate_pay(struct run *run, const struct ask *ask)
{
    return gate_ask(run, ask);
}

CK_RV gate_resume(struct run *run, const struct grant *grant, const struct ask *ask)
{
    if (switches.policy_changed)
        return gate_ask(run, ask);
    run->gate.grant = *grant;
    run->gate.granted = true;
    return CKR_OK;
}

CK_RV gate_intent(struct run *run)
{
    ck_assert(run->gate.granted);
    if (write_record(run, "intent", CKR_OK) != CKR_OK)
        return CKR_DEVICE_ERROR;
    run->gate.intended = true;
    run->gate.intent = own.sequence;
    return CKR_OK;
}

CK_RV gate_digest(struct run *run, struct bytes data)
{
    uint8_t mac[32];
    CK_RV rv = local_hmac_sha256(own.engine.local, BYTES(run->vault.log_key, 32), data, mac);

    if (rv == CKR_OK)
        gate_digest_done(run, mac, data.len);
    return rv;
}

void gate_digest_done(struct run *run, const uint8_t mac[static 32], uint64_t length)
{
    bytes_to_hex(BYTES(mac, 32), run->gate.digest);
    gate_length(run, length);
}

void gate_length(struct run *run, uint64_t length)
{
    run->gate.has_length = true;
    run->gate.length = length;
}

/* ---- entering and leaving ---- */

static const char *const call_names[CALL_COUNT] = {
    [CALL_ENCRYPT_INIT] = "C_EncryptInit",
    [CALL_ENCRYPT] = "C_Encrypt",
    [CALL_ENCRYPT_UPDATE] = "C_EncryptUpdate",
    [CALL_ENCRYPT_FINAL] = "C_EncryptFinal",
    [CALL_DECRYPT_INIT] = "C_DecryptInit",
    [CALL_DECRYPT] = "C_Decrypt",
    [CALL_DECRYPT_UPDATE] = "C_DecryptUpdate",
    [CALL_DECRYPT_FINAL] = "C_DecryptFinal",
    [CALL_DIGEST_INIT] = "C_DigestInit",
    [CALL_DIGEST] = "C_Digest",
    [CALL_DIGEST_UPDATE] = "C_DigestUpdate",
    [CALL_DIGEST_KEY] = "C_DigestKey",
    [CALL_DIGEST_FINAL] = "C_DigestFinal",
    [CALL_SIGN_INIT] = "C_SignInit",
    [CALL_SIGN] = "C_Sign",
    [CALL_SIGN_UPDATE] = "C_SignUpdate",
    [CALL_SIGN_FINAL] = "C_SignFinal",
    [CALL_VERIFY_INIT] = "C_VerifyInit",
    [CALL_VERIFY] = "C_Verify",
    [CALL_VERIFY_UPDATE] = "C_VerifyUpdate",
    [CALL_VERIFY_FINAL] = "C_VerifyFinal",
    [CALL_DIGEST_ENCRYPT_UPDATE] = "C_DigestEncryptUpdate",
    [CALL_DECRYPT_DIGEST_UPDATE] = "C_DecryptDigestUpdate",
    [CALL_SIGN_ENCRYPT_UPDATE] = "C_SignEncryptUpdate",
    [CALL_DECRYPT_VERIFY_UPDATE] = "C_DecryptVerifyUpdate",
    [CALL_MESSAGE_ENCRYPT_INIT] = "C_MessageEncryptInit",
    [CALL_ENCRYPT_MESSAGE] = "C_EncryptMessage",
    [CALL_ENCRYPT_MESSAGE_BEGIN] = "C_EncryptMessageBegin",
    [CALL_ENCRYPT_MESSAGE_NEXT] = "C_EncryptMessageNext",
    [CALL_MESSAGE_ENCRYPT_FINAL] = "C_MessageEncryptFinal",
    [CALL_MESSAGE_DECRYPT_INIT] = "C_MessageDecryptInit",
    [CALL_DECRYPT_MESSAGE] = "C_DecryptMessage",
    [CALL_DECRYPT_MESSAGE_BEGIN] = "C_DecryptMessageBegin",
    [CALL_DECRYPT_MESSAGE_NEXT] = "C_DecryptMessageNext",
    [CALL_MESSAGE_DECRYPT_FINAL] = "C_MessageDecryptFinal",
    [CALL_MESSAGE_SIGN_INIT] = "C_MessageSignInit",
    [CALL_SIGN_MESSAGE] = "C_SignMessage",
    [CALL_SIGN_MESSAGE_BEGIN] = "C_SignMessageBegin",
    [CALL_SIGN_MESSAGE_NEXT] = "C_SignMessageNext",
    [CALL_MESSAGE_SIGN_FINAL] = "C_MessageSignFinal",
    [CALL_MESSAGE_VERIFY_INIT] = "C_MessageVerifyInit",
    [CALL_VERIFY_MESSAGE] = "C_VerifyMessage",
    [CALL_VERIFY_MESSAGE_BEGIN] = "C_VerifyMessageBegin",
    [CALL_VERIFY_MESSAGE_NEXT] = "C_VerifyMessageNext",
    [CALL_MESSAGE_VERIFY_FINAL] = "C_MessageVerifyFinal",
    [CALL_VERIFY_SIGNATURE_INIT] = "C_VerifySignatureInit",
    [CALL_VERIFY_SIGNATURE] = "C_VerifySignature",
    [CALL_VERIFY_SIGNATURE_UPDATE] = "C_VerifySignatureUpdate",
    [CALL_VERIFY_SIGNATURE_FINAL] = "C_VerifySignatureFinal",
    [CALL_SEED_RANDOM] = "C_SeedRandom",
    [CALL_GENERATE_RANDOM] = "C_GenerateRandom",
};

CK_RV call_enter(struct run *run, enum call_id id, CK_ULONG session)
{
    static struct call calls[CALL_COUNT];

    calls[id] = (struct call){.name = call_names[id], .needs = CALL_NEEDS_SESSION};
    *run = (struct run){.call = &calls[id]};
    fail_clear();
    if (session != own.session.handle)
        return fail(CKR_SESSION_HANDLE_INVALID, "no such session");
    run->app = &own.app;
    run->session = &own.session;
    memset(run->vault.log_key, 0x4c, sizeof(run->vault.log_key));
    return CKR_OK;
}

CK_RV gate_finish(struct run *run, CK_RV rv)
{
    if (!run->gate.granted || (rv == CKR_BUFFER_TOO_SMALL && !run->gate.intended))
        return rv;
    run->gate.granted = false;
    if (write_record(run, run->gate.intended ? "outcome" : "done", rv) != CKR_OK)
        return CKR_DEVICE_ERROR;
    return rv;
}

CK_RV call_leave(struct run *run, CK_RV rv)
{
    rv = gate_finish(run, rv);
    for (size_t i = 0; i < run->output_count; i++) {
        struct run_output *o = &run->outputs[i];

        if (rv == CKR_OK && o->dest != NULL && o->bytes.len > 0)
            memcpy(o->dest, o->bytes.data, o->bytes.len);
        if (rv == CKR_OK && o->dest_len != NULL)
            *o->dest_len = o->bytes.len;
        buf_release_secure(&o->bytes);
    }
    return rv;
}

void run_output(struct run *run, CK_BYTE_PTR dest, CK_ULONG_PTR dest_len, struct buf *bytes)
{
    ck_assert_uint_lt(run->output_count, RUN_OUTPUTS_MAX);
    run->outputs[run->output_count++] =
        (struct run_output){.dest = dest, .dest_len = dest_len, .bytes = *bytes};
    *bytes = (struct buf){.max = bytes->max};
}

/* ---- the bench ---- */

static void set_rights(struct object *o, const CK_ATTRIBUTE_TYPE *types, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_ok(attrs_set_bool(&o->attrs, types[i], true));
}

static void fill_pair(struct object *o, size_t pair, bool public)
{
    static const CK_ATTRIBUTE_TYPE rights[][2] = {{CKA_SIGN, CKA_DECRYPT},
                                                  {CKA_VERIFY, CKA_ENCRYPT}};
    struct local_public p = {0};
    unsigned char *der = NULL;
    int len = i2d_PUBKEY(double_keys.pairs[pair], &der);

    ck_assert_int_gt(len, 0);
    o->cls = public ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY;
    assert_ok(local_public_parse(own.engine.local, BYTES(der, (size_t)len), &p));
    assert_ok(attrs_set_ulong(&o->attrs, CKA_KEY_TYPE, p.type));
    assert_ok(attrs_set(&o->attrs, CKA_PUBLIC_KEY_INFO, BYTES(der, (size_t)len)));
    if (p.type == CKK_RSA)
        assert_ok(attrs_set(&o->attrs, CKA_MODULUS, buf_bytes(&p.modulus)));
    else
        assert_ok(attrs_set(&o->attrs, CKA_EC_PARAMS, buf_bytes(&p.params)));
    set_rights(o, rights[public], 2);
    local_public_release(&p);
    OPENSSL_free(der);
}

static void fill_secret(struct object *o, CK_KEY_TYPE type)
{
    static const CK_ATTRIBUTE_TYPE rights[] = {CKA_SIGN, CKA_VERIFY, CKA_ENCRYPT, CKA_DECRYPT};

    o->cls = CKO_SECRET_KEY;
    assert_ok(attrs_set_ulong(&o->attrs, CKA_KEY_TYPE, type));
    set_rights(o, rights, 4);
}

static void fill(enum bench_key key)
{
    struct object *o = &own.held[key].object;
    bool public = key % 2 == 1;

    atomic_init(&own.held[key].refs, 1);
    if (key < BENCH_AES128)
        fill_pair(o, (size_t)key / 2, public);
    else
        fill_secret(o, key == BENCH_HMAC ? CKK_GENERIC_SECRET : CKK_AES);
    o->has_hsm_key = o->cls != CKO_PUBLIC_KEY;
    o->hsm_key.id[0] = (uint8_t)key;
}

static CK_FUNCTION_LIST functions = {
    .C_EncryptInit = C_EncryptInit,
    .C_Encrypt = C_Encrypt,
    .C_EncryptUpdate = C_EncryptUpdate,
    .C_EncryptFinal = C_EncryptFinal,
    .C_DecryptInit = C_DecryptInit,
    .C_Decrypt = C_Decrypt,
    .C_DecryptUpdate = C_DecryptUpdate,
    .C_DecryptFinal = C_DecryptFinal,
    .C_DigestInit = C_DigestInit,
    .C_Digest = C_Digest,
    .C_DigestUpdate = C_DigestUpdate,
    .C_DigestKey = C_DigestKey,
    .C_DigestFinal = C_DigestFinal,
    .C_SignInit = C_SignInit,
    .C_Sign = C_Sign,
    .C_SignUpdate = C_SignUpdate,
    .C_SignFinal = C_SignFinal,
    .C_VerifyInit = C_VerifyInit,
    .C_Verify = C_Verify,
    .C_VerifyUpdate = C_VerifyUpdate,
    .C_VerifyFinal = C_VerifyFinal,
    .C_DigestEncryptUpdate = C_DigestEncryptUpdate,
    .C_DecryptDigestUpdate = C_DecryptDigestUpdate,
    .C_SignEncryptUpdate = C_SignEncryptUpdate,
    .C_DecryptVerifyUpdate = C_DecryptVerifyUpdate,
    .C_SeedRandom = C_SeedRandom,
    .C_GenerateRandom = C_GenerateRandom,
};

int bench_suite(const char *name, const struct suite_case *cases, size_t count)
{
    return suite_run(name, cases, count);
}

void bench_open(struct bench *b)
{
    memset(&own, 0, sizeof(own));
    switches = (struct double_switches){.now = 1000000};
    assert_ok(local_new(&own.engine.local));
    own.app.engine = &own.engine;
    own.session.handle = 1;
    double_hsm_make_keys();
    for (enum bench_key key = 0; key < BENCH_KEYS; key++)
        fill(key);
    *b = (struct bench){.p11 = &functions, .session = 1, .own = &own};
}

/* Whatever a case did: no key is held, no operation of the HSM is left. */
void bench_close(struct bench *b)
{
    for (int kind = 0; kind < OPERATION_KINDS; kind++)
        operation_free(own.session.operations[kind]);
    ck_assert_uint_eq(double_hsm_open(), 0);
    for (enum bench_key key = 0; key < BENCH_KEYS; key++) {
        ck_assert_uint_eq(atomic_load(&own.held[key].refs), 1);
        attrs_release(&own.held[key].object.attrs);
    }
    double_hsm_free_keys();
    local_free(own.engine.local);
    b->own = NULL;
}

CK_OBJECT_HANDLE bench_key(struct bench *b, enum bench_key key)
{
    (void)b;
    return (CK_OBJECT_HANDLE)key + 1;
}

EVP_PKEY *bench_public(struct bench *b, enum bench_key key)
{
    EVP_PKEY *pair = double_keys.pairs[key / 2];

    (void)b;
    ck_assert_int_eq(EVP_PKEY_up_ref(pair), 1);
    return pair;
}

size_t bench_records(struct bench *b, struct bench_record *out, size_t max)
{
    size_t count = own.record_count;

    (void)b;
    ck_assert_uint_le(max, RECORDS_MAX);
    memcpy(out, own.records, (count < max ? count : max) * sizeof(*out));
    own.record_count = 0;
    return count;
}

struct object *double_object(enum bench_key key)
{
    return &own.held[key].object;
}
