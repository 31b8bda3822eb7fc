/*
 * Starting a worker: see launch.h.
 *
 * posix_spawn and not fork: the host may have threads, and its fork handlers are not ours to run.
 * The environment is our own: OPENSSL_CONF must not lead the HSM's library to a pkcs11 provider,
 * and so back to us.
 */
#include "hsm/launch.h"
#include "base/heap.h"
#include "base/scope.h"
#include "hsm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void close_spawn(struct spawned *w)
{
    if (w->control >= 0)
        (void)close(w->control);
    if (w->process >= 0)
        (void)close(w->process);
    *w = SPAWNED_NONE;
}

void spawn_kill(struct spawned *worker)
{
    if (worker->process >= 0)
        (void)pidfd_send_signal(worker->process, SIGKILL, NULL, 0);
    close_spawn(worker);
}

void spawn_let_go(struct spawned *worker)
{
    close_spawn(worker);
}

/* stdin, stdout, stderr on /dev/null; the control socket at its place; nothing else comes along. */
static int plan_files(posix_spawn_file_actions_t *actions, int control)
{
    int rc = posix_spawn_file_actions_adddup2(actions, control, SPAWN_CONTROL_FD);

    for (int fd = 0; rc == 0 && fd < SPAWN_CONTROL_FD; fd++)
        rc = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, SPAWN_CONTROL_FD + 1);
    return rc;
}

static int plan_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none;
    sigset_t all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);
    return rc;
}

static int start(const char *path, char *const environment[], int control, pid_t *ret)
{
    union {
        const char *in;
        char *out;
    } name = {.in = path};
    char *const argv[] = {name.out, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc == 0) {
        rc = plan_files(&actions, control);
        if (rc == 0)
            rc = plan_attributes(&attributes);
        if (rc == 0)
            rc = posix_spawn(ret, path, &actions, &attributes, argv, environment);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* ECHILD is fine: the host ignores SIGCHLD, or reaps every child itself. */
static void wait_for_first(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static CK_RV launch(const char *path, const char *softhsm_conf, int control)
{
    SCOPED_FREE char *conf = NULL;
    char fixed_path[] = "PATH=/usr/bin:/bin";
    char no_conf[] = "OPENSSL_CONF=/dev/null";
    char *environment[] = {fixed_path, no_conf, NULL, NULL};
    pid_t first;
    int rc;

    if (softhsm_conf != NULL) {
        conf = text_format("SOFTHSM2_CONF=%s", softhsm_conf);
        if (conf == NULL)
            return fail_memory();
        environment[2] = conf;
    }
    rc = start(path, environment, control, &first);
    if (rc != 0) {
        errno = rc;
        return fail_errno("start the HSM's worker", path);
    }
    wait_for_first(first);
    return CKR_OK;
}

/* Its first packet: its pid, and a descriptor of itself. */
static CK_RV hear_hello(const char *path, int64_t deadline, struct spawned *w)
{
    struct buf frame = BUF_INIT(64u << 10);
    struct control_passed passed;
    CK_RV rv = CKR_OK;

    if (control_receive(w->control, &frame, deadline, &passed) != CHANNEL_OK ||
        frame.len != sizeof(w->pid) || passed.fds[0] < 0)
        rv = fail(CKR_DEVICE_ERROR,
                  "the HSM's worker %s started but said no hello: check that it is keyward-hsm of "
                  "this version",
                  path);
    else
        memcpy(&w->pid, frame.data, sizeof(w->pid));
    w->process = passed.fds[0];
    passed.fds[0] = -1;
    control_close_passed(&passed);
    buf_release(&frame);
    return rv;
}

CK_RV spawn_worker(const char *path, const char *softhsm_conf, int64_t deadline,
                   struct spawned *ret)
{
    struct spawned w = SPAWNED_NONE;
    int pair[2];
    CK_RV rv;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return fail_errno("make a socket for", path);
    w.control = pair[0];
    rv = launch(path, softhsm_conf, pair[1]);
    (void)close(pair[1]);
    if (rv == CKR_OK)
        rv = hear_hello(path, deadline, &w);
    if (rv != CKR_OK) {
        spawn_kill(&w);
        return rv;
    }
    *ret = w;
    return CKR_OK;
}
