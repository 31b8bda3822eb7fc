/*
 * The question to the policy: who (login or Unix user), what (the action), on what (object, vault
 * or home), in which circumstances. Everything is put together on the stack and borrowed; the
 * policy allocates nothing either.
 */
#include "base/curve.h"
#include "base/param_set.h"
#include "pkcs11/gate_int.h"
#include "pkcs11/handles.h"

#include <stdio.h>
#include <string.h>

static struct policy_value value_string(struct bytes s)
{
    return (struct policy_value){.kind = POLICY_STRING, .u.string = s};
}

static struct policy_value value_text(const char *s)
{
    return value_string(bytes_from_str(s));
}

static struct policy_value value_long(int64_t n)
{
    return (struct policy_value){.kind = POLICY_LONG, .u.number = n};
}

static struct policy_value value_bool(bool b)
{
    return (struct policy_value){.kind = POLICY_BOOL, .u.boolean = b};
}

static struct policy_value value_record(const struct policy_field *fields, size_t count)
{
    return (struct policy_value){.kind = POLICY_RECORD,
                                 .u.record = {.fields = fields, .count = count}};
}

static struct policy_uid uid_of(const char *type, const char *id)
{
    return (struct policy_uid){.type = bytes_from_str(type), .id = bytes_from_str(id)};
}

#define FIELD(key, val) ((struct policy_field){.name = BYTES_LIT(key), .value = (val)})

/* ---- on what ---- */

/* The entity type and the words for class and type, one row a class. */
static const struct class_words {
    CK_OBJECT_CLASS cls;
    const char *entity, *word;
} class_table[] = {
    {CKO_PRIVATE_KEY, "Key", "private"}, {CKO_PUBLIC_KEY, "Key", "public"},
    {CKO_SECRET_KEY, "Key", "secret"},   {CKO_CERTIFICATE, "Certificate", "certificate"},
    {CKO_DATA, "Secret", "data"},
};

static const struct class_words *words_of(CK_OBJECT_CLASS cls)
{
    for (size_t i = 0; i < sizeof(class_table) / sizeof(*class_table); i++)
        if (class_table[i].cls == cls)
            return &class_table[i];
    return &class_table[sizeof(class_table) / sizeof(*class_table) - 1];
}

static const struct {
    CK_KEY_TYPE type;
    const char *word;
} type_table[] = {
    {CKK_RSA, "rsa"},
    {CKK_EC, "ec"},
    {CKK_EC_EDWARDS, "ec-edwards"},
    {CKK_EC_MONTGOMERY, "ec-montgomery"},
    {CKK_EC_EDWARDS, "ed25519"},
    {CKK_ML_KEM, "ml-kem"},
    {CKK_ML_DSA, "ml-dsa"},
    {CKK_SLH_DSA, "slh-dsa"},
    {CKK_AES, "aes"},
    {CKK_GENERIC_SECRET, "hmac"},
    {CKK_SHA_1_HMAC, "hmac"},
    {CKK_SHA224_HMAC, "hmac"},
    {CKK_SHA256_HMAC, "hmac"},
    {CKK_SHA384_HMAC, "hmac"},
    {CKK_SHA512_HMAC, "hmac"},
};

static const char *type_word(const struct object *object)
{
    CK_KEY_TYPE type = attrs_ulong(&object->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);

    if (object->cls == CKO_CERTIFICATE)
        return "x509";
    if (object->cls == CKO_DATA)
        return "data";
    for (size_t i = 0; i < sizeof(type_table) / sizeof(*type_table); i++)
        if (type_table[i].type == type)
            return type_table[i].word;
    return "other";
}

static int64_t size_of(const struct object *object)
{
    CK_KEY_TYPE type = attrs_ulong(&object->attrs, CKA_KEY_TYPE, CK_UNAVAILABLE_INFORMATION);
    const struct curve *curve = curve_find(type, attrs_bytes(&object->attrs, CKA_EC_PARAMS));
    const struct param_set *set =
        param_set_find(type, attrs_ulong(&object->attrs, CKA_PARAMETER_SET, 0));
    CK_ULONG bits = attrs_ulong(&object->attrs, CKA_MODULUS_BITS, 0);

    if (bits == 0)
        bits = attrs_bytes(&object->attrs, CKA_MODULUS).len * 8;
    if (bits == 0)
        bits = attrs_ulong(&object->attrs, CKA_VALUE_LEN, 0) * 8;
    if (bits == 0 && curve != NULL)
        bits = curve->bits;
    if (bits == 0 && set != NULL)
        bits = set->size;
    return (int64_t)bits;
}

