/* The attribute rules: what each kind of object must, may and must not be told, what it is when
 * nothing is said, and what can be changed afterwards. */
#include "pkcs11/template.h"

#include "base/names.h"
#include "tests/support/suite.h"

#include <string.h>

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;
static CK_ULONG bits = 2048;
static CK_ULONG len = 32;
static uint8_t bytes[] = {1, 0, 1};
static char label[] = "web";
static char day_one[] = "19700102";
static char day_two[] = "19700103";
static char leap_day[] = "20240229";

#define ATTR(type, value, n) ((CK_ATTRIBUTE){(type), (value), (n)})
#define YES(type)            ATTR(type, &yes, 1)
#define NO(type)             ATTR(type, &no, 1)
#define COUNT(table)         (sizeof(table) / sizeof(*(table)))
#define LIST(...)            (CK_ATTRIBUTE[]){__VA_ARGS__}, COUNT(((CK_ATTRIBUTE[]){__VA_ARGS__}))
#define GENERATE(kind, ret, ...)                                                                   \
    template_complete((kind), TEMPLATE_GENERATE, LIST(__VA_ARGS__), (ret))
#define CREATE(kind, ret, ...) template_complete((kind), TEMPLATE_CREATE, LIST(__VA_ARGS__), (ret))
#define KEYTYPE                ATTR(CKA_KEY_TYPE, &bits, 8)
#define CLASS                  ATTR(CKA_CLASS, &bits, 8)

/* ---- the table ---- */

START_TEST(every_rule_is_about_a_known_attribute)
{
    for (size_t i = 0; i < rule_count(); i++)
        ck_assert_msg(attr_name_find(rule_at(i)->type) != NULL, "row %zu", i);
    ck_assert_ptr_null(rule_at(rule_count()));
}
END_TEST

START_TEST(no_kind_has_two_rules_for_one_attribute)
{
    for (size_t i = 0; i < rule_count(); i++)
        for (size_t k = i + 1; k < rule_count(); k++)
            ck_assert_msg(rule_at(i)->type != rule_at(k)->type ||
                              (rule_at(i)->kinds & rule_at(k)->kinds) == 0,
                          "rows %zu and %zu: %s", i, k, attr_name_find(rule_at(i)->type)->name);
}
END_TEST

START_TEST(defaults_have_the_form_of_their_attribute)
{
    for (size_t i = 0; i < rule_count(); i++) {
        enum rule_default d = rule_at(i)->fallback;
        enum attr_kind kind = attr_name_find(rule_at(i)->type)->kind;
        bool is_bool = d == DEFAULT_FALSE || d == DEFAULT_TRUE || d == DEFAULT_USAGE;

        ck_assert_msg(!is_bool || kind == ATTR_BOOL, "row %zu", i);
        ck_assert_msg(d != DEFAULT_ZERO || kind == ATTR_ULONG, "row %zu", i);
        ck_assert_msg(d != DEFAULT_EMPTY || (kind != ATTR_BOOL && kind != ATTR_ULONG), "row %zu",
                      i);
    }
}
END_TEST

START_TEST(the_key_itself_comes_in_by_import_only_and_has_no_default)
{
    for (size_t i = 0; i < rule_count(); i++) {
        if ((rule_at(i)->notes & NOTE_7) == 0)
            continue;
        ck_assert_uint_eq(rule_at(i)->notes & (NOTE_4 | NOTE_6), NOTE_4 | NOTE_6);
        ck_assert_uint_eq(rule_at(i)->notes & (NOTE_8 | NOTE_11 | NOTE_12), 0);
        ck_assert_int_eq(rule_at(i)->fallback, DEFAULT_ABSENT);
        ck_assert_uint_eq(rule_at(i)->kinds & ~KINDS_SECURED, 0);
    }
}
END_TEST

