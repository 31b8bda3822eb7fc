/*
 * PKCS#1 v1.5 encryption padding, undone so that nobody learns whether it was there: "implicit
 * rejection" of draft-irtf-cfrg-rsa-guidance, section 7. A wrong padding gives a message too, of a
 * length and content that only the private key's holder could foretell and that is the same for
 * the same ciphertext. OpenSSL does so since 3.2; done here it is the same with every version.
 */
#ifndef KEYWARD_HSM_SOFTWARE_PKCS1_H
#define KEYWARD_HSM_SOFTWARE_PKCS1_H

#include "hsm/local_int.h"

#define PKCS1_REJECTION_LEN 32

/* What the made-up messages of a private key hang on: secret like the key. */
MUST_CHECK CK_RV pkcs1_rejection_key(struct local *local, const EVP_PKEY *key,
                                     uint8_t ret[static PKCS1_REJECTION_LEN]);
/* block: cipher, raised to the private exponent. Fails for want of memory only. */
MUST_CHECK CK_RV pkcs1_unpad(struct local *local, const uint8_t key[static PKCS1_REJECTION_LEN],
                             struct bytes cipher, struct bytes block, struct buf *out);

#endif
