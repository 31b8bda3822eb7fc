/* The checked wrappers around a driver's operations: see hsm.h. */
#include "hsm/hsm.h"
#include "base/param_set.h"
#include "hsm/compose_wrap.h"
#include "hsm/hsm_int.h"

#include <stdlib.h>
#include <string.h>

static CK_RV check_config(const struct hsm_config *c)
{
    const struct {
        const char *name, *value;
    } wanted[] = {
        {"worker", c->worker},         {"module", c->module},       {"token", c->token},
        {"pin_source", c->pin_source}, {"state_dir", c->state_dir},
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
        if (wanted[i].value == NULL || wanted[i].value[0] == '\0')
            return fail(CKR_ARGUMENTS_BAD, "the HSM's configuration has no %s", wanted[i].name);
    }
    return CKR_OK;
}

static CK_RV open_with(const struct hsm_driver *driver, const struct hsm_config *config,
                       struct local *local, struct hsm **ret)
{
    SCOPED(hsm_close_p) struct hsm *hsm = calloc(1, sizeof(*hsm));
    CK_RV rv;

    if (hsm == NULL)
        return fail_memory();
    hsm->driver = driver;
    hsm->local = local;
    rv = driver->open(config, local, &hsm->device);
    if (rv == CKR_OK)
        rv = driver->self_test(hsm->device);
    if (rv == CKR_OK)
        *ret = TAKE(hsm);
    return rv;
}

CK_RV hsm_open(const struct hsm_config *config, struct local *local, struct hsm **ret)
{
    CK_RV rv;

    if (config == NULL || local == NULL || ret == NULL)
        return fail_argument("config, local, ret");
    rv = check_config(config);
    return rv == CKR_OK ? open_with(&hsm_driver_pkcs11, config, local, ret) : rv;
}

CK_RV hsm_open_software(struct local *local, struct hsm **ret)
{
    if (local == NULL || ret == NULL)
        return fail_argument("local, ret");
    return open_with(&hsm_driver_software, NULL, local, ret);
}

void hsm_close(struct hsm *hsm)
{
    if (hsm == NULL)
        return;
    hsm->driver->close(hsm->device);
    free(hsm);
}

void hsm_abandon(struct hsm *hsm)
{
    if (hsm == NULL)
        return;
    hsm->driver->abandon(hsm->device);
    free(hsm);
}

CK_RV hsm_self_test(struct hsm *hsm)
{
    return hsm != NULL ? hsm->driver->self_test(hsm->device) : fail_argument("hsm");
}

CK_RV hsm_status(struct hsm *hsm, struct hsm_status *ret)
{
    if (hsm == NULL || ret == NULL)
        return fail_argument("hsm, ret");
    return hsm->driver->status(hsm->device, ret);
}

/* PKCS#11 3.2, 6.1: decapsulation with RSA is unwrapping. */
static bool decapsulates_by_unwrapping(CK_MECHANISM_TYPE mechanism)
{
    return mechanism == CKM_RSA_PKCS_OAEP;
}

bool hsm_offers(struct hsm *hsm, CK_MECHANISM_TYPE mechanism, CK_FLAGS use)
{
    CK_MECHANISM_TYPE raw = plan_raw_of(mechanism);

    const struct mech *row = mech_find(mechanism);

    if (hsm == NULL || row == NULL || use == 0)
        return false;
    if (use == CKF_DECAPSULATE && decapsulates_by_unwrapping(mechanism))
        use = CKF_UNWRAP;
    if ((use & (CKF_WRAP | CKF_UNWRAP)) != 0 && hsm->driver->make_ready == NULL)
        wrap_needs(mechanism, use, &mechanism, &use);
    if (raw != KW_NO_MECHANISM)
        mechanism = raw;
    return hsm->driver->offers(hsm->device, mechanism,
                               raw != KW_NO_MECHANISM ? row->hash : KW_NO_MECHANISM, use);
}

/* ---- keys ---- */

