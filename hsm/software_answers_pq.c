/*
 * Known answers of ML-KEM, ML-DSA and SLH-DSA, from the sources named beside them: see
 * software_test.c. Keys are made of given seeds, and then pass the test that every new pair passes,
 * but SLH-DSA's: one of its signatures costs more than all else that is tested.
 */
#include "hsm/local_pq.h"
#include "hsm/software_int.h"

#define SPAN(array)                                                                                \
    {                                                                                              \
        (array), sizeof(array)                                                                     \
    }

/* NIST ACVP, ML-DSA-keyGen-FIPS204, tcId 1. */
static const uint8_t dsa_seed[] = {0xd7, 0x13, 0x61, 0xc0, 0x00, 0xf9, 0xa7, 0xbc, 0x99, 0xdf, 0xb4,
                                   0x25, 0xbc, 0xb6, 0xbb, 0x27, 0xc3, 0x2c, 0x36, 0xab, 0x44, 0x4f,
                                   0xf3, 0x70, 0x8b, 0x2d, 0x93, 0xb4, 0xe6, 0x6d, 0x5b, 0x5b};
static const uint8_t dsa_public[] = {
    0x45, 0x1a, 0x80, 0x8c, 0x52, 0x22, 0x18, 0xfa, 0xdb, 0xda, 0xb1, 0x46, 0xfc, 0x12, 0x00, 0x4b,
    0x07, 0x41, 0xc7, 0xd0, 0x69, 0xf2, 0x38, 0xf4, 0x3a, 0xd7, 0x72, 0x16, 0x15, 0x9f, 0x6a, 0x34};
/* NIST ACVP, SLH-DSA-keyGen-FIPS205, tcId 21: skSeed, skPrf, pkSeed. */
static const uint8_t slh_seed[] = {
    0xe2, 0xbd, 0xaa, 0x37, 0xc8, 0xcf, 0xfe, 0x5e, 0x8d, 0x56, 0x76, 0xc2, 0x32, 0x67, 0x89, 0x0c,
    0x31, 0x44, 0x17, 0x58, 0xf5, 0x73, 0x28, 0x58, 0x81, 0xcd, 0xc8, 0x2a, 0xb9, 0x11, 0xdd, 0x84,
    0x72, 0xdc, 0x8d, 0x26, 0xdf, 0x6e, 0xf7, 0x08, 0xf4, 0xc4, 0x1a, 0xf9, 0xfd, 0x04, 0xb6, 0x5a};
static const uint8_t slh_public[] = {
    0x6e, 0xd7, 0xc7, 0xee, 0x85, 0xc7, 0x97, 0x73, 0xd9, 0x0f, 0x37, 0x80, 0x40, 0x9a, 0x1b, 0xaa,
    0xb1, 0x41, 0xb1, 0x82, 0x78, 0xcf, 0x25, 0x81, 0x3f, 0x20, 0xc6, 0x4e, 0x6c, 0x4a, 0xa2, 0x54};
/* FIPS 203, 6.3: of a ciphertext that is none, SHAKE256 of z (the seed's second half) and it. */
static const uint8_t kem_seed[] = {
    0xad, 0x31, 0x00, 0x1c, 0xb9, 0xe5, 0x6c, 0xd1, 0xa2, 0x01, 0x01, 0x21, 0xd5, 0xf9, 0xf0, 0x50,
    0xe8, 0x5e, 0x2f, 0x4b, 0xf9, 0x2b, 0x37, 0xc7, 0xea, 0x11, 0x73, 0x45, 0x27, 0x6c, 0x53, 0x08,
    0x7a, 0xcd, 0xf8, 0x73, 0x7d, 0x9e, 0xad, 0xdf, 0xed, 0x0b, 0x70, 0x49, 0xd6, 0x55, 0x9d, 0x30,
    0xbd, 0xf8, 0xdd, 0xb5, 0x6b, 0x50, 0x84, 0xa6, 0xa4, 0x7e, 0xba, 0x66, 0xc5, 0x5a, 0xdc, 0x13};
