/*
 * Who administers a vault: who may apply its policy by a permit that says for which actions it is.
 * One for every action at once makes no administrator: whom it permits has the use of keys already,
 * and gains nothing by writing policy. Everybody that the policies name or the vault's directory
 * knows is asked for, in the groups that he is in. Who is in a group of the system cannot be known
 * here: a group of it that may counts as one.
 */
#include "pkcs11/admin_widen.h"
#include "policy/analysis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX 256
#define ENTITIES_MAX   6
#define GROUPS_MAX     64
#define PERMITS_MAX    64 /* that are looked at, of those that permit one to apply a policy */

struct counting {
    struct admin *a;
    const struct bytes *text;
    struct directory *directory;
    char names[CANDIDATES_MAX][PRINCIPAL_MAX + 1]; /* as the directory has them */
    size_t name_count;
    unsigned unix_groups;
    unsigned count;
};

static const struct {
    const char *prefix, *type;
} kinds[] = {{"user:", "User"}, {"unix:", "Unix"}, {"token:", "Token"}};

#define KINDS (sizeof(kinds) / sizeof(*kinds))

/* ---- who is asked for ---- */

static void add_name(struct counting *c, const char *prefix, struct bytes id)
{
    char name[PRINCIPAL_MAX + 1];
    int n = snprintf(name, sizeof(name), "%s%.*s", prefix, (int)id.len, (const char *)id.data);

    if (n <= 0 || (size_t)n >= sizeof(name) || c->name_count == CANDIDATES_MAX)
        return;
    for (size_t i = 0; i < c->name_count; i++)
        if (strcmp(c->names[i], name) == 0)
            return;
    memcpy(c->names[c->name_count++], name, sizeof(name));
}

static void add_row(struct counting *c, const struct policy *policy, const struct policy_who *who)
{
    bool group = who->anybody && policy_is_for_actions(policy, who->by);

    for (size_t i = 0; i < KINDS && !who->anybody; i++)
        if (bytes_equal_str(who->principal.type, kinds[i].type))
            add_name(c, kinds[i].prefix, who->principal.id);
    for (size_t e = 0; e < who->example.entity_count && group; e++)
        for (size_t g = 0; g < who->example.entities[e].ancestor_count; g++)
            if (bytes_equal_str(who->example.entities[e].ancestors[g].type, "UnixGroup"))
                c->unix_groups++;
}

static CK_RV add_known(struct counting *c)
{
    SCOPED_FREE struct user_info *users = NULL;
    struct run *run = &c->a->run;
    size_t count = 0;
    const struct link *links = directory_links(c->directory, LINK_MEMBER, NULL, &count);
    CK_RV rv;

    for (size_t i = 0; i < count; i++)
        add_name(c, "", bytes_from_str(links[i].from));
    rv = user_list(run_store(run), &run->vault, &users, &count);
    for (size_t i = 0; rv == CKR_OK && i < count; i++)
        add_name(c, "user:", bytes_from_str(users[i].name));
    return rv;
}

/* ---- may they? ---- */

static int entity_order(const struct policy_entity *x, const struct policy_entity *y)
{
    int c = bytes_compare(x->uid.type, y->uid.type);

    return c != 0 ? c : bytes_compare(x->uid.id, y->uid.id);
}

/* The candidate in the place of whoever asks; the list stays sorted. */
static size_t put_entities(const struct policy_request *request, const struct policy_entity *who,
                           struct policy_entity *entities)
{
    size_t n = 0, at;

    for (size_t i = 0; i < request->entity_count && n < ENTITIES_MAX - 1; i++)
        if (!bytes_equal(request->entities[i].uid.type, request->principal.type) ||
            !bytes_equal(request->entities[i].uid.id, request->principal.id))
            entities[n++] = request->entities[i];
    for (at = n++; at > 0 && entity_order(who, &entities[at - 1]) < 0; at--)
        entities[at] = entities[at - 1];
    entities[at] = *who;
    return n;
}

