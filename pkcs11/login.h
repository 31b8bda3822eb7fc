/* Logging in, for C_Login and C_LoginUser alike (c_login.c). */
#ifndef KEYWARD_PKCS11_LOGIN_H
#define KEYWARD_PKCS11_LOGIN_H

#include "pkcs11/call.h"

/* user empty: the one the PIN speaks for. A user that is not there is answered as a wrong PIN. */
MUST_CHECK CK_RV login_begin(struct run *run, CK_USER_TYPE type, struct bytes user,
                             struct bytes pin);

#endif
