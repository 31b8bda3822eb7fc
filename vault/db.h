/*
 * SQLite, entered through this one file. A database is opened with settings under which a file from
 * elsewhere cannot make us run or trust anything, every statement is a constant prepared once, and
 * every code of SQLite becomes a CK_RV with a reason in one place. Not thread-safe: the store's
 * lock is held around it.
 */
#ifndef KEYWARD_VAULT_DB_H
#define KEYWARD_VAULT_DB_H

#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

/* Every statement there is; the text of each stands in db.c in this order. */
enum db_sql {
    SQL_BEGIN,
    SQL_BEGIN_IMMEDIATE,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_DATA_VERSION,
    SQL_INTEGRITY_CHECK,
    SQL_TOP_GET,
    SQL_TOP_SET,
    SQL_KEYRING_ADD,
    SQL_KEYRING_ADD_HOME,
    SQL_KEYRING_ALL,
    SQL_KEYRING_BY_ID,
    SQL_KEYRING_BY_SLOT,
    SQL_KEYRING_SET_ROOT,
    SQL_FENCE_GET,
    SQL_FENCE_SET,
    SQL_FENCE_REMOVE,
    SQL_FENCE_ALL,
    SQL_BUCKET_ROWS,
    SQL_RECORD_IS_FENCED,
    SQL_RECORD_GET,
    SQL_RECORD_ADD,
    SQL_RECORD_SET,
    SQL_RECORD_REMOVE,
    SQL_RECORD_COUNT,
    SQL_RECORD_ALL,
    SQL_RECORD_BY_LABEL,
    SQL_RECORD_BY_ID_TAG,
    SQL_COUNT_
};

/* An argument or a column. A column's bytes are borrowed until the callback returns. */
struct db_value {
    bool is_blob;
    int64_t number;
    struct bytes blob;
};
#define DB_NUMBER(n) ((struct db_value){.is_blob = false, .number = (int64_t)(n)})
#define DB_BLOB(b)   ((struct db_value){.is_blob = true, .blob = (b)})

#define DB_COLUMNS_MAX 12

/* A new file at path (which exists and is empty) with our tables; or one that is there and ours. */
MUST_CHECK CK_RV db_create(const char *path, struct db **ret);
MUST_CHECK CK_RV db_open(const char *path, struct db **ret);
void db_close(struct db *db);
/* In a child after fork: touches neither file nor SQLite, whose state is the parent's. Its memory
 * stays. */
void db_abandon(struct db *db);

/* Runs a statement; each is called with every row until it returns false. NULL each: rows are not
 * looked at. A negative or missing number where the schema says there is one is the schema's
 * affair. */
MUST_CHECK CK_RV db_run(struct db *db, enum db_sql sql, const struct db_value *args, size_t count,
                        bool (*each)(void *ctx, const struct db_value *row, size_t columns),
                        void *ctx);
/*
 * SQLite's own mark of the file's state, read from its header without a lock: every commit of any
 * process, of any program, makes another one. Between two commits' marks there may be a third: that
 * of one which is still under way, or will be rolled back. One read() of a few bytes. The one
 * function that may be called while another thread is in the database.
 */
MUST_CHECK CK_RV db_stamp(const struct db *db, uint64_t *ret);

/*
 * Reading without a transaction of its own (db_quiet.c): between the two calls db_run() reads what
 * the file held at the last db_quiet_prepare(), and the file is locked against writers. False, and
 * nothing to leave: something has been written since, is being written, or was left half written;
 * begin a transaction. *ret_mark is the stamp of what is read.
 */
bool db_quiet_enter(struct db *db, uint64_t *ret_mark);
bool db_is_quiet(const struct db *db);
void db_quiet_leave(struct db *db);
/* In a transaction that has read: what it sees is what quiet readers see until the next commit. */
void db_quiet_prepare(struct db *db);

/* Rows the last SQL_..._ADD, SET or REMOVE changed. */
int64_t db_changed(struct db *db);
int64_t db_last_rowid(struct db *db);

#include "base/scope.h"
SCOPE_DEFINE(struct db, db_close)

#endif
