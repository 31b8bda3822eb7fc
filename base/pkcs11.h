/*
 * PKCS#11 as keyward speaks it: the 2.40 header of p11-kit, and what 3.0, 3.1 and 3.2 add to it,
 * from the text of the OASIS standards.
 *
 *   pkcs11_2.h          2.40, corrected
 *   pkcs11_values.h     numbers: CKA_, CKM_, CKR_ ...
 *   pkcs11_params.h     parameters of mechanisms
 *   pkcs11_functions.h  functions and interfaces
 *
 * Vendor values are ours and live under CKA_VENDOR_DEFINED with the prefix "KW".
 */
#ifndef KEYWARD_BASE_PKCS11_H
#define KEYWARD_BASE_PKCS11_H

#include "base/pkcs11_2.h"         /* IWYU pragma: export */
#include "base/pkcs11_functions.h" /* IWYU pragma: export */
#include "base/pkcs11_params.h"    /* IWYU pragma: export */
#include "base/pkcs11_values.h"    /* IWYU pragma: export */

/* "no such mechanism / no value" where a table needs one. */
#define KW_NO_MECHANISM CK_UNAVAILABLE_INFORMATION

/* The digests of CKM_HASH_ML_DSA_SHAKE128 and its like (32 and 64 bytes): no mechanism of the
 * standard computes them. */
#define KW_SHAKE_128 (CKM_VENDOR_DEFINED | 0x4B570001UL)
#define KW_SHAKE_256 (CKM_VENDOR_DEFINED | 0x4B570002UL)

/* Vendor attribute: "hsm" or "software", chosen at birth, read-only afterwards (a string). */
#define CKA_KEYWARD_PROTECTION (CKA_VENDOR_DEFINED | 0x4B570001UL)
/* Vendor attribute: the version of the name this object is, counted from 1 (CK_ULONG). */
#define CKA_KEYWARD_VERSION (CKA_VENDOR_DEFINED | 0x4B570002UL)
/* Vendor attribute: the state of the object's life ("enabled", "disabled", ...; a string). */
#define CKA_KEYWARD_STATE (CKA_VENDOR_DEFINED | 0x4B570003UL)

#endif
