/* Templates as they come from applications: what has not the form of its type is refused before any
 * rule looks at it. */
#include "pkcs11/template.h"
#include "tests/support/suite.h"

#include <string.h>

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL odd = 2;
static CK_ULONG number = 5;

#define ATTR(type, value, len) ((CK_ATTRIBUTE){(type), (value), (len)})
#define SCAN(...)                                                                                  \
    template_scan((CK_ATTRIBUTE[]){__VA_ARGS__},                                                   \
                  sizeof((CK_ATTRIBUTE[]){__VA_ARGS__}) / sizeof(CK_ATTRIBUTE))

START_TEST(null_template_without_attributes_is_a_template)
{
    assert_ok(template_scan(NULL, 0));
}
END_TEST

START_TEST(null_template_with_a_count_is_refused)
{
    assert_rv(CKR_ARGUMENTS_BAD, template_scan(NULL, 1));
    assert_rv(CKR_ARGUMENTS_BAD, template_scan(NULL, (CK_ULONG)-1));
}
END_TEST

START_TEST(absurd_count_is_refused_before_anything_is_read)
{
    CK_ATTRIBUTE one = ATTR(CKA_TOKEN, &yes, 1);

    assert_rv(CKR_ARGUMENTS_BAD, template_scan(&one, (CK_ULONG)-1));
}
END_TEST

START_TEST(absurd_length_is_refused_before_the_value_is_read)
{
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_LABEL, &yes, (CK_ULONG)-1)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_VALUE, &yes, TEMPLATE_VALUE_MAX + 1)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_ID, &yes, TEMPLATE_BYTES_MAX + 1)));
}
END_TEST

START_TEST(null_value_with_a_length_is_refused)
{
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_LABEL, NULL, 4)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_KEY_TYPE, NULL, 8)));
    assert_ok(SCAN(ATTR(CKA_LABEL, NULL, 0)));
}
END_TEST

START_TEST(null_value_of_a_fixed_size_type_is_refused)
{
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_KEY_TYPE, NULL, 0)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_TOKEN, NULL, 0)));
}
END_TEST

START_TEST(bool_is_one_byte_of_zero_or_one)
{
    assert_ok(SCAN(ATTR(CKA_TOKEN, &yes, 1)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_TOKEN, &odd, 1)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_TOKEN, &number, sizeof(number))));
}
END_TEST

START_TEST(ulong_has_eight_bytes)
{
    assert_ok(SCAN(ATTR(CKA_KEY_TYPE, &number, 8)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_KEY_TYPE, &number, 4)));
}
END_TEST

START_TEST(mechanism_list_has_whole_mechanisms)
{
    assert_ok(SCAN(ATTR(CKA_ALLOWED_MECHANISMS, &number, 8)));
    assert_ok(SCAN(ATTR(CKA_ALLOWED_MECHANISMS, NULL, 0)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_ALLOWED_MECHANISMS, &number, 7)));
}
END_TEST

START_TEST(unknown_attribute_is_refused)
{
    assert_rv(CKR_ATTRIBUTE_TYPE_INVALID, SCAN(ATTR(0x7fffUL, &yes, 1)));
    assert_rv(CKR_ATTRIBUTE_TYPE_INVALID, SCAN(ATTR(CKA_VENDOR_DEFINED | 1, &yes, 1)));
}
END_TEST

START_TEST(attribute_given_twice_is_refused)
{
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              SCAN(ATTR(CKA_TOKEN, &yes, 1), ATTR(CKA_PRIVATE, &yes, 1), ATTR(CKA_TOKEN, &yes, 1)));
}
END_TEST

static const struct {
    const char *text;
    bool good;
} dates[] = {
    {"", true},          {"20260228", true},  {"20240229", true},  {"20000229", true},
    {"20260229", false}, {"21000229", false}, {"20261301", false}, {"20260001", false},
    {"20260431", false}, {"20260100", false}, {"2026010", false},  {"2026-1-1", false},
    {"19691231", false}, {"99991231", true},
};

START_TEST(date_is_a_day_there_is)
{
    CK_ATTRIBUTE attr = {.type = CKA_START_DATE, .ulValueLen = strlen(dates[_i].text)};
    char text[16];

    memcpy(text, dates[_i].text, strlen(dates[_i].text) + 1);
    attr.pValue = text;
    assert_rv(dates[_i].good ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID, template_scan(&attr, 1));
}
END_TEST

static const struct {
    const char *text;
    size_t len;
    bool good;
} labels[] = {
    {"", 0, true},
    {"key", 3, true},
    {"cl\xc3\xa9", 4, true},
    {"\xe2\x82\xac", 3, true},
    {"\xf0\x9f\x94\x91", 4, true},
    {"\xf4\x8f\xbf\xbf", 4, true},
    {"we\0b", 4, false},
    {"\xff", 1, false},
    {"\xc3", 1, false},
    {"\xc3\x28", 2, false},
    {"\xc0\x80", 2, false},
    {"\xe0\x80\x80", 3, false},
    {"\xed\xa0\x80", 3, false},
    {"\xf0\x80\x80\x80", 4, false},
    {"\xf4\x90\x80\x80", 4, false},
    {"\xe2\x82", 2, false},
};

START_TEST(label_is_utf8_without_nul)
{
    uint8_t copy[8];
    CK_ATTRIBUTE attr = ATTR(CKA_LABEL, copy, labels[_i].len);

    memcpy(copy, labels[_i].text, labels[_i].len);
    assert_rv(labels[_i].good ? CKR_OK : CKR_ATTRIBUTE_VALUE_INVALID, template_scan(&attr, 1));
}
END_TEST

START_TEST(label_longer_than_log_and_policy_hold_is_refused)
{
    char text[TEMPLATE_LABEL_MAX + 1];

    memset(text, 'a', sizeof(text));
    assert_ok(SCAN(ATTR(CKA_LABEL, text, TEMPLATE_LABEL_MAX)));
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, SCAN(ATTR(CKA_LABEL, text, TEMPLATE_LABEL_MAX + 1)));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(null_template_without_attributes_is_a_template),
        CASE(null_template_with_a_count_is_refused),
        CASE(absurd_count_is_refused_before_anything_is_read),
        CASE(absurd_length_is_refused_before_the_value_is_read),
        CASE(null_value_with_a_length_is_refused),
        CASE(null_value_of_a_fixed_size_type_is_refused),
        CASE(bool_is_one_byte_of_zero_or_one),
        CASE(ulong_has_eight_bytes),
        CASE(mechanism_list_has_whole_mechanisms),
        CASE(unknown_attribute_is_refused),
        CASE(attribute_given_twice_is_refused),
        CASE_LOOP(date_is_a_day_there_is, sizeof(dates) / sizeof(*dates)),
        CASE_LOOP(label_is_utf8_without_nul, sizeof(labels) / sizeof(*labels)),
        CASE(label_longer_than_log_and_policy_hold_is_refused),
    };

    return suite_run("pkcs11/template_form", cases, sizeof(cases) / sizeof(*cases));
}
