/*
 * Keys that another key brings in: unwrapped, derived. What they may be is settled
 * and asked for first (incoming_begin), then the other key is used, then the value takes its place
 * (incoming_finish): nobody learns anything from a key that could not have been kept.
 */
#ifndef KEYWARD_PKCS11_INCOMING_H
#define KEYWARD_PKCS11_INCOMING_H

#include "pkcs11/call.h"
#include "pkcs11/template.h"

/* One row a call that brings keys in. */
struct incoming_way {
    enum template_use use;
    CK_ATTRIBUTE_TYPE template; /* of the other key: what it asks of those it brings in */
    enum action action;         /* asked for the new key */
    bool sensitive;             /* whatever comes in: it may be what went out sensitive */
};

struct incoming {
    struct object object;
    struct grant grant;
};

void incoming_release(struct incoming *incoming);

/*
 * The object, without its value yet. template is the caller's, not scanned. Class and key type must
 * be in it, but for secret keys that are derived: their class and CKK_GENERIC_SECRET are understood
 * where nothing is said. Nothing is left on failure.
 */
MUST_CHECK CK_RV incoming_begin(struct run *run, const struct incoming_way *way,
                                const struct object *from, const CK_MECHANISM *mechanism,
                                const CK_ATTRIBUTE *template, CK_ULONG count, struct incoming *ret);
/* The value (in the encoding of hsm/local_private.h; taken) becomes the key, its handle the result
 * of the call. An intent is in the log before. */
MUST_CHECK CK_RV incoming_finish(struct run *run, struct incoming *incoming, struct secret *value,
                                 CK_OBJECT_HANDLE_PTR ret);
/* The same without giving its handle to the caller: of one key of several. The record of its
 * outcome is this caller's to write. */
MUST_CHECK CK_RV incoming_keep(struct run *run, struct incoming *incoming, struct secret *value,
                               CK_OBJECT_HANDLE *ret);
/* One answer for everything that can be wrong with what was unwrapped. */
CK_RV incoming_unwrap_code(CK_RV rv);

#endif
