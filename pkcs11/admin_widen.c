/*
 * What widens the rights of whoever does it. An administrator can become any user of the vault, by
 * a PIN or a binding, any holder of a token, by an issuer, and a member of any group; so what any
 * of these may do counts as his own, beside what his Unix user may. Rights are those of the data
 * plane, and to apply policies: who makes another administrator could confirm to himself.
 *
 * Two texts are compared exactly (policy/analysis.h), with a forbid beside each that leaves only
 * those requests. What cannot be decided widens.
 */
#include "pkcs11/admin_widen.h"
#include "policy/analysis.h"

#include <stdio.h>
#include <string.h>

#define WHO_MAX (1U << 20)

/* Rights that the home gives everybody are left out: they are nobody's gain. */
static void put_limits(struct buf *out, const char *who)
{
    buf_printf(out,
               "forbid (principal, action, resource) unless { (%s) && (action in "
               "Action::\"dataPlane\" || action == Action::\"applyPolicy\") && !(action in "
               "[Action::\"login\", Action::\"changePin\", Action::\"digest\", "
               "Action::\"random\"]) };",
               who);
}

static const char *const verdicts[] = {
    [POLICY_SAME] = "equal",          [POLICY_STRICTER] = "stricter",
    [POLICY_LOOSER] = "looser",       [POLICY_INCOMPARABLE] = "incomparable",
    [POLICY_UNDECIDED] = "undecided",
};

static CK_RV compare(struct bytes home, const struct bytes *was, struct bytes becomes,
                     struct bytes limits, struct widening *ret)
{
    bool before = was != NULL;
    const struct policy_source sources[] = {
        {.name = "home", .text = before ? home : BYTES_NONE, .prefix = "0:"},
        {.name = "was", .text = before ? *was : BYTES_NONE, .prefix = "1:"},
        {.name = "limits", .text = before ? limits : BYTES_NONE, .prefix = "2:"},
        {.name = "home", .text = home, .prefix = "3:"},
        {.name = "becomes", .text = becomes, .prefix = "4:"},
        {.name = "limits", .text = limits, .prefix = "5:"},
    };
    struct policy_difference difference;
    struct policy *policy = NULL;
    struct policy_error error;
    CK_RV rv = policy_load(sources, 6, &policy, &error);

    if (rv == CKR_ARGUMENTS_BAD &&
        before) /* what was in force cannot be read, and allowed nothing */
        return compare(home, NULL, becomes, limits, ret);
    if (rv == CKR_ARGUMENTS_BAD)
        return fail(rv, "%s:%u:%u: %s", error.source, error.line, error.column, error.message);
    if (rv == CKR_OK)
        rv = policy_compare_parts(policy, 3, POLICY_WORK_MAX, &difference);
    if (rv == CKR_OK) {
        ret->widens = difference.has_allowed || difference.relation == POLICY_UNDECIDED;
        (void)snprintf(ret->verdict, sizeof(ret->verdict), "%s", verdicts[difference.relation]);
        policy_difference_release(&difference);
    }
    policy_free(policy);
    return rv;
}

/* was NULL: nothing at all was allowed before. becomes NULL: the policy stays as it is. */
static CK_RV widens_for(struct admin *a, const char *who, bool from_nothing,
                        const struct bytes *becomes, struct widening *ret)
{
    SCOPED(buf_release_secure) struct buf home = BUF_INIT(POLICY_TEXT_MAX);
    SCOPED(buf_release_secure) struct buf now = BUF_INIT(POLICY_TEXT_MAX);
    SCOPED(buf_release_secure) struct buf limits = BUF_INIT(2 * WHO_MAX);
    struct bytes was;
    CK_RV rv = store_get_home(run_store(&a->run), "policy", &home);

    if (rv == CKR_OK)
        rv = vault_get_policy(run_store(&a->run), &a->run.vault, &now);
    put_limits(&limits, who);
    if (rv == CKR_OK && !buf_ok(&limits))
        rv = fail_memory();
    was = buf_bytes(&now);
    if (rv == CKR_OK && !from_nothing)
        rv = engine_policy_hash(a->run.app->engine, was, a->compared);
    return rv == CKR_OK ? compare(buf_bytes(&home), from_nothing ? NULL : &was,
                                  becomes != NULL ? *becomes : was, buf_bytes(&limits), ret)
                        : rv;
}

