/* Wrapping and unwrapping with a device that does neither: what an HSM encrypts and decrypts with
 * is enough. See hsm.h. */
#ifndef KEYWARD_HSM_COMPOSE_WRAP_H
#define KEYWARD_HSM_COMPOSE_WRAP_H

#include "hsm/hsm_int.h"

/* A whole operation of the device: struct hsm_driver's run. */
typedef CK_RV wrap_run(void *device, enum hsm_use use, const struct hsm_key *key,
                       const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
                       struct buf *out);

struct wrap_device {
    void *device;
    struct local *local;
    wrap_run *run;
};

MUST_CHECK CK_RV wrap_compose(const struct wrap_device *d, enum hsm_use use,
                              const struct hsm_key *key, const CK_MECHANISM *mechanism,
                              struct bytes in, struct buf *out);
/* What the device must offer for this (CKF_WRAP, CKF_UNWRAP or both) to work. */
void wrap_needs(CK_MECHANISM_TYPE mechanism, CK_FLAGS use, CK_MECHANISM_TYPE *ret_mechanism,
                CK_FLAGS *ret_use);

#endif
