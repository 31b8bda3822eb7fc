/* A hash table of uids: see intern.h. */
#include "policy/intern.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64U

static uint64_t mix(uint64_t h, uint64_t word)
{
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

static uint64_t hash_bytes(uint64_t h, struct bytes b)
{
    uint64_t word;

    h = mix(h, b.len);
    while (b.len >= sizeof(word)) {
        memcpy(&word, b.data, sizeof(word));
        h = mix(h, word);
        b = BYTES(b.data + sizeof(word), b.len - sizeof(word));
    }
    word = 0;
    if (b.len > 0)
        memcpy(&word, b.data, b.len);
    return mix(h, word);
}

static uint32_t hash_uid(struct policy_uid uid)
{
    uint64_t h = hash_bytes(hash_bytes(UINT64_C(0x6B77), uid.type), uid.id);

    return (uint32_t)(h >> 32);
}

static bool same(struct policy_uid a, struct policy_uid b)
{
    return bytes_equal(a.id, b.id) && bytes_equal(a.type, b.type);
}

/* The slot that holds uid, or the free one where it belongs. */
static struct intern_slot *probe(const struct intern *in, struct policy_uid uid, uint32_t hash)
{
    size_t mask = in->slot_count - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct intern_slot *slot = &in->slots[i];

        if (slot->number == 0 || (slot->hash == hash && same(in->items[slot->number - 1], uid)))
            return slot;
    }
}

static bool widen(struct intern *in)
{
    size_t wanted = in->slot_count == 0 ? FIRST_SLOTS : in->slot_count * 2;
    struct intern_slot *slots = calloc(wanted, sizeof(*slots));

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < in->slot_count; i++) {
        size_t at = in->slots[i].hash & (wanted - 1);

        if (in->slots[i].number == 0)
            continue;
        while (slots[at].number != 0)
            at = (at + 1) & (wanted - 1);
        slots[at] = in->slots[i];
    }
    free(in->slots);
    in->slots = slots;
    in->slot_count = wanted;
    return true;
}

uint32_t intern_add(struct intern *in, struct arena *arena, struct policy_uid uid)
{
    uint32_t hash = hash_uid(uid);
    struct intern_slot *slot;
    struct policy_uid copy;

    if ((in->count + 1) * 2 > in->slot_count && !widen(in))
        return INTERN_NONE;
    slot = probe(in, uid, hash);
    if (slot->number != 0)
        return slot->number - 1;
    if (!array_reserve((void **)&in->items, &in->cap, in->count + 1, sizeof(*in->items)))
        return INTERN_NONE;
    copy.type = uid.type.len > 0 ? arena_copy(arena, uid.type) : BYTES_LIT("");
    copy.id = arena_copy(arena, uid.id);
    if (copy.type.data == NULL || copy.id.data == NULL)
        return INTERN_NONE;
    in->items[in->count++] = copy;
    *slot = (struct intern_slot){.hash = hash, .number = (uint32_t)in->count};
    return slot->number - 1;
}

uint32_t intern_add_string(struct intern *in, struct arena *arena, struct bytes string)
{
    return intern_add(in, arena, (struct policy_uid){.type = BYTES_NONE, .id = string});
}

uint32_t intern_find(const struct intern *in, struct policy_uid uid)
{
    if (in->slot_count == 0)
        return INTERN_NONE;
    /* Numbers count from 1, so a free slot's 0 becomes INTERN_NONE. */
    return probe(in, uid, hash_uid(uid))->number - 1;
}

uint32_t intern_find_string(const struct intern *in, struct bytes string)
{
    return intern_find(in, (struct policy_uid){.type = BYTES_NONE, .id = string});
}

void intern_release(struct intern *in)
{
    free(in->items);
    free(in->slots);
    *in = (struct intern){.items = NULL};
}
