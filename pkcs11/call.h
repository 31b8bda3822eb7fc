/*
 * The call table and the one shape of every entry point:
 *
 *   struct run run;
 *   CK_RV rv = call_enter(&run, CALL_SIGN, session);
 *   if (rv == CKR_OK)
 *       rv = sign(&run, ...);
 *   return call_leave(&run, rv);
 *
 * enter: application alive, same process, engine awake, session or slot there, session locked.
 * leave: the record is written, then the results are copied to the caller, then everything is let
 * go. What has no row cannot be called.
 */
#ifndef KEYWARD_PKCS11_CALL_H
#define KEYWARD_PKCS11_CALL_H

#include "pkcs11/app.h"
#include "pkcs11/gate.h"
#include "pkcs11/permissions.h"

/* One name a row of call.c's table, in the standard's order. */
enum call_id {
    CALL_GET_INFO,
    CALL_GET_SLOT_LIST,
    CALL_GET_SLOT_INFO,
    CALL_GET_TOKEN_INFO,
    CALL_GET_MECHANISM_LIST,
    CALL_GET_MECHANISM_INFO,
    CALL_INIT_TOKEN,
    CALL_INIT_PIN,
    CALL_SET_PIN,
    CALL_OPEN_SESSION,
    CALL_CLOSE_SESSION,
    CALL_CLOSE_ALL_SESSIONS,
    CALL_GET_SESSION_INFO,
    CALL_GET_OPERATION_STATE,
    CALL_SET_OPERATION_STATE,
    CALL_LOGIN,
    CALL_LOGOUT,
    CALL_CREATE_OBJECT,
    CALL_COPY_OBJECT,
    CALL_DESTROY_OBJECT,
    CALL_GET_OBJECT_SIZE,
    CALL_GET_ATTRIBUTE_VALUE,
    CALL_SET_ATTRIBUTE_VALUE,
    CALL_FIND_OBJECTS_INIT,
    CALL_FIND_OBJECTS,
    CALL_FIND_OBJECTS_FINAL,
    CALL_ENCRYPT_INIT,
    CALL_ENCRYPT,
    CALL_ENCRYPT_UPDATE,
    CALL_ENCRYPT_FINAL,
    CALL_DECRYPT_INIT,
    CALL_DECRYPT,
    CALL_DECRYPT_UPDATE,
    CALL_DECRYPT_FINAL,
    CALL_DIGEST_INIT,
    CALL_DIGEST,
    CALL_DIGEST_UPDATE,
    CALL_DIGEST_KEY,
    CALL_DIGEST_FINAL,
    CALL_SIGN_INIT,
    CALL_SIGN,
    CALL_SIGN_UPDATE,
    CALL_SIGN_FINAL,
    CALL_VERIFY_INIT,
    CALL_VERIFY,
    CALL_VERIFY_UPDATE,
    CALL_VERIFY_FINAL,
    CALL_SIGN_RECOVER_INIT,
    CALL_SIGN_RECOVER,
    CALL_VERIFY_RECOVER_INIT,
    CALL_VERIFY_RECOVER,
    CALL_DIGEST_ENCRYPT_UPDATE,
    CALL_DECRYPT_DIGEST_UPDATE,
    CALL_SIGN_ENCRYPT_UPDATE,
    CALL_DECRYPT_VERIFY_UPDATE,
    CALL_GENERATE_KEY,
    CALL_GENERATE_KEY_PAIR,
    CALL_WRAP_KEY,
    CALL_UNWRAP_KEY,
    CALL_DERIVE_KEY,
    CALL_SEED_RANDOM,
    CALL_GENERATE_RANDOM,
    CALL_GET_FUNCTION_STATUS,
    CALL_CANCEL_FUNCTION,
    CALL_WAIT_FOR_SLOT_EVENT,
    CALL_LOGIN_USER,
    CALL_SESSION_CANCEL,
    CALL_MESSAGE_ENCRYPT_INIT,
    CALL_ENCRYPT_MESSAGE,
    CALL_ENCRYPT_MESSAGE_BEGIN,
    CALL_ENCRYPT_MESSAGE_NEXT,
    CALL_MESSAGE_ENCRYPT_FINAL,
    CALL_MESSAGE_DECRYPT_INIT,
    CALL_DECRYPT_MESSAGE,
    CALL_DECRYPT_MESSAGE_BEGIN,
    CALL_DECRYPT_MESSAGE_NEXT,
    CALL_MESSAGE_DECRYPT_FINAL,
    CALL_MESSAGE_SIGN_INIT,
    CALL_SIGN_MESSAGE,
    CALL_SIGN_MESSAGE_BEGIN,
    CALL_SIGN_MESSAGE_NEXT,
    CALL_MESSAGE_SIGN_FINAL,
    CALL_MESSAGE_VERIFY_INIT,
    CALL_VERIFY_MESSAGE,
    CALL_VERIFY_MESSAGE_BEGIN,
    CALL_VERIFY_MESSAGE_NEXT,
    CALL_MESSAGE_VERIFY_FINAL,
    CALL_VERIFY_SIGNATURE_INIT,
    CALL_VERIFY_SIGNATURE,
    CALL_VERIFY_SIGNATURE_UPDATE,
    CALL_VERIFY_SIGNATURE_FINAL,
    CALL_WRAP_KEY_AUTHENTICATED,
    CALL_UNWRAP_KEY_AUTHENTICATED,
    CALL_ENCAPSULATE_KEY,
    CALL_DECAPSULATE_KEY,
    CALL_GET_SESSION_VALIDATION_FLAGS,
    CALL_ADMIN, /* a verb of the vendor interface: run.verb names it */
    CALL_COUNT
};

