/*
 * Object handles: see handles.h. A table that only grows, and an open-addressing index from (slot,
 * id) to row. Rows of destroyed session objects stay, empty: a stale handle must never come to mean
 * another object.
 *
 * A handle is a row's number (from 1) and the era it was given in. A logout begins a new era in the
 * rows of private token objects, so that handles from before name nothing, and no login however
 * often it comes and goes makes the table grow.
 */
#include "pkcs11/handles.h"

#include "pkcs11/call.h"
#include "pkcs11/profile.h"

#include <string.h>

#define KEPT_MAX  1024U /* token objects kept as read: each may be a key in locked memory */
#define ERA_SHIFT 32

_Static_assert(sizeof(CK_OBJECT_HANDLE) == 8, "a handle holds a row's number and an era");

struct row {
    CK_SLOT_ID slot;
    uint32_t era;
    uint8_t id[OBJECT_ID_LEN];
    struct held *held;   /* session object; or a token object as read at generation; NULL: not read,
                            or destroyed */
    uint64_t generation; /* of the store when held was read */
    uint32_t next;       /* of a session object: the one made before it, row + 1; 0: none */
    bool session;
    bool is_private; /* a token object with CKA_PRIVATE */
};

struct handles {
    struct row *rows;
    size_t count, cap;
    uint32_t *index; /* row + 1, 0: free; a power of two, at most half full */
    size_t index_cap;
    uint32_t
        newest;  /* session objects, linked by row.next: they are looked through in every search */
    size_t kept; /* rows of token objects with held */
    size_t hand; /* the row that is looked at next when one must go */
};

struct handles *handles_new(void)
{
    return calloc(1, sizeof(struct handles));
}

void held_release(struct held *held)
{
    if (held == NULL || atomic_fetch_sub(&held->refs, 1) != 1)
        return;
    hsm_ready_free(atomic_load(&held->ready));
    object_release(&held->object);
    free(held);
}

static CK_RV make_ready(struct run *run, const struct held *held, struct hsm_ready **ret)
{
    const struct object *object = &held->object;

    if (object->material == NULL)
        return fail_internal("a software key is held with its material");
    return hsm_make_ready(run_device(run, object), &object->hsm_key, secret_bytes(object->material),
                          ret);
}

/* Two threads may both make it ready: the slower one's is dropped. */
CK_RV held_key(struct run *run, struct held *held, struct hsm_key *ret)
{
    struct hsm_ready *ready = atomic_load(&held->ready);
    struct hsm_ready *mine = NULL;
    CK_RV rv = CKR_OK;

    if (held->object.protection == PROTECTION_SOFTWARE && ready == NULL) {
        rv = make_ready(run, held, &mine);
        if (rv == CKR_OK && atomic_compare_exchange_strong(&held->ready, &ready, mine))
            ready = mine;
        else
            hsm_ready_free(mine);
    }
    if (rv != CKR_OK)
        return rv;
    *ret = held->object.hsm_key;
    ret->ready = ready;
    return CKR_OK;
}

void handles_free(struct handles *handles)
{
    if (handles == NULL)
        return;
    for (size_t i = 0; i < handles->count; i++)
        held_release(handles->rows[i].held);
    free(handles->rows);
    free(handles->index);
    free(handles);
}

static struct held *held_new(struct object *object, CK_SESSION_HANDLE session)
{
    struct held *held = calloc(1, sizeof(*held));

    if (held == NULL)
        return NULL;
    held->object = *object;
    *object = (struct object){0};
    atomic_init(&held->refs, 1);
    atomic_init(&held->ready, NULL);
    held->session = session;
    return held;
}

/* ids are random: their own bytes are hash enough. */
static size_t hash(CK_SLOT_ID slot, const uint8_t id[OBJECT_ID_LEN])
{
    uint64_t h;

    memcpy(&h, id, sizeof(h));
    return (size_t)(h ^ (uint64_t)slot * 0x9E3779B97F4A7C15ULL);
}

