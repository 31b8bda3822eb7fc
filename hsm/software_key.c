/*
 * Keys of the software device: generated, imported, made ready. See hsm.h.
 *
 * What comes in is decoded, checked, and encoded again: the store holds one form only, and what a
 * caller hid behind or beside the key is gone.
 */
#include "hsm/local_pq.h"
#include "hsm/local_private.h"
#include "hsm/software_int.h"

#include <openssl/bn.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

SCOPE_DEFINE(BIGNUM, BN_free)

/* ---- secret keys ---- */

static bool is_des(const struct hsm_key *key)
{
    return key->type == CKK_DES || key->type == CKK_DES3;
}

/* FIPS 46-3: the lowest bit of each byte of a DES key makes its number of ones odd. */
static uint8_t with_odd_parity(uint8_t byte)
{
    unsigned ones = byte >> 1;

    ones ^= ones >> 4;
    ones ^= ones >> 2;
    ones ^= ones >> 1;
    return (uint8_t)((byte & 0xfe) | (~ones & 1));
}

static void set_parity(struct secret *value)
{
    for (size_t i = 0; i < value->len; i++)
        value->data[i] = with_odd_parity(value->data[i]);
}

/* PKCS#11: a DES key of another parity must be refused. */
static CK_RV check_parity(struct bytes value)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < value.len; i++)
        wrong |= value.data[i] ^ with_odd_parity(value.data[i]);
    return wrong == 0 ? CKR_OK
                      : fail(CKR_ATTRIBUTE_VALUE_INVALID,
                             "a DES key whose parity bits are wrong: it was changed, or is none");
}

static CK_RV generate_secret(struct local *local, const struct hsm_key_spec *spec,
                             struct secret **ret_material)
{
    size_t len = spec->bits / 8;
    SCOPED_SECRET value = secret_new(len);
    CK_RV rv;

    if (value == NULL)
        return fail_memory();
    rv = local_random_secret(local, value->data, len);
    if (is_des(&spec->key))
        set_parity(value);
    if (rv == CKR_OK)
        *ret_material = TAKE(value);
    return rv;
}

static CK_RV copy_secret(struct bytes material, struct secret **ret)
{
    struct secret *value = secret_copy(material);

    if (value == NULL)
        return fail_memory();
    *ret = value;
    return CKR_OK;
}

/* ---- pairs ---- */

static EVP_PKEY_CTX *generator_of(struct local *local, const char *name)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(local->ctx, local_key_oid(name), NULL);

    if (ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

static CK_RV set_rsa(EVP_PKEY_CTX *ctx, const struct hsm_key_spec *spec)
{
    static const uint8_t f4[] = {1, 0, 1};
    struct bytes exponent = spec->exponent.len > 0 ? spec->exponent : BYTES(f4, sizeof(f4));
    SCOPED(BN_free_p) BIGNUM *e = NULL;

    if (exponent.len > 32)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "an RSA exponent of more than 256 bits");
    e = BN_bin2bn(exponent.data, (int)exponent.len, NULL);
    if (e == NULL)
        return fail_memory();
    if (!BN_is_odd(e) || BN_is_one(e))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "an RSA exponent is odd and more than 1");
    if (EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)spec->bits) != 1 ||
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) != 1)
        return local_fail("start to make an RSA key");
    return CKR_OK;
}

static CK_RV make_rsa(struct local *local, const struct hsm_key_spec *spec, EVP_PKEY **ret)
{
    SCOPED(EVP_PKEY_CTX_free_p) EVP_PKEY_CTX *ctx = generator_of(local, "RSA");
    CK_RV rv = ctx != NULL ? set_rsa(ctx, spec) : local_fail("start to make an RSA key");

    if (rv == CKR_OK && EVP_PKEY_generate(ctx, ret) != 1)
        rv = local_fail("make an RSA key");
    return rv;
}

CK_RV software_make_pair(struct local *local, const struct local_curve *curve, EVP_PKEY **ret)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = generator_of(local, curve->type == CKK_EC ? "EC" : curve->name);

    if (ctx == NULL ||
        (curve->type == CKK_EC && EVP_PKEY_CTX_set_group_name(ctx, curve->name) != 1) ||
        EVP_PKEY_generate(ctx, ret) != 1)
        return local_fail("make a key pair");
    return CKR_OK;
}

static CK_RV make_pair(struct local *local, const struct hsm_key_spec *spec, EVP_PKEY **ret)
{
    const struct local_curve *curve = local_curve_of_params(spec->key.type, spec->curve);
    const struct param_set *set = param_set_find(spec->key.type, spec->parameter_set);

    if (spec->key.type == CKK_RSA)
        return make_rsa(local, spec, ret);
    if (set != NULL)
        return local_pq_make_pair(local, set, BYTES_NONE, ret);
    if (curve == NULL)
        return fail(CKR_CURVE_NOT_SUPPORTED, "the curve is not one of those known here");
    return software_make_pair(local, curve, ret);
}

