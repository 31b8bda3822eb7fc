/* Cedar's JSON forms of values, entities and requests, as the policy room's structs. */
#ifndef KEYWARD_TOOLS_POLICY_JSON_H
#define KEYWARD_TOOLS_POLICY_JSON_H

#include "policy/arena.h"
#include "policy/policy.h"

#include <jansson.h>

/* Loading flags that the functions below expect. */
#define POLICY_JSON_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL)

/*
 * Each answers CKR_OK, or CKR_ARGUMENTS_BAD with a reason. What is made lives in the arena and
 * borrows strings from the json: both must outlive it.
 */
MUST_CHECK CK_RV policy_json_value(struct arena *arena, json_t *json, struct policy_value *ret);
/* Type::"id" text, {"type":..,"id":..}, or {"__entity":{..}}. */
MUST_CHECK CK_RV policy_json_uid(struct arena *arena, json_t *json, struct policy_uid *ret);
/* An array of {uid, attrs, parents}: sorted, with parents closed over. */
MUST_CHECK CK_RV policy_json_entities(struct arena *arena, json_t *json,
                                      const struct policy_entity **ret, size_t *ret_count);
/* {principal, action, resource, context}; the entities are the caller's to set. */
MUST_CHECK CK_RV policy_json_request(struct arena *arena, json_t *json, struct policy_request *ret);

#endif
