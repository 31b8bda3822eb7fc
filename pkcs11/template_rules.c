/*
 * The attribute rules as a table: see template.h. Read it beside the attribute tables of PKCS#11
 * 2.40 base, sections 4.4 (storage objects) to 4.11 (secret keys), and 2.1, 2.3, 2.7, 2.8 of the
 * current mechanisms; 3.0 for the key types that came with it.
 *
 * Stricter than the standard, on purpose: certificates keep the fields their DER says
 * (no footnote 8), and usage flags can be taken away but not given after birth.
 */
#include "pkcs11/template.h"

#define SET_BY_TOKEN (NOTE_2 | NOTE_4 | NOTE_6)
/* comes in with C_CreateObject only, must or may */
#define GIVEN    (NOTE_1 | NOTE_4 | NOTE_6)
#define ACCEPTED (NOTE_4 | NOTE_6)
#define HIDDEN   (NOTE_4 | NOTE_6 | NOTE_7)
#define USAGE    (NOTE_12 | RULE_USAGE)

#define OPEN   ((unsigned)KIND_CERTIFICATE | KINDS_PUBLIC)
#define CLOSED ((unsigned)KIND_DATA | KINDS_SECURED)
#define X509   KIND_CERTIFICATE
#define PAIRS  (KINDS_PUBLIC | KINDS_PRIVATE)

#define RSA_PUB  KIND_RSA_PUBLIC
#define RSA_PRIV KIND_RSA_PRIVATE
#define ECX_PUB                                                                                    \
    ((unsigned)KIND_EC_PUBLIC | (unsigned)KIND_EDWARDS_PUBLIC | (unsigned)KIND_MONTGOMERY_PUBLIC)
#define ECX_PRIV                                                                                   \
    ((unsigned)KIND_EC_PRIVATE | (unsigned)KIND_EDWARDS_PRIVATE | (unsigned)KIND_MONTGOMERY_PRIVATE)
#define KEM_PUB  ((unsigned)KIND_KEM_PUBLIC)
#define KEM_PRIV ((unsigned)KIND_KEM_PRIVATE)
/* keys that have a parameter set where others have a curve */
#define SET_PUB  (KEM_PUB | (unsigned)KIND_PQ_PUBLIC)
#define SET_PRIV (KEM_PRIV | (unsigned)KIND_PQ_PRIVATE)
/* secret keys that encrypt, secret keys that make MACs */
#define CIPHERS ((unsigned)KIND_AES | (unsigned)KIND_CHACHA20 | (unsigned)KIND_DES)
#define MACS    ((unsigned)KIND_GENERIC | (unsigned)KIND_MAC)
#define SIGNERS                                                                                    \
    ((unsigned)KIND_EC_PUBLIC | (unsigned)KIND_EDWARDS_PUBLIC | (unsigned)KIND_EC_PRIVATE |        \
     (unsigned)KIND_EDWARDS_PRIVATE | (unsigned)KIND_PQ_PUBLIC | (unsigned)KIND_PQ_PRIVATE |       \
     KINDS_RSA)

#define RULE(type_, kinds_, notes_, default_)                                                      \
    {                                                                                              \
        .type = CKA_##type_, .kinds = (kinds_), .notes = (notes_), .fallback = DEFAULT_##default_  \
    }

