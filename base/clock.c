/* The system's clocks behind struct clock, and RFC 3339: see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts = {0};

    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t system_realtime(const struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic(const struct clock *clock)
{
    (void)clock;
    return read_clock(CLOCK_MONOTONIC);
}

const struct clock clock_system = {
    .realtime = system_realtime,
    .monotonic = system_monotonic,
};

int64_t clock_realtime(const struct clock *clock)
{
    return clock->realtime(clock);
}

int64_t clock_monotonic(const struct clock *clock)
{
    return clock->monotonic(clock);
}

void clock_format(int64_t realtime_ns, char out[static CLOCK_TEXT_MAX])
{
    int64_t below = (realtime_ns % 1000000000 + 1000000000) % 1000000000; /* also before 1970 */
    time_t seconds = (time_t)((realtime_ns - below) / 1000000000);
    struct tm tm = {0};
    size_t n;

    (void)gmtime_r(&seconds, &tm);
    n = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out + n, CLOCK_TEXT_MAX - n, ".%06uZ", (unsigned)(below / 1000) % 1000000U);
}
