/* Verbs about the issuers whose tokens a vault believes. */
#include "pkcs11/admin_int.h"
#include "pkcs11/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALGORITHMS_DEFAULT "RS256,ES256"

static CK_RV read_issuer(struct admin *a, struct issuer *ret)
{
    const char *name = admin_text(a, "issuer");
    const char *audience = admin_text(a, "audience");
    const char *algorithms = admin_text(a, "algorithms");

    *ret = (struct issuer){.created = 0};
    if (algorithms == NULL)
        algorithms = ALGORITHMS_DEFAULT;
    if (strlen(name) > ISSUER_NAME_MAX || audience[0] == '\0' ||
        strlen(audience) > ISSUER_AUDIENCE_MAX)
        return fail(CKR_ARGUMENTS_BAD, "an issuer has up to %d bytes, an audience 1 to %d",
                    ISSUER_NAME_MAX, ISSUER_AUDIENCE_MAX);
    (void)snprintf(ret->name, sizeof(ret->name), "%s", name);
    (void)snprintf(ret->audience, sizeof(ret->audience), "%s", audience);
    (void)snprintf(ret->algorithms, sizeof(ret->algorithms), "%s", algorithms);
    return token_check_algorithms(algorithms);
}

static CK_RV issuer_add_verb(struct admin *a)
{
    struct bytes keys = bytes_from_str(admin_text(a, "jwks"));
    struct issuer issuer;
    CK_RV rv = read_issuer(a, &issuer);

    if (rv == CKR_OK)
        rv = token_check_keys(keys, issuer.algorithms);
    return rv == CKR_OK ? issuer_add(run_store(&a->run), &a->run.vault, &issuer, keys) : rv;
}

static CK_RV issuer_remove_verb(struct admin *a)
{
    return issuer_remove(run_store(&a->run), &a->run.vault, admin_text(a, "issuer"));
}

static json_t *issuer_json(const struct issuer *issuer)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "issuer", issuer->name, "audience", issuer->audience,
                     "algorithms", issuer->algorithms, "created", admin_json_time(issuer->created));
}

static CK_RV issuer_list_verb(struct admin *a)
{
    SCOPED_FREE struct issuer *issuers = NULL;
    size_t count = 0;
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "issuers", list);

    if (rv == CKR_OK)
        rv = issuer_list(run_store(&a->run), &a->run.vault, &issuers, &count);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = admin_append(list, issuer_json(&issuers[i]));
    gate_count(&a->run, count);
    return rv;
}

static const struct admin_member add_members[] = {
    {"vault", MEMBER_TEXT, true},       {"issuer", MEMBER_TEXT, true},
    {"audience", MEMBER_TEXT, true},    {"jwks", MEMBER_TEXT, true},
    {"algorithms", MEMBER_TEXT, false}, {0},
};
static const struct admin_member remove_members[] = {
    {"vault", MEMBER_TEXT, true}, {"issuer", MEMBER_TEXT, true}, {0}};
static const struct admin_member list_members[] = {{"vault", MEMBER_TEXT, true}, {0}};

static const struct admin_verb verbs[] = {
    {"issuer.add", ACTION_EDIT_ISSUER, ADMIN_VAULT | ADMIN_CHANGES, add_members, issuer_add_verb},
    {"issuer.remove", ACTION_EDIT_ISSUER, ADMIN_VAULT | ADMIN_CHANGES, remove_members,
     issuer_remove_verb},
    {"issuer.list", ACTION_LIST_USER, ADMIN_VAULT, list_members, issuer_list_verb},
};

const struct admin_chapter admin_issuer_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
