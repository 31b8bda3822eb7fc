/*
 * Keys from outside, put into the HSM: sensitive, not extractable, under our id.
 *
 * The host has checked them and written them in the one form; here they are taken apart into the
 * HSM's attributes. The attributes are wiped when they are released.
 */
#include "base/attrs.h"
#include "hsm/local_private.h"
#include "hsm/worker_int.h"

static CK_RV create(struct device *d, CK_SESSION_HANDLE session, const struct attrs *attrs)
{
    CK_OBJECT_HANDLE handle;
    CK_RV rv = d->p11->C_CreateObject(session, attrs->list, attrs->count, &handle);

    return rv == CKR_OK ? rv : device_fail("C_CreateObject", rv);
}

struct flag {
    CK_ATTRIBUTE_TYPE type;
    bool value;
};

static CK_RV set_flags(struct attrs *attrs, const struct flag *flags, size_t count)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < count && rv == CKR_OK; i++)
        rv = attrs_set_bool(attrs, flags[i].type, flags[i].value);
    return rv;
}

/* What every object has. */
static CK_RV set_common(struct attrs *attrs, const struct hsm_key_spec *spec, CK_OBJECT_CLASS class)
{
    CK_RV rv = attrs_set_ulong(attrs, CKA_CLASS, class);

    if (rv == CKR_OK)
        rv = attrs_set_ulong(attrs, CKA_KEY_TYPE, spec->key.type);
    if (rv == CKR_OK)
        rv = attrs_set(attrs, CKA_ID, BYTES(spec->key.id, HSM_ID_LEN));
    if (rv == CKR_OK)
        rv = attrs_set_bool(attrs, CKA_TOKEN, !spec->session);
    return rv;
}

static CK_RV set_resident(struct attrs *attrs)
{
    static const struct flag flags[] = {
        {CKA_PRIVATE, true}, {CKA_SENSITIVE, true}, {CKA_EXTRACTABLE, false}};

    return set_flags(attrs, flags, sizeof(flags) / sizeof(*flags));
}

static CK_RV import_secret(struct device *d, CK_SESSION_HANDLE session,
                           const struct hsm_key_spec *spec, struct bytes value)
{
    const struct flag flags[] = {{CKA_SIGN, spec->sign},
                                 {CKA_VERIFY, spec->sign},
                                 {CKA_ENCRYPT, spec->decrypt},
                                 {CKA_DECRYPT, spec->decrypt}};
    size_t count = spec->key.type == CKK_AES ? 4 : 2;
    struct attrs attrs = ATTRS_INIT;
    CK_RV rv = set_common(&attrs, spec, CKO_SECRET_KEY);

    if (rv == CKR_OK)
        rv = set_resident(&attrs);
    if (rv == CKR_OK)
        rv = set_flags(&attrs, flags, count);
    if (rv == CKR_OK)
        rv = attrs_set(&attrs, CKA_VALUE, value);
    if (rv == CKR_OK)
        rv = create(d, session, &attrs);
    attrs_release(&attrs);
    return rv;
}

static CK_RV set_public(struct device *d, struct bytes spki, struct attrs *attrs)
{
    struct local_public pub = {0};
    CK_RV rv = local_public_parse(d->local, spki, &pub);
    bool rsa = pub.type == CKK_RSA;

    if (rv == CKR_OK)
        rv = attrs_set(attrs, rsa ? CKA_MODULUS : CKA_EC_PARAMS,
                       buf_bytes(rsa ? &pub.modulus : &pub.params));
    if (rv == CKR_OK)
        rv = attrs_set(attrs, rsa ? CKA_PUBLIC_EXPONENT : CKA_EC_POINT,
                       buf_bytes(rsa ? &pub.exponent : &pub.point));
    local_public_release(&pub);
    return rv;
}

static CK_RV import_public(struct device *d, CK_SESSION_HANDLE session,
                           const struct hsm_key_spec *spec, struct bytes spki)
{
    const struct flag flags[] = {
        {CKA_PRIVATE, false}, {CKA_VERIFY, spec->sign}, {CKA_ENCRYPT, spec->decrypt}};
    size_t count = spec->key.type == CKK_RSA ? 3 : 2;
    struct attrs attrs = ATTRS_INIT;
    CK_RV rv = set_common(&attrs, spec, CKO_PUBLIC_KEY);

    if (rv == CKR_OK)
        rv = set_flags(&attrs, flags, count);
    if (rv == CKR_OK)
        rv = set_public(d, spki, &attrs);
    if (rv == CKR_OK)
        rv = create(d, session, &attrs);
    attrs_release(&attrs);
    return rv;
}

static CK_RV import_private(struct device *d, CK_SESSION_HANDLE session,
                            const struct hsm_key_spec *spec, struct bytes material)
{
    bool rsa = spec->key.type == CKK_RSA;
    const struct flag flags[] = {{CKA_SIGN, spec->sign},
                                 rsa ? (struct flag){CKA_DECRYPT, spec->decrypt}
                                     : (struct flag){CKA_DERIVE, spec->derive}};
    size_t count = sizeof(flags) / sizeof(*flags);
    struct attrs attrs = ATTRS_INIT;
    CK_RV rv = set_common(&attrs, spec, CKO_PRIVATE_KEY);

    if (rv == CKR_OK)
        rv = set_resident(&attrs);
    if (rv == CKR_OK)
        rv = set_flags(&attrs, flags, count);
    if (rv == CKR_OK)
        rv = local_private_to_attrs(d->local, spec->key.type, material, &attrs);
    if (rv == CKR_OK)
        rv = create(d, session, &attrs);
    attrs_release(&attrs);
    return rv;
}

/* The public half first: the private one is what makes the key a key. */
CK_RV resident_import(struct device *d, CK_SESSION_HANDLE session, const struct hsm_key_spec *spec,
                      struct bytes material, struct bytes spki)
{
    CK_RV rv = resident_destroy(d, session, &spec->key);

    if (rv != CKR_OK)
        return rv;
    if (spec->key.kind == HSM_KEY_SECRET)
        return import_secret(d, session, spec, material);
    rv = import_public(d, session, spec, spki);
    return rv == CKR_OK ? import_private(d, session, spec, material) : rv;
}
