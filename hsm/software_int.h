/*
 * What the software_*.c files share: a key made ready, the ways its mechanisms are done, and the
 * prepared contexts that make a way cheap. Nobody else includes this.
 *
 * A way is one row: how a raw mechanism (compose.c has taken the digest away) is done by OpenSSL.
 * Ways of one shape take their data whole (`run`), ways of the other in parts (`start`, `update`,
 * `final`), from which the driver makes the whole unless there is a `run` too (after `start`).
 * Ways stand in families, and those in a table in software.c.
 *
 * A context is an OpenSSL object set up with key and mechanism. Setting up costs as much as a short
 * operation (a fetch by name, key schedules, allocations), so a ready key keeps the contexts that
 * are not in use, and an operation leases one: it belongs to that operation alone until returned.
 */
#ifndef KEYWARD_HSM_SOFTWARE_INT_H
#define KEYWARD_HSM_SOFTWARE_INT_H

#include "base/param_set.h"
#include "base/secret.h"
#include "hsm/hsm_int.h"
#include "hsm/local_int.h"
#include "hsm/software_pkcs1.h"

#include <pthread.h>

#define SOFTWARE_IDLE_MAX  8  /* contexts a key keeps for later */
#define SOFTWARE_FIXED_MAX 64 /* parameters that are set once in a context */
#define SOFTWARE_MAC_MAX   64

struct software_way;

struct software_context {
    const struct software_way *way;
    enum hsm_use use;
    uint8_t fixed[SOFTWARE_FIXED_MAX]; /* the parameters it was prepared with */
    size_t fixed_len;
    bool once; /* something is set in it that the next operation must not find: never kept */
    uint8_t rejection[PKCS1_REJECTION_LEN]; /* PKCS#1 v1.5 decryption */
    size_t iv_len;                          /* AEAD: what the cipher is set to */
    /* One of these is there. */
    EVP_PKEY_CTX *pkey;
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
    EVP_MD_CTX *sign;
};

struct hsm_ready {
    struct local *local;
    CK_KEY_TYPE type;
    EVP_PKEY *key;                   /* private keys; shared by all contexts, never changed */
    const struct local_curve *curve; /* of key, where it has one */
    const struct param_set *set;     /* the same */
    struct secret *value;            /* secret keys */
    pthread_mutex_t lock;            /* guards idle, idle_count; taken last */
    struct software_context *idle[SOFTWARE_IDLE_MAX]; /* oldest first */
    unsigned idle_count;
};

struct software_op {
    struct hsm_ready *ready;
    const struct software_way *way;
    enum hsm_use use;
    const CK_MECHANISM *mechanism; /* outlives the operation */
    struct software_context *context;
    uint64_t left;   /* CTR: bytes until its counter would repeat */
    size_t tag_len;  /* AEAD, MACs: bytes of it that are given */
    struct buf held; /* AEAD decryption: plaintext whose tag has not been seen */
};

struct software_way {
    CK_MECHANISM_TYPE mechanism;
    CK_FLAGS uses;
    CK_MECHANISM_TYPE hash; /* of an HMAC */
    /* Bytes at the front of the parameters that are set in the context when it is prepared. */
    size_t fixed_len;
    CK_RV(*prepare) /* NULL: nothing is prepared, there is no context */
    (const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
     struct software_context *context);
    CK_RV (*run)(struct software_op *op, struct bytes in, struct buf *out);
    CK_RV (*start)(struct software_op *op);
    CK_RV (*update)(struct software_op *op, struct bytes in, struct buf *out);
    /* A MAC ends in the MAC, whether it is to sign or to verify. */
    CK_RV (*final)(struct software_op *op, struct buf *out);
};

struct software_family {
    const char *name;
    const struct software_way *ways;
    size_t count;
    /* Known answers; a reason when one is wrong. */
    CK_RV (*self_test)(struct local *local);
};

extern const struct software_family software_rsa, software_ec, software_cipher, software_aead,
    software_mac, software_wrap, software_pq;

/* One row a derivation: see hsm_derive(). */
struct software_derivation {
    CK_MECHANISM_TYPE mechanism;
    CK_RV(*run)
    (const struct hsm_ready *ready, const CK_MECHANISM *mechanism, struct bytes second, size_t len,
     struct secret **ret);
    CK_RV(*run_keys) /* NULL: it makes one key */
    (const struct hsm_ready *ready, const CK_MECHANISM *mechanism, struct bytes second,
     const size_t *lens, size_t count, struct secret **ret);
};

struct software_derivations {
    const struct software_derivation *rows;
    size_t count;
};
extern const struct software_derivations software_agreements, software_joins, software_kdfs,
    software_tls;

/* ---- software_context.c ---- */

/* A context for this operation: an idle one or a new one. */
MUST_CHECK CK_RV software_lease(struct hsm_ready *ready, const struct software_way *way,
                                enum hsm_use use, const CK_MECHANISM *mechanism,
                                struct software_context **ret);
