/*
 * The anchor: how far the log was, kept where a copy of the disk does not reach. The file 'anchor'
 * says size and root of a checkpoint; the HSM holds a mark (an object) whose id is a digest of that
 * file. There is one mark at a time: a newer anchor takes the older one's away. So a folder that is
 * put back to an older state brings an anchor without a mark, and a newer anchor beside an older
 * log says that records are missing.
 *
 * Setting a new one, so that a kill at any point leaves the old one or the new one in force:
 *   1. 'anchor.next' is written, durably
 *   2. its mark is put into the HSM
 *   3. the mark of 'anchor' is taken out
 *   4. 'anchor.next' becomes 'anchor'
 * Whoever finds 'anchor.next' ends what was begun: with its mark in the HSM by steps 3 and 4, else
 * by removing it. All but reading is for whoever holds PATH_BUILD_LOCK.
 */
#ifndef KEYWARD_AUDIT_ANCHOR_H
#define KEYWARD_AUDIT_ANCHOR_H

#include "audit/hash.h"
#include "audit/note.h"
#include "audit/trail.h"

#include <stdbool.h>
#include <stdint.h>

#define ANCHOR_NONCE_LEN 16

struct anchor {
    uint64_t number; /* counts up */
    uint64_t size;
    uint8_t root[HASH_LEN];
    int64_t time; /* when it was set, s since 1970 */
    uint8_t nonce[ANCHOR_NONCE_LEN];
};

/* Where it is kept; everything is borrowed. */
struct anchor_place {
    int folder;
    const char *origin;
    struct hash *hash;
    const struct trail_marks *marks;
};

/* *ret_found is false where there is no anchor of this log that can be read. */
MUST_CHECK CK_RV anchor_read(const struct anchor_place *p, struct anchor *ret, bool *ret_found);
/* Does the HSM hold its mark? */
MUST_CHECK CK_RV anchor_marked(const struct anchor_place *p, const struct anchor *a,
                               bool *ret_marked);
/* Was a change begun that did not end? */
bool anchor_interrupted(const struct anchor_place *p);
/* Ends it, if so. */
MUST_CHECK CK_RV anchor_finish(const struct anchor_place *p);
/* Sets one for c in the place of old; old NULL: there is none that is known. */
MUST_CHECK CK_RV anchor_set(const struct anchor_place *p, const struct anchor *old,
                            const struct checkpoint *c, int64_t now_s);

#endif
