/* Objects as PKCS#11 shows them: the vault's own attributes, what stays hidden, what matches. */
#include "pkcs11/view.h"

#include "tests/support/suite.h"

static void private_key(struct object *object)
{
    *object = (struct object){.cls = CKO_PRIVATE_KEY, .version = 7, .id = {0xab, 0xcd}};
    assert_ok(attrs_set_ulong(&object->attrs, CKA_CLASS, CKO_PRIVATE_KEY));
    assert_ok(attrs_set_ulong(&object->attrs, CKA_KEY_TYPE, CKK_RSA));
    assert_ok(attrs_set(&object->attrs, CKA_LABEL, BYTES_LIT("web")));
    assert_ok(attrs_set(&object->attrs, CKA_SUBJECT, BYTES_NONE));
}

static void data(struct object *object)
{
    *object = (struct object){.cls = CKO_DATA, .version = 1, .state = OBJECT_DISABLED};
    assert_ok(attrs_set_ulong(&object->attrs, CKA_CLASS, CKO_DATA));
    assert_ok(attrs_set(&object->attrs, CKA_VALUE, BYTES_LIT("secret")));
}

static bool shows(const struct object *object, CK_ATTRIBUTE_TYPE type, struct bytes want)
{
    struct view view;

    return view_attribute(object, type, &view) == VIEW_VALUE && bytes_equal(view.value, want);
}

START_TEST(vault_shows_its_own_attributes)
{
    struct object object;
    CK_ULONG seven = 7;

    private_key(&object);
    ck_assert(shows(&object, CKA_UNIQUE_ID, BYTES_LIT("abcd0000000000000000000000000000")));
    ck_assert(shows(&object, CKA_KEYWARD_VERSION, BYTES(&seven, sizeof(seven))));
    ck_assert(shows(&object, CKA_KEYWARD_PROTECTION, BYTES_LIT("hsm")));
    ck_assert(shows(&object, CKA_KEYWARD_STATE, BYTES_LIT("enabled")));
    attrs_release(&object.attrs);
    data(&object);
    ck_assert(shows(&object, CKA_KEYWARD_PROTECTION, BYTES_LIT("none")));
    ck_assert(shows(&object, CKA_KEYWARD_STATE, BYTES_LIT("disabled")));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(empty_value_is_a_value_and_an_absent_one_is_not)
{
    struct object object;
    struct view view;

    private_key(&object);
    ck_assert(shows(&object, CKA_SUBJECT, BYTES_NONE));
    ck_assert_int_eq(view_attribute(&object, CKA_ISSUER, &view), VIEW_ABSENT);
    ck_assert_int_eq(view_attribute(&object, 0x7fffUL, &view), VIEW_ABSENT);
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(private_parts_are_sensitive_even_if_a_record_held_them)
{
    struct object object;
    struct view view;

    private_key(&object);
    assert_ok(attrs_set(&object.attrs, CKA_PRIVATE_EXPONENT, BYTES_LIT("d")));
    ck_assert_int_eq(view_attribute(&object, CKA_PRIVATE_EXPONENT, &view), VIEW_SENSITIVE);
    ck_assert_int_eq(view_attribute(&object, CKA_PRIME_1, &view), VIEW_SENSITIVE);
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(match_needs_every_attribute_exactly)
{
    struct object object;
    CK_OBJECT_CLASS cls = CKO_PRIVATE_KEY;
    CK_ULONG version = 7;
    char label[] = "web";
    CK_ATTRIBUTE template[] = {{CKA_CLASS, &cls, sizeof(cls)},
                               {CKA_KEYWARD_VERSION, &version, sizeof(version)},
                               {CKA_LABEL, label, 3}};

    private_key(&object);
    ck_assert(view_match(&object, NULL, 0));
    ck_assert(view_match(&object, template, 3));
    template[2].ulValueLen = 2;
    ck_assert(!view_match(&object, template, 3));
    template[2].ulValueLen = (CK_ULONG)-1;
    ck_assert(!view_match(&object, template, 3));
    template[2].ulValueLen = 3;
    version = 8;
    ck_assert(!view_match(&object, template, 3));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(value_of_data_is_no_search_term)
{
    struct object object;
    char value[] = "secret";
    CK_ATTRIBUTE template = {CKA_VALUE, value, 6};

    data(&object);
    ck_assert(!view_match(&object, &template, 1));
    ck_assert(view_is_secret(&object, CKA_VALUE));
    ck_assert(!view_is_secret(&object, CKA_LABEL));
    object.cls = CKO_CERTIFICATE;
    ck_assert(view_match(&object, &template, 1));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(size_is_that_of_the_values)
{
    struct object object;

    private_key(&object);
    ck_assert_uint_eq(view_size(&object), 8 + 8 + 3);
    attrs_release(&object.attrs);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(vault_shows_its_own_attributes),
        CASE(empty_value_is_a_value_and_an_absent_one_is_not),
        CASE(private_parts_are_sensitive_even_if_a_record_held_them),
        CASE(match_needs_every_attribute_exactly),
        CASE(value_of_data_is_no_search_term),
        CASE(size_is_that_of_the_values),
    };

    return suite_run("pkcs11/view", cases, sizeof(cases) / sizeof(*cases));
}
