/* Clocks: the text is RFC 3339 on both sides of 1970, and a clock can be held still. */
#include "base/clock.h"
#include "tests/support/suite.h"

#include <string.h>
#include <time.h>

START_TEST(times_are_written_as_rfc_3339_with_microseconds)
{
    static const struct {
        int64_t ns;
        const char *text;
    } want[] = {
        {.ns = 0, .text = "1970-01-01T00:00:00.000000Z"},
        {.ns = 1767323045678901234, .text = "2026-01-02T03:04:05.678901Z"},
        {.ns = 951782399999999999, .text = "2000-02-28T23:59:59.999999Z"},
        {.ns = 951782400000000000, .text = "2000-02-29T00:00:00.000000Z"},
        {.ns = -1, .text = "1969-12-31T23:59:59.999999Z"},
        {.ns = -1000000000, .text = "1969-12-31T23:59:59.000000Z"},
        {.ns = -1500000, .text = "1969-12-31T23:59:59.998500Z"},
        {.ns = INT64_MAX, .text = "2262-04-11T23:47:16.854775Z"},
    };
    char text[CLOCK_TEXT_MAX];

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        clock_format(want[i].ns, text);
        ck_assert_str_eq(text, want[i].text);
    }
}
END_TEST

START_TEST(every_day_is_as_the_calendar_has_it)
{
    const int64_t day = INT64_C(86400) * 1000000000;

    for (int64_t at = INT64_MIN / day + 1; at < INT64_MAX / day; at++) {
        time_t seconds = (time_t)(at * 86400 + 43210);
        char text[CLOCK_TEXT_MAX];
        char want[CLOCK_TEXT_MAX];
        struct tm tm;

        (void)strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000Z", gmtime_r(&seconds, &tm));
        clock_format((int64_t)seconds * 1000000000, text);
        ck_assert_str_eq(text, want);
    }
}
END_TEST

START_TEST(what_was_written_is_read_back)
{
    static const char *const wrong[] = {"",
                                        "2026-01-02",
                                        "2026-01-02T03:04:05Z",
                                        "2026-01-02t03:04:05.678901Z",
                                        "2026-01-0aT03:04:05.678901Z",
                                        "9999-01-02T03:04:05.678901Z"};
    static const int64_t times[] = {0, 1767323045678901000, 951782400000000000, -1500000};
    char text[CLOCK_TEXT_MAX];
    int64_t ns;

    for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
        clock_format(times[i], text);
        ck_assert(clock_parse(text, &ns));
        ck_assert_int_eq(ns, times[i]);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        ck_assert(!clock_parse(wrong[i], &ns));
}
END_TEST

START_TEST(system_clock_tells_the_time_of_day)
{
    int64_t before = (int64_t)time(NULL) - 1;
    int64_t now = clock_realtime(&clock_system) / 1000000000;
    int64_t after = (int64_t)time(NULL) + 1;

    ck_assert_int_ge(now, before);
    ck_assert_int_le(now, after);
}
END_TEST

START_TEST(monotonic_clock_never_goes_back)
{
    int64_t last = clock_monotonic(&clock_system);

    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_monotonic(&clock_system);

        ck_assert_int_ge(now, last);
        last = now;
    }
}
END_TEST

static int64_t stands_still(const struct clock *clock)
{
    (void)clock;
    return 42;
}

START_TEST(a_clock_can_be_held_still)
{
    const struct clock still = {.realtime = stands_still, .monotonic = stands_still};

    ck_assert_int_eq(clock_realtime(&still), 42);
    ck_assert_int_eq(clock_monotonic(&still), 42);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(times_are_written_as_rfc_3339_with_microseconds),
        CASE(every_day_is_as_the_calendar_has_it),
        CASE(what_was_written_is_read_back),
        CASE(system_clock_tells_the_time_of_day),
        CASE(monotonic_clock_never_goes_back),
        CASE(a_clock_can_be_held_still),
    };

    return suite_run("base/clock", cases, sizeof(cases) / sizeof(*cases));
}
