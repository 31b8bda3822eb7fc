/* keyward log. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <stdio.h>
#include <string.h>

/* ---- show ---- */

static const char *text(const json_t *event, const char *name)
{
    const char *value = json_string_value(json_object_get(event, name));

    return value != NULL ? value : "";
}

/* seq time phase principal function [action] vault/object -> rv (reason) */
static void print_event(const json_t *event)
{
    const char *object = text(event, "object");
    const char *phase = text(event, "phase");
    const char *rv = text(event, "rv");

    (void)printf("%lld %s ", (long long)json_integer_value(json_object_get(event, "seq")),
                 text(event, "time"));
    print_safe(text(event, "principal")[0] != '\0' ? text(event, "principal") : "-");
    (void)printf(" %s %s ", text(event, "function"),
                 text(event, "action")[0] != '\0' ? text(event, "action") : "-");
    (void)printf("%s%s", text(event, "vault")[0] != '\0' ? text(event, "vault") : "-",
                 object[0] != '\0' ? "/" : "");
    print_safe(object);
    if (text(event, "mechanism")[0] != '\0')
        (void)printf(" %s", text(event, "mechanism"));
    if (strcmp(phase, "intent") == 0)
        (void)printf(" -> intent");
    else
        (void)printf(" -> %s%s", strcmp(text(event, "verdict"), "deny") == 0 ? "denied " : "", rv);
    if (text(event, "reason")[0] != '\0') {
        (void)printf(" (");
        print_safe(text(event, "reason"));
        (void)putchar(')');
    }
    (void)putchar('\n');
}

static void print_page(const struct invocation *inv, const json_t *events)
{
    for (size_t i = 0; i < json_array_size(events); i++)
        if (option(inv, "--json") != NULL) {
            (void)json_dumpf(json_array_get(events, i), stdout, JSON_COMPACT);
            (void)putchar('\n');
        } else {
            print_event(json_array_get(events, i));
        }
}

/* VAULT/NAME names both; a name alone is an object's in any vault. */
static json_t *show_request(const struct invocation *inv, json_int_t from)
{
    const char *vault = option(inv, "--vault");
    const char *object = option(inv, "--object");
    const char *slash = object != NULL && vault == NULL ? strchr(object, '/') : NULL;
    json_t *request =
        json_pack("{s:s, s:I, s:s*, s:b, s:s*, s:s*}", "verb", "log.show", "from", from, "since",
                  option(inv, "--since"), "denied", (int)(option(inv, "--denied") != NULL),
                  "object", slash != NULL ? slash + 1 : object, "vault", vault);

    if (request != NULL && slash != NULL)
        (void)json_object_set_new(request, "vault", json_stringn(object, (size_t)(slash - object)));
    return request;
}

/* A page at a time, up to what the log held when a page came back as the last. */
int cmd_log_show(const struct invocation *inv)
{
    struct client client;
    json_int_t from = 0;
    int rc = client_open(inv, &client);

    while (rc == TOOL_DONE && from >= 0) {
        json_t *request = show_request(inv, from);
        json_t *answer = NULL;
        const json_t *next;

        rc = request != NULL
                 ? client_call(&client, request, &answer)
                 : tool_fail(TOOL_FAILED, inv->command->name, "what was given is no UTF-8 text");
        if (rc == TOOL_DONE)
            print_page(inv, json_object_get(answer, "events"));
        next = json_object_get(answer, "next");
        from = json_is_integer(next) ? json_integer_value(next) : -1;
        json_decref(answer);
    }
    client_close(&client);
    return rc;
}

/* ---- verify, key, checkpoint ---- */

static int tell_report(const struct invocation *inv, const json_t *answer)
{
    const json_t *report = json_object_get(answer, "report");
    bool ok = json_is_true(json_object_get(report, "ok"));

    if (option(inv, "--json") != NULL)
        print_json(report);
    else if (ok)
        (void)printf("log verified: %lld records signed, %lld behind the checkpoint, root %s\n",
                     (long long)json_integer_value(json_object_get(report, "size")),
                     (long long)json_integer_value(json_object_get(report, "unsigned-tail")),
                     text(report, "root"));
    if (!ok)
        return tool_fail(TOOL_FAILED, inv->command->name,
                         "the log is not whole: %s: keep the "
                         "folder as it is, it is evidence",
                         text(report, "problem"));
    return TOOL_DONE;
}

/* A log that keeps the vault from opening is refused, with the report on it. */
int cmd_log_verify(const struct invocation *inv)
{
    struct client client;
    json_t *answer = NULL;
    int rc = client_open(inv, &client);

    if (rc == TOOL_DONE) {
        rc = client_try(&client, json_pack("{s:s}", "verb", "log.verify"), &answer);
        if (rc == TOOL_DONE || json_object_get(answer, "report") != NULL)
            rc = tell_report(inv, answer);
        else
            rc = tool_fail(rc, inv->command->name, "%s", client_error(answer));
    }
    json_decref(answer);
    client_close(&client);
    return rc;
}

static void print_key(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)puts(text(answer, "key"));
}

int cmd_log_key(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "log.key"), print_key);
}

static void print_checkpoint(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)printf("checkpoint over %lld records\n",
                 (long long)json_integer_value(json_object_get(answer, "signed-size")));
}

int cmd_log_checkpoint(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "log.checkpoint"), print_checkpoint);
}
