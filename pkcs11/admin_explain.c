/* policy.explain: one request, its answer, and the policies that made it; policy.who-can: everybody
 * whose request would be allowed. Only readPolicy is
 * needed, so objects that the caller may not see are not found by it. */
#include "pkcs11/admin_int.h"
#include "pkcs11/admin_json.h"
#include "policy/extension.h"
#include "policy/remedy.h"

#include <stdlib.h>
#include <string.h>

#define CONTEXT_MAX 48
#define GROUPS_MAX  64

/* One request, taken apart. Texts are borrowed from the JSON. */
struct query {
    struct explain explain;
    struct policy_field context[CONTEXT_MAX];
    struct policy_uid groups[GROUPS_MAX];
    struct admin_objects found;
    struct object imagined; /* for actions on what is not there yet */
};

/* Type::"id", as policies write it; the id may hold \" and \\. */
static CK_RV read_uid(const char *text, char *id, size_t size, struct policy_uid *ret)
{
    const char *quote = strstr(text, "::\"");
    size_t len = 0;
    const char *c;

    if (quote == NULL || quote == text)
        return fail(CKR_ARGUMENTS_BAD, "\"%.128s\" names nobody: write User::\"alice\"", text);
    for (c = quote + 3; *c != '\0' && *c != '"' && len + 1 < size; c++) {
        if (*c == '\\' && c[1] != '\0')
            c++;
        id[len++] = *c;
    }
    if (c[0] != '"' || c[1] != '\0')
        return fail(CKR_ARGUMENTS_BAD, "\"%.128s\" does not end with a quote, or is too long",
                    text);
    id[len] = '\0';
    *ret = (struct policy_uid){.type = BYTES(text, (size_t)(quote - text)), .id = BYTES(id, len)};
    return CKR_OK;
}

static CK_RV read_action(const json_t *request, enum action *ret)
{
    const char *text = json_string_value(json_object_get(request, "action"));
    char id[128];
    struct policy_uid uid;

    if (text == NULL)
        return fail(CKR_ARGUMENTS_BAD, "request: the text member \"action\" is missing");
    if (schema_action_find(text, ret))
        return CKR_OK;
    if (read_uid(text, id, sizeof(id), &uid) == CKR_OK && bytes_equal_str(uid.type, "Action") &&
        schema_action_find(id, ret))
        return CKR_OK;
    return fail(CKR_ARGUMENTS_BAD, "there is no action \"%.64s\": see keyward policy roles", text);
}

/* {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}, as Cedar's JSON has it. */
static bool read_extension(const json_t *json, struct policy_value *ret)
{
    const json_t *call = json_object_get(json, "__extn");
    const char *function = json_string_value(json_object_get(call, "fn"));
    const char *argument = json_string_value(json_object_get(call, "arg"));
    const struct extension *extension =
        function != NULL ? extension_find(bytes_from_str(function)) : NULL;

    return extension != NULL && argument != NULL &&
           extension_read(extension->kind, bytes_from_str(argument), ret);
}

static CK_RV read_value(const char *name, const json_t *json, struct policy_value *ret)
{
    if (json_is_string(json))
        *ret = (struct policy_value){.kind = POLICY_STRING,
                                     .u.string =
                                         BYTES(json_string_value(json), json_string_length(json))};
    else if (json_is_integer(json))
        *ret = (struct policy_value){.kind = POLICY_LONG, .u.number = json_integer_value(json)};
    else if (json_is_boolean(json))
        *ret = (struct policy_value){.kind = POLICY_BOOL, .u.boolean = json_is_true(json)};
    else if (!read_extension(json, ret))
        return fail(CKR_ARGUMENTS_BAD,
                    "request: context member \"%.64s\" must be a text, a whole number, true or "
                    "false, or an __extn with fn (ip, datetime, duration) and arg",
                    name);
    return CKR_OK;
}

static CK_RV read_context(json_t *request, struct query *q)
{
    json_t *context = json_object_get(request, "context");
    const char *name;
    json_t *value;
    CK_RV rv = CKR_OK;

    if (context != NULL && !json_is_object(context))
        return fail(CKR_ARGUMENTS_BAD, "request: \"context\" must be an object");
    if (json_object_size(context) > CONTEXT_MAX)
        return fail(CKR_ARGUMENTS_BAD, "request: the context has at most %d members", CONTEXT_MAX);
    q->explain.context = q->context;
    json_object_foreach(context, name, value)
    {
        struct policy_field *field = &q->context[q->explain.context_count++];

        field->name = bytes_from_str(name);
        rv = read_value(name, value, &field->value);
        if (rv != CKR_OK)
            return rv;
    }
    return CKR_OK;
}

