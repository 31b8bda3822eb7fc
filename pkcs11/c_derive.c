/*
 * PKCS#11 2.40, 5.13: C_DeriveKey.
 *
 * Derivations that pass on the base key's own bits must not be a way around what the base key is: a
 * piece of a sensitive key that can be used by itself can also be guessed by itself (Clulow, "On
 * the security of PKCS #11", 2003).
 */
#include "pkcs11/derive_int.h"
#include "pkcs11/roles.h"

#include <string.h>

const struct incoming_way derive_way = {
    .use = TEMPLATE_DERIVE, .template = CKA_DERIVE_TEMPLATE, .action = ACTION_CREATE};

/* Whose result is made of the base key's bits as they are. */
static bool passes_bits_on(CK_MECHANISM_TYPE mechanism)
{
    static const CK_MECHANISM_TYPE types[] = {
        CKM_CONCATENATE_BASE_AND_KEY, CKM_CONCATENATE_BASE_AND_DATA, CKM_CONCATENATE_DATA_AND_BASE,
        CKM_XOR_BASE_AND_DATA, CKM_EXTRACT_KEY_FROM_KEY};

    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (types[i] == mechanism)
            return true;
    return false;
}

CK_RV derive_template(const CK_ATTRIBUTE *template, CK_ULONG count, struct attrs *ret)
{
    CK_RV rv = template_scan(template, count);

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++)
        rv = attrs_set(ret, template[i].type, BYTES(template[i].pValue, template[i].ulValueLen));
    return rv;
}

/* ---- what the new key inherits ---- */

/* What it has always been: as far as it is so itself, and what it comes from was. */
static CK_RV set_history(struct object *object, bool sensitive, bool kept)
{
    CK_RV rv = attrs_set_bool(&object->attrs, CKA_ALWAYS_SENSITIVE,
                              sensitive && attrs_true(&object->attrs, CKA_SENSITIVE));

    if (rv == CKR_OK)
        rv = attrs_set_bool(&object->attrs, CKA_NEVER_EXTRACTABLE,
                            kept && !attrs_true(&object->attrs, CKA_EXTRACTABLE));
    return rv;
}

/* PKCS#11 2.40 mechanisms, 2.39: no less sensitive, and no more extractable, than the base. */
static CK_RV check_inherits(const struct object *base, const struct object *object)
{
    if ((attrs_true(&base->attrs, CKA_SENSITIVE) && !attrs_true(&object->attrs, CKA_SENSITIVE)) ||
        (!attrs_true(&base->attrs, CKA_EXTRACTABLE) && attrs_true(&object->attrs, CKA_EXTRACTABLE)))
        return fail(CKR_TEMPLATE_INCONSISTENT,
                    "this mechanism passes the base key's bits on: the new key must be as "
                    "sensitive, and no more extractable (CKA_SENSITIVE, CKA_EXTRACTABLE)");
    return CKR_OK;
}

static CK_RV check_whole(const struct object *base, const struct secret *value)
{
    CK_ULONG len = attrs_ulong(&base->attrs, CKA_VALUE_LEN, 0);

    if (attrs_true(&base->attrs, CKA_SENSITIVE) && value->len < len)
        return fail(CKR_KEY_SIZE_RANGE,
                    "a piece of a sensitive key is easier to guess than the whole: derive at least "
                    "%lu bytes, or use CKM_HKDF_DERIVE",
                    len);
    return CKR_OK;
}

CK_RV derive_inherit(const struct object *base, CK_MECHANISM_TYPE mechanism, struct object *object)
{
    CK_RV rv = passes_bits_on(mechanism) ? check_inherits(base, object) : CKR_OK;

    if (rv != CKR_OK)
        return rv;
    return set_history(object, attrs_true(&base->attrs, CKA_ALWAYS_SENSITIVE),
                       attrs_true(&base->attrs, CKA_NEVER_EXTRACTABLE));
}

/* After the first key's. */
CK_RV derive_inherit_second(const struct object *second, CK_MECHANISM_TYPE mechanism,
                            struct object *object)
{
    bool sensitive = attrs_true(&object->attrs, CKA_ALWAYS_SENSITIVE);
    bool kept = attrs_true(&object->attrs, CKA_NEVER_EXTRACTABLE);
    CK_RV rv = derive_inherit(second, mechanism, object);

