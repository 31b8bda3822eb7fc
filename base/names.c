/*
 * The standard's names for return values, classes, key types and mechanisms: see names.h.
 * Attributes are in names_attr.c.
 *
 * Return values and key types are those of 2.40 and the later ones we may pass on. Mechanisms with
 * a row in mech.c are named there; the table here has the others that an HSM or a caller is likely
 * to mention.
 */
#include "base/names.h"
#include "base/mech.h"

#include <stdio.h>

struct named {
    CK_ULONG value;
    const char *name;
};

/* The name is made from the constant, so a row cannot be called by another's name. */
#define RV(x)                                                                                      \
    {                                                                                              \
        .value = CKR_##x, .name = "CKR_" #x                                                        \
    }
#define CLASS(x)                                                                                   \
    {                                                                                              \
        .value = CKO_##x, .name = "CKO_" #x                                                        \
    }
#define KEY_TYPE(x)                                                                                \
    {                                                                                              \
        .value = CKK_##x, .name = "CKK_" #x                                                        \
    }
#define MECH(x)                                                                                    \
    {                                                                                              \
        .value = CKM_##x, .name = "CKM_" #x                                                        \
    }

/* clang-format off */
static const struct named return_values[] = {
    RV(OK),
    RV(CANCEL),
    RV(HOST_MEMORY),
    RV(SLOT_ID_INVALID),
    RV(GENERAL_ERROR),
    RV(FUNCTION_FAILED),
    RV(ARGUMENTS_BAD),
    RV(NO_EVENT),
    RV(NEED_TO_CREATE_THREADS),
    RV(CANT_LOCK),
    RV(ATTRIBUTE_READ_ONLY),
    RV(ATTRIBUTE_SENSITIVE),
    RV(ATTRIBUTE_TYPE_INVALID),
    RV(ATTRIBUTE_VALUE_INVALID),
    RV(ACTION_PROHIBITED),
    RV(DATA_INVALID),
    RV(DATA_LEN_RANGE),
    RV(DEVICE_ERROR),
    RV(DEVICE_MEMORY),
    RV(DEVICE_REMOVED),
    RV(ENCRYPTED_DATA_INVALID),
    RV(ENCRYPTED_DATA_LEN_RANGE),
    RV(AEAD_DECRYPT_FAILED),
    RV(FUNCTION_CANCELED),
    RV(FUNCTION_NOT_PARALLEL),
    RV(FUNCTION_NOT_SUPPORTED),
    RV(KEY_HANDLE_INVALID),
    RV(KEY_SIZE_RANGE),
    RV(KEY_TYPE_INCONSISTENT),
    RV(KEY_NOT_NEEDED),
    RV(KEY_CHANGED),
    RV(KEY_NEEDED),
    RV(KEY_INDIGESTIBLE),
    RV(KEY_FUNCTION_NOT_PERMITTED),
    RV(KEY_NOT_WRAPPABLE),
    RV(KEY_UNEXTRACTABLE),
    RV(MECHANISM_INVALID),
    RV(MECHANISM_PARAM_INVALID),
    RV(OBJECT_HANDLE_INVALID),
    RV(OPERATION_ACTIVE),
    RV(OPERATION_NOT_INITIALIZED),
    RV(PIN_INCORRECT),
    RV(PIN_INVALID),
    RV(PIN_LEN_RANGE),
    RV(PIN_EXPIRED),
    RV(PIN_LOCKED),
    RV(SESSION_CLOSED),
    RV(SESSION_COUNT),
    RV(SESSION_HANDLE_INVALID),
    RV(SESSION_PARALLEL_NOT_SUPPORTED),
    RV(SESSION_READ_ONLY),
    RV(SESSION_EXISTS),
    RV(SESSION_READ_ONLY_EXISTS),
    RV(SESSION_READ_WRITE_SO_EXISTS),
    RV(SIGNATURE_INVALID),
    RV(SIGNATURE_LEN_RANGE),
    RV(TEMPLATE_INCOMPLETE),
    RV(TEMPLATE_INCONSISTENT),
    RV(TOKEN_NOT_PRESENT),
    RV(TOKEN_NOT_RECOGNIZED),
    RV(TOKEN_WRITE_PROTECTED),
    RV(UNWRAPPING_KEY_SIZE_RANGE),
    RV(UNWRAPPING_KEY_TYPE_INCONSISTENT),
    RV(USER_ALREADY_LOGGED_IN),
    RV(USER_NOT_LOGGED_IN),
    RV(USER_PIN_NOT_INITIALIZED),
    RV(USER_TYPE_INVALID),
    RV(USER_ANOTHER_ALREADY_LOGGED_IN),
    RV(USER_TOO_MANY_TYPES),
    RV(WRAPPED_KEY_INVALID),
    RV(WRAPPED_KEY_LEN_RANGE),
    RV(WRAPPING_KEY_HANDLE_INVALID),
    RV(WRAPPING_KEY_SIZE_RANGE),
    RV(WRAPPING_KEY_TYPE_INCONSISTENT),
    RV(RANDOM_SEED_NOT_SUPPORTED),
    RV(RANDOM_NO_RNG),
    RV(DOMAIN_PARAMS_INVALID),
    RV(CURVE_NOT_SUPPORTED),
    RV(BUFFER_TOO_SMALL),
    RV(SAVED_STATE_INVALID),
    RV(INFORMATION_SENSITIVE),
    RV(STATE_UNSAVEABLE),
    RV(CRYPTOKI_NOT_INITIALIZED),
    RV(CRYPTOKI_ALREADY_INITIALIZED),
    RV(MUTEX_BAD),
    RV(MUTEX_NOT_LOCKED),
    RV(NEW_PIN_MODE),
    RV(NEXT_OTP),
    RV(EXCEEDED_MAX_ITERATIONS),
    RV(FIPS_SELF_TEST_FAILED),
    RV(LIBRARY_LOAD_FAILED),
    RV(PIN_TOO_WEAK),
    RV(PUBLIC_KEY_INVALID),
    RV(FUNCTION_REJECTED),
    RV(TOKEN_RESOURCE_EXCEEDED),
    RV(OPERATION_CANCEL_FAILED),
    RV(KEY_EXHAUSTED),
};

