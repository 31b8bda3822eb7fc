/*
 * Creating and opening: see trail.h. Records are appended in append.c, checkpoints made in
 * checkpoint.c, the files of the journal kept in journal.c.
 */
#include "audit/trail_int.h"

#include "audit/bundle.h"
#include "audit/files.h"
#include "audit/paths.h"
#include "base/heap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { DEFAULT_INTERVAL_MS = 1000, DEFAULT_ANCHOR_S = 300 };

static CK_RV check_config(const struct trail_config *config)
{
    if (config == NULL || config->dir == NULL || config->dir[0] == '\0')
        return fail_argument("dir");
    if (config->origin == NULL)
        return fail_argument("origin");
    if (config->signer.sign == NULL || config->clock == NULL)
        return fail_argument("signer or clock");
    if (config->marks.put == NULL || config->marks.find == NULL || config->marks.drop == NULL)
        return fail_argument("marks");
    return CKR_OK;
}

/* A trail that holds what the configuration says, and no file. */
static CK_RV prepare(const struct trail_config *config, struct trail **ret)
{
    struct trail *t = calloc(1, sizeof(*t));
    unsigned interval = config->interval_ms;
    CK_RV rv;

    if (t == NULL)
        return fail_memory();
    t->folder = -1;
    t->build_lock = -1;
    t->journal.fd = -1;
    t->journal.turn.lock = -1;
    t->signer = config->signer;
    t->marks = config->marks;
    t->anchor_interval_s =
        config->anchor_interval_s > 0 ? config->anchor_interval_s : DEFAULT_ANCHOR_S;
    t->anchor_at_end = config->anchor_at_end;
    t->clock = config->clock;
    t->interval_ns = (int64_t)(interval > 0 ? interval : DEFAULT_INTERVAL_MS) * 1000000;
    t->bundle = BUF_INIT(BUNDLE_FILE_MAX);
    durable_init(&t->durable);
    (void)pthread_mutex_init(&t->building, NULL);
    (void)pthread_mutex_init(&t->telling, NULL);
    t->edge = malloc(sizeof(*t->edge));
    rv = t->edge != NULL ? hash_new(&t->hash) : fail_memory();
    if (rv == CKR_OK)
        rv = note_key_make(t->hash, config->origin, config->signer.public_key, &t->key);
    if (rv != CKR_OK) {
        trail_close(t);
        return rv;
    }
    *ret = t;
    return CKR_OK;
}

/* Opens the folder under a name that a later chdir() of the host does not change. */
static CK_RV open_folder(struct trail *t, const char *dir)
{
    CK_RV rv;

    t->dir = text_real_path(dir);
    if (t->dir == NULL)
        return fail_errno("find log folder", dir);
    rv = file_open_folder(t->dir, &t->folder);
    if (rv == CKR_OK && fstat(t->folder, &t->folder_id) != 0)
        rv = fail_errno("look at log folder", t->dir);
    return rv;
}

static CK_RV lock_builds(struct trail *t, int flags)
{
    t->build_lock = file_open(t->folder, PATH_BUILD_LOCK, O_RDWR | flags);
    if (t->build_lock < 0)
        return fail_errno("open the log's", PATH_BUILD_LOCK);
    return CKR_OK;
}

