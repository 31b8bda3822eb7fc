/* keyward metrics: on standard output, into a file for node_exporter, or served on a socket. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/exposition.h"
#include "tools/file.h"
#include "tools/print.h"

#include <stdio.h>
#include <string.h>

/* ---- standard output ---- */

static json_t *request(void)
{
    return json_pack("{s:s}", "verb", "metrics");
}

static void print_metrics(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)fputs(member_text(answer, "text"), stdout);
}

/* ---- a file ---- */

static int write_textfile(const struct invocation *inv, const char *path)
{
    struct client client;
    json_t *answer = NULL;
    int rc = client_open(inv, &client);

    if (rc == TOOL_DONE)
        rc = client_call(&client, request(), &answer);
    if (rc == TOOL_DONE)
        rc = file_replace(inv, path, bytes_from_str(member_text(answer, "text")), 0644);
    json_decref(answer);
    client_close(&client);
    return rc;
}

/* ---- a socket ---- */

static bool make_page(void *ctx, struct buf *out)
{
    json_t *answer = NULL;
    int rc = client_call(ctx, request(), &answer);

    if (rc == TOOL_DONE)
        buf_puts(out, member_text(answer, "text"));
    json_decref(answer);
    return rc == TOOL_DONE;
}

/* The first page is made before anybody is listened to: who may not read it is told at once. */
static int listen_on(const struct invocation *inv, const char *where)
{
    struct client client;
    const struct exposition exposition = {
        .inv = inv, .path = where + strlen("unix:"), .page = make_page, .ctx = &client};
    json_t *answer = NULL;
    int rc;

    if (strncmp(where, "unix:/", strlen("unix:/")) != 0)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--listen %s: there are unix sockets only, unix:/PATH", where);
    rc = client_open(inv, &client);
    if (rc == TOOL_DONE)
        rc = client_call(&client, request(), &answer);
    json_decref(answer);
    if (rc == TOOL_DONE)
        rc = exposition_serve(&exposition);
    client_close(&client);
    return rc;
}

/* ---- the command ---- */

int cmd_metrics(const struct invocation *inv)
{
    const char *file = option(inv, "--textfile");
    const char *where = option(inv, "--listen");

    if (file != NULL && where != NULL)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--textfile and --listen: one of the two at a time");
    if (file != NULL)
        return write_textfile(inv, file);
    if (where != NULL)
        return listen_on(inv, where);
    return client_do(inv, NULL, request(), print_metrics);
}
