/*
 * The library context of our own, and what is small: random, digests, MACs, key derivation, PIN
 * hashing. See local.h.
 *
 * Algorithms are fetched once, when the context is made: a fetch by name in OpenSSL 3 costs more
 * than a short digest.
 */
#include "hsm/local_int.h"

#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

static const struct hash_row {
    CK_MECHANISM_TYPE type;
    const char *name;
    unsigned xof; /* bytes that are taken of what goes on for ever; 0: it has a length */
} hash_rows[LOCAL_HASHES] = {
    {CKM_MD5, "MD5", 0}, /* whether a caller gets it, the vault says */
    {CKM_SHA_1, "SHA1", 0},
    {CKM_SHA224, "SHA224", 0},
    {CKM_SHA256, "SHA256", 0},
    {CKM_SHA384, "SHA384", 0},
    {CKM_SHA512, "SHA512", 0},
    {CKM_SHA512_224, "SHA512-224", 0},
    {CKM_SHA512_256, "SHA512-256", 0},
    {CKM_SHA3_224, "SHA3-224", 0},
    {CKM_SHA3_256, "SHA3-256", 0},
    {CKM_SHA3_384, "SHA3-384", 0},
    {CKM_SHA3_512, "SHA3-512", 0},
    {KW_SHAKE_128, "SHAKE128", 32},
    {KW_SHAKE_256, "SHAKE256", 64},
};

CK_RV local_fail(const char *doing)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);

    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        return fail_memory();
    return fail(
        CKR_DEVICE_ERROR,
        "OpenSSL could not %s (%s): run `keyward doctor` to see whether its self-test passes",
        doing, reason != NULL ? reason : "no reason given");
}

static CK_RV fetch_all(struct local *local)
{
    for (size_t i = 0; i < LOCAL_HASHES; i++) {
        local->hashes[i] = EVP_MD_fetch(local->ctx, hash_rows[i].name, NULL);
        if (local->hashes[i] == NULL)
            return local_fail("fetch its digests");
    }
    local->hmac = EVP_MAC_fetch(local->ctx, OSSL_MAC_NAME_HMAC, NULL);
    local->hkdf = EVP_KDF_fetch(local->ctx, OSSL_KDF_NAME_HKDF, NULL);
    local->scrypt = EVP_KDF_fetch(local->ctx, OSSL_KDF_NAME_SCRYPT, NULL);
    local->gcm = EVP_CIPHER_fetch(local->ctx, "AES-256-GCM", NULL);
    if (local->hmac == NULL || local->hkdf == NULL || local->scrypt == NULL || local->gcm == NULL)
        return local_fail("fetch HMAC, HKDF, scrypt and AES-256-GCM");
    return CKR_OK;
}

CK_RV local_new(struct local **ret)
{
    LOCAL_QUIET;
    SCOPED(local_free_p) struct local *local = calloc(1, sizeof(*local));
    CK_RV rv;

    if (local == NULL)
        return fail_memory();
    rv = local_context_new(&local->context);
    if (rv != CKR_OK)
        return rv;
    local->ctx = local_context_ctx(local->context);
    rv = fetch_all(local);
    if (rv == CKR_OK)
        *ret = TAKE(local);
    return rv;
}

bool local_does(const struct mech *mech)
{
    return mech == NULL || mech->openssl <= OpenSSL_version_num();
}

/* Asked to initialise nothing, it answers 1, or 0 when OPENSSL_cleanup() has begun. */
bool local_usable(void)
{
    LOCAL_QUIET;

    return OPENSSL_init_crypto(0, NULL) == 1;
}

void local_free(struct local *local)
{
    LOCAL_QUIET;

    if (local == NULL)
        return;
    EVP_CIPHER_free(local->gcm);
    EVP_KDF_free(local->scrypt);
    EVP_KDF_free(local->hkdf);
    EVP_MAC_free(local->hmac);
    for (size_t i = 0; i < LOCAL_HASHES; i++)
        EVP_MD_free(local->hashes[i]);
    local_context_free(local->context);
    free(local);
}

/* Not RAND_bytes_ex(): that asks the process's RAND_METHOD first, which may be an engine of the
 * host. */
static CK_RV random_from(EVP_RAND_CTX *drbg, void *out, size_t len)
{
    if (EVP_RAND_generate(drbg, out, len, 256, 0, NULL, 0) != 1)
        return local_fail("give random bytes");
    return CKR_OK;
}

CK_RV local_random(struct local *local, void *out, size_t len)
{
    LOCAL_QUIET;

    return random_from(RAND_get0_public(local->ctx), out, len);
}

CK_RV local_random_secret(struct local *local, void *out, size_t len)
{
    LOCAL_QUIET;

    return random_from(RAND_get0_private(local->ctx), out, len);
}

/* ---- digests ---- */

struct local_digest {
    EVP_MD_CTX *ctx;
    unsigned xof;
    bool done;
};

