/*
 * Every attribute of PKCS#11 2.40, those of 3.0 and of our own that keyward shows, and what kind of
 * value each has: see names.h.
 */
#include "base/names.h"

/* The name is made from the constant, so a row cannot be called by another's name. */
#define ATTR(name_, kind_)                                                                         \
    {                                                                                              \
        .type = CKA_##name_, .name = "CKA_" #name_, .kind = ATTR_##kind_                           \
    }

/* clang-format off */
static const struct attr_name rows[] = {
    ATTR(CLASS, ULONG),
    ATTR(TOKEN, BOOL),
    ATTR(PRIVATE, BOOL),
    ATTR(LABEL, STRING),
    ATTR(UNIQUE_ID, STRING),
    ATTR(APPLICATION, STRING),
    ATTR(VALUE, BYTES),
    ATTR(OBJECT_ID, BYTES),
    ATTR(CERTIFICATE_TYPE, ULONG),
    ATTR(ISSUER, BYTES),
    ATTR(SERIAL_NUMBER, BYTES),
    ATTR(AC_ISSUER, BYTES),
    ATTR(OWNER, BYTES),
    ATTR(ATTR_TYPES, BYTES),
    ATTR(TRUSTED, BOOL),
    ATTR(CERTIFICATE_CATEGORY, ULONG),
    ATTR(JAVA_MIDP_SECURITY_DOMAIN, ULONG),
    ATTR(URL, STRING),
    ATTR(HASH_OF_SUBJECT_PUBLIC_KEY, BYTES),
    ATTR(HASH_OF_ISSUER_PUBLIC_KEY, BYTES),
    ATTR(NAME_HASH_ALGORITHM, ULONG),
    ATTR(CHECK_VALUE, BYTES),
    ATTR(KEY_TYPE, ULONG),
    ATTR(SUBJECT, BYTES),
    ATTR(ID, BYTES),
    ATTR(SENSITIVE, BOOL),
    ATTR(ENCRYPT, BOOL),
    ATTR(DECRYPT, BOOL),
    ATTR(WRAP, BOOL),
    ATTR(UNWRAP, BOOL),
    ATTR(SIGN, BOOL),
    ATTR(SIGN_RECOVER, BOOL),
    ATTR(VERIFY, BOOL),
    ATTR(VERIFY_RECOVER, BOOL),
    ATTR(DERIVE, BOOL),
    ATTR(START_DATE, DATE),
    ATTR(END_DATE, DATE),
    ATTR(MODULUS, BIG_INT),
    ATTR(MODULUS_BITS, ULONG),
    ATTR(PUBLIC_EXPONENT, BIG_INT),
    ATTR(PRIVATE_EXPONENT, BIG_INT),
    ATTR(PRIME_1, BIG_INT),
    ATTR(PRIME_2, BIG_INT),
    ATTR(EXPONENT_1, BIG_INT),
    ATTR(EXPONENT_2, BIG_INT),
    ATTR(COEFFICIENT, BIG_INT),
    ATTR(PUBLIC_KEY_INFO, BYTES),
    ATTR(PRIME, BIG_INT),
    ATTR(SUBPRIME, BIG_INT),
    ATTR(BASE, BIG_INT),
    ATTR(PRIME_BITS, ULONG),
    ATTR(SUB_PRIME_BITS, ULONG),
    ATTR(VALUE_BITS, ULONG),
    ATTR(VALUE_LEN, ULONG),
    ATTR(EXTRACTABLE, BOOL),
    ATTR(LOCAL, BOOL),
    ATTR(NEVER_EXTRACTABLE, BOOL),
    ATTR(ALWAYS_SENSITIVE, BOOL),
    ATTR(KEY_GEN_MECHANISM, ULONG),
    ATTR(MODIFIABLE, BOOL),
    ATTR(COPYABLE, BOOL),
    ATTR(DESTROYABLE, BOOL),
    ATTR(EC_PARAMS, BYTES),
    ATTR(EC_POINT, BYTES),
    ATTR(SECONDARY_AUTH, BOOL),
    ATTR(AUTH_PIN_FLAGS, ULONG),
    ATTR(ALWAYS_AUTHENTICATE, BOOL),
    ATTR(WRAP_WITH_TRUSTED, BOOL),
    ATTR(OTP_FORMAT, ULONG),
    ATTR(OTP_LENGTH, ULONG),
    ATTR(OTP_TIME_INTERVAL, ULONG),
    ATTR(OTP_USER_FRIENDLY_MODE, BOOL),
    ATTR(OTP_CHALLENGE_REQUIREMENT, ULONG),
    ATTR(OTP_TIME_REQUIREMENT, ULONG),
    ATTR(OTP_COUNTER_REQUIREMENT, ULONG),
    ATTR(OTP_PIN_REQUIREMENT, ULONG),
    ATTR(OTP_USER_IDENTIFIER, STRING),
    ATTR(OTP_SERVICE_IDENTIFIER, STRING),
    ATTR(OTP_SERVICE_LOGO, BYTES),
    ATTR(OTP_SERVICE_LOGO_TYPE, STRING),
    ATTR(OTP_COUNTER, BYTES),
    ATTR(OTP_TIME, STRING),
    ATTR(GOSTR3410_PARAMS, BYTES),
    ATTR(GOSTR3411_PARAMS, BYTES),
    ATTR(GOST28147_PARAMS, BYTES),
    ATTR(HW_FEATURE_TYPE, ULONG),
    ATTR(RESET_ON_INIT, BOOL),
    ATTR(HAS_RESET, BOOL),
    ATTR(PIXEL_X, ULONG),
    ATTR(PIXEL_Y, ULONG),
    ATTR(RESOLUTION, ULONG),
    ATTR(CHAR_ROWS, ULONG),
    ATTR(CHAR_COLUMNS, ULONG),
    ATTR(COLOR, BOOL),
    ATTR(BITS_PER_PIXEL, ULONG),
    ATTR(CHAR_SETS, STRING),
    ATTR(ENCODING_METHODS, STRING),
    ATTR(MIME_TYPES, STRING),
    ATTR(MECHANISM_TYPE, ULONG),
    ATTR(REQUIRED_CMS_ATTRIBUTES, BYTES),
    ATTR(DEFAULT_CMS_ATTRIBUTES, BYTES),
    ATTR(SUPPORTED_CMS_ATTRIBUTES, BYTES),
    ATTR(WRAP_TEMPLATE, TEMPLATE),
    ATTR(UNWRAP_TEMPLATE, TEMPLATE),
    ATTR(DERIVE_TEMPLATE, TEMPLATE),
    ATTR(ALLOWED_MECHANISMS, MECHANISMS),
    ATTR(KEYWARD_PROTECTION, STRING),
    ATTR(KEYWARD_VERSION, ULONG),
    ATTR(KEYWARD_STATE, STRING),
};
/* clang-format on */

size_t attr_name_count(void)
{
    return sizeof(rows) / sizeof(*rows);
}

const struct attr_name *attr_name_at(size_t i)
{
    return i < attr_name_count() ? &rows[i] : NULL;
}

const struct attr_name *attr_name_find(CK_ATTRIBUTE_TYPE type)
{
    size_t lo = 0;
    size_t hi = attr_name_count();

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (rows[mid].type == type)
            return &rows[mid];
        if (rows[mid].type < type)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
