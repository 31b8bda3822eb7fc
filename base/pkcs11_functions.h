/*
 * Functions and interfaces that 3.0 and 3.2 add, and the lists that hand them out (3.2, sections
 * 3.6 and 5). The order of a list's members is the ABI.
 *
 * Included by base/pkcs11.h; include that.
 */
#ifndef KEYWARD_BASE_PKCS11_FUNCTIONS_H
#define KEYWARD_BASE_PKCS11_FUNCTIONS_H

#include "base/pkcs11_2.h"

typedef CK_ULONG CK_SESSION_VALIDATION_FLAGS_TYPE;

typedef struct CK_ASYNC_DATA {
    CK_ULONG ulVersion;
    CK_BYTE_PTR pValue;
    CK_ULONG ulValue;
    CK_OBJECT_HANDLE hObject;
    CK_OBJECT_HANDLE hAdditionalObject;
} CK_ASYNC_DATA;
typedef CK_ASYNC_DATA *CK_ASYNC_DATA_PTR;

/* Every function in the order of its list: X(C_Initialize) ... 3.0 goes on where 2.40 ends, 3.2
 * where 3.0 does. */
#define CRYPTOKI_2_40(X)                                                                           \
    X(C_Initialize)                                                                                \
    X(C_Finalize)                                                                                  \
    X(C_GetInfo)                                                                                   \
    X(C_GetFunctionList)                                                                           \
    X(C_GetSlotList)                                                                               \
    X(C_GetSlotInfo)                                                                               \
    X(C_GetTokenInfo)                                                                              \
    X(C_GetMechanismList)                                                                          \
    X(C_GetMechanismInfo)                                                                          \
    X(C_InitToken)                                                                                 \
    X(C_InitPIN)                                                                                   \
    X(C_SetPIN)                                                                                    \
    X(C_OpenSession)                                                                               \
    X(C_CloseSession)                                                                              \
    X(C_CloseAllSessions)                                                                          \
    X(C_GetSessionInfo)                                                                            \
    X(C_GetOperationState)                                                                         \
    X(C_SetOperationState)                                                                         \
    X(C_Login)                                                                                     \
    X(C_Logout)                                                                                    \
    X(C_CreateObject)                                                                              \
    X(C_CopyObject)                                                                                \
    X(C_DestroyObject)                                                                             \
    X(C_GetObjectSize)                                                                             \
    X(C_GetAttributeValue)                                                                         \
    X(C_SetAttributeValue)                                                                         \
    X(C_FindObjectsInit)                                                                           \
    X(C_FindObjects)                                                                               \
    X(C_FindObjectsFinal)                                                                          \
    X(C_EncryptInit)                                                                               \
    X(C_Encrypt)                                                                                   \
    X(C_EncryptUpdate)                                                                             \
    X(C_EncryptFinal)                                                                              \
    X(C_DecryptInit)                                                                               \
    X(C_Decrypt)                                                                                   \
    X(C_DecryptUpdate)                                                                             \
    X(C_DecryptFinal)                                                                              \
    X(C_DigestInit)                                                                                \
    X(C_Digest)                                                                                    \
    X(C_DigestUpdate)                                                                              \
    X(C_DigestKey)                                                                                 \
    X(C_DigestFinal)                                                                               \
    X(C_SignInit)                                                                                  \
    X(C_Sign)                                                                                      \
    X(C_SignUpdate)                                                                                \
    X(C_SignFinal)                                                                                 \
    X(C_SignRecoverInit)                                                                           \
    X(C_SignRecover)                                                                               \
    X(C_VerifyInit)                                                                                \
    X(C_Verify)                                                                                    \
    X(C_VerifyUpdate)                                                                              \
    X(C_VerifyFinal)                                                                               \
    X(C_VerifyRecoverInit)                                                                         \
    X(C_VerifyRecover)                                                                             \
    X(C_DigestEncryptUpdate)                                                                       \
    X(C_DecryptDigestUpdate)                                                                       \
    X(C_SignEncryptUpdate)                                                                         \
    X(C_DecryptVerifyUpdate)                                                                       \
    X(C_GenerateKey)                                                                               \
    X(C_GenerateKeyPair)                                                                           \
    X(C_WrapKey)                                                                                   \
    X(C_UnwrapKey)                                                                                 \
    X(C_DeriveKey)                                                                                 \
    X(C_SeedRandom)                                                                                \
    X(C_GenerateRandom)                                                                            \
    X(C_GetFunctionStatus)                                                                         \
    X(C_CancelFunction)                                                                            \
    X(C_WaitForSlotEvent)

