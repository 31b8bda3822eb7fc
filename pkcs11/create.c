/* Bringing objects in: see create.h. One row a class says what may come in and how it is filled. */
#include "pkcs11/create.h"

#include "base/names.h"
#include "pkcs11/birth.h"
#include "pkcs11/import.h"

#include <string.h>

#define SPKI_MAX 16384U

/* ---- public keys ---- */

static CK_RV public_spki(struct run *run, const struct object *object, struct buf *spki)
{
    const struct attrs *a = &object->attrs;
    CK_KEY_TYPE type = attrs_ulong(a, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

    if (type == CKK_RSA)
        return local_public_from_rsa(run_local(run), attrs_bytes(a, CKA_MODULUS),
                                     attrs_bytes(a, CKA_PUBLIC_EXPONENT), spki);
    if (rule_find(CKA_PARAMETER_SET, kind_of_object(object)) != NULL)
        return local_public_from_set(run_local(run), type, attrs_ulong(a, CKA_PARAMETER_SET, 0),
                                     attrs_bytes(a, CKA_VALUE), spki);
    return local_public_from_ec(run_local(run), type, attrs_bytes(a, CKA_EC_PARAMS),
                                attrs_bytes(a, CKA_EC_POINT), spki);
}

static CK_RV fill_public(struct run *run, struct object *object)
{
    struct buf spki = BUF_INIT(SPKI_MAX);
    CK_RV rv = public_spki(run, object, &spki);

    if (rv == CKR_OK)
        rv = birth_public(run, buf_bytes(&spki), object);
    if (rv == CKR_OK)
        rv = attrs_set_bool(&object->attrs, CKA_LOCAL, false);
    if (rv == CKR_OK)
        rv = attrs_set_ulong(&object->attrs, CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION);
    buf_release(&spki);
    return rv;
}

/* ---- certificates ---- */

/* The serial number comes in its INTEGER, or (SunPKCS11) without. */
static bool says_the_same(CK_ATTRIBUTE_TYPE type, struct bytes given, struct bytes value)
{
    if (type == CKA_SERIAL_NUMBER && value.len > 2 && given.len == value.len - 2)
        return bytes_equal(given, BYTES(value.data + 2, value.len - 2));
    return bytes_equal(given, value);
}

/* A field that is given is kept as it is given, and must be the certificate's. */
static CK_RV set_or_check(struct object *object, CK_ATTRIBUTE_TYPE type, struct bytes value)
{
    struct bytes given = attrs_bytes(&object->attrs, type);
    char name[NAME_BUF_MAX];

    if (given.len == 0)
        return attrs_set(&object->attrs, type, value);
    if (!says_the_same(type, given, value))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "%s is not what the certificate says: leave it out",
                    name_of_attribute(type, name));
    return CKR_OK;
}