/* clang-format off */
static const struct attr_rule rules[] = {
    /* 4.4 storage objects */
    RULE(CLASS,                       KINDS_ALL,        NOTE_1,           ABSENT),
    RULE(TOKEN,                       KINDS_ALL,        RULE_COPY,        FALSE),
    RULE(PRIVATE,                     CLOSED,           RULE_COPY_TRUE,   TRUE),
    RULE(PRIVATE,                     OPEN,             RULE_COPY_TRUE,   FALSE),
    RULE(MODIFIABLE,                  KINDS_ALL,        RULE_COPY_FALSE,  TRUE),
    RULE(COPYABLE,                    KINDS_ALL,        NOTE_12,          TRUE),
    RULE(DESTROYABLE,                 KINDS_ALL,        RULE_COPY_FALSE,  TRUE),
    RULE(LABEL,                       KINDS_ALL,        NOTE_8,           EMPTY),
    RULE(UNIQUE_ID,                   KINDS_ALL,        SET_BY_TOKEN,     ABSENT),

    /* what a vault adds: views of the object, not attributes it carries */
    RULE(KEYWARD_PROTECTION,          KINDS_SECURED,    0,                ABSENT),
    RULE(KEYWARD_PROTECTION,          OPEN | KIND_DATA, SET_BY_TOKEN,     ABSENT),
    RULE(KEYWARD_VERSION,             KINDS_ALL,        SET_BY_TOKEN,     ABSENT),
    RULE(KEYWARD_STATE,               KINDS_ALL,        SET_BY_TOKEN,     ABSENT),

    /* 4.5 data */
    RULE(APPLICATION,                 KIND_DATA,        0,                EMPTY),
    RULE(OBJECT_ID,                   KIND_DATA,        0,                EMPTY),
    RULE(VALUE,                       KIND_DATA,        0,                EMPTY),

    /* 4.6 certificates; absent fields are filled from the DER */
    RULE(VALUE,                       X509,             NOTE_1,           ABSENT),
    RULE(CERTIFICATE_TYPE,            X509,             0,                ZERO),
    RULE(TRUSTED,                     X509,             NOTE_10,          FALSE),
    RULE(CERTIFICATE_CATEGORY,        X509,             0,                ZERO),
    RULE(CHECK_VALUE,                 X509,             0,                ABSENT),
    RULE(ISSUER,                      X509,             0,                ABSENT),
    RULE(SERIAL_NUMBER,               X509,             0,                ABSENT),
    RULE(SUBJECT,                     X509,             0,                ABSENT),
    RULE(START_DATE,                  X509,             0,                ABSENT),
    RULE(END_DATE,                    X509,             0,                ABSENT),
    RULE(URL,                         X509,             0,                EMPTY),
    RULE(HASH_OF_SUBJECT_PUBLIC_KEY,  X509,             0,                EMPTY),
    RULE(HASH_OF_ISSUER_PUBLIC_KEY,   X509,             0,                EMPTY),
    RULE(JAVA_MIDP_SECURITY_DOMAIN,   X509,             0,                ZERO),
    RULE(NAME_HASH_ALGORITHM,         X509,             0,                ABSENT),
    RULE(PUBLIC_KEY_INFO,             X509,             0,                ABSENT),
    RULE(ID,                          X509,             NOTE_8,           EMPTY),

    /* 4.7 keys */
    RULE(KEY_TYPE,                    KINDS_KEY,        NOTE_1 | NOTE_5,  ABSENT),
    RULE(ID,                          KINDS_KEY,        NOTE_8,           EMPTY),
    RULE(START_DATE,                  KINDS_KEY,        NOTE_8,           EMPTY),
    RULE(END_DATE,                    KINDS_KEY,        NOTE_8,           EMPTY),
    RULE(LOCAL,                       KINDS_KEY,        SET_BY_TOKEN,     ABSENT),
    RULE(KEY_GEN_MECHANISM,           KINDS_KEY,        SET_BY_TOKEN,     ABSENT),
    RULE(ALLOWED_MECHANISMS,          KINDS_KEY,        0,                ABSENT),
    RULE(SUBJECT,                     PAIRS,            NOTE_8,           EMPTY),
    RULE(PUBLIC_KEY_INFO,             KINDS_PUBLIC,     SET_BY_TOKEN,     ABSENT),
    RULE(PUBLIC_KEY_INFO,             KINDS_PRIVATE,    ACCEPTED,         ABSENT),

    /* usage */
    RULE(ENCRYPT,                     RSA_PUB,          USAGE,            USAGE),
    RULE(ENCRYPT,                     KINDS_PUBLIC & ~KINDS_RSA,          USAGE,            FALSE),
    RULE(DECRYPT,                     RSA_PRIV,         USAGE,            USAGE),
    RULE(DECRYPT,                     KINDS_PRIVATE & ~KINDS_RSA,         USAGE,            FALSE),
    RULE(VERIFY,                      KINDS_PUBLIC & SIGNERS,   USAGE,    USAGE),
    RULE(VERIFY,                      KINDS_PUBLIC & ~SIGNERS,  USAGE,    FALSE),
    RULE(SIGN,                        KINDS_PRIVATE & SIGNERS,  USAGE,    USAGE),
    RULE(SIGN,                        KINDS_PRIVATE & ~SIGNERS, USAGE,    FALSE),
    RULE(VERIFY_RECOVER,              KINDS_PUBLIC,     USAGE,            FALSE),
    RULE(SIGN_RECOVER,                KINDS_PRIVATE,    USAGE,            FALSE),
    RULE(WRAP,                        KINDS_PUBLIC,     USAGE,            FALSE),
    RULE(ENCAPSULATE,                 KINDS_PUBLIC & ~KEM_PUB,   USAGE,   FALSE),
    RULE(ENCAPSULATE,                 KEM_PUB,          USAGE,            USAGE),
    RULE(DECAPSULATE,                 KINDS_PRIVATE & ~KEM_PRIV, USAGE,   FALSE),
    RULE(DECAPSULATE,                 KEM_PRIV,         USAGE,            USAGE),
    RULE(UNWRAP,                      KINDS_PRIVATE,    USAGE,            FALSE),
    /* agreement: all that Montgomery keys are for, and what SunPKCS11 expects of an EC key it asked
       for without a word */
    RULE(DERIVE,                      ECX_PUB & ~(unsigned)KIND_EDWARDS_PUBLIC,   USAGE, USAGE),
    RULE(DERIVE,                      ECX_PRIV & ~(unsigned)KIND_EDWARDS_PRIVATE, USAGE, USAGE),
    RULE(DERIVE,                      KINDS_EDWARDS | KINDS_RSA | SET_PUB | SET_PRIV, USAGE, FALSE),
    RULE(ENCRYPT,                     CIPHERS,          USAGE,            USAGE),
    RULE(DECRYPT,                     CIPHERS,          USAGE,            USAGE),
    RULE(SIGN,                        CIPHERS,          USAGE,            FALSE),
    RULE(VERIFY,                      CIPHERS,          USAGE,            FALSE),
    RULE(ENCRYPT,                     KINDS_SECRET & ~CIPHERS, USAGE,     FALSE),
    RULE(DECRYPT,                     KINDS_SECRET & ~CIPHERS, USAGE,     FALSE),
    /* MACs are all such a key can do, and pkcs11-tool asks for one naming ciphers only */
    RULE(SIGN,                        MACS,             USAGE,            TRUE),
    RULE(VERIFY,                      MACS,             USAGE,            TRUE),
    RULE(SIGN,                        KIND_HKDF,        USAGE,            FALSE),
    RULE(VERIFY,                      KIND_HKDF,        USAGE,            FALSE),
    RULE(DERIVE,                      KIND_HKDF,        USAGE,            USAGE),
    RULE(DERIVE,                      KINDS_SECRET & ~(unsigned)KIND_HKDF, USAGE, FALSE),
    RULE(WRAP,                        KINDS_SECRET,     USAGE,            FALSE),
    RULE(UNWRAP,                      KINDS_SECRET,     USAGE,            FALSE),

    /* 4.8 public keys, 4.9 private keys, 4.10 secret keys */
    RULE(TRUSTED,                     KINDS_PUBLIC | KINDS_SECRET, NOTE_10, FALSE),
    RULE(WRAP_TEMPLATE,               KINDS_PUBLIC | KINDS_SECRET, 0,     ABSENT),
    RULE(ENCAPSULATE_TEMPLATE,        KINDS_PUBLIC,     0,                ABSENT),
    RULE(DECAPSULATE_TEMPLATE,        KINDS_PRIVATE,    0,                ABSENT),
    RULE(UNWRAP_TEMPLATE,             KINDS_SECURED,    0,                ABSENT),
    RULE(DERIVE_TEMPLATE,             KINDS_SECURED,    0,                ABSENT),
    RULE(SENSITIVE,                   KINDS_SECURED,    NOTE_11,          TRUE),
    RULE(EXTRACTABLE,                 KINDS_SECURED,    NOTE_12,          FALSE),
    RULE(ALWAYS_SENSITIVE,            KINDS_SECURED,    SET_BY_TOKEN,     ABSENT),
    RULE(NEVER_EXTRACTABLE,           KINDS_SECURED,    SET_BY_TOKEN,     ABSENT),
    RULE(WRAP_WITH_TRUSTED,           KINDS_SECURED,    NOTE_11,          FALSE),
    RULE(ALWAYS_AUTHENTICATE,         KINDS_PRIVATE,    0,                FALSE),
    RULE(CHECK_VALUE,                 KINDS_SECRET,     NOTE_4,           ABSENT),
    RULE(VALUE,                       KINDS_SECRET,     HIDDEN | NOTE_1,  ABSENT),
    /* where there is more than one */
    RULE(VALUE_LEN,                   KINDS_SECRET & ~(unsigned)KIND_DES & ~(unsigned)KIND_CHACHA20, NOTE_2 | NOTE_3, ABSENT),
    RULE(VALUE_LEN,                   KIND_CHACHA20,    NOTE_2,           ABSENT),

    /* RSA. The public exponent of a private key is optional in the standard; a key without it
       could not be checked. */
    RULE(MODULUS,                     RSA_PUB,          NOTE_1 | NOTE_4,  ABSENT),
    RULE(MODULUS_BITS,                RSA_PUB,          NOTE_2 | NOTE_3,  ABSENT),
    RULE(PUBLIC_EXPONENT,             RSA_PUB,          NOTE_1,           ABSENT),
    RULE(MODULUS,                     RSA_PRIV,         GIVEN,            ABSENT),
    RULE(MODULUS_BITS,                RSA_PRIV,         SET_BY_TOKEN,     ABSENT),
    RULE(PUBLIC_EXPONENT,             RSA_PRIV,         GIVEN,            ABSENT),
    RULE(PRIVATE_EXPONENT,            RSA_PRIV,         HIDDEN | NOTE_1,  ABSENT),
    RULE(PRIME_1,                     RSA_PRIV,         HIDDEN,           ABSENT),
    RULE(PRIME_2,                     RSA_PRIV,         HIDDEN,           ABSENT),
    RULE(EXPONENT_1,                  RSA_PRIV,         HIDDEN,           ABSENT),
    RULE(EXPONENT_2,                  RSA_PRIV,         HIDDEN,           ABSENT),
    RULE(COEFFICIENT,                 RSA_PRIV,         HIDDEN,           ABSENT),

    /* EC, Edwards, Montgomery. The point of a private key is ours: the standard has none there. */
    RULE(EC_PARAMS,                   ECX_PUB,          NOTE_1 | NOTE_3,  ABSENT),
    RULE(EC_POINT,                    ECX_PUB,          NOTE_1 | NOTE_4,  ABSENT),
    RULE(EC_PARAMS,                   ECX_PRIV,         GIVEN,            ABSENT),
    RULE(EC_POINT,                    ECX_PRIV,         SET_BY_TOKEN,     ABSENT),
    RULE(VALUE,                       ECX_PRIV,         HIDDEN | NOTE_1,  ABSENT),

    /* ML-KEM, ML-DSA, SLH-DSA (3.2, 6.67 to 6.69) */
    RULE(PARAMETER_SET,               SET_PUB,          NOTE_1 | NOTE_3,  ABSENT),
    RULE(VALUE,                       SET_PUB,          NOTE_1 | NOTE_4,  ABSENT),
    RULE(PARAMETER_SET,               SET_PRIV,         GIVEN,            ABSENT),
    /* At least one of the two: the standard says so beside its footnotes. */
    RULE(VALUE,                       SET_PRIV,         HIDDEN,           ABSENT),
    RULE(SEED,                        SET_PRIV,         HIDDEN,           ABSENT),
};

