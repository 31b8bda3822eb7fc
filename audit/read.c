/* Reading records in order, as they stand: verify_read() of verify.h. */
#include "audit/verify.h"

#include "audit/bundle.h"
#include "audit/files.h"
#include "base/scope.h"

#include <inttypes.h>

struct reader {
    int folder;
    struct buf bundle;
    uint64_t from;
    bool (*each)(void *ctx, uint64_t seq, struct bytes json);
    void *ctx;
};

/* Hands on the records of bundle n; *ret_more is whether the next bundle may have some. */
static void read_records(struct reader *r, uint64_t n, bool *ret_more)
{
    struct bytes data = buf_bytes(&r->bundle);
    uint64_t seq = n * BUNDLE_RECORDS;
    struct bytes json;
    size_t at = 0;

    *ret_more = false;
    for (; seq / BUNDLE_RECORDS == n; seq++) {
        /* An empty record is no record: zeros that a power cut left. */
        if (bundle_next(data, &at, &json) != BUNDLE_RECORD || json.len == 0)
            return;
        if (seq >= r->from && !r->each(r->ctx, seq, json))
            return;
    }
    *ret_more = true;
}

CK_RV verify_read(const char *dir, uint64_t from,
                  bool (*each)(void *ctx, uint64_t seq, struct bytes json), void *ctx)
{
    struct reader r = {.bundle = BUF_INIT(BUNDLE_FILE_MAX), .from = from, .each = each, .ctx = ctx};
    SCOPED_FD int folder = -1;
    uint64_t n = from / BUNDLE_RECORDS;
    bool more = true;
    CK_RV rv = file_open_folder(dir, &folder);

    r.folder = folder;
    for (; rv == CKR_OK && more; n++) {
        bool found = false;

        buf_clear(&r.bundle);
        rv = bundle_read(folder, n, &r.bundle, &found);
        /* The bundle behind a full one always exists; one further away may be asked for from a log
         * that is shorter. */
        if (rv == CKR_OK && !found && (n == 0 || n != from / BUNDLE_RECORDS))
            rv = fail(CKR_DEVICE_ERROR,
                      "the bundle of records from %" PRIu64 " on is missing in %s: run 'keyward "
                      "log verify'",
                      n * BUNDLE_RECORDS, dir);
        more = found;
        if (rv == CKR_OK && found)
            read_records(&r, n, &more);
    }
    buf_release(&r.bundle);
    return rv;
}
