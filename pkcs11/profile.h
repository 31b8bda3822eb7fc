/*
 * Profile objects (PKCS#11 3.0, 4.15): which profiles of "PKCS #11 Profiles" the token meets. They
 * are the same in every vault, are in no store and under no policy: like C_GetInfo they tell what
 * this library is, not what a vault holds. tests/module/pkcs11/test_profiles.c plays the standard's
 * test case of each.
 */
#ifndef KEYWARD_PKCS11_PROFILE_H
#define KEYWARD_PKCS11_PROFILE_H

#include "vault/object.h"

bool profile_is(const struct object *object);
/* Is it the id of a profile object? Ids of other objects are random. */
bool profile_has_id(const uint8_t id[static OBJECT_ID_LEN]);

/* CKR_OBJECT_HANDLE_INVALID for an id that is none. Release with object_release(). */
MUST_CHECK CK_RV profile_get(const struct vault_info *vault, const uint8_t id[static OBJECT_ID_LEN],
                             struct object *ret);
/* Calls each for all of them until it returns false; the object is borrowed during the call. */
MUST_CHECK CK_RV profile_each(const struct vault_info *vault,
                              bool (*each)(void *ctx, const struct object *object), void *ctx);

/* Could one of them be what the query asks for? */
bool profile_may_match(const struct object_query *query);

/* CKR_ACTION_PROHIBITED for a profile object: nobody changes, copies or destroys one. */
MUST_CHECK CK_RV profile_ensure_not(const struct object *object);

#endif
