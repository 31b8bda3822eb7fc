/* Extension values as text, and the questions about addresses: see extension.h. */
#include "policy/extension.h"

#include <stdio.h>
#include <string.h>

#define IP_TEXT_MAX 43U /* of the longest IPv6 range written out */

/* ---- reading, a character at a time ---- */

struct reader {
    const uint8_t *at, *end;
};

static struct reader read_from(struct bytes text)
{
    return (struct reader){.at = text.data, .end = text.data + text.len};
}

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != (uint8_t)c)
        return false;
    r->at++;
    return true;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Exactly count digits. */
static bool take_digits(struct reader *r, size_t count, int64_t *ret)
{
    int64_t value = 0;

    if ((size_t)(r->end - r->at) < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(r->at[i]))
            return false;
        value = value * 10 + (r->at[i] - '0');
    }
    r->at += count;
    *ret = value;
    return true;
}

/* A decimal number up to limit without leading zeros. */
static bool take_small(struct reader *r, unsigned limit, uint8_t *ret)
{
    const uint8_t *start = r->at;
    unsigned value = 0;

    while (r->at < r->end && is_digit(*r->at) && r->at - start < 3)
        value = value * 10 + (unsigned)(*r->at++ - '0');
    if (r->at == start || value > limit || (*start == '0' && r->at - start > 1))
        return false;
    *ret = (uint8_t)value;
    return true;
}

/* ---- addresses ---- */

