/*
 * Verbs of approvals (vault/approval.h): a user of the vault says that somebody else may use a key
 * once, lists what is open, takes back what it said itself. Whether it may is the policy's to say
 * (action approve); what it is worth at the use, gate_approval.c's.
 */
#include "base/mech.h"
#include "pkcs11/admin_int.h"
#include "vault/approval.h"

#include <stdlib.h>
#include <string.h>

#define EXPIRES_DEFAULT_S 3600
#define EXPIRES_MAX_S     (30 * 86400)

/* ---- giving ---- */

/* A pair's private half is what is used. */
static const struct object *used_half(const struct admin_objects *objects)
{
    for (size_t i = 0; i < objects->count; i++)
        if (objects->list[i].cls == CKO_PRIVATE_KEY || objects->list[i].cls == CKO_SECRET_KEY)
            return &objects->list[i];
    return &objects->list[0];
}

/* What can be approved: uses of a key on data, for which the data must be said, and acts without.
 */
static const struct {
    enum action action;
    bool on_data;
} approvable[] = {
    {ACTION_SIGN, true},     {ACTION_VERIFY, true},       {ACTION_ENCRYPT, true},
    {ACTION_DECRYPT, true},  {ACTION_WRAP_KEY, false},    {ACTION_UNWRAP_KEY, false},
    {ACTION_DERIVE, false},  {ACTION_ENCAPSULATE, false}, {ACTION_DECAPSULATE, false},
    {ACTION_RELEASE, false}, {ACTION_UPDATE, false},      {ACTION_DELETE, false},
    {ACTION_RECOVER, false}, {ACTION_PURGE, false},
};

static CK_RV take_action(struct admin *a, struct approval *ret)
{
    const char *name = admin_text(a, "action");
    bool has_data = admin_has(a, "digest") || admin_has(a, "data");
    size_t i = 0;

    while (i < sizeof(approvable) / sizeof(*approvable) &&
           strcmp(schema_action_name(approvable[i].action), name) != 0)
        i++;
    if (i == sizeof(approvable) / sizeof(*approvable))
        return fail(CKR_ARGUMENTS_BAD,
                    "\"%.64s\" is nothing that is approved: sign, decrypt, delete and the like are",
                    name);
    if (has_data != approvable[i].on_data)
        return fail(CKR_ARGUMENTS_BAD, "%s is %s", name,
                    has_data ? "done without data: leave it out"
                             : "done with data: say which, by its SHA-256 or as a file");
    (void)memccpy(ret->action, name, '\0', APPROVAL_WORD_MAX);
    return CKR_OK;
}

static bool is_mechanism(const char *name)
{
    for (size_t i = 0; i < mech_count(); i++)
        if (strcmp(mech_at(i)->name, name) == 0)
            return true;
    return false;
}

static CK_RV digest_of(struct admin *a, struct bytes data, uint8_t ret[static APPROVAL_DIGEST_LEN])
{
    SCOPED(local_digest_free_p) struct local_digest *digest = NULL;
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_new(run_local(&a->run), CKM_SHA256, &digest);

    if (rv == CKR_OK)
        rv = local_digest_update(digest, data);
    if (rv == CKR_OK)
        rv = local_digest_final(digest, out, &len);
    if (rv == CKR_OK)
        memcpy(ret, out, APPROVAL_DIGEST_LEN);
    return rv;
}

static CK_RV take_data(struct admin *a, struct approval *ret)
{
    const char *hex = admin_text(a, "digest");
    struct bytes data;

    ret->has_digest = true;
    if (hex != NULL && admin_has(a, "data"))
        return fail(CKR_ARGUMENTS_BAD, "the data's SHA-256 or the data: give one of them");
    if (admin_secret(a, "data", &data))
        return digest_of(a, data, ret->digest);
    ret->has_digest = hex != NULL;
    if (hex == NULL)
        return CKR_OK;
    if (!bytes_from_hex(hex, ret->digest, APPROVAL_DIGEST_LEN))
        return fail(CKR_ARGUMENTS_BAD, "digest: a SHA-256 has 64 hex digits");
    return CKR_OK;
}

