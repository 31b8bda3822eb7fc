/*
 * What is measured on: a vault home of its own with four vaults (keys kept in the HSM, keys kept in
 * software, a small and a large number of objects), a bare SoftHSM token with the same keys, and
 * the policy that lets the user do this: the one `vault create --user` writes.
 */
#include "tests/bench/world.h"

#include "pkcs11/engine.h"
#include "pkcs11/keyward.h"
#include "vault/object.h"

#include <dlfcn.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SMALL_OBJECTS 100
#define BATCH         4096 /* objects written with one durable commit */

static const char *const vault_names[VAULTS] = {[VAULT_HSM] = "hsm",
                                                [VAULT_SOFTWARE] = "software",
                                                [VAULT_SMALL] = "small",
                                                [VAULT_LARGE] = "large"};

/* ---- what all use ---- */

void must(CK_RV rv, const char *what)
{
    if (rv != CKR_OK)
        die("%s: 0x%lx %s", what, rv, fail_reason());
}

int64_t now_ns(void)
{
    return clock_monotonic(&clock_system);
}

struct runner {
    pthread_t thread;
    unsigned number;
    int64_t until;
    uint64_t done;
    void (*do_one)(void *ctx, unsigned thread, uint64_t i);
    void *ctx;
};

/* The clock is looked at after every few: what takes a microsecond must not be measured with what
 * the clock costs. */
static void *runner_main(void *arg)
{
    struct runner *r = arg;
    uint64_t step = 1;

    while (now_ns() < r->until) {
        int64_t began = now_ns();

        for (uint64_t n = 0; n < step; n++)
            r->do_one(r->ctx, r->number, r->done++);
        if (now_ns() - began < 50000)
            step *= 2;
    }
    return NULL;
}

double time_slice(const struct world *w, unsigned threads,
                  void (*do_one)(void *ctx, unsigned thread, uint64_t i), void *ctx)
{
    struct runner runners[THREADS_MAX];
    int64_t began = now_ns();
    uint64_t done = 0;

    for (unsigned t = 0; t < threads; t++) {
        runners[t] = (struct runner){.number = t,
                                     .until = began + (int64_t)w->options.slice_ms * 1000000,
                                     .do_one = do_one,
                                     .ctx = ctx};
        if (threads == 1)
            (void)runner_main(&runners[t]);
        else if (pthread_create(&runners[t].thread, NULL, runner_main, &runners[t]) != 0)
            die("no thread");
    }
    for (unsigned t = 0; t < threads; t++) {
        if (threads > 1)
            (void)pthread_join(runners[t].thread, NULL);
        done += runners[t].done;
    }
    return (double)(now_ns() - began) / 1000 / (double)done;
}

/* ---- modules ---- */

CK_FUNCTION_LIST *module_load(const char *path, void **ret_library)
{
    CK_C_GetFunctionList get;
    CK_FUNCTION_LIST *f = NULL;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (library == NULL)
        die("%s", dlerror());
    get = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    if (get == NULL || get(&f) != CKR_OK)
        die("%s is no PKCS#11 module", path);
    if (ret_library != NULL)
        *ret_library = library;
    return f;
}

static void receive(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len)
{
    char *answer = ctx;

    (void)snprintf(answer, 512, "%.*s", (int)len, (const char *)json);
}

CK_RV admin(void *library, const char *request)
{
    CK_RV (*get_interface)(CK_UTF8CHAR_PTR, CK_VERSION_PTR, CK_INTERFACE_PTR_PTR, CK_FLAGS);
    const struct keyward_secret secret = {(const CK_BYTE *)BENCH_PIN, strlen(BENCH_PIN)};
    CK_INTERFACE *interface = NULL;
    CK_UTF8CHAR name[] = KEYWARD_INTERFACE;
    char answer[512] = "";
    const struct keyward_functions *kw;
    CK_RV rv;

    *(void **)&get_interface = dlsym(library, "C_GetInterface");
    must(get_interface(name, NULL, &interface, 0), "the vendor interface");
    kw = interface->pFunctionList;
    rv = kw->call((const CK_UTF8CHAR *)request, strlen(request), &secret, 1, receive, answer);
    if (rv != CKR_OK && strstr(answer, "software") == NULL)
        die("%s: %s", request, answer);
    return rv;
}

