/* Frames and descriptors over the control socket: see control.h. */
#include "hsm/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX (64u << 10)

/* Room for the descriptors, aligned as the kernel wants it. */
union fd_message {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int) * CONTROL_PASSED_MAX)];
};

static size_t count_of(const struct control_passed *passed)
{
    size_t n = 0;

    while (n < CONTROL_PASSED_MAX && passed->fds[n] >= 0)
        n++;
    return n;
}

static void attach(struct msghdr *msg, union fd_message *room, const struct control_passed *pass)
{
    size_t size = sizeof(int) * count_of(pass);
    struct cmsghdr *c;

    if (size == 0)
        return;
    memset(room, 0, sizeof(*room));
    msg->msg_control = room;
    msg->msg_controllen = CMSG_SPACE(size);
    c = CMSG_FIRSTHDR(msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(c), pass->fds, size);
}

enum channel_result control_send(int fd, struct bytes frame, struct control_passed pass,
                                 int64_t deadline)
{
    union {
        const uint8_t *in;
        void *out;
    } data = {.in = frame.data};
    struct iovec iov = {.iov_base = data.out, .iov_len = frame.len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union fd_message room;

    attach(&msg, &room, &pass);
    for (;;) {
        enum channel_result waited;

        if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return CHANNEL_OK;
        if (!channel_would_block())
            return CHANNEL_CLOSED;
        waited = channel_poll(fd, POLLOUT, deadline);
        if (waited != CHANNEL_OK)
            return waited;
    }
}

static struct control_passed taken_from(struct msghdr *msg)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    struct control_passed passed = CONTROL_PASSES_NONE;

    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
        c->cmsg_len >= CMSG_LEN(0) && c->cmsg_len <= CMSG_LEN(sizeof(passed.fds)))
        memcpy(passed.fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    return passed;
}

enum channel_result control_receive(int fd, struct buf *frame, int64_t deadline,
                                    struct control_passed *ret_passed)
{
    union fd_message room;
    struct iovec iov = {.iov_len = PACKET_MAX};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    *ret_passed = CONTROL_PASSES_NONE;
    buf_clear(frame);
    iov.iov_base = buf_grow(frame, PACKET_MAX);
    if (iov.iov_base == NULL)
        return CHANNEL_CLOSED;
    do {
        enum channel_result waited = channel_poll(fd, POLLIN, deadline);

        if (waited != CHANNEL_OK)
            return waited;
        msg.msg_control = &room;
        msg.msg_controllen = sizeof(room.space);
        n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && channel_would_block());
    frame->len = n > 0 ? (size_t)n : 0;
    if (n > 0)
        *ret_passed = taken_from(&msg);
    return n > 0 && (msg.msg_flags & MSG_TRUNC) == 0 ? CHANNEL_OK : CHANNEL_CLOSED;
}

void control_close_passed(struct control_passed *passed)
{
    for (size_t i = 0; i < CONTROL_PASSED_MAX; i++) {
        if (passed->fds[i] >= 0)
            (void)close(passed->fds[i]);
    }
    *passed = CONTROL_PASSES_NONE;
}