/* A Cedar string. */
static void put_string(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
    buf_putc(out, '"');
}

/* The groups of the vault that the principal is in are those that it may be taken to be in. */
static void put_groups(struct buf *out, const struct directory *directory, const char *name)
{
    size_t count = 0, joined = 0;
    const struct link *groups = directory_links(directory, LINK_GROUP, NULL, &count);
    const struct link *of = directory_links(directory, LINK_MEMBER, name, &joined);

    for (size_t i = 0; i < count; i++) {
        bool is = false;

        for (size_t k = 0; k < joined && !is; k++)
            is = strcmp(of[k].to, groups[i].from) == 0;
        buf_printf(out, " && %s(principal in Group::", is ? "" : "!");
        put_string(out, groups[i].from);
        buf_puts(out, ")");
    }
}

/* Does it give whoever can act as this principal anything at all? */
static CK_RV widens_as(struct admin *a, const char *type, const char *prefix, const char *id,
                       const struct bytes *becomes, struct widening *ret)
{
    SCOPED(directory_free_p) struct directory *directory = NULL;
    SCOPED(buf_release) struct buf who = BUF_INIT(WHO_MAX);
    char name[PRINCIPAL_MAX + 1];
    CK_RV rv = directory_load(run_store(&a->run), &a->run.vault, &directory);

    (void)snprintf(name, sizeof(name), "%s%s", prefix, id);
    buf_printf(&who, "principal == %s::", type);
    put_string(&who, id);
    if (rv == CKR_OK)
        put_groups(&who, directory, name);
    if (rv == CKR_OK && buf_str(&who) == NULL)
        rv = fail_memory();
    return rv == CKR_OK ? widens_for(a, buf_str(&who), true, becomes, ret) : rv;
}

/* ---- one function a kind of change ---- */

static unsigned wanted(const struct vault_info *vault, unsigned administrators)
{
    if (vault->confirmations > 0)
        return vault->confirmations;
    return administrators > 1 ? 2 : 1;
}

CK_RV admin_confirmations(struct admin *a, unsigned *ret)
{
    unsigned administrators = 0;
    CK_RV rv = CKR_OK;

    if (a->run.vault.confirmations == 0)
        rv = admin_count_administrators(a, NULL, &administrators);
    *ret = wanted(&a->run.vault, administrators);
    return rv;
}

/* A policy under which fewer must agree is the way to one under which nobody must. */
static CK_RV lets_fewer_agree(struct admin *a, const struct bytes *text, struct widening *ret)
{
    unsigned now = 0, then = 0;
    CK_RV rv = admin_confirmations(a, &now);

    if (rv == CKR_OK)
        rv = admin_count_administrators(a, text, &then);
    if (rv == CKR_OK && wanted(&a->run.vault, then) < now) {
        ret->widens = true;
        (void)snprintf(ret->verdict, sizeof(ret->verdict), "fewer administrators than now");
    }
    return rv;
}

static CK_RV widens_policy(struct admin *a, const struct bytes *text, struct widening *ret)
{
    SCOPED(buf_release) struct buf who = BUF_INIT(WHO_MAX);
    CK_RV rv;

    buf_puts(&who, "principal is User || principal is Token || principal == Unix::");
    put_string(&who, a->run.app->unix_name);
    rv = buf_str(&who) != NULL ? widens_for(a, buf_str(&who), false, text, ret) : fail_memory();
    return rv == CKR_OK && !ret->widens ? lets_fewer_agree(a, text, ret) : rv;
}

static CK_RV widens_apply(struct admin *a, struct widening *ret)
{
    struct bytes text = bytes_from_str(admin_text(a, "text"));
    const char *name = admin_text(a, "name");
    char hash[65] = "";
    size_t n;
    CK_RV rv = admin_policy_check(a, name != NULL ? name : a->run.vault.name, text);

    if (rv == CKR_OK)
        rv = widens_policy(a, &text, ret);
    if (rv == CKR_OK)
        rv = engine_policy_hash(a->run.app->engine, text, hash);
    n = strlen(ret->verdict);
    (void)snprintf(ret->verdict + n, sizeof(ret->verdict) - n, ", to policy %.16s", hash);
    return rv;
}

