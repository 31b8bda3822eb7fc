/*
 * What a record says of a mechanism's parameters: a digest, so that an auditor can tell whether two
 * uses had the same IV, label or context, and can try one that somebody names. It is made of
 * values: the same parameters at another address have the same digest. A password is not in it.
 */
#ifndef KEYWARD_PKCS11_GATE_PARAMS_H
#define KEYWARD_PKCS11_GATE_PARAMS_H

#include "base/fail.h"
#include "base/pkcs11.h"
#include "hsm/local.h"

/*
 * Fed to a SHA-256. The mechanism has passed mech_check_params(), else what it points to is not
 * looked at: a parameter of an unknown mechanism or another length counts with its length alone.
 */
MUST_CHECK CK_RV gate_parameters(struct local_digest *digest, const CK_MECHANISM *mechanism);

#endif
