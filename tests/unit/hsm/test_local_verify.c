/* Verification and encryption against keys and signatures made by OpenSSL's own interface: each yes
 * has a no beside it. */
#include "base/mech.h"
#include "hsm/local_int.h"
#include "tests/support/suite.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#define TEXT "a message of some length"

struct world {
    struct local *local;
    EVP_PKEY *key;
    struct buf spki, signature;
};

static void world_init(struct world *w, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    int len;

    ck_assert_ptr_nonnull(key);
    *w = (struct world){.key = key, .spki = BUF_INIT(8192), .signature = BUF_INIT(8192)};
    assert_ok(local_new(&w->local));
    len = i2d_PUBKEY(key, &der);
    ck_assert_int_gt(len, 0);
    buf_put(&w->spki, der, (size_t)len);
    OPENSSL_free(der);
}

static void world_release(struct world *w)
{
    buf_release(&w->spki);
    buf_release(&w->signature);
    EVP_PKEY_free(w->key);
    local_free(w->local);
}

/* Signs TEXT; padding 0 for keys that have none, hash NULL for Edwards keys, salt for PSS. */
static void sign_text(struct world *w, const char *hash, int padding, const char *mgf, int salt)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    size_t len = 4096;

    ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, &pctx, hash, NULL, NULL, w->key, NULL), 1);
    if (padding != 0)
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(pctx, padding), 1);
    if (padding == RSA_PKCS1_PSS_PADDING) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_mgf1_md_name(pctx, mgf, NULL), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt), 1);
    }
    buf_clear(&w->signature);
    ck_assert_int_eq(EVP_DigestSign(ctx, buf_grow(&w->signature, len), &len,
                                    (const unsigned char *)TEXT, strlen(TEXT)),
                     1);
    w->signature.len = len;
    EVP_MD_CTX_free(ctx);
}

/* DER to r | s. */
static void flatten_signature(struct world *w, int half)
{
    const unsigned char *p = w->signature.data;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)w->signature.len);
    uint8_t flat[160];

    ck_assert_ptr_nonnull(sig);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_r(sig), flat, half), half);
    ck_assert_int_eq(BN_bn2binpad(ECDSA_SIG_get0_s(sig), flat + half, half), half);
    ECDSA_SIG_free(sig);
    buf_clear(&w->signature);
    buf_put(&w->signature, flat, 2 * (size_t)half);
}

static CK_RV verify(struct world *w, CK_MECHANISM *mechanism, struct bytes data)
{
    return local_verify(w->local, buf_bytes(&w->spki), mechanism, data, buf_bytes(&w->signature));
}

/* A digest made elsewhere verifies like the data, one of another length is refused. Raw mechanisms
 * have no digest to give. */
static void assert_digest_verifies_alike(struct world *w, CK_MECHANISM *mechanism,
                                         struct bytes data)
{
    const struct mech *mech = mech_find(mechanism->mechanism);
    SCOPED(local_digest_free_p) struct local_digest *d = NULL;
    uint8_t digest[LOCAL_DIGEST_MAX];
    size_t len = 0;

    if (mech == NULL || mech->hash == KW_NO_MECHANISM)
        return;
    assert_ok(local_digest_new(w->local, mech->hash, &d));
    assert_ok(local_digest_update(d, data));
    assert_ok(local_digest_final(d, digest, &len));
    assert_ok(local_verify_digest(w->local, buf_bytes(&w->spki), mechanism, BYTES(digest, len),
                                  buf_bytes(&w->signature)));
    assert_rv(CKR_DATA_LEN_RANGE,
              local_verify_digest(w->local, buf_bytes(&w->spki), mechanism, BYTES(digest, len - 1),
                                  buf_bytes(&w->signature)));
    digest[0] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID,
              local_verify_digest(w->local, buf_bytes(&w->spki), mechanism, BYTES(digest, len),
                                  buf_bytes(&w->signature)));
}

