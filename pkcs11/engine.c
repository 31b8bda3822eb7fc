/*
 * One vault home, opened: see engine.h.
 *
 * States: asleep (engine_new), awake (engine_wake succeeded; never back), refused (a wake failed;
 * engine_wake says why until retry_at). `awake` is read without the lock on every call; everything
 * it publishes is written before it and never changes.
 */
#include "pkcs11/engine.h"

#include "base/heap.h"
#include "pkcs11/leases.h"
#include "pkcs11/log_device.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define WAKE_RETRY_NS                                                                              \
    2000000000         /* after a failed wake, asking again is answered from memory this long */
#define RULES_MAX   64 /* vaults whose compiled rules are kept */
#define LOG_KEY_LEN (HSM_ID_LEN + 32)

/* One vault's rules in force; vault all zero: the home's alone. */
struct rules_entry {
    uint8_t vault[VAULT_ID_LEN];
    struct rules *rules;
};

struct engine {
    struct home_paths paths;
    struct settings settings;
    char *worker;
    const struct clock *clock;
    atomic_bool awake;
    struct local *local;
    struct hsm *hsm;
    struct hsm *software;
    struct store *store;
    struct leases *leases; /* has a lock of its own */
    struct trail *trail;
    struct log_device log_device;
    uint8_t log_public[32]; /* Ed25519 */
    char log_key_text[VERIFY_KEY_MAX];
    pthread_mutex_t lock; /* guards all below; taken after app->lock, never before it */
    int64_t retry_at;     /* monotonic; INT64_MAX: never again */
    CK_RV refused;
    char refused_reason[FAIL_REASON_MAX];
    bool log_refused; /* all but the log was there */
    struct rules_entry rules[RULES_MAX];
    size_t rules_count;
    size_t rules_next; /* the place that is given up next when all are taken */
};

CK_RV engine_new(const char *home, const char *worker, const struct clock *clock,
                 struct engine **ret)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    CK_RV rv;

    if (engine == NULL)
        return fail_memory();
    (void)pthread_mutex_init(&engine->lock, NULL);
    engine->clock = clock;
    rv = home_paths_make(home, &engine->paths);
    if (rv == CKR_OK)
        rv = settings_read(&engine->paths, &engine->settings);
    if (rv == CKR_OK && worker == NULL)
        rv = fail(CKR_GENERAL_ERROR, "the HSM worker keyward-hsm is neither beside the module nor "
                                     "in libexec: reinstall keyward");
    if (rv == CKR_OK) {
        engine->worker = text_copy(worker);
        rv = engine->worker != NULL ? local_new(&engine->local) : fail_memory();
    }
    if (rv != CKR_OK) {
        engine_free(engine);
        return rv;
    }
    *ret = engine;
    return CKR_OK;
}

/* ---- waking ---- */

CK_RV engine_sign(struct engine *engine, struct bytes message, uint8_t ret_signature[static 64])
{
    return log_device_sign(&engine->log_device, message, ret_signature);
}

/* RFC 8410, section 4: what stands before the key in an Ed25519 SubjectPublicKeyInfo. */
CK_RV engine_verify(struct engine *engine, struct bytes message, const uint8_t signature[static 64])
{
    static const uint8_t prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                     0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    const CK_MECHANISM mechanism = {.mechanism = CKM_EDDSA};
    uint8_t spki[sizeof(prefix) + sizeof(engine->log_public)];

    memcpy(spki, prefix, sizeof(prefix));
    memcpy(spki + sizeof(prefix), engine->log_public, sizeof(engine->log_public));
    return local_verify(engine->local, BYTES(spki, sizeof(spki)), &mechanism, message,
                        BYTES(signature, 64));
}

void engine_log_origin(const uint8_t key_id[static HSM_ID_LEN], char ret[static ENGINE_ORIGIN_MAX])
{
    char hex[17];

    bytes_to_hex(BYTES(key_id, 8), hex);
    (void)snprintf(ret, ENGINE_ORIGIN_MAX, "keyward/%s", hex);
}

