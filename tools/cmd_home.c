/* keyward init and status. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <stdio.h>

static void print_init(const struct invocation *inv, const json_t *answer)
{
    (void)inv;
    (void)printf("vault home %s is made; %s administers it\n",
                 json_string_value(json_object_get(answer, "home")),
                 json_string_value(json_object_get(answer, "administrator")));
    (void)printf("log key: %s\n", json_string_value(json_object_get(answer, "log-key")));
    (void)puts("next: keyward vault create NAME --user NAME");
}

int cmd_init(const struct invocation *inv)
{
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s*, s:s*, s:s*}", "verb", "init", "hsm",
                               option(inv, "--hsm"), "hsm-token", option(inv, "--hsm-token"),
                               "hsm-pin-file", option(inv, "--hsm-pin-file")),
                     print_init);
}

static void print_status(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {{"VAULT", "name"},
                                                  {"POLICY OK", "policy-ok"},
                                                  {"EMPTY", "policy-empty"},
                                                  {"LEGACY", "legacy"},
                                                  {"USERS WITHOUT PIN", "users-without-pin"},
                                                  {NULL, NULL}};
    json_t *rest;

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    rest = json_copy((json_t *)(uintptr_t)answer);
    (void)json_object_del(rest, "vaults");
    print_object(rest);
    json_decref(rest);
    (void)putchar('\n');
    print_table(json_object_get(answer, "vaults"), columns);
}

int cmd_status(const struct invocation *inv)
{
    return client_do(inv, NULL, json_pack("{s:s}", "verb", "status"), print_status);
}