static bool take_ipv4(struct reader *r, struct policy_ip *ip)
{
    for (unsigned i = 0; i < 4; i++) {
        if ((i > 0 && !take(r, '.')) || !take_small(r, 255, &ip->address[i]))
            return false;
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One to four hex digits. */
static bool take_group(struct reader *r, uint8_t out[static 2])
{
    unsigned value = 0;
    unsigned digits = 0;

    while (digits < 4 && r->at < r->end && hex_digit(*r->at) >= 0) {
        value = value << 4 | (unsigned)hex_digit(*r->at++);
        digits++;
    }
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return digits > 0;
}

/* Groups with a colon between them, at most max of them; stops before what is none. */
static unsigned take_groups(struct reader *r, unsigned max, uint8_t out[static 16])
{
    unsigned count = 0;

    while (count < max) {
        struct reader ahead = *r;

        if ((count > 0 && !take(&ahead, ':')) || !take_group(&ahead, out + (size_t)2 * count))
            break;
        *r = ahead;
        count++;
    }
    return count;
}

/* All eight groups, or fewer around one `::` that stands for at least one. */
static bool take_ipv6(struct reader *r, struct policy_ip *ip)
{
    uint8_t tail[16];
    unsigned head = take_groups(r, 8, ip->address);
    unsigned behind;

    if (head == 8)
        return true;
    memset(ip->address + (size_t)2 * head, 0, sizeof(ip->address) - (size_t)2 * head);
    if (!take(r, ':') || !take(r, ':'))
        return false;
    behind = take_groups(r, 7 - head, tail);
    memcpy(ip->address + 16 - (size_t)2 * behind, tail, (size_t)2 * behind);
    return true;
}

bool extension_ip(struct bytes text, struct policy_ip *ret)
{
    struct policy_ip ip = {.v6 = text.len > 0 && memchr(text.data, ':', text.len) != NULL};
    struct reader r = read_from(text);

    if (text.len > IP_TEXT_MAX || !(ip.v6 ? take_ipv6(&r, &ip) : take_ipv4(&r, &ip)))
        return false;
    ip.prefix = ip.v6 ? 128 : 32;
    if (take(&r, '/') && !take_small(&r, ip.prefix, &ip.prefix))
        return false;
    if (r.at != r.end)
        return false;
    *ret = ip;
    return true;
}

bool extension_is_loopback(const struct policy_ip *ip)
{
    static const uint8_t one[16] = {[15] = 1};

    if (ip->v6)
        return ip->prefix == 128 && memcmp(ip->address, one, sizeof(one)) == 0;
    return ip->prefix >= 8 && ip->address[0] == 127;
}

bool extension_is_multicast(const struct policy_ip *ip)
{
    if (ip->v6)
        return ip->prefix >= 8 && ip->address[0] == 0xFF;
    return ip->prefix >= 4 && ip->address[0] >> 4 == 0xE;
}

bool extension_in_range(const struct policy_ip *inner, const struct policy_ip *outer)
{
    size_t whole = outer->prefix / 8;
    unsigned rest = outer->prefix % 8;

    if (inner->v6 != outer->v6 || inner->prefix < outer->prefix ||
        memcmp(inner->address, outer->address, whole) != 0)
        return false;
    return rest == 0 || (inner->address[whole] ^ outer->address[whole]) >> (8 - rest) == 0;
}

int extension_ip_compare(const struct policy_ip *a, const struct policy_ip *b)
{
    int c = (int)a->v6 - (int)b->v6;

    if (c == 0)
        c = memcmp(a->address, b->address, sizeof(a->address));
    return c != 0 ? c : (int)a->prefix - (int)b->prefix;
}

/* ---- instants ---- */

/* Days from 1970-01-01 to a date of the proleptic Gregorian calendar: years begin in March, so that
 * the leap day is the last one. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t days_in_month(int64_t year, int64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static bool take_date(struct reader *r, int64_t *ret)
{
    int64_t year;
    int64_t month;
    int64_t day;

    if (!take_digits(r, 4, &year) || !take(r, '-') || !take_digits(r, 2, &month) || !take(r, '-') ||
        !take_digits(r, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *ret = days_from_date(year, month, day) * EXTENSION_DAY;
    return true;
}

/* Z, or what the clock there is ahead of UTC: +hhmm. */
static bool take_zone(struct reader *r, int64_t *ret)
{
    bool behind;
    int64_t hours;
    int64_t minutes;

    *ret = 0;
    if (take(r, 'Z'))
        return true;
    behind = take(r, '-');
    if ((!behind && !take(r, '+')) || !take_digits(r, 2, &hours) || !take_digits(r, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret = (hours * 60 + minutes) * 60 * EXTENSION_SECOND * (behind ? -1 : 1);
    return true;
}

/* Thh:mm:ss, then perhaps .mmm, then the zone. */
static bool take_time(struct reader *r, int64_t *ret)
{
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t milli = 0;
    int64_t zone;

    if (!take(r, 'T') || !take_digits(r, 2, &hour) || !take(r, ':') ||
        !take_digits(r, 2, &minute) || !take(r, ':') || !take_digits(r, 2, &second))
        return false;
    if (take(r, '.') && !take_digits(r, 3, &milli))
        return false;
    if (!take_zone(r, &zone) || hour > 23 || minute > 59 || second > 59)
        return false;
    *ret = ((hour * 60 + minute) * 60 + second) * EXTENSION_SECOND + milli - zone;
    return true;
}

bool extension_datetime(struct bytes text, int64_t *ret)
{
    struct reader r = read_from(text);
    int64_t date;
    int64_t time = 0;

    if (!take_date(&r, &date) || (r.at != r.end && !take_time(&r, &time)) || r.at != r.end)
        return false;
    *ret = date + time;
    return true;
}

int64_t extension_time_of_day(int64_t instant)
{
    int64_t rest = instant % EXTENSION_DAY;

    return rest < 0 ? rest + EXTENSION_DAY : rest;
}

/* ---- durations ---- */

/* Digits as a negative number, which reaches one further than a positive one. */
static bool take_negative(struct reader *r, int64_t *ret)
{
    const uint8_t *start = r->at;
    int64_t value = 0;

    for (; r->at < r->end && is_digit(*r->at); r->at++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, *r->at - '0', &value))
            return false;
    }
    *ret = value;
    return r->at > start;
}

static bool take_unit(struct reader *r, const char *unit)
{
    size_t len = strlen(unit);

    if ((size_t)(r->end - r->at) < len || memcmp(r->at, unit, len) != 0)
        return false;
    r->at += len;
    return true;
}

bool extension_duration(struct bytes text, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t size;
    } units[] = {
        {"d", EXTENSION_DAY},         {"h", 3600 * EXTENSION_SECOND}, {"ms", 1},
        {"m", 60 * EXTENSION_SECOND}, {"s", EXTENSION_SECOND},
    };
    /* The order they must come in: ms is looked for before m, but stands last. */
    static const uint8_t ranks[] = {0, 1, 4, 2, 3};
    struct reader r = read_from(text);
    bool negative = take(&r, '-');
    int64_t sum = 0;
    int last = -1;

    while (r.at < r.end) {
        int64_t part;
        size_t unit = 0;

        if (!take_negative(&r, &part))
            return false;
        while (unit < 5 && !take_unit(&r, units[unit].name))
            unit++;
        if (unit == 5 || ranks[unit] <= last ||
            __builtin_mul_overflow(part, units[unit].size, &part) ||
            __builtin_add_overflow(sum, part, &sum))
            return false;
        /* Cedar reads each part as a positive number first, but for the milliseconds. */
        if ((!negative || ranks[unit] != 4) && part == INT64_MIN)
            return false;
        last = ranks[unit];
    }
    if (last < 0 || (!negative && sum == INT64_MIN))
        return false;
    *ret = negative ? sum : -sum;
    return true;
}

/* ---- the three as a table ---- */

static const struct extension extensions[] = {
    {"ip", POLICY_IP, "\"10.0.0.0/8\" or \"2001:db8::1\""},
    {"datetime", POLICY_DATETIME, "\"2024-10-15\" or \"2024-10-15T11:35:00Z\""},
    {"duration", POLICY_DURATION, "\"1d2h3m4s5ms\""},
};

#define EXTENSION_COUNT (sizeof(extensions) / sizeof(*extensions))

const struct extension *extension_find(struct bytes name)
{
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        if (bytes_equal_str(name, extensions[i].name))
            return &extensions[i];
    }
    return NULL;
}

