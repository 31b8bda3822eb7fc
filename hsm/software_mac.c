/* MACs in software: HMAC, CMAC, and TLS's verify data. See software_int.h. */
#include "hsm/software_int.h"
#include "hsm/software_kdf.h"

#include <openssl/params.h>
#include <stdio.h>

#define CMAC_LEN 16

static OSSL_PARAM text_param(const char *name, const char *value)
{
    return OSSL_PARAM_construct_utf8_string(name, (char *)(uintptr_t)value, 0);
}

static CK_RV init(const struct hsm_ready *ready, EVP_MAC *mac, OSSL_PARAM param,
                  struct software_context *context)
{
    const OSSL_PARAM params[] = {param, OSSL_PARAM_construct_end()};

    context->mac = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    if (context->mac == NULL ||
        EVP_MAC_init(context->mac, ready->value->data, ready->value->len, params) != 1)
        return local_fail("start a MAC");
    return CKR_OK;
}

static CK_RV prepare_hmac(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct software_context *context)
{
    const char *hash = local_hash_name(context->way->hash);

    (void)mechanism;
    if (hash == NULL)
        return fail_internal("an HMAC has a hash that is computed here");
    return init(ready, ready->local->hmac, text_param(OSSL_MAC_PARAM_DIGEST, hash), context);
}

static CK_RV prepare_cmac(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct software_context *context)
{
    EVP_MAC *cmac = EVP_MAC_fetch(ready->local->ctx, OSSL_MAC_NAME_CMAC, NULL);
    char name[32];
    CK_RV rv;

    (void)mechanism;
    (void)snprintf(name, sizeof(name), "AES-%zu-CBC", ready->value->len * 8);
    rv = init(ready, cmac, text_param(OSSL_MAC_PARAM_CIPHER, name), context);
    EVP_MAC_free(cmac);
    return rv;
}

/* The same key, from the beginning; full: bytes of the whole MAC. */
static CK_RV start_with(struct software_op *op, size_t full)
{
    const CK_MAC_GENERAL_PARAMS *cut = op->mechanism->pParameter;

    op->tag_len = cut != NULL ? *cut : full;
    if (op->tag_len == 0 || op->tag_len > full)
        return fail(CKR_MECHANISM_PARAM_INVALID, "this MAC has 1 to %zu bytes", full);
    return EVP_MAC_init(op->context->mac, NULL, 0, NULL) == 1 ? CKR_OK : local_fail("start a MAC");
}

static CK_RV start_hmac(struct software_op *op)
{
    return start_with(op, mech_hash_len(op->way->hash));
}

static CK_RV start_cmac(struct software_op *op)
{
    return start_with(op, CMAC_LEN);
}

static CK_RV update(struct software_op *op, struct bytes in, struct buf *out)
{
    (void)out;
    if (in.len > 0 && EVP_MAC_update(op->context->mac, in.data, in.len) != 1)
        return local_fail("continue a MAC");
    return CKR_OK;
}

static CK_RV final(struct software_op *op, struct buf *out)
{
    uint8_t mac[SOFTWARE_MAC_MAX];
    size_t len = 0;

    if (EVP_MAC_final(op->context->mac, mac, &len, sizeof(mac)) != 1 || len < op->tag_len)
        return local_fail("end a MAC");
    buf_put(out, mac, op->tag_len);
    bytes_wipe(mac, sizeof(mac));
    return buf_ok(out) ? CKR_OK : fail_memory();
}

/* ---- TLS: PRF(key, "client finished", hash of the handshake), RFC 5246, 7.4.9 ---- */

static CK_RV run_tls(struct software_op *op, struct bytes in, struct buf *out)
{
    const CK_TLS_MAC_PARAMS *params = op->mechanism->pParameter;
    const char *label = params->ulServerOrClient == 1 ? "server finished" : "client finished";
    const struct bytes seed[] = {bytes_from_str(label), in};
    SCOPED_SECRET mac = NULL;
    CK_RV rv = kdf_tls_prf(op->ready->local, params->prfHashMechanism,
                           secret_bytes(op->ready->value), seed, 2, params->ulMacLength, &mac);

    if (rv != CKR_OK)
        return rv;
    buf_put_bytes(out, secret_bytes(mac));
    return buf_ok(out) ? CKR_OK : fail_memory();
}

#define SIGNS (CKF_SIGN | CKF_VERIFY)
#define HMAC_WAY(type, hash_)                                                                      \
    {                                                                                              \
        .mechanism = (type), .uses = SIGNS, .hash = (hash_), .prepare = prepare_hmac,              \
        .start = start_hmac, .update = update, .final = final                                      \
    }
#define HMAC(h, hash) HMAC_WAY(CKM_##h##_HMAC, hash), HMAC_WAY(CKM_##h##_HMAC_GENERAL, hash)
#define CMAC(type)                                                                                 \
    {                                                                                              \
        .mechanism = (type), .uses = SIGNS, .prepare = prepare_cmac, .start = start_cmac,          \
        .update = update, .final = final                                                           \
    }

static const struct software_way ways[] = {
    HMAC(SHA256, CKM_SHA256),
    HMAC(MD5, CKM_MD5),
    HMAC(SHA_1, CKM_SHA_1),
    HMAC(SHA224, CKM_SHA224),
    HMAC(SHA384, CKM_SHA384),
    HMAC(SHA512, CKM_SHA512),
    HMAC(SHA512_224, CKM_SHA512_224),
    HMAC(SHA512_256, CKM_SHA512_256),
    HMAC(SHA3_224, CKM_SHA3_224),
    HMAC(SHA3_256, CKM_SHA3_256),
    HMAC(SHA3_384, CKM_SHA3_384),
    HMAC(SHA3_512, CKM_SHA3_512),
    CMAC(CKM_AES_CMAC),
    CMAC(CKM_AES_CMAC_GENERAL),
    {.mechanism = CKM_TLS_MAC, .uses = SIGNS, .run = run_tls},
    {.mechanism = CKM_TLS12_MAC, .uses = SIGNS, .run = run_tls},
};

const struct software_family software_mac = {
    .name = "MAC",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_mac,
};