/* good: the operation ended well. Others are freed: what a failure leaves in one is nobody's. */
void software_return(struct hsm_ready *ready, struct software_context *context, bool good);
void software_context_free(struct software_context *context);

/* ---- software_key.c ---- */

MUST_CHECK CK_RV software_generate(void *device, struct local *local,
                                   const struct hsm_key_spec *spec, struct buf *ret_spki,
                                   struct secret **ret_material);
MUST_CHECK CK_RV software_import(void *device, struct local *local, const struct hsm_key_spec *spec,
                                 struct bytes material, struct buf *ret_spki,
                                 struct secret **ret_material);
MUST_CHECK CK_RV software_ready_new(struct local *local, const struct hsm_key *key,
                                    struct bytes material, struct hsm_ready **ret);
/* A pair on this curve, not yet tested. */
MUST_CHECK CK_RV software_make_pair(struct local *local, const struct local_curve *curve,
                                    EVP_PKEY **ret);
/* True when keys are made by this mechanism. */
bool software_makes_keys(CK_MECHANISM_TYPE mechanism, CK_FLAGS use);

/* ---- software.c ---- */

/* One whole operation on a ready key, for the driver and the self-tests. */
MUST_CHECK CK_RV software_run(enum hsm_use use, struct hsm_ready *ready,
                              const CK_MECHANISM *mechanism, struct bytes in,
                              struct bytes signature, struct buf *out);

/* ---- software_derive.c ---- */

MUST_CHECK CK_RV software_derive(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                                 struct bytes second, size_t len, struct secret **ret);
MUST_CHECK CK_RV software_derive_keys(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                                      struct bytes second, const size_t *lens, size_t count,
                                      struct secret **ret);
bool software_derives(CK_MECHANISM_TYPE mechanism);
/* What the two agree on, as it comes out of the curve. */
MUST_CHECK CK_RV software_agree(const struct hsm_ready *ready, EVP_PKEY *peer, struct secret **ret);

/* The same, and what the parameters' function makes of it: len bytes, 0: as many as there are. */
MUST_CHECK CK_RV software_exchange(const struct hsm_ready *ready, EVP_PKEY *peer,
                                   const CK_ECDH1_DERIVE_PARAMS *params, size_t len,
                                   struct secret **ret);
/* The other party's point, on the ready key's curve. CKR_MECHANISM_PARAM_INVALID */
MUST_CHECK CK_RV software_load_peer(const struct hsm_ready *ready, struct bytes point,
                                    EVP_PKEY **ret);

/* ---- software_kem.c ---- */

MUST_CHECK CK_RV software_decapsulate(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                                      struct bytes ciphertext, size_t len,
                                      struct secret **ret_secret);
bool software_decapsulates(CK_MECHANISM_TYPE mechanism);

/* ---- software_cipher.c, for software_aead.c ---- */

/* The cipher of OpenSSL's name with the ready key. No padding, no IV yet. */
MUST_CHECK CK_RV software_prepare_cipher(const struct hsm_ready *ready, const char *name,
                                         struct software_context *context);
/* The same for AES, whose name has the length of the key in it: mode is OpenSSL's word ("CBC"). */
MUST_CHECK CK_RV software_prepare_aes(const struct hsm_ready *ready, const char *mode,
                                      struct software_context *context);
MUST_CHECK CK_RV software_cipher_update(struct software_op *op, struct bytes in, struct buf *out);

/* ---- software_test.c ---- */

/* One answer known beforehand: of this key, this mechanism, this use, over `in`. */
struct software_answer {
    const char *what;
    CK_KEY_TYPE type;
    enum hsm_key_kind kind;
    struct bytes material;
    CK_MECHANISM mechanism;
    enum hsm_use use;
    struct bytes in, out;
};
MUST_CHECK CK_RV software_check_answers(struct local *local, const struct software_answer *answers,
                                        size_t count);
/* The same of a derivation; in is the second key. */
MUST_CHECK CK_RV software_check_derivation(struct local *local, const struct software_answer *a);
/* A private key's two halves fit: what one signs or decrypts the other verifies or encrypted. */
MUST_CHECK CK_RV software_check_pair(struct local *local, struct hsm_ready *ready,
                                     struct bytes spki);

/* ---- software_answers.c, software_answers_rsa.c: the families' known answers ---- */

MUST_CHECK CK_RV software_test_rsa(struct local *local);
MUST_CHECK CK_RV software_test_ec(struct local *local);
MUST_CHECK CK_RV software_test_cipher(struct local *local);
MUST_CHECK CK_RV software_test_aead(struct local *local);
MUST_CHECK CK_RV software_test_mac(struct local *local);
MUST_CHECK CK_RV software_test_wrap(struct local *local);
MUST_CHECK CK_RV software_test_derive(struct local *local);
MUST_CHECK CK_RV software_test_pq(struct local *local);

SCOPE_DEFINE(struct software_context, software_context_free)

#endif