static const struct named classes[] = {
    CLASS(DATA),
    CLASS(CERTIFICATE),
    CLASS(PUBLIC_KEY),
    CLASS(PRIVATE_KEY),
    CLASS(SECRET_KEY),
    CLASS(HW_FEATURE),
    CLASS(DOMAIN_PARAMETERS),
    CLASS(MECHANISM),
    CLASS(OTP_KEY),
};

static const struct named key_types[] = {
    KEY_TYPE(RSA),
    KEY_TYPE(DSA),
    KEY_TYPE(DH),
    KEY_TYPE(EC),
    KEY_TYPE(X9_42_DH),
    KEY_TYPE(KEA),
    KEY_TYPE(GENERIC_SECRET),
    KEY_TYPE(RC2),
    KEY_TYPE(RC4),
    KEY_TYPE(DES),
    KEY_TYPE(DES2),
    KEY_TYPE(DES3),
    KEY_TYPE(CAST),
    KEY_TYPE(CAST3),
    KEY_TYPE(CAST128),
    KEY_TYPE(RC5),
    KEY_TYPE(IDEA),
    KEY_TYPE(SKIPJACK),
    KEY_TYPE(BATON),
    KEY_TYPE(JUNIPER),
    KEY_TYPE(CDMF),
    KEY_TYPE(AES),
    KEY_TYPE(BLOWFISH),
    KEY_TYPE(TWOFISH),
    KEY_TYPE(SECURID),
    KEY_TYPE(HOTP),
    KEY_TYPE(ACTI),
    KEY_TYPE(CAMELLIA),
    KEY_TYPE(ARIA),
    KEY_TYPE(MD5_HMAC),
    KEY_TYPE(SHA_1_HMAC),
    KEY_TYPE(RIPEMD128_HMAC),
    KEY_TYPE(RIPEMD160_HMAC),
    KEY_TYPE(SHA256_HMAC),
    KEY_TYPE(SHA384_HMAC),
    KEY_TYPE(SHA512_HMAC),
    KEY_TYPE(SHA224_HMAC),
    KEY_TYPE(SEED),
    KEY_TYPE(GOSTR3410),
    KEY_TYPE(GOSTR3411),
    KEY_TYPE(GOST28147),
    KEY_TYPE(EC_EDWARDS),
};

