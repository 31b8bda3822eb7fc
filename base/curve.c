/* The table of curves: see curve.h. OIDs: RFC 5480, 2.1.1.1; SEC 2, A.2; RFC 5639, 4.1; RFC 8410,
 * 3. */
#include "base/curve.h"

#include <string.h>

#define SPAN(lit)                                                                                  \
    {                                                                                              \
        .data = (const uint8_t *)(lit), .len = sizeof(lit) - 1                                     \
    }
#define NONE                                                                                       \
    {                                                                                              \
        .data = NULL, .len = 0                                                                     \
    }

/* clang-format off */
static const struct curve rows[] = {
    {"P-256",           CKK_EC,            SPAN("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),     NONE,                         256},
    {"P-384",           CKK_EC,            SPAN("\x06\x05\x2b\x81\x04\x00\x22"),                 NONE,                         384},
    {"P-521",           CKK_EC,            SPAN("\x06\x05\x2b\x81\x04\x00\x23"),                 NONE,                         521},
    {"secp256k1",       CKK_EC,            SPAN("\x06\x05\x2b\x81\x04\x00\x0a"),                 NONE,                         256},
    {"brainpoolP256r1", CKK_EC,            SPAN("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"), NONE,                         256},
    {"brainpoolP384r1", CKK_EC,            SPAN("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"), NONE,                         384},
    {"brainpoolP512r1", CKK_EC,            SPAN("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"), NONE,                         512},
    {"ed25519",         CKK_EC_EDWARDS,    SPAN("\x06\x03\x2b\x65\x70"),                         SPAN("\x13\x0c" "edwards25519"), 255},
    {"ed448",           CKK_EC_EDWARDS,    SPAN("\x06\x03\x2b\x65\x71"),                         SPAN("\x13\x0a" "edwards448"),   448},
    {"x25519",          CKK_EC_MONTGOMERY, SPAN("\x06\x03\x2b\x65\x6e"),                         SPAN("\x13\x0a" "curve25519"),   255},
    {"x448",            CKK_EC_MONTGOMERY, SPAN("\x06\x03\x2b\x65\x6f"),                         SPAN("\x13\x08" "curve448"),     448},
};
/* clang-format on */

#define COUNT (sizeof(rows) / sizeof(*rows))

const struct curve *curve_at(size_t i)
{
    return i < COUNT ? &rows[i] : NULL;
}

const struct curve *curve_find(CK_KEY_TYPE type, struct bytes params)
{
    for (size_t i = 0; i < COUNT; i++)
        if (rows[i].type == type && params.len > 0 &&
            (bytes_equal(rows[i].params, params) || bytes_equal(rows[i].alias, params)))
            return &rows[i];
    return NULL;
}

const struct curve *curve_named(const char *name)
{
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}
