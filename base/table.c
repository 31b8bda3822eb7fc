/* The search in sorted tables: see table.h. */
#include "base/table.h"

const void *table_find(const void *rows, size_t count, size_t size, unsigned long number)
{
    const unsigned char *first = rows;
    size_t lo = 0;
    size_t hi = count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const void *row = first + mid * size;
        unsigned long here = *(const unsigned long *)row;

        if (here == number)
            return row;
        if (here < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
