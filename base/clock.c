/* The system's clocks behind struct clock, and RFC 3339: see clock.h. */
#include "base/clock.h"

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

struct date {
    int64_t year, month, day;
};

/*
 * The day of that number since 1970-01-01 in the Gregorian calendar. By hand, since the system's
 * gmtime_r() takes the lock of the time zone, and a time stands in every record of the log. Counted
 * from 0000-03-01, so that a leap day ends its year, in eras of 400 years (H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms": civil_from_days).
 */
static struct date date_of_day(int64_t day)
{
    int64_t from_march = day + 719468; /* positive: nanoseconds in 64 bits begin in 1677 */
    int64_t era = from_march / 146097;
    int64_t of_era = from_march % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; /* 0: March */

    return (struct date){.year = era * 400 + year + (month >= 10),
                         .month = month < 10 ? month + 3 : month - 9,
                         .day = of_year - (153 * month + 2) / 5 + 1};
}

/* So many digits of n, and the character behind them. */
static char *put_number(char *at, int64_t n, int digits, char behind)
{
    for (int i = digits; i-- > 0; n /= 10)
        at[i] = (char)('0' + n % 10);
    at[digits] = behind;
    return at + digits + 1;
}

/* Rounded down, also before 1970. */
static int64_t part(int64_t *n, int64_t whole)
{
    int64_t rest = (*n % whole + whole) % whole;

    *n = (*n - rest) / whole;
    return rest;
}

void clock_format(int64_t realtime_ns, char out[static CLOCK_TEXT_MAX])
{
    int64_t left = realtime_ns;
    int64_t below = part(&left, 1000000000);
    int64_t second = part(&left, 60);
    int64_t minute = part(&left, 60);
    int64_t hour = part(&left, 24);
    struct date date = date_of_day(left);

    out = put_number(out, date.year, 4, '-');
    out = put_number(out, date.month, 2, '-');
    out = put_number(out, date.day, 2, 'T');
    out = put_number(out, hour, 2, ':');
    out = put_number(out, minute, 2, ':');
    out = put_number(out, second, 2, '.');
    out = put_number(out, below / 1000, 6, 'Z');
    *out = '\0';
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
