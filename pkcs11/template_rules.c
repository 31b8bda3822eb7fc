/*
 * The attribute rules as a table: see template.h. Read it beside the attribute tables of PKCS#11
 * 2.40 base, sections 4.4 (storage objects) to 4.11 (secret keys), and 2.1, 2.3, 2.7, 2.8 of the
 * current mechanisms.
 *
 * Stricter than the standard, on purpose: certificates keep the fields their DER says
 * (no footnote 8), and usage flags can be taken away but not given after birth.
 */
#include "pkcs11/template.h"

#define SET_BY_TOKEN (NOTE_2 | NOTE_4)
#define HIDDEN       (NOTE_2 | NOTE_4 | NOTE_7)
#define USAGE        NOTE_12

#define OPEN   ((unsigned)KIND_CERTIFICATE | KINDS_PUBLIC)
#define CLOSED ((unsigned)KIND_DATA | KINDS_HSM)
#define X509   KIND_CERTIFICATE
#define PAIRS  (KINDS_PUBLIC | KINDS_PRIVATE)

#define RULE(type_, kinds_, notes_, default_)                                                      \
    {                                                                                              \
        .type = CKA_##type_, .kinds = (kinds_), .notes = (notes_), .fallback = DEFAULT_##default_  \
    }

/* clang-format off */
static const struct attr_rule rules[] = {
    /* 4.4 storage objects */
    RULE(CLASS,                       KINDS_ALL,        NOTE_1,          ABSENT),
    RULE(TOKEN,                       KINDS_ALL,        0,               FALSE),
    RULE(PRIVATE,                     CLOSED,           0,               TRUE),
    RULE(PRIVATE,                     OPEN,             0,               FALSE),
    RULE(MODIFIABLE,                  KINDS_ALL,        0,               TRUE),
    RULE(COPYABLE,                    KINDS_ALL,        0,               TRUE),
    RULE(DESTROYABLE,                 KINDS_ALL,        0,               TRUE),
    RULE(LABEL,                       KINDS_ALL,        NOTE_8,          EMPTY),
    RULE(UNIQUE_ID,                   KINDS_ALL,        SET_BY_TOKEN,    ABSENT),

    /* what a vault adds: views of the object, not attributes it carries */
    RULE(KEYWARD_PROTECTION,          KINDS_HSM,        0,               ABSENT),
    RULE(KEYWARD_PROTECTION,          OPEN | KIND_DATA, SET_BY_TOKEN,    ABSENT),
    RULE(KEYWARD_VERSION,             KINDS_ALL,        SET_BY_TOKEN,    ABSENT),
    RULE(KEYWARD_STATE,               KINDS_ALL,        SET_BY_TOKEN,    ABSENT),

    /* 4.5 data */
    RULE(APPLICATION,                 KIND_DATA,        0,               EMPTY),
    RULE(OBJECT_ID,                   KIND_DATA,        0,               EMPTY),
    RULE(VALUE,                       KIND_DATA,        0,               EMPTY),

    /* 4.6 certificates; absent fields are filled from the DER */
    RULE(VALUE,                       X509,             NOTE_1,          ABSENT),
    RULE(CERTIFICATE_TYPE,            X509,             0,               ZERO),
    RULE(TRUSTED,                     X509,             RULE_ONLY_FALSE, FALSE),
    RULE(CERTIFICATE_CATEGORY,        X509,             0,               ZERO),
    RULE(CHECK_VALUE,                 X509,             0,               ABSENT),
    RULE(ISSUER,                      X509,             0,               ABSENT),
    RULE(SERIAL_NUMBER,               X509,             0,               ABSENT),
    RULE(SUBJECT,                     X509,             0,               ABSENT),
    RULE(START_DATE,                  X509,             0,               ABSENT),
    RULE(END_DATE,                    X509,             0,               ABSENT),
    RULE(URL,                         X509,             0,               EMPTY),
    RULE(HASH_OF_SUBJECT_PUBLIC_KEY,  X509,             0,               EMPTY),
    RULE(HASH_OF_ISSUER_PUBLIC_KEY,   X509,             0,               EMPTY),
    RULE(JAVA_MIDP_SECURITY_DOMAIN,   X509,             0,               ZERO),
    RULE(NAME_HASH_ALGORITHM,         X509,             0,               ABSENT),
    RULE(PUBLIC_KEY_INFO,             X509,             SET_BY_TOKEN,    ABSENT),
    RULE(ID,                          X509,             NOTE_8,          EMPTY),

    /* 4.7 keys */
    RULE(KEY_TYPE,                    KINDS_KEY,        NOTE_1,          ABSENT),
    RULE(ID,                          KINDS_KEY,        NOTE_8,          EMPTY),
    RULE(START_DATE,                  KINDS_KEY,        NOTE_8,          EMPTY),
    RULE(END_DATE,                    KINDS_KEY,        NOTE_8,          EMPTY),
    RULE(DERIVE,                      KINDS_KEY,        USAGE,           FALSE),
    RULE(LOCAL,                       KINDS_KEY,        SET_BY_TOKEN,    ABSENT),
    RULE(KEY_GEN_MECHANISM,           KINDS_KEY,        SET_BY_TOKEN,    ABSENT),
    RULE(ALLOWED_MECHANISMS,          KINDS_KEY,        0,               ABSENT),
    RULE(SUBJECT,                     PAIRS,            NOTE_8,          EMPTY),
    RULE(PUBLIC_KEY_INFO,             PAIRS,            SET_BY_TOKEN,    ABSENT),

    /* usage */
    RULE(ENCRYPT,                     KIND_RSA_PUBLIC,  USAGE,           USAGE),
    RULE(ENCRYPT,                     KIND_EC_PUBLIC,   USAGE,           FALSE),
    RULE(VERIFY,                      KINDS_PUBLIC,     USAGE,           USAGE),
    RULE(VERIFY_RECOVER,              KINDS_PUBLIC,     USAGE,           FALSE),
    RULE(WRAP,                        KINDS_PUBLIC,     USAGE,           FALSE),
    RULE(DECRYPT,                     KIND_RSA_PRIVATE, USAGE,           USAGE),
    RULE(DECRYPT,                     KIND_EC_PRIVATE,  USAGE,           FALSE),
    RULE(SIGN,                        KINDS_PRIVATE,    USAGE,           USAGE),
    RULE(SIGN_RECOVER,                KINDS_PRIVATE,    USAGE,           FALSE),
    RULE(UNWRAP,                      KINDS_PRIVATE,    USAGE,           FALSE),
    RULE(ENCRYPT,                     KIND_AES,         USAGE,           USAGE),
    RULE(DECRYPT,                     KIND_AES,         USAGE,           USAGE),
    RULE(SIGN,                        KIND_AES,         USAGE,           FALSE),
    RULE(VERIFY,                      KIND_AES,         USAGE,           FALSE),
    RULE(ENCRYPT,                     KIND_GENERIC,     USAGE,           FALSE),
    RULE(DECRYPT,                     KIND_GENERIC,     USAGE,           FALSE),
    /* MACs are all such a key can do, and pkcs11-tool asks for one naming ciphers only */
    RULE(SIGN,                        KIND_GENERIC,     USAGE,           TRUE),
    RULE(VERIFY,                      KIND_GENERIC,     USAGE,           TRUE),
    RULE(WRAP,                        KINDS_SECRET,     USAGE,           FALSE),
    RULE(UNWRAP,                      KINDS_SECRET,     USAGE,           FALSE),

    /* 4.8 public keys */
    RULE(TRUSTED,                     KINDS_PUBLIC,     RULE_ONLY_FALSE, FALSE),
    RULE(WRAP_TEMPLATE,               KINDS_PUBLIC,     RULE_REFUSED,    ABSENT),

    /* 4.9 private keys, 4.10 secret keys */
    RULE(SENSITIVE,                   KINDS_HSM,        NOTE_11,         TRUE),
    RULE(EXTRACTABLE,                 KINDS_HSM,        NOTE_12,         FALSE),
    RULE(ALWAYS_SENSITIVE,            KINDS_HSM,        SET_BY_TOKEN,    ABSENT),
    RULE(NEVER_EXTRACTABLE,           KINDS_HSM,        SET_BY_TOKEN,    ABSENT),
    RULE(WRAP_WITH_TRUSTED,           KINDS_HSM,        RULE_ONLY_FALSE, FALSE),
    RULE(ALWAYS_AUTHENTICATE,         KINDS_PRIVATE,    RULE_ONLY_FALSE, FALSE),
    RULE(UNWRAP_TEMPLATE,             KINDS_HSM,        RULE_REFUSED,    ABSENT),
    RULE(DERIVE_TEMPLATE,             KINDS_HSM,        RULE_REFUSED,    ABSENT),
    RULE(WRAP_TEMPLATE,               KINDS_SECRET,     RULE_REFUSED,    ABSENT),
    RULE(TRUSTED,                     KINDS_SECRET,     RULE_ONLY_FALSE, FALSE),
    RULE(CHECK_VALUE,                 KINDS_SECRET,     SET_BY_TOKEN,    ABSENT),
    RULE(VALUE,                       KINDS_SECRET,     HIDDEN,          ABSENT),
    RULE(VALUE_LEN,                   KINDS_SECRET,     NOTE_2 | NOTE_3, ABSENT),

    /* RSA */
    RULE(MODULUS,                     KIND_RSA_PUBLIC,  NOTE_1 | NOTE_4, ABSENT),
    RULE(MODULUS_BITS,                KIND_RSA_PUBLIC,  NOTE_2 | NOTE_3, ABSENT),
    RULE(PUBLIC_EXPONENT,             KIND_RSA_PUBLIC,  NOTE_1,          ABSENT),
    RULE(MODULUS,                     KIND_RSA_PRIVATE, SET_BY_TOKEN,    ABSENT),
    RULE(MODULUS_BITS,                KIND_RSA_PRIVATE, SET_BY_TOKEN,    ABSENT),
    RULE(PUBLIC_EXPONENT,             KIND_RSA_PRIVATE, SET_BY_TOKEN,    ABSENT),
    RULE(PRIVATE_EXPONENT,            KIND_RSA_PRIVATE, HIDDEN,          ABSENT),
    RULE(PRIME_1,                     KIND_RSA_PRIVATE, HIDDEN,          ABSENT),
    RULE(PRIME_2,                     KIND_RSA_PRIVATE, HIDDEN,          ABSENT),
    RULE(EXPONENT_1,                  KIND_RSA_PRIVATE, HIDDEN,          ABSENT),
    RULE(EXPONENT_2,                  KIND_RSA_PRIVATE, HIDDEN,          ABSENT),
    RULE(COEFFICIENT,                 KIND_RSA_PRIVATE, HIDDEN,          ABSENT),

    /* EC */
    RULE(EC_PARAMS,                   KIND_EC_PUBLIC,   NOTE_1 | NOTE_3, ABSENT),
    RULE(EC_POINT,                    KIND_EC_PUBLIC,   NOTE_1 | NOTE_4, ABSENT),
    RULE(EC_PARAMS,                   KIND_EC_PRIVATE,  SET_BY_TOKEN,    ABSENT),
    RULE(EC_POINT,                    KIND_EC_PRIVATE,  SET_BY_TOKEN,    ABSENT),
    RULE(VALUE,                       KIND_EC_PRIVATE,  HIDDEN,          ABSENT),
};

