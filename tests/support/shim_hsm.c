/*
 * An HSM that fails on command: a PKCS#11 library that hands every call to SoftHSM, after looking
 * into "<its own path>.rules". Each counted call is a line in "<its own path>.calls", which all
 * processes share: "the third call" is the third of all of them, so that a crash at a call does not
 * happen again at its repetition. Rules: see hsm_world.h.
 */
#include "base/pkcs11.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static CK_FUNCTION_LIST *real;
static CK_FUNCTION_LIST list;
static char rules_path[256];
static char calls_path[256];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

struct verdict {
    enum { GO_ON, RETURN, CRASH_AFTER } what;
    CK_RV rv;
};

static unsigned count_call(const char *function)
{
    char line[64];
    unsigned n = 1;
    FILE *f;

    (void)pthread_mutex_lock(&mutex);
    f = fopen(calls_path, "a+e");
    if (f != NULL) {
        (void)flock(fileno(f), LOCK_EX);
        rewind(f);
        while (fgets(line, sizeof(line), f) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            n += strcmp(line, function) == 0;
        }
        (void)fprintf(f, "%s\n", function);
        (void)fclose(f);
    }
    (void)pthread_mutex_unlock(&mutex);
    return n;
}

static void act_on(const char *act, CK_SESSION_HANDLE session, struct verdict *v)
{
    if (strcmp(act, "hang") == 0)
        for (;;)
            (void)pause();
    if (strcmp(act, "crash") == 0)
        (void)kill(getpid(), SIGKILL);
    if (strcmp(act, "crash-after") == 0)
        v->what = CRASH_AFTER;
    if (strcmp(act, "logout") == 0)
        (void)real->C_Logout(session);
    if (strcmp(act, "close-session") == 0)
        (void)real->C_CloseSession(session);
    if (strcmp(act, "return") == 0)
        v->what = RETURN;
}

static struct verdict judge(const char *function, CK_SESSION_HANDLE session)
{
    struct verdict v = {.what = GO_ON};
    unsigned n = count_call(function);
    char name[64];
    char act[64];
    char range[32];
    char line[128];
    FILE *f = fopen(rules_path, "re");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        unsigned long rv = 0;
        char *dash;
        unsigned first;
        unsigned last;

        if (sscanf(line, "%63s %31s %63s %lu", name, range, act, &rv) < 3)
            continue;
        dash = strchr(range, '-');
        first = (unsigned)strtoul(range, NULL, 10);
        last = dash == NULL ? first : dash[1] == '\0' ? ~0u : (unsigned)strtoul(dash + 1, NULL, 10);
        if (strcmp(name, function) != 0 || n < first || n > last)
            continue;
        v.rv = rv;
        act_on(act, session, &v);
    }
    if (f != NULL)
        (void)fclose(f);
    return v;
}

/* The one shape of all wrappers: ask, maybe answer instead, hand on, maybe die. */
#define WRAP(name, session, parameters, arguments)                                                 \
    static CK_RV shim_##name parameters                                                            \
    {                                                                                              \
        struct verdict v = judge("C_" #name, session);                                             \
        CK_RV rv = v.what == RETURN ? v.rv : real->C_##name arguments;                             \
                                                                                                   \
        if (v.what == CRASH_AFTER)                                                                 \
            (void)kill(getpid(), SIGKILL);                                                         \
        return rv;                                                                                 \
    }

WRAP(Initialize, 0, (void *args), (args))
WRAP(Login, s, (CK_SESSION_HANDLE s, CK_USER_TYPE u, CK_BYTE_PTR pin, CK_ULONG n), (s, u, pin, n))
WRAP(OpenSession, 0,
     (CK_SLOT_ID slot, CK_FLAGS f, void *app, CK_NOTIFY notify, CK_SESSION_HANDLE *ret),
     (slot, f, app, notify, ret))
WRAP(SignInit, s, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k), (s, m, k))
WRAP(Sign, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG n, CK_BYTE_PTR out, CK_ULONG_PTR m),
     (s, in, n, out, m))
WRAP(SignUpdate, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR in, CK_ULONG n), (s, in, n))
WRAP(GenerateKeyPair, s,
     (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_ATTRIBUTE_PTR a, CK_ULONG na, CK_ATTRIBUTE_PTR b,
      CK_ULONG nb, CK_OBJECT_HANDLE_PTR ra, CK_OBJECT_HANDLE_PTR rb),
     (s, m, a, na, b, nb, ra, rb))
WRAP(GenerateRandom, s, (CK_SESSION_HANDLE s, CK_BYTE_PTR out, CK_ULONG n), (s, out, n))
WRAP(FindObjectsInit, s, (CK_SESSION_HANDLE s, CK_ATTRIBUTE_PTR a, CK_ULONG n), (s, a, n))
WRAP(GetSessionInfo, s, (CK_SESSION_HANDLE s, CK_SESSION_INFO_PTR i), (s, i))
WRAP(DecryptInit, s, (CK_SESSION_HANDLE s, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE k), (s, m, k))
WRAP(DestroyObject, s, (CK_SESSION_HANDLE s, CK_OBJECT_HANDLE o), (s, o))

/* The token's flags may be told: "C_GetTokenInfo 1- return <flags>" adds them. */
static CK_RV shim_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    struct verdict v = judge("C_GetTokenInfo", 0);
    CK_RV rv = real->C_GetTokenInfo(slot, info);

    if (v.what == RETURN && rv == CKR_OK)
        info->flags |= v.rv;
    return rv;
}

/* A mechanism may be hidden: "C_GetMechanismInfo 1- return <mechanism>". */
static CK_RV shim_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    struct verdict v = judge("C_GetMechanismInfo", 0);

    return v.what == RETURN && v.rv == type ? CKR_MECHANISM_INVALID
                                            : real->C_GetMechanismInfo(slot, type, info);
}

static bool find_myself(void)
{
    Dl_info me;

    if (dladdr((void *)&list, &me) == 0)
        return false;
    (void)snprintf(rules_path, sizeof(rules_path), "%s.rules", me.dli_fname);
    (void)snprintf(calls_path, sizeof(calls_path), "%s.calls", me.dli_fname);
    return true;
}

static bool load_real(void)
{
    void *library = dlopen(SOFTHSM_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    union {
        void *symbol;
        CK_C_GetFunctionList call;
    } get = {.symbol = library != NULL ? dlsym(library, "C_GetFunctionList") : NULL};

    return get.symbol != NULL && get.call(&real) == CKR_OK;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
    if (!find_myself() || !load_real())
        return CKR_GENERAL_ERROR;
    list = *real;
    list.C_GetFunctionList = C_GetFunctionList;
    list.C_Initialize = shim_Initialize;
    list.C_Login = shim_Login;
    list.C_OpenSession = shim_OpenSession;
    list.C_SignInit = shim_SignInit;
    list.C_Sign = shim_Sign;
    list.C_SignUpdate = shim_SignUpdate;
    list.C_GenerateKeyPair = shim_GenerateKeyPair;
    list.C_GenerateRandom = shim_GenerateRandom;
    list.C_FindObjectsInit = shim_FindObjectsInit;
    list.C_GetSessionInfo = shim_GetSessionInfo;
    list.C_DecryptInit = shim_DecryptInit;
    list.C_DestroyObject = shim_DestroyObject;
    list.C_GetTokenInfo = shim_GetTokenInfo;
    list.C_GetMechanismInfo = shim_GetMechanismInfo;
    *ret = &list;
    return CKR_OK;
}
