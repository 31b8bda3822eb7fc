/* CK_DATE: days there are, and as seconds (see template.h). */
#include "pkcs11/template.h"

static bool number_in(const uint8_t *digits, size_t n, unsigned *ret)
{
    unsigned value = 0;

    for (size_t i = 0; i < n; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        value = value * 10 + (unsigned)(digits[i] - '0');
    }
    *ret = value;
    return true;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* CK_DATE: YYYYMMDD in digits, a day there is. */
static bool date_parts(struct bytes v, unsigned *year, unsigned *month, unsigned *day)
{
    static const unsigned char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (v.len != sizeof(CK_DATE) || !number_in(v.data, 4, year) ||
        !number_in(v.data + 4, 2, month) || !number_in(v.data + 6, 2, day))
        return false;
    if (*year < 1970 || *month < 1 || *month > 12 || *day < 1 || *day > days[*month - 1])
        return false;
    return *month != 2 || *day != 29 || is_leap(*year);
}

bool template_is_date(struct bytes v)
{
    unsigned year, month, day;

    return v.len == 0 || date_parts(v, &year, &month, &day);
}

/* Days from 1970-01-01 to a day of the Gregorian calendar. */
static int64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    static const unsigned short before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = (int64_t)year - 1;
    int64_t leap_days = y / 4 - y / 100 + y / 400;
    int64_t days =
        ((int64_t)year - 1970) * 365 + (leap_days - (1969 / 4 - 1969 / 100 + 1969 / 400));

    if (month > 2 && is_leap(year))
        days++;
    return days + before[month - 1] + (int64_t)day - 1;
}

/* First second of the day after skip days; 0 for an empty date. */
static int64_t date_seconds(struct bytes date, int64_t skip)
{
    unsigned year, month, day;

    if (!date_parts(date, &year, &month, &day))
        return 0;
    return (days_since_1970(year, month, day) + skip) * 86400;
}

CK_RV template_dates(struct object *object)
{
    int64_t start = date_seconds(attrs_bytes(&object->attrs, CKA_START_DATE), 0);
    int64_t end = date_seconds(attrs_bytes(&object->attrs, CKA_END_DATE), 1);

    if (end != 0 && end <= start)
        return fail(CKR_TEMPLATE_INCONSISTENT,
                    "CKA_END_DATE is before CKA_START_DATE: exchange or correct them");
    object->not_before = start;
    object->expires = end;
    return CKR_OK;
}