static const char *const state_words[] = {
    [OBJECT_ENABLED] = "enabled", [OBJECT_DISABLED] = "disabled", [OBJECT_DELETED] = "deleted"};

static const char *protection_word(const struct object *object)
{
    if (object->cls != CKO_PRIVATE_KEY && object->cls != CKO_SECRET_KEY)
        return "none";
    return object->protection == PROTECTION_HSM ? "hsm" : "software";
}

struct bytes question_object_id(const struct run *run, const struct object *object,
                                char out[static QUESTION_UID_MAX])
{
    struct bytes label = attrs_bytes(&object->attrs, CKA_LABEL);
    char hex[2 * OBJECT_ID_LEN + 1];
    int n;

    bytes_to_hex(BYTES(object->id, OBJECT_ID_LEN), hex);
    if (label.len > 0 && label.len <= 256)
        n = snprintf(out, QUESTION_UID_MAX, "%s/%.*s", run->vault.name, (int)label.len,
                     (const char *)label.data);
    else
        n = snprintf(out, QUESTION_UID_MAX, "%s/%s", run->vault.name, hex);
    return BYTES(out, (size_t)n);
}

static void set_object(struct question *q, const struct object *object,
                       struct policy_entity *entity)
{
    struct bytes label = attrs_bytes(&object->attrs, CKA_LABEL);
    const struct policy_field attrs[QUESTION_OBJECT_ATTRS] = {
        FIELD("class", value_text(words_of(object->cls)->word)),
        FIELD("name", value_string(label)),
        FIELD("private", value_bool(attrs_true(&object->attrs, CKA_PRIVATE))),
        FIELD("protection", value_text(protection_word(object))),
        FIELD("size", value_long(size_of(object))),
        FIELD("state", value_text(state_words[object->state])),
        FIELD("tags", value_record(NULL, 0)),
        FIELD("token", value_bool(attrs_true(&object->attrs, CKA_TOKEN))),
        FIELD("type", value_text(type_word(object))),
        FIELD("version", value_long((int64_t)object->version)),
    };

    memcpy(q->object_attrs, attrs, sizeof(attrs));
    *entity = (struct policy_entity){
        .uid = {.type = bytes_from_str(words_of(object->cls)->entity),
                .id = question_object_id(q->run, object, q->object_uid)},
        .ancestors = &q->vault_uid,
        .ancestor_count = 1,
        .attributes = value_record(q->object_attrs, QUESTION_OBJECT_ATTRS),
    };
}

static void set_vault(struct question *q, struct policy_entity *entity)
{
    const struct run *run = q->run;

    q->vault_uid = uid_of("Vault", run->has_vault ? run->vault.name : "");
    q->vault_attrs[0] = FIELD("name", value_string(q->vault_uid.id));
    q->vault_attrs[1] =
        FIELD("protection", value_text(!run->has_vault                           ? ""
                                       : run->vault.protection == PROTECTION_HSM ? "hsm"
                                                                                 : "software"));
    *entity =
        (struct policy_entity){.uid = q->vault_uid, .attributes = value_record(q->vault_attrs, 2)};
}

/* ---- how long an answer holds ---- */

/* The members of the context whose value changes by itself. */
static const char *const fleeting[] = {"now", "time", "approvals"};

bool question_lasts(const struct rules *rules)
{
    if (rules->budgets)
        return false;
    for (size_t i = 0; i < sizeof(fleeting) / sizeof(*fleeting); i++)
        if (rules->policy == NULL || policy_speaks_of(rules->policy, fleeting[i]))
            return false;
    return true;
}

/* ---- the whole ---- */

static int entity_compare(const struct policy_entity *a, const struct policy_entity *b)
{
    int c = bytes_compare(a->uid.type, b->uid.type);

    return c != 0 ? c : bytes_compare(a->uid.id, b->uid.id);
}

static void add_entity(struct question *q, const struct policy_entity *entity)
{
    size_t at = q->request.entity_count++;

    while (at > 0 && entity_compare(entity, &q->entities[at - 1]) < 0) {
        q->entities[at] = q->entities[at - 1];
        at--;
    }
    q->entities[at] = *entity;
}

static CK_RV put_together(struct question *q)
{
    struct policy_entity entity;
    CK_RV rv = who_entity(q, &entity);

    if (rv != CKR_OK)
        return rv;
    q->request.entities = q->entities;
    q->request.entity_count = 0;
    q->request.principal = entity.uid;
    add_entity(q, &entity);
    q->request.action = schema_action(q->ask->action)->uid;
    add_entity(q, schema_action(q->ask->action));
    set_vault(q, &entity);
    q->request.resource = entity.uid;
    add_entity(q, &entity);
    if (q->ask->object != NULL) {
        set_object(q, q->ask->object, &entity);
        q->request.resource = entity.uid;
        add_entity(q, &entity);
    }
    question_context(q, q->ask->mechanism, q->login.kind != LOGIN_NONE);
    return CKR_OK;
}

