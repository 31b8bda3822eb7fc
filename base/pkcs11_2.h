/*
 * PKCS#11 2.40: the header of p11-kit, with what is wrong in it put right. Included by
 * base/pkcs11.h; include that.
 */
#ifndef KEYWARD_BASE_PKCS11_2_H
#define KEYWARD_BASE_PKCS11_2_H

/* The C_ functions are the only names the module exports (pkcs11/module.map); all else is hidden.
 */
#pragma GCC visibility push(default)
/* From 0.25 on it has these two, with a member ulNonceBits where the standard says ulNonceLen: ours
 * are in base/pkcs11_params.h. */
#define CK_SALSA20_CHACHA20_POLY1305_PARAMS     P11_KIT_CHACHA20_POLY1305_PARAMS
#define CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS P11_KIT_CHACHA20_POLY1305_MSG_PARAMS
#include <p11-kit/pkcs11.h>
#undef CK_SALSA20_CHACHA20_POLY1305_PARAMS
#undef CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS
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
