/* Objects brought in, read, changed and destroyed through the module. */
#include "tests/module/pkcs11/token.h"

#include <stdlib.h>
#include <string.h>

#include "tests/module/pkcs11/certificate.h"

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static CK_OBJECT_CLASS cls_public = CKO_PUBLIC_KEY, cls_private = CKO_PRIVATE_KEY,
                       cls_secret = CKO_SECRET_KEY, cls_certificate = CKO_CERTIFICATE,
                       cls_data = CKO_DATA, cls_profile = 9;
static CK_KEY_TYPE type_rsa = CKK_RSA, type_ec = CKK_EC, type_dsa = CKK_DSA, type_aes = CKK_AES;
static CK_CERTIFICATE_TYPE x509 = CKC_X_509, wtls = CKC_WTLS;

#define NUMBER(type, n)   ATTR(type, &(n), sizeof(n))
#define BYTES_OF(type, b) ATTR(type, b, sizeof(b))

static CK_OBJECT_HANDLE create(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
    CK_OBJECT_HANDLE object = 0;

    assert_ok(p11->C_CreateObject(session, template, count, &object));
    ck_assert_uint_ne(object, 0);
    return object;
}

/* ---- certificates ---- */

START_TEST(certificate_fields_are_filled_from_its_der)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object =
        create(session, LIST(NUMBER(CKA_CLASS, cls_certificate), YES(CKA_TOKEN),
                             NUMBER(CKA_CERTIFICATE_TYPE, x509), BYTES_OF(CKA_VALUE, certificate),
                             TEXT(CKA_LABEL, "cert")));
    uint8_t out[1024];

    ck_assert_uint_eq(token_bytes(session, object, CKA_VALUE, out, sizeof(out)),
                      sizeof(certificate));
    ck_assert_mem_eq(out, certificate, sizeof(certificate));
    ck_assert_uint_eq(token_bytes(session, object, CKA_SUBJECT, out, sizeof(out)),
                      sizeof(certificate_name));
    ck_assert_mem_eq(out, certificate_name, sizeof(certificate_name));
    ck_assert_uint_eq(token_bytes(session, object, CKA_ISSUER, out, sizeof(out)),
                      sizeof(certificate_name));
    ck_assert_uint_eq(token_bytes(session, object, CKA_SERIAL_NUMBER, out, sizeof(out)), 4);
    ck_assert_mem_eq(out, "\x02\x02\x12\x34", 4);
    ck_assert_uint_eq(token_bytes(session, object, CKA_START_DATE, out, sizeof(out)), 8);
    ck_assert_uint_eq(token_bytes(session, object, CKA_CHECK_VALUE, out, sizeof(out)), 3);
    ck_assert_uint_gt(token_bytes(session, object, CKA_PUBLIC_KEY_INFO, out, sizeof(out)), 80);
    ck_assert_uint_eq(token_bool(session, object, CKA_TRUSTED), CK_FALSE);
    ck_assert_uint_eq(token_bool(session, object, CKA_PRIVATE), CK_FALSE);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

static uint8_t serial_der[] = {2, 2, 0x12, 0x34}, serial_raw[] = {0x12, 0x34},
               serial_other[] = {0x12, 0x35};
static char mine[] = "mine", first_day[] = "20261124", next_day[] = "20261125";

