/*
 * Quiet reading: what a read transaction costs beside the reading, saved where nothing has changed.
 *
 * A transaction of SQLite locks, looks for a journal that somebody left, compares its cache with
 * the file, unlocks, and runs a statement for its beginning, its end and for what we ask of it. The
 * second connection keeps one read transaction open all the time and takes no locks (nolock). That
 * is safe because it reads only
 *   - while we hold SQLite's shared lock on the file, taken through the main connection: nobody
 *     writes then;
 *   - while there is no journal: no writer was killed half-way, none is preparing;
 *   - while the file's mark is the one that it had when the transaction was opened: nobody has
 *     committed since.
 * So the file is, page by page, what it was then, and what is in the connection's cache is too.
 * States: never, prepared (quiet_holds), stale; db_quiet_prepare() opens the transaction anew,
 * db_quiet_enter() finds it stale.
 */
#include "base/heap.h"
#include "vault/db_int.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Pages of the large vaults' indexes, of 4 KiB each. */
static const char cache[] = "PRAGMA query_only = ON; PRAGMA cache_size = -8192;";

/* ---- the connection ---- */

/* The path as a URI: every other byte in hex. */
static void put_uri(struct buf *out, const char *path)
{
    buf_puts(out, "file:");
    for (const char *c = path; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;

        if (byte < 0x80 && (isalnum(byte) || strchr("/._-", byte) != NULL))
            buf_putc(out, *c);
        else
            buf_printf(out, "%%%02x", byte);
    }
    buf_puts(out, "?mode=ro&nolock=1");
}

static CK_RV find_journal(struct db *db)
{
    SCOPED_FREE char *for_folder = text_copy(db->path);
    SCOPED_FREE char *for_name = text_copy(db->path);

    if (for_folder == NULL || for_name == NULL)
        return fail_memory();
    db->journal = text_format("%s-journal", basename(for_name));
    if (db->journal == NULL)
        return fail_memory();
    db->folder = open(dirname(for_folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
    return db->folder >= 0 ? CKR_OK : fail_errno("opening the folder of", db->path);
}

static CK_RV open_quiet(struct db *db)
{
    SCOPED(buf_release) struct buf uri = BUF_INIT(16384);
    const char *name;
    CK_RV rv = find_journal(db);

    put_uri(&uri, db->path);
    name = buf_str(&uri);
    if (rv == CKR_OK && name == NULL)
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = db_link_open(db, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &db->quiet);
    return rv == CKR_OK ? db_exec(db, &db->quiet, cache) : rv;
}

/* A transaction begins with its first reading. */
static CK_RV begin_anew(struct db *db)
{
    CK_RV rv = CKR_OK;

    db->in_use = &db->quiet;
    if (sqlite3_get_autocommit(db->quiet.handle) == 0)
        rv = db_run(db, SQL_COMMIT, NULL, 0, NULL, NULL);
    if (rv == CKR_OK)
        rv = db_run(db, SQL_BEGIN, NULL, 0, NULL, NULL);
    if (rv == CKR_OK)
        rv = db_run(db, SQL_TOP_GET, NULL, 0, NULL, NULL);
    db->in_use = &db->main;
    return rv == CKR_OK ? db_stamp(db, &db->quiet_mark) : rv;
}

void db_quiet_prepare(struct db *db)
{
    db->quiet_holds = false;
    if (!db->quiet_never && db->quiet.handle == NULL)
        db->quiet_never = open_quiet(db) != CKR_OK;
    if (!db->quiet_never)
        db->quiet_holds = begin_anew(db) == CKR_OK;
}

/* ---- reading ---- */

/* Anything but "there is none" is "perhaps". */
static bool may_have_journal(const struct db *db)
{
    struct stat st;

    return fstatat(db->folder, db->journal, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

static bool is_unchanged(struct db *db)
{
    uint64_t mark = 0;

    if (may_have_journal(db) || db_stamp(db, &mark) != CKR_OK)
        return false;
    db->quiet_holds = mark == db->quiet_mark;
    return db->quiet_holds;
}

/* A transaction that could not be ended has locks that are not ours to give up. */
static bool has_transaction(const struct db *db)
{
    return sqlite3_get_autocommit(db->main.handle) == 0;
}

bool db_quiet_enter(struct db *db, uint64_t *ret_mark)
{
    if (!db->quiet_holds || has_transaction(db) ||
        db->file->pMethods->xLock(db->file, SQLITE_LOCK_SHARED) != SQLITE_OK)
        return false;
    if (!is_unchanged(db)) {
        (void)db->file->pMethods->xUnlock(db->file, SQLITE_LOCK_NONE);
        return false;
    }
    db->in_use = &db->quiet;
    *ret_mark = db->quiet_mark;
    return true;
}

bool db_is_quiet(const struct db *db)
{
    return db->in_use == &db->quiet;
}

void db_quiet_leave(struct db *db)
{
    db->in_use = &db->main;
    (void)db->file->pMethods->xUnlock(db->file, SQLITE_LOCK_NONE);
}
