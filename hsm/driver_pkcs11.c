/*
 * The driver for PKCS#11 libraries, host side: each operation is a request over a lane (hsm/pool.h)
 * to the worker that has the library. Whole operations are repeated once when the worker was lost
 * in them; an operation in parts holds its lane and dies with it; a generation is never repeated
 * after a loss, its id is looked up instead.
 */
#include "hsm/hsm_int.h"
#include "hsm/local_private.h"
#include "hsm/pool.h"

#include <stdlib.h>
#include <string.h>

/* Data of an operation in parts goes over in pieces of this size, at most. */
#define PIECE_MAX  (256u << 10)
#define PUBLIC_MAX (16u << 10)

static CK_RV driver_open(const struct hsm_config *config, struct local *local, void **ret)
{
    struct pool *p = NULL;
    CK_RV rv = pool_new(config, local, &p);

    if (rv == CKR_OK)
        rv = pool_start(p);
    if (rv != CKR_OK) {
        pool_free(p);
        return rv;
    }
    *ret = p;
    return CKR_OK;
}

static void driver_close(void *device)
{
    pool_free(device);
}

static void driver_abandon(void *device)
{
    pool_abandon(device);
}

static CK_RV driver_self_test(void *device)
{
    struct wire_request q = {.op = WIRE_SELF_TEST};
    bool lost;

    return pool_call(device, &q, true, NULL, &lost);
}

static CK_RV driver_status(void *device, struct hsm_status *ret)
{
    pool_status(device, ret);
    return CKR_OK;
}

/* What is asked of an HSM, if it offers that: all else it may offer, nobody here speaks. */
static const struct {
    CK_MECHANISM_TYPE mechanism;
    CK_FLAGS uses;
} spoken[] = {
    {CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR},
    {CKM_RSA_PKCS, CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_RSA_X_509, CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_RSA_PKCS_OAEP, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_RSA_PKCS_PSS, CKF_SIGN | CKF_VERIFY},
    {CKM_SHA_1_HMAC, CKF_SIGN | CKF_VERIFY},
    {CKM_SHA224_HMAC, CKF_SIGN | CKF_VERIFY},
    {CKM_SHA256_HMAC, CKF_SIGN | CKF_VERIFY},
    {CKM_SHA384_HMAC, CKF_SIGN | CKF_VERIFY},
    {CKM_SHA512_HMAC, CKF_SIGN | CKF_VERIFY},
    {CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE},
    {CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR},
    {CKM_ECDSA, CKF_SIGN | CKF_VERIFY},
    {CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR},
    {CKM_EDDSA, CKF_SIGN | CKF_VERIFY},
    {CKM_AES_KEY_GEN, CKF_GENERATE},
    {CKM_AES_ECB, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_CBC, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_CBC_PAD, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_CTR, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT},
    {CKM_AES_CMAC, CKF_SIGN | CKF_VERIFY},
    {CKM_ECDH1_DERIVE, CKF_DERIVE},
};

/* Hashes that PSS has known from the beginning. All others an HSM may refuse, and then the padding
 * is made in the worker. */
static bool pss_is_old(CK_MECHANISM_TYPE hash)
{
    return hash == KW_NO_MECHANISM || hash == CKM_SHA_1 || hash == CKM_SHA224 ||
           hash == CKM_SHA256 || hash == CKM_SHA384 || hash == CKM_SHA512;
}

/* Of the curves here the cofactor is 1, and a decapsulation agrees with the ciphertext. */
static void agreement_needs(CK_MECHANISM_TYPE *mechanism, CK_FLAGS *use)
{
    if (*mechanism == CKM_ECDH1_COFACTOR_DERIVE)
        *mechanism = CKM_ECDH1_DERIVE;
    if (*mechanism == CKM_ECDH1_DERIVE && *use == CKF_DECAPSULATE)
        *use = CKF_DERIVE;
}

