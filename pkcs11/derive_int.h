/* What c_derive.c shares with the derivations that make several keys (derive_set.c) or no key at
 * all (derive_data.c). Nobody else includes this. */
#ifndef KEYWARD_PKCS11_DERIVE_INT_H
#define KEYWARD_PKCS11_DERIVE_INT_H

#include "pkcs11/incoming.h"
#include "pkcs11/key_use.h"

/* What a C_DeriveKey brings beside the key it uses. */
struct deriving {
    const CK_MECHANISM *mechanism;
    const CK_ATTRIBUTE *template;
    CK_ULONG count;
    CK_OBJECT_HANDLE_PTR ret;
};

extern const struct incoming_way derive_way;

/* A caller's template, scanned and copied, so that more can be said in it. ret: ATTRS_INIT. */
MUST_CHECK CK_RV derive_template(const CK_ATTRIBUTE *template, CK_ULONG count, struct attrs *ret);

/* What the new key has of its base: its history, and where the mechanism passes bits on, its
 * limits.
 */
MUST_CHECK CK_RV derive_inherit(const struct object *base, CK_MECHANISM_TYPE mechanism,
                                struct object *object);

/* The other key that the mechanism takes, asked for; *ret stays NULL where it takes none. */
MUST_CHECK CK_RV derive_second(struct run *run, const CK_MECHANISM *mechanism, struct held **ret);
/* What the new key has of it, after derive_inherit(). */
MUST_CHECK CK_RV derive_inherit_second(const struct object *second, CK_MECHANISM_TYPE mechanism,
                                       struct object *object);

/* Does it make several keys? */
bool derive_set_is(const CK_MECHANISM *mechanism);
MUST_CHECK CK_RV derive_set(struct run *run, const struct key_use *use, const struct deriving *d);

/* CKM_HKDF_DATA. */
MUST_CHECK CK_RV derive_data(struct run *run, const struct key_use *use, const struct deriving *d);

#endif
