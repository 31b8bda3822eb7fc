/* Frames over sockets: see channel.h. */
#include "hsm/channel.h"
#include "hsm/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CONTROL_PACKET_MAX (64u << 10)
#define FIRST_READ         (4u << 10)
#define LOOK_NS            50000 /* what a sleep and a wake-up take, a few times over */
#define REST               64

int64_t channel_now(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t channel_deadline(uint64_t ms)
{
    return channel_now() + (int64_t)ms * 1000000;
}

/* Rounded up, so that a wait is never cut to a busy loop. */
static int wait_ms(int64_t deadline)
{
    int64_t left;

    if (deadline == CHANNEL_FOREVER)
        return -1;
    left = deadline - channel_now();
    if (left <= 0)
        return 0;
    left = (left + 999999) / 1000000;
    return left > INT_MAX ? INT_MAX : (int)left;
}

static enum channel_result wait_for(int fd, short events, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = events};

    for (;;) {
        int n = poll(&p, 1, wait_ms(deadline));

        if (n > 0)
            return (p.revents & POLLNVAL) != 0 ? CHANNEL_CLOSED : CHANNEL_OK;
        if (n == 0)
            return CHANNEL_TIMEOUT;
        if (errno != EINTR && errno != EAGAIN)
            return CHANNEL_CLOSED;
    }
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

enum channel_result channel_send(int fd, struct buf *message, int64_t deadline)
{
    uint32_t length = (uint32_t)(message->len - CHANNEL_LENGTH);
    size_t done = 0;

    if (message->len < CHANNEL_LENGTH)
        return CHANNEL_CLOSED;
    memcpy(message->data, &length, CHANNEL_LENGTH);
    while (done < message->len) {
        ssize_t n =
            send(fd, message->data + done, message->len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        enum channel_result waited;

        if (n >= 0) {
            done += (size_t)n;
            continue;
        }
        if (!would_block())
            return CHANNEL_CLOSED;
        waited = wait_for(fd, POLLOUT, deadline);
        if (waited != CHANNEL_OK)
            return waited;
    }
    return CHANNEL_OK;
}

/* Until something can be read: looks for a short while, then sleeps. The first bytes are not taken
 * here, so a look costs no copy. */
static enum channel_result await(int fd, struct channel_wait *wait, int64_t deadline)
{
    int64_t until = channel_now() + LOOK_NS;
    uint8_t first;

    if (wait != NULL && wait->rest > 0) {
        wait->rest--;
        wait = NULL;
    }
    while (wait != NULL && channel_now() < until) {
        if (recv(fd, &first, 1, MSG_DONTWAIT | MSG_PEEK) >= 0 || !would_block())
            return CHANNEL_OK;
        (void)sched_yield();
    }
    if (wait != NULL)
        wait->rest = REST;
    return wait_for(fd, POLLIN, deadline);
}

/* Reads at most up to `upto` bytes in total into message; waits first: an answer is never there at
 * once. */
static enum channel_result receive_some(int fd, struct buf *message, size_t upto, int64_t deadline,
                                        struct channel_wait *wait)
{
    size_t had = message->len;
    uint8_t *at = buf_grow(message, upto - had);
    ssize_t n;

    if (at == NULL)
        return CHANNEL_CLOSED;
    do {
        enum channel_result waited = await(fd, wait, deadline);

        if (waited != CHANNEL_OK) {
            message->len = had;
            return waited;
        }
        n = recv(fd, at, upto - had, MSG_DONTWAIT);
    } while (n < 0 && would_block());
    message->len = had + (n > 0 ? (size_t)n : 0);
    return n > 0 ? CHANNEL_OK : CHANNEL_CLOSED;
}

enum channel_result channel_receive(int fd, struct buf *message, int64_t deadline,
                                    struct channel_wait *wait, struct bytes *ret_frame)
{
    size_t want = CHANNEL_LENGTH;
    size_t upto = FIRST_READ;
    uint32_t length = 0;

    buf_clear(message);
    while (message->len < want) {
        enum channel_result got = receive_some(fd, message, upto, deadline, wait);

        if (got != CHANNEL_OK)
            return got;
        if (message->len < CHANNEL_LENGTH)
            continue;
        memcpy(&length, message->data, CHANNEL_LENGTH);
        if (length > WIRE_FRAME_MAX)
            return CHANNEL_CLOSED;
        want = CHANNEL_LENGTH + length;
        if (upto < want)
            upto = want;
    }
    if (message->len != want)
        return CHANNEL_CLOSED;
    *ret_frame = BYTES(message->data + CHANNEL_LENGTH, length);
    return CHANNEL_OK;
}

/* Room for one descriptor, aligned as the kernel wants it. */
union fd_message {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

static void attach(struct msghdr *msg, union fd_message *room, int pass)
{
    struct cmsghdr *c;

    memset(room, 0, sizeof(*room));
    msg->msg_control = room;
    msg->msg_controllen = sizeof(room->space);
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &pass, sizeof(int));
}

enum channel_result control_send(int fd, struct bytes frame, int pass, int64_t deadline)
{
    union {
        const uint8_t *in;
        void *out;
    } data = {.in = frame.data};
    struct iovec iov = {.iov_base = data.out, .iov_len = frame.len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union fd_message room;

    if (pass >= 0)
        attach(&msg, &room, pass);
    for (;;) {
        enum channel_result waited;

        if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return CHANNEL_OK;
        if (!would_block())
            return CHANNEL_CLOSED;
        waited = wait_for(fd, POLLOUT, deadline);
        if (waited != CHANNEL_OK)
            return waited;
    }
}

static int passed_fd(struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    int fd = -1;

    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    return fd;
}

enum channel_result control_receive(int fd, struct buf *frame, int64_t deadline, int *ret_passed)
{
    union fd_message room;
    struct iovec iov = {.iov_len = CONTROL_PACKET_MAX};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    buf_clear(frame);
    iov.iov_base = buf_grow(frame, CONTROL_PACKET_MAX);
    if (iov.iov_base == NULL)
        return CHANNEL_CLOSED;
    do {
        enum channel_result waited = wait_for(fd, POLLIN, deadline);

        if (waited != CHANNEL_OK)
            return waited;
        msg.msg_control = &room;
        msg.msg_controllen = sizeof(room.space);
        n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && would_block());
    frame->len = n > 0 ? (size_t)n : 0;
    *ret_passed = n > 0 ? passed_fd(&msg) : -1;
    return n > 0 && (msg.msg_flags & MSG_TRUNC) == 0 ? CHANNEL_OK : CHANNEL_CLOSED;
}
