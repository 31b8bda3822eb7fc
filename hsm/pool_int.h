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

struct pool_lane {
    struct channel channel;
    bool leased;         /* then all else here is the lessee's alone */
    unsigned generation; /* of the worker it leads to */
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

struct pool {
    struct pool_config config; /* never changes */
    pid_t owner;               /* the process whose pool this is */
    size_t limit;              /* lanes at most */
    size_t cpus;

    pthread_mutex_t mutex; /* guards all below, and the lanes that are not leased */
    pthread_cond_t changed;
    struct pool_lane lanes[POOL_LANES_MAX];
    size_t leased; /* of them */
    struct spawned worker;
    bool up;
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

/* All of these with the mutex held. */
MUST_CHECK CK_RV pool_ensure_up(struct pool *p);
void pool_lose(struct pool *p, const char *why);
void pool_close_idle(struct pool *p);

/* The lengths of time a request of this kind may take. */
uint64_t pool_patience_ms(const struct pool *p, enum wire_op op);
/* An answer's code and reason as a failure of this thread. */
MUST_CHECK CK_RV pool_heard(const struct wire_answer *answer);

#endif
