/* Records by libtasn1: see der.h. */
#include "vault/der.h"

#include <libtasn1.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* keyward.asn, compiled by asn1Parser while building. */
extern const asn1_static_node keyward_asn1_tab[];

#define NUMBER_LEN 9 /* a leading zero octet, so that no number is negative */

struct der {
    asn1_node module;
};

static void node_delete(asn1_node *node)
{
    /* Zeroized: members were plaintext. */
    (void)asn1_delete_structure2(node, ASN1_DELETE_FLAG_ZEROIZE);
}

CK_RV der_new(struct der **ret)
{
    struct der *der = calloc(1, sizeof(*der));
    char why[ASN1_MAX_ERROR_DESCRIPTION_SIZE];

    if (der == NULL)
        return fail_memory();
    if (asn1_array2tree(keyward_asn1_tab, &der->module, why) != ASN1_SUCCESS) {
        der_free(der);
        return fail_internal("the module compiled while building is one");
    }
    *ret = der;
    return CKR_OK;
}

void der_free(struct der *der)
{
    if (der == NULL)
        return;
    (void)asn1_delete_structure(&der->module);
    free(der);
}

static CK_RV fail_record(const char *member)
{
    return fail(CKR_DEVICE_ERROR,
                "a record opened but is none that this keyward knows (at %s): use the keyward "
                "that wrote it",
                member);
}

static CK_RV fail_encode(int code)
{
    return code == ASN1_MEM_ALLOC_ERROR || code == ASN1_MEM_ERROR
               ? fail_memory()
               : fail_internal("what a table describes can be encoded");
}

/* ---- members ---- */

static int put_member(asn1_node node, const struct der_member *m, const void *at)
{
    const struct bytes *octets = at;
    uint8_t number[NUMBER_LEN] = {0};
    uint64_t value;

    switch (m->kind) {
    case DER_NUMBER_OPTIONAL:
    case DER_NUMBER:
        memcpy(&value, at, sizeof(value));
        if (m->kind == DER_NUMBER_OPTIONAL && value == 0)
            return asn1_write_value(node, m->name, NULL, 0);
        for (size_t i = 0; i < 8; i++)
            number[1 + i] = (uint8_t)(value >> (56 - 8 * i));
        return asn1_write_value(node, m->name, number, NUMBER_LEN);
    case DER_TEXT:
        return asn1_write_value(node, m->name, at, (int)strlen(at));
    case DER_OCTETS_OPTIONAL:
        if (octets->len == 0)
            return asn1_write_value(node, m->name, NULL, 0);
        break;
    case DER_OCTETS:
        break;
    }
    return asn1_write_value(node, m->name, octets->len > 0 ? (const void *)octets->data : "",
                            (int)octets->len);
}

CK_RV der_encode(struct der *der, const struct der_type *type, const void *from, struct buf *out)
{
    SCOPED(node_delete) asn1_node node = NULL;
    char why[ASN1_MAX_ERROR_DESCRIPTION_SIZE];
    int code = asn1_create_element(der->module, type->name, &node);
    int len = 0;
    uint8_t *to;

    for (size_t i = 0; i < type->count && code == ASN1_SUCCESS; i++)
        code = put_member(node, &type->members[i], (const uint8_t *)from + type->members[i].offset);
    if (code != ASN1_SUCCESS)
        return fail_encode(code);
    code = asn1_der_coding(node, "", NULL, &len, why);
    if (code != ASN1_MEM_ERROR || len <= 0)
        return fail_encode(code);
    buf_clear(out);
    to = buf_grow(out, (size_t)len);
    if (to == NULL)
        return fail_memory();
    code = asn1_der_coding(node, "", to, &len, why);
    out->len = code == ASN1_SUCCESS ? (size_t)len : 0;
    return code == ASN1_SUCCESS ? CKR_OK : fail_encode(code);
}

static bool number_of(const uint8_t *data, int len, int64_t max, int64_t *ret)
{
    uint64_t value = 0;

    if (len < 1 || len > 8 || (data[0] & 0x80) != 0)
        return false;
    for (int i = 0; i < len; i++)
        value = value << 8 | data[i];
    *ret = (int64_t)value;
    return *ret <= max;
}

