/* The tables of mech_table.c, for mech.c and nobody else. */
#ifndef KEYWARD_BASE_MECH_INT_H
#define KEYWARD_BASE_MECH_INT_H

#include "base/mech.h"

#define MECH_NO_MGF CK_UNAVAILABLE_INFORMATION

struct mech_hash {
    CK_MECHANISM_TYPE hash;
    size_t len;
    CK_RSA_PKCS_MGF_TYPE mgf; /* MECH_NO_MGF: the standard names none with this digest */
};

extern const struct mech mech_rows[]; /* sorted by type */
extern const size_t mech_row_count;
extern const struct mech_hash mech_hashes[];
extern const size_t mech_hash_count;

#endif
