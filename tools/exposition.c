/* Serving metrics on a unix socket: see exposition.h. One thread, one poll(). */
#include "tools/exposition.h"

#include "tools/http.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX   16
#define DEADLINE_MS 5000 /* of a connection */
#define FRESH_MS    1000 /* how long a page is as good as new */
#define TICK_MS     500  /* deadlines and signals are looked at so often */
#define PAGE_MAX    (32U << 20)
#define BACKLOG     128
#define DRAIN_MAX   65536U

struct peer {
    int fd; /* -1: free */
    int64_t deadline;
    bool answering;
    struct buf in, out;
    size_t sent;
};

struct server {
    const struct exposition *exposition;
    int listener;
    struct peer peers[PEERS_MAX];
    struct buf page;
    bool has_page;
    int64_t made;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static int64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the socket ---- */

static int refused(const struct exposition *e, const char *why)
{
    return tool_fail(TOOL_FAILED, e->inv->command->name, "cannot listen on %s: %s", e->path, why);
}

/* A socket that was left behind is removed; one that somebody serves, or another file, is not. */
static int make_room(const struct exposition *e, const struct sockaddr_un *address)
{
    struct stat st;
    int fd, rc;

    if (lstat(e->path, &st) != 0)
        return errno == ENOENT ? TOOL_DONE : refused(e, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return refused(e, "there is a file of that name already");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)address, sizeof(*address));
    if (fd >= 0)
        (void)close(fd);
    if (rc == 0 || errno != ECONNREFUSED)
        return refused(e, rc == 0 || errno == EAGAIN ? "it is served already" : strerror(errno));
    return unlink(e->path) == 0 ? TOOL_DONE : refused(e, strerror(errno));
}

/* For the owner and the group: who may connect is told what the vaults are called and do. */
static int open_listener(struct server *s)
{
    const struct exposition *e = s->exposition;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask;
    int rc;

    if (strlen(e->path) >= sizeof(address.sun_path))
        return refused(e, "the path is too long for a socket");
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", e->path);
    rc = make_room(e, &address);
    if (rc != TOOL_DONE)
        return rc;
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mask = umask(0117);
    rc = s->listener < 0 ? -1
                         : bind(s->listener, (const struct sockaddr *)&address, sizeof(address));
    (void)umask(mask);
    return rc == 0 && listen(s->listener, BACKLOG) == 0 ? TOOL_DONE : refused(e, strerror(errno));
}

/* ---- one peer ---- */

/* What came and was not read would take the answer with it when the socket is closed. */
static void drain(int fd)
{
    char chunk[HTTP_REQUEST_MAX];

    for (unsigned i = 0; i < DRAIN_MAX / sizeof(chunk); i++)
        if (recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT) <= 0)
            return;
}

static void drop(struct peer *peer)
{
    if (peer->fd >= 0) {
        drain(peer->fd);
        (void)close(peer->fd);
    }
    buf_release(&peer->in);
    buf_release(&peer->out);
    *peer = (struct peer){.fd = -1};
}

/* A page that could not be made is not tried again at once either: each try may be a refusal on
 * record. */
static bool refresh(struct server *s)
{
    if (s->made != 0 && now_ms() - s->made < FRESH_MS)
        return s->has_page;
    buf_clear(&s->page);
    s->has_page = s->exposition->page(s->exposition->ctx, &s->page) && buf_ok(&s->page);
    s->made = now_ms();
    return s->has_page;
}

static void answer(struct server *s, struct peer *peer, enum http_answer what)
{
    if (what == HTTP_OK && !refresh(s))
        what = HTTP_FAILED;
    http_respond(&peer->out, what, buf_bytes(&s->page));
    peer->answering = true;
    peer->deadline = now_ms() + DEADLINE_MS; /* making the page was our time */
}

