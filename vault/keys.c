/*
 * Data keys: made here, wrapped by a KEK that lives in the HSM, and in memory only as what is
 * derived from them. See store_int.h.
 *
 * wrapped = IV (12) | ciphertext (32) | tag (16); associated data = label | id of home or vault, so
 * a wrapped key copied to another vault's row opens nothing.
 */
#include "vault/store_int.h"

#include <stdlib.h>
#include <string.h>

#define DATA_KEY_LEN 32
#define IV_LEN       12
#define GCM_TAG_LEN  16
#define WRAPPED_LEN  (IV_LEN + DATA_KEY_LEN + GCM_TAG_LEN)
#define WRAP_LABEL   "keyward data key"

static const char *const labels[KEY_USES] = {
    [KEY_SEAL] = "keyward seal",
    [KEY_LOOKUP] = "keyward lookup",
    [KEY_FENCE] = "keyward fence",
    [KEY_LOG] = "keyward log digests",
};

static struct hsm_key kek_of(const struct keyring_row *row)
{
    struct hsm_key key = {.kind = HSM_KEY_SECRET, .type = CKK_AES};

    memcpy(key.id, row->kek, HSM_ID_LEN);
    return key;
}

/* iv is read only; PKCS#11 has no const. */
static CK_RV run_gcm(struct hsm *hsm, enum hsm_use use, const struct keyring_row *row,
                     struct bytes iv, struct bytes in, struct buf *out)
{
    struct hsm_key key = kek_of(row);
    uint8_t nonce[IV_LEN];
    uint8_t aad[sizeof(WRAP_LABEL) - 1 + STORE_ID_LEN];
    CK_GCM_PARAMS params = {
        .pIv = nonce,
        .ulIvLen = IV_LEN,
        .ulIvBits = IV_LEN * 8,
        .pAAD = aad,
        .ulAADLen = sizeof(aad),
        .ulTagBits = GCM_TAG_LEN * 8,
    };
    const CK_MECHANISM mechanism = {
        .mechanism = CKM_AES_GCM, .pParameter = &params, .ulParameterLen = sizeof(params)};

    memcpy(nonce, iv.data, IV_LEN);
    memcpy(aad, WRAP_LABEL, sizeof(WRAP_LABEL) - 1);
    memcpy(aad + sizeof(WRAP_LABEL) - 1, row->id, STORE_ID_LEN);
    return hsm_run(hsm, use, &key, &mechanism, in, BYTES_NONE, out);
}

static CK_RV wrap_new_key(struct hsm *hsm, struct local *local, struct keyring_row *row)
{
    SCOPED_SECRET data = secret_new(DATA_KEY_LEN);
    struct buf out = BUF_INIT(WRAPPED_LEN);
    uint8_t iv[IV_LEN];
    CK_RV rv;

    if (data == NULL)
        return fail_memory();
    rv = local_random(local, data->data, DATA_KEY_LEN);
    if (rv == CKR_OK)
        rv = local_random(local, iv, IV_LEN);
    if (rv == CKR_OK)
        rv = run_gcm(hsm, HSM_ENCRYPT, row, BYTES(iv, IV_LEN), secret_bytes(data), &out);
    if (rv == CKR_OK && out.len != WRAPPED_LEN - IV_LEN)
        rv = fail(CKR_DEVICE_ERROR,
                  "the HSM wrapped a data key into %zu bytes instead of 48: it does AES-GCM in "
                  "a way of its own; use another HSM or firmware",
                  out.len);
    if (rv == CKR_OK) {
        buf_put(&row->wrapped, iv, IV_LEN);
        buf_put_bytes(&row->wrapped, buf_bytes(&out));
    }
    if (rv == CKR_OK && !buf_ok(&row->wrapped))
        rv = fail_memory();
    buf_release(&out);
    return rv;
}

CK_RV keys_make(struct hsm *hsm, struct local *local, struct keyring_row *ret)
{
    struct keyring_row row = {.wrapped = BUF_INIT(WRAPPED_LEN)};
    struct hsm_key_spec spec = {.bits = 256, .decrypt = true};
    CK_RV rv = local_random(local, row.id, STORE_ID_LEN);

    if (rv == CKR_OK)
        rv = local_random(local, row.kek, KEK_ID_LEN);
    if (rv != CKR_OK)
        return rv;
    spec.key = kek_of(&row);
    rv = hsm_generate(hsm, &spec, NULL, NULL);
    if (rv != CKR_OK)
        return fail_in(rv, "making a key-encryption key in the HSM");
    rv = wrap_new_key(hsm, local, &row);
    if (rv != CKR_OK) {
        keys_unmake(hsm, &row);
        return rv;
    }
    *ret = row;
    return CKR_OK;
}

