/*
 * A log that is behind its anchor (anchor.h) was put back to an older state, or its newest records
 * were taken away. To go on from there would give their numbers to other records: nothing is
 * appended and nothing signed until the newest state is back, or an administrator accepts the loss,
 * which is a record.
 */
#include "audit/trail_int.h"

#include "audit/anchor.h"
#include "audit/paths.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

enum { LOCK_WAIT_MS = 10000, LOCK_STEP_MS = 5 };
#define LOOK_AGAIN_NS INT64_C(1000000000)
#define WAY_OUT                                                                                    \
    ": put the newest copy back, or, where it is gone for good, accept that with keyward log "     \
    "accept-loss"

static struct anchor_place place_of(const struct trail *t)
{
    return (struct anchor_place){
        .folder = t->folder, .origin = t->key.name, .hash = t->hash, .marks = &t->marks};
}

static int64_t now_s(const struct trail *t)
{
    return clock_realtime(t->clock) / 1000000000;
}

/* ---- the verdict ---- */

__attribute__((format(printf, 2, 3))) static void set_lost(struct trail *t, const char *fmt, ...)
{
    va_list ap;

    (void)pthread_mutex_lock(&t->telling);
    va_start(ap, fmt);
    (void)vsnprintf(t->lost_reason, sizeof(t->lost_reason), fmt, ap);
    va_end(ap);
    (void)pthread_mutex_unlock(&t->telling);
    atomic_store(&t->lost, true);
}

/* For whoever holds PATH_BUILD_LOCK, with the anchor as it is now. */
static CK_RV judge(struct trail *t, const struct anchor_place *p, struct anchor *ret_anchor)
{
    struct checkpoint c;
    bool found = false;
    bool marked = false;
    CK_RV rv = anchor_finish(p);

    if (rv == CKR_OK)
        rv = anchor_read(p, ret_anchor, &found);
    if (rv == CKR_OK)
        rv = checkpoint_load(t, &c);
    if (rv == CKR_OK && found)
        rv = anchor_marked(p, ret_anchor, &marked);
    if (rv != CKR_OK)
        return rv;
    if (!found)
        set_lost(t, "the log's anchor is missing or damaged" WAY_OUT);
    else if (!marked)
        set_lost(t,
                 "the log was put back to an older state: the HSM does not know its anchor (of "
                 "%" PRIu64 " records)" WAY_OUT,
                 ret_anchor->size);
    else if (c.size < ret_anchor->size)
        set_lost(t,
                 "the log is behind its anchor: records %" PRIu64 " to %" PRIu64
                 " are missing" WAY_OUT,
                 c.size, ret_anchor->size - 1);
    else
        atomic_store(&t->lost, false);
    return CKR_OK;
}

/* The anchor first: a checkpoint that is made meanwhile is larger, never smaller. */
static CK_RV is_plainly_good(struct trail *t, const struct anchor_place *p, bool *ret_good)
{
    struct anchor a;
    struct checkpoint c;
    bool good = false;
    CK_RV rv;

    *ret_good = false;
    if (anchor_interrupted(p))
        return CKR_OK;
    rv = anchor_read(p, &a, &good);
    if (rv == CKR_OK && good)
        rv = anchor_marked(p, &a, &good);
    if (rv == CKR_OK && good)
        rv = checkpoint_load(t, &c);
    if (rv == CKR_OK && good)
        *ret_good = c.size >= a.size;
    return rv;
}

/* Somebody may be making a checkpoint, or setting an anchor: it is waited for. */
static CK_RV lock_builds(const struct trail *t)
{
    const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};

    for (int left = LOCK_WAIT_MS; left > 0; left -= LOCK_STEP_MS) {
        if (flock(t->build_lock, LOCK_EX | LOCK_NB) == 0)
            return CKR_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail_errno("lock the log's", PATH_BUILD_LOCK);
        (void)nanosleep(&step, NULL);
    }
    return fail(CKR_DEVICE_ERROR, "another process makes a checkpoint of the log for too long");
}

