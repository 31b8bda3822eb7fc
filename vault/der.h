/*
 * Records as DER, by libtasn1 and the module keyward.asn; entered through this one file. A record
 * is described by a table of its members. Decoding is strict: DER and nothing but, no bytes behind
 * the end, every text, number and length within its row's limits.
 */
#ifndef KEYWARD_VAULT_DER_H
#define KEYWARD_VAULT_DER_H

#include "base/attrs.h"
#include "base/bytes.h"
#include "base/fail.h"

#include <stddef.h>
#include <stdint.h>

struct der; /* the compiled module */

MUST_CHECK CK_RV der_new(struct der **ret);
void der_free(struct der *der);

enum der_kind {
    DER_NUMBER,          /* int64_t, 0 to max */
    DER_NUMBER_OPTIONAL, /* the same, of an OPTIONAL member; 0 means absent, and only absent */
    DER_TEXT,            /* char array with its NUL; max bytes without it */
    DER_OCTETS,          /* struct bytes; 0 to max bytes, decoded ones point into the der given */
    DER_OCTETS_OPTIONAL, /* the same, of an OPTIONAL member; empty means absent, and only absent */
};

/* One member: its name in the module, and where it is in the caller's struct. */
struct der_member {
    const char *name;
    enum der_kind kind;
    size_t offset;
    int64_t max;
};

/* Every member of the module's type has its row: libtasn1 4.20 encodes none that was left unset. */
struct der_type {
    const char *name; /* "KEYWARD.User" */
    const struct der_member *members;
    size_t count;
};

/* out is cleared first; the caller ends it with buf_release_secure(). */
MUST_CHECK CK_RV der_encode(struct der *der, const struct der_type *type, const void *from,
                            struct buf *out);
/* CKR_DEVICE_ERROR when it is no such record. */
MUST_CHECK CK_RV der_decode(struct der *der, const struct der_type *type, struct bytes in,
                            void *ret);

/* The list of attributes; the value of one that is a template (CKA_WRAP_TEMPLATE) is such a list
 * itself, already encoded. Refused: a CK_ULONG of another length (CKR_ATTRIBUTE_VALUE_INVALID). */
MUST_CHECK CK_RV der_encode_attrs(const struct attrs *attrs, struct buf *out);
MUST_CHECK CK_RV der_decode_attrs(struct bytes in, struct attrs *ret);

#include "base/scope.h"
SCOPE_DEFINE(struct der, der_free)

#endif
