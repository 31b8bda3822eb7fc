/* Taking turns: see turn.h for how, why, and the invariants. */
#include "audit/turn.h"

#include "audit/files.h"
#include "audit/paths.h"
#include "audit/trail.h"
#include "base/bytes.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

enum {
    NAME_LEN = 16,
    LINE_LEN = 4 + 10 + 1 + 2 * NAME_LEN + 1, /* "shm ID NAME\n" */
    YIELDS = 4,
    PAUSE_MIN_NS = 20 * 1000,
    PAUSE_MAX_NS = 500 * 1000,
};

/* The shared piece. Its name is random and stands in 'lock' too: ids are used again. */
struct turn_shared {
    char name[2 * NAME_LEN + 1];
    _Atomic uint64_t turns; /* had by all */
    _Atomic int64_t newest; /* time of the newest record */
    pthread_mutex_t mutex;  /* guards: */
    struct turn_place place;
};

/* What 'lock' says. */
struct sign {
    int id;
    char name[2 * NAME_LEN + 1];
};

static int64_t deadline(void)
{
    return clock_monotonic(&clock_system) + (int64_t)TRAIL_DEADLINE_MS * 1000000;
}

/* Waits a little longer each time; false when the time is up. */
static bool pause_until(int64_t until, unsigned *tries)
{
    struct timespec pause = {.tv_nsec = PAUSE_MIN_NS};

    if (clock_monotonic(&clock_system) > until)
        return false;
    if (++*tries <= YIELDS) {
        (void)sched_yield();
        return true;
    }
    for (unsigned i = YIELDS; i < *tries && pause.tv_nsec < PAUSE_MAX_NS; i++)
        pause.tv_nsec *= 2;
    (void)nanosleep(&pause, NULL);
    return true;
}

/* flock() has no time limit of its own, and a signal for one would be the host's: so it is tried
 * until the deadline. *ret_taken is false when it came. */
static CK_RV lock_file(int fd, int how, int64_t until, bool *ret_taken)
{
    unsigned tries = 0;

    *ret_taken = true;
    while (flock(fd, how | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return fail_errno("lock", PATH_LOCK);
        *ret_taken = pause_until(until, &tries);
        if (!*ret_taken)
            return CKR_OK;
    }
    return CKR_OK;
}

static CK_RV fail_held(void)
{
    return fail(CKR_DEVICE_ERROR,
                "the log is held by another process for too long: is its disk slow? Where programs "
                "of several containers use one home they have to share the IPC namespace");
}

/* ---- the shared memory ---- */

static void detach(struct turn_shared *shared)
{
    if (shared != NULL)
        (void)shmdt(shared);
}

static bool read_sign(int fd, struct sign *ret)
{
    char line[LINE_LEN + 1];
    char *end = line;

    if (file_pread(fd, line, LINE_LEN, 0) != LINE_LEN || memcmp(line, "shm ", 4) != 0)
        return false;
    line[LINE_LEN] = '\0';
    ret->id = (int)strtol(line + 4, &end, 10);
    if (end != line + 4 + 10)
        return false;
    memcpy(ret->name, end + 1, sizeof(ret->name) - 1);
    ret->name[sizeof(ret->name) - 1] = '\0';
    return true;
}

static CK_RV write_sign(int fd, const struct sign *sign)
{
    char line[LINE_LEN + 1];

    (void)snprintf(line, sizeof(line), "shm %010d %s\n", sign->id, sign->name);
    /* Always the same length: on a full disk it still fits where the last one stood. */
    if (pwrite(fd, line, LINE_LEN, 0) != LINE_LEN)
        return fail_errno("write", PATH_LOCK);
    return CKR_OK;
}

static bool make_name(char ret[static 2 * NAME_LEN + 1])
{
    uint8_t random[NAME_LEN];

    if (getrandom(random, sizeof(random), 0) != NAME_LEN)
        return false;
    bytes_to_hex(BYTES(random, NAME_LEN), ret);
    return true;
}

/* NULL when the piece is gone, another one, or not for us to see. */
static struct turn_shared *attach(const struct sign *sign)
{
    struct shmid_ds about;
    struct turn_shared *shared;

    if (shmctl(sign->id, IPC_STAT, &about) != 0 || about.shm_segsz < sizeof(*shared))
        return NULL;
    shared = shmat(sign->id, NULL, 0);
    if ((intptr_t)shared == -1)
        return NULL;
    if (memcmp(shared->name, sign->name, sizeof(sign->name)) == 0)
        return shared;
    detach(shared);
    return NULL;
}

/* Whoever may use the lock file may use the memory. */
static bool admit_others(int id, const struct stat *lock)
{
    struct shmid_ds about;

    if (shmctl(id, IPC_STAT, &about) != 0)
        return false;
    about.shm_perm.gid = lock->st_gid;
    about.shm_perm.mode = lock->st_mode & 0666;
    return shmctl(id, IPC_SET, &about) == 0;
}

static bool init_mutex(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t how;
    bool good = pthread_mutexattr_init(&how) == 0;

    if (!good)
        return false;
    good = pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED) == 0 &&
           pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST) == 0 &&
           pthread_mutex_init(mutex, &how) == 0;
    (void)pthread_mutexattr_destroy(&how);
    return good;
}

