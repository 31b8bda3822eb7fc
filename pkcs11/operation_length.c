/*
 * How long results are, as far as it is known before the work is done: from the key's size, from
 * block arithmetic, from the tag. Blocks, padding and tags are columns of the mechanism table.
 * Sources: PKCS#11 2.40 Current Mechanisms, the length tables of 2.1 (RSA), 2.3 (ECDSA), 2.8 to
 * 2.11 (AES); 3.0, 2.3.14 (EdDSA).
 */
#include "base/curve.h"
#include "base/param_set.h"
#include "pkcs11/operation_int.h"

size_t operation_modulus_len(const struct object *key)
{
    struct bytes modulus = attrs_bytes(&key->attrs, CKA_MODULUS);

    while (modulus.len > 0 && modulus.data[0] == 0) {
        modulus.data++;
        modulus.len--;
    }
    return modulus.len;
}

static CK_ULONG curve_bits(const struct object *key)
{
    CK_KEY_TYPE type = attrs_ulong(&key->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    const struct curve *curve = curve_find(type, attrs_bytes(&key->attrs, CKA_EC_PARAMS));

    return curve != NULL ? curve->bits : 0;
}

/* r and s, each as long as the order, which on these curves is as long as the field. */
static size_t ecdsa_len(const struct object *key)
{
    return 2 * ((curve_bits(key) + 7) / 8);
}

/* RFC 8032, 5.1.6 and 5.2.6: a point and a number, each with at least a bit to spare. */
static size_t eddsa_len(const struct object *key)
{
    CK_ULONG bits = curve_bits(key);

    return bits > 0 ? 2 * (bits / 8 + 1) : 0;
}

static size_t set_len(const struct object *key)
{
    CK_KEY_TYPE type = attrs_ulong(&key->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    const struct param_set *set =
        param_set_find(type, attrs_ulong(&key->attrs, CKA_PARAMETER_SET, 0));

    return set != NULL ? set->output_len : 0;
}

/* Keys whose size is the signature's. */
static const struct {
    CK_KEY_TYPE type;
    size_t (*len)(const struct object *key);
} pair_lens[] = {
    {CKK_RSA, operation_modulus_len}, {CKK_EC, ecdsa_len},
    {CKK_EC_EDWARDS, eddsa_len},      {CKK_ML_DSA, set_len},
    {CKK_SLH_DSA, set_len},
};

/* Of a signature or MAC; 0 when the key's size cannot be told. */
static size_t signature_len(const struct operation *op)
{
    for (size_t i = 0; i < sizeof(pair_lens) / sizeof(*pair_lens); i++)
        if (pair_lens[i].type == op->mech->key)
            return pair_lens[i].len(&op->held->object);
    return mech_mac_len(op->mech, &op->mechanism.mechanism);
}

/* What stands behind a ciphertext; a message's tag stands elsewhere. */
static size_t tag_len(const struct operation *op)
{
    return op->tag == NULL ? mech_mac_len(op->mech, &op->mechanism.mechanism) : 0;
}

static CK_RV bad_length(const struct operation *op, uint64_t input)
{
    return fail(operation_kind_row(op->kind)->bad_length,
                "%llu bytes cannot be the whole input of %s with this key: check the length and "
                "the mechanism",
                (unsigned long long)input, op->mech->name);
}

static CK_RV encrypted_length(const struct operation *op, uint64_t input, uint64_t *ret)
{
    unsigned block = op->mech->block;

    if (op->mech->padded)
        *ret = (input / block + 1) * block;
    else if (input % block != 0)
        return bad_length(op, input);
    else
        *ret = input + tag_len(op);
    return CKR_OK;
}

static CK_RV decrypted_length(const struct operation *op, uint64_t input, uint64_t *ret)
{
    size_t tag = tag_len(op);

    if (input % op->mech->block != 0 || input < tag || (op->mech->padded && input == 0))
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
    *ret_exact = op->does == OPERATION_ENCRYPT || !op->mech->padded;
    if (op->mech->block == 0)
        return block_length(op, input, ret_length);
    if (op->does == OPERATION_ENCRYPT)
        return encrypted_length(op, input, ret_length);
    return decrypted_length(op, input, ret_length);
}

/* What a signature holds is as long as its padding leaves it. */
static CK_RV recovered_length(const struct operation *op, uint64_t input, uint64_t *ret_length,
                              bool *ret_exact)
{
    size_t modulus = operation_modulus_len(&op->held->object);

    if (input != modulus)
        return bad_length(op, input);
    *ret_length = modulus;
    *ret_exact = !op->mech->padded;
    return CKR_OK;
}

CK_RV operation_length(const struct operation *op, uint64_t input, uint64_t *ret_length,
                       bool *ret_exact)
{
    if (operation_kind_row(op->kind)->cipher)
        return cipher_length(op, input, ret_length, ret_exact);
    if (op->does == OPERATION_VERIFY_RECOVER)
        return recovered_length(op, input, ret_length, ret_exact);
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
    uint64_t total = op->total + input;

    if (!op->way->releases)
        return 0;
    if (op->mech->padded && op->does == OPERATION_DECRYPT && total > 0)
        total--;
    return total / op->mech->block * op->mech->block - op->released;
}
