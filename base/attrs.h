/*
 * A list of attributes that owns its values: what an object is made of, in memory and at rest.
 * Sorted by type, each type once.
 */
#ifndef KEYWARD_BASE_ATTRS_H
#define KEYWARD_BASE_ATTRS_H

#include "base/bytes.h"
#include "base/fail.h"
#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>

struct attrs {
    CK_ATTRIBUTE *list; /* sorted by type; values owned, NULL where ulValueLen is 0 */
    size_t count;
    size_t cap;
};

#define ATTRS_INIT ((struct attrs){.list = NULL, .count = 0, .cap = 0})

/* Sets or replaces. The value is copied. CKR_HOST_MEMORY is the only failure. */
MUST_CHECK CK_RV attrs_set(struct attrs *a, CK_ATTRIBUTE_TYPE type, struct bytes value);
MUST_CHECK CK_RV attrs_set_bool(struct attrs *a, CK_ATTRIBUTE_TYPE type, bool value);
MUST_CHECK CK_RV attrs_set_ulong(struct attrs *a, CK_ATTRIBUTE_TYPE type, CK_ULONG value);
void attrs_remove(struct attrs *a, CK_ATTRIBUTE_TYPE type);

/* NULL when absent. Borrowed until the next change. */
const CK_ATTRIBUTE *attrs_get(const struct attrs *a, CK_ATTRIBUTE_TYPE type);
/* The value, or the empty span when absent. */
struct bytes attrs_bytes(const struct attrs *a, CK_ATTRIBUTE_TYPE type);
/* False when absent: a right that is not written down is not there. */
bool attrs_true(const struct attrs *a, CK_ATTRIBUTE_TYPE type);
/* fallback when absent or of another length. */
CK_ULONG attrs_ulong(const struct attrs *a, CK_ATTRIBUTE_TYPE type, CK_ULONG fallback);
/* True when every attribute of the template is present with exactly that value (C_FindObjectsInit).
 */
bool attrs_match(const struct attrs *a, const CK_ATTRIBUTE *template, CK_ULONG count);

/* to is overwritten, not released first, and left alone on failure. */
MUST_CHECK CK_RV attrs_copy(struct attrs *to, const struct attrs *from);
/* Values wiped, storage freed; safe on a zeroed list. */
void attrs_release(struct attrs *a);

#endif