/* The index's place of (slot, id): where it is, or the free one where it belongs. */
static uint32_t *index_place(const struct handles *h, CK_SLOT_ID slot, const uint8_t *id)
{
    size_t mask = h->index_cap - 1;
    size_t at = hash(slot, id) & mask;

    for (;; at = (at + 1) & mask) {
        const struct row *row;

        if (h->index[at] == 0)
            return &h->index[at];
        row = &h->rows[h->index[at] - 1];
        if (row->slot == slot && memcmp(row->id, id, OBJECT_ID_LEN) == 0)
            return &h->index[at];
    }
}

static CK_RV grow_index(struct handles *h)
{
    size_t cap = h->index_cap > 0 ? h->index_cap * 2 : 64;
    uint32_t *index = calloc(cap, sizeof(*index));

    if (index == NULL)
        return fail_memory();
    free(h->index);
    h->index = index;
    h->index_cap = cap;
    for (size_t i = 0; i < h->count; i++)
        *index_place(h, h->rows[i].slot, h->rows[i].id) = (uint32_t)i + 1;
    return CKR_OK;
}

static CK_RV grow_rows(struct handles *h)
{
    size_t cap = h->cap > 0 ? h->cap * 2 : 32;
    struct row *rows;

    if (h->count >= HANDLES_MAX)
        return fail(CKR_HOST_MEMORY, "this application has used %u object handles: restart it",
                    HANDLES_MAX);
    rows = realloc(h->rows, cap * sizeof(*rows));
    if (rows == NULL)
        return fail_memory();
    h->rows = rows;
    h->cap = cap;
    return CKR_OK;
}

static CK_OBJECT_HANDLE handle_of(const struct handles *h, size_t row)
{
    return (CK_OBJECT_HANDLE)h->rows[row].era << ERA_SHIFT | (row + 1);
}

/* With app->lock held: the row, made when there is none. */
static CK_RV row_take(struct handles *h, CK_SLOT_ID slot, const uint8_t *id, bool session,
                      size_t *ret)
{
    uint32_t *place;
    CK_RV rv = CKR_OK;

    if (2 * (h->count + 1) > h->index_cap)
        rv = grow_index(h);
    if (rv == CKR_OK && h->count == h->cap)
        rv = grow_rows(h);
    if (rv != CKR_OK)
        return rv;
    place = index_place(h, slot, id);
    if (*place == 0) {
        h->rows[h->count] = (struct row){.slot = slot, .session = session};
        memcpy(h->rows[h->count].id, id, OBJECT_ID_LEN);
        *place = (uint32_t)++h->count;
    }
    *ret = *place - 1;
    return CKR_OK;
}

/* With app->lock held. */
static struct row *row_find(struct app *app, CK_OBJECT_HANDLE handle)
{
    CK_OBJECT_HANDLE number = handle & UINT32_MAX;

    if (number == 0 || number > app->handles->count ||
        handle != handle_of(app->handles, (size_t)number - 1))
        return NULL;
    return &app->handles->rows[number - 1];
}

CK_RV handles_token(struct app *app, CK_SLOT_ID slot, const uint8_t id[static OBJECT_ID_LEN],
                    bool is_private, CK_OBJECT_HANDLE *ret)
{
    size_t row = 0;
    CK_RV rv;

    (void)pthread_mutex_lock(&app->lock);
    rv = row_take(app->handles, slot, id, false, &row);
    if (rv == CKR_OK) {
        app->handles->rows[row].is_private = is_private;
        *ret = handle_of(app->handles, row);
    }
    (void)pthread_mutex_unlock(&app->lock);
    return rv;
}

/* With app->lock held. */
static void link_session(struct handles *h, struct row *row, struct held *held)
{
    row->held = held;
    row->next = h->newest;
    h->newest = (uint32_t)(row - h->rows) + 1;
}

/* With app->lock held: the session object at a link of the list, NULL at its end. Those destroyed
 * since the last walk leave the list on the way. */
static struct row *linked(struct handles *h, uint32_t *link)
{
    while (*link != 0) {
        struct row *row = &h->rows[*link - 1];

        if (row->held != NULL)
            return row;
        *link = row->next;
    }
    return NULL;
}