static const struct {
    CK_RV want;
    CK_ATTRIBUTE attr;
} fields[] = {
    {CKR_OK, {CKA_SUBJECT, certificate_name, sizeof(certificate_name)}},
    {CKR_OK, {CKA_SUBJECT, NULL, 0}},
    {CKR_ATTRIBUTE_VALUE_INVALID, {CKA_SUBJECT, mine, 4}},
    {CKR_OK, {CKA_ISSUER, certificate_name, sizeof(certificate_name)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, {CKA_ISSUER, certificate_name, sizeof(certificate_name) - 1}},
    {CKR_OK, {CKA_SERIAL_NUMBER, serial_der, sizeof(serial_der)}},
    {CKR_OK, {CKA_SERIAL_NUMBER, serial_raw, sizeof(serial_raw)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, {CKA_SERIAL_NUMBER, serial_other, sizeof(serial_other)}},
    {CKR_OK, {CKA_START_DATE, first_day, 8}},
    {CKR_ATTRIBUTE_VALUE_INVALID, {CKA_START_DATE, next_day, 8}},
    {CKR_ATTRIBUTE_VALUE_INVALID, {CKA_END_DATE, next_day, 8}},
    {CKR_ATTRIBUTE_VALUE_INVALID, {CKA_PUBLIC_KEY_INFO, serial_der, sizeof(serial_der)}},
};

START_TEST(certificate_field_that_is_given_is_kept_and_must_be_true)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = 0;
    CK_ATTRIBUTE field = fields[_i].attr;
    uint8_t out[64];

    assert_rv(fields[_i].want, p11->C_CreateObject(session,
                                                   LIST(NUMBER(CKA_CLASS, cls_certificate),
                                                        BYTES_OF(CKA_VALUE, certificate), field),
                                                   &object));
    if (fields[_i].want == CKR_OK && field.ulValueLen > 0) {
        ck_assert_uint_eq(token_bytes(session, object, field.type, out, sizeof(out)),
                          field.ulValueLen);
        ck_assert_mem_eq(out, field.pValue, field.ulValueLen);
    }
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- public keys ---- */

START_TEST(public_key_that_was_generated_can_be_brought_in)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE made = 0, private_key = 0, object;
    uint8_t point[128], info[256], other[256];
    CK_ULONG point_len, info_len;

    token_ec(session, "again", false, &made, &private_key);
    point_len = token_bytes(session, made, CKA_EC_POINT, point, sizeof(point));
    info_len = token_bytes(session, made, CKA_PUBLIC_KEY_INFO, info, sizeof(info));
    object =
        create(session, LIST(NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_ec),
                             BYTES_OF(CKA_EC_PARAMS, p256), ATTR(CKA_EC_POINT, point, point_len)));
    ck_assert_uint_eq(token_bytes(session, object, CKA_PUBLIC_KEY_INFO, other, sizeof(other)),
                      info_len);
    ck_assert_mem_eq(info, other, info_len);
    ck_assert_uint_eq(token_bool(session, object, CKA_LOCAL), CK_FALSE);
    ck_assert_uint_eq(token_bool(session, object, CKA_VERIFY), CK_TRUE);
    ck_assert_uint_eq(token_ulong(session, object, CKA_KEY_GEN_MECHANISM),
                      CK_UNAVAILABLE_INFORMATION);
    /* a raw point is taken too, and shown in its octet string */
    object = create(session, LIST(NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_ec),
                                  BYTES_OF(CKA_EC_PARAMS, p256),
                                  ATTR(CKA_EC_POINT, point + 2, point_len - 2)));
    ck_assert_uint_eq(token_bytes(session, object, CKA_EC_POINT, other, sizeof(other)), point_len);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- data ---- */

START_TEST(data_of_ten_megabytes_is_kept_and_one_byte_more_is_not)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_ULONG len = 10UL << 20;
    uint8_t *big = malloc(len + 1);
    uint8_t *back = malloc(len);
    CK_OBJECT_HANDLE object = 0;

    memset(big, 0x5a, len + 1);
    big[len - 1] = 1;
    object = create(session, LIST(NUMBER(CKA_CLASS, cls_data), YES(CKA_TOKEN),
                                  TEXT(CKA_LABEL, "big"), ATTR(CKA_VALUE, big, len)));
    ck_assert_uint_eq(token_bytes(session, object, CKA_VALUE, back, len), len);
    ck_assert_int_eq(memcmp(big, back, len), 0);
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID,
              p11->C_CreateObject(session,
                                  LIST(NUMBER(CKA_CLASS, cls_data), ATTR(CKA_VALUE, big, len + 1)),
                                  &object));
    assert_ok(p11->C_DestroyObject(session, object));
    free(big);
    free(back);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- what may not come in ---- */

