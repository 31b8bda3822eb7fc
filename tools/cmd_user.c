/* keyward user. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <stdio.h>

static json_t *request_of(const char *verb, const struct object_name *user)
{
    return json_pack("{s:s, s:s, s:s}", "verb", verb, "vault", user->vault, "user", user->name);
}

/* A verb that takes a new PIN; takes request. */
static int with_pin(const struct invocation *inv, const struct object_name *user, json_t *request,
                    const char *done)
{
    struct client client;
    char question[128];
    int rc = client_open(inv, &client);

    (void)snprintf(question, sizeof(question), "New PIN of %.64s", user->name);
    if (rc == TOOL_DONE)
        rc = client_put_pin(&client, request, "pin", option(inv, "--pin-file"), question, true);
    if (rc == TOOL_DONE)
        rc = client_call(&client, request, NULL);
    else
        json_decref(request);
    if (rc == TOOL_DONE)
        (void)printf("user %s of vault %s %s\n", user->name, user->vault, done);
    client_close(&client);
    return rc;
}

static int no_text(const struct invocation *inv)
{
    return tool_fail(TOOL_FAILED, inv->command->name, "the names given are no UTF-8 text");
}

int cmd_user_add(const struct invocation *inv)
{
    struct object_name user;
    json_t *roles;
    json_t *request;
    const char *role;
    int rc = user_name_parse(inv, inv->args[0], &user);

    if (rc != TOOL_DONE)
        return rc;
    request = request_of("user.add", &user);
    roles = json_array();
    for (size_t i = 0; (role = option_at(inv, "--role", i)) != NULL; i++)
        (void)json_array_append_new(roles, json_string(role));
    if (json_object_set_new(request, "roles", roles) != 0) {
        json_decref(request);
        return no_text(inv);
    }
    return with_pin(inv, &user, request, "is added");
}

int cmd_user_pin(const struct invocation *inv)
{
    struct object_name user;
    json_t *request;
    int rc = user_name_parse(inv, inv->args[0], &user);

    if (rc != TOOL_DONE)
        return rc;
    request = request_of("user.pin", &user);
    return request != NULL ? with_pin(inv, &user, request, "has a new PIN") : no_text(inv);
}

static void print_list(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {
        {"NAME", "name"},     {"PIN", "has-pin"}, {"DEFAULT", "default"}, {"FAILURES", "failures"},
        {"LOCKED", "locked"}, {"BOUND", "bound"}, {"CREATED", "created"}, {NULL, NULL}};

    if (option(inv, "--json") != NULL)
        print_json(answer);
    else
        print_table(json_object_get(answer, "users"), columns);
}

int cmd_user_list(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s, s:s}", "verb", "user.list", "vault", inv->args[0]),
                     print_list);
}

static void print_unlocked(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("user %s is unlocked\n", inv->args[0]);
}

int cmd_user_unlock(const struct invocation *inv)
{
    struct object_name user;
    int rc = user_name_parse(inv, inv->args[0], &user);

    return rc == TOOL_DONE ? client_do(inv, NULL, request_of("user.unlock", &user), print_unlocked)
                           : rc;
}

static void print_removed(const struct invocation *inv, const json_t *answer)
{
    (void)printf("user %s is removed\n", inv->args[0]);
    if (json_is_true(json_object_get(answer, "named-in-policy")))
        (void)puts("note: the vault's policy still names it: a new user of that name would have "
                   "those rights (keyward policy show)");
}

int cmd_user_remove(const struct invocation *inv)
{
    struct object_name user;
    int rc = user_name_parse(inv, inv->args[0], &user);

    return rc == TOOL_DONE ? client_do(inv, NULL, request_of("user.remove", &user), print_removed)
                           : rc;
}
