/*
 * The device. Opaque, behind a small table of operations; callers use the wrappers below, which
 * check arguments and are the place where tests listen. There are two:
 *
 * - the HSM (hsm_open, hsm/driver_pkcs11.c): any PKCS#11 library, run in a worker process of its
 *   own (keyward-hsm) so that a library that crashes, hangs or loses its login costs a call and not
 *   the host. It keeps its keys itself, named by a 16-byte id of ours (the HSM object's CKA_ID);
 *   handles of the HSM never leave the driver, so they survive its restarts.
 * - the software device (hsm_open_software, hsm/software.c): OpenSSL in this process. It keeps no
 *   key. A key generated or imported there comes out as its material, which the caller seals; to
 *   be used it is made ready once, and whoever made it ready frees it, which wipes it.
 *
 * All functions may be called from several threads, with one ready key too; an hsm_op from one at
 * a time.
 *
 * Return codes: the caller's errors pass through (CKR_DATA_LEN_RANGE, CKR_MECHANISM_INVALID,
 * CKR_ENCRYPTED_DATA_INVALID, CKR_SIGNATURE_INVALID, ...). The HSM's own troubles are repaired once
 * (one new session, one re-login, one restart) and, where that does not help, come back as
 * CKR_DEVICE_ERROR (lost, hung, crashed) or CKR_DEVICE_MEMORY (busy), with a reason. The HSM's PIN
 * troubles are CKR_DEVICE_ERROR with a reason, and are not tried again until the next hsm_open():
 * an HSM erases itself after a number of bad PINs.
 */
#ifndef KEYWARD_HSM_HSM_H
#define KEYWARD_HSM_HSM_H

#include "base/bytes.h"
#include "base/fail.h"
#include "base/pkcs11.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hsm;
struct hsm_op;
struct hsm_ready; /* a key of the software device, prepared */
struct local;

#define HSM_ID_LEN 16

/* Strings are borrowed during hsm_open() only. */
struct hsm_config {
    const char *worker; /* path of keyward-hsm */
    const char *module; /* path of the HSM's PKCS#11 library */
    const char *token;  /* token label */
    /* Where the HSM's PIN comes from: a file's path (mode 0600 or less, owned by us or root;
     * refused otherwise), or a p11-kit PIN source. Read by the worker: the PIN is never in this
     * process. */
    const char *pin_source;
    const char
        *state_dir; /* folder (0700) for the login lock and the copy of SoftHSM's token metadata */
    /* A SoftHSM token of our own, else NULL: its configuration file and the folder of its tokens.
     */
    const char *softhsm_conf;
    const char *softhsm_tokens;
    bool in_process; /* the library is loaded here, not in a worker; then no call has a deadline */
    unsigned deadline_ms; /* per call; the worker is killed and restarted past it. 0: 10,000 */
    unsigned lanes;       /* most sessions open at once. 0: 8 */
    /* Called once while hsm_open() waits for the HSM, which takes longer than all else of a start,
     * or before it does; its failure is hsm_open()'s. NULL: nothing. */
    CK_RV (*meanwhile)(void *ctx);
    void *meanwhile_ctx;
};

/* Starts nothing yet that the caller must wait for twice: worker up, library loaded, logged in,
 * self-test passed. CKR_PIN_INCORRECT when it was the HSM's PIN that failed: whoever calls must not
 * try again by itself. */
MUST_CHECK CK_RV hsm_open(const struct hsm_config *config, struct local *local, struct hsm **ret);
/* The software device. Its self-test (known answers, one a family of algorithms) is passed when it
 * returns. local must outlive it. */
MUST_CHECK CK_RV hsm_open_software(struct local *local, struct hsm **ret);
/* Ends the worker. NULL is fine. */
void hsm_close(struct hsm *hsm);
/* In a child after fork: forgets the parent's worker (closes our copies of its sockets, sends
 * nothing) and frees. Inherited operations are freed before it, or never; nothing of theirs is sent
 * there either. */
void hsm_abandon(struct hsm *hsm);

/* Known-answer and liveness test. The HSM: the token is there, its random source answers, a digest
 * it computes is right. The software device: every family of algorithms gives its known answers. */
MUST_CHECK CK_RV hsm_self_test(struct hsm *hsm);

