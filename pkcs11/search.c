/*
 * Searching: see search_int.h. In two steps, since the store and the handle table may not be called
 * from their own callbacks: first what matches, then, of that, what the caller may see. The first
 * matches are kept whole; past them only ids, so that listing a large vault costs no memory.
 */
#include "pkcs11/search_int.h"

#include "pkcs11/handles.h"
#include "pkcs11/profile.h"
#include "pkcs11/template.h"
#include "pkcs11/view.h"

#include <string.h>

#define WHOLE_MAX 256U /* matches kept with their object */

struct match {
    uint8_t id[OBJECT_ID_LEN];
    CK_OBJECT_HANDLE handle; /* of a session object; 0: token object */
    bool is_private;
    struct object *object; /* NULL: to be read again */
};

struct matches {
    const CK_ATTRIBUTE *template;
    CK_ULONG count;
    struct match *list;
    size_t found, cap;
    bool failed; /* without memory */
};

void search_free(struct search *search)
{
    if (search == NULL)
        return;
    free(search->handles);
    free(search);
}

/* ---- what matches ---- */

static void object_free(struct object *object)
{
    if (object != NULL)
        object_release(object);
    free(object);
}

static void matches_release(struct matches *m)
{
    for (size_t i = 0; i < m->found; i++)
        object_free(m->list[i].object);
    free(m->list);
}

static bool matches_grow(struct matches *m)
{
    size_t cap = m->cap > 0 ? m->cap * 2 : 16;
    struct match *list = realloc(m->list, cap * sizeof(*list));

    if (list == NULL)
        return false;
    m->list = list;
    m->cap = cap;
    return true;
}

static struct object *copy_of(const struct object *object)
{
    struct object *copy = calloc(1, sizeof(*copy));

    if (copy != NULL && object_copy(copy, object) != CKR_OK) {
        free(copy);
        return NULL;
    }
    return copy;
}

static bool add_match(struct matches *m, CK_OBJECT_HANDLE handle, const struct object *object)
{
    struct match *match;

    if (m->found == m->cap && !matches_grow(m)) {
        m->failed = true;
        return false;
    }
    match = &m->list[m->found++];
    *match =
        (struct match){.handle = handle, .is_private = attrs_true(&object->attrs, CKA_PRIVATE)};
    memcpy(match->id, object->id, OBJECT_ID_LEN);
    if (handle != 0 || m->found <= WHOLE_MAX) {
        match->object = copy_of(object);
        m->failed = match->object == NULL;
    }
    return !m->failed;
}

static bool match_token(void *ctx, const struct object *object)
{
    struct matches *m = ctx;

    return !view_match(object, m->template, m->count) || add_match(m, 0, object);
}

static bool match_session(void *ctx, CK_OBJECT_HANDLE handle, const struct object *object)
{
    struct matches *m = ctx;

    return !view_match(object, m->template, m->count) || add_match(m, handle, object);
}

static bool wants(const CK_ATTRIBUTE *template, CK_ULONG count, bool token)
{
    const CK_ATTRIBUTE *attr = template_get(template, count, CKA_TOKEN);

    return attr == NULL || attr->ulValueLen != sizeof(CK_BBOOL) ||
           (*(const CK_BBOOL *)attr->pValue == CK_TRUE) == token;
}

/* Label and id that go to the store's index; others, absurd ones too, are left to the match, which
 * looks at lengths first. */
static bool is_indexed(const CK_ATTRIBUTE *attr)
{
    return attr != NULL && attr->ulValueLen > 0 && attr->ulValueLen <= TEMPLATE_BYTES_MAX;
}

static void query_fill(const CK_ATTRIBUTE *template, CK_ULONG count, struct object_query *query)
{
    const CK_ATTRIBUTE *label = template_get(template, count, CKA_LABEL);
    const CK_ATTRIBUTE *id = template_get(template, count, CKA_ID);
    const CK_ATTRIBUTE *cls = template_get(template, count, CKA_CLASS);

    *query = (struct object_query){.has_label = is_indexed(label),
                                   .has_id = is_indexed(id),
                                   .has_class =
                                       cls != NULL && cls->ulValueLen == sizeof(CK_OBJECT_CLASS)};
    if (query->has_label)
        query->label = BYTES(label->pValue, label->ulValueLen);
    if (query->has_id)
        query->id = BYTES(id->pValue, id->ulValueLen);
    if (query->has_class)
        query->cls = template_ulong(template, count, CKA_CLASS, 0);
}