START_TEST(the_key_itself_is_no_attribute_of_what_comes_back)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(CREATE(KIND_AES, &a, CLASS, KEYTYPE, ATTR(CKA_VALUE, bytes, 3)));
    ck_assert_ptr_null(attrs_get(&a, CKA_VALUE));
    attrs_release(&a);
    assert_rv(CKR_TEMPLATE_INCOMPLETE, CREATE(KIND_AES, &a, CLASS, KEYTYPE));
}
END_TEST

START_TEST(kinds_are_told_by_class_and_type)
{
    ck_assert_int_eq(kind_of(CKO_DATA, 99), KIND_DATA);
    ck_assert_int_eq(kind_of(CKO_CERTIFICATE, 99), KIND_CERTIFICATE);
    ck_assert_int_eq(kind_of(CKO_PRIVATE_KEY, CKK_EC), KIND_EC_PRIVATE);
    ck_assert_int_eq(kind_of(CKO_SECRET_KEY, CKK_AES), KIND_AES);
    ck_assert_int_eq(kind_of(CKO_SECRET_KEY, CKK_SHA256_HMAC), KIND_MAC);
    ck_assert_int_eq(kind_of(CKO_PUBLIC_KEY, CKK_EC_EDWARDS), KIND_EDWARDS_PUBLIC);
    ck_assert_int_eq(kind_of(CKO_SECRET_KEY, CKK_EC_EDWARDS), KIND_NONE);
    ck_assert_int_eq(kind_of(CKO_PUBLIC_KEY, CKK_ML_KEM), KIND_KEM_PUBLIC);
    ck_assert_int_eq(kind_of(CKO_PRIVATE_KEY, CKK_SLH_DSA), KIND_PQ_PRIVATE);
    ck_assert_int_eq(kind_of(CKO_SECRET_KEY, CKK_RSA), KIND_NONE);
    ck_assert_int_eq(kind_of(CKO_PRIVATE_KEY, CKK_DSA), KIND_NONE);
    ck_assert_int_eq(kind_of(CKO_HW_FEATURE, 0), KIND_NONE);
}
END_TEST

/* ---- must and must not ---- */

struct code_case {
    enum object_kind kind;
    enum template_use use;
    CK_RV want;
    size_t count;
    CK_ATTRIBUTE template[5];
};

#define MODULUS ATTR(CKA_MODULUS, bytes, 3)
#define EXP     ATTR(CKA_PUBLIC_EXPONENT, bytes, 3)
#define LEN     ATTR(CKA_VALUE_LEN, &len, 8)
#define G       TEMPLATE_GENERATE
#define C       TEMPLATE_CREATE
#define U       TEMPLATE_UNWRAP
#define D       TEMPLATE_DERIVE

