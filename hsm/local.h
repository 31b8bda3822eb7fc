/*
 * Crypto done here, by OpenSSL, in a library context of our own (the host's default context may
 * lead back to us through a pkcs11 provider). OpenSSL's error queue is left as found. No function
 * here touches a private key of the vault: digests, MACs under sealing keys, sealing of records,
 * PIN hashing, random, and the public halves of key pairs.
 *
 * The only file that includes OpenSSL besides this room's driver: local.c. Thread-safe; objects
 * from one thread at a time.
 */
#ifndef KEYWARD_HSM_LOCAL_H
#define KEYWARD_HSM_LOCAL_H

#include "base/bytes.h"
#include "base/fail.h"
#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct local;

MUST_CHECK CK_RV
local_new(struct local **ret); /* its own OSSL_LIB_CTX, default provider, no config file */
void local_free(struct local *local);
/* Whether OpenSSL still works: not once exit() has begun to take it down, which is when a host's
 * pkcs11 provider calls our C_Finalize. */
bool local_usable(void);
/*
 * To be called by every thread before it leaves the library. What OpenSSL keeps for the thread in
 * our context (its random generator) stays for its next call and goes when it ends; the context
 * itself stays as long as such threads do, also after local_free().
 */
void local_thread_leaves(struct local *local);
/* Known answers for SHA-256, HMAC, AES-256-GCM, RSA verify, ECDSA verify. */
MUST_CHECK CK_RV local_self_test(struct local *local);

/* From a DRBG of this context. */
MUST_CHECK CK_RV local_random(struct local *local, void *out, size_t len);
/* For keys: from a DRBG whose output nobody is shown. */
MUST_CHECK CK_RV local_random_secret(struct local *local, void *out, size_t len);

/* ---- digests; hash is a digest mechanism (CKM_SHA256) ---- */
struct local_digest;
#define LOCAL_DIGEST_MAX 64
MUST_CHECK CK_RV local_digest_new(struct local *local, CK_MECHANISM_TYPE hash,
                                  struct local_digest **ret);
/* Another, in the state that this one is in. */
MUST_CHECK CK_RV local_digest_copy(const struct local_digest *d, struct local_digest **ret);
MUST_CHECK CK_RV local_digest_update(struct local_digest *d, struct bytes data);
MUST_CHECK CK_RV local_digest_final(struct local_digest *d, uint8_t out[static LOCAL_DIGEST_MAX],
                                    size_t *ret_len);
/* For another message, wherever it stands. */
MUST_CHECK CK_RV local_digest_again(struct local_digest *d);
void local_digest_free(struct local_digest *d);
/* The same at once. */
MUST_CHECK CK_RV local_hash_of(struct local *local, CK_MECHANISM_TYPE hash, struct bytes data,
                               uint8_t out[static LOCAL_DIGEST_MAX], size_t *ret_len);
MUST_CHECK CK_RV local_sha256(struct local *local, struct bytes data, uint8_t out[static 32]);

/* ---- HMAC-SHA-256 under a key of ours (lookup columns, digests in the log) ---- */
struct local_mac;
MUST_CHECK CK_RV local_mac_new(struct local *local, struct bytes key, struct local_mac **ret);
MUST_CHECK CK_RV local_mac_update(struct local_mac *m, struct bytes data);
MUST_CHECK CK_RV local_mac_final(struct local_mac *m, uint8_t out[static 32]);
/* For another message under the same key, wherever it stands. */
MUST_CHECK CK_RV local_mac_again(struct local_mac *m);
void local_mac_free(struct local_mac *m);
MUST_CHECK CK_RV local_hmac_sha256(struct local *local, struct bytes key, struct bytes data,
                                   uint8_t out[static 32]);
/* HKDF-SHA-256 (RFC 5869), empty salt; out_len <= 255 * 32. */
MUST_CHECK CK_RV local_hkdf_sha256(struct local *local, struct bytes key, struct bytes info,
                                   uint8_t *out, size_t out_len);

/* ---- sealing: AES-256-GCM, a fresh 96-bit random nonce per call. sealed = nonce(12) | ciphertext
 * | tag(16) ---- */
#define LOCAL_SEAL_OVERHEAD 28
MUST_CHECK CK_RV local_seal(struct local *local, struct bytes key32, struct bytes aad,
                            struct bytes plain, struct buf *ret_sealed);
/* CKR_ENCRYPTED_DATA_INVALID when key, aad or content do not fit together; ret_plain is then empty.
 */
MUST_CHECK CK_RV local_unseal(struct local *local, struct bytes key32, struct bytes aad,
                              struct bytes sealed, struct buf *ret_plain);

/* ---- PIN hashing: scrypt N = 2^15, r = 8, p = 1 (RFC 7914), 32 bytes out ---- */
MUST_CHECK CK_RV local_scrypt(struct local *local, struct bytes pin, struct bytes salt,
                              uint8_t out[static 32]);
