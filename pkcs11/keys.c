/*
 * Generating keys: see keys.h. The order is what keeps a failure from leaving anything behind:
 * templates, sizes, gate and intent first, then the key on its device, then the objects in one
 * transaction; when that fails the key in the HSM is destroyed. A crash between the two leaves a
 * key in the HSM that no object names: its id is the object's id in the intent's record. A software
 * key is nowhere but in its object.
 */
#include "pkcs11/keys_int.h"

#include "base/curve.h"
#include "base/mech.h"
#include "base/names.h"
#include "base/param_set.h"
#include "pkcs11/check_value.h"
#include "pkcs11/legacy.h"
#include "pkcs11/roles.h"

#include <string.h>

/* ---- the mechanism ---- */

static CK_RV check_mechanism(struct birth *b, bool pair)
{
    CK_FLAGS needs = pair ? CKF_GENERATE_KEY_PAIR : CKF_GENERATE;
    char name[NAME_BUF_MAX];
    CK_RV rv;

    b->row = mech_find(b->mechanism->mechanism);
    if (b->row == NULL || (b->row->flags & needs) == 0)
        return fail(CKR_MECHANISM_INVALID,
                    "%s does not generate %s: see C_GetMechanismList for those that do",
                    name_of_mechanism(b->mechanism->mechanism, name),
                    pair ? "key pairs" : "secret keys");
    rv = legacy_check(b->run, b->row);
    return rv == CKR_OK ? mech_check_params(b->row, b->mechanism) : rv;
}

/* ---- sizes ---- */

/* Whether the device makes keys on it is the device's to say. */
static CK_RV size_curve(struct birth *b)
{
    struct bytes params = attrs_bytes(&b->pair[1]->attrs, CKA_EC_PARAMS);
    const struct curve *curve = curve_find(b->row->key, params);

    if (curve == NULL)
        return fail(CKR_CURVE_NOT_SUPPORTED,
                    "CKA_EC_PARAMS names no curve known here (P-256, P-384, P-521, ed25519, ...): "
                    "give the OID of one");
    b->spec.curve = curve->params;
    return attrs_set(&b->pair[0]->attrs, CKA_EC_PARAMS, curve->params);
}

/* FIPS 186-5, A.1.1: odd, and between 2^16 and 2^256; 64 bits are enough for anybody's. */
static bool exponent_is_sound(struct bytes e)
{
    uint64_t value = 0;

    for (size_t i = 0; i < e.len; i++) {
        if (value >> 56 != 0)
            return false;
        value = value << 8 | e.data[i];
    }
    return value > 65536 && (value & 1) != 0;
}

static CK_RV size_rsa(struct birth *b)
{
    CK_ULONG bits = attrs_ulong(&b->pair[1]->attrs, CKA_MODULUS_BITS, 0);
    CK_ULONG min = legacy_min(b->run, b->row);

    b->spec.bits = bits;
    b->spec.exponent = attrs_bytes(&b->pair[1]->attrs, CKA_PUBLIC_EXPONENT);
    if (bits < min || bits > b->row->max || bits % 8 != 0)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_MODULUS_BITS is %lu: give a multiple of 8 between %lu and %lu", bits, min,
                    b->row->max);
    if (b->spec.exponent.len > 0 && !exponent_is_sound(b->spec.exponent))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_PUBLIC_EXPONENT is not an odd number of 17 to 64 bits: give 65537");
    return attrs_set_ulong(&b->pair[0]->attrs, CKA_MODULUS_BITS, bits);
}

static CK_RV size_set(struct birth *b)
{
    CK_ULONG number = attrs_ulong(&b->pair[1]->attrs, CKA_PARAMETER_SET, 0);

    if (param_set_find(b->row->key, number) == NULL)
        return fail(CKR_PARAMETER_SET_NOT_SUPPORTED,
                    "CKA_PARAMETER_SET %lu is none of this type of key: give a CKP_ of it", number);
    b->spec.parameter_set = number;
    return attrs_set_ulong(&b->pair[0]->attrs, CKA_PARAMETER_SET, number);
}

/* Secret keys that have certain lengths only; all others have what their mechanism says. */
static const struct lengths {
    CK_KEY_TYPE type;
    CK_ULONG bytes[3];
    const char *words;
} lengths[] = {
    {CKK_AES, {16, 24, 32}, "an AES key has 16, 24 or 32 bytes"},
    {CKK_AES_XTS, {32, 64}, "an XTS key is two AES keys, 32 or 64 bytes together"},
    {CKK_CHACHA20, {32}, "a ChaCha20 key has 32 bytes"},
    {CKK_DES, {8}, "a DES key has 8 bytes"},
    {CKK_DES3, {24}, "a triple DES key has 24 bytes"},
};