static CK_RV fill_fields(struct object *object, const struct local_certificate *c)
{
    const struct {
        CK_ATTRIBUTE_TYPE type;
        struct bytes value;
    } fields[] = {
        {CKA_SUBJECT, buf_bytes(&c->subject)},
        {CKA_ISSUER, buf_bytes(&c->issuer)},
        {CKA_SERIAL_NUMBER, buf_bytes(&c->serial)},
        {CKA_PUBLIC_KEY_INFO, buf_bytes(&c->spki)},
        {CKA_START_DATE, BYTES(c->start, sizeof(c->start))},
        {CKA_END_DATE, BYTES(c->end, sizeof(c->end))},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        CK_RV rv = set_or_check(object, fields[i].type, fields[i].value);

        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

/* PKCS#11 2.40 base, 4.6.2: the first three bytes of the SHA-1 of the certificate. */
static CK_RV fill_check_value(struct run *run, struct object *object)
{
    struct bytes given = attrs_bytes(&object->attrs, CKA_CHECK_VALUE);
    struct local_digest *digest = NULL;
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_new(run_local(run), CKM_SHA_1, &digest);

    if (rv == CKR_OK)
        rv = local_digest_update(digest, attrs_bytes(&object->attrs, CKA_VALUE));
    if (rv == CKR_OK)
        rv = local_digest_final(digest, out, &len);
    local_digest_free(digest);
    if (rv != CKR_OK)
        return rv;
    if (given.len > 0 && !bytes_equal(given, BYTES(out, 3)))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_CHECK_VALUE is not that of the certificate: leave it out");
    return attrs_set(&object->attrs, CKA_CHECK_VALUE, BYTES(out, 3));
}

static CK_RV fill_certificate(struct run *run, struct object *object)
{
    struct local_certificate c = {0};
    CK_RV rv;

    if (attrs_ulong(&object->attrs, CKA_CERTIFICATE_TYPE, CKC_X_509) != CKC_X_509)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_CERTIFICATE_TYPE is not CKC_X_509: no other type is kept");
    rv = local_certificate_parse(run_local(run), attrs_bytes(&object->attrs, CKA_VALUE), &c);
    if (rv != CKR_OK)
        return rv;
    rv = fill_fields(object, &c);
    if (rv == CKR_OK)
        rv = fill_check_value(run, object);
    local_certificate_release(&c);
    return rv;
}

/* ---- the classes ---- */

static CK_RV fill_key(struct run *run, struct object *object)
{
    (void)run;
    return import_origin(object);
}

static CK_RV fill_nothing(struct run *run, struct object *object)
{
    (void)run;
    (void)object;
    return CKR_OK;
}

struct class_row {
    CK_OBJECT_CLASS cls;
    bool has_key_type;
    bool secured; /* has a value to keep: import.h */
    enum action action;
    CK_RV (*fill)(struct run *run, struct object *object);
};

static const struct class_row classes[] = {
    {CKO_PUBLIC_KEY, true, false, ACTION_IMPORT, fill_public},
    {CKO_PRIVATE_KEY, true, true, ACTION_IMPORT, fill_key},
    {CKO_SECRET_KEY, true, true, ACTION_IMPORT, fill_key},
    {CKO_CERTIFICATE, false, false, ACTION_IMPORT, fill_certificate},
    {CKO_DATA, false, false, ACTION_SET_SECRET, fill_nothing},
};

static const struct class_row *find_class(CK_OBJECT_CLASS cls)
{
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (classes[i].cls == cls)
            return &classes[i];
    return NULL;
}

static CK_RV fail_class(const CK_ATTRIBUTE *template, CK_ULONG count)
{
    CK_OBJECT_CLASS cls = template_ulong(template, count, CKA_CLASS, CK_UNAVAILABLE_INFORMATION);

    if (template_get(template, count, CKA_CLASS) == NULL)
        return fail(CKR_TEMPLATE_INCOMPLETE, "the template has no CKA_CLASS: add it");
    return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                "objects of class 0x%lx are not kept: keys, certificates and data are", cls);
}

static CK_RV find_key_type(const struct class_row *row, const CK_ATTRIBUTE *template,
                           CK_ULONG count, CK_KEY_TYPE *ret)
{
    *ret = CK_UNAVAILABLE_INFORMATION;
    if (!row->has_key_type)
        return CKR_OK;
    if (template_get(template, count, CKA_KEY_TYPE) == NULL)
        return fail(CKR_TEMPLATE_INCOMPLETE, "the template has no CKA_KEY_TYPE: add it");
    *ret = template_ulong(template, count, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    if (kind_of(row->cls, *ret) == KIND_NONE)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "keys of class 0x%lx and type 0x%lx are not kept",
                    row->cls, *ret);
    return CKR_OK;
}

static CK_RV fill(struct run *run, const struct class_row *row, const CK_ATTRIBUTE *template,
                  CK_ULONG count, struct object *object)
{
    CK_KEY_TYPE type;
    CK_RV rv = find_key_type(row, template, count, &type);

    if (rv == CKR_OK)
        rv = birth_begin(run, row->cls, type, TEMPLATE_CREATE, template, count, object);
    if (rv == CKR_OK)
        rv = birth_check_place(run, object);
    if (rv == CKR_OK)
        rv = row->fill(run, object);
    if (rv == CKR_OK && row->secured)
        rv = import_value(run, template, count, object);
    return rv;
}

static CK_RV bring_in(struct run *run, const struct class_row *row, struct object *object)
{
    struct ask ask = {.action = row->action, .object = object};
    CK_RV rv = birth_version(run, &object, 1);

    if (rv == CKR_OK)
        rv = gate_ask(run, &ask);
    return rv == CKR_OK ? import_keep(run, object) : rv;
}

CK_RV create_object(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count,
                    struct object *ret)
{
    const struct class_row *row;
    struct object object = {0};
    CK_RV rv = template_scan(template, count);

    if (rv != CKR_OK)
        return rv;
    row = find_class(template_ulong(template, count, CKA_CLASS, CK_UNAVAILABLE_INFORMATION));
    if (row == NULL)
        return fail_class(template, count);
    rv = fill(run, row, template, count, &object);
    if (rv == CKR_OK)
        rv = bring_in(run, row, &object);
    if (rv != CKR_OK) {
        object_release(&object);
        return rv;
    }
    *ret = object;
    return CKR_OK;
}