static CK_RV open_trail(struct engine *engine)
{
    struct buf key = BUF_INIT(256);
    char origin[ENGINE_ORIGIN_MAX];
    struct trail_config config = {.dir = engine->paths.log,
                                  .origin = origin,
                                  .clock = engine->clock,
                                  .interval_ms = engine->settings.log_interval_ms,
                                  .anchor_interval_s = engine->settings.log_anchor_s,
                                  .anchor_at_end = engine->settings.log_anchor_at_end != 0};
    struct log_device *device = &engine->log_device;
    CK_RV rv = store_get_home(engine->store, "log-key", &key);

    if (rv == CKR_OK && key.len != LOG_KEY_LEN)
        rv = fail(CKR_DEVICE_ERROR, "the store names no log key: the home was not made whole, run "
                                    "keyward init in a new one");
    if (rv == CKR_OK) {
        *device = (struct log_device){.hsm = engine->hsm,
                                      .key = {.kind = HSM_KEY_PRIVATE, .type = CKK_EC_EDWARDS}};
        memcpy(device->key.id, key.data, HSM_ID_LEN);
        log_device_fill(device, &config);
        memcpy(engine->log_public, key.data + HSM_ID_LEN, sizeof(engine->log_public));
        memcpy(config.signer.public_key, engine->log_public, sizeof(engine->log_public));
        engine_log_origin(device->key.id, origin);
        rv = verify_key_text(origin, config.signer.public_key, engine->log_key_text);
    }
    if (rv == CKR_OK)
        rv = trail_open(&config, &engine->trail);
    buf_release(&key);
    return rv;
}

/* What the HSM has no part in, done while it starts. */
static CK_RV test_here(void *ctx)
{
    struct engine *engine = ctx;
    CK_RV rv = local_self_test(engine->local);

    return rv == CKR_OK ? hsm_open_software(engine->local, &engine->software) : rv;
}

static CK_RV open_all(struct engine *engine)
{
    struct hsm_config hsm;
    struct store_config store = {.path = engine->paths.store,
                                 .lock_dir = engine->paths.locks,
                                 .local = engine->local,
                                 .clock = engine->clock};
    CK_RV rv;

    settings_hsm_config(&engine->settings, &engine->paths, engine->worker, &hsm);
    hsm.meanwhile = test_here;
    hsm.meanwhile_ctx = engine;
    rv = hsm_open(&hsm, engine->local, &engine->hsm);
    if (rv == CKR_OK && engine->software == NULL)
        rv = fail_internal("the self-tests are passed once the HSM is open");
    if (rv == CKR_OK) {
        store.hsm = engine->hsm;
        rv = store_open(&store, &engine->store);
    }
    if (rv == CKR_OK)
        rv = leases_new(&engine->leases);
    if (rv == CKR_OK)
        rv = open_trail(engine);
    return rv;
}

static void close_all(struct engine *engine)
{
    trail_close(TAKE(engine->trail));
    leases_free(TAKE(engine->leases), engine->store);
    store_close(TAKE(engine->store));
    hsm_close(TAKE(engine->hsm));
    hsm_close(TAKE(engine->software));
}

/* With the lock held. */
static CK_RV wake_locked(struct engine *engine)
{
    CK_RV rv;

    if (atomic_load(&engine->awake))
        return CKR_OK;
    if (engine->refused != CKR_OK && clock_monotonic(engine->clock) < engine->retry_at)
        return fail(engine->refused, "%s", engine->refused_reason);
    rv = open_all(engine);
    if (rv == CKR_OK) {
        atomic_store(&engine->awake, true);
        return CKR_OK;
    }
    engine->log_refused = engine->store != NULL && engine->log_key_text[0] != '\0';
    close_all(engine);
    engine->refused = CKR_DEVICE_ERROR;
    (void)snprintf(engine->refused_reason, sizeof(engine->refused_reason), "%s", fail_reason());
    engine->retry_at =
        rv == CKR_PIN_INCORRECT ? INT64_MAX : clock_monotonic(engine->clock) + WAKE_RETRY_NS;
    return engine->refused;
}

CK_RV engine_wake(struct engine *engine)
{
    CK_RV rv;

    if (atomic_load_explicit(&engine->awake, memory_order_acquire))
        return CKR_OK;
    (void)pthread_mutex_lock(&engine->lock);
    rv = wake_locked(engine);
    (void)pthread_mutex_unlock(&engine->lock);
    return rv;
}

bool engine_log_refused(struct engine *engine, char ret_key[static VERIFY_KEY_MAX])
{
    bool refused;

    (void)pthread_mutex_lock(&engine->lock);
    refused = !atomic_load(&engine->awake) && engine->refused != CKR_OK && engine->log_refused;
    if (refused)
        memcpy(ret_key, engine->log_key_text, VERIFY_KEY_MAX);
    (void)pthread_mutex_unlock(&engine->lock);
    return refused;
}

static void rules_free(struct rules *rules)
{
    if (rules == NULL)
        return;
    policy_free(rules->policy);
    directory_free(rules->directory);
    free(rules);
}

