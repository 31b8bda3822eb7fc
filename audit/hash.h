/*
 * The hashing and signature checking of the log: RFC 6962 leaf and node hashes (SHA-256), Ed25519
 * verification. The only place of audit/ that knows OpenSSL: own OSSL_LIB_CTX, error queue left as
 * found. One struct hash is for one thread at a time.
 */
#ifndef KEYWARD_AUDIT_HASH_H
#define KEYWARD_AUDIT_HASH_H

#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stdint.h>

#define HASH_LEN 32

struct hash;

MUST_CHECK CK_RV hash_new(struct hash **ret);
void hash_free(struct hash *h); /* NULL is fine */

MUST_CHECK CK_RV hash_sha256(struct hash *h, struct bytes data, uint8_t ret[static HASH_LEN]);
/* SHA-256(0x00 | entry) */
MUST_CHECK CK_RV hash_leaf(struct hash *h, struct bytes entry, uint8_t ret[static HASH_LEN]);
/* SHA-256(0x01 | left | right); ret may be left or right. */
MUST_CHECK CK_RV hash_node(struct hash *h, const uint8_t left[static HASH_LEN],
                           const uint8_t right[static HASH_LEN], uint8_t ret[static HASH_LEN]);

/* *ret_good is whether the signature is right; another code than CKR_OK: it could not be told. */
MUST_CHECK CK_RV hash_verify_ed25519(struct hash *h, const uint8_t key[static 32],
                                     struct bytes message, const uint8_t signature[static 64],
                                     bool *ret_good);

#include "base/scope.h"
SCOPE_DEFINE(struct hash, hash_free)

#endif