static const struct hash_row *hash_row_of(CK_MECHANISM_TYPE hash)
{
    for (size_t i = 0; i < LOCAL_HASHES; i++) {
        if (hash_rows[i].type == hash)
            return &hash_rows[i];
    }
    return NULL;
}

EVP_MD *local_hash(struct local *local, CK_MECHANISM_TYPE hash)
{
    const struct hash_row *row = hash_row_of(hash);

    return row != NULL ? local->hashes[row - hash_rows] : NULL;
}

const char *local_hash_name(CK_MECHANISM_TYPE hash)
{
    const struct hash_row *row = hash_row_of(hash);

    return row != NULL ? row->name : NULL;
}

static CK_RV fail_not_a_digest(CK_MECHANISM_TYPE hash)
{
    return fail(CKR_MECHANISM_INVALID,
                "mechanism 0x%lx is not a digest computed here: use CKM_SHA256 or a sibling", hash);
}

CK_RV local_digest_new(struct local *local, CK_MECHANISM_TYPE hash, struct local_digest **ret)
{
    LOCAL_QUIET;
    SCOPED(local_digest_free_p) struct local_digest *d = NULL;
    const struct hash_row *row = hash_row_of(hash);

    if (row == NULL)
        return fail_not_a_digest(hash);
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return fail_memory();
    d->ctx = EVP_MD_CTX_new();
    if (d->ctx == NULL || EVP_DigestInit_ex2(d->ctx, local->hashes[row - hash_rows], NULL) != 1)
        return local_fail("start a digest");
    d->xof = row->xof;
    *ret = TAKE(d);
    return CKR_OK;
}

CK_RV local_digest_copy(const struct local_digest *d, struct local_digest **ret)
{
    LOCAL_QUIET;
    SCOPED(local_digest_free_p) struct local_digest *copy = calloc(1, sizeof(*copy));

    if (copy == NULL)
        return fail_memory();
    copy->done = d->done;
    copy->ctx = EVP_MD_CTX_new();
    if (copy->ctx == NULL || EVP_MD_CTX_copy_ex(copy->ctx, d->ctx) != 1)
        return local_fail("copy a digest");
    *ret = TAKE(copy);
    return CKR_OK;
}

CK_RV local_digest_update(struct local_digest *d, struct bytes data)
{
    LOCAL_QUIET;

    if (d->done)
        return fail_internal("a digest is not fed after its end");
    if (EVP_DigestUpdate(d->ctx, data.data, data.len) != 1)
        return local_fail("continue a digest");
    return CKR_OK;
}

CK_RV local_digest_final(struct local_digest *d, uint8_t out[static LOCAL_DIGEST_MAX],
                         size_t *ret_len)
{
    LOCAL_QUIET;
    unsigned len = d->xof;

    if (d->done)
        return fail_internal("a digest ends once");
    d->done = true;
    if ((d->xof > 0 ? EVP_DigestFinalXOF(d->ctx, out, d->xof)
                    : EVP_DigestFinal_ex(d->ctx, out, &len)) != 1)
        return local_fail("end a digest");
    *ret_len = len;
    return CKR_OK;
}

CK_RV local_digest_again(struct local_digest *d)
{
    LOCAL_QUIET;

    d->done = true;
    if (EVP_DigestInit_ex2(d->ctx, NULL, NULL) != 1)
        return local_fail("start a digest again");
    d->done = false;
    return CKR_OK;
}

