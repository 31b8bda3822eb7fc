/*
 * The gate: see gate.h. Three steps that no other file joins: the request is put together and
 * decided (gate_request.c), a refusal becomes a return code and a record, a grant becomes the
 * record of its use.
 */
#include "pkcs11/gate.h"

#include "base/mech.h"
#include "base/names.h"
#include "pkcs11/call.h"
#include "pkcs11/gate_int.h"

#include <stdio.h>
#include <string.h>

/* What a refusal of each action answers (DESIGN 2): one row an action. */
static const struct refusal {
    CK_RV visible; /* the object may be seen, but not used so */
    CK_RV hidden;  /* it may not even be listed */
} refusals[ACTION_COUNT] = {
    [ACTION_SIGN] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_VERIFY] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_ENCRYPT] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_DECRYPT] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_WRAP_KEY] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_UNWRAP_KEY] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_DERIVE] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_ENCAPSULATE] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_DECAPSULATE] = {CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID},
    [ACTION_RELEASE] = {CKR_ATTRIBUTE_SENSITIVE, CKR_OBJECT_HANDLE_INVALID},
    [ACTION_DIGEST] = {CKR_MECHANISM_INVALID, CKR_KEY_HANDLE_INVALID},
    [ACTION_RANDOM] = {CKR_FUNCTION_REJECTED, CKR_FUNCTION_REJECTED},
    [ACTION_LIST] = {CKR_OBJECT_HANDLE_INVALID, CKR_OBJECT_HANDLE_INVALID},
    [ACTION_GET] = {CKR_ATTRIBUTE_SENSITIVE, CKR_OBJECT_HANDLE_INVALID},
    [ACTION_GET_SECRET] = {CKR_ATTRIBUTE_SENSITIVE, CKR_OBJECT_HANDLE_INVALID},
    [ACTION_CREATE_VAULT] = {CKR_FUNCTION_REJECTED, CKR_FUNCTION_REJECTED},
    [ACTION_LOGIN] = {CKR_FUNCTION_REJECTED, CKR_FUNCTION_REJECTED},
    [ACTION_CHANGE_PIN] = {CKR_FUNCTION_REJECTED, CKR_FUNCTION_REJECTED},
    [ACTION_APPROVE] = {CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID},
};

/* Actions without a row change something: the standard's word for a policy that says no. */
#define REFUSAL_OF_CHANGE CKR_ACTION_PROHIBITED

/* ---- records ---- */

static const char *text_or_null(const char *s)
{
    return s[0] != '\0' ? s : NULL;
}

static const char *proof_of(const struct run *run)
{
    struct login login = {.kind = LOGIN_NONE};

    if (run->has_vault)
        app_login_get(run->app, run->vault.slot, &login);
    return who_proof(&login);
}

/* The members every record of this run shares. Who acts is in its grant, or proof_of() tells. */
static void event_start(const struct run *run, struct event *event)
{
    *event = (struct event){
        .phase = EVENT_DONE,
        .app = run->app->id,
        .pid = run->app->pid,
        .uid = run->app->uid,
        .exe = text_or_null(run->app->exe),
        .via = run->verb != NULL ? "admin" : "pkcs11",
        .vault = run->has_vault ? run->vault.name : NULL,
        .function = run->verb != NULL ? run->verb : run->call->name,
        .duration_ns = run_now(run) - run->started,
        .policy_ns = run->spent.policy,
        .hsm_ns = run->spent.hsm,
        .software_ns = run->spent.software,
        .log_ns = run->session != NULL ? run->session->log_ns : 0,
    };
}

struct grant_texts {
    char id[2 * OBJECT_ID_LEN + 1];
    char mechanism[NAME_BUF_MAX];
};

static void event_grant(const struct grant *grant, struct grant_texts *texts, struct event *event)
{
    event->action = schema_action_name(grant->action);
    event->principal = grant->principal;
    event->proof = grant->proof;
    event->rules = text_or_null(grant->rules);
    event->policy = text_or_null(grant->policy);
    event->parameters = text_or_null(grant->parameters);
    if (grant->mechanism != KW_NO_MECHANISM)
        event->mechanism = name_of_mechanism(grant->mechanism, texts->mechanism);
    if (grant->has_object) {
        bytes_to_hex(BYTES(grant->object.id, OBJECT_ID_LEN), texts->id);
        event->id = texts->id;
        event->object = grant->object.name;
        event->version = grant->object.version;
    }
}

