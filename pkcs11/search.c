/* A search, page by page: see search_int.h. Neither the store nor the table of handles may be
 * called from its own callbacks: first what matches is collected, then the policy is asked about
 * each. */
#include "pkcs11/search_int.h"

#include "pkcs11/handles.h"
#include "pkcs11/profile.h"
#include "pkcs11/read.h"
#include "pkcs11/sought.h"

#define PAGE_MIN   16U        /* a search by name ends within its first page */
#define PAGE_MAX   256U       /* objects */
#define PAGE_BYTES (1U << 20) /* of their attributes; the last one may go beyond it */

enum stage { STAGE_PROFILES, STAGE_VAULT, STAGE_SESSION, STAGE_END };

/* Behind which object of a stage; 0: before the first. */
struct place {
    enum stage stage;
    int64_t after;
};

struct found {
    CK_OBJECT_HANDLE handle;
    struct place place;
};

struct search {
    struct sought sought;
    struct object_query query; /* borrows from sought */
    struct found page[PAGE_MAX];
    size_t count, next;  /* on the page; the next one to take */
    size_t limit;        /* of the next page: they grow with the appetite of the application */
    uint64_t generation; /* of the store, and who asked: of the page */
    struct login login;
    struct place read;  /* where the next page begins */
    struct place taken; /* where those taken end */
    struct place given; /* where those given out end */
};

void search_free(struct search *search)
{
    if (search == NULL)
        return;
    sought_release(&search->sought);
    free(search);
}

CK_RV search_new(const CK_ATTRIBUTE *template, CK_ULONG count, struct search **ret)
{
    struct search *search = calloc(1, sizeof(*search));
    CK_RV rv;

    if (search == NULL)
        return fail_memory();
    rv = sought_read(template, count, &search->sought);
    if (rv != CKR_OK) {
        free(search);
        return rv;
    }
    search->query = sought_query(&search->sought);
    search->limit = PAGE_MIN;
    *ret = search;
    return CKR_OK;
}

/* ---- what matches ---- */

struct match {
    struct object object;
    CK_OBJECT_HANDLE handle; /* of a session object; 0: token object */
    struct place place;
};

/* Matches on their way to a page. */
struct reader {
    const struct search *search;
    struct place place; /* read on from here */
    struct match *list;
    size_t count, limit, bytes;
    int64_t profiles; /* seen: those before the place are passed by */
    bool failed;      /* without memory */
};

static bool is_full(const struct reader *r)
{
    return r->count == r->limit || r->bytes >= PAGE_BYTES;
}

static void reader_release(struct reader *r)
{
    for (size_t i = 0; i < r->count; i++)
        object_release(&r->list[i].object);
    free(r->list);
}

/* Takes the object's contents. False: there is room for no more. */
static bool add(struct reader *r, struct place place, CK_OBJECT_HANDLE handle,
                struct object *object)
{
    r->list[r->count++] = (struct match){.object = *object, .handle = handle, .place = place};
    *object = (struct object){.attrs = ATTRS_INIT};
    for (size_t i = 0; i < r->list[r->count - 1].object.attrs.count; i++)
        r->bytes += r->list[r->count - 1].object.attrs.list[i].ulValueLen;
    return !is_full(r);
}

/* Without the key itself, which no search looks at. */
static bool add_copy(struct reader *r, struct place place, CK_OBJECT_HANDLE handle,
                     const struct object *object)
{
    struct object bare = *object;
    struct object copy;

    bare.material = NULL;
    if (object_copy(&copy, &bare) == CKR_OK)
        return add(r, place, handle, &copy);
    r->failed = true;
    return false;
}

static bool match_profile(void *ctx, const struct object *object)
{
    struct reader *r = ctx;

    if (++r->profiles <= r->place.after)
        return true;
    r->place.after = r->profiles;
    return !sought_matches(&r->search->sought, object) || add_copy(r, r->place, 0, object);
}

static bool match_vault(void *ctx, int64_t row, struct object *object)
{
    struct reader *r = ctx;
    const struct place place = {STAGE_VAULT, row};

    return !sought_matches(&r->search->sought, object) || add(r, place, 0, object);
}

static bool match_session(void *ctx, uint32_t row, CK_OBJECT_HANDLE handle,
                          const struct object *object)
{
    struct reader *r = ctx;
    const struct place place = {STAGE_SESSION, row};

    return !sought_matches(&r->search->sought, object) || add_copy(r, place, handle, object);
}

/* ---- stages ---- */

static void go_on_to(struct reader *r, enum stage stage)
{
    r->place = (struct place){.stage = stage};
}

/* There are few, and a page that begins with them has room for all. */
static CK_RV read_profiles(struct run *run, struct reader *r)
{
    CK_RV rv = CKR_OK;

    if (sought_among(&r->search->sought, true) && profile_may_match(&r->search->query))
        rv = profile_each(&run->vault, match_profile, r);
    go_on_to(r, STAGE_VAULT);
    return rv;
}

