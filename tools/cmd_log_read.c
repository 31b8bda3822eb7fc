/* keyward log show, follow, export: the log's records, a page at a time. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/log_format.h"
#include "tools/log_read.h"

#include <stdio.h>
#include <string.h>

/* VAULT/NAME names both; a name alone is an object's in any vault. */
static json_t *show_request(const struct invocation *inv, json_int_t from, json_int_t wait_ms)
{
    const char *vault = option(inv, "--vault");
    const char *object = option(inv, "--object");
    const char *slash = object != NULL && vault == NULL ? strchr(object, '/') : NULL;
    json_t *request = json_pack("{s:s, s:I, s:I, s:s*, s:b, s:s*, s:s*}", "verb", "log.show",
                                "from", from, "wait-ms", wait_ms, "since", option(inv, "--since"),
                                "denied", (int)(option(inv, "--denied") != NULL), "object",
                                slash != NULL ? slash + 1 : object, "vault", vault);

    if (request != NULL && slash != NULL)
        (void)json_object_set_new(request, "vault", json_stringn(object, (size_t)(slash - object)));
    return request;
}

int log_page(struct client *client, json_int_t from, json_int_t wait_ms, json_t **ret_answer)
{
    json_t *request = show_request(client->inv, from, wait_ms);

    return request != NULL ? client_call(client, request, ret_answer)
                           : tool_fail(TOOL_FAILED, client->inv->command->name,
                                       "what was given is no UTF-8 text");
}

/* Pages up to what the log held when one came back as the last; with follow for ever. */
static int read_log(struct client *client, json_int_t from, bool follow,
                    bool (*each)(void *ctx, json_t *event), void *ctx)
{
    bool wanted = true;
    int rc = TOOL_DONE;

    while (rc == TOOL_DONE && from >= 0 && wanted) {
        json_t *answer = NULL;
        const json_t *events, *next;

        rc = log_page(client, from, follow ? LOG_FOLLOW_MS : 0, &answer);
        next = json_object_get(answer, follow ? "end" : "next");
        from = json_is_integer(next) ? json_integer_value(next) : -1;
        events = json_object_get(answer, "events");
        for (size_t i = 0; wanted && i < json_array_size(events); i++)
            wanted = each(ctx, json_array_get(events, i));
        json_decref(answer);
    }
    return rc;
}

int log_each(struct client *client, bool (*each)(void *ctx, json_t *event), void *ctx)
{
    return read_log(client, 0, false, each, ctx);
}

/* ---- printing ---- */

struct printing {
    const struct log_format *format;
    struct buf line;
    bool flush; /* somebody waits for each record */
};

/* False when nobody takes what is printed any more; keyward.c says so at the end. */
static bool print_event(void *ctx, json_t *event)
{
    struct printing *p = ctx;

    buf_clear(&p->line);
    p->format->put(&p->line, event);
    (void)fwrite(p->line.data, 1, p->line.len, stdout);
    return buf_ok(&p->line) && !ferror(stdout) && (!p->flush || fflush(stdout) == 0);
}

static int print_log(struct client *client, const struct log_format *format, json_int_t from,
                     bool follow)
{
    struct printing p = {.format = format, .line = BUF_INIT(SIZE_MAX), .flush = follow};
    int rc = read_log(client, from, follow, print_event, &p);

    if (rc == TOOL_DONE && !buf_ok(&p.line))
        rc = tool_fail(TOOL_FAILED, client->inv->command->name, "out of memory");
    buf_release(&p.line);
    return rc;
}

static int print_all(const struct invocation *inv, const struct log_format *format)
{
    struct client client;
    int rc = client_open(inv, &client);

    if (rc == TOOL_DONE)
        rc = print_log(&client, format, 0, false);
    client_close(&client);
    return rc;
}

static const struct log_format *plain_or_json(const struct invocation *inv)
{
    return log_format_find(option(inv, "--json") != NULL ? "json" : "text");
}

int cmd_log_show(const struct invocation *inv)
{
    return print_all(inv, plain_or_json(inv));
}

/* How much the log holds now. */
static int end_of_log(struct client *client, json_int_t *ret)
{
    json_t *answer = NULL;
    int rc = client_call(client, json_pack("{s:s}", "verb", "status"), &answer);

    if (rc == TOOL_DONE)
        *ret = json_integer_value(json_object_get(json_object_get(answer, "log"), "size"));
    json_decref(answer);
    return rc;
}

/* From now on, or from --since. */
int cmd_log_follow(const struct invocation *inv)
{
    struct client client;
    json_int_t from = 0;
    int rc = client_open(inv, &client);

    if (rc == TOOL_DONE && option(inv, "--since") == NULL)
        rc = end_of_log(&client, &from);
    if (rc == TOOL_DONE)
        rc = print_log(&client, plain_or_json(inv), from, true);
    client_close(&client);
    return rc;
}

int cmd_log_export(const struct invocation *inv)
{
    const char *name = option(inv, "--format");
    const struct log_format *format = log_format_find(name != NULL ? name : "json");

    if (format == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--format %s: there are json, syslog, cef and text", name);
    return print_all(inv, format);
}
