/* SQLite behind a table of constant statements: see db.h. */
#include "vault/db_int.h"

#include "base/heap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION_ID 0x4B595744 /* "KYWD" */
#define FORMAT         1
#define BUSY_MS        5000
#define RECORD_LIMIT   (12 << 20) /* more than any sealed record: RECORD_MAX of vault/record.h */

/* In the header of every database (SQLite file format, 1.3): file change counter and size in pages,
 * 4 bytes each. */
#define STAMP_AT  24
#define STAMP_LEN 8

/*
 * top: the number of the last write, and the MAC over it and the key ring. keyring: slot 0 is the
 * home, the others its vaults. record: one row a sealed record; index record_set holds all a fence
 * covers, so checking one reads no row.
 */
static const char schema[] =
    "CREATE TABLE top (one INTEGER PRIMARY KEY CHECK (one = 1), counter INTEGER NOT NULL,"
    " mac BLOB NOT NULL) STRICT;"
    "CREATE TABLE keyring (slot INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,"
    " kek BLOB NOT NULL, wrapped BLOB NOT NULL, root BLOB NOT NULL) STRICT;"
    "CREATE TABLE fence (slot INTEGER NOT NULL REFERENCES keyring, bucket INTEGER NOT NULL,"
    " mac BLOB NOT NULL, PRIMARY KEY (slot, bucket)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE record (seq INTEGER PRIMARY KEY, slot INTEGER NOT NULL REFERENCES keyring,"
    " kind INTEGER NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, class INTEGER NOT NULL, deleted INTEGER NOT NULL,"
    " label_tag BLOB NOT NULL, id_tag BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX record_set ON record (slot, id, kind, generation);"
    "CREATE INDEX record_kind ON record (slot, kind, deleted);"
    "CREATE INDEX record_label ON record (slot, kind, label_tag);"
    "CREATE INDEX record_id ON record (slot, kind, id_tag);";

#define RECORD_COLUMNS                                                                             \
    "SELECT seq, kind, id, version, generation, class, deleted, label_tag, id_tag, sealed"         \
    " FROM record "
/* Every index ends with the row's number: none of these pages sorts, or reads what is before it. */
#define RECORD_PAGE " AND seq > ?4 ORDER BY seq LIMIT ?5"