/* False: it is at its end. */
static bool receive(struct server *s, struct peer *peer)
{
    char chunk[HTTP_REQUEST_MAX];
    ssize_t n = recv(peer->fd, chunk, HTTP_REQUEST_MAX - peer->in.len, MSG_DONTWAIT);
    enum http_answer what;

    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    buf_put(&peer->in, chunk, (size_t)n);
    what = http_parse(buf_bytes(&peer->in));
    if (what != HTTP_MORE)
        answer(s, peer, what);
    return buf_ok(&peer->in) && buf_ok(&peer->out);
}

static bool transmit(struct peer *peer)
{
    ssize_t n = send(peer->fd, peer->out.data + peer->sent, peer->out.len - peer->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    peer->sent += (size_t)n;
    return peer->sent < peer->out.len;
}

/* Who has not asked in time is told so, and has no more time for the answer than a tick. */
static void expire(struct server *s, struct peer *peer)
{
    if (!peer->answering) {
        answer(s, peer, HTTP_TIMEOUT);
        (void)transmit(peer);
    }
    drop(peer);
}

static void serve_peer(struct server *s, struct peer *peer, short events)
{
    bool goes_on = true;

    if (events != 0)
        goes_on = peer->answering ? transmit(peer) : receive(s, peer);
    if (!goes_on)
        drop(peer);
    else if (now_ms() > peer->deadline)
        expire(s, peer);
}

static struct peer *free_peer(struct server *s)
{
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (s->peers[i].fd < 0)
            return &s->peers[i];
    return NULL;
}

static void take_peer(struct server *s, int fd)
{
    struct peer *peer = free_peer(s);
    struct peer busy = {.fd = fd, .out = BUF_INIT(HTTP_REQUEST_MAX)};

    if (peer != NULL) {
        *peer = (struct peer){.fd = fd,
                              .deadline = now_ms() + DEADLINE_MS,
                              .in = BUF_INIT(HTTP_REQUEST_MAX),
                              .out = BUF_INIT(PAGE_MAX)};
        return;
    }
    http_respond(&busy.out, HTTP_BUSY, BYTES_NONE);
    (void)transmit(&busy);
    drop(&busy);
}

/* All that wait, but no more than a backlog's at a time: those that are being served go on. */
static void take_peers(struct server *s)
{
    for (int i = 0; i < BACKLOG; i++) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
            return;
        take_peer(s, fd);
    }
}

/* ---- all of them ---- */

static void turn(struct server *s)
{
    struct pollfd fds[PEERS_MAX + 1];

    fds[PEERS_MAX] = (struct pollfd){.fd = s->listener, .events = POLLIN};
    for (size_t i = 0; i < PEERS_MAX; i++)
        fds[i] = (struct pollfd){.fd = s->peers[i].fd,
                                 .events = s->peers[i].answering ? POLLOUT : POLLIN};
    if (poll(fds, PEERS_MAX + 1, TICK_MS) < 0)
        return;
    for (size_t i = 0; i < PEERS_MAX; i++)
        if (fds[i].fd >= 0)
            serve_peer(s, &s->peers[i], fds[i].revents);
    if (fds[PEERS_MAX].revents != 0)
        take_peers(s);
}

int exposition_serve(const struct exposition *exposition)
{
    const struct sigaction action = {.sa_handler = stop};
    struct server *s = calloc(1, sizeof(*s));
    int rc;

    if (s == NULL)
        return tool_fail(TOOL_FAILED, exposition->inv->command->name, "out of memory");
    s->exposition = exposition;
    s->listener = -1;
    s->page = BUF_INIT(PAGE_MAX / 2);
    for (size_t i = 0; i < PEERS_MAX; i++)
        s->peers[i].fd = -1;
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGINT, &action, NULL);
    rc = open_listener(s);
    while (rc == TOOL_DONE && !stopped)
        turn(s);
    for (size_t i = 0; i < PEERS_MAX; i++)
        drop(&s->peers[i]);
    if (s->listener >= 0) {
        (void)close(s->listener);
        if (rc == TOOL_DONE)
            (void)unlink(exposition->path);
    }
    buf_release(&s->page);
    free(s);
    return rc;
}