/* A new piece, gone with the last that is attached to it; NULL where there is none to be had. */
static struct turn_shared *make(const struct stat *lock, struct sign *ret)
{
    struct turn_shared *shared;

    ret->id = shmget(IPC_PRIVATE, sizeof(*shared), IPC_CREAT | 0600);
    if (ret->id < 0)
        return NULL;
    shared = shmat(ret->id, NULL, 0);
    if ((intptr_t)shared == -1) {
        (void)shmctl(ret->id, IPC_RMID, NULL);
        return NULL;
    }
    if (admit_others(ret->id, lock) && init_mutex(&shared->mutex) && make_name(ret->name)) {
        memcpy(shared->name, ret->name, sizeof(ret->name));
        (void)shmctl(ret->id, IPC_RMID, NULL); /* attaching by id stays possible (Linux) */
        return shared;
    }
    (void)shmctl(ret->id, IPC_RMID, NULL);
    detach(shared);
    return NULL;
}

/* Whoever still writes under a lock file that was taken away finds out within the interval of
 * checks: it is waited for. */
static void let_strangers_notice(void)
{
    const struct timespec pause = {.tv_nsec = 2L * TRAIL_CHECK_US * 1000};

    (void)nanosleep(&pause, NULL);
}

/*
 * Joins those that share, or is the first of them. The shared flock() is held at the end where
 * t->shared was set, none where there is no memory to be shared.
 */
static CK_RV join(struct turn *t, int64_t until)
{
    struct turn_shared *made = NULL; /* kept attached until it is found by its sign */
    unsigned tries = 0;
    CK_RV rv = CKR_OK;

    while (rv == CKR_OK && t->shared == NULL) {
        struct sign sign;
        bool taken = false;

        rv = lock_file(t->lock, LOCK_SH, until, &taken);
        if (rv == CKR_OK && !taken)
            rv = fail_held();
        if (rv == CKR_OK && read_sign(t->lock, &sign))
            t->shared = attach(&sign);
        if (rv != CKR_OK || t->shared != NULL)
            break;
        /* Not atomic: others may come between, so all is looked at again. */
        if (flock(t->lock, LOCK_EX | LOCK_NB) != 0) {
            if (!pause_until(until, &tries))
                rv = fail_held();
            continue;
        }
        detach(made);
        made = make(&t->lock_id, &sign);
        if (made == NULL)
            break;
        let_strangers_notice();
        rv = write_sign(t->lock, &sign);
    }
    detach(made);
    if (t->shared == NULL)
        (void)flock(t->lock, LOCK_UN);
    return rv;
}

