/* The operators of ip, datetime and duration values. What overflows 64 bits errs. */
#include "policy/eval_int.h"
#include "policy/extension.h"

bool eval_construct(struct eval *e, const struct node *node, struct policy_value *out)
{
    enum policy_kind kind = node->op == OP_IP         ? POLICY_IP
                            : node->op == OP_DATETIME ? POLICY_DATETIME
                                                      : POLICY_DURATION;

    if (!eval_run_kind(e, node->a, POLICY_STRING, out))
        return false;
    return extension_read(kind, out->u.string, out) ||
           eval_wrong(e, node, "this text cannot be read by",
                      bytes_from_str(extension_of(kind)->name));
}

/* ---- addresses ---- */

bool eval_ip(struct eval *e, const struct node *node, struct policy_value *out)
{
    const struct policy_ip *ip = &out->u.ip;
    bool is;

    if (!eval_run_kind(e, node->a, POLICY_IP, out))
        return false;
    switch (node->op) {
    case OP_IS_IPV4:
        is = !ip->v6;
        break;
    case OP_IS_IPV6:
        is = ip->v6;
        break;
    case OP_IS_LOOPBACK:
        is = extension_is_loopback(ip);
        break;
    default:
        is = extension_is_multicast(ip);
    }
    return eval_answer_bool(e, node, is, out);
}

bool eval_in_range(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value range;

    if (!eval_run_kind(e, node->a, POLICY_IP, out) || !eval_run_kind(e, node->b, POLICY_IP, &range))
        return false;
    return eval_answer_bool(e, node, extension_in_range(&out->u.ip, &range.u.ip), out);
}

/* ---- time ---- */

static bool overflows(struct eval *e, const struct node *node)
{
    return eval_wrong(e, node, "this time is out of range", BYTES_NONE);
}

bool eval_offset(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value by;

    if (!eval_run_kind(e, node->a, POLICY_DATETIME, out) ||
        !eval_run_kind(e, node->b, POLICY_DURATION, &by))
        return false;
    return !__builtin_add_overflow(out->u.number, by.u.number, &out->u.number) ||
           overflows(e, node);
}

bool eval_duration_since(struct eval *e, const struct node *node, struct policy_value *out)
{
    struct policy_value since;

    if (!eval_run_kind(e, node->a, POLICY_DATETIME, out) ||
        !eval_run_kind(e, node->b, POLICY_DATETIME, &since))
        return false;
    out->kind = POLICY_DURATION;
    return !__builtin_sub_overflow(out->u.number, since.u.number, &out->u.number) ||
           overflows(e, node);
}

bool eval_to_date(struct eval *e, const struct node *node, struct policy_value *out)
{
    if (!eval_run_kind(e, node->a, POLICY_DATETIME, out))
        return false;
    return !__builtin_sub_overflow(out->u.number, extension_time_of_day(out->u.number),
                                   &out->u.number) ||
           overflows(e, node);
}

bool eval_to_time(struct eval *e, const struct node *node, struct policy_value *out)
{
    if (!eval_run_kind(e, node->a, POLICY_DATETIME, out))
        return false;
    out->kind = POLICY_DURATION;
    out->u.number = extension_time_of_day(out->u.number);
    return true;
}

/* Rounds towards zero. */
bool eval_to_unit(struct eval *e, const struct node *node, struct policy_value *out)
{
    static const int64_t units[] = {
        [OP_TO_MILLISECONDS] = 1,
        [OP_TO_SECONDS] = EXTENSION_SECOND,
        [OP_TO_MINUTES] = 60 * EXTENSION_SECOND,
        [OP_TO_HOURS] = 3600 * EXTENSION_SECOND,
        [OP_TO_DAYS] = EXTENSION_DAY,
    };

    if (!eval_run_kind(e, node->a, POLICY_DURATION, out))
        return false;
    out->kind = POLICY_LONG;
    out->u.number /= units[node->op];
    return true;
}