/* What both ways to a pair end in: both encodings, and the test of the one against the other. */
static CK_RV give_pair(struct local *local, const struct hsm_key_spec *spec, EVP_PKEY *pair,
                       struct buf *ret_spki, struct secret **ret_material)
{
    SCOPED(hsm_ready_free_p) struct hsm_ready *ready = NULL;
    SCOPED_SECRET material = NULL;
    CK_RV rv = local_public_encode(pair, ret_spki);

    if (rv == CKR_OK)
        rv = local_private_encode(pair, &material);
    if (rv == CKR_OK)
        rv = software_ready_new(local, &spec->key, secret_bytes(material), &ready);
    if (rv == CKR_OK)
        rv = software_check_pair(local, ready, buf_bytes(ret_spki));
    if (rv == CKR_OK)
        *ret_material = TAKE(material);
    return rv;
}

CK_RV software_generate(void *device, struct local *local, const struct hsm_key_spec *spec,
                        struct buf *ret_spki, struct secret **ret_material)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *pair = NULL;
    CK_RV rv;

    (void)device;
    if (spec->key.kind == HSM_KEY_SECRET)
        return generate_secret(local, spec, ret_material);
    rv = make_pair(local, spec, &pair);
    return rv == CKR_OK ? give_pair(local, spec, pair, ret_spki, ret_material) : rv;
}

CK_RV software_import(void *device, struct local *local, const struct hsm_key_spec *spec,
                      struct bytes material, struct buf *ret_spki, struct secret **ret_material)
{
    LOCAL_QUIET;
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *pair = NULL;
    CK_RV rv;

    (void)device;
    if (spec->key.kind == HSM_KEY_SECRET) {
        rv = is_des(&spec->key) ? check_parity(material) : CKR_OK;
        return rv == CKR_OK ? copy_secret(material, ret_material) : rv;
    }
    rv = local_private_normal(local, spec->key.type, material, &pair);
    return rv == CKR_OK ? give_pair(local, spec, pair, ret_spki, ret_material) : rv;
}

/* ---- ready keys ---- */

static CK_RV fill_ready(struct hsm_ready *ready, const struct hsm_key *key, struct bytes material)
{
    const struct hsm_key_type *type = NULL;
    CK_RV rv = hsm_key_type_of(key, &type);

    ready->type = key->type;
    if (rv == CKR_OK && key->kind == HSM_KEY_SECRET) {
        rv = hsm_check_secret_len(type, material.len);
        return rv == CKR_OK ? copy_secret(material, &ready->value) : rv;
    }
    if (rv == CKR_OK)
        rv = local_private_load(ready->local, material, &ready->key);
    if (rv == CKR_OK && local_key_type(ready->key) != key->type)
        rv = local_private_fail("is of another type than it is said to be");
    if (rv == CKR_OK && key->type != CKK_RSA)
        ready->curve = local_curve_of_key(ready->key);
    if (rv == CKR_OK)
        ready->set = local_param_set_of_key(ready->key);
    return rv;
}

CK_RV software_ready_new(struct local *local, const struct hsm_key *key, struct bytes material,
                         struct hsm_ready **ret)
{
    LOCAL_QUIET;
    SCOPED(hsm_ready_free_p) struct hsm_ready *ready = calloc(1, sizeof(*ready));
    CK_RV rv;

    if (ready == NULL)
        return fail_memory();
    (void)pthread_mutex_init(&ready->lock, NULL);
    ready->local = local;
    rv = fill_ready(ready, key, material);
    if (rv == CKR_OK)
        *ret = TAKE(ready);
    return rv;
}

/* OpenSSL clears private numbers and key schedules when it frees them. */
void hsm_ready_free(struct hsm_ready *ready)
{
    LOCAL_QUIET;

    if (ready == NULL)
        return;
    for (unsigned i = 0; i < ready->idle_count; i++)
        software_context_free(ready->idle[i]);
    EVP_PKEY_free(ready->key);
    secret_free(ready->value);
    (void)pthread_mutex_destroy(&ready->lock);
    free(ready);
}

bool software_makes_keys(CK_MECHANISM_TYPE mechanism, CK_FLAGS use)
{
    const struct hsm_key_type *type = hsm_key_type_made_by(mechanism);

    return type != NULL &&
           use == (type->kind == HSM_KEY_SECRET ? CKF_GENERATE : CKF_GENERATE_KEY_PAIR);
}