static CK_RV read_groups(const json_t *request, struct query *q)
{
    const json_t *groups = json_object_get(request, "groups");

    if (groups != NULL && (!json_is_array(groups) || json_array_size(groups) > GROUPS_MAX))
        return fail(CKR_ARGUMENTS_BAD, "request: \"groups\" is a list of at most %d names",
                    GROUPS_MAX);
    q->explain.groups = q->groups;
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *name = json_string_value(json_array_get(groups, i));

        if (name == NULL)
            return fail(CKR_ARGUMENTS_BAD, "request: \"groups\" is a list of names");
        q->groups[q->explain.group_count++] =
            (struct policy_uid){.type = BYTES_LIT("UnixGroup"), .id = bytes_from_str(name)};
    }
    return CKR_OK;
}

static bool makes_objects(enum action action)
{
    return action == ACTION_CREATE || action == ACTION_IMPORT || action == ACTION_SET_SECRET;
}

/* Of a pair, the half the action works with; a request may name the class itself. */
static bool is_half_for(const struct object *object, enum action action, const char *cls)
{
    bool is_public = object->cls == CKO_PUBLIC_KEY;

    if (cls != NULL)
        return strcmp(cls, is_public                        ? "public"
                           : object->cls == CKO_PRIVATE_KEY ? "private"
                           : object->cls == CKO_SECRET_KEY  ? "secret"
                           : object->cls == CKO_CERTIFICATE ? "certificate"
                                                            : "data") == 0;
    return is_public == (action == ACTION_VERIFY || action == ACTION_ENCRYPT ||
                         action == ACTION_WRAP_KEY || action == ACTION_ENCAPSULATE);
}

static const struct object *choose(const struct query *q, const char *cls)
{
    for (size_t i = 0; i < q->found.count; i++)
        if (is_half_for(&q->found.list[i], q->explain.ask.action, cls))
            return &q->found.list[i];
    return cls == NULL && q->found.count > 0 ? &q->found.list[0] : NULL;
}

static CK_RV imagine(struct query *q, const char *name)
{
    CK_RV rv = attrs_set(&q->imagined.attrs, CKA_LABEL, bytes_from_str(name));

    q->imagined.cls = CKO_PRIVATE_KEY;
    q->imagined.version = 1;
    if (rv == CKR_OK)
        rv = attrs_set_bool(&q->imagined.attrs, CKA_TOKEN, true);
    q->explain.ask.object = &q->imagined;
    return rv;
}

/* "object" is a name; "resource" is the entity, whose id begins with the vault's name. *ret is NULL
 * for the vault itself. */
static CK_RV read_name(struct admin *a, const json_t *request, char *id, size_t size,
                       const char **ret)
{
    const char *resource = json_string_value(json_object_get(request, "resource"));
    size_t vault = strlen(a->run.vault.name);
    struct policy_uid uid;
    CK_RV rv;

    *ret = json_string_value(json_object_get(request, "object"));
    if (*ret != NULL || resource == NULL)
        return CKR_OK;
    rv = read_uid(resource, id, size, &uid);
    if (rv != CKR_OK || bytes_equal_str(uid.type, "Vault"))
        return rv;
    if (strncmp(id, a->run.vault.name, vault) != 0 || id[vault] != '/')
        return fail(CKR_ARGUMENTS_BAD, "resource \"%.128s\" is not of vault %s", resource,
                    a->run.vault.name);
    *ret = id + vault + 1;
    return CKR_OK;
}

static CK_RV read_object(struct admin *a, const json_t *request, struct query *q)
{
    char id[512];
    const char *name = NULL;
    const char *cls = json_string_value(json_object_get(request, "class"));
    CK_RV rv = read_name(a, request, id, sizeof(id), &name);

    if (rv != CKR_OK || name == NULL)
        return rv;
    rv = admin_object_find(a, name, &q->found);
    if (rv != CKR_OK)
        return rv;
    q->explain.ask.object = choose(q, cls);
    if (q->explain.ask.object != NULL)
        return CKR_OK;
    if (makes_objects(q->explain.ask.action))
        return imagine(q, name);
    return fail(CKR_OBJECT_HANDLE_INVALID,
                "vault %s has no such object %.128s that you may see: see keyward key list %s",
                a->run.vault.name, name, a->run.vault.name);
}

