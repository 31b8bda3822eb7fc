/* Lanes lent to calling threads, and what goes over them: see pool.h. */
#include "hsm/pool_int.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LANES_DEFAULT 8
/* For an answer that takes longer nobody's CPU is spent on looking. */
#define LOOK_MOST_NS 2000000
/* Making an RSA key is a search: it takes as long as it takes. */
#define GENERATE_FACTOR 6

static bool init_sync(struct pool *p)
{
    pthread_condattr_t attr;
    bool ok;

    if (pthread_condattr_init(&attr) != 0)
        return false;
    ok = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
         pthread_cond_init(&p->changed, &attr) == 0;
    (void)pthread_condattr_destroy(&attr);
    if (ok && pthread_mutex_init(&p->mutex, NULL) != 0) {
        (void)pthread_cond_destroy(&p->changed);
        ok = false;
    }
    return ok;
}

/* Those this process may use; one where the kernel does not say. */
static size_t count_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
}

CK_RV pool_new(const struct hsm_config *config, struct pool **ret)
{
    struct pool *p = calloc(1, sizeof(*p));
    CK_RV rv;

    if (p == NULL)
        return fail_memory();
    p->about = calloc(1, sizeof(*p->about));
    rv = p->about != NULL ? pool_config_init(&p->config, config, NULL) : fail_memory();
    if (rv == CKR_OK && !init_sync(p)) {
        pool_config_release(&p->config);
        rv = fail_memory();
    }
    if (rv != CKR_OK) {
        free(p->about);
        free(p);
        return rv;
    }
    p->owner = getpid();
    p->cpus = count_cpus();
    p->limit = config->lanes > 0 ? config->lanes : LANES_DEFAULT;
    if (p->limit > POOL_LANES_MAX)
        p->limit = POOL_LANES_MAX;
    p->worker = SPAWNED_NONE;
    for (size_t i = 0; i < POOL_LANES_MAX; i++) {
        p->lanes[i].channel = CHANNEL_NONE;
        p->lanes[i].message = BUF_INIT(WIRE_FRAME_MAX + CHANNEL_LENGTH);
    }
    *ret = p;
    return CKR_OK;
}

static void release(struct pool *p)
{
    bool ours = p->owner == getpid();

    for (size_t i = 0; i < POOL_LANES_MAX; i++) {
        if (ours)
            channel_close(&p->lanes[i].channel);
        else
            channel_forget(&p->lanes[i].channel);
        buf_release_secure(&p->lanes[i].message);
    }
    spawn_let_go(&p->worker);
    pool_config_release(&p->config);
    free(p->about);
    free(p);
}

void pool_free(struct pool *p)
{
    if (p == NULL)
        return;
    if (p->owner == getpid()) {
        (void)pthread_mutex_destroy(&p->mutex);
        (void)pthread_cond_destroy(&p->changed);
    }
    release(p);
}

void pool_abandon(struct pool *p)
{
    if (p != NULL)
        release(p);
}

static CK_RV check_owner(const struct pool *p)
{
    if (p->owner == getpid())
        return CKR_OK;
    return fail(CKR_DEVICE_ERROR, "the HSM was opened before fork: open it again in this process");
}

CK_RV pool_start(struct pool *p)
{
    CK_RV rv = check_owner(p);

    if (rv != CKR_OK)
        return rv;
    (void)pthread_mutex_lock(&p->mutex);
    rv = pool_ensure_up(p);
    if (rv != CKR_OK && p->pin_refused)
        rv = fail(CKR_PIN_INCORRECT, "%s", p->why_down);
    (void)pthread_mutex_unlock(&p->mutex);
    return rv;
}

/* ---- lanes ---- */

/* Its other end goes to the worker over the control socket. */
static CK_RV open_lane(struct pool *p, struct pool_lane *lane)
{
    struct wire_request q = {.op = WIRE_LANE};
    struct buf frame = BUF_INIT(256);
    enum channel_result sent = CHANNEL_CLOSED;
    struct control_passed pass = CONTROL_PASSES_NONE;

    if (!channel_make(&lane->channel, pass.fds))
        return fail_errno("make a lane to", p->config.worker);
    if (wire_put_request(&frame, &q))
        sent = control_send(p->worker.control, buf_bytes(&frame), pass,
                            channel_deadline(p->config.deadline_ms));
    buf_release(&frame);
    control_close_passed(&pass);
    if (sent != CHANNEL_OK) {
        channel_close(&lane->channel);
        pool_lose(p, "the HSM's worker is gone");
        return fail(CKR_DEVICE_ERROR, "the HSM's worker is gone");
    }
    lane->generation = p->generation;
    return CKR_OK;
}

