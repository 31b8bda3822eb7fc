/* Times as administrators write them: RFC 3339, a date, or a duration from now. Strict: what is
 * left over behind a time is an error, not ignored. */
#include "pkcs11/admin_int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECONDS_MAX (INT64_C(100) * 366 * 86400) /* a hundred years */

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}, {'y', 365 * 86400}};

CK_RV admin_parse_duration(const char *text, int64_t *ret)
{
    char *end = NULL;
    long long number = isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : 0;

    if (end != NULL && number > 0 && end[0] != '\0' && end[1] == '\0')
        for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
            if (units[i].letter == end[0] && number <= SECONDS_MAX / units[i].seconds) {
                *ret = number * units[i].seconds;
                return CKR_OK;
            }
    return fail(CKR_ARGUMENTS_BAD,
                "\"%.64s\" is no duration: write a number and s, m, h, d, w or y, like 90d", text);
}

/* Reads count digits; -1 when they are not all digits. */
static int digits(const char *text, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

/* "Z", "+01:00": seconds east of UTC, with nothing behind; false when it is none. */
static bool parse_offset(const char *text, int64_t *ret)
{
    int hours, minutes;

    if ((text[0] == 'Z' || text[0] == 'z') && text[1] == '\0') {
        *ret = 0;
        return true;
    }
    if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 || text[3] != ':')
        return false;
    hours = digits(text + 1, 2);
    minutes = digits(text + 4, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    *ret = (hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
    return true;
}

/* "T12:34:56[.789]Z" behind a date: seconds of that day, in UTC. */
static bool parse_clock(const char *text, int64_t *ret)
{
    int64_t offset;
    int hour, minute, second;
    const char *rest;

    if (strlen(text) < 10 || strchr("Tt ", text[0]) == NULL || text[3] != ':' || text[6] != ':')
        return false;
    hour = digits(text + 1, 2);
    minute = digits(text + 4, 2);
    second = digits(text + 7, 2);
    rest = text + 9;
    if (rest[0] == '.' && isdigit((unsigned char)rest[1]))
        rest += 1 + strspn(rest + 1, "0123456789");
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 ||
        !parse_offset(rest, &offset))
        return false;
    *ret = hour * 3600 + minute * 60 + second - offset;
    return true;
}

static bool parse_calendar(const char *text, int64_t *ret)
{
    struct tm tm = {.tm_isdst = 0};
    struct tm asked;
    int64_t seconds = 0;
    time_t day;

    if (strlen(text) < 10 || text[4] != '-' || text[7] != '-')
        return false;
    tm.tm_year = digits(text, 4) - 1900;
    tm.tm_mon = digits(text + 5, 2) - 1;
    tm.tm_mday = digits(text + 8, 2);
    if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mday < 1)
        return false;
    asked = tm;
    day = timegm(&tm); /* turns the 30th of February into March: refused by the comparison */
    if (tm.tm_mon != asked.tm_mon || tm.tm_mday != asked.tm_mday)
        return false;
    if (text[10] != '\0' && !parse_clock(text + 10, &seconds))
        return false;
    *ret = (int64_t)day + seconds;
    return *ret > 0;
}

CK_RV admin_parse_time(const char *text, int64_t now, int sign, int64_t *ret)
{
    int64_t seconds;

    if (parse_calendar(text, ret))
        return CKR_OK;
    if (strchr(text, '-') != NULL || strchr(text, ':') != NULL ||
        admin_parse_duration(text, &seconds) != CKR_OK)
        return fail(CKR_ARGUMENTS_BAD,
                    "\"%.64s\" is no time: write 2030-01-31, 2030-01-31T12:00:00Z, or a duration "
                    "like 90d",
                    text);
    *ret = now + sign * seconds;
    return CKR_OK;
}
