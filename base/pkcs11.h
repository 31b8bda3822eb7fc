/*
 * PKCS#11 as keyward speaks it: the 2.40 header of p11-kit, plus the names of the 3.0 interface
 * that header stops short of.
 *
 * Source: OASIS PKCS#11 3.0 and 3.1, sections 3 (general data types) and 4 to 5; values as in the
 * published pkcs11t.h. Vendor values are ours and live under CKA_VENDOR_DEFINED with the prefix
 * "KW".
 */
#ifndef KEYWARD_BASE_PKCS11_H
#define KEYWARD_BASE_PKCS11_H

/* The C_ functions are the only names the module exports (pkcs11/module.map); all else is hidden.
 */
#pragma GCC visibility push(default)
#include <p11-kit/pkcs11.h>
#pragma GCC visibility pop

/* 3.0, section 3.4: interfaces. */
#ifndef CKF_INTERFACE_FORK_SAFE
typedef struct CK_INTERFACE {
    CK_UTF8CHAR *pInterfaceName;
    CK_VOID_PTR pFunctionList;
    CK_FLAGS flags;
} CK_INTERFACE;
typedef CK_INTERFACE *CK_INTERFACE_PTR;
typedef CK_INTERFACE_PTR *CK_INTERFACE_PTR_PTR;
#define CKF_INTERFACE_FORK_SAFE 1UL

/* 3.0, sections 5.4.5 and 5.4.6. */
#pragma GCC visibility push(default)
CK_RV C_GetInterfaceList(CK_INTERFACE_PTR list, CK_ULONG_PTR count);
CK_RV C_GetInterface(CK_UTF8CHAR_PTR name, CK_VERSION_PTR version, CK_INTERFACE_PTR_PTR interface,
                     CK_FLAGS flags);
#pragma GCC visibility pop
#endif

/* 3.0, section 4.4: every object has one, assigned by the token. */
#ifndef CKA_UNIQUE_ID
#define CKA_UNIQUE_ID 0x00000004UL
#endif

/*
 * Five codes of 2.40 that p11-kit's header has with other numbers than the published pkcs11t.h
 * (0x1c0 to 0x1c4). What crosses our boundary are the standard's.
 */
#undef CKR_EXCEEDED_MAX_ITERATIONS
#undef CKR_FIPS_SELF_TEST_FAILED
#undef CKR_LIBRARY_LOAD_FAILED
#undef CKR_PIN_TOO_WEAK
#undef CKR_PUBLIC_KEY_INVALID
#define CKR_EXCEEDED_MAX_ITERATIONS 0x000001B5UL
#define CKR_FIPS_SELF_TEST_FAILED   0x000001B6UL
#define CKR_LIBRARY_LOAD_FAILED     0x000001B7UL
#define CKR_PIN_TOO_WEAK            0x000001B8UL
#define CKR_PUBLIC_KEY_INVALID      0x000001B9UL

/* 3.0, section 3.7, and 3.1 (CKR_KEY_EXHAUSTED): return values. */
#ifndef CKR_OPERATION_CANCEL_FAILED
#define CKR_AEAD_DECRYPT_FAILED     0x00000042UL
#define CKR_TOKEN_RESOURCE_EXCEEDED 0x00000201UL
#define CKR_OPERATION_CANCEL_FAILED 0x00000202UL
#define CKR_KEY_EXHAUSTED           0x00000203UL
#endif

/* "no such mechanism / no value" where a table needs one. */
#define KW_NO_MECHANISM CK_UNAVAILABLE_INFORMATION

/* Vendor attribute: "hsm" or "software", chosen at birth, read-only afterwards (a string). */
#define CKA_KEYWARD_PROTECTION (CKA_VENDOR_DEFINED | 0x4B570001UL)
/* Vendor attribute: the version of the name this object is, counted from 1 (CK_ULONG). */
#define CKA_KEYWARD_VERSION (CKA_VENDOR_DEFINED | 0x4B570002UL)
/* Vendor attribute: the state of the object's life ("enabled", "disabled", ...; a string). */
#define CKA_KEYWARD_STATE (CKA_VENDOR_DEFINED | 0x4B570003UL)

#endif
