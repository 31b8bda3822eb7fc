/*
 * Changes that widen the rights of whoever makes them wait for other administrators. What is asked
 * for is kept, with the hash of the policy it was compared with: under another policy it is
 * another change. An administrator who confirms puts it in force, where enough others have; one
 * that needs a PIN, which is kept nowhere, is then repeated by whoever asked for it.
 */
#include "pkcs11/admin_widen.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S  INT64_C(1000000000)
#define EXPIRES_S (7 * 86400)
#define HEX_MAX   (2 * PENDING_HASH_LEN + 1)

static int64_t now_of(const struct admin *a)
{
    return clock_realtime(engine_clock(a->run.app->engine)) / NS_PER_S;
}

/* ---- what is asked for ---- */

static int take_text(const char *text, size_t len, void *ctx)
{
    struct buf *whole = ctx;

    buf_put(whole, text, len);
    return buf_ok(whole) ? 0 : -1;
}

/* The same for the same members in any order. Of secrets it has the numbers only. */
static CK_RV print_request(const struct admin *a, struct buf *out)
{
    return json_dump_callback(a->request, take_text, out, JSON_COMPACT | JSON_SORT_KEYS) == 0
               ? CKR_OK
               : fail(CKR_ARGUMENTS_BAD, "a change of more than 10 MiB cannot wait");
}

static CK_RV hash_request(struct admin *a, struct bytes request, struct pending *p)
{
    static const char first[] = "keyward pending change\n";
    SCOPED(local_digest_free_p) struct local_digest *digest = NULL;
    const struct bytes parts[] = {BYTES(first, sizeof(first)), BYTES(a->run.vault.id, VAULT_ID_LEN),
                                  BYTES(p->applier, strlen(p->applier) + 1),
                                  BYTES(p->base, strlen(p->base) + 1), request};
    uint8_t out[LOCAL_DIGEST_MAX];
    size_t len = 0;
    CK_RV rv = local_digest_new(run_local(&a->run), CKM_SHA256, &digest);

    for (size_t i = 0; rv == CKR_OK && i < sizeof(parts) / sizeof(*parts); i++)
        rv = local_digest_update(digest, parts[i]);
    if (rv == CKR_OK)
        rv = local_digest_final(digest, out, &len);
    if (rv == CKR_OK)
        memcpy(p->hash, out, PENDING_HASH_LEN);
    return rv;
}

static void put_who(const struct admin *a, char out[static PENDING_PRINCIPAL_MAX + 1])
{
    (void)snprintf(out, PENDING_PRINCIPAL_MAX + 1, "%.*s", PENDING_PRINCIPAL_MAX,
                   a->run.gate.grant.principal);
}

static unsigned confirmations(const struct pending *p)
{
    unsigned n = 0;

    for (const char *c = p->confirmed; *c != '\0'; c++)
        n += *c == '\n';
    return n;
}

/* ---- before a verb acts ---- */

static CK_RV keep(struct admin *a, struct pending *p, const struct widening *widening,
                  unsigned wanted, struct bytes request)
{
    char hex[HEX_MAX];
    char sentence[2 * FAIL_REASON_MAX];
    CK_RV rv;

    p->created = now_of(a);
    p->expires = p->created + EXPIRES_S;
    (void)snprintf(p->verdict, sizeof(p->verdict), "%s", widening->verdict);
    rv = pending_put(run_store(&a->run), &a->run.vault, p, request);
    if (rv != CKR_OK)
        return rv;
    bytes_to_hex(BYTES(p->hash, PENDING_HASH_LEN), hex);
    (void)snprintf(sentence, sizeof(sentence), "pending as %s: %s by %s on policy %.16s (%s)", hex,
                   a->verb->name, p->applier, p->base, p->verdict);
    rv = gate_warn(&a->run, sentence);
    return rv == CKR_OK ? fail(CKR_FUNCTION_REJECTED,
                               "it widens your own rights (%s): pending until %u other "
                               "administrators confirm it: keyward policy confirm %s %s",
                               p->verdict, wanted - 1, a->run.vault.name, hex)
                        : rv;
}

/* One that was asked for before, and confirmed, is done now. */
static CK_RV look_for_it(struct admin *a, struct pending *p, unsigned wanted, bool *ret_done)
{
    SCOPED(buf_release_secure) struct buf request = BUF_INIT(PENDING_REQUEST_MAX);
    struct pending there;
    CK_RV rv = pending_get(run_store(&a->run), &a->run.vault, p->hash, &there, &request);

    if (rv == CKR_ACTION_PROHIBITED)
        return CKR_OK;
    if (rv != CKR_OK || there.expires <= now_of(a))
        return rv;
    memcpy(p->confirmed, there.confirmed, sizeof(p->confirmed));
    *ret_done = confirmations(&there) + 1 >= wanted;
    return *ret_done ? pending_remove(run_store(&a->run), &a->run.vault, p->hash) : CKR_OK;
}

