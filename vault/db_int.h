/* The open database, for db.c and db_quiet.c. SQLite enters here and nowhere else. */
#ifndef KEYWARD_VAULT_DB_INT_H
#define KEYWARD_VAULT_DB_INT_H

#include "vault/db.h"

#include <sqlite3.h>

/* A connection and the statements prepared on it. */
struct db_link {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_COUNT_];
};

struct db {
    struct db_link main;    /* reads and writes under SQLite's own locks */
    struct db_link quiet;   /* reads only (db_quiet.c); handle NULL: not opened */
    struct db_link *in_use; /* by db_run() */
    sqlite3_file *file;     /* main's own, valid as long as it is */
    char *path;
    /* db_quiet.c */
    bool quiet_holds; /* quiet's transaction is open, and sees what quiet_mark stands for */
    bool quiet_never; /* it could not be opened */
    uint64_t quiet_mark;
    int folder;    /* where the file is; -1: not opened */
    char *journal; /* name of SQLite's journal in it */
};

/* SQLite's code as ours, with the reason. */
MUST_CHECK CK_RV db_fail(const char *path, int code);
MUST_CHECK CK_RV db_exec(const struct db *db, const struct db_link *link, const char *text);
/* link is zeroed; to be closed also after a failure. */
MUST_CHECK CK_RV db_link_open(const struct db *db, const char *name, int flags,
                              struct db_link *link);
void db_link_close(struct db_link *link); /* a zeroed one too */

#endif
