/* A double of the HSM by OpenSSL: see double.h. A strict one: it checks what it is handed. */
#include "hsm/hsm.h"

#include "tests/contract/pkcs11/double.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

struct hsm_op {
    enum hsm_use use;
    enum bench_key key;
    const CK_MECHANISM *mechanism;
    EVP_CIPHER_CTX *cipher;
    struct buf gathered;
};

struct double_keys double_keys;
static unsigned calls, open_count;

/* clang-format off */
/* Made for these tests and used nowhere else: making one takes longer than most cases. */
static const char rsa_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQClVyRUg37WnVlG\n"
    "3p7/4NFy05+6PFB+QkZ2HCbCklHylnCbDU80TRxGANDz7lLke7/UBWvseenzwxzE\n"
    "I4XxIolhphreEsRGTN7xbwPukWwJfIcTXhfYZRH3S6h0Dva9vdzrn/otqQC9p1do\n"
    "KgvSoRsJMcJKNzscLez8K1KoZbiiO1oiMpQ8qgpjGYF/PcqgixaeePGq7S828LMv\n"
    "+Tx35cK8Iepyj613P9cVYk8oNqYBapf+7Ix22YmDwvOvtZoT1d2UzNaGSsu3jJRV\n"
    "ycSo1pUZQkKfPqrr6upM3Ahd5Um3O/Tgi4UbZ0+npaxOXllZwouFvhG5Peqd3Si9\n"
    "NTCz+8JRAgMBAAECggEACS7biEPgJ2N4gBmY3UN3YJQ5RazIR/Xuf8x5GOMLcQC6\n"
    "5vq0kqYifw8YK+cphJIMtcX6EDmWdUzpt+lU7O9XD+TLztgeHX0zH/fTcSRzqpx3\n"
    "bFuEUacN6hUyOUV0PfY5yx6w1IjDnzT4U2NL8i4zYCWqychS5LIWjKwrkGmraTux\n"
    "n8E0LafJppzVdNpiOXfWXwKFVsyU3/8pWxgyRCdRZBR4RQT/F2x71Y8LTwCKZIVd\n"
    "v9kGMi72kxa6GAyrOE64Ove9q3ecPRtWTcEErt+85Pi4q9hOrs3BflLujHAdVqT5\n"
    "CJ3K7UVWwqcBAzvev+UVwLjl47oZMuLJJPo6Okex4QKBgQDdfBT0aIxQ7D19RQEH\n"
    "EXjiCENQb6TFvg9gIhi5v68w4ERaVlVrRsbqfE6aJQOd1UX00vkgT2q1J3iPR6RZ\n"
    "ERJwVWGfzZ0ifYXEsRhMVUREikubH1ZG2COS6TDvJOUpTzhO4W6eQhGvzlvRI9Xd\n"
    "RjjeVuRNviJ/c4VpCpawg3MJcQKBgQC/GzzOvqnGkge8SI+ZdEwM+Y84UcE4K0xa\n"
    "Hh2ITunCy1oXBfHamPqPoFfB07kyCpX7oyR4haXEJCU1oVZ66rAnRv185+CGzDDZ\n"
    "UPNSXTih+mPhnDnrh/cXu/lZwGk/VovApUpk3T7aQ3pzsnSwDL6zMlkI21cif0OV\n"
    "bY3vw7zW4QKBgQCNVseQiL8yTO+YZ1aWiiHYLGm4hOZjgjwRnvCkaJyF1jgIZhuw\n"
    "j8QUkysd1w0NxbIU4CU25zczT3LyDEfmxqw7n2DjN7VU80FQGatl2uvryU0iOsc2\n"
    "AmwBLmqZ0bOjvvgx7k5HE+ZxiICzX+j0ggF8cXrT2cfuCWxTcfxjvB7HIQKBgQC0\n"
    "fH3uaEWhozMpEIKGlD5rFpq7vwK0ELh4d+6+WIEPlsxL6DJlmIszcGTRSyuh5juG\n"
    "P6rnJJnM57I4t1ocll+tiK9I8xmrVVdhNsHG7QHagMcqQUi2eF/WC5LQwBbmWc99\n"
    "Lt5W6lk8+/O/JzBrQG4ugYNzCOx/SSBEFQazBfLoIQKBgDMgn1voiDoTklNVRMqL\n"
    "ZLdQUotnzmgtiNsFCFG2jbhAZ6Ngrcvse80YrHshrqV35YjIF6DbdWr0oCdkMKON\n"
    "iPsPdN/Bs2//7kk96iodnxm07IMD5hH1Wg/1wpcIfQi+k1L4pKQeh0m4s9I4gseV\n"
    "sIidEAY6qFqfXSKLL7RB4wZ7\n"
    "-----END PRIVATE KEY-----\n";
