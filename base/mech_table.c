/*
 * The table of mechanisms: see mech.h. A mechanism without a row does not exist.
 *
 * Key sizes and their units are those of the standard (3.2, section 6): bits for RSA and curves and
 * generic secrets, bytes for AES, DES and ChaCha20. HMAC keys are counted in bits like the generic
 * secrets they may be. ML-KEM, ML-DSA and SLH-DSA are counted in parameter sets (CKP_...).
 */
#include "base/mech_int.h"

#define ANY     MECH_ANY_SECRET
#define NO_KEY  CK_UNAVAILABLE_INFORMATION
#define NO_MECH KW_NO_MECHANISM

#define RSA_BITS    2048, 4096
#define EC_BITS     256, 521
#define EDWARDS     255, 448
#define AES_BYTES   16, 32
#define XTS_BYTES   32, 64
#define TLS_BYTES   48, 48
#define SECRET_BITS 8, 4096
#define NO_SIZE     0, 0
/* Bytes of the public key. */
#define KEM_BYTES 800, 1568
#define MLD_BYTES 1312, 2592
#define SLH_BYTES 32, 64

/* The last column of what OpenSSL has not always had. */
#define SINCE_3_5 .openssl = 0x30500000UL

#define SIGNS    (CKF_SIGN | CKF_VERIFY)
#define CRYPTS   (CKF_ENCRYPT | CKF_DECRYPT)
#define WRAPS    (CKF_WRAP | CKF_UNWRAP)
#define KEMS     (CKF_ENCAPSULATE | CKF_DECAPSULATE)
#define DERIVES  CKF_DERIVE
#define EC_ALL   (CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS)
#define EC_SIGNS (SIGNS | EC_ALL)
#define EC_PAIR  (CKF_GENERATE_KEY_PAIR | EC_ALL)
#define PAIR     CKF_GENERATE_KEY_PAIR
#define MAKES    CKF_GENERATE
#define RECOVERS (CKF_SIGN_RECOVER | CKF_VERIFY_RECOVER)
#define RSA_ALL  (SIGNS | RECOVERS | CRYPTS | WRAPS)

/* How data comes: the last column, empty where none does. */
#define ONE_BLOCK       .data = MECH_DATA_BLOCK
#define PADDED_BLOCK    .data = MECH_DATA_BLOCK, .padded = true
#define PARTS           .data = MECH_DATA_PARTS
#define BLOCKS(n)       .data = MECH_DATA_PARTS, .block = (n)
#define BLOCKS_PAD(n)   .data = MECH_DATA_PARTS, .block = (n), .padded = true
#define TAGGED(n)       .data = MECH_DATA_PARTS, .block = 1, .tag = (n)
#define MAC(n)          .data = MECH_DATA_PARTS, .tag = (n)
#define WHOLE           .data = MECH_DATA_WHOLE, .block = 1
#define WHOLE_TAGGED(n) .data = MECH_DATA_WHOLE, .block = 1, .tag = (n)

/* The name is made from the constant, so a row cannot be called by another's name. What comes last
 * are sizes, flags, and how data comes. */
#define ROW(mech, key, params, hash, raw, ...)                                                     \
    ROW_(mech, key, NO_KEY, params, hash, raw, false, __VA_ARGS__)
/* One that a key type of its own serves as well. */
#define ROW2(mech, key, also, params, hash, raw, ...)                                              \
    ROW_(mech, key, also, params, hash, raw, false, __VA_ARGS__)
/* One that is there for old data only. */
#define OLD(mech, key, also, params, hash, raw, ...)                                               \
    ROW_(mech, key, also, params, hash, raw, true, __VA_ARGS__)
#define ROW_(mech, key_, also_, params_, hash_, raw_, legacy_, min_, max_, ...)                    \
    {                                                                                              \
        .type = CKM_##mech, .name = "CKM_" #mech, .key = (key_), .also = (also_),                  \
        .params = MECH_PARAMS_##params_, .hash = (hash_), .raw = (raw_), .min = (min_),            \
        .max = (max_), .legacy = (legacy_), .flags = __VA_ARGS__                                   \
    }

