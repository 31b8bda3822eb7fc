/* keyward vault. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <stdio.h>
#include <stdlib.h>
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
        json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:b, s:b}", "verb", "vault.create", "vault",
                  inv->args[0], "protection", option(inv, "--protection"), "user",
                  option(inv, "--user"), "retention", option(inv, "--retention"),
                  "purge-protection", (int)(option(inv, "--no-purge-protection") == NULL), "legacy",
                  (int)(option(inv, "--legacy") != NULL));
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
                                                  {"LEGACY", "legacy"},
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

    (void)printf("vault %s: new keys have protection %s; legacy mechanisms are %s\n", inv->args[0],
                 json_string_value(json_object_get(vault, "protection")),
                 json_is_true(json_object_get(vault, "legacy")) ? "on" : "off");
}

static int put_switch(const struct invocation *inv, const char *name, json_t *request,
                      const char *member)
{
    const char *word = option(inv, name);

    if (word == NULL)
        return TOOL_DONE;
    if (strcmp(word, "on") != 0 && strcmp(word, "off") != 0)
        return tool_fail(TOOL_USAGE, inv->command->name, "%s %s: it is on or off", name, word);
    return json_object_set_new(request, member, json_boolean(strcmp(word, "on") == 0)) == 0
               ? TOOL_DONE
               : tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
}

static int put_confirmations(const struct invocation *inv, json_t *request)
{
    const char *text = option(inv, "--confirmations");
    char *end;
    long count;

    if (text == NULL)
        return TOOL_DONE;
    count = strtol(text, &end, 10);
    if (end == text || *end != '\0' || count < 0 || count > 1000)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "--confirmations %s: it is a number, 0 for the default", text);
    return json_object_set_new(request, "confirmations", json_integer(count)) == 0
               ? TOOL_DONE
               : tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
}

int cmd_vault_update(const struct invocation *inv)
{
    json_t *request;
    int rc;

    if (option(inv, "--protection") == NULL && option(inv, "--legacy") == NULL &&
        option(inv, "--confirmations") == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name,
                         "nothing is to be changed: give --protection hsm|software, --legacy "
                         "on|off or --confirmations K");
    request = json_pack("{s:s, s:s, s:s*}", "verb", "vault.update", "vault", inv->args[0],
                        "protection", option(inv, "--protection"));
    rc = put_switch(inv, "--legacy", request, "legacy");
    if (rc == TOOL_DONE)
        rc = put_confirmations(inv, request);
    if (rc != TOOL_DONE) {
        json_decref(request);
        return rc;
    }
    return client_do(inv, NULL, request, print_updated);
}
