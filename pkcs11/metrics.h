/*
 * Families of metrics: counted from records of the log, kept as JSON, printed as Prometheus text
 * (exposition format 0.0.4). A family is a JSON object from the labels, as they are printed, to a
 * number, or to a histogram's list of numbers.
 */
#ifndef KEYWARD_PKCS11_METRICS_H
#define KEYWARD_PKCS11_METRICS_H

#include "base/bytes.h"

#include <jansson.h>
#include <stdbool.h>

/* Borrowed. */
struct metrics {
    json_t *operations, *denied, *durations;
};

/* The family of that name in kept, made where it is not there. NULL without memory. */
json_t *metrics_family(json_t *kept, const char *name);
/* Counts what the record says was done; an intent was not. False without memory. */
bool metrics_count(const struct metrics *m, const json_t *event);

/* Appends name="value" to a list of labels, escaped. */
void metrics_label(struct buf *labels, const char *name, const char *value);

/* Name, type and help of a family, then its samples. */
void metrics_head(struct buf *out, const char *name, const char *type, const char *help);
void metrics_print(const struct metrics *m, struct buf *out);

#endif
