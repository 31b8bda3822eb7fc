/*
 * An object as PKCS#11 shows it: the attributes it carries, those that are views of what the vault
 * adds (unique id, protection, version, state), and those that stay in the HSM.
 */
#ifndef KEYWARD_PKCS11_VIEW_H
#define KEYWARD_PKCS11_VIEW_H

#include "vault/object.h"

enum view_answer {
    VIEW_VALUE,
    VIEW_SENSITIVE, /* it has one, and nobody gets it */
    VIEW_ABSENT,    /* such an object has no such attribute */
};

/* value may point into room: keep the struct as long as the value. That of a template in an
 * attribute is packed (nested.h). */
struct view {
    struct bytes value;
    uint8_t room[2 * OBJECT_ID_LEN + 1];
};

enum view_answer view_attribute(const struct object *object, CK_ATTRIBUTE_TYPE type,
                                struct view *ret);

/* True for the value of a data object: reading it needs getSecret, and a search by it would tell
 * what it is. */
bool view_is_secret(const struct object *object, CK_ATTRIBUTE_TYPE type);

/* Every attribute of the template is there with exactly that value; a template in it is packed, as
 * an object carries it. */
bool view_match(const struct object *object, const CK_ATTRIBUTE *template, CK_ULONG count);

/* C_GetObjectSize: bytes of the attributes' values, but for those whose length is a secret too. */
CK_ULONG view_size(const struct object *object);

/* Words for protection and state, as CKA_KEYWARD_PROTECTION and CKA_KEYWARD_STATE show them. */
const char *view_protection(const struct object *object);
const char *view_state(const struct object *object);

#endif
