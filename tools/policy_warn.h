/* What policy check says of rules that do nothing. */
#ifndef KEYWARD_TOOLS_POLICY_WARN_H
#define KEYWARD_TOOLS_POLICY_WARN_H

#include "policy/policy.h"

#include <jansson.h>

/* A list of {source, id, line, column, message, by}. Of a set that policy_check() finds nothing
 * wrong with. The caller's. */
json_t *policy_warnings(const struct policy *policy);

#endif