/* clang-format on */

static EVP_PKEY *rsa_key(void)
{
    BIO *bio = BIO_new_mem_buf(rsa_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    ck_assert_ptr_nonnull(key);
    BIO_free(bio);
    return key;
}

void double_hsm_make_keys(void)
{
    static const char *const curves[] = {"P-256", "P-384", "P-521"};

    calls = 0;
    double_keys.pairs[0] = rsa_key();
    for (size_t i = 0; i < 3; i++)
        double_keys.pairs[i + 1] = EVP_EC_gen(curves[i]);
    bench_fill(double_keys.aes, sizeof(double_keys.aes));
    bench_fill(double_keys.hmac, sizeof(double_keys.hmac));
}

void double_hsm_free_keys(void)
{
    for (size_t i = 0; i < 4; i++)
        EVP_PKEY_free(double_keys.pairs[i]);
}

unsigned double_hsm_calls(void)
{
    return calls;
}

unsigned double_hsm_open(void)
{
    return open_count;
}

static CK_RV called(void)
{
    calls++;
    if (switches.hsm_fails > 0 && --switches.hsm_fails == 0)
        return fail(switches.hsm_rv, "the HSM was told to fail");
    return CKR_OK;
}

bool hsm_offers(struct hsm *hsm, CK_MECHANISM_TYPE mechanism, CK_FLAGS use)
{
    const struct mech *row = mech_find(mechanism);

    (void)hsm;
    (void)use;
    return row != NULL && bench_does(row) && !switches.hsm_offers_nothing;
}

/* ---- AES ---- */

static const EVP_CIPHER *cipher_of(const struct hsm_op *op)
{
    bool small = op->key == BENCH_AES128;

    switch (op->mechanism->mechanism) {
    case CKM_AES_ECB:
        return small ? EVP_aes_128_ecb() : EVP_aes_256_ecb();
    case CKM_AES_CTR:
        return small ? EVP_aes_128_ctr() : EVP_aes_256_ctr();
    case CKM_AES_GCM:
        return small ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
    default:
        return small ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
    }
}

static const uint8_t *iv_of(const CK_MECHANISM *m)
{
    if (m->mechanism == CKM_AES_CTR)
        return ((const CK_AES_CTR_PARAMS *)m->pParameter)->cb;
    if (m->mechanism == CKM_AES_GCM)
        return ((const CK_GCM_PARAMS *)m->pParameter)->pIv;
    return m->pParameter;
}

static void cipher_begin(struct hsm_op *op)
{
    const CK_MECHANISM *m = op->mechanism;
    const CK_GCM_PARAMS *gcm = m->mechanism == CKM_AES_GCM ? m->pParameter : NULL;
    int encrypt = op->use == HSM_ENCRYPT;
    int n = 0;

    op->cipher = EVP_CIPHER_CTX_new();
    ck_assert_int_eq(EVP_CipherInit_ex(op->cipher, cipher_of(op), NULL, NULL, NULL, encrypt), 1);
    if (gcm != NULL)
        ck_assert_int_eq(
            EVP_CIPHER_CTX_ctrl(op->cipher, EVP_CTRL_AEAD_SET_IVLEN, (int)gcm->ulIvLen, NULL), 1);
    ck_assert_int_eq(EVP_CipherInit_ex(op->cipher, NULL, NULL, double_keys.aes, iv_of(m), encrypt),
                     1);
    EVP_CIPHER_CTX_set_padding(op->cipher, m->mechanism == CKM_AES_CBC_PAD);
    if (gcm != NULL && gcm->ulAADLen > 0)
        ck_assert_int_eq(EVP_CipherUpdate(op->cipher, NULL, &n, gcm->pAAD, (int)gcm->ulAADLen), 1);
}

static void cipher_update(struct hsm_op *op, struct bytes in, struct buf *out)
{
    size_t had = out->len;
    uint8_t *at = buf_grow(out, in.len + 16);
    int n = 0;

    if (in.len > 0)
        ck_assert_int_eq(EVP_CipherUpdate(op->cipher, at, &n, in.data, (int)in.len), 1);
    out->len = had + (size_t)n;
}

static CK_RV cipher_final(struct hsm_op *op, struct buf *out)
{
    const CK_GCM_PARAMS *gcm =
        op->mechanism->mechanism == CKM_AES_GCM ? op->mechanism->pParameter : NULL;
    size_t had = out->len;
    uint8_t *at = buf_grow(out, 32);
    int n = 0;

    if (EVP_CipherFinal_ex(op->cipher, at, &n) != 1) {
        buf_clear(out);
        return fail(CKR_ENCRYPTED_DATA_INVALID, "the HSM says no");
    }
    out->len = had + (size_t)n;
    if (gcm != NULL && op->use == HSM_ENCRYPT) {
        int tag = (int)(gcm->ulTagBits / 8);

        ck_assert_int_eq(
            EVP_CIPHER_CTX_ctrl(op->cipher, EVP_CTRL_AEAD_GET_TAG, tag, buf_grow(out, (size_t)tag)),
            1);
    }
    return CKR_OK;
}

static CK_RV cipher_whole(struct hsm_op *op, struct bytes in, struct buf *out)
{
    cipher_begin(op);
    if (op->mechanism->mechanism == CKM_AES_GCM && op->use == HSM_DECRYPT) {
        const CK_GCM_PARAMS *gcm = op->mechanism->pParameter;
        uint8_t tag[16];

        ck_assert_uint_ge(in.len, gcm->ulTagBits / 8);
        in.len -= gcm->ulTagBits / 8;
        memcpy(tag, in.data + in.len, gcm->ulTagBits / 8);
        ck_assert_int_eq(
            EVP_CIPHER_CTX_ctrl(op->cipher, EVP_CTRL_AEAD_SET_TAG, (int)(gcm->ulTagBits / 8), tag),
            1);
    }
    cipher_update(op, in, out);
    return cipher_final(op, out);
}

/* ---- pairs and MACs ---- */

static void set_padding(EVP_PKEY_CTX *ctx, const CK_MECHANISM *m, CK_MECHANISM_TYPE raw)
{
    if (raw == CKM_RSA_PKCS_PSS) {
        const CK_RSA_PKCS_PSS_PARAMS *pss = m->pParameter;

        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_signature_md(ctx, bench_md(pss->hashAlg)), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)pss->sLen), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, bench_md(mech_mgf_hash(pss->mgf))), 1);
    } else if (raw == CKM_RSA_PKCS_OAEP) {
        const CK_RSA_PKCS_OAEP_PARAMS *oaep = m->pParameter;

        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, bench_md(oaep->hashAlg)), 1);
    } else if (raw == CKM_RSA_PKCS) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING), 1);
    }
}

