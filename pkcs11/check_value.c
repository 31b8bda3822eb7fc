/* Key check values: see check_value.h. Of a value that is here computed by the software device,
 * whichever the key goes to: the HSM may not let the key encrypt. */
#include "pkcs11/check_value.h"

#include <string.h>

#define CHECK_VALUE_LEN 3

/* Block ciphers; every other key's check value is of its SHA-1. */
static const struct cipher {
    CK_KEY_TYPE type;
    CK_MECHANISM_TYPE ecb;
    size_t block;
} ciphers[] = {
    {CKK_AES, CKM_AES_ECB, 16},
    {CKK_DES, CKM_DES_ECB, 8},
    {CKK_DES3, CKM_DES3_ECB, 8},
};

static const struct cipher *find_cipher(CK_KEY_TYPE type)
{
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(*ciphers); i++)
        if (ciphers[i].type == type)
            return &ciphers[i];
    return NULL;
}

static CK_RV encrypt_zeros(struct run *run, const struct cipher *cipher, struct bytes value,
                           struct buf *out)
{
    static const uint8_t zeros[16];
    struct hsm *device = engine_software(run->app->engine);
    SCOPED(hsm_ready_free_p) struct hsm_ready *ready = NULL;
    struct hsm_key key = {.kind = HSM_KEY_SECRET, .type = cipher->type};
    CK_MECHANISM ecb = {.mechanism = cipher->ecb};
    CK_RV rv = hsm_make_ready(device, &key, value, &ready);

    if (rv != CKR_OK)
        return rv;
    key.ready = ready;
    return hsm_run(device, HSM_ENCRYPT, &key, &ecb, BYTES(zeros, cipher->block), BYTES_NONE, out);
}

static CK_RV hash_value(struct run *run, struct bytes value, struct buf *out)
{
    struct local_digest *digest = NULL;
    uint8_t hash[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_new(run_local(run), CKM_SHA_1, &digest);

    if (rv == CKR_OK)
        rv = local_digest_update(digest, value);
    if (rv == CKR_OK)
        rv = local_digest_final(digest, hash, &len);
    local_digest_free(digest);
    buf_put(out, hash, len);
    bytes_wipe(hash, sizeof(hash));
    return rv == CKR_OK && !buf_ok(out) ? fail_memory() : rv;
}

static CK_RV compare_or_set(struct object *key, struct bytes computed)
{
    const CK_ATTRIBUTE *given = attrs_get(&key->attrs, CKA_CHECK_VALUE);

    if (given == NULL)
        return attrs_set(&key->attrs, CKA_CHECK_VALUE, computed);
    if (given->ulValueLen > 0 && !bytes_equal(BYTES(given->pValue, given->ulValueLen), computed))
        return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                    "CKA_CHECK_VALUE is not that of this key: check the value, or leave it out");
    return CKR_OK;
}

CK_RV check_value_set(struct run *run, struct object *key, struct bytes value)
{
    const struct cipher *cipher =
        find_cipher(attrs_ulong(&key->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION));
    struct buf whole = BUF_INIT(LOCAL_DIGEST_MAX);
    CK_RV rv =
        cipher != NULL ? encrypt_zeros(run, cipher, value, &whole) : hash_value(run, value, &whole);

    if (rv == CKR_OK)
        rv = compare_or_set(key, BYTES(whole.data, CHECK_VALUE_LEN));
    buf_release_secure(&whole);
    return rv;
}

CK_RV check_value_ask(struct run *run, struct object *key)
{
    struct buf told = BUF_INIT(CHECK_VALUE_LEN);
    CK_RV rv = hsm_check_value(run_device(run, key), &key->hsm_key, &told);

    if (rv == CKR_OK && told.len > 0)
        rv = compare_or_set(key, buf_bytes(&told));
    buf_release(&told);
    return rv;
}