static const struct {
    CK_OBJECT_CLASS cls;
    CK_KEY_TYPE type;
    enum object_kind kind;
} kinds[] = {
    {CKO_PUBLIC_KEY,  CKK_RSA,            KIND_RSA_PUBLIC},
    {CKO_PUBLIC_KEY,  CKK_EC,             KIND_EC_PUBLIC},
    {CKO_PRIVATE_KEY, CKK_RSA,            KIND_RSA_PRIVATE},
    {CKO_PRIVATE_KEY, CKK_EC,             KIND_EC_PRIVATE},
    {CKO_SECRET_KEY,  CKK_AES,            KIND_AES},
    {CKO_SECRET_KEY,  CKK_GENERIC_SECRET, KIND_GENERIC},
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

size_t rule_count(void)
{
    return COUNT(rules);
}

const struct attr_rule *rule_at(size_t i)
{
    return i < COUNT(rules) ? &rules[i] : NULL;
}

const struct attr_rule *rule_find(CK_ATTRIBUTE_TYPE type, enum object_kind kind)
{
    for (size_t i = 0; i < COUNT(rules); i++)
        if (rules[i].type == type && (rules[i].kinds & (unsigned)kind) != 0)
            return &rules[i];
    return NULL;
}

enum object_kind kind_of(CK_OBJECT_CLASS cls, CK_KEY_TYPE key_type)
{
    if (cls == CKO_DATA)
        return KIND_DATA;
    if (cls == CKO_CERTIFICATE)
        return KIND_CERTIFICATE;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (kinds[i].cls == cls && kinds[i].type == key_type)
            return kinds[i].kind;
    return KIND_NONE;
}

enum object_kind kind_of_object(const struct object *object)
{
    return kind_of(object->cls,
                   attrs_ulong(&object->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION));
}