/* The log cannot be written: the one answer to that. */
static CK_RV append(struct run *run, const struct event *event, uint64_t *ret_seq)
{
    int64_t began = run_now(run);
    CK_RV rv = trail_append(engine_trail(run->app->engine), event, ret_seq);

    if (run->session != NULL)
        run->session->log_ns = run_now(run) - began;
    run->spent = (struct spent){.policy = 0};
    if (rv != CKR_OK)
        (void)fail_in(rv, "refused, since the log cannot be written");
    return rv == CKR_OK ? CKR_OK : CKR_DEVICE_ERROR;
}

/* ---- refusing ---- */

/* Is it about an object that the caller may not even know of? */
static bool is_hidden(struct run *run, const struct ask *ask)
{
    return ask->object != NULL && ask->action != ACTION_CREATE && ask->action != ACTION_IMPORT &&
           ask->action != ACTION_SET_SECRET && !gate_visible(run, ask->object);
}

/* Which answer tells the caller what would help, and no more than it may know. */
static CK_RV refusal_code(const struct ask *ask, const struct question *q, bool hidden)
{
    const struct refusal *row = &refusals[ask->action];

    if (q->clock_is_back)
        return CKR_FUNCTION_REJECTED;
    if (hidden)
        return row->hidden != CKR_OK ? row->hidden : CKR_OBJECT_HANDLE_INVALID;
    if (q->spent != NULL)
        return CKR_DEVICE_MEMORY;
    if (q->approvals_needed > 0)
        return CKR_FUNCTION_REJECTED;
    if (question_login_would_help(q))
        return CKR_USER_NOT_LOGGED_IN;
    if (question_other_mechanism_would_help(q))
        return CKR_MECHANISM_INVALID;
    return row->visible != CKR_OK ? row->visible : REFUSAL_OF_CHANGE;
}

static CK_RV record_denial(struct run *run, const struct grant *grant, CK_RV rv, const char *reason)
{
    struct grant_texts texts;
    struct event event;

    event_start(run, &event);
    event_grant(grant, &texts, &event);
    event.verdict = EVENT_DENY;
    event.rv = rv;
    event.reason = text_or_null(reason);
    return append(run, &event, NULL);
}

/* The record names the object and the rule; the caller of a hidden object hears of neither. */
static CK_RV refuse(struct run *run, const struct ask *ask, const struct question *q,
                    const struct grant *grant)
{
    bool hidden = !q->clock_is_back && is_hidden(run, ask);
    CK_RV rv = refusal_code(ask, q, hidden);
    char reason[FAIL_REASON_MAX];
    CK_RV logged;

    question_reason(q, reason, sizeof(reason));
    if (run->session != NULL && !hidden)
        run->session->device_error = question_rule_number(q);
    logged = record_denial(run, grant, rv, reason);
    if (logged != CKR_OK)
        return logged;
    return fail(rv, "%s", hidden ? GATE_NO_OBJECT : reason);
}

/* ---- asking ---- */

static struct grant grant_of(const struct ask *ask)
{
    struct grant grant = {.action = ask->action, .mechanism = KW_NO_MECHANISM};

    if (ask->mechanism != NULL)
        grant.mechanism = ask->mechanism->mechanism;
    if (ask->object != NULL)
        gate_name_object(ask->object, &grant);
    return grant;
}

static void grant_fill(const struct run *run, const struct ask *ask, const struct question *q,
                       struct grant *grant)
{
    *grant = grant_of(ask);
    question_fill(q, grant);
    grant->approvals = q->approvals;
    grant->pays = question_pays(q);
    grant->generation = run->generation;
}

/* A question that the table of permissions does not have is a mistake of ours: nobody is let in by
 * one. */
static CK_RV check_has_row(const struct run *run, const struct ask *ask)
{
    const struct permission *p = &run->permission;

    if (permission_has(p, ask->action) &&
        (ask->mechanism == NULL || (p->told & TOLD_MECHANISM) != 0) &&
        (ask->wrapping == NULL || (p->told & TOLD_WRAPPING) != 0) &&
        (!ask->has_attribute || (p->told & TOLD_ATTRIBUTE) != 0))
        return CKR_OK;
    return fail_internal("pkcs11/permissions.c has a row for every question of a call");
}

CK_RV gate_ask(struct run *run, const struct ask *ask)
{
    int64_t began = run_now(run);
    struct question q;
    struct grant grant;
    CK_RV rv = check_has_row(run, ask);

    if (rv == CKR_OK)
        rv = question_new(run, ask, &q);
    if (rv != CKR_OK)
        return rv;
    question_decide(&q);
    rv = question_settle(&q);
    run->spent.policy += run_now(run) - began;
    grant_fill(run, ask, &q, &grant);
    if (rv == CKR_OK)
        rv = gate_parameters_text(run, ask->mechanism, grant.parameters);
    if (rv == CKR_OK && !q.verdict.allow)
        rv = ask->quiet ? CKR_FUNCTION_REJECTED : refuse(run, ask, &q, &grant);
    if (rv == CKR_OK) {
        run->gate.granted = true;
        run->gate.grant = grant;
    }
    question_release(&q);
    return rv;
}

