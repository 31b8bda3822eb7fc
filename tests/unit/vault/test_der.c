/* Records as DER: round trips, and every kind of damage refused. */
#include "tests/support/suite.h"
#include "vault/der.h"

#include <libtasn1.h>
#include <string.h>

extern const asn1_static_node keyward_asn1_tab[];

struct user {
    char name[9];
    int64_t created, failures;
    struct bytes salt, hash, identity;
};

static const struct der_member members[] = {
    {"name", DER_TEXT, offsetof(struct user, name), 8},
    {"created", DER_NUMBER, offsetof(struct user, created), INT64_MAX},
    {"failures", DER_NUMBER, offsetof(struct user, failures), 10},
    {"salt", DER_OCTETS, offsetof(struct user, salt), 4},
    {"hash", DER_OCTETS, offsetof(struct user, hash), 300},
    {"identity", DER_OCTETS_OPTIONAL, offsetof(struct user, identity), 16},
};
static const struct der_type type = {"KEYWARD.User", members, 6};

static void encode(struct der *der, const struct user *user, struct buf *out)
{
    assert_ok(der_encode(der, &type, user, out));
}

static const int64_t numbers[] = {0, 1, 127, 128, 255, 256, 65535, 1700000000, INT64_MAX};

START_TEST(a_record_round_trips)
{
    struct der *der = NULL;
    static uint8_t hash[300] = {1, 2, 3};
    struct user got, user = {.name = "alice",
                             .created = numbers[_i],
                             .failures = 10,
                             .salt = BYTES_NONE,
                             .hash = BYTES(hash, _i % 2 == 0 ? 300 : 100)};
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    encode(der, &user, &out);
    assert_ok(der_decode(der, &type, buf_bytes(&out), &got));
    ck_assert_str_eq(got.name, "alice");
    ck_assert_int_eq(got.created, numbers[_i]);
    ck_assert_int_eq(got.failures, 10);
    ck_assert_uint_eq(got.salt.len, 0);
    ck_assert(bytes_equal(got.hash, user.hash));
    buf_release(&out);
    der_free(der);
}
END_TEST

START_TEST(values_outside_their_rows_limits_are_refused)
{
    const struct user bad[] = {
        {.name = "12345678", .failures = 11},
        {.name = "1", .created = -1},
        {.name = "1", .salt = BYTES_LIT("12345")},
    };
    struct der_member longer = {"name", DER_TEXT, 0, 8};
    struct der *der = NULL;
    struct user got;
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    for (size_t i = 0; i < 3; i++) {
        encode(der, &bad[i], &out);
        assert_rv(CKR_DEVICE_ERROR, der_decode(der, &type, buf_bytes(&out), &got));
    }
    /* One byte over the text's limit, and a NUL inside it. */
    encode(der, &(struct user){.name = "12345678"}, &out);
    assert_ok(der_decode(der, &type, buf_bytes(&out), &got));
    longer.max = 7;
    {
        struct der_member shorter[5];
        const struct der_type tight = {"KEYWARD.User", shorter, 5};

        memcpy(shorter, members, sizeof(shorter));
        shorter[0] = longer;
        assert_rv(CKR_DEVICE_ERROR, der_decode(der, &tight, buf_bytes(&out), &got));
    }
    ((uint8_t *)memmem(out.data, out.len, "12345678", 8))[3] = 0;
    assert_rv(CKR_DEVICE_ERROR, der_decode(der, &type, buf_bytes(&out), &got));
    buf_release(&out);
    der_free(der);
}
END_TEST

START_TEST(a_record_cut_or_with_bytes_behind_it_is_refused)
{
    struct der *der = NULL;
    struct user got, user = {.name = "alice", .hash = BYTES_LIT("hash")};
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    encode(der, &user, &out);
    for (size_t len = 0; len < out.len; len++)
        assert_rv(CKR_DEVICE_ERROR, der_decode(der, &type, BYTES(out.data, len), &got));
    buf_putc(&out, 0);
    assert_rv(CKR_DEVICE_ERROR, der_decode(der, &type, buf_bytes(&out), &got));
    buf_release(&out);
    der_free(der);
}
END_TEST

/* The module's Object, as far as this test goes: its mandatory members at zero. */
struct optional {
    int64_t zero;
    struct bytes none, material;
};

