/*
 * A copy of a caller's mechanism that outlives the call it came in: an operation is asked about,
 * and begun on the HSM, later than its Init.
 */
#include "pkcs11/operation_int.h"

#include <string.h>

/* What a span of the struct points to; its length was checked. */
static struct bytes pointed(const struct mechanism_copy *copy, const struct mech_span *span)
{
    struct bytes b;

    memcpy(&b.data, copy->params.raw + span->pointer, sizeof(b.data));
    memcpy(&b.len, copy->params.raw + span->length, sizeof(b.len));
    return b;
}

/* Puts what the spans point to behind one another into copy->bytes, and points them there. */
static CK_RV keep(struct mechanism_copy *copy, const struct mech_layout *layout)
{
    size_t total = 0;
    uint8_t *at;

    for (size_t i = 0; i < layout->span_count; i++)
        total += pointed(copy, &layout->spans[i]).len;
    copy->bytes = at = malloc(total + 1);
    if (at == NULL)
        return fail_memory();
    for (size_t i = 0; i < layout->span_count; i++) {
        struct bytes from = pointed(copy, &layout->spans[i]);
        const uint8_t *to = from.len > 0 ? at : NULL;

        if (from.len > 0)
            memcpy(at, from.data, from.len);
        memcpy(copy->params.raw + layout->spans[i].pointer, &to, sizeof(to));
        at += from.len;
    }
    return CKR_OK;
}

CK_RV mechanism_copy_make(struct mechanism_copy *copy, const struct mech *mech,
                          const CK_MECHANISM *given)
{
    const struct mech_layout *layout = mech_layout_of(mech->params);

    memset(copy, 0, sizeof(*copy));
    copy->mechanism.mechanism = mech->type;
    if (layout->size == 0 || given->pParameter == NULL)
        return CKR_OK;
    if (mech->params > MECH_PARAMS_LAST_KEPT || layout->size > sizeof(copy->params))
        return fail_internal("a parameter that holds more than bytes does not outlive its call");
    memcpy(&copy->params, given->pParameter, layout->size);
    copy->mechanism.pParameter = &copy->params;
    copy->mechanism.ulParameterLen = layout->size;
    return layout->span_count > 0 ? keep(copy, layout) : CKR_OK;
}

void mechanism_copy_release(struct mechanism_copy *copy)
{
    free(copy->bytes);
    memset(copy, 0, sizeof(*copy));
}
