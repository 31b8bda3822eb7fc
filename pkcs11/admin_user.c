/* Verbs about a vault's users. A user's roles are statements in the vault's policy: what was
 * written by --role is taken out again with the user, so that a later user of that name inherits
 * nothing. */
#include "pkcs11/admin_int.h"

#include <stdlib.h>
#include <string.h>

static CK_RV no_such_user(struct admin *a, CK_RV rv)
{
    if (rv == CKR_USER_PIN_NOT_INITIALIZED)
        return fail(rv, "vault %s has no user %.80s: see keyward user list %s", a->run.vault.name,
                    admin_text(a, "user"), a->run.vault.name);
    return rv;
}

/* ---- user.add ---- */

static CK_RV check_role(const char *role)
{
    for (const char *const *known = schema_roles(); *known != NULL; known++)
        if (strcmp(*known, role) == 0)
            return CKR_OK;
    return fail(CKR_ARGUMENTS_BAD, "there is no role \"%.64s\": see keyward policy roles", role);
}

static CK_RV check_user(struct admin *a, struct bytes *ret_pin)
{
    const char *user = admin_text(a, "user");
    const char *role;
    CK_RV rv = CKR_OK;

    if (!user_name_is_valid(user) && strcmp(user, "so") != 0)
        return fail(CKR_ARGUMENTS_BAD,
                    "\"%.80s\" is no name for a user: use 1 to %d of A-Z a-z 0-9 . _ @ -", user,
                    USER_NAME_MAX);
    if (strcmp(user, "so") == 0 && admin_list(a, "roles", 0) != NULL)
        return fail(CKR_ARGUMENTS_BAD,
                    "the security officer takes no roles: it administers users, by the home's "
                    "policy");
    for (size_t i = 0; rv == CKR_OK && (role = admin_list(a, "roles", i)) != NULL; i++)
        rv = check_role(role);
    if (rv == CKR_OK && admin_secret(a, "pin", ret_pin))
        rv = admin_check_pin(*ret_pin, "the user's");
    return rv;
}

/* The policy text as it is, and with a statement for each role that it does not hold already. */
static CK_RV add_roles(struct admin *a, struct buf *was, struct buf *text)
{
    const char *role;
    CK_RV rv = vault_get_policy(run_store(&a->run), &a->run.vault, was);

    if (rv == CKR_OK)
        buf_put_bytes(text, buf_bytes(was));

    for (size_t i = 0; rv == CKR_OK && (role = admin_list(a, "roles", i)) != NULL; i++) {
        struct buf statement = BUF_INIT(4096);
        const char *whole;

        admin_policy_statement(&statement, admin_text(a, "user"), role);
        whole = buf_str(&statement);
        if (whole == NULL || buf_str(text) == NULL)
            rv = fail_memory();
        else if (strstr(buf_str(text), whole) == NULL)
            buf_puts(text, whole);
        buf_release(&statement);
    }
    if (rv == CKR_OK && !buf_ok(text))
        rv = fail(CKR_ARGUMENTS_BAD, "the policy of vault %s is at its longest: shorten it first",
                  a->run.vault.name);
    return rv == CKR_OK ? admin_policy_check(a, a->run.vault.name, buf_bytes(text)) : rv;
}

/* Giving a role is changing the policy: whoever may only add users may not hand out rights. */
static CK_RV may_add(struct admin *a, bool with_roles)
{
    struct ask policy = {.action = ACTION_APPLY_POLICY};
    CK_RV rv = with_roles ? gate_ask(&a->run, &policy) : CKR_OK;

    return rv == CKR_OK ? admin_ask(a, ACTION_ADD_USER, NULL) : rv;
}

static CK_RV user_add_verb(struct admin *a)
{
    struct store *store = run_store(&a->run);
    struct buf was = BUF_INIT(POLICY_TEXT_MAX);
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    struct bytes pin = BYTES_NONE;
    bool with_roles = admin_list(a, "roles", 0) != NULL;
    CK_RV rv = check_user(a, &pin);

    if (rv == CKR_OK)
        rv = may_add(a, with_roles);
    if (rv == CKR_OK)
        rv = admin_guard(a);
    if (rv == CKR_OK && with_roles)
        rv = add_roles(a, &was, &text);
    if (rv == CKR_OK && with_roles)
        rv = gate_policy_change(&a->run, buf_bytes(&was), buf_bytes(&text));
    if (rv == CKR_OK)
        rv = with_roles ? user_add_with_policy(store, &a->run.vault, admin_text(a, "user"), pin,
                                               buf_bytes(&was), buf_bytes(&text))
                        : user_add(store, &a->run.vault, admin_text(a, "user"), pin);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "user", json_string(admin_text(a, "user")));
    buf_release_secure(&text);
    buf_release_secure(&was);
    return rv;
}

/* ---- user.list ---- */

static json_t *user_json(const struct admin *a, const struct user_info *user)
{
    return json_pack("{s:s, s:b, s:i, s:b, s:b, s:o}", "name", user->name, "has-pin",
                     (int)user->has_pin, "failures", (int)user->failures, "locked",
                     (int)user->locked, "default",
                     (int)(strcmp(user->name, a->run.vault.default_user) == 0), "created",
                     admin_json_time(user->created));
}

static CK_RV user_list_verb(struct admin *a)
{
    SCOPED_FREE struct user_info *users = NULL;
    SCOPED(directory_free_p) struct directory *directory = NULL;
    size_t count = 0;
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "users", list);

    if (rv == CKR_OK)
        rv = user_list(run_store(&a->run), &a->run.vault, &users, &count);
    if (rv == CKR_OK)
        rv = directory_load(run_store(&a->run), &a->run.vault, &directory);
    for (size_t i = 0; rv == CKR_OK && i < count; i++) {
        json_t *user = user_json(a, &users[i]);

        rv = admin_append(list, user);
        if (rv == CKR_OK)
            rv = admin_put_links(user, "bound", directory, LINK_BINDING, users[i].name);
    }
    gate_count(&a->run, count);
    return rv;
}

