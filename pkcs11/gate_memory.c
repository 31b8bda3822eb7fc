/*
 * What the gate has said yes to in a session, remembered: see gate_recall() in gate.h. An answer is
 * used again only while nothing it was made of has changed:
 *
 *   policy, vault, user, object   the store's generation is the same, and the login is
 *   who                           the same login (none, or this user)
 *   which call, which mechanism   the same
 *   the mechanism's parameters    any, unless a policy looks at them (question_hears_parameters):
 *                                 then both questions are without
 *   session, its flags            the memory is the session's
 *   anything else, as the time    policies that look at it are asked every time (question_lasts)
 *
 * A no is never remembered, nor anything about session objects, whose changes the store does not
 * count. Beside that: the contexts that the digests of a record are made with, which cost more to
 * set up than to use. Guarded by the session's lock, like all of a session.
 */
#include "pkcs11/gate.h"
#include "pkcs11/gate_int.h"
#include "pkcs11/gate_params.h"

#include <string.h>

#define REMEMBERED 4

struct remembered {
    const struct call *call; /* NULL: nothing here */
    uint64_t record;         /* the object's own generation */
    struct grant grant;      /* with the store's, the object, action, mechanism and login */
};

struct gate_memory {
    struct remembered list[REMEMBERED];
    size_t next; /* the place that is given up next */
    struct local_digest *parameters;
    struct local_mac *digest; /* under the log key of the session's vault */
};

void gate_memory_free(struct gate_memory *memory)
{
    if (memory == NULL)
        return;
    local_digest_free(memory->parameters);
    local_mac_free(memory->digest);
    free(memory);
}

/* NULL without a session, as in administration, and without memory: then it is done without. */
static struct gate_memory *memory_of(struct run *run)
{
    if (run->session == NULL)
        return NULL;
    if (run->session->memory == NULL)
        run->session->memory = calloc(1, sizeof(*run->session->memory));
    return run->session->memory;
}

/* ---- what was answered ---- */

static bool may_be_remembered(const struct run *run, const struct ask *ask)
{
    const CK_MECHANISM *mechanism = ask->mechanism;

    return run->session != NULL && run->verb == NULL && !ask->as_unix && ask->object != NULL &&
           attrs_true(&ask->object->attrs, CKA_TOKEN) && mechanism != NULL;
}

static bool has_parameters(const CK_MECHANISM *mechanism)
{
    return mechanism->pParameter != NULL && mechanism->ulParameterLen > 0;
}

static bool is_of(const struct remembered *r, const struct run *run, const struct ask *ask,
                  uint64_t generation, const struct login *login)
{
    const struct grant *grant = &r->grant;

    return r->call == run->call && grant->generation == generation &&
           grant->action == ask->action && grant->mechanism == ask->mechanism->mechanism &&
           (grant->any_parameters || !has_parameters(ask->mechanism)) &&
           memcmp(grant->object.id, ask->object->id, OBJECT_ID_LEN) == 0 &&
           r->record == ask->object->generation && login_same(&grant->login, login);
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

    if (!may_be_remembered(run, ask) || gate_clock_is_back(run, ask->action))
        return NULL;
    memory = run->session->memory;
    if (memory == NULL || see_state(run, &generation, &login) != CKR_OK)
        return NULL;
    for (size_t i = 0; i < REMEMBERED; i++)
        if (is_of(&memory->list[i], run, ask, generation, &login))
            return &memory->list[i].grant;
    return NULL;
}

CK_RV gate_reuse(struct run *run, const struct ask *ask, const struct grant *grant)
{
    CK_RV rv;

    run->gate.grant = *grant;
    rv = gate_parameters_text(run, ask->mechanism, run->gate.grant.parameters);
    run->gate.granted = rv == CKR_OK;
    return rv;
}

void gate_remember(struct run *run, const struct ask *ask)
{
    const struct grant *grant = &run->gate.grant;
    struct gate_memory *memory;

    if (!run->gate.granted || !grant->lasts || !may_be_remembered(run, ask) ||
        (!grant->any_parameters && has_parameters(ask->mechanism)))
        return;
    memory = memory_of(run);
    if (memory == NULL)
        return; /* asked again next time */
    memory->list[memory->next] =
        (struct remembered){.call = run->call, .record = ask->object->generation, .grant = *grant};
    memory->next = (memory->next + 1) % REMEMBERED;
}

/* ---- digests for records ---- */

static CK_RV prepared_digest(struct run *run, struct gate_memory *memory, struct local_digest **ret)
{
    CK_RV rv = memory->parameters != NULL
                   ? local_digest_again(memory->parameters)
                   : local_digest_new(run_local(run), CKM_SHA256, &memory->parameters);

    *ret = memory->parameters;
    return rv;
}

CK_RV gate_parameters_text(struct run *run, const CK_MECHANISM *mechanism, char hex[static 65])
{
    struct gate_memory *memory;
    SCOPED(local_digest_free_p) struct local_digest *fresh = NULL;
    struct local_digest *digest = NULL;
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv;

    hex[0] = '\0';
    if (mechanism == NULL || mechanism->pParameter == NULL || mechanism->ulParameterLen == 0)
        return CKR_OK;
    memory = memory_of(run);
    if (memory != NULL) {
        rv = prepared_digest(run, memory, &digest);
    } else {
        rv = local_digest_new(run_local(run), CKM_SHA256, &fresh);
        digest = fresh;
    }
    if (rv == CKR_OK)
        rv = gate_parameters(digest, mechanism);
    if (rv == CKR_OK)
        rv = local_digest_final(digest, out, &len);
    if (rv == CKR_OK)
        bytes_to_hex(BYTES(out, len), hex);
    return rv;
}

/* A session's vault stays the same, and so does the key. */
CK_RV gate_keyed_digest(struct run *run, struct bytes data, uint8_t out[static 32])
{
    struct bytes key = BYTES(run->vault.log_key, sizeof(run->vault.log_key));
    struct gate_memory *memory = memory_of(run);
    CK_RV rv;

    if (memory == NULL)
        return local_hmac_sha256(run_local(run), key, data, out);
    rv = memory->digest != NULL ? local_mac_again(memory->digest)
                                : local_mac_new(run_local(run), key, &memory->digest);
    if (rv == CKR_OK)
        rv = local_mac_update(memory->digest, data);
    return rv == CKR_OK ? local_mac_final(memory->digest, out) : rv;
}
