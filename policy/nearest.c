/* Edit distance over short names: see nearest.h. */
#include "policy/nearest.h"

#include <string.h>

#define NAME_MAX_LEN 40U /* longer names are nobody's typing error */

struct nearest nearest_start(struct bytes wanted)
{
    return (struct nearest){.wanted = wanted, .best = NULL, .distance = 2 + wanted.len / 3};
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

/* Levenshtein, one row at a time; upper and lower case are the same letter. */
static size_t distance(struct bytes a, struct bytes b)
{
    size_t row[NAME_MAX_LEN + 1];

    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 0; i < a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b.len; j++) {
            size_t change = diagonal + (lower(a.data[i]) == lower(b.data[j]) ? 0 : 1);

            diagonal = row[j + 1];
            row[j + 1] = least(change, row[j] + 1, row[j + 1] + 1);
        }
    }
    return row[b.len];
}

void nearest_offer(struct nearest *nearest, const char *name)
{
    struct bytes offered = bytes_from_str(name);
    size_t d;

    if (offered.len > NAME_MAX_LEN || nearest->wanted.len > NAME_MAX_LEN)
        return;
    d = distance(nearest->wanted, offered);
    if (d < nearest->distance) {
        nearest->distance = d;
        nearest->best = name;
    }
}
