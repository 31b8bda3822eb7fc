/*
 * Signed notes and checkpoints as text (C2SP signed-note and tlog-checkpoint): keys, making,
 * opening. A checkpoint is
 *
 *   <origin>\n<size>\n<base64 root>\n\n— <name> <base64(key id | signature)>\n
 */
#ifndef KEYWARD_AUDIT_NOTE_H
#define KEYWARD_AUDIT_NOTE_H

#include "audit/hash.h"

#define NOTE_NAME_MAX 160 /* NUL included */
#define NOTE_MAX      65536
#define NOTE_KEY_MAX  256

struct note_key {
    char name[NOTE_NAME_MAX]; /* of the key, and the checkpoint's origin */
    uint8_t id[4];
    uint8_t key[32]; /* Ed25519, public */
};

/* CKR_ARGUMENTS_BAD for a name that is empty, too long, or holds other than printable ASCII, spaces
 * or plus. */
MUST_CHECK CK_RV note_key_make(struct hash *h, const char *name, const uint8_t key[static 32],
                               struct note_key *ret);
/* From and to verifier key text, <name>+<id>+<base64(0x01 | key)>. */
MUST_CHECK CK_RV note_key_parse(struct hash *h, const char *text, struct note_key *ret);
void note_key_print(const struct note_key *key, char ret[static NOTE_KEY_MAX]);

struct checkpoint {
    uint64_t size;
    uint8_t root[HASH_LEN];
};

/* Appends the text that is signed. */
void checkpoint_print(const struct checkpoint *c, const char *origin, struct buf *out);
/* Appends the blank line and the signature line behind that text. */
void note_add_signature(const struct note_key *key, const uint8_t signature[static 64],
                        struct buf *out);
/*
 * Takes a note apart. CKR_DATA_INVALID with a reason when it is no checkpoint of this origin, or
 * not signed by this key: a signature line of the key that does not verify refuses the note, lines
 * of other keys are ignored.
 */
MUST_CHECK CK_RV checkpoint_open(struct hash *h, const struct note_key *key, struct bytes note,
                                 struct checkpoint *ret);

#endif