static CK_RV take_limits(struct admin *a, struct approval *ret)
{
    const char *mechanism = admin_text(a, "mechanism");
    const char *requester = admin_text(a, "requester");
    const char *expires = admin_text(a, "expires");
    int64_t seconds = EXPIRES_DEFAULT_S;
    CK_RV rv = expires != NULL ? admin_parse_duration(expires, &seconds) : CKR_OK;

    if (rv == CKR_OK && seconds > EXPIRES_MAX_S)
        rv = fail(CKR_ARGUMENTS_BAD, "an approval lasts 30 days at most");
    if (rv == CKR_OK && mechanism != NULL && !is_mechanism(mechanism))
        rv = fail(CKR_ARGUMENTS_BAD, "%.64s is no mechanism: CKM_ECDSA_SHA256 is", mechanism);
    if (rv == CKR_OK && requester != NULL && !principal_is_valid(requester))
        rv = fail(CKR_ARGUMENTS_BAD,
                  "\"%.80s\" is no principal: user:NAME, unix:NAME or token:ISSUER#SUBJECT is",
                  requester);
    if (rv != CKR_OK)
        return rv;
    if (mechanism != NULL)
        (void)memccpy(ret->mechanism, mechanism, '\0', APPROVAL_WORD_MAX);
    if (requester != NULL)
        (void)memccpy(ret->requester, requester, '\0', PRINCIPAL_MAX);
    ret->created = clock_realtime(engine_clock(a->run.app->engine)) / 1000000000;
    ret->expires = ret->created + seconds;
    return CKR_OK;
}

/* Whoever approves is a user of the vault: a person that can be told from others. */
static CK_RV take_approver(struct admin *a, struct approval *ret)
{
    static const char before[] = "User::\"";
    const char *principal = a->run.gate.grant.principal;
    struct user_info user;
    CK_RV rv;

    if (strncmp(principal, before, sizeof(before) - 1) != 0)
        return fail(CKR_USER_NOT_LOGGED_IN,
                    "%s is no user of the vault: log in to approve, or bind it to one", principal);
    (void)memccpy(ret->approver, principal + sizeof(before) - 1, '"', USER_NAME_MAX);
    ret->approver[strcspn(ret->approver, "\"")] = '\0';
    rv = user_get(run_store(&a->run), &a->run.vault, ret->approver, &user);
    if (rv == CKR_OK)
        memcpy(ret->identity, user.identity, USER_IDENTITY_LEN);
    return rv;
}

static CK_RV sign_and_add(struct admin *a, struct approval *approval)
{
    struct buf text = BUF_INIT(APPROVAL_TEXT_MAX);
    CK_RV rv = local_random(run_local(&a->run), approval->id, APPROVAL_ID_LEN);

    approval_text(&a->run.vault, approval, &text);
    if (rv == CKR_OK && !buf_ok(&text))
        rv = fail_memory();
    if (rv == CKR_OK)
        rv = engine_sign(a->run.app->engine, buf_bytes(&text), approval->signature);
    if (rv == CKR_OK)
        rv = approval_add(run_store(&a->run), &a->run.vault, approval);
    buf_release(&text);
    return rv;
}

static json_t *hex_json(struct bytes bytes)
{
    char hex[2 * APPROVAL_DIGEST_LEN + 1];

    bytes_to_hex(bytes, hex);
    return json_string(hex);
}

static json_t *approval_json(const struct approval *a, const struct object *object)
{
    return json_pack("{s:o, s:o, s:I, s:s, s:s, s:o, s:s, s:s, s:o, s:o}", "id",
                     hex_json(BYTES(a->id, APPROVAL_ID_LEN)), "name",
                     admin_json_text(attrs_bytes(&object->attrs, CKA_LABEL)), "version",
                     (json_int_t)a->version, "action", a->action, "mechanism", a->mechanism,
                     "digest", hex_json(BYTES(a->digest, a->has_digest ? APPROVAL_DIGEST_LEN : 0)),
                     "requester", a->requester, "approver", a->approver, "created",
                     admin_json_time(a->created), "expires", admin_json_time(a->expires));
}

static CK_RV approve_object(struct admin *a, const struct object *object)
{
    struct approval approval = {.version = object->version};
    CK_RV rv = take_action(a, &approval);

    memcpy(approval.object, object->id, OBJECT_ID_LEN);
    if (rv == CKR_OK)
        rv = take_data(a, &approval);
    if (rv == CKR_OK)
        rv = take_limits(a, &approval);
    if (rv == CKR_OK)
        rv = admin_ask(a, ACTION_APPROVE, object);
    if (rv == CKR_OK)
        rv = take_approver(a, &approval);
    if (rv == CKR_OK)
        rv = sign_and_add(a, &approval);
    return rv == CKR_OK ? admin_put(a->answer, "approval", approval_json(&approval, object)) : rv;
}

static CK_RV approve_give_verb(struct admin *a)
{
    struct admin_objects objects = {.count = 0};
    CK_RV rv = admin_key_find(a, false, &objects);

    if (rv == CKR_OK)
        rv = approve_object(a, used_half(&objects));
    admin_objects_release(&objects);
    return rv;
}