/* clang-format off */
static const struct code_case codes[] = {
    /* each refusal beside the same template without its reason */
    {KIND_RSA_PUBLIC,  G, CKR_OK,                      1, {ATTR(CKA_MODULUS_BITS, &bits, 8)}},
    {KIND_RSA_PUBLIC,  G, CKR_TEMPLATE_INCOMPLETE,     1, {EXP}},
    {KIND_RSA_PUBLIC,  G, CKR_ATTRIBUTE_READ_ONLY,     2, {ATTR(CKA_MODULUS_BITS, &bits, 8), MODULUS}},
    {KIND_RSA_PUBLIC,  C, CKR_OK,                      4, {CLASS, KEYTYPE, MODULUS, EXP}},
    {KIND_RSA_PUBLIC,  C, CKR_TEMPLATE_INCOMPLETE,     3, {CLASS, KEYTYPE, MODULUS}},
    {KIND_RSA_PUBLIC,  C, CKR_TEMPLATE_INCOMPLETE,     3, {KEYTYPE, MODULUS, EXP}},
    {KIND_RSA_PUBLIC,  C, CKR_ATTRIBUTE_READ_ONLY,     1, {ATTR(CKA_MODULUS_BITS, &bits, 8)}},
    {KIND_EC_PUBLIC,   G, CKR_OK,                      1, {ATTR(CKA_EC_PARAMS, bytes, 3)}},
    {KIND_EC_PUBLIC,   G, CKR_TEMPLATE_INCOMPLETE,     0, {{0}}},
    {KIND_EC_PUBLIC,   G, CKR_ATTRIBUTE_READ_ONLY,     1, {ATTR(CKA_EC_POINT, bytes, 3)}},
    {KIND_EC_PUBLIC,   G, CKR_ATTRIBUTE_TYPE_INVALID,  1, {MODULUS}},
    {KIND_AES,         G, CKR_OK,                      1, {LEN}},
    {KIND_AES,         G, CKR_TEMPLATE_INCOMPLETE,     1, {YES(CKA_TOKEN)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, ATTR(CKA_VALUE, bytes, 3)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, YES(CKA_LOCAL)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, YES(CKA_ALWAYS_SENSITIVE)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, YES(CKA_NEVER_EXTRACTABLE)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, ATTR(CKA_KEY_GEN_MECHANISM, &bits, 8)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, ATTR(CKA_UNIQUE_ID, label, 3)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, ATTR(CKA_KEYWARD_VERSION, &bits, 8)}},
    {KIND_AES,         G, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, ATTR(CKA_KEYWARD_STATE, label, 3)}},
    {KIND_AES,         G, CKR_OK,                      2, {LEN, NO(CKA_TRUSTED)}},
    {KIND_AES,         G, CKR_OK,                      2, {LEN, NO(CKA_WRAP_WITH_TRUSTED)}},
    {KIND_AES,         G, CKR_OK,                      2, {LEN, YES(CKA_WRAP_WITH_TRUSTED)}},
    {KIND_AES,         G, CKR_OK,                      2, {LEN, ATTR(CKA_WRAP_TEMPLATE, NULL, 0)}},
    {KIND_RSA_PRIVATE, G, CKR_ATTRIBUTE_TYPE_INVALID,  1, {ATTR(CKA_WRAP_TEMPLATE, NULL, 0)}},
    {KIND_RSA_PUBLIC,  G, CKR_ATTRIBUTE_TYPE_INVALID,  2, {ATTR(CKA_MODULUS_BITS, &bits, 8), YES(CKA_WRAP_WITH_TRUSTED)}},
    /* what C_UnwrapKey and C_DeriveKey may be told */
    {KIND_AES,         U, CKR_OK,                      2, {CLASS, KEYTYPE}},
    {KIND_AES,         U, CKR_TEMPLATE_INCOMPLETE,     1, {CLASS}},
    {KIND_AES,         U, CKR_ATTRIBUTE_READ_ONLY,     3, {CLASS, KEYTYPE, ATTR(CKA_VALUE, bytes, 3)}},
    {KIND_RSA_PRIVATE, U, CKR_ATTRIBUTE_READ_ONLY,     3, {CLASS, KEYTYPE, MODULUS}},
    {KIND_GENERIC,     D, CKR_OK,                      1, {LEN}},
    {KIND_GENERIC,     D, CKR_ATTRIBUTE_READ_ONLY,     2, {LEN, YES(CKA_LOCAL)}},
    /* import: the private parts come in, what follows from them does not have to */
    {KIND_RSA_PRIVATE, C, CKR_OK,                      5, {CLASS, KEYTYPE, MODULUS, EXP, ATTR(CKA_PRIVATE_EXPONENT, bytes, 3)}},
    {KIND_RSA_PRIVATE, C, CKR_TEMPLATE_INCOMPLETE,     4, {CLASS, KEYTYPE, MODULUS, EXP}},
    {KIND_EC_PRIVATE,  C, CKR_OK,                      4, {CLASS, KEYTYPE, ATTR(CKA_EC_PARAMS, bytes, 3), ATTR(CKA_VALUE, bytes, 3)}},
    {KIND_EC_PRIVATE,  C, CKR_TEMPLATE_INCOMPLETE,     3, {CLASS, KEYTYPE, ATTR(CKA_VALUE, bytes, 3)}},
    {KIND_DES,        C, CKR_ATTRIBUTE_TYPE_INVALID,  3, {CLASS, KEYTYPE, LEN}},
    {KIND_RSA_PRIVATE, G, CKR_OK,                      1, {NO(CKA_ALWAYS_AUTHENTICATE)}},
    {KIND_RSA_PRIVATE, G, CKR_OK,                      1, {YES(CKA_ALWAYS_AUTHENTICATE)}},
    {KIND_RSA_PRIVATE, G, CKR_TEMPLATE_INCONSISTENT,   2, {YES(CKA_ALWAYS_AUTHENTICATE), NO(CKA_PRIVATE)}},
    {KIND_RSA_PUBLIC,  G, CKR_ATTRIBUTE_TYPE_INVALID,  2, {ATTR(CKA_MODULUS_BITS, &bits, 8), YES(CKA_ALWAYS_AUTHENTICATE)}},
    {KIND_RSA_PRIVATE, G, CKR_ATTRIBUTE_READ_ONLY,     1, {MODULUS}},
    {KIND_RSA_PRIVATE, G, CKR_ATTRIBUTE_READ_ONLY,     1, {ATTR(CKA_PRIVATE_EXPONENT, bytes, 3)}},
    {KIND_RSA_PRIVATE, G, CKR_ATTRIBUTE_TYPE_INVALID,  1, {YES(CKA_VERIFY)}},
    /* keys live in the HSM; the second line is what pkcs11-tool asks for */
    {KIND_AES,         G, CKR_OK,                      3, {LEN, YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE)}},
    {KIND_AES,         G, CKR_OK,                      3, {LEN, NO(CKA_SENSITIVE), NO(CKA_EXTRACTABLE)}},
    {KIND_EC_PRIVATE,  G, CKR_OK,                      1, {YES(CKA_SENSITIVE)}},
    /* certificates and data */
    {KIND_CERTIFICATE, C, CKR_OK,                      2, {CLASS, ATTR(CKA_VALUE, bytes, 3)}},
    {KIND_CERTIFICATE, C, CKR_TEMPLATE_INCOMPLETE,     1, {CLASS}},
    {KIND_CERTIFICATE, C, CKR_ATTRIBUTE_TYPE_INVALID,  3, {CLASS, ATTR(CKA_VALUE, bytes, 3), YES(CKA_SIGN)}},
    {KIND_DATA,        C, CKR_OK,                      2, {CLASS, ATTR(CKA_APPLICATION, label, 3)}},
    {KIND_DATA,        C, CKR_ATTRIBUTE_TYPE_INVALID,  2, {CLASS, ATTR(CKA_ID, label, 3)}},
};
/* clang-format on */