    if (rv != CKR_OK)
        return rv;
    return set_history(object, sensitive && attrs_true(&second->attrs, CKA_ALWAYS_SENSITIVE),
                       kept && attrs_true(&second->attrs, CKA_NEVER_EXTRACTABLE));
}

/* ---- the second key: joined to the first, HKDF's salt, a part of SP 800-108 ---- */

static CK_RV check_second(const struct run *run, CK_MECHANISM_TYPE mechanism,
                          const struct object *key)
{
    if (key->cls != CKO_SECRET_KEY || key->material == NULL)
        return fail(CKR_KEY_HANDLE_INVALID,
                    "the second key is no secret key whose value is here: keys in the HSM are not "
                    "joined");
    if (!attrs_true(&key->attrs, CKA_DERIVE))
        return fail(CKR_KEY_FUNCTION_NOT_PERMITTED, "the second key's CKA_DERIVE is false");
    return operation_check_limits(run, OPERATION_DERIVE, mech_find(mechanism), key);
}

/* The part of SP 800-108 that is a key (3.2, 6.42.1). */
static bool key_among_parts(const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE *ret)
{
    const CK_SP800_108_KDF_PARAMS *p = mechanism->pParameter;
    const CK_SP800_108_FEEDBACK_KDF_PARAMS *f = mechanism->pParameter;
    bool feedback = mechanism->mechanism == CKM_SP800_108_FEEDBACK_KDF;
    const CK_PRF_DATA_PARAM *parts = feedback ? f->pDataParams : p->pDataParams;
    CK_ULONG count = feedback ? f->ulNumberOfDataParams : p->ulNumberOfDataParams;

    for (CK_ULONG i = 0; i < count; i++)
        if (parts[i].type == CK_SP800_108_KEY_HANDLE) {
            memcpy(ret, parts[i].pValue, sizeof(*ret));
            return true;
        }
    return false;
}

static bool is_sp800(CK_MECHANISM_TYPE type)
{
    return type == CKM_SP800_108_COUNTER_KDF || type == CKM_SP800_108_FEEDBACK_KDF ||
           type == CKM_SP800_108_DOUBLE_PIPELINE_KDF;
}

static bool second_of(const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE *ret)
{
    const CK_HKDF_PARAMS *hkdf = mechanism->pParameter;

    if (is_sp800(mechanism->mechanism))
        return key_among_parts(mechanism, ret);
    if (mechanism->mechanism == CKM_CONCATENATE_BASE_AND_KEY)
        memcpy(ret, mechanism->pParameter, sizeof(*ret));
    else if (mechanism->mechanism == CKM_HKDF_DERIVE && hkdf->bExtract == CK_TRUE &&
             hkdf->ulSaltType == CKF_HKDF_SALT_KEY)
        *ret = hkdf->hSaltKey;
    else
        return false;
    return true;
}

CK_RV derive_second(struct run *run, const CK_MECHANISM *mechanism, struct held **ret)
{
    struct ask ask = {.action = ACTION_DERIVE, .mechanism = mechanism};
    CK_OBJECT_HANDLE handle;
    bool visible;
    CK_RV rv;

    if (!second_of(mechanism, &handle))
        return CKR_OK;
    rv = operation_key_code(handles_get(run, handle, ret));
    if (rv != CKR_OK)
        return rv;
    ask.object = &(*ret)->object;
    visible = gate_visible(run, ask.object);
    if (visible)
        rv = check_second(run, mechanism->mechanism, ask.object);
    rv = rv == CKR_OK ? operation_key_code(gate_ask(run, &ask)) : gate_refuse(run, &ask, rv);
    if (rv == CKR_OK && !visible)
        rv = fail(CKR_KEY_HANDLE_INVALID, "%s", GATE_NO_OBJECT);
    return rv;
}

/* ---- the base key ---- */