/* HMAC with a digest, at full length and cut, and keys of its own: rows that stand together. */
#define HMAC(h, hash)                                                                              \
    ROW2(h##_HMAC, CKK_GENERIC_SECRET, CKK_##h##_HMAC, NONE, hash, NO_MECH, SECRET_BITS, SIGNS,    \
         PARTS),                                                                                   \
        ROW2(h##_HMAC_GENERAL, CKK_GENERIC_SECRET, CKK_##h##_HMAC, MAC_LEN, hash, NO_MECH,         \
             SECRET_BITS, SIGNS, PARTS)
#define HMAC_KEY(h, hash) ROW(h##_KEY_GEN, CKK_##h##_HMAC, NONE, hash, NO_MECH, SECRET_BITS, MAKES)
#define DIGEST(h)         ROW(h, NO_KEY, NONE, NO_MECH, NO_MECH, NO_SIZE, CKF_DIGEST, PARTS)
#define PKCS(h, hash)     ROW(h##_RSA_PKCS, CKK_RSA, NONE, hash, CKM_RSA_PKCS, RSA_BITS, SIGNS, PARTS)
#define PSS(h, hash)                                                                               \
    ROW(h##_RSA_PKCS_PSS, CKK_RSA, PSS, hash, CKM_RSA_PKCS_PSS, RSA_BITS, SIGNS, PARTS)
#define HASH_ML_DSA(h, hash)                                                                       \
    ROW(HASH_ML_DSA_##h, CKK_ML_DSA, SIGN_CONTEXT, hash, CKM_HASH_ML_DSA, MLD_BYTES, SIGNS, PARTS, \
        SINCE_3_5)
#define HASH_SLH_DSA(h, hash)                                                                      \
    ROW(HASH_SLH_DSA_##h, CKK_SLH_DSA, SIGN_CONTEXT, hash, CKM_HASH_SLH_DSA, SLH_BYTES, SIGNS,     \
        PARTS, SINCE_3_5)
#define ECDSA_WITH(h, hash) ROW(ECDSA_##h, CKK_EC, NONE, hash, CKM_ECDSA, EC_BITS, EC_SIGNS, PARTS)

/* clang-format off */
const struct mech mech_rows[] = {
    /*  CKM_                      key       parameter         hash        raw      sizes        flags, data */
    ROW(RSA_PKCS_KEY_PAIR_GEN,    CKK_RSA,  NONE,             NO_MECH,    NO_MECH, RSA_BITS,    PAIR),
    ROW(RSA_PKCS,                 CKK_RSA,  NONE,             NO_MECH,    NO_MECH, RSA_BITS,    RSA_ALL, PADDED_BLOCK),
    ROW(RSA_X_509,                CKK_RSA,  NONE,             NO_MECH,    NO_MECH, RSA_BITS,    RSA_ALL, ONE_BLOCK),
    OLD(MD5_RSA_PKCS,             CKK_RSA,  NO_KEY, NONE,     CKM_MD5, CKM_RSA_PKCS, RSA_BITS,  SIGNS, PARTS),
    PKCS(SHA1, CKM_SHA_1),
    ROW(RSA_PKCS_OAEP,            CKK_RSA,  OAEP,             NO_MECH,    NO_MECH, RSA_BITS,    CRYPTS | WRAPS | KEMS, PADDED_BLOCK),
    ROW(RSA_PKCS_PSS,             CKK_RSA,  PSS,              NO_MECH,    NO_MECH, RSA_BITS,    SIGNS, ONE_BLOCK),
    PSS(SHA1, CKM_SHA_1),
    ROW(ML_KEM_KEY_PAIR_GEN,      CKK_ML_KEM,  NONE,          NO_MECH,    NO_MECH, KEM_BYTES,   PAIR, SINCE_3_5),
    ROW(ML_KEM,                   CKK_ML_KEM,  NONE,          NO_MECH,    NO_MECH, KEM_BYTES,   KEMS, SINCE_3_5),
    ROW(ML_DSA_KEY_PAIR_GEN,      CKK_ML_DSA,  NONE,          NO_MECH,    NO_MECH, MLD_BYTES,   PAIR, SINCE_3_5),
    ROW(ML_DSA,                   CKK_ML_DSA,  SIGN_CONTEXT,  NO_MECH,    NO_MECH, MLD_BYTES,   SIGNS, WHOLE, SINCE_3_5),
    ROW(HASH_ML_DSA,              CKK_ML_DSA,  HASH_CONTEXT,  NO_MECH,    NO_MECH, MLD_BYTES,   SIGNS, ONE_BLOCK, SINCE_3_5),
    HASH_ML_DSA(SHA224, CKM_SHA224),
    HASH_ML_DSA(SHA256, CKM_SHA256),
    HASH_ML_DSA(SHA384, CKM_SHA384),
    HASH_ML_DSA(SHA512, CKM_SHA512),
    HASH_ML_DSA(SHA3_224, CKM_SHA3_224),
    HASH_ML_DSA(SHA3_256, CKM_SHA3_256),
    HASH_ML_DSA(SHA3_384, CKM_SHA3_384),
    HASH_ML_DSA(SHA3_512, CKM_SHA3_512),
    HASH_ML_DSA(SHAKE128, KW_SHAKE_128),
    HASH_ML_DSA(SHAKE256, KW_SHAKE_256),
    ROW(SLH_DSA_KEY_PAIR_GEN,     CKK_SLH_DSA, NONE,          NO_MECH,    NO_MECH, SLH_BYTES,   PAIR, SINCE_3_5),
    ROW(SLH_DSA,                  CKK_SLH_DSA, SIGN_CONTEXT,  NO_MECH,    NO_MECH, SLH_BYTES,   SIGNS, WHOLE, SINCE_3_5),
    ROW(HASH_SLH_DSA,             CKK_SLH_DSA, HASH_CONTEXT,  NO_MECH,    NO_MECH, SLH_BYTES,   SIGNS, ONE_BLOCK, SINCE_3_5),
    HASH_SLH_DSA(SHA224, CKM_SHA224),
    HASH_SLH_DSA(SHA256, CKM_SHA256),
    HASH_SLH_DSA(SHA384, CKM_SHA384),
    HASH_SLH_DSA(SHA512, CKM_SHA512),
    HASH_SLH_DSA(SHA3_224, CKM_SHA3_224),
    HASH_SLH_DSA(SHA3_256, CKM_SHA3_256),
    HASH_SLH_DSA(SHA3_384, CKM_SHA3_384),
    HASH_SLH_DSA(SHA3_512, CKM_SHA3_512),
    HASH_SLH_DSA(SHAKE128, KW_SHAKE_128),
    HASH_SLH_DSA(SHAKE256, KW_SHAKE_256),
    PKCS(SHA256, CKM_SHA256),
    PKCS(SHA384, CKM_SHA384),
    PKCS(SHA512, CKM_SHA512),
    PSS(SHA256, CKM_SHA256),
    PSS(SHA384, CKM_SHA384),
    PSS(SHA512, CKM_SHA512),
    PKCS(SHA224, CKM_SHA224),
    PSS(SHA224, CKM_SHA224),
    DIGEST(SHA512_224),
    HMAC(SHA512_224, CKM_SHA512_224),
    DIGEST(SHA512_256),
    HMAC(SHA512_256, CKM_SHA512_256),
    ROW(TLS12_EXTENDED_MASTER_KEY_DERIVE, CKK_GENERIC_SECRET, TLS12_EXTENDED, NO_MECH, NO_MECH, TLS_BYTES, DERIVES),
    ROW(TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, CKK_GENERIC_SECRET, TLS12_EXTENDED, NO_MECH, NO_MECH, SECRET_BITS, DERIVES),
    PKCS(SHA3_256, CKM_SHA3_256),
    PKCS(SHA3_384, CKM_SHA3_384),
    PKCS(SHA3_512, CKM_SHA3_512),
    PSS(SHA3_256, CKM_SHA3_256),
    PSS(SHA3_384, CKM_SHA3_384),
    PSS(SHA3_512, CKM_SHA3_512),
    PKCS(SHA3_224, CKM_SHA3_224),
    PSS(SHA3_224, CKM_SHA3_224),
    OLD(DES_KEY_GEN,              CKK_DES,  NO_KEY, NONE,     NO_MECH,    NO_MECH, 8, 8,        MAKES),
    OLD(DES_ECB,                  CKK_DES,  NO_KEY, NONE,     NO_MECH,    NO_MECH, 8, 8,        CRYPTS, BLOCKS(8)),
    OLD(DES_CBC,                  CKK_DES,  NO_KEY, IV8,      NO_MECH,    NO_MECH, 8, 8,        CRYPTS, BLOCKS(8)),
    OLD(DES_CBC_PAD,              CKK_DES,  NO_KEY, IV8,      NO_MECH,    NO_MECH, 8, 8,        CRYPTS, BLOCKS_PAD(8)),
    OLD(DES3_KEY_GEN,             CKK_DES3, NO_KEY, NONE,     NO_MECH,    NO_MECH, 24, 24,      MAKES),
    OLD(DES3_ECB,                 CKK_DES3, NO_KEY, NONE,     NO_MECH,    NO_MECH, 24, 24,      CRYPTS, BLOCKS(8)),
    OLD(DES3_CBC,                 CKK_DES3, NO_KEY, IV8,      NO_MECH,    NO_MECH, 24, 24,      CRYPTS, BLOCKS(8)),
    OLD(DES3_CBC_PAD,             CKK_DES3, NO_KEY, IV8,      NO_MECH,    NO_MECH, 24, 24,      CRYPTS, BLOCKS_PAD(8)),
    OLD(MD5,                      NO_KEY,   NO_KEY, NONE,     NO_MECH,    NO_MECH, NO_SIZE,     CKF_DIGEST, PARTS),
    OLD(MD5_HMAC, CKK_GENERIC_SECRET, CKK_MD5_HMAC, NONE,     CKM_MD5,    NO_MECH, SECRET_BITS, SIGNS, PARTS),
    OLD(MD5_HMAC_GENERAL, CKK_GENERIC_SECRET, CKK_MD5_HMAC, MAC_LEN, CKM_MD5, NO_MECH, SECRET_BITS, SIGNS, PARTS),
    DIGEST(SHA_1),
    HMAC(SHA_1, CKM_SHA_1),
    DIGEST(SHA256),
    HMAC(SHA256, CKM_SHA256),
    DIGEST(SHA224),
    HMAC(SHA224, CKM_SHA224),
    DIGEST(SHA384),
    HMAC(SHA384, CKM_SHA384),
    DIGEST(SHA512),
    HMAC(SHA512, CKM_SHA512),
    DIGEST(SHA3_256),
    HMAC(SHA3_256, CKM_SHA3_256),
    HMAC_KEY(SHA3_256, CKM_SHA3_256),
    DIGEST(SHA3_224),
    HMAC(SHA3_224, CKM_SHA3_224),
    HMAC_KEY(SHA3_224, CKM_SHA3_224),
    DIGEST(SHA3_384),
    HMAC(SHA3_384, CKM_SHA3_384),
    HMAC_KEY(SHA3_384, CKM_SHA3_384),
    DIGEST(SHA3_512),
    HMAC(SHA3_512, CKM_SHA3_512),
    HMAC_KEY(SHA3_512, CKM_SHA3_512),
    ROW(GENERIC_SECRET_KEY_GEN,   CKK_GENERIC_SECRET, NONE,   NO_MECH,    NO_MECH, SECRET_BITS, MAKES),
    ROW(CONCATENATE_BASE_AND_KEY, ANY,      KEY_HANDLE,       NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(CONCATENATE_BASE_AND_DATA, ANY,     STRING,           NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(CONCATENATE_DATA_AND_BASE, ANY,     STRING,           NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(XOR_BASE_AND_DATA,        ANY,      STRING,           NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(EXTRACT_KEY_FROM_KEY,     ANY,      EXTRACT,          NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(SP800_108_COUNTER_KDF,    ANY,      SP800_KDF,        NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(SP800_108_FEEDBACK_KDF,   ANY,      SP800_FEEDBACK,   NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(SP800_108_DOUBLE_PIPELINE_KDF, ANY, SP800_KDF,        NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(PKCS5_PBKD2,              CKK_GENERIC_SECRET, PBKD2,  NO_MECH,    NO_MECH, SECRET_BITS, MAKES),
    ROW(TLS12_MAC,                CKK_GENERIC_SECRET, TLS_MAC, NO_MECH,   NO_MECH, TLS_BYTES,   SIGNS, ONE_BLOCK),
    ROW(TLS12_KDF,                CKK_GENERIC_SECRET, TLS_KDF, NO_MECH,   NO_MECH, TLS_BYTES,   DERIVES),
    ROW(TLS12_MASTER_KEY_DERIVE,  CKK_GENERIC_SECRET, TLS12_MASTER, NO_MECH, NO_MECH, TLS_BYTES, DERIVES),
    ROW(TLS12_KEY_AND_MAC_DERIVE, CKK_GENERIC_SECRET, TLS12_KEY_MAT, NO_MECH, NO_MECH, TLS_BYTES, DERIVES),
    ROW(TLS12_MASTER_KEY_DERIVE_DH, CKK_GENERIC_SECRET, TLS12_MASTER, NO_MECH, NO_MECH, SECRET_BITS, DERIVES),
    ROW(TLS_MAC,                  CKK_GENERIC_SECRET, TLS_MAC, NO_MECH,   NO_MECH, SECRET_BITS, SIGNS, ONE_BLOCK),
    ROW(TLS_KDF,                  CKK_GENERIC_SECRET, TLS_KDF, NO_MECH,   NO_MECH, SECRET_BITS, DERIVES),
    ROW(EC_KEY_PAIR_GEN,          CKK_EC,   NONE,             NO_MECH,    NO_MECH, EC_BITS,     EC_PAIR),
    ROW(ECDSA,                    CKK_EC,   NONE,             NO_MECH,    NO_MECH, EC_BITS,     EC_SIGNS, ONE_BLOCK),
    ECDSA_WITH(SHA1, CKM_SHA_1),
    ECDSA_WITH(SHA224, CKM_SHA224),
    ECDSA_WITH(SHA256, CKM_SHA256),
    ECDSA_WITH(SHA384, CKM_SHA384),
    ECDSA_WITH(SHA512, CKM_SHA512),
    ECDSA_WITH(SHA3_224, CKM_SHA3_224),
    ECDSA_WITH(SHA3_256, CKM_SHA3_256),
    ECDSA_WITH(SHA3_384, CKM_SHA3_384),
    ECDSA_WITH(SHA3_512, CKM_SHA3_512),
    ROW2(ECDH1_DERIVE, CKK_EC, CKK_EC_MONTGOMERY, ECDH1,      NO_MECH,    NO_MECH, EC_BITS,     DERIVES | KEMS | EC_ALL),
    ROW(ECDH1_COFACTOR_DERIVE,    CKK_EC,   ECDH1,            NO_MECH,    NO_MECH, EC_BITS,     DERIVES | KEMS | EC_ALL),
    ROW(RSA_AES_KEY_WRAP,         CKK_RSA,  RSA_AES_WRAP,     NO_MECH,    NO_MECH, RSA_BITS,    WRAPS),
    ROW(EC_EDWARDS_KEY_PAIR_GEN,  CKK_EC_EDWARDS, NONE,       NO_MECH,    NO_MECH, EDWARDS,     PAIR | CKF_EC_OID),
    ROW(EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY, NONE,  NO_MECH,    NO_MECH, EDWARDS,     PAIR | CKF_EC_OID),
    ROW(EDDSA,                    CKK_EC_EDWARDS, EDDSA,      NO_MECH,    NO_MECH, EDWARDS,     SIGNS | CKF_EC_OID, WHOLE),
    ROW(AES_XTS,                  CKK_AES_XTS, IV,            NO_MECH,    NO_MECH, XTS_BYTES,   CRYPTS, WHOLE),
    ROW(AES_XTS_KEY_GEN,          CKK_AES_XTS, NONE,          NO_MECH,    NO_MECH, XTS_BYTES,   MAKES),
    ROW(AES_KEY_GEN,              CKK_AES,  NONE,             NO_MECH,    NO_MECH, AES_BYTES,   MAKES),
    ROW(AES_ECB,                  CKK_AES,  NONE,             NO_MECH,    NO_MECH, AES_BYTES,   CRYPTS, BLOCKS(16)),
    ROW(AES_CBC,                  CKK_AES,  IV,               NO_MECH,    NO_MECH, AES_BYTES,   CRYPTS, BLOCKS(16)),
    ROW(AES_CBC_PAD,              CKK_AES,  IV,               NO_MECH,    NO_MECH, AES_BYTES,   CRYPTS | WRAPS, BLOCKS_PAD(16)),
    ROW(AES_CTR,                  CKK_AES,  CTR,              NO_MECH,    NO_MECH, AES_BYTES,   CRYPTS, BLOCKS(1)),
    ROW(AES_GCM,                  CKK_AES,  GCM,              NO_MECH,    NO_MECH, AES_BYTES,   CRYPTS | WRAPS, TAGGED(16)),
    ROW(AES_CCM,                  CKK_AES,  CCM,              NO_MECH,    NO_MECH, AES_BYTES,   CRYPTS | WRAPS, WHOLE_TAGGED(16)),
    ROW(AES_CMAC,                 CKK_AES,  NONE,             NO_MECH,    NO_MECH, AES_BYTES,   SIGNS, MAC(16)),
    ROW(AES_CMAC_GENERAL,         CKK_AES,  MAC_LEN,          NO_MECH,    NO_MECH, AES_BYTES,   SIGNS, MAC(16)),
    ROW(AES_GMAC,                 CKK_AES,  GCM,              NO_MECH,    NO_MECH, AES_BYTES,   SIGNS, MAC(16)),
    ROW(CHACHA20_KEY_GEN,         CKK_CHACHA20, NONE,         NO_MECH,    NO_MECH, 32, 32,      MAKES),
    ROW(AES_KEY_WRAP,             CKK_AES,  WRAP_IV8,         NO_MECH,    NO_MECH, AES_BYTES,   WRAPS),
    ROW(AES_KEY_WRAP_PAD,         CKK_AES,  WRAP_IV8,         NO_MECH,    NO_MECH, AES_BYTES,   WRAPS),
    ROW(AES_KEY_WRAP_KWP,         CKK_AES,  WRAP_IV4,         NO_MECH,    NO_MECH, AES_BYTES,   WRAPS),
    HMAC_KEY(SHA_1, CKM_SHA_1),
    HMAC_KEY(SHA224, CKM_SHA224),
    HMAC_KEY(SHA256, CKM_SHA256),
    HMAC_KEY(SHA384, CKM_SHA384),
    HMAC_KEY(SHA512, CKM_SHA512),
    HMAC_KEY(SHA512_224, CKM_SHA512_224),
    HMAC_KEY(SHA512_256, CKM_SHA512_256),
    ROW(CHACHA20_POLY1305,        CKK_CHACHA20, POLY1305,     NO_MECH,    NO_MECH, 32, 32,      CRYPTS, TAGGED(16)),
    ROW(HKDF_DERIVE,              ANY,      HKDF,             NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(HKDF_DATA,                ANY,      HKDF,             NO_MECH,    NO_MECH, SECRET_BITS, DERIVES),
    ROW(HKDF_KEY_GEN,             CKK_HKDF, NONE,             NO_MECH,    NO_MECH, SECRET_BITS, MAKES),
};

const struct mech_hash mech_hashes[] = {
    {.hash = CKM_MD5,        .len = 16, .mgf = MECH_NO_MGF},
    {.hash = CKM_SHA_1,      .len = 20, .mgf = CKG_MGF1_SHA1},
    {.hash = CKM_SHA224,     .len = 28, .mgf = CKG_MGF1_SHA224},
    {.hash = CKM_SHA256,     .len = 32, .mgf = CKG_MGF1_SHA256},
    {.hash = CKM_SHA384,     .len = 48, .mgf = CKG_MGF1_SHA384},
    {.hash = CKM_SHA512,     .len = 64, .mgf = CKG_MGF1_SHA512},
    {.hash = CKM_SHA512_224, .len = 28, .mgf = MECH_NO_MGF},
    {.hash = CKM_SHA512_256, .len = 32, .mgf = MECH_NO_MGF},
    {.hash = CKM_SHA3_224,   .len = 28, .mgf = CKG_MGF1_SHA3_224},
    {.hash = CKM_SHA3_256,   .len = 32, .mgf = CKG_MGF1_SHA3_256},
    {.hash = CKM_SHA3_384,   .len = 48, .mgf = CKG_MGF1_SHA3_384},
    {.hash = CKM_SHA3_512,   .len = 64, .mgf = CKG_MGF1_SHA3_512},
    {.hash = KW_SHAKE_128,   .len = 32, .mgf = MECH_NO_MGF},
    {.hash = KW_SHAKE_256,   .len = 64, .mgf = MECH_NO_MGF},
};
/* clang-format on */

const size_t mech_row_count = sizeof(mech_rows) / sizeof(*mech_rows);
const size_t mech_hash_count = sizeof(mech_hashes) / sizeof(*mech_hashes);
