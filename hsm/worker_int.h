/*
 * The side of the HSM's library: one device, shared by the threads of the lanes. It runs in
 * keyward-hsm, or with isolation none in the host. Only files named worker*.c and pool_inside.c
 * include this.
 *
 * Locks, in the order they are taken: device.mutex, then the home's login lock (a file), and apart
 * from both device.keys_mutex.
 */
#ifndef KEYWARD_HSM_WORKER_INT_H
#define KEYWARD_HSM_WORKER_INT_H

#include "base/secret.h"
#include "hsm/channel.h"
#include "hsm/classes.h"
#include "hsm/local.h"
#include "hsm/wire.h"

#include <pthread.h>
#include <stdatomic.h>

#define KEY_CACHE_SLOTS 1024

struct key_entry {
    uint8_t id[HSM_ID_LEN];
    CK_OBJECT_CLASS class;
    CK_OBJECT_HANDLE handle; /* CK_INVALID_HANDLE: empty */
};

struct device {
    CK_FUNCTION_LIST *p11;
    bool initialized; /* by us: not where the host uses the same library */
    CK_SLOT_ID slot;
    struct local *local;          /* borrowed */
    char *texts[WIRE_TEXT_COUNT]; /* the configuration; NULL where none was given */
    uint64_t deadline_ms;
    CK_TOKEN_INFO token;

    pthread_mutex_t mutex; /* guards keeper, and makes logins one at a time */
    CK_SESSION_HANDLE
    keeper; /* holds the login, owns session keys; open as long as the worker lives */
    atomic_uint_fast64_t relogins;
    atomic_bool pin_refused; /* never goes back to false */

    char **environment;     /* what was lent to SoftHSM's C_Initialize, or NULL */
    char *softhsm_variable; /* in it */

    pthread_mutex_t keys_mutex; /* guards keys */
    struct key_entry keys[KEY_CACHE_SLOTS];
};

/* ---- worker_device.c: the library, the token, its sessions ---- */
/* d: zeroed. */
CK_RV device_init(struct device *d, const struct wire_request *config, struct local *local);
/* Says good-bye to the HSM: a network HSM keeps sessions that were not closed. Also of one that
 * could not be opened. */
void device_release(struct device *d);
/* Its memory alone: in a forked child, where the library is the parent's. */
void device_release_memory(struct device *d);
CK_RV device_load(struct device *d);
/* Loads, finds the token and logs in, all under the home's login lock. */
CK_RV device_open(struct device *d, struct wire_about *ret);
CK_RV device_find_token(struct device *d);
CK_RV device_session(struct device *d, CK_SESSION_HANDLE *ret);
/* CKR_OK: it lives. CKR_SESSION_HANDLE_INVALID: only the session is gone. Anything else: lost. */
CK_RV device_probe(struct device *d, CK_SESSION_HANDLE session);
CK_RV device_self_test(struct device *d, CK_SESSION_HANDLE session);
CK_RV device_random(struct device *d, CK_SESSION_HANDLE session, size_t len, struct buf *out);
/* A reason with the name of the HSM's answer in it; returns rv. */
CK_RV device_fail(const char *function, CK_RV rv);

/* ---- worker_login.c: PIN, lock, login ---- */
/* The lock that all processes of this home share. ret_lock is closed to give it back. */
CK_RV login_lock(const struct device *d, int *ret_lock);
/* With the lock held: C_Login on session, and the refreshed copy of a SoftHSM token's metadata. */
CK_RV login_now(struct device *d, CK_SESSION_HANDLE session);
/* Repairs a lost login, at most one thread at a time; CKR_OK also when another thread already did.
 */
CK_RV login_again(struct device *d);
/* Reads a PIN from a file that only its owner can read, or from a p11-kit PIN source. */
CK_RV pin_read(const char *source, struct secret **ret);

/* ---- worker_softhsm.c: the care of a SoftHSM token of our own ---- */
/* With the lock held. Puts back every token.object that was cut short. */
CK_RV softhsm_mend(const struct device *d);
/* With the lock held, after a good login: renews the copy. */
CK_RV softhsm_keep(const struct device *d);
CK_RV softhsm_create(struct device *d);
/* C_Initialize, for which SoftHSM finds its configuration. */
CK_RV softhsm_initialize(struct device *d, CK_C_INITIALIZE_ARGS *args);

/* ---- worker_keys.c ---- */
CK_RV resident_find(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key *key,
                    CK_OBJECT_HANDLE *ret);
void resident_forget(struct device *d, const struct hsm_key *key);
void resident_forget_all(struct device *d);
CK_RV resident_generate(struct device *d, CK_SESSION_HANDLE session,
                        const struct hsm_key_spec *spec, struct buf *out);
/* After doubt: the whole key's public half, or CKR_KEY_HANDLE_INVALID once its remains are gone. */
CK_RV resident_recover(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key_spec *spec,
                       struct buf *out);
CK_RV resident_destroy(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key *key);

/* ---- worker_import.c ---- */
/* What stood under the id before is destroyed, so it may be done again after doubt. */
CK_RV resident_import(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key_spec *spec,
                      struct bytes material, struct bytes spki);

/* ---- worker_lane.c ---- */
struct lane {
    struct device *device;
    CK_SESSION_HANDLE session; /* CK_INVALID_HANDLE: opened at the next request */
    bool active;               /* an operation in parts is under way */
    enum hsm_use use;
    size_t fed;       /* bytes the operation in parts has been given */
    unsigned attempt; /* of the present request, from 0 */
    struct buf out;
    size_t given; /* bytes of out that have been answered */
};
void lane_init(struct lane *l, struct device *d);
/* Closes its session. */
void lane_release(struct lane *l);
/* One request, its result in l->out. ret: WIRE_TROUBLE_NONE beforehand. */
CK_RV lane_serve(struct lane *l, const struct wire_request *q, enum wire_trouble *ret);
/* Wipes what a request left in a buffer, and gives back one that has become large. */
void lane_forget(struct buf *b);

/* ---- worker_use.c: what keys do ---- */
CK_RV use_run(struct lane *l, const struct wire_request *q);
/* What is asked for, by this mechanism of the HSM. */
CK_RV use_run_with(struct lane *l, const struct wire_request *q, CK_MECHANISM *mechanism);
CK_RV use_begin(struct lane *l, const struct wire_request *q);
CK_RV use_update(struct lane *l, const struct wire_request *q);
CK_RV use_final(struct lane *l, const struct wire_request *q);
void lane_drop_session(struct lane *l);

/* ---- worker_derive.c ---- */
/* The other party's point is checked against the key's curve first. */
CK_RV derive_agree(struct lane *l, const struct wire_request *q);
CK_RV derive_check_value(struct lane *l, const struct wire_request *q);

/* ---- worker_rsa.c: with paddings of our own where the HSM has none ---- */
CK_RV rsa_run(struct lane *l, const struct wire_request *q);

/* ---- worker_pss.c ---- */
/* The number of the modulus' length that is signed for this digest, with a new salt. */
CK_RV pss_encode(struct local *local, const CK_RSA_PKCS_PSS_PARAMS *params, struct bytes digest,
                 struct bytes modulus, struct buf *out);

/* ---- worker_oaep.c ---- */
/*
 * Undoes OAEP over a raw RSA result of the modulus' length, in constant time. Any fault of the
 * padding is CKR_ENCRYPTED_DATA_INVALID.
 */
CK_RV oaep_decode(struct local *local, const CK_RSA_PKCS_OAEP_PARAMS *params, struct bytes block,
                  struct buf *out);

#endif
