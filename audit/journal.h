/*
 * The journal: bundle files being filled, shared by all processes of the home.
 *
 * Invariants
 *   - Records are appended by whose turn it is (turn.h), by one write() each. A writer that is
 * killed in it leaves whole records and at most one torn one, at the end.
 *   - journal/<n+1> is made before record 255 of bundle n is written. So the file of the next
 * record always exists: one that is missing was deleted, and is refused, never made anew.
 *   - Full bundles are moved to tile/entries/ (checkpoint.c), the same inode under another name.
 *   - What an append knows (inode, offset, count) is a cache, handed from turn to turn. It is held
 *     against the files at least every TRAIL_CHECK_US while there are appends, and whenever the one
 *     before was killed. In between a record goes to the end of the open file, wherever that is
 *     (O_APPEND): it never lands on another one, and a file that was cut or added to does not end
 *     where it should at the next look.
 *
 * All functions below except open and release are for whose turn it is.
 */
#ifndef KEYWARD_AUDIT_JOURNAL_H
#define KEYWARD_AUDIT_JOURNAL_H

#include "audit/turn.h"
#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct journal {
    const char *dir; /* absolute path of the log folder, borrowed */
    int folder;      /* the same, open, borrowed */
    struct turn turn;

    int fd;          /* the bundle being filled */
    struct stat id;  /* its device and inode */
    uint64_t bundle; /* its number */
    off_t tail;      /* end of its whole records */
    unsigned count;  /* how many */
    int64_t scanned; /* time of the last record that was read from the files; 0: none was */
    char *file;      /* its absolute path */
    size_t file_max;

    struct buf scratch;
};

/*
 * Opens dir and finds the end of the journal, which must hold at least the signed records. dir and
 * folder are borrowed. On failure j is released.
 */
MUST_CHECK CK_RV journal_open(struct journal *j, const char *dir, int folder, uint64_t signed_size);
void journal_release(struct journal *j);
/* In a child after fork, and for what was never opened: leaves all locks as they are. */
void journal_abandon(struct journal *j);

/* Waits for a turn and learns where the journal ends now: takes over what others appended, cuts
 * what a killed writer left, refuses damage. journal_leave() after CKR_OK only. */
MUST_CHECK CK_RV journal_enter(struct journal *j);
void journal_leave(struct journal *j);
uint64_t journal_size(const struct journal *j);

/* Appends one record, prefix included. All or nothing. */
MUST_CHECK CK_RV journal_put(struct journal *j, struct bytes record);

/* Opens bundle n where it is: in the journal, or finished. -1 and errno when in neither. For
 * everybody. */
int journal_open_bundle(int folder, uint64_t n);

#endif
