/* `keyward policy decide`: Cedar's JSON entities and requests in, one answer a line out. No vault
 * and no vocabulary. */
#ifndef KEYWARD_TOOLS_POLICY_DECIDE_H
#define KEYWARD_TOOLS_POLICY_DECIDE_H

/*
 * The three are paths: Cedar policy text, Cedar's JSON entities, and requests, one JSON object a
 * line with principal, action and resource (Type::"id" text, or {"type":..,"id":..}) and context.
 * Answers on standard output:
 *   {"decision":"allow"|"deny","reasons":[policy ids],"errors":[ids of policies that erred]}
 * A line that is no request is answered with a denial, and a sentence in errors. Returns main's
 * status: 0; 1 when a line was no request; 2 when nothing could be decided (a sentence is on
 * standard error then).
 */
int policy_decide_main(const char *policies, const char *entities, const char *requests);

#endif