/* ---- keyward's home ---- */

/* False when this build has no such protection. */
static bool make_vault(void *library, enum vault vault)
{
    char request[256];

    (void)snprintf(request, sizeof(request),
                   "{\"verb\":\"vault.create\",\"vault\":\"%s\",\"user\":\"alice\",\"pin\":0,"
                   "\"protection\":\"%s\"}",
                   vault_names[vault], vault == VAULT_SOFTWARE ? "software" : "hsm");
    return admin(library, request) == CKR_OK;
}

static void make_home(struct world *w, void *library)
{
    CK_FUNCTION_LIST *f = w->vaults[VAULT_HSM].f;
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};

    must(f->C_Initialize(&args), "C_Initialize");
    must(admin(library, "{\"verb\":\"init\"}"), "init");
    must(f->C_Finalize(NULL), "C_Finalize");
    must(f->C_Initialize(&args), "C_Initialize");
    for (unsigned v = 0; v < VAULTS; v++)
        w->vaults[v].there = make_vault(library, v);
}

static CK_SLOT_ID slot_of(CK_FUNCTION_LIST *f, const char *label)
{
    CK_SLOT_ID slots[16];
    CK_ULONG count = 16;
    char padded[33];

    (void)snprintf(padded, sizeof(padded), "%-32s", label);
    must(f->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;

        must(f->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
        if (memcmp(info.label, padded, 32) == 0)
            return slots[i];
    }
    die("there is no token %s", label);
}

CK_SESSION_HANDLE session_open(CK_FUNCTION_LIST *f, CK_SLOT_ID slot)
{
    CK_SESSION_HANDLE session = 0;

    must(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
         "C_OpenSession");
    return session;
}

void session_login(CK_FUNCTION_LIST *f, CK_SESSION_HANDLE session)
{
    CK_UTF8CHAR pin[] = BENCH_PIN;

    must(f->C_Login(session, CKU_USER, pin, sizeof(pin) - 1), "C_Login");
}

CK_SLOT_ID vault_slot(CK_FUNCTION_LIST *f, const char *name)
{
    return slot_of(f, name);
}

void token_enter(struct token *token, const char *label)
{
    token->slot = slot_of(token->f, label);
    for (unsigned t = 0; t < THREADS_MAX; t++)
        token->sessions[t] = session_open(token->f, token->slot);
    session_login(token->f, token->sessions[0]);
    token->there = true;
}

/* ---- keys and objects ---- */

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

#define ATTR(type, value)                                                                          \
    {                                                                                              \
        (type), &(value), sizeof(value)                                                            \
    }

static CK_OBJECT_HANDLE make_pair(const struct token *t, CK_MECHANISM_TYPE type,
                                  CK_ATTRIBUTE_TYPE param, void *value, CK_ULONG len)
{
    CK_MECHANISM mechanism = {.mechanism = type};
    CK_BYTE id[] = {1};
    CK_ATTRIBUTE public[] = {
        {param, value, len}, ATTR(CKA_TOKEN, yes), ATTR(CKA_VERIFY, yes), ATTR(CKA_ID, id)};
    CK_ATTRIBUTE private[] = {ATTR(CKA_TOKEN, yes),      ATTR(CKA_SIGN, yes),
                              ATTR(CKA_PRIVATE, yes),    ATTR(CKA_SENSITIVE, yes),
                              ATTR(CKA_EXTRACTABLE, no), ATTR(CKA_ID, id)};
    CK_OBJECT_HANDLE handles[2] = {0, 0};

    must(t->f->C_GenerateKeyPair(t->sessions[0], &mechanism, public, 4, private, 6, &handles[0],
                                 &handles[1]),
         "C_GenerateKeyPair");
    return handles[1];
}

void make_keys(struct token *t)
{
    CK_BYTE p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    CK_MECHANISM aes = {.mechanism = CKM_AES_KEY_GEN};
    CK_ULONG bits = 2048;
    CK_ULONG bytes = 32;
    CK_ATTRIBUTE secret[] = {ATTR(CKA_VALUE_LEN, bytes), ATTR(CKA_TOKEN, yes),
                             ATTR(CKA_ENCRYPT, yes),     ATTR(CKA_DECRYPT, yes),
                             ATTR(CKA_SENSITIVE, yes),   ATTR(CKA_EXTRACTABLE, no)};

    t->keys[KEY_EC] = make_pair(t, CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, p256, sizeof(p256));
    t->keys[KEY_RSA] =
        make_pair(t, CKM_RSA_PKCS_KEY_PAIR_GEN, CKA_MODULUS_BITS, &bits, sizeof(bits));
    must(t->f->C_GenerateKey(t->sessions[0], &aes, secret, 6, &t->keys[KEY_AES]), "C_GenerateKey");
}

void object_name(unsigned n, char label[static 24], CK_BYTE id[static 4])
{
    (void)snprintf(label, 24, "object-%u", n);
    for (unsigned i = 0; i < 4; i++)
        id[i] = (CK_BYTE)(n >> (24 - 8 * i));
}

/* In the bare token, by its own functions. */
static void fill_bare(struct token *t, unsigned count)
{
    CK_OBJECT_CLASS cls = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_BYTE value[32] = {1};
    char label[24];
    CK_BYTE id[4];

    for (unsigned n = 0; n < count; n++) {
        CK_ATTRIBUTE object[] = {ATTR(CKA_CLASS, cls), ATTR(CKA_KEY_TYPE, type),
                                 ATTR(CKA_TOKEN, yes), ATTR(CKA_VALUE, value),
                                 ATTR(CKA_ID, id),     {CKA_LABEL, label, 0}};
        CK_OBJECT_HANDLE handle;

        object_name(n, label, id);
        object[5].ulValueLen = strlen(label);
        must(t->f->C_CreateObject(t->sessions[0], object, 6, &handle), "C_CreateObject");
    }
    t->objects = count;
}

static bool copy_first(void *ctx, const struct object *object)
{
    return object_copy(ctx, object) != CKR_OK;
}

/* The n-th object: the attributes of a real one, its own id and names. */
static void fill_object(struct object *o, const struct object *like, const struct vault_info *vault,
                        struct local *local, unsigned n)
{
    char label[24];
    CK_BYTE id[4];

    object_name(n, label, id);
    must(object_copy(o, like), "copy an object");
    must(local_random(local, o->id, sizeof(o->id)), "a random id");
    memcpy(o->vault, vault->id, sizeof(o->vault));
    o->version = 1;
    must(attrs_set(&o->attrs, CKA_LABEL, bytes_from_str(label)), "a label");
    must(attrs_set(&o->attrs, CKA_ID, BYTES(id, sizeof(id))), "an id");
}

static void fill_batch(struct engine *engine, const struct vault_info *vault,
                       const struct object *like, unsigned from, unsigned count)
{
    struct object *objects = calloc(count, sizeof(*objects));
    struct object **list = calloc(count, sizeof(*list));

    if (objects == NULL || list == NULL)
        die("no memory");
    for (unsigned i = 0; i < count; i++) {
        fill_object(&objects[i], like, vault, engine_local(engine), from + i);
        list[i] = &objects[i];
    }
    must(object_insert(engine_store(engine), list, count), "fill a vault");
    for (unsigned i = 0; i < count; i++)
        object_release(&objects[i]);
    free(objects);
    free(list);
}

/* By the store's own functions, many with a commit; all are like the public half of the EC key. */
static void fill(struct world *w, enum vault which, unsigned count)
{
    const struct object_query query = {.has_class = true, .cls = CKO_PUBLIC_KEY};
    struct object like = {.attrs = ATTRS_INIT};
    struct vault_info from;
    struct vault_info to;
    struct engine *engine = NULL;

    must(engine_new(w->home, KEYWARD_HSM_WORKER, &clock_system, &engine), "open the home");
    must(engine_wake(engine), "open the home");
    must(vault_get(engine_store(engine), vault_names[VAULT_HSM], &from), "vault hsm");
    must(vault_get(engine_store(engine), vault_names[which], &to), "the vault to fill");
    must(object_find(engine_store(engine), &from, &query, copy_first, &like), "a public key");
    for (unsigned done = 0; done < count; done += BATCH) {
        fill_batch(engine, &to, &like, done, count - done < BATCH ? count - done : BATCH);
        if (isatty(STDERR_FILENO))
            (void)fprintf(stderr, "\rfilling: %u of %u", done, count);
    }
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r%40s\r", "");
    object_release(&like);
    engine_free(engine);
    w->vaults[which].objects = count;
}

/* ---- SoftHSM alone ---- */

static void make_bare(struct world *w)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_UTF8CHAR label[33];
    CK_UTF8CHAR pin[] = BENCH_PIN;
    CK_SLOT_ID slots[4];
    CK_ULONG count = 4;
    CK_SESSION_HANDLE session;
    char path[128];
    FILE *conf;

    (void)snprintf(path, sizeof(path), "%s/tokens", w->root);
    if (mkdir(path, 0700) != 0)
        die("cannot make %s", path);
    (void)snprintf(path, sizeof(path), "%s/softhsm2.conf", w->root);
    conf = fopen(path, "we");
    if (conf == NULL || setenv("SOFTHSM2_CONF", path, 1) != 0)
        die("cannot write %s", path);
    (void)fprintf(conf, "directories.tokendir = %s/tokens\nobjectstore.backend = file\n", w->root);
    (void)fclose(conf);
    w->bare.f = module_load(SOFTHSM_LIBRARY, NULL);
    must(w->bare.f->C_Initialize(&args), "SoftHSM's C_Initialize");
    must(w->bare.f->C_GetSlotList(CK_TRUE, slots, &count), "SoftHSM's C_GetSlotList");
    memset(label, ' ', sizeof(label));
    memcpy(label, "bare", 4);
    must(w->bare.f->C_InitToken(slots[0], pin, sizeof(pin) - 1, label), "C_InitToken");
    session = session_open(w->bare.f, slot_of(w->bare.f, "bare"));
    must(w->bare.f->C_Login(session, CKU_SO, pin, sizeof(pin) - 1), "SO's C_Login");
    must(w->bare.f->C_InitPIN(session, pin, sizeof(pin) - 1), "C_InitPIN");
    must(w->bare.f->C_Logout(session), "C_Logout");
    must(w->bare.f->C_CloseSession(session), "C_CloseSession");
    token_enter(&w->bare, "bare");
    make_keys(&w->bare);
    fill_bare(&w->bare, SMALL_OBJECTS);
}

