/* Who may call a key trusted: see trust.h. */
#include "pkcs11/trust.h"

CK_RV trust_check(struct run *run, const struct attrs *before, const struct attrs *after)
{
    struct login login;
    CK_RV rv;

    if (!attrs_true(after, CKA_TRUSTED) || (before != NULL && attrs_true(before, CKA_TRUSTED)))
        return CKR_OK;
    rv = gate_login(run, &login);
    if (rv == CKR_OK && login.kind != LOGIN_SO)
        rv = fail(CKR_USER_NOT_LOGGED_IN,
                  "CKA_TRUSTED is set to true by the security officer only: log in as CKU_SO, or "
                  "leave it out");
    return rv;
}
