/*
 * Who asks. A login says it (a user by its PIN, whom a token names), or the connection does (the
 * Unix user); where the vault's directory binds the Unix user or the token to a user of the vault,
 * that user is the principal. Its groups are those of the vault's directory for both of its names,
 * and for a Unix user that is bound to nobody also the Unix groups.
 */
#include "pkcs11/gate_int.h"
#include "pkcs11/handles.h"
#include "vault/issuer.h"

#include <stdio.h>
#include <string.h>

/* One row a kind of login: the principal's type in policies, in the directory, and what proves it.
 */
static const struct {
    const char *type, *prefix, *proof;
} kinds[LOGIN_KINDS] = {
    [LOGIN_NONE] = {"Unix", "unix:", "uid"},      [LOGIN_USER] = {"User", "user:", "pin"},
    [LOGIN_SO] = {"User", "user:", "so-pin"},     [LOGIN_TOKEN] = {"Token", "token:", "token"},
    [LOGIN_BOUND] = {"User", "user:", "binding"}, [LOGIN_BOUND_TOKEN] = {"User", "user:", "token"},
};

const char *who_proof(const struct login *login)
{
    return kinds[login->kind].proof;
}

static const char *name_of(const struct run *run, const struct login *login)
{
    return login->kind == LOGIN_NONE ? run->app->unix_name : login->name;
}

struct policy_uid who_uid(const struct run *run, const struct login *login)
{
    return (struct policy_uid){.type = bytes_from_str(kinds[login->kind].type),
                               .id = bytes_from_str(name_of(run, login))};
}

/* User::"alice", as Cedar writes it. */
void who_text(const struct run *run, const struct login *login, char *out, size_t size)
{
    int n = snprintf(out, size, "%s::\"", kinds[login->kind].type);
    size_t at = n > 0 ? (size_t)n : 0;

    for (const char *c = name_of(run, login); *c != '\0' && at + 4 < size; c++) {
        if (*c == '"' || *c == '\\')
            out[at++] = '\\';
        out[at++] = *c;
    }
    (void)snprintf(out + at, size - at, "\"");
}

const char *who_directory_name(const struct run *run, const struct login *login,
                               char out[static PRINCIPAL_MAX + 1])
{
    int n =
        snprintf(out, PRINCIPAL_MAX + 1, "%s%s", kinds[login->kind].prefix, name_of(run, login));

    /* A longer one can be in no directory. */
    return n >= 0 && n <= PRINCIPAL_MAX ? out : "";
}

void who_bind(const struct run *run, const struct rules *rules, struct login *login)
{
    char name[PRINCIPAL_MAX + 1];
    const char *user;

    if (login->kind != LOGIN_NONE && login->kind != LOGIN_TOKEN)
        return;
    user = directory_user(rules->directory, who_directory_name(run, login, name));
    if (user == NULL)
        return;
    login->kind = login->kind == LOGIN_NONE ? LOGIN_BOUND : LOGIN_BOUND_TOKEN;
    (void)snprintf(login->name, sizeof(login->name), "%s", user);
}

CK_RV who_groups(const struct rules *rules, const char *principal, struct policy_uid *groups,
                 size_t *count)
{
    size_t n = 0;
    const struct link *links = directory_links(rules->directory, LINK_MEMBER, principal, &n);

    if (n > QUESTION_GROUPS_MAX - *count)
        return fail(CKR_FUNCTION_FAILED,
                    "%s is in more than %d groups: nothing is decided on a "
                    "part of them",
                    principal, QUESTION_GROUPS_MAX - APP_GROUPS_MAX);
    for (size_t i = 0; i < n; i++)
        groups[(*count)++] =
            (struct policy_uid){.type = BYTES_LIT("Group"), .id = bytes_from_str(links[i].to)};
    return CKR_OK;
}

/* What the connection or the token says, before a binding made a user of it. */
static CK_RV groups_of_bound(struct question *q, size_t *count)
{
    const struct run *run = q->run;
    struct login raw = {.kind = LOGIN_NONE};
    char name[PRINCIPAL_MAX + 1];

    if (q->login.kind == LOGIN_BOUND_TOKEN)
        app_login_get(run->app, run->vault.slot, &raw);
    return who_groups(q->rules, who_directory_name(run, &raw, name), q->groups, count);
}

