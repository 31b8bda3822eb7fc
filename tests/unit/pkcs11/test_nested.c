/* Templates in attributes: what they may hold, how they are kept and read back, what they say of
 * keys that are wrapped, unwrapped and derived. */
#include "pkcs11/nested.h"

#include "tests/support/suite.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;
static CK_ULONG aes = CKK_AES;
static CK_ULONG des = CKK_DES3;
static char label[] = "kek";

static CK_ATTRIBUTE inner[] = {
    {CKA_KEY_TYPE, &aes, sizeof(aes)},
    {CKA_LABEL, label, 3},
    {CKA_EXTRACTABLE, &no, 1},
};
static CK_ATTRIBUTE both[] = {{CKA_WRAP, &yes, 1}, {CKA_DECRYPT, &yes, 1}};
static CK_ATTRIBUTE twice[] = {{CKA_SIGN, &yes, 1}, {CKA_SIGN, &yes, 1}};
static CK_ATTRIBUTE deeper[] = {{CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)}};
static CK_ATTRIBUTE wild[] = {{CKA_LABEL, NULL, 5}};
static CK_ATTRIBUTE unknown[] = {{0x7fffUL, &yes, 1}};

static const struct {
    CK_ATTRIBUTE attr;
    CK_RV want;
} forms[] = {
    {{CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)}, CKR_OK},
    {{CKA_UNWRAP_TEMPLATE, NULL, 0}, CKR_OK},
    {{CKA_UNWRAP_TEMPLATE, inner, sizeof(inner) - 1}, CKR_ATTRIBUTE_VALUE_INVALID},
    {{CKA_UNWRAP_TEMPLATE, NULL, sizeof(inner)}, CKR_ATTRIBUTE_VALUE_INVALID},
    {{CKA_UNWRAP_TEMPLATE, deeper, sizeof(deeper)}, CKR_ATTRIBUTE_VALUE_INVALID},
    {{CKA_UNWRAP_TEMPLATE, wild, sizeof(wild)}, CKR_ATTRIBUTE_VALUE_INVALID},
    {{CKA_UNWRAP_TEMPLATE, unknown, sizeof(unknown)}, CKR_ATTRIBUTE_TYPE_INVALID},
    {{CKA_UNWRAP_TEMPLATE, twice, sizeof(twice)}, CKR_TEMPLATE_INCONSISTENT},
    {{CKA_UNWRAP_TEMPLATE, both, sizeof(both)}, CKR_TEMPLATE_INCONSISTENT},
    {{CKA_DERIVE_TEMPLATE, both, sizeof(both)}, CKR_TEMPLATE_INCONSISTENT},
    {{CKA_UNWRAP_TEMPLATE, both, sizeof(*both)}, CKR_OK},
    /* this one describes keys there are, it makes none */
    {{CKA_WRAP_TEMPLATE, both, sizeof(both)}, CKR_OK},
};

START_TEST(only_templates_of_one_level_are_kept)
{
    struct buf packed = BUF_INIT(NESTED_BYTES_MAX);

    assert_rv(forms[_i].want, nested_pack(&forms[_i].attr, &packed));
    buf_release(&packed);
}
END_TEST

/* A key that carries the template. */
static void holder(struct object *object, CK_ATTRIBUTE_TYPE type, CK_ATTRIBUTE *list, CK_ULONG size)
{
    struct buf packed = BUF_INIT(NESTED_BYTES_MAX);

    *object = (struct object){.cls = CKO_SECRET_KEY};
    assert_ok(nested_pack(&(CK_ATTRIBUTE){type, list, size}, &packed));
    assert_ok(attrs_set(&object->attrs, type, buf_bytes(&packed)));
    buf_release(&packed);
}

