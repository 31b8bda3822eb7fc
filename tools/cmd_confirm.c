/* keyward policy pending, confirm and withdraw. */
#include "tools/client.h"
#include "tools/cmd.h"
#include "tools/print.h"

#include <stdio.h>

/* The request itself is for --json: it may hold a whole policy. */
static void print_pending(const struct invocation *inv, const json_t *answer)
{
    static const struct print_column columns[] = {
        {"HASH", "hash"},           {"CHANGE", "change"},   {"BY", "by"}, {"VERDICT", "verdict"},
        {"CONFIRMED", "confirmed"}, {"EXPIRES", "expires"}, {NULL, NULL},
    };

    if (option(inv, "--json") != NULL) {
        print_json(answer);
        return;
    }
    print_table(json_object_get(answer, "pending"), columns);
    (void)printf("%lld administrators must stand behind a change, the one who asks included\n",
                 (long long)json_integer_value(json_object_get(answer, "administrators-needed")));
}

int cmd_policy_pending(const struct invocation *inv)
{
    return client_do(inv, inv->args[0],
                     json_pack("{s:s, s:s}", "verb", "policy.pending", "vault", inv->args[0]),
                     print_pending);
}

static int decide(const struct invocation *inv, const char *verb,
                  void (*print)(const struct invocation *inv, const json_t *answer))
{
    return client_do(
        inv, inv->args[0],
        json_pack("{s:s, s:s, s:s}", "verb", verb, "vault", inv->args[0], "hash", inv->args[1]),
        print);
}

static void print_confirmed(const struct invocation *inv, const json_t *answer)
{
    long long missing = (long long)json_integer_value(json_object_get(answer, "missing"));

    if (missing > 0)
        (void)printf("confirmed; %lld more administrators must\n", missing);
    else if (json_is_true(json_object_get(answer, "done")))
        (void)puts("confirmed, and done");
    else
        (void)puts("confirmed: whoever asked for it repeats it now");
    (void)inv;
}

int cmd_policy_confirm(const struct invocation *inv)
{
    return decide(inv, "policy.confirm", print_confirmed);
}

static void print_withdrawn(const struct invocation *inv, const json_t *answer)
{
    (void)answer;
    (void)printf("change %s is withdrawn\n", inv->args[1]);
}

int cmd_policy_withdraw(const struct invocation *inv)
{
    return decide(inv, "policy.withdraw", print_withdrawn);
}
