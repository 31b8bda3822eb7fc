/* Prepared contexts of a ready key, leased and returned: see software_int.h. */
#include "hsm/software_int.h"

#include <string.h>

void software_context_free(struct software_context *context)
{
    if (context == NULL)
        return;
    EVP_PKEY_CTX_free(context->pkey);
    EVP_CIPHER_CTX_free(context->cipher);
    EVP_MAC_CTX_free(context->mac);
    EVP_MD_CTX_free(context->sign);
    bytes_wipe(context, sizeof(*context));
    free(context);
}

static struct bytes fixed_of(const struct software_way *way, const CK_MECHANISM *mechanism)
{
    return BYTES(mechanism->pParameter, way->fixed_len);
}

static bool fits(const struct software_context *context, const struct software_way *way,
                 enum hsm_use use, struct bytes fixed)
{
    return context->way == way && context->use == use &&
           bytes_equal(BYTES(context->fixed, context->fixed_len), fixed);
}

/* The youngest that fits: it is the likeliest to be in the cache. */
static struct software_context *take_idle(struct hsm_ready *ready, const struct software_way *way,
                                          enum hsm_use use, struct bytes fixed)
{
    struct software_context *found = NULL;

    (void)pthread_mutex_lock(&ready->lock);
    for (unsigned i = ready->idle_count; i-- > 0 && found == NULL;) {
        if (!fits(ready->idle[i], way, use, fixed))
            continue;
        found = ready->idle[i];
        ready->idle_count--;
        memmove(&ready->idle[i], &ready->idle[i + 1],
                (ready->idle_count - i) * sizeof(ready->idle[0]));
    }
    (void)pthread_mutex_unlock(&ready->lock);
    return found;
}

CK_RV software_lease(struct hsm_ready *ready, const struct software_way *way, enum hsm_use use,
                     const CK_MECHANISM *mechanism, struct software_context **ret)
{
    struct bytes fixed = fixed_of(way, mechanism);
    SCOPED(software_context_free_p)
    struct software_context *context = take_idle(ready, way, use, fixed);
    CK_RV rv = CKR_OK;

    if (context == NULL) {
        context = calloc(1, sizeof(*context));
        if (context == NULL)
            return fail_memory();
        if (fixed.len > sizeof(context->fixed))
            return fail_internal("a way's fixed parameters are short");
        context->way = way;
        context->use = use;
        if (fixed.len > 0)
            memcpy(context->fixed, fixed.data, fixed.len);
        context->fixed_len = fixed.len;
        rv = way->prepare(ready, mechanism, context);
    }
    if (rv == CKR_OK)
        *ret = TAKE(context);
    return rv;
}

void software_return(struct hsm_ready *ready, struct software_context *context, bool good)
{
    struct software_context *given_up = context;

    if (context == NULL)
        return;
    if (good && !context->once) {
        (void)pthread_mutex_lock(&ready->lock);
        given_up = NULL;
        if (ready->idle_count == SOFTWARE_IDLE_MAX) {
            given_up = ready->idle[0];
            ready->idle_count--;
            memmove(&ready->idle[0], &ready->idle[1], ready->idle_count * sizeof(ready->idle[0]));
        }
        ready->idle[ready->idle_count++] = context;
        (void)pthread_mutex_unlock(&ready->lock);
    }
    software_context_free(given_up);
}
