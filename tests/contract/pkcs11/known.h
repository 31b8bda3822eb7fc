/* Published answers: what a secret key makes of some data, and who says so. */
#ifndef KEYWARD_TESTS_CONTRACT_PKCS11_KNOWN_H
#define KEYWARD_TESTS_CONTRACT_PKCS11_KNOWN_H

#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>

struct known {
    const char *source;
    CK_MECHANISM mechanism;
    CK_KEY_TYPE key_type;
    const char *key, *in, *out; /* hex */
    bool hsm;                   /* done by SoftHSM too */
};

extern const struct known known_macs[];
extern const size_t known_mac_count;
extern const struct known known_ciphers[];
extern const size_t known_cipher_count;

/* A text out of its hex. */
#define KNOWN_MAX 256
struct known_text {
    CK_BYTE data[KNOWN_MAX];
    CK_ULONG len;
};
struct known_text known_unhex(const char *hex);

#endif
