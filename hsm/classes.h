/*
 * What an HSM's return code means for us: one table, one repair for each class. The standard's
 * codes are ambiguous in places and libraries take liberties; where a code could be both the
 * caller's fault and the device's, the device is asked.
 */
#ifndef KEYWARD_HSM_CLASSES_H
#define KEYWARD_HSM_CLASSES_H

#include "base/pkcs11.h"

enum hsm_class {
    HSM_CLASS_OK,
    HSM_CLASS_CALLER,    /* passed through */
    HSM_CLASS_SESSION,   /* a new session, once */
    HSM_CLASS_KEY,       /* the key's handle is looked up again, once */
    HSM_CLASS_LOGIN,     /* one login under the lock, once */
    HSM_CLASS_BUSY,      /* a short wait, once */
    HSM_CLASS_AMBIGUOUS, /* the device is asked whether it lives: then busy, else lost */
    HSM_CLASS_LOST,      /* this worker ends; the host starts another, once */
    HSM_CLASS_PIN, /* nothing: every further attempt brings the HSM nearer to erasing itself */
};

enum hsm_class hsm_class_of(CK_RV rv);

#endif
