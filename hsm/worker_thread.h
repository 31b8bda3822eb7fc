/* The threads of keyward-hsm: one a lane. */
#ifndef KEYWARD_HSM_WORKER_THREAD_H
#define KEYWARD_HSM_WORKER_THREAD_H

#include "hsm/worker_int.h"

/* How many lanes run, so that the end can wait for them. */
struct lane_count {
    pthread_mutex_t mutex; /* guards running */
    pthread_cond_t changed;
    unsigned running;
};

/* Takes the channel, also when it fails. */
CK_RV lane_start(struct device *d, struct lane_count *count, struct channel *channel);

#endif
