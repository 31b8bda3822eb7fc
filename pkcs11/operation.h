/*
 * An operation in progress in a session (digest, sign, verify, encrypt, decrypt): what C_*Init set
 * up and Update, Final and the one-shot calls go on with. The body is private to operation.c and
 * the chapters that use it (operation_int.h).
 */
#ifndef KEYWARD_PKCS11_OPERATION_H
#define KEYWARD_PKCS11_OPERATION_H

#include "pkcs11/app.h"

/* Ends it wherever it stands, wiping what it staged. NULL is fine. */
void operation_free(struct operation *operation);

/* Does an operation in the session wait for a login of its own (CKA_ALWAYS_AUTHENTICATE)?
 * CKR_OPERATION_NOT_INITIALIZED. The session is locked. */
MUST_CHECK CK_RV operation_ensure_waiting(const struct session *session);
/* It came: what waits goes on. */
void operation_logged_in(struct session *session);

#endif
