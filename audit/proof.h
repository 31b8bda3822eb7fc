/*
 * Merkle proofs out of a log folder's tiles (RFC 6962, sections 2.1.1 and 2.1.2), and the text of a
 * proof for one record (C2SP tlog-proof). Needs the verifier key and the folder, no other secret.
 */
#ifndef KEYWARD_AUDIT_PROOF_H
#define KEYWARD_AUDIT_PROOF_H

#include "audit/hash.h"
#include "audit/note.h"
#include "base/bytes.h"
#include "base/fail.h"

#include <stddef.h>
#include <stdint.h>

#define PROOF_HASHES_MAX 65 /* a tree of 2^64 leaves is 64 levels high */

#define PROOF_TEXT_MAX (NOTE_MAX + PROOF_HASHES_MAX * 46 + 64) /* bytes of its text */

struct proof {
    size_t count;
    uint8_t hashes[PROOF_HASHES_MAX][HASH_LEN]; /* in the standard's order */
};

/* That leaf `index` is in the tree of `size` leaves. CKR_ARGUMENTS_BAD when index >= size,
 * CKR_DEVICE_ERROR when a tile is missing. */
MUST_CHECK CK_RV proof_inclusion(int folder, struct hash *h, uint64_t index, uint64_t size,
                                 struct proof *ret);
/* That the tree of `size` leaves continues the one of `old`. CKR_ARGUMENTS_BAD when old is 0 or
 * more than size. */
MUST_CHECK CK_RV proof_consistency(int folder, struct hash *h, uint64_t old, uint64_t size,
                                   struct proof *ret);

/* The root that an inclusion proof leads to (RFC 9162, section 2.1.3.2). CKR_DATA_INVALID when it
 * has too few or too many hashes for such a tree. */
MUST_CHECK CK_RV proof_root(struct hash *h, const uint8_t leaf[static HASH_LEN], uint64_t index,
                            uint64_t size, const struct proof *proof, uint8_t ret[static HASH_LEN]);

/*
 * The proof of record seq under the folder's checkpoint as text, appended to out: it is whole by
 * itself and can be checked without the log. record, where not NULL, gets the record's bytes, which
 * the proof is about. CKR_ARGUMENTS_BAD when the checkpoint does not cover the record (yet);
 * CKR_DATA_INVALID when the folder does not hold together: nothing is proven then.
 */
MUST_CHECK CK_RV proof_record(const char *dir, const char *verifier_key, uint64_t seq,
                              struct buf *out, struct buf *record);

#endif
