/*
 * What every new object goes through, made here or brought in: an id, a vault, a place (token or
 * session), a version of its name.
 */
#ifndef KEYWARD_PKCS11_BIRTH_H
#define KEYWARD_PKCS11_BIRTH_H

#include "pkcs11/call.h"
#include "pkcs11/template.h"

/*
 * Starts an object of this kind from a scanned template: rules applied, id drawn, class, key type,
 * dates and, of private and secret keys, protection set. The object's contents are the caller's;
 * nothing is left on failure.
 */
MUST_CHECK CK_RV birth_begin(struct run *run, CK_OBJECT_CLASS cls, CK_KEY_TYPE key_type,
                             enum template_use use, const CK_ATTRIBUTE *template, CK_ULONG count,
                             struct object *ret);
/* The same of a key that is derived from another, whose protection it has where it is a session key
 * and the template does not say. */
MUST_CHECK CK_RV birth_begin_from(struct run *run, const struct object *base, CK_OBJECT_CLASS cls,
                                  CK_KEY_TYPE key_type, enum template_use use,
                                  const CK_ATTRIBUTE *template, CK_ULONG count, struct object *ret);

bool birth_is_token(const struct object *object);

/* CKR_SESSION_READ_ONLY for a token object in a read-only session; a session object needs one. */
MUST_CHECK CK_RV birth_check_place(const struct run *run, const struct object *object);

/* Sets the version of objects that are born together: one more than the highest of their names. */
MUST_CHECK CK_RV birth_version(struct run *run, struct object *const *objects, size_t count);

/* Stores those of them that are token objects, all or none. A version that another process took
 * meanwhile is raised: name the object to the record afterwards. */
MUST_CHECK CK_RV birth_store(struct run *run, struct object *const *objects, size_t count);

/* The caller's handle of an object that is stored, or that the session keeps from now on (then its
 * contents are taken, and on failure its HSM key is destroyed). */
MUST_CHECK CK_RV birth_handle(struct run *run, struct object *object, CK_OBJECT_HANDLE *ret);

/*
 * What the device is told of a private or secret key that is about to be: id, kind, type, place and
 * rights; sizes are the caller's to add. The object names the key from now on.
 */
void birth_spec(struct object *key, struct hsm_key_spec *spec);

/* Destroys the key on the device after a failure whose reason stays the one to tell. Returns rv. */
CK_RV birth_undo(struct run *run, const struct object *key, CK_RV rv);

/* The attributes of a public key out of its SubjectPublicKeyInfo, set on the public and on the
 * private half alike. */
MUST_CHECK CK_RV birth_public(struct run *run, struct bytes spki, struct object *object);

#endif
