/* Appending to the journal: see journal.h for the invariants. */
#include "audit/journal.h"

#include "audit/bundle.h"
#include "audit/files.h"
#include "audit/paths.h"
#include "audit/trail.h"
#include "base/clock.h"
#include "base/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCAN_CHUNK = 128 * 1024 }; /* several of the longest records */

uint64_t journal_size(const struct journal *j)
{
    return j->bundle * BUNDLE_RECORDS + j->count;
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
    path_journal(bundle, name);
    (void)snprintf(j->file, j->file_max, "%s/%s", j->dir, name);
    return CKR_OK;
}

int journal_open_bundle(int folder, uint64_t n)
{
    char name[PATH_LOG_MAX];
    int fd;

    path_journal(n, name);
    fd = file_open(folder, name, O_RDWR | O_APPEND);
    if (fd >= 0 || errno != ENOENT)
        return fd;
    path_entries(n, BUNDLE_RECORDS, name);
    return file_open(folder, name, O_RDWR | O_APPEND);
}

static CK_RV open_at(struct journal *j, uint64_t bundle)
{
    int fd = journal_open_bundle(j->folder, bundle);

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
        (void)bundle_time(json, &j->scanned);
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

/* Holds what is known against the files, and goes on to their end. */
static CK_RV refresh(struct journal *j)
{
    CK_RV rv = turn_check(&j->turn, j->folder);

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

/* ---- turns ---- */

static void leave_word(struct journal *j, int64_t checked)
{
    *turn_place(&j->turn) = (struct turn_place){.known = true,
                                                .bundle = j->bundle,
                                                .tail = j->tail,
                                                .count = j->count,
                                                .device = j->id.st_dev,
                                                .inode = j->id.st_ino,
                                                .checked = checked};
}

/* The time of the last record scanned is the newest, for every process; not while there are others
 * behind it to be scanned. */
static void tell_newest(struct journal *j)
{
    if (j->scanned != 0)
        atomic_store(turn_newest(&j->turn), j->scanned);
    j->scanned = 0;
}

/* Goes to where the last one stopped. */
static CK_RV follow(struct journal *j, const struct turn_place *place)
{
    CK_RV rv = j->bundle != place->bundle ? open_at(j, place->bundle) : CKR_OK;

    if (rv != CKR_OK)
        return rv;
    if (j->id.st_dev != place->device || j->id.st_ino != place->inode)
        return refuse(j, "was replaced");
    j->tail = place->tail;
    j->count = place->count;
    return CKR_OK;
}

static CK_RV catch_up(struct journal *j)
{
    const struct turn_place *place = turn_place(&j->turn);
    int64_t now = clock_monotonic(&clock_system);
    CK_RV rv = place->known ? follow(j, place) : CKR_OK;

    if (rv != CKR_OK)
        return rv;
    if (place->known && now >= place->checked &&
        now - place->checked < (int64_t)TRAIL_CHECK_US * 1000)
        return CKR_OK;
    rv = refresh(j);
    if (rv == CKR_OK) {
        leave_word(j, now);
        tell_newest(j);
    }
    return rv;
}

CK_RV journal_enter(struct journal *j)
{
    CK_RV rv = turn_take(&j->turn);

    if (rv != CKR_OK)
        return rv;
    rv = catch_up(j);
    if (rv != CKR_OK)
        turn_give(&j->turn);
    return rv;
}

void journal_leave(struct journal *j)
{
    turn_give(&j->turn);
}

/* ---- writing ---- */

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
    fd = file_open(j->folder, name, O_RDWR | O_APPEND | O_CREAT);
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

static CK_RV write_record(struct journal *j, struct bytes record)
{
    ssize_t n;
    CK_RV rv;

    do
        n = write(j->fd, record.data, record.len);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)record.len)
        return CKR_OK;
    if (n >= 0)
        errno = ENOSPC; /* short: the disk, or a limit on the file's size */
    rv = fail_writing("append to", j->file);
    turn_place(&j->turn)->known = false; /* whatever stands there: the next one cuts it off */
    if (n > 0 && cut(j) != CKR_OK)
        return fail_in(CKR_DEVICE_ERROR, "after a short write");
    return rv;
}

