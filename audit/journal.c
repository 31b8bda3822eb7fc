/* Appending to the journal: see journal.h for the invariants. */
#include "audit/journal.h"

#include "audit/bundle.h"
#include "audit/files.h"
#include "audit/paths.h"
#include "base/clock.h"
#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum {
    SCAN_CHUNK = 128 * 1024, /* several of the longest records */
    YIELDS = 4,
    PAUSE_MIN_NS = 20 * 1000,
    PAUSE_MAX_NS = 500 * 1000,
};

uint64_t journal_size(const struct journal *j)
{
    return j->bundle * BUNDLE_RECORDS + j->count;
}

/* flock() has no time limit of its own, and a signal for one would be the host's: so it is tried
 * until the deadline. */
CK_RV journal_lock(struct journal *j, int64_t deadline_ns)
{
    struct timespec pause = {.tv_nsec = PAUSE_MIN_NS};

    for (unsigned tries = 0; flock(j->lock, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return fail_errno("lock", PATH_LOCK);
        if (clock_monotonic(&clock_system) > deadline_ns)
            return fail(CKR_DEVICE_ERROR, "the log is held by another process for too long: find "
                                          "what holds the file 'lock' of the log folder");
        if (tries < YIELDS) {
            (void)sched_yield();
            continue;
        }
        (void)nanosleep(&pause, NULL);
        pause.tv_nsec = pause.tv_nsec * 2 < PAUSE_MAX_NS ? pause.tv_nsec * 2 : PAUSE_MAX_NS;
    }
    return CKR_OK;
}

void journal_unlock(struct journal *j)
{
    int saved = errno;

    (void)flock(j->lock, LOCK_UN);
    errno = saved;
}

static CK_RV refuse(const struct journal *j, const char *what)
{
    return fail(CKR_DEVICE_ERROR,
                "journal/%" PRIu64 " of the log %s: the log was tampered with or the disk is "
                "damaged, restore it from a copy",
                j->bundle, what);
}

/* Makes fd, which is owned now, the bundle being filled; its records have yet to be counted. */
static CK_RV use(struct journal *j, uint64_t bundle, int fd)
{
    char name[PATH_LOG_MAX];
    struct stat st;

    if (fstat(fd, &st) != 0) {
        (void)close(fd);
        return fail_errno("read", PATH_JOURNAL);
    }
    if (j->fd >= 0)
        (void)close(j->fd);
    j->fd = fd;
    j->id = st;
    j->bundle = bundle;
    j->tail = 0;
    j->count = 0;
    j->entry_synced = false;
    path_journal(bundle, name);
    (void)snprintf(j->file, j->file_max, "%s/%s", j->dir, name);
    return CKR_OK;
}

/* Opens a bundle where it is: in the journal, or finished. -1 and errno when in neither. */
static int open_bundle(const struct journal *j, uint64_t n)
{
    char name[PATH_LOG_MAX];
    int fd;

    path_journal(n, name);
    fd = file_open(j->folder, name, O_RDWR);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    path_entries(n, BUNDLE_RECORDS, name);
    return file_open(j->folder, name, O_RDWR);
}

static CK_RV open_at(struct journal *j, uint64_t bundle)
{
    int fd = open_bundle(j, bundle);

    if (fd < 0 && errno == ENOENT)
        return fail(CKR_DEVICE_ERROR,
                    "journal/%" PRIu64 " of the log is missing: it was deleted, restore the log "
                    "from a copy",
                    bundle);
    if (fd < 0)
        return fail_errno("open", PATH_JOURNAL);
    return use(j, bundle, fd);
}

/* True when the open bundle is found among the finished ones. */
static bool is_finished(const struct journal *j)
{
    char name[PATH_LOG_MAX];
    struct stat st;

    path_entries(j->bundle, BUNDLE_RECORDS, name);
    return fstatat(j->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && file_same(&st, &j->id);
}

/* The file's size, after making sure that the path still leads to the file that is open. One stat()
 * when all is well. */
static CK_RV look(const struct journal *j, off_t *ret_size, bool *ret_finished)
{
    struct stat st;
    bool there = stat(j->file, &st) == 0;

    if (!there && errno != ENOENT && errno != ENOTDIR)
        return fail_errno("look at", j->file);
    *ret_finished = false;
    if (!there || !file_same(&st, &j->id)) {
        if (!is_finished(j))
            return refuse(j, there ? "was replaced" : "was deleted or moved");
        if (fstat(j->fd, &st) != 0)
            return fail_errno("look at", j->file);
        *ret_finished = true;
    }
    if (st.st_size < j->tail)
        return refuse(j, "became shorter");
    *ret_size = st.st_size;
    return CKR_OK;
}

/* Counts the whole records at the start of chunk; all must be the next ones. */
static CK_RV take_records(struct journal *j, struct bytes chunk, size_t *ret_used)
{
    size_t at = 0;
    struct bytes json;

    *ret_used = 0;
    while (j->count < BUNDLE_RECORDS && bundle_next(chunk, &at, &json) == BUNDLE_RECORD) {
        uint64_t seq;

        if (json.len == 0) /* zeros of a power cut, perhaps: the caller looks */
            break;
        if (!bundle_seq(json, &seq) || seq != journal_size(j))
            return refuse(j, "holds a record out of sequence");
        j->count++;
        j->tail += (off_t)(at - *ret_used);
        *ret_used = at;
    }
    return CKR_OK;
}

static CK_RV cut(struct journal *j)
{
    int rc;

    do
        rc = ftruncate(j->fd, j->tail);
    while (rc != 0 && errno == EINTR);
    return rc == 0 ? CKR_OK : fail_errno("cut a torn record off", j->file);
}

/* Takes over everything between the known end and size. */
static CK_RV scan(struct journal *j, off_t size)
{
    while (j->tail < size && j->count < BUNDLE_RECORDS) {
        size_t want = size - j->tail < SCAN_CHUNK ? (size_t)(size - j->tail) : SCAN_CHUNK;
        size_t used;
        struct bytes chunk;
        uint8_t *to;
        ssize_t got;
        CK_RV rv;

        buf_clear(&j->scratch);
        to = buf_grow(&j->scratch, SCAN_CHUNK);
        if (to == NULL)
            return fail_memory();
        got = file_pread(j->fd, to, want, j->tail);
        if (got < 0 || (size_t)got < want)
            return fail_errno("read", j->file);
        chunk = BYTES(to, want);
        rv = take_records(j, chunk, &used);
        if (rv != CKR_OK)
            return rv;
        if (used > 0)
            continue;
        if (j->tail + (off_t)want != size || !bundle_is_remains(chunk, journal_size(j)))
            return refuse(j, "holds what is no record");
        return cut(j);
    }
    return j->tail < size ? refuse(j, "holds more than 256 records") : CKR_OK;
}

/* The lock that is held is everybody's only while others find the same file: one that was put in
 * its place is the lock of whoever came later, and both would append. */
static CK_RV check_lock_file(const struct journal *j)
{
    struct stat st;
    bool there = fstatat(j->folder, PATH_LOCK, &st, AT_SYMLINK_NOFOLLOW) == 0;

    if (!there && errno != ENOENT)
        return fail_errno("look at", PATH_LOCK);
    if (!there)
        return fail(CKR_DEVICE_ERROR, "the file 'lock' of the log was deleted: stop all programs "
                                      "that use this log, then put the file back");
    if (!file_same(&st, &j->lock_id))
        return fail(CKR_DEVICE_ERROR, "the file 'lock' of the log was replaced: stop all programs "
                                      "that use this log, then start them again");
    return CKR_OK;
}

CK_RV journal_refresh(struct journal *j)
{
    CK_RV rv = check_lock_file(j);

    while (rv == CKR_OK) {
        bool finished = false;
        off_t size = 0;

        rv = look(j, &size, &finished);
        if (rv == CKR_OK && size != j->tail)
            rv = scan(j, size);
        if (rv != CKR_OK)
            break;
        if (j->count < BUNDLE_RECORDS)
            return finished ? refuse(j, "was moved before it was full") : CKR_OK;
        rv = open_at(j, j->bundle + 1);
    }
    return rv;
}

/* Like fail_errno(), with advice where only room is missing. */
static CK_RV fail_writing(const char *doing, const char *path)
{
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    CK_RV rv = fail_errno(doing, path);

    return full ? fail(rv, "%s: make room, service resumes by itself", fail_reason()) : rv;
}

/* Makes the file of the next bundle, or opens it where a writer died, or was refused, after making
 * it. */
static CK_RV prepare_next(const struct journal *j, int *ret_fd)
{
    char name[PATH_LOG_MAX];
    struct stat st;
    int fd;

    path_journal(j->bundle + 1, name);
    fd = file_open(j->folder, name, O_RDWR | O_CREAT);
    if (fd < 0)
        return fail_writing("make", name);
    if (fstat(fd, &st) != 0 || st.st_size != 0) {
        (void)close(fd);
        return fail(CKR_DEVICE_ERROR,
                    "%s of the log holds records that come too early: the log was tampered with, "
                    "restore it from a copy",
                    name);
    }
    *ret_fd = fd;
    return CKR_OK;
}

static CK_RV write_records(struct journal *j, const struct iovec *records, size_t count,
                           size_t total)
{
    ssize_t n;
    CK_RV rv;

    do
        n = pwritev(j->fd, records, (int)count, j->tail);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)total)
        return CKR_OK;
    if (n >= 0)
        errno = ENOSPC; /* short: the disk, or a limit on the file's size */
    rv = fail_writing("append to", j->file);
    if (n > 0 && cut(j) != CKR_OK)
        return fail_in(CKR_DEVICE_ERROR, "after a short write");
    return rv;
}

