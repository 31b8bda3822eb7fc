/* Verbs about policies: check, apply, show, the roles there are. A text that does not parse, or
 * speaks of what the schema does not know, is refused whole: what was in force stays in force. */
#include "pkcs11/admin_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

static CK_RV put_error(json_t *list, const struct policy_error *error)
{
    return admin_append(list, json_pack("{s:o, s:i, s:i, s:o}", "source",
                                        admin_json_text(bytes_from_str(error->source)), "line",
                                        (int)error->line, "column", (int)error->column, "message",
                                        admin_json_text(bytes_from_str(error->message))));
}

/* The reason names the first error; details hold them all. */
static CK_RV put_errors(struct admin *a, const struct policy_findings *findings)
{
    size_t shown = findings->count < POLICY_FINDINGS_MAX ? findings->count : POLICY_FINDINGS_MAX;
    CK_RV rv = CKR_OK;

    json_decref(a->details);
    a->details = json_array();
    for (size_t i = 0; rv == CKR_OK && i < shown; i++)
        rv = put_error(a->details, &findings->errors[i]);
    return rv;
}

CK_RV admin_policy_check(struct admin *a, const char *name, struct bytes text)
{
    SCOPED_FREE struct policy_findings *findings = malloc(sizeof(*findings));
    CK_RV put = CKR_OK;
    CK_RV rv;

    if (findings == NULL)
        return fail_memory();
    rv = engine_check_policy(a->run.app->engine, name, text, findings);
    if (rv == CKR_OK)
        return admin_put(a->answer, "policies", json_integer((json_int_t)findings->own));
    if (rv == CKR_ARGUMENTS_BAD)
        put = put_errors(a, findings);
    return put == CKR_OK ? rv : put;
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

/* Where it was found not to widen, that was in comparison with what is in force still. */
static CK_RV ensure_compared(struct admin *a, struct bytes was)
{
    char hash[65];
    CK_RV rv = CKR_OK;

    if (a->compared[0] != '\0')
        rv = engine_policy_hash(a->run.app->engine, was, hash);
    if (rv == CKR_OK && a->compared[0] != '\0' && strcmp(hash, a->compared) != 0)
        rv = fail(CKR_FUNCTION_REJECTED,
                  "the vault's policy was changed by somebody else meanwhile: repeat");
    return rv;
}

static CK_RV policy_apply_verb(struct admin *a)
{
    struct bytes text = bytes_from_str(admin_text(a, "text"));
    const char *name = admin_text(a, "name");
    struct buf was = BUF_INIT(POLICY_TEXT_MAX);
    CK_RV rv = admin_policy_check(a, name != NULL ? name : a->run.vault.name, text);

    if (rv == CKR_OK)
        rv = vault_get_policy(run_store(&a->run), &a->run.vault, &was);
    if (rv == CKR_OK)
        rv = ensure_compared(a, buf_bytes(&was));
    if (rv == CKR_OK)
        rv = gate_policy_change(&a->run, buf_bytes(&was), text);
    if (rv == CKR_OK)
        rv = vault_replace_policy(run_store(&a->run), &a->run.vault, buf_bytes(&was), text);
    buf_release_secure(&was);
    return rv;
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
static const struct admin_member who_members[] = {{"vault", MEMBER_TEXT, true},
                                                  {"action", MEMBER_TEXT, true},
                                                  {"object", MEMBER_TEXT, false},
                                                  {"class", MEMBER_TEXT, false},
                                                  {0}};
static const struct admin_member no_members[] = {{0}};

static const struct admin_verb verbs[] = {
    {"policy.check", ACTION_READ_POLICY, 0, check_members, policy_check_verb},
    {"policy.apply", ACTION_APPLY_POLICY, ADMIN_VAULT | ADMIN_CHANGES, apply_members,
     policy_apply_verb},
    {"policy.show", ACTION_READ_POLICY, ADMIN_VAULT, show_members, policy_show_verb},
    {"policy.explain", ACTION_READ_POLICY, ADMIN_VAULT, explain_members, admin_policy_explain},
    {"policy.who-can", ACTION_READ_POLICY, ADMIN_VAULT, who_members, admin_policy_who_can},
    {"policy.roles", ACTION_READ_POLICY, 0, no_members, policy_roles_verb},
};

const struct admin_chapter admin_policy_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