struct hsm_status {
    char library[64]; /* "SoftHSM 2.6" */
    char token[33];
    char serial[17];
    pid_t worker;
    unsigned restarts; /* of the worker since hsm_open() */
    unsigned relogins;
    unsigned lanes_open;
};
MUST_CHECK CK_RV hsm_status(struct hsm *hsm, struct hsm_status *ret);

/* True when a key of this kind can do this, directly or composed (a local digest, then the raw
 * mechanism). */
bool hsm_offers(struct hsm *hsm, CK_MECHANISM_TYPE mechanism, CK_FLAGS use);

enum hsm_key_kind { HSM_KEY_SECRET, HSM_KEY_PRIVATE };

struct hsm_key {
    uint8_t id[HSM_ID_LEN];
    enum hsm_key_kind kind;
    CK_KEY_TYPE type;        /* CKK_RSA, CKK_EC, CKK_EC_EDWARDS, CKK_AES, CKK_GENERIC_SECRET, ... */
    struct hsm_ready *ready; /* software device: borrowed, and needed to use it; else NULL */
};

struct hsm_key_spec {
    struct hsm_key key;     /* id chosen by the caller, random */
    CK_ULONG bits;          /* RSA modulus bits; secret keys: value bits */
    struct bytes curve;     /* EC, Edwards: DER of CKA_EC_PARAMS */
    CK_ULONG parameter_set; /* ML-KEM, ML-DSA, SLH-DSA: CKP_... */
    struct bytes exponent;  /* RSA public exponent, big-endian; empty: 65537 */
    bool session;           /* gone when this hsm is closed or its worker restarts */
    /* What the private or secret key may do in the HSM; the public halves follow. */
    bool sign, decrypt, derive;
};

/*
 * Generates. In the HSM: sensitive, not extractable; ret_material, where it is not NULL, stays as
 * it is; not repeated blindly: on doubt the id is searched and the key found, or its remains
 * destroyed. On the software device ret_material gets the key: PKCS#8 PrivateKeyInfo (RFC 5958,
 * DER) of a private key, the value of a secret key. For a key pair ret_spki gets the
 * SubjectPublicKeyInfo (DER); it may be NULL for secret keys. A pair has passed its pairwise
 * consistency test when it comes out.
 */
MUST_CHECK CK_RV hsm_generate(struct hsm *hsm, const struct hsm_key_spec *spec,
                              struct buf *ret_spki, struct secret **ret_material);
/*
 * A key from outside, in the same encoding. It is checked (a point on its curve, a private and a
 * public half that fit, RSA numbers that agree, a length its type has) before anything is done
 * with it: CKR_ATTRIBUTE_VALUE_INVALID; CKR_KEY_SIZE_RANGE for a length. In the HSM it becomes a
 * sensitive, not extractable key under the spec's id; on the software device ret_material gets it
 * back in the one form we write. bits and curve of the spec are not read: the material has them.
 */
MUST_CHECK CK_RV hsm_import(struct hsm *hsm, const struct hsm_key_spec *spec, struct bytes material,
                            struct buf *ret_spki, struct secret **ret_material);
/*
 * Prepares material that hsm_generate() or hsm_import() gave, for any number of operations in any
 * thread. The software device only. The caller frees it when no operation of its is left; a forked
 * child may free it too.
 */
MUST_CHECK CK_RV hsm_make_ready(struct hsm *hsm, const struct hsm_key *key, struct bytes material,
                                struct hsm_ready **ret);
/* Wipes and frees. NULL is fine. */
void hsm_ready_free(struct hsm_ready *ready);
/* The software device keeps no key: it finds none, and has none to destroy. */
MUST_CHECK CK_RV hsm_find(struct hsm *hsm, const struct hsm_key *key, bool *ret_found);
/*
 * The check value (CKA_CHECK_VALUE) of a secret key in the HSM: what the HSM says, or of a cipher
 * the first bytes of an encrypted block of zeros. Nothing where neither can be had. The HSM only.
 */
MUST_CHECK CK_RV hsm_check_value(struct hsm *hsm, const struct hsm_key *key, struct buf *out);
/* Destroys private and public half, or the secret key. CKR_OK when it was already gone. */
MUST_CHECK CK_RV hsm_destroy(struct hsm *hsm, const struct hsm_key *key);
MUST_CHECK CK_RV hsm_random(struct hsm *hsm, uint8_t *out, size_t len);

