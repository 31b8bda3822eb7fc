/*
 * Mechanisms as a table: one row a mechanism, and every list, info, parameter check, log text and
 * policy word derives from it. Source: PKCS#11 3.2, section 6, the tables "Mechanisms vs.
 * Functions".
 *
 * A row says what a mechanism is. Whether somebody here does it, the devices say: hsm_offers().
 */
#ifndef KEYWARD_BASE_MECH_H
#define KEYWARD_BASE_MECH_H

#include "base/fail.h"
#include "base/pkcs11.h"

#include <stdbool.h>
#include <stddef.h>

/* What pParameter must be. mech_params.c has a row for each; those of derivations and of key
 * wrapping come last, and are used within one call. */
enum mech_params {
    MECH_PARAMS_NONE,         /* NULL, or of length 0 */
    MECH_PARAMS_IV,           /* 16 bytes */
    MECH_PARAMS_CTR,          /* CK_AES_CTR_PARAMS, ulCounterBits 1..128 */
    MECH_PARAMS_GCM,          /* CK_GCM_PARAMS; IV 1..256 bytes, tag 32..128 bits in steps of 8 */
    MECH_PARAMS_PSS,          /* CK_RSA_PKCS_PSS_PARAMS */
    MECH_PARAMS_OAEP,         /* CK_RSA_PKCS_OAEP_PARAMS, source CKZ_DATA_SPECIFIED or none */
    MECH_PARAMS_IV8,          /* 8 bytes */
    MECH_PARAMS_CCM,          /* CK_CCM_PARAMS */
    MECH_PARAMS_POLY1305,     /* CK_SALSA20_CHACHA20_POLY1305_PARAMS, nonce of 12 bytes */
    MECH_PARAMS_MAC_LEN,      /* CK_MAC_GENERAL_PARAMS: bytes of the MAC, at most all it has */
    MECH_PARAMS_EDDSA,        /* CK_EDDSA_PARAMS, or none */
    MECH_PARAMS_SIGN_CONTEXT, /* CK_SIGN_ADDITIONAL_CONTEXT, or none */
    MECH_PARAMS_HASH_CONTEXT, /* CK_HASH_SIGN_ADDITIONAL_CONTEXT */
    MECH_PARAMS_TLS_MAC,      /* CK_TLS_MAC_PARAMS */
    MECH_PARAMS_LAST_KEPT = MECH_PARAMS_TLS_MAC, /* the last that outlives the call it came in */
    MECH_PARAMS_WRAP_IV8,                        /* 8 bytes, or none: the IV of RFC 3394 */
    MECH_PARAMS_WRAP_IV4,                        /* 4 bytes, or none: the constant of RFC 5649 */
    MECH_PARAMS_RSA_AES_WRAP,                    /* CK_RSA_AES_KEY_WRAP_PARAMS */
    MECH_PARAMS_ECDH1,                           /* CK_ECDH1_DERIVE_PARAMS */
    MECH_PARAMS_HKDF,                            /* CK_HKDF_PARAMS */
    MECH_PARAMS_SP800_KDF,                       /* CK_SP800_108_KDF_PARAMS */
    MECH_PARAMS_SP800_FEEDBACK,                  /* CK_SP800_108_FEEDBACK_KDF_PARAMS */
    MECH_PARAMS_PBKD2,                           /* CK_PKCS5_PBKD2_PARAMS2 */
    MECH_PARAMS_KEY_HANDLE,                      /* CK_OBJECT_HANDLE */
    MECH_PARAMS_STRING,                          /* CK_KEY_DERIVATION_STRING_DATA */
    MECH_PARAMS_EXTRACT,                         /* CK_EXTRACT_PARAMS: first bit */
    MECH_PARAMS_TLS12_MASTER,                    /* CK_TLS12_MASTER_KEY_DERIVE_PARAMS */
    MECH_PARAMS_TLS12_EXTENDED,                  /* CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS */
    MECH_PARAMS_TLS12_KEY_MAT,                   /* CK_TLS12_KEY_MAT_PARAMS */
    MECH_PARAMS_TLS_KDF,                         /* CK_TLS_KDF_PARAMS */
    MECH_PARAMS_COUNT,
};

/* How data comes to it. */
enum mech_data {
    MECH_DATA_NONE,  /* not at all: it makes keys, derives them, wraps them */
    MECH_DATA_BLOCK, /* one block: a digest, or what the key has room for */
    MECH_DATA_WHOLE, /* of any length, but all of it at once */
    MECH_DATA_PARTS, /* of any length, as it comes */
};

/* "any secret key" where a row names a key type. */
#define MECH_ANY_SECRET (CK_UNAVAILABLE_INFORMATION - 1)

