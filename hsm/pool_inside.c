/*
 * The way to a library in this process (isolation none): what the worker does is called here, by
 * the threads that ask. Nothing protects the host from the library: when it crashes or hangs, so
 * does the host, and no deadline can end a call.
 *
 * A device that is of no more use stays loaded while somebody is still in a call to it; it is
 * loaded anew when the last one has come back.
 */
#include "hsm/error_queue.h"
#include "hsm/pool_int.h"
#include "hsm/worker_int.h"

#include <p11-kit/p11-kit.h>
#include <stdlib.h>

static void unload(struct pool *p)
{
    CK_FUNCTION_LIST *library;
    struct error_queue errors;

    if (p->device == NULL)
        return;
    library = p->device->p11;
    error_queue_save(&errors);
    device_release(p->device);
    if (library != NULL)
        p11_kit_module_release(library);
    error_queue_restore(&errors);
    free(p->device);
    p->device = NULL;
}

static CK_RV load(struct pool *p)
{
    struct wire_request q = {.op = WIRE_OPEN, .deadline_ms = p->config.deadline_ms};
    struct error_queue errors;
    CK_RV rv;

    for (size_t i = 0; i < WIRE_TEXT_COUNT; i++)
        q.texts[i] = bytes_from_str(p->config.texts[i]);
    *p->about = (struct wire_about){.count = 0};
    error_queue_save(&errors);
    rv = device_init(p->device, &q, p->local);
    if (rv == CKR_OK)
        rv = device_open(p->device, p->about);
    error_queue_restore(&errors);
    return rv;
}

static CK_RV start(struct pool *p, enum wire_trouble *ret)
{
    CK_RV rv;

    if (p->leased > 0)
        return fail(CKR_DEVICE_ERROR, "the HSM's library was lost, and other calls are still in "
                                      "it: it is loaded again when they have come back");
    rv = pool_meanwhile(p);
    if (rv != CKR_OK)
        return rv;
    unload(p);
    p->device = calloc(1, sizeof(*p->device));
    if (p->device == NULL)
        return fail_memory();
    rv = load(p);
    if (rv == CKR_OK)
        return rv;
    if (atomic_load(&p->device->pin_refused))
        *ret = WIRE_TROUBLE_PIN;
    unload(p);
    return rv;
}

static void stop(struct pool *p)
{
    (void)p; /* see start() */
}

/* In a child the library's state is the parent's: not a call to it. */
static void end(struct pool *p, bool ours)
{
    if (ours) {
        unload(p);
    } else if (p->device != NULL) {
        device_release_memory(p->device);
        free(p->device);
    }
}

static CK_RV open_lane(struct pool *p, struct pool_lane *lane)
{
    lane->inside = malloc(sizeof(*lane->inside));
    if (lane->inside == NULL)
        return fail_memory();
    lane_init(lane->inside, p->device);
    return CKR_OK;
}

static void close_lane(struct pool_lane *lane, bool ours)
{
    struct error_queue errors;

    error_queue_save(&errors);
    if (ours)
        lane_release(lane->inside);
    else
        buf_release_secure(&lane->inside->out);
    error_queue_restore(&errors);
    free(lane->inside);
    lane->inside = NULL;
}

static CK_RV exchange(struct pool *p, struct pool_lane *lane, struct wire_request *q,
                      struct buf *out, bool *ret_lost)
{
    enum wire_trouble trouble = WIRE_TROUBLE_NONE;
    struct lane *l = lane->inside;
    struct error_queue errors;
    CK_RV rv;

    error_queue_save(&errors);
    rv = lane_serve(l, q, &trouble);
    error_queue_restore(&errors);
    rv = pool_mind(p, lane, rv, atomic_load(&l->device->relogins), trouble, ret_lost);
    if (rv == CKR_OK && out != NULL)
        buf_put_bytes(out, buf_bytes(&l->out));
    lane_forget(&l->out);
    if (rv == CKR_OK && out != NULL && !buf_ok(out))
        rv = fail(CKR_HOST_MEMORY, "no room for the HSM's answer");
    return rv;
}

const struct pool_way pool_way_inside = {
    .start = start,
    .stop = stop,
    .end = end,
    .open_lane = open_lane,
    .close_lane = close_lane,
    .exchange = exchange,
};
