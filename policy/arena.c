/* Block-wise storage: see arena.h. A piece larger than a block gets a block of its own. */
#include "policy/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (32U << 10)

struct arena_block {
    struct arena_block *next;
    alignas(max_align_t) uint8_t data[];
};

static bool add_block(struct arena *arena, size_t size)
{
    struct arena_block *block = malloc(sizeof(*block) + size);

    if (block == NULL)
        return false;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->used = 0;
    arena->size = size;
    return true;
}

void *arena_take(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    void *piece;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + align - 1) / align * align;
    if (arena->blocks == NULL || size > arena->size - arena->used) {
        if (!add_block(arena, size > BLOCK_SIZE ? size : BLOCK_SIZE))
            return NULL;
    }
    piece = arena->blocks->data + arena->used;
    arena->used += size;
    return piece;
}

struct bytes arena_copy(struct arena *arena, struct bytes from)
{
    uint8_t *copy = arena_take(arena, from.len + 1);

    if (copy == NULL)
        return BYTES_NONE;
    if (from.len > 0)
        memcpy(copy, from.data, from.len);
    copy[from.len] = '\0';
    return BYTES(copy, from.len);
}

void arena_release(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = arena->size = 0;
}

bool array_reserve(void **data, size_t *cap, size_t need, size_t item)
{
    size_t wanted = *cap < 16 ? 16 : *cap;
    void *grown;

    if (need <= *cap)
        return true;
    while (wanted < need) {
        if (wanted > SIZE_MAX / 2 / item)
            return false;
        wanted *= 2;
    }
    grown = realloc(*data, wanted * item);
    if (grown == NULL)
        return false;
    *data = grown;
    *cap = wanted;
    return true;
}
