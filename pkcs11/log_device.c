/* The log's callbacks to the HSM: see log_device.h. */
#include "pkcs11/log_device.h"

#include <string.h>

enum { SIGNATURE_LEN = 64 };

CK_RV log_device_sign(const struct log_device *d, struct bytes message,
                      uint8_t ret_signature[static 64])
{
    CK_MECHANISM mechanism = {.mechanism = CKM_EDDSA, .pParameter = NULL, .ulParameterLen = 0};
    struct buf out = BUF_INIT(4096);
    CK_RV rv = hsm_run(d->hsm, HSM_SIGN, &d->key, &mechanism, message, BYTES_NONE, &out);

    if (rv == CKR_OK && out.len != SIGNATURE_LEN)
        rv = fail(CKR_DEVICE_ERROR, "the HSM gave a log signature of %zu bytes, not 64", out.len);
    if (rv == CKR_OK)
        memcpy(ret_signature, out.data, SIGNATURE_LEN);
    buf_release_secure(&out);
    return rv;
}

static CK_RV sign(void *ctx, struct bytes message, uint8_t ret_signature[static 64])
{
    return log_device_sign(ctx, message, ret_signature);
}

_Static_assert(TRAIL_MARK_LEN == HSM_ID_LEN, "a mark is named as keys are");

static struct hsm_key mark(const uint8_t id[static TRAIL_MARK_LEN])
{
    struct hsm_key key = {.kind = HSM_KEY_SECRET, .type = CKK_AES};

    memcpy(key.id, id, HSM_ID_LEN);
    return key;
}

static CK_RV put_mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN])
{
    const struct log_device *d = ctx;
    const struct hsm_key_spec spec = {.key = mark(id), .bits = 128};

    return hsm_generate(d->hsm, &spec, NULL, NULL);
}

static CK_RV find_mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN], bool *ret_found)
{
    const struct log_device *d = ctx;
    const struct hsm_key key = mark(id);

    return hsm_find(d->hsm, &key, ret_found);
}

static CK_RV drop_mark(void *ctx, const uint8_t id[static TRAIL_MARK_LEN])
{
    const struct log_device *d = ctx;
    const struct hsm_key key = mark(id);

    return hsm_destroy(d->hsm, &key);
}

void log_device_fill(struct log_device *d, struct trail_config *config)
{
    config->signer.sign = sign;
    config->signer.ctx = d;
    config->marks =
        (struct trail_marks){.put = put_mark, .find = find_mark, .drop = drop_mark, .ctx = d};
}
