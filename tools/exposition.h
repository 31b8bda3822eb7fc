/*
 * A page of metrics served over HTTP on a unix socket, one answer a connection. Built for hostile
 * peers: few connections at a time, a deadline for each from its first byte to its last, a limit to
 * what is read, and the page made at most once a second however often it is asked for.
 */
#ifndef KEYWARD_TOOLS_EXPOSITION_H
#define KEYWARD_TOOLS_EXPOSITION_H

#include "tools/tool.h"

struct exposition {
    const struct invocation *inv;
    const char *path; /* of the socket; one that nobody listens on any more is replaced */
    /* Appends the page to out; false: the peer hears that it failed. */
    bool (*page)(void *ctx, struct buf *out);
    void *ctx;
};

/* Serves until SIGTERM or SIGINT: TOOL_DONE, the socket removed. Else a line was printed. */
int exposition_serve(const struct exposition *exposition);

#endif
