/*
 * The log's writer: events in, one gapless sequence for all processes of a vault home, a Merkle
 * tree (RFC 6962) over it, signed checkpoints (C2SP tlog-checkpoint, signed-note, tlog-tiles).
 *
 * Promise: when trail_append() returned CKR_OK the record is in the kernel (it survives kill -9 of
 * every process of the home); when it did not, no record was added and the caller must not release
 * its result. Never blocks longer than TRAIL_DEADLINE_MS. A deleted, replaced or cut log is
 * refused, not continued.
 *
 * This room sees no key: signatures are asked for through struct trail_signer.
 */
#ifndef KEYWARD_AUDIT_TRAIL_H
#define KEYWARD_AUDIT_TRAIL_H

#include "audit/event.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stdint.h>

#define TRAIL_DEADLINE_MS 100
/* At least so often while it is written to, the log is held against its files: who deletes,
 * replaces or cuts them loses the records behind and is found out by the next append after it. */
#define TRAIL_CHECK_US 250

struct trail;

/* Ed25519 by whoever holds the key. sign is called from trail_create() and trail_checkpoint() only,
 * without the lock of appends. */
struct trail_signer {
    CK_RV (*sign)(void *ctx, struct bytes message, uint8_t ret_signature[static 64]);
    void *ctx;
    uint8_t public_key[32];
};

/*
 * Marks in the HSM, where a copy of the disk does not reach (anchor.h): an object of no other use,
 * named by its id. put makes one that stays, drop is CKR_OK too when it was gone. Called without
 * the lock of appends.
 */
#define TRAIL_MARK_LEN 16
struct trail_marks {
    CK_RV (*put)(void *ctx, const uint8_t id[static TRAIL_MARK_LEN]);
    CK_RV (*find)(void *ctx, const uint8_t id[static TRAIL_MARK_LEN], bool *ret_found);
    CK_RV (*drop)(void *ctx, const uint8_t id[static TRAIL_MARK_LEN]);
    void *ctx;
};

struct trail_config {
    const char *dir;    /* $KEYWARD_HOME/log; copied */
    const char *origin; /* checkpoint's first line and key name; copied */
    struct trail_signer signer;
    struct trail_marks marks;
    const struct clock *clock;  /* borrowed */
    unsigned interval_ms;       /* between checkpoints; 0: 1,000 */
    unsigned anchor_interval_s; /* between anchors; 0: 300 */
    bool anchor_at_end;         /* and by trail_end() */
};

/* Makes an empty log with a checkpoint of size 0. CKR_ACTION_PROHIBITED when one is already there.
 */
MUST_CHECK CK_RV trail_create(const struct trail_config *config);

/* Opens for appending: recovers what a killed writer left (a torn record is cut, a whole one kept),
 * refuses a log that does not continue its checkpoint. A log that is behind its anchor is opened,
 * but nothing is appended to it: see trail_lost(). */
MUST_CHECK CK_RV trail_open(const struct trail_config *config, struct trail **ret);
/* No checkpoint is made: call trail_checkpoint() first where one is wanted. NULL is fine. */
void trail_close(struct trail *trail);
/* In a child after fork: frees without touching locks or files of the parent. */
void trail_abandon(struct trail *trail);

/*
 * Appends one event; sequence and time are filled in here. ret_seq may be NULL. With event->durable
 * it is on disk too; waiting for the disk is not bounded by TRAIL_DEADLINE_MS, and holds up nobody
 * else: one wait for the disk serves all records that came before it began. When the disk refuses,
 * the record stays where it is: the log then says more than was done, never less.
 */
MUST_CHECK CK_RV trail_append(struct trail *trail, const struct event *event, uint64_t *ret_seq);

/*
 * The time of the newest record of any process, ns since 1970; 0 in an empty log. Times in the log
 * never go back: a record made while the clock is behind it bears the newest time again. No system
 * call.
 */
int64_t trail_newest(struct trail *trail);
/* The clock is right, the log's times are what is wrong: the next record bears the clock's time,
 * though it is before that of the one before. */
MUST_CHECK CK_RV trail_accept_clock(struct trail *trail);

/* True when a checkpoint is due (interval over since the last attempt, and unsigned records known
 * here). No system call. */
bool trail_checkpoint_due(struct trail *trail);
/*
 * Builds tiles and signs a checkpoint over everything appended by any process. Does nothing when
 * nothing is new, or when another thread or process is at it. Never signs what does not continue
 * the checkpoint that is there.
 */
MUST_CHECK CK_RV trail_checkpoint(struct trail *trail);

/* The last checkpoint of a process that ends, and the anchor of it where the configuration says so.
 */
MUST_CHECK CK_RV trail_end(struct trail *trail);

/*
 * True when the log is behind its anchor, as far as known: every append is refused with this
 * reason, but those of events that accept the loss. It is looked at again by an append a second
 * later, so service is back by itself when the newest log is.
 */
bool trail_lost(struct trail *trail, char ret_reason[static FAIL_REASON_MAX]);
/* What is missing is gone for good: an anchor is set for the log as it is. */
MUST_CHECK CK_RV trail_accept_loss(struct trail *trail);
/* What the anchor says; size 0 where there is none. */
MUST_CHECK CK_RV trail_anchor(struct trail *trail, uint64_t *ret_size, uint8_t ret_root[static 32]);

struct trail_status {
    uint64_t size;                    /* records in the log */
    uint64_t signed_size;             /* covered by the last checkpoint */
    char last_error[FAIL_REASON_MAX]; /* of the last refused append in this process, "" */
};
MUST_CHECK CK_RV trail_status(struct trail *trail, struct trail_status *ret);

#include "base/scope.h"
SCOPE_DEFINE(struct trail, trail_close)

#endif
