/* Sockets that records are forwarded to: see sink.h. */
#include "tools/sink.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SETTLE_STEP_MS 5

const struct sink_kind sink_kinds[] = {
    {"syslog", "unix:/dev/log", false, sink_syslog},
    {"journald", "unix:/run/systemd/journal/socket", true, sink_journald},
    {NULL, NULL, false, NULL},
};

const struct sink_kind *sink_find(const char *name)
{
    const struct sink_kind *kind = sink_kinds;

    while (kind->name != NULL && strcmp(kind->name, name) != 0)
        kind++;
    return kind->name != NULL ? kind : NULL;
}

static bool failed(struct sink *sink, const char *what, const char *why)
{
    (void)snprintf(sink->trouble, sizeof(sink->trouble), "%.100s: %s: %.100s", sink->address, what,
                   why);
    sink_close(sink);
    return false;
}

/* ---- addresses ---- */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_address(const struct sink_kind *kind, const char *address)
{
    struct sockaddr_un un;

    if (starts_with(address, "unix:/"))
        return strlen(address) - strlen("unix:") < sizeof(un.sun_path);
    if (kind->datagrams || (!starts_with(address, "udp:") && !starts_with(address, "tcp:")))
        return false;
    /* A host and a port, neither empty. */
    return strrchr(address, ':') > address + strlen("udp:") && strrchr(address, ':')[1] != '\0';
}

bool sink_init(struct sink *sink, const struct sink_kind *kind, const char *address)
{
    *sink = (struct sink){.kind = kind, .fd = -1, .record = BUF_INIT(SIZE_MAX)};
    if (address == NULL)
        address = kind->socket;
    (void)snprintf(sink->address, sizeof(sink->address), "%s", address);
    if (strlen(address) < sizeof(sink->address) && is_address(kind, address))
        return true;
    return failed(sink, "is no socket for this",
                  kind->datagrams ? "unix:/PATH is"
                                  : "unix:/PATH, udp:HOST:PORT and tcp:HOST:PORT are");
}

/* ---- opening ---- */

/* No wait for ever: a peer that takes nothing is a failure like any other. */
static bool connect_in_time(int fd, const struct sockaddr *address, socklen_t len)
{
    const struct timeval wait = {.tv_sec = SINK_WAIT_MS / 1000,
                                 .tv_usec = (suseconds_t)(SINK_WAIT_MS % 1000) * 1000};

    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
           connect(fd, address, len) == 0;
}

static bool open_unix(struct sink *sink)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s",
                   sink->address + strlen("unix:"));
    sink->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return sink->fd >= 0 &&
           connect_in_time(sink->fd, (const struct sockaddr *)&address, sizeof(address));
}

/* "[::1]" is "::1" to the resolver. */
static void split_host(const struct sink *sink, char *host, size_t size, const char **ret_port)
{
    const char *from = sink->address + strlen("udp:");
    const char *colon = strrchr(from, ':');
    size_t len = (size_t)(colon - from);

    *ret_port = colon + 1;
    if (len >= 2 && from[0] == '[' && from[len - 1] == ']') {
        from++;
        len -= 2;
    }
    (void)snprintf(host, size, "%.*s", (int)len, from);
}

static bool open_inet(struct sink *sink)
{
    const struct addrinfo hints = {.ai_socktype = sink->stream ? SOCK_STREAM : SOCK_DGRAM};
    struct addrinfo *list = NULL;
    char host[sizeof(sink->address)];
    const char *port;
    int rc;

    split_host(sink, host, sizeof(host), &port);
    rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0)
        return failed(sink, "cannot be found", gai_strerror(rc));
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        sink->fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (sink->fd >= 0 && connect_in_time(sink->fd, a->ai_addr, a->ai_addrlen))
            break;
        rc = errno;
        sink_close(sink);
        errno = rc;
    }
    freeaddrinfo(list);
    return sink->fd >= 0;
}

bool sink_open(struct sink *sink)
{
    bool is_unix = starts_with(sink->address, "unix:");

    sink->stream = starts_with(sink->address, "tcp:");
    sink->trouble[0] = '\0';
    if (is_unix ? open_unix(sink) : open_inet(sink))
        return true;
    return sink->trouble[0] != '\0' ? false : failed(sink, "cannot be reached", strerror(errno));
}

void sink_close(struct sink *sink)
{
    if (sink->fd >= 0)
        (void)close(sink->fd);
    sink->fd = -1;
}

void sink_release(struct sink *sink)
{
    sink_close(sink);
    buf_release(&sink->record);
}

/* ---- sending ---- */

static bool send_once(const struct sink *sink, struct bytes *message, int fd)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)message->data, .iov_len = message->len};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    ssize_t n;

    if (fd >= 0) {
        header.msg_iovlen = 0;
        header.msg_control = &control;
        header.msg_controllen = sizeof(control.room);
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    do
        n = sendmsg(sink->fd, &header, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return false;
    *message = BYTES(message->data + n, message->len - (size_t)n);
    return true;
}

bool sink_write(struct sink *sink, struct bytes message, int fd)
{
    do
        if (!send_once(sink, &message, fd))
            return false;
    while (sink->stream && message.len > 0);
    return true;
}

bool sink_send(struct sink *sink, json_t *event)
{
    buf_clear(&sink->record);
    errno = 0;
    if (sink->kind->send(sink, event))
        return true;
    return failed(sink, "does not take a record", strerror(errno));
}

/* What TCP has not brought to the other side yet is lost when the connection ends. */
bool sink_settle(struct sink *sink)
{
    const struct timespec step = {.tv_nsec = SETTLE_STEP_MS * 1000000L};
    int waiting = 0;

    for (int ms = 0; sink->stream && ms < SINK_WAIT_MS; ms += SETTLE_STEP_MS) {
        char byte;

        /* Nothing is ever answered: bytes or an end mean that nobody reads us. */
        if (recv(sink->fd, &byte, 1, MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR))
            return failed(sink, "does not take a record", "the connection has ended");
        if (ioctl(sink->fd, SIOCOUTQ, &waiting) != 0)
            return failed(sink, "does not say what has arrived", strerror(errno));
        if (waiting == 0)
            return true;
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
    }
    return !sink->stream || failed(sink, "does not take a record", strerror(ETIMEDOUT));
}
