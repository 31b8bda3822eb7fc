/*
 * One application instance: see app.h.
 *
 * A session is in the table from open to close. A call holds it by a reference and its lock; a
 * close during a call marks it closed, and the last reference ends it, so a session is never freed
 * under a call.
 */
#include "pkcs11/app.h"

#include "base/heap.h"
#include "pkcs11/gate.h"
#include "pkcs11/handles.h"
#include "pkcs11/message.h"
#include "pkcs11/operation.h"
#include "pkcs11/saved_state.h"
#include "pkcs11/search.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- who we are ---- */

static char *name_of_uid(uid_t uid)
{
    char buf[4096];
    struct passwd pw;
    struct passwd *found = NULL;

    if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found != NULL)
        return text_copy(pw.pw_name);
    return text_format("%lu", (unsigned long)uid);
}

static char *name_of_gid(gid_t gid)
{
    char buf[16384];
    struct group gr;
    struct group *found = NULL;

    if (getgrgid_r(gid, &gr, buf, sizeof(buf), &found) == 0 && found != NULL)
        return text_copy(gr.gr_name);
    return text_format("%lu", (unsigned long)gid);
}

static CK_RV read_groups(struct app *app)
{
    gid_t gids[APP_GROUPS_MAX];
    int n = getgroups(APP_GROUPS_MAX - 1, gids);

    /* More groups than we keep: none is the safe reading, a permit by group then does not hold. */
    if (n < 0)
        n = 0;
    gids[n++] = getegid();
    for (int i = 0; i < n; i++) {
        bool again = false;

        for (int j = 0; j < i; j++)
            again = again || gids[j] == gids[i];
        if (again)
            continue;
        app->unix_groups[app->unix_group_count] = name_of_gid(gids[i]);
        if (app->unix_groups[app->unix_group_count] == NULL)
            return fail_memory();
        app->unix_group_count++;
    }
    return CKR_OK;
}

static char *read_exe(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (n < 0)
        return text_copy("");
    path[n] = '\0';
    return text_copy(path);
}

static CK_RV identify(struct app *app)
{
    uint8_t random[APP_ID_LEN / 2];
    CK_RV rv = local_random(engine_local(app->engine), random, sizeof(random));

    local_thread_leaves(engine_local(app->engine));
    if (rv != CKR_OK)
        return rv;
    bytes_to_hex(BYTES(random, sizeof(random)), app->id);
    app->uid = geteuid();
    app->exe = read_exe();
    app->unix_name = name_of_uid(app->uid);
    if (app->exe == NULL || app->unix_name == NULL)
        return fail_memory();
    return read_groups(app);
}

CK_RV app_new(const char *home, const char *worker, struct app **ret)
{
    struct app *app = calloc(1, sizeof(*app));
    CK_RV rv = CKR_OK;

    if (app == NULL)
        return fail_memory();
    (void)pthread_mutex_init(&app->lock, NULL);
    app->pid = getpid();
    app->next_session = 1;
    app->handles = handles_new();
    if (app->handles == NULL)
        rv = fail_memory();
    if (rv == CKR_OK && home != NULL)
        rv = engine_new(home, worker, &clock_system, &app->engine);
    if (rv == CKR_OK && home != NULL)
        rv = identify(app);
    if (rv != CKR_OK) {
        app_free(app);
        return rv;
    }
    *ret = app;
    return CKR_OK;
}

static void session_free(struct session *session)
{
    for (int i = 0; i < OPERATION_KINDS; i++) {
        operation_free(session->operations[i]);
        message_free(session->messages[i]);
    }
    search_free(session->search);
    gate_memory_free(session->memory);
    bytes_wipe(&session->vault, sizeof(session->vault)); /* with the key of its digests */
    (void)pthread_mutex_destroy(&session->lock);
    free(session);
}

void app_free(struct app *app)
{
    if (app == NULL)
        return;
    while (app->session_count > 0)
        fail_unheeded(app_session_close(app, app->sessions[0]->handle));
    saved_states_free(app);
    handles_free(app->handles);
    engine_free(app->engine);
    for (size_t i = 0; i < app->unix_group_count; i++)
        free(app->unix_groups[i]);
    free(app->unix_name);
    free(app->exe);
    free(app->sessions);
    free(app->logins);
    (void)pthread_mutex_destroy(&app->lock);
    free(app);
}

void app_abandon(struct app *app)
{
    /* Only the descriptors are let go. The parent's threads may have held any lock at the fork, so
     * nothing here takes one: the memory is left as it lies, once per fork. */
    if (app != NULL)
        engine_abandon(app->engine);
}

/* ---- sessions ---- */