static const char *const texts[SQL_COUNT_] = {
    [SQL_BEGIN] = "BEGIN",
    [SQL_BEGIN_IMMEDIATE] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_DATA_VERSION] = "PRAGMA data_version",
    [SQL_INTEGRITY_CHECK] = "SELECT integrity_check <> 'ok' FROM pragma_integrity_check LIMIT 1",
    [SQL_TOP_GET] = "SELECT counter, mac FROM top",
    [SQL_TOP_SET] = "INSERT INTO top (one, counter, mac) VALUES (1, ?1, ?2)"
                    " ON CONFLICT (one) DO UPDATE SET counter = ?1, mac = ?2",
    [SQL_KEYRING_ADD] = "INSERT INTO keyring (id, kek, wrapped, root) VALUES (?1, ?2, ?3, ?4)",
    [SQL_KEYRING_ADD_HOME] =
        "INSERT INTO keyring (slot, id, kek, wrapped, root) VALUES (0, ?1, ?2, ?3, ?4)",
    [SQL_KEYRING_ALL] = "SELECT slot, id, kek, wrapped, root FROM keyring ORDER BY slot",
    [SQL_KEYRING_BY_ID] = "SELECT slot, id, kek, wrapped, root FROM keyring WHERE id = ?1",
    [SQL_KEYRING_BY_SLOT] = "SELECT slot, id, kek, wrapped, root FROM keyring WHERE slot = ?1",
    [SQL_KEYRING_SET_ROOT] = "UPDATE keyring SET root = ?2 WHERE slot = ?1",
    [SQL_FENCE_GET] = "SELECT mac FROM fence WHERE slot = ?1 AND bucket = ?2",
    [SQL_FENCE_SET] = "INSERT INTO fence (slot, bucket, mac) VALUES (?1, ?2, ?3)"
                      " ON CONFLICT (slot, bucket) DO UPDATE SET mac = ?3",
    [SQL_FENCE_REMOVE] = "DELETE FROM fence WHERE slot = ?1 AND bucket = ?2",
    [SQL_FENCE_ALL] = "SELECT bucket, mac FROM fence WHERE slot = ?1 ORDER BY bucket",
    [SQL_BUCKET_ROWS] = "SELECT id, kind, generation FROM record INDEXED BY record_set"
                        " WHERE slot = ?1 AND id >= ?2 AND id < ?3 ORDER BY id, kind, generation",
    [SQL_RECORD_IS_FENCED] = "SELECT 1 FROM record INDEXED BY record_set"
                             " WHERE slot = ?1 AND id = ?2 AND kind = ?3 AND generation = ?4",
    [SQL_RECORD_GET] = RECORD_COLUMNS "WHERE slot = ?1 AND id = ?2 AND kind = ?3",
    [SQL_RECORD_ADD] = "INSERT INTO record (slot, kind, id, version, generation, class, deleted,"
                       " label_tag, id_tag, sealed)"
                       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    [SQL_RECORD_SET] = "UPDATE record SET version = ?4, generation = ?5, class = ?6, deleted = ?7,"
                       " label_tag = ?8, id_tag = ?9, sealed = ?10"
                       " WHERE slot = ?1 AND kind = ?2 AND id = ?3",
    [SQL_RECORD_REMOVE] = "DELETE FROM record WHERE slot = ?1 AND id = ?2 AND kind = ?3",
    [SQL_RECORD_COUNT] =
        "SELECT count(*) FROM record WHERE slot = ?1 AND kind = ?2 AND deleted = ?3",
    [SQL_RECORD_ALL] = RECORD_COLUMNS "WHERE slot = ?1 AND kind = ?2 AND deleted = ?3" RECORD_PAGE,
    [SQL_RECORD_BY_LABEL] =
        RECORD_COLUMNS "WHERE slot = ?1 AND kind = ?2 AND label_tag = ?3" RECORD_PAGE,
    [SQL_RECORD_BY_ID_TAG] =
        RECORD_COLUMNS "WHERE slot = ?1 AND kind = ?2 AND id_tag = ?3" RECORD_PAGE,
};

/* SQLite's codes, each once: what it is for the caller, and what to do about it. */
static const struct {
    int code;
    CK_RV rv;
    const char *sentence;
} failures[] = {
    {SQLITE_BUSY, CKR_DEVICE_MEMORY,
     "is busy: another process has held it for over 5 seconds; try again, and look for a stuck "
     "keyward process"},
    {SQLITE_LOCKED, CKR_DEVICE_MEMORY, "is locked by another call: try again"},
    {SQLITE_FULL, CKR_DEVICE_MEMORY, "has no room: its disk is full; free space and try again"},
    {SQLITE_NOMEM, CKR_HOST_MEMORY, "cannot be read without more memory: free some"},
    {SQLITE_CORRUPT, CKR_DEVICE_ERROR, "is damaged: restore it from a backup"},
    {SQLITE_NOTADB, CKR_DEVICE_ERROR, "is damaged or is no store: restore it from a backup"},
    {SQLITE_READONLY, CKR_DEVICE_ERROR,
     "cannot be written: give this user write access to it and its folder"},
    {SQLITE_PERM, CKR_DEVICE_ERROR, "may not be used: give this user access to it"},
    {SQLITE_CANTOPEN, CKR_DEVICE_ERROR,
     "cannot be opened: check that it is there and that this user may read and write it and its "
     "folder"},
    {SQLITE_IOERR, CKR_DEVICE_ERROR, "cannot be read or written: check the disk"},
};

CK_RV db_fail(const char *path, int code)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
        if (failures[i].code == (code & 0xff))
            return fail(failures[i].rv, "the store %s %s", path, failures[i].sentence);
    }
    return fail(CKR_DEVICE_ERROR, "the store %s cannot be used (SQLite: %s): run `keyward doctor`",
                path, sqlite3_errstr(code));
}