static bool driver_offers(void *device, CK_MECHANISM_TYPE mechanism, CK_MECHANISM_TYPE hash,
                          CK_FLAGS use)
{
    CK_FLAGS flags;

    agreement_needs(&mechanism, &use);
    flags = pool_flags(device, mechanism);
    if (mechanism == CKM_RSA_PKCS_PSS && !pss_is_old(hash))
        flags &= pool_flags(device, CKM_RSA_X_509);
    /* Undone in the worker where the HSM's own is not enough. */
    if (mechanism == CKM_RSA_PKCS_OAEP)
        flags |= pool_flags(device, CKM_RSA_X_509);
    for (size_t i = 0; i < sizeof(spoken) / sizeof(*spoken); i++)
        if (spoken[i].mechanism == mechanism)
            return (spoken[i].uses & flags & use) == use;
    return false;
}

/* Ciphers and MACs stream; signatures and what RSA decrypts do not. */
static bool driver_whole(const struct hsm_key *key, CK_MECHANISM_TYPE mechanism)
{
    (void)mechanism;
    return key->kind == HSM_KEY_PRIVATE;
}

/* ---- keys ---- */

/* Modulus and exponent, or EC parameters and point, as the HSM has them. */
static CK_RV make_spki(struct local *local, CK_KEY_TYPE type, struct bytes both,
                       struct buf *ret_spki)
{
    struct wire_public pub;

    if (!wire_get_public(both, &pub))
        return fail_internal("a public half of a form we do not know");
    if (type == CKK_RSA)
        return local_public_from_rsa(local, pub.first, pub.second, ret_spki);
    return local_public_from_ec(local, type, pub.first, pub.second, ret_spki);
}

/* The worker was lost while it made a key: adopt it if it is whole; the new worker destroys what is
 * not. */
static CK_RV recover(struct pool *p, struct wire_request *q, struct buf *both)
{
    bool lost;
    CK_RV rv;

    q->op = WIRE_RECOVER;
    buf_clear(both);
    rv = pool_call(p, q, true, both, &lost);
    if (rv == CKR_KEY_HANDLE_INVALID)
        return fail(CKR_DEVICE_ERROR,
                    "the HSM was lost while it made the key; nothing is left of it: try again");
    return rv;
}

static CK_RV driver_destroy(void *device, const struct hsm_key *key)
{
    struct wire_request q = {.op = WIRE_DESTROY, .spec.key = *key};
    bool lost;

    return pool_call(device, &q, true, NULL, &lost);
}

static CK_RV driver_generate(void *device, struct local *local, const struct hsm_key_spec *spec,
                             struct buf *ret_spki, struct secret **ret_material)
{
    struct wire_request q = {.op = WIRE_GENERATE, .spec = *spec};
    struct buf both = BUF_INIT(PUBLIC_MAX);
    bool lost = false;
    CK_RV rv = pool_call(device, &q, false, &both, &lost);

    (void)ret_material; /* it stays in the HSM */
    if (rv != CKR_OK && lost)
        rv = recover(device, &q, &both);
    if (rv == CKR_OK && spec->key.kind == HSM_KEY_PRIVATE) {
        rv = make_spki(local, spec->key.type, buf_bytes(&both), ret_spki);
        /* A key nobody can verify is no key. */
        if (rv != CKR_OK)
            (void)!driver_destroy(device, &spec->key);
    }
    buf_release(&both);
    return rv;
}

static CK_RV driver_run(void *device, enum hsm_use use, const struct hsm_key *key,
                        const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
                        struct buf *out);

/* The two halves in the HSM fit: one signature, verified here. Only of keys that may sign. */
static CK_RV check_pair(void *device, struct local *local, const struct hsm_key_spec *spec,
                        struct bytes spki)
{
    static const uint8_t data[32] = {1};
    CK_MECHANISM mechanism = {.mechanism = spec->key.type == CKK_RSA ? CKM_RSA_PKCS : CKM_ECDSA};
    struct buf signature = BUF_INIT(PUBLIC_MAX);
    CK_RV rv;