/* With app->lock held: the index of a handle, or session_count. Sorted by handle, since handles
 * only grow. */
static size_t session_index(const struct app *app, CK_SESSION_HANDLE handle)
{
    size_t lo = 0;
    size_t hi = app->session_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (app->sessions[mid]->handle < handle)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < app->session_count && app->sessions[lo]->handle == handle)
        return lo;
    return app->session_count;
}

/* With app->lock held. */
static CK_RV make_room(struct app *app)
{
    size_t cap = app->session_cap > 0 ? app->session_cap * 2 : 16;
    struct session **sessions;

    if (app->session_count >= APP_SESSIONS_MAX)
        return fail(CKR_SESSION_COUNT, "%u sessions are open in this application: close some",
                    APP_SESSIONS_MAX);
    if (app->session_count < app->session_cap)
        return CKR_OK;
    sessions = realloc(app->sessions, cap * sizeof(struct session *));
    if (sessions == NULL)
        return fail_memory();
    app->sessions = sessions;
    app->session_cap = cap;
    return CKR_OK;
}

CK_RV app_session_open(struct app *app, CK_SLOT_ID slot, CK_FLAGS flags, CK_SESSION_HANDLE *ret)
{
    struct session *session = calloc(1, sizeof(*session));
    CK_RV rv;

    if (session == NULL)
        return fail_memory();
    (void)pthread_mutex_init(&session->lock, NULL);
    session->slot = slot;
    session->flags = flags;
    atomic_init(&session->refs, 1);
    (void)pthread_mutex_lock(&app->lock);
    rv = make_room(app);
    if (rv == CKR_OK) {
        session->handle = app->next_session++;
        app->sessions[app->session_count++] = session;
        *ret = session->handle;
    }
    (void)pthread_mutex_unlock(&app->lock);
    if (rv != CKR_OK)
        session_free(session);
    return rv;
}

/* Gives a reference back; the last one ends the session. */
static void session_unref(struct session *session)
{
    if (atomic_fetch_sub(&session->refs, 1) == 1)
        session_free(session);
}

CK_RV app_session_enter(struct app *app, CK_SESSION_HANDLE handle, struct session **ret)
{
    struct session *session = NULL;
    size_t i;

    (void)pthread_mutex_lock(&app->lock);
    i = session_index(app, handle);
    if (i < app->session_count) {
        session = app->sessions[i];
        atomic_fetch_add(&session->refs, 1);
    }
    (void)pthread_mutex_unlock(&app->lock);
    if (session == NULL)
        return fail(CKR_SESSION_HANDLE_INVALID, "there is no session %lu", handle);
    (void)pthread_mutex_lock(&session->lock);
    /* It may have been closed while this call waited for the one before. */
    if (atomic_load(&session->closed)) {
        app_session_leave(session);
        return fail(CKR_SESSION_HANDLE_INVALID, "session %lu was closed", handle);
    }
    *ret = session;
    return CKR_OK;
}

void app_session_leave(struct session *session)
{
    (void)pthread_mutex_unlock(&session->lock);
    session_unref(session);
}

/* With app->lock held: takes it out of the table; the table's reference becomes the caller's. */
static struct session *session_take(struct app *app, size_t i)
{
    struct session *session = app->sessions[i];

    atomic_store(&session->closed, true);
    app->session_count--;
    memmove(&app->sessions[i], &app->sessions[i + 1],
            (app->session_count - i) * sizeof(struct session *));
    return session;
}

/* With app->lock held. */
static size_t count_locked(const struct app *app, CK_SLOT_ID slot, bool rw)
{
    size_t n = 0;

    for (size_t i = 0; i < app->session_count; i++)
        n += app->sessions[i]->slot == slot &&
             (!rw || (app->sessions[i]->flags & CKF_RW_SESSION) != 0);
    return n;
}

/* With app->lock held; NULL when nobody is logged in. */
static struct login *login_find(struct app *app, CK_SLOT_ID slot)
{
    for (size_t i = 0; i < app->login_count; i++)
        if (app->logins[i].slot == slot)
            return &app->logins[i];
    return NULL;
}

/* With app->lock held. NULL is fine. */
static void login_drop(struct app *app, struct login *login)
{
    if (login != NULL)
        *login = app->logins[--app->login_count];
}

