/*
 * TLS 1.2's derivations, in software (RFC 5246, RFC 5705, RFC 7627). TLS 1.3 is HKDF. See
 * software_int.h. A key block comes out whole: who asked for it cuts the keys from it.
 */
#include "hsm/software_int.h"
#include "hsm/software_kdf.h"

#include <openssl/params.h>

#define MASTER_LEN 48
#define SEEDS_MAX  6

CK_RV kdf_tls_prf(struct local *local, CK_MECHANISM_TYPE hash, struct bytes key,
                  const struct bytes *seed, size_t seed_count, size_t len, struct secret **ret)
{
    const char *name = local_hash_name(hash);
    OSSL_PARAM params[SEEDS_MAX + 3];
    size_t n = 0;

    if (name == NULL)
        return fail(CKR_MECHANISM_PARAM_INVALID, "digest 0x%lx is not known here", hash);
    if (seed_count > SEEDS_MAX)
        return fail_internal("a seed of TLS has few parts");
    params[n++] = kdf_text(OSSL_KDF_PARAM_DIGEST, name);
    params[n++] = kdf_octets(OSSL_KDF_PARAM_SECRET, key);
    for (size_t i = 0; i < seed_count; i++) {
        if (seed[i].len > 0)
            params[n++] = kdf_octets(OSSL_KDF_PARAM_SEED, seed[i]);
    }
    params[n] = OSSL_PARAM_construct_end();
    return kdf_run(local, OSSL_KDF_NAME_TLS1_PRF, params, len, ret);
}

static struct bytes client(const CK_SSL3_RANDOM_DATA *random)
{
    return BYTES(random->pClientRandom, random->ulClientRandomLen);
}

static struct bytes server(const CK_SSL3_RANDOM_DATA *random)
{
    return BYTES(random->pServerRandom, random->ulServerRandomLen);
}

static CK_RV master(const struct hsm_ready *ready, CK_MECHANISM_TYPE hash, const struct bytes *seed,
                    size_t seed_count, size_t len, struct secret **ret)
{
    if (len != 0 && len != MASTER_LEN)
        return fail(CKR_KEY_SIZE_RANGE, "a master secret has 48 bytes, not %zu", len);
    return kdf_tls_prf(ready->local, hash, secret_bytes(ready->value), seed, seed_count, MASTER_LEN,
                       ret);
}

static CK_RV run_master(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                        struct bytes second, size_t len, struct secret **ret)
{
    const CK_TLS12_MASTER_KEY_DERIVE_PARAMS *p = mechanism->pParameter;
    const struct bytes seed[] = {BYTES_LIT("master secret"), client(&p->RandomInfo),
                                 server(&p->RandomInfo)};

    (void)second;
    return master(ready, p->prfHashMechanism, seed, 3, len, ret);
}

static CK_RV run_extended(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct bytes second, size_t len, struct secret **ret)
{
    const CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS *p = mechanism->pParameter;
    const struct bytes seed[] = {BYTES_LIT("extended master secret"),
                                 BYTES(p->pSessionHash, p->ulSessionHashLen)};

    (void)second;
    return master(ready, p->prfHashMechanism, seed, 2, len, ret);
}

/* RFC 5246, 6.3: the server's random first. */
static CK_RV run_key_block(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                           struct bytes second, size_t len, struct secret **ret)
{
    const CK_TLS12_KEY_MAT_PARAMS *p = mechanism->pParameter;
    const struct bytes seed[] = {BYTES_LIT("key expansion"), server(&p->RandomInfo),
                                 client(&p->RandomInfo)};
    size_t whole = 2 * (p->ulMacSizeInBits + p->ulKeySizeInBits + p->ulIVSizeInBits) / 8;

    (void)second;
    if (len != 0 && len != whole)
        return fail(CKR_KEY_SIZE_RANGE, "this key block has %zu bytes, not %zu", whole, len);
    return kdf_tls_prf(ready->local, p->prfHashMechanism, secret_bytes(ready->value), seed, 3,
                       whole, ret);
}

/* RFC 5705: a context, where there is one, with its length in two bytes. */
static CK_RV run_exporter(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct bytes second, size_t len, struct secret **ret)
{
    const CK_TLS_KDF_PARAMS *p = mechanism->pParameter;
    const uint8_t context_len[] = {(uint8_t)(p->ulContextDataLength >> 8),
                                   (uint8_t)p->ulContextDataLength};
    const struct bytes seed[] = {BYTES(p->pLabel, p->ulLabelLength), client(&p->RandomInfo),
                                 server(&p->RandomInfo), BYTES(context_len, sizeof(context_len)),
                                 BYTES(p->pContextData, p->ulContextDataLength)};

    (void)second;
    return kdf_tls_prf(ready->local, p->prfMechanism, secret_bytes(ready->value), seed,
                       p->pContextData != NULL ? 5 : 3, len, ret);
}

static const struct software_derivation rows[] = {
    {CKM_TLS12_MASTER_KEY_DERIVE, run_master, NULL},
    {CKM_TLS12_MASTER_KEY_DERIVE_DH, run_master, NULL},
    {CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, run_extended, NULL},
    {CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE_DH, run_extended, NULL},
    {CKM_TLS12_KEY_AND_MAC_DERIVE, run_key_block, NULL},
    {CKM_TLS12_KDF, run_exporter, NULL},
    {CKM_TLS_KDF, run_exporter, NULL},
};

const struct software_derivations software_tls = {rows, sizeof(rows) / sizeof(*rows)};