static CK_RV collect(struct run *run, struct matches *m)
{
    struct object_query query;
    CK_RV rv = CKR_OK;

    query_fill(m->template, m->count, &query);
    if (wants(m->template, m->count, true))
        rv = profile_each(&run->vault, match_token, m);
    if (rv == CKR_OK && !m->failed && wants(m->template, m->count, true))
        rv = object_find(run_store(run), &run->vault, &query, match_token, m);
    if (rv == CKR_OK && !m->failed && wants(m->template, m->count, false))
        handles_each_session(run->app, run->vault.slot, match_session, m);
    return rv == CKR_OK && m->failed ? fail_memory() : rv;
}

/* ---- what may be seen ---- */

static bool may_see(struct run *run, const struct match *match)
{
    struct object object = {0};
    bool visible;

    if (match->object != NULL)
        return profile_is(match->object) || gate_visible(run, match->object);
    /* Gone meanwhile, or not readable now: not found. */
    if (object_get(run_store(run), &run->vault, match->id, &object) != CKR_OK)
        return false;
    visible = object.state != OBJECT_DELETED && gate_visible(run, &object);
    object_release(&object);
    return visible;
}

static CK_RV add_handle(struct search *search, CK_OBJECT_HANDLE handle)
{
    if (search->count == search->cap) {
        size_t cap = search->cap > 0 ? search->cap * 2 : 16;
        CK_OBJECT_HANDLE *handles = realloc(search->handles, cap * sizeof(*handles));

        if (handles == NULL)
            return fail_memory();
        search->handles = handles;
        search->cap = cap;
    }
    search->handles[search->count++] = handle;
    return CKR_OK;
}

static CK_RV see(struct run *run, const struct matches *m, struct search *search)
{
    for (size_t i = 0; i < m->found; i++) {
        CK_OBJECT_HANDLE handle = m->list[i].handle;
        CK_RV rv = CKR_OK;

        if (!may_see(run, &m->list[i]))
            continue;
        if (handle == 0)
            rv = handles_token(run->app, run->vault.slot, m->list[i].id, m->list[i].is_private,
                               &handle);
        if (rv == CKR_OK)
            rv = add_handle(search, handle);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

/* ---- the template ---- */

/* Unlike a template that makes an object, this one may speak of attributes nobody knows: nothing
 * has them, so nothing is found. Only memory is checked, and what goes to the index. */
static CK_RV check_template(const CK_ATTRIBUTE *template, CK_ULONG count)
{
    if (template == NULL && count > 0)
        return fail_argument("pTemplate");
    if (count > TEMPLATE_COUNT_MAX)
        return fail(CKR_ARGUMENTS_BAD, "template counts %lu attributes: there are fewer than %u",
                    count, TEMPLATE_COUNT_MAX);
    for (CK_ULONG i = 0; i < count; i++)
        if ((template[i].pValue == NULL && template[i].ulValueLen > 0) ||
            template[i].ulValueLen > TEMPLATE_VALUE_MAX)
            return fail(CKR_ATTRIBUTE_VALUE_INVALID,
                        "attribute 0x%lx has no value of its length: give both", template[i].type);
    return CKR_OK;
}

CK_RV search_run(struct run *run, const CK_ATTRIBUTE *template, CK_ULONG count, struct search **ret)
{
    struct matches m = {.template = template, .count = count};
    struct search *search;
    CK_RV rv = check_template(template, count);

    if (rv != CKR_OK)
        return rv;
    search = calloc(1, sizeof(*search));
    if (search == NULL)
        return fail_memory();
    rv = collect(run, &m);
    if (rv == CKR_OK)
        rv = see(run, &m, search);
    matches_release(&m);
    if (rv != CKR_OK) {
        search_free(search);
        return rv;
    }
    *ret = search;
    return CKR_OK;
}
