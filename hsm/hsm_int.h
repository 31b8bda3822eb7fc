/*
 * The operations of a device, as hsm.c calls them. A driver gets arguments that hsm.c has checked:
 * mechanisms with a row, their parameters in order, keys of a fitting kind, and never a hashed
 * signature (compose.c takes the digest away first). A slot marked optional may be NULL: the
 * device cannot do it, and the wrapper says so.
 */
#ifndef KEYWARD_HSM_HSM_INT_H
#define KEYWARD_HSM_HSM_INT_H

#include "base/mech.h"
#include "hsm/hsm.h"
#include "hsm/local.h"

struct hsm_driver {
    CK_RV (*open)(const struct hsm_config *config, struct local *local, void **ret);
    CK_RV(*create_softhsm)
    (const struct hsm_config *config, const char *so_pin_file); /* optional */
    void (*close)(void *device);
    void (*abandon)(void *device);
    CK_RV (*self_test)(void *device);
    CK_RV (*status)(void *device, struct hsm_status *ret);
    /* hash: of a hashed signature, whose raw mechanism it then is; else KW_NO_MECHANISM. */
    bool (*offers)(void *device, CK_MECHANISM_TYPE mechanism, CK_MECHANISM_TYPE hash, CK_FLAGS use);
    /* True when this use of this mechanism takes its data in one piece only. */
    bool (*whole)(const struct hsm_key *key, CK_MECHANISM_TYPE mechanism);
    /* ret_spki stays empty for secret keys; ret_material NULL where the device keeps its keys. */
    CK_RV(*generate)
    (void *device, struct local *local, const struct hsm_key_spec *spec, struct buf *ret_spki,
     struct secret **ret_material);
    CK_RV(*import) /* optional */
    (void *device, struct local *local, const struct hsm_key_spec *spec, struct bytes material,
     struct buf *ret_spki, struct secret **ret_material);
    CK_RV(*make_ready) /* optional */
    (void *device, const struct hsm_key *key, struct bytes material, struct hsm_ready **ret);
    CK_RV (*find)(void *device, const struct hsm_key *key, bool *ret_found);
    CK_RV (*destroy)(void *device, const struct hsm_key *key);
    CK_RV (*random)(void *device, uint8_t *out, size_t len);
    CK_RV(*run)
    (void *device, enum hsm_use use, const struct hsm_key *key, const CK_MECHANISM *mechanism,
     struct bytes in, struct bytes signature, struct buf *out);
    CK_RV(*derive) /* optional */
    (void *device, struct local *local, const struct hsm_key *key, const CK_MECHANISM *mechanism,
     struct bytes second, const size_t *lens, size_t count, struct secret **ret_values);
    CK_RV(*decapsulate) /* optional */
    (void *device, struct local *local, const struct hsm_key *key, const CK_MECHANISM *mechanism,
     struct bytes ciphertext, size_t len, struct secret **ret_secret);
    CK_RV (*check_value)(void *device, const struct hsm_key *key, struct buf *out); /* optional */
    CK_RV(*begin)
    (void *device, enum hsm_use use, const struct hsm_key *key, const CK_MECHANISM *mechanism,
     void **ret_op);
    CK_RV (*update)(void *op, struct bytes in, struct buf *out);
    CK_RV (*final)(void *op, struct bytes signature, struct buf *out);
    void (*op_free)(void *op);
};

extern const struct hsm_driver hsm_driver_pkcs11;
extern const struct hsm_driver hsm_driver_software;

/* ---- driver_derive.c: what driver_pkcs11.c makes of an HSM's key agreement ---- */
CK_RV driver_derive(void *device, struct local *local, const struct hsm_key *key,
                    const CK_MECHANISM *mechanism, struct bytes second, const size_t *lens,
                    size_t count, struct secret **ret_values);
CK_RV driver_decapsulate(void *device, struct local *local, const struct hsm_key *key,
                         const CK_MECHANISM *mechanism, struct bytes ciphertext, size_t len,
                         struct secret **ret_secret);
