/*
 * An HSM that is not keyward's own: a PKCS#11 library that hands everything to SoftHSM, with the
 * configuration that lies beside the library itself, as a vendor's would. The worker's environment
 * is not the caller's, so no variable could say where that is.
 */
#include "base/pkcs11.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An address in this library for certain: p11-kit exports a C_GetFunctionList too. */
static const char here = 'h';

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    Dl_info info;
    char conf[512];
    const char *slash;
    void *library;
    CK_C_GetFunctionList get_list;

    if (dladdr(&here, &info) == 0 || info.dli_fname == NULL)
        return CKR_GENERAL_ERROR;
    slash = strrchr(info.dli_fname, '/');
    if (slash == NULL)
        return CKR_GENERAL_ERROR;
    (void)snprintf(conf, sizeof(conf), "%.*s/softhsm2.conf", (int)(slash - info.dli_fname),
                   info.dli_fname);
    if (setenv("SOFTHSM2_CONF", conf, 1) != 0)
        return CKR_HOST_MEMORY;
    library = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return CKR_GENERAL_ERROR;
    get_list = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    return get_list != NULL ? get_list(list) : CKR_GENERAL_ERROR;
}
