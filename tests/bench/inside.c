/* Rows about one room each: policies of 10, 1,000 and 10,000 rules decide, the log appends and
 * verifies. */
#include "tests/bench/world.h"

#include "audit/trail.h"
#include "audit/verify.h"
#include "policy/policy.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- policy ---- */

#define DECISIONS 20000
#define P99       19800 /* of so many, in order */

static struct policy *make_policies(unsigned policies)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    struct policy_source source = {.name = "bench", .prefix = ""};
    struct policy_error error = {0};
    struct policy *policy = NULL;

    for (unsigned i = 0; i < policies - 2; i++)
        buf_printf(&text,
                   "permit(principal == User::\"user-%u\", action in [Action::\"sign\", "
                   "Action::\"verify\"], resource == Key::\"v/key-%u\") when { context.mechanism "
                   "== \"CKM_ECDSA\" };\n",
                   i % 250, i);
    buf_puts(&text, "permit(principal, action == Action::\"list\", resource in Vault::\"v\");\n"
                    "forbid(principal, action, resource) when { context.now < 0 };\n");
    source.text = buf_bytes(&text);
    must(policy_load(&source, 1, &policy, &error), error.message);
    buf_release(&text);
    return policy;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t decide_one(const struct policy *policy, unsigned policies, unsigned i)
{
    const struct policy_field context[] = {
        {BYTES_LIT("mechanism"), {.kind = POLICY_STRING, .u.string = BYTES_LIT("CKM_ECDSA")}},
        {BYTES_LIT("now"), {.kind = POLICY_LONG, .u.number = 1700000000}}};
    const struct policy_uid vault = {BYTES_LIT("Vault"), BYTES_LIT("v")};
    char user[24];
    char key[24];
    uint32_t reasons[8];
    struct policy_verdict verdict = {.reasons = reasons, .max = 8};
    struct policy_entity entity = {.ancestors = &vault, .ancestor_count = 1};
    struct policy_request request = {.entities = &entity, .entity_count = 1};
    int64_t began;

    (void)snprintf(user, sizeof(user), "user-%u", i % 250);
    (void)snprintf(key, sizeof(key), "v/key-%u", i % (policies - 2));
    entity.uid = (struct policy_uid){BYTES_LIT("Key"), bytes_from_str(key)};
    entity.attributes.kind = POLICY_RECORD;
    request.principal = (struct policy_uid){BYTES_LIT("User"), bytes_from_str(user)};
    request.action = (struct policy_uid){BYTES_LIT("Action"), BYTES_LIT("sign")};
    request.resource = entity.uid;
    request.context.kind = POLICY_RECORD;
    request.context.u.record.fields = context;
    request.context.u.record.count = 2;
    began = now_ns();
    policy_decide(policy, &request, &verdict);
    began = now_ns() - began;
    if (verdict.allow != (i % (policies - 2) % 250 == i % 250))
        die("the policy decided wrongly");
    return began;
}

static double decide_p99(struct policy **policy, unsigned policies)
{
    static int64_t took[DECISIONS];

    if (*policy == NULL)
        *policy = make_policies(policies);
    for (unsigned i = 0; i < DECISIONS; i++)
        took[i] = decide_one(*policy, policies, i);
    qsort(took, DECISIONS, sizeof(*took), by_size);
    return (double)took[P99] / 1000;
}

double sample_decide_few_p99(struct world *w, const struct row *row)
{
    static struct policy *policy;

    (void)w;
    (void)row;
    return decide_p99(&policy, 10);
}

double sample_decide_p99(struct world *w, const struct row *row)
{
    static struct policy *policy;

    (void)w;
    (void)row;
    return decide_p99(&policy, 1000);
}

double sample_decide_many_p99(struct world *w, const struct row *row)
{
    static struct policy *policy;

    (void)w;
    (void)row;
    return decide_p99(&policy, 10000);
}

/* ---- the log ---- */

#define ORIGIN         "keyward.example/bench"
#define VERIFY_RECORDS 200000

/* No anchor is set while it is measured. */
static CK_RV mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN])
{
    (void)ctx;
    (void)id;
    return CKR_OK;
}

