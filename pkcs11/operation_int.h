/*
 * What operation*.c and the chapters c_digest.c, c_sign.c, c_encrypt.c, c_dual.c share: the body of
 * an operation and the calls that move it. Nobody else includes this.
 *
 *   none   --C_*Init--> READY
 *   READY  --one-shot--> none          (operation_whole)
 *   READY  --Update--> PARTS           (operation_update)
 *   PARTS  --Update--> PARTS
 *   READY, PARTS --Final--> none       (operation_final)
 *   READY, PARTS --Final, buffer too small for what came out--> STAGED
 *   STAGED --Final--> none
 *
 * Every other call, and every failure but CKR_BUFFER_TOO_SMALL, ends the operation (PKCS#11 2.40,
 * 5.8 to 5.12). A question for the length (buffer NULL) and a buffer that is known beforehand to be
 * too small change nothing and leave no record.
 */
#ifndef KEYWARD_PKCS11_OPERATION_INT_H
#define KEYWARD_PKCS11_OPERATION_INT_H

#include "base/mech.h"
#include "pkcs11/call.h"
#include "pkcs11/handles.h"
#include "pkcs11/operation.h"

/* Most that is gathered: ciphertext before its tag was seen, data that cannot go in parts. */
#define OPERATION_GATHERED_MAX ((size_t)64 << 20)
/* Most data that a mechanism which works on one block gathers: more than any key signs. */
#define OPERATION_RAW_MAX 2048U
/* Most bytes of one call; beyond it a length is a mistake, and sums below cannot overflow. */
#define OPERATION_CALL_MAX ((size_t)1 << 40)

enum operation_stage { OPERATION_READY, OPERATION_PARTS, OPERATION_STAGED };

/* One row a kind of operation. */
struct operation_kind_row {
    const char *name;         /* in sentences: "sign" */
    enum operation_kind does; /* the work, whichever functions it is asked by: OPERATION_SIGN ... */
    enum action action;       /* asked of the gate */
    CK_FLAGS flag;            /* the mechanism must have it */
    CK_FLAGS device;          /* what a key's device must offer for it; 0: the same */
    CK_ATTRIBUTE_TYPE right;  /* the key must have it */
    const char *right_name;
    CK_OBJECT_CLASS cls; /* class of the key where the mechanism is one of key pairs */
    enum hsm_use use;
    bool after_expiry; /* goes on with an expired key: what was made before must stay readable */
    bool cipher;       /* its Update has output */
    bool output;       /* it has a result besides its return value */
    CK_RV bad_length;  /* its input has an impossible length */
    CK_RV bad_cipher;  /* decrypting: the input is no ciphertext of this key */
};
const struct operation_kind_row *operation_kind_row(enum operation_kind kind);

/* A mechanism with its parameters, all its own. Points into itself: never moved. */
struct mechanism_copy {
    CK_MECHANISM mechanism;
    union {
        uint8_t raw[sizeof(CK_CCM_PARAMS)]; /* the longest of an operation */
        uint8_t iv[16];
        CK_AES_CTR_PARAMS ctr;
        CK_CCM_PARAMS ccm;
        CK_GCM_PARAMS gcm;
        CK_RSA_PKCS_PSS_PARAMS pss;
        CK_RSA_PKCS_OAEP_PARAMS oaep;
    } params;
    uint8_t *bytes; /* what params points to */
};
/* given has passed mech_check_params(), which bounds what is copied. */
MUST_CHECK CK_RV mechanism_copy_make(struct mechanism_copy *copy, const struct mech *mech,
                                     const CK_MECHANISM *given);
void mechanism_copy_release(struct mechanism_copy *copy);

struct operation {
    enum operation_kind kind; /* its place in the session */
    enum operation_kind does; /* the kind's row has it */
    enum operation_stage stage;
    const struct mech *mech;
    struct mechanism_copy mechanism;
    bool iv_made; /* the IV in it is not the caller's */
    CK_OBJECT_HANDLE key;
    struct held *held; /* the key as last read; NULL for a digest */
    const struct operation_way *way;
    bool authenticated; /* by a login of its own, where the key asks for one */
    struct grant grant;
    struct spent spent; /* by its calls that left no record: told by the one at its end */
    bool intended;      /* an intent is in the log; Final writes its outcome */
    uint64_t intent;
    uint64_t total;              /* bytes taken by Update */
    uint64_t released;           /* bytes given out by Update */
    struct local_mac *mac;       /* sign, verify in parts: the record's digest of the data */
    bool paid;                   /* what the policy counts was used up: gate_pay() */
    struct local_digest *data;   /* in parts, where it counts: SHA-256 of the data */
    struct local_digest *digest; /* way_digest, way_prehash in parts */
    struct hsm_op *hsm;          /* way_stream in parts */
    struct held *begun;          /* the key that hsm works with, whatever becomes of it meanwhile */
    struct buf gathered;         /* way_gather in parts */
    struct buf staged;           /* STAGED: the result that did not fit */
    struct buf signature;        /* verify a given signature */
    CK_BYTE_PTR tag; /* encrypt a message: where its tag goes, NULL: behind the ciphertext */
    size_t tag_len;
};

/* What one call brings. in and signature are the caller's memory; out NULL asks for the length. */
struct operation_io {
    struct bytes in;
    struct bytes signature; /* verify */
    CK_BYTE_PTR out;
    CK_ULONG_PTR out_len;
};

/*
 * How an operation is done. Chosen once, at Init. out is empty before each call; what is put there
 * is the call's result. begin comes before the first update, or before final where there was none.
 */
