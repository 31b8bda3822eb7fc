/* A device to test with: see hsm_world.h. */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct bytes world_p256 = BYTES_LIT("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
const struct bytes world_p384 = BYTES_LIT("\x06\x05\x2b\x81\x04\x00\x22");
const struct bytes world_p521 = BYTES_LIT("\x06\x05\x2b\x81\x04\x00\x23");
const struct bytes world_ed25519 = BYTES_LIT("\x06\x03\x2b\x65\x70");

static void path_in(const struct hsm_world *w, const char *name, char ret[static WORLD_PATH_MAX])
{
    int n = snprintf(ret, WORLD_PATH_MAX, "%.200s/%s", w->dir, name);

    ck_assert(n > 0 && n < WORLD_PATH_MAX);
}

void world_write(const char *path, const char *text, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    ck_assert_msg(fd >= 0, "cannot open %s: %s", path, strerror(errno));
    ck_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    ck_assert(fchmod(fd, mode) == 0);
    (void)close(fd);
}

static void set_paths(struct hsm_world *w)
{
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/keyward-hsm-XXXXXX");
    ck_assert(mkdtemp(w->dir) != NULL);
    path_in(w, "pin", w->pin_file);
    path_in(w, "so-pin", w->so_pin_file);
    path_in(w, "state", w->state_dir);
    path_in(w, "softhsm2.conf", w->conf);
    path_in(w, "tokens", w->tokens);
    path_in(w, "shim.so", w->shim);
}

void world_init(struct hsm_world *w)
{
    const char *device = getenv("KEYWARD_TEST_DEVICE");

    memset(w, 0, sizeof(*w));
    w->software = device != NULL && strcmp(device, "software") == 0;
    set_paths(w);
    ck_assert(mkdir(w->state_dir, 0700) == 0);
    world_write(w->pin_file, WORLD_PIN "\n", 0600);
    world_write(w->so_pin_file, "12345678\n", 0600);
    w->config = (struct hsm_config){
        .worker = KEYWARD_HSM_WORKER,
        .module = SOFTHSM_LIBRARY,
        .token = "keyward test",
        .pin_source = w->pin_file,
        .state_dir = w->state_dir,
        .softhsm_conf = w->conf,
        .softhsm_tokens = w->tokens,
        .in_process = device != NULL && strcmp(device, "inside") == 0,
    };
    assert_ok(local_new(&w->local));
    if (!w->software)
        assert_ok(hsm_softhsm_create(&w->config, w->so_pin_file));
}

void world_open(struct hsm_world *w)
{
    if (w->software)
        assert_ok(hsm_open_software(w->local, &w->hsm));
    else
        assert_ok(hsm_open(&w->config, w->local, &w->hsm));
}

void world_close(struct hsm_world *w)
{
    hsm_close(w->hsm);
    w->hsm = NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    (void)remove(path);
    return 0;
}

void world_release(struct hsm_world *w)
{
    for (size_t i = 0; i < w->ready_count; i++)
        hsm_ready_free(w->ready[i]);
    world_close(w);
    local_free(w->local);
    (void)nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the shim ---- */

void world_use_shim(struct hsm_world *w)
{
    ck_assert(symlink(SHIM_LIBRARY, w->shim) == 0);
    w->config.module = w->shim;
}

static void beside_shim(const struct hsm_world *w, const char *suffix, char ret[WORLD_PATH_MAX])
{
    (void)snprintf(ret, WORLD_PATH_MAX, "%.200s%s", w->shim, suffix);
}

void shim_rule(const struct hsm_world *w, const char *rule)
{
    char path[WORLD_PATH_MAX];
    char line[128];

    beside_shim(w, ".rules", path);
    (void)snprintf(line, sizeof(line), "%s\n", rule);
    world_write(path, line, 0600);
}

/* The counts too: the next rules count from one. */
void shim_forget_rules(const struct hsm_world *w)
{
    char path[WORLD_PATH_MAX];

    beside_shim(w, ".rules", path);
    (void)unlink(path);
    beside_shim(w, ".calls", path);
    (void)unlink(path);
}

unsigned shim_calls(const struct hsm_world *w, const char *function)
{
    char path[WORLD_PATH_MAX];
    char line[64];
    unsigned n = 0;
    FILE *f;

    beside_shim(w, ".calls", path);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        n += strcmp(line, function) == 0;
    }
    (void)fclose(f);
    return n;
}

/* ---- keys ---- */

/* What came out of the device as material is made ready; what stayed in it needs nothing. */
static void make_ready(struct hsm_world *w, struct hsm_key *key, const struct secret *material)
{
    ck_assert(w->software == (material != NULL));
    if (material == NULL)
        return;
    ck_assert(w->ready_count < WORLD_KEYS_MAX);
    assert_ok(hsm_make_ready(w->hsm, key, secret_bytes(material), &key->ready));
    w->ready[w->ready_count++] = key->ready;
}

static struct hsm_key_spec spec_of(struct hsm_world *w, enum hsm_key_kind kind, CK_KEY_TYPE type)
{
    struct hsm_key_spec spec = {
        .key = {.kind = kind, .type = type}, .sign = true, .decrypt = true, .derive = true};

    assert_ok(local_random(w->local, spec.key.id, sizeof(spec.key.id)));
    return spec;
}

void world_key(struct hsm_world *w, enum hsm_key_kind kind, CK_KEY_TYPE type, CK_ULONG bits,
               struct bytes curve, struct hsm_key *ret, struct buf *ret_spki)
{
    struct hsm_key_spec spec = spec_of(w, kind, type);
    SCOPED_SECRET material = NULL;

    spec.bits = bits;
    spec.curve = curve;
    assert_ok(hsm_generate(w->hsm, &spec, ret_spki, &material));
    make_ready(w, &spec.key, material);
    *ret = spec.key;
}

void world_import(struct hsm_world *w, enum hsm_key_kind kind, CK_KEY_TYPE type,
                  struct bytes material, struct hsm_key *ret, struct buf *ret_spki)
{
    struct hsm_key_spec spec = spec_of(w, kind, type);
    SCOPED_SECRET normal = NULL;

    assert_ok(hsm_import(w->hsm, &spec, material, ret_spki, &normal));
    make_ready(w, &spec.key, normal);
    *ret = spec.key;
}
