/*
 * The list of attributes as DER: see der.h and Attributes in keyward.asn. Read and written element
 * by element with libtasn1's elementary functions: through its tree, whose members are found by
 * name, a list costs the square of its length.
 *
 * CK_ULONG differs between machines; at rest it has 8 bytes, big-endian, as the table in
 * base/names.h tells which values are one.
 */
#include "base/names.h"
#include "vault/der.h"

#include <libtasn1.h>
#include <limits.h>
#include <string.h>

#define SEQUENCE     0x30
#define INTEGER      0x02
#define OCTET_STRING 0x04
#define WIDE         8 /* bytes of a CK_ULONG at rest */

/* ---- writing ---- */

static void put_length(struct buf *out, size_t len)
{
    unsigned char raw[ASN1_MAX_LENGTH_SIZE];
    int n = 0;

    asn1_length_der(len, raw, &n);
    buf_put(out, raw, (size_t)n);
}

static void put_element(struct buf *out, uint8_t tag, struct bytes content)
{
    buf_put(out, &tag, 1);
    put_length(out, content.len);
    buf_put_bytes(out, content);
}

static void wide_of(CK_ULONG value, uint8_t out[static WIDE])
{
    for (size_t i = 0; i < WIDE; i++)
        out[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
}

static void put_number(struct buf *out, CK_ULONG value)
{
    uint8_t raw[1 + WIDE] = {0};
    size_t skip = 0;

    wide_of(value, raw + 1);
    while (skip < WIDE && raw[skip] == 0 && (raw[skip + 1] & 0x80) == 0)
        skip++;
    put_element(out, INTEGER, BYTES(raw + skip, sizeof(raw) - skip));
}

static CK_RV fail_value(CK_ATTRIBUTE_TYPE type, const char *what)
{
    char name[NAME_BUF_MAX];

    return fail(CKR_ATTRIBUTE_VALUE_INVALID, "%s %s: correct the template",
                name_of_attribute(type, name), what);
}

/* Each CK_ULONG of the value, wide. */
static void put_wide(struct buf *out, const CK_ATTRIBUTE *attr)
{
    size_t count = attr->ulValueLen / sizeof(CK_ULONG);
    uint8_t raw[WIDE];

    buf_putc(out, OCTET_STRING);
    put_length(out, count * WIDE);
    for (size_t i = 0; i < count; i++) {
        CK_ULONG value;

        memcpy(&value, (const uint8_t *)attr->pValue + i * sizeof(value), sizeof(value));
        wide_of(value, raw);
        buf_put(out, raw, WIDE);
    }
}

static enum attr_kind kind_of(CK_ATTRIBUTE_TYPE type)
{
    const struct attr_name *row = attr_name_find(type);

    return row != NULL ? row->kind : ATTR_BYTES;
}

static CK_RV put_attribute(struct buf *out, const CK_ATTRIBUTE *attr)
{
    enum attr_kind kind = kind_of(attr->type);

    put_number(out, attr->type);
    if (kind == ATTR_ULONG && attr->ulValueLen != sizeof(CK_ULONG))
        return fail_value(attr->type, "is a CK_ULONG and has another length");
    if (kind == ATTR_MECHANISMS && attr->ulValueLen % sizeof(CK_ULONG) != 0)
        return fail_value(attr->type, "is a list of mechanisms and has a part of one");
    if (kind == ATTR_ULONG || kind == ATTR_MECHANISMS)
        put_wide(out, attr);
    else
        put_element(out, OCTET_STRING, BYTES(attr->pValue, attr->ulValueLen));
    return CKR_OK;
}

CK_RV der_encode_attrs(const struct attrs *attrs, struct buf *out)
{
    struct buf list = BUF_INIT(out->max);
    struct buf one = BUF_INIT(out->max);
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < attrs->count && rv == CKR_OK; i++) {
        buf_clear(&one);
        rv = put_attribute(&one, &attrs->list[i]);
        put_element(&list, SEQUENCE, buf_bytes(&one));
        if (!buf_ok(&one))
            list.failed = true;
    }
    buf_clear(out);
    if (rv == CKR_OK)
        put_element(out, SEQUENCE, buf_bytes(&list));
    if (rv == CKR_OK && (!buf_ok(&list) || !buf_ok(out)))
        rv = fail(CKR_ATTRIBUTE_VALUE_INVALID,
                  "an object has over %zu bytes of attributes: store less in one object", out->max);
    buf_release_secure(&one);
    buf_release_secure(&list);
    return rv;
}