/* Yes; then no for other data, a changed signature, one that is too short, and another mechanism of
 * the same length. */
static void assert_verifies_only_this(struct world *w, CK_MECHANISM *mechanism, struct bytes data)
{
    uint8_t other[256];

    assert_ok(verify(w, mechanism, data));
    assert_digest_verifies_alike(w, mechanism, data);
    memcpy(other, data.data, data.len);
    other[0] ^= 1;
    assert_rv(CKR_SIGNATURE_INVALID, verify(w, mechanism, BYTES(other, data.len)));
    for (size_t i = 0; i < w->signature.len; i += 7) {
        w->signature.data[i] ^= 0x10;
        assert_rv(CKR_SIGNATURE_INVALID, verify(w, mechanism, data));
        w->signature.data[i] ^= 0x10;
    }
    w->signature.len--;
    assert_rv(CKR_SIGNATURE_LEN_RANGE, verify(w, mechanism, data));
    w->signature.len++;
    buf_putc(&w->signature, 0);
    assert_rv(CKR_SIGNATURE_LEN_RANGE, verify(w, mechanism, data));
    w->signature.len--;
}

static const struct hash {
    const char *name;
    CK_MECHANISM_TYPE pkcs, pss, ecdsa, hash;
    CK_RSA_PKCS_MGF_TYPE mgf;
    size_t len;
} hashes[] = {
    {"SHA1", CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS_PSS, CKM_ECDSA_SHA1, CKM_SHA_1, CKG_MGF1_SHA1,
     20},
    {"SHA224", CKM_SHA224_RSA_PKCS, CKM_SHA224_RSA_PKCS_PSS, CKM_ECDSA_SHA224, CKM_SHA224,
     CKG_MGF1_SHA224, 28},
    {"SHA256", CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS, CKM_ECDSA_SHA256, CKM_SHA256,
     CKG_MGF1_SHA256, 32},
    {"SHA384", CKM_SHA384_RSA_PKCS, CKM_SHA384_RSA_PKCS_PSS, CKM_ECDSA_SHA384, CKM_SHA384,
     CKG_MGF1_SHA384, 48},
    {"SHA512", CKM_SHA512_RSA_PKCS, CKM_SHA512_RSA_PKCS_PSS, CKM_ECDSA_SHA512, CKM_SHA512,
     CKG_MGF1_SHA512, 64},
};
#define HASHES ((int)(sizeof(hashes) / sizeof(*hashes)))