/* ---- user.pin, user.unlock ---- */

static CK_RV user_pin_verb(struct admin *a)
{
    struct bytes pin = BYTES_NONE;
    CK_RV rv = CKR_OK;

    if (admin_secret(a, "pin", &pin))
        rv = admin_check_pin(pin, "the user's");
    if (rv == CKR_OK)
        rv = user_set_pin(run_store(&a->run), &a->run.vault, admin_text(a, "user"), pin);
    return no_such_user(a, rv);
}

static CK_RV user_unlock_verb(struct admin *a)
{
    return no_such_user(a, user_unlock(run_store(&a->run), &a->run.vault, admin_text(a, "user")));
}

/* ---- user.remove ---- */

/* Cuts every occurrence of a statement out of the text. */
static void cut(char *text, const char *statement)
{
    size_t len = strlen(statement);
    char *at;

    while (len > 0 && (at = strstr(text, statement)) != NULL)
        memmove(at, at + len, strlen(at + len) + 1);
}

static CK_RV cut_statement(char *text, const char *user, const char *role)
{
    struct buf statement = BUF_INIT(4096);
    const char *whole;

    admin_policy_statement(&statement, user, role);
    whole = buf_str(&statement);
    if (whole != NULL)
        cut(text, whole);
    buf_release(&statement);
    return whole != NULL ? CKR_OK : fail_memory();
}

static CK_RV put_still_named(struct admin *a, const char *text)
{
    struct buf principal = BUF_INIT(256);
    const char *whole;
    CK_RV rv;

    buf_printf(&principal, "User::\"%s\"", admin_text(a, "user"));
    whole = buf_str(&principal);
    rv = whole != NULL
             ? admin_put(a->answer, "named-in-policy", json_boolean(strstr(text, whole) != NULL))
             : fail_memory();
    buf_release(&principal);
    return rv;
}

/* The statements keyward wrote for the user go; what an administrator wrote stays, and is told of.
 */
static CK_RV remove_rights(struct admin *a)
{
    const char *user = admin_text(a, "user");
    struct buf held = BUF_INIT(POLICY_TEXT_MAX);
    SCOPED_FREE char *text = NULL;
    size_t before = 0;
    CK_RV rv = vault_get_policy(run_store(&a->run), &a->run.vault, &held);

    if (rv == CKR_OK) {
        text = bytes_to_str(buf_bytes(&held));
        rv = text != NULL ? CKR_OK : fail_memory();
    }
    if (rv == CKR_OK) {
        before = strlen(text);
        rv = cut_statement(text, user, NULL);
    }
    for (const char *const *role = schema_roles(); rv == CKR_OK && *role != NULL; role++)
        rv = cut_statement(text, user, *role);
    if (rv == CKR_OK && strlen(text) != before) {
        rv = gate_policy_change(&a->run, buf_bytes(&held), bytes_from_str(text));
        if (rv == CKR_OK)
            rv = vault_set_policy(run_store(&a->run), &a->run.vault, bytes_from_str(text));
    }
    if (rv == CKR_OK)
        rv = put_still_named(a, text);
    buf_release_secure(&held);
    return rv;
}

static CK_RV user_remove_verb(struct admin *a)
{
    struct store *store = run_store(&a->run);
    const char *user = admin_text(a, "user");
    struct user_info info;
    CK_RV rv = no_such_user(a, user_get(store, &a->run.vault, user, &info));

    if (rv == CKR_OK)
        rv = remove_rights(a);
    if (rv == CKR_OK)
        rv = user_remove(store, &a->run.vault, user);
    if (rv == CKR_OK && strcmp(a->run.vault.default_user, user) == 0) {
        struct vault_info vault;

        rv = vault_get(store, a->run.vault.name, &vault);
        vault.default_user[0] = '\0';
        if (rv == CKR_OK)
            rv = vault_update(store, &vault, NULL);
    }
    return rv;
}

/* ---- the chapter ---- */

static const struct admin_member add_members[] = {
    {"vault", MEMBER_TEXT, true},
    {"user", MEMBER_TEXT, true},
    {"pin", MEMBER_SECRET, true},
    {"roles", MEMBER_LIST, false},
    {0},
};
static const struct admin_member pin_members[] = {
    {"vault", MEMBER_TEXT, true}, {"user", MEMBER_TEXT, true}, {"pin", MEMBER_SECRET, true}, {0}};
static const struct admin_member user_members[] = {
    {"vault", MEMBER_TEXT, true}, {"user", MEMBER_TEXT, true}, {0}};
static const struct admin_member list_members[] = {{"vault", MEMBER_TEXT, true}, {0}};

static const struct admin_verb verbs[] = {
    {"user.add", ACTION_ADD_USER, ADMIN_VAULT | ADMIN_CHANGES | ADMIN_ASKS, add_members,
     user_add_verb},
    {"user.list", ACTION_LIST_USER, ADMIN_VAULT, list_members, user_list_verb},
    {"user.pin", ACTION_SET_PIN, ADMIN_VAULT | ADMIN_CHANGES, pin_members, user_pin_verb},
    {"user.unlock", ACTION_UNLOCK_USER, ADMIN_VAULT | ADMIN_CHANGES, user_members,
     user_unlock_verb},
    {"user.remove", ACTION_REMOVE_USER, ADMIN_VAULT | ADMIN_CHANGES, user_members,
     user_remove_verb},
};

const struct admin_chapter admin_user_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