CK_RV handles_session(struct app *app, const struct session *session, struct object *object,
                      CK_OBJECT_HANDLE *ret)
{
    struct held *held = held_new(object, session->handle);
    size_t row = 0;
    CK_RV rv;

    if (held == NULL)
        return fail_memory();
    (void)pthread_mutex_lock(&app->lock);
    /* What ends with the session is past already: nobody would end this object. */
    if (atomic_load(&session->closed))
        rv = fail(CKR_SESSION_CLOSED, "the session was closed while the object was made");
    else
        rv = row_take(app->handles, session->slot, held->object.id, true, &row);
    if (rv == CKR_OK) {
        link_session(app->handles, &app->handles->rows[row], held);
        *ret = handle_of(app->handles, row);
    }
    (void)pthread_mutex_unlock(&app->lock);
    if (rv != CKR_OK)
        held_release(held);
    return rv;
}

static CK_RV fail_handle(void)
{
    return fail(CKR_OBJECT_HANDLE_INVALID, "%s", GATE_NO_OBJECT);
}

/* What the table knows of a handle: a session object or a token object still fresh (held), or the
 * id to read. */
static CK_RV look_up(struct run *run, CK_OBJECT_HANDLE handle, uint64_t generation,
                     uint8_t id[OBJECT_ID_LEN], struct held **ret)
{
    const struct row *row;
    CK_RV rv = CKR_OK;

    *ret = NULL;
    (void)pthread_mutex_lock(&run->app->lock);
    row = row_find(run->app, handle);
    if (row == NULL || row->slot != run->vault.slot || (row->session && row->held == NULL)) {
        rv = CKR_OBJECT_HANDLE_INVALID;
    } else if (row->session || (row->held != NULL && row->generation >= generation)) {
        *ret = row->held;
        atomic_fetch_add(&row->held->refs, 1);
    } else {
        memcpy(id, row->id, OBJECT_ID_LEN);
    }
    (void)pthread_mutex_unlock(&run->app->lock);
    return rv == CKR_OK ? CKR_OK : fail_handle();
}

/* With app->lock held. */
static void forget(struct handles *h, struct row *row)
{
    if (row->held != NULL)
        h->kept--;
    held_release(TAKE(row->held));
}

/* With app->lock held: what was read longest ago goes first, roughly. The row just read stays. */
static void evict(struct handles *h, const struct row *but)
{
    while (h->kept > KEPT_MAX) {
        struct row *row = &h->rows[h->hand];

        if (!row->session && row != but)
            forget(h, row);
        h->hand = (h->hand + 1) % h->count;
    }
}

/* With app->lock held. */
static void keep(struct handles *h, struct row *row, struct held *held)
{
    forget(h, row);
    row->held = held;
    atomic_fetch_add(&held->refs, 1);
    h->kept++;
    evict(h, row);
}

/*
 * Keeps a freshly read token object in the table; *held is exchanged for what is there where that
 * is the very same record, so that a software key stays ready whatever else is written in the
 * store.
 */
static void remember(struct run *run, CK_OBJECT_HANDLE handle, uint64_t generation,
                     struct held **held)
{
    struct row *row;

    (void)pthread_mutex_lock(&run->app->lock);
    row = row_find(run->app, handle);
    if (row != NULL && !row->session) {
        if (row->held != NULL && row->held->object.generation == (*held)->object.generation) {
            held_release(*held);
            *held = row->held;
            atomic_fetch_add(&row->held->refs, 1);
        } else {
            keep(run->app->handles, row, *held);
        }
        row->generation = generation;
    }
    (void)pthread_mutex_unlock(&run->app->lock);
}

CK_RV handles_get(struct run *run, CK_OBJECT_HANDLE handle, struct held **ret)
{
    uint8_t id[OBJECT_ID_LEN];
    struct object object = {0};
    struct held *held = NULL;
    uint64_t generation = 0;
    CK_RV rv = run_generation(run, &generation);

    if (rv == CKR_OK)
        rv = look_up(run, handle, generation, id, &held);
    if (rv != CKR_OK || held != NULL) {
        *ret = held;
        return rv;
    }
    rv = profile_has_id(id) ? profile_get(&run->vault, id, &object)
                            : object_get(run_store(run), &run->vault, id, &object);
    if (rv == CKR_OBJECT_HANDLE_INVALID || (rv == CKR_OK && object.state == OBJECT_DELETED)) {
        object_release(&object);
        return fail_handle();
    }
    if (rv != CKR_OK)
        return rv;
    held = held_new(&object, 0);
    if (held == NULL) {
        object_release(&object);
        return fail_memory();
    }
    remember(run, handle, generation, &held);
    *ret = held;
    return CKR_OK;
}