START_TEST(templates_are_answered_by_the_rules)
{
    const struct code_case *c = &codes[_i];
    struct attrs attrs = ATTRS_INIT;

    assert_rv(c->want, template_complete(c->kind, c->use, c->template, c->count, &attrs));
    if (c->want != CKR_OK)
        ck_assert_uint_eq(attrs.count, 0);
    attrs_release(&attrs);
}
END_TEST

/* ---- defaults ---- */

START_TEST(key_that_names_nothing_is_sensitive_private_and_stays)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(GENERATE(KIND_AES, &a, LEN));
    ck_assert(attrs_true(&a, CKA_SENSITIVE));
    ck_assert(attrs_true(&a, CKA_PRIVATE));
    ck_assert(attrs_true(&a, CKA_MODIFIABLE));
    ck_assert(attrs_true(&a, CKA_DESTROYABLE));
    ck_assert(!attrs_true(&a, CKA_EXTRACTABLE));
    ck_assert(!attrs_true(&a, CKA_TOKEN));
    ck_assert(!attrs_true(&a, CKA_WRAP));
    ck_assert(!attrs_true(&a, CKA_DERIVE));
    ck_assert_ptr_nonnull(attrs_get(&a, CKA_LABEL));
    ck_assert_uint_eq(attrs_bytes(&a, CKA_ID).len, 0);
    attrs_release(&a);
}
END_TEST

