/* Key encapsulation: see local_encapsulate.h. The other side is software_kem.c. */
#include "hsm/local_encapsulate.h"
#include "base/mech.h"
#include "hsm/local_pq.h"
#include "hsm/software_int.h"

#include <string.h>

struct kem {
    struct local *local;
    struct bytes spki;
    EVP_PKEY *key; /* of spki */
    const CK_MECHANISM *mechanism;
    size_t len; /* of the secret; 0: not said */
};

/* ---- RSA: a secret drawn here, wrapped ---- */

static CK_RV rsa_len(const struct kem *kem, size_t *ret)
{
    *ret = (size_t)EVP_PKEY_get_size(kem->key);
    return CKR_OK;
}

static CK_RV rsa_run(const struct kem *kem, struct buf *ciphertext, struct secret **ret)
{
    SCOPED_SECRET secret = NULL;
    CK_RV rv;

    if (kem->len == 0)
        return fail(CKR_TEMPLATE_INCOMPLETE,
                    "RSA encapsulates a secret of any length: say how long in CKA_VALUE_LEN");
    if (kem->len > (size_t)EVP_PKEY_get_size(kem->key))
        return fail(CKR_KEY_SIZE_RANGE, "a secret of %zu bytes is longer than the modulus",
                    kem->len);
    secret = secret_new(kem->len);
    if (secret == NULL)
        return fail_memory();
    rv = local_random_secret(kem->local, secret->data, secret->len);
    if (rv == CKR_OK)
        rv = local_encrypt(kem->local, kem->spki, kem->mechanism, secret_bytes(secret), ciphertext);
    if (rv == CKR_OK)
        *ret = TAKE(secret);
    return rv == CKR_DATA_LEN_RANGE ? CKR_KEY_SIZE_RANGE : rv;
}

/* ---- ECDH1: a passing pair, whose public half is the ciphertext ---- */

static CK_RV ecdh_len(const struct kem *kem, size_t *ret)
{
    const struct local_curve *curve = local_curve_of_key(kem->key);

    *ret = curve->type == CKK_EC ? 1 + 2 * (size_t)curve->field_len : curve->field_len;
    return CKR_OK;
}

static CK_RV ecdh_run(const struct kem *kem, struct buf *ciphertext, struct secret **ret)
{
    const CK_ECDH1_DERIVE_PARAMS *params = kem->mechanism->pParameter;
    const struct local_curve *curve = local_curve_of_key(kem->key);
    struct hsm_ready passing = {.local = kem->local, .type = curve->type, .curve = curve};
    uint8_t point[LOCAL_POINT_MAX];
    size_t len = 0;
    CK_RV rv;

    if (params->ulPublicDataLen > 0)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "pPublicData is NULL here: the other public value is the ciphertext");
    rv = software_make_pair(kem->local, curve, &passing.key);
    if (rv == CKR_OK)
        rv = local_public_point(passing.key, curve, point, &len);
    if (rv == CKR_OK)
        rv = software_exchange(&passing, kem->key, params, kem->len, ret);
    EVP_PKEY_free(passing.key);
    if (rv == CKR_OK)
        buf_put(ciphertext, point, len);
    return rv;
}

/* ---- ML-KEM ---- */

#define ML_KEM_SECRET 32

static CK_RV ml_kem_len(const struct kem *kem, size_t *ret)
{
    *ret = local_param_set_of_key(kem->key)->output_len;
    return CKR_OK;
}

static CK_RV ml_kem_run(const struct kem *kem, struct buf *ciphertext, struct secret **ret)
{
    SCOPED(EVP_PKEY_CTX_free_p)
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(kem->local->ctx, kem->key, NULL);
    SCOPED_SECRET secret = secret_new(ML_KEM_SECRET);
    size_t len = local_param_set_of_key(kem->key)->output_len;
    size_t secret_len = ML_KEM_SECRET;
    uint8_t *at = buf_grow(ciphertext, len);

    if (kem->len != 0 && kem->len != ML_KEM_SECRET)
        return fail(CKR_KEY_SIZE_RANGE, "ML-KEM makes secrets of %d bytes, not %zu", ML_KEM_SECRET,
                    kem->len);
    if (ctx == NULL || secret == NULL || at == NULL)
        return fail_memory();
    if (EVP_PKEY_encapsulate_init(ctx, NULL) != 1 ||
        EVP_PKEY_encapsulate(ctx, at, &len, secret->data, &secret_len) != 1)
        return local_fail("encapsulate a secret");
    *ret = TAKE(secret);
    return CKR_OK;
}

/* ---- all ---- */

static const struct kem_row {
    CK_MECHANISM_TYPE mechanism;
    CK_RV (*len)(const struct kem *kem, size_t *ret);
    CK_RV (*run)(const struct kem *kem, struct buf *ciphertext, struct secret **ret);
} rows[] = {
    {CKM_RSA_PKCS_OAEP, rsa_len, rsa_run},
    {CKM_ECDH1_DERIVE, ecdh_len, ecdh_run},
    {CKM_ECDH1_COFACTOR_DERIVE, ecdh_len, ecdh_run},
    {CKM_ML_KEM, ml_kem_len, ml_kem_run},
};

static const struct kem_row *row_of(CK_MECHANISM_TYPE mechanism)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].mechanism == mechanism)
            return &rows[i];
    return NULL;
}

bool local_encapsulates(CK_MECHANISM_TYPE mechanism)
{
    return row_of(mechanism) != NULL;
}

/* Row, parameters and key. The caller frees kem->key. */
static CK_RV prepare(struct kem *kem, const struct kem_row **ret_row)
{
    const struct mech *mech = mech_find(kem->mechanism->mechanism);
    CK_RV rv;

    *ret_row = row_of(kem->mechanism->mechanism);
    if (mech == NULL || *ret_row == NULL)
        return fail(CKR_MECHANISM_INVALID,
                    "mechanism 0x%lx encapsulates no key: see C_GetMechanismList",
                    kem->mechanism->mechanism);
    rv = mech_check_params(mech, kem->mechanism);
    if (rv == CKR_OK)
        rv = local_public_load(kem->local, kem->spki, &kem->key);
    if (rv == CKR_OK && !mech_takes_key(mech, local_key_type(kem->key)))
        rv = fail(CKR_KEY_TYPE_INCONSISTENT, "%s is not for this type of key", mech->name);
    return rv;
}

CK_RV local_encapsulate_len(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                            size_t *ret_len)
{
    LOCAL_QUIET;
    struct kem kem = {.local = local, .spki = spki, .mechanism = mechanism};
    const struct kem_row *row = NULL;
    CK_RV rv = prepare(&kem, &row);

    if (rv == CKR_OK)
        rv = row->len(&kem, ret_len);
    EVP_PKEY_free(kem.key);
    return rv;
}

CK_RV local_encapsulate(struct local *local, struct bytes spki, const CK_MECHANISM *mechanism,
                        size_t len, struct buf *ret_ciphertext, struct secret **ret_secret)
{
    LOCAL_QUIET;
    struct kem kem = {.local = local, .spki = spki, .mechanism = mechanism, .len = len};
    const struct kem_row *row = NULL;
    SCOPED_SECRET secret = NULL;
    CK_RV rv = prepare(&kem, &row);

    buf_clear(ret_ciphertext);
    if (rv == CKR_OK)
        rv = row->run(&kem, ret_ciphertext, &secret);
    EVP_PKEY_free(kem.key);
    if (rv == CKR_OK && !buf_ok(ret_ciphertext))
        rv = fail_memory();
    if (rv == CKR_OK)
        *ret_secret = TAKE(secret);
    return rv;
}
