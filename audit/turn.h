/*
 * Whose turn it is to append: one thread at a time of all processes of the home, and the place
 * where the last one stopped.
 *
 * The processes that have a log open share a piece of System V memory with a robust mutex in it, so
 * that taking a turn costs no system call. Why that memory: it has no path, so nobody can cut it
 * short under its users (a mapped file that is truncated kills its readers with SIGBUS, and a guest
 * in other people's processes has no handler to install), and it is gone by itself with the last
 * process that is attached. The file 'lock' says which piece it is.
 *
 * Invariants
 *   - Who shares the memory holds a shared flock() on 'lock' from open to close. Who holds the
 *     exclusive one therefore knows that nobody shares any, and may make a new piece.
 *   - Where there is no System V memory (a sandbox), a turn is the exclusive flock() itself. Both
 *     ways exclude each other: whoever cannot see the memory of the others is refused, never let in
 *     beside them.
 *   - A process that dies in its turn leaves the mutex to the next, with `known` taken back: who
 *     comes next reads the end of the journal from the files.
 *
 * All of this can be lost at any time without losing a record: the truth is in the files.
 */
#ifndef KEYWARD_AUDIT_TURN_H
#define KEYWARD_AUDIT_TURN_H

#include "base/fail.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* Where the journal ends, as whoever had the last turn left it. */
struct turn_place {
    bool known; /* false: to be read from the files */
    uint64_t bundle;
    int64_t tail;
    unsigned count;
    dev_t device; /* of the bundle's file */
    ino_t inode;
    int64_t checked; /* when the files were last held against this, CLOCK_MONOTONIC */
};

struct turn_shared; /* turn.c */

struct turn {
    int lock;                   /* the file 'lock' */
    struct stat lock_id;        /* its device and inode */
    struct turn_shared *shared; /* NULL: by flock() alone */
    _Atomic uint64_t turns;     /* then: had by this process */
    _Atomic int64_t newest;     /* and the time of the newest record it knows */
    pthread_mutex_t alone;      /* and among its threads, guards: */
    struct turn_place place;
};

/* Waits for TRAIL_DEADLINE_MS at most. On failure t is closed. */
MUST_CHECK CK_RV turn_open(struct turn *t, int folder);
void turn_close(struct turn *t);
/* In a child after fork, and for what was never opened: leaves all locks as they are. */
void turn_abandon(struct turn *t);

/* Waits for TRAIL_DEADLINE_MS at most while nobody has a turn; as long as others have theirs the
 * log is written, and a waiter stays for up to TURN_WAITS of such waits. */
#define TURN_WAITS 50
MUST_CHECK CK_RV turn_take(struct turn *t);
void turn_give(struct turn *t);
/* For whose turn it is. */
struct turn_place *turn_place(struct turn *t);
/* The time of the newest record, ns since 1970; 0: none is known. Written by whose turn it is, read
 * by everybody. */
_Atomic int64_t *turn_newest(struct turn *t);

/* The lock that is held is everybody's only while others find the same file: one that was put in
 * its place is the lock of whoever came later, and both would append. */
MUST_CHECK CK_RV turn_check(const struct turn *t, int folder);

#endif