static CK_RV do_derive(struct run *run, const struct key_use *use, const struct deriving *d,
                       const struct object *object, const struct held *second, struct secret **ret)
{
    const struct object *base = key_use_object(use);
    struct bytes other = second != NULL ? secret_bytes(second->object.material) : BYTES_NONE;
    size_t len = attrs_ulong(&object->attrs, CKA_VALUE_LEN, 0);
    struct secret *value = NULL;
    int64_t began = run_now(run);
    CK_RV rv = hsm_derive(run_device(run, base), &use->key, d->mechanism, other, len, &value);

    run_device_took(run, base, began);
    if (rv == CKR_OK && passes_bits_on(d->mechanism->mechanism)) {
        rv = check_whole(base, value);
        if (rv == CKR_OK && second != NULL)
            rv = check_whole(&second->object, value);
    }
    rv = key_use_record(run, &use->op->grant, rv == CKR_OK ? secret_bytes(value) : BYTES_NONE, rv);
    if (rv != CKR_OK) {
        secret_free(value);
        return rv;
    }
    *ret = value;
    return CKR_OK;
}

/* ---- TLS 1.2's master secrets (3.2, 6.40.6) ---- */

static const struct {
    CK_MECHANISM_TYPE type;
    size_t version; /* where the parameter's pVersion is; 0: the secret has none in it */
} masters[] = {
    {CKM_TLS12_MASTER_KEY_DERIVE, offsetof(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, pVersion)},
    {CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
     offsetof(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pVersion)},
    {CKM_TLS12_MASTER_KEY_DERIVE_DH, 0},
    {CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, 0},
};
#define MASTERS (sizeof(masters) / sizeof(*masters))

static size_t find_master(CK_MECHANISM_TYPE type)
{
    size_t i = 0;

    while (i < MASTERS && masters[i].type != type)
        i++;
    return i;
}

/*
 * What a template leaves out. A master secret derives the keys of its connection and signs its
 * handshake, with the mechanisms that can do both; what curves agree on, without a function, is
 * there to derive from. SunPKCS11 asks for both with no word of their use.
 */
static bool is_raw_agreement(const CK_MECHANISM *mechanism, const struct attrs *template)
{
    const CK_ECDH1_DERIVE_PARAMS *params = mechanism->pParameter;

    return (mechanism->mechanism == CKM_ECDH1_DERIVE ||
            mechanism->mechanism == CKM_ECDH1_COFACTOR_DERIVE) &&
           params->kdf == CKD_NULL &&
           attrs_ulong(template, CKA_KEY_TYPE, CKK_GENERIC_SECRET) == CKK_GENERIC_SECRET;
}

static bool names_usage(const struct attrs *template)
{
    static const CK_ATTRIBUTE_TYPE usages[] = {CKA_DERIVE,  CKA_SIGN, CKA_VERIFY, CKA_ENCRYPT,
                                               CKA_DECRYPT, CKA_WRAP, CKA_UNWRAP};

    for (size_t i = 0; i < sizeof(usages) / sizeof(*usages); i++)
        if (attrs_get(template, usages[i]) != NULL)
            return true;
    return false;
}

static CK_RV say_master(struct attrs *template)
{
    static const CK_MECHANISM_TYPE labelled[] = {ROLE_TLS12_LABELLED};
    CK_RV rv = attrs_set_bool(template, CKA_DERIVE, true);

    if (rv == CKR_OK)
        rv = attrs_set_bool(template, CKA_SIGN, true);
    if (rv == CKR_OK)
        rv = attrs_set_bool(template, CKA_VERIFY, true);
    return rv == CKR_OK ? attrs_set(template, CKA_ALLOWED_MECHANISMS,
                                    BYTES((const uint8_t *)labelled, sizeof(labelled)))
                        : rv;
}

static CK_RV say_usage(const CK_MECHANISM *mechanism, const struct object *base,
                       struct attrs *template)
{
    if (names_usage(template) || attrs_bytes(&base->attrs, CKA_DERIVE_TEMPLATE).len > 0)
        return CKR_OK;
    if (find_master(mechanism->mechanism) < MASTERS)
        return attrs_get(template, CKA_ALLOWED_MECHANISMS) == NULL ? say_master(template) : CKR_OK;
    return is_raw_agreement(mechanism, template) ? attrs_set_bool(template, CKA_DERIVE, true)
                                                 : CKR_OK;
}

/* A master secret goes on to keys of its connection only, unless the template limits it otherwise.
 */
static CK_RV limit_master(CK_MECHANISM_TYPE type, struct object *object)
{
    static const CK_MECHANISM_TYPE uses[] = {CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS_KDF, CKM_TLS_MAC,
                                             CKM_TLS12_KDF, CKM_TLS12_MAC};

    if (find_master(type) == MASTERS || attrs_get(&object->attrs, CKA_ALLOWED_MECHANISMS) != NULL)
        return CKR_OK;
    return attrs_set(&object->attrs, CKA_ALLOWED_MECHANISMS,
                     BYTES((const uint8_t *)uses, sizeof(uses)));
}

