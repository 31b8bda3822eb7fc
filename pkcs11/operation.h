/*
 * An operation in progress in a session (digest, sign, verify, encrypt, decrypt): what C_*Init set
 * up and Update, Final and the one-shot calls go on with. The body is private to operation.c and
 * the chapters that use it (operation_int.h).
 */
#ifndef KEYWARD_PKCS11_OPERATION_H
#define KEYWARD_PKCS11_OPERATION_H

struct operation;

/* Ends it wherever it stands, wiping what it staged. NULL is fine. */
void operation_free(struct operation *operation);

#endif
