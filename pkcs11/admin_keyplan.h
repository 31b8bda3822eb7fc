/* What an administrator asks of a new key, made here (admin_keygen.c) or brought in
 * (admin_keyimport.c). */
#ifndef KEYWARD_PKCS11_ADMIN_KEYPLAN_H
#define KEYWARD_PKCS11_ADMIN_KEYPLAN_H

#include "pkcs11/admin_int.h"

#define KEY_ID_LEN     16
#define MECHANISMS_MAX 32

struct key_kind {
    const char *word;
    CK_MECHANISM_TYPE mechanism; /* that generates it */
    CK_KEY_TYPE type;
    bool pair;
    CK_ULONG bits;
    const char *curve; /* NULL: none */
    unsigned use;      /* when none is asked for */
    CK_ULONG set;      /* CKA_PARAMETER_SET; 0: none */
};

struct key_plan {
    const struct key_kind *kind; /* NULL: the member "type" was absent */
    const char *name;
    const char *protection; /* NULL: the vault's default */
    unsigned use;           /* bits by place in the words of --use */
    bool use_is_default;
    uint8_t id[KEY_ID_LEN];
    int64_t not_before, expires;
    CK_MECHANISM_TYPE mechanisms[MECHANISMS_MAX];
    size_t mechanism_count;
};

/* The verb's members name, type, protection, use, mechanisms, not-before, expires;
 * CKR_ARGUMENTS_BAD with what is wrong. Borrows from the request. */
MUST_CHECK CK_RV key_plan_read(struct admin *a, struct key_plan *plan);
/* The kind of private keys of this type where only the key itself says more; NULL: none. */
const struct key_kind *key_plan_kind_of(CK_KEY_TYPE type);

/* A second key of a name is a new version of it, which is rotation's to make. */
MUST_CHECK CK_RV key_plan_ensure_name_free(struct admin *a);
/* Templates of the halves, without sizes and values. */
MUST_CHECK CK_RV key_plan_public(const struct key_plan *plan, struct attrs *attrs);
MUST_CHECK CK_RV key_plan_private(const struct key_plan *plan, struct attrs *attrs);
/* CK_DATE knows days, the vault seconds: the exact instants are written once the key is there. */
MUST_CHECK CK_RV key_plan_set_instants(struct admin *a, const struct key_plan *plan,
                                       struct object *object);

#endif
