/*
 * Families of metrics: counted from records of the log, kept as JSON, printed as Prometheus text
 * (exposition format 0.0.4). A family is a JSON object from the labels, as they are printed, to a
 * number, or to a histogram's list of numbers.
 */
#ifndef KEYWARD_PKCS11_METRICS_H
#define KEYWARD_PKCS11_METRICS_H

#include "base/bytes.h"
#include "base/fail.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Of what was kept: raised whenever records are counted another way, so that all is counted anew.
 */
#define METRICS_FORMAT 2

enum metrics_histogram {
    METRICS_CALL,     /* the whole call */
    METRICS_POLICY,   /* of it: deciding */
    METRICS_HSM,      /* waiting for the HSM */
    METRICS_SOFTWARE, /* working with a software key */
    METRICS_LOG,      /* writing a record */
    METRICS_HISTOGRAMS
};

/* Borrowed from what is kept. */
struct metrics {
    json_t *operations, *denied, *histograms[METRICS_HISTOGRAMS];
};

/* The family of that name in kept, made where it is not there. NULL without memory. */
json_t *metrics_family(json_t *kept, const char *name);
/* All that are counted from records. False without memory. */
bool metrics_take(struct metrics *m, json_t *kept);
/* Counts what the record says was done; an intent was not. False without memory. */
bool metrics_count(const struct metrics *m, const json_t *event);

/* Appends name="value" to a list of labels, escaped. */
void metrics_label(struct buf *labels, const char *name, const char *value);

/* Name, type and help of a family, then its samples. */
void metrics_head(struct buf *out, const char *name, const char *type, const char *help);
void metrics_print(const struct metrics *m, struct buf *out);

/* The log as it is now. */
struct metrics_log {
    const char *key;
    uint64_t size;
};
/* Of each forwarder that has a position in this log (metrics_forward.c). */
MUST_CHECK CK_RV metrics_print_forwarders(const struct metrics_log *log, int home, struct buf *out);

#endif