/*
 * The rules in force. Where the vault's own text does not load they permit nothing, so nobody could
 * put another in its place: that one act of administration is asked of the home's policy alone.
 */
static CK_RV rules_for(struct run *run, enum action action, struct rules **ret)
{
    struct engine *engine = run->app->engine;
    uint64_t generation = 0;
    CK_RV rv = run_generation(run, &generation);

    if (rv == CKR_OK)
        rv = engine_rules(engine, run->has_vault ? &run->vault : NULL, generation, ret);
    if (rv != CKR_OK || (*ret)->policy != NULL || run->verb == NULL ||
        action != ACTION_APPLY_POLICY)
        return rv;
    engine_rules_release(engine, TAKE(*ret));
    return engine_rules(engine, NULL, generation, ret);
}

/*
 * As whom. A binding makes a Unix user, or the holder of a token, a user of the vault. In
 * administration the Unix user comes first: who administers and is bound to a user goes on
 * administering.
 */
static void choose_principal(struct question *q)
{
    if (q->ask->as_unix)
        return;
    q->may_bind = q->run->verb != NULL && q->login.kind == LOGIN_NONE;
    if (!q->may_bind)
        who_bind(q->run, q->rules, &q->login);
}

CK_RV question_new(struct run *run, const struct ask *ask, struct question *q)
{
    CK_RV rv;

    memset(q, 0, sizeof(*q));
    q->run = run;
    q->ask = ask;
    rv = ask->as_unix ? CKR_OK : gate_login(run, &q->told);
    q->login = q->told;
    if (rv == CKR_OK)
        rv = rules_for(run, ask->action, &q->rules);
    if (rv != CKR_OK)
        return rv;
    q->verdict.reasons = q->reasons;
    q->verdict.max = QUESTION_REASONS_MAX;
    q->verdict.errors = q->errors;
    q->verdict.error_max = QUESTION_REASONS_MAX;
    choose_principal(q);
    rv = put_together(q);
    if (rv != CKR_OK)
        question_release(q);
    return rv;
}

void question_release(struct question *q)
{
    engine_rules_release(q->run->app->engine, q->rules);
}

/*
 * The standard's own rule, beside the policy's: a private object is not there for a session that
 * has not logged in. Where the policy that allows it names the Unix caller the connection itself is
 * the login. Administrative verbs go by the policy alone.
 */
static bool private_without_login(const struct question *q)
{
    return q->run->verb == NULL && q->ask->object != NULL && q->login.kind == LOGIN_NONE &&
           attrs_true(&q->ask->object->attrs, CKA_PRIVATE) &&
           !policy_verdict_names_principal(q->rules->policy, &q->request, &q->verdict);
}

static void decide(struct question *q)
{
    policy_decide(q->rules->policy, &q->request, &q->verdict);
    q->clock_is_back = gate_clock_is_back(q->run, q->ask->action);
    if (q->verdict.allow && (q->clock_is_back || private_without_login(q))) {
        q->verdict.allow = false;
        q->verdict.reason_count = 0;
    }
}

void question_decide(struct question *q)
{
    decide(q);
    if (q->verdict.allow || !q->may_bind)
        return;
    who_bind(q->run, q->rules, &q->login);
    q->may_bind = false;
    if (q->login.kind != LOGIN_NONE && put_together(q) == CKR_OK)
        decide(q);
}

void question_decide_approved(struct question *q, uint64_t approvals)
{
    q->approvals = approvals;
    question_context(q, q->ask->mechanism, q->login.kind != LOGIN_NONE);
    decide(q);
}

/* ---- after a denial ---- */

/* The same question with another principal or context. */
static bool would_allow(const struct question *q, const struct policy_request *request)
{
    struct policy_verdict verdict = {.max = 0};

    policy_decide(q->rules->policy, request, &verdict);
    return verdict.allow;
}

static bool user_would_be_allowed(const struct question *q, const char *name)
{
    struct question as = *q;

    as.login = (struct login){.kind = LOGIN_USER};
    (void)snprintf(as.login.name, sizeof(as.login.name), "%s", name);
    return put_together(&as) == CKR_OK && would_allow(q, &as.request);
}

bool question_user_may(const struct question *q, const char *user, const char *verb,
                       enum action action)
{
    const struct ask ask = {.action = action, .object = q->ask->object};
    struct run run = *q->run;
    struct question as = *q;