static void engine_release(struct engine *engine)
{
    for (size_t i = 0; i < engine->rules_count; i++)
        rules_free(engine->rules[i].rules);
    local_free(engine->local);
    settings_release(&engine->settings);
    home_paths_release(&engine->paths);
    free(engine->worker);
    (void)pthread_mutex_destroy(&engine->lock);
    free(engine);
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    /* A checkpoint that cannot be made now is made by whoever opens the log next: the records are
     * there. */
    if (engine->trail != NULL && local_usable())
        fail_unheeded(trail_end(engine->trail));
    close_all(engine);
    engine_release(engine);
}

void engine_abandon(struct engine *engine)
{
    if (engine == NULL)
        return;
    trail_abandon(engine->trail);
    store_abandon(engine->store);
    hsm_abandon(engine->hsm);
    hsm_abandon(engine->software);
    /* A thread of the parent may have held the lock when it forked: it is neither taken nor
     * destroyed here, and the rest is left as it lies. */
}

void engine_stand_still(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->lock);
    if (engine->store != NULL)
        store_stand_still(engine->store);
}

void engine_go_on(struct engine *engine)
{
    if (engine->store != NULL)
        store_go_on(engine->store);
    (void)pthread_mutex_unlock(&engine->lock);
}

struct hsm *engine_hsm(struct engine *engine)
{
    return engine->hsm;
}

struct hsm *engine_software(struct engine *engine)
{
    return engine->software;
}

struct hsm *engine_device(struct engine *engine, enum protection protection)
{
    return protection == PROTECTION_SOFTWARE ? engine_software(engine) : engine->hsm;
}

struct local *engine_local(struct engine *engine)
{
    return engine->local;
}

struct store *engine_store(struct engine *engine)
{
    return engine->store;
}

struct leases *engine_leases(struct engine *engine)
{
    return engine->leases;
}

/* Also asked by calls that need no home, while another thread may be waking the engine. */
struct trail *engine_trail(struct engine *engine)
{
    return atomic_load_explicit(&engine->awake, memory_order_acquire) ? engine->trail : NULL;
}

const struct clock *engine_clock(const struct engine *engine)
{
    return engine->clock;
}

const struct home_paths *engine_paths(const struct engine *engine)
{
    return &engine->paths;
}

const char *engine_log_key_text(struct engine *engine)
{
    return engine->log_key_text;
}

/* ---- rules ---- */

static CK_RV hash_texts(struct engine *engine, struct bytes home, struct bytes vault, char hex[65])
{
    struct local_digest *digest = NULL;
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_new(engine->local, CKM_SHA256, &digest);

    if (rv == CKR_OK)
        rv = local_digest_update(digest, home);
    if (rv == CKR_OK)
        rv = local_digest_update(digest, BYTES("", 1));
    if (rv == CKR_OK)
        rv = local_digest_update(digest, vault);
    if (rv == CKR_OK)
        rv = local_digest_final(digest, out, &len);
    if (rv == CKR_OK)
        bytes_to_hex(BYTES(out, 32), hex);
    local_digest_free(digest);
    return rv;
}

CK_RV engine_policy_hash(struct engine *engine, struct bytes text, char ret[static 65])
{
    struct buf home = BUF_INIT(POLICY_TEXT_MAX);
    CK_RV rv = store_get_home(engine->store, "policy", &home);

    if (rv == CKR_OK)
        rv = hash_texts(engine, buf_bytes(&home), text, ret);
    buf_release_secure(&home);
    return rv;
}

static CK_RV read_texts(struct engine *engine, const struct vault_info *vault, struct buf *home,
                        struct buf *own)
{
    CK_RV rv = store_get_home(engine->store, "policy", home);

    if (rv == CKR_OK && vault != NULL)
        rv = vault_get_policy(engine->store, vault, own);
    return rv;
}

/* What the gate has to count. */
static void note_counting(struct rules *rules)
{
    rules->approvals = policy_speaks_of(rules->policy, "approvals");
    for (size_t i = 0; i < policy_count(rules->policy) && !rules->budgets; i++)
        rules->budgets = policy_annotation(rules->policy, i, "rate") != NULL ||
                         policy_annotation(rules->policy, i, "uses") != NULL;
}

/* A text that does not parse leaves policy NULL: everything is denied, and fail_reason() says where
 * it stops. */
static CK_RV compile(const struct vault_info *vault, struct bytes home, struct bytes own,
                     struct rules *rules)
{
    struct policy_source sources[2] = {
        {.name = "home", .text = home, .prefix = HOME_PREFIX},
        {.name = vault != NULL ? vault->name : "", .text = own, .prefix = ""},
    };
    struct policy_error error = {0};
    CK_RV rv = policy_load(sources, vault != NULL ? 2 : 1, &rules->policy, &error);