/* ---- listing ---- */

/* Of a key that the caller may not see nothing is said. */
static CK_RV list_one(struct admin *a, const struct approval *approval, json_t *list)
{
    struct object object = {.version = 0};
    CK_RV rv = object_get(run_store(&a->run), &a->run.vault, approval->object, &object);

    if (rv == CKR_OBJECT_HANDLE_INVALID)
        return CKR_OK;
    if (rv == CKR_OK && gate_visible(&a->run, &object))
        rv = admin_append(list, approval_json(approval, &object));
    object_release(&object);
    return rv;
}

static CK_RV approve_list_verb(struct admin *a)
{
    SCOPED_FREE struct approval *approvals = NULL;
    size_t count = 0;
    json_t *list = json_array();
    CK_RV rv = admin_put(a->answer, "approvals", list);

    if (rv == CKR_OK)
        rv = approval_list(run_store(&a->run), &a->run.vault, NULL, &approvals, &count);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        rv = list_one(a, &approvals[i], list);
    gate_count(&a->run, json_array_size(list));
    return rv;
}

/* ---- withdrawing ---- */

static CK_RV find_approval(struct admin *a, struct approval *ret)
{
    SCOPED_FREE struct approval *approvals = NULL;
    const char *id = admin_text(a, "id");
    char hex[2 * APPROVAL_ID_LEN + 1];
    size_t count = 0;
    CK_RV rv = approval_list(run_store(&a->run), &a->run.vault, NULL, &approvals, &count);

    for (size_t i = 0; rv == CKR_OK && i < count; i++) {
        bytes_to_hex(BYTES(approvals[i].id, APPROVAL_ID_LEN), hex);
        if (strcmp(hex, id) == 0) {
            *ret = approvals[i];
            return CKR_OK;
        }
    }
    return rv == CKR_OK ? fail(CKR_ACTION_PROHIBITED,
                               "vault %s has no approval %.40s: it was used, withdrawn, or has "
                               "expired (keyward approve --list)",
                               a->run.vault.name, id)
                        : rv;
}

static CK_RV withdraw(struct admin *a, const struct approval *approval)
{
    struct object object = {.version = 0};
    struct approval own = {.version = 0};
    CK_RV rv = object_get(run_store(&a->run), &a->run.vault, approval->object, &object);

    if (rv == CKR_OK)
        rv = admin_ask(a, ACTION_APPROVE, &object);
    object_release(&object);
    if (rv == CKR_OK)
        rv = take_approver(a, &own);
    if (rv == CKR_OK && strcmp(own.approver, approval->approver) != 0)
        rv = fail(CKR_ACTION_PROHIBITED,
                  "it is user %s who gave this approval, and can withdraw it", approval->approver);
    return rv == CKR_OK ? approval_take(run_store(&a->run), &a->run.vault, &approval->id, 1) : rv;
}

static CK_RV approve_withdraw_verb(struct admin *a)
{
    struct approval approval;
    CK_RV rv = find_approval(a, &approval);

    return rv == CKR_OK ? withdraw(a, &approval) : rv;
}

/* ---- the chapter ---- */

static const struct admin_member give_members[] = {
    {"vault", MEMBER_TEXT, true},      {"name", MEMBER_TEXT, true},
    {"version", MEMBER_NUMBER, false}, {"action", MEMBER_TEXT, true},
    {"digest", MEMBER_TEXT, false},    {"data", MEMBER_SECRET, false},
    {"mechanism", MEMBER_TEXT, false}, {"expires", MEMBER_TEXT, false},
    {"requester", MEMBER_TEXT, false}, {0},
};
static const struct admin_member list_members[] = {{"vault", MEMBER_TEXT, true}, {0}};
static const struct admin_member withdraw_members[] = {
    {"vault", MEMBER_TEXT, true}, {"id", MEMBER_TEXT, true}, {0}};

static const struct admin_verb verbs[] = {
    {APPROVE_VERB, ACTION_APPROVE, ADMIN_VAULT | ADMIN_CHANGES | ADMIN_ASKS, give_members,
     approve_give_verb},
    {"approve.list", ACTION_LIST, ADMIN_VAULT, list_members, approve_list_verb},
    {"approve.withdraw", ACTION_APPROVE, ADMIN_VAULT | ADMIN_CHANGES | ADMIN_ASKS, withdraw_members,
     approve_withdraw_verb},
};

const struct admin_chapter admin_approve_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
