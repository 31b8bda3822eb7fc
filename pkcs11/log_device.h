/*
 * What the log asks of the HSM (audit/trail.h): signatures of its checkpoints, and the marks of its
 * anchors, which are AES keys that nothing is ever done with.
 */
#ifndef KEYWARD_PKCS11_LOG_DEVICE_H
#define KEYWARD_PKCS11_LOG_DEVICE_H

#include "audit/trail.h"
#include "hsm/hsm.h"

struct log_device {
    struct hsm *hsm;    /* borrowed */
    struct hsm_key key; /* Ed25519, signs */
};

/* With its key, which the HSM holds. */
MUST_CHECK CK_RV log_device_sign(const struct log_device *d, struct bytes message,
                                 uint8_t ret_signature[static 64]);
/* Its callbacks; d is borrowed by what is opened with them. */
void log_device_fill(struct log_device *d, struct trail_config *config);

#endif
