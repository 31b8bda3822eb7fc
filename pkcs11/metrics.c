/* See metrics.h. Labels hold names of vaults, actions, mechanisms and rules, never those of objects
 * or users: there is no end to them. */
#include "pkcs11/metrics.h"

#include <string.h>

#define LABELS_MAX   8192U
#define SERIES_MAX   10000U /* of one family; what comes after counts as the last */
#define SERIES_OTHER "vault=\"\",action=\"other\""

/* Seconds of microseconds: upper bounds of the histogram, but for the last. */
static const struct {
    json_int_t us;
    const char *text;
} bounds[] = {
    {100, "0.0001"}, {500, "0.0005"}, {1000, "0.001"}, {5000, "0.005"}, {10000, "0.01"},
    {50000, "0.05"}, {100000, "0.1"}, {500000, "0.5"}, {1000000, "1"},  {5000000, "5"},
};
#define BOUNDS (sizeof(bounds) / sizeof(*bounds))

json_t *metrics_family(json_t *kept, const char *name)
{
    json_t *object = json_object_get(kept, name);

    if (!json_is_object(object)) {
        object = json_object();
        if (json_object_set_new(kept, name, object) != 0)
            return NULL;
    }
    return object;
}

/* ---- counting ---- */

static const char *text(const json_t *event, const char *name)
{
    const char *value = json_string_value(json_object_get(event, name));

    return value != NULL ? value : "";
}

/* name="value" of the event's member, escaped as the format has it. */
void metrics_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s%s=\"", out->len > 0 ? "," : "", name);
    for (; *value != '\0'; value++)
        switch (*value) {
        case '\\':
        case '"':
            buf_putc(out, '\\');
            buf_putc(out, *value);
            break;
        case '\n':
            buf_put_bytes(out, BYTES_LIT("\\n"));
            break;
        default:
            buf_putc(out, *value);
        }
    buf_putc(out, '"');
}

static const char *labels_of(struct buf *labels, const json_t *event, const char *const pairs[][2])
{
    buf_clear(labels);
    for (size_t i = 0; pairs[i][0] != NULL; i++)
        metrics_label(labels, pairs[i][0], text(event, pairs[i][1]));
    buf_putc(labels, '\0');
    return buf_ok(labels) ? (const char *)labels->data : SERIES_OTHER;
}

static const char *bounded(const json_t *family, const char *labels)
{
    bool room = json_object_get(family, labels) != NULL || json_object_size(family) < SERIES_MAX;

    return room ? labels : SERIES_OTHER;
}

static bool add_to(json_t *family, const char *labels)
{
    const char *key = bounded(family, labels);
    json_int_t n = json_integer_value(json_object_get(family, key));

    return json_object_set_new(family, key, json_integer(n + 1)) == 0;
}

static bool add_at(json_t *list, size_t i, json_int_t n)
{
    return json_array_set_new(list, i,
                              json_integer(json_integer_value(json_array_get(list, i)) + n)) == 0;
}

/* One list a series: how many in each bucket, the last without a bound; then their sum. */
static bool add_duration(json_t *family, const char *labels, json_int_t us)
{
    const char *key = bounded(family, labels);
    json_t *list = json_object_get(family, key);
    size_t bucket = 0;

    if (list == NULL) {
        list = json_array();
        if (json_object_set_new(family, key, list) != 0)
            return false;
    }
    while (json_array_size(list) < BOUNDS + 2)
        if (json_array_append_new(list, json_integer(0)) != 0)
            return false;
    while (bucket < BOUNDS && us > bounds[bucket].us)
        bucket++;
    return add_at(list, bucket, 1) && add_at(list, BOUNDS + 1, us);
}

static bool count(const struct metrics *m, struct buf *labels, const json_t *event)
{
    static const char *const operation[][2] = {{"vault", "vault"},
                                               {"action", "action"},
                                               {"mechanism", "mechanism"},
                                               {"result", "rv"},
                                               {NULL, NULL}};
    static const char *const denial[][2] = {
        {"vault", "vault"}, {"action", "action"}, {"rule", "rules"}, {NULL, NULL}};
    static const char *const duration[][2] = {{"action", "action"}, {NULL, NULL}};
    const json_t *us = json_object_get(event, "duration_us");

    if (!add_to(m->operations, labels_of(labels, event, operation)))
        return false;
    if (strcmp(text(event, "verdict"), "deny") == 0 &&
        !add_to(m->denied, labels_of(labels, event, denial)))
        return false;
    return us == NULL ||
           add_duration(m->durations, labels_of(labels, event, duration), json_integer_value(us));
}

bool metrics_count(const struct metrics *m, const json_t *event)
{
    struct buf labels = BUF_INIT(LABELS_MAX);
    bool counted = strcmp(text(event, "phase"), "intent") == 0 || count(m, &labels, event);

    buf_release(&labels);
    return counted;
}

/* ---- printing ---- */

void metrics_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_counters(struct buf *out, const char *name, const char *help, json_t *series)
{
    const char *labels;
    json_t *value;

    metrics_head(out, name, "counter", help);
    json_object_foreach(series, labels, value)
    {
        buf_printf(out, "%s{%s} %lld\n", name, labels, (long long)json_integer_value(value));
    }
}

static void print_histogram(struct buf *out, const char *name, const char *help, json_t *series)
{
    const char *labels;
    json_t *list;

    metrics_head(out, name, "histogram", help);
    json_object_foreach(series, labels, list)
    {
        long long sum = (long long)json_integer_value(json_array_get(list, BOUNDS + 1));
        long long count = 0;

        for (size_t i = 0; i <= BOUNDS; i++) {
            count += (long long)json_integer_value(json_array_get(list, i));
            buf_printf(out, "%s_bucket{%s,le=\"%s\"} %lld\n", name, labels,
                       i < BOUNDS ? bounds[i].text : "+Inf", count);
        }
        buf_printf(out, "%s_sum{%s} %lld.%06lld\n", name, labels, sum / 1000000, sum % 1000000);
        buf_printf(out, "%s_count{%s} %lld\n", name, labels, count);
    }
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    print_counters(out, "keyward_operations_total", "Records by what was done and its result.",
                   m->operations);
    print_counters(out, "keyward_denied_total",
                   "Refusals by the rule that denied; no rule: none permitted.", m->denied);
    print_histogram(out, "keyward_operation_duration_seconds", "How long calls took.",
                    m->durations);
}
