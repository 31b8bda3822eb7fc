/*
 * Templates against the attribute rules: see template.h. Three passes, each of which can assume
 * what the one before has shown: scan (memory and form), complete or change (rules), dates.
 */
#include "pkcs11/template.h"

#include "base/names.h"

#include <string.h>

static struct bytes value_of(const CK_ATTRIBUTE *attr)
{
    return BYTES(attr->pValue, attr->ulValueLen);
}

static const char *name_of(CK_ATTRIBUTE_TYPE type)
{
    const struct attr_name *row = attr_name_find(type);

    return row != NULL ? row->name : "unknown attribute";
}

static bool is_true(const CK_ATTRIBUTE *attr)
{
    return attr != NULL && attr->ulValueLen == sizeof(CK_BBOOL) &&
           *(const CK_BBOOL *)attr->pValue == CK_TRUE;
}

/* ---- scan: is this value of the form its kind has? ---- */

static bool is_bool(struct bytes v)
{
    return v.len == sizeof(CK_BBOOL) && (v.data[0] == CK_TRUE || v.data[0] == CK_FALSE);
}

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

static bool is_date(struct bytes v)
{
    unsigned year, month, day;

    return v.len == 0 || date_parts(v, &year, &month, &day);
}

/* Bytes that follow a UTF-8 lead byte; -1: it is none. */
static int utf8_follow(uint8_t lead)
{
    if (lead < 0x80)
        return lead == 0 ? -1 : 0;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 1;
    if (lead >= 0xE0 && lead <= 0xEF)
        return 2;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 3;
    return -1;
}

/* Overlong forms, surrogates and what is past U+10FFFF show in the byte behind the lead. */
static bool utf8_second_is_good(uint8_t lead, uint8_t second)
{
    return !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F) &&
           !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
}

/* UTF-8 without a NUL: a name that stands in the log and in policies reads the same everywhere. */
static bool is_string(struct bytes v)
{
    for (size_t i = 0; i < v.len;) {
        int follow = utf8_follow(v.data[i]);

        if (follow < 0 || (size_t)follow > v.len - i - 1)
            return false;
        if (follow > 0 && !utf8_second_is_good(v.data[i], v.data[i + 1]))
            return false;
        for (int k = 1; k <= follow; k++)
            if ((v.data[i + (size_t)k] & 0xC0) != 0x80)
                return false;
        i += (size_t)follow + 1;
    }
    return true;
}

static size_t value_max(CK_ATTRIBUTE_TYPE type)
{
    return type == CKA_VALUE   ? TEMPLATE_VALUE_MAX
           : type == CKA_LABEL ? TEMPLATE_LABEL_MAX
                               : TEMPLATE_BYTES_MAX;
}

static bool has_form(enum attr_kind kind, struct bytes v)
{
    switch (kind) {
    case ATTR_BOOL:
        return is_bool(v);
    case ATTR_ULONG:
        return v.len == sizeof(CK_ULONG);
    case ATTR_DATE:
        return is_date(v);
    case ATTR_MECHANISMS:
        return v.len % sizeof(CK_MECHANISM_TYPE) == 0;
    case ATTR_STRING:
        return is_string(v);
    case ATTR_BYTES:
    case ATTR_BIG_INT:
    case ATTR_TEMPLATE: /* refused by its rule, never looked into */
        return true;
    }
    return false;
}

static CK_RV scan_value(const struct attr_name *row, const CK_ATTRIBUTE *attr)
{
    if (attr->pValue == NULL && attr->ulValueLen > 0)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "%s has a length and no value: give both",
                    row->name);
    if (attr->ulValueLen > value_max(row->type))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "%s is %lu bytes long: at most %zu are kept",
                    row->name, attr->ulValueLen, value_max(row->type));
    if (!has_form(row->kind, value_of(attr)))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "%s is not a value of its type: check length and content", row->name);
    return CKR_OK;
}

