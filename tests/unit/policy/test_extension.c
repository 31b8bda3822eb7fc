/* Extension values: which texts are read, and as what. */
#include "policy/extension.h"

#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* NULL: refused. Else what is written back. */
static const struct {
    const char *text, *written;
} ips[] = {
    {"1.2.3.4", "1.2.3.4"},
    {"0.0.0.0/0", "0.0.0.0/0"},
    {"255.255.255.255/32", "255.255.255.255"},
    {"256.0.0.1", NULL},
    {"01.2.3.4", NULL},
    {"1.2.3", NULL},
    {"1.2.3.4.5", NULL},
    {"1.2.3.4/", NULL},
    {"1.2.3.4/33", NULL},
    {"1.2.3.4/08", NULL},
    {"1.2.3.4/+8", NULL},
    {"1.2.3.4 ", NULL},
    {" 1.2.3.4", NULL},
    {"", NULL},
    {"/8", NULL},
    {"::", "0:0:0:0:0:0:0:0"},
    {"::/0", "0:0:0:0:0:0:0:0/0"},
    {"2001:DB8::1", "2001:db8:0:0:0:0:0:1"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"1::8/64", "1:0:0:0:0:0:0:8/64"},
    {"1:2:3:4:5:6:7::8", NULL},
    {"1:2:3:4:5:6:7:8::", NULL},
    {"1:2:3:4:5:6:7", NULL},
    {"1:2:3:4:5:6:7:8:9", NULL},
    {"1::2::3", NULL},
    {":1", NULL},
    {"1:", NULL},
    {":::", NULL},
    {"12345::", NULL},
    {"g::", NULL},
    {"::1/129", NULL},
    {"::ffff:1.2.3.4", NULL},
    {"fe80::1%eth0", NULL},
    {"[::1]", NULL},
    {"ABCD:EF01:2345:6789:ABCD:EF01:2345:6789/128", "abcd:ef01:2345:6789:abcd:ef01:2345:6789"},
    {"0ABCD:EF01:2345:6789:ABCD:EF01:2345:6789/128", NULL},
};

static void check_text(enum policy_kind kind, const char *text, const char *written)
{
    struct policy_value value;
    char out[EXTENSION_TEXT_MAX];
    bool good = extension_read(kind, bytes_from_str(text), &value);

    ck_assert_msg(good == (written != NULL), "\"%s\" is %s", text, good ? "read" : "refused");
    if (!good)
        return;
    extension_write(&value, out);
    ck_assert_msg(strcmp(out, written) == 0, "\"%s\" is read as %s, not %s", text, out, written);
    ck_assert_msg(extension_read(kind, bytes_from_str(out), &value), "%s is not read back", out);
}

START_TEST(addresses_are_read_as_cedar_reads_them)
{
    check_text(POLICY_IP, ips[_i].text, ips[_i].written);
}
END_TEST

