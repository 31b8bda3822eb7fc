/* The open store: making it, opening it, and how every call enters and leaves it. See store.h and
 * store_int.h. */
#include "vault/lookups.h"
#include "vault/record.h"

#include "base/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_S 1000000000

int64_t store_now(const struct store *store)
{
    return clock_realtime(store->clock) / NS_PER_S;
}

/* ---- keys of a slot ---- */

static bool read_keyring_row(void *ctx, const struct db_value *row, size_t columns)
{
    struct keyring_row *ret = ctx;

    if (columns != 5 || row[1].blob.len != STORE_ID_LEN || row[2].blob.len != KEK_ID_LEN)
        return false;
    ret->slot = row[0].number;
    memcpy(ret->id, row[1].blob.data, STORE_ID_LEN);
    memcpy(ret->kek, row[2].blob.data, KEK_ID_LEN);
    buf_put_bytes(&ret->wrapped, row[3].blob);
    return false;
}

static CK_RV keep_keys(struct store *store, struct keys *keys)
{
    struct keys **list = array_resize(store->keys, store->keys_count + 1, sizeof(struct keys *));

    if (list == NULL)
        return fail_memory();
    store->keys = list;
    store->keys[store->keys_count++] = keys;
    return CKR_OK;
}

/* Reads the row and has the HSM unwrap its key. No transaction is open while the HSM works. */
static CK_RV load_keys(struct store *store, enum db_sql sql, const struct db_value *which,
                       struct keys **ret)
{
    struct keyring_row row = {.slot = -1, .wrapped = BUF_INIT(1024)};
    SCOPED(keys_free_p) struct keys *keys = NULL;
    CK_RV rv = db_run(store->db, sql, which, 1, read_keyring_row, &row);

    if (rv == CKR_OK && row.slot < 0)
        rv = fail(CKR_SLOT_ID_INVALID,
                  "the store %s has no such vault: list the vaults with "
                  "`keyward vault list`",
                  store->path);
    if (rv == CKR_OK)
        rv = keys_open(store->hsm, store->local, &row, &keys);
    buf_release(&row.wrapped);
    if (rv == CKR_OK)
        rv = keep_keys(store, keys);
    if (rv == CKR_OK)
        *ret = TAKE(keys);
    return rv;
}

static CK_RV find_keys(struct store *store, const uint8_t *vault_id, struct keys **ret)
{
    struct db_value id = DB_BLOB(BYTES(vault_id, STORE_ID_LEN));

    if (vault_id == NULL) {
        *ret = store->keys[0];
        return CKR_OK;
    }
    for (size_t i = 0; i < store->keys_count; i++) {
        if (memcmp(store->keys[i]->id, vault_id, STORE_ID_LEN) == 0) {
            *ret = store->keys[i];
            return CKR_OK;
        }
    }
    return load_keys(store, SQL_KEYRING_BY_ID, &id, ret);
}

/* ---- entering and leaving ---- */

static bool read_number(void *ctx, const struct db_value *row, size_t columns)
{
    *(int64_t *)ctx = columns > 0 ? row[0].number : 0;
    return false;
}

/* In the transaction: has anybody else written since the fences were compared? */
static CK_RV look_for_changes(struct store *store)
{
    int64_t version = 0;
    CK_RV rv = db_run(store->db, SQL_DATA_VERSION, NULL, 0, read_number, &version);

    if (rv != CKR_OK)
        return rv;
    if (version != store->data_version)
        fence_forget(store);
    store->data_version = version;
    rv = generation_look(store, NULL);
    return rv == CKR_OK ? fence_check_top(store) : rv;
}

/* The reason to tell is the one that led here, not what rolling back may add. */
static void roll_back_after(struct store *store, CK_RV rv)
{
    char reason[FAIL_REASON_MAX];

    (void)memccpy(reason, fail_reason(), '\0', sizeof(reason));
    /* There may be nothing left to roll back: SQLite has done it itself after some failures. */
    fail_unheeded(db_run(store->db, SQL_ROLLBACK, NULL, 0, NULL, NULL));
    fence_forget(store);
    (void)fail(rv, "%s", reason);
}

