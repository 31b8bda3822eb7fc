/*
 * Names as small numbers: each distinct entity uid (or plain string: a uid of the empty type) of a
 * policy set is kept once, and compared by its number ever after. Adding allocates; finding does
 * not.
 */
#ifndef KEYWARD_POLICY_INTERN_H
#define KEYWARD_POLICY_INTERN_H

#include "policy/arena.h"
#include "policy/policy.h"

#define INTERN_NONE UINT32_MAX

struct intern_slot {
    uint32_t hash;
    uint32_t number; /* counted from 1; 0: free */
};

struct intern {
    struct policy_uid *items; /* by number; spans live in the arena, NUL behind each */
    size_t count, cap;
    struct intern_slot *slots; /* open addressing, a power of two, at most half full */
    size_t slot_count;
};

/* The number of uid, added (copied into arena) when new; INTERN_NONE without memory. */
uint32_t intern_add(struct intern *in, struct arena *arena, struct policy_uid uid);
uint32_t intern_add_string(struct intern *in, struct arena *arena, struct bytes string);
/* INTERN_NONE when it was never added. */
uint32_t intern_find(const struct intern *in, struct policy_uid uid);
uint32_t intern_find_string(const struct intern *in, struct bytes string);
void intern_release(struct intern *in);

#endif
