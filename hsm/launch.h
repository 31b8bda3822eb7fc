/*
 * Starting a worker and holding on to it. The worker is nobody's child: the first process waits for
 * nothing, forks and is gone, so the host never gets a zombie it does not know, nor a SIGCHLD after
 * the start.
 */
#ifndef KEYWARD_HSM_LAUNCH_H
#define KEYWARD_HSM_LAUNCH_H

#include "base/fail.h"

#include <stdint.h>
#include <sys/types.h>

/* The descriptor the worker finds its control socket at. */
#define SPAWN_CONTROL_FD 3

struct spawned {
    int control; /* -1: none */
    int process; /* pidfd, or -1 */
    pid_t pid;
};

#define SPAWNED_NONE ((struct spawned){.control = -1, .process = -1})

/* softhsm_conf: for SOFTHSM2_CONF in the worker's environment, or NULL. Returns when the worker has
 * said hello. */
MUST_CHECK CK_RV spawn_worker(const char *path, const char *softhsm_conf, int64_t deadline,
                              struct spawned *ret);
/* Kills exactly this worker (it may hang) and forgets it. */
void spawn_kill(struct spawned *worker);
/* Lets it end in its own time (its control socket closes) and forgets it. */
void spawn_let_go(struct spawned *worker);

#endif
