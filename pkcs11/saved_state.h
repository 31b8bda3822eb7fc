/*
 * Saved states of operations (C_GetOperationState). A digest's state cannot be taken out of
 * OpenSSL, but it can be copied: the application gets a name, 32 random bytes, and the copy stays
 * here until C_Finalize. So a state can be restored any number of times, in any session of the
 * application with the same token, and nothing of what was digested is in it.
 *
 * At most SAVED_STATES_MAX are kept; the oldest is forgotten for a new one.
 */
#ifndef KEYWARD_PKCS11_SAVED_STATE_H
#define KEYWARD_PKCS11_SAVED_STATE_H

#include "pkcs11/app.h"

#define SAVED_STATE_LEN  32
#define SAVED_STATES_MAX 64

/* Keeps op, which is the table's from here on, also when it fails. */
MUST_CHECK CK_RV saved_state_add(struct app *app, CK_SLOT_ID slot, struct operation *op,
                                 uint8_t ret_name[static SAVED_STATE_LEN]);
/* Takes what each makes of the operation of that name and slot, under the table's lock.
 * CKR_SAVED_STATE_INVALID when there is none. */
MUST_CHECK CK_RV saved_state_use(struct app *app, CK_SLOT_ID slot, struct bytes name,
                                 CK_RV (*each)(void *ctx, const struct operation *op), void *ctx);
void saved_states_free(struct app *app);

#endif
