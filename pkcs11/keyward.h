/*
 * The vendor interface "keyward" of the module, for the keyward command and other administrators'
 * tools:
 *
 *   C_GetInterface((CK_UTF8CHAR *)"keyward", NULL, &interface, 0)
 *   struct keyward_functions *kw = interface->pFunctionList;
 *
 * One function takes and gives JSON; verbs and their members are in docs/ADMIN.md. Every verb
 * passes the same gate and stands in the same log as the C_ functions. Who calls: the process's
 * Unix user, or, on a vault where this application has logged in (C_Login), that user.
 */
#ifndef KEYWARD_PKCS11_KEYWARD_H
#define KEYWARD_PKCS11_KEYWARD_H

#include "base/pkcs11.h"

#define KEYWARD_INTERFACE "keyward"

/* PINs do not travel in JSON: a member that wants one holds an index into this array. */
struct keyward_secret {
    const CK_BYTE *data;
    CK_ULONG len;
};

struct keyward_functions {
    CK_VERSION version; /* 1.0 */
    /*
     * Does one verb. request: a JSON object with "verb". receive is called exactly once, before the
     * function returns, with the answer: a JSON object, on failure
     * {"error": sentence, "rv": "CKR_..."}. The answer is only valid during that call.
     */
    CK_RV(*call)
    (const CK_UTF8CHAR *request, CK_ULONG request_len, const struct keyward_secret *secrets,
     CK_ULONG secret_count, void (*receive)(void *ctx, const CK_UTF8CHAR *json, CK_ULONG len),
     void *ctx);
    /*
     * Why the last call of this thread failed, be it this interface's or a C_ function's
     * (C_Initialize too): one sentence, "" when there is none. Valid until this thread's next call.
     */
    const char *(*reason)(void);
};

#endif
