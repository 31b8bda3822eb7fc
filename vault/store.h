/*
 * The store: one SQLite file a home, records sealed at rest. What is on disk: random ids, keyed
 * hashes, sealed records, wrapped keys. No label, user name, policy text or attribute can be read
 * from it.
 *
 * Keys. The home has a KEK in the HSM (AES-256, generated there, never leaves); it wraps the home's
 * data key (vault index, home policy). Every vault has a KEK of its own in the HSM; it wraps the
 * vault's data key. From a data key are derived (HKDF, by label): the sealing key, the lookup key,
 * the fence key, and from the home's every vault's key for digests in the log. Data keys are
 * unwrapped on first use and live in struct secret.
 *
 * Records are DER (vault/keyward.asn, libtasn1) sealed with AES-256-GCM; associated data = kind |
 * vault | object | version | generation and the lookup columns, so rows cannot be edited, swapped
 * or moved. An older row put back still opens: the fences (vault/fence.c), MACs over all
 * generations up to one top, find that out. A whole older file passes; the log's anchor finds it.
 *
 * Processes. Rollback journal (never WAL), synchronous=FULL, BEGIN IMMEDIATE for writes, busy
 * time-out 5 s. One connection a process, under the store's lock: all functions may be called from
 * several threads. After fork: store_abandon() in the child.
 */
#ifndef KEYWARD_VAULT_STORE_H
#define KEYWARD_VAULT_STORE_H

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fail.h"
#include "hsm/hsm.h"
#include "hsm/local.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct store_config {
    const char *path;     /* $KEYWARD_HOME/store.db; copied */
    const char *lock_dir; /* folder for login locks, 0700; copied */
    struct hsm *hsm;      /* outlives the store */
    struct local *local;  /* outlives the store */
    const struct clock *clock;
};

/* Makes the file (0600), the home KEK in the HSM and the wrapped home data key, and opens it.
 * CKR_ACTION_PROHIBITED when the file is there. On failure nothing is left behind, on the disk or
 * in the HSM. */
MUST_CHECK CK_RV store_create(const struct store_config *config, struct store **ret);
/* Opens and unwraps the home's data key. Wrong KEK, foreign HSM, damaged or newer file:
 * CKR_DEVICE_ERROR with a reason. */
MUST_CHECK CK_RV store_open(const struct store_config *config, struct store **ret);
void store_close(struct store *store);
/* Closes, and destroys in the HSM what store_create() made there: the file is unreadable from then
 * on. For a home that could not be finished; nobody else uses the store. NULL is fine. */
void store_unmake(struct store *store);
void store_abandon(struct store *store);
/*
 * Around a fork: waits until no thread is inside and lets none in. What SQLite knows of its locks
 * is the process's, not the store's: a child forked in the middle of a call would believe for ever
 * that it holds them. store_go_on() after it, in parent and child, by the thread that forked.
 */
void store_stand_still(struct store *store);
void store_go_on(struct store *store);

/*
 * A number that only grows, and grows whenever any process committed anything: what was read from
 * the store after it was asked for is still what the store holds as long as it is the same. Under a
 * microsecond, and without the store's lock. Non-zero.
 */
MUST_CHECK CK_RV store_generation(struct store *store, uint64_t *ret);

/* The file's own mark, the same in every process: what was read between two looks that give one
 * mark is what the store holds as long as it has that mark. Marks have no order. */
MUST_CHECK CK_RV store_mark(struct store *store, uint64_t *ret);

/* PRAGMA integrity_check, every fence and every record unsealed once: for doctor. CKR_OK and a
 * count, or a reason that names the table and row. */
MUST_CHECK CK_RV store_check(struct store *store, uint64_t *ret_records);

/* A small named value under the home's key ("policy" is the home policy, "log-key" the log's public
 * key and HSM id). Absent: CKR_OK and an empty value. Names are compile-time words of ours. */
MUST_CHECK CK_RV store_get_home(struct store *store, const char *name, struct buf *ret);
MUST_CHECK CK_RV store_set_home(struct store *store, const char *name, struct bytes value);

#include "base/scope.h"
SCOPE_DEFINE(struct store, store_close)

#endif
