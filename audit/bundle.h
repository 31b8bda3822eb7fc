/* Entry bundles: up to 256 records, each a big-endian uint16 length and the record's JSON (C2SP
 * tlog-tiles). */
#ifndef KEYWARD_AUDIT_BUNDLE_H
#define KEYWARD_AUDIT_BUNDLE_H

#include "audit/event.h"
#include "base/bytes.h"
#include "base/fail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUNDLE_RECORDS  256U
#define BUNDLE_PREFIX   2U
#define BUNDLE_FILE_MAX (BUNDLE_RECORDS * (BUNDLE_PREFIX + 65535U))

enum bundle_step {
    BUNDLE_RECORD, /* *ret_json is the next record, *at behind it */
    BUNDLE_END,    /* *at is the end of the data */
    BUNDLE_TORN,   /* the data ends inside a record */
};
enum bundle_step bundle_next(struct bytes data, size_t *at, struct bytes *ret_json);

/* The seq member, which has to be the first one; false when the JSON does not begin with it. */
bool bundle_seq(struct bytes json, uint64_t *ret);

/* The time member, which follows it, in ns since 1970; false when there is none. */
bool bundle_time(struct bytes json, int64_t *ret);

/* True when data is what a killed writer leaves of record seq, or a power cut of anything: only
 * then may it be cut off. */
bool bundle_is_remains(struct bytes data, uint64_t seq);

/*
 * Reads bundle n wherever it is: in the journal, or among the finished ones. Appends to out;
 * *ret_found is false when it is in neither place.
 */
MUST_CHECK CK_RV bundle_read(int folder, uint64_t n, struct buf *out, bool *ret_found);

#endif