static CK_RV find_mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN], bool *ret_found)
{
    (void)ctx;
    (void)id;
    *ret_found = true;
    return CKR_OK;
}

static CK_RV sign(void *ctx, struct bytes message, uint8_t ret_signature[static 64])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t len = 64;
    bool good = md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, ctx) == 1 &&
                EVP_DigestSign(md, ret_signature, &len, message.data, message.len) == 1;

    EVP_MD_CTX_free(md);
    return good ? CKR_OK : fail(CKR_FUNCTION_FAILED, "no signature");
}

/* A log of its own in a folder of the bench's. */
struct log {
    struct trail *trail;
    struct event event;
    char dir[96];
    char key[VERIFY_KEY_MAX];
    atomic_ulong appended;
};

static void log_open(const struct world *w, const char *name, struct log *ret)
{
    static const uint8_t seed[32] = {1};
    size_t len = 32;
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    struct trail_config config = {.dir = ret->dir,
                                  .origin = ORIGIN,
                                  .signer = {.sign = sign, .ctx = key},
                                  .marks = {.put = mark, .find = find_mark, .drop = mark},
                                  .clock = &clock_system};

    (void)snprintf(ret->dir, sizeof(ret->dir), "%s/%s", w->root, name);
    if (EVP_PKEY_get_raw_public_key(key, config.signer.public_key, &len) != 1)
        die("no key");
    must(trail_create(&config), "make a log");
    must(trail_open(&config, &ret->trail), "open a log");
    must(verify_key_text(ORIGIN, config.signer.public_key, ret->key), "the log's key");
    ret->event = (struct event){
        .app = "0123456789abcdef",
        .principal = "User::\"alice\"",
        .proof = "pin",
        .pid = 1234,
        .uid = 1000,
        .exe = "/usr/sbin/nginx",
        .via = "pkcs11",
        .vault = "web",
        .object = "www.example.com",
        .id = "00112233445566778899aabbccddeeff",
        .version = 3,
        .function = "C_Sign",
        .action = "sign",
        .mechanism = "CKM_ECDSA_SHA256",
        .digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        .has_length = true,
        .length = 32,
        .verdict = EVENT_ALLOW,
        .rules = "alice-crypto-user",
        .policy = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        .rv = CKR_OK,
        .duration_ns = 12345678,
    };
}

static void append_one(void *ctx, unsigned thread, uint64_t i)
{
    struct log *log = ctx;

    (void)thread;
    (void)i;
    must(trail_append(log->trail, &log->event, NULL), "append");
}

double sample_append(struct world *w, const struct row *row)
{
    static struct log log;

    (void)row;
    if (log.trail == NULL)
        log_open(w, "log-append", &log);
    return time_slice(w, 1, append_one, &log);
}

/* What does not get its turn in time is refused, and not counted. */
static void append_some(void *ctx, unsigned thread, uint64_t i)
{
    struct log *log = ctx;

    (void)thread;
    (void)i;
    if (trail_append(log->trail, &log->event, NULL) == CKR_OK)
        atomic_fetch_add(&log->appended, 1);
}

double sample_append_power(struct world *w, const struct row *row)
{
    static struct log log;
    int64_t began;

    if (log.trail == NULL) {
        log_open(w, "log-power", &log);
        log.event.durable = true;
    }
    atomic_store(&log.appended, 0);
    began = now_ns();
    (void)time_slice(w, row->threads, append_some, &log);
    return (double)atomic_load(&log.appended) * 1e9 / (double)(now_ns() - began);
}

double sample_verify(struct world *w, const struct row *row)
{
    static struct log log;
    struct verify_report report;
    unsigned records = w->options.quick ? 1000 : VERIFY_RECORDS;
    int64_t began;

    (void)row;
    if (log.trail == NULL) {
        log_open(w, "log-verify", &log);
        for (unsigned i = 0; i < records; i++)
            append_one(&log, 0, i);
        must(trail_checkpoint(log.trail), "a checkpoint");
    }
    began = now_ns();
    must(verify_log(log.dir, log.key, &report), "verification");
    if (!report.ok || report.size != records)
        die("the log does not verify: %s", report.problem);
    return (double)records * 1e9 / (double)(now_ns() - began);
}
