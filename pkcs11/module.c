/*
 * The module: C_Initialize and C_Finalize, and the one global.
 *
 * States of the global: no app; an app of this process; an app of the parent (we are a child that
 * forked). Only C_Initialize and C_Finalize move between them, under `changing`. Other calls hold
 * the app by `users`: C_Finalize first takes the app away, then waits until the calls in flight
 * have left (each is bounded by the HSM's deadline), then frees it.
 */
#include "pkcs11/module.h"

#include "base/heap.h"
#include "pkcs11/call.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef KEYWARD_LIBEXECDIR
#error "the build defines where keyward-hsm is installed"
#endif

#define OWN_PAGE 4096

static struct module {
    _Atomic(struct app *) app;
    /* Calls in flight; the upper half is the process they run in: what the parent's threads had in
     * flight at a fork does not count in the child, where they do not exist. */
    atomic_uint_least64_t users;
    _Atomic(pid_t) changing; /* the process that is at it, 0: none */
    bool knows_fork;         /* the handlers are in place; guarded by changing */
    atomic_bool knows_pid;   /* the kernel empties own_page in a child */
    union {
        _Atomic(pid_t) pid; /* this process, 0: not asked yet */
        char whole[OWN_PAGE];
    } own_page __attribute__((aligned(OWN_PAGE)));
} module;

/* getpid() is a system call, and needed twice in a signature. The page is empty in a child however
 * it was made, also by a host that goes past fork() and its handlers. */
static pid_t own_pid(void)
{
    pid_t pid = 0;

    if (!atomic_load_explicit(&module.knows_pid, memory_order_relaxed))
        return getpid();
    pid = atomic_load_explicit(&module.own_page.pid, memory_order_relaxed);
    if (pid == 0) {
        pid = getpid();
        atomic_store_explicit(&module.own_page.pid, pid, memory_order_relaxed);
    }
    return pid;
}

/* Not before Linux 4.14, nor where pages are larger: then the kernel is asked every time. */
static void know_pid(void)
{
    if (sysconf(_SC_PAGESIZE) == OWN_PAGE &&
        madvise(&module.own_page, OWN_PAGE, MADV_WIPEONFORK) == 0)
        atomic_store(&module.knows_pid, true);
}

#define USERS_MASK UINT64_C(0xffffffff)

static void users_enter(pid_t self)
{
    uint64_t own = (uint64_t)(uint32_t)self << 32;
    uint64_t seen = atomic_load(&module.users);
    uint64_t next;

    do
        next = ((seen & ~USERS_MASK) == own ? seen : own) + 1;
    while (!atomic_compare_exchange_weak(&module.users, &seen, next));
}

CK_RV module_acquire(struct app **ret)
{
    pid_t self = own_pid();
    struct app *app;

    users_enter(self);
    app = atomic_load(&module.app);
    if (app != NULL && app->pid == self) {
        *ret = app;
        return CKR_OK;
    }
    module_release();
    if (app != NULL)
        return fail(CKR_CRYPTOKI_NOT_INITIALIZED,
                    "this process forked after C_Initialize: call C_Initialize in the child");
    return fail(CKR_CRYPTOKI_NOT_INITIALIZED, "C_Initialize was not called");
}

void module_release(void)
{
    atomic_fetch_sub(&module.users, 1);
}

static void pause_briefly(void)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    (void)nanosleep(&ms, NULL);
}

/* A parent's thread that was at it when we were forked is not here to end it: its place is free. */
static void change_begin(void)
{
    pid_t self = getpid();
    pid_t holder = 0;

    while (!atomic_compare_exchange_strong(&module.changing, &holder, self)) {
        if (holder == self) {
            pause_briefly();
            holder = 0;
        }
    }
}

static void change_end(void)
{
    atomic_store(&module.changing, 0);
}

/* ---- fork ---- */

/* The app whose engine this thread has stopped, from before its fork until after. */
static _Thread_local struct app *still;

/* A thread that forks waits until the store is at rest: see store_stand_still(). */
static void before_fork(void)
{
    struct app *app = NULL;

    if (module_acquire(&app) != CKR_OK)
        return;
    if (app->engine != NULL)
        engine_stand_still(app->engine);
    still = app;
}

static void after_fork_in_parent(void)
{
    struct app *app = TAKE(still);

    if (app == NULL)
        return;
    if (app->engine != NULL)
        engine_go_on(app->engine);
    module_release();
}

/* The parent's calls do not count here, and a handler of the host's that ran before us may have
 * called C_Initialize: then the parent's app is given up already. */
