/* Names: numbers written out here on purpose, so that a wrong constant in a header cannot agree
 * with itself. */
#include "base/mech.h"
#include "base/names.h"
#include "tests/support/suite.h"

#include <stdbool.h>
#include <string.h>

static char buf[NAME_BUF_MAX];

START_TEST(return_values_have_the_names_of_the_standard)
{
    ck_assert_str_eq(name_of_rv(0x000, buf), "CKR_OK");
    ck_assert_str_eq(name_of_rv(0x01b, buf), "CKR_ACTION_PROHIBITED");
    ck_assert_str_eq(name_of_rv(0x042, buf), "CKR_AEAD_DECRYPT_FAILED");
    ck_assert_str_eq(name_of_rv(0x068, buf), "CKR_KEY_FUNCTION_NOT_PERMITTED");
    ck_assert_str_eq(name_of_rv(0x101, buf), "CKR_USER_NOT_LOGGED_IN");
    ck_assert_str_eq(name_of_rv(0x1b5, buf), "CKR_EXCEEDED_MAX_ITERATIONS");
    ck_assert_str_eq(name_of_rv(0x1b6, buf), "CKR_FIPS_SELF_TEST_FAILED");
    ck_assert_str_eq(name_of_rv(0x1b7, buf), "CKR_LIBRARY_LOAD_FAILED");
    ck_assert_str_eq(name_of_rv(0x1b8, buf), "CKR_PIN_TOO_WEAK");
    ck_assert_str_eq(name_of_rv(0x1b9, buf), "CKR_PUBLIC_KEY_INVALID");
    ck_assert_str_eq(name_of_rv(0x200, buf), "CKR_FUNCTION_REJECTED");
    ck_assert_str_eq(name_of_rv(0x201, buf), "CKR_TOKEN_RESOURCE_EXCEEDED");
    ck_assert_str_eq(name_of_rv(0x202, buf), "CKR_OPERATION_CANCEL_FAILED");
    ck_assert_str_eq(name_of_rv(0x209, buf), "CKR_PARAMETER_SET_NOT_SUPPORTED");
}
END_TEST

START_TEST(classes_and_key_types_have_the_names_of_the_standard)
{
    ck_assert_str_eq(name_of_class(1, buf), "CKO_CERTIFICATE");
    ck_assert_str_eq(name_of_class(3, buf), "CKO_PRIVATE_KEY");
    ck_assert_str_eq(name_of_class(8, buf), "CKO_OTP_KEY");
    ck_assert_str_eq(name_of_class(0xa, buf), "CKO_VALIDATION");
    ck_assert_str_eq(name_of_key_type(0, buf), "CKK_RSA");
    ck_assert_str_eq(name_of_key_type(3, buf), "CKK_EC");
    ck_assert_str_eq(name_of_key_type(0x10, buf), "CKK_GENERIC_SECRET");
    ck_assert_str_eq(name_of_key_type(0x1f, buf), "CKK_AES");
    ck_assert_str_eq(name_of_key_type(0x49, buf), "CKK_ML_KEM");
}
END_TEST

START_TEST(attributes_have_the_names_of_the_standard_and_ours)
{
    ck_assert_str_eq(name_of_attribute(0x003, buf), "CKA_LABEL");
    ck_assert_str_eq(name_of_attribute(0x004, buf), "CKA_UNIQUE_ID");
    ck_assert_str_eq(name_of_attribute(0x180, buf), "CKA_EC_PARAMS");
    ck_assert_str_eq(name_of_attribute(0x61d, buf), "CKA_PARAMETER_SET");
    ck_assert_str_eq(name_of_attribute(0x40000600, buf), "CKA_ALLOWED_MECHANISMS");
    ck_assert_str_eq(name_of_attribute(0xCB570001, buf), "CKA_KEYWARD_PROTECTION");
}
END_TEST

START_TEST(mechanisms_are_named_with_and_without_a_row)
{
    ck_assert_str_eq(name_of_mechanism(0x1044, buf), "CKM_ECDSA_SHA256");
    ck_assert_str_eq(name_of_mechanism(0x1057, buf), "CKM_EDDSA");
    ck_assert_str_eq(name_of_mechanism(0x0003, buf), "CKM_RSA_X_509");
    ck_assert_str_eq(name_of_mechanism(0x0210, buf), "CKM_MD5");
    ck_assert_str_eq(name_of_mechanism(0x1050, buf), "CKM_ECDH1_DERIVE");
    ck_assert_str_eq(name_of_mechanism(0x4034, buf), "CKM_XMSS_KEY_PAIR_GEN");
    ck_assert_ptr_null(mech_find(0x4034));
    for (size_t i = 0; i < mech_count(); i++)
        ck_assert_str_eq(name_of_mechanism(mech_at(i)->type, buf), mech_at(i)->name);
}
END_TEST

START_TEST(unknown_numbers_are_written_out_even_the_longest)
{
    ck_assert_str_eq(name_of_rv(0x80000001, buf), "CKR_0x80000001");
    ck_assert_str_eq(name_of_class(0x99, buf), "CKO_0x00000099");
    ck_assert_str_eq(name_of_key_type(0xfedcba9876543210, buf), "CKK_0xfedcba9876543210");
    ck_assert_str_eq(name_of_attribute(5, buf), "CKA_0x00000005");
    ck_assert_str_eq(name_of_mechanism(KW_NO_MECHANISM, buf), "CKM_0xffffffffffffffff");
}
END_TEST

START_TEST(a_name_belongs_to_one_number)
{
    const char *seen[0x400];
    size_t count = 0;

    for (CK_RV rv = 0; rv < 0x400; rv++) {
        const char *name = name_of_rv(rv, buf);

        if (name == buf)
            continue;
        for (size_t i = 0; i < count; i++)
            ck_assert_str_ne(seen[i], name);
        seen[count++] = name;
    }
    ck_assert_uint_ge(count, 90);
}
END_TEST

