/*
 * Key agreement in the HSM, and what it tells of its secret keys.
 *
 * The shared value is made as an object of the session, read and destroyed: PKCS#11 has no other
 * way to it. An HSM that does not let it be read says so in its own words.
 */
#include "base/curve.h"
#include "hsm/worker_int.h"

#include <string.h>

#define PARAMS_MAX 128
#define POINT_MAX  1024

/* ---- the other party's point ---- */

/* Points of another curve must never meet the key (Biehl, Meyer and Mueller, 2000), and not every
 * library looks. Raw, as the standard has it. */
static CK_RV check_point(struct lane *l, const struct wire_request *q, const struct curve *curve,
                         struct buf *ret_point)
{
    struct local *local = l->device->local;
    struct local_public pub = {0};
    struct buf spki = BUF_INIT(POINT_MAX);
    size_t len = 1 + 2 * ((curve->bits + 7) / 8);
    CK_RV rv = local_public_from_ec(local, q->spec.key.type, curve->params, q->in, &spki);

    if (rv == CKR_OK)
        rv = local_public_parse(local, buf_bytes(&spki), &pub);
    if (rv == CKR_OK && pub.point.len >= len) /* it has its OCTET STRING in front */
        buf_put(ret_point, pub.point.data + pub.point.len - len, len);
    local_public_release(&pub);
    buf_release(&spki);
    if (rv == CKR_HOST_MEMORY || !buf_ok(ret_point))
        return fail_memory();
    return ret_point->len > 0 ? CKR_OK
                              : fail(CKR_MECHANISM_PARAM_INVALID,
                                     "the other public value is no point of this key's curve");
}

/* NULL, with a reason, where its parameters are not told or are of no curve known here. */
static const struct curve *find_curve(struct lane *l, const struct wire_request *q,
                                      CK_OBJECT_HANDLE key, CK_RV *ret)
{
    CK_BYTE params[PARAMS_MAX];
    CK_ATTRIBUTE wanted = {CKA_EC_PARAMS, params, sizeof(params)};
    CK_RV rv = l->device->p11->C_GetAttributeValue(l->session, key, &wanted, 1);
    const struct curve *curve = NULL;

    if (rv == CKR_OK)
        curve = curve_find(q->spec.key.type, BYTES(params, wanted.ulValueLen));
    if (rv != CKR_OK)
        *ret = device_fail("C_GetAttributeValue", rv);
    else if (curve == NULL)
        *ret = fail(CKR_CURVE_NOT_SUPPORTED, "the HSM's key is on no curve known here");
    return curve;
}

/* ---- the agreement ---- */

static CK_RV read_value(struct lane *l, CK_OBJECT_HANDLE made, CK_ULONG len)
{
    CK_ATTRIBUTE wanted = {CKA_VALUE, buf_grow(&l->out, len), len};
    CK_RV rv;

    if (wanted.pValue == NULL)
        return fail_memory();
    rv = l->device->p11->C_GetAttributeValue(l->session, made, &wanted, 1);
    if (rv == CKR_OK && wanted.ulValueLen == len)
        return CKR_OK;
    bytes_wipe(wanted.pValue, len);
    buf_clear(&l->out);
    return rv != CKR_OK ? device_fail("C_GetAttributeValue", rv)
                        : fail(CKR_DEVICE_ERROR, "the HSM agreed on a value of another length");
}

static CK_RV agree(struct lane *l, CK_OBJECT_HANDLE key, const struct buf *point, CK_ULONG len)
{
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_GENERIC_SECRET;
    CK_BBOOL yes = CK_TRUE;
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof(class)},   {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &no, sizeof(no)},         {CKA_SENSITIVE, &no, sizeof(no)},
        {CKA_EXTRACTABLE, &yes, sizeof(yes)}, {CKA_VALUE_LEN, &len, sizeof(len)}};
    CK_ECDH1_DERIVE_PARAMS params = {
        .kdf = CKD_NULL, .ulPublicDataLen = point->len, .pPublicData = point->data};
    CK_MECHANISM ecdh = {CKM_ECDH1_DERIVE, &params, sizeof(params)};
    CK_OBJECT_HANDLE made = CK_INVALID_HANDLE;
    CK_RV rv = l->device->p11->C_DeriveKey(l->session, &ecdh, key, template,
                                           sizeof(template) / sizeof(*template), &made);

    if (rv != CKR_OK)
        return device_fail("C_DeriveKey", rv);
    rv = read_value(l, made, len);
    /* What cannot be destroyed ends with its session. */
    if (l->device->p11->C_DestroyObject(l->session, made) != CKR_OK)
        lane_drop_session(l);
    return rv;
}

CK_RV derive_agree(struct lane *l, const struct wire_request *q)
{
    const struct curve *curve;
    struct buf point = BUF_INIT(POINT_MAX);
    CK_OBJECT_HANDLE key;
    CK_RV rv = resident_find(l->device, l->session, &q->spec.key, &key);

    if (rv != CKR_OK)
        return rv;
    curve = find_curve(l, q, key, &rv);
    if (curve == NULL)
        return rv;
    rv = check_point(l, q, curve, &point);
    if (rv == CKR_OK)
        rv = agree(l, key, &point, (curve->bits + 7) / 8);
    buf_release(&point);
    return rv;
}

/* ---- check values ---- */

#define CHECK_VALUE_LEN 3

/* PKCS#11 3.0, 4.10.2, for ciphers; a key that may not encrypt has none. */
static CK_RV encrypt_zeros(struct lane *l, const struct wire_request *q)
{
    static const uint8_t zeros[16];
    struct wire_request there = *q;
    CK_MECHANISM ecb = {CKM_AES_ECB, NULL, 0};
    CK_RV rv;

    if (q->spec.key.type != CKK_AES)
        return CKR_OK;
    there.use = HSM_ENCRYPT;
    there.mechanism = ecb;
    there.in = BYTES(zeros, sizeof(zeros));
    rv = use_run_with(l, &there, &ecb);
    if (rv == CKR_OK && l->out.len == sizeof(zeros))
        l->out.len = CHECK_VALUE_LEN;
    else
        buf_clear(&l->out);
    return hsm_class_of(rv) == HSM_CLASS_CALLER ? CKR_OK : rv;
}

CK_RV derive_check_value(struct lane *l, const struct wire_request *q)
{
    CK_BYTE value[CHECK_VALUE_LEN];
    CK_ATTRIBUTE wanted = {CKA_CHECK_VALUE, value, sizeof(value)};
    CK_OBJECT_HANDLE key;
    CK_RV rv = resident_find(l->device, l->session, &q->spec.key, &key);

    if (rv != CKR_OK)
        return rv;
    rv = l->device->p11->C_GetAttributeValue(l->session, key, &wanted, 1);
    if (rv == CKR_OK && wanted.ulValueLen == sizeof(value)) {
        buf_put(&l->out, value, sizeof(value));
        return buf_ok(&l->out) ? CKR_OK : fail_memory();
    }
    return rv == CKR_OK || hsm_class_of(rv) == HSM_CLASS_CALLER
               ? encrypt_zeros(l, q)
               : device_fail("C_GetAttributeValue", rv);
}
