/*
 * How long results are, as far as it is known before the work is done: from the key's size, from
 * block arithmetic, from the tag. Sources: PKCS#11 2.40 Current Mechanisms, the length tables of
 * 2.1 (RSA), 2.3 (ECDSA), 2.8 to 2.11 (AES).
 */
#include "pkcs11/operation_int.h"

#define AES_BLOCK 16U

/* One row a cipher. block 0: the work is done on one block of the key's size. */
static const struct cipher {
    CK_MECHANISM_TYPE type;
    unsigned block; /* input is taken, output given, in multiples of it */
    bool padded;    /* the last block is filled up, by a whole one if need be */
    bool tagged;    /* the tag follows the ciphertext */
} ciphers[] = {
    {.type = CKM_RSA_PKCS, .block = 0},
    {.type = CKM_RSA_PKCS_OAEP, .block = 0},
    {.type = CKM_AES_ECB, .block = AES_BLOCK},
    {.type = CKM_AES_CBC, .block = AES_BLOCK},
    {.type = CKM_AES_CBC_PAD, .block = AES_BLOCK, .padded = true},
    {.type = CKM_AES_CTR, .block = 1},
    {.type = CKM_AES_GCM, .block = 1, .tagged = true},
};

/* One row a curve: the DER of CKA_EC_PARAMS and the bytes of its order. */
static const struct curve {
    struct bytes params;
    size_t order_len;
} curves[] = {
    {.params = BYTES_LIT("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"), .order_len = 32},
    {.params = BYTES_LIT("\x06\x05\x2b\x81\x04\x00\x22"), .order_len = 48},
    {.params = BYTES_LIT("\x06\x05\x2b\x81\x04\x00\x23"), .order_len = 66},
};

static const struct cipher *cipher_of(const struct operation *op)
{
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(*ciphers); i++) {
        if (ciphers[i].type == op->mech->type)
            return &ciphers[i];
    }
    return NULL;
}

size_t operation_modulus_len(const struct object *key)
{
    struct bytes modulus = attrs_bytes(&key->attrs, CKA_MODULUS);

    while (modulus.len > 0 && modulus.data[0] == 0) {
        modulus.data++;
        modulus.len--;
    }
    return modulus.len;
}

static size_t order_len_of(const struct object *key)
{
    struct bytes params = attrs_bytes(&key->attrs, CKA_EC_PARAMS);

    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        if (bytes_equal(curves[i].params, params))
            return curves[i].order_len;
    }
    return 0;
}

/* Of a signature or MAC; 0 when the key's size cannot be told. */
static size_t signature_len(const struct operation *op)
{
    const struct object *key = &op->held->object;

    if (op->mech->key == CKK_RSA)
        return operation_modulus_len(key);
    if (op->mech->key == CKK_EC)
        return 2 * order_len_of(key);
    return mech_hash_len(op->mech->hash);
}

static size_t tag_len(const struct operation *op, const struct cipher *cipher)
{
    return cipher->tagged && op->tag == NULL ? op->mechanism.params.gcm.ulTagBits / 8 : 0;
}

static CK_RV bad_length(const struct operation *op, uint64_t input)
{
    return fail(operation_kind_row(op->kind)->bad_length,
                "%llu bytes cannot be the whole input of %s with this key: check the length and "
                "the mechanism",
                (unsigned long long)input, op->mech->name);
}

static CK_RV encrypted_length(const struct operation *op, const struct cipher *cipher,
                              uint64_t input, uint64_t *ret)
{
    if (cipher->padded)
        *ret = (input / cipher->block + 1) * cipher->block;
    else if (input % cipher->block != 0)
        return bad_length(op, input);
    else
        *ret = input + tag_len(op, cipher);
    return CKR_OK;
}

static CK_RV decrypted_length(const struct operation *op, const struct cipher *cipher,
                              uint64_t input, uint64_t *ret)
{
    size_t tag = tag_len(op, cipher);

    if (input % cipher->block != 0 || input < tag || (cipher->padded && input == 0))
        return bad_length(op, input);
    *ret = input - tag;
    return CKR_OK;
}

/* RSA: the ciphertext is as long as the modulus, the plaintext shorter by what it holds. */
static CK_RV block_length(const struct operation *op, uint64_t input, uint64_t *ret)
{
    size_t modulus = operation_modulus_len(&op->held->object);

    if (op->does == OPERATION_DECRYPT && input != modulus)
        return bad_length(op, input);
    *ret = modulus;
    return CKR_OK;
}

static CK_RV cipher_length(const struct operation *op, uint64_t input, uint64_t *ret_length,
                           bool *ret_exact)
{
    const struct cipher *cipher = cipher_of(op);

    if (cipher == NULL)
        return fail_internal("every cipher of the mechanism table has a row of lengths");
    *ret_exact = op->does == OPERATION_ENCRYPT || (cipher->block != 0 && !cipher->padded);
    if (cipher->block == 0)
        return block_length(op, input, ret_length);
    if (op->does == OPERATION_ENCRYPT)
        return encrypted_length(op, cipher, input, ret_length);
    return decrypted_length(op, cipher, input, ret_length);
}

CK_RV operation_length(const struct operation *op, uint64_t input, uint64_t *ret_length,
                       bool *ret_exact)
{
    if (operation_kind_row(op->kind)->cipher)
        return cipher_length(op, input, ret_length, ret_exact);
    *ret_exact = true;
    if (op->does == OPERATION_DIGEST)
        *ret_length = mech_hash_len(op->mech->type);
    else
        *ret_length = signature_len(op);
    return *ret_length > 0 ? CKR_OK : fail_internal("a key's size is among its attributes");
}

/*
 * A padded decryption holds the last whole block back until it knows that more follows: it may be
 * padding.
 */
uint64_t operation_length_of_part(const struct operation *op, uint64_t input)
{
    const struct cipher *cipher = cipher_of(op);
    uint64_t total = op->total + input;

    if (cipher == NULL || !op->way->releases)
        return 0;
    if (cipher->padded && op->does == OPERATION_DECRYPT && total > 0)
        total--;
    return total / cipher->block * cipher->block - op->released;
}
