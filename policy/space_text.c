/*
 * Representatives of texts. All patterns of a group run at once over the texts there are: a state
 * is the set of places each pattern can be at, found breadth first, so that each is reached by a
 * shortest text. Two texts that end in one state match the same patterns.
 *
 * The constants come as they are; from each state come as many further texts as the group has
 * variables. The alphabet is the characters of patterns and constants, and one of neither.
 */
#include "policy/space.h"

#include <stdlib.h>
#include <string.h>

#define STATES_MAX 4096U
#define TEXTS_MAX  20000U
#define ALPHABET   512U
#define TEXT_LEN   1024U

/* A text as the one before it and one character more. */
struct step {
    uint32_t before, state, length;
    uint32_t character;
};

struct automaton {
    const struct space_points *points;
    size_t words; /* 64-bit words of one state */
    uint32_t alphabet[ALPHABET];
    size_t characters;
    uint64_t *states;
    size_t state_count, state_cap;
    uint32_t *limits, *visits; /* texts wanted from each state, and had */
    size_t limit_cap, visit_cap;
    struct step *steps;
    size_t step_count, step_cap;
    bool too_many;
};

/* ---- characters ---- */

/* The character at *at, which moves behind it; PATTERN_ANY stands for itself. */
static uint32_t next_character(struct bytes text, size_t *at)
{
    uint8_t first = text.data[(*at)++];
    unsigned more = first == PATTERN_ANY ? 0
                    : first >= 0xF0      ? 3
                    : first >= 0xE0      ? 2
                    : first >= 0xC0      ? 1
                                         : 0;
    uint32_t c = first;

    if (first == PATTERN_ANY)
        return UINT32_MAX;
    for (; more > 0 && *at < text.len; more--)
        c = c << 8 | text.data[(*at)++]; /* its bytes, not its number: that will do as a name */
    return c;
}

static void add_characters(struct automaton *a, struct bytes text)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t c = next_character(text, &at);
        size_t i = 0;

        while (i < a->characters && a->alphabet[i] != c)
            i++;
        if (c == UINT32_MAX || i < a->characters)
            continue;
        if (a->characters == ALPHABET - 1)
            a->too_many = true;
        else
            a->alphabet[a->characters++] = c;
    }
}

/* One that stands in none of the texts, first, since the shortest texts are made of it. */
static void add_other(struct automaton *a)
{
    for (uint32_t c = 'x';; c = c == 'z' ? 'A' : c + 1) {
        size_t i = 0;

        while (i < a->characters && a->alphabet[i] != c)
            i++;
        if (i < a->characters)
            continue;
        memmove(a->alphabet + 1, a->alphabet, a->characters * sizeof(*a->alphabet));
        a->alphabet[0] = c;
        a->characters++;
        return;
    }
}

/* ---- states: one bit for each place in each pattern, the end too ---- */