static const struct named mechanisms[] = {
    MECH(RSA_9796),
    MECH(RSA_X_509),
    MECH(MD5_RSA_PKCS),
    MECH(RSA_X9_31_KEY_PAIR_GEN),
    MECH(RSA_X9_31),
    MECH(SHA1_RSA_X9_31),
    MECH(DSA_KEY_PAIR_GEN),
    MECH(DSA_SHA1),
    MECH(DSA_SHA224),
    MECH(DSA_SHA256),
    MECH(DSA_SHA384),
    MECH(DSA_SHA512),
    MECH(DH_PKCS_KEY_PAIR_GEN),
    MECH(DH_PKCS_DERIVE),
    MECH(X9_42_DH_DERIVE),
    MECH(SHA512_224),
    MECH(SHA512_224_HMAC),
    MECH(SHA512_224_HMAC_GENERAL),
    MECH(SHA512_224_KEY_DERIVATION),
    MECH(SHA512_256),
    MECH(SHA512_256_HMAC),
    MECH(SHA512_256_HMAC_GENERAL),
    MECH(SHA512_256_KEY_DERIVATION),
    MECH(RC4_KEY_GEN),
    MECH(RC4),
    MECH(DES_KEY_GEN),
    MECH(DES_ECB),
    MECH(DES_CBC),
    MECH(DES_CBC_PAD),
    MECH(DES2_KEY_GEN),
    MECH(DES3_KEY_GEN),
    MECH(DES3_ECB),
    MECH(DES3_CBC),
    MECH(DES3_MAC),
    MECH(DES3_MAC_GENERAL),
    MECH(DES3_CBC_PAD),
    MECH(DES3_CMAC_GENERAL),
    MECH(DES3_CMAC),
    MECH(MD5),
    MECH(MD5_HMAC),
    MECH(SHA_1_HMAC_GENERAL),
    MECH(RIPEMD160),
    MECH(RIPEMD160_HMAC),
    MECH(SHA256_HMAC_GENERAL),
    MECH(SHA224_HMAC_GENERAL),
    MECH(SHA384_HMAC_GENERAL),
    MECH(SHA512_HMAC_GENERAL),
    MECH(CONCATENATE_BASE_AND_KEY),
    MECH(CONCATENATE_BASE_AND_DATA),
    MECH(CONCATENATE_DATA_AND_BASE),
    MECH(XOR_BASE_AND_DATA),
    MECH(EXTRACT_KEY_FROM_KEY),
    MECH(SSL3_PRE_MASTER_KEY_GEN),
    MECH(SSL3_MASTER_KEY_DERIVE),
    MECH(SSL3_KEY_AND_MAC_DERIVE),
    MECH(SSL3_MASTER_KEY_DERIVE_DH),
    MECH(TLS_PRE_MASTER_KEY_GEN),
    MECH(TLS_MASTER_KEY_DERIVE),
    MECH(TLS_KEY_AND_MAC_DERIVE),
    MECH(TLS_MASTER_KEY_DERIVE_DH),
    MECH(TLS_PRF),
    MECH(SSL3_MD5_MAC),
    MECH(SSL3_SHA1_MAC),
    MECH(SHA1_KEY_DERIVATION),
    MECH(SHA256_KEY_DERIVATION),
    MECH(SHA384_KEY_DERIVATION),
    MECH(SHA512_KEY_DERIVATION),
    MECH(SHA224_KEY_DERIVATION),
    MECH(PKCS5_PBKD2),
    MECH(TLS12_MAC),
    MECH(TLS12_KDF),
    MECH(TLS12_MASTER_KEY_DERIVE),
    MECH(TLS12_KEY_AND_MAC_DERIVE),
    MECH(TLS12_MASTER_KEY_DERIVE_DH),
    MECH(TLS12_KEY_SAFE_DERIVE),
    MECH(TLS_MAC),
    MECH(TLS_KDF),
    MECH(CAMELLIA_KEY_GEN),
    MECH(CAMELLIA_ECB),
    MECH(CAMELLIA_CBC),
    MECH(CAMELLIA_CBC_PAD),
    MECH(CAMELLIA_ECB_ENCRYPT_DATA),
    MECH(CAMELLIA_CBC_ENCRYPT_DATA),
    MECH(ECDH1_DERIVE),
    MECH(ECDH1_COFACTOR_DERIVE),
    MECH(ECDH_AES_KEY_WRAP),
    MECH(RSA_AES_KEY_WRAP),
    MECH(EC_EDWARDS_KEY_PAIR_GEN),
    MECH(EDDSA),
    MECH(AES_MAC),
    MECH(AES_MAC_GENERAL),
    MECH(AES_CCM),
    MECH(AES_CTS),
    MECH(AES_CMAC),
    MECH(AES_CMAC_GENERAL),
    MECH(AES_XCBC_MAC),
    MECH(AES_XCBC_MAC_96),
    MECH(AES_GMAC),
    MECH(DES_ECB_ENCRYPT_DATA),
    MECH(DES_CBC_ENCRYPT_DATA),
    MECH(DES3_ECB_ENCRYPT_DATA),
    MECH(DES3_CBC_ENCRYPT_DATA),
    MECH(AES_ECB_ENCRYPT_DATA),
    MECH(AES_CBC_ENCRYPT_DATA),
    MECH(DSA_PARAMETER_GEN),
    MECH(DH_PKCS_PARAMETER_GEN),
    MECH(DSA_PROBABLISTIC_PARAMETER_GEN),
    MECH(DSA_SHAWE_TAYLOR_PARAMETER_GEN),
    MECH(AES_OFB),
    MECH(AES_CFB64),
    MECH(AES_CFB8),
    MECH(AES_CFB128),
    MECH(AES_CFB1),
    MECH(AES_KEY_WRAP),
    MECH(AES_KEY_WRAP_PAD),
};
/* clang-format on */

