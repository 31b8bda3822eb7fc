/*
 * Bringing objects in: keys, X.509 certificates and data, for C_CreateObject and the administrative
 * verbs alike.
 */
#ifndef KEYWARD_PKCS11_CREATE_H
#define KEYWARD_PKCS11_CREATE_H

#include "pkcs11/call.h"

/*
 * Template checked and completed, fields filled from what is inside (a certificate's subject,
 * issuer, serial number and dates; a key's SubjectPublicKeyInfo or check value), gate asked
 * (import; for data setSecret), intent recorded, a private or secret key put on its device, token
 * object stored. The object is the caller's; a session object becomes one by birth_handle().
 * run->session may be NULL: token objects only.
 */
MUST_CHECK CK_RV create_object(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count,
                               struct object *ret);

#endif