START_TEST(public_halves_and_certificates_are_not_private_by_default)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(GENERATE(KIND_EC_PUBLIC, &a, ATTR(CKA_EC_PARAMS, bytes, 3)));
    ck_assert(!attrs_true(&a, CKA_PRIVATE));
    attrs_release(&a);
    assert_ok(CREATE(KIND_CERTIFICATE, &a, CLASS, ATTR(CKA_VALUE, bytes, 3)));
    ck_assert(!attrs_true(&a, CKA_PRIVATE));
    attrs_release(&a);
    assert_ok(CREATE(KIND_DATA, &a, CLASS));
    ck_assert(attrs_true(&a, CKA_PRIVATE));
    attrs_release(&a);
}
END_TEST

START_TEST(key_that_names_no_use_gets_those_it_is_made_for)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(GENERATE(KIND_RSA_PRIVATE, &a, YES(CKA_TOKEN)));
    ck_assert(attrs_true(&a, CKA_SIGN));
    ck_assert(attrs_true(&a, CKA_DECRYPT));
    ck_assert(!attrs_true(&a, CKA_UNWRAP));
    attrs_release(&a);
    assert_ok(GENERATE(KIND_EC_PRIVATE, &a, YES(CKA_TOKEN)));
    ck_assert(attrs_true(&a, CKA_SIGN));
    ck_assert(!attrs_true(&a, CKA_DECRYPT));
    attrs_release(&a);
}
END_TEST

START_TEST(key_of_lattices_gets_what_it_is_made_for)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(GENERATE(KIND_KEM_PRIVATE, &a, YES(CKA_TOKEN)));
    ck_assert(attrs_true(&a, CKA_DECAPSULATE));
    ck_assert(!attrs_true(&a, CKA_SIGN));
    ck_assert(!attrs_true(&a, CKA_DERIVE));
    attrs_release(&a);
    assert_ok(GENERATE(KIND_PQ_PRIVATE, &a, YES(CKA_TOKEN)));
    ck_assert(attrs_true(&a, CKA_SIGN));
    ck_assert(!attrs_true(&a, CKA_DECAPSULATE));
    attrs_release(&a);
    assert_rv(CKR_TEMPLATE_INCOMPLETE, GENERATE(KIND_KEM_PUBLIC, &a, YES(CKA_TOKEN)));
    assert_ok(GENERATE(KIND_KEM_PUBLIC, &a, ATTR(CKA_PARAMETER_SET, &len, sizeof(len))));
    ck_assert(attrs_true(&a, CKA_ENCAPSULATE));
    attrs_release(&a);
}
END_TEST

START_TEST(key_that_names_one_use_gets_no_other)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(GENERATE(KIND_RSA_PRIVATE, &a, YES(CKA_SIGN)));
    ck_assert(attrs_true(&a, CKA_SIGN));
    ck_assert(!attrs_true(&a, CKA_DECRYPT));
    attrs_release(&a);
    assert_ok(GENERATE(KIND_RSA_PRIVATE, &a, NO(CKA_DECRYPT)));
    ck_assert(attrs_true(&a, CKA_SIGN));
    ck_assert(!attrs_true(&a, CKA_DECRYPT));
    attrs_release(&a);
}
END_TEST

START_TEST(generic_secret_can_make_macs_whatever_else_is_named)
{
    struct attrs a = ATTRS_INIT;

    assert_ok(GENERATE(KIND_GENERIC, &a, LEN, YES(CKA_ENCRYPT), YES(CKA_DECRYPT)));
    ck_assert(attrs_true(&a, CKA_SIGN));
    ck_assert(attrs_true(&a, CKA_VERIFY));
    attrs_release(&a);
    assert_ok(GENERATE(KIND_GENERIC, &a, LEN, NO(CKA_SIGN)));
    ck_assert(!attrs_true(&a, CKA_SIGN));
    attrs_release(&a);
}
END_TEST