/* Linear: names are for people, nobody waits for them. */
static const char *find(const struct named *table, size_t count, CK_ULONG value)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].value == value)
            return table[i].name;
    return NULL;
}

static const char *name_or_number(const char *name, const char *prefix, CK_ULONG value,
                                  char buf[static NAME_BUF_MAX])
{
    if (name != NULL)
        return name;
    (void)snprintf(buf, NAME_BUF_MAX, "%s_0x%08lx", prefix, value);
    return buf;
}

#define FIND(table, value) find((table), sizeof(table) / sizeof(*(table)), (value))

const char *name_of_rv(CK_RV rv, char buf[static NAME_BUF_MAX])
{
    return name_or_number(FIND(return_values, rv), "CKR", rv, buf);
}

const char *name_of_class(CK_OBJECT_CLASS cls, char buf[static NAME_BUF_MAX])
{
    return name_or_number(FIND(classes, cls), "CKO", cls, buf);
}

const char *name_of_key_type(CK_KEY_TYPE type, char buf[static NAME_BUF_MAX])
{
    return name_or_number(FIND(key_types, type), "CKK", type, buf);
}

const char *name_of_attribute(CK_ATTRIBUTE_TYPE type, char buf[static NAME_BUF_MAX])
{
    const struct attr_name *row = attr_name_find(type);

    return name_or_number(row != NULL ? row->name : NULL, "CKA", type, buf);
}

const char *name_of_mechanism(CK_MECHANISM_TYPE type, char buf[static NAME_BUF_MAX])
{
    const struct mech *row = mech_find(type);

    return name_or_number(row != NULL ? row->name : FIND(mechanisms, type), "CKM", type, buf);
}