static CK_RV wait_for_others(struct admin *a, const struct widening *widening, unsigned wanted)
{
    SCOPED(buf_release_secure) struct buf request = BUF_INIT(PENDING_REQUEST_MAX);
    struct pending p = {.created = 0};
    bool done = false;
    CK_RV rv = print_request(a, &request);

    put_who(a, p.applier);
    memcpy(p.base, a->run.gate.grant.policy, sizeof(p.base));
    if (rv == CKR_OK)
        rv = hash_request(a, buf_bytes(&request), &p);
    if (rv == CKR_OK)
        rv = look_for_it(a, &p, wanted, &done);
    return rv == CKR_OK && !done ? keep(a, &p, widening, wanted, buf_bytes(&request)) : rv;
}

CK_RV admin_guard(struct admin *a)
{
    struct widening widening;
    unsigned wanted = 1;
    CK_RV rv;

    if (a->confirmed || !a->run.has_vault || !admin_changes_rights(a->verb->name))
        return CKR_OK;
    rv = admin_confirmations(a, &wanted);
    if (rv != CKR_OK || wanted <= 1)
        return rv;
    rv = admin_widens(a, &widening);
    return rv == CKR_OK && widening.widens ? wait_for_others(a, &widening, wanted) : rv;
}

/* ---- policy.pending ---- */

struct listing {
    struct admin *a;
    json_t *list;
};

static json_t *lines_json(const char *lines)
{
    json_t *list = json_array();

    while (*lines != '\0') {
        size_t n = strcspn(lines, "\n");

        (void)json_array_append_new(list, admin_json_text(BYTES(lines, n)));
        lines += n + (lines[n] == '\n');
    }
    return list;
}

static CK_RV list_one(void *ctx, const struct pending *p, struct bytes request)
{
    struct listing *l = ctx;
    char hex[HEX_MAX];
    const char *verb;
    json_t *json, *asked;

    if (p->expires <= now_of(l->a))
        return CKR_OK;
    asked = json_loadb((const char *)request.data, request.len, 0, NULL);
    verb = json_string_value(json_object_get(asked, "verb"));
    bytes_to_hex(BYTES(p->hash, PENDING_HASH_LEN), hex);
    json = json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "hash", hex, "change",
                     verb != NULL ? verb : "", "by", admin_json_text(bytes_from_str(p->applier)),
                     "verdict", p->verdict, "policy", p->base, "confirmed",
                     lines_json(p->confirmed), "created", admin_json_time(p->created), "expires",
                     admin_json_time(p->expires), "request", asked);
    return admin_append(l->list, json);
}

static CK_RV policy_pending_verb(struct admin *a)
{
    struct listing l = {.a = a, .list = json_array()};
    unsigned wanted = 1;
    CK_RV rv = admin_put(a->answer, "pending", l.list);

    if (rv == CKR_OK)
        rv = admin_confirmations(a, &wanted);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "administrators-needed", json_integer((json_int_t)wanted));
    return rv == CKR_OK ? pending_each(run_store(&a->run), &a->run.vault, list_one, &l) : rv;
}

/* ---- policy.confirm, policy.withdraw ---- */

static CK_RV find_pending(struct admin *a, struct pending *ret, struct buf *request)
{
    uint8_t hash[PENDING_HASH_LEN];
    CK_RV rv;

    if (!bytes_from_hex(admin_text(a, "hash"), hash, sizeof(hash)))
        return fail(CKR_ARGUMENTS_BAD, "hash: 64 hex digits, as keyward policy pending shows them");
    rv = pending_get(run_store(&a->run), &a->run.vault, hash, ret, request);
    if (rv != CKR_OK)
        return rv;
    if (ret->expires > now_of(a) && strcmp(ret->base, a->run.gate.grant.policy) == 0)
        return CKR_OK;
    rv = pending_remove(run_store(&a->run), &a->run.vault, hash);
    return rv == CKR_OK ? fail(CKR_ACTION_PROHIBITED,
                               "this change is void: it has expired, or another policy was applied "
                               "since it was asked for; it must be asked for anew")
                        : rv;
}

static CK_RV add_confirmation(struct admin *a, struct pending *p)
{
    char me[PENDING_PRINCIPAL_MAX + 1];
    char line[PENDING_PRINCIPAL_MAX + 2];
    size_t len = strlen(p->confirmed);
    int n;

    put_who(a, me);
    if (strcmp(me, p->applier) == 0)
        return fail(CKR_ACTION_PROHIBITED, "%s has asked for it: another administrator confirms it",
                    me);
    n = snprintf(line, sizeof(line), "%s\n", me);
    if (strstr(p->confirmed, line) != NULL)
        return fail(CKR_ACTION_PROHIBITED, "%s has confirmed it already", me);
    if (n < 0 || len + (size_t)n > PENDING_CONFIRMED_MAX)
        return fail(CKR_FUNCTION_FAILED, "it has all the confirmations it can have");
    memcpy(p->confirmed + len, line, (size_t)n + 1);
    return CKR_OK;
}