static CK_RV begin(struct store *store, enum store_access access)
{
    enum db_sql sql = access == STORE_WRITE ? SQL_BEGIN_IMMEDIATE : SQL_BEGIN;
    uint64_t mark = 0;
    CK_RV rv;

    if (access == STORE_READ && db_quiet_enter(store->db, &mark)) {
        generation_saw(store, mark);
        return CKR_OK;
    }
    rv = db_run(store->db, sql, NULL, 0, NULL, NULL);
    if (rv != CKR_OK)
        return rv;
    rv = look_for_changes(store);
    if (rv != CKR_OK)
        roll_back_after(store, rv);
    else if (access == STORE_READ)
        db_quiet_prepare(store->db);
    return rv;
}

CK_RV store_enter(struct store *store, const uint8_t *vault_id, enum store_access access,
                  struct keys **ret)
{
    CK_RV rv;

    (void)pthread_mutex_lock(&store->lock);
    rv = find_keys(store, vault_id, ret);
    if (rv == CKR_OK)
        rv = begin(store, access);
    if (rv != CKR_OK)
        (void)pthread_mutex_unlock(&store->lock);
    return rv;
}

static CK_RV commit(struct store *store, CK_RV rv)
{
    if (rv == CKR_OK)
        rv = fence_write_due(store);
    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_COMMIT, NULL, 0, NULL, NULL);
    if (rv != CKR_OK)
        roll_back_after(store, rv);
    return rv;
}

CK_RV store_leave(struct store *store, CK_RV rv)
{
    if (db_is_quiet(store->db))
        db_quiet_leave(store->db);
    else
        rv = commit(store, rv);
    (void)pthread_mutex_unlock(&store->lock);
    return rv;
}

/* ---- making ---- */

static CK_RV write_home(struct store *store, struct keyring_row *row, struct keys *keys)
{
    static const uint8_t no_root[MAC_LEN];
    const struct db_value args[] = {
        DB_BLOB(BYTES(row->id, STORE_ID_LEN)),
        DB_BLOB(BYTES(row->kek, KEK_ID_LEN)),
        DB_BLOB(buf_bytes(&row->wrapped)),
        DB_BLOB(BYTES(no_root, MAC_LEN)),
    };
    CK_RV rv = db_run(store->db, SQL_BEGIN_IMMEDIATE, NULL, 0, NULL, NULL);

    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_KEYRING_ADD_HOME, args, 4, NULL, NULL);
    if (rv == CKR_OK)
        rv = fence_begin(store, keys);
    if (rv == CKR_OK)
        rv = db_run(store->db, SQL_COMMIT, NULL, 0, NULL, NULL);
    return rv;
}

static CK_RV fill_file(const struct store_config *config, const char *path, struct keyring_row *row)
{
    SCOPED(keys_free_p) struct keys *keys = NULL;
    struct store store = {.path = NULL, .local = config->local, .hsm = config->hsm};
    CK_RV rv = keys_open(config->hsm, config->local, row, &keys);

    if (rv == CKR_OK)
        rv = db_create(path, &store.db);
    store.keys = &keys;
    store.keys_count = 1;
    if (rv == CKR_OK)
        rv = write_home(&store, row, keys);
    db_close(store.db);
    return rv;
}

static CK_RV sync_folder_of(const char *path)
{
    SCOPED_FREE char *copy = text_copy(path);
    SCOPED_FD int fd = -1;
    const char *folder;

    if (copy == NULL)
        return fail_memory();
    folder = dirname(copy);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return fail_errno("syncing the folder", folder);
    return CKR_OK;
}

/* The whole file appears at once, and never in place of another. */
static CK_RV publish(const char *made, const char *path)
{
    CK_RV rv;

    if (link(made, path) != 0)
        return errno == EEXIST
                   ? fail(CKR_ACTION_PROHIBITED,
                          "the store %s is there already: open it, or choose another home", path)
                   : fail_errno("making the store", path);
    rv = sync_folder_of(path);
    if (rv != CKR_OK)
        (void)unlink(path);
    return rv;
}

/* What cannot be opened was not made: the file goes too. */
static CK_RV publish_and_open(const struct store_config *config, const char *made,
                              struct store **ret)
{
    CK_RV rv = publish(made, config->path);

    if (rv != CKR_OK)
        return rv;
    rv = store_open(config, ret);
    if (rv != CKR_OK)
        (void)unlink(config->path);
    return rv;
}