/* ---- the whole ---- */

void world_make(struct world *w)
{
    void *library = NULL;
    CK_FUNCTION_LIST *f;

    (void)snprintf(w->root, sizeof(w->root), "%s/keyward-bench-XXXXXX",
                   getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    if (mkdtemp(w->root) == NULL)
        die("cannot make %s", w->root);
    (void)snprintf(w->home, sizeof(w->home), "%s/home", w->root);
    if (setenv("KEYWARD_HOME", w->home, 1) != 0 || unsetenv("KEYWARD_SERVER") != 0)
        die("no memory");
    f = module_load(KEYWARD_MODULE, &library);
    for (unsigned v = 0; v < VAULTS; v++)
        w->vaults[v].f = f;
    make_home(w, library);
    for (unsigned v = 0; v < VAULTS; v++)
        if (w->vaults[v].there)
            token_enter(&w->vaults[v], vault_names[v]);
    make_keys(&w->vaults[VAULT_HSM]);
    if (w->vaults[VAULT_SOFTWARE].there)
        make_keys(&w->vaults[VAULT_SOFTWARE]);
    fill(w, VAULT_SMALL, SMALL_OBJECTS);
    fill(w, VAULT_LARGE, w->options.objects);
    make_bare(w);
    none_make(w);
    w->raw = raw_new();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void world_remove(struct world *w)
{
    raw_free(w->raw);
    (void)w->vaults[VAULT_HSM].f->C_Finalize(NULL);
    (void)w->none.f->C_Finalize(NULL);
    (void)w->bare.f->C_Finalize(NULL);
    (void)nftw(w->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
