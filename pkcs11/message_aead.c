/*
 * The parameters of AEAD messages (PKCS#11 3.0 Current Mechanisms, 2.13 AES-GCM and AES-CCM, 2.60
 * ChaCha20-Poly1305): nonce, its generator, tag. Each struct is read once, and from any address.
 */
#include "pkcs11/message_int.h"

#include <string.h>

#define POLY1305_TAG 16U
/* Fewer random bits repeat too soon. */
#define RANDOM_BITS_MIN 64U

/* What the structs of all mechanisms say, in one form. */
struct nonce {
    CK_BYTE_PTR iv;
    CK_ULONG len, fixed_bits;
    CK_GENERATOR_FUNCTION generator;
    CK_BYTE_PTR tag;
    CK_ULONG tag_bits;
    CK_ULONG data_len;
};

struct message_form {
    CK_MECHANISM_TYPE type;
    const char *params; /* name of the struct */
    size_t size;
    void (*read)(const void *params, struct nonce *ret);
    void (*compose)(struct message_aead *aead, struct bytes aad);
};

static void read_gcm(const void *params, struct nonce *ret)
{
    CK_GCM_MESSAGE_PARAMS p;

    memcpy(&p, params, sizeof(p));
    *ret = (struct nonce){.iv = p.pIv,
                          .len = p.ulIvLen,
                          .fixed_bits = p.ulIvFixedBits,
                          .generator = p.ivGenerator,
                          .tag = p.pTag,
                          .tag_bits = p.ulTagBits};
}

static void compose_gcm(struct message_aead *aead, struct bytes aad)
{
    aead->params.gcm = (CK_GCM_PARAMS){.pIv = aead->iv,
                                       .ulIvLen = aead->iv_len,
                                       .ulIvBits = aead->iv_len * 8,
                                       .pAAD = (CK_BYTE_PTR)(uintptr_t)aad.data,
                                       .ulAADLen = aad.len,
                                       .ulTagBits = aead->tag_len * 8};
    aead->mechanism.pParameter = &aead->params.gcm;
    aead->mechanism.ulParameterLen = sizeof(aead->params.gcm);
}

static void read_ccm(const void *params, struct nonce *ret)
{
    CK_CCM_MESSAGE_PARAMS p;

    memcpy(&p, params, sizeof(p));
    *ret =
        (struct nonce){.iv = p.pNonce,
                       .len = p.ulNonceLen,
                       .fixed_bits = p.ulNonceFixedBits,
                       .generator = p.nonceGenerator,
                       .tag = p.pMAC,
                       .tag_bits = p.ulMACLen <= 16 ? p.ulMACLen * 8 : CK_UNAVAILABLE_INFORMATION,
                       .data_len = p.ulDataLen};
}

static void compose_ccm(struct message_aead *aead, struct bytes aad)
{
    aead->params.ccm = (CK_CCM_PARAMS){.ulDataLen = aead->data_len,
                                       .pNonce = aead->iv,
                                       .ulNonceLen = aead->iv_len,
                                       .pAAD = (CK_BYTE_PTR)(uintptr_t)aad.data,
                                       .ulAADLen = aad.len,
                                       .ulMACLen = aead->tag_len};
    aead->mechanism.pParameter = &aead->params.ccm;
    aead->mechanism.ulParameterLen = sizeof(aead->params.ccm);
}

/* ulNonceLen counts bits in some texts and bytes in others; a nonce of 96 is one of 12 bytes. */
static void read_poly1305(const void *params, struct nonce *ret)
{
    CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS p;

    memcpy(&p, params, sizeof(p));
    *ret = (struct nonce){.iv = p.pNonce,
                          .len = p.ulNonceLen == 96 ? 12 : p.ulNonceLen,
                          .generator = CKG_NO_GENERATE,
                          .tag = p.pTag,
                          .tag_bits = 8UL * POLY1305_TAG};
}

static void compose_poly1305(struct message_aead *aead, struct bytes aad)
{
    aead->params.poly1305 =
        (CK_SALSA20_CHACHA20_POLY1305_PARAMS){.pNonce = aead->iv,
                                              .ulNonceLen = aead->iv_len,
                                              .pAAD = (CK_BYTE_PTR)(uintptr_t)aad.data,
                                              .ulAADLen = aad.len};
    aead->mechanism.pParameter = &aead->params.poly1305;
    aead->mechanism.ulParameterLen = sizeof(aead->params.poly1305);
}

static const struct message_form forms[] = {
    {CKM_AES_GCM, "CK_GCM_MESSAGE_PARAMS", sizeof(CK_GCM_MESSAGE_PARAMS), read_gcm, compose_gcm},
    {CKM_AES_CCM, "CK_CCM_MESSAGE_PARAMS", sizeof(CK_CCM_MESSAGE_PARAMS), read_ccm, compose_ccm},
    {CKM_CHACHA20_POLY1305, "CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS",
     sizeof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS), read_poly1305, compose_poly1305},
};

const struct message_form *message_form_of(CK_MECHANISM_TYPE mechanism)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (forms[i].type == mechanism)
            return &forms[i];
    return NULL;
}

