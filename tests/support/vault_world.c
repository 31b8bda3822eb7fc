/* A home with a stand-in HSM: see vault_world.h. */
#include "tests/support/vault_world.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int64_t world_now(const struct clock *clock)
{
    return ((const struct vault_world *)clock)->now * 1000000000;
}

void vault_world_init_in(struct vault_world *w, const char *where)
{
    struct hsm_config hsm = {.module = ""};

    *w = (struct vault_world){.now = 1700000000};
    w->clock = (struct clock){.realtime = world_now, .monotonic = world_now};
    (void)snprintf(w->dir, sizeof(w->dir), "%s/keyward-XXXXXX", where);
    ck_assert_ptr_nonnull(mkdtemp(w->dir));
    (void)snprintf(w->path, sizeof(w->path), "%s/store.db", w->dir);
    (void)snprintf(w->lock_dir, sizeof(w->lock_dir), "%s/locks", w->dir);
    ck_assert_int_eq(mkdir(w->lock_dir, 0700), 0);
    assert_ok(local_new(&w->local));
    hsm.state_dir = w->dir;
    assert_ok(hsm_open(&hsm, w->local, &w->hsm));
    w->config = (struct store_config){.path = w->path,
                                      .lock_dir = w->lock_dir,
                                      .hsm = w->hsm,
                                      .local = w->local,
                                      .clock = &w->clock};
}

void vault_world_init(struct vault_world *w)
{
    vault_world_init_in(w, "/tmp");
    assert_ok(store_create(&w->config, &w->store));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void vault_world_release(struct vault_world *w)
{
    store_close(w->store);
    hsm_close(w->hsm);
    local_free(w->local);
    (void)nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void vault_world_reopen(struct vault_world *w)
{
    store_close(w->store);
    w->store = NULL;
    assert_ok(store_open(&w->config, &w->store));
}

void vault_world_in_child(struct vault_world *w)
{
    store_abandon(w->store);
    w->store = NULL;
    assert_ok(store_open(&w->config, &w->store));
}

struct vault_info vault_world_vault(struct vault_world *w, const char *name)
{
    const struct vault_spec spec = {
        .name = name, .protection = PROTECTION_SOFTWARE, .purge_protection = true};
    struct vault_info info;

    assert_ok(vault_create(w->store, &spec, &info));
    return info;
}

struct object vault_world_object(const struct vault_world *w, const struct vault_info *vault,
                                 const char *label, const char *id, const char *value)
{
    struct object o = {.cls = CKO_DATA, .version = 1, .attrs = ATTRS_INIT};

    assert_ok(local_random(w->local, o.id, OBJECT_ID_LEN));
    memcpy(o.vault, vault->id, VAULT_ID_LEN);
    assert_ok(attrs_set_ulong(&o.attrs, CKA_CLASS, CKO_DATA));
    assert_ok(attrs_set(&o.attrs, CKA_LABEL, bytes_from_str(label)));
    assert_ok(attrs_set(&o.attrs, CKA_ID, bytes_from_str(id)));
    assert_ok(attrs_set(&o.attrs, CKA_VALUE, bytes_from_str(value)));
    return o;
}

struct object vault_world_software_key(const struct vault_world *w, const struct vault_info *vault,
                                       const char *label, const char *material)
{
    struct object o = vault_world_object(w, vault, label, "id", "");

    attrs_remove(&o.attrs, CKA_VALUE);
    assert_ok(attrs_set_ulong(&o.attrs, CKA_CLASS, CKO_SECRET_KEY));
    o.cls = CKO_SECRET_KEY;
    o.protection = PROTECTION_SOFTWARE;
    o.material = secret_copy(bytes_from_str(material));
    ck_assert_ptr_nonnull(o.material);
    return o;
}

void vault_world_put(struct vault_world *w, const struct vault_info *vault, const char *label,
                     uint8_t ret_id[static OBJECT_ID_LEN])
{
    struct object o = vault_world_object(w, vault, label, "id", "value");
    struct object *const list[] = {&o};

    assert_ok(object_insert(w->store, list, 1));
    memcpy(ret_id, o.id, OBJECT_ID_LEN);
    object_release(&o);
}

static bool count_one(void *ctx, const struct object *object)
{
    (void)object;
    (*(size_t *)ctx)++;
    return true;
}

size_t vault_world_count(struct vault_world *w, const struct vault_info *vault, const char *label)
{
    const struct object_query query = {.has_label = true, .label = bytes_from_str(label)};
    size_t count = 0;

    assert_ok(object_find(w->store, vault, &query, count_one, &count));
    return count;
}

void vault_world_sql(const struct vault_world *w, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;

    ck_assert_int_eq(sqlite3_open(w->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        ck_abort_msg("%s: %s", sql, why);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

char *vault_world_ask(const struct vault_world *w, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    char *answer;

    ck_assert_int_eq(sqlite3_open(w->path, &db), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    answer = strdup((const char *)sqlite3_column_text(stmt, 0));
    (void)sqlite3_finalize(stmt);
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    return answer;
}
