/*
 * Object handles of an application: numbers for 16-byte ids. The same object has the same handle
 * for the app's whole life, but a private token object's ends with the login: after a logout the
 * old handle stays invalid and the object gets another (2.40, 5.6, C_Logout). Session objects live
 * here and only here.
 */
#ifndef KEYWARD_PKCS11_HANDLES_H
#define KEYWARD_PKCS11_HANDLES_H

#include "pkcs11/app.h"

struct run;
struct handles;

#define HANDLES_MAX (1U << 26) /* of an application */

struct handles *handles_new(void); /* NULL without memory */
void handles_free(struct handles *handles);

/* The handle of a token object; is_private: its CKA_PRIVATE. */
MUST_CHECK CK_RV handles_token(struct app *app, CK_SLOT_ID slot,
                               const uint8_t id[static OBJECT_ID_LEN], bool is_private,
                               CK_OBJECT_HANDLE *ret);
/* A new session object: takes object's contents (zeroed after). CKR_SESSION_CLOSED when the session
 * was closed meanwhile. */
MUST_CHECK CK_RV handles_session(struct app *app, const struct session *session,
                                 struct object *object, CK_OBJECT_HANDLE *ret);
/*
 * The object behind a handle in this run's slot, as it is now: a token object is read again when
 * anything in the store changed. CKR_OBJECT_HANDLE_INVALID for unknown, foreign, deleted,
 * destroyed. Visibility is the gate's question. Release with held_release().
 */
MUST_CHECK CK_RV handles_get(struct run *run, CK_OBJECT_HANDLE handle, struct held **ret);
/* Replaces or destroys a session object. */
MUST_CHECK CK_RV handles_session_replace(struct app *app, CK_OBJECT_HANDLE handle,
                                         struct object *object);
void handles_session_remove(struct app *app, CK_OBJECT_HANDLE handle);
/* Destroys the session objects of a session: HSM session keys too. */
void handles_session_closed(struct app *app, CK_SESSION_HANDLE session);
/* After a logout: the slot's private session objects are destroyed, and the handles of its private
 * token objects are invalid for ever (2.40, 5.6, C_Logout). */
void handles_logged_out(struct app *app, CK_SLOT_ID slot);
/*
 * Calls each for the session objects of a slot, the youngest first, on from the place `after` (0:
 * the beginning) until it returns false; after becomes the place behind the last one shown. False:
 * there are no more. A place stays good whatever is made or destroyed meanwhile. each may not call
 * handles_*.
 */
bool handles_each_session(struct app *app, CK_SLOT_ID slot, uint32_t *after,
                          bool (*each)(void *ctx, uint32_t place, CK_OBJECT_HANDLE handle,
                                       const struct object *object),
                          void *ctx);

/*
 * The private or secret key behind an object, as run_device() takes it. A software key is made
 * ready at its first use and stays so as long as the object is held: it is wiped with the last
 * reference. Borrowed from held.
 */
MUST_CHECK CK_RV held_key(struct run *run, struct held *held, struct hsm_key *ret);

void held_release(struct held *held); /* NULL is fine */

#include "base/scope.h"
SCOPE_DEFINE(struct held, held_release)

#endif