static void flatten(struct bytes der, int half, struct buf *out)
{
    const unsigned char *p = der.data;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der.len);
    uint8_t *at = buf_grow(out, 2 * (size_t)half);

    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(sig), at, half), half);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(sig), at + half, half), half);
    ECDSA_SIG_free(sig);
}

static CK_RV sign_pair(const struct hsm_op *op, const struct mech *row, struct bytes in,
                       struct buf *out)
{
    EVP_PKEY *key = double_keys.pairs[op->key / 2];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    uint8_t digest[EVP_MAX_MD_SIZE];
    uint8_t made[512];
    size_t len = sizeof(made);
    unsigned n = 0;
    int done;

    ck_assert_int_eq(EVP_PKEY_sign_init(ctx), 1);
    set_padding(ctx, op->mechanism, row->raw != KW_NO_MECHANISM ? row->raw : row->type);
    if (row->hash != KW_NO_MECHANISM) {
        ck_assert_int_eq(EVP_Digest(in.data, in.len, digest, &n, bench_md(row->hash), NULL), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_signature_md(ctx, bench_md(row->hash)), 1);
        in = BYTES(digest, n);
    }
    done = EVP_PKEY_sign(ctx, made, &len, in.data, in.len);
    EVP_PKEY_CTX_free(ctx);
    if (done != 1)
        return fail(CKR_DATA_LEN_RANGE, "the HSM does not sign this");
    if (row->key == CKK_EC)
        flatten(BYTES(made, len), (EVP_PKEY_get_bits(key) + 7) / 8, out);
    else
        buf_put(out, made, len);
    return CKR_OK;
}