START_TEST(rsa_pkcs_with_a_hash_verifies_only_what_was_signed)
{
    struct world w;
    CK_MECHANISM m = {.mechanism = hashes[_i].pkcs};

    world_init(&w, EVP_RSA_gen(2048));
    sign_text(&w, hashes[_i].name, RSA_PKCS1_PADDING, NULL, 0);
    assert_verifies_only_this(&w, &m, BYTES_LIT(TEXT));
    m.mechanism = hashes[(_i + 1) % HASHES].pkcs;
    assert_rv(CKR_SIGNATURE_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    world_release(&w);
}
END_TEST

START_TEST(rsa_pss_with_a_hash_verifies_only_what_was_signed)
{
    const struct hash *h = &hashes[_i];
    struct world w;
    CK_RSA_PKCS_PSS_PARAMS p = {.hashAlg = h->hash, .mgf = h->mgf, .sLen = h->len};
    CK_MECHANISM m = {.mechanism = h->pss, .pParameter = &p, .ulParameterLen = sizeof(p)};

    world_init(&w, EVP_RSA_gen(2048));
    sign_text(&w, h->name, RSA_PKCS1_PSS_PADDING, h->name, (int)h->len);
    assert_verifies_only_this(&w, &m, BYTES_LIT(TEXT));
    p.sLen--;
    assert_rv(CKR_SIGNATURE_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    p.sLen = 5000;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    p.sLen = h->len;
    p.mgf = hashes[(_i + 1) % HASHES].mgf;
    assert_rv(CKR_SIGNATURE_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    p.hashAlg = hashes[(_i + 1) % HASHES].hash;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    world_release(&w);
}
END_TEST

START_TEST(rsa_pss_raw_verifies_a_digest_and_no_other_length)
{
    struct world w;
    CK_RSA_PKCS_PSS_PARAMS p = {.hashAlg = CKM_SHA256, .mgf = CKG_MGF1_SHA1, .sLen = 20};
    CK_MECHANISM m = {.mechanism = CKM_RSA_PKCS_PSS, .pParameter = &p, .ulParameterLen = sizeof(p)};
    uint8_t digest[32];

    world_init(&w, EVP_RSA_gen(2048));
    sign_text(&w, "SHA256", RSA_PKCS1_PSS_PADDING, "SHA1", 20);
    assert_ok(local_sha256(w.local, BYTES_LIT(TEXT), digest));
    assert_verifies_only_this(&w, &m, BYTES(digest, 32));
    assert_rv(CKR_DATA_LEN_RANGE, verify(&w, &m, BYTES(digest, 31)));
    m.pParameter = NULL;
    m.ulParameterLen = 0;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, verify(&w, &m, BYTES(digest, 32)));
    world_release(&w);
}
END_TEST

START_TEST(rsa_pkcs_raw_verifies_a_digest_info)
{
    static const uint8_t head[19] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
    struct world w;
    CK_MECHANISM m = {.mechanism = CKM_RSA_PKCS};
    uint8_t info[51], longer[246] = {0};

    world_init(&w, EVP_RSA_gen(2048));
    sign_text(&w, "SHA256", RSA_PKCS1_PADDING, NULL, 0);
    memcpy(info, head, 19);
    assert_ok(local_sha256(w.local, BYTES_LIT(TEXT), info + 19));
    assert_verifies_only_this(&w, &m, BYTES(info, 51));
    assert_rv(CKR_SIGNATURE_INVALID, verify(&w, &m, BYTES(info + 19, 32)));
    assert_rv(CKR_SIGNATURE_INVALID, verify(&w, &m, BYTES(longer, 245)));
    assert_rv(CKR_DATA_LEN_RANGE, verify(&w, &m, BYTES(longer, 246)));
    world_release(&w);
}
END_TEST

static const struct {
    const char *name;
    int half;
} curves[] = {
    {"P-256", 32}, {"P-384", 48}, {"P-521", 66}, {"secp256k1", 32}, {"brainpoolP512r1", 64}};
#define CURVES ((int)(sizeof(curves) / sizeof(*curves)))

START_TEST(ecdsa_verifies_only_what_was_signed)
{
    const struct hash *h = &hashes[_i % HASHES];
    struct world w;
    CK_MECHANISM m = {.mechanism = h->ecdsa};
    uint8_t digest[LOCAL_DIGEST_MAX];
    size_t len = 0;

    world_init(&w, EVP_EC_gen(curves[_i / HASHES].name));
    sign_text(&w, h->name, 0, NULL, 0);
    flatten_signature(&w, curves[_i / HASHES].half);
    assert_verifies_only_this(&w, &m, BYTES_LIT(TEXT));
    m.mechanism = CKM_ECDSA;
    assert_ok(local_hash_of(w.local, h->hash, BYTES_LIT(TEXT), digest, &len));
    assert_verifies_only_this(&w, &m, BYTES(digest, len));
    assert_rv(CKR_DATA_LEN_RANGE, verify(&w, &m, BYTES_NONE));
    memset(w.signature.data, 0, w.signature.len);
    assert_rv(CKR_SIGNATURE_INVALID, verify(&w, &m, BYTES(digest, len)));
    world_release(&w);
}
END_TEST

static const char *const edwards[] = {"ED25519", "ED448"};

START_TEST(eddsa_verifies_only_what_was_signed)
{
    struct world w;
    CK_MECHANISM m = {.mechanism = CKM_EDDSA};

    world_init(&w, EVP_PKEY_Q_keygen(NULL, NULL, edwards[_i]));
    sign_text(&w, NULL, 0, NULL, 0);
    assert_verifies_only_this(&w, &m, BYTES_LIT(TEXT));
    world_release(&w);
}
END_TEST

START_TEST(a_raw_mechanism_has_no_digest_to_verify)
{
    struct world w;
    CK_MECHANISM m = {.mechanism = CKM_ECDSA};

    world_init(&w, EVP_EC_gen("P-256"));
    assert_rv(CKR_MECHANISM_INVALID,
              local_verify_digest(w.local, buf_bytes(&w.spki), &m, BYTES_LIT("digest"),
                                  BYTES_LIT("signature")));
    world_release(&w);
}
END_TEST

START_TEST(another_key_verifies_nothing)
{
    struct world w, other;
    CK_MECHANISM m = {.mechanism = CKM_ECDSA_SHA256};

    world_init(&w, EVP_EC_gen("P-256"));
    world_init(&other, EVP_EC_gen("P-256"));
    sign_text(&w, "SHA256", 0, NULL, 0);
    flatten_signature(&w, 32);
    assert_ok(verify(&w, &m, BYTES_LIT(TEXT)));
    assert_rv(CKR_SIGNATURE_INVALID, local_verify(w.local, buf_bytes(&other.spki), &m,
                                                  BYTES_LIT(TEXT), buf_bytes(&w.signature)));
    world_release(&other);
    world_release(&w);
}
END_TEST

START_TEST(a_mechanism_for_another_key_type_is_refused)
{
    struct world w;
    CK_MECHANISM m = {.mechanism = CKM_SHA256_RSA_PKCS};

    world_init(&w, EVP_EC_gen("P-256"));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, verify(&w, &m, BYTES_LIT(TEXT)));
    m.mechanism = CKM_EDDSA;
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, verify(&w, &m, BYTES_LIT(TEXT)));
    m.mechanism = CKM_AES_CBC;
    assert_rv(CKR_MECHANISM_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    m.mechanism = CKM_MD2_RSA_PKCS;
    assert_rv(CKR_MECHANISM_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    m.mechanism = CKM_ECDSA_SHA256;
    w.spki.len--;
    assert_rv(CKR_ATTRIBUTE_VALUE_INVALID, verify(&w, &m, BYTES_LIT(TEXT)));
    world_release(&w);
}
END_TEST

/* ---- encryption ---- */

static CK_RV encrypt(struct world *w, CK_MECHANISM *m, struct bytes plain)
{
    return local_encrypt(w->local, buf_bytes(&w->spki), m, plain, &w->signature);
}

static void assert_decrypts(struct world *w, int padding, const char *hash, const char *mgf,
                            struct bytes label, struct bytes want)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(w->key, NULL);
    uint8_t out[512];
    size_t len = sizeof(out);

    ck_assert_int_eq(EVP_PKEY_decrypt_init(ctx), 1);
    ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
    if (hash != NULL) {
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, hash, NULL), 1);
        ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, mgf, NULL), 1);
    }
    if (label.len > 0) {
        void *copy = OPENSSL_memdup(label.data, label.len);

        ck_assert_int_eq(EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label.len), 1);
    }
    ck_assert_int_eq(EVP_PKEY_decrypt(ctx, out, &len, w->signature.data, w->signature.len), 1);
    ck_assert(bytes_equal(BYTES(out, len), want));
    EVP_PKEY_CTX_free(ctx);
}