static CK_RV check_secret_spec(const struct hsm_key_type *type, const struct hsm_key_spec *spec)
{
    if (spec->bits % 8 != 0)
        return fail(CKR_KEY_SIZE_RANGE, "a secret key of %lu bits", spec->bits);
    return hsm_check_secret_len(type, spec->bits / 8);
}

static CK_RV check_spec(const struct hsm_key_spec *spec)
{
    const struct hsm_key_type *type = NULL;
    CK_RV rv = hsm_key_type_of(&spec->key, &type);

    if (rv != CKR_OK)
        return rv;
    if (spec->key.kind == HSM_KEY_SECRET)
        return check_secret_spec(type, spec);
    if (spec->key.type == CKK_RSA)
        return spec->bits >= 1024 && spec->bits <= 16384
                   ? CKR_OK
                   : fail(CKR_KEY_SIZE_RANGE, "an RSA key of %lu bits", spec->bits);
    if (param_set_find(spec->key.type, spec->parameter_set) != NULL)
        return CKR_OK;
    return spec->curve.len > 0
               ? CKR_OK
               : fail(CKR_TEMPLATE_INCOMPLETE, "a key pair needs its curve or its parameter set");
}

static CK_RV check_material(const struct hsm_key_spec *spec, struct bytes material)
{
    const struct hsm_key_type *type = NULL;
    CK_RV rv = hsm_key_type_of(&spec->key, &type);

    if (rv == CKR_OK && spec->key.kind == HSM_KEY_SECRET)
        rv = hsm_check_secret_len(type, material.len);
    return rv;
}

CK_RV hsm_generate(struct hsm *hsm, const struct hsm_key_spec *spec, struct buf *ret_spki,
                   struct secret **ret_material)
{
    CK_RV rv;

    if (hsm == NULL || spec == NULL || (ret_spki == NULL && spec->key.kind == HSM_KEY_PRIVATE))
        return fail_argument("hsm, spec, ret_spki");
    if (ret_material == NULL && hsm->driver->make_ready != NULL)
        return fail_argument("ret_material");
    rv = check_spec(spec);
    if (rv == CKR_OK)
        rv = hsm->driver->generate(hsm->device, hsm->local, spec, ret_spki, ret_material);
    return rv;
}

CK_RV hsm_import(struct hsm *hsm, const struct hsm_key_spec *spec, struct bytes material,
                 struct buf *ret_spki, struct secret **ret_material)
{
    CK_RV rv;

    if (hsm == NULL || spec == NULL || (ret_spki == NULL && spec->key.kind == HSM_KEY_PRIVATE))
        return fail_argument("hsm, spec, ret_spki");
    if (hsm->driver->import == NULL)
        return fail(CKR_FUNCTION_NOT_SUPPORTED, "this device takes no key from outside");
    if (ret_material == NULL && hsm->driver->make_ready != NULL)
        return fail_argument("ret_material");
    rv = check_material(spec, material);
    if (rv == CKR_OK)
        rv = hsm->driver->import(hsm->device, hsm->local, spec, material, ret_spki, ret_material);
    return rv;
}

CK_RV hsm_make_ready(struct hsm *hsm, const struct hsm_key *key, struct bytes material,
                     struct hsm_ready **ret)
{
    if (hsm == NULL || key == NULL || ret == NULL)
        return fail_argument("hsm, key, ret");
    if (hsm->driver->make_ready == NULL)
        return fail_internal("a key that lives in the HSM is not made ready");
    return hsm->driver->make_ready(hsm->device, key, material, ret);
}

CK_RV hsm_find(struct hsm *hsm, const struct hsm_key *key, bool *ret_found)
{
    if (hsm == NULL || key == NULL || ret_found == NULL)
        return fail_argument("hsm, key, ret_found");
    return hsm->driver->find(hsm->device, key, ret_found);
}

CK_RV hsm_destroy(struct hsm *hsm, const struct hsm_key *key)
{
    if (hsm == NULL || key == NULL)
        return fail_argument("hsm, key");
    return hsm->driver->destroy(hsm->device, key);
}

