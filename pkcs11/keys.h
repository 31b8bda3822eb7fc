/*
 * Making and ending objects, for the C_ functions and the administrative verbs alike: both pass the
 * gate here, and only here. run->session may be NULL (an administrative verb): then only token
 * objects can be made.
 */
#ifndef KEYWARD_PKCS11_KEYS_H
#define KEYWARD_PKCS11_KEYS_H

#include "pkcs11/call.h"

/*
 * Generates a secret key (ret_public NULL, public template unused) or a key pair from PKCS#11
 * templates, as C_GenerateKey and C_GenerateKeyPair do: templates checked and completed by the
 * attribute rules, gate asked (create), intent recorded, key made in the HSM, objects stored in one
 * transaction. On any failure nothing is left in the HSM or the store. The objects are given back
 * for the caller's handles or answer; release with object_release(). ret_private is the secret key
 * where there is one.
 */
MUST_CHECK CK_RV keys_generate(struct run *run, const CK_MECHANISM *mechanism,
                               const CK_ATTRIBUTE *public_template, CK_ULONG public_count,
                               const CK_ATTRIBUTE *private_template, CK_ULONG private_count,
                               struct object *ret_public, struct object *ret_private);

/*
 * Many at once, of one kind: each asked and recorded by itself, all stored in one transaction, and
 * the disk waited for once for the intents, once for the objects and once for the outcomes. All are
 * made or none is. A name that is taken is refused (CKR_ACTION_PROHIBITED).
 */
#define KEYS_BATCH_MAX 256U
struct keys_order {
    const CK_ATTRIBUTE *public_template; /* unused for secret keys */
    CK_ULONG public_count;
    const CK_ATTRIBUTE *private_template;
    CK_ULONG private_count;
    int64_t not_before, expires;           /* the exact instants; 0: none */
    struct object ret_public, ret_private; /* object_release() */
};
MUST_CHECK CK_RV keys_generate_many(struct run *run, const CK_MECHANISM *mechanism, bool pair,
                                    struct keys_order *orders, size_t count);

/*
 * A secret key made of a password, by CKM_PKCS5_PBKD2: as C_GenerateKey makes it, but a key from
 * outside (gate: import). Its type and length are the template's.
 */
MUST_CHECK CK_RV keys_of_password(struct run *run, const CK_MECHANISM *mechanism,
                                  const CK_ATTRIBUTE *template, CK_ULONG count, struct object *ret);

/*
 * Deletes a token object as the vault says: state deleted, recoverable until its retention is over;
 * the HSM key stays until it is purged. gate: delete. CKR_ACTION_PROHIBITED for an object that is
 * not CKA_DESTROYABLE.
 */
MUST_CHECK CK_RV keys_delete(struct run *run, const struct object *object);
/* Back to what it was, enabled or disabled. gate: recover. */
MUST_CHECK CK_RV keys_recover(struct run *run, const struct object *object);
/* For good, HSM key first. gate: purge. CKR_ACTION_PROHIBITED while purge protection and retention
 * keep it. */
MUST_CHECK CK_RV keys_purge(struct run *run, const struct object *object);
/*
 * The kill switch, and back. gate: update. When keys_disable() returns no process begins a use of
 * the key any more, and an operation in progress is refused at its next call: every call looks at
 * the store's generation first.
 */
MUST_CHECK CK_RV keys_disable(struct run *run, const struct object *object);
MUST_CHECK CK_RV keys_enable(struct run *run, const struct object *object);

#endif
