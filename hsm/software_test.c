/*
 * Self-tests of the software device: known answers, and the pairwise consistency of new key pairs.
 * See software_int.h. Both stand on the operations themselves, so that a key, a context or a
 * padding that is wrong in use is wrong here first.
 */
#include "hsm/local_encapsulate.h"
#include "hsm/software_int.h"

#include <string.h>

#define OUT_MAX (64U << 10)

static CK_RV fail_answer(const char *what)
{
    return fail(CKR_FIPS_SELF_TEST_FAILED,
                "self-test: %s gives a wrong answer: nothing is done until OpenSSL is repaired",
                what);
}

static CK_RV expect(const char *what, enum hsm_use use, struct hsm_ready *ready,
                    const CK_MECHANISM *mechanism, struct bytes in, struct bytes wanted)
{
    struct buf out = BUF_INIT(OUT_MAX);
    CK_RV rv = software_run(use, ready, mechanism, in, BYTES_NONE, &out);

    if (rv == CKR_OK && !bytes_equal(buf_bytes(&out), wanted))
        rv = fail_answer(what);
    buf_release_secure(&out);
    return rv;
}

/* Twice, for the second takes the context the first has used; and an encryption both ways. */
static CK_RV check_answer(const struct software_answer *a, struct hsm_ready *ready)
{
    CK_RV rv = CKR_OK;

    for (int i = 0; i < 2 && rv == CKR_OK; i++)
        rv = expect(a->what, a->use, ready, &a->mechanism, a->in, a->out);
    if (rv == CKR_OK && (a->use == HSM_ENCRYPT || a->use == HSM_WRAP))
        rv = expect(a->what, a->use == HSM_WRAP ? HSM_UNWRAP : HSM_DECRYPT, ready, &a->mechanism,
                    a->out, a->in);
    return rv;
}

static bool same_span(struct bytes a, struct bytes b)
{
    return a.data == b.data && a.len == b.len;
}

CK_RV software_check_answers(struct local *local, const struct software_answer *answers,
                             size_t count)
{
    LOCAL_QUIET;
    SCOPED(hsm_ready_free_p) struct hsm_ready *ready = NULL;
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < count && rv == CKR_OK; i++) {
        const struct hsm_key key = {.kind = answers[i].kind, .type = answers[i].type};

        /* Decoding an RSA key costs more than using it: one key serves the answers that share it.
         */
        if (i == 0 || !same_span(answers[i].material, answers[i - 1].material)) {
            hsm_ready_free(TAKE(ready));
            rv = software_ready_new(local, &key, answers[i].material, &ready);
        }
        if (rv == CKR_OK)
            rv = check_answer(&answers[i], ready);
    }
    return rv;
}

CK_RV software_check_derivation(struct local *local, const struct software_answer *a)
{
    LOCAL_QUIET;
    SCOPED(hsm_ready_free_p) struct hsm_ready *ready = NULL;
    const struct hsm_key key = {.kind = a->kind, .type = a->type};
    SCOPED_SECRET value = NULL;
    CK_RV rv = software_ready_new(local, &key, a->material, &ready);

    if (rv == CKR_OK)
        rv = software_derive(ready, &a->mechanism, a->in, a->out.len, &value);
    if (rv == CKR_OK && !local_equal(secret_bytes(value), a->out))
        rv = fail_answer(a->what);
    return rv;
}

/* ---- pairs ---- */

static CK_RV fail_pair(void)
{
    return fail(CKR_FIPS_SELF_TEST_FAILED,
                "the new key pair's halves do not fit: it was thrown away; try again");
}

static CK_RV sign_and_verify(struct local *local, struct hsm_ready *ready, struct bytes spki,
                             CK_MECHANISM_TYPE type)
{
    const CK_MECHANISM mechanism = {.mechanism = type};
    struct buf signature = BUF_INIT(OUT_MAX);
    uint8_t data[32];
    CK_RV rv = local_random(local, data, sizeof(data));

    if (rv == CKR_OK)
        rv = software_run(HSM_SIGN, ready, &mechanism, BYTES(data, sizeof(data)), BYTES_NONE,
                          &signature);
    if (rv == CKR_OK && local_verify(local, spki, &mechanism, BYTES(data, sizeof(data)),
                                     buf_bytes(&signature)) != CKR_OK)
        rv = fail_pair();
    buf_release(&signature);
    return rv;
}

/* What the pair agrees on with a passing one, that agrees on with it. */
static CK_RV agree_both_ways(struct local *local, struct hsm_ready *ready, struct bytes spki,
                             CK_MECHANISM_TYPE type)
{
    SCOPED(EVP_PKEY_free_p) EVP_PKEY *public = NULL;
    struct hsm_ready other = {.local = local, .type = ready->type, .curve = ready->curve};
    SCOPED_SECRET here = NULL;
    SCOPED_SECRET there = NULL;
    CK_RV rv = local_public_load(local, spki, &public);

    (void)type;
    if (rv == CKR_OK)
        rv = software_make_pair(local, ready->curve, &other.key);
    if (rv == CKR_OK)
        rv = software_agree(ready, other.key, &here);
    if (rv == CKR_OK)
        rv = software_agree(&other, public, &there);
    if (rv == CKR_OK && !local_equal(secret_bytes(here), secret_bytes(there)))
        rv = fail_pair();
    EVP_PKEY_free(other.key);
    return rv;
}

/* What is encapsulated to the one half the other has again. */
static CK_RV encapsulate_and_decapsulate(struct local *local, struct hsm_ready *ready,
                                         struct bytes spki, CK_MECHANISM_TYPE type)
{
    const CK_MECHANISM mechanism = {.mechanism = type};
    struct buf ciphertext = BUF_INIT(OUT_MAX);
    SCOPED_SECRET here = NULL;
    SCOPED_SECRET there = NULL;
    CK_RV rv = local_encapsulate(local, spki, &mechanism, 0, &ciphertext, &there);

    if (rv == CKR_OK)
        rv = software_decapsulate(ready, &mechanism, buf_bytes(&ciphertext), 0, &here);
    if (rv == CKR_OK && !local_equal(secret_bytes(here), secret_bytes(there)))
        rv = fail_pair();
    buf_release(&ciphertext);
    return rv;
}

static const struct {
    CK_KEY_TYPE type;
    CK_MECHANISM_TYPE mechanism;
    CK_RV(*run)
    (struct local *local, struct hsm_ready *ready, struct bytes spki, CK_MECHANISM_TYPE mechanism);
} pair_tests[] = {
    {CKK_RSA, CKM_RSA_PKCS, sign_and_verify},
    {CKK_EC, CKM_ECDSA, sign_and_verify},
    {CKK_EC_EDWARDS, CKM_EDDSA, sign_and_verify},
    {CKK_EC_MONTGOMERY, CKM_ECDH1_DERIVE, agree_both_ways},
    {CKK_ML_DSA, CKM_ML_DSA, sign_and_verify},
    {CKK_SLH_DSA, CKM_SLH_DSA, sign_and_verify},
    {CKK_ML_KEM, CKM_ML_KEM, encapsulate_and_decapsulate},
};

CK_RV software_check_pair(struct local *local, struct hsm_ready *ready, struct bytes spki)
{
    for (size_t i = 0; i < sizeof(pair_tests) / sizeof(*pair_tests); i++) {
        if (pair_tests[i].type == ready->type)
            return pair_tests[i].run(local, ready, spki, pair_tests[i].mechanism);
    }
    return fail_internal("every type of key pair has its consistency test");
}
