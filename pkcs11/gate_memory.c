/*
 * What the gate has said yes to in a session, remembered: see gate_recall() in gate.h. An answer is
 * used again only while nothing it was made of has changed:
 *
 *   policy, vault, user, object   the store's generation is the same, and the login is
 *   who                           the same login (none, or this user)
 *   which call, which mechanism   the same; with parameters nothing is remembered
 *   session, its flags            the memory is the session's
 *   anything else, as the time    policies that look at it are asked every time (question_lasts)
 *
 * A no is never remembered, nor anything about session objects, whose changes the store does not
 * count. Guarded by the session's lock, like all of a session.
 */
#include "pkcs11/gate.h"
#include "pkcs11/gate_int.h"

#include <string.h>

#define REMEMBERED 4

struct remembered {
    uint64_t generation; /* of the store; 0: nothing here */
    const struct call *call;
    uint8_t object[OBJECT_ID_LEN];
    uint64_t record; /* the object's own generation */
    struct login login;
    struct grant grant; /* with action and mechanism */
};

struct gate_memory {
    struct remembered list[REMEMBERED];
    size_t next; /* the place that is given up next */
};

void gate_memory_free(struct gate_memory *memory)
{
    free(memory);
}

static bool may_be_remembered(const struct run *run, const struct ask *ask)
{
    const CK_MECHANISM *mechanism = ask->mechanism;

    return run->session != NULL && run->verb == NULL && !ask->as_unix && ask->object != NULL &&
           attrs_true(&ask->object->attrs, CKA_TOKEN) && mechanism != NULL &&
           mechanism->pParameter == NULL && mechanism->ulParameterLen == 0;
}

static bool same_login(const struct login *a, const struct login *b)
{
    return a->kind == b->kind &&
           (a->kind == LOGIN_NONE || (strcmp(a->name, b->name) == 0 &&
                                      memcmp(a->identity, b->identity, sizeof(a->identity)) == 0));
}

static bool is_of(const struct remembered *r, const struct run *run, const struct ask *ask,
                  uint64_t generation, const struct login *login)
{
    return r->generation == generation && r->call == run->call && r->grant.action == ask->action &&
           r->grant.mechanism == ask->mechanism->mechanism &&
           memcmp(r->object, ask->object->id, OBJECT_ID_LEN) == 0 &&
           r->record == ask->object->generation && same_login(&r->login, login);
}

/* Who asks, and the state of the store it is about. */
static CK_RV see_state(struct run *run, uint64_t *ret_generation, struct login *ret_login)
{
    CK_RV rv = gate_login(run, ret_login);

    return rv == CKR_OK ? run_generation(run, ret_generation) : rv;
}

const struct grant *gate_recall(struct run *run, const struct ask *ask)
{
    const struct gate_memory *memory;
    uint64_t generation = 0;
    struct login login;

    if (!may_be_remembered(run, ask))
        return NULL;
    memory = run->session->memory;
    if (memory == NULL || see_state(run, &generation, &login) != CKR_OK)
        return NULL;
    for (size_t i = 0; i < REMEMBERED; i++)
        if (is_of(&memory->list[i], run, ask, generation, &login))
            return &memory->list[i].grant;
    return NULL;
}

void gate_reuse(struct run *run, const struct grant *grant)
{
    run->gate.granted = true;
    run->gate.grant = *grant;
}

/* The rules that gave the grant, and they last. */
static bool may_last(struct run *run, uint64_t generation)
{
    struct rules *rules = NULL;
    bool lasts;

    if (engine_rules(run->app->engine, &run->vault, generation, &rules) != CKR_OK)
        return false;
    lasts = strcmp(rules->hash, run->gate.grant.policy) == 0 && question_lasts(rules);
    engine_rules_release(run->app->engine, rules);
    return lasts;
}

void gate_remember(struct run *run, const struct ask *ask)
{
    struct gate_memory *memory;
    struct remembered r;

    if (!run->gate.granted || !may_be_remembered(run, ask) ||
        see_state(run, &r.generation, &r.login) != CKR_OK || !may_last(run, r.generation))
        return;
    if (run->session->memory == NULL)
        run->session->memory = calloc(1, sizeof(*run->session->memory));
    memory = run->session->memory;
    if (memory == NULL)
        return; /* asked again next time */
    r.call = run->call;
    memcpy(r.object, ask->object->id, OBJECT_ID_LEN);
    r.record = ask->object->generation;
    r.grant = run->gate.grant;
    memory->list[memory->next] = r;
    memory->next = (memory->next + 1) % REMEMBERED;
}
