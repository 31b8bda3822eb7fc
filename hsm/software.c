/*
 * The software device: OpenSSL in this process, behind the same operations as an HSM. See hsm.h for
 * what it promises and software_int.h for how it is built. It keeps no key: what is in memory is
 * what callers have made ready.
 */
#include "hsm/software_int.h"

#include <stdio.h>
#include <string.h>

struct software {
    struct local *local;
};

static const struct software_family *const families[] = {
    &software_rsa, &software_ec,   &software_cipher, &software_aead,
    &software_mac, &software_wrap, &software_pq,
};

static const struct software_way *way_of(CK_MECHANISM_TYPE mechanism)
{
    for (size_t f = 0; f < sizeof(families) / sizeof(*families); f++) {
        for (size_t i = 0; i < families[f]->count; i++) {
            if (families[f]->ways[i].mechanism == mechanism)
                return local_does(mech_find(mechanism)) ? &families[f]->ways[i] : NULL;
        }
    }
    return NULL;
}

/* ---- the device ---- */

static CK_RV driver_open(const struct hsm_config *config, struct local *local, void **ret)
{
    struct software *s = calloc(1, sizeof(*s));

    (void)config;
    if (s == NULL)
        return fail_memory();
    s->local = local;
    *ret = s;
    return CKR_OK;
}

static void driver_close(void *device)
{
    free(device);
}

static CK_RV driver_self_test(void *device)
{
    const struct software *s = device;
    CK_RV rv = CKR_OK;

    for (size_t f = 0; f < sizeof(families) / sizeof(*families) && rv == CKR_OK; f++)
        rv = families[f]->self_test(s->local);
    return rv == CKR_OK ? software_test_derive(s->local) : rv;
}

static CK_RV driver_status(void *device, struct hsm_status *ret)
{
    (void)device;
    *ret = (struct hsm_status){.token = "software"};
    (void)snprintf(ret->library, sizeof(ret->library), "OpenSSL %s",
                   OpenSSL_version(OPENSSL_VERSION_STRING));
    return CKR_OK;
}

static bool driver_offers(void *device, CK_MECHANISM_TYPE mechanism, CK_MECHANISM_TYPE hash,
                          CK_FLAGS use)
{
    const struct software_way *way = way_of(mechanism);

    (void)device;
    (void)hash;
    if (!local_does(mech_find(mechanism)))
        return false;
    if (way != NULL && (way->uses & use) == use)
        return true;
    if (use == CKF_DECAPSULATE)
        return software_decapsulates(mechanism);
    return use == CKF_DERIVE ? software_derives(mechanism) : software_makes_keys(mechanism, use);
}

static bool driver_whole(const struct hsm_key *key, CK_MECHANISM_TYPE mechanism)
{
    const struct software_way *way = way_of(mechanism);

    (void)key;
    return way == NULL || way->start == NULL;
}

static CK_RV driver_find(void *device, const struct hsm_key *key, bool *ret_found)
{
    (void)device;
    (void)key;
    *ret_found = false;
    return CKR_OK;
}

static CK_RV driver_destroy(void *device, const struct hsm_key *key)
{
    (void)device;
    (void)key;
    return CKR_OK;
}

static CK_RV driver_random(void *device, uint8_t *out, size_t len)
{
    const struct software *s = device;

    return local_random(s->local, out, len);
}

static CK_RV driver_make_ready(void *device, const struct hsm_key *key, struct bytes material,
                               struct hsm_ready **ret)
{
    const struct software *s = device;

    return software_ready_new(s->local, key, material, ret);
}

/* ---- operations ---- */

static CK_RV find_way(enum hsm_use use, const CK_MECHANISM *mechanism,
                      const struct software_way **ret)
{
    const struct software_way *way = way_of(mechanism->mechanism);

    if (way == NULL || (way->uses & plan_flag_of(use)) == 0)
        return fail(CKR_MECHANISM_INVALID,
                    "mechanism 0x%lx is not done in software: see C_GetMechanismList",
                    mechanism->mechanism);
    *ret = way;
    return CKR_OK;
}

/* A way does not tell a key from other data. */
static enum hsm_use plain_use(enum hsm_use use)
{
    if (use == HSM_WRAP)
        return HSM_ENCRYPT;
    return use == HSM_UNWRAP ? HSM_DECRYPT : use;
}

static CK_RV op_init(struct software_op *op, enum hsm_use use, struct hsm_ready *ready,
                     const CK_MECHANISM *mechanism)
{
    CK_RV rv;

    *op = (struct software_op){.ready = ready, .use = plain_use(use), .mechanism = mechanism};
    rv = find_way(use, mechanism, &op->way);
    if (rv == CKR_OK && op->way->prepare != NULL)
        rv = software_lease(ready, op->way, op->use, mechanism, &op->context);
    if (rv == CKR_OK && op->way->start != NULL)
        rv = op->way->start(op);
    return rv;
}

