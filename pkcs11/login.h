/* Logging in, for C_Login and C_LoginUser alike (c_login.c). */
#ifndef KEYWARD_PKCS11_LOGIN_H
#define KEYWARD_PKCS11_LOGIN_H

#include "pkcs11/call.h"

/* user empty: the one the PIN speaks for. A user that is not there is answered as a wrong PIN. */
MUST_CHECK CK_RV login_begin(struct run *run, CK_USER_TYPE type, struct bytes user,
                             struct bytes pin);

/* ---- tokens (login_token.c) ---- */

/* Is it "jwt:..."? */
bool login_is_token(struct bytes pin);
/* The login that a good token will be. A bad one is noted in the log and counts against nobody.
 * user not empty: the token's holder must be bound to that user. CKR_PIN_INCORRECT otherwise. */
MUST_CHECK CK_RV login_token(struct run *run, struct bytes user, struct bytes pin,
                             struct login *ret);
/* A token once more, for an operation: of whom is logged in with one. */
MUST_CHECK CK_RV login_same_token(struct run *run, const struct login *login, struct bytes pin);

#endif