static bool may_apply(const struct counting *c, const struct policy *policy,
                      const struct policy_request *given, const struct policy_entity *who)
{
    const struct run *run = &c->a->run;
    int64_t now = clock_realtime(engine_clock(run->app->engine)) / 1000000;
    const struct policy_value text = {.kind = POLICY_STRING};
    struct policy_field context[] = {
        {BYTES_LIT("approvals"), {.kind = POLICY_LONG}},
        {BYTES_LIT("function"), text},
        {BYTES_LIT("loggedIn"), {.kind = POLICY_BOOL, .u.boolean = true}},
        {BYTES_LIT("now"), {.kind = POLICY_LONG, .u.number = now / 1000}},
        {BYTES_LIT("readWrite"), {.kind = POLICY_BOOL, .u.boolean = true}},
        {BYTES_LIT("time"), {.kind = POLICY_DATETIME, .u.number = now}},
        {BYTES_LIT("vault"), text},
        {BYTES_LIT("via"), text},
    };
    struct policy_entity entities[ENTITIES_MAX];
    struct policy_request request = *given;
    uint32_t permits[PERMITS_MAX];
    struct policy_verdict verdict = {.reasons = permits, .max = PERMITS_MAX};

    context[1].value.u.string = BYTES_LIT("policy.apply");
    context[6].value.u.string = bytes_from_str(run->vault.name);
    context[7].value.u.string = BYTES_LIT("admin");
    request.principal = who->uid;
    request.entity_count = put_entities(given, who, entities);
    request.entities = entities;
    request.context = (struct policy_value){
        .kind = POLICY_RECORD,
        .u.record = {.fields = context, .count = sizeof(context) / sizeof(*context)}};
    policy_decide(policy, &request, &verdict);
    for (size_t i = 0; verdict.allow && i < verdict.reason_count && i < PERMITS_MAX; i++)
        if (policy_is_for_actions(policy, permits[i]))
            return true;
    return false;
}

static bool is_administrator(const struct counting *c, const struct policy *policy,
                             const struct policy_request *given, const char *name)
{
    struct policy_uid groups[GROUPS_MAX];
    struct policy_entity who = {.ancestors = groups, .attributes = {.kind = POLICY_RECORD}};
    struct user_info user;
    size_t count = 0;
    const struct link *links = directory_links(c->directory, LINK_MEMBER, name, &count);

    for (size_t i = 0; i < KINDS; i++)
        if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            who.uid = (struct policy_uid){.type = bytes_from_str(kinds[i].type),
                                          .id = bytes_from_str(name + strlen(kinds[i].prefix))};
    if (strncmp(name, "user:", 5) == 0 &&
        user_get(run_store(&c->a->run), &c->a->run.vault, name + 5, &user) != CKR_OK)
        return false;
    for (size_t i = 0; i < count && who.ancestor_count < GROUPS_MAX; i++)
        groups[who.ancestor_count++] =
            (struct policy_uid){.type = BYTES_LIT("Group"), .id = bytes_from_str(links[i].to)};
    return may_apply(c, policy, given, &who);
}

static CK_RV count_under(struct counting *c, const struct policy *policy,
                         const struct policy_request *given)
{
    struct policy_who_list list = {.items = NULL};
    CK_RV rv = policy_who_can(policy, given, POLICY_WORK_MAX, &list);

    for (size_t i = 0; rv == CKR_OK && i < list.count; i++)
        add_row(c, policy, &list.items[i]);
    policy_who_release(&list);
    if (rv == CKR_OK)
        rv = add_known(c);
    c->count = c->unix_groups;
    for (size_t i = 0; rv == CKR_OK && i < c->name_count; i++)
        c->count += is_administrator(c, policy, given, c->names[i]);
    return rv;
}

static CK_RV count_under_text(struct counting *c, const struct policy_request *given)
{
    SCOPED(policy_free_p) struct policy *policy = NULL;
    SCOPED(buf_release_secure) struct buf home = BUF_INIT(POLICY_TEXT_MAX);
    struct policy_error error;
    CK_RV rv = store_get_home(run_store(&c->a->run), "policy", &home);
    const struct policy_source sources[] = {
        {.name = "home", .text = buf_bytes(&home), .prefix = HOME_PREFIX},
        {.name = "new", .text = *c->text, .prefix = ""}};

    if (rv == CKR_OK)
        rv = policy_load(sources, 2, &policy, &error);
    return rv == CKR_OK ? count_under(c, policy, given) : rv;
}

static CK_RV tell(void *ctx, const struct policy *policy, const struct policy_request *request)
{
    struct counting *c = ctx;

    if (c->text != NULL)
        return count_under_text(c, request);
    return policy != NULL ? count_under(c, policy, request) : CKR_OK;
}

CK_RV admin_count_administrators(struct admin *a, const struct bytes *text, unsigned *ret)
{
    const struct ask ask = {.action = ACTION_APPLY_POLICY};
    SCOPED_FREE struct counting *c = calloc(1, sizeof(*c));
    CK_RV rv;

    if (c == NULL)
        return fail_memory();
    c->a = a;
    c->text = text;
    rv = directory_load(run_store(&a->run), &a->run.vault, &c->directory);
    if (rv == CKR_OK)
        rv = gate_who_can(&a->run, &ask, tell, c);
    directory_free(c->directory);
    *ret = c->count;
    return rv;
}
