/*
 * What a key must not be able to do both of, whatever a template asks: a key that wraps and
 * decrypts gives out every key it wrapped (Clulow, "On the security of PKCS #11"), and so on. One
 * table (roles.c). Since usage flags only fall after birth, what holds at birth holds for life.
 */
#ifndef KEYWARD_PKCS11_ROLES_H
#define KEYWARD_PKCS11_ROLES_H

#include "pkcs11/template.h"

/* Mechanisms that derive and sign with a TLS 1.2 master secret under labels of their own. A secret
 * key whose CKA_ALLOWED_MECHANISMS names these and no other may do both. */
#define ROLE_TLS12_LABELLED CKM_TLS12_KEY_AND_MAC_DERIVE, CKM_TLS12_MAC, CKM_TLS_MAC

/* Do the attributes name a usage that this one must not stand beside? */
bool role_excluded(enum object_kind kind, const struct attrs *attrs, CK_ATTRIBUTE_TYPE usage);

/*
 * Settles what attributes say of an object's usage: a secret key that asks for both of two usages
 * that exclude each other is refused (CKR_TEMPLATE_INCONSISTENT); half of a key pair, for which
 * libp11 and NSS ask everything by habit, keeps the use on data and loses that on keys.
 */
MUST_CHECK CK_RV role_settle(enum object_kind kind, struct attrs *attrs);
/*
 * The same over both halves of a pair: the public one neither wraps nor encapsulates what the
 * private one could decrypt, or of RSA sign with no padding. A private RSA key that unwraps or
 * decapsulates does nothing by CKM_RSA_X_509.
 */
MUST_CHECK CK_RV role_settle_pair(struct attrs *public, const struct attrs *private);
/* Must it keep this usage, true now, as long as it has others? A private RSA key that signs must
 * not stop unwrapping and then sign with no padding what was wrapped to its public half. */
bool role_keeps(enum object_kind kind, const struct attrs *attrs, CK_ATTRIBUTE_TYPE usage);

#endif