/* An open lane that is free, else room for one, else NULL. */
static struct pool_lane *pick(struct pool *p)
{
    struct pool_lane *room = NULL;

    for (size_t i = 0; i < p->limit; i++) {
        struct pool_lane *lane = &p->lanes[i];

        if (lane->leased)
            continue;
        if (lane->channel.fd >= 0)
            return lane;
        if (room == NULL)
            room = lane;
    }
    return room;
}

static struct timespec as_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* The worker may have died idle: then opening a lane finds out, and one new start is tried. */
static CK_RV take_lane(struct pool *p, int64_t deadline, struct pool_lane **ret)
{
    const struct timespec until = as_timespec(deadline);
    bool lost_once = false;

    for (;;) {
        struct pool_lane *lane;
        CK_RV rv = pool_ensure_up(p);

        if (rv != CKR_OK)
            return rv;
        lane = pick(p);
        if (lane != NULL) {
            rv = lane->channel.fd >= 0 ? CKR_OK : open_lane(p, lane);
            if (rv != CKR_OK && !p->up && !lost_once) {
                lost_once = true;
                continue;
            }
            if (rv == CKR_OK) {
                lane->leased = true;
                p->leased++;
                lane->may_look = 2 * p->leased <= p->cpus;
                *ret = lane;
            }
            return rv;
        }
        if (pthread_cond_timedwait(&p->changed, &p->mutex, &until) == ETIMEDOUT)
            return fail(CKR_DEVICE_MEMORY,
                        "all %zu lanes to the HSM are busy: end operations in progress, or allow "
                        "more lanes",
                        p->limit);
    }
}

CK_RV pool_lease(struct pool *p, struct pool_lane **ret)
{
    CK_RV rv = check_owner(p);

    if (rv != CKR_OK)
        return rv;
    (void)pthread_mutex_lock(&p->mutex);
    rv = take_lane(p, channel_deadline(p->config.deadline_ms), ret);
    (void)pthread_mutex_unlock(&p->mutex);
    return rv;
}

void pool_return(struct pool *p, struct pool_lane *lane)
{
    if (lane == NULL || check_owner(p) != CKR_OK)
        return;
    (void)pthread_mutex_lock(&p->mutex);
    lane->leased = false;
    p->leased--;
    if (!p->up || lane->generation != p->generation)
        channel_close(&lane->channel);
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->mutex);
}

/* ---- requests ---- */

uint64_t pool_patience_ms(const struct pool *p, enum wire_op op)
{
    return p->config.deadline_ms * (op == WIRE_GENERATE ? GENERATE_FACTOR : 1);
}

static CK_RV lose_lane(struct pool *p, struct pool_lane *lane, const char *why)
{
    (void)pthread_mutex_lock(&p->mutex);
    if (p->up && lane->generation == p->generation)
        pool_lose(p, why);
    (void)pthread_mutex_unlock(&p->mutex);
    return fail(CKR_DEVICE_ERROR, "%s", why);
}

static const char *why_lost(enum channel_result result)
{
    return result == CHANNEL_TIMEOUT
               ? "the HSM did not answer within the deadline: its worker was ended"
               : "the HSM's library crashed, or its worker was ended";
}

/* Requests that take about the same time; two kinds may share a place. */
static struct channel_wait *wait_of(struct pool_lane *lane, const struct wire_request *q)
{
    size_t kind = q->op + 3 * q->use + 5 * q->spec.key.type + 7 * q->mechanism.mechanism;
    struct channel_wait *wait = &lane->waits[kind % POOL_WAITS];

    wait->most = lane->may_look ? LOOK_MOST_NS : 0;
    return wait;
}

static enum channel_result transact(struct pool *p, struct pool_lane *lane,
                                    const struct wire_request *q, struct wire_answer *ret)
{
    int64_t deadline = channel_deadline(pool_patience_ms(p, q->op));
    struct bytes frame;
    enum channel_result result = channel_send(&lane->channel, &lane->message, deadline);

    bytes_wipe(lane->message.data, lane->message.len);
    if (result == CHANNEL_OK)
        result =
            channel_receive(&lane->channel, &lane->message, deadline, wait_of(lane, q), &frame);
    if (result == CHANNEL_OK && (!wire_get_answer(frame, ret) || ret->serial != q->serial))
        result = CHANNEL_CLOSED;
    return result;
}

