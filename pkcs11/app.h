/*
 * One application instance: who it is, its sessions, its logins, its object handles. In-process
 * there is one (module.c); the server will have one a connection.
 *
 * Locks, in the order they are taken: session->lock (one call at a time in a session), then
 * app->lock (the tables), then the engine's own.
 */
#ifndef KEYWARD_PKCS11_APP_H
#define KEYWARD_PKCS11_APP_H

#include "pkcs11/engine.h"
#include "vault/object.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#define APP_ID_LEN       16 /* hex digits */
#define APP_SESSIONS_MAX 65536U
#define APP_GROUPS_MAX   64

struct operation;   /* pkcs11/operation.h */
struct message;     /* pkcs11/message.h */
struct search;      /* pkcs11/search.h */
struct gate_memory; /* pkcs11/gate.h */
struct saved_state; /* pkcs11/saved_state.h */

enum operation_kind {
    OPERATION_DIGEST,
    OPERATION_SIGN,
    OPERATION_VERIFY,
    OPERATION_VERIFY_SIGNATURE, /* 3.2: the signature comes first */
    OPERATION_ENCRYPT,
    OPERATION_DECRYPT,
    OPERATION_MESSAGE_SIGN, /* 3.0: one message of many */
    OPERATION_MESSAGE_VERIFY,
    OPERATION_MESSAGE_ENCRYPT,
    OPERATION_MESSAGE_DECRYPT,
    OPERATION_SIGN_RECOVER,
    OPERATION_VERIFY_RECOVER, /* the data comes out of the signature */
    OPERATION_WRAP,           /* within one call: never in progress in a session */
    OPERATION_UNWRAP,
    OPERATION_DERIVE,
    OPERATION_ENCAPSULATE,
    OPERATION_DECAPSULATE,
    OPERATION_KINDS
};

/* How it is known who acts. The last two are never kept: the gate finds them (gate_who.c). */
enum login_kind {
    LOGIN_NONE,        /* the Unix user */
    LOGIN_USER,        /* a user of the vault, by its PIN */
    LOGIN_SO,          /* the security officer, by its PIN */
    LOGIN_TOKEN,       /* whom a token of an issuer names */
    LOGIN_BOUND,       /* the user that the Unix user is bound to */
    LOGIN_BOUND_TOKEN, /* the user that a token's holder is bound to */
    LOGIN_KINDS
};

/* Login state of one slot: PKCS#11 shares it between all sessions of an application with that
 * token. */
struct login {
    CK_SLOT_ID slot;
    enum login_kind kind;
    char name[PRINCIPAL_MAX + 1];        /* "so" for LOGIN_SO; issuer#subject for LOGIN_TOKEN */
    uint8_t identity[USER_IDENTITY_LEN]; /* the user's when its PIN was tried, or the issuer's: a
                                            login is of that one and not of the next of its name */
    int64_t expires;                     /* of a token, seconds since 1970; 0: never */
    uint64_t checked; /* the store's generation at which the user was last seen to exist */
};

struct session {
    CK_SESSION_HANDLE handle;
    CK_SLOT_ID slot;
    CK_FLAGS flags;            /* CKF_RW_SESSION | CKF_SERIAL_SESSION */
    CK_ULONG device_error;     /* number of the rule that refused last (from 1), 0: none */
    pthread_mutex_t lock;      /* held by the call that works in it */
    atomic_uint refs;          /* the table's and running calls'; grows under app->lock only */
    atomic_bool closed;        /* set under app->lock */
    struct vault_info vault;   /* of slot, at vault_generation; guarded by lock */
    uint64_t vault_generation; /* 0: not read */
    int64_t log_ns;            /* what its last record took to be written; guarded by lock */
    struct operation *operations[OPERATION_KINDS]; /* guarded by lock */
    struct message
        *messages[OPERATION_KINDS]; /* of the OPERATION_MESSAGE_ kinds; guarded by lock */
    struct search *search;          /* guarded by lock */
    struct gate_memory *memory;     /* guarded by lock; pkcs11/gate.h */
};

/* An object in use: decoded once, shared by count, never changed; but for a software key, which is
 * made ready at its first use (handles.h: held_key). */
struct held {
    struct object object;
    _Atomic(struct hsm_ready *) ready; /* owned; NULL: not used yet, or no software key */
    atomic_uint refs;
    CK_SESSION_HANDLE session; /* the session that owns a session object; 0: token object */
};

struct app {
    struct engine *engine; /* NULL where no home is configured: no slots */
    char id[APP_ID_LEN + 1];
    pid_t pid;
    uid_t uid;
    char *exe;
    char *unix_name;                   /* name of uid, or its number */
    char *unix_groups[APP_GROUPS_MAX]; /* names, sorted, NULL past the last */
    size_t unix_group_count;
    pthread_mutex_t lock; /* guards all below */
    struct session **sessions;
    size_t session_count, session_cap;
    CK_SESSION_HANDLE next_session;
    struct login *logins;
    size_t login_count;
    struct handles *handles;   /* pkcs11/handles.h */
    struct saved_state *saved; /* of digests, the youngest first; pkcs11/saved_state.h */
    size_t saved_count;
};

/* home NULL: an app without slots. */
MUST_CHECK CK_RV app_new(const char *home, const char *worker, struct app **ret);
void app_free(struct app *app);    /* sessions closed, engine freed */
void app_abandon(struct app *app); /* in a child after fork */

/* ---- sessions ---- */
MUST_CHECK CK_RV app_session_open(struct app *app, CK_SLOT_ID slot, CK_FLAGS flags,
                                  CK_SESSION_HANDLE *ret);
/* Finds and locks; CKR_SESSION_HANDLE_INVALID. Give back with app_session_leave(). */
MUST_CHECK CK_RV app_session_enter(struct app *app, CK_SESSION_HANDLE handle, struct session **ret);
void app_session_leave(struct session *session);
/* Closes: operations ended, session objects destroyed; the last session of a slot ends its login.
 */
MUST_CHECK CK_RV app_session_close(struct app *app, CK_SESSION_HANDLE handle);
void app_session_close_all(struct app *app, CK_SLOT_ID slot);
/* Sessions open with the slot; read-write ones only when rw. */
size_t app_session_count(struct app *app, CK_SLOT_ID slot, bool rw);

/* ---- logins ---- */
/* Is it one and the same who acts by both? */
bool login_same(const struct login *a, const struct login *b);
void app_login_get(struct app *app, CK_SLOT_ID slot,
                   struct login *ret); /* kind LOGIN_NONE when none */
/*
 * Logs in, where nobody is: CKR_USER_ALREADY_LOGGED_IN or CKR_USER_ANOTHER_ALREADY_LOGGED_IN
 * otherwise. session is the one it happens in, NULL: none; when it was closed meanwhile,
 * CKR_SESSION_CLOSED, so that no login outlives the last session.
 */
MUST_CHECK CK_RV app_login_begin(struct app *app, const struct session *session,
                                 const struct login *login);
void app_login_clear(struct app *app, CK_SLOT_ID slot);
/* Notes login->checked, or ends the login; both only while it is still this user's, so that what
 * was read before another thread logged out never brings the login back. */
void app_login_checked(struct app *app, const struct login *login);
void app_login_end(struct app *app, const struct login *login);

/* CKS_* of a session. */
CK_STATE app_session_state(struct app *app, const struct session *session);

#endif
