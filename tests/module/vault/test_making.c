/* A store that is not made after all leaves nothing: not on the disk, and no key in the HSM. */
#include "tests/support/hsm_world.h"
#include "tests/support/suite.h"
#include "vault/store.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct making {
    struct hsm_world hsm;
    char path[WORLD_PATH_MAX + 16];
    struct store_config config;
};

static void begin(struct making *m)
{
    world_init(&m->hsm);
    world_use_shim(&m->hsm);
    world_open(&m->hsm);
    (void)snprintf(m->path, sizeof(m->path), "%s/store.db", m->hsm.dir);
    m->config = (struct store_config){.path = m->path,
                                      .lock_dir = m->hsm.state_dir,
                                      .hsm = m->hsm.hsm,
                                      .local = m->hsm.local,
                                      .clock = &clock_system};
}

/* SoftHSM keeps an object a file; token.object is the token's own. */
static size_t found;

static int count_object(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    const char *end = strrchr(path, '.');

    (void)st;
    found += type == FTW_F && end != NULL && strcmp(end, ".object") == 0 &&
             strcmp(path + ftw->base, "token.object") != 0;
    return 0;
}

static size_t objects(const struct making *m)
{
    found = 0;
    ck_assert_int_eq(nftw(m->hsm.tokens, count_object, 8, FTW_PHYS), 0);
    return found;
}

static size_t stores(const struct making *m)
{
    DIR *dir = opendir(m->hsm.dir);
    const struct dirent *entry;
    size_t n = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL)
        n += strncmp(entry->d_name, "store.db", 8) == 0;
    (void)closedir(dir);
    return n;
}

/* The n-th decryption of making a store: its first data key is unwrapped to fill the file, and
 * again to open it. CKR_FUNCTION_FAILED from then on. */
static const struct {
    const char *rule;
    bool made;
} rules[] = {
    {"C_DecryptInit 1- return 6", false},
    {"C_DecryptInit 2- return 6", false},
    {"C_DecryptInit 3- return 6", true},
};

START_TEST(a_store_that_does_not_open_when_it_is_made_leaves_no_key)
{
    struct making m;
    struct store *store = NULL;
    size_t before;
    CK_RV rv;

    begin(&m);
    before = objects(&m);
    shim_rule(&m.hsm, rules[_i].rule);
    rv = store_create(&m.config, &store);
    assert_rv(rules[_i].made ? CKR_OK : CKR_DEVICE_ERROR, rv);
    ck_assert_uint_eq(objects(&m), before + (rules[_i].made ? 1 : 0));
    ck_assert_uint_eq(stores(&m), rules[_i].made ? 1 : 0);
    ck_assert(rules[_i].made == (store != NULL));
    store_close(store);
    world_release(&m.hsm);
}
END_TEST

START_TEST(a_store_that_is_unmade_takes_its_key_along)
{
    struct making m;
    struct store *store = NULL;
    size_t before;

    begin(&m);
    before = objects(&m);
    assert_ok(store_create(&m.config, &store));
    ck_assert_uint_eq(objects(&m), before + 1);
    store_unmake(store);
    ck_assert_uint_eq(objects(&m), before);
    world_release(&m.hsm);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_store_that_does_not_open_when_it_is_made_leaves_no_key,
                  sizeof(rules) / sizeof(*rules)),
        CASE(a_store_that_is_unmade_takes_its_key_along),
    };

    return suite_run("vault/making", cases, sizeof(cases) / sizeof(*cases));
}