/* ---- statements ---- */

static CK_RV prepare(const struct db *db, enum db_sql sql, sqlite3_stmt **ret)
{
    struct db_link *link = db->in_use;
    int rc = SQLITE_OK;

    if (link->statements[sql] == NULL)
        rc = sqlite3_prepare_v3(link->handle, texts[sql], -1, SQLITE_PREPARE_PERSISTENT,
                                &link->statements[sql], NULL);
    if (rc != SQLITE_OK)
        return db_fail(db->path, rc);
    *ret = link->statements[sql];
    return CKR_OK;
}

/* The spans outlive the statement's run: nothing is copied. An empty one is a blob of length 0, not
 * NULL. */
static int bind_all(sqlite3_stmt *stmt, const struct db_value *args, size_t count)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        int at = (int)i + 1;
        struct bytes b = args[i].blob;

        if (!args[i].is_blob)
            rc = sqlite3_bind_int64(stmt, at, args[i].number);
        else if (b.len == 0)
            rc = sqlite3_bind_zeroblob(stmt, at, 0);
        else
            rc = sqlite3_bind_blob64(stmt, at, b.data, b.len, SQLITE_STATIC);
    }
    return rc;
}

static size_t read_row(sqlite3_stmt *stmt, struct db_value row[static DB_COLUMNS_MAX])
{
    int columns = sqlite3_column_count(stmt);

    for (int i = 0; i < columns && i < DB_COLUMNS_MAX; i++) {
        if (sqlite3_column_type(stmt, i) == SQLITE_BLOB) {
            const void *data = sqlite3_column_blob(stmt, i);

            row[i] = DB_BLOB(BYTES(data, (size_t)sqlite3_column_bytes(stmt, i)));
        } else {
            row[i] = DB_NUMBER(sqlite3_column_int64(stmt, i));
        }
    }
    return (size_t)columns;
}

CK_RV db_run(struct db *db, enum db_sql sql, const struct db_value *args, size_t count,
             bool (*each)(void *ctx, const struct db_value *row, size_t columns), void *ctx)
{
    sqlite3_stmt *stmt = NULL;
    struct db_value row[DB_COLUMNS_MAX];
    CK_RV rv = prepare(db, sql, &stmt);
    int rc;

    if (rv != CKR_OK)
        return rv;
    rc = bind_all(stmt, args, count);
    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW && each != NULL && !each(ctx, row, read_row(stmt, row)))
            break;
    }
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? CKR_OK : db_fail(db->path, rc);
}

/*
 * Through SQLite's own file: one opened beside it would, when closed, take away all locks this
 * process holds on the file (that is how POSIX made them). SQLite's reading function is a pread()
 * that changes nothing of the file's object unless it fails.
 */
CK_RV db_stamp(const struct db *db, uint64_t *ret)
{
    uint8_t raw[STAMP_LEN];
    int rc = db->file->pMethods->xRead(db->file, raw, STAMP_LEN, STAMP_AT);

    if (rc != SQLITE_OK)
        return db_fail(db->path, rc);
    memcpy(ret, raw, sizeof(*ret));
    return CKR_OK;
}

int64_t db_changed(struct db *db)
{
    return sqlite3_changes64(db->main.handle);
}

int64_t db_last_rowid(struct db *db)
{
    return sqlite3_last_insert_rowid(db->main.handle);
}

/* ---- opening ---- */

/* Of every connection; and of the one that writes. */
static const char settings[] = "PRAGMA trusted_schema = OFF;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA temp_store = MEMORY;";
static const char writing[] = "PRAGMA foreign_keys = ON;"
                              "PRAGMA synchronous = FULL;"
                              "PRAGMA journal_mode = DELETE;";

CK_RV db_exec(const struct db *db, const struct db_link *link, const char *text)
{
    int rc = sqlite3_exec(link->handle, text, NULL, NULL, NULL);

    return rc == SQLITE_OK ? CKR_OK : db_fail(db->path, rc);
}

