/* What is measured: the in-process rows of the budgets (docs/PERFORMANCE.md), one a line. */
#include "tests/bench/bench.h"

static const struct work rsa_sign = {KEY_RSA, CKM_SHA256_RSA_PKCS, 32};
static const struct work ec_sign = {KEY_EC, CKM_ECDSA, 32};
static const struct work gcm_16k = {KEY_AES, CKM_AES_GCM, 16384};
static const struct work gcm_16 = {KEY_AES, CKM_AES_GCM, 16};

#define CRYPTO                                                                                     \
    {                                                                                              \
        sample_crypto, sample_crypto_raw, sample_crypto_bare                                       \
    }
#define CRYPTO_HSM                                                                                 \
    {                                                                                              \
        [KEYWARD] = sample_crypto, [SOFTHSM] = sample_crypto_bare                                  \
    }
#define CRYPTO_NONE                                                                                \
    {                                                                                              \
        [KEYWARD] = sample_crypto_none, [SOFTHSM] = sample_crypto_bare                             \
    }
#define OURS(fn)                                                                                   \
    {                                                                                              \
        [KEYWARD] = (fn)                                                                           \
    }

/* clang-format off */
const struct row rows[] = {
    {"soft-rsa",     "software RSA-2048 sign",                "us",   OF_RAW,   0.95, CRYPTO, &rsa_sign, VAULT_SOFTWARE, 1},
    {"soft-ec",      "software ECDSA P-256 sign",             "us",   OF_RAW,   0.95, CRYPTO, &ec_sign,  VAULT_SOFTWARE, 1},
    {"soft-gcm-16k", "software AES-256-GCM, 16 KiB",          "us",   OF_RAW,   0.90, CRYPTO, &gcm_16k,  VAULT_SOFTWARE, 1},
    {"soft-gcm-16",  "software AES-256-GCM, 16 bytes",        "us",   OF_RAW,   0.20, CRYPTO, &gcm_16,   VAULT_SOFTWARE, 1},
    {"soft-scale",   "software ECDSA, 2 threads over 1",      "x",    AT_LEAST, 1.8,  OURS(sample_scaling), &ec_sign, VAULT_SOFTWARE, 2},
    {"hsm-ec",       "hsm ECDSA P-256 sign, added",           "us",   OVER_HSM, 25,   CRYPTO_HSM, &ec_sign, VAULT_HSM, 1},
    {"hsm-rsa",      "hsm RSA-2048 sign, added",              "us",   OVER_HSM, 25,   CRYPTO_HSM, &rsa_sign, VAULT_HSM, 1},
    {"hsm-gcm-16",   "hsm AES-256-GCM, 16 bytes, added",      "us",   OVER_HSM, 25,   CRYPTO_HSM, &gcm_16, VAULT_HSM, 1},
    {"hsm-scale",    "hsm ECDSA, 2 threads over 1",           "x",    AT_LEAST, 1.8,  OURS(sample_scaling), &ec_sign, VAULT_HSM, 2},
    {"none-ec",      "isolation none: ECDSA P-256, added",    "us",   OVER_HSM, 5,    CRYPTO_NONE, &ec_sign, 0, 1},
    {"none-rsa",     "isolation none: RSA-2048, added",       "us",   OVER_HSM, 5,    CRYPTO_NONE, &rsa_sign, 0, 1},
    {"none-gcm-16",  "isolation none: AES-256-GCM, added",    "us",   OVER_HSM, 5,    CRYPTO_NONE, &gcm_16, 0, 1},
    {"find-label-100",  "find by label, 100 objects",         "us",   AT_MOST,  20, {[KEYWARD] = sample_find_label, [SOFTHSM] = sample_find_label_bare}, NULL, VAULT_SMALL, 1},
    {"find-id-100",     "find by id, 100 objects",            "us",   AT_MOST,  20, {[KEYWARD] = sample_find_id, [SOFTHSM] = sample_find_id_bare}, NULL, VAULT_SMALL, 1},
    {"find-label-large", "find by label, large vault",        "us",   AT_MOST,  25,   OURS(sample_find_label), NULL, VAULT_LARGE, 1},
    {"find-id-large",    "find by id, large vault",           "us",   AT_MOST,  25,   OURS(sample_find_id), NULL, VAULT_LARGE, 1},
    {"start",        "C_Initialize to C_Login, large vault",  "ms",   AT_MOST,  20,   OURS(sample_start_ms), NULL, VAULT_LARGE, 1},
    {"start-memory", "resident after it",                     "MiB",  AT_MOST,  64,   OURS(sample_start_mib), NULL, VAULT_LARGE, 1},
    {"decide-few",   "decision, 10 policies, p99",            "us",   AT_MOST,  5,    OURS(sample_decide_few_p99), NULL, 0, 1},
    {"decide",       "decision, 1,000 policies, p99",         "us",   AT_MOST,  5,    OURS(sample_decide_p99), NULL, 0, 1},
    {"decide-many",  "decision, 10,000 policies, p99",        "us",   AT_MOST,  5,    OURS(sample_decide_many_p99), NULL, 0, 1},
    {"log-append",   "log: a record appended, process",       "us",   AT_MOST,  1,    OURS(sample_append), NULL, 0, 1},
    {"log-power",    "log: durable records, 64 threads",      "/s",   AT_LEAST, 20000, OURS(sample_append_power), NULL, 0, 64},
    {"log-verify",   "log: verification",                     "/s",   AT_LEAST, 500000, OURS(sample_verify), NULL, 0, 1},
};
/* clang-format on */

const size_t row_count = sizeof(rows) / sizeof(*rows);