static bool get_number(asn1_node node, const struct der_member *m, void *at)
{
    uint8_t raw[NUMBER_LEN];
    int len = sizeof(raw);
    int64_t value;

    if (asn1_read_value(node, m->name, raw, &len) != ASN1_SUCCESS ||
        !number_of(raw, len, m->max, &value))
        return false;
    memcpy(at, &value, sizeof(value));
    return true;
}

/* One way to write each record: see get_optional(). */
static bool get_number_optional(asn1_node node, const struct der_member *m, void *at)
{
    static const int64_t none = 0;
    int len = 0;

    if (asn1_read_value(node, m->name, NULL, &len) == ASN1_ELEMENT_NOT_FOUND) {
        memcpy(at, &none, sizeof(none));
        return true;
    }
    return get_number(node, m, at) && memcmp(at, &none, sizeof(none)) != 0;
}

static bool get_text(asn1_node node, const struct der_member *m, char *at)
{
    int len = (int)m->max;

    if (asn1_read_value(node, m->name, at, &len) != ASN1_SUCCESS || len < 0 || len > m->max)
        return false;
    at[len] = '\0';
    return strlen(at) == (size_t)len;
}

/* Points into the DER itself, where the member's content is: nothing secret is copied about. */
static bool get_octets(asn1_node node, const struct der_member *m, struct bytes in,
                       struct bytes *ret)
{
    int start = 0;
    int end = 0;
    int tag_len = 0;
    unsigned char cls = 0;
    unsigned long tag = 0;
    long len;
    int len_len = 0;

    if (asn1_der_decoding_startEnd(node, in.data, (int)in.len, m->name, &start, &end) !=
            ASN1_SUCCESS ||
        start < 0 || end < start || (size_t)end >= in.len)
        return false;
    in = BYTES(in.data + start, (size_t)(end - start) + 1);
    if (asn1_get_tag_der(in.data, (int)in.len, &cls, &tag_len, &tag) != ASN1_SUCCESS)
        return false;
    in = BYTES(in.data + tag_len, in.len - (size_t)tag_len);
    len = asn1_get_length_der(in.data, (int)in.len, &len_len);
    if (len < 0 || len > m->max || (size_t)len + (size_t)len_len != in.len)
        return false;
    *ret = BYTES(in.data + len_len, (size_t)len);
    return true;
}

/* One way to write each record: an empty one would be another way to write none. */
static bool get_optional(asn1_node node, const struct der_member *m, struct bytes in,
                         struct bytes *ret)
{
    int len = 0;

    if (asn1_read_value(node, m->name, NULL, &len) == ASN1_ELEMENT_NOT_FOUND) {
        *ret = BYTES_NONE;
        return true;
    }
    return get_octets(node, m, in, ret) && ret->len > 0;
}

static bool get_member(asn1_node node, const struct der_member *m, struct bytes in, void *at)
{
    switch (m->kind) {
    case DER_NUMBER:
        return get_number(node, m, at);
    case DER_NUMBER_OPTIONAL:
        return get_number_optional(node, m, at);
    case DER_TEXT:
        return get_text(node, m, at);
    case DER_OCTETS_OPTIONAL:
        return get_optional(node, m, in, at);
    case DER_OCTETS:
        break;
    }
    return get_octets(node, m, in, at);
}

CK_RV der_decode(struct der *der, const struct der_type *type, struct bytes in, void *ret)
{
    SCOPED(node_delete) asn1_node node = NULL;
    char why[ASN1_MAX_ERROR_DESCRIPTION_SIZE];
    int len = (int)in.len;

    if (in.len == 0 || in.len > INT_MAX)
        return fail_record("its length");
    if (asn1_create_element(der->module, type->name, &node) != ASN1_SUCCESS)
        return fail_memory();
    if (asn1_der_decoding2(&node, in.data, &len, ASN1_DECODE_FLAG_STRICT_DER, why) !=
            ASN1_SUCCESS ||
        (size_t)len != in.len)
        return fail_record(type->name);
    for (size_t i = 0; i < type->count; i++) {
        const struct der_member *m = &type->members[i];

        if (!get_member(node, m, in, (uint8_t *)ret + m->offset))
            return fail_record(m->name);
    }
    return CKR_OK;
}