START_TEST(tables_of_names_are_sorted_and_go_both_ways)
{
    const char *(*const namers[])(CK_ULONG, char buf[static NAME_BUF_MAX]) = {
        [NAME_RV] = name_of_rv,
        [NAME_CLASS] = name_of_class,
        [NAME_KEY_TYPE] = name_of_key_type,
        [NAME_MECHANISM] = name_of_mechanism,
    };

    for (enum name_kind kind = NAME_RV; kind <= NAME_MECHANISM; kind++) {
        size_t count;
        const struct named *rows = names_of(kind, &count);

        for (size_t i = 0; i < count; i++) {
            CK_ULONG value = KW_NO_MECHANISM;

            ck_assert_msg(i == 0 || rows[i - 1].value < rows[i].value, "%s is out of order",
                          rows[i].name);
            ck_assert_ptr_eq(namers[kind](rows[i].value, buf), rows[i].name);
            ck_assert(value_of_name(kind, rows[i].name, &value));
            ck_assert_msg(value == rows[i].value, "%s is there twice", rows[i].name);
        }
    }
}
END_TEST

START_TEST(a_name_that_is_none_has_no_value)
{
    CK_ULONG value = 77;

    ck_assert(!value_of_name(NAME_MECHANISM, "CKM_ECDSA_SHA25", &value));
    ck_assert(!value_of_name(NAME_KEY_TYPE, "CKM_AES_ECB", &value));
    ck_assert(!value_of_name(NAME_RV, "", &value));
    ck_assert_uint_eq(value, 77);
}
END_TEST

START_TEST(attribute_rows_are_sorted_unique_and_found)
{
    for (size_t i = 0; i < attr_name_count(); i++) {
        const struct attr_name *row = attr_name_at(i);

        ck_assert_ptr_eq(attr_name_find(row->type), row);
        ck_assert_int_eq(strncmp(row->name, "CKA_", 4), 0);
        ck_assert_msg(i == 0 || attr_name_at(i - 1)->type < row->type, "%s is out of order",
                      row->name);
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(attr_name_at(k)->name, row->name);
    }
    ck_assert_ptr_null(attr_name_at(attr_name_count()));
    ck_assert_ptr_null(attr_name_find(0x99999));
}
END_TEST

START_TEST(attribute_kinds_are_those_of_the_standard)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        enum attr_kind kind;
    } want[] = {
        {.type = CKA_TOKEN, .kind = ATTR_BOOL},
        {.type = CKA_ALWAYS_AUTHENTICATE, .kind = ATTR_BOOL},
        {.type = CKA_CLASS, .kind = ATTR_ULONG},
        {.type = CKA_VALUE_LEN, .kind = ATTR_ULONG},
        {.type = CKA_ID, .kind = ATTR_BYTES},
        {.type = CKA_EC_POINT, .kind = ATTR_BYTES},
        {.type = CKA_MODULUS, .kind = ATTR_BIG_INT},
        {.type = CKA_LABEL, .kind = ATTR_STRING},
        {.type = CKA_UNIQUE_ID, .kind = ATTR_STRING},
        {.type = CKA_END_DATE, .kind = ATTR_DATE},
        {.type = CKA_ALLOWED_MECHANISMS, .kind = ATTR_MECHANISMS},
        {.type = CKA_UNWRAP_TEMPLATE, .kind = ATTR_TEMPLATE},
        {.type = CKA_ENCAPSULATE, .kind = ATTR_BOOL},
        {.type = CKA_PROFILE_ID, .kind = ATTR_ULONG},
        {.type = CKA_VALIDATION_COUNTRY, .kind = ATTR_STRING},
        {.type = CKA_SEED, .kind = ATTR_BYTES},
        {.type = CKA_KEYWARD_VERSION, .kind = ATTR_ULONG},
        {.type = CKA_KEYWARD_STATE, .kind = ATTR_STRING},
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
        ck_assert_msg(attr_name_find(want[i].type)->kind == want[i].kind, "%s",
                      attr_name_find(want[i].type)->name);
}
END_TEST

/* 3.2 gave its two templates numbers without the flag. */
START_TEST(array_attributes_of_before_3_2_carry_the_array_flag_and_no_other_does)
{
    for (size_t i = 0; i < attr_name_count(); i++) {
        const struct attr_name *row = attr_name_at(i);
        bool array = row->kind == ATTR_MECHANISMS || row->kind == ATTR_TEMPLATE;
        bool vendor = (row->type & CKA_VENDOR_DEFINED) != 0;
        bool late = row->type == CKA_ENCAPSULATE_TEMPLATE || row->type == CKA_DECAPSULATE_TEMPLATE;

        ck_assert_msg(vendor || late || ((row->type & CKF_ARRAY_ATTRIBUTE) != 0) == array, "%s",
                      row->name);
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(return_values_have_the_names_of_the_standard),
        CASE(classes_and_key_types_have_the_names_of_the_standard),
        CASE(attributes_have_the_names_of_the_standard_and_ours),
        CASE(mechanisms_are_named_with_and_without_a_row),
        CASE(unknown_numbers_are_written_out_even_the_longest),
        CASE(a_name_belongs_to_one_number),
        CASE(tables_of_names_are_sorted_and_go_both_ways),
        CASE(a_name_that_is_none_has_no_value),
        CASE(attribute_rows_are_sorted_unique_and_found),
        CASE(attribute_kinds_are_those_of_the_standard),
        CASE(array_attributes_of_before_3_2_carry_the_array_flag_and_no_other_does),
    };

    return suite_run("base/names", cases, sizeof(cases) / sizeof(*cases));
}
