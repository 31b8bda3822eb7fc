/*
 * Message-based operations (PKCS#11 3.0, 5.10 to 5.13 "message-based"): one Init chooses mechanism
 * and key, then come messages, each with parameters of its own, each decided, done and recorded by
 * itself, whole or in parts.
 *
 *   none    --C_Message*Init--> IDLE                  (message_init)
 *   IDLE    --C_*Message--> IDLE                      (message_whole)
 *   IDLE    --C_*MessageBegin--> PARTS                (message_begin)
 *   PARTS   --C_*MessageNext--> PARTS                 (message_next)
 *   PARTS   --the last C_*MessageNext--> IDLE
 *   IDLE, PARTS --C_Message*Final--> none             (message_final)
 *
 * PARTS: the session's operation of the same kind is in progress. A message that fails is over; the
 * next may come.
 */
#ifndef KEYWARD_PKCS11_MESSAGE_H
#define KEYWARD_PKCS11_MESSAGE_H

#include "pkcs11/app.h"

struct run;
struct operation_io;

/* A message's pParameter, as it comes. */
struct message_parameter {
    void *data;
    CK_ULONG len;
};

void message_free(struct message *message); /* NULL is fine */

/* mechanism NULL ends what is active (3.0, 5.8.1). The parameters of an AEAD mechanism come with
 * each message; a signature's come here, and its messages have none. */
MUST_CHECK CK_RV message_init(struct run *run, enum operation_kind kind,
                              const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key);
MUST_CHECK CK_RV message_whole(struct run *run, enum operation_kind kind,
                               const struct message_parameter *parameter, struct bytes aad,
                               const struct operation_io *io);
MUST_CHECK CK_RV message_begin(struct run *run, enum operation_kind kind,
                               const struct message_parameter *parameter, struct bytes aad);
MUST_CHECK CK_RV message_next(struct run *run, enum operation_kind kind,
                              const struct message_parameter *parameter,
                              const struct operation_io *io, bool last);
MUST_CHECK CK_RV message_final(struct run *run, enum operation_kind kind);

/* CKF_MESSAGE_* of a mechanism that does `flags` (CKF_ENCRYPT, ...). */
CK_FLAGS message_flags(CK_MECHANISM_TYPE mechanism, CK_FLAGS flags);

#endif
