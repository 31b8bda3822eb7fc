/*
 * PKCS#11 2.40: the header of p11-kit, with what is wrong in it put right. Included by
 * base/pkcs11.h; include that.
 */
#ifndef KEYWARD_BASE_PKCS11_2_H
#define KEYWARD_BASE_PKCS11_2_H

/* The C_ functions are the only names the module exports (pkcs11/module.map); all else is hidden.
 */
#pragma GCC visibility push(default)
#include <p11-kit/pkcs11.h>
#pragma GCC visibility pop

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

#endif
