/* keyward issuer. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/file.h"
#include "tools/print.h"

#include <stdio.h>

#define KEYS_FILE_MAX (1U << 20)

static void print_added(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("vault %s believes tokens of %s\n", inv->args[0], inv->args[1]);
}

static int add(const struct invocation *inv, struct buf *keys)
{
    const char *text = buf_str(keys);

    if (text == NULL)
        return tool_fail(TOOL_FAILED, inv->command->name, "out of memory");
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "verb", "issuer.add", "vault",
                               inv->args[0], "issuer", inv->args[1], "audience",
                               option(inv, "--audience"), "jwks", text, "algorithms",
                               option(inv, "--algorithms")),
                     print_added);
}

int cmd_issuer_add(const struct invocation *inv)
{
    struct buf keys = BUF_INIT(KEYS_FILE_MAX);
    int rc;

    if (option(inv, "--jwks") == NULL || option(inv, "--audience") == NULL)
        return tool_fail(TOOL_USAGE, inv->command->name, "--jwks and --audience are missing");
    rc = input_read(inv, option(inv, "--jwks"), &keys);
    if (rc == TOOL_DONE)
        rc = add(inv, &keys);
    buf_release(&keys);
    return rc;
}

static void print_list(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {{"ISSUER", "issuer"},
                                                  {"AUDIENCE", "audience"},
                                                  {"ALGORITHMS", "algorithms"},
                                                  {"CREATED", "created"},
                                                  {NULL, NULL}};

    if (option(inv, "--json") != NULL)
        print_json(answer);
    else
        print_table(json_object_get(answer, "issuers"), columns);
}

int cmd_issuer_list(const struct invocation *inv)
{
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s}", "verb", "issuer.list", "vault", inv->args[0]),
                     print_list);
}

static void print_removed(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("vault %s no longer believes tokens of %s\n", inv->args[0], inv->args[1]);
}

int cmd_issuer_remove(const struct invocation *inv)
{
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s, s:s}", "verb", "issuer.remove", "vault", inv->args[0],
                               "issuer", inv->args[1]),
                     print_removed);
}