/* Refuses a folder that holds more than what a creation that was interrupted leaves. */
static CK_RV check_empty(struct trail *t)
{
    char first[PATH_LOG_MAX];
    struct stat st;

    path_journal(0, first);
    if (fstatat(t->folder, PATH_CHECKPOINT, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
        fstatat(t->folder, "tile", &st, AT_SYMLINK_NOFOLLOW) == 0 ||
        (fstatat(t->folder, first, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0))
        return fail(CKR_ACTION_PROHIBITED, "there is a log in %s already: it is never overwritten",
                    t->dir);
    return CKR_OK;
}

static CK_RV make_files(struct trail *t)
{
    struct checkpoint empty = {.size = 0};
    char first[PATH_LOG_MAX];
    CK_RV rv;
    int fd;

    path_journal(0, first);
    rv = file_make_parents(t->folder, first);
    for (int i = 0; rv == CKR_OK && i < 2; i++) {
        fd = file_open(t->folder, i == 0 ? PATH_LOCK : first, O_RDWR | O_CREAT);
        if (fd < 0)
            return fail_errno("make", i == 0 ? PATH_LOCK : first);
        (void)close(fd);
    }
    if (rv == CKR_OK)
        rv = file_sync(t->folder, PATH_JOURNAL);
    if (rv == CKR_OK)
        rv = hash_sha256(t->hash, BYTES_NONE, empty.root);
    if (rv == CKR_OK)
        rv = loss_start(t, &empty);
    /* Last: a folder without a checkpoint is no log yet. */
    return rv == CKR_OK ? checkpoint_store(t, &empty) : rv;
}

CK_RV trail_create(const struct trail_config *config)
{
    struct trail *t = NULL;
    CK_RV rv = check_config(config);

    if (rv == CKR_OK)
        rv = prepare(config, &t);
    if (rv != CKR_OK)
        return rv;
    if (mkdir(config->dir, 0770) != 0 && errno != EEXIST)
        rv = fail_errno("make log folder", config->dir);
    if (rv == CKR_OK)
        rv = open_folder(t, config->dir);
    if (rv == CKR_OK)
        rv = check_empty(t);
    if (rv == CKR_OK)
        rv = lock_builds(t, O_CREAT);
    if (rv == CKR_OK && flock(t->build_lock, LOCK_EX | LOCK_NB) != 0)
        rv = fail(CKR_ACTION_PROHIBITED, "another process is creating the log in %s", t->dir);
    if (rv == CKR_OK)
        rv = check_empty(t);
    if (rv == CKR_OK)
        rv = make_files(t);
    trail_close(t);
    return rv;
}

static CK_RV open_log(struct trail *t, const char *dir)
{
    struct checkpoint c;
    CK_RV rv = open_folder(t, dir);

    if (rv == CKR_OK)
        rv = lock_builds(t, 0);
    if (rv == CKR_OK)
        rv = checkpoint_load(t, &c);
    if (rv == CKR_OK)
        rv = checkpoint_load_edge(t, &c);
    if (rv == CKR_OK)
        rv = journal_open(&t->journal, t->dir, t->folder, c.size);
    if (rv == CKR_OK)
        rv = checkpoint_check_bundle(t, &c);
    if (rv != CKR_OK)
        return rv;
    durable_start(&t->durable, t->folder, c.size);
    atomic_store(&t->size, journal_size(&t->journal));
    atomic_store(&t->signed_size, c.size);
    atomic_store(&t->attempted, clock_monotonic(t->clock));
    return loss_look(t);
}

CK_RV trail_open(const struct trail_config *config, struct trail **ret)
{
    struct trail *t = NULL;
    CK_RV rv = check_config(config);

    if (rv == CKR_OK && ret == NULL)
        rv = fail_argument("ret");
    if (rv == CKR_OK)
        rv = prepare(config, &t);
    if (rv == CKR_OK)
        rv = open_log(t, config->dir);
    if (rv != CKR_OK) {
        trail_close(t);
        return rv;
    }
    *ret = t;
    return CKR_OK;
}

static void release(struct trail *t)
{
    if (t->build_lock >= 0)
        (void)close(t->build_lock);
    if (t->folder >= 0)
        (void)close(t->folder);
    hash_free(t->hash);
    buf_release(&t->bundle);
    free(t->edge);
    free(t->dir);
    free(t);
}

void trail_abandon(struct trail *t)
{
    if (t == NULL)
        return;
    journal_abandon(&t->journal);
    durable_abandon(&t->durable);
    release(t);
}

void trail_close(struct trail *t)
{
    if (t == NULL)
        return;
    journal_release(&t->journal);
    durable_release(&t->durable);
    (void)pthread_mutex_destroy(&t->building);
    (void)pthread_mutex_destroy(&t->telling);
    release(t);
}

bool trail_checkpoint_due(struct trail *t)
{
    return atomic_load(&t->size) > atomic_load(&t->signed_size) &&
           clock_monotonic(t->clock) - atomic_load(&t->attempted) >= t->interval_ns;
}

CK_RV trail_status(struct trail *t, struct trail_status *ret)
{
    struct checkpoint c;
    CK_RV rv;

    (void)pthread_mutex_lock(&t->building);
    rv = checkpoint_load(t, &c);
    (void)pthread_mutex_unlock(&t->building);
    if (rv == CKR_OK)
        rv = journal_enter(&t->journal);
    if (rv != CKR_OK)
        return rv;
    ret->size = journal_size(&t->journal);
    journal_leave(&t->journal);
    ret->signed_size = c.size;
    (void)pthread_mutex_lock(&t->telling);
    memcpy(ret->last_error, t->last_error, sizeof(ret->last_error));
    (void)pthread_mutex_unlock(&t->telling);
    return CKR_OK;
}