CK_RV driver_check_value(void *device, const struct hsm_key *key, struct buf *out);

struct hsm {
    const struct hsm_driver *driver;
    void *device; /* the driver's */
    struct local *local;
};

/* ---- key_types.c ---- */

struct hsm_key_type {
    CK_KEY_TYPE type;
    enum hsm_key_kind kind;
    CK_MECHANISM_TYPE generator;
    bool (*fits)(size_t len); /* bytes of a secret key; NULL for pairs */
};
/* CKR_TEMPLATE_INCONSISTENT when there is no such type. */
MUST_CHECK CK_RV hsm_key_type_of(const struct hsm_key *key, const struct hsm_key_type **ret);
const struct hsm_key_type *hsm_key_type_made_by(CK_MECHANISM_TYPE generator);
/* CKR_KEY_SIZE_RANGE */
MUST_CHECK CK_RV hsm_check_secret_len(const struct hsm_key_type *type, size_t len);

/* ---- compose.c: what is done here and what in the HSM ---- */

struct plan {
    const struct mech *row;      /* of what the caller asked for */
    CK_MECHANISM_TYPE hash;      /* digest done here first, or KW_NO_MECHANISM */
    CK_MECHANISM_TYPE mechanism; /* what the device is asked for; parameters stay the caller's */
};

/* Refuses what does not fit: unknown mechanism, parameters, a use (CKF_SIGN) or a key the mechanism
 * is not for. */
MUST_CHECK CK_RV plan_check(CK_FLAGS use, const struct hsm_key *key, const CK_MECHANISM *mechanism);
/* The same, and how it is done. */
MUST_CHECK CK_RV plan_make(enum hsm_use use, const struct hsm_key *key,
                           const CK_MECHANISM *mechanism, struct plan *ret);
/* The raw mechanism with the parameter that says what the caller's said. Borrows from asked and
 * from *context, which it may fill. */
CK_MECHANISM plan_raw_mechanism(const struct plan *plan, const CK_MECHANISM *asked,
                                CK_HASH_SIGN_ADDITIONAL_CONTEXT *context);
/* What the raw mechanism signs for this digest: itself, or within its DigestInfo. */
#define PLAN_MESSAGE_MAX (LOCAL_DIGEST_MAX + 32)
MUST_CHECK CK_RV plan_message(const struct plan *plan, struct bytes digest,
                              uint8_t out[static PLAN_MESSAGE_MAX], size_t *ret_len);
/* Data the mechanism cannot take: CKR_DATA_LEN_RANGE. Raw PSS wants exactly a digest. */
MUST_CHECK CK_RV plan_check_data(const struct plan *plan, const CK_MECHANISM *mechanism,
                                 size_t len);
/* HSM_SIGN -> CKF_SIGN */
CK_FLAGS plan_flag_of(enum hsm_use use);
/* The mechanism a hashed one is composed from, or KW_NO_MECHANISM. */
CK_MECHANISM_TYPE plan_raw_of(CK_MECHANISM_TYPE mechanism);

/* ---- hsm.c, for operations in parts (hsm_op.c) ---- */

/* The raw call that ends a hashed signature. */
MUST_CHECK CK_RV hsm_sign_digest(struct hsm *hsm, const struct hsm_key *key,
                                 const struct plan *plan, const CK_MECHANISM *asked,
                                 struct bytes digest, struct buf *out);
MUST_CHECK CK_RV hsm_run_plan(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
                              const struct plan *plan, const CK_MECHANISM *mechanism,
                              struct bytes in, struct bytes signature, struct buf *out);
/* A key must be of the device it is given to. */
MUST_CHECK CK_RV hsm_check_ready(const struct hsm *hsm, const struct hsm_key *key);
/* Returns rv; on failure out is wiped and empty: what a failed decryption left there is nobody's.
 */
MUST_CHECK CK_RV hsm_wipe_unless_ok(CK_RV rv, struct buf *out);

#endif