START_TEST(template_is_read_back_length_then_lengths_then_values)
{
    struct object object;
    struct bytes packed;
    CK_ATTRIBUTE got[4] = {{0}};
    CK_ATTRIBUTE outer = {CKA_UNWRAP_TEMPLATE, NULL, 0};
    CK_ULONG type = 0;
    char text[8];

    holder(&object, CKA_UNWRAP_TEMPLATE, inner, sizeof(inner));
    packed = attrs_bytes(&object.attrs, CKA_UNWRAP_TEMPLATE);
    assert_ok(nested_read(packed, &outer, true));
    ck_assert_uint_eq(outer.ulValueLen, sizeof(inner));
    outer.pValue = got;
    assert_ok(nested_read(packed, &outer, true));
    ck_assert_uint_eq(got[0].type, CKA_LABEL);
    ck_assert_uint_eq(got[0].ulValueLen, 3);
    ck_assert_uint_eq(got[1].type, CKA_KEY_TYPE);
    ck_assert_uint_eq(got[1].ulValueLen, sizeof(CK_ULONG));
    got[0].pValue = text;
    got[1].pValue = &type;
    assert_ok(nested_read(packed, &outer, true));
    ck_assert_mem_eq(text, "kek", 3);
    ck_assert_uint_eq(type, CKK_AES);
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(short_room_is_told_at_both_levels)
{
    struct object object;
    struct bytes packed;
    char text[2] = {'?', '?'};
    CK_ATTRIBUTE got[3] = {{.pValue = text, .ulValueLen = sizeof(text)}};
    CK_ATTRIBUTE outer = {CKA_UNWRAP_TEMPLATE, got, sizeof(got) - sizeof(*got)};

    holder(&object, CKA_UNWRAP_TEMPLATE, inner, sizeof(inner));
    packed = attrs_bytes(&object.attrs, CKA_UNWRAP_TEMPLATE);
    assert_rv(CKR_BUFFER_TOO_SMALL, nested_read(packed, &outer, true));
    ck_assert_uint_eq(outer.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    outer.ulValueLen = sizeof(got);
    assert_rv(CKR_BUFFER_TOO_SMALL, nested_read(packed, &outer, false));
    ck_assert_uint_eq(got[0].ulValueLen, sizeof(text));
    assert_rv(CKR_BUFFER_TOO_SMALL, nested_read(packed, &outer, true));
    ck_assert_uint_eq(got[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_int_eq(text[0], '?');
    ck_assert_uint_eq(got[1].ulValueLen, sizeof(CK_ULONG));
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(what_says_the_same_in_another_order_packs_to_the_same_bytes)
{
    struct object object;
    struct buf other = BUF_INIT(NESTED_BYTES_MAX);
    struct buf shorter = BUF_INIT(NESTED_BYTES_MAX);
    struct bytes packed;
    CK_ATTRIBUTE turned[] = {inner[2], inner[1], inner[0]};

    holder(&object, CKA_UNWRAP_TEMPLATE, inner, sizeof(inner));
    packed = attrs_bytes(&object.attrs, CKA_UNWRAP_TEMPLATE);
    assert_ok(nested_pack(&(CK_ATTRIBUTE){CKA_UNWRAP_TEMPLATE, turned, sizeof(turned)}, &other));
    ck_assert(bytes_equal(packed, buf_bytes(&other)));
    assert_ok(nested_pack(
        &(CK_ATTRIBUTE){CKA_UNWRAP_TEMPLATE, turned, sizeof(turned) - sizeof(*turned)}, &shorter));
    ck_assert(!bytes_equal(packed, buf_bytes(&shorter)));
    buf_release(&other);
    buf_release(&shorter);
    attrs_release(&object.attrs);
}
END_TEST

START_TEST(key_is_wrapped_when_it_is_all_the_template_says)
{
    struct object wrapping, key = {.cls = CKO_SECRET_KEY};

    holder(&wrapping, CKA_WRAP_TEMPLATE, inner, sizeof(inner));
    assert_ok(attrs_set_ulong(&key.attrs, CKA_KEY_TYPE, CKK_AES));
    assert_ok(attrs_set(&key.attrs, CKA_LABEL, BYTES_LIT("kek")));
    assert_rv(CKR_KEY_HANDLE_INVALID, nested_check_wrapped(&wrapping, &key));
    assert_ok(attrs_set_bool(&key.attrs, CKA_EXTRACTABLE, false));
    assert_ok(nested_check_wrapped(&wrapping, &key));
    assert_ok(attrs_set(&key.attrs, CKA_LABEL, BYTES_LIT("kEk")));
    assert_rv(CKR_KEY_HANDLE_INVALID, nested_check_wrapped(&wrapping, &key));
    attrs_remove(&wrapping.attrs, CKA_WRAP_TEMPLATE);
    assert_ok(nested_check_wrapped(&wrapping, &key));
    attrs_release(&wrapping.attrs);
    attrs_release(&key.attrs);
}
END_TEST

START_TEST(caller_adds_to_the_template_and_does_not_contradict_it)
{
    struct object from;
    struct nested_merged m;
    CK_ATTRIBUTE adds[] = {{CKA_KEY_TYPE, &aes, sizeof(aes)}, {CKA_TOKEN, &yes, 1}};
    CK_ATTRIBUTE contradicts[] = {{CKA_KEY_TYPE, &des, sizeof(des)}};

    holder(&from, CKA_UNWRAP_TEMPLATE, inner, sizeof(inner));
    assert_ok(nested_merge(&from, CKA_UNWRAP_TEMPLATE, adds, COUNT(adds), &m));
    ck_assert_uint_eq(m.count, COUNT(inner) + 1);
    ck_assert_ptr_nonnull(template_get(m.list, m.count, CKA_EXTRACTABLE));
    ck_assert_ptr_nonnull(template_get(m.list, m.count, CKA_TOKEN));
    nested_merged_release(&m);
    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              nested_merge(&from, CKA_UNWRAP_TEMPLATE, contradicts, COUNT(contradicts), &m));
    /* a key without such a template says nothing */
    assert_ok(nested_merge(&from, CKA_DERIVE_TEMPLATE, contradicts, COUNT(contradicts), &m));
    ck_assert_uint_eq(m.count, 1);
    nested_merged_release(&m);
    attrs_release(&from.attrs);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(only_templates_of_one_level_are_kept, COUNT(forms)),
        CASE(template_is_read_back_length_then_lengths_then_values),
        CASE(short_room_is_told_at_both_levels),
        CASE(what_says_the_same_in_another_order_packs_to_the_same_bytes),
        CASE(key_is_wrapped_when_it_is_all_the_template_says),
        CASE(caller_adds_to_the_template_and_does_not_contradict_it),
    };

    return suite_run("pkcs11/nested", cases, COUNT(cases));
}
