/* Between object.c and object_find.c: an object's record, and its lookup columns. */
#ifndef KEYWARD_VAULT_OBJECT_INT_H
#define KEYWARD_VAULT_OBJECT_INT_H

#include "vault/object.h"
#include "vault/record.h"

enum object_part { OBJECT_WITHOUT_MATERIAL, OBJECT_WHOLE };

/* Release with object_release(). */
MUST_CHECK CK_RV object_decode(struct store *store, const struct keys *keys,
                               const struct record *record, struct bytes content,
                               enum object_part part, struct object *ret);
/* The column of a CKA_LABEL or CKA_ID. */
MUST_CHECK CK_RV object_tag(struct store *store, struct keys *keys, CK_ATTRIBUTE_TYPE type,
                            struct bytes value, uint8_t ret[static TAG_LEN]);

#endif
