/* Frames over lanes: see channel.h. */
#include "hsm/channel.h"
#include "hsm/wire.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS   50000  /* what a sleep and a wake-up take, a few times over */
#define NAP_NS    200000 /* what takes less is not slept through */
#define REST_LOG2 6
#define BELL      1

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

bool channel_would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
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

enum channel_result channel_poll(int fd, short events, int64_t deadline)
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

/* ---- an end ---- */

bool channel_make(struct channel *ret, int ret_other[static 2])
{
    struct channel c = {.end = RING_HOST};
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    if (!ring_make(&c.ring, &ret_other[1])) {
        (void)close(pair[0]);
        (void)close(pair[1]);
        return false;
    }
    c.fd = pair[0];
    ret_other[0] = pair[1];
    *ret = c;
    return true;
}

bool channel_adopt(const int other[static 2], struct channel *ret)
{
    struct channel c = {.fd = other[0], .end = RING_WORKER};

    if (other[0] < 0 || other[1] < 0 || !ring_adopt(other[1], &c.ring))
        return false;
    *ret = c;
    return true;
}

void channel_close(struct channel *c)
{
    ring_free(c->ring);
    if (c->fd >= 0)
        (void)close(c->fd);
    *c = CHANNEL_NONE;
}

void channel_forget(struct channel *c)
{
    ring_forget(c->ring);
    if (c->fd >= 0)
        (void)close(c->fd);
    *c = CHANNEL_NONE;
}

static enum ring_end other_end(const struct channel *c)
{
    return c->end == RING_HOST ? RING_WORKER : RING_HOST;
}

/* ---- the socket ---- */

static enum channel_result send_all(int fd, struct bytes what, int64_t deadline)
{
    while (what.len > 0) {
        ssize_t n = send(fd, what.data, what.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        enum channel_result waited;

        if (n >= 0) {
            what = BYTES(what.data + n, what.len - (size_t)n);
            continue;
        }
        if (!channel_would_block())
            return CHANNEL_CLOSED;
        waited = channel_poll(fd, POLLOUT, deadline);
        if (waited != CHANNEL_OK)
            return waited;
    }
    return CHANNEL_OK;
}

static enum channel_result receive_all(int fd, uint8_t *at, size_t len, int64_t deadline)
{
    while (len > 0) {
        enum channel_result waited = channel_poll(fd, POLLIN, deadline);
        ssize_t n;

        if (waited != CHANNEL_OK)
            return waited;
        n = recv(fd, at, len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && !channel_would_block()))
            return CHANNEL_CLOSED;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    return CHANNEL_OK;
}

static enum channel_result receive_by_socket(int fd, struct buf *message, int64_t deadline)
{
    uint32_t length = 0;
    uint8_t word[CHANNEL_LENGTH];
    enum channel_result got = receive_all(fd, word, sizeof(word), deadline);
    uint8_t *at;

    if (got != CHANNEL_OK)
        return got;
    memcpy(&length, word, sizeof(length));
    if (length == 0 || length > WIRE_FRAME_MAX)
        return CHANNEL_CLOSED;
    at = buf_grow(message, length);
    return at != NULL ? receive_all(fd, at, length, deadline) : CHANNEL_CLOSED;
}

/* ---- frames ---- */

enum channel_result channel_send(struct channel *c, struct buf *message, int64_t deadline)
{
    static const uint8_t bell[] = {BELL};
    enum ring_end to = other_end(c);
    enum channel_result sent = CHANNEL_OK;
    uint32_t length;
    bool fits;

    if (message->len <= CHANNEL_LENGTH)
        return CHANNEL_CLOSED;
    length = (uint32_t)(message->len - CHANNEL_LENGTH);
    fits = length <= RING_ROOM;
    ring_give(c->ring, to, fits ? BYTES(message->data + CHANNEL_LENGTH, length) : BYTES_NONE);
    if (ring_owes_bell(c->ring, to))
        sent = send_all(c->fd, BYTES(bell, sizeof(bell)), deadline);
    if (fits || sent != CHANNEL_OK)
        return sent;
    memcpy(message->data, &length, CHANNEL_LENGTH);
    return send_all(c->fd, buf_bytes(message), deadline);
}

static enum channel_result take_bell(int fd, int64_t deadline)
{
    uint8_t bell = 0;
    enum channel_result got = receive_all(fd, &bell, sizeof(bell), deadline);

    return got == CHANNEL_OK && bell != BELL ? CHANNEL_CLOSED : got;
}

/* What was given before the other end went is still read. */
static enum channel_result sleep_until_rung(struct channel *c, int64_t deadline)
{
    enum channel_result woken = CHANNEL_OK;

    ring_lie_down(c->ring, c->end);
    if (ring_waiting(c->ring, c->end) == 0)
        woken = channel_poll(c->fd, POLLIN, deadline);
    if (ring_get_up(c->ring, c->end))
        return take_bell(c->fd, deadline);
    if (ring_waiting(c->ring, c->end) != 0)
        return CHANNEL_OK;
    return woken == CHANNEL_TIMEOUT ? woken : CHANNEL_CLOSED;
}

/* The end of the other end is noticed in a nap, too. */
static void nap(int fd, int64_t ns)
{
    const struct timespec length = {.tv_nsec = ns};
    struct pollfd p = {.fd = fd, .events = POLLIN};

    (void)ppoll(&p, 1, &length, NULL);
}

/* Whether it is there after looking as long as such frames suggest. */
static bool look(struct channel *c, struct channel_wait *wait)
{
    int64_t until = 2 * wait->usual > LOOK_NS ? 2 * wait->usual : LOOK_NS;

    if (wait->most == 0 || wait->usual > wait->most)
        return false;
    if (wait->rest > 0) {
        wait->rest--;
        return false;
    }
    until = channel_now() + (until < wait->most ? until : wait->most);
    if (wait->usual > NAP_NS)
        nap(c->fd, wait->usual / 2);
    if (ring_look(c->ring, c->end, until)) {
        wait->vainly = 0;
        return true;
    }
    if (wait->vainly < REST_LOG2)
        wait->vainly++;
    wait->rest = 1u << wait->vainly;
    return false;
}

/* Creeps up, so that what has become slower is noticed. */
static void learn(struct channel_wait *wait, int64_t took)
{
    int64_t crept = wait->usual + wait->usual / 16;

    wait->usual = wait->usual == 0 || took < crept ? took : crept;
}

static enum channel_result await(struct channel *c, int64_t deadline, struct channel_wait *wait)
{
    int64_t began = channel_now();
    enum channel_result waited = CHANNEL_OK;

    if (!look(c, wait))
        waited = sleep_until_rung(c, deadline);
    if (waited == CHANNEL_OK)
        learn(wait, channel_now() - began);
    return waited;
}

enum channel_result channel_receive(struct channel *c, struct buf *message, int64_t deadline,
                                    struct channel_wait *wait, struct bytes *ret_frame)
{
    enum channel_result got = await(c, deadline, wait);
    uint32_t length;
    uint8_t *at;

    buf_clear(message);
    if (got != CHANNEL_OK)
        return got;
    length = ring_waiting(c->ring, c->end);
    if (length == RING_ELSEWHERE) {
        ring_take(c->ring, c->end, 0, NULL);
        got = receive_by_socket(c->fd, message, deadline);
    } else {
        at = length > 0 && length <= RING_ROOM ? buf_grow(message, length) : NULL;
        if (at == NULL)
            return CHANNEL_CLOSED;
        ring_take(c->ring, c->end, length, at);
    }
    *ret_frame = buf_bytes(message);
    return got;
}
