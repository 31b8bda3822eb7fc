/* Lanes lent to calling threads, and what goes over them: see pool.h. */
#include "hsm/pool_int.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS     INT64_C(1000000000)
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

CK_RV pool_new(const struct hsm_config *config, struct local *local, struct pool **ret)
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
    p->local = local;
    p->cpus = count_cpus();
    p->meanwhile = (struct pool_meanwhile){config->meanwhile, config->meanwhile_ctx};
    p->limit = config->lanes > 0 ? config->lanes : LANES_DEFAULT;
    if (p->limit > POOL_LANES_MAX)
        p->limit = POOL_LANES_MAX;
    p->way = config->in_process ? &pool_way_inside : &pool_way_worker;
    p->worker = SPAWNED_NONE;
    for (size_t i = 0; i < POOL_LANES_MAX; i++) {
        p->lanes[i].channel = CHANNEL_NONE;
        p->lanes[i].message = BUF_INIT(WIRE_FRAME_MAX + CHANNEL_LENGTH);
    }
    *ret = p;
    return CKR_OK;
}

/* ---- up and down; all with the mutex held ---- */

/* Refuses in between attempts, with what is known about the last one. */
static CK_RV check_pace(struct pool *p, int64_t now)
{
    if (p->pin_refused)
        return fail(CKR_DEVICE_ERROR, "%s", p->why_down);
    if (now < p->pause_until)
        return fail(CKR_DEVICE_ERROR, "%.400s (the next start of its worker is tried in %d ms)",
                    p->why_down, (int)((p->pause_until - now) / 1000000 + 1));
    if (p->starts[0] != 0 && now - p->starts[0] < SECOND_NS)
        return fail(CKR_DEVICE_ERROR, "%.400s (its worker is lost again and again)", p->why_down);
    return CKR_OK;
}

static void note_start(struct pool *p, int64_t now)
{
    memmove(p->starts, p->starts + 1, sizeof(p->starts) - sizeof(*p->starts));
    p->starts[POOL_STARTS_KEPT - 1] = now;
}

static CK_RV start_failed(struct pool *p, CK_RV rv, enum wire_trouble trouble)
{
    (void)snprintf(p->why_down, sizeof(p->why_down), "%s", fail_reason());
    p->pause_until = channel_now() + SECOND_NS;
    p->pin_refused = trouble == WIRE_TROUBLE_PIN;
    return rv;
}

static CK_RV ensure_up(struct pool *p)
{
    enum wire_trouble trouble = WIRE_TROUBLE_NONE;
    int64_t now = channel_now();
    CK_RV rv;

    if (p->up)
        return CKR_OK;
    rv = check_pace(p, now);
    if (rv != CKR_OK)
        return rv;
    note_start(p, now);
    rv = p->way->start(p, &trouble);
    if (rv != CKR_OK)
        return start_failed(p, rv, trouble);
    p->up = true;
    p->generation++;
    p->relogins_before += p->relogins;
    p->relogins = 0;
    return CKR_OK;
}

CK_RV pool_meanwhile(struct pool *p)
{
    return p->meanwhile.run != NULL ? p->meanwhile.run(p->meanwhile.ctx) : CKR_OK;
}

static void close_lane(struct pool *p, struct pool_lane *lane, bool ours)
{
    if (lane->open)
        p->way->close_lane(lane, ours);
    lane->open = false;
}

static void close_idle(struct pool *p)
{
    for (size_t i = 0; i < p->limit; i++) {
        struct pool_lane *lane = &p->lanes[i];

        if (!lane->leased)
            close_lane(p, lane, true);
    }
}

void pool_lose(struct pool *p, const char *why)
{
    (void)snprintf(p->why_down, sizeof(p->why_down), "%s", why);
    p->way->stop(p);
    p->up = false;
    close_idle(p);
}

/* ---- its end ---- */

static void release(struct pool *p)
{
    bool ours = p->owner == getpid();

    for (size_t i = 0; i < POOL_LANES_MAX; i++) {
        close_lane(p, &p->lanes[i], ours);
        buf_release_secure(&p->lanes[i].message);
    }
    p->way->end(p, ours);
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
    rv = ensure_up(p);
    if (rv != CKR_OK && p->pin_refused)
        rv = fail(CKR_PIN_INCORRECT, "%s", p->why_down);
    p->meanwhile.run = NULL;
    (void)pthread_mutex_unlock(&p->mutex);
    return rv;
}

/* ---- lanes ---- */

static CK_RV open_lane(struct pool *p, struct pool_lane *lane)
{
    CK_RV rv = p->way->open_lane(p, lane);

    lane->open = rv == CKR_OK;
    lane->generation = p->generation;
    return rv;
}

/* An open lane that is free, else room for one, else NULL. */
static struct pool_lane *pick(struct pool *p)
{
    struct pool_lane *room = NULL;

    for (size_t i = 0; i < p->limit; i++) {
        struct pool_lane *lane = &p->lanes[i];

        if (lane->leased)
            continue;
        if (lane->open)
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
        CK_RV rv = ensure_up(p);

        if (rv != CKR_OK)
            return rv;
        lane = pick(p);
        if (lane != NULL) {
            rv = lane->open ? CKR_OK : open_lane(p, lane);
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
        close_lane(p, lane, true);
    (void)pthread_cond_signal(&p->changed);
    (void)pthread_mutex_unlock(&p->mutex);
}

/* ---- requests ---- */

CK_RV pool_lose_lane(struct pool *p, const struct pool_lane *lane, const char *why)
{
    (void)pthread_mutex_lock(&p->mutex);
    if (p->up && lane->generation == p->generation)
        pool_lose(p, why);
    (void)pthread_mutex_unlock(&p->mutex);
    return fail(CKR_DEVICE_ERROR, "%s", why);
}

static void note(struct pool *p, const struct pool_lane *lane, uint64_t relogins,
                 enum wire_trouble trouble)
{
    (void)pthread_mutex_lock(&p->mutex);
    if (lane->generation == p->generation && relogins > p->relogins)
        p->relogins = relogins;
    if (trouble == WIRE_TROUBLE_PIN)
        p->pin_refused = true;
    (void)pthread_mutex_unlock(&p->mutex);
}

CK_RV pool_mind(struct pool *p, const struct pool_lane *lane, CK_RV rv, uint64_t relogins,
                enum wire_trouble trouble, bool *ret_lost)
{
    if (trouble != WIRE_TROUBLE_NONE || relogins != 0)
        note(p, lane, relogins, trouble);
    if (trouble == WIRE_TROUBLE_NONE)
        return rv;
    *ret_lost = trouble == WIRE_TROUBLE_LOST;
    return pool_lose_lane(p, lane, fail_reason());
}

CK_RV pool_exchange(struct pool *p, struct pool_lane *lane, struct wire_request *q, struct buf *out,
                    bool *ret_lost)
{
    /* Not only at lease: a forked child inherits operations that hold a lane of its parent. */
    CK_RV rv = check_owner(p);

    *ret_lost = false;
    return rv == CKR_OK ? p->way->exchange(p, lane, q, out, ret_lost) : rv;
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
        ret->lanes_open += p->lanes[i].open;
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