static const uint8_t kem_rejected[] = {
    0x04, 0x0a, 0xa3, 0x84, 0x27, 0x4c, 0xd2, 0x82, 0xc2, 0x1d, 0x95, 0xc5, 0x11, 0x88, 0x5f, 0xfc,
    0x10, 0x84, 0x3f, 0x47, 0x16, 0x83, 0xaa, 0xa5, 0x53, 0x97, 0x39, 0x4c, 0x61, 0xac, 0xea, 0x9d};

/* public: the SHA-256 of the public key. */
static const struct seeded {
    const char *what;
    CK_KEY_TYPE type;
    CK_ULONG set;
    struct bytes seed, public;
    bool pairwise;
} seeded[] = {
    {"ML-DSA-44", CKK_ML_DSA, CKP_ML_DSA_44, SPAN(dsa_seed), SPAN(dsa_public), true},
    {"SLH-DSA-SHA2-128f", CKK_SLH_DSA, CKP_SLH_DSA_SHA2_128F, SPAN(slh_seed), SPAN(slh_public),
     false},
    {"ML-KEM-512", CKK_ML_KEM, CKP_ML_KEM_512, SPAN(kem_seed), {NULL, 0}, true},
};

static CK_RV fail_answer(const char *what)
{
    return fail(CKR_FIPS_SELF_TEST_FAILED,
                "self-test: %s gives a wrong answer: nothing is done until OpenSSL is repaired",
                what);
}

static CK_RV check_public(struct local *local, const struct seeded *s, const EVP_PKEY *key)
{
    struct local_public p = {.type = s->type};
    uint8_t digest[32];
    CK_RV rv = local_pq_put_public(key, &p);

    if (rv == CKR_OK)
        rv = local_sha256(local, buf_bytes(&p.value), digest);
    if (rv == CKR_OK && s->public.len > 0 && !bytes_equal(BYTES(digest, sizeof(digest)), s->public))
        rv = fail_answer(s->what);
    local_public_release(&p);
    return rv;
}

static CK_RV check_rejection(struct hsm_ready *ready)
{
    static const uint8_t none[768];
    const CK_MECHANISM ml_kem = {.mechanism = CKM_ML_KEM};
    SCOPED_SECRET secret = NULL;
    CK_RV rv = software_decapsulate(ready, &ml_kem, BYTES(none, sizeof(none)), 0, &secret);

    if (rv == CKR_OK &&
        !local_equal(secret_bytes(secret), BYTES(kem_rejected, sizeof(kem_rejected))))
        rv = fail_answer("ML-KEM-512");
    return rv;
}

static CK_RV check_use(struct local *local, const struct seeded *s, EVP_PKEY *pair)
{
    SCOPED(hsm_ready_free_p) struct hsm_ready *ready = NULL;
    const struct hsm_key key = {.kind = HSM_KEY_PRIVATE, .type = s->type};
    struct buf spki = BUF_INIT(4096);
    SCOPED_SECRET material = NULL;
    CK_RV rv = local_private_encode(pair, &material);

    if (rv == CKR_OK)
        rv = local_public_encode(pair, &spki);
    if (rv == CKR_OK)
        rv = software_ready_new(local, &key, secret_bytes(material), &ready);
    if (rv == CKR_OK)
        rv = software_check_pair(local, ready, buf_bytes(&spki));
    if (rv == CKR_OK && s->type == CKK_ML_KEM)
        rv = check_rejection(ready);
    buf_release(&spki);
    return rv;
}

static CK_RV check_seeded(struct local *local, const struct seeded *s)
{
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *pair = NULL;
    CK_RV rv = local_pq_make_pair(local, param_set_find(s->type, s->set), s->seed, &pair);

    if (rv == CKR_OK)
        rv = check_public(local, s, pair);
    return rv == CKR_OK && s->pairwise ? check_use(local, s, pair) : rv;
}

CK_RV software_test_pq(struct local *local)
{
    LOCAL_QUIET;
    CK_RV rv = CKR_OK;

    if (!local_does(mech_find(CKM_ML_DSA)))
        return CKR_OK;
    for (size_t i = 0; i < sizeof(seeded) / sizeof(*seeded) && rv == CKR_OK; i++)
        rv = check_seeded(local, &seeded[i]);
    return rv;
}
