/*
 * Reading and verifying a log folder: needs the verifier key, no other secret, and none of the
 * writer's code paths.
 */
#ifndef KEYWARD_AUDIT_VERIFY_H
#define KEYWARD_AUDIT_VERIFY_H

#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stdint.h>

/* Signed-note verifier key text: <origin>+<hash>+<base64>. */
#define VERIFY_KEY_MAX 256
MUST_CHECK CK_RV verify_key_text(const char *origin, const uint8_t public_key[static 32],
                                 char ret[static VERIFY_KEY_MAX]);

struct verify_report {
    uint64_t size;          /* size of the signed checkpoint */
    uint64_t unsigned_tail; /* whole records behind it, not yet covered by a checkpoint; a torn last
                               one is not counted */
    uint8_t root[32];
    bool ok;
    bool has_bad_seq;
    uint64_t bad_seq;              /* the first bad record, where one can be named */
    char problem[FAIL_REASON_MAX]; /* "" when ok; else one line: what, where, what it means */
};

/*
 * Verifies everything: note signature by the key, every entry bundle against the tree's root, tiles
 * against entries, sequence numbers without gap, the tail's records whole and consecutive. CKR_OK
 * means the report was made (read report->ok); another code that the folder could not be read.
 */
MUST_CHECK CK_RV verify_log(const char *dir, const char *verifier_key, struct verify_report *ret);
/* And that the log continues the one that `against` signed, an older checkpoint of it that was kept
 * elsewhere. CKR_ARGUMENTS_BAD when that is no checkpoint of this log. */
MUST_CHECK CK_RV verify_log_against(const char *dir, const char *verifier_key, struct bytes against,
                                    struct verify_report *ret);
/* And that it continues the one that the HSM's anchor speaks of (trail_anchor()); size 0: none. */
struct verify_anchor {
    uint64_t size;
    uint8_t root[32];
};
MUST_CHECK CK_RV verify_log_anchored(const char *dir, const char *verifier_key,
                                     struct bytes against, const struct verify_anchor *anchor,
                                     struct verify_report *ret);

/*
 * Calls each for records from..(end of log, tail included), in order, with the record's JSON, until
 * it returns false. Records are read as they stand: verification is verify_log()'s.
 */
MUST_CHECK CK_RV verify_read(const char *dir, uint64_t from,
                             bool (*each)(void *ctx, uint64_t seq, struct bytes json), void *ctx);

#endif
