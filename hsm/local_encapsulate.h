/*
 * Key encapsulation to a public key: a fresh secret, and a ciphertext from which the private half
 * has it again (hsm_decapsulate()). PKCS#11 3.2, 5.18.8; RSA OAEP (6.1.8), ECDH1 (6.3.19) and
 * ML-KEM (6.68.5).
 */
#ifndef KEYWARD_HSM_LOCAL_ENCAPSULATE_H
#define KEYWARD_HSM_LOCAL_ENCAPSULATE_H

#include "base/secret.h"
#include "hsm/local.h"

bool local_encapsulates(CK_MECHANISM_TYPE mechanism);
/* Bytes of the ciphertexts that are made to this key. */
MUST_CHECK CK_RV local_encapsulate_len(struct local *local, struct bytes spki,
                                       const CK_MECHANISM *mechanism, size_t *ret_len);
/*
 * len: bytes wanted of the secret, 0: what the mechanism gives by itself, which RSA does not.
 * CKR_KEY_SIZE_RANGE when it cannot give so many. ret_ciphertext is bounded by its caller.
 */
MUST_CHECK CK_RV local_encapsulate(struct local *local, struct bytes spki,
                                   const CK_MECHANISM *mechanism, size_t len,
                                   struct buf *ret_ciphertext, struct secret **ret_secret);

#endif
