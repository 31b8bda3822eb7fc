/*
 * Templates as they come from applications: see template.h. Memory and form are looked at here,
 * once, so that nothing behind has to.
 */
#include "pkcs11/template.h"

#include "base/names.h"

#include <string.h>

static struct bytes value_of(const CK_ATTRIBUTE *attr)
{
    return BYTES(attr->pValue, attr->ulValueLen);
}

static bool is_bool(struct bytes v)
{
    return v.len == sizeof(CK_BBOOL) && (v.data[0] == CK_TRUE || v.data[0] == CK_FALSE);
}

/* Bytes that follow a UTF-8 lead byte; -1: it is none. */
static int utf8_follow(uint8_t lead)
{
    if (lead < 0x80)
        return lead == 0 ? -1 : 0;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 1;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 2;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 3;
    return -1;
}

/* Overlong forms, surrogates and what is past U+10FFFF show in the byte behind the lead. */
static bool utf8_second_is_good(uint8_t lead, uint8_t second)
{
    return !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F) &&
           !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
}

/* UTF-8 without a NUL: a name that stands in the log and in policies reads the same everywhere. */
static bool is_string(struct bytes v)
{
    for (size_t i = 0; i < v.len;) {
        int follow = utf8_follow(v.data[i]);

        if (follow < 0 || (size_t)follow > v.len - i - 1)
            return false;
        if (follow > 0 && !utf8_second_is_good(v.data[i], v.data[i + 1]))
            return false;
        for (int k = 1; k <= follow; k++)
            if ((v.data[i + (size_t)k] & 0xC0) != 0x80)
                return false;
        i += (size_t)follow + 1;
    }
    return true;
}

static size_t value_max(CK_ATTRIBUTE_TYPE type)
{
    return type == CKA_VALUE   ? TEMPLATE_VALUE_MAX
           : type == CKA_LABEL ? TEMPLATE_LABEL_MAX
                               : TEMPLATE_BYTES_MAX;
}

static bool has_form(enum attr_kind kind, struct bytes v)
{
    switch (kind) {
    case ATTR_BOOL:
        return is_bool(v);
    case ATTR_ULONG:
        return v.len == sizeof(CK_ULONG);
    case ATTR_DATE:
        return template_is_date(v);
    case ATTR_MECHANISMS:
        return v.len % sizeof(CK_MECHANISM_TYPE) == 0;
    case ATTR_STRING:
        return is_string(v);
    case ATTR_BYTES:
    case ATTR_BIG_INT:
        return true;
    case ATTR_TEMPLATE:
        return v.len % sizeof(CK_ATTRIBUTE) == 0;
    }
    return false;
}

/* A template in an attribute; one level of them is all that anybody asks for. */
static CK_RV scan_nested(const struct attr_name *row, const CK_ATTRIBUTE *attr)
{
    const CK_ATTRIBUTE *nested = attr->pValue;
    CK_ULONG count = attr->ulValueLen / sizeof(*nested);

    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_name *inner = attr_name_find(nested[i].type);

        if (inner != NULL && inner->kind == ATTR_TEMPLATE)
            return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                        "%s holds a template that holds one: only one level is kept", row->name);
    }
    return template_scan(nested, count);
}

static CK_RV scan_value(const struct attr_name *row, const CK_ATTRIBUTE *attr)
{
    if (attr->pValue == NULL && attr->ulValueLen > 0)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "%s has a length and no value: give both",
                    row->name);
    if (attr->ulValueLen > value_max(row->type))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "%s is %lu bytes long: at most %zu are kept",
                    row->name, attr->ulValueLen, value_max(row->type));
    if (!has_form(row->kind, value_of(attr)))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "%s is not a value of its type: check length and content", row->name);
    return row->kind == ATTR_TEMPLATE ? scan_nested(row, attr) : CKR_OK;
}

CK_RV template_scan(const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (template == NULL && count > 0)
        return fail_argument("pTemplate");
    if (count > TEMPLATE_COUNT_MAX)
        return fail(CKR_ARGUMENTS_BAD, "template counts %lu attributes: there are fewer than %u",
                    count, TEMPLATE_COUNT_MAX);
    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_name *row = attr_name_find(template[i].type);
        CK_RV rv;

        if (row == NULL)
            return fail(CKR_ATTRIBUTE_TYPE_INVALID, "attribute 0x%lx is not known: leave it out",
                        template[i].type);
        if (template_get(template, i, template[i].type) != NULL)
            return fail(CKR_TEMPLATE_INCONSISTENT, "%s stands twice in the template: give it once",
                        row->name);
        rv = scan_value(row, &template[i]);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

const CK_ATTRIBUTE *template_get(const CK_ATTRIBUTE *template, CK_ULONG count,
                                 CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (template[i].type == type)
            return &template[i];
    return NULL;
}

CK_ULONG template_ulong(const CK_ATTRIBUTE *template, CK_ULONG count, CK_ATTRIBUTE_TYPE type,
                        CK_ULONG fallback)
{
    const CK_ATTRIBUTE *attr = template_get(template, count, type);
    CK_ULONG value = fallback;

    if (attr != NULL && attr->ulValueLen == sizeof(value))
        memcpy(&value, attr->pValue, sizeof(value));
    return value;
}
