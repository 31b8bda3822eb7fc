/* A key, or a pair, on its way: for keys.c and keys_many.c. */
#ifndef KEYWARD_PKCS11_KEYS_INT_H
#define KEYWARD_PKCS11_KEYS_INT_H

#include "base/mech.h"
#include "pkcs11/birth.h"
#include "pkcs11/keys.h"

#define SPKI_MAX 8192U

struct birth {
    struct run *run;
    const CK_MECHANISM *mechanism;
    const struct mech *row;
    struct object
        *pair[2]; /* the private or secret key first; the public half where there is one */
    size_t count;
    struct hsm_key_spec spec;
    struct buf spki;
};

#define BIRTH_INIT(runs, mech, private_half, public_half, is_pair)                                 \
    ((struct birth){.run = (runs),                                                                 \
                    .mechanism = (mech),                                                           \
                    .pair = {(private_half), (public_half)},                                       \
                    .count = (is_pair) ? 2 : 1,                                                    \
                    .spki = BUF_INIT(SPKI_MAX)})

/* Templates, sizes, gate: all that is done before the intent. The objects are begun; on failure
 * they may be half made. */
MUST_CHECK CK_RV key_birth_ask(struct birth *b, const CK_ATTRIBUTE *public_template,
                               CK_ULONG public_count, const CK_ATTRIBUTE *private_template,
                               CK_ULONG private_count);
/* After the intent: the key on its device, and what it says in the objects. On failure the device
 * has nothing. */
MUST_CHECK CK_RV key_birth_make(struct birth *b);

#endif
