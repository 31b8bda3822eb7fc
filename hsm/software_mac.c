/* MACs in software: HMAC. See software_int.h. */
#include "hsm/software_int.h"

#include <openssl/params.h>

static CK_RV prepare_hmac(const struct hsm_ready *ready, const CK_MECHANISM *mechanism,
                          struct software_context *context)
{
    const struct mech *row = mech_find(mechanism->mechanism);
    const char *hash = row != NULL ? local_hash_name(row->hash) : NULL;
    OSSL_PARAM params[2];

    if (hash == NULL)
        return fail_internal("an HMAC has a hash that is computed here");
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t)hash, 0);
    params[1] = OSSL_PARAM_construct_end();
    context->mac = EVP_MAC_CTX_new(ready->local->hmac);
    if (context->mac == NULL ||
        EVP_MAC_init(context->mac, ready->value->data, ready->value->len, params) != 1)
        return local_fail("start a MAC");
    return CKR_OK;
}

/* The same key, from the beginning. */
static CK_RV start(struct software_op *op)
{
    return EVP_MAC_init(op->context->mac, NULL, 0, NULL) == 1 ? CKR_OK : local_fail("start a MAC");
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

    if (EVP_MAC_final(op->context->mac, mac, &len, sizeof(mac)) != 1)
        return local_fail("end a MAC");
    buf_put(out, mac, len);
    bytes_wipe(mac, sizeof(mac));
    return buf_ok(out) ? CKR_OK : fail_memory();
}

#define HMAC(type)                                                                                 \
    {                                                                                              \
        .mechanism = (type), .uses = CKF_SIGN | CKF_VERIFY, .prepare = prepare_hmac,               \
        .start = start, .update = update, .final = final                                           \
    }

static const struct software_way ways[] = {
    HMAC(CKM_SHA_1_HMAC),  HMAC(CKM_SHA224_HMAC), HMAC(CKM_SHA256_HMAC),
    HMAC(CKM_SHA384_HMAC), HMAC(CKM_SHA512_HMAC),
};

const struct software_family software_mac = {
    .name = "HMAC",
    .ways = ways,
    .count = sizeof(ways) / sizeof(*ways),
    .self_test = software_test_mac,
};