bool local_equal(struct bytes a, struct bytes b); /* constant time over equal lengths */

/* ---- public keys, as SubjectPublicKeyInfo (DER) ---- */
struct local_public {
    CK_KEY_TYPE type;             /* CKK_RSA, CKK_EC, CKK_EC_EDWARDS, ... */
    CK_ULONG bits;                /* modulus bits; field bits of the curve; the set's number */
    struct buf modulus, exponent; /* RSA, big-endian */
    struct buf params, point;     /* EC: DER of ECParameters; DER OCTET STRING of the point */
    CK_ULONG parameter_set;       /* ML-KEM, ML-DSA, SLH-DSA: CKP_... */
    struct buf value;             /* of these: the encoded key */
};
MUST_CHECK CK_RV local_public_parse(struct local *local, struct bytes spki,
                                    struct local_public *ret);
void local_public_release(struct local_public *p);
/* From PKCS#11's attributes. A point may be given raw or in its OCTET STRING. Off the curve,
 * exponent even, modulus under 1024 or over 16384 bits: CKR_ATTRIBUTE_VALUE_INVALID. */
MUST_CHECK CK_RV local_public_from_rsa(struct local *local, struct bytes modulus,
                                       struct bytes exponent, struct buf *ret_spki);
MUST_CHECK CK_RV local_public_from_ec(struct local *local, CK_KEY_TYPE type, struct bytes params,
                                      struct bytes point, struct buf *ret_spki);
/* ML-KEM, ML-DSA, SLH-DSA: CKA_PARAMETER_SET (CKR_PARAMETER_SET_NOT_SUPPORTED) and CKA_VALUE. */
MUST_CHECK CK_RV local_public_from_set(struct local *local, CK_KEY_TYPE type, CK_ULONG number,
                                       struct bytes value, struct buf *ret_spki);
MUST_CHECK CK_RV local_public_to_pem(struct local *local, struct bytes spki, struct buf *ret_pem);

/*
 * Verification in parts or whole, with the mechanisms of base/mech.h: RSA PKCS (raw: DigestInfo as
 * data), hashed PKCS, PSS raw and hashed, ECDSA raw and hashed (signature r | s of 2 * order
 * bytes), EdDSA. CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE, CKR_DATA_LEN_RANGE,
 * CKR_MECHANISM_INVALID, CKR_KEY_TYPE_INCONSISTENT as the standard says.
 */
MUST_CHECK CK_RV local_verify(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                              struct bytes data, struct bytes signature);
/* The same where the data's digest is already there: mechanism is a hashed one, digest made with
 * its hash (another length: CKR_DATA_LEN_RANGE). For verification in parts. */
MUST_CHECK CK_RV local_verify_digest(struct local *local, struct bytes spki,
                                     const CK_MECHANISM *mechanism, struct bytes digest,
                                     struct bytes signature);
/* With recovery, by CKM_RSA_PKCS or CKM_RSA_X_509: the data that was signed; of the second the
 * whole number, as long as the modulus. ret_data is cleared first. */
MUST_CHECK CK_RV local_verify_recover(struct local *local, struct bytes spki,
                                      const CK_MECHANISM *mechanism, struct bytes signature,
                                      struct buf *ret_data);
/* Is this done here: CKF_DIGEST; CKF_GENERATE (a key of a password: local_secret.h); CKF_VERIFY,
 * CKF_VERIFY_RECOVER, CKF_ENCRYPT, CKF_WRAP or CKF_ENCAPSULATE with a public key? */
bool local_offers(CK_MECHANISM_TYPE mechanism, CK_FLAGS use);
/* RSA PKCS and OAEP (any hash and label). */
MUST_CHECK CK_RV local_encrypt(struct local *local, struct bytes spki,
                               const CK_MECHANISM *mechanism, struct bytes plain,
                               struct buf *ret_cipher);

/* ---- certificates: the fields PKCS#11 keeps beside CKA_VALUE, as DER ---- */
struct local_certificate {
    struct buf subject, issuer, serial, spki;
    char start[8], end[8]; /* CK_DATE layout, YYYYMMDD */
};
MUST_CHECK CK_RV local_certificate_parse(struct local *local, struct bytes der,
                                         struct local_certificate *ret);
void local_certificate_release(struct local_certificate *c);

/* Between these two, in this thread, OpenSSL's default context is ours: around a library that knows
 * no other (local_default.c). What begin returned is given to end. */
void *local_default_begin(struct local *local);
void local_default_end(void *before);

#include "base/scope.h"
SCOPE_DEFINE(struct local, local_free)
SCOPE_DEFINE(struct local_digest, local_digest_free)
SCOPE_DEFINE(struct local_mac, local_mac_free)

#endif