static const struct der_member optional_members[] = {
    {"class", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"version", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"state", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"created", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"updated", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"deletedAt", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"notBefore", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"expires", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"protection", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"hsmKeyId", DER_OCTETS, offsetof(struct optional, none), 16},
    {"hsmKeyKind", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"hsmKeyType", DER_NUMBER, offsetof(struct optional, zero), INT64_MAX},
    {"attributes", DER_OCTETS, offsetof(struct optional, none), 16},
    {"material", DER_OCTETS_OPTIONAL, offsetof(struct optional, material), 8},
};
static const struct der_type optional_type = {"KEYWARD.Object", optional_members, 14};

START_TEST(an_optional_member_is_there_or_not)
{
    struct der *der = NULL;
    struct optional got = {.zero = 9};
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    assert_ok(der_encode(der, &optional_type, &(struct optional){.material = BYTES_LIT("12345678")},
                         &out));
    assert_ok(der_decode(der, &optional_type, buf_bytes(&out), &got));
    ck_assert(bytes_equal_str(got.material, "12345678"));
    assert_ok(der_encode(der, &optional_type, &(struct optional){.zero = 0}, &out));
    assert_ok(der_decode(der, &optional_type, buf_bytes(&out), &got));
    ck_assert_uint_eq(got.material.len, 0);
    assert_ok(der_encode(der, &optional_type,
                         &(struct optional){.material = BYTES_LIT("123456789")}, &out));
    assert_rv(CKR_DEVICE_ERROR, der_decode(der, &optional_type, buf_bytes(&out), &got));
    buf_release(&out);
    der_free(der);
}
END_TEST

START_TEST(an_optional_member_that_is_empty_is_refused)
{
    struct der *der = NULL;
    struct optional got;
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    assert_ok(
        der_encode(der, &optional_type, &(struct optional){.material = BYTES_LIT("1")}, &out));
    assert_ok(der_decode(der, &optional_type, buf_bytes(&out), &got));
    out.data[1]--;
    out.data[out.len - 2] = 0;
    out.len--;
    assert_rv(CKR_DEVICE_ERROR, der_decode(der, &optional_type, buf_bytes(&out), &got));
    buf_release(&out);
    der_free(der);
}
END_TEST

START_TEST(a_record_from_before_the_optional_member_is_read)
{
    /* As it stands in stores made by 0.1: SEQUENCE of nine numbers, two empty strings, ... */
    static const char old[] = "\x30\x25\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00"
                              "\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00\x04\x00\x02\x01\x00"
                              "\x02\x01\x00\x04\x00";
    struct der *der = NULL;
    struct optional got = {.zero = 9};
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    assert_ok(der_decode(der, &optional_type, BYTES_LIT(old), &got));
    ck_assert_int_eq(got.zero, 0);
    ck_assert_uint_eq(got.material.len, 0);
    assert_ok(der_encode(der, &optional_type, &got, &out));
    ck_assert(bytes_equal(buf_bytes(&out), BYTES_LIT(old)));
    buf_release(&out);
    der_free(der);
}
END_TEST

/* The module's Vault, all but its last two members at nothing. */
struct switched {
    int64_t zero, on, count;
    char none[1];
};

#define NOUGHT(name)                                                                               \
    {                                                                                              \
        name, DER_NUMBER, offsetof(struct switched, zero), INT64_MAX                               \
    }
static const struct der_member switched_members[] = {
    {"name", DER_TEXT, offsetof(struct switched, none), 0},
    NOUGHT("slot"),
    NOUGHT("protection"),
    NOUGHT("created"),
    NOUGHT("retention"),
    NOUGHT("purgeProtection"),
    {"defaultUser", DER_TEXT, offsetof(struct switched, none), 0},
    {"legacy", DER_NUMBER_OPTIONAL, offsetof(struct switched, on), 1},
    {"confirmations", DER_NUMBER_OPTIONAL, offsetof(struct switched, count), 16},
};
static const struct der_type switched_type = {"KEYWARD.Vault", switched_members, 9};

