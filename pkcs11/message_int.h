/* Between message.c and message_aead.c: one message's parameters. Nobody else includes this. */
#ifndef KEYWARD_PKCS11_MESSAGE_INT_H
#define KEYWARD_PKCS11_MESSAGE_INT_H

#include "pkcs11/message.h"
#include "pkcs11/operation_int.h"

#define MESSAGE_IV_MAX 256U

/* How an AEAD mechanism's messages are parametrised: message_aead.c has a row for each. */
struct message_form;
/* NULL: the mechanism's messages have no parameters of their own. */
const struct message_form *message_form_of(CK_MECHANISM_TYPE mechanism);

/* A message's parameters, read once from the caller's memory, and the mechanism of the ordinary
 * operation that does it. Points into itself: never moved. */
struct message_aead {
    CK_MECHANISM mechanism;
    union {
        CK_GCM_PARAMS gcm;
        CK_CCM_PARAMS ccm;
        CK_SALSA20_CHACHA20_POLY1305_PARAMS poly1305;
    } params;
    uint8_t iv[MESSAGE_IV_MAX];
    CK_BYTE_PTR iv_dest; /* where a generated IV goes; NULL: it was given */
    size_t iv_len;
    CK_BYTE_PTR tag; /* the caller's */
    size_t tag_len;
    bool counted;      /* the IV came from the counter */
    uint64_t data_len; /* of the plaintext, CCM only */
};

/*
 * Reads and checks the parameters. Encrypting, an IV that the caller wants generated is made:
 * *counter counts the messages of this Init and moves on with each IV that uses it, so that none
 * comes twice. CKR_MECHANISM_PARAM_INVALID; CKR_KEY_EXHAUSTED when the counter has been through.
 */
MUST_CHECK CK_RV message_aead_read(struct run *run, const struct message_form *form,
                                   const struct message_parameter *parameter, struct bytes aad,
                                   bool encrypts, uint64_t *counter, struct message_aead *ret);
/* The generated IV, where there is one, as a result of the call. */
MUST_CHECK CK_RV message_output_iv(struct run *run, const struct message_aead *aead);
/* Only the place of the tag, from the parameters of a message's last part. */
MUST_CHECK CK_RV message_aead_tag(const struct message_form *form,
                                  const struct message_parameter *parameter, CK_BYTE_PTR *ret_tag,
                                  size_t *ret_len);

#endif