    run.verb = verb;
    run.session = NULL;
    as.run = &run;
    as.ask = &ask;
    as.login = (struct login){.kind = LOGIN_USER};
    (void)snprintf(as.login.name, sizeof(as.login.name), "%s", user);
    return put_together(&as) == CKR_OK && would_allow(&as, &as.request);
}

bool question_login_would_help(const struct question *q)
{
    struct user_info *users = NULL;
    size_t count = 0;
    bool help = false;

    if (q->login.kind != LOGIN_NONE || !q->run->has_vault || q->run->verb != NULL ||
        user_list(engine_store(q->run->app->engine), &q->run->vault, &users, &count) != CKR_OK)
        return false;
    for (size_t i = 0; i < count && !help; i++)
        help = user_would_be_allowed(q, users[i].name);
    free(users);
    return help;
}

bool question_other_mechanism_would_help(const struct question *q)
{
    const CK_MECHANISM *asked = q->ask->mechanism;
    const struct mech *row = asked != NULL ? mech_find(asked->mechanism) : NULL;

    if (row == NULL)
        return false;
    for (size_t i = 0; i < mech_count(); i++) {
        const struct mech *other = mech_at(i);
        struct question as;
        CK_MECHANISM mechanism = {.mechanism = other->type};

        if (other == row || other->key != row->key || (other->flags & row->flags) == 0)
            continue;
        as = *q;
        question_context(&as, &mechanism, q->login.kind != LOGIN_NONE);
        if (would_allow(q, &as.request))
            return true;
    }
    return false;
}

CK_ULONG question_rule_number(const struct question *q)
{
    return q->verdict.reason_count > 0 ? (CK_ULONG)q->reasons[0] + 1 : 0;
}

static void list_rules(const struct question *q, char *out, size_t size)
{
    size_t stored = q->verdict.reason_count < QUESTION_REASONS_MAX ? q->verdict.reason_count
                                                                   : QUESTION_REASONS_MAX;
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < stored && at < size; i++) {
        int n = snprintf(out + at, size - at, "%s%s", i > 0 ? "," : "",
                         policy_id(q->rules->policy, q->reasons[i]));

        at += n > 0 ? (size_t)n : 0;
    }
}

void question_reason(const struct question *q, char *out, size_t size)
{
    char who[sizeof(((struct grant *)NULL)->principal)];
    char rules[GRANT_RULES_MAX];
    const char *action = schema_action_name(q->ask->action);
    struct bytes what = q->request.resource.id;

    who_text(q->run, &q->login, who, sizeof(who));
    list_rules(q, rules, sizeof(rules));
    if (q->clock_is_back && gate_clock_problem(q->run, out, size))
        return;
    if (q->rules->policy == NULL)
        (void)snprintf(out, size, "%s may not %s: the policy cannot be read, apply it anew", who,
                       action);
    else if (q->verdict.error_count > 0)
        (void)snprintf(out, size, "%s may not %s %.*s: policy %s errs (%s)", who, action,
                       (int)what.len, (const char *)what.data,
                       policy_id(q->rules->policy, q->errors[0]), q->verdict.error);
    else if (q->spent != NULL)
        (void)snprintf(out, size,
                       "%s may not %s %.*s: the budget of policy %s is used up (its @rate or "
                       "@uses)",
                       who, action, (int)what.len, (const char *)what.data, q->spent);
    else if (q->approvals_needed > 0)
        (void)snprintf(out, size,
                       "%s may not %s %.*s: it needs approvals by %llu others and has %llu for "
                       "this: keyward approve %.*s --action %s --file DATA",
                       who, action, (int)what.len, (const char *)what.data,
                       (unsigned long long)q->approvals_needed, (unsigned long long)q->approvals,
                       (int)what.len, (const char *)what.data, action);
    else if (q->verdict.reason_count > 0)
        (void)snprintf(out, size, "%s may not %s %.*s: forbidden by %s", who, action, (int)what.len,
                       (const char *)what.data, rules);
    else
        (void)snprintf(out, size, "%s may not %s %.*s: no policy permits it", who, action,
                       (int)what.len, (const char *)what.data);
}

void question_fill(const struct question *q, struct grant *grant)
{
    who_text(q->run, &q->login, grant->principal, sizeof(grant->principal));
    grant->proof = who_proof(&q->login);
    grant->login = q->told;
    grant->lasts = question_lasts(q->rules);
    grant->any_parameters = !question_hears_parameters(q->rules);
    list_rules(q, grant->rules, sizeof(grant->rules));
    memcpy(grant->policy, q->rules->hash, sizeof(grant->policy));
}
