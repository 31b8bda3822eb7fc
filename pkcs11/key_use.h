/*
 * A key used within one call: wrapping, unwrapping, deriving. The same checks and
 * the same question to the gate as for an operation that goes on (operation_int.h).
 */
#ifndef KEYWARD_PKCS11_KEY_USE_H
#define KEYWARD_PKCS11_KEY_USE_H

#include "pkcs11/operation_int.h"

struct key_use {
    struct operation *op; /* its key, mechanism and grant */
    struct hsm_key key;   /* of a private or secret key: as its device knows it */
};

/* Checked and allowed; no record yet. mechanism is borrowed until key_use_release(). */
MUST_CHECK CK_RV key_use_begin(struct run *run, enum operation_kind kind,
                               const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key,
                               struct key_use *ret);
void key_use_release(struct key_use *use);
const struct object *key_use_object(const struct key_use *use);
/* The record of the use, written now: what it is about (its digest and length), and how it went.
 * Returns rv, or CKR_DEVICE_ERROR when it could not be written. */
MUST_CHECK CK_RV key_use_record(struct run *run, const struct grant *grant, struct bytes about,
                                CK_RV rv);

#endif
