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

/* The digits of text where form has '0', and its characters elsewhere. */
static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; text++, form++)
        if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
            return false;
    return true;
}

static int number(const char *digits, size_t count)
{
    int n = 0;

    while (count-- > 0)
        n = n * 10 + (*digits++ - '0');
    return n;
}

bool clock_parse(const char *text, int64_t *ret_ns)
{
    struct tm tm = {0};

    if (!has_form(text, "0000-00-00T00:00:00.000000Z"))
        return false;
    tm.tm_year = number(text, 4) - 1900;
    tm.tm_mon = number(text + 5, 2) - 1;
    tm.tm_mday = number(text + 8, 2);
    tm.tm_hour = number(text + 11, 2);
    tm.tm_min = number(text + 14, 2);
    tm.tm_sec = number(text + 17, 2);
    if (tm.tm_year > 200) /* past what nanoseconds in 64 bits can say, at 2262 */
        return false;
    *ret_ns = (int64_t)timegm(&tm) * 1000000000 + (int64_t)number(text + 20, 6) * 1000;
    return true;
}
