/* keyward vault. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <stdio.h>
#include <string.h>

static void print_created(const struct invocation *inv, const json_t *answer)
{
    const json_t *vault = json_object_get(answer, "vault");

    (void)inv;
    (void)printf("vault %s is made: slot %lld\n", json_string_value(json_object_get(vault, "name")),
                 (long long)json_integer_value(json_object_get(vault, "slot")));
}

/* Both from standard input: the user's PIN is the first line, the security officer's the second. */
static int put_pins(struct client *client, json_t *request)
{
    const struct invocation *inv = client->inv;
    const char *user = option(inv, "--user");
    const char *so = option(inv, "--so-pin-file");
    char question[128];
    int rc = TOOL_DONE;

    if (user != NULL) {
        (void)snprintf(question, sizeof(question), "New PIN of %.64s", user);
        rc = client_put_pin(client, request, "pin", option(inv, "--pin-file"), question, true);
    }
    if (rc == TOOL_DONE && so != NULL)
        rc = client_put_pin(client, request, "so-pin", so, "New PIN of the security officer", true);
    return rc;
}

int cmd_vault_create(const struct invocation *inv)
{
    struct client client;
    json_t *answer = NULL;
    json_t *request =
        json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:b}", "verb", "vault.create", "vault",
                  inv->args[0], "protection", option(inv, "--protection"), "user",
                  option(inv, "--user"), "retention", option(inv, "--retention"),
                  "purge-protection", (int)(option(inv, "--no-purge-protection") == NULL));
    int rc;

    if (request == NULL)
        return tool_fail(TOOL_FAILED, inv->command->name, "the names given are no UTF-8 text");
    if (option(inv, "--pin-file") != NULL && option(inv, "--user") == NULL) {
        json_decref(request);
        return tool_fail(TOOL_USAGE, inv->command->name, "--pin-file needs --user NAME");
    }
    rc = client_open(inv, &client);
    if (rc == TOOL_DONE)
        rc = put_pins(&client, request);
    if (rc == TOOL_DONE)
        rc = client_call(&client, request, &answer);
    else
        json_decref(request);
    if (rc == TOOL_DONE)
        print_created(inv, answer);
    json_decref(answer);
    client_close(&client);
    return rc;
}

static void print_list(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {{"NAME", "name"},
                                                  {"SLOT", "slot"},
                                                  {"PROTECTION", "protection"},
                                                  {"USER", "default-user"},
                                                  {"CREATED", "created"},
                                                  {"RETENTION S", "retention"},
                                                  {"PURGE PROTECTED", "purge-protection"},
                                                  {NULL, NULL}};

    if (option(inv, "--json") != NULL)
        print_json(answer);
    else
        print_table(json_object_get(answer, "vaults"), columns);
}

int cmd_vault_list(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "vault.list"), print_list);
}

static void print_vault(const struct invocation *inv, const json_t *answer)
{
    json_t *rest;

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    print_object(json_object_get(answer, "vault"));
    rest = json_copy((json_t *)(uintptr_t)answer);
    (void)json_object_del(rest, "vault");
    print_object(rest);
    json_decref(rest);
}

int cmd_vault_show(const struct invocation *inv)
{
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s}", "verb", "vault.show", "vault", inv->args[0]),
                     print_vault);
}

static void print_updated(const struct invocation *inv, const json_t *answer)
{
    const json_t *vault = json_object_get(answer, "vault");

    (void)printf("vault %s: new keys have protection %s\n", inv->args[0],
                 json_string_value(json_object_get(vault, "protection")));
}

int cmd_vault_update(const struct invocation *inv)
{
    if (option(inv, "--protection") == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--protection is missing: hsm or software");
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s, s:s}", "verb", "vault.update", "vault", inv->args[0],
                               "protection", option(inv, "--protection")),
                     print_updated);
}