/* The client's version is the first two bytes of the secret it came in (RFC 5246, 7.4.7.1). */
static CK_RV give_version(struct run *run, const CK_MECHANISM *mechanism, const struct object *base)
{
    size_t i = find_master(mechanism->mechanism);
    struct buf out = BUF_INIT(sizeof(CK_VERSION));
    CK_BYTE_PTR dest;

    if (i == MASTERS || masters[i].version == 0)
        return CKR_OK;
    if (base->material == NULL || base->material->len < sizeof(CK_VERSION))
        return fail(CKR_KEY_SIZE_RANGE, "the secret is too short to have a version in it");
    memcpy(&dest, (const uint8_t *)mechanism->pParameter + masters[i].version, sizeof(dest));
    buf_put(&out, base->material->data, sizeof(CK_VERSION));
    if (!buf_ok(&out))
        return fail_memory();
    run_output(run, dest, NULL, &out);
    return CKR_OK;
}

/* ---- one key ---- */

static CK_RV begin_with(struct run *run, const struct key_use *use, const struct deriving *d,
                        struct incoming *ret)
{
    const struct object *base = key_use_object(use);
    struct attrs template = ATTRS_INIT;
    CK_RV rv = derive_template(d->template, d->count, &template);

    if (rv == CKR_OK)
        rv = say_usage(d->mechanism, base, &template);
    if (rv == CKR_OK)
        rv = incoming_begin(run, &derive_way, base, d->mechanism, template.list, template.count,
                            ret);
    attrs_release(&template);
    return rv;
}

static CK_RV derive_with(struct run *run, const struct key_use *use, const struct deriving *d)
{
    SCOPED(held_release_p) struct held *second = NULL;
    CK_MECHANISM_TYPE type = d->mechanism->mechanism;
    struct incoming incoming;
    struct secret *value = NULL;
    CK_RV rv = begin_with(run, use, d, &incoming);

    if (rv != CKR_OK)
        return rv;
    rv = derive_inherit(key_use_object(use), type, &incoming.object);
    if (rv == CKR_OK)
        rv = limit_master(type, &incoming.object);
    if (rv == CKR_OK)
        rv = derive_second(run, d->mechanism, &second);
    if (rv == CKR_OK && second != NULL)
        rv = derive_inherit_second(&second->object, type, &incoming.object);
    if (rv == CKR_OK)
        rv = give_version(run, d->mechanism, key_use_object(use));
    if (rv == CKR_OK)
        rv = do_derive(run, use, d, &incoming.object, second, &value);
    if (rv == CKR_OK)
        rv = incoming_finish(run, &incoming, value, d->ret);
    incoming_release(&incoming);
    return rv;
}

/* ---- C_DeriveKey ---- */

static CK_RV derive_by(struct run *run, const struct key_use *use, const struct deriving *d)
{
    if (d->ret == NULL && d->mechanism->mechanism != CKM_TLS12_KEY_AND_MAC_DERIVE)
        return fail_argument("phKey");
    if (derive_set_is(d->mechanism))
        return derive_set(run, use, d);
    if (d->mechanism->mechanism == CKM_HKDF_DATA)
        return derive_data(run, use, d);
    return derive_with(run, use, d);
}

static CK_RV derive(struct run *run, CK_OBJECT_HANDLE base, const struct deriving *d)
{
    struct key_use use = {.op = NULL};
    CK_RV rv = key_use_begin(run, OPERATION_DERIVE, d->mechanism, base, &use);

    if (rv == CKR_OK)
        rv = derive_by(run, &use, d);
    key_use_release(&use);
    return rv;
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE base_key,
                  CK_ATTRIBUTE_PTR template, CK_ULONG count, CK_OBJECT_HANDLE_PTR key)
{
    const struct deriving d = {
        .mechanism = mechanism, .template = template, .count = count, .ret = key};
    struct run run;
    CK_RV rv = call_enter(&run, CALL_DERIVE_KEY, session);

    if (rv == CKR_OK)
        rv = derive(&run, base_key, &d);
    return call_leave(&run, rv);
}