static CK_KEY_TYPE type_ml_dsa = CKK_ML_DSA;
static CK_ULONG set_44 = CKP_ML_DSA_44;

struct refused {
    CK_RV want;
    CK_ULONG count;
    CK_ATTRIBUTE template[6];
};

static uint8_t off_curve[65] = {4, 1, 2, 3};
static uint8_t garbage[] = {0x30, 0x03, 1, 2, 3};
static uint8_t short_modulus[64] = {0xff, [63] = 1};
static uint8_t f4[] = {1, 0, 1};

static struct refused refusals[] = {
    {CKR_TEMPLATE_INCOMPLETE, 1, {BYTES_OF(CKA_VALUE, certificate)}},
    {CKR_TEMPLATE_INCOMPLETE, 1, {NUMBER(CKA_CLASS, cls_certificate)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     2,
     {NUMBER(CKA_CLASS, cls_certificate), BYTES_OF(CKA_VALUE, garbage)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     3,
     {NUMBER(CKA_CLASS, cls_certificate), BYTES_OF(CKA_VALUE, certificate),
      NUMBER(CKA_CERTIFICATE_TYPE, wtls)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     3,
     {NUMBER(CKA_CLASS, cls_certificate), BYTES_OF(CKA_VALUE, certificate),
      BYTES_OF(CKA_CHECK_VALUE, f4)}},
    {CKR_USER_NOT_LOGGED_IN,
     3,
     {NUMBER(CKA_CLASS, cls_certificate), BYTES_OF(CKA_VALUE, certificate), YES(CKA_TRUSTED)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     3,
     {NUMBER(CKA_CLASS, cls_secret), NUMBER(CKA_KEY_TYPE, type_aes), BYTES_OF(CKA_VALUE, f4)}},
    {CKR_TEMPLATE_INCOMPLETE,
     3,
     {NUMBER(CKA_CLASS, cls_private), NUMBER(CKA_KEY_TYPE, type_ec), BYTES_OF(CKA_VALUE, f4)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, 1, {NUMBER(CKA_CLASS, cls_profile)}},
    {CKR_TEMPLATE_INCOMPLETE, 1, {NUMBER(CKA_CLASS, cls_public)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     2,
     {NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_dsa)}},
    {CKR_TEMPLATE_INCOMPLETE,
     3,
     {NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_ec), BYTES_OF(CKA_EC_PARAMS, p256)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     4,
     {NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_ec), BYTES_OF(CKA_EC_PARAMS, p256),
      BYTES_OF(CKA_EC_POINT, off_curve)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     4,
     {NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_rsa),
      BYTES_OF(CKA_MODULUS, short_modulus), BYTES_OF(CKA_PUBLIC_EXPONENT, f4)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     4,
     {NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_ml_dsa),
      NUMBER(CKA_PARAMETER_SET, set_44), BYTES_OF(CKA_VALUE, garbage)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     5,
     {NUMBER(CKA_CLASS, cls_private), NUMBER(CKA_KEY_TYPE, type_ml_dsa),
      NUMBER(CKA_PARAMETER_SET, set_44), BYTES_OF(CKA_VALUE, garbage),
      TEXT(CKA_KEYWARD_PROTECTION, "software")}},
    {CKR_ATTRIBUTE_READ_ONLY, 2, {NUMBER(CKA_CLASS, cls_data), TEXT(CKA_UNIQUE_ID, "mine")}},
    {CKR_ATTRIBUTE_TYPE_INVALID, 2, {NUMBER(CKA_CLASS, cls_data), YES(CKA_SIGN)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, 2, {NUMBER(CKA_CLASS, cls_data), ATTR(CKA_VALUE, NULL, 8)}},
    {CKR_OK, 1, {NUMBER(CKA_CLASS, cls_data)}},
};

START_TEST(templates_of_new_objects_are_answered_by_the_standard)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = 77;

    assert_rv(refusals[_i].want,
              p11->C_CreateObject(session, refusals[_i].template, refusals[_i].count, &object));
    if (refusals[_i].want != CKR_OK)
        ck_assert_uint_eq(object, 77);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(null_pointers_are_refused)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "n", false);
    CK_OBJECT_HANDLE handle = 0;

    assert_rv(CKR_ARGUMENTS_BAD, p11->C_CreateObject(session, NULL, 3, &handle));
    assert_rv(CKR_ARGUMENTS_BAD,
              p11->C_CreateObject(session, LIST(NUMBER(CKA_CLASS, cls_data)), NULL));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GetAttributeValue(session, object, NULL, 1));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GetAttributeValue(session, object, NULL, (CK_ULONG)-1));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_SetAttributeValue(session, object, NULL, 1));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GetObjectSize(session, object, NULL));
    assert_ok(p11->C_GetAttributeValue(session, object, NULL, 0));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(unknown_handles_are_refused)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_ULONG size;
    CK_ATTRIBUTE attr = {CKA_LABEL, NULL, 0};

    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(session, 0));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(session, 4711));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetObjectSize(session, (CK_ULONG)-1, &size));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(session, 4711, &attr, 1));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_SetAttributeValue(session, 4711, &attr, 1));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- reading ---- */