START_TEST(rsa_encryption_decrypts_with_the_private_key)
{
    struct world w;
    CK_MECHANISM m = {.mechanism = CKM_RSA_PKCS};
    uint8_t longest[246] = {1};

    world_init(&w, EVP_RSA_gen(2048));
    assert_ok(encrypt(&w, &m, BYTES_LIT(TEXT)));
    assert_decrypts(&w, RSA_PKCS1_PADDING, NULL, NULL, BYTES_NONE, BYTES_LIT(TEXT));
    assert_ok(encrypt(&w, &m, BYTES(longest, 245)));
    assert_rv(CKR_DATA_LEN_RANGE, encrypt(&w, &m, BYTES(longest, 246)));
    world_release(&w);
}
END_TEST

START_TEST(oaep_encryption_keeps_hash_mgf_and_label)
{
    struct world w;
    char label[] = "label";
    CK_RSA_PKCS_OAEP_PARAMS p = {
        .hashAlg = CKM_SHA256,
        .mgf = CKG_MGF1_SHA1,
        .source = CKZ_DATA_SPECIFIED,
        .pSourceData = label,
        .ulSourceDataLen = 5,
    };
    CK_MECHANISM m = {
        .mechanism = CKM_RSA_PKCS_OAEP, .pParameter = &p, .ulParameterLen = sizeof(p)};
    uint8_t longest[191] = {1};

    world_init(&w, EVP_RSA_gen(2048));
    assert_ok(encrypt(&w, &m, BYTES_LIT(TEXT)));
    assert_decrypts(&w, RSA_PKCS1_OAEP_PADDING, "SHA256", "SHA1", BYTES_LIT("label"),
                    BYTES_LIT(TEXT));
    assert_ok(encrypt(&w, &m, BYTES(longest, 190)));
    assert_rv(CKR_DATA_LEN_RANGE, encrypt(&w, &m, BYTES(longest, 191)));
    p.pSourceData = NULL;
    p.ulSourceDataLen = 0;
    assert_ok(encrypt(&w, &m, BYTES_LIT(TEXT)));
    assert_decrypts(&w, RSA_PKCS1_OAEP_PADDING, "SHA256", "SHA1", BYTES_NONE, BYTES_LIT(TEXT));
    p.hashAlg = CKM_MD5;
    assert_rv(CKR_MECHANISM_PARAM_INVALID, encrypt(&w, &m, BYTES_LIT(TEXT)));
    world_release(&w);
}
END_TEST