static void op_release(struct software_op *op, bool good)
{
    buf_release_secure(&op->held);
    software_return(op->ready, TAKE(op->context), good);
}

static CK_RV check_mac(struct bytes mac, struct bytes signature)
{
    if (mac.len != signature.len)
        return fail(CKR_SIGNATURE_LEN_RANGE, "the MAC has %zu bytes where this makes %zu",
                    signature.len, mac.len);
    if (!local_equal(mac, signature))
        return fail(CKR_SIGNATURE_INVALID, "the MAC does not belong to this data and key");
    return CKR_OK;
}

/* What a verification computes is compared, and leaves nobody. */
static CK_RV ending(struct software_op *op, struct bytes signature, struct buf *out,
                    CK_RV (*end)(struct software_op *op, struct bytes in, struct buf *out),
                    struct bytes in)
{
    struct buf mac = BUF_INIT(SOFTWARE_MAC_MAX);
    CK_RV rv;

    if (op->use != HSM_VERIFY)
        return end(op, in, out);
    rv = end(op, in, &mac);
    if (rv == CKR_OK)
        rv = check_mac(buf_bytes(&mac), signature);
    buf_release_secure(&mac);
    return rv;
}

static CK_RV end_in_parts(struct software_op *op, struct bytes in, struct buf *out)
{
    (void)in;
    return op->way->final(op, out);
}

static CK_RV end_at_once(struct software_op *op, struct bytes in, struct buf *out)
{
    CK_RV rv;

    if (op->way->run != NULL)
        return op->way->run(op, in, out);
    rv = op->way->update(op, in, out);
    return rv == CKR_OK ? op->way->final(op, out) : rv;
}

CK_RV software_run(enum hsm_use use, struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                   struct bytes in, struct bytes signature, struct buf *out)
{
    struct software_op op;
    CK_RV rv = op_init(&op, use, ready, mechanism);

    if (rv == CKR_OK)
        rv = ending(&op, signature, out, end_at_once, in);
    op_release(&op, rv == CKR_OK);
    return rv;
}

static CK_RV driver_run(void *device, enum hsm_use use, const struct hsm_key *key,
                        const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
                        struct buf *out)
{
    LOCAL_QUIET;

    (void)device;
    return software_run(use, key->ready, mechanism, in, signature, out);
}

static CK_RV ready_derive(void *device, struct local *local, const struct hsm_key *key,
                          const CK_MECHANISM *mechanism, struct bytes second, const size_t *lens,
                          size_t count, struct secret **ret_values)
{
    LOCAL_QUIET;

    (void)device;
    (void)local;
    return count == 1
               ? software_derive(key->ready, mechanism, second, lens[0], ret_values)
               : software_derive_keys(key->ready, mechanism, second, lens, count, ret_values);
}

static CK_RV ready_decapsulate(void *device, struct local *local, const struct hsm_key *key,
                               const CK_MECHANISM *mechanism, struct bytes ciphertext, size_t len,
                               struct secret **ret_secret)
{
    LOCAL_QUIET;

    (void)device;
    (void)local;
    return software_decapsulate(key->ready, mechanism, ciphertext, len, ret_secret);
}

static CK_RV driver_begin(void *device, enum hsm_use use, const struct hsm_key *key,
                          const CK_MECHANISM *mechanism, void **ret_op)
{
    LOCAL_QUIET;
    struct software_op *op = calloc(1, sizeof(*op));
    CK_RV rv;

    (void)device;
    if (op == NULL)
        return fail_memory();
    rv = op_init(op, use, key->ready, mechanism);
    if (rv != CKR_OK) {
        op_release(op, false);
        free(op);
        return rv;
    }
    *ret_op = op;
    return CKR_OK;
}

static CK_RV driver_update(void *arg, struct bytes in, struct buf *out)
{
    LOCAL_QUIET;
    struct software_op *op = arg;

    return op->way->update(op, in, out);
}

static CK_RV driver_final(void *arg, struct bytes signature, struct buf *out)
{
    LOCAL_QUIET;
    struct software_op *op = arg;
    CK_RV rv = ending(op, signature, out, end_in_parts, BYTES_NONE);

    op_release(op, rv == CKR_OK);
    return rv;
}

static void driver_op_free(void *arg)
{
    LOCAL_QUIET;

    if (arg != NULL)
        op_release(arg, false);
    free(arg);
}

const struct hsm_driver hsm_driver_software = {
    .open = driver_open,
    .close = driver_close,
    .abandon = driver_close,
    .self_test = driver_self_test,
    .status = driver_status,
    .offers = driver_offers,
    .whole = driver_whole,
    .generate = software_generate,
    .import = software_import,
    .make_ready = driver_make_ready,
    .find = driver_find,
    .destroy = driver_destroy,
    .random = driver_random,
    .run = driver_run,
    .derive = ready_derive,
    .decapsulate = ready_decapsulate,
    .begin = driver_begin,
    .update = driver_update,
    .final = driver_final,
    .op_free = driver_op_free,
};