const struct extension *extension_of(enum policy_kind kind)
{
    for (size_t i = 0; i < EXTENSION_COUNT; i++) {
        if (extensions[i].kind == kind)
            return &extensions[i];
    }
    return NULL;
}

bool extension_read(enum policy_kind kind, struct bytes text, struct policy_value *ret)
{
    struct policy_value value = {.kind = kind};
    bool good = kind == POLICY_IP         ? extension_ip(text, &value.u.ip)
                : kind == POLICY_DATETIME ? extension_datetime(text, &value.u.number)
                                          : extension_duration(text, &value.u.number);

    if (good)
        *ret = value;
    return good;
}

/* ---- writing ---- */

static void write_ip(const struct policy_ip *ip, char out[static EXTENSION_TEXT_MAX])
{
    size_t len = 0;

    for (unsigned i = 0; i < (ip->v6 ? 8U : 4U); i++) {
        int n = ip->v6 ? snprintf(out + len, EXTENSION_TEXT_MAX - len, "%s%x", i > 0 ? ":" : "",
                                  ip->address[2 * i] << 8 | ip->address[2 * i + 1])
                       : snprintf(out + len, EXTENSION_TEXT_MAX - len, "%s%u", i > 0 ? "." : "",
                                  ip->address[i]);

        len += n > 0 ? (size_t)n : 0;
    }
    if (ip->prefix != (ip->v6 ? 128 : 32))
        (void)snprintf(out + len, EXTENSION_TEXT_MAX - len, "/%u", ip->prefix);
}

/* The inverse of days_from_date(). */
static void date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + era * 400 + (*month <= 2 ? 1 : 0);
}

static void write_datetime(int64_t instant, char out[static EXTENSION_TEXT_MAX])
{
    int64_t time = extension_time_of_day(instant);
    int64_t year;
    int64_t month;
    int64_t day;
    int ms = (int)(time % 1000);
    int s = (int)(time / 1000);

    date_from_days((instant - time) / EXTENSION_DAY, &year, &month, &day);
    (void)snprintf(out, EXTENSION_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year,
                   (int)month, (int)day, s / 3600, s / 60 % 60, s % 60, ms);
}

void extension_write(const struct policy_value *value, char out[static EXTENSION_TEXT_MAX])
{
    if (value->kind == POLICY_IP)
        write_ip(&value->u.ip, out);
    else if (value->kind == POLICY_DATETIME)
        write_datetime(value->u.number, out);
    else
        (void)snprintf(out, EXTENSION_TEXT_MAX, "%lldms", (long long)value->u.number);
}
