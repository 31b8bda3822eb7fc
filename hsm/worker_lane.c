/*
 * A lane: one session of the HSM, used by one thread at a time. It does a request and repairs what
 * can be repaired, each class once a request.
 *
 * Repairs: session -> a new one; key -> its handle is searched again; login -> one login under the
 * lock; busy -> a short wait. Ambiguous codes ask the device first. Lost and PIN are the host's to
 * know: this process can do nothing about them.
 */
#include "hsm/worker_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BUSY_WAIT_NS 20000000
#define RANDOM_MAX   WIRE_DATA_MAX
#define OUT_MAX      (256u << 20)
#define KEEP_MAX     (2u << 20) /* larger buffers are given back after the answer */

/* ---- what each operation does ---- */

static CK_RV do_generate(struct lane *l, const struct wire_request *q)
{
    struct device *d = l->device;
    CK_RV rv = CKR_KEY_HANDLE_INVALID;

    if (q->spec.session)
        (void)pthread_mutex_lock(&d->mutex);
    /* At the second attempt the first may have left something. */
    if (l->attempt > 0)
        rv = resident_recover(d, l->session, &q->spec, &l->out);
    if (rv == CKR_KEY_HANDLE_INVALID)
        rv = resident_generate(d, q->spec.session ? d->keeper : l->session, &q->spec, &l->out);
    if (q->spec.session)
        (void)pthread_mutex_unlock(&d->mutex);
    return rv;
}

static CK_RV do_recover(struct lane *l, const struct wire_request *q)
{
    return resident_recover(l->device, l->session, &q->spec, &l->out);
}

static CK_RV do_import(struct lane *l, const struct wire_request *q)
{
    struct device *d = l->device;
    CK_RV rv;

    if (!q->spec.session)
        return resident_import(d, l->session, &q->spec, q->in, q->signature);
    (void)pthread_mutex_lock(&d->mutex);
    rv = resident_import(d, d->keeper, &q->spec, q->in, q->signature);
    (void)pthread_mutex_unlock(&d->mutex);
    return rv;
}

/* Asks the HSM, not the cache: another process may have destroyed the key. */
static CK_RV do_find(struct lane *l, const struct wire_request *q)
{
    CK_OBJECT_HANDLE handle;
    CK_RV rv;

    resident_forget(l->device, &q->spec.key);
    rv = resident_find(l->device, l->session, &q->spec.key, &handle);
    if (rv != CKR_OK && rv != CKR_KEY_HANDLE_INVALID)
        return rv;
    buf_putc(&l->out, rv == CKR_OK);
    return CKR_OK;
}

static CK_RV do_destroy(struct lane *l, const struct wire_request *q)
{
    return resident_destroy(l->device, l->session, &q->spec.key);
}

static CK_RV do_random(struct lane *l, const struct wire_request *q)
{
    if (q->length > RANDOM_MAX)
        return fail_argument("length");
    return device_random(l->device, l->session, (size_t)q->length, &l->out);
}

static CK_RV do_self_test(struct lane *l, const struct wire_request *q)
{
    (void)q;
    return device_self_test(l->device, l->session);
}

static CK_RV do_abort(struct lane *l, const struct wire_request *q)
{
    (void)q;
    lane_drop_session(l);
    return CKR_OK;
}

/* The rest of an output too large for one answer: nothing to do, answer() goes on where it stopped.
 */
static CK_RV do_more(struct lane *l, const struct wire_request *q)
{
    (void)l;
    (void)q;
    return CKR_OK;
}

static const struct lane_row {
    CK_RV (*act)(struct lane *l, const struct wire_request *q);
    bool repeat;  /* may be done again after a repair */
    bool goes_on; /* belongs to an operation under way */
} rows[WIRE_OP_COUNT] = {
    [WIRE_RUN] = {use_run, .repeat = true},
    [WIRE_BEGIN] = {use_begin, .repeat = true},
    [WIRE_UPDATE] = {use_update, .goes_on = true},
    [WIRE_FINAL] = {use_final, .goes_on = true},
    [WIRE_MORE] = {.act = do_more},
    [WIRE_ABORT] = {.act = do_abort},
    [WIRE_GENERATE] = {do_generate, .repeat = true},
    [WIRE_RECOVER] = {do_recover, .repeat = true},
    [WIRE_IMPORT] = {do_import, .repeat = true},
    [WIRE_AGREE] = {derive_agree, .repeat = true},
    [WIRE_CHECK_VALUE] = {derive_check_value, .repeat = true},
    [WIRE_FIND] = {do_find, .repeat = true},
    [WIRE_DESTROY] = {do_destroy, .repeat = true},
    [WIRE_RANDOM] = {do_random, .repeat = true},
    [WIRE_SELF_TEST] = {do_self_test, .repeat = true},
};

/* ---- repairs ---- */

/* The keeper is asked: the lane's session may be what is broken. */
static enum hsm_class ask_device(struct device *d)
{
    CK_SESSION_HANDLE keeper;
    CK_RV rv;

