/*
 * keyward-hsm: the process in which the HSM's library lives. Takes no arguments: it finds its
 * control socket at descriptor 3, says hello with its pid and a descriptor of itself, hears its
 * configuration and opens the token. From then on every descriptor that arrives is a lane, served
 * by a thread of its own. When the control socket closes, or the host dies, it ends.
 *
 * A program and not a library: it may exit, and it does so without running the exit handlers of the
 * HSM's library.
 */
#include "hsm/control.h"
#include "hsm/launch.h"
#include "hsm/worker_thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define CONTROL_FRAME_MAX (64u << 10)
/* At the end: how long lanes may take to notice, and then the whole end, after which the kernel
 * helps. */
#define END_WAIT_S  2
#define END_ALARM_S 10

/* No core file, no debugger: the PIN and the HSM's session are in this memory. */
static void close_shutters(void)
{
    const struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static bool say_hello(int control)
{
    pid_t pid = getpid();
    int self = pidfd_open(pid, 0);
    bool ok;

    if (self < 0)
        return false;
    ok = control_send(control, BYTES(&pid, sizeof(pid)), (struct control_passed){{self, -1}},
                      CHANNEL_FOREVER) == CHANNEL_OK;
    (void)close(self);
    return ok;
}

/* The host's process, so that its end is seen even while a forked child of its keeps a copy of our
 * socket. */
static int watch_host(int control)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(control, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return -1;
    return pidfd_open(cred.pid, 0);
}

static CK_RV obey(struct device *d, const struct wire_request *q, struct buf *out)
{
    struct wire_about *about;
    struct local *local = NULL;
    CK_RV rv = local_new(&local);

    if (rv == CKR_OK)
        rv = device_init(d, q, local);
    if (rv != CKR_OK)
        return rv;
    if (q->op == WIRE_CREATE)
        return softhsm_create(d);
    about = calloc(1, sizeof(*about));
    if (about == NULL)
        return fail_memory();
    rv = device_open(d, about);
    if (rv == CKR_OK && !wire_put_about(out, about))
        rv = fail_memory();
    free(about);
    return rv;
}

/* The first request; true when lanes may follow. */
static bool open_as_told(struct device *d, int control)
{
    struct buf frame = BUF_INIT(CONTROL_FRAME_MAX);
    struct buf out = BUF_INIT(CONTROL_FRAME_MAX);
    struct buf reply = BUF_INIT(CONTROL_FRAME_MAX);
    struct wire_request q;
    struct wire_answer a = {0};
    struct control_passed passed;
    bool ok = false;

    if (control_receive(control, &frame, CHANNEL_FOREVER, &passed) == CHANNEL_OK &&
        wire_get_request(buf_bytes(&frame), &q) && (q.op == WIRE_OPEN || q.op == WIRE_CREATE)) {
        a.rv = obey(d, &q, &out);
        a.serial = q.serial;
        if (atomic_load(&d->pin_refused))
            a.trouble = WIRE_TROUBLE_PIN;
        if (a.rv != CKR_OK)
            a.reason = bytes_from_str(fail_reason());
        a.out = buf_bytes(&out);
        ok = wire_put_answer(&reply, &a) &&
             control_send(control, buf_bytes(&reply), CONTROL_PASSES_NONE, CHANNEL_FOREVER) ==
                 CHANNEL_OK &&
             a.rv == CKR_OK && q.op == WIRE_OPEN;
    }
    control_close_passed(&passed);
    buf_release(&frame);
    buf_release(&out);
    buf_release(&reply);
    return ok;
}

/* One packet of the control socket; false at its end. */
static bool take_lane(struct device *d, struct lane_count *count, int control)
{
    struct buf frame = BUF_INIT(CONTROL_FRAME_MAX);
    struct wire_request q;
    struct control_passed passed;
    struct channel channel = CHANNEL_NONE;
    bool ok = control_receive(control, &frame, CHANNEL_FOREVER, &passed) == CHANNEL_OK;

    if (ok && wire_get_request(buf_bytes(&frame), &q) && q.op == WIRE_LANE &&
        channel_adopt(passed.fds, &channel)) {
        passed.fds[0] = -1;
        /* Where no thread can be had, the lane closes: that is the answer. */
        (void)!lane_start(d, count, &channel);
    }
    control_close_passed(&passed);
    buf_release(&frame);
    return ok;
}

static void serve(struct device *d, struct lane_count *count, int control)
{
    struct pollfd p[] = {{.fd = control, .events = POLLIN},
                         {.fd = watch_host(control), .events = POLLIN}};

    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return;
        if (p[1].revents != 0)
            return;
        if (p[0].revents != 0 && !take_lane(d, count, control))
            return;
    }
}

/* Lanes see their sockets close, or hang in the library: then they are not waited for. */
static bool lanes_ended(struct lane_count *count)
{
    struct timespec until;
    bool ended;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += END_WAIT_S;
    (void)pthread_mutex_lock(&count->mutex);
    while (count->running > 0) {
        if (pthread_cond_timedwait(&count->changed, &count->mutex, &until) == ETIMEDOUT)
            break;
    }
    ended = count->running == 0;
    (void)pthread_mutex_unlock(&count->mutex);
    return ended;
}

static void end(struct device *d)
{
    device_release(d);
    local_free(d->local);
}

int main(void)
{
    static struct device device; /* large */
    static struct lane_count count = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                                      .changed = PTHREAD_COND_INITIALIZER};
    pid_t pid = fork();

    if (pid != 0)
        _exit(pid < 0);
    close_shutters();
    if (say_hello(SPAWN_CONTROL_FD) && open_as_told(&device, SPAWN_CONTROL_FD))
        serve(&device, &count, SPAWN_CONTROL_FD);
    (void)alarm(END_ALARM_S);
    if (lanes_ended(&count))
        end(&device);
    _exit(0);
}