/* Two optional numbers behind each other are told apart. */
START_TEST(of_two_optional_numbers_each_is_its_own)
{
    struct der *der = NULL;
    struct switched got;
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    assert_ok(der_encode(der, &switched_type, &(struct switched){.count = 3}, &out));
    assert_ok(der_decode(der, &switched_type, buf_bytes(&out), &got));
    ck_assert_int_eq(got.on, 0);
    ck_assert_int_eq(got.count, 3);
    assert_ok(der_encode(der, &switched_type, &(struct switched){.on = 1, .count = 16}, &out));
    assert_ok(der_decode(der, &switched_type, buf_bytes(&out), &got));
    ck_assert_int_eq(got.on, 1);
    ck_assert_int_eq(got.count, 16);
    buf_release(&out);
    der_free(der);
}
END_TEST

START_TEST(an_optional_number_is_there_where_it_is_not_nought)
{
    /* As it stands in stores made by 0.1. */
    static const char off[] = "\x30\x13\x0c\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00\x02\x01\x00"
                              "\x02\x01\x00\x0c\x00";
    struct der *der = NULL;
    struct switched got = {.on = 9};
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    assert_ok(der_encode(der, &switched_type, &(struct switched){.on = 0}, &out));
    ck_assert(bytes_equal(buf_bytes(&out), BYTES_LIT(off)));
    assert_ok(der_decode(der, &switched_type, buf_bytes(&out), &got));
    ck_assert_int_eq(got.on, 0);
    assert_ok(der_encode(der, &switched_type, &(struct switched){.on = 1}, &out));
    assert_ok(der_decode(der, &switched_type, buf_bytes(&out), &got));
    ck_assert_int_eq(got.on, 1);
    out.data[out.len - 1] = 0; /* another way to say it is not there */
    assert_rv(CKR_DEVICE_ERROR, der_decode(der, &switched_type, buf_bytes(&out), &got));
    out.data[out.len - 1] = 2;
    assert_rv(CKR_DEVICE_ERROR, der_decode(der, &switched_type, buf_bytes(&out), &got));
    buf_release(&out);
    der_free(der);
}
END_TEST

START_TEST(no_changed_byte_reads_out_of_bounds)
{
    struct der *der = NULL;
    struct user got, user = {.name = "alice", .salt = BYTES_LIT("salt"), .hash = BYTES_LIT("hash")};
    struct buf out = BUF_INIT(1024);

    assert_ok(der_new(&der));
    encode(der, &user, &out);
    for (size_t i = 0; i < out.len; i++) {
        for (unsigned v = 0; v < 256; v++) {
            uint8_t was = out.data[i];
            CK_RV rv;

            out.data[i] = (uint8_t)v;
            rv = der_decode(der, &type, buf_bytes(&out), &got);
            ck_assert(rv == CKR_OK || rv == CKR_DEVICE_ERROR);
            out.data[i] = was;
        }
    }
    buf_release(&out);
    der_free(der);
}
END_TEST

static void make_attrs(struct attrs *a)
{
    static uint8_t large[1000];
    const CK_MECHANISM_TYPE mechanisms[] = {CKM_ECDSA, CKM_AES_GCM};

    *a = ATTRS_INIT;
    assert_ok(attrs_set_ulong(a, CKA_CLASS, CKO_PRIVATE_KEY));
    assert_ok(attrs_set_bool(a, CKA_SIGN, true));
    assert_ok(attrs_set(a, CKA_LABEL, BYTES_LIT("label")));
    assert_ok(attrs_set(a, CKA_VALUE, BYTES(large, sizeof(large))));
    assert_ok(attrs_set(a, CKA_ID, BYTES_NONE));
    assert_ok(attrs_set(a, CKA_ALLOWED_MECHANISMS, BYTES(mechanisms, sizeof(mechanisms))));
    assert_ok(attrs_set_ulong(a, CKA_KEY_GEN_MECHANISM, CK_UNAVAILABLE_INFORMATION));
    assert_ok(attrs_set(a, ~0UL, BYTES_LIT("highest type")));
}

START_TEST(attributes_round_trip)
{
    struct attrs a, got = ATTRS_INIT;
    struct buf out = BUF_INIT(8192);

    make_attrs(&a);
    assert_ok(der_encode_attrs(&a, &out));
    assert_ok(der_decode_attrs(buf_bytes(&out), &got));
    ck_assert_uint_eq(got.count, a.count);
    ck_assert(attrs_match(&got, a.list, a.count));
    attrs_release(&got);
    attrs_release(&a);
    assert_ok(der_encode_attrs(&a, &out));
    assert_ok(der_decode_attrs(buf_bytes(&out), &got));
    ck_assert_uint_eq(got.count, 0);
    buf_release(&out);
}
END_TEST

