/* What a search looks for: see sought.h. */
#include "pkcs11/sought.h"

#include "pkcs11/nested.h"
#include "pkcs11/template.h"
#include "pkcs11/view.h"

void sought_release(struct sought *sought)
{
    attrs_release(&sought->attrs);
}

/* ---- reading the template ---- */

/* Unlike a template that makes an object, this one may speak of attributes nobody knows: nothing
 * has them, so nothing is found. Only memory is checked. */
static CK_RV check_template(const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (template == NULL && count > 0)
        return fail_argument("pTemplate");
    if (count > TEMPLATE_COUNT_MAX)
        return fail(CKR_ARGUMENTS_BAD, "template counts %lu attributes: there are fewer than %u",
                    count, TEMPLATE_COUNT_MAX);
    for (CK_ULONG i = 0; i < count; i++)
        if ((template[i].pValue == NULL && template[i].ulValueLen > 0) ||
            template[i].ulValueLen > TEMPLATE_VALUE_MAX)
            return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                        "attribute 0x%lx has no value of its length: give both", template[i].type);
    return CKR_OK;
}

/* The value as an object would carry it; empty in *packed unless it has to be packed. False: no
 * object carries one like that. */
static bool carried(const CK_ATTRIBUTE *attr, struct buf *packed, struct bytes *ret)
{
    *ret = BYTES(attr->pValue, attr->ulValueLen);
    if (!nested_is(attr->type))
        return attr->type == CKA_VALUE || attr->ulValueLen <= TEMPLATE_BYTES_MAX;
    if (nested_pack(attr, packed) != CKR_OK)
        return false;
    *ret = buf_bytes(packed);
    return true;
}

/* An attribute named twice with two values is one that nothing has. */
static CK_RV add(struct sought *sought, const CK_ATTRIBUTE *attr)
{
    SCOPED(buf_release) struct buf packed = BUF_INIT(NESTED_BYTES_MAX);
    const CK_ATTRIBUTE *before = attrs_get(&sought->attrs, attr->type);
    struct bytes value;

    if (!carried(attr, &packed, &value) ||
        (before != NULL && !bytes_equal(value, BYTES(before->pValue, before->ulValueLen)))) {
        sought->nothing = true;
        return CKR_OK;
    }
    return attrs_set(&sought->attrs, attr->type, value);
}

CK_RV sought_read(const CK_ATTRIBUTE *template, CK_ULONG count, struct sought *ret)
{
    struct sought sought = {.attrs = ATTRS_INIT};
    CK_RV rv = check_template(template, count);

    for (CK_ULONG i = 0; rv == CKR_OK && i < count && !sought.nothing; i++)
        rv = add(&sought, &template[i]);
    if (rv != CKR_OK) {
        sought_release(&sought);
        return rv;
    }
    *ret = sought;
    return CKR_OK;
}

/* ---- looking ---- */

bool sought_matches(const struct sought *sought, const struct object *object)
{
    return !sought->nothing && view_match(object, sought->attrs.list, sought->attrs.count);
}

/* A value that is no CK_BBOOL matches neither kind: that is left to the match. */
bool sought_among(const struct sought *sought, bool token)
{
    struct bytes value = attrs_bytes(&sought->attrs, CKA_TOKEN);

    return !sought->nothing && (value.len != sizeof(CK_BBOOL) || (value.data[0] != 0) == token);
}

/* A label or an id that is empty is in no index's favour: it is left to the match. */
struct object_query sought_query(const struct sought *sought)
{
    const struct attrs *attrs = &sought->attrs;
    struct object_query query = {.label = attrs_bytes(attrs, CKA_LABEL),
                                 .id = attrs_bytes(attrs, CKA_ID),
                                 .has_class =
                                     attrs_bytes(attrs, CKA_CLASS).len == sizeof(CK_OBJECT_CLASS),
                                 .cls = attrs_ulong(attrs, CKA_CLASS, 0)};

    query.has_label = query.label.len > 0;
    query.has_id = query.id.len > 0;
    return query;
}