static bool has_secret(const struct admin_verb *verb, const json_t *request)
{
    for (const struct admin_member *m = verb->members; m->name != NULL; m++)
        if (m->kind == MEMBER_SECRET && json_object_get(request, m->name) != NULL)
            return true;
    return false;
}

/* As whoever confirmed last, who must be allowed the change too. */
static CK_RV act_on(struct admin *a, const struct admin_verb *verb, json_t *request)
{
    const struct ask ask = {.action = verb->action};
    json_t *own = a->request;
    CK_RV rv;

    a->run.permission = permission_of_verb(verb->name, verb->action);
    rv = gate_ask(&a->run, &ask);
    if (rv != CKR_OK)
        return rv;
    a->request = request;
    a->confirmed = true;
    rv = verb->act(a);
    a->request = own;
    return rv;
}

static CK_RV note_confirmation(struct admin *a, const struct pending *p, const char *verb,
                               bool enough)
{
    char hex[HEX_MAX];
    char sentence[2 * FAIL_REASON_MAX];

    bytes_to_hex(BYTES(p->hash, PENDING_HASH_LEN), hex);
    (void)snprintf(sentence, sizeof(sentence), "confirmed %s: %s by %s on policy %.16s (%s)%s", hex,
                   verb, p->applier, p->base, p->verdict, enough ? "" : ", not yet by enough");
    return gate_warn(&a->run, sentence);
}

/* Confirmed by enough: done now, or left for who asked to repeat it with its secret. */
static CK_RV finish(struct admin *a, const struct pending *p, const struct admin_verb *verb,
                    json_t *request, struct bytes text)
{
    struct store *store = run_store(&a->run);
    bool repeated = has_secret(verb, request);
    CK_RV rv = repeated ? pending_put(store, &a->run.vault, p, text)
                        : pending_remove(store, &a->run.vault, p->hash);

    if (rv == CKR_OK && !repeated)
        rv = act_on(a, verb, request);
    return rv == CKR_OK ? admin_put(a->answer, "done", json_boolean(!repeated)) : rv;
}

static CK_RV confirm(struct admin *a, struct pending *p, json_t *request, struct bytes text)
{
    const char *name = json_string_value(json_object_get(request, "verb"));
    const struct admin_verb *verb = name != NULL ? admin_verb_find(name) : NULL;
    unsigned wanted = 1;
    bool enough;
    CK_RV rv;

    if (verb == NULL)
        return fail_internal("a pending change has a verb");
    rv = add_confirmation(a, p);
    if (rv == CKR_OK)
        rv = admin_confirmations(a, &wanted);
    enough = confirmations(p) + 1 >= wanted;
    if (rv == CKR_OK)
        rv = note_confirmation(a, p, name, enough);
    if (rv == CKR_OK)
        rv = admin_put(a->answer, "missing",
                       json_integer(enough ? 0 : (json_int_t)(wanted - 1 - confirmations(p))));
    if (rv != CKR_OK)
        return rv;
    if (enough)
        return finish(a, p, verb, request, text);
    rv = pending_put(run_store(&a->run), &a->run.vault, p, text);
    return rv == CKR_OK ? admin_put(a->answer, "done", json_false()) : rv;
}

static CK_RV policy_confirm_verb(struct admin *a)
{
    SCOPED(buf_release_secure) struct buf text = BUF_INIT(PENDING_REQUEST_MAX);
    struct pending p;
    json_t *request;
    CK_RV rv = find_pending(a, &p, &text);

    if (rv != CKR_OK)
        return rv;
    request = json_loadb((const char *)text.data, text.len, 0, NULL);
    rv = request != NULL ? confirm(a, &p, request, buf_bytes(&text)) : fail_memory();
    json_decref(request);
    return rv;
}

/* By any administrator: to ask for it anew costs nobody anything. */
static CK_RV policy_withdraw_verb(struct admin *a)
{
    SCOPED(buf_release_secure) struct buf text = BUF_INIT(PENDING_REQUEST_MAX);
    struct pending p;
    CK_RV rv = find_pending(a, &p, &text);

    return rv == CKR_OK ? pending_remove(run_store(&a->run), &a->run.vault, p.hash) : rv;
}

/* ---- the chapter ---- */

static const struct admin_member pending_members[] = {{"vault", MEMBER_TEXT, true}, {0}};
static const struct admin_member hash_members[] = {
    {"vault", MEMBER_TEXT, true}, {"hash", MEMBER_TEXT, true}, {0}};

static const struct admin_verb verbs[] = {
    {"policy.pending", ACTION_READ_POLICY, ADMIN_VAULT, pending_members, policy_pending_verb},
    {"policy.confirm", ACTION_APPLY_POLICY, ADMIN_VAULT | ADMIN_CHANGES, hash_members,
     policy_confirm_verb},
    {"policy.withdraw", ACTION_APPLY_POLICY, ADMIN_VAULT | ADMIN_CHANGES, hash_members,
     policy_withdraw_verb},
};

const struct admin_chapter admin_confirm_chapter = {verbs, sizeof(verbs) / sizeof(*verbs)};
