/*
 * Keys wrapped by an AES key, as NIST SP 800-38F has it: KW (RFC 3394) for keys of whole blocks of
 * 8 bytes, KWP (RFC 5649) for keys of any length. And keys wrapped to a public key.
 */
#ifndef KEYWARD_HSM_LOCAL_WRAP_H
#define KEYWARD_HSM_LOCAL_WRAP_H

#include "hsm/local.h"

enum local_wrap { LOCAL_KW, LOCAL_KWP };

/*
 * One block of 16 bytes under the wrapping key, in place. Where the key lives is the caller's: an
 * HSM that offers nothing but AES-ECB wraps too.
 */
struct local_block {
    CK_RV (*crypt)(const struct local_block *self, bool encrypt, uint8_t block[static 16]);
    void *ctx;
};

/* iv: 8 bytes (KW) or 4 (KWP) instead of the standard's; empty: the standard's. A key that cannot
 * be wrapped so: CKR_DATA_LEN_RANGE. */
MUST_CHECK CK_RV local_key_wrap(const struct local_block *block, enum local_wrap kind,
                                struct bytes iv, struct bytes key, struct buf *ret_wrapped);
/* CKR_ENCRYPTED_DATA_LEN_RANGE, or CKR_ENCRYPTED_DATA_INVALID for whatever else is wrong. */
MUST_CHECK CK_RV local_key_unwrap(const struct local_block *block, enum local_wrap kind,
                                  struct bytes iv, struct bytes wrapped, struct buf *ret_key);

/* The same with an AES key at hand. */
MUST_CHECK CK_RV local_aes_wrap(struct local *local, struct bytes aes, enum local_wrap kind,
                                struct bytes iv, struct bytes key, struct buf *ret_wrapped);
MUST_CHECK CK_RV local_aes_unwrap(struct local *local, struct bytes aes, enum local_wrap kind,
                                  struct bytes iv, struct bytes wrapped, struct buf *ret_key);

/*
 * To a public key: CKM_RSA_PKCS and CKM_RSA_PKCS_OAEP, as local_encrypt(); CKM_RSA_AES_KEY_WRAP: a
 * fresh AES key by OAEP, and behind it the key by KWP. CKR_KEY_SIZE_RANGE when it is too long.
 */
MUST_CHECK CK_RV local_wrap(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                            struct bytes key, struct buf *ret_wrapped);

#endif