struct mech {
    CK_MECHANISM_TYPE type;
    const char *name; /* the standard's, "CKM_ECDSA_SHA256": also the policy's word */
    CK_KEY_TYPE key;  /* key type it uses or makes; CK_UNAVAILABLE_INFORMATION for digests */
    CK_KEY_TYPE also; /* another it uses (CKK_SHA256_HMAC), or CK_UNAVAILABLE_INFORMATION */
    enum mech_params params;
    CK_MECHANISM_TYPE hash; /* digest that is part of it (CKM_SHA256), or KW_NO_MECHANISM */
    CK_MECHANISM_TYPE raw;  /* what remains after that digest (CKM_ECDSA), or KW_NO_MECHANISM */
    CK_ULONG min;           /* ulMinKeySize, in the standard's unit for this mechanism */
    CK_ULONG max;           /* ulMaxKeySize */
    CK_FLAGS flags;         /* CKF_SIGN | CKF_VERIFY | ...: all it is for */
    enum mech_data data;
    unsigned block; /* cipher: it works on multiples of so many bytes; 0: on a block of the key's */
    bool padded;  /* cipher: what comes out of a decryption is shorter, nobody knows by how much */
    unsigned tag; /* bytes of its tag or MAC, in full; 0: it has none, or its hash's */
    /* Oldest OpenSSL (OPENSSL_VERSION_NUMBER) that does it for software and public keys; 0: any. */
    unsigned long openssl;
    bool legacy; /* broken or weak: only where a vault says so (vault_info.legacy) */
};

size_t mech_count(void);
const struct mech *mech_at(size_t i);                 /* rows sorted by type; NULL past the end */
const struct mech *mech_find(CK_MECHANISM_TYPE type); /* NULL when there is no row */
const struct mech *mech_find_name(const char *name);  /* by the standard's name */

/* ulMinKeySize of a vault that says legacy, or of one that does not: RSA differs. */
CK_ULONG mech_min(const struct mech *mech, bool legacy);
/* Is this a type of key that only legacy mechanisms work with? */
bool mech_key_is_legacy(CK_KEY_TYPE type);

/* Does it work with keys of this type? Never for a digest. */
bool mech_takes_key(const struct mech *mech, CK_KEY_TYPE type);
/* False for key pairs' types and for none. */
bool mech_key_is_secret(CK_KEY_TYPE type);

/*
 * Checks pParameter against the row: CKR_OK, or CKR_MECHANISM_PARAM_INVALID with a reason. Never
 * reads past ulParameterLen, nor through a NULL with a length. PSS and OAEP: hash and MGF must be
 * of the table, and for a hashed PSS mechanism hashAlg must be the row's.
 */
MUST_CHECK CK_RV mech_check_params(const struct mech *mech, const CK_MECHANISM *given);

/*
 * What a parameter consists of: a struct and the bytes its members point to. Checks, deep copies
 * and the log's digests derive from it. Structs of derivations that point to more than bytes
 * (arrays of structs, places for results) have those pointers among their holes.
 */
#define MECH_SPANS_MAX 4
#define MECH_HOLES_MAX 2
struct mech_span {
    size_t pointer, length; /* offsets of the two members in the struct */
    CK_ULONG max;           /* most bytes */
    bool required;          /* at least one byte */
    bool secret;            /* bytes that no digest is made of: a password could be guessed */
};
/* Bytes of the struct that have no value: between its members, and other pointers. */
struct mech_hole {
    size_t at, len;
};
struct mech_layout {
    const char *type; /* "a CK_GCM_PARAMS" */
    size_t size;      /* 0: there is no parameter */
    bool optional;    /* may be left out */
    struct mech_span spans[MECH_SPANS_MAX];
    size_t span_count;
    struct mech_hole holes[MECH_HOLES_MAX];
    size_t hole_count;
};
/* The largest struct there is. */
#define MECH_PARAMS_SIZE_MAX sizeof(CK_TLS12_KEY_MAT_PARAMS)
const struct mech_layout *mech_layout_of(enum mech_params params);

/* Bytes of its MAC or tag in full; 0 when it has none. */
size_t mech_mac_full(const struct mech *mech);
/* The same as its parameter, which mech_check_params() has passed, cuts it. */
size_t mech_mac_len(const struct mech *mech, const CK_MECHANISM *given);

/*
 * The parameter of CKM_HASH_ML_DSA and CKM_HASH_SLH_DSA that says what one of a mechanism with this
 * digest says (CK_SIGN_ADDITIONAL_CONTEXT, or none). Borrows its context.
 */
CK_HASH_SIGN_ADDITIONAL_CONTEXT mech_hash_context(const CK_MECHANISM *given,
                                                  CK_MECHANISM_TYPE hash);

/* Digest length in bytes of a digest mechanism (CKM_SHA256 -> 32), 0 when it is none. */
size_t mech_hash_len(CK_MECHANISM_TYPE hash);
/* CKG_MGF1_SHA256 -> CKM_SHA256; KW_NO_MECHANISM when unknown. */
CK_MECHANISM_TYPE mech_mgf_hash(CK_RSA_PKCS_MGF_TYPE mgf);

#endif
