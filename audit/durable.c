/* Group commit: see durable.h. */
#include "audit/durable.h"

#include "audit/bundle.h"
#include "audit/files.h"
#include "audit/journal.h"
#include "audit/paths.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

void durable_init(struct durable *d)
{
    d->fd = -1;
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_cond_init(&d->done, NULL);
}

void durable_start(struct durable *d, int folder, uint64_t synced)
{
    d->folder = folder;
    d->synced = synced;
}

void durable_abandon(struct durable *d)
{
    if (d->fd >= 0)
        (void)close(d->fd);
    d->fd = -1;
}

void durable_release(struct durable *d)
{
    durable_abandon(d);
    (void)pthread_cond_destroy(&d->done);
    (void)pthread_mutex_destroy(&d->lock);
}

/* One bundle on disk; the first time with its name. */
static CK_RV sync_bundle(struct durable *d, uint64_t n)
{
    bool fresh = d->fd < 0 || d->bundle != n;

    if (fresh) {
        durable_abandon(d);
        d->fd = journal_open_bundle(d->folder, n);
        d->bundle = n;
    }
    if (d->fd < 0 || fdatasync(d->fd) != 0)
        return fail_errno("sync a bundle of", PATH_JOURNAL);
    return fresh ? file_sync(d->folder, PATH_JOURNAL) : CKR_OK;
}

static CK_RV sync_range(struct durable *d, uint64_t from, uint64_t to)
{
    CK_RV rv = CKR_OK;

    for (uint64_t n = from / BUNDLE_RECORDS; rv == CKR_OK && n * BUNDLE_RECORDS < to; n++)
        rv = sync_bundle(d, n);
    return rv;
}

/* Serves all that came so far; with the lock, which is given up meanwhile. */
static void lead(struct durable *d, uint64_t to)
{
    uint64_t from = d->synced;
    CK_RV rv;

    d->leading = true;
    (void)pthread_mutex_unlock(&d->lock);
    rv = sync_range(d, from, to);
    (void)pthread_mutex_lock(&d->lock);
    d->leading = false;
    if (rv == CKR_OK) {
        d->synced = to;
    } else {
        d->failed_from = d->failed_to == 0 ? from : d->failed_from;
        d->failed_to = to;
        durable_abandon(d);
        (void)strncpy(d->reason, fail_reason(), sizeof(d->reason) - 1);
    }
    (void)pthread_cond_broadcast(&d->done);
}

static bool is_refused(const struct durable *d, uint64_t seq)
{
    return seq >= d->failed_from && seq < d->failed_to;
}

CK_RV durable_wait(struct durable *d, uint64_t seq, const _Atomic uint64_t *size)
{
    CK_RV rv = CKR_OK;

    (void)pthread_mutex_lock(&d->lock);
    while (d->synced <= seq && !is_refused(d, seq)) {
        if (d->leading)
            (void)pthread_cond_wait(&d->done, &d->lock);
        else
            lead(d, atomic_load(size));
    }
    if (is_refused(d, seq))
        rv = fail(CKR_DEVICE_ERROR, "%s: the record stays in the log, it may not be on disk",
                  d->reason);
    (void)pthread_mutex_unlock(&d->lock);
    return rv;
}
