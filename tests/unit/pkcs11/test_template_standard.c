/*
 * The attribute rules held against the attribute tables of the standard (PKCS#11 2.40 base, 4.4 to
 * 4.11, and current mechanisms, 2.1, 2.3, 2.7, 2.8), transcribed here by hand with their footnotes.
 * Ours may be stricter in what can be changed, never looser.
 */
#include "pkcs11/template.h"
#include "tests/support/suite.h"

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

#define PUB     KINDS_PUBLIC
#define PRIV    KINDS_PRIVATE
#define SECRET  KINDS_SECRET
#define CERT    ((unsigned)KIND_CERTIFICATE)
#define DATA    ((unsigned)KIND_DATA)
#define SETPUB  ((unsigned)KIND_KEM_PUBLIC | (unsigned)KIND_PQ_PUBLIC)
#define SETPRIV ((unsigned)KIND_KEM_PRIVATE | (unsigned)KIND_PQ_PRIVATE)
#define ECPUB   (PUB & ~(unsigned)KIND_RSA_PUBLIC & ~SETPUB)
#define ECPRIV  (PRIV & ~(unsigned)KIND_RSA_PRIVATE & ~SETPRIV)
#define CHANGE  (NOTE_8 | NOTE_10 | NOTE_11 | NOTE_12)

/* clang-format off */
static const struct {
    CK_ATTRIBUTE_TYPE type;
    unsigned kinds;
    unsigned given;   /* footnotes 1 to 7 */
    unsigned changed; /* footnotes 8 to 12 */
} standard[] = {
    {CKA_CLASS,               KINDS_ALL,             NOTE_1,                            0},
    {CKA_TOKEN,               KINDS_ALL,             0,                                 0},
    {CKA_PRIVATE,             KINDS_ALL,             0,                                 0},
    {CKA_MODIFIABLE,          KINDS_ALL,             0,                                 0},
    {CKA_LABEL,               KINDS_ALL,             0,                                 NOTE_8},
    {CKA_COPYABLE,            KINDS_ALL,             0,                                 NOTE_12},
    {CKA_DESTROYABLE,         KINDS_ALL,             0,                                 0},
    {CKA_UNIQUE_ID,           KINDS_ALL,             NOTE_2 | NOTE_4 | NOTE_6,          0},
    {CKA_APPLICATION,         DATA,                  0,                                 0},
    {CKA_OBJECT_ID,           DATA,                  0,                                 0},
    {CKA_VALUE,               DATA,                  0,                                 0},
    {CKA_CERTIFICATE_TYPE,    CERT,                  0,                                 0},
    {CKA_TRUSTED,             CERT,                  0,                                 NOTE_10},
    {CKA_SUBJECT,             CERT,                  0,                                 0},
    {CKA_ID,                  CERT,                  0,                                 NOTE_8},
    {CKA_ISSUER,              CERT,                  0,                                 NOTE_8},
    {CKA_SERIAL_NUMBER,       CERT,                  0,                                 NOTE_8},
    {CKA_VALUE,               CERT,                  NOTE_1,                            0},
    {CKA_KEY_TYPE,            KINDS_KEY,             NOTE_1 | NOTE_5,                   0},
    {CKA_ID,                  KINDS_KEY,             0,                                 NOTE_8},
    {CKA_START_DATE,          KINDS_KEY,             0,                                 NOTE_8},
    {CKA_END_DATE,            KINDS_KEY,             0,                                 NOTE_8},
    {CKA_DERIVE,              KINDS_KEY,             0,                                 NOTE_8},
    {CKA_LOCAL,               KINDS_KEY,             NOTE_2 | NOTE_4 | NOTE_6,          0},
    {CKA_KEY_GEN_MECHANISM,   KINDS_KEY,             NOTE_2 | NOTE_4 | NOTE_6,          0},
    {CKA_ALLOWED_MECHANISMS,  KINDS_KEY,             0,                                 0},
    {CKA_SUBJECT,             PUB | PRIV,            0,                                 NOTE_8},
    {CKA_ENCRYPT,             PUB | SECRET,          0,                                 NOTE_8},
    {CKA_DECRYPT,             PRIV | SECRET,         0,                                 NOTE_8},
    {CKA_VERIFY,              PUB | SECRET,          0,                                 NOTE_8},
    {CKA_VERIFY_RECOVER,      PUB,                   0,                                 NOTE_8},
    {CKA_SIGN,                PRIV | SECRET,         0,                                 NOTE_8},
    {CKA_SIGN_RECOVER,        PRIV,                  0,                                 NOTE_8},
    {CKA_WRAP,                PUB | SECRET,          0,                                 NOTE_8},
    {CKA_UNWRAP,              PRIV | SECRET,         0,                                 NOTE_8},
    {CKA_TRUSTED,             PUB | SECRET,          0,                                 NOTE_10},
    {CKA_WRAP_TEMPLATE,       PUB | SECRET,          0,                                 0},
    {CKA_UNWRAP_TEMPLATE,     PRIV | SECRET,         0,                                 0},
    {CKA_DERIVE_TEMPLATE,     PRIV | SECRET,         0,                                 0},
    {CKA_SENSITIVE,           PRIV | SECRET,         0,                                 NOTE_11},
    {CKA_EXTRACTABLE,         PRIV | SECRET,         0,                                 NOTE_12},
    {CKA_ALWAYS_SENSITIVE,    PRIV | SECRET,         NOTE_2 | NOTE_4 | NOTE_6,          0},
    {CKA_NEVER_EXTRACTABLE,   PRIV | SECRET,         NOTE_2 | NOTE_4 | NOTE_6,          0},
    {CKA_WRAP_WITH_TRUSTED,   PRIV | SECRET,         0,                                 NOTE_11},
    {CKA_ALWAYS_AUTHENTICATE, PRIV,                  0,                                 0},
    {CKA_MODULUS,             KIND_RSA_PUBLIC,       NOTE_1 | NOTE_4,                   0},
    {CKA_MODULUS_BITS,        KIND_RSA_PUBLIC,       NOTE_2 | NOTE_3,                   0},
    {CKA_PUBLIC_EXPONENT,     KIND_RSA_PUBLIC,       NOTE_1,                            0},
    {CKA_MODULUS,             KIND_RSA_PRIVATE,      NOTE_1 | NOTE_4 | NOTE_6,          0},
    {CKA_PRIVATE_EXPONENT,    KIND_RSA_PRIVATE,      NOTE_1 | NOTE_4 | NOTE_6 | NOTE_7, 0},
    {CKA_PRIME_1,             KIND_RSA_PRIVATE,      NOTE_4 | NOTE_6 | NOTE_7,          0},
    {CKA_PRIME_2,             KIND_RSA_PRIVATE,      NOTE_4 | NOTE_6 | NOTE_7,          0},
    {CKA_EXPONENT_1,          KIND_RSA_PRIVATE,      NOTE_4 | NOTE_6 | NOTE_7,          0},
    {CKA_EXPONENT_2,          KIND_RSA_PRIVATE,      NOTE_4 | NOTE_6 | NOTE_7,          0},
    {CKA_COEFFICIENT,         KIND_RSA_PRIVATE,      NOTE_4 | NOTE_6 | NOTE_7,          0},
    {CKA_EC_PARAMS,           ECPUB,                 NOTE_1 | NOTE_3,                   0},
    {CKA_EC_POINT,            ECPUB,                 NOTE_1 | NOTE_4,                   0},
    {CKA_EC_PARAMS,           ECPRIV,                NOTE_1 | NOTE_4 | NOTE_6,          0},
    {CKA_VALUE,               ECPRIV,                NOTE_1 | NOTE_4 | NOTE_6 | NOTE_7, 0},
    {CKA_ENCAPSULATE,         PUB,                   0,                                 NOTE_8},
    {CKA_DECAPSULATE,         PRIV,                  0,                                 NOTE_8},
    {CKA_ENCAPSULATE_TEMPLATE, PUB,                  0,                                 0},
    {CKA_DECAPSULATE_TEMPLATE, PRIV,                 0,                                 0},
    {CKA_PARAMETER_SET,       SETPUB,                NOTE_1 | NOTE_3,                   0},
    {CKA_VALUE,               SETPUB,                NOTE_1 | NOTE_4,                   0},
    {CKA_PARAMETER_SET,       SETPRIV,               NOTE_1 | NOTE_4 | NOTE_6,          0},
    /* NOTE_1 in the table, and below it: CKA_SEED alone will do */
    {CKA_VALUE,               SETPRIV,               NOTE_4 | NOTE_6 | NOTE_7,          0},
    {CKA_SEED,                SETPRIV,               NOTE_4 | NOTE_6 | NOTE_7,          0},
    {CKA_VALUE,               SECRET,                NOTE_1 | NOTE_4 | NOTE_6 | NOTE_7, 0},
    {CKA_VALUE_LEN,           SECRET & ~(unsigned)KIND_DES & ~(unsigned)KIND_CHACHA20, NOTE_2 | NOTE_3, 0},
    {CKA_VALUE_LEN,           KIND_CHACHA20,     NOTE_2,                               0},
};
/* clang-format on */