CK_RV hsm_random(struct hsm *hsm, uint8_t *out, size_t len)
{
    if (hsm == NULL || (out == NULL && len > 0))
        return fail_argument("hsm, out");
    return hsm->driver->random(hsm->device, out, len);
}

/* ---- whole operations ---- */

CK_RV hsm_sign_digest(struct hsm *hsm, const struct hsm_key *key, const struct plan *plan,
                      const CK_MECHANISM *asked, struct bytes digest, struct buf *out)
{
    CK_HASH_SIGN_ADDITIONAL_CONTEXT context;
    CK_MECHANISM raw = plan_raw_mechanism(plan, asked, &context);
    uint8_t message[PLAN_MESSAGE_MAX];
    size_t len = 0;
    CK_RV rv = plan_message(plan, digest, message, &len);

    if (rv == CKR_OK)
        rv = hsm->driver->run(hsm->device, HSM_SIGN, key, &raw, BYTES(message, len), BYTES_NONE,
                              out);
    return rv;
}

CK_RV hsm_run_plan(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
                   const struct plan *plan, const CK_MECHANISM *mechanism, struct bytes in,
                   struct bytes signature, struct buf *out)
{
    const struct wrap_device there = {hsm->device, hsm->local, hsm->driver->run};
    uint8_t digest[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = plan_check_data(plan, mechanism, in.len);

    if (rv != CKR_OK)
        return rv;
    if ((use == HSM_WRAP || use == HSM_UNWRAP) && hsm->driver->make_ready == NULL)
        return wrap_compose(&there, use, key, mechanism, in, out);
    if (plan->hash == KW_NO_MECHANISM)
        return hsm->driver->run(hsm->device, use, key, mechanism, in, signature, out);
    rv = local_hash_of(hsm->local, plan->hash, in, digest, &len);
    if (rv == CKR_OK)
        rv = hsm_sign_digest(hsm, key, plan, mechanism, BYTES(digest, len), out);
    return rv;
}

CK_RV hsm_wipe_unless_ok(CK_RV rv, struct buf *out)
{
    if (rv != CKR_OK && out != NULL && out->data != NULL) {
        bytes_wipe(out->data, out->cap);
        buf_clear(out);
    }
    return rv;
}

CK_RV hsm_check_ready(const struct hsm *hsm, const struct hsm_key *key)
{
    if ((hsm->driver->make_ready != NULL) != (key->ready != NULL))
        return fail_internal("a software key is ready when it is used, a key of the HSM never is");
    return CKR_OK;
}

static CK_RV check_out(enum hsm_use use, const struct buf *out)
{
    return out != NULL || use == HSM_VERIFY ? CKR_OK : fail_argument("out");
}

/* The standard has other words for the same faults where what is encrypted is a key. */
static CK_RV wrapping_error(enum hsm_use use, CK_RV rv)
{
    static const struct {
        enum hsm_use use;
        CK_RV from, to;
    } rows[] = {
        {HSM_WRAP, CKR_DATA_LEN_RANGE, CKR_KEY_SIZE_RANGE},
        {HSM_UNWRAP, CKR_ENCRYPTED_DATA_INVALID, CKR_WRAPPED_KEY_INVALID},
        {HSM_UNWRAP, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_WRAPPED_KEY_LEN_RANGE},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].use == use && rows[i].from == rv)
            return rows[i].to;
    }
    return rv;
}

CK_RV hsm_run(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
              const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
              struct buf *out)
{
    struct plan plan;
    CK_RV rv;

    if (hsm == NULL || key == NULL || mechanism == NULL)
        return fail_argument("hsm, key, mechanism");
    rv = check_out(use, out);
    if (rv != CKR_OK)
        return rv;
    if (out != NULL)
        buf_clear(out);
    rv = hsm_check_ready(hsm, key);
    if (rv == CKR_OK)
        rv = plan_make(use, key, mechanism, &plan);
    if (rv == CKR_OK)
        rv = hsm_run_plan(hsm, use, key, &plan, mechanism, in, signature, out);
    return hsm_wipe_unless_ok(wrapping_error(use, rv), out);
}