CK_RV loss_look(struct trail *t)
{
    struct anchor_place p;
    struct anchor anchor;
    bool good = false;
    CK_RV rv;

    (void)pthread_mutex_lock(&t->building);
    p = place_of(t);
    rv = is_plainly_good(t, &p, &good);
    if (rv == CKR_OK && good)
        atomic_store(&t->lost, false);
    if (rv == CKR_OK && !good) {
        rv = lock_builds(t);
        if (rv == CKR_OK) {
            rv = judge(t, &p, &anchor);
            (void)flock(t->build_lock, LOCK_UN);
        }
    }
    atomic_store(&t->looked, clock_monotonic(t->clock));
    (void)pthread_mutex_unlock(&t->building);
    return rv;
}

CK_RV loss_refuse(struct trail *t)
{
    CK_RV rv;

    if (!atomic_load(&t->lost))
        return CKR_OK;
    (void)pthread_mutex_lock(&t->telling);
    rv = fail(CKR_DEVICE_ERROR, "%s", t->lost_reason);
    (void)pthread_mutex_unlock(&t->telling);
    return rv;
}

CK_RV loss_check(struct trail *t)
{
    CK_RV rv;

    if (!atomic_load_explicit(&t->lost, memory_order_relaxed))
        return CKR_OK;
    if (clock_monotonic(t->clock) - atomic_load(&t->looked) < LOOK_AGAIN_NS)
        return loss_refuse(t);
    rv = loss_look(t);
    return rv == CKR_OK ? loss_refuse(t) : rv;
}

bool trail_lost(struct trail *t, char ret_reason[static FAIL_REASON_MAX])
{
    (void)pthread_mutex_lock(&t->telling);
    memcpy(ret_reason, t->lost_reason, FAIL_REASON_MAX);
    (void)pthread_mutex_unlock(&t->telling);
    return atomic_load(&t->lost);
}

/* ---- setting it ---- */

CK_RV loss_start(struct trail *t, const struct checkpoint *c)
{
    const struct anchor_place p = place_of(t);
    struct anchor old;
    bool found = false;
    CK_RV rv = anchor_read(&p, &old, &found);

    return rv == CKR_OK ? anchor_set(&p, found ? &old : NULL, c, now_s(t)) : rv;
}

CK_RV loss_anchor(struct trail *t, bool at_end)
{
    const struct anchor_place p = place_of(t);
    struct anchor a;
    bool found = false;
    int64_t age;
    CK_RV rv = anchor_read(&p, &a, &found);

    if (rv != CKR_OK)
        return rv;
    age = now_s(t) - a.time;
    if (found &&
        (a.size >= t->last.size || (!at_end && age >= 0 && age < (int64_t)t->anchor_interval_s)))
        return CKR_OK;
    /* The one that is there must be the newest: else it is not to be replaced, but told of. */
    rv = judge(t, &p, &a);
    if (rv == CKR_OK)
        rv = loss_refuse(t);
    return rv == CKR_OK ? anchor_set(&p, &a, &t->last, now_s(t)) : rv;
}

CK_RV trail_accept_loss(struct trail *t)
{
    struct anchor_place p;
    struct checkpoint c;
    struct anchor old;
    bool found = false;
    CK_RV rv;

    (void)pthread_mutex_lock(&t->building);
    p = place_of(t);
    rv = lock_builds(t);
    if (rv == CKR_OK) {
        rv = anchor_finish(&p);
        if (rv == CKR_OK)
            rv = checkpoint_load(t, &c);
        if (rv == CKR_OK)
            rv = anchor_read(&p, &old, &found);
        if (rv == CKR_OK)
            rv = anchor_set(&p, found ? &old : NULL, &c, now_s(t));
        if (rv == CKR_OK)
            atomic_store(&t->lost, false);
        (void)flock(t->build_lock, LOCK_UN);
    }
    (void)pthread_mutex_unlock(&t->building);
    return rv;
}

CK_RV trail_anchor(struct trail *t, uint64_t *ret_size, uint8_t ret_root[static 32])
{
    struct anchor_place p;
    struct anchor a;
    bool found = false;
    CK_RV rv;

    (void)pthread_mutex_lock(&t->building);
    p = place_of(t);
    rv = anchor_read(&p, &a, &found);
    (void)pthread_mutex_unlock(&t->building);
    if (rv != CKR_OK)
        return rv;
    *ret_size = found ? a.size : 0;
    memcpy(ret_root, a.root, HASH_LEN);
    return CKR_OK;
}
