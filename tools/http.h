/*
 * The one request of HTTP/1.1 that the exposition answers (RFC 9112): GET /metrics, without a body.
 * The parser is strict: what it does not know for sure to be such a request it refuses.
 */
#ifndef KEYWARD_TOOLS_HTTP_H
#define KEYWARD_TOOLS_HTTP_H

#include "base/bytes.h"

#define HTTP_REQUEST_MAX 4096 /* bytes of a request's head */

enum http_answer {
    HTTP_MORE, /* not whole yet */
    HTTP_OK,
    HTTP_BAD_REQUEST,
    HTTP_NOT_FOUND,
    HTTP_WRONG_METHOD,
    HTTP_TIMEOUT,
    HTTP_TOO_LONG,
    HTTP_FAILED, /* the page cannot be made */
    HTTP_BUSY,
    HTTP_WRONG_VERSION,
    HTTP_ANSWERS
};

/* What to answer to the bytes that came so far. */
enum http_answer http_parse(struct bytes request);
/* The response, whole; page is the body of HTTP_OK, else left out of account. */
void http_respond(struct buf *out, enum http_answer answer, struct bytes page);

#endif
