/* Tile paths of C2SP tlog-tiles: see paths.h. */
#include "audit/paths.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

enum { FULL = 256, GROUPS = 7 };

/* <prefix>/<N>[.p[/<W>]] */
static void tile_path(const char *prefix, uint64_t n, unsigned width, char out[static PATH_LOG_MAX])
{
    unsigned groups[GROUPS];
    size_t count = 0;
    int len = snprintf(out, PATH_LOG_MAX, "%s", prefix);

    do {
        groups[count++] = (unsigned)(n % 1000);
        n /= 1000;
    } while (n > 0 && count < GROUPS);
    while (count-- > 0)
        len += snprintf(out + len, PATH_LOG_MAX - (size_t)len, count > 0 ? "/x%03u" : "/%03u",
                        groups[count]);
    if (width < FULL)
        len += snprintf(out + len, PATH_LOG_MAX - (size_t)len, ".p");
    if (width > 0 && width < FULL)
        (void)snprintf(out + len, PATH_LOG_MAX - (size_t)len, "/%u", width);
}

void path_tile(unsigned level, uint64_t n, unsigned width, char out[static PATH_LOG_MAX])
{
    char prefix[16];

    (void)snprintf(prefix, sizeof(prefix), "tile/%u", level);
    tile_path(prefix, n, width, out);
}

void path_entries(uint64_t n, unsigned width, char out[static PATH_LOG_MAX])
{
    tile_path("tile/entries", n, width, out);
}

void path_journal(uint64_t n, char out[static PATH_LOG_MAX])
{
    (void)snprintf(out, PATH_LOG_MAX, PATH_JOURNAL "/%" PRIu64, n);
}