static bool has_length(const struct lengths *row, CK_ULONG len)
{
    for (size_t i = 0; i < sizeof(row->bytes) / sizeof(*row->bytes); i++)
        if (len > 0 && row->bytes[i] == len)
            return true;
    return false;
}

/* Where there is one length only it need not be said; of DES it cannot be said. */
static CK_RV take_length(struct birth *b, const struct lengths *row)
{
    struct object *key = b->pair[0];
    CK_ULONG len = attrs_ulong(&key->attrs, CKA_VALUE_LEN, row->bytes[1] == 0 ? row->bytes[0] : 0);

    if (!has_length(row, len))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "CKA_VALUE_LEN is %lu: %s", len, row->words);
    b->spec.bits = len * 8;
    return rule_find(CKA_VALUE_LEN, kind_of_object(key)) != NULL
               ? attrs_set_ulong(&key->attrs, CKA_VALUE_LEN, len)
               : CKR_OK;
}

static CK_RV size_secret(struct birth *b)
{
    CK_ULONG len = attrs_ulong(&b->pair[0]->attrs, CKA_VALUE_LEN, 0);

    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
        if (lengths[i].type == b->row->key)
            return take_length(b, &lengths[i]);
    b->spec.bits = len * 8;
    if (len < b->row->min / 8 || len > b->row->max / 8)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_VALUE_LEN is %lu: give between %lu and %lu bytes", len, b->row->min / 8,
                    b->row->max / 8);
    return CKR_OK;
}

static const struct {
    CK_KEY_TYPE type;
    CK_RV (*size)(struct birth *b);
} pair_sizes[] = {
    {CKK_RSA, size_rsa},          {CKK_EC, size_curve},
    {CKK_EC_EDWARDS, size_curve}, {CKK_EC_MONTGOMERY, size_curve},
    {CKK_ML_KEM, size_set},       {CKK_ML_DSA, size_set},
    {CKK_SLH_DSA, size_set},
};

static CK_RV check_size(struct birth *b)
{
    if (mech_key_is_secret(b->row->key))
        return size_secret(b);
    for (size_t i = 0; i < sizeof(pair_sizes) / sizeof(*pair_sizes); i++)
        if (pair_sizes[i].type == b->row->key)
            return pair_sizes[i].size(b);
    return fail_internal("every mechanism that makes key pairs has a row of sizes");
}

/* ---- the objects, before there is a key ---- */

/* What the chosen device cannot make the other perhaps can. */
static CK_RV check_device(const struct birth *b)
{
    const struct object *key = b->pair[0];
    CK_FLAGS needs = b->count == 2 ? CKF_GENERATE_KEY_PAIR : CKF_GENERATE;

    if (hsm_offers(run_device(b->run, key), b->row->type, needs))
        return CKR_OK;
    if (key->protection == PROTECTION_HSM &&
        hsm_offers(engine_software(b->run->app->engine), b->row->type, needs))
        return fail(CKR_MECHANISM_INVALID,
                    "the HSM does not offer %s: ask for a software key with CKA_KEYWARD_PROTECTION "
                    "\"software\" (--protection software)",
                    b->row->name);
    return fail(CKR_MECHANISM_INVALID, "%s is not offered for keys of protection %s", b->row->name,
                protection_name(key->protection));
}

static CK_RV set_origin(struct object *object, CK_MECHANISM_TYPE mechanism)
{
    CK_RV rv = attrs_set_bool(&object->attrs, CKA_LOCAL, true);

    if (rv == CKR_OK)
        rv = attrs_set_ulong(&object->attrs, CKA_KEY_GEN_MECHANISM, mechanism);
    if (rv == CKR_OK && object->cls != CKO_PUBLIC_KEY)
        rv = attrs_set_bool(&object->attrs, CKA_ALWAYS_SENSITIVE,
                            attrs_true(&object->attrs, CKA_SENSITIVE));
    if (rv == CKR_OK && object->cls != CKO_PUBLIC_KEY)
        rv = attrs_set_bool(&object->attrs, CKA_NEVER_EXTRACTABLE,
                            !attrs_true(&object->attrs, CKA_EXTRACTABLE));
    return rv;
}

