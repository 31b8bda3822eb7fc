/*
 * What we add to p11-kit's header: the layout of structures, which is an ABI, and the order of the
 * function lists. Numbers are written out on purpose, so that a wrong constant cannot agree with
 * itself.
 */
#include "base/pkcs11.h"
#include "tests/support/suite.h"

#include <stddef.h>
#include <string.h>

/* Every member is as wide as a pointer, but for a CK_BBOOL, which is padded to one. */
#define WORDS(type, count)                                                                         \
    _Static_assert(sizeof(type) == (count) * sizeof(void *), #type " has " #count " words")
#define AT(type, member, word)                                                                     \
    _Static_assert(offsetof(type, member) == (word) * sizeof(void *), #type "." #member)

_Static_assert(sizeof(CK_ULONG) == sizeof(void *), "unsigned long is as wide as a pointer");

WORDS(CK_INTERFACE, 3);
AT(CK_INTERFACE, pFunctionList, 1);
WORDS(CK_ASYNC_DATA, 5);
AT(CK_ASYNC_DATA, hAdditionalObject, 4);

WORDS(CK_EDDSA_PARAMS, 3);
AT(CK_EDDSA_PARAMS, ulContextDataLen, 1);
AT(CK_EDDSA_PARAMS, pContextData, 2);
WORDS(CK_CCM_PARAMS, 6);
AT(CK_CCM_PARAMS, pNonce, 1);
AT(CK_CCM_PARAMS, pAAD, 3);
AT(CK_CCM_PARAMS, ulMACLen, 5);
WORDS(CK_GCM_MESSAGE_PARAMS, 6);
AT(CK_GCM_MESSAGE_PARAMS, ivGenerator, 3);
AT(CK_GCM_MESSAGE_PARAMS, pTag, 4);
WORDS(CK_CCM_MESSAGE_PARAMS, 7);
AT(CK_CCM_MESSAGE_PARAMS, nonceGenerator, 4);
AT(CK_CCM_MESSAGE_PARAMS, pMAC, 5);
WORDS(CK_GCM_WRAP_PARAMS, 7);
AT(CK_GCM_WRAP_PARAMS, pAAD, 4);
WORDS(CK_CCM_WRAP_PARAMS, 8);
AT(CK_CCM_WRAP_PARAMS, pAAD, 5);
WORDS(CK_SALSA20_CHACHA20_POLY1305_PARAMS, 4);
AT(CK_SALSA20_CHACHA20_POLY1305_PARAMS, pAAD, 2);
WORDS(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, 3);
AT(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS, pTag, 2);
WORDS(CK_RSA_AES_KEY_WRAP_PARAMS, 2);
AT(CK_RSA_AES_KEY_WRAP_PARAMS, pOAEPParams, 1);
WORDS(CK_SIGN_ADDITIONAL_CONTEXT, 3);
AT(CK_SIGN_ADDITIONAL_CONTEXT, pContext, 1);
WORDS(CK_HASH_SIGN_ADDITIONAL_CONTEXT, 4);
AT(CK_HASH_SIGN_ADDITIONAL_CONTEXT, hash, 3);

WORDS(CK_ECDH1_DERIVE_PARAMS, 5);
AT(CK_ECDH1_DERIVE_PARAMS, ulPublicDataLen, 3);
AT(CK_ECDH1_DERIVE_PARAMS, pPublicData, 4);
WORDS(CK_HKDF_PARAMS, 8);
_Static_assert(offsetof(CK_HKDF_PARAMS, bExpand) == 1, "the two flags share a word");
AT(CK_HKDF_PARAMS, prfHashMechanism, 1);
AT(CK_HKDF_PARAMS, hSaltKey, 5);
AT(CK_HKDF_PARAMS, pInfo, 6);
WORDS(CK_PRF_DATA_PARAM, 3);
WORDS(CK_SP800_108_COUNTER_FORMAT, 2);
WORDS(CK_SP800_108_DKM_LENGTH_FORMAT, 3);
AT(CK_SP800_108_DKM_LENGTH_FORMAT, ulWidthInBits, 2);
WORDS(CK_DERIVED_KEY, 3);
WORDS(CK_SP800_108_KDF_PARAMS, 5);
AT(CK_SP800_108_KDF_PARAMS, pAdditionalDerivedKeys, 4);
WORDS(CK_SP800_108_FEEDBACK_KDF_PARAMS, 7);
AT(CK_SP800_108_FEEDBACK_KDF_PARAMS, ulIVLen, 3);
AT(CK_SP800_108_FEEDBACK_KDF_PARAMS, pAdditionalDerivedKeys, 6);
WORDS(CK_PKCS5_PBKD2_PARAMS2, 9);
AT(CK_PKCS5_PBKD2_PARAMS2, iterations, 3);
AT(CK_PKCS5_PBKD2_PARAMS2, pPassword, 7);

WORDS(CK_SSL3_RANDOM_DATA, 4);
WORDS(CK_SSL3_KEY_MAT_OUT, 6);
WORDS(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, 6);
AT(CK_TLS12_MASTER_KEY_DERIVE_PARAMS, pVersion, 4);
WORDS(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, 4);
AT(CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS, pVersion, 3);
WORDS(CK_TLS12_KEY_MAT_PARAMS, 10);
AT(CK_TLS12_KEY_MAT_PARAMS, RandomInfo, 4);
AT(CK_TLS12_KEY_MAT_PARAMS, prfHashMechanism, 9);
WORDS(CK_TLS_KDF_PARAMS, 9);
AT(CK_TLS_KDF_PARAMS, RandomInfo, 3);
AT(CK_TLS_KDF_PARAMS, pContextData, 7);
WORDS(CK_TLS_MAC_PARAMS, 3);

/* The version fills the first word of a list; 68 functions of 2.40, 24 of 3.0 and 12 of 3.2. */
WORDS(CK_FUNCTION_LIST, 1 + 68);
WORDS(CK_FUNCTION_LIST_3_0, 1 + 68 + 24);
WORDS(CK_FUNCTION_LIST_3_2, 1 + 68 + 24 + 12);
AT(CK_FUNCTION_LIST, C_WaitForSlotEvent, 68);
AT(CK_FUNCTION_LIST_3_0, C_WaitForSlotEvent, 68);
AT(CK_FUNCTION_LIST_3_0, C_GetInterfaceList, 69);
AT(CK_FUNCTION_LIST_3_0, C_LoginUser, 71);
AT(CK_FUNCTION_LIST_3_0, C_MessageEncryptInit, 73);
AT(CK_FUNCTION_LIST_3_0, C_MessageDecryptInit, 78);
AT(CK_FUNCTION_LIST_3_0, C_MessageSignInit, 83);
AT(CK_FUNCTION_LIST_3_0, C_MessageVerifyInit, 88);
AT(CK_FUNCTION_LIST_3_0, C_MessageVerifyFinal, 92);
AT(CK_FUNCTION_LIST_3_2, C_EncapsulateKey, 93);
AT(CK_FUNCTION_LIST_3_2, C_VerifySignatureInit, 95);
AT(CK_FUNCTION_LIST_3_2, C_GetSessionValidationFlags, 99);
AT(CK_FUNCTION_LIST_3_2, C_AsyncComplete, 100);
AT(CK_FUNCTION_LIST_3_2, C_WrapKeyAuthenticated, 103);
AT(CK_FUNCTION_LIST_3_2, C_UnwrapKeyAuthenticated, 104);

#define SAME_PLACE(list, name)                                                                     \
    ck_assert_msg(offsetof(CK_FUNCTION_LIST_3_2, name) == offsetof(list, name),                    \
                  #name " stands elsewhere in " #list);
#define SAME_AS_2_40(name) SAME_PLACE(CK_FUNCTION_LIST, name)
#define SAME_AS_3_0(name)  SAME_PLACE(CK_FUNCTION_LIST_3_0, name)

START_TEST(each_list_begins_with_the_one_before_it){
    CRYPTOKI_2_40(SAME_AS_2_40) CRYPTOKI_2_40(SAME_AS_3_0) CRYPTOKI_3_0(SAME_AS_3_0)} END_TEST

#define IS(name, number)                                                                           \
    {                                                                                              \
        .is = (name), .want = (number), .text = #name                                              \
    }

    START_TEST(values_are_the_numbers_of_the_standard)
{
    static const struct {
        CK_ULONG is, want;
        const char *text;
    } values[] = {
        IS(CKA_UNIQUE_ID, 0x4),
        IS(CKA_PROFILE_ID, 0x601),
        IS(CKA_PARAMETER_SET, 0x61d),
        IS(CKA_OBJECT_VALIDATION_FLAGS, 0x61e),
        IS(CKA_ENCAPSULATE_TEMPLATE, 0x62a),
        IS(CKA_ENCAPSULATE, 0x633),
        IS(CKA_SEED, 0x637),
        IS(CKD_SHA1_KDF_SP800, 0xe),
        IS(CKD_SHA3_512_KDF_SP800, 0x16),
        IS(CKF_MESSAGE_ENCRYPT, 0x2),
        IS(CKF_MULTI_MESSAGE, 0x20),
        IS(CKF_FIND_OBJECTS, 0x40),
        IS(CKF_ENCAPSULATE, 0x10000000),
        IS(CKF_DECAPSULATE, 0x20000000),
        IS(CKF_HKDF_SALT_KEY, 0x4),
        IS(CKG_MGF1_SHA3_224, 0x6),
        IS(CKG_GENERATE_COUNTER_XOR, 0x4),
        IS(CKK_CHACHA20, 0x33),
        IS(CKK_AES_XTS, 0x35),
        IS(CKK_EC_EDWARDS, 0x40),
        IS(CKK_EC_MONTGOMERY, 0x41),
        IS(CKK_HKDF, 0x42),
        IS(CKK_ML_KEM, 0x49),
        IS(CKK_ML_DSA, 0x4a),
        IS(CKK_SLH_DSA, 0x4b),
        IS(CKM_ML_KEM, 0x17),
        IS(CKM_ML_DSA, 0x1d),
        IS(CKM_SLH_DSA, 0x2e),
        IS(CKM_SHA3_256_RSA_PKCS, 0x60),
        IS(CKM_SHA3_256, 0x2b0),
        IS(CKM_SP800_108_COUNTER_KDF, 0x3ac),
        IS(CKM_ECDSA_SHA3_512, 0x104a),
        IS(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, 0x1056),
        IS(CKM_AES_XTS, 0x1071),
        IS(CKM_AES_KEY_WRAP_PAD, 0x210a),
        IS(CKM_AES_KEY_WRAP_KWP, 0x210b),
        IS(CKM_CHACHA20_POLY1305, 0x4021),
        IS(CKM_HKDF_DERIVE, 0x402a),
        IS(CKO_PROFILE, 0x9),
        IS(CKO_VALIDATION, 0xa),
        IS(CKO_TRUST, 0xb),
        IS(CKP_EXTENDED_PROVIDER, 0x2),
        IS(CKP_COMPLETE_PROVIDER, 0x5),
        IS(CKR_AEAD_DECRYPT_FAILED, 0x42),
        IS(CKR_FIPS_SELF_TEST_FAILED, 0x1b6),
        IS(CKR_OPERATION_CANCEL_FAILED, 0x202),
        IS(CKR_KEY_EXHAUSTED, 0x203),
        IS(CKR_PARAMETER_SET_NOT_SUPPORTED, 0x209),
        IS(CKU_CONTEXT_SPECIFIC, 0x2),
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
        ck_assert_msg(values[i].is == values[i].want, "%s is 0x%lx", values[i].text, values[i].is);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(each_list_begins_with_the_one_before_it),
        CASE(values_are_the_numbers_of_the_standard),
    };

    return suite_run("base/pkcs11", cases, sizeof(cases) / sizeof(*cases));
}