/* May this be changed where the standard does not let it, in a direction it does not? */
static bool is_looser(unsigned ours, unsigned theirs)
{
    if ((theirs & NOTE_8) != 0) /* any change: none of ours is more */
        return false;
    return (ours & CHANGE & ~theirs) != 0;
}

START_TEST(rules_have_the_footnotes_of_the_standard)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        enum object_kind kind = (enum object_kind)(1U << bit);
        const struct attr_rule *rule;

        if ((standard[_i].kinds & (1U << bit)) == 0)
            continue;
        rule = rule_find(standard[_i].type, kind);
        ck_assert_msg(rule != NULL, "row %d, kind %u", _i, bit);
        ck_assert_msg((rule->notes & (NOTE_1 | NOTE_2 | NOTE_3 | NOTE_4 | NOTE_5 | NOTE_6 |
                                      NOTE_7)) == standard[_i].given,
                      "row %d, kind %u: given", _i, bit);
        ck_assert_msg(!is_looser(rule->notes, standard[_i].changed), "row %d, kind %u: changed", _i,
                      bit);
    }
}
END_TEST

START_TEST(usage_flags_only_fall)
{
    unsigned seen = 0;

    for (size_t i = 0; i < rule_count(); i++) {
        if ((rule_at(i)->notes & RULE_USAGE) == 0)
            continue;
        seen++;
        ck_assert_uint_eq(rule_at(i)->notes & CHANGE, NOTE_12);
    }
    ck_assert_uint_gt(seen, 20);
}
END_TEST

START_TEST(no_right_over_the_key_itself_can_be_won_by_a_copy)
{
    for (size_t i = 0; i < rule_count(); i++) {
        const struct attr_rule *rule = rule_at(i);

        if ((rule->notes & RULE_COPY) != 0)
            ck_assert_uint_eq(rule->type, CKA_TOKEN);
        if ((rule->notes & RULE_COPY_TRUE) != 0)
            ck_assert_uint_eq(rule->type, CKA_PRIVATE);
    }
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(rules_have_the_footnotes_of_the_standard, COUNT(standard)),
        CASE(usage_flags_only_fall),
        CASE(no_right_over_the_key_itself_can_be_won_by_a_copy),
    };

    return suite_run("pkcs11/template_standard", cases, COUNT(cases));
}
