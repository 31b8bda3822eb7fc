/* Templates in attributes: see nested.h. */
#include "pkcs11/nested.h"

#include "base/names.h"
#include "pkcs11/roles.h"
#include "pkcs11/view.h"
#include "vault/der.h"

#include <stdlib.h>
#include <string.h>

bool nested_is(CK_ATTRIBUTE_TYPE type)
{
    const struct attr_name *row = attr_name_find(type);

    return row != NULL && row->kind == ATTR_TEMPLATE;
}

/* ---- packed and unpacked ---- */

static CK_RV read_list(const CK_ATTRIBUTE *list, CK_ULONG count, struct attrs *attrs)
{
    for (CK_ULONG i = 0; i < count; i++) {
        CK_RV rv = attrs_set(attrs, list[i].type, BYTES(list[i].pValue, list[i].ulValueLen));

        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

/* Of what class its keys will be is not known: no key could have both. */
static CK_RV check_roles(const struct attrs *attrs)
{
    struct attrs copy = ATTRS_INIT;
    CK_RV rv = attrs_copy(&copy, attrs);

    if (rv == CKR_OK)
        rv = role_settle(KIND_GENERIC, &copy);
    attrs_release(&copy);
    return rv;
}

CK_RV nested_pack(const CK_ATTRIBUTE *attr, struct buf *ret)
{
    struct attrs attrs = ATTRS_INIT;
    CK_RV rv = template_scan(attr, 1);

    if (rv == CKR_OK)
        rv = read_list(attr->pValue, attr->ulValueLen / sizeof(CK_ATTRIBUTE), &attrs);
    if (rv == CKR_OK && attr->type != CKA_WRAP_TEMPLATE)
        rv = check_roles(&attrs);
    if (rv == CKR_OK)
        rv = der_encode_attrs(&attrs, ret);
    attrs_release(&attrs);
    return rv;
}

CK_RV nested_unpack(struct bytes packed, struct attrs *ret)
{
    *ret = ATTRS_INIT;
    return packed.len > 0 ? der_decode_attrs(packed, ret) : CKR_OK;
}

/* ---- C_GetAttributeValue ---- */

static CK_RV read_one(const CK_ATTRIBUTE *have, CK_ATTRIBUTE *want, bool give)
{
    bool fits = want->pValue == NULL || want->ulValueLen >= have->ulValueLen;

    if (give) {
        want->type = have->type;
        if (fits && want->pValue != NULL && have->ulValueLen > 0)
            memcpy(want->pValue, have->pValue, have->ulValueLen);
        want->ulValueLen = fits ? have->ulValueLen : CK_UNAVAILABLE_INFORMATION;
    }
    return fits ? CKR_OK : CKR_BUFFER_TOO_SMALL;
}

static CK_RV read_all(const struct attrs *attrs, CK_ATTRIBUTE *attr, bool give)
{
    CK_ULONG size = attrs->count * sizeof(CK_ATTRIBUTE);
    CK_ATTRIBUTE *want = attr->pValue;
    CK_RV rv = CKR_OK;

    if (want != NULL && attr->ulValueLen < size) {
        if (give)
            attr->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return CKR_BUFFER_TOO_SMALL;
    }
    for (size_t i = 0; want != NULL && i < attrs->count; i++)
        if (read_one(&attrs->list[i], &want[i], give) != CKR_OK)
            rv = CKR_BUFFER_TOO_SMALL;
    if (give)
        attr->ulValueLen = size;
    return rv;
}

CK_RV nested_read(struct bytes packed, CK_ATTRIBUTE *attr, bool give)
{
    struct attrs attrs;
    CK_RV rv = nested_unpack(packed, &attrs);

    if (rv == CKR_OK)
        rv = read_all(&attrs, attr, give);
    attrs_release(&attrs);
    return rv;
}

/* ---- what keys they allow and make ---- */

static CK_RV check_one(const struct object *key, const CK_ATTRIBUTE *want)
{
    char name[NAME_BUF_MAX];
    struct view view;

    if (view_attribute(key, want->type, &view) == VIEW_VALUE &&
        bytes_equal(view.value, BYTES(want->pValue, want->ulValueLen)))
        return CKR_OK;
    return fail(CKR_KEY_HANDLE_INVALID,
                "the wrapping key's CKA_WRAP_TEMPLATE asks for another %s than the key has: use a "
                "wrapping key made for it",
                name_of_attribute(want->type, name));
}

CK_RV nested_check_wrapped(const struct object *wrapping, const struct object *key)
{
    struct attrs attrs;
    CK_RV rv = nested_unpack(attrs_bytes(&wrapping->attrs, CKA_WRAP_TEMPLATE), &attrs);

    for (size_t i = 0; rv == CKR_OK && i < attrs.count; i++)
        rv = check_one(key, &attrs.list[i]);
    attrs_release(&attrs);
    return rv;
}

static CK_RV check_agrees(const CK_ATTRIBUTE *ours, const CK_ATTRIBUTE *theirs)
{
    char name[NAME_BUF_MAX];

    if (theirs == NULL || bytes_equal(BYTES(ours->pValue, ours->ulValueLen),
                                      BYTES(theirs->pValue, theirs->ulValueLen)))
        return CKR_OK;
    return fail(CKR_TEMPLATE_INCONSISTENT,
                "%s is not what the template of the key it is made with says: leave it out",
                name_of_attribute(ours->type, name));
}

static CK_RV merge(const CK_ATTRIBUTE *template, CK_ULONG count, struct nested_merged *m)
{
    const struct attrs *ours = &m->storage;

    m->list = calloc(ours->count + count + 1, sizeof(*m->list));
    if (m->list == NULL)
        return fail_memory();
    for (size_t i = 0; i < ours->count; i++) {
        CK_RV rv = check_agrees(&ours->list[i], template_get(template, count, ours->list[i].type));

        if (rv != CKR_OK)
            return rv;
        m->list[m->count++] = ours->list[i];
    }
    for (CK_ULONG i = 0; i < count; i++)
        if (attrs_get(ours, template[i].type) == NULL)
            m->list[m->count++] = template[i];
    return CKR_OK;
}

CK_RV nested_merge(const struct object *from, CK_ATTRIBUTE_TYPE type, const CK_ATTRIBUTE *template,
                   CK_ULONG count, struct nested_merged *ret)
{
    struct nested_merged merged = {.storage = ATTRS_INIT};
    CK_RV rv = nested_unpack(attrs_bytes(&from->attrs, type), &merged.storage);

    if (rv == CKR_OK)
        rv = merge(template, count, &merged);
    if (rv != CKR_OK) {
        nested_merged_release(&merged);
        return rv;
    }
    *ret = merged;
    return CKR_OK;
}

void nested_merged_release(struct nested_merged *merged)
{
    free(merged->list);
    attrs_release(&merged->storage);
    *merged = (struct nested_merged){.storage = ATTRS_INIT};
}
