/* What trail.c and checkpoint.c share: the writer's state. Nobody else includes this. */
#ifndef KEYWARD_AUDIT_TRAIL_INT_H
#define KEYWARD_AUDIT_TRAIL_INT_H

#include "audit/durable.h"
#include "audit/edge.h"
#include "audit/journal.h"
#include "audit/note.h"
#include "audit/trail.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define TRAIL_NOTE_MAX 4096

/* Locks, in the order they are taken: building, PATH_BUILD_LOCK, the journal's turn. Those of
 * `durable` and telling are innermost. */
struct trail {
    char *dir; /* absolute */
    int folder;
    struct stat folder_id;
    struct trail_signer signer;
    struct trail_marks marks;
    const struct clock *clock;
    int64_t interval_ns;
    unsigned anchor_interval_s;
    bool anchor_at_end;

    struct journal journal; /* for whose turn it is */
    struct durable durable;

    pthread_mutex_t building; /* guards: */
    int build_lock;
    struct hash *hash;
    struct note_key key;
    struct edge *edge; /* of the tree that last was signed, when edge_good */
    bool edge_good;
    struct checkpoint last; /* the newest checkpoint seen */
    struct buf bundle;

    pthread_mutex_t telling; /* guards: */
    char last_error[FAIL_REASON_MAX];
    char lost_reason[FAIL_REASON_MAX];

    atomic_bool lost;             /* behind the anchor */
    _Atomic int64_t looked;       /* when that was looked at, monotonic ns */
    _Atomic uint64_t size;        /* as far as this process knows */
    _Atomic uint64_t signed_size; /* the same */
    _Atomic int64_t attempted;    /* when a checkpoint was last tried, monotonic ns */
};

/* Reads, verifies and continues from the checkpoint: never an older or another one than was seen
 * before. */
MUST_CHECK CK_RV checkpoint_load(struct trail *t, struct checkpoint *ret);
/* Signs c and replaces the checkpoint by it, durably. */
MUST_CHECK CK_RV checkpoint_store(struct trail *t, const struct checkpoint *c);
/* Loads the right edge of the tree that c signed, and makes sure that its root is c's. */
MUST_CHECK CK_RV checkpoint_load_edge(struct trail *t, const struct checkpoint *c);
/* The records of the unfinished bundle that are signed already must be those that were signed. */
MUST_CHECK CK_RV checkpoint_check_bundle(struct trail *t, const struct checkpoint *c);

/* ---- loss.c ---- */

/* The first anchor, of a log that is being made. */
MUST_CHECK CK_RV loss_start(struct trail *t, const struct checkpoint *c);
/* Finds out whether the log is behind its anchor; another code than CKR_OK: it could not be told.
 */
MUST_CHECK CK_RV loss_look(struct trail *t);
/* Refuses when it is: as last known, and as known a second ago at most. */
MUST_CHECK CK_RV loss_refuse(struct trail *t);
MUST_CHECK CK_RV loss_check(struct trail *t);
/* With `building` and PATH_BUILD_LOCK: anchors the newest checkpoint when it is time to. */
MUST_CHECK CK_RV loss_anchor(struct trail *t, bool at_end);

#endif