void local_digest_free(struct local_digest *d)
{
    if (d == NULL)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

static CK_RV hash_in_parts(struct local *local, CK_MECHANISM_TYPE hash, struct bytes data,
                           uint8_t out[static LOCAL_DIGEST_MAX], size_t *ret_len)
{
    SCOPED(local_digest_free_p) struct local_digest *d = NULL;
    CK_RV rv = local_digest_new(local, hash, &d);

    if (rv == CKR_OK)
        rv = local_digest_update(d, data);
    return rv == CKR_OK ? local_digest_final(d, out, ret_len) : rv;
}

CK_RV local_hash_of(struct local *local, CK_MECHANISM_TYPE hash, struct bytes data,
                    uint8_t out[static LOCAL_DIGEST_MAX], size_t *ret_len)
{
    LOCAL_QUIET;
    const struct hash_row *row = hash_row_of(hash);
    unsigned len = 0;

    if (row == NULL)
        return fail_not_a_digest(hash);
    if (row->xof > 0)
        return hash_in_parts(local, hash, data, out, ret_len);
    if (EVP_Digest(data.data, data.len, out, &len, local->hashes[row - hash_rows], NULL) != 1)
        return local_fail("digest");
    *ret_len = len;
    return CKR_OK;
}

CK_RV local_sha256(struct local *local, struct bytes data, uint8_t out[static 32])
{
    uint8_t whole[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_hash_of(local, CKM_SHA256, data, whole, &len);

    if (rv == CKR_OK)
        memcpy(out, whole, 32);
    return rv;
}

/* ---- HMAC-SHA-256 ---- */

struct local_mac {
    EVP_MAC_CTX *ctx;
    bool done;
};

CK_RV local_mac_new(struct local *local, struct bytes key, struct local_mac **ret)
{
    LOCAL_QUIET;
    SCOPED(local_mac_free_p) struct local_mac *m = calloc(1, sizeof(*m));
    char sha256[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
        OSSL_PARAM_construct_end(),
    };

    if (m == NULL)
        return fail_memory();
    if (key.len == 0)
        return fail_internal("a MAC key has bytes");
    m->ctx = EVP_MAC_CTX_new(local->hmac);
    if (m->ctx == NULL || EVP_MAC_init(m->ctx, key.data, key.len, params) != 1)
        return local_fail("start a MAC");
    *ret = TAKE(m);
    return CKR_OK;
}

CK_RV local_mac_update(struct local_mac *m, struct bytes data)
{
    LOCAL_QUIET;

    if (m->done)
        return fail_internal("a MAC is not fed after its end");
    if (data.len > 0 && EVP_MAC_update(m->ctx, data.data, data.len) != 1)
        return local_fail("continue a MAC");
    return CKR_OK;
}

CK_RV local_mac_final(struct local_mac *m, uint8_t out[static 32])
{
    LOCAL_QUIET;
    size_t len = 0;

    if (m->done)
        return fail_internal("a MAC ends once");
    m->done = true;
    if (EVP_MAC_final(m->ctx, out, &len, 32) != 1 || len != 32)
        return local_fail("end a MAC");
    return CKR_OK;
}

CK_RV local_mac_again(struct local_mac *m)
{
    LOCAL_QUIET;

    m->done = true;
    if (EVP_MAC_init(m->ctx, NULL, 0, NULL) != 1)
        return local_fail("start a MAC again");
    m->done = false;
    return CKR_OK;
}

void local_mac_free(struct local_mac *m)
{
    if (m == NULL)
        return;
    EVP_MAC_CTX_free(m->ctx);
    free(m);
}

CK_RV local_hmac_sha256(struct local *local, struct bytes key, struct bytes data,
                        uint8_t out[static 32])
{
    SCOPED(local_mac_free_p) struct local_mac *m = NULL;
    CK_RV rv = local_mac_new(local, key, &m);

    if (rv == CKR_OK)
        rv = local_mac_update(m, data);
    if (rv == CKR_OK)
        rv = local_mac_final(m, out);
    return rv;
}

/* ---- derivation ---- */

/* OSSL_PARAM has no const: OpenSSL reads through these pointers only. */
static OSSL_PARAM param_octets(const char *name, struct bytes b)
{
    static const uint8_t none;

    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)(b.len > 0 ? b.data : &none),
                                             b.len);
}

CK_RV local_hkdf_sha256(struct local *local, struct bytes key, struct bytes info, uint8_t *out,
                        size_t out_len)
{
    LOCAL_QUIET;
    SCOPED(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = NULL;
    char sha256[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha256, 0),
        param_octets(OSSL_KDF_PARAM_KEY, key),
        param_octets(OSSL_KDF_PARAM_INFO, info),
        OSSL_PARAM_construct_end(),
    };

    if (key.len == 0 || out_len == 0 || out_len > 255 * 32)
        return fail_internal("HKDF has a key and gives 1 to 8160 bytes");
    ctx = EVP_KDF_CTX_new(local->hkdf);
    if (ctx == NULL || EVP_KDF_derive(ctx, out, out_len, params) != 1)
        return local_fail("derive a key");
    return CKR_OK;
}

CK_RV local_scrypt_with(struct local *local, const struct local_scrypt_cost *cost, struct bytes pin,
                        struct bytes salt, uint8_t *out, size_t len)
{
    LOCAL_QUIET;
    SCOPED(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(local->scrypt);
    struct local_scrypt_cost c = *cost;
    uint64_t max_memory = (uint64_t)64 << 20;
    const OSSL_PARAM params[] = {
        param_octets(OSSL_KDF_PARAM_PASSWORD, pin),
        param_octets(OSSL_KDF_PARAM_SALT, salt),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &c.n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &c.r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &c.p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &max_memory),
        OSSL_PARAM_construct_end(),
    };

    if (ctx == NULL || EVP_KDF_derive(ctx, out, len, params) != 1)
        return local_fail("hash a PIN");
    return CKR_OK;
}

CK_RV local_scrypt(struct local *local, struct bytes pin, struct bytes salt, uint8_t out[static 32])
{
    static const struct local_scrypt_cost cost = {.n = 1 << 15, .r = 8, .p = 1};

    return local_scrypt_with(local, &cost, pin, salt, out, 32);
}

bool local_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}
