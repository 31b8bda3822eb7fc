/* Requests and responses of HTTP/1.1: see http.h. */
#include "tools/http.h"

#include <string.h>
#include <strings.h>

#define TARGET "/metrics"

/* ---- requests ---- */

/* RFC 9110, 5.6.2. */
static bool is_token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static size_t token_len(struct bytes text)
{
    size_t n = 0;

    while (n < text.len && is_token_char(text.data[n]))
        n++;
    return n;
}

static struct bytes skip(struct bytes text, size_t n)
{
    return BYTES(text.data + n, text.len - n);
}

static bool starts_with(struct bytes text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

/* The next line without its CRLF; false where there is none yet. */
static bool next_line(struct bytes *rest, struct bytes *ret)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t n;

    if (end == NULL)
        return false;
    n = (size_t)(end - rest->data);
    *ret = BYTES(rest->data, n);
    *rest = skip(*rest, n + 1);
    return true;
}

/* Takes the carriage return off. A lone newline ends no line (RFC 9112, 2.2 lets it: smuggling
 * begins there), and no control character has a place in one. */
static bool is_line(struct bytes *line)
{
    if (line->len == 0 || line->data[line->len - 1] != '\r')
        return false;
    line->len--;
    for (size_t i = 0; i < line->len; i++)
        if ((line->data[i] < 0x20 && line->data[i] != '\t') || line->data[i] == 0x7f)
            return false;
    return true;
}

/* RFC 9112, 2.3. */
static bool is_version(struct bytes text)
{
    return text.len == strlen("HTTP/1.1") && starts_with(text, "HTTP/") && text.data[5] >= '0' &&
           text.data[5] <= '9' && text.data[6] == '.' && text.data[7] >= '0' && text.data[7] <= '9';
}

/* method SP target SP version */
static enum http_answer parse_request_line(struct bytes line)
{
    size_t method = token_len(line);
    struct bytes rest = skip(line, method);
    const uint8_t *space;
    struct bytes target;

    if (method == 0 || rest.len == 0 || rest.data[0] != ' ')
        return HTTP_BAD_REQUEST;
    rest = skip(rest, 1);
    space = rest.len > 0 ? memchr(rest.data, ' ', rest.len) : NULL;
    if (space == NULL || space == rest.data)
        return HTTP_BAD_REQUEST;
    target = BYTES(rest.data, (size_t)(space - rest.data));
    rest = skip(rest, target.len + 1);
    if (!bytes_equal_str(rest, "HTTP/1.1") && !bytes_equal_str(rest, "HTTP/1.0"))
        return is_version(rest) ? HTTP_WRONG_VERSION : HTTP_BAD_REQUEST;
    if (!bytes_equal_str(target, TARGET))
        return HTTP_NOT_FOUND;
    return bytes_equal_str(BYTES(line.data, method), "GET") ? HTTP_OK : HTTP_WRONG_METHOD;
}

static bool is_named(struct bytes name, const char *wanted)
{
    return name.len == strlen(wanted) &&
           strncasecmp((const char *)name.data, wanted, name.len) == 0;
}

/* name ":" value. A body is refused: nothing here takes one, and its bytes would be the next
 * request's to somebody else. */
static bool is_header(struct bytes line, unsigned *hosts)
{
    struct bytes name = BYTES(line.data, token_len(line));

    if (name.len == 0 || name.len == line.len || line.data[name.len] != ':')
        return false;
    *hosts += is_named(name, "Host");
    return !is_named(name, "Content-Length") && !is_named(name, "Transfer-Encoding");
}

enum http_answer http_parse(struct bytes request)
{
    struct bytes rest = request;
    struct bytes line = BYTES_NONE;
    enum http_answer answer;
    unsigned hosts = 0;
    bool is_1_1;

    if (!next_line(&rest, &line))
        return request.len < HTTP_REQUEST_MAX ? HTTP_MORE : HTTP_TOO_LONG;
    if (!is_line(&line))
        return HTTP_BAD_REQUEST;
    answer = parse_request_line(line);
    is_1_1 = line.len > 0 && line.data[line.len - 1] == '1';
    while (next_line(&rest, &line)) {
        if (!is_line(&line))
            return HTTP_BAD_REQUEST;
        if (line.len == 0) /* RFC 9112, 3.2: one Host, no more and no less */
            return hosts > 1 || (hosts == 0 && is_1_1) || rest.len > 0 ? HTTP_BAD_REQUEST : answer;
        if (!is_header(line, &hosts))
            return HTTP_BAD_REQUEST;
    }
    return request.len < HTTP_REQUEST_MAX ? HTTP_MORE : HTTP_TOO_LONG;
}

/* ---- responses ---- */

static const struct {
    const char *status, *more;
} answers[HTTP_ANSWERS] = {
    [HTTP_OK] = {"200 OK", "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"},
    [HTTP_BAD_REQUEST] = {"400 Bad Request", ""},
    [HTTP_NOT_FOUND] = {"404 Not Found", ""},
    [HTTP_WRONG_METHOD] = {"405 Method Not Allowed", "Allow: GET\r\n"},
    [HTTP_TIMEOUT] = {"408 Request Timeout", ""},
    [HTTP_TOO_LONG] = {"431 Request Header Fields Too Large", ""},
    [HTTP_FAILED] = {"500 Internal Server Error", ""},
    [HTTP_BUSY] = {"503 Service Unavailable", "Retry-After: 1\r\n"},
    [HTTP_WRONG_VERSION] = {"505 HTTP Version Not Supported", ""},
};

void http_respond(struct buf *out, enum http_answer answer, struct bytes page)
{
    if (answer != HTTP_OK)
        page = BYTES_NONE;
    buf_printf(out, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
               answers[answer].status, answers[answer].more, page.len);
    buf_put_bytes(out, page);
}
