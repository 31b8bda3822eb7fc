/* Reading attributes: what C_GetAttributeValue answers, staged until its record is in the log. */
#ifndef KEYWARD_PKCS11_READ_H
#define KEYWARD_PKCS11_READ_H

#include "pkcs11/call.h"

/* The results of one C_GetAttributeValue. */
struct reading {
    CK_ATTRIBUTE *template; /* the caller's */
    CK_ULONG count;
    struct held *held;  /* the object; its values are copied from here */
    bool *refused;      /* of each attribute, where the policy looks at them; NULL: none is */
    bool secret;        /* the value of a data object or a key may be read */
    struct attrs value; /* a key's, where it may be read */
    CK_RV code;         /* CKR_OK or the standard's code for the attributes that were not given */
};

/* Asks the gate and finds the code; the caller's template is not touched yet. */
MUST_CHECK CK_RV read_attributes(struct run *run, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *template,
                                 CK_ULONG count, struct reading *ret);
/* What the record says of it: a short buffer is an outcome here, since the others were given. */
CK_RV reading_recorded(const struct reading *reading);
/* Lengths and values to the caller, after the record. */
void reading_give(struct reading *reading);
void reading_release(struct reading *reading);

/* May the caller read this attribute of an object that it may see? No record. Only to be asked
 * where a policy looks at attributes (gate_hears_attributes()). */
bool read_may(struct run *run, const struct object *object, CK_ATTRIBUTE_TYPE type);

#endif