/* Who gives a PIN, or binds, can act as the user. */
static CK_RV widens_user(struct admin *a, struct widening *ret)
{
    SCOPED(buf_release_secure) struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    struct bytes with_roles;
    const char *role;
    CK_RV rv = vault_get_policy(run_store(&a->run), &a->run.vault, &text);

    for (size_t i = 0; rv == CKR_OK && (role = admin_list(a, "roles", i)) != NULL; i++) {
        buf_printf(&text,
                   "\n@id(\"new role %zu\") permit (principal == User::\"%s\", action in "
                   "Action::\"%s\", resource);",
                   i, admin_text(a, "user"), role);
    }
    if (rv == CKR_OK && !buf_ok(&text))
        rv = fail_memory();
    if (rv != CKR_OK)
        return rv;
    with_roles = buf_bytes(&text);
    return widens_as(a, "User", "user:", admin_text(a, "user"), &with_roles, ret);
}

static CK_RV widens_unbound(struct admin *a, struct widening *ret)
{
    const char *principal = admin_text(a, "principal");

    if (strncmp(principal, "unix:", 5) == 0)
        return widens_as(a, "Unix", "unix:", principal + 5, NULL, ret);
    if (strncmp(principal, "token:", 6) == 0)
        return widens_as(a, "Token", "token:", principal + 6, NULL, ret);
    return CKR_OK; /* nothing else is bound: the verb says so */
}

struct named {
    const struct policy_uid *uid;
    bool is;
};

static CK_RV see_named(void *ctx, const struct policy *policy, const struct policy_request *request)
{
    struct named *named = ctx;

    (void)request;
    named->is = policy != NULL && policy_names(policy, named->uid);
    return CKR_OK;
}

/* A group that no policy names changes nothing for those who come and go. */
static CK_RV widens_group(struct admin *a, struct widening *ret)
{
    const struct ask ask = {.action = ACTION_APPLY_POLICY};
    const struct policy_uid uid = {.type = BYTES_LIT("Group"),
                                   .id = bytes_from_str(admin_text(a, "group"))};
    struct named named = {.uid = &uid};
    CK_RV rv = gate_who_can(&a->run, &ask, see_named, &named);

    ret->widens = named.is;
    (void)snprintf(ret->verdict, sizeof(ret->verdict), "the policy names the group");
    return rv;
}

static CK_RV widens_tokens(struct admin *a, struct widening *ret)
{
    SCOPED(directory_free_p) struct directory *directory = NULL;
    const struct link *links;
    size_t count = 0;
    CK_RV rv = widens_for(a, "principal is Token", true, NULL, ret);

    if (rv == CKR_OK && !ret->widens)
        rv = directory_load(run_store(&a->run), &a->run.vault, &directory);
    links = directory_links(directory, LINK_BINDING, NULL, &count);
    for (size_t i = 0; i < count; i++)
        if (strncmp(links[i].from, "token:", 6) == 0)
            ret->widens = true;
    return rv;
}

static CK_RV widens_update(struct admin *a, struct widening *ret)
{
    struct vault_info then = a->run.vault;
    unsigned administrators = 0, now = 0;
    CK_RV rv;

    if (!admin_has(a, "confirmations"))
        return CKR_OK;
    then.confirmations = (unsigned)admin_number(a, "confirmations", 0);
    rv = admin_count_administrators(a, NULL, &administrators);
    now = wanted(&a->run.vault, administrators);
    ret->widens = wanted(&then, administrators) < now;
    (void)snprintf(ret->verdict, sizeof(ret->verdict), "%u administrators instead of %u",
                   wanted(&then, administrators), now);
    return rv;
}

static const struct {
    const char *verb;
    CK_RV (*widens)(struct admin *a, struct widening *ret);
} rows[] = {
    {"policy.apply", widens_apply},  {"user.add", widens_user},       {"user.pin", widens_user},
    {"user.bind", widens_user},      {"user.unbind", widens_unbound}, {"group.join", widens_group},
    {"group.leave", widens_group},   {"group.remove", widens_group},  {"issuer.add", widens_tokens},
    {"vault.update", widens_update},
};

bool admin_changes_rights(const char *verb)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (strcmp(rows[i].verb, verb) == 0)
            return true;
    return false;
}

CK_RV admin_widens(struct admin *a, struct widening *ret)
{
    *ret = (struct widening){.widens = false};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (strcmp(rows[i].verb, a->verb->name) == 0)
            return rows[i].widens(a, ret);
    return CKR_OK;
}
