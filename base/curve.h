/*
 * Named curves as a table: what people call them, what CKA_EC_PARAMS calls them. A curve without a
 * row does not exist: parameters spelt out are taken nowhere.
 */
#ifndef KEYWARD_BASE_CURVE_H
#define KEYWARD_BASE_CURVE_H

#include "base/bytes.h"
#include "base/pkcs11.h"

struct curve {
    const char *name;    /* "P-256" */
    CK_KEY_TYPE type;    /* CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY */
    struct bytes params; /* DER of CKA_EC_PARAMS: the OID */
    struct bytes alias;  /* PKCS#11 3.0, 2.3.3: the same as a PrintableString; empty: none */
    CK_ULONG bits;       /* of the field */
};

const struct curve *curve_at(size_t i); /* NULL past the end */
/* By CKA_EC_PARAMS, either form; NULL when a key of this type is on no such curve. */
const struct curve *curve_find(CK_KEY_TYPE type, struct bytes params);
const struct curve *curve_named(const char *name); /* NULL when there is none */

#endif