static CK_RV check_known(json_t *request)
{
    static const char *const known[] = {"principal", "action", "object", "resource",
                                        "class",     "groups", "context"};
    const char *name;
    json_t *value;

    json_object_foreach(request, name, value)
    {
        size_t i = 0;

        while (i < sizeof(known) / sizeof(*known) && strcmp(known[i], name) != 0)
            i++;
        if (i == sizeof(known) / sizeof(*known))
            return fail(CKR_ARGUMENTS_BAD,
                        "request: unknown member \"%.64s\": it takes principal, action, object, "
                        "resource, class, groups, context",
                        name);
    }
    return CKR_OK;
}

/* ---- the answer ---- */

static json_t *rules_json(const struct policy *policy, const uint32_t *rules, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(
            list, json_pack("{s:o, s:s}", "id",
                            admin_json_text(bytes_from_str(policy_id(policy, rules[i]))), "effect",
                            policy_is_forbid(policy, rules[i]) ? "forbid" : "permit"));
    return list;
}

static const char *why(const struct explained *answer)
{
    const struct policy_verdict *v = answer->verdict;

    if (answer->policy == NULL)
        return "the policy cannot be read: nothing is allowed until it is applied anew";
    if (answer->needs_login)
        return "the policy permits it, but a private object is hidden until C_Login";
    if (v->allow)
        return "permitted";
    if (answer->approvals_needed > 0)
        return "approvals are needed: keyward approve";
    if (v->error_count > 0)
        return "a policy errs, and an error means no";
    return v->reason_count > 0 ? "forbidden" : "no policy permits it (default deny)";
}

/* ---- what would have been needed ---- */

static json_t *step_json(const struct policy_step *step)
{
    switch (step->change) {
    case POLICY_CHANGE_LOGIN:
        return json_pack("{s:o}", "login", admin_json_uid(&step->uid));
    case POLICY_CHANGE_GROUP:
        return json_pack("{s:o}", "group", admin_json_uid(&step->uid));
    case POLICY_CHANGE_CONTEXT:
        break;
    }
    return json_pack("{s:o, s:o, s:b}", "context", admin_json_text(step->field.name), "value",
                     admin_json_value(&step->field.value), "made-up", (int)step->made_up);
}

static json_t *remedies_json(const struct policy_advice *advice)
{
    json_t *list = json_array();

    for (size_t i = 0; i < advice->remedy_count; i++) {
        const struct policy_remedy *remedy = &advice->remedies[i];
        json_t *steps = json_array();

        for (size_t k = 0; k < remedy->count; k++)
            (void)json_array_append_new(steps, step_json(&remedy->steps[k]));
        (void)json_array_append_new(list, steps);
    }
    return list;
}

static json_t *near_json(const struct policy *policy, const struct policy_advice *advice)
{
    json_t *list = json_array();

    for (size_t i = 0; i < advice->near_count; i++) {
        const struct policy_near *near = &advice->near[i];

        (void)json_array_append_new(
            list, json_pack("{s:o, s:s, s:s, s:i, s:i}", "id",
                            admin_json_text(bytes_from_str(policy_id(policy, near->rule))), "fails",
                            near->part, "source", near->source, "line", (int)near->line, "column",
                            (int)near->column));
    }
    return list;
}

static CK_RV put_advice(struct admin *a, const struct explained *answer)
{
    struct policy_advice advice;
    CK_RV rv;

    if (answer->verdict->allow || answer->policy == NULL)
        return CKR_OK;
    rv = policy_advise(answer->policy, answer->request, &advice);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "needed", remedies_json(&advice));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "nearest", near_json(answer->policy, &advice));
    policy_advice_release(&advice);
    return rv;
}