CK_RV template_scan(const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (template == NULL && count > 0)
        return fail_argument("pTemplate");
    if (count > TEMPLATE_COUNT_MAX)
        return fail(CKR_ARGUMENTS_BAD, "template counts %lu attributes: there are fewer than %u",
                    count, TEMPLATE_COUNT_MAX);
    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_name *row = attr_name_find(template[i].type);
        CK_RV rv;

        if (row == NULL)
            return fail(CKR_ATTRIBUTE_TYPE_INVALID, "attribute 0x%lx is not known: leave it out",
                        template[i].type);
        if (template_get(template, i, template[i].type) != NULL)
            return fail(CKR_TEMPLATE_INCONSISTENT, "%s stands twice in the template: give it once",
                        row->name);
        rv = scan_value(row, &template[i]);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

const CK_ATTRIBUTE *template_get(const CK_ATTRIBUTE *template, CK_ULONG count,
                                 CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < count; i++)
        if (template[i].type == type)
            return &template[i];
    return NULL;
}

CK_ULONG template_ulong(const CK_ATTRIBUTE *template, CK_ULONG count, CK_ATTRIBUTE_TYPE type,
                        CK_ULONG fallback)
{
    const CK_ATTRIBUTE *attr = template_get(template, count, type);
    CK_ULONG value = fallback;

    if (attr != NULL && attr->ulValueLen == sizeof(value))
        memcpy(&value, attr->pValue, sizeof(value));
    return value;
}

/* ---- complete: what a template says, then what it leaves to us ---- */

static CK_RV check_given(const struct attr_rule *rule, enum template_use use,
                         const CK_ATTRIBUTE *attr)
{
    unsigned never = use == TEMPLATE_CREATE ? NOTE_2 : NOTE_4;

    if (rule == NULL)
        return fail(CKR_ATTRIBUTE_TYPE_INVALID,
                    "an object of this class and type has no %s: leave it out",
                    name_of(attr->type));
    if ((rule->notes & never) != 0)
        return fail(CKR_ATTRIBUTE_READ_ONLY, "%s is set by the token: leave it out",
                    name_of(attr->type));
    if ((rule->notes & RULE_REFUSED) != 0)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID, "%s is not available yet: leave it out",
                    name_of(attr->type));
    if ((rule->notes & RULE_ONLY_FALSE) != 0 && is_true(attr))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "%s can not be true yet: give false or leave it out", name_of(attr->type));
    return CKR_OK;
}

/*
 * Keys live in the HSM, sensitive and never extractable. pkcs11-tool asks for secret keys with
 * CKA_SENSITIVE false and CKA_EXTRACTABLE false: that asks for no value to come out (either alone
 * keeps it in, footnote 7), so it is kept as asked. CKA_SENSITIVE false alone is not.
 */
static CK_RV check_residence(enum object_kind kind, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    const CK_ATTRIBUTE *sensitive = template_get(template, count, CKA_SENSITIVE);
    const CK_ATTRIBUTE *extractable = template_get(template, count, CKA_EXTRACTABLE);

    if (((unsigned)kind & KINDS_HSM) == 0)
        return CKR_OK;
    if (is_true(extractable))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_EXTRACTABLE true: keys of this vault never leave the HSM, give false");
    if (sensitive != NULL && !is_true(sensitive) && extractable == NULL)
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_SENSITIVE false: keys of this vault never leave the HSM, give true");
    return CKR_OK;
}

static bool is_usage(const struct attr_rule *rule)
{
    return rule->notes == NOTE_12 && rule->type != CKA_EXTRACTABLE;
}

static bool names_usage(enum object_kind kind, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_rule *rule = rule_find(template[i].type, kind);

        if (rule != NULL && is_usage(rule) && is_true(&template[i]))
            return true;
    }
    return false;
}

static CK_RV set_default(struct attrs *attrs, const struct attr_rule *rule, bool usage_named)
{
    switch (rule->fallback) {
    case DEFAULT_ABSENT:
        return CKR_OK;
    case DEFAULT_EMPTY:
        return attrs_set(attrs, rule->type, BYTES_NONE);
    case DEFAULT_FALSE:
        return attrs_set_bool(attrs, rule->type, false);
    case DEFAULT_TRUE:
        return attrs_set_bool(attrs, rule->type, true);
    case DEFAULT_ZERO:
        return attrs_set_ulong(attrs, rule->type, 0);
    case DEFAULT_USAGE:
        return attrs_set_bool(attrs, rule->type, !usage_named);
    }
    return fail_internal("every default has a value");
}

