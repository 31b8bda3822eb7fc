/* What the policy room writes, as JSON: for verbs' answers, and for the command's own. */
#ifndef KEYWARD_PKCS11_ADMIN_JSON_H
#define KEYWARD_PKCS11_ADMIN_JSON_H

#include "policy/analysis.h"

#include <jansson.h>

/* As Cedar's tools read them. NULL without memory. */
json_t *admin_json_request(const struct policy_request *request);
json_t *admin_json_value(const struct policy_value *value);
/* User::"alice" */
json_t *admin_json_uid(const struct policy_uid *uid);

#endif
