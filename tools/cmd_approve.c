/* keyward approve: giving, listing, withdrawing. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/file.h"
#include "tools/print.h"

#include <stdio.h>

static void print_list(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {
        {"ID", "id"},         {"NAME", "name"},           {"VERSION", "version"},
        {"ACTION", "action"}, {"MECHANISM", "mechanism"}, {"DIGEST", "digest"},
        {"FOR", "requester"}, {"BY", "approver"},         {"EXPIRES", "expires"},
        {NULL, NULL},
    };

    if (option(inv, "--json") != NULL)
        print_json(answer);
    else
        print_table(json_object_get(answer, "approvals"), columns);
}

static int list(const struct invocation *inv)
{
    return client_do(inv, inv->args[0],
                     json_pack("{s:s, s:s}", "verb", "approve.list", "vault", inv->args[0]),
                     print_list);
}

static void print_withdrawn(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("approval %s is withdrawn\n", option(inv, "--withdraw"));
}

static int withdraw(const struct invocation *inv)
{
    return client_do(inv, inv->args[0],
                     json_pack("{s:s, s:s, s:s}", "verb", "approve.withdraw", "vault", inv->args[0],
                               "id", option(inv, "--withdraw")),
                     print_withdrawn);
}

static void print_given(const struct invocation *inv, const json_t *answer)
{
    const json_t *approval = json_object_get(answer, "approval");

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    (void)printf("one use of %s to %s is approved by %s until %s: approval %s\n", inv->args[0],
                 member_text(approval, "action"), member_text(approval, "approver"),
                 member_text(approval, "expires"), member_text(approval, "id"));
}

/* Takes request. */
static int give(struct client *client, const char *vault, json_t *request)
{
    const struct invocation *inv = client->inv;
    json_t *answer = NULL;
    int rc = client_login(client, vault);

    if (rc != TOOL_DONE) {
        json_decref(request);
        return rc;
    }
    rc = client_call(client, request, &answer);
    if (rc == TOOL_DONE)
        print_given(inv, answer);
    json_decref(answer);
    return rc;
}

/* The data itself goes to the module, which digests it: longer data goes by its --digest. */
#define DATA_MAX ((size_t)16 << 20)

static int put_data(struct client *client, json_t *request)
{
    const char *path = option(client->inv, "--file");
    SCOPED(buf_release_secure) struct buf bytes = BUF_INIT(DATA_MAX);
    struct secret *data;
    int index;
    int rc;

    if (path == NULL)
        return TOOL_DONE;
    rc = input_read(client->inv, path, &bytes);
    if (rc != TOOL_DONE)
        return rc;
    data = secret_copy(buf_bytes(&bytes));
    index = data != NULL ? client_add_secret(client, data) : -1;
    return index >= 0 && json_object_set_new(request, "data", json_integer(index)) == 0
               ? TOOL_DONE
               : tool_fail(TOOL_FAILED, client->inv->command->name, "out of memory");
}

static json_t *request_of(const struct invocation *inv, const struct object_name *object)
{
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*, s:s*}", "verb", "approve.give", "vault",
                  object->vault, "name", object->name, "action", option(inv, "--action"), "digest",
                  option(inv, "--digest"), "mechanism", option(inv, "--mechanism"), "expires",
                  option(inv, "--expires"), "requester", option(inv, "--requester"));

    if (request != NULL && object->has_version &&
        json_object_set_new(request, "version", json_integer(object->version)) != 0) {
        json_decref(request);
        return NULL;
    }
    return request;
}

static int approve(const struct invocation *inv)
{
    struct object_name object;
    struct client client;
    json_t *request;
    int rc = object_name_parse(inv, inv->args[0], &object);

    if (rc != TOOL_DONE)
        return rc;
    if (option(inv, "--action") == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--action is missing: what is it that may be done with %s?", inv->args[0]);
    request = request_of(inv, &object);
    if (request == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name, "an option is no UTF-8 text");
    rc = client_open(inv, &client);
    if (rc == TOOL_DONE)
        rc = put_data(&client, request);
    if (rc == TOOL_DONE)
        rc = give(&client, object.vault, json_incref(request));
    json_decref(request);
    client_close(&client);
    return rc;
}

int cmd_approve(const struct invocation *inv)
{
    if (option(inv, "--list") != NULL)
        return list(inv);
    return option(inv, "--withdraw") != NULL ? withdraw(inv) : approve(inv);
}
