/*
 * What the module is called by: function lists and interfaces (PKCS#11 2.40, 5.4; 3.2, 5.4).
 *
 * C_GetFunctionList gives the list of 2.40 and nothing newer. Each list's C_GetInfo answers with
 * the version of its own list, so that a caller of 2.40 sees 2.40 throughout.
 */
#include "pkcs11/call.h"
#include "pkcs11/keyward.h"
#include "pkcs11/module.h"

#include <string.h>

/* In a macro of the standard's names: name is the member and the function. */
#define ENTRY(name) .name = name, /* NOLINT(bugprone-macro-parentheses) */

static CK_FUNCTION_LIST functions_2_40 = {.version = {2, 40}, CRYPTOKI_2_40(ENTRY)};

static CK_RV get_info_3_0(CK_INFO_PTR info)
{
    return module_get_info((CK_VERSION){3, 0}, info);
}

static CK_RV get_info_3_2(CK_INFO_PTR info)
{
    return module_get_info((CK_VERSION){3, 2}, info);
}

/* One member is another function than its name says. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static CK_FUNCTION_LIST_3_0 functions_3_0 = {
    .version = {3, 0}, CRYPTOKI_2_40(ENTRY) CRYPTOKI_3_0(ENTRY).C_GetInfo = get_info_3_0};
static CK_FUNCTION_LIST_3_2 functions_3_2 = {
    .version = {3, 2},
    CRYPTOKI_2_40(ENTRY) CRYPTOKI_3_0(ENTRY) CRYPTOKI_3_2(ENTRY).C_GetInfo = get_info_3_2};
#pragma GCC diagnostic pop

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    if (list == NULL)
        return fail_argument("ppFunctionList");
    *list = &functions_2_40;
    return CKR_OK;
}

/* The first of a name is its default. The casts: names are CK_UTF8CHAR_PTR in the standard's text,
 * char * in p11-kit 0.25. */
static char standard_name[] = "PKCS 11";
static char our_name[] = KEYWARD_INTERFACE;
static CK_INTERFACE interfaces[] = {
    {(void *)standard_name, &functions_3_0, 0},
    {(void *)standard_name, &functions_3_2, 0},
    {(void *)standard_name, &functions_2_40, 0},
    {(void *)our_name, &module_admin_functions, 0},
};

#define INTERFACES (sizeof(interfaces) / sizeof(*interfaces))

CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count)
{
    if (count == NULL)
        return fail_argument("pulCount");
    if (list != NULL && *count < INTERFACES) {
        *count = INTERFACES;
        return fail(CKR_BUFFER_TOO_SMALL, "there are %zu interfaces", INTERFACES);
    }
    if (list != NULL)
        memcpy(list, interfaces, sizeof(interfaces));
    *count = INTERFACES;
    return CKR_OK;
}

/* Are name, version and flags, as far as they are asked for, those of this interface? */
static bool answers(const CK_INTERFACE *interface, const CK_UTF8CHAR *name,
                    const CK_VERSION *version, CK_FLAGS flags)
{
    const CK_VERSION *has = interface->pFunctionList;

    if (name != NULL && strcmp((const char *)name, (const char *)interface->pInterfaceName) != 0)
        return false;
    if (version != NULL && (version->major != has->major || version->minor != has->minor))
        return false;
    return (interface->flags & flags) == flags;
}

CK_RV C_GetInterface(CK_UTF8CHAR_PTR name, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR interface,
                     CK_FLAGS flags)
{
    if (interface == NULL)
        return fail_argument("ppInterface");
    for (size_t i = 0; i < INTERFACES; i++) {
        if (answers(&interfaces[i], name, version, flags)) {
            *interface = &interfaces[i];
            return CKR_OK;
        }
    }
    return fail(CKR_FUNCTION_FAILED, "keyward has no interface of that name, version and flags");
}