/* ---- changes ---- */

static void key(struct object *object)
{
    *object = (struct object){.cls = CKO_SECRET_KEY};
    assert_ok(GENERATE(KIND_AES, &object->attrs, LEN, NO(CKA_SENSITIVE), NO(CKA_EXTRACTABLE),
                       YES(CKA_ENCRYPT)));
    assert_ok(attrs_set_ulong(&object->attrs, CKA_KEY_TYPE, CKK_AES));
}

static const struct {
    CK_RV want;
    CK_ATTRIBUTE attr;
} changes[] = {
    {CKR_OK, {CKA_LABEL, label, 3}},
    {CKR_OK, {CKA_ID, bytes, 3}},
    {CKR_OK, {CKA_START_DATE, day_one, 8}},
    {CKR_OK, {CKA_ENCRYPT, &no, 1}},
    {CKR_OK, {CKA_ENCRYPT, &yes, 1}}, /* is true already */
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_DECRYPT, &yes, 1}},
    {CKR_OK, {CKA_DECRYPT, &no, 1}},
    {CKR_OK, {CKA_SENSITIVE, &yes, 1}},
    {CKR_OK, {CKA_SENSITIVE, &no, 1}}, /* is false already */
    {CKR_OK, {CKA_EXTRACTABLE, &no, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_EXTRACTABLE, &yes, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_TOKEN, &yes, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_PRIVATE, &no, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_MODIFIABLE, &no, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_KEY_TYPE, &len, 8}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_VALUE_LEN, &len, 8}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_VALUE, bytes, 3}},
    {CKR_OK, {CKA_WRAP_WITH_TRUSTED, &yes, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_WRAP_TEMPLATE, NULL, 0}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_KEYWARD_VERSION, &len, 8}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_KEYWARD_PROTECTION, label, 3}},
    {CKR_ATTRIBUTE_TYPE_INVALID, {CKA_MODULUS, bytes, 3}},
};

START_TEST(changes_are_answered_by_the_rules)
{
    struct object object;

    key(&object);
    assert_rv(changes[_i].want, template_change(&object, &changes[_i].attr, 1));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(what_only_rises_is_not_taken_back)
{
    const CK_ATTRIBUTE_TYPE types[] = {CKA_SENSITIVE, CKA_WRAP_WITH_TRUSTED};
    struct object object;

    key(&object);
    assert_ok(template_change(&object, LIST(YES(types[_i]))));
    assert_ok(template_change(&object, LIST(YES(types[_i]))));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, template_change(&object, LIST(NO(types[_i]))));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(object_that_is_not_modifiable_is_not_changed)
{
    struct object object;

    key(&object);
    assert_ok(attrs_set_bool(&object.attrs, CKA_MODIFIABLE, false));
    assert_rv(CKR_ACTION_PROHIBITED, template_change(&object, LIST(ATTR(CKA_LABEL, label, 3))));
    attrs_release(&object.attrs);
}
END_TEST

static const struct {
    CK_RV want;
    CK_ATTRIBUTE attr;
} copies[] = {
    {CKR_OK, {CKA_LABEL, label, 3}},
    {CKR_OK, {CKA_TOKEN, &yes, 1}},
    {CKR_OK, {CKA_TOKEN, &no, 1}},
    {CKR_OK, {CKA_PRIVATE, &yes, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_PRIVATE, &no, 1}},
    {CKR_OK, {CKA_MODIFIABLE, &no, 1}},
    {CKR_OK, {CKA_DESTROYABLE, &no, 1}},
    {CKR_OK, {CKA_COPYABLE, &no, 1}},
    {CKR_OK, {CKA_DECRYPT, &no, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_DECRYPT, &yes, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_EXTRACTABLE, &yes, 1}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_VALUE_LEN, &len, 8}},
    {CKR_ATTRIBUTE_READ_ONLY, {CKA_VALUE, bytes, 3}},
};