static int harden(sqlite3 *handle)
{
    static const struct {
        int option, value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}, {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},    {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},
    };
    int rc = SQLITE_OK;

    for (size_t i = 0; i < sizeof(options) / sizeof(*options) && rc == SQLITE_OK; i++)
        rc = sqlite3_db_config(handle, options[i].option, options[i].value, (int *)NULL);
    (void)sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, RECORD_LIMIT);
    (void)sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
    return rc;
}

CK_RV db_link_open(const struct db *db, const char *name, int flags, struct db_link *link)
{
    int rc = sqlite3_open_v2(
        name, &link->handle,
        flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);

    if (rc == SQLITE_OK)
        rc = harden(link->handle);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(link->handle, BUSY_MS);
    return rc == SQLITE_OK ? db_exec(db, link, settings) : db_fail(db->path, rc);
}

void db_link_close(struct db_link *link)
{
    for (size_t i = 0; i < SQL_COUNT_; i++)
        (void)sqlite3_finalize(link->statements[i]);
    (void)sqlite3_close(link->handle);
}

static CK_RV connect(const char *path, struct db **ret)
{
    SCOPED(db_close_p) struct db *db = calloc(1, sizeof(*db));
    CK_RV rv;
    int rc;

    if (db == NULL)
        return fail_memory();
    db->folder = -1;
    db->in_use = &db->main;
    if ((db->path = text_copy(path)) == NULL)
        return fail_memory();
    rv = db_link_open(db, path, SQLITE_OPEN_READWRITE, &db->main);
    if (rv != CKR_OK)
        return rv;
    rc = sqlite3_file_control(db->main.handle, "main", SQLITE_FCNTL_FILE_POINTER, &db->file);
    rv = rc == SQLITE_OK ? db_exec(db, &db->main, writing) : db_fail(path, rc);
    if (rv == CKR_OK)
        *ret = TAKE(db);
    return rv;
}

CK_RV db_create(const char *path, struct db **ret)
{
    SCOPED(db_close_p) struct db *db = NULL;
    char mark[96];
    CK_RV rv = connect(path, &db);

    if (rv != CKR_OK)
        return rv;
    (void)sqlite3_snprintf(sizeof(mark), mark,
                           "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
                           FORMAT);
    rv = db_exec(db, &db->main, mark);
    if (rv == CKR_OK)
        rv = db_exec(db, &db->main, schema);
    if (rv == CKR_OK)
        *ret = TAKE(db);
    return rv;
}

static CK_RV read_number(struct db *db, const char *text, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->main.handle, text, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? CKR_OK : db_fail(db->path, rc);
}

static CK_RV check_ours(struct db *db)
{
    int64_t application = 0;
    int64_t format = 0;
    CK_RV rv = read_number(db, "PRAGMA application_id", &application);

    if (rv == CKR_OK)
        rv = read_number(db, "PRAGMA user_version", &format);
    if (rv != CKR_OK)
        return rv;
    if (application != APPLICATION_ID)
        return fail(CKR_DEVICE_ERROR,
                    "%s is a database of another program, or an empty file: name keyward's store",
                    db->path);
    if (format != FORMAT)
        return fail(CKR_DEVICE_ERROR,
                    "the store %s has format %lld and this keyward knows format %d: use the "
                    "keyward that wrote it, or a newer one",
                    db->path, (long long)format, FORMAT);
    return CKR_OK;
}

CK_RV db_open(const char *path, struct db **ret)
{
    SCOPED(db_close_p) struct db *db = NULL;
    CK_RV rv = connect(path, &db);

    if (rv == CKR_OK)
        rv = check_ours(db);
    if (rv == CKR_OK)
        *ret = TAKE(db);
    return rv;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    db_link_close(&db->quiet);
    db_link_close(&db->main);
    db_abandon(db);
}

void db_abandon(struct db *db)
{
    if (db == NULL)
        return;
    if (db->folder >= 0)
        (void)close(db->folder);
    free(db->journal);
    free(db->path);
    free(db);
}
