/* The types of extension functions, one row each. */
#include "policy/check_int.h"

static const struct signature {
    const char *who;
    enum kind object, argument, result; /* argument: KIND_ANY when there is none */
} signatures[OP_COUNT] = {
    [OP_IP] = {"ip()", KIND_STRING, KIND_ANY, KIND_IP},
    [OP_DATETIME] = {"datetime()", KIND_STRING, KIND_ANY, KIND_DATETIME},
    [OP_DURATION] = {"duration()", KIND_STRING, KIND_ANY, KIND_DURATION},
    [OP_IS_IPV4] = {"isIpv4()", KIND_IP, KIND_ANY, KIND_BOOL},
    [OP_IS_IPV6] = {"isIpv6()", KIND_IP, KIND_ANY, KIND_BOOL},
    [OP_IS_LOOPBACK] = {"isLoopback()", KIND_IP, KIND_ANY, KIND_BOOL},
    [OP_IS_MULTICAST] = {"isMulticast()", KIND_IP, KIND_ANY, KIND_BOOL},
    [OP_IN_RANGE] = {"isInRange()", KIND_IP, KIND_IP, KIND_BOOL},
    [OP_OFFSET] = {"offset()", KIND_DATETIME, KIND_DURATION, KIND_DATETIME},
    [OP_DURATION_SINCE] = {"durationSince()", KIND_DATETIME, KIND_DATETIME, KIND_DURATION},
    [OP_TO_DATE] = {"toDate()", KIND_DATETIME, KIND_ANY, KIND_DATETIME},
    [OP_TO_TIME] = {"toTime()", KIND_DATETIME, KIND_ANY, KIND_DURATION},
    [OP_TO_MILLISECONDS] = {"toMilliseconds()", KIND_DURATION, KIND_ANY, KIND_LONG},
    [OP_TO_SECONDS] = {"toSeconds()", KIND_DURATION, KIND_ANY, KIND_LONG},
    [OP_TO_MINUTES] = {"toMinutes()", KIND_DURATION, KIND_ANY, KIND_LONG},
    [OP_TO_HOURS] = {"toHours()", KIND_DURATION, KIND_ANY, KIND_LONG},
    [OP_TO_DAYS] = {"toDays()", KIND_DURATION, KIND_ANY, KIND_LONG},
};

/* Cedar's strict validation wants a literal in a constructor, which is a constant by now: what is
 * left is computed, and might not be readable when it is asked. */
static void check_computed(struct checker *c, const struct node *node, const char *who)
{
    if (node->op == OP_IP || node->op == OP_DATETIME || node->op == OP_DURATION)
        check_fault(c, node->line, node->column,
                    "%s takes a text in quotes: one that is computed may not be readable", who);
}

struct type check_extension(struct checker *c, const struct node *node, struct facts *facts)
{
    const struct signature *row = &signatures[node->op];

    check_computed(c, node, row->who);
    check_expect(c, node->a, check_alone(c, node->a, facts), row->object, row->who);
    if (row->argument != KIND_ANY)
        check_expect(c, node->b, check_alone(c, node->b, facts), row->argument, row->who);
    return (struct type){.kind = row->result};
}
