/*
 * Rows under a fence: see fenced.h. Of the random id the first half is kept: the row that is held
 * against it is sealed with its whole id, and two ids that begin alike are not drawn in a store's
 * life, nor can anybody choose one.
 */
#include "vault/fenced.h"

#include "base/heap.h"

#include <stdlib.h>

#define ID_KEPT 8U

struct fenced_row {
    uint64_t id;      /* its beginning, as a number: in the order of the ids */
    uint64_t written; /* generation and kind */
};

/* Both in one number. Kinds are few, and generations count writes: others than these are left out.
 */
static bool fits(int64_t kind, int64_t generation)
{
    return kind >= 0 && kind <= UINT8_MAX && generation >= 0 && generation < INT64_MAX >> 8;
}

static uint64_t written_of(int64_t kind, int64_t generation)
{
    return (uint64_t)generation << 8 | (uint64_t)kind;
}

static uint64_t beginning(const uint8_t *id)
{
    uint64_t n = 0;

    for (size_t i = 0; i < ID_KEPT; i++)
        n = n << 8 | id[i];
    return n;
}

void fenced_clear(struct fenced *f)
{
    free(f->rows);
    *f = (struct fenced){.rows = NULL};
}

static bool make_room(struct fenced *f)
{
    size_t cap = f->cap > 0 ? 2 * f->cap : 16;
    struct fenced_row *rows;

    if (f->count < f->cap)
        return true;
    rows = array_resize(f->rows, cap, sizeof(*rows));
    if (rows == NULL)
        return false;
    f->rows = rows;
    f->cap = cap;
    return true;
}

void fenced_add(struct fenced *f, const uint8_t *id, size_t id_len, int64_t kind,
                int64_t generation)
{
    if (id_len < ID_KEPT || !fits(kind, generation) || !make_room(f))
        return;
    f->rows[f->count++] =
        (struct fenced_row){.id = beginning(id), .written = written_of(kind, generation)};
}

/* The first whose id is not less. */
static size_t place_of(const struct fenced *f, uint64_t id)
{
    size_t lo = 0;
    size_t hi = f->count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (f->rows[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

bool fenced_has(const struct fenced *f, const uint8_t *id, int64_t kind, int64_t generation)
{
    uint64_t begins = beginning(id);
    uint64_t written;

    if (!fits(kind, generation))
        return false;
    written = written_of(kind, generation);
    for (size_t i = place_of(f, begins); i < f->count && f->rows[i].id == begins; i++)
        if (f->rows[i].written == written)
            return true;
    return false;
}