CK_RV handles_session_replace(struct app *app, CK_OBJECT_HANDLE handle, struct object *object)
{
    struct row *row;
    struct held *held = NULL;
    struct held *old = NULL;
    CK_RV rv = CKR_OK;

    (void)pthread_mutex_lock(&app->lock);
    row = row_find(app, handle);
    if (row == NULL || !row->session || row->held == NULL) {
        rv = CKR_OBJECT_HANDLE_INVALID;
    } else {
        held = held_new(object, row->held->session);
        if (held != NULL) {
            old = row->held;
            row->held = held;
        }
    }
    (void)pthread_mutex_unlock(&app->lock);
    held_release(old);
    if (rv != CKR_OK)
        return fail_handle();
    return held != NULL ? CKR_OK : fail_memory();
}

/* The HSM's half of a session key goes with the object; when the HSM is gone, so is the key. A
 * software key ends with the last reference. */
static void end_session_object(struct app *app, struct held *held)
{
    if (held == NULL)
        return;
    if (held->object.has_hsm_key)
        fail_unheeded(hsm_destroy(engine_device(app->engine, held->object.protection),
                                  &held->object.hsm_key));
    held_release(held);
}

void handles_session_remove(struct app *app, CK_OBJECT_HANDLE handle)
{
    struct row *row;
    struct held *held = NULL;

    (void)pthread_mutex_lock(&app->lock);
    row = row_find(app, handle);
    if (row != NULL && row->session)
        held = TAKE(row->held);
    (void)pthread_mutex_unlock(&app->lock);
    end_session_object(app, held);
}

/* Destroys the session objects that `ends` is true for, one at a time, so that the HSM is not asked
 * under the lock. */
static void end_those(struct app *app, bool (*ends)(const struct row *row, CK_ULONG what),
                      CK_ULONG what)
{
    struct held *held;

    do {
        struct row *row;
        uint32_t *link = &app->handles->newest;

        held = NULL;
        (void)pthread_mutex_lock(&app->lock);
        while ((row = linked(app->handles, link)) != NULL && !ends(row, what))
            link = &row->next;
        if (row != NULL)
            held = TAKE(row->held);
        (void)pthread_mutex_unlock(&app->lock);
        end_session_object(app, held);
    } while (held != NULL);
}

static bool is_of_session(const struct row *row, CK_ULONG session)
{
    return row->held->session == session;
}

static bool is_private_of_slot(const struct row *row, CK_ULONG slot)
{
    return row->slot == slot && attrs_true(&row->held->object.attrs, CKA_PRIVATE);
}

void handles_session_closed(struct app *app, CK_SESSION_HANDLE session)
{
    end_those(app, is_of_session, session);
}

void handles_logged_out(struct app *app, CK_SLOT_ID slot)
{
    end_those(app, is_private_of_slot, slot);
    (void)pthread_mutex_lock(&app->lock);
    for (size_t i = 0; i < app->handles->count; i++) {
        struct row *row = &app->handles->rows[i];

        if (row->is_private && row->slot == slot) {
            forget(app->handles, row);
            row->era++;
        }
    }
    (void)pthread_mutex_unlock(&app->lock);
}

/* A place is a row's number. Links only lead to older rows, those of a destroyed object's row too,
 * so whatever left the list meanwhile, every older one that is still there is reached. */
bool handles_each_session(struct app *app, CK_SLOT_ID slot, uint32_t *after,
                          bool (*each)(void *ctx, uint32_t place, CK_OBJECT_HANDLE handle,
                                       const struct object *object),
                          void *ctx)
{
    struct handles *h = app->handles;
    struct row *row;
    uint32_t *link;

    (void)pthread_mutex_lock(&app->lock);
    link = *after == 0 ? &h->newest : &h->rows[*after - 1].next;
    for (; (row = linked(h, link)) != NULL; link = &row->next) {
        size_t i = (size_t)(row - h->rows);

        *after = (uint32_t)i + 1;
        if (row->slot == slot && !each(ctx, *after, handle_of(h, i), &row->held->object))
            break;
    }
    (void)pthread_mutex_unlock(&app->lock);
    return row != NULL;
}
