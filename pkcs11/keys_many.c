/*
 * Many keys at once: see keys.h. The same steps as for one, each for all of them before the next
 * begins: asked, intended, made, stored, recorded. Where it fails, the keys that were made on a
 * device are destroyed, and every outcome says so.
 */
#include "pkcs11/keys_int.h"

#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

/* One of them. */
struct one {
    struct birth birth;
    struct gate_act act;
};

struct many {
    struct run *run;
    struct keys_order *orders;
    struct one *list;
    size_t count;
    size_t intended, made; /* of them, from the first */
};

static CK_RV ensure_name_free(const struct object *object)
{
    struct bytes label = attrs_bytes(&object->attrs, CKA_LABEL);

    if (object->version == 1)
        return CKR_OK;
    return fail(CKR_ACTION_PROHIBITED,
                "there is, or was and can be recovered, a key %.*s: choose another name",
                (int)label.len, (const char *)label.data);
}

static CK_RV ask_one(struct many *m, size_t i)
{
    const struct keys_order *order = &m->orders[i];
    struct birth *b = &m->list[i].birth;
    CK_RV rv = key_birth_ask(b, order->public_template, order->public_count,
                             order->private_template, order->private_count);

    if (rv == CKR_OK)
        rv = ensure_name_free(b->pair[0]);
    for (size_t half = 0; rv == CKR_OK && half < b->count; half++) {
        b->pair[half]->not_before = order->not_before;
        b->pair[half]->expires = order->expires;
    }
    if (rv == CKR_OK)
        gate_put_aside(m->run, &m->list[i].act);
    return rv;
}

static CK_RV intend_one(struct many *m, size_t i)
{
    CK_RV rv;

    gate_take_up(m->run, &m->list[i].act);
    gate_follows(m->run, i + 1 < m->count);
    rv = gate_intent(m->run);
    gate_put_aside(m->run, &m->list[i].act);
    if (rv == CKR_OK)
        m->intended++;
    return rv;
}

static CK_RV make_one(struct many *m, size_t i)
{
    CK_RV rv = key_birth_make(&m->list[i].birth);

    if (rv == CKR_OK)
        m->made++;
    return rv;
}

static CK_RV for_all(struct many *m, CK_RV (*step)(struct many *m, size_t i))
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < m->count; i++)
        rv = step(m, i);
    return rv;
}

static CK_RV store(struct many *m)
{
    struct object **objects = array_resize(NULL, 2 * m->count, sizeof(struct object *));
    size_t n = 0;
    CK_RV rv;

    if (objects == NULL)
        return fail_memory();
    for (size_t i = 0; i < m->count; i++)
        for (size_t half = 0; half < m->list[i].birth.count; half++)
            objects[n++] = m->list[i].birth.pair[half];
    rv = object_insert(run_store(m->run), objects, n);
    free(objects);
    return rv;
}

/* Returns rv, whose reason stays the one to tell. */
static CK_RV undo(struct many *m, CK_RV rv)
{
    for (size_t i = 0; i < m->made; i++)
        rv = birth_undo(m->run, m->list[i].birth.pair[0], rv);
    return rv;
}

/* Of all that were intended, whatever rv says of them. */
static CK_RV record(struct many *m, CK_RV rv)
{
    char reason[FAIL_REASON_MAX];
    CK_RV logged = rv;

    (void)memccpy(reason, fail_reason(), '\0', sizeof(reason));
    for (size_t i = 0; i < m->intended; i++) {
        gate_take_up(m->run, &m->list[i].act);
        gate_follows(m->run, i + 1 < m->intended);
        if (rv == CKR_OK)
            gate_object(m->run, m->list[i].birth.pair[0]);
        else
            (void)fail(rv, "%s", reason);
        logged = gate_finish(m->run, rv);
        if (logged != rv)
            return logged;
    }
    return logged;
}

static CK_RV act(struct many *m)
{
    CK_RV rv = for_all(m, ask_one);

    if (rv == CKR_OK)
        rv = for_all(m, intend_one);
    if (rv == CKR_OK)
        rv = for_all(m, make_one);
    if (rv == CKR_OK)
        rv = store(m);
    if (rv != CKR_OK)
        rv = undo(m, rv);
    rv = record(m, rv);
    gate_follows(m->run, false);
    return rv;
}

CK_RV keys_generate_many(struct run *run, const CK_MECHANISM *mechanism, bool pair,
                         struct keys_order *orders, size_t count)
{
    struct many m = {.run = run, .orders = orders, .count = count};
    CK_RV rv;

    if (count == 0 || count > KEYS_BATCH_MAX)
        return fail_argument("the number of keys");
    m.list = calloc(count, sizeof(*m.list));
    if (m.list == NULL)
        return fail_memory();
    for (size_t i = 0; i < count; i++) {
        orders[i].ret_private = (struct object){.cls = CKO_PRIVATE_KEY};
        orders[i].ret_public = (struct object){.cls = CKO_PUBLIC_KEY};
        m.list[i].birth =
            BIRTH_INIT(run, mechanism, &orders[i].ret_private, &orders[i].ret_public, pair);
    }
    rv = act(&m);
    for (size_t i = 0; i < count; i++)
        buf_release(&m.list[i].birth.spki);
    free(m.list);
    return rv;
}
