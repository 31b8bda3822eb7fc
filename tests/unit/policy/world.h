/*
 * What the policy tests stand on: texts loaded in one line, and a small world of entities to ask
 * about.
 *
 *   User::"alice" in Group::"dev" in Group::"all"; User::"bob" in nothing; Key::"v/k" and
 * Key::"v/l" in Vault::"v"; Action::"sign" in Action::"keyUse". Key::"v/k" has attributes, context
 * too: see world.c.
 */
#ifndef KEYWARD_TESTS_UNIT_POLICY_WORLD_H
#define KEYWARD_TESTS_UNIT_POLICY_WORLD_H

#include "policy/policy.h"

#define WORLD_REASONS 8

struct world_answer {
    struct policy_verdict verdict;
    uint32_t reasons[WORLD_REASONS];
    uint32_t errors[WORLD_REASONS];
};

/* Loads, or fails the test with the message. The caller's, policy_free. */
struct policy *world_load(const char *text);
/* Must be refused: the error. */
struct policy_error world_refused(struct bytes text);
/* May principal (User) do action on Key::"v/k"? */
struct policy_request world_request(const char *user, const char *action);
void world_decide(const struct policy *policy, const struct policy_request *request,
                  struct world_answer *answer);
/* permit when { expression } for alice signing with Key::"v/k": 1 allow, 0 deny, -1 an error. */
int world_truth(const char *expression);

#endif
