/*
 * Gathering a report: see report.h. Time is counted in bins whose width doubles whenever the log
 * reaches past the last one, so that neither length nor beginning of the log need be known before.
 */
#include "tools/report.h"

#include "tools/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OTHERS "(others)"

bool report_init(struct report *r, const char *scope)
{
    *r = (struct report){.scope = scope,
                         .by_reason = json_object(),
                         .by_principal = json_object(),
                         .slowest = json_array(),
                         .policies = json_array(),
                         .expiries = json_array(),
                         .may = json_array(),
                         .missing = json_array()};
    return r->by_reason != NULL && r->by_principal != NULL && r->slowest != NULL &&
           r->policies != NULL && r->expiries != NULL && r->may != NULL && r->missing != NULL;
}

void report_release(struct report *r)
{
    for (size_t i = 0; i < r->key_count; i++) {
        free(r->keys[i].name);
        free(r->keys[i].last);
    }
    free(r->keys);
    free(r->first);
    free(r->last);
    json_decref(r->by_reason);
    json_decref(r->by_principal);
    json_decref(r->slowest);
    json_decref(r->policies);
    json_decref(r->expiries);
    json_decref(r->may);
    json_decref(r->missing);
}

static bool is(const json_t *event, const char *name, const char *value)
{
    return strcmp(member_text(event, name), value) == 0;
}

static bool keep(char **ret, const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL)
        return false;
    free(*ret);
    *ret = copy;
    return true;
}

/* ---- time ---- */

static int64_t seconds_of(const char *time)
{
    struct tm tm = {0};

    return strptime(time, "%Y-%m-%dT%H:%M:%S", &tm) != NULL ? (int64_t)timegm(&tm) : 0;
}

static void widen(struct report *r)
{
    r->width *= 2;
    for (size_t k = 0; k < r->key_count; k++) {
        uint64_t *bins = r->keys[k].bins;

        for (size_t i = 0; i < REPORT_BINS; i++)
            bins[i] = i < REPORT_BINS / 2 ? bins[2 * i] + bins[2 * i + 1] : 0;
    }
}

/* A clock that was set back puts what follows into the first bin at worst. */
static size_t bin_of(struct report *r, int64_t when)
{
    if (when < r->origin)
        return 0;
    while (when >= r->origin + REPORT_BINS * r->width)
        widen(r);
    return (size_t)((when - r->origin) / r->width);
}

/* ---- keys ---- */

static struct report_key *add_key(struct report *r, const char *name)
{
    struct report_key *grown = reallocarray(r->keys, r->key_count + 1, sizeof(*r->keys));

    if (grown == NULL)
        return NULL;
    r->keys = grown;
    r->keys[r->key_count] = (struct report_key){.name = strdup(name)};
    return r->keys[r->key_count].name != NULL ? &r->keys[r->key_count++] : NULL;
}

/* NULL without memory. */
static struct report_key *key_named(struct report *r, const char *name)
{
    for (size_t i = 0; i < r->key_count; i++)
        if (strcmp(r->keys[i].name, name) == 0)
            return &r->keys[i];
    if (r->key_count < REPORT_KEYS - 1)
        return add_key(r, name);
    if (r->key_count < REPORT_KEYS)
        return add_key(r, OTHERS);
    return &r->keys[REPORT_KEYS - 1];
}

static bool add_use(struct report *r, const json_t *event)
{
    struct report_key *key;
    char *name = NULL;

    if (member_text(event, "object")[0] == '\0')
        return true;
    if (asprintf(&name, "%s/%s", member_text(event, "vault"), member_text(event, "object")) < 0)
        return false;
    key = key_named(r, name);
    free(name);
    if (key == NULL)
        return false;
    if (is(event, "verdict", "deny")) {
        key->refused++;
        return true;
    }
    if (!is(event, "rv", "CKR_OK")) {
        key->failed++;
        return true;
    }
    key->used++;
    key->bins[bin_of(r, seconds_of(member_text(event, "time")))]++;
    return keep(&key->last, member_text(event, "time"));
}

static int more_used(const void *a, const void *b)
{
    const struct report_key *x = a;
    const struct report_key *y = b;

    if (x->used != y->used)
        return x->used < y->used ? 1 : -1;
    return strcmp(x->name, y->name);
}

void report_sort(struct report *r)
{
    if (r->key_count > 0)
        qsort(r->keys, r->key_count, sizeof(*r->keys), more_used);
}

/* ---- refusals, slow calls, policies ---- */

static bool count(json_t *by, const char *name)
{
    const char *key =
        json_object_get(by, name) != NULL || json_object_size(by) < REPORT_KEYS ? name : OTHERS;
    json_int_t n = json_integer_value(json_object_get(by, key));

    return json_object_set_new(by, key, json_integer(n + 1)) == 0;
}

static bool add_refusal(struct report *r, const json_t *event)
{
    const char *rules = member_text(event, "rules");

    r->refused++;
    return count(r->by_reason, rules[0] != '\0' ? rules : "no policy permits it") &&
           count(r->by_principal, member_text(event, "principal"));
}

static json_int_t duration(const json_t *event)
{
    return json_integer_value(json_object_get(event, "duration_us"));
}

static bool add_slow(struct report *r, json_t *event)
{
    size_t at = json_array_size(r->slowest);

    while (at > 0 && duration(json_array_get(r->slowest, at - 1)) < duration(event))
        at--;
    if (at == REPORT_SLOWEST)
        return true;
    if (json_array_insert(r->slowest, at, event) != 0)
        return false;
    if (json_array_size(r->slowest) > REPORT_SLOWEST)
        (void)json_array_remove(r->slowest, REPORT_SLOWEST);
    return true;
}

bool report_add(struct report *r, json_t *event)
{
    const char *time = member_text(event, "time");

    if (is(event, "phase", "intent"))
        return true;
    if (r->records++ == 0) {
        r->origin = seconds_of(time);
        r->width = 1;
        if (!keep(&r->first, time))
            return false;
    }
    if (!keep(&r->last, time) || !add_use(r, event) || !add_slow(r, event))
        return false;
    if (is(event, "verdict", "deny"))
        return add_refusal(r, event);
    if (!is(event, "rv", "CKR_OK"))
        r->failed++;
    else if (member_text(event, "new_policy")[0] != '\0')
        return json_array_append(r->policies, event) == 0;
    return true;
}