static CK_RV tell(void *ctx, const struct explained *answer)
{
    struct admin *a = ctx;
    const struct policy_verdict *v = answer->verdict;
    size_t reasons = v->reason_count < v->max ? v->reason_count : v->max;
    size_t errors = v->error_count < v->error_max ? v->error_count : v->error_max;
    bool allow = v->allow && !answer->needs_login;
    CK_RV rv = admin_put(a->answer, "decision", json_string(allow ? "allow" : "deny"));

    if (rv == CKR_OK)
        rv = admin_put(a->answer, "why", json_string(why(answer)));
    if (rv == CKR_OK && answer->approvals_needed > 0)
        rv = admin_put(a->answer, "approvals-needed",
                       json_integer((json_int_t)answer->approvals_needed));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "rules", rules_json(answer->policy, v->reasons, reasons));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "erring", rules_json(answer->policy, v->errors, errors));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "error-text", admin_json_text(bytes_from_str(v->error)));
    return rv == CKR_OK ? put_advice(a, answer) : rv;
}

CK_RV admin_policy_explain(struct admin *a)
{
    json_t *request = json_object_get(a->request, "request");
    const char *principal = json_string_value(json_object_get(request, "principal"));
    char id[512];
    struct query *q = calloc(1, sizeof(*q));
    CK_RV rv = q != NULL ? check_known(request) : fail_memory();

    if (rv == CKR_OK && principal == NULL)
        rv = fail(CKR_ARGUMENTS_BAD, "request: the text member \"principal\" is missing");
    if (rv == CKR_OK)
        rv = read_uid(principal, id, sizeof(id), &q->explain.principal);
    if (rv == CKR_OK)
        rv = read_action(request, &q->explain.ask.action);
    if (rv == CKR_OK)
        rv = read_context(request, q);
    if (rv == CKR_OK)
        rv = read_groups(request, q);
    if (rv == CKR_OK)
        rv = read_object(a, request, q);
    if (rv == CKR_OK)
        rv = gate_explain(&a->run, &q->explain, tell, a);
    if (q != NULL) {
        admin_objects_release(&q->found);
        object_release(&q->imagined);
    }
    free(q);
    return rv;
}

/* ---- policy.who-can ---- */

/* The groups the example's principal is in: where it is anybody, they are what lets it. */
static json_t *groups_json(const struct policy_who *who)
{
    json_t *list = json_array();

    for (size_t e = 0; e < who->example.entity_count; e++) {
        const struct policy_entity *entity = &who->example.entities[e];

        if (!bytes_equal(entity->uid.type, who->principal.type) ||
            !bytes_equal(entity->uid.id, who->principal.id))
            continue;
        for (size_t g = 0; g < entity->ancestor_count; g++)
            (void)json_array_append_new(list, admin_json_uid(&entity->ancestors[g]));
    }
    return list;
}

static json_t *who_json(const struct policy *policy, const struct policy_who *who)
{
    return json_pack("{s:o, s:b, s:o, s:s, s:s, s:o}", "principal",
                     who->anybody ? admin_json_text(who->principal.type)
                                  : admin_json_uid(&who->principal),
                     "anybody", (int)who->anybody, "groups", groups_json(who), "when",
                     who->always ? "always" : "sometimes", "by", policy_id(policy, who->by),
                     "example", admin_json_request(&who->example));
}

static CK_RV tell_who(void *ctx, const struct policy *policy, const struct policy_request *request)
{
    struct admin *a = ctx;
    struct policy_who_list list = {.items = NULL};
    json_t *json = json_array();
    CK_RV rv = admin_put(a->answer, "who", json);

    if (rv == CKR_OK && policy != NULL)
        rv = policy_who_can(policy, request, POLICY_WORK_MAX, &list);
    for (size_t i = 0; rv == CKR_OK && i < list.count; i++)
        rv = admin_append(json, who_json(policy, &list.items[i]));
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "undecided", json_string(list.doubt.text));
    policy_who_release(&list);
    return rv;
}

CK_RV admin_policy_who_can(struct admin *a)
{
    struct query *q = calloc(1, sizeof(*q));
    CK_RV rv = q != NULL ? read_action(a->request, &q->explain.ask.action) : fail_memory();

    if (rv == CKR_OK)
        rv = read_object(a, a->request, q);
    if (rv == CKR_OK)
        rv = gate_who_can(&a->run, &q->explain.ask, tell_who, a);
    if (q != NULL) {
        admin_objects_release(&q->found);
        object_release(&q->imagined);
    }
    free(q);
    return rv;
}