static CK_RV create_as(const struct store_config *config, char *made, struct store **ret)
{
    struct keyring_row row = {.slot = 0};
    int fd = mkostemp(made, O_CLOEXEC);
    CK_RV rv;

    if (fd < 0)
        return fail_errno("making the store", config->path);
    (void)close(fd);
    rv = keys_make(config->hsm, config->local, &row);
    if (rv == CKR_OK) {
        rv = fill_file(config, made, &row);
        if (rv == CKR_OK)
            rv = publish_and_open(config, made, ret);
        if (rv != CKR_OK)
            keys_unmake(config->hsm, &row);
        buf_release(&row.wrapped);
    }
    (void)unlink(made);
    return rv;
}

CK_RV store_create(const struct store_config *config, struct store **ret)
{
    struct buf made = BUF_INIT(4096);
    struct stat st;
    CK_RV rv;

    if (lstat(config->path, &st) == 0)
        return fail(CKR_ACTION_PROHIBITED,
                    "the store %s is there already: open it, or choose another home", config->path);
    buf_printf(&made, "%s.new-XXXXXX", config->path);
    if (buf_str(&made) == NULL)
        return fail_argument("the store's path");
    rv = create_as(config, (char *)made.data, ret);
    buf_release(&made);
    return rv;
}

/* ---- opening and closing ---- */

static CK_RV copy_config(struct store *store, const struct store_config *config)
{
    store->hsm = config->hsm;
    store->local = config->local;
    store->clock = config->clock;
    store->path = text_copy(config->path);
    store->lock_dir = text_copy(config->lock_dir);
    store->generation = generation_new();
    store->lookups = lookups_new();
    return store->path != NULL && store->lock_dir != NULL && store->generation != NULL &&
                   store->lookups != NULL
               ? CKR_OK
               : fail_memory();
}

static CK_RV load_home(struct store *store)
{
    const struct db_value slot = DB_NUMBER(0);
    struct keys *home = NULL;
    CK_RV rv = load_keys(store, SQL_KEYRING_BY_SLOT, &slot, &home);

    if (rv == CKR_SLOT_ID_INVALID)
        rv = fail(CKR_DEVICE_ERROR,
                  "the store %s is damaged: its key ring has no home key; restore it from a backup",
                  store->path);
    if (rv == CKR_OK)
        rv = store_enter(store, NULL, STORE_READ, &home);
    return rv == CKR_OK ? store_leave(store, CKR_OK) : rv;
}

CK_RV store_open(const struct store_config *config, struct store **ret)
{
    SCOPED(store_close_p) struct store *store = calloc(1, sizeof(*store));
    CK_RV rv;

    if (store == NULL)
        return fail_memory();
    if (pthread_mutex_init(&store->lock, NULL) != 0) {
        free(TAKE(store));
        return fail_memory();
    }
    rv = copy_config(store, config);
    if (rv == CKR_OK)
        rv = der_new(&store->der);
    if (rv == CKR_OK)
        rv = db_open(config->path, &store->db);
    if (rv == CKR_OK)
        rv = load_home(store);
    if (rv == CKR_OK)
        *ret = TAKE(store);
    return rv;
}

void store_unmake(struct store *store)
{
    struct keyring_row row = {.slot = -1, .wrapped = BUF_INIT(1024)};
    const struct db_value slot = DB_NUMBER(0);

    if (store != NULL &&
        db_run(store->db, SQL_KEYRING_BY_SLOT, &slot, 1, read_keyring_row, &row) == CKR_OK &&
        row.slot == 0)
        keys_unmake(store->hsm, &row);
    buf_release(&row.wrapped);
    store_close(store);
}

static void free_all_but_db(struct store *store)
{
    for (size_t i = 0; i < store->keys_count; i++)
        keys_free(store->keys[i]);
    free(store->keys);
    der_free(store->der);
    generation_free(store->generation);
    lookups_free(store->lookups);
    free(store->path);
    free(store->lock_dir);
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    db_close(store->db);
    free_all_but_db(store);
    (void)pthread_mutex_destroy(&store->lock);
    free(store);
}

/* The lock may be held by a thread that is not in this process: it is neither taken nor destroyed.
 */
void store_abandon(struct store *store)
{
    if (store == NULL)
        return;
    db_abandon(store->db);
    free_all_but_db(store);
    free(store);
}

void store_stand_still(struct store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    lookups_stand_still(store->lookups);
}

void store_go_on(struct store *store)
{
    lookups_go_on(store->lookups);
    (void)pthread_mutex_unlock(&store->lock);
}