enum hsm_use { HSM_SIGN, HSM_VERIFY, HSM_ENCRYPT, HSM_DECRYPT, HSM_WRAP, HSM_UNWRAP };

/*
 * One whole operation. in: data (sign, verify: the data; encrypt: plaintext; decrypt: ciphertext;
 * wrap: the key in the encoding of its material; unwrap: the wrapped key, and out that encoding).
 * Wrapping is done with what the device encrypts and decrypts with, so a key may also be wrapped
 * that the device does not hold. An unwrapping fails with CKR_WRAPPED_KEY_INVALID or
 * CKR_WRAPPED_KEY_LEN_RANGE where a decryption says CKR_ENCRYPTED_DATA_INVALID.
 * signature: for HSM_VERIFY only. out receives the result (cleared first, wiped on failure; the
 * caller ends it with buf_release_secure). Verification of a MAC and everything of secret keys is
 * here; public-key operations are hsm/local.h's.
 */
MUST_CHECK CK_RV hsm_run(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
                         const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
                         struct buf *out);

/*
 * One derivation. The other party's public value stands in the mechanism's parameters; second: the
 * value of the other key, of the mechanisms that join two; else empty. len: bytes wanted, 0: what
 * the mechanism gives by itself; CKR_KEY_SIZE_RANGE when it cannot give so many.
 */
MUST_CHECK CK_RV hsm_derive(struct hsm *hsm, const struct hsm_key *key,
                            const CK_MECHANISM *mechanism, struct bytes second, size_t len,
                            struct secret **ret_value);
/* The same for several keys of one derivation, whose values come one behind the other. Only the
 * mechanisms that know of such (SP 800-108): CKR_MECHANISM_PARAM_INVALID. */
MUST_CHECK CK_RV hsm_derive_keys(struct hsm *hsm, const struct hsm_key *key,
                                 const CK_MECHANISM *mechanism, struct bytes second,
                                 const size_t *lens, size_t count, struct secret **ret_values);
/*
 * The secret in a ciphertext of local_encapsulate() (hsm/local_encapsulate.h); len as there. What
 * is no ciphertext of this key is CKR_WRAPPED_KEY_INVALID, one of another length
 * CKR_WRAPPED_KEY_LEN_RANGE; ML-KEM answers a changed one with another secret, not with an error.
 */
MUST_CHECK CK_RV hsm_decapsulate(struct hsm *hsm, const struct hsm_key *key,
                                 const CK_MECHANISM *mechanism, struct bytes ciphertext, size_t len,
                                 struct secret **ret_secret);

/*
 * The same in parts, wrapping excepted. Hashed signatures keep no lane (local digest, one raw call
 * at the end); ciphers and MACs pin a lane until the end. A pinned lane that is lost ends the
 * operation with CKR_DEVICE_ERROR. mechanism is copied, what its
 * parameter points to is borrowed until hsm_op_free(). update: out gets what
 * became available (may be nothing); NULL out for sign and verify. final: signature for HSM_VERIFY
 * only.
 */
MUST_CHECK CK_RV hsm_begin(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
                           const CK_MECHANISM *mechanism, struct hsm_op **ret);
MUST_CHECK CK_RV hsm_update(struct hsm_op *op, struct bytes in, struct buf *out);
MUST_CHECK CK_RV hsm_final(struct hsm_op *op, struct bytes signature, struct buf *out);
/* Ends it wherever it stands (aborts on the HSM) and frees. NULL is fine; also after hsm_final().
 */
void hsm_op_free(struct hsm_op *op);

#include "base/scope.h"
SCOPE_DEFINE(struct hsm, hsm_close)
SCOPE_DEFINE(struct hsm_op, hsm_op_free)
SCOPE_DEFINE(struct hsm_ready, hsm_ready_free)

/* Making a SoftHSM token of our own: writes conf, initialises a token with this label and PINs.
 * Runs softhsm's library in a worker, never here. so_pin and pin are files (0600). */
MUST_CHECK CK_RV hsm_softhsm_create(const struct hsm_config *config, const char *so_pin_file);

#endif
