/* Time as a dependency: whoever needs it is handed a clock, so tests can hold it still. */
#ifndef KEYWARD_BASE_CLOCK_H
#define KEYWARD_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct clock {
    int64_t (*realtime)(const struct clock *clock);  /* ns since 1970-01-01T00:00:00Z */
    int64_t (*monotonic)(const struct clock *clock); /* ns since an arbitrary start, never back */
};

extern const struct clock clock_system;

int64_t clock_realtime(const struct clock *clock);
int64_t clock_monotonic(const struct clock *clock);

/* RFC 3339 in UTC with microseconds: 2026-01-02T03:04:05.678901Z. */
#define CLOCK_TEXT_MAX 32
void clock_format(int64_t realtime_ns, char out[static CLOCK_TEXT_MAX]);
/* Of a text that begins with what clock_format() writes; false where it does not. */
bool clock_parse(const char *text, int64_t *ret_ns);

#endif