START_TEST(all_attributes_are_processed_whatever_happens_to_one)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "five", false);
    CK_ULONG type = 0, class_room = 0;
    uint8_t value[64], label[16], small[2];
    CK_ATTRIBUTE template[] = {
        {CKA_VALUE, value, sizeof(value)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_MODULUS, value, sizeof(value)},
        {CKA_LABEL, small, sizeof(small)},
        {CKA_LABEL, label, sizeof(label)},
        {CKA_CLASS, NULL, 0},
        {CKA_CLASS, &class_room, sizeof(class_room)},
    };

    assert_rv(CKR_ATTRIBUTE_SENSITIVE,
              p11->C_GetAttributeValue(session, object, template, COUNT(template)));
    ck_assert_uint_eq(template[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_uint_eq(type, CKK_AES);
    ck_assert_uint_eq(template[2].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_uint_eq(template[3].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    ck_assert_uint_eq(template[4].ulValueLen, 4);
    ck_assert_mem_eq(label, "five", 4);
    ck_assert_uint_eq(template[5].ulValueLen, sizeof(CK_ULONG));
    ck_assert_uint_eq(class_room, CKO_SECRET_KEY);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(short_buffer_and_absent_attribute_have_their_codes)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "five", false);
    uint8_t out[8];
    CK_ATTRIBUTE small = {CKA_LABEL, out, 2};
    CK_ATTRIBUTE absent = {CKA_MODULUS, out, sizeof(out)};
    CK_ATTRIBUTE unknown = {0x7ffffffeUL, out, sizeof(out)};
    CK_ATTRIBUTE length = {CKA_LABEL, NULL, 0};

    assert_rv(CKR_BUFFER_TOO_SMALL, p11->C_GetAttributeValue(session, object, &small, 1));
    ck_assert_uint_eq(small.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    assert_rv(CKR_ATTRIBUTE_TYPE_INVALID, p11->C_GetAttributeValue(session, object, &absent, 1));
    ck_assert_uint_eq(absent.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    assert_rv(CKR_ATTRIBUTE_TYPE_INVALID, p11->C_GetAttributeValue(session, object, &unknown, 1));
    assert_ok(p11->C_GetAttributeValue(session, object, &length, 1));
    ck_assert_uint_eq(length.ulValueLen, 4);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(size_of_an_object_is_told)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_ULONG size = 0;

    assert_ok(p11->C_GetObjectSize(session, token_aes(session, "s", false), &size));
    ck_assert_uint_gt(size, 20);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- changing ---- */

START_TEST(label_and_id_of_a_token_object_change_and_are_found_again)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "before", true);
    uint8_t id[] = {1, 2, 3}, out[16];

    assert_ok(p11->C_SetAttributeValue(session, object,
                                       LIST(TEXT(CKA_LABEL, "after"), BYTES_OF(CKA_ID, id))));
    ck_assert_uint_eq(token_one(session, "after", CKO_SECRET_KEY), object);
    ck_assert_uint_eq(token_bytes(session, object, CKA_ID, out, sizeof(out)), 3);
    ck_assert_uint_eq(token_find(session, LIST(TEXT(CKA_LABEL, "before")), &object, 1), 0);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(rights_fall_and_do_not_rise)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "falls", true);

    assert_ok(p11->C_SetAttributeValue(session, object, LIST(NO(CKA_ENCRYPT))));
    ck_assert_uint_eq(token_bool(session, object, CKA_ENCRYPT), CK_FALSE);
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              p11->C_SetAttributeValue(session, object, LIST(YES(CKA_ENCRYPT))));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              p11->C_SetAttributeValue(session, object, LIST(YES(CKA_EXTRACTABLE))));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(failed_change_changes_nothing)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "whole", true);

    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              p11->C_SetAttributeValue(session, object,
                                       LIST(TEXT(CKA_LABEL, "half"), YES(CKA_EXTRACTABLE))));
    ck_assert_uint_eq(token_one(session, "whole", CKO_SECRET_KEY), object);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(session_object_is_changed_in_its_session)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "mine", false);
    uint8_t out[16];

    assert_ok(p11->C_SetAttributeValue(session, object, LIST(TEXT(CKA_LABEL, "renamed"))));
    ck_assert_uint_eq(token_bytes(session, object, CKA_LABEL, out, sizeof(out)), 7);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(object_that_is_not_modifiable_is_not_changed)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object =
        create(session, LIST(NUMBER(CKA_CLASS, cls_data), NO(CKA_MODIFIABLE)));

    assert_rv(CKR_ACTION_PROHIBITED,
              p11->C_SetAttributeValue(session, object, LIST(TEXT(CKA_LABEL, "x"))));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(only_the_security_officer_calls_a_key_trusted)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "trust", true);

    assert_rv(CKR_USER_NOT_LOGGED_IN,
              p11->C_SetAttributeValue(session, object, LIST(YES(CKA_TRUSTED))));
    assert_ok(p11->C_SetAttributeValue(session, object, LIST(NO(CKA_TRUSTED))));
    ck_assert_uint_eq(token_bool(session, object, CKA_TRUSTED), CK_FALSE);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- templates in attributes ---- */

