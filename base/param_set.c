/* The table of parameter sets: see param_set.h. Lengths: FIPS 203, table 3; FIPS 204, table 2; FIPS
 * 205, table 2. OIDs: NIST's registry of algorithms (2.16.840.1.101.3.4). */
#include "base/param_set.h"

#define KEMS "2.16.840.1.101.3.4.4."
#define SIGS "2.16.840.1.101.3.4.3."

/* clang-format off */
static const struct param_set rows[] = {
    {CKK_ML_KEM,  CKP_ML_KEM_512,         "ML-KEM-512",         "ml-kem-512",         KEMS "1",  512, 800, 1632, 64,   768},
    {CKK_ML_KEM,  CKP_ML_KEM_768,         "ML-KEM-768",         "ml-kem-768",         KEMS "2",  768, 1184, 2400, 64,  1088},
    {CKK_ML_KEM,  CKP_ML_KEM_1024,        "ML-KEM-1024",        "ml-kem-1024",        KEMS "3", 1024, 1568, 3168, 64,  1568},
    {CKK_ML_DSA,  CKP_ML_DSA_44,          "ML-DSA-44",          "ml-dsa-44",          SIGS "17",   44, 1312, 2560, 32,  2420},
    {CKK_ML_DSA,  CKP_ML_DSA_65,          "ML-DSA-65",          "ml-dsa-65",          SIGS "18",   65, 1952, 4032, 32,  3309},
    {CKK_ML_DSA,  CKP_ML_DSA_87,          "ML-DSA-87",          "ml-dsa-87",          SIGS "19",   87, 2592, 4896, 32,  4627},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128S,  "SLH-DSA-SHA2-128s",  "slh-dsa-sha2-128s",  SIGS "20",  128, 32,   64,  0,  7856},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128S, "SLH-DSA-SHAKE-128s", "slh-dsa-shake-128s", SIGS "26",  128, 32,   64,  0,  7856},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F,  "SLH-DSA-SHA2-128f",  "slh-dsa-sha2-128f",  SIGS "21",  128, 32,   64,  0, 17088},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_128F, "SLH-DSA-SHAKE-128f", "slh-dsa-shake-128f", SIGS "27",  128, 32,   64,  0, 17088},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192S,  "SLH-DSA-SHA2-192s",  "slh-dsa-sha2-192s",  SIGS "22",  192, 48,   96,  0, 16224},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192S, "SLH-DSA-SHAKE-192s", "slh-dsa-shake-192s", SIGS "28",  192, 48,   96,  0, 16224},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_192F,  "SLH-DSA-SHA2-192f",  "slh-dsa-sha2-192f",  SIGS "23",  192, 48,   96,  0, 35664},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_192F, "SLH-DSA-SHAKE-192f", "slh-dsa-shake-192f", SIGS "29",  192, 48,   96,  0, 35664},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256S,  "SLH-DSA-SHA2-256s",  "slh-dsa-sha2-256s",  SIGS "24",  256, 64,  128,  0, 29792},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256S, "SLH-DSA-SHAKE-256s", "slh-dsa-shake-256s", SIGS "30",  256, 64,  128,  0, 29792},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHA2_256F,  "SLH-DSA-SHA2-256f",  "slh-dsa-sha2-256f",  SIGS "25",  256, 64,  128,  0, 49856},
    {CKK_SLH_DSA, CKP_SLH_DSA_SHAKE_256F, "SLH-DSA-SHAKE-256f", "slh-dsa-shake-256f", SIGS "31",  256, 64,  128,  0, 49856},
};
/* clang-format on */

#define COUNT (sizeof(rows) / sizeof(*rows))

const struct param_set *param_set_at(size_t i)
{
    return i < COUNT ? &rows[i] : NULL;
}

const struct param_set *param_set_find(CK_KEY_TYPE type, CK_ULONG set)
{
    for (size_t i = 0; i < COUNT; i++)
        if (rows[i].type == type && rows[i].set == set)
            return &rows[i];
    return NULL;
}
