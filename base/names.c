/*
 * The standard's names for return values, classes and key types: see names.h. Mechanisms are in
 * names_mech.c, attributes in names_attr.c.
 */
#include "base/names.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>

/* The name is made from the constant, so a row cannot be called by another's name. */
#define N(x)                                                                                       \
    {                                                                                              \
        .value = (x), .name = #x                                                                   \
    }

/* clang-format off */
static const struct named return_values[] = {
    N(CKR_OK),
    N(CKR_CANCEL),
    N(CKR_HOST_MEMORY),
    N(CKR_SLOT_ID_INVALID),
    N(CKR_GENERAL_ERROR),
    N(CKR_FUNCTION_FAILED),
    N(CKR_ARGUMENTS_BAD),
    N(CKR_NO_EVENT),
    N(CKR_NEED_TO_CREATE_THREADS),
    N(CKR_CANT_LOCK),
    N(CKR_ATTRIBUTE_READ_ONLY),
    N(CKR_ATTRIBUTE_SENSITIVE),
    N(CKR_ATTRIBUTE_TYPE_INVALID),
    N(CKR_ATTRIBUTE_VALUE_INVALID),
    N(CKR_ACTION_PROHIBITED),
    N(CKR_DATA_INVALID),
    N(CKR_DATA_LEN_RANGE),
    N(CKR_DEVICE_ERROR),
    N(CKR_DEVICE_MEMORY),
    N(CKR_DEVICE_REMOVED),
    N(CKR_ENCRYPTED_DATA_INVALID),
    N(CKR_ENCRYPTED_DATA_LEN_RANGE),
    N(CKR_AEAD_DECRYPT_FAILED),
    N(CKR_FUNCTION_CANCELED),
    N(CKR_FUNCTION_NOT_PARALLEL),
    N(CKR_FUNCTION_NOT_SUPPORTED),
    N(CKR_KEY_HANDLE_INVALID),
    N(CKR_KEY_SIZE_RANGE),
    N(CKR_KEY_TYPE_INCONSISTENT),
    N(CKR_KEY_NOT_NEEDED),
    N(CKR_KEY_CHANGED),
    N(CKR_KEY_NEEDED),
    N(CKR_KEY_INDIGESTIBLE),
    N(CKR_KEY_FUNCTION_NOT_PERMITTED),
    N(CKR_KEY_NOT_WRAPPABLE),
    N(CKR_KEY_UNEXTRACTABLE),
    N(CKR_MECHANISM_INVALID),
    N(CKR_MECHANISM_PARAM_INVALID),
    N(CKR_OBJECT_HANDLE_INVALID),
    N(CKR_OPERATION_ACTIVE),
    N(CKR_OPERATION_NOT_INITIALIZED),
    N(CKR_PIN_INCORRECT),
    N(CKR_PIN_INVALID),
    N(CKR_PIN_LEN_RANGE),
    N(CKR_PIN_EXPIRED),
    N(CKR_PIN_LOCKED),
    N(CKR_SESSION_CLOSED),
    N(CKR_SESSION_COUNT),
    N(CKR_SESSION_HANDLE_INVALID),
    N(CKR_SESSION_PARALLEL_NOT_SUPPORTED),
    N(CKR_SESSION_READ_ONLY),
    N(CKR_SESSION_EXISTS),
    N(CKR_SESSION_READ_ONLY_EXISTS),
    N(CKR_SESSION_READ_WRITE_SO_EXISTS),
    N(CKR_SIGNATURE_INVALID),
    N(CKR_SIGNATURE_LEN_RANGE),
    N(CKR_TEMPLATE_INCOMPLETE),
    N(CKR_TEMPLATE_INCONSISTENT),
    N(CKR_TOKEN_NOT_PRESENT),
    N(CKR_TOKEN_NOT_RECOGNIZED),
    N(CKR_TOKEN_WRITE_PROTECTED),
    N(CKR_UNWRAPPING_KEY_HANDLE_INVALID),
    N(CKR_UNWRAPPING_KEY_SIZE_RANGE),
    N(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
    N(CKR_USER_ALREADY_LOGGED_IN),
    N(CKR_USER_NOT_LOGGED_IN),
    N(CKR_USER_PIN_NOT_INITIALIZED),
    N(CKR_USER_TYPE_INVALID),
    N(CKR_USER_ANOTHER_ALREADY_LOGGED_IN),
    N(CKR_USER_TOO_MANY_TYPES),
    N(CKR_WRAPPED_KEY_INVALID),
    N(CKR_WRAPPED_KEY_LEN_RANGE),
    N(CKR_WRAPPING_KEY_HANDLE_INVALID),
    N(CKR_WRAPPING_KEY_SIZE_RANGE),
    N(CKR_WRAPPING_KEY_TYPE_INCONSISTENT),
    N(CKR_RANDOM_SEED_NOT_SUPPORTED),
    N(CKR_RANDOM_NO_RNG),
    N(CKR_DOMAIN_PARAMS_INVALID),
    N(CKR_CURVE_NOT_SUPPORTED),
    N(CKR_BUFFER_TOO_SMALL),
    N(CKR_SAVED_STATE_INVALID),
    N(CKR_INFORMATION_SENSITIVE),
    N(CKR_STATE_UNSAVEABLE),
    N(CKR_CRYPTOKI_NOT_INITIALIZED),
    N(CKR_CRYPTOKI_ALREADY_INITIALIZED),
    N(CKR_MUTEX_BAD),
    N(CKR_MUTEX_NOT_LOCKED),
    N(CKR_NEW_PIN_MODE),
    N(CKR_NEXT_OTP),
    N(CKR_EXCEEDED_MAX_ITERATIONS),
    N(CKR_FIPS_SELF_TEST_FAILED),
    N(CKR_LIBRARY_LOAD_FAILED),
    N(CKR_PIN_TOO_WEAK),
    N(CKR_PUBLIC_KEY_INVALID),
    N(CKR_FUNCTION_REJECTED),
    N(CKR_TOKEN_RESOURCE_EXCEEDED),
    N(CKR_OPERATION_CANCEL_FAILED),
    N(CKR_KEY_EXHAUSTED),
    N(CKR_PENDING),
    N(CKR_SESSION_ASYNC_NOT_SUPPORTED),
    N(CKR_SEED_RANDOM_REQUIRED),
    N(CKR_OPERATION_NOT_VALIDATED),
    N(CKR_TOKEN_NOT_INITIALIZED),
    N(CKR_PARAMETER_SET_NOT_SUPPORTED),
};

static const struct named classes[] = {
    N(CKO_DATA),
    N(CKO_CERTIFICATE),
    N(CKO_PUBLIC_KEY),
    N(CKO_PRIVATE_KEY),
    N(CKO_SECRET_KEY),
    N(CKO_HW_FEATURE),
    N(CKO_DOMAIN_PARAMETERS),
    N(CKO_MECHANISM),
    N(CKO_OTP_KEY),
    N(CKO_PROFILE),
    N(CKO_VALIDATION),
    N(CKO_TRUST),
};

static const struct named key_types[] = {
    N(CKK_RSA),
    N(CKK_DSA),
    N(CKK_DH),
    N(CKK_EC),
    N(CKK_X9_42_DH),
    N(CKK_KEA),
    N(CKK_GENERIC_SECRET),
    N(CKK_RC2),
    N(CKK_RC4),
    N(CKK_DES),
    N(CKK_DES2),
    N(CKK_DES3),
    N(CKK_CAST),
    N(CKK_CAST3),
    N(CKK_CAST128),
    N(CKK_RC5),
    N(CKK_IDEA),
    N(CKK_SKIPJACK),
    N(CKK_BATON),
    N(CKK_JUNIPER),
    N(CKK_CDMF),
    N(CKK_AES),
    N(CKK_BLOWFISH),
    N(CKK_TWOFISH),
    N(CKK_SECURID),
    N(CKK_HOTP),
    N(CKK_ACTI),
    N(CKK_CAMELLIA),
    N(CKK_ARIA),
    N(CKK_MD5_HMAC),
    N(CKK_SHA_1_HMAC),
    N(CKK_RIPEMD128_HMAC),
    N(CKK_RIPEMD160_HMAC),
    N(CKK_SHA256_HMAC),
    N(CKK_SHA384_HMAC),
    N(CKK_SHA512_HMAC),
    N(CKK_SHA224_HMAC),
    N(CKK_SEED),
    N(CKK_GOSTR3410),
    N(CKK_GOSTR3411),
    N(CKK_GOST28147),
    N(CKK_CHACHA20),
    N(CKK_POLY1305),
    N(CKK_AES_XTS),
    N(CKK_SHA3_224_HMAC),
    N(CKK_SHA3_256_HMAC),
    N(CKK_SHA3_384_HMAC),
    N(CKK_SHA3_512_HMAC),
    N(CKK_BLAKE2B_160_HMAC),
    N(CKK_BLAKE2B_256_HMAC),
    N(CKK_BLAKE2B_384_HMAC),
    N(CKK_BLAKE2B_512_HMAC),
    N(CKK_SALSA20),
    N(CKK_X2RATCHET),
    N(CKK_EC_EDWARDS),
    N(CKK_EC_MONTGOMERY),
    N(CKK_HKDF),
    N(CKK_SHA512_224_HMAC),
    N(CKK_SHA512_256_HMAC),
    N(CKK_SHA512_T_HMAC),
    N(CKK_HSS),
    N(CKK_XMSS),
    N(CKK_XMSSMT),
    N(CKK_ML_KEM),
    N(CKK_ML_DSA),
    N(CKK_SLH_DSA),
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

const struct named *names_of(enum name_kind kind, size_t *ret_count)
{
    static const struct {
        const struct named *rows;
        size_t count;
    } tables[] = {
        [NAME_RV] = {.rows = return_values, .count = COUNT(return_values)},
        [NAME_CLASS] = {.rows = classes, .count = COUNT(classes)},
        [NAME_KEY_TYPE] = {.rows = key_types, .count = COUNT(key_types)},
    };

    if (kind == NAME_MECHANISM)
        return names_of_mechanisms(ret_count);
    *ret_count = tables[kind].count;
    return tables[kind].rows;
}

static const char *name_or_number(const char *name, const char *prefix, CK_ULONG value,
                                  char buf[static NAME_BUF_MAX])
{
    if (name != NULL)
        return name;
    (void)snprintf(buf, NAME_BUF_MAX, "%s_0x%08lx", prefix, value);
    return buf;
}

static const char *name_of(enum name_kind kind, const char *prefix, CK_ULONG value,
                           char buf[static NAME_BUF_MAX])
{
    size_t count;
    const struct named *rows = names_of(kind, &count);
    const struct named *row = TABLE_FIND(rows, count, value);

    return name_or_number(row != NULL ? row->name : NULL, prefix, value, buf);
}

const char *name_of_rv(CK_RV rv, char buf[static NAME_BUF_MAX])
{
    return name_of(NAME_RV, "CKR", rv, buf);
}

const char *name_of_class(CK_OBJECT_CLASS cls, char buf[static NAME_BUF_MAX])
{
    return name_of(NAME_CLASS, "CKO", cls, buf);
}

const char *name_of_key_type(CK_KEY_TYPE type, char buf[static NAME_BUF_MAX])
{
    return name_of(NAME_KEY_TYPE, "CKK", type, buf);
}

const char *name_of_mechanism(CK_MECHANISM_TYPE type, char buf[static NAME_BUF_MAX])
{
    return name_of(NAME_MECHANISM, "CKM", type, buf);
}

const char *name_of_attribute(CK_ATTRIBUTE_TYPE type, char buf[static NAME_BUF_MAX])
{
    const struct attr_name *row = attr_name_find(type);

    return name_or_number(row != NULL ? row->name : NULL, "CKA", type, buf);
}

bool value_of_name(enum name_kind kind, const char *name, CK_ULONG *ret_value)
{
    size_t count;
    const struct named *rows = names_of(kind, &count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *ret_value = rows[i].value;
            return true;
        }
    return false;
}
