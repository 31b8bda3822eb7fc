/*
 * Policy texts: those keyward writes itself, and the check that every text passes before it is put
 * in force.
 */
#include "pkcs11/engine.h"
#include "pkcs11/leases.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The home's own policy. It holds in every vault, beside the vault's text: who administers, and the
 * services that touch no object. It grants no use of a key: an administrator who wants to sign
 * writes that down in a vault's policy, where it is seen.
 */
CK_RV engine_home_policy(const char *admin, struct buf *ret)
{
    struct buf text = BUF_INIT(65536);

    buf_puts(&text, "// The home's own policy, made by keyward init: in force in every vault.\n"
                    "@id(\"administrator\")\n"
                    "permit (principal == Unix::\"");
    for (const char *c = admin; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buf_putc(&text, '\\');
        buf_putc(&text, *c);
    }
    buf_puts(&text,
             "\",\n"
             "        action in [Action::\"controlPlane\", Action::\"keyManagement\", "
             "Action::\"purge\"],\n"
             "        resource)\n"
             "when { context.via == \"admin\" };\n"
             "@id(\"security-officer\")\n"
             "permit (principal == User::\"so\",\n"
             "        action in [Action::\"initToken\", Action::\"addUser\", Action::\"listUser\", "
             "Action::\"setPin\",\n"
             "                   Action::\"unlockUser\", Action::\"removeUser\"],\n"
             "        resource);\n"
             "@id(\"services\")\n"
             "permit (principal,\n"
             "        action in [Action::\"login\", Action::\"changePin\", Action::\"digest\", "
             "Action::\"random\"],\n"
             "        resource);\n");
    if (!buf_ok(&text)) {
        buf_release(&text);
        return fail_memory();
    }
    *ret = text;
    return CKR_OK;
}

/* The standard shows public objects to sessions that have not logged in, and programs that look for
 * a key by its public half or its certificate before they ask for a PIN live by it (strongSwan,
 * OpenVPN). */
void engine_vault_policy(struct buf *out, const char *vault)
{
    buf_printf(out,
               "// The policy of vault %s. What no statement permits is refused; a forbid always "
               "wins.\n"
               "\n@id(\"public-objects-before-login\")\n"
               "permit (principal is Unix,\n"
               "        action in [Action::\"list\", Action::\"get\"],\n"
               "        resource)\n"
               "when { context.via == \"pkcs11\" && resource has private && !resource.private };\n",
               vault);
}

/* user is a valid user name (vault/vault.h), so it needs no escapes. */
void engine_user_policy(struct buf *out, const char *user)
{
    buf_printf(out,
               "\n@id(\"%s-data-plane\")\n"
               "permit (principal == User::\"%s\",\n"
               "        action in [Action::\"cryptoOfficer\", Action::\"secretsOfficer\",\n"
               "                   Action::\"certificatesOfficer\"],\n"
               "        resource);\n",
               user, user);
}

static size_t count_own(const struct policy *policy)
{
    size_t own = 0;

    for (size_t i = 0; i < policy_count(policy); i++)
        own += strncmp(policy_id(policy, i), HOME_PREFIX, strlen(HOME_PREFIX)) != 0;
    return own;
}

/* Budgets that cannot be read, or stand where they mean nothing. */
static void check_budgets(const struct policy *policy, const char *name,
                          struct policy_findings *ret)
{
    for (size_t i = 0; i < policy_count(policy) && ret->count < POLICY_FINDINGS_MAX; i++) {
        const char *rate = policy_annotation(policy, i, "rate");
        const char *uses = policy_annotation(policy, i, "uses");
        struct policy_error *error = &ret->errors[ret->count];
        struct budget_limit limit;
        bool good = leases_parse_limit(rate, uses, &limit);

        if ((rate == NULL && uses == NULL) || (good && !policy_is_forbid(policy, i)))
            continue;
        *error = (struct policy_error){.source = name};
        (void)snprintf(error->message, sizeof(error->message),
                       good ? "policy %.100s: a forbid has no @rate and no @uses"
                            : "policy %.100s: @rate is written \"100/1h\", @uses \"1000\"",
                       policy_id(policy, i));
        ret->count++;
    }
}

static CK_RV check(struct bytes home, const char *name, struct bytes text,
                   struct policy_findings *ret)
{
    const struct policy_source sources[] = {{.name = "home", .text = home, .prefix = HOME_PREFIX},
                                            {.name = name, .text = text, .prefix = ""}};
    struct policy *policy = NULL;
    CK_RV rv = policy_load(sources, 2, &policy, &ret->errors[0]);

    if (rv == CKR_ARGUMENTS_BAD) {
        ret->count = 1;
        return rv;
    }
    if (rv != CKR_OK)
        return rv;
    ret->count = policy_check(policy, ret->errors, POLICY_FINDINGS_MAX);
    ret->own = count_own(policy);
    check_budgets(policy, name, ret);
    /* The names of its sources go with the policy. */
    for (size_t i = 0; i < ret->count && i < POLICY_FINDINGS_MAX; i++)
        ret->errors[i].source = strcmp(ret->errors[i].source, name) == 0 ? name : "home";
    policy_free(policy);
    return ret->count == 0 ? CKR_OK : CKR_ARGUMENTS_BAD;
}

CK_RV engine_check_policy(struct engine *engine, const char *name, struct bytes text,
                          struct policy_findings *ret)
{
    const struct policy_error *first = &ret->errors[0];
    struct buf home = BUF_INIT(POLICY_TEXT_MAX);
    CK_RV rv = store_get_home(engine_store(engine), "policy", &home);

    memset(ret, 0, sizeof(*ret));
    if (rv == CKR_OK)
        rv = check(buf_bytes(&home), name, text, ret);
    buf_release_secure(&home);
    if (rv == CKR_ARGUMENTS_BAD)
        rv = fail(rv, "%s:%u:%u: %s", first->source != NULL ? first->source : "policy", first->line,
                  first->column, first->message);
    return rv;
}