#define CRYPTOKI_3_0(X)                                                                            \
    X(C_GetInterfaceList)                                                                          \
    X(C_GetInterface)                                                                              \
    X(C_LoginUser)                                                                                 \
    X(C_SessionCancel)                                                                             \
    X(C_MessageEncryptInit)                                                                        \
    X(C_EncryptMessage)                                                                            \
    X(C_EncryptMessageBegin)                                                                       \
    X(C_EncryptMessageNext)                                                                        \
    X(C_MessageEncryptFinal)                                                                       \
    X(C_MessageDecryptInit)                                                                        \
    X(C_DecryptMessage)                                                                            \
    X(C_DecryptMessageBegin)                                                                       \
    X(C_DecryptMessageNext)                                                                        \
    X(C_MessageDecryptFinal)                                                                       \
    X(C_MessageSignInit)                                                                           \
    X(C_SignMessage)                                                                               \
    X(C_SignMessageBegin)                                                                          \
    X(C_SignMessageNext)                                                                           \
    X(C_MessageSignFinal)                                                                          \
    X(C_MessageVerifyInit)                                                                         \
    X(C_VerifyMessage)                                                                             \
    X(C_VerifyMessageBegin)                                                                        \
    X(C_VerifyMessageNext)                                                                         \
    X(C_MessageVerifyFinal)

#define CRYPTOKI_3_2(X)                                                                            \
    X(C_EncapsulateKey)                                                                            \
    X(C_DecapsulateKey)                                                                            \
    X(C_VerifySignatureInit)                                                                       \
    X(C_VerifySignature)                                                                           \
    X(C_VerifySignatureUpdate)                                                                     \
    X(C_VerifySignatureFinal)                                                                      \
    X(C_GetSessionValidationFlags)                                                                 \
    X(C_AsyncComplete)                                                                             \
    X(C_AsyncGetID)                                                                                \
    X(C_AsyncJoin)                                                                                 \
    X(C_WrapKeyAuthenticated)                                                                      \
    X(C_UnwrapKeyAuthenticated)

/* A prototype, and the type of a pointer to it; they are what the module exports. */
#define CRYPTOKI_FUNCTION(name, args)                                                              \
    CK_RV name args;                                                                               \
    typedef CK_RV(*CK_##name) args

#pragma GCC visibility push(default)

/* p11-kit has the functions of 3.0 from 0.25 on. */
#if CRYPTOKI_VERSION_MAJOR < 3

typedef struct CK_INTERFACE {
    CK_UTF8CHAR_PTR pInterfaceName;
    CK_VOID_PTR pFunctionList;
    CK_FLAGS flags;
} CK_INTERFACE;
typedef CK_INTERFACE *CK_INTERFACE_PTR;
typedef CK_INTERFACE_PTR *CK_INTERFACE_PTR_PTR;

/* clang-format off */
CRYPTOKI_FUNCTION(C_GetInterfaceList, (CK_INTERFACE_PTR list, CK_ULONG_PTR count));
CRYPTOKI_FUNCTION(C_GetInterface, (CK_UTF8CHAR_PTR name, CK_VERSION_PTR version,
    CK_INTERFACE_PTR_PTR interface, CK_FLAGS flags));
CRYPTOKI_FUNCTION(C_LoginUser, (CK_SESSION_HANDLE session, CK_USER_TYPE type,
    CK_UTF8CHAR_PTR pin, CK_ULONG pin_len, CK_UTF8CHAR_PTR user, CK_ULONG user_len));
CRYPTOKI_FUNCTION(C_SessionCancel, (CK_SESSION_HANDLE session, CK_FLAGS flags));

CRYPTOKI_FUNCTION(C_MessageEncryptInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE key));
CRYPTOKI_FUNCTION(C_EncryptMessage, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len,
    CK_BYTE_PTR plaintext, CK_ULONG plaintext_len,
    CK_BYTE_PTR ciphertext, CK_ULONG_PTR ciphertext_len));
CRYPTOKI_FUNCTION(C_EncryptMessageBegin, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len));
CRYPTOKI_FUNCTION(C_EncryptMessageNext, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR plaintext, CK_ULONG plaintext_len,
    CK_BYTE_PTR ciphertext, CK_ULONG_PTR ciphertext_len, CK_FLAGS flags));
CRYPTOKI_FUNCTION(C_MessageEncryptFinal, (CK_SESSION_HANDLE session));

CRYPTOKI_FUNCTION(C_MessageDecryptInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE key));
CRYPTOKI_FUNCTION(C_DecryptMessage, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len,
    CK_BYTE_PTR ciphertext, CK_ULONG ciphertext_len,
    CK_BYTE_PTR plaintext, CK_ULONG_PTR plaintext_len));
CRYPTOKI_FUNCTION(C_DecryptMessageBegin, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR aad, CK_ULONG aad_len));
CRYPTOKI_FUNCTION(C_DecryptMessageNext, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR ciphertext, CK_ULONG ciphertext_len,
    CK_BYTE_PTR plaintext, CK_ULONG_PTR plaintext_len, CK_FLAGS flags));
CRYPTOKI_FUNCTION(C_MessageDecryptFinal, (CK_SESSION_HANDLE session));

