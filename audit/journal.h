/*
 * The journal: bundle files being filled, shared by all processes of the home.
 *
 * Invariants
 *   - Records are appended under the lock only, by one pwritev() at the end of whole records. A
 * writer that is killed in it leaves whole records and at most one torn one, at the end.
 *     The lock is the file that the path 'lock' names: whoever holds another one appends nothing.
 *   - journal/<n+1> is made before record 255 of bundle n is written, or any written with it. So
 * the file of the next record always exists: one that is missing was deleted, and is refused, never
 * made anew.
 *   - Full bundles are moved to tile/entries/ (checkpoint.c), the same inode under another name.
 *   - What an append knows (inode, offset, count) is a cache; every append holds it against the
 * file first.
 *
 * Locks: the trail's mutex first, then the file lock. All functions below except open and close
 * need both.
 */
#ifndef KEYWARD_AUDIT_JOURNAL_H
#define KEYWARD_AUDIT_JOURNAL_H

#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

struct journal {
    const char *dir; /* absolute path of the log folder, borrowed */
    int folder;      /* the same, open, borrowed */
    int lock;
    struct stat lock_id; /* its device and inode */

    int fd;          /* the bundle being filled */
    struct stat id;  /* its device and inode */
    uint64_t bundle; /* its number */
    off_t tail;      /* end of its whole records */
    unsigned count;  /* how many */
    char *file;      /* its absolute path */
    size_t file_max;

    uint64_t synced;   /* bundles below are on disk */
    bool entry_synced; /* the directory entry of this one is too */
    struct buf scratch;
};

/* Takes the log's lock, waiting until deadline_ns (CLOCK_MONOTONIC) at most. */
MUST_CHECK CK_RV journal_lock(struct journal *j, int64_t deadline_ns);
void journal_unlock(struct journal *j);

/*
 * Opens dir and finds the end of the journal, which must hold at least the signed records. dir and
 * folder are borrowed. Takes and leaves the lock. On failure j is released.
 */
MUST_CHECK CK_RV journal_open(struct journal *j, const char *dir, int folder, uint64_t signed_size,
                              int64_t deadline_ns);
/* Closes without unlocking: a forked child must not take the lock from its parent. */
void journal_release(struct journal *j);

/* Holds the cache against the files: takes over what others appended, cuts what a killed writer
 * left, refuses damage. */
MUST_CHECK CK_RV journal_refresh(struct journal *j);
uint64_t journal_size(const struct journal *j);

/* Appends records, prefixes included, after a refresh, and no more of them than the bundle has room
 * for. All or nothing. */
MUST_CHECK CK_RV journal_put(struct journal *j, const struct iovec *records, size_t count,
                             bool durable);

#endif