START_TEST(unwrap_template_is_kept_read_back_and_found)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE inner[] = {NUMBER(CKA_KEY_TYPE, type_aes), YES(CKA_SENSITIVE)};
    CK_ATTRIBUTE got[2] = {{0}};
    CK_ATTRIBUTE outer = {CKA_UNWRAP_TEMPLATE, NULL, 0};
    CK_OBJECT_HANDLE key = 0, found = 0;

    assert_ok(p11->C_GenerateKey(session, &mechanism,
                                 LIST(YES(CKA_TOKEN), ULONG(CKA_VALUE_LEN, 32), YES(CKA_UNWRAP),
                                      ATTR(CKA_UNWRAP_TEMPLATE, inner, sizeof(inner))),
                                 &key));
    assert_ok(p11->C_GetAttributeValue(session, key, &outer, 1));
    ck_assert_uint_eq(outer.ulValueLen, sizeof(inner));
    outer.pValue = got;
    assert_ok(p11->C_GetAttributeValue(session, key, &outer, 1));
    ck_assert_uint_eq(got[0].type, CKA_KEY_TYPE);
    ck_assert_uint_eq(got[1].type, CKA_SENSITIVE);
    ck_assert_uint_eq(got[1].ulValueLen, 1);
    ck_assert_uint_eq(
        token_find(session, LIST(ATTR(CKA_UNWRAP_TEMPLATE, inner, sizeof(inner))), &found, 1), 1);
    ck_assert_uint_eq(found, key);
    ck_assert_uint_eq(
        token_find(session, LIST(ATTR(CKA_UNWRAP_TEMPLATE, inner, sizeof(*inner))), &found, 1), 0);
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              p11->C_SetAttributeValue(session, key,
                                       LIST(ATTR(CKA_UNWRAP_TEMPLATE, inner, sizeof(inner)))));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- destroying ---- */

