/*
 * What a search looks for: the template of C_FindObjectsInit, in memory of our own, since the
 * search goes on when the application's is long gone.
 */
#ifndef KEYWARD_PKCS11_SOUGHT_H
#define KEYWARD_PKCS11_SOUGHT_H

#include "vault/object.h"

struct sought {
    struct attrs attrs; /* templates in it are packed (nested.h) */
    bool nothing;       /* no object can be like that */
};

/* CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_VALUE_INVALID, CKR_HOST_MEMORY; ret is then untouched. */
MUST_CHECK CK_RV sought_read(const CK_ATTRIBUTE *template, CK_ULONG count, struct sought *ret);
void sought_release(struct sought *sought);

bool sought_matches(const struct sought *sought, const struct object *object);
/* Could there be one among token objects (true), among session objects (false)? */
bool sought_among(const struct sought *sought, bool token);
/* The part of it that the store answers; borrows from sought. */
struct object_query sought_query(const struct sought *sought);

#endif