CK_RV who_entity(struct question *q, struct policy_entity *ret)
{
    const struct app *app = q->run->app;
    char name[PRINCIPAL_MAX + 1];
    size_t count = 0;
    CK_RV rv = CKR_OK;

    if (q->login.kind == LOGIN_NONE)
        for (size_t i = 0; i < app->unix_group_count; i++)
            q->groups[count++] = (struct policy_uid){.type = BYTES_LIT("UnixGroup"),
                                                     .id = bytes_from_str(app->unix_groups[i])};
    if (q->login.kind == LOGIN_BOUND || q->login.kind == LOGIN_BOUND_TOKEN)
        rv = groups_of_bound(q, &count);
    if (rv == CKR_OK)
        rv = who_groups(q->rules, who_directory_name(q->run, &q->login, name), q->groups, &count);
    *ret = (struct policy_entity){.uid = who_uid(q->run, &q->login),
                                  .ancestors = q->groups,
                                  .ancestor_count = count,
                                  .attributes = {.kind = POLICY_RECORD}};
    return rv;
}

bool gate_is_bound(struct run *run)
{
    struct login login = {.kind = LOGIN_NONE};
    struct rules *rules = NULL;
    uint64_t generation = 0;

    if (run_generation(run, &generation) != CKR_OK ||
        engine_rules(run->app->engine, &run->vault, generation, &rules) != CKR_OK)
        return false;
    who_bind(run, rules, &login);
    engine_rules_release(run->app->engine, rules);
    return login.kind == LOGIN_BOUND;
}

/* ---- does the login still hold? ---- */

/* The login goes with who it is of, and what was private to it. */
static void end_login(struct run *run, struct login *login)
{
    app_login_end(run->app, login);
    handles_logged_out(run->app, run->vault.slot);
    *login = (struct login){.kind = LOGIN_NONE};
}

/* The user's or the issuer's identity as the store has it now; false: there is none. */
static CK_RV identity_now(struct run *run, const struct login *login,
                          uint8_t ret[static USER_IDENTITY_LEN], bool *ret_found)
{
    struct user_info user;
    struct issuer issuer;
    char name[ISSUER_NAME_MAX + 1];
    CK_RV rv;

    if (login->kind == LOGIN_TOKEN) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(login->name, "#"), login->name);
        rv = issuer_get(run_store(run), &run->vault, name, &issuer, NULL);
        if (rv == CKR_OK)
            memcpy(ret, issuer.identity, USER_IDENTITY_LEN);
    } else {
        rv = user_get(run_store(run), &run->vault, login->name, &user);
        if (rv == CKR_OK)
            memcpy(ret, user.identity, USER_IDENTITY_LEN);
    }
    *ret_found = rv == CKR_OK;
    return rv == CKR_USER_PIN_NOT_INITIALIZED || rv == CKR_PIN_INCORRECT ? CKR_OK : rv;
}

static bool has_expired(const struct run *run, const struct login *login)
{
    return login->expires != 0 &&
           clock_realtime(engine_clock(run->app->engine)) / 1000000000 >= login->expires;
}

CK_RV gate_login(struct run *run, struct login *ret)
{
    uint8_t identity[USER_IDENTITY_LEN];
    uint64_t generation = 0;
    bool found = false;
    CK_RV rv;

    *ret = (struct login){.kind = LOGIN_NONE};
    if (!run->has_vault)
        return CKR_OK;
    app_login_get(run->app, run->vault.slot, ret);
    if (ret->kind != LOGIN_NONE && has_expired(run, ret))
        end_login(run, ret);
    if (ret->kind == LOGIN_NONE)
        return CKR_OK;
    rv = run_generation(run, &generation);
    if (rv != CKR_OK || ret->checked >= generation)
        return rv;
    rv = identity_now(run, ret, identity, &found);
    if (rv != CKR_OK)
        return rv;
    if (!found || memcmp(identity, ret->identity, USER_IDENTITY_LEN) != 0) {
        end_login(run, ret); /* removed since, and perhaps added again */
        return CKR_OK;
    }
    ret->checked = generation;
    app_login_checked(run->app, ret);
    return CKR_OK;
}