CK_RV turn_open(struct turn *t, int folder)
{
    CK_RV rv = CKR_OK;

    *t = (struct turn){.lock = file_open(folder, PATH_LOCK, O_RDWR)};
    (void)pthread_mutex_init(&t->alone, NULL);
    if (t->lock < 0 || fstat(t->lock, &t->lock_id) != 0)
        rv = fail_errno("open the log's", PATH_LOCK);
    if (rv == CKR_OK)
        rv = join(t, deadline());
    if (rv != CKR_OK)
        turn_close(t);
    return rv;
}

void turn_abandon(struct turn *t)
{
    detach(t->shared);
    t->shared = NULL;
    if (t->lock >= 0)
        (void)close(t->lock);
    t->lock = -1;
}

void turn_close(struct turn *t)
{
    turn_abandon(t);
    (void)pthread_mutex_destroy(&t->alone);
}

/* ---- turns ---- */

/* A mutex is not given in the order of asking, and with more threads than CPUs a waiter can miss
 * many turns: that is no reason to refuse. */
static int take_mutex(pthread_mutex_t *mutex, _Atomic uint64_t *turns)
{
    uint64_t before = 0;
    int error = pthread_mutex_trylock(mutex);

    for (unsigned waits = 0; error == EBUSY || (error == ETIMEDOUT && waits < TURN_WAITS &&
                                                atomic_load(turns) != before);
         waits++) {
        int64_t until = deadline();
        struct timespec ts = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};

        before = atomic_load(turns);
        error = pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &ts);
    }
    if (error == 0 || error == EOWNERDEAD)
        atomic_fetch_add(turns, 1);
    return error;
}

static CK_RV take_shared(struct turn_shared *shared)
{
    int error = take_mutex(&shared->mutex, &shared->turns);

    if (error == EOWNERDEAD) {
        (void)pthread_mutex_consistent(&shared->mutex);
        shared->place.known = false;
        error = 0;
    }
    return error == 0 ? CKR_OK : fail_held();
}

static CK_RV take_alone(struct turn *t)
{
    int64_t until = deadline();
    bool taken = false;
    CK_RV rv;

    if (take_mutex(&t->alone, &t->turns) != 0)
        return fail_held();
    rv = lock_file(t->lock, LOCK_EX, until, &taken);
    if (rv == CKR_OK && !taken)
        rv = fail_held();
    if (rv != CKR_OK)
        (void)pthread_mutex_unlock(&t->alone);
    t->place.known = false; /* others may have had a turn */
    return rv;
}

CK_RV turn_take(struct turn *t)
{
    return t->shared != NULL ? take_shared(t->shared) : take_alone(t);
}

void turn_give(struct turn *t)
{
    int saved = errno;

    if (t->shared != NULL) {
        (void)pthread_mutex_unlock(&t->shared->mutex);
    } else {
        (void)flock(t->lock, LOCK_UN);
        (void)pthread_mutex_unlock(&t->alone);
    }
    errno = saved;
}

struct turn_place *turn_place(struct turn *t)
{
    return t->shared != NULL ? &t->shared->place : &t->place;
}

_Atomic int64_t *turn_newest(struct turn *t)
{
    return t->shared != NULL ? &t->shared->newest : &t->newest;
}

CK_RV turn_check(const struct turn *t, int folder)
{
    struct stat st;
    bool there = fstatat(folder, PATH_LOCK, &st, AT_SYMLINK_NOFOLLOW) == 0;

    if (!there && errno != ENOENT)
        return fail_errno("look at", PATH_LOCK);
    if (!there)
        return fail(CKR_DEVICE_ERROR, "the file 'lock' of the log was deleted: stop all programs "
                                      "that use this log, then put the file back");
    if (!file_same(&st, &t->lock_id))
        return fail(CKR_DEVICE_ERROR, "the file 'lock' of the log was replaced: stop all programs "
                                      "that use this log, then start them again");
    return CKR_OK;
}
