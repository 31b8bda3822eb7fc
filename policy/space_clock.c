/*
 * Representatives of the clock. A comparison may look at the instant itself, moved by constants; at
 * its date; at its time of day; at the time since another instant; and at any of these in seconds,
 * hours and so on. Its truth then changes at instants that can be worked out from its constants:
 * some once, some every day. One instant of each stretch between them is taken.
 */
#include "policy/extension.h"
#include "policy/space.h"
#include "policy/value.h"

#include <stdlib.h>
#include <string.h>

/* An operand as a function of the clock T, in milliseconds:
 *   plain   sign * (T + before) + behind
 *   dated   midnight of (T + before), + behind
 *   daily   (T + before) modulo a day
 * divided by unit, towards zero. */
struct term {
    enum { TERM_CONSTANT, TERM_PLAIN, TERM_DATED, TERM_DAILY, TERM_ODD } shape;
    int64_t before, behind, unit;
    int sign;
    bool flipped;     /* a minus stands before all of this */
    int64_t constant; /* TERM_CONSTANT */
};

struct clock_points {
    int64_t *once, *daily;
    size_t once_count, once_cap, daily_count, daily_cap;
    bool failed;
};

static const struct term odd = {.shape = TERM_ODD};

static struct term term_of(const struct space *space, const struct node *node);

static struct term operand(const struct space *space, uint32_t node)
{
    return term_of(space, &space->policy->nodes[node]);
}

static struct term constant_of(const struct space *space, const struct node *node)
{
    struct policy_value value = value_of(space->policy, node);

    if (value.kind != POLICY_LONG && value.kind != POLICY_DATETIME && value.kind != POLICY_DURATION)
        return odd;
    return (struct term){.shape = TERM_CONSTANT, .constant = value.u.number, .unit = 1};
}

/* a.offset(b) */
static struct term moved(struct term a, struct term b)
{
    int64_t *by = a.shape == TERM_DATED ? &a.behind : &a.before;

    /* So large a step may err half-way, which the sum does not show. */
    if (a.shape > TERM_DATED || b.shape != TERM_CONSTANT || b.constant > INT64_MAX / 4 ||
        b.constant < -(INT64_MAX / 4))
        return odd;
    if (a.shape == TERM_CONSTANT)
        by = &a.constant;
    return __builtin_add_overflow(*by, b.constant, by) ? odd : a;
}

/* a.durationSince(b): one of them is a constant. */
static struct term since(struct term a, struct term b)
{
    if (b.shape == TERM_CONSTANT && a.shape <= TERM_DATED) {
        int64_t *at = a.shape == TERM_CONSTANT ? &a.constant : &a.behind;

        return __builtin_sub_overflow(*at, b.constant, at) ? odd : a;
    }
    if (a.shape != TERM_CONSTANT || b.shape != TERM_PLAIN || b.sign < 0 ||
        __builtin_sub_overflow(a.constant, b.behind, &b.behind))
        return odd;
    b.sign = -1;
    return b;
}

static struct term divided(struct term a, int64_t unit)
{
    if (a.shape == TERM_CONSTANT)
        a.constant /= unit;
    else
        a.unit = unit;
    return a;
}

static struct term negated(struct term a)
{
    a.flipped = !a.flipped;
    if (a.shape == TERM_CONSTANT && __builtin_sub_overflow(0, a.constant, &a.constant))
        return odd;
    return a;
}

static struct term day_part(struct term a, bool date)
{
    if (a.shape == TERM_CONSTANT) {
        int64_t time = extension_time_of_day(a.constant);

        return date && __builtin_sub_overflow(a.constant, time, &time)
                   ? odd
                   : (struct term){.shape = TERM_CONSTANT, .constant = time, .unit = 1};
    }
    if (a.shape != TERM_PLAIN || a.sign < 0 || a.behind != 0)
        return odd;
    a.shape = date ? TERM_DATED : TERM_DAILY;
    return a;
}

static struct term term_of(const struct space *space, const struct node *node)
{
    uint32_t variable = space_variable_of(space, node);

    if (variable != SPACE_NONE && (variable == space->clock || variable == space->now))
        return (struct term){
            .shape = TERM_PLAIN, .sign = 1, .unit = variable == space->now ? EXTENSION_SECOND : 1};
    switch (node->op) {
    case OP_LONG:
    case OP_CONST:
        return constant_of(space, node);
    case OP_NEGATE:
        return negated(operand(space, node->a));
    case OP_OFFSET:
        return moved(operand(space, node->a), operand(space, node->b));
    case OP_DURATION_SINCE:
        return since(operand(space, node->a), operand(space, node->b));
    case OP_TO_DATE:
    case OP_TO_TIME:
        return day_part(operand(space, node->a), node->op == OP_TO_DATE);
    case OP_TO_MILLISECONDS:
        return operand(space, node->a);
    case OP_TO_SECONDS:
        return divided(operand(space, node->a), EXTENSION_SECOND);
    case OP_TO_MINUTES:
        return divided(operand(space, node->a), 60 * EXTENSION_SECOND);
    case OP_TO_HOURS:
        return divided(operand(space, node->a), 3600 * EXTENSION_SECOND);
    case OP_TO_DAYS:
        return divided(operand(space, node->a), EXTENSION_DAY);
    default:
        return odd;
    }
}

/* ---- where its truth changes ---- */

static void add_to(struct clock_points *points, int64_t **list, size_t *count, size_t *cap,
                   int64_t value)
{
    if (!array_reserve((void **)list, cap, *count + 1, sizeof(**list)))
        points->failed = true;
    else
        (*list)[(*count)++] = value;
}

