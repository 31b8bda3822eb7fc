/* The exposition's HTTP: one request is answered, and every other refused by name. */
#include "tests/support/suite.h"
#include "tools/http.h"

#include <string.h>

#define GET "GET /metrics HTTP/1.1\r\n"

static enum http_answer parse(const char *text)
{
    return http_parse(bytes_from_str(text));
}

START_TEST(a_plain_request_is_answered)
{
    ck_assert_int_eq(parse(GET "Host: x\r\n\r\n"), HTTP_OK);
    ck_assert_int_eq(parse(GET "host:\r\nAccept: a, b;q=0.5\r\nX-Y_Z: \t\xc3\xa4\r\n\r\n"),
                     HTTP_OK);
    ck_assert_int_eq(parse("GET /metrics HTTP/1.0\r\n\r\n"), HTTP_OK);
}
END_TEST

static const struct {
    const char *text;
    enum http_answer answer;
} others[] = {
    {"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_WRONG_METHOD},
    {"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_WRONG_METHOD},
    {"get /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_WRONG_METHOD},
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_NOT_FOUND},
    {"GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_NOT_FOUND},
    {"GET /metrics?a HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_NOT_FOUND},
    {"GET /%6detrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_NOT_FOUND},
    {"GET /../metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_NOT_FOUND},
    {"GET http://x/metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_NOT_FOUND},
    {"GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n", HTTP_WRONG_VERSION},
    {"GET /metrics http/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_REQUEST},
    {"GET /metrics\r\n\r\n", HTTP_BAD_REQUEST},
    {"GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_REQUEST},
    {"GET /metrics  HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_REQUEST},
    {" GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_BAD_REQUEST},
    {"GET /metrics HTTP/1.1 \r\nHost: x\r\n\r\n", HTTP_BAD_REQUEST},
    {"\r\n" GET "Host: x\r\n\r\n", HTTP_BAD_REQUEST},
    {"GET /metrics HTTP/1.1\nHost: x\n\n", HTTP_BAD_REQUEST},
    {GET "Host: x\n\r\n", HTTP_BAD_REQUEST},
    {GET "Host: x\r\r\n\r\n", HTTP_BAD_REQUEST},
    {GET "\r\n", HTTP_BAD_REQUEST},                       /* no Host */
    {GET "Host: x\r\nHost: x\r\n\r\n", HTTP_BAD_REQUEST}, /* two */
    {GET "Host : x\r\n\r\n", HTTP_BAD_REQUEST},           /* blank before the colon */
    {GET "Host: x\r\n folded\r\n\r\n", HTTP_BAD_REQUEST}, /* obs-fold */
    {GET "Host: x\r\n: x\r\n\r\n", HTTP_BAD_REQUEST},     /* no name */
    {GET "Host: x\r\nnone\r\n\r\n", HTTP_BAD_REQUEST},    /* no colon */
    {GET "Host: x\x01\r\n\r\n", HTTP_BAD_REQUEST},        /* control character */
    {GET "Host: x\r\nContent-Length: 0\r\n\r\n", HTTP_BAD_REQUEST},
    {GET "Host: x\r\ntransfer-encoding: chunked\r\n\r\n", HTTP_BAD_REQUEST},
    {GET "Host: x\r\n\r\nGET", HTTP_BAD_REQUEST}, /* a second request */
};

START_TEST(every_other_request_is_refused_as_what_it_is)
{
    ck_assert_msg(parse(others[_i].text) == others[_i].answer, "%s: %d", others[_i].text,
                  parse(others[_i].text));
}
END_TEST

START_TEST(a_nul_in_a_line_is_refused)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: a\0b\r\n\r\n";

    ck_assert_int_eq(http_parse(BYTES(request, sizeof(request) - 1)), HTTP_BAD_REQUEST);
}
END_TEST

START_TEST(every_beginning_of_a_request_waits_for_more)
{
    static const char request[] = GET "Host: x\r\nAccept: */*\r\n\r\n";

    for (size_t n = 0; n < sizeof(request) - 1; n++)
        ck_assert_int_eq(http_parse(BYTES(request, n)), HTTP_MORE);
    ck_assert_int_eq(http_parse(BYTES(request, sizeof(request) - 1)), HTTP_OK);
}
END_TEST

START_TEST(a_request_without_an_end_is_too_long)
{
    struct buf request = BUF_INIT(HTTP_REQUEST_MAX);

    buf_puts(&request, GET "Host: ");
    while (request.len < HTTP_REQUEST_MAX - 1)
        buf_putc(&request, 'x');
    ck_assert_int_eq(http_parse(buf_bytes(&request)), HTTP_MORE);
    buf_putc(&request, 'x');
    ck_assert(buf_ok(&request));
    ck_assert_int_eq(http_parse(buf_bytes(&request)), HTTP_TOO_LONG);
    buf_release(&request);
}
END_TEST

START_TEST(no_bytes_are_read_past_their_end)
{
    /* Of exact size on the heap: a sanitizer sees the first byte too many. */
    for (unsigned seed = 1; seed <= 20000; seed++) {
        static const char alphabet[] = "GET /metricsHTTP/1.1\r\n\r\nHost: x\t\0\x7f";
        struct buf request = BUF_INIT(64);
        unsigned state = seed * 2654435761U;

        for (unsigned n = state % 40; n > 0; n--) {
            state = state * 1103515245U + 12345U;
            buf_putc(&request, alphabet[(state >> 16) % sizeof(alphabet)]);
        }
        ck_assert_int_lt(http_parse(buf_bytes(&request)), HTTP_ANSWERS);
        buf_release(&request);
    }
}
END_TEST

START_TEST(every_answer_has_a_length_and_ends_the_connection)
{
    struct buf out = BUF_INIT(1024);

    for (int answer = HTTP_OK; answer < HTTP_ANSWERS; answer++) {
        buf_clear(&out);
        http_respond(&out, (enum http_answer)answer, BYTES_LIT("page\n"));
        ck_assert_ptr_nonnull(buf_str(&out));
        ck_assert_ptr_nonnull(strstr((const char *)out.data, "\r\nConnection: close\r\n\r\n"));
        ck_assert_ptr_nonnull(strstr((const char *)out.data, answer == HTTP_OK
                                                                 ? "Content-Length: 5\r\n"
                                                                 : "Content-Length: 0\r\n"));
        ck_assert_int_eq(strstr((const char *)out.data, "page\n") != NULL, answer == HTTP_OK);
    }
    buf_release(&out);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(a_plain_request_is_answered),
        CASE_LOOP(every_other_request_is_refused_as_what_it_is, sizeof(others) / sizeof(*others)),
        CASE(a_nul_in_a_line_is_refused),
        CASE(every_beginning_of_a_request_waits_for_more),
        CASE(a_request_without_an_end_is_too_long),
        CASE(no_bytes_are_read_past_their_end),
        CASE(every_answer_has_a_length_and_ends_the_connection),
    };

    return suite_run("tools/http", cases, sizeof(cases) / sizeof(*cases));
}