static void set_bit(uint64_t *state, size_t bit)
{
    state[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool has_bit(const uint64_t *state, size_t bit)
{
    return (state[bit / 64] >> (bit % 64) & 1) != 0;
}

/* A wildcard may match nothing: who stands before one stands behind it too. */
static void enter(uint64_t *state, size_t base, struct bytes pattern, size_t place)
{
    set_bit(state, base + place);
    while (place < pattern.len && pattern.data[place] == PATTERN_ANY)
        set_bit(state, base + ++place);
}

static void start(const struct automaton *a, uint64_t *state)
{
    size_t base = 0;

    memset(state, 0, a->words * sizeof(*state));
    for (size_t p = 0; p < a->points->pattern_count; p++) {
        enter(state, base, a->points->patterns[p], 0);
        base += a->points->patterns[p].len + 1;
    }
}

static void step_pattern(struct bytes pattern, size_t base, const uint64_t *from, uint64_t *to,
                         uint32_t character)
{
    for (size_t place = 0; place < pattern.len;) {
        size_t behind = place;
        uint32_t here = next_character(pattern, &behind);

        if (has_bit(from, base + place)) {
            if (here == UINT32_MAX)
                enter(to, base, pattern, place);
            else if (here == character)
                enter(to, base, pattern, behind);
        }
        place = behind;
    }
}

static void step_all(const struct automaton *a, const uint64_t *from, uint64_t *to,
                     uint32_t character)
{
    size_t base = 0;

    memset(to, 0, a->words * sizeof(*to));
    for (size_t p = 0; p < a->points->pattern_count; p++) {
        step_pattern(a->points->patterns[p], base, from, to, character);
        base += a->points->patterns[p].len + 1;
    }
}

/* The state's number, added when new; SPACE_NONE without memory or when there are too many. */
static uint32_t number_of(struct automaton *a, const uint64_t *state)
{
    size_t count = a->state_count;

    for (size_t i = 0; i < count; i++) {
        if (memcmp(a->states + i * a->words, state, a->words * sizeof(*state)) == 0)
            return (uint32_t)i;
    }
    a->too_many = a->too_many || count == STATES_MAX;
    if (a->too_many ||
        !array_reserve((void **)&a->states, &a->state_cap, (count + 1) * a->words,
                       sizeof(*state)) ||
        !array_reserve((void **)&a->limits, &a->limit_cap, count + 1, sizeof(*a->limits)) ||
        !array_reserve((void **)&a->visits, &a->visit_cap, count + 1, sizeof(*a->visits)))
        return SPACE_NONE;
    memcpy(a->states + count * a->words, state, a->words * sizeof(*state));
    a->limits[count] = (uint32_t)a->points->width;
    a->visits[count] = 0;
    a->state_count++;
    return (uint32_t)count;
}

/* ---- texts ---- */

static CK_RV out_of(const struct automaton *a)
{
    return a->too_many ? CKR_OK : fail_memory();
}

/* Constants take places of their states, so that fresh texts are found beside them. */
static CK_RV run_constants(struct automaton *a, uint64_t *state, uint64_t *next)
{
    for (size_t i = 0; i < a->points->count; i++) {
        struct bytes text = a->points->values[i].u.string;
        uint32_t number;

        start(a, state);
        for (size_t at = 0; at < text.len;) {
            step_all(a, state, next, next_character(text, &at));
            memcpy(state, next, a->words * sizeof(*state));
        }
        number = number_of(a, state);
        if (number == SPACE_NONE)
            return out_of(a);
        a->limits[number]++;
    }
    return CKR_OK;
}

static bool add_step(struct automaton *a, struct step step)
{
    a->too_many = a->too_many || a->step_count == TEXTS_MAX || step.length > TEXT_LEN;
    if (a->too_many ||
        !array_reserve((void **)&a->steps, &a->step_cap, a->step_count + 1, sizeof(*a->steps)))
        return false;
    a->steps[a->step_count++] = step;
    a->visits[step.state]++;
    return true;
}

static CK_RV walk(struct automaton *a, uint64_t *state, uint64_t *next)
{
    struct step first = {.before = SPACE_NONE};

    start(a, state);
    first.state = number_of(a, state);
    if (first.state == SPACE_NONE || !add_step(a, first))
        return out_of(a);
    for (size_t i = 0; i < a->step_count; i++) {
        for (size_t c = 0; c < a->characters; c++) {
            struct step step = {.before = (uint32_t)i,
                                .length = a->steps[i].length + 1,
                                .character = a->alphabet[c]};

            step_all(a, a->states + a->steps[i].state * a->words, next, step.character);
            step.state = number_of(a, next);
            if (step.state == SPACE_NONE)
                return out_of(a);
            /* One more than asked for: the empty text is a poor example of anything. */
            if (a->visits[step.state] <= a->limits[step.state] && !add_step(a, step))
                return out_of(a);
        }
    }
    return CKR_OK;
}

static CK_RV spell(struct automaton *a, struct arena *arena, const struct step *last,
                   struct bytes *ret)
{
    uint8_t *out = arena_take(arena, (size_t)4 * last->length + 1);
    uint8_t *at;

    if (out == NULL)
        return fail_memory();
    at = out + (size_t)4 * last->length;
    for (const struct step *step = last; step->before != SPACE_NONE;
         step = &a->steps[step->before]) {
        uint32_t c = step->character;

        do
            *--at = (uint8_t)c;
        while ((c >>= 8) != 0);
    }
    *ret = BYTES(at, (size_t)(out + (size_t)4 * last->length - at));
    return CKR_OK;
}

static CK_RV give_texts(struct automaton *a, struct arena *arena, struct policy_value **ret,
                        size_t *ret_count)
{
    size_t constants = a->points->count;
    struct policy_value *out = arena_take(arena, (a->step_count + constants) * sizeof(*out));
    CK_RV rv = CKR_OK;

    if (out == NULL)
        return fail_memory();
    if (constants > 0)
        memcpy(out, a->points->values, constants * sizeof(*out));
    for (size_t i = 0; rv == CKR_OK && i < a->step_count; i++) {
        out[constants + i].kind = POLICY_STRING;
        rv = spell(a, arena, &a->steps[i], &out[constants + i].u.string);
    }
    *ret = out;
    *ret_count = rv == CKR_OK ? space_sort(out, constants + a->step_count) : 0;
    return rv;
}

CK_RV space_texts(struct space *space, const struct space_points *points, struct policy_value **ret,
                  size_t *ret_count)
{
    struct automaton *a = calloc(1, sizeof(*a));
    SCOPED_FREE uint64_t *state = NULL;
    SCOPED_FREE uint64_t *next = NULL;
    size_t bits = 0;
    CK_RV rv;

    if (a == NULL)
        return fail_memory();
    a->points = points;
    for (size_t p = 0; p < points->pattern_count; p++) {
        bits += points->patterns[p].len + 1;
        add_characters(a, points->patterns[p]);
    }
    for (size_t i = 0; points->pattern_count > 0 && i < points->count; i++)
        add_characters(a, points->values[i].u.string);
    add_other(a);
    a->words = bits / 64 + 1;
    state = calloc(a->words, sizeof(*state));
    next = calloc(a->words, sizeof(*next));
    rv = state != NULL && next != NULL ? run_constants(a, state, next) : fail_memory();
    if (rv == CKR_OK && !a->too_many)
        rv = walk(a, state, next);
    if (rv == CKR_OK && !a->too_many)
        rv = give_texts(a, &space->arena, ret, ret_count);
    if (a->too_many)
        space_give_up(space, space->policy->nodes, "there are too many patterns on one attribute");
    free(a->states);
    free(a->limits);
    free(a->visits);
    free(a->steps);
    free(a);
    return rv;
}