START_TEST(encryption_refuses_other_mechanisms_and_keys)
{
    struct world w;
    CK_MECHANISM m = {.mechanism = CKM_RSA_PKCS};

    world_init(&w, EVP_EC_gen("P-256"));
    assert_rv(CKR_KEY_TYPE_INCONSISTENT, encrypt(&w, &m, BYTES_LIT(TEXT)));
    m.mechanism = CKM_SHA256_RSA_PKCS;
    assert_rv(CKR_MECHANISM_INVALID, encrypt(&w, &m, BYTES_LIT(TEXT)));
    m.mechanism = CKM_RSA_X_509;
    assert_rv(CKR_MECHANISM_INVALID, encrypt(&w, &m, BYTES_LIT(TEXT)));
    world_release(&w);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE_LOOP(rsa_pkcs_with_a_hash_verifies_only_what_was_signed, HASHES),
        CASE_LOOP(rsa_pss_with_a_hash_verifies_only_what_was_signed, HASHES),
        CASE(rsa_pss_raw_verifies_a_digest_and_no_other_length),
        CASE(rsa_pkcs_raw_verifies_a_digest_info),
        CASE_LOOP(ecdsa_verifies_only_what_was_signed, HASHES * CURVES),
        CASE_LOOP(eddsa_verifies_only_what_was_signed, 2),
        CASE(a_raw_mechanism_has_no_digest_to_verify),
        CASE(another_key_verifies_nothing),
        CASE(a_mechanism_for_another_key_type_is_refused),
        CASE(rsa_encryption_decrypts_with_the_private_key),
        CASE(oaep_encryption_keeps_hash_mgf_and_label),
        CASE(encryption_refuses_other_mechanisms_and_keys),
    };

    return suite_run("hsm/local_verify", cases, sizeof(cases) / sizeof(*cases));
}
