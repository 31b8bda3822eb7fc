/* A sorted attribute list: see attrs.h. */
#include "base/attrs.h"

#include <stdlib.h>
#include <string.h>

/* The index of type, or of the place it would take. */
static size_t find_place(const struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
    size_t lo = 0;
    size_t hi = a->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (a->list[mid].type < type)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool holds(const struct attrs *a, size_t at, CK_ATTRIBUTE_TYPE type)
{
    return at < a->count && a->list[at].type == type;
}

static void value_free(CK_ATTRIBUTE *attr)
{
    if (attr->pValue != NULL)
        bytes_wipe(attr->pValue, attr->ulValueLen);
    free(attr->pValue);
}

static bool make_room(struct attrs *a)
{
    size_t cap = a->cap > 0 ? a->cap * 2 : 16;
    CK_ATTRIBUTE *list;

    if (a->count < a->cap)
        return true;
    list = realloc(a->list, cap * sizeof(*list));
    if (list == NULL)
        return false;
    a->list = list;
    a->cap = cap;
    return true;
}

CK_RV attrs_set(struct attrs *a, CK_ATTRIBUTE_TYPE type, struct bytes value)
{
    size_t at = find_place(a, type);
    void *copy = NULL;

    if (value.len > 0) {
        copy = malloc(value.len);
        if (copy == NULL)
            return fail_memory();
        memcpy(copy, value.data, value.len);
    }
    if (holds(a, at, type)) {
        value_free(&a->list[at]);
    } else {
        if (!make_room(a)) {
            free(copy);
            return fail_memory();
        }
        memmove(&a->list[at + 1], &a->list[at], (a->count - at) * sizeof(*a->list));
        a->count++;
    }
    a->list[at] = (CK_ATTRIBUTE){.type = type, .pValue = copy, .ulValueLen = value.len};
    return CKR_OK;
}

CK_RV attrs_set_bool(struct attrs *a, CK_ATTRIBUTE_TYPE type, bool value)
{
    CK_BBOOL b = value ? CK_TRUE : CK_FALSE;

    return attrs_set(a, type, BYTES(&b, sizeof(b)));
}

CK_RV attrs_set_ulong(struct attrs *a, CK_ATTRIBUTE_TYPE type, CK_ULONG value)
{
    return attrs_set(a, type, BYTES(&value, sizeof(value)));
}

void attrs_remove(struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
    size_t at = find_place(a, type);

    if (!holds(a, at, type))
        return;
    value_free(&a->list[at]);
    a->count--;
    memmove(&a->list[at], &a->list[at + 1], (a->count - at) * sizeof(*a->list));
}

const CK_ATTRIBUTE *attrs_get(const struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
    size_t at = find_place(a, type);

    return holds(a, at, type) ? &a->list[at] : NULL;
}

struct bytes attrs_bytes(const struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *attr = attrs_get(a, type);

    return attr != NULL ? BYTES(attr->pValue, attr->ulValueLen) : BYTES_NONE;
}

bool attrs_true(const struct attrs *a, CK_ATTRIBUTE_TYPE type)
{
    const CK_ATTRIBUTE *attr = attrs_get(a, type);

    return attr != NULL && attr->ulValueLen == sizeof(CK_BBOOL) &&
           *(const CK_BBOOL *)attr->pValue == CK_TRUE;
}

CK_ULONG attrs_ulong(const struct attrs *a, CK_ATTRIBUTE_TYPE type, CK_ULONG fallback)
{
    const CK_ATTRIBUTE *attr = attrs_get(a, type);
    CK_ULONG value = fallback;

    if (attr != NULL && attr->ulValueLen == sizeof(value))
        memcpy(&value, attr->pValue, sizeof(value));
    return value;
}

bool attrs_match(const struct attrs *a, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        const CK_ATTRIBUTE *attr = attrs_get(a, template[i].type);

        /* The template is the caller's: a NULL with a length matches nothing. */
        if (template[i].pValue == NULL && template[i].ulValueLen > 0)
            return false;
        if (attr == NULL || !bytes_equal(BYTES(attr->pValue, attr->ulValueLen),
                                         BYTES(template[i].pValue, template[i].ulValueLen)))
            return false;
    }
    return true;
}

CK_RV attrs_copy(struct attrs *to, const struct attrs *from)
{
    struct attrs copy = ATTRS_INIT;

    for (size_t i = 0; i < from->count; i++) {
        const CK_ATTRIBUTE *attr = &from->list[i];
        CK_RV rv = attrs_set(&copy, attr->type, BYTES(attr->pValue, attr->ulValueLen));

        if (rv != CKR_OK) {
            attrs_release(&copy);
            return rv;
        }
    }
    *to = copy;
    return CKR_OK;
}

void attrs_release(struct attrs *a)
{
    for (size_t i = 0; i < a->count; i++)
        value_free(&a->list[i]);
    free(a->list);
    *a = ATTRS_INIT;
}
