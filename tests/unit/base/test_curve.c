/* The table of curves. */
#include "base/curve.h"
#include "tests/support/suite.h"

#include <string.h>

START_TEST(every_curve_is_found_by_its_name_and_by_both_forms_of_its_parameters)
{
    const struct curve *c;

    for (size_t i = 0; (c = curve_at(i)) != NULL; i++) {
        ck_assert_ptr_eq(curve_named(c->name), c);
        ck_assert_ptr_eq(curve_find(c->type, c->params), c);
        if (c->alias.len > 0)
            ck_assert_ptr_eq(curve_find(c->type, c->alias), c);
        ck_assert_uint_gt(c->bits, 0);
    }
    ck_assert_ptr_null(curve_at(1000));
}
END_TEST

/* The length octet says what follows. */
START_TEST(parameters_are_one_der_element)
{
    const struct curve *c;

    for (size_t i = 0; (c = curve_at(i)) != NULL; i++) {
        ck_assert_uint_eq(c->params.data[0], 0x06);
        ck_assert_uint_eq(c->params.data[1], c->params.len - 2);
        if (c->alias.len > 0) {
            ck_assert_uint_eq(c->alias.data[0], 0x13);
            ck_assert_uint_eq(c->alias.data[1], c->alias.len - 2);
        }
    }
}
END_TEST

START_TEST(a_curve_is_not_found_for_keys_of_another_type)
{
    const struct curve *c = curve_named("ed25519");

    ck_assert_ptr_nonnull(c);
    ck_assert_ptr_null(curve_find(CKK_EC, c->params));
    ck_assert_ptr_null(curve_find(CKK_EC_MONTGOMERY, c->alias));
}
END_TEST

START_TEST(what_is_no_curve_is_not_found)
{
    ck_assert_ptr_null(curve_find(CKK_EC, BYTES_NONE));
    ck_assert_ptr_null(curve_find(CKK_EC, BYTES_LIT("\x06\x05\x2b\x81\x04\x00\x20")));
    ck_assert_ptr_null(curve_named("p-256"));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_curve_is_found_by_its_name_and_by_both_forms_of_its_parameters),
        CASE(parameters_are_one_der_element),
        CASE(a_curve_is_not_found_for_keys_of_another_type),
        CASE(what_is_no_curve_is_not_found),
    };

    return suite_run("base/curve", cases, sizeof(cases) / sizeof(*cases));
}