static CK_RV sync_bundle(const struct journal *j, uint64_t n)
{
    SCOPED_FD int fd = open_bundle(j, n);

    if (fd < 0 || fdatasync(fd) != 0)
        return fail_errno("sync a full bundle of", PATH_JOURNAL);
    return CKR_OK;
}

/* Everything up to the end on disk. Older bundles first: a record must not survive a power cut that
 * one before it does not. */
static CK_RV sync_all(struct journal *j)
{
    CK_RV rv;

    for (uint64_t n = j->synced; n < j->bundle; n++) {
        rv = sync_bundle(j, n);
        if (rv != CKR_OK)
            return rv;
    }
    if (fdatasync(j->fd) != 0)
        return fail_errno("sync", j->file);
    if (!j->entry_synced) {
        rv = file_sync(j->folder, PATH_JOURNAL);
        if (rv != CKR_OK)
            return rv;
    }
    j->entry_synced = true;
    j->synced = j->bundle;
    return CKR_OK;
}

CK_RV journal_put(struct journal *j, const struct iovec *records, size_t count, bool durable)
{
    size_t total = 0;
    int next = -1;
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < count; i++)
        total += records[i].iov_len;
    if (j->count + count == BUNDLE_RECORDS)
        rv = prepare_next(j, &next);
    if (rv == CKR_OK)
        rv = write_records(j, records, count, total);
    if (rv == CKR_OK && durable) {
        if (next >= 0)
            j->entry_synced = false;
        rv = sync_all(j);
        if (rv != CKR_OK && cut(j) != CKR_OK)
            rv = fail_in(CKR_DEVICE_ERROR, "after a failed sync");
    }
    if (rv != CKR_OK) {
        if (next >= 0)
            (void)close(next);
        return rv;
    }
    j->tail += (off_t)total;
    j->count += (unsigned)count;
    /* A failure here is no failure of these records: the next refresh opens the next bundle. */
    if (next >= 0)
        (void)use(j, j->bundle + 1, next);
    return CKR_OK;
}

