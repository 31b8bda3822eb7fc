/* Keys generated through the module: the default templates of real tools, what can be read back of
 * what they made, and every template that is refused. */
#include "tests/module/pkcs11/token.h"

#include <string.h>

static uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static uint8_t sect163k1[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x01};
static uint8_t f4[] = {1, 0, 1};
static uint8_t id[] = {7};
static CK_OBJECT_CLASS cls_public = CKO_PUBLIC_KEY, cls_private = CKO_PRIVATE_KEY,
                       cls_secret = CKO_SECRET_KEY;
static CK_KEY_TYPE type_rsa = CKK_RSA, type_ec = CKK_EC, type_aes = CKK_AES,
                   type_generic = CKK_GENERIC_SECRET;
static CK_ULONG bits = 2048, len32 = 32;
static CK_MECHANISM_TYPE pss = CKM_SHA256_RSA_PKCS_PSS;

#define NUMBER(type, n)   ATTR(type, &(n), sizeof(n))
#define BYTES_OF(type, b) ATTR(type, b, sizeof(b))

/* ---- default templates of real tools, as recorded from them ---- */

struct tool_pair {
    const char *tool;
    CK_MECHANISM_TYPE mechanism;
    CK_ATTRIBUTE public[16], private[16]; /* ended by type -1 */
};

#define END ATTR((CK_ATTRIBUTE_TYPE)-1, NULL, 0)

static struct tool_pair pairs[] = {
    {"pkcs11-tool rsa",
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     {NUMBER(CKA_CLASS, cls_public), YES(CKA_TOKEN), NUMBER(CKA_MODULUS_BITS, bits),
      BYTES_OF(CKA_PUBLIC_EXPONENT, f4), YES(CKA_VERIFY), YES(CKA_ENCRYPT),
      NUMBER(CKA_KEY_TYPE, type_rsa), BYTES_OF(CKA_ID, id), NO(CKA_PRIVATE), END},
     {NUMBER(CKA_CLASS, cls_private), YES(CKA_TOKEN), YES(CKA_PRIVATE), YES(CKA_SENSITIVE),
      YES(CKA_SIGN), YES(CKA_DECRYPT), NUMBER(CKA_KEY_TYPE, type_rsa), BYTES_OF(CKA_ID, id), END}},
    {"pkcs11-tool EC",
     CKM_EC_KEY_PAIR_GEN,
     {NUMBER(CKA_CLASS, cls_public), YES(CKA_TOKEN), YES(CKA_VERIFY), YES(CKA_DERIVE),
      BYTES_OF(CKA_EC_PARAMS, p256), NUMBER(CKA_KEY_TYPE, type_ec), NO(CKA_PRIVATE), END},
     {NUMBER(CKA_CLASS, cls_private), YES(CKA_TOKEN), YES(CKA_PRIVATE), YES(CKA_SENSITIVE),
      YES(CKA_SIGN), YES(CKA_DERIVE), NUMBER(CKA_KEY_TYPE, type_ec), END}},
    {"p11tool rsa",
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     {YES(CKA_TOKEN), NO(CKA_PRIVATE), BYTES_OF(CKA_ID, id), YES(CKA_ENCRYPT), YES(CKA_VERIFY),
      NUMBER(CKA_MODULUS_BITS, bits), BYTES_OF(CKA_PUBLIC_EXPONENT, f4), END},
     {BYTES_OF(CKA_ID, id), YES(CKA_DECRYPT), YES(CKA_SIGN), YES(CKA_PRIVATE), YES(CKA_TOKEN),
      YES(CKA_SENSITIVE), END}},
    {"NSS certutil",
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     {YES(CKA_TOKEN), NO(CKA_PRIVATE), NO(CKA_DERIVE), YES(CKA_WRAP), YES(CKA_VERIFY),
      YES(CKA_VERIFY_RECOVER), YES(CKA_ENCRYPT), NUMBER(CKA_MODULUS_BITS, bits),
      BYTES_OF(CKA_PUBLIC_EXPONENT, f4), END},
     {YES(CKA_TOKEN), YES(CKA_PRIVATE), YES(CKA_SENSITIVE), NO(CKA_DERIVE), YES(CKA_UNWRAP),
      YES(CKA_SIGN), YES(CKA_DECRYPT), END}},
    {"libp11",
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     {BYTES_OF(CKA_ID, id), YES(CKA_TOKEN), YES(CKA_ENCRYPT), YES(CKA_VERIFY), YES(CKA_WRAP),
      NUMBER(CKA_MODULUS_BITS, bits), BYTES_OF(CKA_PUBLIC_EXPONENT, f4), END},
     {BYTES_OF(CKA_ID, id), YES(CKA_TOKEN), YES(CKA_PRIVATE), YES(CKA_SENSITIVE), YES(CKA_DECRYPT),
      YES(CKA_SIGN), YES(CKA_UNWRAP), END}},
    {"pkcs11-provider, PSS only",
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     {NUMBER(CKA_CLASS, cls_public), NUMBER(CKA_KEY_TYPE, type_rsa), YES(CKA_TOKEN),
      YES(CKA_ENCRYPT), YES(CKA_VERIFY), YES(CKA_WRAP), NUMBER(CKA_MODULUS_BITS, bits),
      BYTES_OF(CKA_PUBLIC_EXPONENT, f4), NUMBER(CKA_ALLOWED_MECHANISMS, pss), END},
     {NUMBER(CKA_CLASS, cls_private), NUMBER(CKA_KEY_TYPE, type_rsa), YES(CKA_TOKEN),
      YES(CKA_PRIVATE), YES(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), YES(CKA_DECRYPT), YES(CKA_SIGN),
      YES(CKA_UNWRAP), NUMBER(CKA_ALLOWED_MECHANISMS, pss), END}},
    {"SunPKCS11 EC, session keys",
     CKM_EC_KEY_PAIR_GEN,
     {BYTES_OF(CKA_EC_PARAMS, p256), END},
     {END}},
};