static CK_RV refuse(const struct message_form *form, const char *why)
{
    return fail(CKR_MECHANISM_PARAM_INVALID, "parameter of the message (%s): %s", form->params,
                why);
}

static CK_RV read_nonce(const struct message_form *form, const struct message_parameter *parameter,
                        struct nonce *ret)
{
    if (parameter->data == NULL || parameter->len != form->size)
        return refuse(form, "it is missing or of another size");
    form->read(parameter->data, ret);
    if (ret->tag == NULL || ret->tag_bits == 0 || ret->tag_bits % 8 != 0 || ret->tag_bits > 128)
        return refuse(form, "give a place for a tag of whole bytes, 128 bits at most");
    if (ret->iv == NULL || ret->len == 0 || ret->len > MESSAGE_IV_MAX)
        return refuse(form, "give an IV, or a place for one");
    return CKR_OK;
}

/* ---- generated IVs; free_bits of them, the last ones, are not the caller's ---- */

/* Bits from the end on. */
static void clear_free(uint8_t *iv, size_t len, size_t free_bits)
{
    for (size_t i = len; i > 0 && free_bits > 0; i--) {
        size_t n = free_bits < 8 ? free_bits : 8;

        iv[i - 1] &= (uint8_t)(0xffU << n);
        free_bits -= n;
    }
}

static CK_RV put_random(struct run *run, struct message_aead *aead, size_t free_bits)
{
    uint8_t random[MESSAGE_IV_MAX];
    CK_RV rv = local_random(run_local(run), random, aead->iv_len);

    if (rv != CKR_OK)
        return rv;
    for (size_t i = aead->iv_len; i > 0 && free_bits > 0; i--) {
        size_t n = free_bits < 8 ? free_bits : 8;
        uint8_t mask = (uint8_t) ~(0xffU << n);

        aead->iv[i - 1] = (uint8_t)((aead->iv[i - 1] & ~mask) | (random[i - 1] & mask));
        free_bits -= n;
    }
    return CKR_OK;
}

/* Big-endian over the free bits; xor lets what the caller has there shine through. */
static CK_RV put_counter(struct message_aead *aead, size_t free_bits, bool xor, uint64_t *counter)
{
    uint64_t n = *counter;

    if (free_bits < 64 && n >> free_bits != 0)
        return fail(CKR_KEY_EXHAUSTED,
                    "the IV's %zu bits for the counter are used up: start with another key, or "
                    "with fewer fixed bits",
                    free_bits);
    if (!xor)
        clear_free(aead->iv, aead->iv_len, free_bits);
    for (size_t i = aead->iv_len; i > 0 && n != 0; i--, n >>= 8)
        aead->iv[i - 1] ^= (uint8_t)n;
    (*counter)++;
    aead->counted = true;
    return CKR_OK;
}

static CK_RV generate(struct run *run, const struct message_form *form, const struct nonce *nonce,
                      uint64_t *counter, struct message_aead *aead)
{
    size_t free_bits = aead->iv_len * 8;

    if (nonce->fixed_bits >= free_bits)
        return refuse(form, "all bits of the IV are fixed, none is left to generate");
    free_bits -= nonce->fixed_bits;
    aead->iv_dest = nonce->iv;
    run->iv_made = true;
    switch (nonce->generator) {
    case CKG_GENERATE:
    case CKG_GENERATE_RANDOM:
        if (free_bits < RANDOM_BITS_MIN)
            return refuse(form, "64 bits of a random IV must be free: use CKG_GENERATE_COUNTER");
        return put_random(run, aead, free_bits);
    case CKG_GENERATE_COUNTER:
        return put_counter(aead, free_bits, false, counter);
    case CKG_GENERATE_COUNTER_XOR:
        return put_counter(aead, free_bits, true, counter);
    default:
        return refuse(form, "there is no such generator");
    }
}

CK_RV message_aead_read(struct run *run, const struct message_form *form,
                        const struct message_parameter *parameter, struct bytes aad, bool encrypts,
                        uint64_t *counter, struct message_aead *ret)
{
    struct nonce nonce;
    CK_RV rv = read_nonce(form, parameter, &nonce);

    if (rv == CKR_OK && aad.data == NULL && aad.len > 0)
        rv = fail_argument("pAssociatedData");
    if (rv != CKR_OK)
        return rv;
    *ret = (struct message_aead){.mechanism = {.mechanism = form->type},
                                 .iv_len = nonce.len,
                                 .tag = nonce.tag,
                                 .tag_len = nonce.tag_bits / 8,
                                 .data_len = nonce.data_len};
    memcpy(ret->iv, nonce.iv, nonce.len);
    if (encrypts && nonce.generator != CKG_NO_GENERATE)
        rv = generate(run, form, &nonce, counter, ret);
    if (rv == CKR_OK)
        form->compose(ret, aad);
    return rv;
}

CK_RV message_aead_tag(const struct message_form *form, const struct message_parameter *parameter,
                       CK_BYTE_PTR *ret_tag, size_t *ret_len)
{
    struct nonce nonce;
    CK_RV rv = read_nonce(form, parameter, &nonce);

    if (rv != CKR_OK)
        return rv;
    *ret_tag = nonce.tag;
    *ret_len = nonce.tag_bits / 8;
    return CKR_OK;
}
