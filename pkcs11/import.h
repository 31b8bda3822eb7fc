/*
 * Private and secret keys whose value comes from outside: out of a template, a file or a wrapped
 * key. Three steps, so that the gate can stand between them: the value is taken out of the template
 * (import_value), what made the key is written down (import_origin), and the object takes its place
 * (import_keep).
 */
#ifndef KEYWARD_PKCS11_IMPORT_H
#define KEYWARD_PKCS11_IMPORT_H

#include "pkcs11/call.h"

/*
 * The key itself, out of a scanned template of C_CreateObject: object->material, in the encoding of
 * hsm/local_private.h. The object was begun from the same template and never carries it as an
 * attribute. CKR_TEMPLATE_INCOMPLETE or CKR_ATTRIBUTE_VALUE_INVALID when there is no key in it.
 */
MUST_CHECK CK_RV import_value(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count,
                              struct object *object);

/* Not made here: CKA_LOCAL, CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE are false, no mechanism
 * generated it (PKCS#11 2.40 base, 4.7 to 4.10). */
MUST_CHECK CK_RV import_origin(struct object *object);

/*
 * A granted object takes its place, whatever its class: the intent is in the log, then the value of
 * a private or secret key (object->material) is put on the device of its protection, which checks
 * it, then a token object is stored, and the record names it. A software key keeps its material as
 * the device gives it back, of an HSM key none is left here. Filled is what the standard has of the
 * value: the public half's attributes (those given must fit), length and check value. On failure
 * nothing is left, on the device or in the store.
 */
MUST_CHECK CK_RV import_keep(struct run *run, struct object *object);

#endif