struct operation_way {
    bool releases; /* update has output: an intent stands in the log before the first of it */
    CK_RV (*begin)(struct run *run, struct operation *op);
    CK_RV (*update)(struct run *run, struct operation *op, struct bytes in, struct buf *out);
    CK_RV (*final)(struct run *run, struct operation *op, struct bytes signature, struct buf *out);
    CK_RV(*whole)
    (struct run *run, struct operation *op, const struct operation_io *io, struct buf *out);
};
const struct operation_way *operation_way_of(const struct operation *op);

/*
 * Length of the result for input bytes in all, and whether it is certain (a decryption's is known
 * only afterwards: then ret_length is the most it can be). Fails with the kind's bad_length.
 */
MUST_CHECK CK_RV operation_length(const struct operation *op, uint64_t input, uint64_t *ret_length,
                                  bool *ret_exact);
/* Most bytes an Update with this many more gives out. */
uint64_t operation_length_of_part(const struct operation *op, uint64_t input);
/* Bytes of an RSA key's modulus; 0 when the object has none. */
size_t operation_modulus_len(const struct object *key);

/* What the gate is asked for this operation; borrows from it. */
/* Checks the key, then asks: run->gate.grant is current when the answer is yes. */
MUST_CHECK CK_RV operation_ask_gate(struct run *run, const struct operation *op);
/* Does the vault, as it is now, still do it (legacy.h)? Of an operation that was allowed before. */
MUST_CHECK CK_RV operation_check_legacy(const struct run *run, const struct operation *op);
struct ask operation_ask(const struct operation *op);
/* What a key limits by itself, whichever part it has in the use: its state, its dates, its
 * CKA_ALLOWED_MECHANISMS. */
MUST_CHECK CK_RV operation_check_limits(const struct run *run, enum operation_kind kind,
                                        const struct mech *mech, const struct object *key);
/* CKR_USER_NOT_LOGGED_IN while the operation waits for a login of its own. */
MUST_CHECK CK_RV operation_ensure_login(struct run *run, const struct operation *op);
/* An object's code in the words of calls that take a key. */
CK_RV operation_key_code(CK_RV rv);

/*
 * C_*Init. mechanism NULL cancels an operation of this kind (3.0, 5.8.1); key is not looked at for
 * digests.
 */
MUST_CHECK CK_RV operation_init(struct run *run, enum operation_kind kind,
                                const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
/* An operation that begins and ends within one call: checked and allowed, its grant kept, in no
 * session. mechanism is borrowed; free with operation_free(). */
MUST_CHECK CK_RV operation_once(struct run *run, enum operation_kind kind,
                                const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
                                struct operation **ret);
/* Would Init allow it? Asked without the mechanism's parameters where they come later. */
MUST_CHECK CK_RV operation_try(struct run *run, enum operation_kind kind,
                               const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key, bool later);
MUST_CHECK CK_RV operation_whole(struct run *run, enum operation_kind kind,
                                 const struct operation_io *io);
MUST_CHECK CK_RV operation_update(struct run *run, enum operation_kind kind,
                                  const struct operation_io *io);
MUST_CHECK CK_RV operation_final(struct run *run, enum operation_kind kind,
                                 const struct operation_io *io);
/* The last Update and Final in one: io brings the last part, and nothing is taken of it where the
 * result will not fit. */
MUST_CHECK CK_RV operation_last(struct run *run, enum operation_kind kind,
                                const struct operation_io *io);
/* An Update of two operations: a cipher, and a digest or signature over its plaintext. A failure
 * ends both and is recorded as the cipher's. */
MUST_CHECK CK_RV operation_update_both(struct run *run, enum operation_kind cipher,
                                       enum operation_kind other, const struct operation_io *io);
/* Ends an operation unfinished, where there is one. What it has released already is an intent in
 * the log, whose outcome is CKR_FUNCTION_CANCELED. */
MUST_CHECK CK_RV operation_cancel(struct run *run, enum operation_kind kind);

/* ---- operation.c for operation_parts.c ---- */

/* CKR_OPERATION_NOT_INITIALIZED when none is active. */
MUST_CHECK CK_RV operation_find(struct run *run, enum operation_kind kind, struct operation **ret);
/* What is left of the operation after a call that ended with rv, which it returns. */
CK_RV operation_settle(struct run *run, enum operation_kind kind, CK_RV rv, bool ended);
MUST_CHECK CK_RV operation_check_io(const struct operation *op, const struct operation_io *io,
                                    bool has_output);
/* CKR_OPERATION_ACTIVE unless right: the call does not fit the stage. */
MUST_CHECK CK_RV operation_ensure_stage(const struct operation *op, bool right);
/* PKCS#11 2.40, 5.2. The operation stands where it stood after a true *ret_asked and a failure. */
MUST_CHECK CK_RV operation_offer_length(const struct operation_io *io, uint64_t length, bool exact,
                                        bool *ret_asked);
/* The same for what a one-shot or Final call gives out after input bytes in all. */
MUST_CHECK CK_RV operation_offer_result(const struct operation *op, const struct operation_io *io,
                                        uint64_t input, bool *ret_asked);
/* Asks the gate again; from here on call_leave() writes a record. */
MUST_CHECK CK_RV operation_resume(struct run *run, struct operation *op);
/* After operation_resume(), right before the key works: where the policy counts uses, this is one,
 * on data of this SHA-256 (NULL: it is not known). */
MUST_CHECK CK_RV operation_pay(struct run *run, struct operation *op, const uint8_t *sha256);
/* Hands a finished result over; a result that does not fit is the caller's to keep. */
MUST_CHECK CK_RV operation_give(struct run *run, struct operation *op,
                                const struct operation_io *io, struct buf *out);

/* C_DigestKey. */
MUST_CHECK CK_RV operation_digest_key(struct run *run, CK_OBJECT_HANDLE key);

#endif