    (void)pthread_mutex_lock(&d->mutex);
    keeper = d->keeper;
    (void)pthread_mutex_unlock(&d->mutex);
    rv = device_probe(d, keeper);
    if (rv == CKR_OK)
        return HSM_CLASS_BUSY;
    return hsm_class_of(rv) == HSM_CLASS_SESSION ? HSM_CLASS_LOGIN : HSM_CLASS_LOST;
}

static CK_RV repair(struct lane *l, const struct wire_request *q, enum hsm_class class)
{
    const struct timespec pause = {.tv_nsec = BUSY_WAIT_NS};

    switch (class) {
    case HSM_CLASS_SESSION:
        lane_drop_session(l);
        return CKR_OK;
    case HSM_CLASS_KEY:
        resident_forget(l->device, &q->spec.key);
        return CKR_OK;
    case HSM_CLASS_LOGIN:
        lane_drop_session(l);
        return login_again(l->device);
    case HSM_CLASS_BUSY:
        (void)nanosleep(&pause, NULL);
        return CKR_OK;
    default:
        return CKR_GENERAL_ERROR;
    }
}

/* What the caller hears when there was no help. The reason of the last failure stays. */
static CK_RV settle(const struct lane *l, const struct wire_request *q, CK_RV rv,
                    enum hsm_class class, enum wire_trouble *ret)
{
    enum hsm_use use = rows[q->op].goes_on ? l->use : q->use;
    bool decrypts = (q->op == WIRE_RUN || rows[q->op].goes_on) && use == HSM_DECRYPT;

    switch (class) {
    case HSM_CLASS_KEY:
        return CKR_KEY_HANDLE_INVALID;
    case HSM_CLASS_BUSY:
        if (rv == CKR_DEVICE_MEMORY || rv == CKR_SESSION_COUNT)
            return CKR_DEVICE_MEMORY;
        /* A living HSM that fails at decryption only: bad padding or tag, in SoftHSM's words. One
         * code for all of them. */
        return decrypts ? CKR_ENCRYPTED_DATA_INVALID : CKR_DEVICE_ERROR;
    case HSM_CLASS_LOST:
        *ret = WIRE_TROUBLE_LOST;
        return CKR_DEVICE_ERROR;
    case HSM_CLASS_PIN:
        *ret = WIRE_TROUBLE_PIN;
        return CKR_DEVICE_ERROR;
    default:
        return CKR_DEVICE_ERROR;
    }
}

static CK_RV ready(struct lane *l, const struct lane_row *row)
{
    if (row->goes_on)
        return l->active ? CKR_OK
                         : fail(CKR_OPERATION_NOT_INITIALIZED,
                                "the HSM's session of this operation is gone");
    /* A new operation while one is under way: the host has forgotten it. */
    if (l->active && row->act != do_more)
        lane_drop_session(l);
    return l->session != CK_INVALID_HANDLE ? CKR_OK : device_session(l->device, &l->session);
}

static CK_RV attempt(struct lane *l, const struct lane_row *row, const struct wire_request *q)
{
    CK_RV rv = ready(l, row);

    if (rv != CKR_OK)
        return rv;
    if (row->act != do_more) {
        buf_clear(&l->out);
        l->given = 0;
    }
    return row->act(l, q);
}

/* A key that could not be made whole leaves no half behind. */
static void clean_up(struct lane *l, const struct wire_request *q)
{
    char reason[FAIL_REASON_MAX];

    if ((q->op != WIRE_GENERATE && q->op != WIRE_IMPORT) || l->session == CK_INVALID_HANDLE)
        return;
    (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    (void)!resident_destroy(l->device, l->session, &q->spec.key);
    (void)fail(CKR_DEVICE_ERROR, "%s", reason);
}

CK_RV lane_serve(struct lane *l, const struct wire_request *q, enum wire_trouble *ret)
{
    const struct lane_row *row = &rows[q->op];
    unsigned repaired = 0;

    if (row->act == NULL)
        return fail_internal("a request that is not a lane's");
    for (l->attempt = 0;; l->attempt++) {
        CK_RV rv = attempt(l, row, q);
        enum hsm_class class = hsm_class_of(rv);

        if (class == HSM_CLASS_OK || class == HSM_CLASS_CALLER)
            return rv;
        if (class == HSM_CLASS_AMBIGUOUS)
            class = ask_device(l->device);
        if (row->repeat && (repaired & 1u << class) == 0) {
            CK_RV repaired_rv = repair(l, q, class);

            repaired |= 1u << class;
            if (repaired_rv == CKR_OK)
                continue;
            if (class == HSM_CLASS_LOGIN) {
                rv = repaired_rv;
                class = hsm_class_of(rv);
            }
        }
        clean_up(l, q);
        return settle(l, q, rv, class, ret);
    }
}

/* ---- its beginning and its end ---- */

void lane_init(struct lane *l, struct device *d)
{
    *l = (struct lane){.device = d, .session = CK_INVALID_HANDLE, .out = BUF_INIT(OUT_MAX)};
}

void lane_forget(struct buf *b)
{
    if (b->cap > KEEP_MAX)
        buf_release_secure(b);
    else if (b->len > 0)
        bytes_wipe(b->data, b->len);
    buf_clear(b);
}

void lane_release(struct lane *l)
{
    lane_drop_session(l);
    buf_release_secure(&l->out);
}
