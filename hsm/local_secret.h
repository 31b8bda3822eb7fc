/* Secrets made from what is no key. */
#ifndef KEYWARD_HSM_LOCAL_SECRET_H
#define KEYWARD_HSM_LOCAL_SECRET_H

#include "base/secret.h"
#include "hsm/local.h"

/* CKM_PKCS5_PBKD2 (RFC 8018, 5.2), by which C_GenerateKey makes a key of len bytes from a password.
 */
MUST_CHECK CK_RV local_pbkdf2(struct local *local, const CK_PKCS5_PBKD2_PARAMS2 *params, size_t len,
                              struct secret **ret_value);

#endif