static void after_fork_in_child(void)
{
    struct app *app = TAKE(still);

    if (app != NULL && atomic_load(&module.app) == app && app->pid != getpid() &&
        app->engine != NULL)
        engine_go_on(app->engine);
}

/* Once: they go with the library when it is unloaded. */
static CK_RV know_fork(void)
{
    if (!module.knows_fork &&
        pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) != 0)
        return fail_memory();
    module.knows_fork = true;
    return CKR_OK;
}

/* ---- where keyward-hsm is ---- */

char *module_worker_path(void)
{
    Dl_info info;
    const char *slash;
    char *path = NULL;

    if (dladdr((void *)&module, &info) != 0 && info.dli_fname != NULL) {
        slash = strrchr(info.dli_fname, '/');
        if (slash != NULL)
            path = text_format("%.*s/../hsm/keyward-hsm", (int)(slash - info.dli_fname),
                               info.dli_fname);
        if (path != NULL && access(path, X_OK) == 0)
            return path;
        free(path);
    }
    path = text_copy(KEYWARD_LIBEXECDIR "/keyward-hsm");
    if (path != NULL && access(path, X_OK) == 0)
        return path;
    free(path);
    return NULL;
}

/* ---- C_Initialize, C_Finalize ---- */

/* 2.40, 5.4 (C_Initialize): which locking the application wants. We need the system's own. */
static CK_RV check_arguments(const CK_C_INITIALIZE_ARGS *args)
{
    int callbacks;

    if (args == NULL)
        return CKR_OK;
    if (args->pReserved != NULL)
        return fail_argument("pReserved");
    callbacks = (args->CreateMutex != NULL) + (args->DestroyMutex != NULL) +
                (args->LockMutex != NULL) + (args->UnlockMutex != NULL);
    if (callbacks != 0 && callbacks != 4)
        return fail(CKR_ARGUMENTS_BAD, "some mutex callbacks are given and some are not");
    if (callbacks == 4 && (args->flags & CKF_OS_LOCKING_OK) == 0)
        return fail(CKR_CANT_LOCK,
                    "keyward locks with the system's own locks: set CKF_OS_LOCKING_OK");
    return CKR_OK;
}

/* True when a home is set up at the path: without keyward.conf there is none, and that is no error.
 */
static bool home_is_there(const char *home)
{
    struct home_paths paths;
    bool there;

    if (home_paths_make(home, &paths) != CKR_OK)
        return false;
    there = access(paths.config, F_OK) == 0;
    home_paths_release(&paths);
    return there;
}

static CK_RV initialize(void)
{
    SCOPED_FREE char *home = NULL;
    SCOPED_FREE char *worker = NULL;
    struct app *old = atomic_load(&module.app);
    struct app *app = NULL;
    CK_RV rv;

    if (old != NULL && old->pid == getpid())
        return fail(CKR_CRYPTOKI_ALREADY_INITIALIZED, "C_Initialize was called before");
    if (secure_getenv("KEYWARD_SERVER") != NULL)
        return fail(
            CKR_GENERAL_ERROR,
            "KEYWARD_SERVER is set, but this version has no served mode: unset it to use the "
            "vault home in-process");
    home = home_find();
    worker = module_worker_path();
    rv = app_new(home != NULL && home_is_there(home) ? home : NULL, worker, &app);
    if (rv != CKR_OK)
        return rv == CKR_HOST_MEMORY ? rv : CKR_GENERAL_ERROR;
    if (old != NULL) {
        /* We are a child: what the parent had open is its own. */
        app_abandon(old);
    }
    atomic_store(&module.app, app);
    return CKR_OK;
}

CK_RV C_Initialize(CK_VOID_PTR args)
{
    CK_RV rv = check_arguments(args);

    if (rv != CKR_OK)
        return rv;
    change_begin();
    know_pid();
    rv = know_fork();
    if (rv == CKR_OK)
        rv = initialize();
    change_end();
    return rv;
}

CK_RV C_Finalize(CK_VOID_PTR reserved)
{
    struct app *app = NULL;
    CK_RV rv;

    if (reserved != NULL)
        return fail_argument("pReserved");
    change_begin();
    rv = module_acquire(&app);
    if (rv == CKR_OK) {
        atomic_store(&module.app, NULL);
        module_release();
        while ((atomic_load(&module.users) & USERS_MASK) > 0)
            pause_briefly();
        app_free(app);
    }
    change_end();
    return rv;
}
