/* Attribute lists: sorted whatever the order of setting, owning, and never true by default. */
#include "base/attrs.h"
#include "tests/support/suite.h"

#include <string.h>

START_TEST(list_is_sorted_whatever_the_order_of_setting)
{
    static const CK_ATTRIBUTE_TYPE order[] = {CKA_ID, CKA_KEYWARD_STATE, CKA_CLASS, CKA_VALUE,
                                              CKA_LABEL};
    struct attrs a = ATTRS_INIT;

    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
        assert_ok(attrs_set(&a, order[i], BYTES(&order[i], sizeof(order[i]))));
    ck_assert_uint_eq(a.count, sizeof(order) / sizeof(*order));
    for (size_t i = 1; i < a.count; i++)
        ck_assert_uint_lt(a.list[i - 1].type, a.list[i].type);
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
        ck_assert_uint_eq(attrs_ulong(&a, order[i], 0), order[i]);
    attrs_release(&a);
}
END_TEST

START_TEST(list_grows_past_its_first_room)
{
    struct attrs a = ATTRS_INIT;

    for (CK_ULONG i = 100; i > 0; i--)
        assert_ok(attrs_set_ulong(&a, i, i * i));
    ck_assert_uint_eq(a.count, 100);
    for (CK_ULONG i = 1; i <= 100; i++)
        ck_assert_uint_eq(attrs_ulong(&a, i, 0), i * i);
    attrs_release(&a);
}
END_TEST

START_TEST(setting_again_replaces_and_copies_the_value)
{
    struct attrs a = ATTRS_INIT;
    char value[] = "first";

    assert_ok(attrs_set(&a, CKA_LABEL, bytes_from_str(value)));
    memset(value, 'x', sizeof(value) - 1);
    ck_assert(bytes_equal_str(attrs_bytes(&a, CKA_LABEL), "first"));
    assert_ok(attrs_set(&a, CKA_LABEL, BYTES_LIT("second")));
    ck_assert(bytes_equal_str(attrs_bytes(&a, CKA_LABEL), "second"));
    ck_assert_uint_eq(a.count, 1);
    assert_ok(attrs_set(&a, CKA_LABEL, BYTES_NONE));
    ck_assert_ptr_nonnull(attrs_get(&a, CKA_LABEL));
    ck_assert_ptr_null(attrs_get(&a, CKA_LABEL)->pValue);
    attrs_release(&a);
}
END_TEST

START_TEST(a_value_can_be_set_from_the_list_itself)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(attrs_set(&a, CKA_LABEL, BYTES_LIT("same")));
    assert_ok(attrs_set(&a, CKA_LABEL, attrs_bytes(&a, CKA_LABEL)));
    ck_assert(bytes_equal_str(attrs_bytes(&a, CKA_LABEL), "same"));
    attrs_release(&a);
}
END_TEST

START_TEST(removed_and_absent_attributes_are_not_there)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(attrs_set_bool(&a, CKA_SIGN, true));
    assert_ok(attrs_set_bool(&a, CKA_VERIFY, true));
    attrs_remove(&a, CKA_SIGN);
    attrs_remove(&a, CKA_SIGN);
    ck_assert_ptr_null(attrs_get(&a, CKA_SIGN));
    ck_assert_uint_eq(attrs_bytes(&a, CKA_SIGN).len, 0);
    ck_assert(attrs_true(&a, CKA_VERIFY));
    ck_assert_uint_eq(a.count, 1);
    attrs_release(&a);
}
END_TEST

START_TEST(a_right_is_true_only_as_one_byte_of_ck_true)
{
    struct attrs a = ATTRS_INIT;

    ck_assert(!attrs_true(&a, CKA_SIGN));
    assert_ok(attrs_set_bool(&a, CKA_SIGN, true));
    ck_assert(attrs_true(&a, CKA_SIGN));
    assert_ok(attrs_set_bool(&a, CKA_SIGN, false));
    ck_assert(!attrs_true(&a, CKA_SIGN));
    assert_ok(attrs_set(&a, CKA_SIGN, BYTES_LIT("\2")));
    ck_assert(!attrs_true(&a, CKA_SIGN));
    assert_ok(attrs_set(&a, CKA_SIGN, BYTES_LIT("\1\1")));
    ck_assert(!attrs_true(&a, CKA_SIGN));
    assert_ok(attrs_set(&a, CKA_SIGN, BYTES_NONE));
    ck_assert(!attrs_true(&a, CKA_SIGN));
    attrs_release(&a);
}
END_TEST

