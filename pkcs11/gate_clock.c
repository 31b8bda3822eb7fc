/*
 * A clock that was set back is somebody's way to what has expired: keys, hours of a policy, logins
 * by token, budgets. Times in the log never go back (audit/trail.h), so the newest record tells how
 * late it is at least. While the clock is more than CLOCK_SLACK_S behind it nothing is allowed but
 * to look at the state of things and to say that the clock is right (`keyward log accept-clock`).
 * Service is back as soon as the clock is.
 */
#include "pkcs11/gate_int.h"

#include <stdio.h>

#define NS_PER_S      INT64_C(1000000000)
#define CLOCK_SLACK_S 300

static int64_t seconds_behind(const struct run *run)
{
    struct trail *trail = engine_trail(run->app->engine);

    if (trail == NULL)
        return 0;
    return (trail_newest(trail) - clock_realtime(engine_clock(run->app->engine))) / NS_PER_S;
}

/* Those that are asked all the same: who is to mend it has to see it. */
static bool is_exempt(enum action action)
{
    static const enum action exempt[] = {ACTION_READ_STATUS, ACTION_READ_LOG, ACTION_VERIFY_LOG,
                                         ACTION_ACCEPT_CLOCK};

    for (size_t i = 0; i < sizeof(exempt) / sizeof(*exempt); i++)
        if (exempt[i] == action)
            return true;
    return false;
}

bool gate_clock_is_back(const struct run *run, enum action action)
{
    return seconds_behind(run) > CLOCK_SLACK_S && !is_exempt(action);
}

bool gate_clock_problem(const struct run *run, char *out, size_t size)
{
    char newest[CLOCK_TEXT_MAX], now[CLOCK_TEXT_MAX];
    int64_t behind = seconds_behind(run);

    out[0] = '\0';
    if (behind <= CLOCK_SLACK_S)
        return false;
    clock_format(trail_newest(engine_trail(run->app->engine)), newest);
    clock_format(clock_realtime(engine_clock(run->app->engine)), now);
    (void)snprintf(out, size,
                   "the clock says %.19s, %lld minutes before the newest record of the log "
                   "(%.19s): set it right, until then everything is refused; if the log is what "
                   "is wrong, keyward log accept-clock",
                   now, (long long)behind / 60, newest);
    return true;
}