/* ---- secrets out of keys ---- */

static CK_RV fail_not_offered(const CK_MECHANISM *mechanism)
{
    return fail(CKR_MECHANISM_INVALID, "mechanism 0x%lx is not offered by this device for that",
                mechanism->mechanism);
}

CK_RV hsm_derive_keys(struct hsm *hsm, const struct hsm_key *key, const CK_MECHANISM *mechanism,
                      struct bytes second, const size_t *lens, size_t count,
                      struct secret **ret_values)
{
    CK_RV rv;

    if (hsm == NULL || key == NULL || mechanism == NULL || ret_values == NULL || count == 0)
        return fail_argument("hsm, key, mechanism, count, ret_values");
    rv = hsm_check_ready(hsm, key);
    if (rv == CKR_OK)
        rv = plan_check(CKF_DERIVE, key, mechanism);
    if (rv == CKR_OK && hsm->driver->derive == NULL)
        rv = fail_not_offered(mechanism);
    return rv == CKR_OK ? hsm->driver->derive(hsm->device, hsm->local, key, mechanism, second, lens,
                                              count, ret_values)
                        : rv;
}

CK_RV hsm_derive(struct hsm *hsm, const struct hsm_key *key, const CK_MECHANISM *mechanism,
                 struct bytes second, size_t len, struct secret **ret_value)
{
    return hsm_derive_keys(hsm, key, mechanism, second, &len, 1, ret_value);
}

static CK_RV unwrap_secret(struct hsm *hsm, const struct hsm_key *key,
                           const CK_MECHANISM *mechanism, struct bytes ciphertext,
                           struct secret **ret_secret)
{
    SCOPED(buf_release_secure) struct buf out = BUF_INIT(ciphertext.len);
    CK_RV rv = hsm_run(hsm, HSM_UNWRAP, key, mechanism, ciphertext, BYTES_NONE, &out);

    if (rv != CKR_OK)
        return rv;
    *ret_secret = secret_copy(buf_bytes(&out));
    return *ret_secret != NULL ? CKR_OK : fail_memory();
}

CK_RV hsm_decapsulate(struct hsm *hsm, const struct hsm_key *key, const CK_MECHANISM *mechanism,
                      struct bytes ciphertext, size_t len, struct secret **ret_secret)
{
    CK_RV rv;

    if (hsm == NULL || key == NULL || mechanism == NULL || ret_secret == NULL)
        return fail_argument("hsm, key, mechanism, ret_secret");
    rv = hsm_check_ready(hsm, key);
    if (rv == CKR_OK)
        rv = plan_check(CKF_DECAPSULATE, key, mechanism);
    if (rv != CKR_OK)
        return rv;
    if (decapsulates_by_unwrapping(mechanism->mechanism))
        return unwrap_secret(hsm, key, mechanism, ciphertext, ret_secret);
    if (hsm->driver->decapsulate == NULL)
        return fail_not_offered(mechanism);
    return hsm->driver->decapsulate(hsm->device, hsm->local, key, mechanism, ciphertext, len,
                                    ret_secret);
}

CK_RV hsm_check_value(struct hsm *hsm, const struct hsm_key *key, struct buf *out)
{
    if (hsm == NULL || key == NULL || out == NULL || key->kind != HSM_KEY_SECRET)
        return fail_argument("hsm, key, out");
    buf_clear(out);
    if (hsm->driver->check_value == NULL)
        return fail_internal("a key's value is here: its check value is computed");
    return hsm->driver->check_value(hsm->device, key, out);
}

CK_RV hsm_softhsm_create(const struct hsm_config *config, const char *so_pin_file)
{
    CK_RV rv;

    if (config == NULL || so_pin_file == NULL || config->softhsm_conf == NULL ||
        config->softhsm_tokens == NULL)
        return fail_argument("config, so_pin_file, softhsm_conf, softhsm_tokens");
    rv = check_config(config);
    return rv == CKR_OK ? hsm_driver_pkcs11.create_softhsm(config, so_pin_file) : rv;
}