static CK_RV mac(const struct hsm_op *op, const struct mech *row, struct bytes in,
                 struct bytes signature, struct buf *out)
{
    uint8_t made[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    ck_assert_ptr_nonnull(HMAC(bench_md(row->hash), double_keys.hmac, sizeof(double_keys.hmac),
                               in.data, in.len, made, &n));
    if (op->use == HSM_VERIFY)
        return bytes_equal(BYTES(made, n), signature) ? CKR_OK : fail(CKR_SIGNATURE_INVALID, "no");
    buf_put(out, made, n);
    return CKR_OK;
}

static CK_RV decrypt_pair(const struct hsm_op *op, struct bytes in, struct buf *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(double_keys.pairs[op->key / 2], NULL);
    size_t len = 512;
    uint8_t *at = buf_grow(out, len);
    int done;

    ck_assert_int_eq(EVP_PKEY_decrypt_init(ctx), 1);
    set_padding(ctx, op->mechanism, op->mechanism->mechanism);
    done = EVP_PKEY_decrypt(ctx, at, &len, in.data, in.len);
    EVP_PKEY_CTX_free(ctx);
    out->len = done == 1 ? len : 0;
    return done == 1 ? CKR_OK : fail(CKR_FUNCTION_FAILED, "the HSM says this in its own words");
}

static CK_RV use_whole(struct hsm_op *op, struct bytes in, struct bytes signature, struct buf *out)
{
    const struct mech *row = mech_find(op->mechanism->mechanism);

    if (row->key == CKK_AES)
        return cipher_whole(op, in, out);
    if (row->key == CKK_GENERIC_SECRET)
        return mac(op, row, in, signature, out);
    ck_assert(op->use == HSM_SIGN || op->use == HSM_DECRYPT);
    return op->use == HSM_SIGN ? sign_pair(op, row, in, out) : decrypt_pair(op, in, out);
}

/* ---- hsm.h ---- */

CK_RV hsm_run(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
              const CK_MECHANISM *mechanism, struct bytes in, struct bytes signature,
              struct buf *out)
{
    struct hsm_op op = {.use = use, .key = key->id[0], .mechanism = mechanism};
    CK_RV rv = called();

    (void)hsm;
    buf_clear(out);
    if (rv == CKR_OK)
        rv = use_whole(&op, in, signature, out);
    EVP_CIPHER_CTX_free(op.cipher);
    return rv;
}

CK_RV hsm_begin(struct hsm *hsm, enum hsm_use use, const struct hsm_key *key,
                const CK_MECHANISM *mechanism, struct hsm_op **ret)
{
    struct hsm_op *op;
    CK_RV rv = called();

    (void)hsm;
    if (rv != CKR_OK)
        return rv;
    op = calloc(1, sizeof(*op));
    ck_assert_ptr_nonnull(op);
    open_count++;
    *op = (struct hsm_op){
        .use = use, .key = key->id[0], .mechanism = mechanism, .gathered = BUF_INIT(SIZE_MAX)};
    if (mech_find(mechanism->mechanism)->key == CKK_AES)
        cipher_begin(op);
    *ret = op;
    return CKR_OK;
}

CK_RV hsm_update(struct hsm_op *op, struct bytes in, struct buf *out)
{
    CK_RV rv = called();

    if (rv != CKR_OK)
        return rv;
    ck_assert((out != NULL) == (op->cipher != NULL));
    if (op->cipher != NULL)
        cipher_update(op, in, out);
    else
        buf_put_bytes(&op->gathered, in);
    return CKR_OK;
}

CK_RV hsm_final(struct hsm_op *op, struct bytes signature, struct buf *out)
{
    CK_RV rv = called();

    buf_clear(out);
    if (rv != CKR_OK)
        return rv;
    if (op->cipher != NULL)
        return cipher_final(op, out);
    return use_whole(op, buf_bytes(&op->gathered), signature, out);
}

void hsm_op_free(struct hsm_op *op)
{
    if (op == NULL)
        return;
    open_count--;
    EVP_CIPHER_CTX_free(op->cipher);
    buf_release_secure(&op->gathered);
    free(op);
}
