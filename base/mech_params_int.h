/* What mech_params.c and mech_values.c share. */
#ifndef KEYWARD_BASE_MECH_PARAMS_INT_H
#define KEYWARD_BASE_MECH_PARAMS_INT_H

#include "base/mech.h"

/* CKR_MECHANISM_PARAM_INVALID with a reason. */
CK_RV mech_params_refuse(const struct mech *mech, const char *why);
/* params: an aligned copy of the struct, of which layout and spans are checked. */
CK_RV mech_params_check_values(const struct mech *mech, const void *params);

#endif
