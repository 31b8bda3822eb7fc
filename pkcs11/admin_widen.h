/* Does a change give whoever makes it more rights than before? For admin_confirm.c. */
#ifndef KEYWARD_PKCS11_ADMIN_WIDEN_H
#define KEYWARD_PKCS11_ADMIN_WIDEN_H

#include "pkcs11/admin_int.h"
#include "vault/pending.h"

struct widening {
    bool widens;
    char verdict[PENDING_VERDICT_MAX + 1]; /* in words, for the log */
};

/* May a verb of this name widen anybody's rights at all? */
bool admin_changes_rights(const char *verb);
/* The verb about to be done; false for those that change nobody's rights. */
MUST_CHECK CK_RV admin_widens(struct admin *a, struct widening *ret);

/* How many administrators must stand behind a change that widens, the one who makes it included. */
MUST_CHECK CK_RV admin_confirmations(struct admin *a, unsigned *ret);

/* ---- admin_administrators.c ---- */

/* How many may apply the vault's policy, under the one in force (text NULL) or this one. Up to
 * VAULT_CONFIRMATIONS_MAX are told apart. */
MUST_CHECK CK_RV admin_count_administrators(struct admin *a, const struct bytes *text,
                                            unsigned *ret);

#endif