START_TEST(a_number_of_another_length_gives_the_fallback)
{
    struct attrs a = ATTRS_INIT;

    ck_assert_uint_eq(attrs_ulong(&a, CKA_VALUE_LEN, 7), 7);
    assert_ok(attrs_set_ulong(&a, CKA_VALUE_LEN, 32));
    ck_assert_uint_eq(attrs_ulong(&a, CKA_VALUE_LEN, 7), 32);
    assert_ok(attrs_set(&a, CKA_VALUE_LEN, BYTES_LIT("\40\0\0\0")));
    ck_assert_uint_eq(attrs_ulong(&a, CKA_VALUE_LEN, 7), 7);
    attrs_release(&a);
}
END_TEST

START_TEST(match_needs_every_attribute_with_exactly_its_value)
{
    struct attrs a = ATTRS_INIT;
    char label[] = "key";
    char other[] = "kez";
    CK_ATTRIBUTE want[] = {{.type = CKA_LABEL, .pValue = label, .ulValueLen = 3},
                           {.type = CKA_ID, .pValue = NULL, .ulValueLen = 0}};

    assert_ok(attrs_set(&a, CKA_LABEL, BYTES_LIT("key")));
    ck_assert(attrs_match(&a, NULL, 0));
    ck_assert(attrs_match(&a, want, 1));
    ck_assert(!attrs_match(&a, want, 2));
    assert_ok(attrs_set(&a, CKA_ID, BYTES_NONE));
    ck_assert(attrs_match(&a, want, 2));
    want[0].pValue = other;
    ck_assert(!attrs_match(&a, want, 1));
    want[0].pValue = label;
    want[0].ulValueLen = 2;
    ck_assert(!attrs_match(&a, want, 1));
    attrs_release(&a);
}
END_TEST

START_TEST(match_refuses_a_null_with_a_length)
{
    struct attrs a = ATTRS_INIT;
    CK_ATTRIBUTE want = {.type = CKA_LABEL, .pValue = NULL, .ulValueLen = 3};

    assert_ok(attrs_set(&a, CKA_LABEL, BYTES_LIT("key")));
    ck_assert(!attrs_match(&a, &want, 1));
    want.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    ck_assert(!attrs_match(&a, &want, 1));
    attrs_release(&a);
}
END_TEST

START_TEST(a_copy_lives_without_its_original)
{
    struct attrs a = ATTRS_INIT;
    struct attrs b = ATTRS_INIT;

    assert_ok(attrs_set(&a, CKA_LABEL, BYTES_LIT("key")));
    assert_ok(attrs_set(&a, CKA_ID, BYTES_NONE));
    assert_ok(attrs_copy(&b, &a));
    attrs_release(&a);
    ck_assert_uint_eq(a.count, 0);
    ck_assert_uint_eq(b.count, 2);
    ck_assert(bytes_equal_str(attrs_bytes(&b, CKA_LABEL), "key"));
    attrs_release(&b);
    attrs_release(&b);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(list_is_sorted_whatever_the_order_of_setting),
        CASE(list_grows_past_its_first_room),
        CASE(setting_again_replaces_and_copies_the_value),
        CASE(a_value_can_be_set_from_the_list_itself),
        CASE(removed_and_absent_attributes_are_not_there),
        CASE(a_right_is_true_only_as_one_byte_of_ck_true),
        CASE(a_number_of_another_length_gives_the_fallback),
        CASE(match_needs_every_attribute_with_exactly_its_value),
        CASE(match_refuses_a_null_with_a_length),
        CASE(a_copy_lives_without_its_original),
    };

    return suite_run("base/attrs", cases, sizeof(cases) / sizeof(*cases));
}
