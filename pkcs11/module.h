/* The module's one global: the application instance of this process. */
#ifndef KEYWARD_PKCS11_MODULE_H
#define KEYWARD_PKCS11_MODULE_H

#include "pkcs11/app.h"

/*
 * The app of this process, held until module_release(): C_Finalize waits for it.
 * CKR_CRYPTOKI_NOT_INITIALIZED before C_Initialize, after C_Finalize, and in a child that forked
 * after C_Initialize and did not call it again.
 */
MUST_CHECK CK_RV module_acquire(struct app **ret);
void module_release(void);

/* Path of keyward-hsm: beside the module in a build tree, else in libexec. The caller frees it;
 * NULL when there is none. */
char *module_worker_path(void);

/* C_GetInfo, as the list of this version answers it. */
MUST_CHECK CK_RV module_get_info(CK_VERSION cryptoki, CK_INFO_PTR info);

/* The vendor interface's function list (pkcs11/admin.c). */
extern struct keyward_functions module_admin_functions;

#endif