CK_RV app_session_close(struct app *app, CK_SESSION_HANDLE handle)
{
    struct session *session = NULL;
    bool logged_out = false;
    size_t i;

    (void)pthread_mutex_lock(&app->lock);
    i = session_index(app, handle);
    if (i < app->session_count) {
        session = session_take(app, i);
        /* PKCS#11 2.40, 5.6: closing an application's last session with a token logs it out. */
        logged_out =
            count_locked(app, session->slot, false) == 0 && login_find(app, session->slot) != NULL;
        if (logged_out)
            login_drop(app, login_find(app, session->slot));
    }
    (void)pthread_mutex_unlock(&app->lock);
    if (session == NULL)
        return fail(CKR_SESSION_HANDLE_INVALID, "there is no session %lu", handle);
    handles_session_closed(app, handle);
    if (logged_out)
        handles_logged_out(app, session->slot);
    session_unref(session);
    return CKR_OK;
}

void app_session_close_all(struct app *app, CK_SLOT_ID slot)
{
    for (;;) {
        CK_SESSION_HANDLE handle = 0;

        (void)pthread_mutex_lock(&app->lock);
        for (size_t i = 0; i < app->session_count && handle == 0; i++)
            if (app->sessions[i]->slot == slot)
                handle = app->sessions[i]->handle;
        (void)pthread_mutex_unlock(&app->lock);
        if (handle == 0)
            return;
        fail_unheeded(app_session_close(app, handle)); /* another thread was faster */
    }
}

size_t app_session_count(struct app *app, CK_SLOT_ID slot, bool rw)
{
    size_t n;

    (void)pthread_mutex_lock(&app->lock);
    n = count_locked(app, slot, rw);
    (void)pthread_mutex_unlock(&app->lock);
    return n;
}

/* ---- logins ---- */

bool login_same(const struct login *a, const struct login *b)
{
    return a->kind == b->kind &&
           (a->kind == LOGIN_NONE || (strcmp(a->name, b->name) == 0 &&
                                      memcmp(a->identity, b->identity, sizeof(a->identity)) == 0));
}

void app_login_get(struct app *app, CK_SLOT_ID slot, struct login *ret)
{
    const struct login *login;

    (void)pthread_mutex_lock(&app->lock);
    login = login_find(app, slot);
    *ret = login != NULL ? *login : (struct login){.slot = slot, .kind = LOGIN_NONE};
    (void)pthread_mutex_unlock(&app->lock);
}

/* With app->lock held: a place for one more. */
static CK_RV login_room(struct app *app)
{
    struct login *logins = realloc(app->logins, (app->login_count + 1) * sizeof(*logins));

    if (logins == NULL)
        return fail_memory();
    app->logins = logins;
    return CKR_OK;
}

CK_RV app_login_begin(struct app *app, const struct session *session, const struct login *login)
{
    const struct login *there;
    CK_RV rv = CKR_OK;

    (void)pthread_mutex_lock(&app->lock);
    there = login_find(app, login->slot);
    if (there != NULL)
        rv = fail(there->kind == login->kind ? CKR_USER_ALREADY_LOGGED_IN
                                             : CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
                  "%s logged in at the same time", there->name);
    else if (session != NULL && atomic_load(&session->closed))
        rv = fail(CKR_SESSION_CLOSED, "the session was closed during the login");
    else
        rv = login_room(app);
    if (rv == CKR_OK)
        app->logins[app->login_count++] = *login;
    (void)pthread_mutex_unlock(&app->lock);
    return rv;
}

void app_login_clear(struct app *app, CK_SLOT_ID slot)
{
    (void)pthread_mutex_lock(&app->lock);
    login_drop(app, login_find(app, slot));
    (void)pthread_mutex_unlock(&app->lock);
}

/* With app->lock held; NULL when somebody else is logged in now, or nobody. */
static struct login *login_still(struct app *app, const struct login *login)
{
    struct login *now = login_find(app, login->slot);

    return now != NULL && now->kind == login->kind && strcmp(now->name, login->name) == 0 &&
                   memcmp(now->identity, login->identity, USER_IDENTITY_LEN) == 0
               ? now
               : NULL;
}

void app_login_checked(struct app *app, const struct login *login)
{
    struct login *now;

    (void)pthread_mutex_lock(&app->lock);
    now = login_still(app, login);
    if (now != NULL)
        now->checked = login->checked;
    (void)pthread_mutex_unlock(&app->lock);
}

void app_login_end(struct app *app, const struct login *login)
{
    (void)pthread_mutex_lock(&app->lock);
    login_drop(app, login_still(app, login));
    (void)pthread_mutex_unlock(&app->lock);
}

CK_STATE app_session_state(struct app *app, const struct session *session)
{
    bool rw = (session->flags & CKF_RW_SESSION) != 0;
    struct login login;

    app_login_get(app, session->slot, &login);
    if (login.kind == LOGIN_SO)
        return CKS_RW_SO_FUNCTIONS;
    if (login.kind != LOGIN_NONE)
        return rw ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
    return rw ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
}
