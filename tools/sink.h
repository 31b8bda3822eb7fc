/*
 * Where records of the log are forwarded to: syslog or journald. A sink is opened, takes records
 * one by one, and says when all that it took has arrived; whatever fails closes it, and it can be
 * opened again. Nothing here waits longer than SINK_WAIT_MS.
 */
#ifndef KEYWARD_TOOLS_SINK_H
#define KEYWARD_TOOLS_SINK_H

#include "base/bytes.h"

#include <jansson.h>
#include <stdbool.h>

#define SINK_WAIT_MS 2000

struct sink;

struct sink_kind {
    const char *name;   /* what --to takes; NULL ends the list */
    const char *socket; /* where it is by itself: "unix:/dev/log" */
    bool datagrams;     /* no other sockets than those of datagrams on this machine */
    bool (*send)(struct sink *sink, json_t *event);
};
extern const struct sink_kind sink_kinds[];
const struct sink_kind *sink_find(const char *name); /* NULL when there is none of that name */

struct sink {
    const struct sink_kind *kind;
    char address[256]; /* "unix:/PATH", "udp:HOST:PORT", "tcp:HOST:PORT" */
    int fd;            /* -1: closed */
    bool stream;       /* TCP: messages need their lengths before them (RFC 6587, 3.4.1) */
    struct buf record; /* storage of the message being sent */
    char trouble[256]; /* what went wrong last */
};

/* False, and trouble set, when address is none that this kind takes. Nothing is opened. */
bool sink_init(struct sink *sink, const struct sink_kind *kind, const char *address);
/* Each false with trouble set; then the sink is closed. */
bool sink_open(struct sink *sink);
bool sink_send(struct sink *sink, json_t *event);
/* All that was sent has arrived: of TCP, at the other machine's kernel. */
bool sink_settle(struct sink *sink);
void sink_close(struct sink *sink);
void sink_release(struct sink *sink);

/* ---- for the kinds ---- */

/* One message; fd: passed with it, -1: none. False with errno. */
bool sink_write(struct sink *sink, struct bytes message, int fd);
bool sink_syslog(struct sink *sink, json_t *event);
bool sink_journald(struct sink *sink, json_t *event);

#endif
