/* PKCS#11 3.0, 5.6 (C_LoginUser): a login whose user's name stands beside the PIN. */
#include "pkcs11/login.h"

static CK_RV login_user(struct run *run, CK_USER_TYPE type, struct bytes pin, struct bytes user)
{
    if (user.data == NULL && user.len > 0)
        return fail_argument("pUsername");
    return login_begin(run, type, user, pin);
}

CK_RV C_LoginUser(CK_SESSION_HANDLE session, CK_USER_TYPE type, CK_UTF8CHAR_PTR pin,
                  CK_ULONG pin_len, CK_UTF8CHAR_PTR user, CK_ULONG user_len)
{
    struct run run;
    CK_RV rv = call_enter(&run, CALL_LOGIN_USER, session);

    if (rv == CKR_OK)
        rv = login_user(&run, type, BYTES(pin, pin_len), BYTES(user, user_len));
    return call_leave(&run, rv);
}
