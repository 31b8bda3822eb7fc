/*
 * A log in a temporary folder for tests: a signer with an Ed25519 key of its own (the fake of the
 * HSM's), its verifier key, and the few things tests do to a log's files.
 */
#ifndef KEYWARD_TESTS_SUPPORT_LOGBOX_H
#define KEYWARD_TESTS_SUPPORT_LOGBOX_H

#include "audit/trail.h"
#include "audit/verify.h"

#include <stdint.h>

#define LOGBOX_ORIGIN "keyward.example/log"

#define LOGBOX_DIED 77 /* its exit status then */

struct logbox {
    char root[64]; /* temporary folder, removed by logbox_release */
    char dir[80];  /* the log, root/log */
    uint8_t seed[32];
    struct trail_config config;
    char vkey[VERIFY_KEY_MAX];
    unsigned signatures; /* how often sign was asked */
    CK_RV sign_answer;   /* what sign returns when not CKR_OK */
    CK_RV mark_answer;   /* what marks return when they are to be put or dropped */
    unsigned marks_put;
    unsigned die_at; /* the how manieth moment before or after a change of marks ends the process */
};

/* A folder and a signer; no log yet. `box` must not move. seed_byte makes another key. */
void logbox_init(struct logbox *box, uint8_t seed_byte);
void logbox_release(struct logbox *box);
/* init, trail_create, trail_open; asserts. */
struct trail *logbox_start(struct logbox *box);
/* Opens the log once more; asserts. */
struct trail *logbox_open(struct logbox *box);

/* A plain event: C_Sign by alice; object names it. */
struct event logbox_event(const char *object);
/* Appends n of them; asserts success. */
void logbox_append(struct trail *trail, unsigned n);

/* Waits until the next append holds the log against its files: harm that was done before is seen
 * by it. */
void logbox_settle(void);

/* Marks in the device, which is a folder beside the log. */
unsigned logbox_marks(const struct logbox *box);
/* Copies the log's folder aside, and puts such a copy in its place; the device stays as it is. */
void logbox_save(const struct logbox *box, const char *name);
void logbox_restore(const struct logbox *box, const char *name);

/* verify_log with the box's key; asserts that a report was made. */
struct verify_report logbox_verify(const struct logbox *box);

/* Whole file of the log, malloced, with a NUL behind; asserts. */
uint8_t *logbox_read(const struct logbox *box, const char *path, size_t *ret_len);
/* Overwrites in place (same inode); asserts. */
void logbox_write(const struct logbox *box, const char *path, const void *data, size_t len);
/* A path of the log, absolute, in a static buffer. */
const char *logbox_path(const struct logbox *box, const char *path);

#endif
