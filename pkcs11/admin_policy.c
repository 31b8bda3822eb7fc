/* Verbs about policies: check, apply, show, the roles there are. A text that does not parse, or
 * speaks of what the schema does not know, is refused whole: what was in force stays in force. */
#include "pkcs11/admin_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX 50 /* shown; beyond them the text is to be mended first */

/* ---- checking ---- */

static CK_RV put_error(json_t *list, const struct policy_error *error)
{
    return admin_append(list, json_pack("{s:o, s:i, s:i, s:o}", "source",
                                        admin_json_text(bytes_from_str(error->source)), "line",
                                        (int)error->line, "column", (int)error->column, "message",
                                        admin_json_text(bytes_from_str(error->message))));
}

/* The reason names the first error; details hold them all. */
static CK_RV refuse_policy(struct admin *a, const struct policy_error *errors, size_t count)
{
    CK_RV rv = CKR_OK;

    json_decref(a->details);
    a->details = json_array();
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = put_error(a->details, &errors[i]);
    if (rv != CKR_OK)
        return rv;
    return fail(CKR_ARGUMENTS_BAD, "%s:%u:%u: %s",
                errors[0].source != NULL ? errors[0].source : "policy", errors[0].line,
                errors[0].column, errors[0].message);
}

static CK_RV check_schema(struct admin *a, const struct policy *policy)
{
    struct policy_error *errors = calloc(ERRORS_MAX, sizeof(*errors));
    size_t count = 0;
    CK_RV rv = CKR_OK;

    if (errors == NULL)
        return fail_memory();
    count = policy_check(policy, errors, ERRORS_MAX);
    if (count > 0)
        rv = refuse_policy(a, errors, count < ERRORS_MAX ? count : ERRORS_MAX);
    free(errors);
    return rv;
}

/* Beside the home's text, as the engine will load it; "policies" of the answer counts the text's
 * own. */
static CK_RV check_beside(struct admin *a, struct bytes home, const char *name, struct bytes text)
{
    const struct policy_source sources[] = {{.name = "home", .text = home, .prefix = "home:"},
                                            {.name = name, .text = text, .prefix = ""}};
    struct policy *policy = NULL;
    struct policy_error error = {0};
    size_t own = 0;
    CK_RV rv = policy_load(sources, 2, &policy, &error);

    if (rv == CKR_ARGUMENTS_BAD)
        return refuse_policy(a, &error, 1);
    if (rv == CKR_OK)
        rv = check_schema(a, policy);
    for (size_t i = 0; rv == CKR_OK && i < policy_count(policy); i++)
        own += strncmp(policy_id(policy, i), "home:", 5) != 0;
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "policies", json_integer((json_int_t)own));
    policy_free(policy);
    return rv;
}

CK_RV admin_policy_check(struct admin *a, const char *name, struct bytes text)
{
    struct buf home = BUF_INIT(POLICY_TEXT_MAX);
    CK_RV rv = store_get_home(run_store(&a->run), "policy", &home);

    if (rv == CKR_OK)
        rv = check_beside(a, buf_bytes(&home), name, text);
    buf_release_secure(&home);
    return rv;
}

/* ---- statements keyward writes ---- */

void admin_policy_statement(struct buf *out, const char *user, const char *role)
{
    if (role != NULL)
        buf_printf(out,
                   "\n@id(\"%s-%s\")\n"
                   "permit (principal == User::\"%s\",\n"
                   "        action in Action::\"%s\",\n"
                   "        resource);\n",
                   user, role, user, role);
    else
        engine_user_policy(out, user);
}

/* ---- the verbs ---- */

static CK_RV policy_check_verb(struct admin *a)
{
    const char *name = admin_text(a, "name");

    return admin_policy_check(a, name != NULL ? name : "policy",
                              bytes_from_str(admin_text(a, "text")));
}

static CK_RV policy_apply_verb(struct admin *a)
{
    struct bytes text = bytes_from_str(admin_text(a, "text"));
    const char *name = admin_text(a, "name");
    CK_RV rv = admin_policy_check(a, name != NULL ? name : a->run.vault.name, text);

    return rv == CKR_OK ? vault_set_policy(run_store(&a->run), &a->run.vault, text) : rv;
}

static CK_RV policy_show_verb(struct admin *a)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    CK_RV rv;

    if (a->run.has_vault)
        rv = vault_get_policy(run_store(&a->run), &a->run.vault, &text);
    else
        rv = store_get_home(run_store(&a->run), "policy", &text);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "text", admin_json_text(buf_bytes(&text)));
    buf_release_secure(&text);
    return rv;
}

static bool is_in_group(const struct policy_entity *action, const char *group)
{
    for (size_t i = 0; i < action->ancestor_count; i++)
        if (bytes_equal_str(action->ancestors[i].id, group))
            return true;
    return false;
}

static json_t *role_json(const char *role)
{
    json_t *actions = json_array();

    for (enum action action = 0; action < ACTION_COUNT; action++)
        if (is_in_group(schema_action(action), role))
            (void)json_array_append_new(actions, json_string(schema_action_name(action)));
    return json_pack("{s:s, s:o}", "role", role, "actions", actions);
}

static CK_RV policy_roles_verb(struct admin *a)
{
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "roles", list);

    for (const char *const *role = schema_roles(); rv == CKR_OK && *role != NULL; role++)
        rv = admin_append(list, role_json(*role));
    return rv;
}

/* ---- the chapter ---- */

static const struct admin_member check_members[] = {
    {"text", MEMBER_TEXT, true}, {"name", MEMBER_TEXT, false}, {0}};
static const struct admin_member apply_members[] = {
    {"vault", MEMBER_TEXT, true}, {"text", MEMBER_TEXT, true}, {"name", MEMBER_TEXT, false}, {0}};
static const struct admin_member show_members[] = {{"vault", MEMBER_TEXT, false}, {0}};
static const struct admin_member explain_members[] = {
    {"vault", MEMBER_TEXT, true}, {"request", MEMBER_OBJECT, true}, {0}};
static const struct admin_member no_members[] = {{0}};

static const struct admin_verb verbs[] = {
    {"policy.check", ACTION_READ_POLICY, 0, check_members, policy_check_verb},
    {"policy.apply", ACTION_APPLY_POLICY, ADMIN_VAULT | ADMIN_CHANGES, apply_members,
     policy_apply_verb},
    {"policy.show", ACTION_READ_POLICY, ADMIN_VAULT, show_members, policy_show_verb},
    {"policy.explain", ACTION_READ_POLICY, ADMIN_VAULT, explain_members, admin_policy_explain},
    {"policy.roles", ACTION_READ_POLICY, 0, no_members, policy_roles_verb},
};

const struct admin_chapter admin_policy_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
