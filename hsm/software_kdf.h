/* Key derivation functions as such: what software_kdf.c, software_tls.c and the MACs of TLS share.
 */
#ifndef KEYWARD_HSM_SOFTWARE_KDF_H
#define KEYWARD_HSM_SOFTWARE_KDF_H

#include "hsm/local_int.h"

/* The PRF of TLS 1.2 (RFC 5246, 5) with this digest; seed: its parts, the label first. */
MUST_CHECK CK_RV kdf_tls_prf(struct local *local, CK_MECHANISM_TYPE hash, struct bytes key,
                             const struct bytes *seed, size_t seed_count, size_t len,
                             struct secret **ret);
/* ANSI X9.63: digest of value, counter, info. SP 800-56A has the counter in front. */
MUST_CHECK CK_RV kdf_x963(struct local *local, CK_MECHANISM_TYPE hash, bool counter_first,
                          struct bytes value, struct bytes info, size_t len, struct secret **ret);

/* What the parameters of ECDH1 make of the agreed value; len 0: as many bytes as it has. */
MUST_CHECK CK_RV kdf_agreement(struct local *local, const CK_ECDH1_DERIVE_PARAMS *params,
                               struct bytes value, size_t len, struct secret **ret);

/* len bytes of an EVP_KDF with these parameters. */
MUST_CHECK CK_RV kdf_run(struct local *local, const char *name, const OSSL_PARAM *params,
                         size_t len, struct secret **ret);
OSSL_PARAM kdf_text(const char *name, const char *value);
OSSL_PARAM kdf_octets(const char *name, struct bytes value);

#endif
