/*
 * A copy of a caller's mechanism that outlives the call it came in: an operation is asked about,
 * and begun on the HSM, later than its Init.
 */
#include "pkcs11/operation_int.h"

#include <string.h>

/* Additional data of GCM and labels of OAEP; far above what protocols use. */
#define PARAMS_MAX ((CK_ULONG)1 << 20)

/* Puts two spans behind one another into copy->bytes. */
static CK_RV keep(struct mechanism_copy *copy, const void *first, CK_ULONG first_len,
                  const void *second, CK_ULONG second_len)
{
    if (first_len > PARAMS_MAX || second_len > PARAMS_MAX)
        return fail(CKR_MECHANISM_PARAM_INVALID,
                    "a mechanism's parameter has more than %lu bytes: shorten it", PARAMS_MAX);
    copy->bytes = malloc(first_len + second_len + 1);
    if (copy->bytes == NULL)
        return fail_memory();
    if (first_len > 0)
        memcpy(copy->bytes, first, first_len);
    if (second_len > 0)
        memcpy(copy->bytes + first_len, second, second_len);
    return CKR_OK;
}

static CK_RV keep_gcm(struct mechanism_copy *copy)
{
    CK_GCM_PARAMS *gcm = &copy->params.gcm;
    CK_RV rv = keep(copy, gcm->pIv, gcm->ulIvLen, gcm->pAAD, gcm->ulAADLen);

    if (rv != CKR_OK)
        return rv;
    gcm->pIv = copy->bytes;
    gcm->pAAD = gcm->ulAADLen > 0 ? copy->bytes + gcm->ulIvLen : NULL;
    return CKR_OK;
}

static CK_RV keep_oaep(struct mechanism_copy *copy)
{
    CK_RSA_PKCS_OAEP_PARAMS *oaep = &copy->params.oaep;
    CK_RV rv = keep(copy, oaep->pSourceData, oaep->ulSourceDataLen, NULL, 0);

    if (rv != CKR_OK)
        return rv;
    oaep->pSourceData = oaep->ulSourceDataLen > 0 ? copy->bytes : NULL;
    return CKR_OK;
}

CK_RV mechanism_copy_make(struct mechanism_copy *copy, const struct mech *mech,
                          const CK_MECHANISM *given)
{
    memset(copy, 0, sizeof(*copy));
    copy->mechanism.mechanism = mech->type;
    if (mech->params == MECH_PARAMS_NONE)
        return CKR_OK;
    if (given->ulParameterLen > sizeof(copy->params))
        return fail_internal("a checked parameter is no longer than the longest there is");
    memcpy(&copy->params, given->pParameter, given->ulParameterLen);
    copy->mechanism.pParameter = &copy->params;
    copy->mechanism.ulParameterLen = given->ulParameterLen;
    if (mech->params == MECH_PARAMS_GCM)
        return keep_gcm(copy);
    return mech->params == MECH_PARAMS_OAEP ? keep_oaep(copy) : CKR_OK;
}

void mechanism_copy_release(struct mechanism_copy *copy)
{
    free(copy->bytes);
    memset(copy, 0, sizeof(*copy));
}
