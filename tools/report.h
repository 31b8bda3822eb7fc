/*
 * keyward log report: what the log says, gathered (report.c) and written as one HTML page
 * (report_page.c). Gathering takes as much memory for a long log as for a short one, but for the
 * names that are in it.
 */
#ifndef KEYWARD_TOOLS_REPORT_H
#define KEYWARD_TOOLS_REPORT_H

#include "base/bytes.h"

#include <jansson.h>
#include <stdint.h>

#define REPORT_BINS    64
#define REPORT_SLOWEST 20
#define REPORT_KEYS    1000 /* those that come after are counted together */

/* What was done with one key. */
struct report_key {
    char *name; /* VAULT/OBJECT */
    uint64_t used, refused, failed;
    uint64_t bins[REPORT_BINS]; /* uses, in the report's steps of time */
    char *last;                 /* time of the last use */
};

struct report {
    const char *scope; /* the vault's name, or NULL: all */
    uint64_t records, refused, failed;
    char *first, *last;    /* times of the first and last record, NULL: none */
    int64_t origin, width; /* seconds: where the first bin begins, and what each is long */
    struct report_key *keys;
    size_t key_count;
    json_t *by_reason, *by_principal; /* refusals: name to number */
    json_t *slowest;                  /* records, the longest call first */
    json_t *policies;                 /* records of policy changes */
    json_t *expiries; /* objects with "vault" "name" "version" "expires" "state", next first */
    json_t *may;      /* objects with "vault" "action" "principal" "when" "by" */
    json_t *missing;  /* sentences: what could not be asked */
};

/* False without memory. report_release() either way. */
bool report_init(struct report *r, const char *scope);
bool report_add(struct report *r, json_t *event);
/* Keys by use, the most used first. Once, at the end. */
void report_sort(struct report *r);
void report_release(struct report *r);

/* The page; now: RFC 3339. */
void report_page(const struct report *r, const char *now, struct buf *out);

#endif