    if (!spec->sign)
        return CKR_OK;
    rv = driver_run(device, HSM_SIGN, &spec->key, &mechanism, BYTES(data, sizeof(data)), BYTES_NONE,
                    &signature);
    if (rv == CKR_OK)
        rv =
            local_verify(local, spki, &mechanism, BYTES(data, sizeof(data)), buf_bytes(&signature));
    buf_release(&signature);
    return rv;
}

static CK_RV import_pair(void *device, struct local *local, const struct hsm_key_spec *spec,
                         struct bytes material, struct buf *ret_spki)
{
    struct wire_request q = {.op = WIRE_IMPORT, .spec = *spec};
    SCOPED_SECRET normal = NULL;
    bool lost;
    CK_RV rv = local_private_import(local, spec->key.type, material, ret_spki, &normal);

    if (rv != CKR_OK)
        return rv;
    q.in = secret_bytes(normal);
    q.signature = buf_bytes(ret_spki);
    rv = pool_call(device, &q, true, NULL, &lost);
    if (rv != CKR_OK)
        return rv;
    rv = check_pair(device, local, spec, buf_bytes(ret_spki));
    if (rv != CKR_OK) {
        (void)!driver_destroy(device, &spec->key);
        rv = fail(CKR_DEVICE_ERROR, "the HSM does not sign with the key it was given: the key was "
                                    "destroyed there");
    }
    return rv;
}

static CK_RV driver_import(void *device, struct local *local, const struct hsm_key_spec *spec,
                           struct bytes material, struct buf *ret_spki,
                           struct secret **ret_material)
{
    struct wire_request q = {.op = WIRE_IMPORT, .spec = *spec, .in = material};
    bool lost;

    (void)ret_material; /* it stays in the HSM */
    if (spec->key.kind == HSM_KEY_PRIVATE)
        return import_pair(device, local, spec, material, ret_spki);
    return pool_call(device, &q, true, NULL, &lost);
}

static CK_RV driver_find(void *device, const struct hsm_key *key, bool *ret_found)
{
    struct wire_request q = {.op = WIRE_FIND, .spec.key = *key};
    struct buf out = BUF_INIT(16);
    bool lost;
    CK_RV rv = pool_call(device, &q, true, &out, &lost);

    if (rv == CKR_OK && out.len != 1)
        rv = fail_internal("a find that answers neither yes nor no");
    if (rv == CKR_OK)
        *ret_found = out.data[0] != 0;
    buf_release(&out);
    return rv;
}

static CK_RV driver_random(void *device, uint8_t *out, size_t len)
{
    CK_RV rv = CKR_OK;

    while (rv == CKR_OK && len > 0) {
        size_t n = len < PIECE_MAX ? len : PIECE_MAX;
        struct wire_request q = {.op = WIRE_RANDOM, .length = n};
        struct buf got = BUF_INIT(PIECE_MAX);
        bool lost;

        rv = pool_call(device, &q, true, &got, &lost);
        if (rv == CKR_OK && got.len != n)
            rv = fail_internal("random of another length than asked for");
        if (rv == CKR_OK)
            memcpy(out, got.data, n);
        buf_release_secure(&got);
        out += n;
        len -= n;
    }
    return rv;
}

/* ---- operations ---- */

struct driver_op {
    struct pool *pool;
    struct pool_lane *lane;
    bool ended; /* the HSM has nothing of it any more */
};

static void op_free(void *arg)
{
    struct driver_op *op = arg;

    if (op == NULL)
        return;
    if (!op->ended) {
        struct wire_request q = {.op = WIRE_ABORT};
        bool lost;

        (void)!pool_exchange(op->pool, op->lane, &q, NULL, &lost);
    }
    pool_return(op->pool, op->lane);
    free(op);
}

static CK_RV begin_once(struct pool *p, struct wire_request *q, struct driver_op *op,
                        bool *ret_lost)
{
    CK_RV rv = pool_lease(p, &op->lane);

    *ret_lost = false;
    if (rv == CKR_OK)
        rv = pool_exchange(p, op->lane, q, NULL, ret_lost);
    if (rv != CKR_OK) {
        pool_return(p, op->lane);
        op->lane = NULL;
    }
    return rv;
}