    if (rv == CKR_OK)
        note_counting(rules);

    if (rv == CKR_ARGUMENTS_BAD) {
        (void)fail(rv, "policy %s:%u:%u: %s: nothing is allowed until it is applied anew",
                   error.source != NULL ? error.source : "", error.line, error.column,
                   error.message);
        return CKR_OK;
    }
    return rv;
}

static bool still_holds(const struct rules *old, const struct rules *now)
{
    return old != NULL && old->policy != NULL && strcmp(old->hash, now->hash) == 0 &&
           directory_same(old->directory, now->directory);
}

static CK_RV rules_load(struct engine *engine, const struct vault_info *vault, uint64_t generation,
                        const struct rules *old, struct rules **ret)
{
    struct buf home = BUF_INIT(POLICY_TEXT_MAX);
    struct buf own = BUF_INIT(POLICY_TEXT_MAX);
    struct rules *rules = calloc(1, sizeof(*rules));
    CK_RV rv = rules != NULL ? read_texts(engine, vault, &home, &own) : fail_memory();

    if (rv == CKR_OK)
        rv = hash_texts(engine, buf_bytes(&home), buf_bytes(&own), rules->hash);
    if (rv == CKR_OK && vault != NULL)
        rv = directory_load(engine->store, vault, &rules->directory);
    if (rv == CKR_OK && still_holds(old, rules)) {
        /* The store changed, the texts did not: the compiled rules go on. */
        rules_free(rules);
        rules = NULL;
    } else if (rv == CKR_OK) {
        rules->generation = generation;
        rules->refs = 1;
        rv = compile(vault, buf_bytes(&home), buf_bytes(&own), rules);
    }
    buf_release_secure(&home);
    buf_release_secure(&own);
    if (rv != CKR_OK) {
        rules_free(rules);
        return rv;
    }
    *ret = rules;
    return CKR_OK;
}

static void rules_unref(struct rules *rules)
{
    if (--rules->refs == 0)
        rules_free(rules);
}

/* With the lock held: the entry of this vault, made when there is none. */
static struct rules_entry *rules_place(struct engine *engine, const uint8_t vault[VAULT_ID_LEN])
{
    struct rules_entry *entry;

    for (size_t i = 0; i < engine->rules_count; i++)
        if (memcmp(engine->rules[i].vault, vault, VAULT_ID_LEN) == 0)
            return &engine->rules[i];
    if (engine->rules_count < RULES_MAX) {
        entry = &engine->rules[engine->rules_count++];
    } else {
        entry = &engine->rules[engine->rules_next];
        engine->rules_next = (engine->rules_next + 1) % RULES_MAX;
        if (entry->rules != NULL)
            rules_unref(entry->rules);
    }
    *entry = (struct rules_entry){.rules = NULL};
    memcpy(entry->vault, vault, VAULT_ID_LEN);
    return entry;
}

/* With the lock held. */
static CK_RV rules_at(struct engine *engine, const struct vault_info *vault, uint64_t generation,
                      struct rules **ret)
{
    static const uint8_t none[VAULT_ID_LEN];
    struct rules_entry *entry = rules_place(engine, vault != NULL ? vault->id : none);
    struct rules *loaded = NULL;
    CK_RV rv;

    if (entry->rules == NULL || entry->rules->generation < generation ||
        entry->rules->policy == NULL) {
        rv = rules_load(engine, vault, generation, entry->rules, &loaded);
        if (rv != CKR_OK)
            return rv;
        if (loaded == NULL && entry->rules == NULL)
            return fail_internal("rules that have not changed were there before");
        if (loaded != NULL) {
            if (entry->rules != NULL)
                rules_unref(entry->rules);
            entry->rules = loaded;
        }
        if (entry->rules->generation < generation)
            entry->rules->generation = generation;
    }
    entry->rules->refs++;
    *ret = entry->rules;
    return CKR_OK;
}

CK_RV engine_rules(struct engine *engine, const struct vault_info *vault, uint64_t generation,
                   struct rules **ret)
{
    CK_RV rv;

    (void)pthread_mutex_lock(&engine->lock);
    rv = rules_at(engine, vault, generation, ret);
    (void)pthread_mutex_unlock(&engine->lock);
    return rv;
}

void engine_rules_release(struct engine *engine, struct rules *rules)
{
    if (rules == NULL)
        return;
    (void)pthread_mutex_lock(&engine->lock);
    rules_unref(rules);
    (void)pthread_mutex_unlock(&engine->lock);
}
