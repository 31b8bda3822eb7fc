/*
 * Mechanisms as a table: one row a mechanism, and every list, info, parameter check, log text and
 * policy word derives from it. Source: PKCS#11 2.40 Current Mechanisms, the tables "Mechanisms vs.
 * Functions" and the sections named in mech.c.
 */
#ifndef KEYWARD_BASE_MECH_H
#define KEYWARD_BASE_MECH_H

#include "base/fail.h"
#include "base/pkcs11.h"

#include <stddef.h>

/* What pParameter must be. */
enum mech_params {
    MECH_PARAMS_NONE, /* NULL, or of length 0 */
    MECH_PARAMS_IV,   /* 16 bytes */
    MECH_PARAMS_CTR,  /* CK_AES_CTR_PARAMS, ulCounterBits 1..128 */
    MECH_PARAMS_GCM,  /* CK_GCM_PARAMS; IV 1..256 bytes, tag 32..128 bits in steps of 8 */
    MECH_PARAMS_PSS,  /* CK_RSA_PKCS_PSS_PARAMS */
    MECH_PARAMS_OAEP, /* CK_RSA_PKCS_OAEP_PARAMS, source CKZ_DATA_SPECIFIED or none */
};

struct mech {
    CK_MECHANISM_TYPE type;
    const char *name; /* the standard's, "CKM_ECDSA_SHA256": also the policy's word */
    CK_KEY_TYPE key;  /* key type it uses or makes; CK_UNAVAILABLE_INFORMATION for digests */
    enum mech_params params;
    CK_MECHANISM_TYPE hash; /* digest done on the data first (CKM_SHA256), or KW_NO_MECHANISM */
    CK_MECHANISM_TYPE raw;  /* what remains after that digest (CKM_ECDSA), or KW_NO_MECHANISM */
    CK_ULONG min;           /* ulMinKeySize, in the standard's unit for this mechanism */
    CK_ULONG max;           /* ulMaxKeySize */
    CK_FLAGS flags;         /* CKF_SIGN | CKF_VERIFY | ... as C_GetMechanismInfo shows them */
};

size_t mech_count(void);
const struct mech *mech_at(size_t i);                 /* rows sorted by type; NULL past the end */
const struct mech *mech_find(CK_MECHANISM_TYPE type); /* NULL when there is no row */
const struct mech *mech_find_name(const char *name);  /* by the standard's name */

/*
 * Checks pParameter against the row: CKR_OK, or CKR_MECHANISM_PARAM_INVALID with a reason. Never
 * reads past ulParameterLen, nor through a NULL with a length. PSS and OAEP: hash and MGF must be
 * of the table, and for a hashed PSS mechanism hashAlg must be the row's.
 */
MUST_CHECK CK_RV mech_check_params(const struct mech *mech, const CK_MECHANISM *given);

/* Digest length in bytes of a digest mechanism (CKM_SHA256 -> 32), 0 when it is none. */
size_t mech_hash_len(CK_MECHANISM_TYPE hash);
/* CKG_MGF1_SHA256 -> CKM_SHA256; KW_NO_MECHANISM when unknown. */
CK_MECHANISM_TYPE mech_mgf_hash(CK_RSA_PKCS_MGF_TYPE mgf);

#endif
