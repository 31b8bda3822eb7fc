/*
 * The gate's question put for somebody else: what would this caller be answered? Decides only;
 * nothing is recorded and no grant comes of it (the verb that asks has its own).
 */
#include "pkcs11/gate_int.h"

#include <stdio.h>
#include <string.h>

#define EXPLAIN_CONTEXT_MAX 64

/* The C_ function an action is first asked from: what context.function says unless the request
 * does. */
static const char *const functions[ACTION_COUNT] = {
    [ACTION_SIGN] = "C_SignInit",          [ACTION_VERIFY] = "C_VerifyInit",
    [ACTION_ENCRYPT] = "C_EncryptInit",    [ACTION_DECRYPT] = "C_DecryptInit",
    [ACTION_DIGEST] = "C_DigestInit",      [ACTION_RANDOM] = "C_GenerateRandom",
    [ACTION_LIST] = "C_FindObjectsInit",   [ACTION_GET] = "C_GetAttributeValue",
    [ACTION_CREATE] = "C_GenerateKeyPair", [ACTION_IMPORT] = "C_CreateObject",
    [ACTION_DELETE] = "C_DestroyObject",   [ACTION_LOGIN] = "C_Login",
    [ACTION_CHANGE_PIN] = "C_SetPIN",      [ACTION_UPDATE] = "C_SetAttributeValue",
};

struct context {
    struct policy_field fields[EXPLAIN_CONTEXT_MAX];
    size_t count;
};

/* Sets or replaces, keeping the order by name. */
static CK_RV context_set(struct context *c, const struct policy_field *field)
{
    size_t at = 0;

    while (at < c->count && bytes_compare(c->fields[at].name, field->name) < 0)
        at++;
    if (at == c->count || !bytes_equal(c->fields[at].name, field->name)) {
        if (c->count == EXPLAIN_CONTEXT_MAX)
            return fail(CKR_ARGUMENTS_BAD, "a request's context has at most %d members",
                        EXPLAIN_CONTEXT_MAX);
        memmove(&c->fields[at + 1], &c->fields[at], (c->count - at) * sizeof(*c->fields));
        c->count++;
    }
    c->fields[at] = *field;
    return CKR_OK;
}

static CK_RV context_text(struct context *c, const char *name, const char *value)
{
    const struct policy_field field = {
        .name = bytes_from_str(name),
        .value = {.kind = POLICY_STRING, .u.string = bytes_from_str(value)}};

    return context_set(c, &field);
}

/* An application's call, not this verb's: then whatever the request says itself. */
static CK_RV context_make(const struct question *q, const struct explain *e, struct context *c)
{
    const char *function = functions[e->ask.action];
    const struct policy_field logged_in = {
        .name = BYTES_LIT("loggedIn"),
        .value = {.kind = POLICY_BOOL, .u.boolean = bytes_equal_str(e->principal.type, "User")}};
    CK_RV rv = CKR_OK;

    for (size_t i = 0; rv == CKR_OK && i < q->request.context.u.record.count; i++)
        rv = context_set(c, &q->request.context.u.record.fields[i]);
    if (rv == CKR_OK)
        rv = context_text(c, "via", "pkcs11");
    if (rv == CKR_OK)
        rv = context_text(c, "function", function != NULL ? function : "");
    if (rv == CKR_OK)
        rv = context_set(c, &logged_in);
    for (size_t i = 0; rv == CKR_OK && i < e->context_count; i++)
        rv = context_set(c, &e->context[i]);
    return rv;
}

static CK_RV set_approvals(struct context *c, uint64_t approvals)
{
    const struct policy_field field = {
        .name = BYTES_LIT("approvals"),
        .value = {.kind = POLICY_LONG, .u.number = (int64_t)approvals}};

    return context_set(c, &field);
}

static void set_request_context(struct question *q, const struct context *c)
{
    q->request.context = (struct policy_value){
        .kind = POLICY_RECORD, .u.record = {.fields = c->fields, .count = c->count}};
}

/* The least number of approvals that would change the answer. The context is spoilt. */
static uint64_t approvals_needed(struct question *q, struct context *c)
{
    struct policy_verdict verdict = {.max = 0};

    if (q->rules->policy == NULL || !q->rules->approvals)
        return 0;
    for (uint64_t n = 1; n <= APPROVALS_MAX; n++) {
        if (set_approvals(c, n) != CKR_OK)
            return 0;
        set_request_context(q, c);
        policy_decide(q->rules->policy, &q->request, &verdict);
        if (verdict.allow)
            return n;
    }
    if (set_approvals(c, 0) == CKR_OK) /* as it was asked */
        set_request_context(q, c);
    return 0;
}

static bool uid_equal(const struct policy_uid *a, const struct policy_uid *b)
{
    return bytes_equal(a->type, b->type) && bytes_equal(a->id, b->id);
}

