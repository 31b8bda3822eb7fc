/* The digest of parameters: see gate_params.h. First the struct, with zeros for what is no value,
 * then what its members point to, in the order of mech_layout_of(). */
#include "pkcs11/gate_params.h"

#include "base/mech.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static CK_RV add(struct local_digest *d, const void *data, size_t len)
{
    return len > 0 ? local_digest_update(d, BYTES(data, len)) : CKR_OK;
}

static void wipe(uint8_t *at, size_t len)
{
    memset(at, 0, len);
}

static struct bytes pointed(const uint8_t *params, const struct mech_span *span)
{
    struct bytes b;

    memcpy(&b.data, params + span->pointer, sizeof(b.data));
    memcpy(&b.len, params + span->length, sizeof(b.len));
    return b;
}

static CK_RV add_spans(struct local_digest *d, const struct mech_layout *layout,
                       const uint8_t *params)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < layout->span_count; i++) {
        struct bytes b = pointed(params, &layout->spans[i]);

        if (!layout->spans[i].secret)
            rv = add(d, b.data, b.len);
    }
    return rv;
}

/* The lengths stay, so that what follows can be read in one way only. */
static CK_RV add_struct(struct local_digest *d, const struct mech_layout *layout,
                        const uint8_t *params)
{
    uint8_t copy[MECH_PARAMS_SIZE_MAX];
    CK_RV rv;

    memcpy(copy, params, layout->size);
    for (size_t i = 0; i < layout->hole_count; i++)
        wipe(copy + layout->holes[i].at, layout->holes[i].len);
    for (size_t i = 0; i < layout->span_count; i++) {
        wipe(copy + layout->spans[i].pointer, sizeof(void *));
        if (layout->spans[i].secret)
            wipe(copy + layout->spans[i].length, sizeof(CK_ULONG));
    }
    rv = add(d, copy, layout->size);
    return rv == CKR_OK ? add_spans(d, layout, params) : rv;
}

/* ---- what is more than bytes ---- */

static CK_RV add_rsa_aes_wrap(struct local_digest *d, const uint8_t *params)
{
    CK_RSA_AES_KEY_WRAP_PARAMS wrap;

    memcpy(&wrap, params, sizeof(wrap));
    return add_struct(d, mech_layout_of(MECH_PARAMS_OAEP), (const uint8_t *)wrap.pOAEPParams);
}

/* Formats have bytes between their members that no caller sets. */
static CK_RV add_part_value(struct local_digest *d, const CK_PRF_DATA_PARAM *part)
{
    CK_SP800_108_COUNTER_FORMAT counter = {0};
    CK_SP800_108_DKM_LENGTH_FORMAT length = {0};
    CK_RV rv;

    if (part->type == CK_SP800_108_DKM_LENGTH) {
        memcpy(&length, part->pValue, sizeof(length));
        rv = add(d, &length.dkmLengthMethod, sizeof(length.dkmLengthMethod));
        counter.bLittleEndian = length.bLittleEndian;
        counter.ulWidthInBits = length.ulWidthInBits;
    } else if (part->ulValueLen == sizeof(counter) &&
               (part->type == CK_SP800_108_ITERATION_VARIABLE ||
                part->type == CK_SP800_108_COUNTER)) {
        memcpy(&counter, part->pValue, sizeof(counter));
        rv = CKR_OK;
    } else {
        return add(d, part->pValue, part->ulValueLen);
    }
    if (rv == CKR_OK)
        rv = add(d, &counter.bLittleEndian, sizeof(counter.bLittleEndian));
    return rv == CKR_OK ? add(d, &counter.ulWidthInBits, sizeof(counter.ulWidthInBits)) : rv;
}

static CK_RV add_parts(struct local_digest *d, const CK_PRF_DATA_PARAM *parts, CK_ULONG count)
{
    CK_RV rv = CKR_OK;

    for (CK_ULONG i = 0; rv == CKR_OK && i < count; i++) {
        CK_PRF_DATA_PARAM part;

        memcpy(&part, (const uint8_t *)parts + i * sizeof(part), sizeof(part));
        rv = add(d, &part.type, sizeof(part.type));
        if (rv == CKR_OK)
            rv = add(d, &part.ulValueLen, sizeof(part.ulValueLen));
        if (rv == CKR_OK)
            rv = add_part_value(d, &part);
    }
    return rv;
}

static CK_RV add_sp800(struct local_digest *d, const uint8_t *params)
{
    CK_SP800_108_KDF_PARAMS kdf;

    memcpy(&kdf, params, sizeof(kdf));
    return add_parts(d, kdf.pDataParams, kdf.ulNumberOfDataParams);
}

static CK_RV add_sp800_feedback(struct local_digest *d, const uint8_t *params)
{
    CK_SP800_108_FEEDBACK_KDF_PARAMS kdf;

    memcpy(&kdf, params, sizeof(kdf));
    return add_parts(d, kdf.pDataParams, kdf.ulNumberOfDataParams);
}

/* The other pointers are to places for results, or to templates of objects with records of their
 * own. */
static const struct {
    enum mech_params kind;
    CK_RV (*add)(struct local_digest *d, const uint8_t *params);
} more[] = {
    {MECH_PARAMS_RSA_AES_WRAP, add_rsa_aes_wrap},
    {MECH_PARAMS_SP800_KDF, add_sp800},
    {MECH_PARAMS_SP800_FEEDBACK, add_sp800_feedback},
};

/* ---- the whole ---- */

static CK_RV add_params(struct local_digest *d, enum mech_params kind, const uint8_t *params)
{
    CK_RV rv = add_struct(d, mech_layout_of(kind), params);

    for (size_t i = 0; rv == CKR_OK && i < COUNT(more); i++)
        if (more[i].kind == kind)
            rv = more[i].add(d, params);
    return rv;
}

CK_RV gate_parameters(struct local_digest *digest, const CK_MECHANISM *mechanism)
{
    const struct mech *row = mech_find(mechanism->mechanism);

    if (row != NULL && mechanism->pParameter != NULL && mechanism->ulParameterLen > 0 &&
        mechanism->ulParameterLen == mech_layout_of(row->params)->size)
        return add_params(digest, row->params, mechanism->pParameter);
    return add(digest, &mechanism->ulParameterLen, sizeof(mechanism->ulParameterLen));
}
