/* keyward group, user bind and user unbind. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <stdio.h>

/* Does a verb about VAULT/NAME, and a principal where the command takes one. */
static int change(const struct invocation *inv, const char *verb, const char *member,
                  void (*print)(const struct invocation *inv, const json_t *answer))
{
    struct object_name name;
    int rc = user_name_parse(inv, inv->args[0], &name);

    if (rc != TOOL_DONE)
        return rc;
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s, s:s, s:s*}", "verb", verb, "vault", name.vault, member,
                               name.name, "principal", inv->arg_count > 1 ? inv->args[1] : NULL),
                     print);
}

static void print_bound(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("%s acts as user %s\n", inv->args[1], inv->args[0]);
}

int cmd_user_bind(const struct invocation *inv)
{
    return change(inv, "user.bind", "user", print_bound);
}

static void print_unbound(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("%s no longer acts as user %s\n", inv->args[1], inv->args[0]);
}

int cmd_user_unbind(const struct invocation *inv)
{
    return change(inv, "user.unbind", "user", print_unbound);
}

static void print_added(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("group %s is added\n", inv->args[0]);
}

int cmd_group_add(const struct invocation *inv)
{
    return change(inv, "group.add", "group", print_added);
}

static void print_removed(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("group %s is removed\n", inv->args[0]);
}

int cmd_group_remove(const struct invocation *inv)
{
    return change(inv, "group.remove", "group", print_removed);
}

static void print_joined(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("%s is in group %s\n", inv->args[1], inv->args[0]);
}

int cmd_group_join(const struct invocation *inv)
{
    return change(inv, "group.join", "group", print_joined);
}

static void print_left(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("%s is no longer in group %s\n", inv->args[1], inv->args[0]);
}

int cmd_group_leave(const struct invocation *inv)
{
    return change(inv, "group.leave", "group", print_left);
}

static void print_list(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {
        {"NAME", "name"}, {"MEMBERS", "members"}, {"CREATED", "created"}, {NULL, NULL}};

    if (option(inv, "--json") != NULL)
        print_json(answer);
    else
        print_table(json_object_get(answer, "groups"), columns);
}

int cmd_group_list(const struct invocation *inv)
{
    return client_do(inv, NULL,
                     json_pack("{s:s, s:s}", "verb", "group.list", "vault", inv->args[0]),
                     print_list);
}