START_TEST(attributes_are_what_the_module_says)
{
    struct attrs a;
    struct buf out = BUF_INIT(8192);
    asn1_node module = NULL, node = NULL;
    char why[ASN1_MAX_ERROR_DESCRIPTION_SIZE];
    uint8_t value[64];
    int len, count = 0;

    make_attrs(&a);
    assert_ok(der_encode_attrs(&a, &out));
    ck_assert_int_eq(asn1_array2tree(keyward_asn1_tab, &module, why), ASN1_SUCCESS);
    ck_assert_int_eq(asn1_create_element(module, "KEYWARD.Attributes", &node), ASN1_SUCCESS);
    len = (int)out.len;
    ck_assert_int_eq(asn1_der_decoding2(&node, out.data, &len, ASN1_DECODE_FLAG_STRICT_DER, why),
                     ASN1_SUCCESS);
    ck_assert_int_eq(asn1_number_of_elements(node, "", &count), ASN1_SUCCESS);
    ck_assert_int_eq(count, (int)a.count);
    len = sizeof(value);
    ck_assert_int_eq(asn1_read_value(node, "?1.value", value, &len), ASN1_SUCCESS);
    /* CKA_CLASS = 3: eight bytes, big-endian. */
    ck_assert_int_eq(len, 8);
    ck_assert_int_eq(memcmp(value, "\0\0\0\0\0\0\0\3", 8), 0);
    (void)asn1_delete_structure(&node);
    (void)asn1_delete_structure(&module);
    attrs_release(&a);
    buf_release(&out);
}
END_TEST

static const struct {
    const char *what, *hex;
} bad_lists[] = {
    {"empty", ""},
    {"no sequence", "0400"},
    {"bytes behind", "300000"},
    {"cut", "3001"},
    {"length not shortest", "308100"},
    {"indefinite length", "30800000"},
    {"unsorted", "300e30050201030400"
                 "30050201020400"},
    {"twice", "300e30050201030400"
              "30050201030400"},
    {"negative type", "300730050201ff0400"},
    {"type not shortest", "3008300602020003"
                          "0400"},
    {"type empty", "3006300402000400"},
    {"value missing", "30053003020103"},
    {"value of another tag", "300730050201030300"},
    {"more in an attribute", "30093007020103"
                             "04000500"},
    {"class of 1 byte", "30083006020100"
                        "040103"},
    {"type over 64 bits", "3010300e020a00ffffffffffffffffff0400"},
};

START_TEST(a_list_that_is_not_strict_der_is_refused)
{
    struct attrs got = ATTRS_INIT;
    uint8_t raw[64];
    size_t len = strlen(bad_lists[_i].hex) / 2;

    ck_assert_msg(bytes_from_hex(bad_lists[_i].hex, raw, len), "%s", bad_lists[_i].what);
    if (der_decode_attrs(BYTES(raw, len), &got) != CKR_DEVICE_ERROR)
        ck_abort_msg("%s was taken", bad_lists[_i].what);
    ck_assert_uint_eq(got.count, 0);
}
END_TEST

START_TEST(a_list_that_is_strict_der_is_taken)
{
    struct attrs got = ATTRS_INIT;
    uint8_t raw[64];

    ck_assert(bytes_from_hex("300e3005020102040030050201030400", raw, 16));
    assert_ok(der_decode_attrs(BYTES(raw, 16), &got));
    ck_assert_uint_eq(got.count, 2);
    attrs_release(&got);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(a_record_round_trips, 9),
        CASE(values_outside_their_rows_limits_are_refused),
        CASE(a_record_cut_or_with_bytes_behind_it_is_refused),
        CASE(an_optional_member_is_there_or_not),
        CASE(an_optional_member_that_is_empty_is_refused),
        CASE(a_record_from_before_the_optional_member_is_read),
        CASE(of_two_optional_numbers_each_is_its_own),
        CASE(an_optional_number_is_there_where_it_is_not_nought),
        CASE(no_changed_byte_reads_out_of_bounds),
        CASE(attributes_round_trip),
        CASE(attributes_are_what_the_module_says),
        CASE_LOOP(a_list_that_is_not_strict_der_is_refused, 16),
        CASE(a_list_that_is_strict_der_is_taken),
    };

    return suite_run("vault/der", cases, sizeof(cases) / sizeof(*cases));
}