static CK_RV driver_begin(void *device, enum hsm_use use, const struct hsm_key *key,
                          const CK_MECHANISM *mechanism, void **ret_op)
{
    struct wire_request q = {
        .op = WIRE_BEGIN, .use = use, .spec.key = *key, .mechanism = *mechanism};
    struct driver_op *op = calloc(1, sizeof(*op));
    bool lost;
    CK_RV rv;

    if (op == NULL)
        return fail_memory();
    op->pool = device;
    rv = begin_once(device, &q, op, &lost);
    if (rv != CKR_OK && lost)
        rv = begin_once(device, &q, op, &lost);
    if (rv != CKR_OK) {
        free(op);
        return rv;
    }
    *ret_op = op;
    return CKR_OK;
}

static CK_RV go_on(struct driver_op *op, struct wire_request *q, struct buf *out)
{
    bool lost = false;
    CK_RV rv;

    if (op->ended)
        return fail(CKR_OPERATION_NOT_INITIALIZED, "this operation has ended before");
    rv = pool_exchange(op->pool, op->lane, q, out, &lost);
    if (rv == CKR_OPERATION_NOT_INITIALIZED)
        rv = fail(CKR_DEVICE_ERROR, "the HSM has lost this operation: begin it again");
    if (rv != CKR_OK || q->op == WIRE_FINAL)
        op->ended = true;
    return rv;
}

static CK_RV driver_update(void *arg, struct bytes in, struct buf *out)
{
    CK_RV rv = CKR_OK;

    while (rv == CKR_OK && in.len > 0) {
        size_t n = in.len < PIECE_MAX ? in.len : PIECE_MAX;
        struct wire_request q = {.op = WIRE_UPDATE, .in = BYTES(in.data, n)};

        rv = go_on(arg, &q, out);
        in = BYTES(in.data + n, in.len - n);
    }
    return rv;
}

static CK_RV driver_final(void *arg, struct bytes signature, struct buf *out)
{
    struct wire_request q = {.op = WIRE_FINAL, .signature = signature};

    return go_on(arg, &q, out);
}

/* More than one message holds: in parts. */
static CK_RV run_in_parts(void *device, struct wire_request *q, struct buf *out)
{
    void *op = NULL;
    CK_RV rv = driver_begin(device, q->use, &q->spec.key, &q->mechanism, &op);

    if (rv == CKR_OK)
        rv = driver_update(op, q->in, out);
    if (rv == CKR_OK)
        rv = driver_final(op, q->signature, out);
    op_free(op);
    return rv;
}

static CK_RV driver_run(void *device, enum hsm_use use, const struct hsm_key *key,
                        const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
                        struct buf *out)
{
    struct wire_request q = {.op = WIRE_RUN,
                             .use = use,
                             .spec.key = *key,
                             .mechanism = *mechanism,
                             .in = in,
                             .signature = signature};
    bool lost;

    if (mechanism->mechanism == CKM_EDDSA && mechanism->pParameter != NULL)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "the HSM is asked for EdDSA in its pure form only");
    if (in.len <= WIRE_DATA_MAX)
        return pool_call(device, &q, true, out, &lost);
    if (key->kind == HSM_KEY_SECRET)
        return run_in_parts(device, &q, out);
    return fail(CKR_DATA_LEN_RANGE, "the HSM takes at most %u bytes for this mechanism",
                WIRE_DATA_MAX);
}

const struct hsm_driver hsm_driver_pkcs11 = {
    .open = driver_open,
    .create_softhsm = pool_create_softhsm,
    .close = driver_close,
    .abandon = driver_abandon,
    .self_test = driver_self_test,
    .status = driver_status,
    .offers = driver_offers,
    .whole = driver_whole,
    .generate = driver_generate,
    .import = driver_import,
    .find = driver_find,
    .destroy = driver_destroy,
    .random = driver_random,
    .run = driver_run,
    .derive = driver_derive,
    .decapsulate = driver_decapsulate,
    .check_value = driver_check_value,
    .begin = driver_begin,
    .update = driver_update,
    .final = driver_final,
    .op_free = op_free,
};