/* Behind a bundle that is not full nothing may stand: records of an empty-looking journal would be
 * lost silently. */
static CK_RV check_nothing_behind(const struct journal *j)
{
    char name[PATH_LOG_MAX];
    struct stat st;

    path_journal(j->bundle + 1, name);
    if (fstatat(j->folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
        return refuse(j, "lost records: later ones are still there");
    return CKR_OK;
}

static CK_RV find_end(struct journal *j, uint64_t signed_size)
{
    CK_RV rv = open_at(j, signed_size / BUNDLE_RECORDS);

    if (rv == CKR_OK)
        rv = journal_refresh(j);
    if (rv == CKR_OK && journal_size(j) < signed_size)
        return fail(CKR_DEVICE_ERROR,
                    "the log holds %" PRIu64 " records, its checkpoint signed %" PRIu64
                    ": records were cut off, restore the log from a copy",
                    journal_size(j), signed_size);
    return rv == CKR_OK ? check_nothing_behind(j) : rv;
}

CK_RV journal_open(struct journal *j, const char *dir, int folder, uint64_t signed_size,
                   int64_t deadline_ns)
{
    CK_RV rv = CKR_OK;

    *j = (struct journal){.dir = dir,
                          .folder = folder,
                          .fd = -1,
                          .file_max = strlen(dir) + 1 + PATH_LOG_MAX,
                          .synced = signed_size / BUNDLE_RECORDS,
                          .scratch = BUF_INIT(SCAN_CHUNK)};
    j->lock = file_open(folder, PATH_LOCK, O_RDWR);
    j->file = malloc(j->file_max);
    if (j->lock < 0 || fstat(j->lock, &j->lock_id) != 0)
        rv = fail_errno("open the log's", PATH_LOCK);
    else if (j->file == NULL)
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = journal_lock(j, deadline_ns);
    if (rv == CKR_OK) {
        rv = find_end(j, signed_size);
        journal_unlock(j);
    }
    if (rv != CKR_OK)
        journal_release(j);
    return rv;
}

void journal_release(struct journal *j)
{
    if (j->fd >= 0)
        (void)close(j->fd);
    if (j->lock >= 0)
        (void)close(j->lock);
    j->fd = -1;
    j->lock = -1;
    free(j->file);
    j->file = NULL;
    buf_release(&j->scratch);
}