CK_RV gate_refuse(struct run *run, const struct ask *ask, CK_RV rv)
{
    struct grant grant = grant_of(ask);
    char reason[FAIL_REASON_MAX];
    struct login login;
    CK_RV logged;

    (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    logged = gate_login(run, &login);
    if (logged == CKR_OK)
        logged = gate_parameters_text(run, ask->mechanism, grant.parameters);
    if (logged != CKR_OK)
        return logged;
    who_text(run, &login, grant.principal, sizeof(grant.principal));
    grant.proof = who_proof(&login);
    logged = record_denial(run, &grant, rv, reason);
    return logged == CKR_OK ? fail(rv, "%s", reason) : logged;
}

static bool allows(struct run *run, const struct ask *ask)
{
    struct question q;
    bool allow;

    if (question_new(run, ask, &q) != CKR_OK)
        return false;
    question_decide(&q);
    allow = q.verdict.allow;
    question_release(&q);
    return allow;
}

bool gate_would_allow(struct run *run, const struct ask *ask)
{
    return check_has_row(run, ask) == CKR_OK && allows(run, ask);
}

bool gate_visible(struct run *run, const struct object *object)
{
    struct ask ask = {.action = ACTION_LIST, .object = object, .quiet = true};

    return allows(run, &ask);
}

bool gate_hears_attributes(struct run *run)
{
    struct rules *rules = NULL;
    uint64_t generation = 0;
    bool hears;

    if (run_generation(run, &generation) != CKR_OK ||
        engine_rules(run->app->engine, run->has_vault ? &run->vault : NULL, generation, &rules) !=
            CKR_OK)
        return true;
    hears = rules->policy == NULL || policy_speaks_of(rules->policy, "attribute");
    engine_rules_release(run->app->engine, rules);
    return hears;
}

bool gate_knows_caller(struct run *run, enum action action)
{
    struct ask ask = {.action = action, .as_unix = true, .quiet = true};
    struct question q;
    bool knows;

    if (question_new(run, &ask, &q) != CKR_OK)
        return false;
    knows = policy_names_principal(q.rules->policy, &q.request);
    question_release(&q);
    return knows;
}

void gate_keep(struct run *run, struct grant *ret)
{
    *ret = run->gate.grant;
    run->gate.granted = false;
}

/* Would gate_ask() answer the same as when it gave the grant? The rules and whom they bind a login
 * to are of the store's generation. */
static CK_RV still_holds(struct run *run, const struct grant *grant, bool *ret)
{
    struct login login;
    uint64_t generation = 0;
    CK_RV rv = gate_login(run, &login);

    if (rv == CKR_OK)
        rv = run_generation(run, &generation);
    if (rv != CKR_OK)
        return rv;
    *ret = grant->lasts && generation == grant->generation && login_same(&login, &grant->login) &&
           !gate_clock_is_back(run, grant->action);
    return CKR_OK;
}

CK_RV gate_resume(struct run *run, const struct grant *grant, const struct ask *ask)
{
    int64_t began = run_now(run);
    bool holds = false;
    CK_RV rv = still_holds(run, grant, &holds);

    if (rv != CKR_OK)
        return rv;
    run->spent.policy += run_now(run) - began;
    if (!holds)
        return gate_ask(run, ask);
    run->gate.granted = true;
    run->gate.grant = *grant;
    return CKR_OK;
}

CK_RV gate_pay(struct run *run, const struct ask *ask)
{
    CK_RV rv = gate_ask(run, ask);

    if (rv != CKR_OK && !run->gate.intended)
        run->gate.granted = false;
    return rv;
}

CK_RV gate_intent(struct run *run)
{
    struct grant_texts texts;
    struct event event;
    CK_RV rv;

    event_start(run, &event);
    event_grant(&run->gate.grant, &texts, &event);
    event.phase = EVENT_INTENT;
    event.accepts_loss = run->gate.grant.action == ACTION_ACCEPT_LOSS;
    event.verdict = EVENT_ALLOW;
    event.durable = run->verb != NULL && !run->gate.follows;
    rv = append(run, &event, &run->gate.intent);
    run->gate.intended = rv == CKR_OK;
    return rv;
}

void gate_put_aside(struct run *run, struct gate_act *ret)
{
    *ret = (struct gate_act){
        .grant = run->gate.grant, .intended = run->gate.intended, .intent = run->gate.intent};
    run->gate.granted = false;
    run->gate.intended = false;
}

void gate_take_up(struct run *run, const struct gate_act *act)
{
    run->gate.granted = true;
    run->gate.grant = act->grant;
    run->gate.intended = act->intended;
    run->gate.intent = act->intent;
}

void gate_follows(struct run *run, bool follows)
{
    run->gate.follows = follows;
}

/* ---- what the record says ---- */

CK_RV gate_digest(struct run *run, struct bytes data)
{
    uint8_t mac[32];
    CK_RV rv = gate_keyed_digest(run, data, mac);

    if (rv == CKR_OK)
        gate_digest_done(run, mac, data.len);
    return rv;
}

void gate_digest_done(struct run *run, const uint8_t mac[static 32], uint64_t length)
{
    bytes_to_hex(BYTES(mac, 32), run->gate.digest);
    gate_length(run, length);
}

void gate_length(struct run *run, uint64_t length)
{
    run->gate.has_length = true;
    run->gate.length = length;
}

void gate_count(struct run *run, uint64_t count)
{
    run->gate.has_count = true;
    run->gate.count = count;
}

void gate_name_object(const struct object *object, struct grant *grant)
{
    struct bytes label = attrs_bytes(&object->attrs, CKA_LABEL);
    size_t n =
        label.len < sizeof(grant->object.name) - 1 ? label.len : sizeof(grant->object.name) - 1;

    grant->has_object = true;
    memcpy(grant->object.id, object->id, OBJECT_ID_LEN);
    if (n > 0)
        memcpy(grant->object.name, label.data, n);
    grant->object.name[n] = '\0';
    grant->object.version = object->version;
}

void gate_object(struct run *run, const struct object *object)
{
    gate_name_object(object, &run->gate.grant);
}

CK_RV gate_note(struct run *run, enum action action, const char *user, CK_RV rv)
{
    char principal[sizeof(run->gate.grant.principal)];
    char reason[FAIL_REASON_MAX];
    struct login login = {.kind = LOGIN_NONE};
    struct event event;

    (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    if (user != NULL) {
        login.kind = LOGIN_USER;
        (void)snprintf(login.name, sizeof(login.name), "%s", user);
    } else if (run->has_vault) {
        app_login_get(run->app, run->vault.slot, &login);
    }
    who_text(run, &login, principal, sizeof(principal));
    event_start(run, &event);
    event.action = schema_action_name(action);
    event.principal = principal;
    event.proof = proof_of(run);
    event.digest = text_or_null(run->gate.digest);
    event.rv = rv;
    event.reason = rv != CKR_OK ? text_or_null(reason) : NULL;
    return append(run, &event, NULL);
}

CK_RV gate_warn(struct run *run, const char *sentence)
{
    struct event event;

    event_start(run, &event);
    event.proof = proof_of(run);
    event.rv = CKR_OK;
    event.reason = sentence;
    return append(run, &event, NULL);
}

CK_RV gate_finish(struct run *run, CK_RV rv)
{
    struct grant_texts texts;
    struct event event;
    char reason[FAIL_REASON_MAX] = "";
    CK_RV logged;

    /* A short buffer is no outcome: the operation goes on, and nothing was released. */
    if (!run->gate.granted || (rv == CKR_BUFFER_TOO_SMALL && !run->gate.intended))
        return rv;
    if (rv != CKR_OK)
        (void)snprintf(reason, sizeof(reason), "%s", fail_reason());
    event_start(run, &event);
    event_grant(&run->gate.grant, &texts, &event);
    event.phase = run->gate.intended ? EVENT_OUTCOME : EVENT_DONE;
    event.intent = run->gate.intent;
    event.accepts_loss = run->gate.grant.action == ACTION_ACCEPT_LOSS;
    event.verdict = EVENT_ALLOW;
    event.digest = text_or_null(run->gate.digest);
    event.has_length = run->gate.has_length;
    event.length = run->gate.length;
    event.has_count = run->gate.has_count;
    event.count = run->gate.count;
    event.rv = rv;
    event.reason = text_or_null(reason);
    if (rv == CKR_OK) {
        event.new_policy = text_or_null(run->gate.new_policy);
        event.policy_change = run->gate.policy_change;
    }
    event.durable = run->verb != NULL && run->gate.intended && !run->gate.follows;
    run->gate.granted = false;
    logged = append(run, &event, NULL);
    if (logged != CKR_OK)
        return logged;
    return rv == CKR_OK ? CKR_OK : fail(rv, "%s", reason);
}