static int entity_order(const struct policy_entity *a, const struct policy_entity *b)
{
    int c = bytes_compare(a->uid.type, b->uid.type);

    return c != 0 ? c : bytes_compare(a->uid.id, b->uid.id);
}

/* The explained principal in the place of the caller's own; the list stays sorted. */
static void principal_replace(struct question *q, const struct explain *e)
{
    struct policy_entity principal = {.uid = e->principal,
                                      .ancestors = e->groups,
                                      .ancestor_count = e->group_count,
                                      .attributes = {.kind = POLICY_RECORD}};
    size_t n = 0;

    if (uid_equal(&q->request.principal, &e->principal) && e->group_count == 0)
        return; /* ourselves: the groups are known */
    for (size_t i = 0; i < q->request.entity_count; i++)
        if (!uid_equal(&q->entities[i].uid, &q->request.principal))
            q->entities[n++] = q->entities[i];
    for (; n > 0 && entity_order(&principal, &q->entities[n - 1]) < 0; n--)
        q->entities[n] = q->entities[n - 1];
    q->entities[n] = principal;
    q->request.principal = e->principal;
}

/* The groups that the request gives, and those of the vault that the principal is in. */
static CK_RV know_groups(const struct question *q, const struct explain *e,
                         struct policy_uid groups[static QUESTION_GROUPS_MAX], struct explain *ret)
{
    static const struct {
        const char *type, *prefix;
    } rows[] = {{"User", "user:"}, {"Unix", "unix:"}, {"Token", "token:"}};
    char name[PRINCIPAL_MAX + 1];
    size_t count = e->group_count < QUESTION_GROUPS_MAX ? e->group_count : QUESTION_GROUPS_MAX;
    CK_RV rv = CKR_OK;

    *ret = *e;
    if (uid_equal(&q->request.principal, &e->principal) && count == 0)
        return CKR_OK; /* ourselves: the groups are known */
    if (count > 0)
        memcpy(groups, e->groups, count * sizeof(*groups));
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int n = snprintf(name, sizeof(name), "%s%.*s", rows[i].prefix, (int)e->principal.id.len,
                         (const char *)e->principal.id.data);

        if (bytes_equal_str(e->principal.type, rows[i].type) && n >= 0 &&
            (size_t)n < sizeof(name) && q->run->has_vault)
            rv = who_groups(q->rules, name, groups, &count);
    }
    ret->groups = groups;
    ret->group_count = count;
    return rv;
}

static bool via_pkcs11(const struct context *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (bytes_equal_str(c->fields[i].name, "via"))
            return c->fields[i].value.kind == POLICY_STRING &&
                   bytes_equal_str(c->fields[i].value.u.string, "pkcs11");
    return false;
}

CK_RV gate_explain(struct run *run, const struct explain *e,
                   CK_RV (*tell)(void *ctx, const struct explained *answer), void *ctx)
{
    struct question q;
    struct context context = {.count = 0};
    struct policy_uid groups[QUESTION_GROUPS_MAX];
    struct explain known;
    struct explained answer = {0};
    CK_RV rv = question_new(run, &e->ask, &q);

    if (rv != CKR_OK)
        return rv;
    rv = context_make(&q, e, &context);
    if (rv == CKR_OK)
        rv = know_groups(&q, e, groups, &known);
    if (rv == CKR_OK) {
        principal_replace(&q, &known);
        set_request_context(&q, &context);
        policy_decide(q.rules->policy, &q.request, &q.verdict);
        answer.policy = q.rules->policy;
        answer.verdict = &q.verdict;
        answer.needs_login = q.verdict.allow && via_pkcs11(&context) && e->ask.object != NULL &&
                             attrs_true(&e->ask.object->attrs, CKA_PRIVATE) &&
                             !bytes_equal_str(e->principal.type, "User") &&
                             !policy_names_principal(q.rules->policy, &q.request);
        answer.request = &q.request;
        if (!q.verdict.allow)
            answer.approvals_needed = approvals_needed(&q, &context);
        rv = tell(ctx, &answer);
    }
    question_release(&q);
    return rv;
}

CK_RV gate_who_can(struct run *run, const struct ask *ask,
                   CK_RV (*tell)(void *ctx, const struct policy *policy,
                                 const struct policy_request *request),
                   void *ctx)
{
    const struct policy_field vault = {
        .name = BYTES_LIT("vault"),
        .value = {.kind = POLICY_STRING, .u.string = bytes_from_str(run->vault.name)}};
    struct question q;
    CK_RV rv = question_new(run, ask, &q);

    if (rv != CKR_OK)
        return rv;
    q.request.context =
        (struct policy_value){.kind = POLICY_RECORD, .u.record = {.fields = &vault, .count = 1}};
    rv = tell(ctx, q.rules->policy, &q.request);
    question_release(&q);
    return rv;
}