static void add_once(struct clock_points *points, int64_t instant)
{
    for (int64_t at = instant > 0 ? instant - 1 : 0; at <= SPACE_TIME_MAX && at - 1 <= instant;
         at++)
        add_to(points, &points->once, &points->once_count, &points->once_cap, at);
}

static void add_daily(struct clock_points *points, int64_t time)
{
    for (int64_t by = -1; by <= 1; by++)
        add_to(points, &points->daily, &points->daily_count, &points->daily_cap,
               extension_time_of_day(time + by));
}

/* The dividend is about to be x, or one of its neighbours: which T are these? */
static void add_boundary(struct clock_points *points, const struct term *term, int64_t x)
{
    int64_t instant;

    if (term->shape == TERM_DAILY) {
        if (x >= -EXTENSION_DAY && x <= 2 * EXTENSION_DAY)
            add_daily(points, x - extension_time_of_day(term->before));
        return;
    }
    if (__builtin_sub_overflow(x, term->behind, &x) ||
        (term->sign < 0 && __builtin_sub_overflow(0, x, &x)))
        return;
    for (int64_t day = -1; day <= 1; day++) {
        int64_t near = x;

        if (term->shape == TERM_DATED &&
            (__builtin_sub_overflow(x, extension_time_of_day(x), &near) ||
             __builtin_add_overflow(near, day * EXTENSION_DAY, &near)))
            continue;
        if (!__builtin_sub_overflow(near, term->before, &instant) && instant >= -1 &&
            instant <= SPACE_TIME_MAX)
            add_once(points, instant);
    }
}

/* At both ends of 64 bits too, where moving errs. */
static void add_errors(struct clock_points *points, const struct term *term)
{
    int64_t instant;

    if (!__builtin_sub_overflow(INT64_MAX, term->before, &instant) && instant <= SPACE_TIME_MAX)
        add_once(points, instant);
    if (!__builtin_sub_overflow(INT64_MIN, term->before, &instant) && instant >= 0)
        add_once(points, instant);
}

static void compare(struct clock_points *points, const struct term *term, int64_t with)
{
    add_errors(points, term);
    if (term->flipped && __builtin_sub_overflow(0, with, &with))
        return;
    if (term->shape == TERM_DAILY)
        add_daily(points, -extension_time_of_day(term->before));
    for (int64_t by = -1; by <= 1; by++) {
        int64_t x;

        if (__builtin_add_overflow(with, by, &x) || __builtin_mul_overflow(x, term->unit, &x))
            continue;
        add_boundary(points, term, x);
        if (x > INT64_MIN)
            add_boundary(points, term, x - 1);
        if (x < INT64_MAX)
            add_boundary(points, term, x + 1);
    }
}

struct looking {
    const struct space *space;
    bool found;
};

static void look(void *ctx, const struct node *node)
{
    struct looking *l = ctx;
    uint32_t variable = space_variable_of(l->space, node);

    if (variable != SPACE_NONE)
        l->found = l->found || variable == l->space->clock || variable == l->space->now;
    else
        space_operands(l->space->policy, node, look, l);
}

/* One side looks at the clock, the other is a constant: else it is beyond us. */
static void look_at(struct space *space, const struct node *node, struct clock_points *points)
{
    struct looking l = {.space = space};
    struct term a;
    struct term b;

    look(&l, node);
    if (!l.found)
        return;
    if (node->op < OP_EQUAL || node->op > OP_MORE_EQUAL) {
        space_give_up(space, node, "the time is used in another way than compared");
        return;
    }
    a = operand(space, node->a);
    b = operand(space, node->b);
    if (a.shape == TERM_ODD || b.shape == TERM_ODD ||
        (a.shape == TERM_CONSTANT) == (b.shape == TERM_CONSTANT))
        space_give_up(space, node, "the time is compared with something that varies");
    else if (a.shape == TERM_CONSTANT)
        compare(points, &b, a.constant);
    else
        compare(points, &a, b.constant);
}

/* ---- one instant of each stretch ---- */

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static CK_RV choose(struct space *space, struct clock_points *points)
{
    size_t count = 0;
    struct policy_value *out =
        arena_take(&space->arena, points->once_count * (points->daily_count + 1) * sizeof(*out));

    if (out == NULL)
        return fail_memory();
    qsort(points->once, points->once_count, sizeof(*points->once), by_number);
    for (size_t i = 0; i < points->once_count; i++) {
        int64_t from = points->once[i];
        int64_t to = i + 1 < points->once_count ? points->once[i + 1] : SPACE_TIME_MAX + 1;

        out[count++] = (struct policy_value){.kind = POLICY_DATETIME, .u.number = from};
        for (size_t d = 0; d < points->daily_count; d++) {
            int64_t at = from + extension_time_of_day(points->daily[d] - from);

            if (at < to)
                out[count++] = (struct policy_value){.kind = POLICY_DATETIME, .u.number = at};
        }
    }
    space->variables[space->clock].domain = out;
    space->variables[space->clock].count = space_sort(out, count);
    return CKR_OK;
}

CK_RV space_instants(struct space *space)
{
    struct clock_points points = {.once = NULL};
    CK_RV rv = CKR_OK;

    add_once(&points, 0);
    for (size_t i = 0; i < space->policy->node_count; i++) {
        if (space_is_comparison(&space->policy->nodes[i]))
            look_at(space, &space->policy->nodes[i], &points);
    }
    if (points.once_count * (points.daily_count + 1) > 1000000)
        space_give_up(space, space->policy->nodes, "the time is compared too often");
    if (points.failed)
        rv = fail_memory();
    else if (space->why == NULL)
        rv = choose(space, &points);
    free(points.once);
    free(points.daily);
    return rv;
}