/* ---- reading ---- */

static CK_RV fail_list(void)
{
    return fail(CKR_DEVICE_ERROR, "a record opened but its attributes are none that this keyward "
                                  "knows: use the keyward that wrote it");
}

/* Takes one element with this tag off the front of in. */
static bool take_element(struct bytes *in, uint8_t want, struct bytes *ret)
{
    int len_len = 0;
    long len;

    if (in->len < 2 || in->len > INT_MAX || in->data[0] != want)
        return false;
    len = asn1_get_length_der(in->data + 1, (int)in->len - 1, &len_len);
    if (len < 0 || (size_t)len > in->len - 1 - (size_t)len_len)
        return false;
    /* DER's shortest form: no length of two octets where one would do. */
    if (len_len > 1 && (len < 128 || in->data[2] == 0))
        return false;
    *ret = BYTES(in->data + 1 + len_len, (size_t)len);
    *in = BYTES(ret->data + len, in->len - 1 - (size_t)len_len - (size_t)len);
    return true;
}

static bool take_number(struct bytes *in, CK_ULONG *ret)
{
    struct bytes raw;
    uint64_t value = 0;

    if (!take_element(in, INTEGER, &raw) || raw.len == 0 || raw.len > 1 + WIDE ||
        (raw.data[0] & 0x80) != 0)
        return false;
    if (raw.len > 1 && raw.data[0] == 0 && (raw.data[1] & 0x80) == 0)
        return false;
    if (raw.len > WIDE && raw.data[0] != 0)
        return false;
    for (size_t i = 0; i < raw.len; i++)
        value = value << 8 | raw.data[i];
    *ret = (CK_ULONG)value;
    return *ret == value;
}

static CK_RV set_wide(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, struct bytes raw)
{
    struct buf native = BUF_INIT(raw.len + 1);
    CK_RV rv = CKR_OK;

    for (size_t at = 0; at < raw.len; at += WIDE) {
        uint64_t value = 0;
        CK_ULONG narrow;

        for (size_t i = 0; i < WIDE; i++)
            value = value << 8 | raw.data[at + i];
        narrow = (CK_ULONG)value;
        if (narrow != value)
            rv = fail_list();
        buf_put(&native, &narrow, sizeof(narrow));
    }
    if (!buf_ok(&native))
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = attrs_set(attrs, type, buf_bytes(&native));
    buf_release_secure(&native);
    return rv;
}

static CK_RV set_value(struct attrs *attrs, CK_ATTRIBUTE_TYPE type, struct bytes raw)
{
    enum attr_kind kind = kind_of(type);

    if ((kind == ATTR_ULONG && raw.len != WIDE) || (kind == ATTR_MECHANISMS && raw.len % WIDE != 0))
        return fail_list();
    return kind == ATTR_ULONG || kind == ATTR_MECHANISMS ? set_wide(attrs, type, raw)
                                                         : attrs_set(attrs, type, raw);
}

static CK_RV read_list(struct bytes list, struct attrs *attrs)
{
    CK_ATTRIBUTE_TYPE last = 0;
    CK_RV rv = CKR_OK;

    while (list.len > 0 && rv == CKR_OK) {
        struct bytes one, value;
        CK_ATTRIBUTE_TYPE type;

        if (!take_element(&list, SEQUENCE, &one) || !take_number(&one, &type) ||
            !take_element(&one, OCTET_STRING, &value) || one.len != 0)
            return fail_list();
        if (attrs->count > 0 && type <= last)
            return fail_list();
        last = type;
        rv = set_value(attrs, type, value);
    }
    return rv;
}

CK_RV der_decode_attrs(struct bytes in, struct attrs *ret)
{
    struct attrs attrs = ATTRS_INIT;
    struct bytes list;
    CK_RV rv;

    if (!take_element(&in, SEQUENCE, &list) || in.len != 0)
        return fail_list();
    rv = read_list(list, &attrs);
    if (rv != CKR_OK) {
        attrs_release(&attrs);
        return rv;
    }
    *ret = attrs;
    return CKR_OK;
}