static const struct {
    const char *text, *written;
} datetimes[] = {
    {"1970-01-01", "1970-01-01T00:00:00.000Z"},
    {"0000-01-01", "0000-01-01T00:00:00.000Z"},
    {"0000-02-29", "0000-02-29T00:00:00.000Z"},
    {"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
    {"2000-02-29", "2000-02-29T00:00:00.000Z"},
    {"1900-02-29", NULL},
    {"2023-02-29", NULL},
    {"2024-00-01", NULL},
    {"2024-13-01", NULL},
    {"2024-04-31", NULL},
    {"2024-04-00", NULL},
    {"24-04-01", NULL},
    {"2024-4-01", NULL},
    {"2024-04-01T", NULL},
    {"2024-04-01Z", NULL},
    {"2024-04-01T00:00Z", NULL},
    {"2024-04-01T00:00:00", NULL},
    {"2024-04-01t00:00:00Z", NULL},
    {"2024-04-01 00:00:00Z", NULL},
    {"2024-04-01T24:00:00Z", NULL},
    {"2024-04-01T23:60:00Z", NULL},
    {"2024-04-01T23:59:60Z", NULL},
    {"2024-04-01T00:00:00.1Z", NULL},
    {"2024-04-01T00:00:00.1234Z", NULL},
    {"2024-04-01T00:00:00.123Z", "2024-04-01T00:00:00.123Z"},
    {"2024-04-01T00:00:00+0130", "2024-03-31T22:30:00.000Z"},
    {"2024-04-01T00:00:00-2359", "2024-04-01T23:59:00.000Z"},
    {"2024-04-01T00:00:00.500-0001", "2024-04-01T00:01:00.500Z"},
    {"2024-04-01T00:00:00+2400", NULL},
    {"2024-04-01T00:00:00+0060", NULL},
    {"2024-04-01T00:00:00+01:00", NULL},
    {"2024-04-01T00:00:00ZZ", NULL},
};

START_TEST(instants_are_read_as_cedar_reads_them)
{
    check_text(POLICY_DATETIME, datetimes[_i].text, datetimes[_i].written);
}
END_TEST

static const struct {
    const char *text, *written;
} durations[] = {
    {"0ms", "0ms"},
    {"1d2h3m4s5ms", "93784005ms"},
    {"-1d", "-86400000ms"},
    {"1m", "60000ms"},
    {"1ms", "1ms"},
    {"5m5ms", "300005ms"},
    {"007s", "7000ms"},
    {"1h1d", NULL},
    {"1ms1s", NULL},
    {"1s1s", NULL},
    {"1", NULL},
    {"", NULL},
    {"-", NULL},
    {"d", NULL},
    {"1d-1h", NULL},
    {"+1d", NULL},
    {"1D", NULL},
    {"1 d", NULL},
    {"9223372036854775807ms", "9223372036854775807ms"},
    {"9223372036854775808ms", NULL},
    {"-9223372036854775808ms", "-9223372036854775808ms"},
    {"-9223372036854775809ms", NULL},
    {"106751991167d", "9223372036828800000ms"},
    {"106751991168d", NULL},
    {"106751991167d7h12m55s807ms", "9223372036854775807ms"},
    {"106751991167d7h12m55s808ms", NULL},
    {"-106751991167d7h12m55s808ms", "-9223372036854775808ms"},
    {"99999999999999999999d", NULL},
};

START_TEST(durations_are_read_as_cedar_reads_them)
{
    check_text(POLICY_DURATION, durations[_i].text, durations[_i].written);
}
END_TEST

/* Against the days of each month counted up, so that no formula is checked by itself. */
START_TEST(every_day_of_five_centuries_is_one_day_after_the_day_before)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t expected = 0;
    bool first = true;

    for (int year = 1700; year < 2200; year++) {
        for (int month = 1; month <= 12; month++) {
            bool leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

            for (int day = 1; day <= lengths[month - 1] + (leap ? 1 : 0); day++) {
                char text[32];
                char out[EXTENSION_TEXT_MAX];
                struct policy_value value = {.kind = POLICY_DATETIME};

                (void)snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, day);
                ck_assert(extension_datetime(bytes_from_str(text), &value.u.number));
                if (!first)
                    ck_assert_int_eq(value.u.number, expected);
                first = false;
                expected = value.u.number + EXTENSION_DAY;
                extension_write(&value, out);
                ck_assert_int_eq(memcmp(out, text, 10), 0);
            }
        }
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(addresses_are_read_as_cedar_reads_them, COUNT(ips)),
        CASE_LOOP(instants_are_read_as_cedar_reads_them, COUNT(datetimes)),
        CASE_LOOP(durations_are_read_as_cedar_reads_them, COUNT(durations)),
        CASE(every_day_of_five_centuries_is_one_day_after_the_day_before),
    };

    return suite_run("policy/extension", cases, COUNT(cases));
}