CRYPTOKI_FUNCTION(C_MessageSignInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE key));
CRYPTOKI_FUNCTION(C_SignMessage, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data, CK_ULONG data_len,
    CK_BYTE_PTR signature, CK_ULONG_PTR signature_len));
CRYPTOKI_FUNCTION(C_SignMessageBegin, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len));
CRYPTOKI_FUNCTION(C_SignMessageNext, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data, CK_ULONG data_len,
    CK_BYTE_PTR signature, CK_ULONG_PTR signature_len));
CRYPTOKI_FUNCTION(C_MessageSignFinal, (CK_SESSION_HANDLE session));

CRYPTOKI_FUNCTION(C_MessageVerifyInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE key));
CRYPTOKI_FUNCTION(C_VerifyMessage, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data, CK_ULONG data_len,
    CK_BYTE_PTR signature, CK_ULONG signature_len));
CRYPTOKI_FUNCTION(C_VerifyMessageBegin, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len));
CRYPTOKI_FUNCTION(C_VerifyMessageNext, (CK_SESSION_HANDLE session,
    CK_VOID_PTR parameter, CK_ULONG parameter_len, CK_BYTE_PTR data, CK_ULONG data_len,
    CK_BYTE_PTR signature, CK_ULONG signature_len));
CRYPTOKI_FUNCTION(C_MessageVerifyFinal, (CK_SESSION_HANDLE session));
/* clang-format on */

#endif

/* clang-format off */
CRYPTOKI_FUNCTION(C_EncapsulateKey, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE public_key, CK_ATTRIBUTE_PTR attrs, CK_ULONG count,
    CK_BYTE_PTR ciphertext, CK_ULONG_PTR ciphertext_len, CK_OBJECT_HANDLE_PTR key));
CRYPTOKI_FUNCTION(C_DecapsulateKey, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE private_key, CK_ATTRIBUTE_PTR attrs, CK_ULONG count,
    CK_BYTE_PTR ciphertext, CK_ULONG ciphertext_len, CK_OBJECT_HANDLE_PTR key));
CRYPTOKI_FUNCTION(C_VerifySignatureInit, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE key, CK_BYTE_PTR signature, CK_ULONG signature_len));
CRYPTOKI_FUNCTION(C_VerifySignature, (CK_SESSION_HANDLE session, CK_BYTE_PTR data,
    CK_ULONG data_len));
CRYPTOKI_FUNCTION(C_VerifySignatureUpdate, (CK_SESSION_HANDLE session, CK_BYTE_PTR part,
    CK_ULONG part_len));
CRYPTOKI_FUNCTION(C_VerifySignatureFinal, (CK_SESSION_HANDLE session));
CRYPTOKI_FUNCTION(C_GetSessionValidationFlags, (CK_SESSION_HANDLE session,
    CK_SESSION_VALIDATION_FLAGS_TYPE type, CK_FLAGS *flags));
CRYPTOKI_FUNCTION(C_AsyncComplete, (CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR function,
    CK_ASYNC_DATA_PTR result));
CRYPTOKI_FUNCTION(C_AsyncGetID, (CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR function,
    CK_ULONG_PTR id));
CRYPTOKI_FUNCTION(C_AsyncJoin, (CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR function, CK_ULONG id,
    CK_BYTE_PTR data, CK_ULONG data_len));
CRYPTOKI_FUNCTION(C_WrapKeyAuthenticated, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE wrapping_key, CK_OBJECT_HANDLE key, CK_BYTE_PTR aad, CK_ULONG aad_len,
    CK_BYTE_PTR wrapped, CK_ULONG_PTR wrapped_len));
CRYPTOKI_FUNCTION(C_UnwrapKeyAuthenticated, (CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism,
    CK_OBJECT_HANDLE unwrapping_key, CK_BYTE_PTR wrapped, CK_ULONG wrapped_len,
    CK_ATTRIBUTE_PTR attrs, CK_ULONG count, CK_BYTE_PTR aad, CK_ULONG aad_len,
    CK_OBJECT_HANDLE_PTR key));
/* clang-format on */

#pragma GCC visibility pop

#define CRYPTOKI_MEMBER(name) CK_##name name;

#if CRYPTOKI_VERSION_MAJOR < 3
typedef struct CK_FUNCTION_LIST_3_0 {
    CK_VERSION version;
    CRYPTOKI_2_40(CRYPTOKI_MEMBER)
    CRYPTOKI_3_0(CRYPTOKI_MEMBER)
} CK_FUNCTION_LIST_3_0;
#endif

typedef struct CK_FUNCTION_LIST_3_2 {
    CK_VERSION version;
    CRYPTOKI_2_40(CRYPTOKI_MEMBER)
    CRYPTOKI_3_0(CRYPTOKI_MEMBER)
    CRYPTOKI_3_2(CRYPTOKI_MEMBER)
} CK_FUNCTION_LIST_3_2;

#endif