static CK_ULONG count_of(const CK_ATTRIBUTE *list)
{
    CK_ULONG n = 0;

    while (list[n].type != (CK_ATTRIBUTE_TYPE)-1)
        n++;
    return n;
}

START_TEST(default_pair_template_of_a_tool_is_accepted)
{
    struct tool_pair *t = &pairs[_i];
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {t->mechanism, NULL, 0};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    CK_RV rv = p11->C_GenerateKeyPair(session, &mechanism, t->public, count_of(t->public),
                                      t->private, count_of(t->private), &public_key, &private_key);

    ck_assert_msg(rv == CKR_OK, "%s: 0x%lx", t->tool, rv);
    ck_assert_uint_ne(public_key, 0);
    ck_assert_uint_ne(private_key, 0);
    ck_assert_uint_ne(public_key, private_key);
    ck_assert_uint_eq(token_ulong(session, private_key, CKA_CLASS), CKO_PRIVATE_KEY);
    ck_assert_uint_eq(token_ulong(session, public_key, CKA_CLASS), CKO_PUBLIC_KEY);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* NSS and libp11 ask for everything by habit: the pair is for data then, and says so. */
START_TEST(pair_asked_for_data_and_keys_is_for_data)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;

    assert_ok(p11->C_GenerateKeyPair(
        session, &mechanism, LIST(NUMBER(CKA_MODULUS_BITS, bits), YES(CKA_ENCRYPT), YES(CKA_WRAP)),
        LIST(YES(CKA_DECRYPT), YES(CKA_UNWRAP)), &public_key, &private_key));
    ck_assert_uint_eq(token_bool(session, private_key, CKA_DECRYPT), CK_TRUE);
    ck_assert_uint_eq(token_bool(session, private_key, CKA_UNWRAP), CK_FALSE);
    ck_assert_uint_eq(token_bool(session, public_key, CKA_WRAP), CK_FALSE);
    assert_ok(p11->C_GenerateKeyPair(session, &mechanism,
                                     LIST(NUMBER(CKA_MODULUS_BITS, bits), YES(CKA_WRAP)),
                                     LIST(YES(CKA_UNWRAP)), &public_key, &private_key));
    ck_assert_uint_eq(token_bool(session, private_key, CKA_UNWRAP), CK_TRUE);
    ck_assert_uint_eq(token_bool(session, private_key, CKA_DECRYPT), CK_FALSE);
    ck_assert_uint_eq(token_bool(session, public_key, CKA_WRAP), CK_TRUE);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(secret_key_that_would_wrap_and_decrypt_is_not_made)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_rv(CKR_TEMPLATE_INCONSISTENT,
              p11->C_GenerateKey(
                  session, &mechanism,
                  LIST(NUMBER(CKA_VALUE_LEN, len32), YES(CKA_WRAP), YES(CKA_DECRYPT)), &key));
    assert_ok(p11->C_GenerateKey(session, &mechanism,
                                 LIST(NUMBER(CKA_VALUE_LEN, len32), YES(CKA_WRAP)), &key));
    assert_rv(CKR_ATTRIBUTE_READ_ONLY,
              p11->C_SetAttributeValue(session, key, LIST(YES(CKA_DECRYPT))));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* Without OpenSSL 3.5 there is nothing that makes one. */
START_TEST(key_of_lattices_is_made_where_it_is_offered_only)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {CKM_ML_DSA_KEY_PAIR_GEN, NULL, 0};
    CK_ULONG set = CKP_ML_DSA_44;
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    CK_MECHANISM_INFO info;
    CK_SESSION_INFO where;
    CK_RV rv;

    assert_ok(p11->C_GetSessionInfo(session, &where));
    rv = p11->C_GetMechanismInfo(where.slotID, CKM_ML_DSA_KEY_PAIR_GEN, &info);
    assert_rv(rv, p11->C_GenerateKeyPair(session, &mechanism, LIST(NUMBER(CKA_PARAMETER_SET, set)),
                                         LIST(TEXT(CKA_KEYWARD_PROTECTION, "software")),
                                         &public_key, &private_key));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(default_secret_key_templates_of_pkcs11_tool_are_accepted)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM aes = {CKM_AES_KEY_GEN, NULL, 0};
    CK_MECHANISM generic = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_ok(p11->C_GenerateKey(
        session, &aes,
        LIST(NUMBER(CKA_CLASS, cls_secret), YES(CKA_TOKEN), NUMBER(CKA_KEY_TYPE, type_aes),
             NO(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), NO(CKA_PRIVATE), YES(CKA_ENCRYPT),
             YES(CKA_DECRYPT), NUMBER(CKA_VALUE_LEN, len32), TEXT(CKA_LABEL, "tool-aes")),
        &key));
    ck_assert_uint_eq(token_bool(session, key, CKA_EXTRACTABLE), CK_FALSE);
    ck_assert_uint_eq(token_bool(session, key, CKA_NEVER_EXTRACTABLE), CK_TRUE);
    ck_assert_uint_eq(token_bool(session, key, CKA_ALWAYS_SENSITIVE), CK_FALSE);
    assert_ok(p11->C_GenerateKey(
        session, &generic,
        LIST(NUMBER(CKA_CLASS, cls_secret), YES(CKA_TOKEN), NUMBER(CKA_KEY_TYPE, type_generic),
             NO(CKA_SENSITIVE), NO(CKA_EXTRACTABLE), NO(CKA_PRIVATE), YES(CKA_ENCRYPT),
             YES(CKA_DECRYPT), NUMBER(CKA_VALUE_LEN, len32), TEXT(CKA_LABEL, "tool-generic")),
        &key));
    ck_assert_uint_eq(token_bool(session, key, CKA_SIGN), CK_TRUE);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- reading back ---- */

static const CK_ATTRIBUTE_TYPE of_rsa_private[] = {
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_MODIFIABLE,
    CKA_COPYABLE,
    CKA_DESTROYABLE,
    CKA_LABEL,
    CKA_ID,
    CKA_KEY_TYPE,
    CKA_START_DATE,
    CKA_END_DATE,
    CKA_DERIVE,
    CKA_LOCAL,
    CKA_SUBJECT,
    CKA_KEY_GEN_MECHANISM,
    CKA_SENSITIVE,
    CKA_DECRYPT,
    CKA_SIGN,
    CKA_SIGN_RECOVER,
    CKA_UNWRAP,
    CKA_EXTRACTABLE,
    CKA_MODULUS,
    CKA_ALWAYS_SENSITIVE,
    CKA_NEVER_EXTRACTABLE,
    CKA_MODULUS_BITS,
    CKA_PUBLIC_EXPONENT,
    CKA_WRAP_WITH_TRUSTED,
    CKA_ALWAYS_AUTHENTICATE,
    CKA_PUBLIC_KEY_INFO,
    CKA_UNIQUE_ID,
    CKA_KEYWARD_VERSION,
    CKA_KEYWARD_STATE,
    CKA_KEYWARD_PROTECTION,
};

START_TEST(every_common_attribute_of_a_key_is_read_back)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    uint8_t one[512], other[512];

    assert_ok(p11->C_GenerateKeyPair(session, &mechanism, LIST(NUMBER(CKA_MODULUS_BITS, bits)),
                                     LIST(YES(CKA_TOKEN), TEXT(CKA_LABEL, "back")), &public_key,
                                     &private_key));
    for (size_t i = 0; i < COUNT(of_rsa_private); i++) {
        CK_ATTRIBUTE attr = {of_rsa_private[i], one, sizeof(one)};

        ck_assert_msg(p11->C_GetAttributeValue(session, private_key, &attr, 1) == CKR_OK,
                      "attribute 0x%lx", of_rsa_private[i]);
    }
    ck_assert_uint_eq(token_bytes(session, private_key, CKA_MODULUS, one, sizeof(one)), 256);
    ck_assert_uint_eq(token_bytes(session, public_key, CKA_MODULUS, other, sizeof(other)), 256);
    ck_assert_mem_eq(one, other, 256);
    ck_assert_uint_eq(token_bool(session, private_key, CKA_LOCAL), CK_TRUE);
    ck_assert_uint_eq(token_bool(session, private_key, CKA_ALWAYS_SENSITIVE), CK_TRUE);
    ck_assert_uint_eq(token_ulong(session, private_key, CKA_KEY_GEN_MECHANISM),
                      CKM_RSA_PKCS_KEY_PAIR_GEN);
    ck_assert_uint_eq(token_bytes(session, private_key, CKA_UNIQUE_ID, one, sizeof(one)), 32);
    ck_assert_uint_eq(token_bytes(session, private_key, CKA_KEYWARD_PROTECTION, one, sizeof(one)),
                      3);
    ck_assert_mem_eq(one, "hsm", 3);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(ec_point_is_read_on_both_halves_in_its_octet_string)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE public_key = 0, private_key = 0;
    uint8_t one[128], other[128];

    token_ec(session, "point", false, &public_key, &private_key);
    ck_assert_uint_eq(token_bytes(session, public_key, CKA_EC_POINT, one, sizeof(one)), 67);
    ck_assert_uint_eq(token_bytes(session, private_key, CKA_EC_POINT, other, sizeof(other)), 67);
    ck_assert_mem_eq(one, other, 67);
    ck_assert_uint_eq(one[0], 4);
    ck_assert_uint_eq(one[1], 65);
    ck_assert_uint_eq(one[2], 4);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(private_parts_are_never_read)
{
    static const CK_ATTRIBUTE_TYPE hidden[] = {CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                               CKA_PRIME_2,          CKA_EXPONENT_1,
                                               CKA_EXPONENT_2,       CKA_COEFFICIENT};
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE public_key = 0, private_key = 0, aes = token_aes(session, "v", false);
    uint8_t out[64];
    CK_ATTRIBUTE value = {CKA_VALUE, out, sizeof(out)};

    assert_ok(p11->C_GenerateKeyPair(session, &mechanism, LIST(NUMBER(CKA_MODULUS_BITS, bits)),
                                     NULL, 0, &public_key, &private_key));
    for (size_t i = 0; i < COUNT(hidden); i++) {
        CK_ATTRIBUTE attr = {hidden[i], out, sizeof(out)};

        assert_rv(CKR_ATTRIBUTE_SENSITIVE,
                  p11->C_GetAttributeValue(session, private_key, &attr, 1));
        ck_assert_uint_eq(attr.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    }
    assert_rv(CKR_ATTRIBUTE_SENSITIVE, p11->C_GetAttributeValue(session, aes, &value, 1));
    ck_assert_uint_eq(value.ulValueLen, CK_UNAVAILABLE_INFORMATION);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(keys_of_one_name_are_its_versions)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_OBJECT_HANDLE first = token_aes(session, "counted", true);
    CK_OBJECT_HANDLE second = token_aes(session, "counted", true);
    CK_OBJECT_HANDLE other = token_aes(session, "counted2", true);
    CK_OBJECT_HANDLE third;

    ck_assert_uint_eq(token_ulong(session, first, CKA_KEYWARD_VERSION), 1);
    ck_assert_uint_eq(token_ulong(session, second, CKA_KEYWARD_VERSION), 2);
    ck_assert_uint_eq(token_ulong(session, other, CKA_KEYWARD_VERSION), 1);
    assert_ok(p11->C_DestroyObject(session, second));
    third = token_aes(session, "counted", true);
    ck_assert_uint_eq(token_ulong(session, third, CKA_KEYWARD_VERSION), 3);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

/* ---- refusals ---- */

struct refused {
    CK_RV want;
    CK_MECHANISM_TYPE mechanism;
    CK_ULONG count;
    CK_ATTRIBUTE template[4];
};

static CK_ULONG len15 = 15, len0 = 0, len_huge = (CK_ULONG)-1, wrong_type = CKK_RSA,
                wrong_class = CKO_DATA;
static char software[] = "software", hsm[] = "hsm";

#define LEN32 NUMBER(CKA_VALUE_LEN, len32)

static struct refused secrets[] = {
    {CKR_OK, CKM_AES_KEY_GEN, 1, {LEN32}},
    {CKR_OK, CKM_AES_KEY_GEN, 2, {LEN32, ATTR(CKA_KEYWARD_PROTECTION, hsm, 3)}},
    {CKR_OK, CKM_AES_KEY_GEN, 2, {LEN32, ATTR(CKA_KEYWARD_PROTECTION, software, 8)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     CKM_AES_KEY_GEN,
     2,
     {LEN32, ATTR(CKA_KEYWARD_PROTECTION, software, 7)}},
    {CKR_TEMPLATE_INCOMPLETE, CKM_AES_KEY_GEN, 1, {YES(CKA_ENCRYPT)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, CKM_AES_KEY_GEN, 1, {NUMBER(CKA_VALUE_LEN, len15)}},
    {CKR_OK, CKM_GENERIC_SECRET_KEY_GEN, 1, {NUMBER(CKA_VALUE_LEN, len15)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, CKM_GENERIC_SECRET_KEY_GEN, 1, {NUMBER(CKA_VALUE_LEN, len0)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, CKM_GENERIC_SECRET_KEY_GEN, 1, {NUMBER(CKA_VALUE_LEN, len_huge)}},
    {CKR_TEMPLATE_INCONSISTENT, CKM_AES_KEY_GEN, 2, {LEN32, NUMBER(CKA_KEY_TYPE, wrong_type)}},
    {CKR_TEMPLATE_INCONSISTENT, CKM_AES_KEY_GEN, 2, {LEN32, NUMBER(CKA_CLASS, wrong_class)}},
    {CKR_TEMPLATE_INCONSISTENT, CKM_AES_KEY_GEN, 2, {LEN32, LEN32}},
    {CKR_ATTRIBUTE_VALUE_INVALID, CKM_AES_KEY_GEN, 2, {LEN32, YES(CKA_EXTRACTABLE)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, CKM_AES_KEY_GEN, 2, {LEN32, NO(CKA_SENSITIVE)}},
    {CKR_ATTRIBUTE_READ_ONLY, CKM_AES_KEY_GEN, 2, {LEN32, ATTR(CKA_VALUE, f4, 3)}},
    {CKR_ATTRIBUTE_TYPE_INVALID, CKM_AES_KEY_GEN, 2, {LEN32, ATTR(CKA_MODULUS, f4, 3)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, CKM_AES_KEY_GEN, 2, {LEN32, ATTR(CKA_LABEL, NULL, 9)}},
    {CKR_ATTRIBUTE_VALUE_INVALID, CKM_AES_KEY_GEN, 2, {LEN32, ATTR(CKA_ID, f4, (CK_ULONG)-1)}},
    {CKR_MECHANISM_INVALID, CKM_RSA_PKCS_KEY_PAIR_GEN, 1, {LEN32}},
    {CKR_MECHANISM_INVALID, CKM_AES_GCM, 1, {LEN32}},
    {CKR_MECHANISM_INVALID, 0x12345678UL, 1, {LEN32}},
};

START_TEST(secret_key_templates_are_answered_by_the_standard)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {secrets[_i].mechanism, NULL, 0};
    CK_OBJECT_HANDLE key = 77;

    assert_rv(secrets[_i].want, p11->C_GenerateKey(session, &mechanism, secrets[_i].template,
                                                   secrets[_i].count, &key));
    if (secrets[_i].want != CKR_OK)
        ck_assert_uint_eq(key, 77);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

static CK_ULONG bits1024 = 1024, bits2049 = 2049, bits_huge = (CK_ULONG)-1;
static uint8_t three[] = {3}, even[] = {1, 0, 2};

#define BITS NUMBER(CKA_MODULUS_BITS, bits)

static struct refused public_halves[] = {
    {CKR_TEMPLATE_INCOMPLETE, CKM_RSA_PKCS_KEY_PAIR_GEN, 1, {BYTES_OF(CKA_PUBLIC_EXPONENT, f4)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     1,
     {NUMBER(CKA_MODULUS_BITS, bits1024)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     1,
     {NUMBER(CKA_MODULUS_BITS, bits2049)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     1,
     {NUMBER(CKA_MODULUS_BITS, bits_huge)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     2,
     {BITS, BYTES_OF(CKA_PUBLIC_EXPONENT, three)}},
    {CKR_ATTRIBUTE_VALUE_INVALID,
     CKM_RSA_PKCS_KEY_PAIR_GEN,
     2,
     {BITS, BYTES_OF(CKA_PUBLIC_EXPONENT, even)}},
    {CKR_TEMPLATE_INCOMPLETE, CKM_EC_KEY_PAIR_GEN, 1, {YES(CKA_VERIFY)}},
    {CKR_CURVE_NOT_SUPPORTED, CKM_EC_KEY_PAIR_GEN, 1, {BYTES_OF(CKA_EC_PARAMS, sect163k1)}},
    {CKR_CURVE_NOT_SUPPORTED, CKM_EC_KEY_PAIR_GEN, 1, {BYTES_OF(CKA_EC_PARAMS, f4)}},
    {CKR_MECHANISM_INVALID, CKM_AES_KEY_GEN, 1, {BITS}},
};

START_TEST(public_half_templates_are_answered_by_the_standard)
{
    const struct refused *r = &public_halves[_i];
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM mechanism = {r->mechanism, NULL, 0};
    CK_OBJECT_HANDLE keys[2] = {77, 77};

    assert_rv(r->want, p11->C_GenerateKeyPair(session, &mechanism, public_halves[_i].template,
                                              r->count, NULL, 0, &keys[0], &keys[1]));
    ck_assert_uint_eq(keys[0], 77);
    ck_assert_uint_eq(keys[1], 77);
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(null_pointers_are_refused)
{
    CK_SESSION_HANDLE session = token_alice();
    CK_MECHANISM aes = {CKM_AES_KEY_GEN, NULL, 0};
    CK_MECHANISM given = {CKM_AES_KEY_GEN, f4, sizeof(f4)};
    CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GenerateKey(session, NULL, LIST(LEN32), &key));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GenerateKey(session, &aes, LIST(LEN32), NULL));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GenerateKey(session, &aes, NULL, 1, &key));
    assert_rv(CKR_ARGUMENTS_BAD, p11->C_GenerateKey(session, &aes, NULL, (CK_ULONG)-1, &key));
    assert_rv(CKR_MECHANISM_PARAM_INVALID, p11->C_GenerateKey(session, &given, LIST(LEN32), &key));
    assert_rv(CKR_ARGUMENTS_BAD,
              p11->C_GenerateKeyPair(session, NULL, NULL, 0, NULL, 0, &key, &key));
    assert_rv(CKR_ARGUMENTS_BAD,
              p11->C_GenerateKeyPair(session, &ec, NULL, 0, NULL, 0, NULL, &key));
    assert_rv(CKR_ARGUMENTS_BAD,
              p11->C_GenerateKeyPair(session, &ec, NULL, 0, NULL, 0, &key, NULL));
    assert_rv(CKR_SESSION_HANDLE_INVALID, p11->C_GenerateKey(999, &aes, LIST(LEN32), &key));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

START_TEST(read_only_session_makes_session_keys_only)
{
    CK_SESSION_HANDLE session;
    CK_MECHANISM aes = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key = 0;

    token_start();
    session = token_open("web", false);
    token_login(session, ALICE_PIN);
    assert_rv(CKR_SESSION_READ_ONLY,
              p11->C_GenerateKey(session, &aes, LIST(LEN32, YES(CKA_TOKEN)), &key));
    assert_ok(p11->C_GenerateKey(session, &aes, LIST(LEN32), &key));
    assert_ok(p11->C_Finalize(NULL));
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(default_pair_template_of_a_tool_is_accepted, COUNT(pairs)),
        CASE(key_of_lattices_is_made_where_it_is_offered_only),
        CASE(pair_asked_for_data_and_keys_is_for_data),
        CASE(secret_key_that_would_wrap_and_decrypt_is_not_made),
        CASE(default_secret_key_templates_of_pkcs11_tool_are_accepted),
        CASE(every_common_attribute_of_a_key_is_read_back),
        CASE(ec_point_is_read_on_both_halves_in_its_octet_string),
        CASE(private_parts_are_never_read),
        CASE(keys_of_one_name_are_its_versions),
        CASE_LOOP(secret_key_templates_are_answered_by_the_standard, COUNT(secrets)),
        CASE_LOOP(public_half_templates_are_answered_by_the_standard, COUNT(public_halves)),
        CASE(null_pointers_are_refused),
        CASE(read_only_session_makes_session_keys_only),
    };

    return token_suite("pkcs11/keygen", cases, COUNT(cases));
}
