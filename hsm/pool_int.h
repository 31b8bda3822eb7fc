/* What pool.c (lanes) and pool_worker.c (starting, losing) share. */
#ifndef KEYWARD_HSM_POOL_INT_H
#define KEYWARD_HSM_POOL_INT_H

#include "hsm/channel.h"
#include "hsm/control.h"
#include "hsm/launch.h"
#include "hsm/pool.h"

#include <pthread.h>

#define POOL_LANES_MAX   64
#define POOL_STARTS_KEPT 3

#define POOL_WAITS 16

struct lane;

struct pool_lane {
    bool open;
    struct channel channel; /* to a worker */
    struct lane *inside;    /* in this process */
    bool leased;            /* then all else here is the lessee's alone */
    unsigned generation;    /* of the worker it leads to */
    uint32_t serial;
    bool may_look;                         /* there is a CPU for each end of all lanes in use */
    struct channel_wait waits[POOL_WAITS]; /* by kind of request: each takes its own time */
    struct buf message;
};

/* What the worker is told, kept for its restarts. */
struct pool_config {
    char *worker;
    char *texts[WIRE_TEXT_COUNT];
    uint64_t deadline_ms;
};

/* See struct hsm_config. */
struct pool_meanwhile {
    CK_RV (*run)(void *ctx);
    void *ctx;
};

/*
 * How the HSM's library is reached: in a worker (pool_worker.c), or in this process
 * (pool_inside.c). ours: false in a forked child, where all there is to do is to forget.
 */
struct pool_way {
    /* With the mutex held. start fills p->about; trouble: WIRE_TROUBLE_NONE beforehand. stop: it is
     * of no more use. */
    CK_RV (*start)(struct pool *p, enum wire_trouble *ret);
    void (*stop)(struct pool *p);
    CK_RV (*open_lane)(struct pool *p, struct pool_lane *lane);
    void (*close_lane)(struct pool_lane *lane, bool ours);
    /* Without it. */
    CK_RV(*exchange)
    (struct pool *p, struct pool_lane *lane, struct wire_request *q, struct buf *out,
     bool *ret_lost);
    void (*end)(struct pool *p, bool ours);
};

extern const struct pool_way pool_way_worker;
extern const struct pool_way pool_way_inside;

struct device;

struct pool {
    const struct pool_way *way; /* never changes */
    struct pool_config config;  /* never changes */
    pid_t owner;                /* the process whose pool this is */
    size_t limit;               /* lanes at most */
    size_t cpus;
    struct local *local; /* borrowed */

    pthread_mutex_t mutex; /* guards all below, and the lanes that are not leased */
    pthread_cond_t changed;
    struct pool_lane lanes[POOL_LANES_MAX];
    size_t leased;         /* of them */
    struct spawned worker; /* the way to a worker */
    struct device *device; /* the other way; NULL until it was up once */
    bool up;
    struct pool_meanwhile meanwhile; /* of the first start */
    bool pin_refused;
    unsigned generation;                /* of the worker; counts starts */
    int64_t starts[POOL_STARTS_KEPT];   /* times of the last starts, oldest first */
    int64_t pause_until;                /* no start before */
    char why_down[FAIL_REASON_MAX];     /* of the last loss or failed start */
    uint64_t relogins_before, relogins; /* of former workers, of this one */
    struct wire_about *about;
};

MUST_CHECK CK_RV pool_config_init(struct pool_config *c, const struct hsm_config *from,
                                  const char *so_pin_file);
void pool_config_release(struct pool_config *c);

/* With the mutex held: up no more; lanes that are not leased are closed. */
void pool_lose(struct pool *p, const char *why);
/* Without it, and if it is still the one the lane leads to. Fails with this reason. */
MUST_CHECK CK_RV pool_lose_lane(struct pool *p, const struct pool_lane *lane, const char *why);
/* What an answer says about the device itself, beyond its return code, which comes back where that
 * is nothing. */
MUST_CHECK CK_RV pool_mind(struct pool *p, const struct pool_lane *lane, CK_RV rv,
                           uint64_t relogins, enum wire_trouble trouble, bool *ret_lost);
/* What the caller does while the device starts; nothing but at the first start. */
MUST_CHECK CK_RV pool_meanwhile(struct pool *p);
/* An answer's code and reason as a failure of this thread. */
MUST_CHECK CK_RV pool_heard(const struct wire_answer *answer);

#endif