START_TEST(copies_may_be_told_more_and_never_rise)
{
    struct object object;

    key(&object);
    assert_rv(copies[_i].want, template_copy(&object, &copies[_i].attr, 1));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(copy_of_what_is_not_modifiable_stays_so)
{
    struct object object;

    key(&object);
    assert_ok(attrs_set_bool(&object.attrs, CKA_MODIFIABLE, false));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, template_copy(&object, LIST(YES(CKA_MODIFIABLE))));
    assert_ok(template_copy(&object, LIST(NO(CKA_MODIFIABLE))));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(object_that_is_not_copyable_is_not_copied)
{
    struct object object;

    key(&object);
    assert_ok(template_copy(&object, LIST(ATTR(CKA_LABEL, label, 3))));
    assert_ok(template_change(&object, LIST(NO(CKA_COPYABLE))));
    assert_rv(CKR_ACTION_PROHIBITED, template_copy(&object, LIST(ATTR(CKA_LABEL, label, 3))));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY, template_change(&object, LIST(YES(CKA_COPYABLE))));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(dates_are_the_first_and_the_last_second_of_their_days)
{
    struct object object;

    key(&object);
    assert_ok(template_change(
        &object, LIST(ATTR(CKA_START_DATE, day_one, 8), ATTR(CKA_END_DATE, leap_day, 8))));
    ck_assert_int_eq(object.not_before, 86400);
    ck_assert_int_eq(object.expires, 1709251200); /* 2024-03-01T00:00:00Z */
    assert_ok(template_change(&object, LIST(ATTR(CKA_END_DATE, NULL, 0))));
    ck_assert_int_eq(object.expires, 0);
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(end_before_start_is_refused_and_the_same_day_is_not)
{
    struct object object;

    key(&object);
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              template_change(
                  &object, LIST(ATTR(CKA_START_DATE, day_two, 8), ATTR(CKA_END_DATE, day_one, 8))));
    attrs_release(&object.attrs);
    key(&object);
    assert_ok(template_change(
        &object, LIST(ATTR(CKA_START_DATE, day_one, 8), ATTR(CKA_END_DATE, day_one, 8))));
    attrs_release(&object.attrs);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(every_rule_is_about_a_known_attribute),
        CASE(no_kind_has_two_rules_for_one_attribute),
        CASE(defaults_have_the_form_of_their_attribute),
        CASE(the_key_itself_comes_in_by_import_only_and_has_no_default),
        CASE(the_key_itself_is_no_attribute_of_what_comes_back),
        CASE(kinds_are_told_by_class_and_type),
        CASE_LOOP(templates_are_answered_by_the_rules, COUNT(codes)),
        CASE(key_that_names_nothing_is_sensitive_private_and_stays),
        CASE(public_halves_and_certificates_are_not_private_by_default),
        CASE(key_that_names_no_use_gets_those_it_is_made_for),
        CASE(key_of_lattices_gets_what_it_is_made_for),
        CASE(key_that_names_one_use_gets_no_other),
        CASE(generic_secret_can_make_macs_whatever_else_is_named),
        CASE_LOOP(changes_are_answered_by_the_rules, COUNT(changes)),
        CASE_LOOP(what_only_rises_is_not_taken_back, 2),
        CASE(object_that_is_not_modifiable_is_not_changed),
        CASE_LOOP(copies_may_be_told_more_and_never_rise, COUNT(copies)),
        CASE(copy_of_what_is_not_modifiable_stays_so),
        CASE(object_that_is_not_copyable_is_not_copied),
        CASE(dates_are_the_first_and_the_last_second_of_their_days),
        CASE(end_before_start_is_refused_and_the_same_day_is_not),
    };

    return suite_run("pkcs11/template", cases, COUNT(cases));
}