static CK_RV read_vault(struct run *run, struct reader *r)
{
    struct object_cursor cursor = {.after = r->place.after,
                                   .end = !sought_among(&r->search->sought, true)};
    CK_RV rv = CKR_OK;

    if (!cursor.end)
        rv = object_find_some(run_store(run), &run->vault, &r->search->query, r->search->generation,
                              &cursor, match_vault, r);
    r->place.after = cursor.after;
    if (cursor.end)
        go_on_to(r, STAGE_SESSION);
    return rv;
}

static CK_RV read_session(struct run *run, struct reader *r)
{
    uint32_t after = (uint32_t)r->place.after;
    bool more = sought_among(&r->search->sought, false) &&
                handles_each_session(run->app, run->vault.slot, &after, match_session, r);

    r->place.after = after;
    if (!more)
        go_on_to(r, STAGE_END);
    return CKR_OK;
}

static CK_RV (*const stages[])(struct run *run, struct reader *r) = {
    [STAGE_PROFILES] = read_profiles,
    [STAGE_VAULT] = read_vault,
    [STAGE_SESSION] = read_session,
};

static CK_RV read_matches(struct run *run, struct reader *r)
{
    CK_RV rv = CKR_OK;

    r->list = calloc(r->limit, sizeof(*r->list));
    if (r->list == NULL)
        return fail_memory();
    while (rv == CKR_OK && !r->failed && !is_full(r) && r->place.stage != STAGE_END)
        rv = stages[r->place.stage](run, r);
    return rv == CKR_OK && r->failed ? fail_memory() : rv;
}

/* ---- what may be seen ---- */

/* What may not be read is not found by either: a search would tell it, one guess at a time. */
static bool may_be_found(struct run *run, const struct search *search, const struct object *object)
{
    const struct attrs *attrs = &search->sought.attrs;

    if (!gate_visible(run, object))
        return false;
    if (attrs->count == 0 || !gate_hears_attributes(run))
        return true;
    for (size_t i = 0; i < attrs->count; i++)
        if (!read_may(run, object, attrs->list[i].type))
            return false;
    return true;
}

static CK_RV see(struct run *run, const struct match *match, struct search *search)
{
    struct found found = {.handle = match->handle, .place = match->place};
    const struct object *object = &match->object;
    CK_RV rv = CKR_OK;

    if (!profile_is(object) && !may_be_found(run, search, object))
        return CKR_OK;
    if (found.handle == 0)
        rv = handles_token(run->app, run->vault.slot, object->id,
                           attrs_true(&object->attrs, CKA_PRIVATE), &found.handle);
    if (rv == CKR_OK)
        search->page[search->count++] = found;
    return rv;
}

/* ---- the page ---- */

/* As if nothing behind this place had been read. */
static void rewind_to(struct search *search, struct place place)
{
    search->count = 0;
    search->next = 0;
    search->read = place;
    search->taken = place;
}

/* All that were on the page are taken. */
static CK_RV read_page(struct run *run, struct search *search, size_t want)
{
    struct reader r = {.search = search, .place = search->read, .limit = search->limit};
    CK_RV rv;

    if (r.limit < want)
        r.limit = want < PAGE_MAX ? want : PAGE_MAX;
    rv = read_matches(run, &r);
    rewind_to(search, search->taken);
    for (size_t i = 0; rv == CKR_OK && i < r.count; i++)
        rv = see(run, &r.list[i], search);
    reader_release(&r);
    if (rv != CKR_OK)
        return rv;
    search->read = r.place;
    if (search->limit < PAGE_MAX)
        search->limit *= 2;
    return CKR_OK;
}

/* Before anything is taken: does what waits on the page still hold? */
static CK_RV look_again(struct run *run, struct search *search)
{
    uint64_t generation = 0;
    struct login login;
    CK_RV rv = gate_login(run, &login);

    if (rv == CKR_OK)
        rv = run_generation(run, &generation);
    if (rv != CKR_OK)
        return rv;
    if (search->next < search->count &&
        (generation != search->generation || !login_same(&login, &search->login)))
        rewind_to(search, search->given);
    search->generation = generation;
    search->login = login;
    return CKR_OK;
}

static bool is_done(const struct search *search)
{
    return search->next == search->count && search->read.stage == STAGE_END;
}

CK_RV search_take(struct run *run, struct search *search, size_t max, struct buf *handles,
                  size_t *ret_read)
{
    size_t taken = 0;
    CK_RV rv = look_again(run, search);

    *ret_read = SEARCH_NOTHING_READ;
    while (rv == CKR_OK && taken < max && !is_done(search)) {
        if (search->next == search->count) {
            rv = read_page(run, search, max - taken);
            *ret_read = (*ret_read == SEARCH_NOTHING_READ ? 0 : *ret_read) + search->count;
            continue;
        }
        buf_put(handles, &search->page[search->next].handle, sizeof(CK_OBJECT_HANDLE));
        search->taken = search->page[search->next++].place;
        taken++;
    }
    return rv == CKR_OK && !buf_ok(handles) ? fail_memory() : rv;
}

void search_settle(struct search *search, bool given)
{
    if (given)
        search->given = search->taken;
    else
        rewind_to(search, search->given);
}