START_TEST(destroyed_object_is_gone_for_every_handle)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "gone", true);
    CK_OBJECT_HANDLE kept = token_aes(session, "kept", true);
    CK_ATTRIBUTE attr = {CKA_LABEL, NULL, 0};

    assert_ok(p11->C_DestroyObject(session, object));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_GetAttributeValue(session, object, &attr, 1));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(session, object));
    ck_assert_uint_eq(token_find(session, LIST(TEXT(CKA_LABEL, "gone")), &object, 1), 0);
    ck_assert_uint_eq(token_one(session, "kept", CKO_SECRET_KEY), kept);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(session_object_is_destroyed_at_once)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE object = token_aes(session, "brief", false);

    assert_ok(p11->C_DestroyObject(session, object));
    assert_rv(CKR_OBJECT_HANDLE_INVALID, p11->C_DestroyObject(session, object));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(object_that_is_not_destroyable_stays)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE on_token =
        create(session, LIST(NUMBER(CKA_CLASS, cls_data), NO(CKA_DESTROYABLE), YES(CKA_TOKEN)));
    CK_OBJECT_HANDLE in_session =
        create(session, LIST(NUMBER(CKA_CLASS, cls_data), NO(CKA_DESTROYABLE)));

    assert_rv(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(session, on_token));
    assert_rv(CKR_ACTION_PROHIBITED, p11->C_DestroyObject(session, in_session));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(read_only_session_changes_no_token_object)
{
    CK_SESSION_HANDLE writer = token_alice();
    CK_SESSION_HANDLE reader = token_open("web", false);
    CK_OBJECT_HANDLE object = token_aes(writer, "steady", true);
    CK_OBJECT_HANDLE handle = 0;

    assert_rv(CKR_SESSION_READ_ONLY, p11->C_DestroyObject(reader, object));
    assert_rv(CKR_SESSION_READ_ONLY,
              p11->C_SetAttributeValue(reader, object, LIST(TEXT(CKA_LABEL, "x"))));
    assert_rv(
        CKR_SESSION_READ_ONLY,
        p11->C_CreateObject(reader, LIST(NUMBER(CKA_CLASS, cls_data), YES(CKA_TOKEN)), &handle));
    assert_ok(p11->C_CreateObject(reader, LIST(NUMBER(CKA_CLASS, cls_data)), &handle));
    assert_ok(p11->C_DestroyObject(writer, object));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(certificate_fields_are_filled_from_its_der),
        CASE_LOOP(certificate_field_that_is_given_is_kept_and_must_be_true, COUNT(fields)),
        CASE(public_key_that_was_generated_can_be_brought_in),
        CASE(data_of_ten_megabytes_is_kept_and_one_byte_more_is_not),
        CASE_LOOP(templates_of_new_objects_are_answered_by_the_standard, COUNT(refusals)),
        CASE(null_pointers_are_refused),
        CASE(unknown_handles_are_refused),
        CASE(all_attributes_are_processed_whatever_happens_to_one),
        CASE(short_buffer_and_absent_attribute_have_their_codes),
        CASE(size_of_an_object_is_told),
        CASE(label_and_id_of_a_token_object_change_and_are_found_again),
        CASE(rights_fall_and_do_not_rise),
        CASE(failed_change_changes_nothing),
        CASE(session_object_is_changed_in_its_session),
        CASE(object_that_is_not_modifiable_is_not_changed),
        CASE(only_the_security_officer_calls_a_key_trusted),
        CASE(unwrap_template_is_kept_read_back_and_found),
        CASE(destroyed_object_is_gone_for_every_handle),
        CASE(session_object_is_destroyed_at_once),
        CASE(object_that_is_not_destroyable_stays),
        CASE(read_only_session_changes_no_token_object),
    };

    return token_suite("pkcs11/objects", cases, COUNT(cases));
}