static const struct {
    CK_OBJECT_CLASS cls;
    CK_KEY_TYPE type;
    enum object_kind kind;
} kinds[] = {
    {CKO_PUBLIC_KEY,  CKK_RSA,             KIND_RSA_PUBLIC},
    {CKO_PUBLIC_KEY,  CKK_EC,              KIND_EC_PUBLIC},
    {CKO_PUBLIC_KEY,  CKK_EC_EDWARDS,      KIND_EDWARDS_PUBLIC},
    {CKO_PUBLIC_KEY,  CKK_EC_MONTGOMERY,   KIND_MONTGOMERY_PUBLIC},
    {CKO_PUBLIC_KEY,  CKK_ML_KEM,          KIND_KEM_PUBLIC},
    {CKO_PUBLIC_KEY,  CKK_ML_DSA,          KIND_PQ_PUBLIC},
    {CKO_PUBLIC_KEY,  CKK_SLH_DSA,         KIND_PQ_PUBLIC},
    {CKO_PRIVATE_KEY, CKK_RSA,             KIND_RSA_PRIVATE},
    {CKO_PRIVATE_KEY, CKK_EC,              KIND_EC_PRIVATE},
    {CKO_PRIVATE_KEY, CKK_EC_EDWARDS,      KIND_EDWARDS_PRIVATE},
    {CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY,   KIND_MONTGOMERY_PRIVATE},
    {CKO_PRIVATE_KEY, CKK_ML_KEM,          KIND_KEM_PRIVATE},
    {CKO_PRIVATE_KEY, CKK_ML_DSA,          KIND_PQ_PRIVATE},
    {CKO_PRIVATE_KEY, CKK_SLH_DSA,         KIND_PQ_PRIVATE},
    {CKO_SECRET_KEY,  CKK_AES,             KIND_AES},
    {CKO_SECRET_KEY,  CKK_AES_XTS,         KIND_AES},
    {CKO_SECRET_KEY,  CKK_CHACHA20,        KIND_CHACHA20},
    {CKO_SECRET_KEY,  CKK_DES,             KIND_DES},
    {CKO_SECRET_KEY,  CKK_DES3,            KIND_DES},
    {CKO_SECRET_KEY,  CKK_GENERIC_SECRET,  KIND_GENERIC},
    {CKO_SECRET_KEY,  CKK_HKDF,            KIND_HKDF},
    {CKO_SECRET_KEY,  CKK_MD5_HMAC,        KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA_1_HMAC,      KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA224_HMAC,     KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA256_HMAC,     KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA384_HMAC,     KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA512_HMAC,     KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA512_224_HMAC, KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA512_256_HMAC, KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA3_224_HMAC,   KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA3_256_HMAC,   KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA3_384_HMAC,   KIND_MAC},
    {CKO_SECRET_KEY,  CKK_SHA3_512_HMAC,   KIND_MAC},
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
