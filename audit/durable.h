/*
 * Waiting for the disk together: while one thread waits in fdatasync(), others append and queue up
 * for the next, which serves all of them. No thread of ours is needed: one that waits leads.
 *
 * Invariants
 *   - At most one thread leads. It serves every record that was in the log before it began.
 *   - Older bundles are synced first: a record must not survive a power cut that one before it does
 *     not.
 *   - What the disk refused once stays refused: the kernel tells of a failed write only once, and a
 *     later fdatasync() that succeeds says nothing about it.
 */
#ifndef KEYWARD_AUDIT_DURABLE_H
#define KEYWARD_AUDIT_DURABLE_H

#include "base/fail.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct durable {
    int folder; /* borrowed */

    pthread_mutex_t lock; /* guards: */
    pthread_cond_t done;
    bool leading;
    uint64_t synced;                 /* records below are on disk */
    uint64_t failed_from, failed_to; /* records that the disk refused, and those between */
    char reason[FAIL_REASON_MAX];

    /* The leader's: the bundle it synced last. */
    int fd;
    uint64_t bundle;
};

void durable_init(struct durable *d);
/* With all records below synced on disk; folder is borrowed. */
void durable_start(struct durable *d, int folder, uint64_t synced);
void durable_release(struct durable *d);
/* In a child after fork: leaves the lock as it is. */
void durable_abandon(struct durable *d);

/* Waits until record seq is on disk; *size is the number of records in the log, as far as known. */
MUST_CHECK CK_RV durable_wait(struct durable *d, uint64_t seq, const _Atomic uint64_t *size);

#endif
