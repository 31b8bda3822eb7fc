/* What the tests of known bad input share: a key of OpenSSL's, and what keyward says to a
 * signature.
 */
#ifndef KEYWARD_TESTS_UNIT_HSM_KNOWN_BAD_H
#define KEYWARD_TESTS_UNIT_HSM_KNOWN_BAD_H

#include "hsm/local_int.h"
#include "tests/support/suite.h"

#define TEXT   "a message of some length"
#define DIGEST 32

struct world {
    struct local *local;
    EVP_PKEY *key;
    struct buf spki;
    uint8_t digest[DIGEST]; /* SHA-256 of TEXT */
};

/* Takes key. */
void world_init(struct world *w, EVP_PKEY *key);
void world_release(struct world *w);
/* The verdict on a signature of TEXT; what names the row when it is another. */
void assert_verdict(struct world *w, CK_MECHANISM *m, const char *what, CK_RV want,
                    struct bytes signature);

#endif
