/*
 * Storage that is handed out piece by piece and freed at once: what a loaded policy set keeps its
 * text and constants in. Pieces never move, so spans into them stay valid until arena_release().
 */
#ifndef KEYWARD_POLICY_ARENA_H
#define KEYWARD_POLICY_ARENA_H

#include "base/bytes.h"

#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used, size;          /* of the newest block */
};

/* size bytes aligned for any object, not cleared; NULL without memory. */
void *arena_take(struct arena *arena, size_t size);
/* A copy with a NUL behind it (not counted); data is NULL without memory. */
struct bytes arena_copy(struct arena *arena, struct bytes from);
void arena_release(struct arena *arena);

/*
 * Grows a plain array so that index `need - 1` exists: doubles, keeps what is there. False without
 * memory, and then nothing has changed.
 */
bool array_reserve(void **data, size_t *cap, size_t need, size_t item);

#endif