static void note_answer(struct pool *p, const struct pool_lane *lane, const struct wire_answer *a)
{
    (void)pthread_mutex_lock(&p->mutex);
    if (lane->generation == p->generation && a->relogins > p->relogins)
        p->relogins = a->relogins;
    if (a->trouble == WIRE_TROUBLE_PIN)
        p->pin_refused = true;
    (void)pthread_mutex_unlock(&p->mutex);
}

/* What an answer says about the device itself, beyond its return code. */
static CK_RV mind(struct pool *p, struct pool_lane *lane, const struct wire_answer *a,
                  bool *ret_lost)
{
    CK_RV rv = pool_heard(a);

    if (a->trouble != WIRE_TROUBLE_NONE || a->relogins != 0)
        note_answer(p, lane, a);
    if (a->trouble == WIRE_TROUBLE_NONE)
        return rv;
    *ret_lost = a->trouble == WIRE_TROUBLE_LOST;
    return lose_lane(p, lane, fail_reason());
}

static CK_RV one_exchange(struct pool *p, struct pool_lane *lane, struct wire_request *q,
                          struct buf *out, uint64_t *ret_more, bool *ret_lost)
{
    static const uint8_t length_word[CHANNEL_LENGTH] = {0};
    struct wire_answer a = {0};
    enum channel_result result;
    CK_RV rv;

    q->serial = ++lane->serial;
    buf_clear(&lane->message);
    buf_put(&lane->message, length_word, sizeof(length_word));
    if (!wire_put_request(&lane->message, q))
        return fail(CKR_DATA_LEN_RANGE, "more data or parameters than the HSM takes at once");
    result = transact(p, lane, q, &a);
    if (result != CHANNEL_OK) {
        *ret_lost = true;
        rv = lose_lane(p, lane, why_lost(result));
    } else {
        rv = mind(p, lane, &a, ret_lost);
    }
    *ret_more = a.more;
    if (rv == CKR_OK && out != NULL)
        buf_put_bytes(out, a.out);
    bytes_wipe(lane->message.data, lane->message.len);
    if (rv == CKR_OK && out != NULL && !buf_ok(out))
        rv = fail(CKR_HOST_MEMORY, "no room for the HSM's answer");
    return rv;
}

CK_RV pool_exchange(struct pool *p, struct pool_lane *lane, struct wire_request *q, struct buf *out,
                    bool *ret_lost)
{
    struct wire_request rest = {.op = WIRE_MORE};
    uint64_t more = 0;
    /* Not only at lease: a forked child inherits operations that hold a lane of its parent. */
    CK_RV rv = check_owner(p);

    *ret_lost = false;
    if (rv != CKR_OK)
        return rv;
    rv = one_exchange(p, lane, q, out, &more, ret_lost);
    while (rv == CKR_OK && more > 0)
        rv = one_exchange(p, lane, &rest, out, &more, ret_lost);
    return rv;
}

CK_RV pool_call(struct pool *p, struct wire_request *q, bool repeat, struct buf *out,
                bool *ret_lost)
{
    size_t had = out != NULL ? out->len : 0;

    for (unsigned attempt = 0;; attempt++) {
        struct pool_lane *lane = NULL;
        CK_RV rv = pool_lease(p, &lane);

        if (rv != CKR_OK)
            return rv;
        *ret_lost = false;
        rv = pool_exchange(p, lane, q, out, ret_lost);
        pool_return(p, lane);
        if (!*ret_lost || !repeat || attempt > 0)
            return rv;
        if (out != NULL)
            out->len = had;
    }
}

/* ---- facts ---- */

void pool_status(struct pool *p, struct hsm_status *ret)
{
    memset(ret, 0, sizeof(*ret));
    (void)pthread_mutex_lock(&p->mutex);
    memcpy(ret->library, p->about->library, sizeof(ret->library));
    memcpy(ret->token, p->about->token, sizeof(ret->token));
    memcpy(ret->serial, p->about->serial, sizeof(ret->serial));
    ret->worker = p->up ? p->worker.pid : 0;
    ret->restarts = p->generation > 0 ? p->generation - 1 : 0;
    ret->relogins = (unsigned)(p->relogins_before + p->relogins);
    for (size_t i = 0; i < p->limit; i++)
        ret->lanes_open += p->lanes[i].channel.fd >= 0;
    (void)pthread_mutex_unlock(&p->mutex);
}

CK_FLAGS pool_flags(struct pool *p, CK_MECHANISM_TYPE mechanism)
{
    CK_FLAGS flags = 0;

    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->about->count; i++) {
        if (p->about->offers[i].type == mechanism)
            flags = p->about->offers[i].flags;
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return flags;
}