void keys_unmake(struct hsm *hsm, struct keyring_row *row)
{
    struct hsm_key key = kek_of(row);
    CK_RV rv = hsm_destroy(hsm, &key);

    /* The failure that led here is the one to tell; a KEK that stays wraps nothing. */
    (void)rv;
    buf_release(&row->wrapped);
}

/* Why the HSM could not unwrap: the key is not there, or it is not the key. */
static CK_RV fail_unwrap(struct hsm *hsm, const struct keyring_row *row, CK_RV rv)
{
    struct hsm_key key = kek_of(row);
    char hex[2 * KEK_ID_LEN + 1];
    bool found = true;

    if (rv == CKR_HOST_MEMORY || rv == CKR_DEVICE_MEMORY)
        return rv;
    bytes_to_hex(BYTES(row->kek, KEK_ID_LEN), hex);
    if (hsm_find(hsm, &key, &found) == CKR_OK && !found)
        return fail(CKR_DEVICE_ERROR,
                    "the HSM has no key %s, which wraps this store's data key: attach the HSM and "
                    "token the store was made with, or restore them from a backup",
                    hex);
    if (rv == CKR_DEVICE_ERROR)
        return fail_in(rv, "unwrapping a data key");
    return fail(CKR_DEVICE_ERROR,
                "key %s of the HSM does not open this store's data key: the key or the key ring "
                "was replaced; restore the store and the HSM's token of one day",
                hex);
}

static CK_RV derive_all(struct local *local, struct bytes data, struct keys *keys)
{
    CK_RV rv = CKR_OK;

    keys->derived = secret_new((size_t)KEY_USES * DATA_KEY_LEN);
    if (keys->derived == NULL)
        return fail_memory();
    for (size_t i = 0; i < KEY_USES && rv == CKR_OK; i++)
        rv = local_hkdf_sha256(local, data, bytes_from_str(labels[i]),
                               keys->derived->data + i * DATA_KEY_LEN, DATA_KEY_LEN);
    return rv;
}

CK_RV keys_open(struct hsm *hsm, struct local *local, const struct keyring_row *row,
                struct keys **ret)
{
    SCOPED(keys_free_p) struct keys *keys = calloc(1, sizeof(*keys));
    struct buf data = BUF_INIT(DATA_KEY_LEN + GCM_TAG_LEN);
    struct bytes wrapped = buf_bytes(&row->wrapped);
    CK_RV rv;

    if (keys == NULL)
        return fail_memory();
    keys->slot = row->slot;
    memcpy(keys->id, row->id, STORE_ID_LEN);
    if (wrapped.len != WRAPPED_LEN)
        return fail(CKR_DEVICE_ERROR,
                    "the key ring is damaged (slot %lld): restore the store "
                    "from a backup",
                    (long long)row->slot);
    rv = run_gcm(hsm, HSM_DECRYPT, row, wrapped, BYTES(wrapped.data + IV_LEN, wrapped.len - IV_LEN),
                 &data);
    if (rv == CKR_OK && data.len != DATA_KEY_LEN)
        rv = CKR_ENCRYPTED_DATA_INVALID;
    if (rv != CKR_OK)
        rv = fail_unwrap(hsm, row, rv);
    else
        rv = derive_all(local, buf_bytes(&data), keys);
    buf_release_secure(&data);
    if (rv == CKR_OK)
        *ret = TAKE(keys);
    return rv;
}

void keys_free(struct keys *keys)
{
    if (keys == NULL)
        return;
    local_mac_free(keys->lookup);
    for (size_t i = 0; i < BUCKETS; i++)
        fenced_clear(&keys->fenced[i]);
    secret_free(keys->derived);
    free(keys);
}

struct bytes keys_use(const struct keys *keys, enum key_use use)
{
    return BYTES(keys->derived->data + (size_t)use * DATA_KEY_LEN, DATA_KEY_LEN);
}

CK_RV keys_tag(struct local *local, struct keys *keys, const char *what, struct bytes value,
               uint8_t ret[static TAG_LEN])
{
    uint8_t whole[32];
    CK_RV rv = keys->lookup != NULL
                   ? local_mac_again(keys->lookup)
                   : local_mac_new(local, keys_use(keys, KEY_LOOKUP), &keys->lookup);

    /* The word's NUL is the bar between the two. */
    if (rv == CKR_OK)
        rv = local_mac_update(keys->lookup, BYTES(what, strlen(what) + 1));
    if (rv == CKR_OK)
        rv = local_mac_update(keys->lookup, value);
    if (rv == CKR_OK)
        rv = local_mac_final(keys->lookup, whole);
    if (rv == CKR_OK)
        memcpy(ret, whole, TAG_LEN);
    return rv;
}