static CK_RV set_given(struct attrs *attrs, enum object_kind kind, enum template_use use,
                       const CK_ATTRIBUTE *template, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        const struct attr_rule *rule = rule_find(template[i].type, kind);
        CK_RV rv = check_given(rule, use, &template[i]);

        if (rv == CKR_OK)
            rv = attrs_set(attrs, template[i].type, value_of(&template[i]));
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

static CK_RV set_absent(struct attrs *attrs, enum object_kind kind, enum template_use use,
                        bool usage_named)
{
    unsigned must = use == TEMPLATE_CREATE ? NOTE_1 : NOTE_3;

    for (size_t i = 0; i < rule_count(); i++) {
        const struct attr_rule *rule = rule_at(i);
        CK_RV rv;

        if ((rule->kinds & (unsigned)kind) == 0 || attrs_get(attrs, rule->type) != NULL)
            continue;
        if ((rule->notes & must) != 0)
            return fail(CKR_TEMPLATE_INCOMPLETE, "the template has no %s: add it",
                        name_of(rule->type));
        rv = set_default(attrs, rule, usage_named);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

CK_RV template_complete(enum object_kind kind, enum template_use use, const CK_ATTRIBUTE *template,
                        CK_ULONG count, struct attrs *ret)
{
    struct attrs attrs = ATTRS_INIT;
    CK_RV rv = check_residence(kind, template, count);

    if (rv == CKR_OK)
        rv = set_given(&attrs, kind, use, template, count);
    if (rv == CKR_OK)
        rv = set_absent(&attrs, kind, use, names_usage(kind, template, count));
    if (rv != CKR_OK) {
        attrs_release(&attrs);
        return rv;
    }
    *ret = attrs;
    return CKR_OK;
}

/* ---- change: C_SetAttributeValue ---- */

static CK_RV check_change(const struct object *object, const struct attr_rule *rule,
                          const CK_ATTRIBUTE *attr)
{
    const char *name = name_of(attr->type);

    if (rule == NULL)
        return fail(CKR_ATTRIBUTE_TYPE_INVALID, "this object has no %s: leave it out", name);
    if ((rule->notes & NOTE_8) != 0)
        return CKR_OK;
    if ((rule->notes & NOTE_11) != 0)
        return is_true(attr) ? CKR_OK
                             : fail(CKR_ATTRIBUTE_READ_ONLY,
                                    "%s can only be changed to true: leave it out", name);
    if ((rule->notes & NOTE_12) != 0)
        return !is_true(attr) || attrs_true(&object->attrs, attr->type)
                   ? CKR_OK
                   : fail(CKR_ATTRIBUTE_READ_ONLY,
                          "%s can only be changed to false: make a new key instead", name);
    return fail(CKR_ATTRIBUTE_READ_ONLY, "%s can not be changed: make a new object instead", name);
}

CK_RV template_change(struct object *object, const CK_ATTRIBUTE *template, CK_ULONG count)
{
    enum object_kind kind = kind_of_object(object);
    bool dates = false;

    if (!attrs_true(&object->attrs, CKA_MODIFIABLE))
        return fail(CKR_ACTION_PROHIBITED,
                    "the object was made with CKA_MODIFIABLE false: make a new one instead");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_RV rv = check_change(object, rule_find(template[i].type, kind), &template[i]);

        if (rv == CKR_OK)
            rv = attrs_set(&object->attrs, template[i].type, value_of(&template[i]));
        if (rv != CKR_OK)
            return rv;
        dates = dates || template[i].type == CKA_START_DATE || template[i].type == CKA_END_DATE;
    }
    return dates ? template_dates(object) : CKR_OK;
}

/* ---- dates ---- */

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
