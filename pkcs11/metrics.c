/* See metrics.h. Labels hold names of vaults, actions, mechanisms and rules, never those of objects
 * or users: there is no end to them. */
#include "pkcs11/metrics.h"

#include <string.h>

#define LABELS_MAX   8192U
#define SERIES_MAX   10000U /* of one family; what comes after counts as the last */
#define SERIES_OTHER "vault=\"\",action=\"other\""

/* Upper bounds of the histograms' buckets, but for the last. */
static const struct {
    json_int_t ns;
    const char *seconds;
} bounds[] = {
    {1000, "0.000001"}, {5000, "0.000005"}, {10000, "0.00001"}, {50000, "0.00005"},
    {100000, "0.0001"}, {500000, "0.0005"}, {1000000, "0.001"}, {5000000, "0.005"},
    {10000000, "0.01"}, {50000000, "0.05"}, {100000000, "0.1"}, {500000000, "0.5"},
    {1000000000, "1"},  {5000000000, "5"},
};
#define BOUNDS (sizeof(bounds) / sizeof(*bounds))

static const struct {
    const char *kept;   /* what it is called in what is kept */
    const char *member; /* of a record, and how many nanoseconds its unit has */
    json_int_t unit;
    bool by_action; /* its label; else it has none */
    const char *name, *help;
} histograms[METRICS_HISTOGRAMS] = {
    [METRICS_CALL] = {"durations", "duration_us", 1000, true, "keyward_operation_duration_seconds",
                      "How long calls took."},
    [METRICS_POLICY] = {"policy", "policy_ns", 1, true, "keyward_policy_duration_seconds",
                        "How long the policy took to decide."},
    [METRICS_HSM] = {"hsm", "hsm_ns", 1, true, "keyward_hsm_duration_seconds",
                     "How long calls waited for the HSM."},
    [METRICS_SOFTWARE] = {"software", "software_ns", 1, true, "keyward_software_duration_seconds",
                          "How long calls worked with software keys."},
    [METRICS_LOG] = {"appends", "log_ns", 1, false, "keyward_log_duration_seconds",
                     "How long records took to be written."},
};

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

bool metrics_take(struct metrics *m, json_t *kept)
{
    bool whole;

    m->operations = metrics_family(kept, "operations");
    m->denied = metrics_family(kept, "denied");
    whole = m->operations != NULL && m->denied != NULL;
    for (size_t i = 0; i < METRICS_HISTOGRAMS; i++) {
        m->histograms[i] = metrics_family(kept, histograms[i].kept);
        whole = whole && m->histograms[i] != NULL;
    }
    return whole;
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

/* One list a series: how many in each bucket, the last without a bound; then their sum, ns. */
static bool add_duration(json_t *family, const char *labels, json_int_t ns)
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
    while (bucket < BOUNDS && ns > bounds[bucket].ns)
        bucket++;
    return add_at(list, bucket, 1) && add_at(list, BOUNDS + 1, ns);
}

static bool count_times(const struct metrics *m, struct buf *labels, const json_t *event)
{
    static const char *const by_action[][2] = {{"action", "action"}, {NULL, NULL}};
    static const char *const plain[][2] = {{NULL, NULL}};
    bool counted = true;

    for (size_t i = 0; i < METRICS_HISTOGRAMS && counted; i++) {
        const json_t *time = json_object_get(event, histograms[i].member);

        if (json_is_integer(time))
            counted =
                add_duration(m->histograms[i],
                             labels_of(labels, event, histograms[i].by_action ? by_action : plain),
                             json_integer_value(time) * histograms[i].unit);
    }
    return counted;
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

    if (!add_to(m->operations, labels_of(labels, event, operation)))
        return false;
    if (strcmp(text(event, "verdict"), "deny") == 0 &&
        !add_to(m->denied, labels_of(labels, event, denial)))
        return false;
    return count_times(m, labels, event);
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

static void print_series(struct buf *out, const char *name, const char *labels, const json_t *list)
{
    const char *comma = labels[0] != '\0' ? "," : "";
    const char *open = labels[0] != '\0' ? "{" : "";
    const char *close = labels[0] != '\0' ? "}" : "";
    long long sum = (long long)json_integer_value(json_array_get(list, BOUNDS + 1));
    long long count = 0;

    for (size_t i = 0; i <= BOUNDS; i++) {
        count += (long long)json_integer_value(json_array_get(list, i));
        buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %lld\n", name, labels, comma,
                   i < BOUNDS ? bounds[i].seconds : "+Inf", count);
    }
    buf_printf(out, "%s_sum%s%s%s %lld.%09lld\n", name, open, labels, close, sum / 1000000000,
               sum % 1000000000);
    buf_printf(out, "%s_count%s%s%s %lld\n", name, open, labels, close, count);
}

static void print_histogram(struct buf *out, size_t i, json_t *series)
{
    const char *labels;
    json_t *list;

    metrics_head(out, histograms[i].name, "histogram", histograms[i].help);
    json_object_foreach(series, labels, list)
    {
        print_series(out, histograms[i].name, labels, list);
    }
}

void metrics_print(const struct metrics *m, struct buf *out)
{
    print_counters(out, "keyward_operations_total", "Records by what was done and its result.",
                   m->operations);
    print_counters(out, "keyward_denied_total",
                   "Refusals by the rule that denied; no rule: none permitted.", m->denied);
    for (size_t i = 0; i < METRICS_HISTOGRAMS; i++)
        print_histogram(out, i, m->histograms[i]);
}