enum call_needs {
    CALL_NEEDS_APP = 0,  /* C_Initialize was called in this process */
    CALL_NEEDS_HOME = 1, /* and a home is configured, its engine awake */
    CALL_NEEDS_SLOT,     /* the argument is a slot id: run->vault is its vault */
    CALL_NEEDS_SESSION,  /* the argument is a session handle: run->session is locked, run->vault its
                            vault */
};

struct call {
    const char *name; /* "C_SignInit" */
    enum call_needs needs;
};

#define RUN_OUTPUTS_MAX 8

/* A result waiting for its record. */
struct run_output {
    CK_BYTE_PTR dest;      /* where the caller wants the bytes, NULL: none */
    CK_ULONG_PTR dest_len; /* set to the bytes' length, NULL: fixed size */
    struct buf bytes;      /* owned; wiped after the copy */
};

struct run {
    const struct call *call;
    const char *verb;             /* CALL_ADMIN */
    struct permission permission; /* what it may ask the gate for */
    struct app *app;              /* NULL until entered */
    struct session *session;      /* CALL_NEEDS_SESSION */
    bool has_vault;
    struct vault_info vault;
    bool iv_made;    /* the IV of this call's message was not the caller's: generated */
    int64_t started; /* monotonic */
    struct spent spent;
    uint64_t generation; /* run_generation()'s answer; 0: not asked yet */
    struct gate gate;
    struct run_output outputs[RUN_OUTPUTS_MAX];
    size_t output_count;
};

const struct call *call_at(enum call_id id); /* its row */
MUST_CHECK CK_RV call_enter(struct run *run, enum call_id id, CK_ULONG session_or_slot);
CK_RV call_leave(struct run *run, CK_RV rv);

/*
 * A result: copied to dest, and its length to *dest_len, once the record is in the log and only
 * when the call ends with CKR_OK. Takes the buffer's storage. The caller has checked that dest has
 * room.
 */
void run_output(struct run *run, CK_BYTE_PTR dest, CK_ULONG_PTR dest_len, struct buf *bytes);
MUST_CHECK CK_RV run_output_handle(struct run *run, CK_OBJECT_HANDLE_PTR dest,
                                   CK_OBJECT_HANDLE handle);

/*
 * The store's generation as this call found it: asked once, so that a call is about one state of
 * the store, no older than the call. A call that has begun to change something, and a verb, asks
 * each time.
 */
MUST_CHECK CK_RV run_generation(struct run *run, uint64_t *ret);

/* CKR_SESSION_READ_ONLY in a read-only session. */
MUST_CHECK CK_RV run_ensure_read_write(const struct run *run);

/* The standard's text fields: text padded with blanks to size, no NUL. */
void run_pad(CK_UTF8CHAR *field, size_t size, const char *text);

/* Shorthands for what every chapter reaches for. */
static inline struct local *run_local(const struct run *run)
{
    return engine_local(run->app->engine);
}
static inline struct hsm *run_hsm(const struct run *run)
{
    return engine_hsm(run->app->engine);
}
/* The device that a private or secret key is on, or is used with. */
static inline struct hsm *run_device(const struct run *run, const struct object *object)
{
    return engine_device(run->app->engine, object->protection);
}
static inline int64_t run_now(const struct run *run)
{
    return clock_monotonic(engine_clock(run->app->engine));
}
/* The object's device has worked since began (run_now()): the record tells. */
static inline void run_device_took(struct run *run, const struct object *object, int64_t began)
{
    int64_t *spent = object->protection == PROTECTION_HSM ? &run->spent.hsm : &run->spent.software;

    *spent += run_now(run) - began;
}
static inline struct store *run_store(const struct run *run)
{
    return engine_store(run->app->engine);
}

#endif