static CK_RV begin_one(struct birth *b, CK_OBJECT_CLASS cls, const CK_ATTRIBUTE *template,
                       CK_ULONG count, struct object *object)
{
    CK_RV rv = template_scan(template, count);

    if (rv == CKR_OK)
        rv = birth_begin(b->run, cls, b->row->key, TEMPLATE_GENERATE, template, count, object);
    if (rv == CKR_OK)
        rv = birth_check_place(b->run, object);
    if (rv == CKR_OK)
        rv = set_origin(object, b->mechanism->mechanism);
    return rv;
}

/* ---- the key ---- */

/* Asked for each half by its own name; the record is the private half's. */
static CK_RV ask_create(struct birth *b)
{
    CK_RV rv = CKR_OK;

    for (size_t i = b->count; i > 0 && rv == CKR_OK; i--) {
        struct ask ask = {
            .action = ACTION_CREATE, .object = b->pair[i - 1], .mechanism = b->mechanism};

        rv = gate_ask(b->run, &ask);
    }
    return rv;
}

static CK_RV fill_public(struct birth *b)
{
    for (size_t i = 0; i < b->count; i++) {
        CK_RV rv = birth_public(b->run, buf_bytes(&b->spki), b->pair[i]);

        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

/* What only the key itself can say. */
static CK_RV fill_key(struct birth *b)
{
    struct object *key = b->pair[0];

    if (b->count == 2)
        return fill_public(b);
    return key->material != NULL ? check_value_set(b->run, key, secret_bytes(key->material))
                                 : check_value_ask(b->run, key);
}

CK_RV key_birth_make(struct birth *b)
{
    struct object *key = b->pair[0];
    int64_t began = run_now(b->run);
    CK_RV rv = hsm_generate(run_device(b->run, key), &b->spec, b->count == 2 ? &b->spki : NULL,
                            &key->material);

    run_device_took(b->run, key, began);
    if (rv != CKR_OK)
        return rv;
    rv = fill_key(b);
    return rv == CKR_OK ? CKR_OK : birth_undo(b->run, key, rv);
}

CK_RV key_birth_ask(struct birth *b, const CK_ATTRIBUTE *public_template, CK_ULONG public_count,
                    const CK_ATTRIBUTE *private_template, CK_ULONG private_count)
{
    bool pair = b->count == 2;
    CK_RV rv = check_mechanism(b, pair);

    if (rv == CKR_OK)
        rv = begin_one(b, pair ? CKO_PRIVATE_KEY : CKO_SECRET_KEY, private_template, private_count,
                       b->pair[0]);
    if (rv == CKR_OK && pair)
        rv = begin_one(b, CKO_PUBLIC_KEY, public_template, public_count, b->pair[1]);
    if (rv == CKR_OK && pair)
        rv = role_settle_pair(&b->pair[1]->attrs, &b->pair[0]->attrs);
    if (rv == CKR_OK)
        rv = check_device(b);
    if (rv == CKR_OK)
        rv = check_size(b);
    if (rv == CKR_OK)
        rv = birth_version(b->run, b->pair, b->count);
    if (rv == CKR_OK)
        rv = ask_create(b);
    if (rv == CKR_OK)
        birth_spec(b->pair[0], &b->spec);
    return rv;
}

static CK_RV make_and_store(struct birth *b)
{
    CK_RV rv = gate_intent(b->run);

    if (rv == CKR_OK)
        rv = key_birth_make(b);
    if (rv != CKR_OK)
        return rv;
    rv = birth_store(b->run, b->pair, b->count);
    if (rv != CKR_OK)
        return birth_undo(b->run, b->pair[0], rv);
    gate_object(b->run, b->pair[0]);
    return CKR_OK;
}

CK_RV keys_generate(struct run *run, const CK_MECHANISM *mechanism,
                    const CK_ATTRIBUTE *public_template, CK_ULONG public_count,
                    const CK_ATTRIBUTE *private_template, CK_ULONG private_count,
                    struct object *ret_public, struct object *ret_private)
{
    struct object objects[2] = {{.cls = CKO_PRIVATE_KEY}, {.cls = CKO_PUBLIC_KEY}};
    struct birth b = BIRTH_INIT(run, mechanism, &objects[0], &objects[1], ret_public != NULL);
    CK_RV rv = key_birth_ask(&b, public_template, public_count, private_template, private_count);

    if (rv == CKR_OK)
        rv = make_and_store(&b);
    buf_release(&b.spki);
    if (rv != CKR_OK) {
        object_release(&objects[0]);
        object_release(&objects[1]);
        return rv;
    }
    *ret_private = objects[0];
    if (ret_public != NULL)
        *ret_public = objects[1];
    return CKR_OK;
}