CK_RV journal_put(struct journal *j, struct bytes record)
{
    int64_t checked = turn_place(&j->turn)->checked;
    int next = -1;
    CK_RV rv = CKR_OK;

    if (j->count + 1 == BUNDLE_RECORDS)
        rv = prepare_next(j, &next);
    if (rv == CKR_OK)
        rv = write_record(j, record);
    if (rv != CKR_OK) {
        if (next >= 0)
            (void)close(next);
        return rv;
    }
    j->tail += (off_t)record.len;
    j->count++;
    /* A failure here is no failure of this record: whoever comes next opens the next bundle. */
    if (next >= 0 && use(j, j->bundle + 1, next) != CKR_OK)
        checked = 0;
    leave_word(j, checked);
    return CKR_OK;
}

/* ---- opening ---- */

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
        rv = refresh(j);
    if (rv == CKR_OK && journal_size(j) < signed_size)
        return fail(CKR_DEVICE_ERROR,
                    "the log holds %" PRIu64 " records, its checkpoint signed %" PRIu64
                    ": records were cut off, restore the log from a copy",
                    journal_size(j), signed_size);
    return rv == CKR_OK ? check_nothing_behind(j) : rv;
}

/* The newest record is the last of the bundle before, where the one being filled is empty. */
static CK_RV see_bundle_before(struct journal *j)
{
    struct buf bundle = BUF_INIT(BUNDLE_FILE_MAX);
    bool found = false;
    size_t at = 0;
    struct bytes json;
    CK_RV rv = CKR_OK;

    if (j->count > 0 || j->bundle == 0)
        return CKR_OK;
    rv = bundle_read(j->folder, j->bundle - 1, &bundle, &found);
    while (rv == CKR_OK && found && bundle_next(buf_bytes(&bundle), &at, &json) == BUNDLE_RECORD)
        (void)bundle_time(json, &j->scanned);
    buf_release(&bundle);
    return rv;
}

/* The files must end where those who write them say that they do. */
static CK_RV agree(struct journal *j)
{
    const struct turn_place *place = turn_place(&j->turn);

    if (place->known && (place->bundle != j->bundle || place->tail != j->tail ||
                         place->device != j->id.st_dev || place->inode != j->id.st_ino))
        return refuse(j, "does not end where it did");
    leave_word(j, clock_monotonic(&clock_system));
    return CKR_OK;
}

CK_RV journal_open(struct journal *j, const char *dir, int folder, uint64_t signed_size)
{
    CK_RV rv;

    *j = (struct journal){.dir = dir,
                          .folder = folder,
                          .fd = -1,
                          .file_max = strlen(dir) + 1 + PATH_LOG_MAX,
                          .scratch = BUF_INIT(SCAN_CHUNK)};
    j->file = malloc(j->file_max);
    rv = turn_open(&j->turn, folder);
    if (rv == CKR_OK && j->file == NULL)
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = turn_take(&j->turn);
    if (rv == CKR_OK) {
        rv = find_end(j, signed_size);
        if (rv == CKR_OK)
            rv = see_bundle_before(j);
        if (rv == CKR_OK)
            rv = agree(j);
        if (rv == CKR_OK)
            tell_newest(j);
        turn_give(&j->turn);
    }
    if (rv != CKR_OK)
        journal_release(j);
    return rv;
}

static void release_files(struct journal *j)
{
    if (j->fd >= 0)
        (void)close(j->fd);
    j->fd = -1;
    free(j->file);
    j->file = NULL;
    buf_release(&j->scratch);
}

void journal_release(struct journal *j)
{
    turn_close(&j->turn);
    release_files(j);
}

void journal_abandon(struct journal *j)
{
    turn_abandon(&j->turn);
    release_files(j);
}
