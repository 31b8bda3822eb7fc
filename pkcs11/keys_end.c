/*
 * The end of token objects, and the way back: disabled, deleted, recovered, purged. See keys.h.
 * Gate and intent first; the record in the store is replaced only when nobody changed it meanwhile.
 */
#include "pkcs11/keys.h"

static int64_t now_seconds(const struct run *run)
{
    return clock_realtime(engine_clock(run->app->engine)) / 1000000000;
}

static CK_RV ask_about(struct run *run, enum action action, const struct object *object)
{
    struct ask ask = {.action = action, .object = object};

    return gate_ask(run, &ask);
}

/* The record in a new state. */
static CK_RV set_state(struct run *run, const struct object *object, enum object_state state,
                       int64_t deleted_at)
{
    struct object changed = {0};
    CK_RV rv = gate_intent(run);

    if (rv == CKR_OK)
        rv = object_copy(&changed, object);
    if (rv == CKR_OK) {
        changed.was_disabled = state == OBJECT_DELETED && object->state == OBJECT_DISABLED;
        changed.state = state;
        changed.deleted_at = deleted_at;
        changed.updated = now_seconds(run);
        rv = object_update(run_store(run), &changed);
    }
    object_release(&changed);
    return rv;
}

CK_RV keys_delete(struct run *run, const struct object *object)
{
    CK_RV rv = ask_about(run, ACTION_DELETE, object);

    if (rv != CKR_OK)
        return rv;
    if (!attrs_true(&object->attrs, CKA_DESTROYABLE))
        return fail(CKR_ACTION_PROHIBITED,
                    "the object was made with CKA_DESTROYABLE false: it stays");
    if (object->state == OBJECT_DELETED)
        return fail(CKR_ACTION_PROHIBITED, "the object is deleted already: recover or purge it");
    return set_state(run, object, OBJECT_DELETED, now_seconds(run));
}

CK_RV keys_recover(struct run *run, const struct object *object)
{
    CK_RV rv = ask_about(run, ACTION_RECOVER, object);

    if (rv != CKR_OK)
        return rv;
    if (object->state != OBJECT_DELETED)
        return fail(CKR_ACTION_PROHIBITED, "the object is not deleted: nothing to recover");
    return set_state(run, object, object->was_disabled ? OBJECT_DISABLED : OBJECT_ENABLED, 0);
}

/* Whoever finds it so already has what was asked for: a kill switch is not refused. */
static CK_RV switch_to(struct run *run, const struct object *object, enum object_state state)
{
    CK_RV rv = ask_about(run, ACTION_UPDATE, object);

    return rv == CKR_OK ? set_state(run, object, state, 0) : rv;
}

CK_RV keys_disable(struct run *run, const struct object *object)
{
    return switch_to(run, object, OBJECT_DISABLED);
}

CK_RV keys_enable(struct run *run, const struct object *object)
{
    return switch_to(run, object, OBJECT_ENABLED);
}

static CK_RV check_purge(const struct run *run, const struct object *object)
{
    if (object->state != OBJECT_DELETED)
        return fail(CKR_ACTION_PROHIBITED, "the object is not deleted: delete it before purging");
    if (run->vault.purge_protection && now_seconds(run) < object->deleted_at + run->vault.retention)
        return fail(CKR_ACTION_PROHIBITED,
                    "purge protection keeps the object until its retention is over: wait, or let "
                    "it be");
    return CKR_OK;
}

/* The HSM key first: a crash between leaves a record without a key, which can be purged again, and
 * not a key that no record names. A software key goes with its record. */
CK_RV keys_purge(struct run *run, const struct object *object)
{
    CK_RV rv = ask_about(run, ACTION_PURGE, object);

    if (rv == CKR_OK)
        rv = check_purge(run, object);
    if (rv == CKR_OK)
        rv = gate_intent(run);
    if (rv == CKR_OK && object->has_hsm_key) {
        int64_t began = run_now(run);

        rv = hsm_destroy(run_device(run, object), &object->hsm_key);
        run_device_took(run, object, began);
    }
    if (rv == CKR_OK)
        rv = object_purge(run_store(run), &run->vault, object->id);
    return rv;
}
